"""Models of one's own: what is proven before a package is written, and what is refused."""

from __future__ import annotations

import dataclasses

import handmade_png
import numpy as np
import pytest
import torch

from emoface import Package
from emoface.errors import OutputError, PersonError
from emoface.person import Person
from emoface.verification import verify_golden
from emoface_export.errors import ExportError
from emoface_export.face_file import FaceArrays, read_face, with_textures
from emoface_export.own_model import OwnModel, OwnStage, export_own, golden_of, model_sha256
from emoface_training.nn.stage import Stage


class Level(Stage):
    """Mean square of each window, smoothed with the feature before; `late` gives what belongs one feature earlier."""

    cadence = "block"
    input_names = ("audio",)
    output_names = ("level",)
    start = 0.25

    def initial_state(self, batch):
        return {"last": torch.full((batch, 1, 1), self.start)}

    def step(self, inputs, state):
        power = torch.nn.functional.conv1d(inputs["audio"][:, None] ** 2, torch.full((1, 1, 400), 1 / 400), stride=320)
        power = power.transpose(1, 2)
        known = torch.cat((state["last"], power), 1)
        return {"level": known[:, :-1] + known[:, 1:]}, {"last": power[:, -1:]}


class Forgetful(Stage):
    """Moves by the power of the sound so far, but keeps none of it: small calls differ from one call."""

    cadence = "block"
    input_names = ("audio",)
    output_names = ("offsets",)

    def __init__(self, vertices):
        super().__init__()
        self.vertices = vertices

    def step(self, inputs, state):
        power = torch.nn.functional.conv1d(inputs["audio"][:, None] ** 2, torch.full((1, 1, 400), 1 / 400), stride=320)
        total = power.cumsum(2).transpose(1, 2)
        return {"offsets": total[..., None].expand(-1, -1, self.vertices, 3) * 0.01}, {}


class Swell(Stage):
    cadence = "frames"
    input_names = ("level",)
    output_names = ("size",)

    def step(self, inputs, state):
        return {"size": torch.tanh(10 * inputs["level"])}, {}


class Puff(Stage):
    cadence = "frame"
    input_names = ("size", "style")
    output_names = ("offsets",)

    def __init__(self, vertices):
        super().__init__()
        self.register_buffer("direction", torch.linspace(0.01, 0.02, 3 * vertices).reshape(vertices, 3))

    def initial_state(self, batch):
        return {"count": torch.zeros(batch)}

    def step(self, inputs, state):
        count = state["count"] + 1
        scale = inputs["size"][:, 0] * inputs["style"].sum(1, keepdim=True) + 0.01 * count[:, None]
        return {"offsets": scale[:, None, :, None] * self.direction}, {"count": count}


@pytest.fixture
def model(package):
    face = package.face
    puff = OwnStage("puff", Puff(len(face.template)), {"size": "swell.size", "style": "condition.style"})
    return OwnModel(
        name="puff",
        stages=(
            OwnStage("level", Level(), {"audio": "audio"}),
            OwnStage("swell", Swell(), {"level": "level.level"}),
            puff,
        ),
        outputs={"offsets": "puff.offsets"},
        face=FaceArrays(face.template, face.faces, face.colours, dict(face.masks)),
        conditions={"style": np.float32([0.5, 0.5])},
        styles=("anna", "ben"),
        delay_features=0,
    )


def test_three_cadences_with_an_initial_state_are_proven_and_run(model, tmp_path):
    manifest = export_own(model, tmp_path / "puff.emoface")
    assert [stage.cadence for stage in manifest.stages] == ["block", "frames", "frame"]
    assert manifest.stage("level").state[0].initial == 0.25
    package = Package.load(tmp_path / "puff.emoface")
    checks = verify_golden(package)
    assert {check.name for check in checks} == {"golden level.level", "golden swell.size", "golden puff.offsets"}
    assert all(check.passed for check in checks)
    with pytest.raises(OutputError, match="exists already"):
        export_own(model, tmp_path / "puff.emoface")


def test_assets_of_the_face_make_a_package_of_format_2(model, tmp_path):
    assert export_own(model, tmp_path / "plain.emoface").format == 1
    template, count = model.face.template, len(model.face.faces)
    arrays = {
        "template": template,
        "faces": model.face.faces,
        "uvs": np.linspace(0, 1, 2 * len(template)).reshape(-1, 2),  # float64 and int64 are stored narrower
        "uv_faces": model.face.faces.astype(np.int64),
        "normal_groups": np.arange(count) // 2,
        "pivots": np.eye(4, 3),
        "identity.wide": template * [1.5, 1, 1],
        "identity.wide.pivots": 2 * np.eye(4, 3),
        "motion_basis": np.zeros(3),  # what a package does not have is left out
    }
    np.savez(tmp_path / "face.npz", **arrays)
    (tmp_path / "skin.png").write_bytes(handmade_png.image())
    face = with_textures(read_face(tmp_path / "face.npz"), {"albedo": tmp_path / "skin.png"})
    manifest = export_own(dataclasses.replace(model, face=face), tmp_path / "face.emoface")
    assert manifest.format == 2 and manifest.textures == {"albedo": "albedo.png"}
    loaded = Package.load(tmp_path / "face.emoface").face
    for name in ("uvs", "uv_faces", "normal_groups", "pivots"):
        assert np.array_equal(getattr(loaded, name), arrays[name].astype(getattr(loaded, name).dtype)), name
    assert np.array_equal(loaded.identities["wide"].template, np.float32(arrays["identity.wide"]))
    assert np.array_equal(loaded.identities["wide"].pivots, np.float32(2 * np.eye(4, 3)))
    assert loaded.textures == {"albedo": handmade_png.image()}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"identity.wide": np.zeros((3, 3))}, r"identity\.wide = shape \(3, 3\)"),
        ({"uvs": np.zeros((4, 2))}, "uv_faces = nothing"),
        ({"pivots": np.full((4, 3), np.nan)}, "pivots = NaN"),
        ({"normal_groups": np.array(["skin"])}, "normal_groups = shape"),
    ],
)
def test_assets_that_do_not_fit_are_refused(model, tmp_path, changed, message):
    np.savez(tmp_path / "face.npz", template=model.face.template, faces=model.face.faces, **changed)
    with pytest.raises(ExportError, match=message):
        read_face(tmp_path / "face.npz")


def test_golden_vectors_hold_few_frames_of_vertex_size(model):
    arrays = golden_of(model)
    assert len(arrays["frames"]) == len(arrays["puff.offsets"]) == 6
    assert arrays["swell.size"].shape == (18, 1)
    # Frame m of the counter is m + 1.
    rest = arrays["puff.offsets"][:, 0, 0] / 0.01 - arrays["swell.size"][arrays["frames"], 0]
    np.testing.assert_allclose(rest, 0.01 * (arrays["frames"] + 1), atol=1e-5)


def test_a_stage_that_forgets_is_refused_and_nothing_is_written(model, tmp_path):
    forgetful = OwnStage("puff", Forgetful(len(model.face.template)), {"audio": "audio"})
    broken = dataclasses.replace(model, stages=(forgetful,), conditions={}, styles=())
    with pytest.raises(ExportError, match=r"golden puff.offsets: .* check its state"):
        export_own(broken, tmp_path / "x.emoface")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sources": {"level": "puff.offsets"}}, "'level' from 'puff.offsets'"),
        ({"sources": {}}, "'level' from None"),
        ({"outputs": {"emotion": "swell.size"}}, "outputs.offsets = None"),
        ({"outputs": {"offsets": "puff.offset"}}, "outputs.offsets = 'puff.offset'"),
        ({"conditions": {}}, "condition.style"),
    ],
)
def test_wiring_that_cannot_be(model, tmp_path, changes, text):
    if "sources" in changes:
        broken = OwnStage("swell", Swell(), changes.pop("sources"))
        changes["stages"] = (model.stages[0], broken, model.stages[2])
    with pytest.raises(ExportError, match=text):
        export_own(dataclasses.replace(model, **changes), tmp_path / "x.emoface")
    assert list(tmp_path.iterdir()) == []


class Spoken(Swell):
    """As Swell, for the person alone."""

    input_names = ("level", "person")

    def __init__(self):
        super().__init__()
        self.heard = torch.nn.Linear(2, 1)

    def step(self, inputs, state):
        return {"size": torch.sigmoid(10 * inputs["level"] + self.heard(inputs["person"])[:, None])}, {}


def test_persons_and_the_hash_of_the_weights(model, tmp_path):
    sources = {"level": "level.level", "person": "condition.person"}
    changes = {
        "stages": (model.stages[0], OwnStage("swell", Spoken(), sources), model.stages[2]),
        "conditions": {**model.conditions, "person": np.float32([1, 0])},
        "persons": ("mia", "noah"),
    }
    spoken = dataclasses.replace(model, **changes)
    manifest = export_own(spoken, tmp_path / "spoken.emoface")
    assert (manifest.format, manifest.persons, manifest.model_sha256) == (2, ("mia", "noah"), model_sha256(spoken))
    # Of every export of these weights, and of no other weights.
    longer = dataclasses.replace(spoken, block_features=5)
    assert export_own(longer, tmp_path / "longer.emoface").model_sha256 == manifest.model_sha256
    with torch.no_grad():
        spoken.stages[1].module.heard.bias += 1e-3
    other = tmp_path / "other.emoface"
    assert export_own(spoken, other).model_sha256 == model_sha256(spoken) != manifest.model_sha256
    person = Person("half", manifest.model_sha256, {"mia": 0.5, "noah": 0.5})
    package = Package.load(tmp_path / "spoken.emoface")
    audio = (0.2 * np.random.default_rng(4).standard_normal(8000)).astype(np.float32)
    with package.animator(person=person) as one, package.animator(person=[0.5, 0.5]) as two:
        assert one.step(audio).vertices.tobytes() == two.step(audio).vertices.tobytes()
    with pytest.raises(PersonError, match=r"of the model .*expected one of the model"):
        Package.load(other).animator(person=person)


def test_a_package_of_format_1_names_no_model(model, tmp_path):
    manifest = export_own(model, tmp_path / "puff.emoface")
    assert (manifest.format, manifest.model_sha256) == (1, "")


def test_what_a_stage_hears_in_the_voice_is_an_output(model, tmp_path):
    path, outputs = tmp_path / "loud.emoface", {**model.outputs, "arousal": "swell.size", "valence": "level.level"}
    manifest = export_own(dataclasses.replace(model, outputs=outputs), path)
    assert (manifest.format, len(manifest.model_sha256)) == (2, 64)
    audio = (0.2 * np.random.default_rng(4).standard_normal(8000)).astype(np.float32)
    with Package.load(path).animator() as animator:
        frames = animator.step(audio)
    assert frames.arousal.shape == frames.valence.shape == (len(frames), 1) and frames.confidence.shape[1] == 0
    np.testing.assert_allclose(frames.arousal, np.tanh(10 * frames.valence), rtol=1e-5)
