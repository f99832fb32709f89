"""The Unity package, compiled and run by Mono: binding against the real library, component against a stand-in."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import handmade
import handmade_affect
import handmade_basis
import handmade_face
import handmade_gaze
import handmade_person
import header
import numpy as np
import pytest

import emoface
from emoface.manifest import AFFECT
from emoface.person import Person
from emoface.rig import HeadSway

ROOT = Path(__file__).resolve().parents[2]
ASSEMBLE = ROOT / "bindings" / "unity" / "Tools~" / "assemble.py"
COMPILER = shutil.which("gcc") or shutil.which("cc")
RATE = 16000

Check = Callable[..., str]


@pytest.mark.parametrize("name", ["LeftHandedAxes", "BlendshapeNames", "SmoothClock", "GarbageIsSeen"])
def test_core(check: Check, name: str) -> None:
    check(name)


@pytest.mark.skipif(COMPILER is None, reason="no C compiler: apt install gcc")
def test_structs_and_statuses_are_the_headers(check: Check, tmp_path: Path) -> None:
    (tmp_path / "layout").write_text(header.layouts(tmp_path, COMPILER))
    check("StructLayout", tmp_path / "layout")
    (tmp_path / "statuses").write_text(header.status_values(tmp_path, COMPILER))
    check("StatusValues", tmp_path / "statuses")


@pytest.mark.parametrize("emotion", ["auto", "happy"])
def test_frames_are_those_of_python(check: Check, tiny_package: Path, tmp_path: Path, emotion: str) -> None:
    time = np.arange(2 * RATE) / RATE
    audio = (0.4 * np.sin(2 * np.pi * 180 * time) * np.sin(2 * np.pi * 2 * time)).astype(np.float32)
    (tmp_path / "audio").write_bytes(audio.tobytes())
    check("Animate", tiny_package, tmp_path / "audio", tmp_path / "vertices", 777, emotion, 0)
    package = emoface.Package.load(tiny_package)
    with package.animator(precision="fp32", emotion=emotion) as animator:
        expected = emoface.FrameBatch.concat([animator.step(audio), animator.flush()]).vertices
    got = np.fromfile(tmp_path / "vertices", np.float32).reshape(-1, len(package.face.template), 3)
    assert got.shape == expected.shape
    motion = np.abs(expected - package.face.template).max()
    assert motion > 1e-3
    assert np.abs(got - expected).max() <= 1e-4 * motion


def test_chained_stages_noise_and_head_are_those_of_python(check: Check, tmp_path: Path) -> None:
    from chained import chained
    from emoface_export.own_model import export_own

    path, seed = tmp_path / "chained.emoface", (1 << 64) - 1
    export_own(chained(), path)
    audio = (0.2 * np.random.default_rng(4).standard_normal(RATE)).astype(np.float32)
    (tmp_path / "audio").write_bytes(audio.tobytes())
    check("Animate", path, tmp_path / "audio", tmp_path / "vertices", 777, "auto", seed)
    with emoface.Package.load(path).animator(backend="ort-cpu", noise_seed=seed) as animator:
        expected = emoface.FrameBatch.concat([animator.step(audio), animator.flush()]).vertices
    got = np.fromfile(tmp_path / "vertices", np.float32).reshape(expected.shape)
    assert np.abs(got - expected).max() <= 1e-6 * np.abs(expected).max()
    check("HeadPose", path, tmp_path / "audio", tmp_path / "rotations", tmp_path / "translations")
    with emoface.Package.load(path).animator(backend="ort-cpu") as animator:
        frames = animator.step(audio)
    for name, pose in (("rotations", frames.head_rotation), ("translations", frames.head_translation)):
        np.testing.assert_allclose(np.fromfile(tmp_path / name, np.float32), pose.ravel(), atol=1e-6)


def test_assets_of_a_face_and_frames_of_an_identity_are_those_of_python(
    check: Check, plain_package: Path, tmp_path: Path
) -> None:
    path = handmade.write_zip(tmp_path / "face.emoface", handmade_face.package_files())
    audio = (0.2 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    (tmp_path / "audio").write_bytes(audio.tobytes())
    for name, array in handmade_face.assets().items():
        (tmp_path / name).write_bytes(array.tobytes())
    (tmp_path / "albedo").write_bytes(handmade_face.TEXTURES["albedo"])
    check("FaceAssets", path, tmp_path / "audio", tmp_path / "vertices", tmp_path)
    check("NoFaceAssets", plain_package)
    with emoface.Package.load(path).animator(backend="ort-cpu", identity="anna") as animator:
        expected = emoface.FrameBatch.concat([animator.step(audio), animator.flush()]).vertices
    assert (tmp_path / "vertices").read_bytes() == expected.tobytes()


def test_head_poses_are_those_of_python(
    check: Check, moving_package: Path, plain_package: Path, tmp_path: Path
) -> None:
    audio = (0.2 * np.random.default_rng(0).standard_normal(2 * RATE)).astype(np.float32)
    (tmp_path / "audio").write_bytes(audio.tobytes())
    check("HeadPose", moving_package, tmp_path / "audio", tmp_path / "rotations", tmp_path / "translations")
    with emoface.Package.load(moving_package).animator(precision="fp32") as animator:
        expected = animator.step(audio)
    assert len(expected) > 50
    assert (tmp_path / "rotations").read_bytes() == expected.head_rotation.tobytes()
    assert (tmp_path / "translations").read_bytes() == expected.head_translation.tobytes()
    check("NoHeadPose", plain_package)


def test_gaze_and_head_sway_are_those_of_python(check: Check, tmp_path: Path) -> None:
    path = handmade.write_zip(tmp_path / "looking.emoface", handmade_gaze.with_gaze(handmade.package_files()))
    audio = (0.2 * np.random.default_rng(0).standard_normal(2 * RATE)).astype(np.float32)
    (tmp_path / "audio").write_bytes(audio.tobytes())
    check("GazeAndHeadSway", path, tmp_path / "audio", tmp_path / "vertices", tmp_path / "rotations")
    options = {"blinks": 7, "gaze": 0.5, "head_sway": HeadSway(seed=9)}
    with emoface.Package.load(path).animator(backend="ort-cpu", **options) as animator:
        expected = animator.step(audio)
    assert (tmp_path / "vertices").read_bytes() == expected.vertices.tobytes()
    assert (tmp_path / "rotations").read_bytes() == expected.head_rotation.tobytes()


def test_arousal_valence_and_confidence_are_those_of_python(check: Check, plain_package: Path, tmp_path: Path) -> None:
    path = handmade.write_zip(tmp_path / "feeling.emoface", handmade_affect.package_files())
    audio = (0.2 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    (tmp_path / "audio").write_bytes(audio.tobytes())
    check("Affect", path, tmp_path / "audio", tmp_path / "affect", plain_package)
    with emoface.Package.load(path).animator(backend="ort-cpu") as animator:
        expected = animator.step(audio)
    assert len(expected) > 20
    got = (tmp_path / "affect").read_bytes()
    assert got == b"".join(getattr(expected, name).tobytes() for name in AFFECT)


def test_coefficients_are_those_of_python(check: Check, plain_package: Path, tmp_path: Path) -> None:
    path = handmade.write_zip(tmp_path / "basis.emoface", handmade_basis.package_files())
    audio = (0.2 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    (tmp_path / "audio").write_bytes(audio.tobytes())
    made = [tmp_path / name for name in ("content", "emotion", "basis")]
    check("Coefficients", path, tmp_path / "audio", *made, plain_package)
    with emoface.Package.load(path).animator(backend="ort-cpu", vertices=False) as animator:
        expected = animator.step(audio)
    assert len(expected) > 20
    arrays = expected.coefficients, expected.emotion_coefficients, handmade_basis.shapes()
    assert [file.read_bytes() for file in made] == [array.tobytes() for array in arrays]


@pytest.fixture(scope="session")
def persons_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A handmade package with persons."""
    return handmade.write_zip(tmp_path_factory.mktemp("persons") / "persons.emoface", handmade_person.package_files())


def test_persons_are_those_of_python(check: Check, persons_package: Path, plain_package: Path, tmp_path: Path) -> None:
    audio = (0.2 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    (tmp_path / "audio").write_bytes(audio.tobytes())
    person = Person("both", handmade_person.MODEL_SHA256, {"mia": 0.25, "noah": 1.5})
    person.save(tmp_path / "both.json")
    check("Persons", persons_package, tmp_path / "audio", tmp_path / "both.json", tmp_path / "vertices", plain_package)
    with emoface.Package.load(persons_package).animator(backend="ort-cpu", person=person) as animator:
        animator.set_person("zoë", at=0.4)
        expected = animator.step(audio).vertices
    assert (tmp_path / "vertices").read_bytes() == expected.tobytes()


def test_the_component_takes_a_person(check: Check, persons_package: Path) -> None:
    check("PersonOfTheComponent", persons_package)


def test_the_component_refuses_a_head_that_moves(check: Check, moving_package: Path) -> None:
    check("HeadRefused", moving_package)


@pytest.mark.parametrize(
    "name",
    [
        "GoldenVectors",
        "ControlsChangeTheMotion",
        "AnyCutGivesTheSameBits",
        "SnapshotGoesOn",
        "SolverFindsWeights",
        "CalibrationChangesTheVoice",
        "BlinksThatTheFaceCannotDo",
        "PushAndSample",
        "QueueFull",
        "NoGarbage",
        "DisposeWhilePushing",
        "LogReachesTheProgram",
    ],
)
def test_binding(check: Check, shapes_package: Path, name: str) -> None:
    check(name, shapes_package)


def test_face_and_names(check: Check, shapes_package: Path) -> None:
    check("FaceAndNames", shapes_package, emoface.__version__)


def test_bad_input_is_refused_by_name(check: Check, shapes_package: Path, tiny_package: Path, tmp_path: Path) -> None:
    there = tmp_path / "größe-吉-📦.emoface"
    shutil.copyfile(tiny_package, there)
    check("BadInput", shapes_package, tmp_path / "nicht-hier-größe.emoface", there)


def test_an_absent_library_says_what_to_do(mono: str, assemblies: Path) -> None:
    command = [mono, str(assemblies / "Checks.exe"), "LibraryAbsent"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "FilterDrivesMesh",
        "LagLeavesTheSoundAlone",
        "ClipDrivesBlendshapes",
        "NoGarbagePerPicture",
        "WrongSetups",
        "ComponentKeepsTheVoice",
    ],
)
def test_component(check: Check, shapes_package: Path, plain_package: Path, name: str) -> None:
    check(name, shapes_package, plain_package)


@pytest.mark.parametrize("name", ["Inspector", "Menu", "Sample", "ExampleDialogue"])
def test_editor(check: Check, shapes_package: Path, name: str) -> None:
    check(name, shapes_package)


def test_assembled_package(
    tiny_package: Path, library: Path, mono: str, assemblies: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    import onnxruntime

    (tmp_path / "licence").write_text("a licence of something linked")
    command = [sys.executable, str(ASSEMBLE), "--out", str(tmp_path), "--model", str(tiny_package)]
    command += ["--linux", str(library.parent), "--onnxruntime-linux", str(Path(onnxruntime.__file__).parent)]
    subprocess.run([*command, "--licence", f"zlib={tmp_path / 'licence'}"], check=True)
    package = tmp_path / "org.emoface.sdk"
    guids = {}
    for path in package.rglob("*"):
        visible = not any(part.endswith("~") for part in path.relative_to(package).parts)
        if path.suffix == ".meta":
            guid = path.read_text().split("guid: ")[1].split()[0]
            assert len(guid) == 32 and guids.setdefault(guid, path) == path
            assert path.with_suffix("").exists()
        elif visible:
            assert path.with_name(path.name + ".meta").exists(), path
    for definition in package.rglob("*.asmdef"):
        assert json.loads(definition.read_text())["name"] == definition.stem
    manifest = json.loads((package / "package.json").read_text())
    assert all((package / sample["path"]).is_dir() for sample in manifest["samples"])
    assert manifest["version"] == emoface.__version__
    notices = (package / "Third Party Notices.md").read_text()
    assert "a licence of something linked" in notices and "MIT" in notices
    assert "Standalone: Linux64" in (package / "Plugins/Linux/x86_64/libemoface.so.meta").read_text()

    # As a game has them: the natives side by side, and nothing else to find ONNX Runtime by.
    alone = {key: value for key, value in environment.items() if key != "EMOFACE_ONNXRUNTIME"}
    alone["LD_LIBRARY_PATH"] = str(package / "Plugins" / "Linux" / "x86_64")
    command = [
        mono,
        str(assemblies / "Checks.exe"),
        "GoldenVectors",
        str(package / "Models" / f"{tiny_package.stem}.bytes"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=alone, check=False)
    assert done.returncode == 0, done.stderr


def test_both_platforms_from_wheels_give_the_same_bytes(tiny_package: Path, tmp_path: Path) -> None:
    def stand_in(name: str, files: dict[str, str]) -> Path:
        """A wheel with as little in it as the script reads."""
        with zipfile.ZipFile(tmp_path / name, "w") as wheel:
            for path, text in files.items():
                wheel.writestr(path, text)
        return tmp_path / name

    notices = {"onnxruntime/LICENSE": "MIT", "onnxruntime/ThirdPartyNotices.txt": "others"}
    linux = {
        "onnxruntime/capi/libonnxruntime.so.1.22.0": "so",
        "onnxruntime/capi/libonnxruntime_providers_shared.so": "-",
    }
    windows = {"onnxruntime/capi/onnxruntime.dll": "dll", "onnxruntime/capi/onnxruntime_providers_shared.dll": "-"}
    command = [sys.executable, str(ASSEMBLE), "--model", str(tiny_package)]
    command += ["--linux", str(tmp_path), "--onnxruntime-linux", str(stand_in("linux.whl", notices | linux))]
    command += ["--windows", str(tmp_path), "--onnxruntime-windows", str(stand_in("windows.whl", notices | windows))]
    for name in ("libemoface.so", "emoface.dll", "emoface_onnxruntime.dll"):
        (tmp_path / name).write_text(name)
    said = [
        subprocess.run([*command, "--out", str(tmp_path / out)], capture_output=True, text=True, check=True).stdout
        for out in ("first", "second")
    ]
    assert said[0].split("SHA-256")[1] == said[1].split("SHA-256")[1]
    plugins = tmp_path / "first" / "org.emoface.sdk" / "Plugins"
    held = {path.relative_to(plugins).as_posix(): path.read_text() for path in plugins.glob("*/x86_64/*[!a]")}
    assert held == {
        "Linux/x86_64/libemoface.so": "libemoface.so",
        "Linux/x86_64/libonnxruntime.so": "so",
        "Windows/x86_64/emoface.dll": "emoface.dll",
        "Windows/x86_64/emoface_onnxruntime.dll": "emoface_onnxruntime.dll",
        "Windows/x86_64/onnxruntime.dll": "dll",
    }
    assert "Standalone: Win64" in (plugins / "Windows/x86_64/emoface.dll.meta").read_text()
    with tarfile.open(tmp_path / "first" / f"org.emoface.sdk-{emoface.__version__}.tgz") as archive:
        names = archive.getnames()
    assert "package/package.json" in names and "package/Samples~/TalkingFace/SpeakClips.cs" in names
    assert not any("Tools~" in name for name in names)


def test_assembling_refuses_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, str(ASSEMBLE), "--out", str(tmp_path / "out")]
    for given, said in (
        ([], "--linux"),
        (["--linux", str(tmp_path)], "--onnxruntime-linux"),
        (["--linux", str(tmp_path), "--onnxruntime-linux", str(tmp_path)], "libemoface.so"),
    ):
        done = subprocess.run([*command, *given], capture_output=True, text=True, check=False)
        assert done.returncode != 0 and said in done.stderr
