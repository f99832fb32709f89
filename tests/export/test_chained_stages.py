"""Three chained stages of one frame each, a GRU, noise, a head, persons: exported, proven, played by every runtime."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from chained import GRAIN, chained
from emoface import FrameBatch, Package
from emoface.backends import available_backends
from emoface.errors import PersonError
from emoface.frames import FRAME_ARRAYS
from emoface.manifest import AFFECT
from emoface.person import Person
from emoface.verification import verify_cuts, verify_golden
from emoface_export.errors import ExportError
from emoface_export.own_model import OwnStage, export_own, model_sha256

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))


PLAYED = ("vertices", "head_rotation", "head_translation", "emotion", "coefficients", *AFFECT)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("chained") / "chained.emoface"
    manifest = export_own(chained(), path)
    assert manifest.format == 2
    assert [stage.cadence for stage in manifest.stages] == ["block", "frame", "frame", "frame"]
    return path


@pytest.fixture(scope="module")
def audio() -> np.ndarray:
    return (0.2 * np.random.default_rng(4).standard_normal(20000)).astype(np.float32)


def run(animator, audio: np.ndarray) -> FrameBatch:
    return FrameBatch.concat([animator.step(audio), animator.flush()])


def same_bits(one: FrameBatch, other: FrameBatch) -> None:
    assert one.has_head_pose
    for name in FRAME_ARRAYS:
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name


def test_pytorch_is_reproduced_and_cuts_do_not_matter(made):
    loaded = Package.load(made)
    checks = [*verify_golden(loaded), *verify_cuts(loaded)]
    assert {check.name for check in checks} >= {
        f"golden {key}" for key in ("memory.code", "face.offsets", "head.rotation")
    }
    assert all(check.passed for check in checks), checks


def test_a_pool_plays_it(made, audio):
    loaded = Package.load(made)
    with loaded.pool(voices=1, capacity=3) as pool:
        pool.join(noise_seed=1)
        pool.join(noise_seed=2, person="ben")
        parts = [[], [], []]
        for begin in range(0, len(audio), 1500):
            for part, batch in zip(parts, pool.step_all([audio[begin : begin + 1500]] * 3), strict=True):
                part.append(batch)
        for part, batch in zip(parts, pool.flush_all(), strict=True):
            part.append(batch)
    for part, options in zip(parts, ({}, {"noise_seed": 1}, {"noise_seed": 2, "person": "ben"}), strict=True):
        with loaded.animator(**options) as animator:
            same_bits(FrameBatch.concat(part), run(animator, audio))


def test_c_and_real_time_play_it(made, audio):
    import ctypes
    import time

    import c_interface as abi

    if not abi.LIBRARY.is_file():
        pytest.skip(f"no {abi.LIBRARY.name}: build with ONNXRUNTIME_ROOT set, zlib and nlohmann-json")
    api = abi.Api(abi.load())
    api.call("onnxruntime_load", abi.onnxruntime_library().encode())
    loaded, package = Package.load(made), api.open(made)
    assert package.info.format == 2 and package.verify().passed
    with loaded.animator(backend="ort-cpu", noise_seed=9, person="ben") as animator:
        expected = run(animator, audio)
    voice = package.animator(noise_seed=9)
    api.call("set_person", voice.handle, b"ben", ctypes.c_double(-1))
    frames = abi.joined([voice.step(audio[:7000]), voice.step(audio[7000:]), voice.flush()])
    for name in PLAYED:
        assert frames[name].tobytes() == getattr(expected, name).tobytes()

    live = package.animator(noise_seed=9)
    api.call("set_person", live.handle, b"ben", ctypes.c_double(-1))
    config = abi.RealtimeConfig(history_ms=10000, queue_ms=10000)
    api.call("start", live.handle, ctypes.byref(config))
    api.call("push", live.handle, audio.ctypes.data, len(audio))
    api.call("flush", live.handle, 0.0, None, 0, None)
    end = time.monotonic() + 60
    while live.statistics().frames < len(expected) and time.monotonic() < end:
        time.sleep(0.01)
    status, sampled = live.sample(10 / loaded.manifest.fps)
    assert status == "OK"
    for name in PLAYED:
        np.testing.assert_allclose(sampled[name][0], getattr(expected, name)[10], atol=1e-6)


def test_the_backend_native_plays_it(made, audio):
    if "native" not in available_backends():
        pytest.skip("no emoface._runtime")
    loaded = Package.load(made)
    single = "ort-cpu-native" if "ort-cpu-native" in available_backends() else "ort-cpu"
    frames = []
    for backend in ("native", single):
        with loaded.animator(backend=backend, noise_seed=3) as animator:
            frames.append(run(animator, audio))
    same_bits(*frames)


def test_a_person_of_the_model_is_played_and_of_another_refused(made, audio, tmp_path):
    loaded = Package.load(made)
    mixed = Person("cleo", loaded.manifest.model_sha256, {"anna": 0.3, "ben": 0.7})
    mixed.save(tmp_path / "cleo.json")
    frames = []
    for person in (str(tmp_path / "cleo.json"), {"anna": 0.3, "ben": 0.7}, None):
        with loaded.animator(person=person) as animator:
            frames.append(run(animator, audio))
    same_bits(frames[0], frames[1])
    assert np.abs(frames[0].vertices - frames[2].vertices).max() > 1e-5
    other = dataclasses.replace(mixed, model_sha256=model_sha256(chained(seed=8)))
    with pytest.raises(PersonError, match="'cleo' of the model"):
        loaded.animator(person=other)


def test_an_identity_moves_in_its_own_basis_and_coefficients_come_without_vertices(made, audio):
    loaded = Package.load(made)
    with loaded.animator() as animator:
        whole = run(animator, audio)
    with loaded.animator(identity="long") as animator:
        other = run(animator, audio)
    with loaded.animator(vertices=False) as animator:
        lean = run(animator, audio)
    assert lean.coefficients.tobytes() == other.coefficients.tobytes() == whole.coefficients.tobytes()
    assert lean.vertices.shape == (len(whole), 0, 3)
    for frames, template, shapes in (
        (whole, loaded.face.template, loaded.face.basis.shapes),
        (other, loaded.face.identities["long"].template, loaded.face.identities["long"].basis),
    ):
        expected = template + np.einsum("nr,rvc->nvc", frames.coefficients, shapes)
        np.testing.assert_allclose(frames.vertices, expected, atol=1e-6)


def test_poses_are_orthonormal_and_seeds_differ(made, audio):
    loaded = Package.load(made)
    rotations = []
    for seed in (0, 0, 1):
        with loaded.animator(noise_seed=seed) as animator:
            rotations.append(run(animator, audio).head_rotation.astype(np.float64))
    assert np.array_equal(rotations[0], rotations[1]) and np.abs(rotations[0] - rotations[2]).max() > 0.01
    for rotation in rotations:
        assert np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max() < 1e-5
        assert np.abs(np.linalg.det(rotation) - 1).max() < 1e-5


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"noise": {"grain": (GRAIN,)}}, r"input 'noise' from 'noise\.air'"),
        ({"outputs": {"offsets": "noise.air"}}, r"outputs\.offsets"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path, changes, match):
    with pytest.raises(ExportError, match=match):
        export_own(chained(**changes), tmp_path / "no.emoface")
    assert not list(tmp_path.iterdir())


def test_a_cycle_is_refused(tmp_path):
    model = chained()
    hearing, memory, face, head = model.stages
    with pytest.raises(ExportError, match=r"stage memory: input 'features' from 'face\.offsets'.*put stages after"):
        looped = OwnStage("memory", memory.module, {"features": "face.offsets", "person": "condition.person"})
        export_own(chained(stages=(hearing, looped, face, head)), tmp_path / "no.emoface")
