"""Persons: named conditions, and person files, which belong to one model."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import handmade
import handmade_person
import numpy as np
import pytest
from handmade_person import MODEL_SHA256, PERSONS
from person_cases import ACCEPTED, REFUSED, UNFIT, changed, weighing

from emoface import FrameBatch, Package, animate
from emoface.cli.main import main
from emoface.errors import ConditionError, ManifestError, OutputError, PersonError
from emoface.manifest import Manifest
from emoface.person import Person
from emoface.stream.conditions import condition_vector


@pytest.fixture(scope="module")
def persons_path(tmp_path_factory) -> Path:
    return handmade.write_zip(tmp_path_factory.mktemp("persons") / "persons.emoface", handmade_person.package_files())


@pytest.fixture(scope="module")
def persons(persons_path) -> Package:
    return Package.load(persons_path)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def vertices(package, sound, **options) -> bytes:
    with package.animator(**options) as animator:
        return FrameBatch.concat([animator.step(sound), animator.flush()]).vertices.tobytes()


def test_the_manifest_says_its_persons(persons):
    manifest = persons.manifest
    assert (manifest.persons, manifest.choices("person"), manifest.model_sha256) == (PERSONS, PERSONS, MODEL_SHA256)
    keys = list(manifest.to_json())
    assert keys[keys.index("levels") + 1] == "persons" and keys[keys.index("family") + 1] == "model_sha256"
    assert Manifest.from_json(manifest.to_text()) == manifest


@pytest.mark.parametrize("field", [{"persons": ()}, {"model_sha256": ""}])
def test_a_manifest_made_in_code_has_neither_in_format_1(persons, field):
    values = {name: getattr(persons.manifest, name) for name in Manifest.__dataclass_fields__} | field
    with pytest.raises(ManifestError, match="none in format 1"):
        Manifest(**{**values, "format": 1})


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted_files(persons, tmp_path, case):
    data, vector = ACCEPTED[case]
    path = written(tmp_path / "anna.json", data)
    for given in (path, str(path), Person.load(path)):
        assert condition_vector(persons.manifest, "person", given).tolist() == np.float32(vector).tolist()
    person = Person.load(path)
    person.save(tmp_path / "again.json")
    assert Person.load(tmp_path / "again.json") == person == pickle.loads(pickle.dumps(person))
    assert hash(person) == hash(Person.load(path))


@pytest.mark.parametrize("case", REFUSED)
def test_refused_files(persons, tmp_path, case):
    data, place = REFUSED[case]
    path = written(tmp_path / "anna.json", data)
    with pytest.raises(PersonError) as raised:
        condition_vector(persons.manifest, "person", path)
    assert str(raised.value).startswith(f"got {path}: {place}")


@pytest.mark.parametrize("case", UNFIT)
def test_files_that_do_not_fit(persons, tmp_path, case):
    data, condition, said = UNFIT[case]
    with pytest.raises(PersonError) as raised:
        condition_vector(persons.manifest, condition, written(tmp_path / "anna.json", data))
    assert said in raised.value.got


def test_a_package_that_names_no_model(sound, tmp_path):
    files = handmade_person.package_files()
    manifest = json.loads(files["manifest.json"])
    del manifest["model_sha256"]
    nameless = handmade.write_zip(tmp_path / "a.emoface", {**files, "manifest.json": json.dumps(manifest).encode()})
    path = written(tmp_path / "anna.json", changed())
    with pytest.raises(PersonError, match=r"no model_sha256.*format 2"):
        Package.load(nameless).animator(person=path)


@pytest.mark.parametrize("value", ["nowhere.json", "folder.json", Path("nowhere")])
def test_files_that_cannot_be_read(persons, tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(PersonError, match="a person file that can be read"):
        persons.animator(person=value)


def test_conditions_that_take_no_person(persons, package, tmp_path):
    person = Person.load(written(tmp_path / "anna.json", changed()))
    for name in ("emotion", "level", "speaker_mean"):
        with pytest.raises(PersonError, match=f"a person for the condition '{name}'"):
            condition_vector(persons.manifest, name, person)
        with pytest.raises(ConditionError):
            condition_vector(persons.manifest, name, tmp_path / "anna.json")
    with pytest.raises(ConditionError, match="condition 'person'"):
        package.animator(person="mia")
    with pytest.raises(PersonError, match="no model_sha256"):
        package.animator(style=person)


@pytest.mark.parametrize(
    ("name", "digest", "weights"),
    [
        (7, MODEL_SHA256, {"mia": 1}),
        ("anna", None, {"mia": 1}),
        ("anna", MODEL_SHA256, None),
        ("anna", MODEL_SHA256, [1.0]),
        ("anna", MODEL_SHA256, {7: 1.0}),
        ("anna", MODEL_SHA256, {"mia": float("nan")}),
        ("anna", MODEL_SHA256, {"mia": 10**400}),
        ("anna", MODEL_SHA256, {"mia": 1j}),
    ],
)
def test_persons_that_cannot_be_made(name, digest, weights):
    with pytest.raises(PersonError):
        Person(name, digest, weights)


def test_a_style_that_is_called_like_a_file(tmp_path, sound):
    files = handmade_person.package_files(styles=["anna.json", "ben"])
    package = Package.load(handmade.write_zip(tmp_path / "a.emoface", files))
    assert condition_vector(package.manifest, "style", "anna.json").tolist() == [1.0, 0.0]


def test_saving_keeps_what_was_there(tmp_path):
    with pytest.raises(OutputError):
        Person("anna", MODEL_SHA256, {"mia": 1}).save(tmp_path / "nowhere" / "anna.json")
    person = Person("zoë", MODEL_SHA256, {"zoë": 0.1})
    person.save(tmp_path / "zoe.json")
    assert json.loads((tmp_path / "zoe.json").read_text("utf-8"))["weights"] == {"zoë": 0.1}
    with pytest.raises(TypeError):
        person.weights["zoë"] = 2


def test_persons_move_the_face_and_files_say_the_same(persons, sound, tmp_path):
    audio = sound(0.6)
    file = written(tmp_path / "both.json", weighing(mia=0.25, noah=0.75))
    frames = {name: vertices(persons, audio, person=name) for name in PERSONS}
    assert len({*frames.values(), vertices(persons, audio)}) == 4
    assert vertices(persons, audio, person=[0.25, 0.5, 0.25]) == vertices(persons, audio)
    mixed = vertices(persons, audio, person={"mia": 0.25, "noah": 0.75})
    assert mixed == vertices(persons, audio, person=str(file)) == vertices(persons, audio, person=Person.load(file))
    style = Person("half", MODEL_SHA256, {"anna": 0.5, "ben": 0.5})
    assert vertices(persons, audio, style=style) == vertices(persons, audio)


def test_changes_in_time_under_any_cut_in_pools_and_after_restore(persons, sound, tmp_path):
    audio, place = sound(1.0), 7001
    file = written(tmp_path / "both.json", weighing(zoë=1.5))

    def begun(animator):
        animator.set_person("mia", at=0.3)
        animator.set_person(file, at=0.6)
        return animator

    with persons.animator() as one, persons.animator() as two, persons.pool(voices=2, person="noah") as pool:
        whole = FrameBatch.concat([begun(one).step(audio), one.flush()]).vertices
        before = begun(two).step(audio[:place])
        saved = two.snapshot()
        one.reset()
        one.restore(saved)
        for animator in (one, two):
            after = FrameBatch.concat([before, animator.step(audio[place:]), animator.flush()])
            assert after.vertices.tobytes() == whole.tobytes()
        pool[1].set_person(None, at=0.0)
        begun(pool[1])
        first, second = pool.step_all([audio, audio])
        rest = pool.flush_all()
        assert FrameBatch.concat([second, rest[1]]).vertices.tobytes() == whole.tobytes()
        assert FrameBatch.concat([first, rest[0]]).vertices.tobytes() == vertices(persons, audio, person="noah")


def test_animate_and_the_command_line(persons, persons_path, sound, tmp_path, capsys):
    import soundfile

    audio = sound(0.5)
    soundfile.write(tmp_path / "a.wav", audio, 16000, subtype="FLOAT")
    file = written(tmp_path / "run=1.json", weighing(noah=1))
    expected = animate(audio, 16000, package=persons, person="noah").vertices
    for given in ("noah", "noah=1", str(file)):
        out = tmp_path / "out.npz"
        command = [
            "animate",
            str(tmp_path / "a.wav"),
            "--package",
            str(persons_path),
            "--person",
            given,
            "-o",
            str(out),
        ]
        assert main(command) == 0
        with np.load(out) as arrays:
            assert arrays["vertices"].tobytes() == expected.tobytes()
    other = written(tmp_path / "other.json", changed(model_sha256="1" * 64))
    command = ["animate", str(tmp_path / "a.wav"), "--package", str(persons_path), "-o", str(tmp_path / "no.npz")]
    assert main([*command, "--person", str(other)]) == 2
    assert main([*command, "--style", str(other)]) == 2
    assert main([*command, "--person", "nobody"]) == 2
    assert "of the model 111111111111..." in capsys.readouterr().err
    assert not (tmp_path / "no.npz").exists()
    assert main(["inspect", str(persons_path)]) == 0
    shown = capsys.readouterr().out
    assert MODEL_SHA256 in shown and "mia, noah, zoë" in shown
