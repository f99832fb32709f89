"""Weights and controls in a stream: the same bits for any cut, in snapshots, and in clips."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from rig_cases import handmade, noise

from emoface import Animator, FrameBatch, animate
from emoface.errors import RigError, SnapshotError
from emoface.package import Face, Package
from emoface.rig import Blendshapes, BlendshapeSolver, RigControls
from emoface.rig.controls import ClipShift, upper_share

CONTROLS = RigControls(1.5, 0.8, 0.05, 0.02, -0.1)
FIELDS = ("time", "vertices", "emotion", "emotion_weight", "blendshape_weights")


def run(animator: Animator, audio: np.ndarray, cuts: list[int]) -> FrameBatch:
    parts = [animator.step(audio[a:b]) for a, b in itertools.pairwise([0, *cuts, len(audio)])]
    return FrameBatch.concat([*parts, animator.flush(0.3)])


def assert_same(left: FrameBatch, right: FrameBatch) -> None:
    for field in FIELDS:
        assert getattr(left, field).tobytes() == getattr(right, field).tobytes(), field


def test_any_cut_gives_the_same_bits(shaped_package: Package) -> None:
    audio, generator = noise(), np.random.default_rng(0)
    whole = run(shaped_package.animator(blendshapes=True, controls=CONTROLS), audio, [])
    assert whole.blendshape_weights.shape == (69, 3) and whole.blendshape_weights.max() > 0
    animator = shaped_package.animator(blendshapes=True, controls=CONTROLS)
    for _ in range(4):
        assert_same(run(animator, audio, sorted(generator.integers(0, len(audio), 20))), whole)
        animator.reset()
    frames = np.concatenate([animator.step(audio[start : start + 160]).vertices for start in range(0, len(audio), 160)])
    assert frames.tobytes() == whole.vertices[: len(frames)].tobytes()


def test_snapshot_holds_solver_and_smoothing(shaped_package: Package) -> None:
    audio = noise()
    whole = run(shaped_package.animator(blendshapes=True, controls=CONTROLS), audio, [])
    first = shaped_package.animator(blendshapes=True, controls=CONTROLS)
    head = first.step(audio[:17777])
    second = shaped_package.animator(blendshapes=True, controls=CONTROLS)
    second.restore(first.snapshot())
    assert_same(FrameBatch.concat([head, second.step(audio[17777:]), second.flush(0.3)]), whole)


def test_snapshot_of_another_rig_is_refused(shaped_package: Package) -> None:
    data = shaped_package.animator(blendshapes=True).snapshot()
    shapes = shaped_package.blendshapes
    assert shapes is not None
    for options in (
        {},
        {"blendshapes": shapes.without("jawOpen")},
        {"blendshapes": True, "controls": CONTROLS},
    ):
        animator = shaped_package.animator(**options)  # type: ignore[arg-type]
        before = animator.snapshot()
        with pytest.raises(SnapshotError, match=r"blendshapes|controls"):
            animator.restore(data)
        assert animator.snapshot() == before
        with pytest.raises(SnapshotError):
            shaped_package.animator(blendshapes=True).restore(before)


def test_without_a_rig_nothing_changes(shaped_package: Package) -> None:
    audio = noise(1.0)
    plain = run(shaped_package.animator(), audio, [])
    assert plain.blendshape_weights.shape == (len(plain), 0)
    assert_same(run(shaped_package.animator(controls=RigControls()), audio, []), plain)
    solved = run(shaped_package.animator(blendshapes=True), audio, [])
    assert solved.vertices.tobytes() == plain.vertices.tobytes()
    assert len(FrameBatch.empty(12, 3, 12).blendshape_weights) == 0


def test_weights_are_those_of_the_solver(shaped_package: Package) -> None:
    animator = shaped_package.animator(blendshapes=True)
    batch = run(animator, noise(), [999])
    assert animator.blendshape_names == ("browInnerUp", "jawOpen", "mouthSmileLeft")
    assert animator.blendshapes is not None
    expected = BlendshapeSolver(animator.blendshapes).solve(batch.vertices - shaped_package.face.template)
    assert np.abs(batch.blendshape_weights - expected).max() < 1e-5  # template - template + offset is rounded


def test_pool_voices_solve_too(tiny_package: Path) -> None:
    audio, package = noise(1.0), Package.load(tiny_package)
    with package.pool(voices=2, blendshapes=True) as pool:
        batches = [
            FrameBatch.concat(pair) for pair in zip(pool.step_all([audio, audio]), pool.flush_all(), strict=True)
        ]
    alone = package.animator(blendshapes=True)
    expected = FrameBatch.concat([alone.step(audio), alone.flush()])
    for batch in batches:
        assert batch.blendshape_weights.tobytes() == expected.blendshape_weights.tobytes()


def test_own_blendshapes_of_the_same_topology(shaped_package: Package, tmp_path: Path) -> None:
    shapes = shaped_package.blendshapes
    assert shapes is not None
    mine = Blendshapes(("A", "B"), shapes.shapes[:2])
    np.savez(tmp_path / "mine.npz", blendshape_names=np.array(mine.names), blendshapes=mine.shapes)
    audio = noise(1.0)
    given = run(shaped_package.animator(blendshapes=mine), audio, [])
    assert given.blendshape_weights.shape == (len(given), 2)
    assert_same(run(shaped_package.animator(blendshapes=tmp_path / "mine.npz"), audio, [4000]), given)


def test_strength_scales_each_half(face: Face, shaped_package: Package) -> None:
    share = upper_share(face)
    brow, chin = face.masks["brows"], face.masks["jaw"]
    assert share[brow].min() > 0.8 and share[chin].max() < 0.05 and 0 <= share.min() <= share.max() <= 1
    edges = face.faces[:, [0, 1]]
    assert np.abs(share[edges[:, 0]] - share[edges[:, 1]]).max() < 0.35  # no crease between the halves
    audio = noise(1.0)
    template = shaped_package.face.template
    plain = run(shaped_package.animator(), audio, []).vertices - template
    both = run(shaped_package.animator(controls=RigControls(2.0, 2.0)), audio, []).vertices - template
    assert np.allclose(both, 2 * plain, atol=1e-6)
    upper = run(shaped_package.animator(controls=RigControls(3.0, 0.0)), audio, []).vertices - template
    expected = plain * (3 * upper_share(shaped_package.face))[:, None]
    assert np.allclose(upper, expected, atol=1e-6)


def test_smoothing_is_a_one_pole_filter(shaped_package: Package) -> None:
    audio, template = noise(1.0), shaped_package.face.template
    plain = run(shaped_package.animator(), audio, []).vertices - template
    controls = RigControls(upper_smoothing=0.1, lower_smoothing=0.1)
    smooth = run(shaped_package.animator(controls=controls), audio, []).vertices - template
    held, share = plain[0], 1 - np.exp(-1 / (30 * 0.1))
    assert np.allclose(smooth[0], plain[0], atol=1e-6)
    for frame, found in zip(plain[1:], smooth[1:], strict=True):
        held = held + share * (frame - held)
        assert np.allclose(found, held, atol=1e-6)


def test_sync_offset_shifts_time_in_a_stream_and_motion_in_a_clip(shaped_package: Package) -> None:
    audio = noise(1.0)
    plain, late = (animate(audio, 16000, shaped_package, controls=RigControls(sync_offset=s)) for s in (0.0, 0.1))
    assert np.array_equal(plain.time, late.time) and len(plain) == 30
    assert np.allclose(late.vertices[3:], plain.vertices[:-3], atol=1e-6)
    assert np.array_equal(late.vertices[0], plain.vertices[0])
    stream = shaped_package.animator(controls=RigControls(sync_offset=-0.25))
    assert stream.step(audio).time[0] == -0.25 and stream.sync_offset == -0.25


def shifted(values: np.ndarray, frames: float) -> np.ndarray:
    return ClipShift(frames).push(values, last=True)


def test_shift_by_parts_of_a_frame() -> None:
    values = np.arange(5, dtype=np.float32)[:, None]
    assert shifted(values, 0.5)[:, 0].tolist() == [0, 0.5, 1.5, 2.5, 3.5]
    assert shifted(values, -1.25)[:, 0].tolist() == [1.25, 2.25, 3.25, 4, 4]
    assert shifted(values, 0)[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert shifted(values[:0], 3).shape == (0, 1)


@pytest.mark.parametrize("frames", [0, 0.5, -0.5, 3, -3, 7.25, -7.25, 29.7, -29.7])
def test_shift_gives_the_same_bits_for_any_cut(frames: float) -> None:
    generator = np.random.default_rng(0)
    for length in (1, 2, 9, 40):
        values = generator.normal(size=(length, 3, 2)).astype(np.float32)
        whole = shifted(values, frames)
        assert whole.shape == values.shape
        for _ in range(5):
            cuts = [0, *sorted(generator.integers(0, length + 1, 4)), length]
            shift = ClipShift(frames)
            parts = [shift.push(values[a:b], b == length) for a, b in itertools.pairwise(cuts) if a < b]
            assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("upper_strength", -0.1),
        ("lower_strength", 3.1),
        ("upper_smoothing", 2),
        ("lower_smoothing", float("nan")),
        ("sync_offset", -1.5),
        ("upper_strength", True),
        ("lower_strength", "1"),
    ],
)
def test_controls_out_of_range(name: str, value: object) -> None:
    with pytest.raises(RigError, match=f"{name}=.*expected a number from"):
        RigControls(**{name: value})  # type: ignore[arg-type]


def test_arguments_that_do_not_fit(shaped_package: Package, face: Face) -> None:
    with pytest.raises(RigError, match="blendshapes of 5023 vertices; expected 12"):
        shaped_package.animator(blendshapes=face.blendshapes)  # type: ignore[arg-type]
    with pytest.raises(RigError, match=r"blendshapes=3; expected True, False"):
        shaped_package.animator(blendshapes=3)  # type: ignore[arg-type]
    with pytest.raises(RigError, match=r"controls=\{\}; expected emoface.rig.RigControls"):
        shaped_package.animator(controls={})  # type: ignore[arg-type]


def test_package_without_blendshapes_or_mask(tmp_path: Path) -> None:
    package = Package.load(handmade.write_zip(tmp_path / "bare.emoface", handmade.package_files()))
    assert package.blendshapes is None
    with pytest.raises(RigError, match="the package has no blendshapes"):
        package.animator(blendshapes=True)
    with pytest.raises(RigError, match="without the mask 'eyes_forehead'"):
        package.animator(controls=RigControls(upper_strength=2.0))
    assert len(package.animator(controls=RigControls(2.0, 2.0)).step(noise(1.0)))
