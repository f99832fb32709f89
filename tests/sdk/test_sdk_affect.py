"""Arousal, valence and confidence: running outputs, which a later stage reads in the same frame."""

from __future__ import annotations

import handmade
import handmade_affect
import numpy as np
import pytest

from emoface import FrameBatch, Package, animate
from emoface.errors import RuntimeFailure, VoiceError
from emoface.manifest import AFFECT
from emoface.writers import write


@pytest.fixture(scope="module", params=["block", "frames"])
def feeling(request, tmp_path_factory) -> Package:
    path = tmp_path_factory.mktemp("feeling") / f"{request.param}.emoface"
    return Package.load(handmade.write_zip(path, handmade_affect.package_files(request.param)))


def bits(frames) -> bytes:
    return b"".join(getattr(frames, name).tobytes() for name in (*AFFECT, "emotion", "vertices"))


def test_frames_carry_what_the_stage_gave(feeling, sound, run_whole):
    rows: dict[str, list[np.ndarray]] = {}

    def probe(stage: str, output: str, first: int, array: np.ndarray) -> None:
        rows.setdefault(f"{stage}.{output}", []).append(array)

    with feeling.animator(probe=probe) as animator:
        frames = run_whole(animator, sound(1.0))
    assert frames.arousal.shape == frames.valence.shape == frames.confidence.shape == (30, 1)
    blocks = feeling.manifest.stage("mood").cadence == "block"
    for name in AFFECT:
        given, held = np.concatenate(rows[f"mood.{name}"]), getattr(frames, name)
        # Frame 3 k lies at feature 5 k.
        np.testing.assert_array_equal(held[::3] if blocks else held, given[::5][:10] if blocks else given[:30])
        assert np.unique(held).size > 20
    peak = frames.emotion.max(axis=1, keepdims=True)
    np.testing.assert_array_equal(
        frames.confidence[::3] if blocks else frames.confidence, peak[::3] if blocks else peak
    )


def test_the_decoder_reads_the_same_frame(feeling, sound, run_whole):
    heard: dict[str, list[np.ndarray]] = {name: [] for name in handmade_affect.READ}
    with feeling.animator() as animator:
        stream = animator._driver.plan.frame[-1].stream
        run = stream.run

        def spied(inputs, n):
            for name, read in heard.items():
                read.append(inputs[name][0, 0].copy())
            return run(inputs, n)

        stream.run = spied
        frames = run_whole(animator, sound(0.6))
    for name, read in heard.items():
        role = "emotion" if name == "probabilities" else name
        np.testing.assert_array_equal(np.stack(read)[: len(frames)], getattr(frames, role))


def test_cuts_resets_snapshots_and_pools_keep_the_bits(feeling, sound, run_whole, run_cut):
    audio, place = sound(1.0), 7001
    with feeling.animator() as one, feeling.animator() as two, feeling.pool(voices=2) as pool:
        whole = bits(run_whole(one, audio))
        one.reset()
        assert bits(run_cut(one, audio, [1, 999, 320, 4800])) == whole
        one.reset()
        before = one.step(audio[:place])
        two.restore(one.snapshot())
        assert bits(FrameBatch.concat([before, two.step(audio[place:]), two.flush()])) == whole
        parts = [pool.step_all([audio[:place]] * 2), pool.step_all([audio[place:]] * 2), pool.flush_all()]
        for voice in range(2):
            assert bits(FrameBatch.concat([part[voice] for part in parts])) == whole


def test_animations_and_npz_carry_them(feeling, package, sound, tmp_path):
    clip = animate(sound(0.5), 16000, package=feeling)
    write(tmp_path / "a.npz", clip)
    with np.load(tmp_path / "a.npz") as arrays:
        for name in AFFECT:
            assert arrays[name].shape == (15, 1)
            np.testing.assert_array_equal(arrays[name], getattr(clip, name))
    plain = animate(sound(0.5), 16000, package=package)
    assert all(getattr(plain, name).shape == (15, 0) for name in AFFECT)
    write(tmp_path / "plain.npz", plain)
    with np.load(tmp_path / "plain.npz") as arrays:
        assert not set(AFFECT) & set(arrays)


@pytest.mark.parametrize("fault", AFFECT)
def test_nan_is_refused_by_name(fault, sound, tmp_path):
    package = Package.load(handmade.write_zip(tmp_path / "a.emoface", handmade_affect.package_files(fault=fault)))
    with package.animator() as animator:
        with pytest.raises(RuntimeFailure, match=f"NaN or infinite {fault} from the graphs"):
            animator.step(sound(0.5))
        with pytest.raises(RuntimeFailure, match="a failed step"):
            animator.step(sound(0.1))
    with package.pool(voices=1) as pool, pytest.raises(VoiceError, match=f"NaN or infinite {fault}"):
        pool.step_all([sound(0.5)])
