"""The promise of streaming: the same frames, bit for bit, however the audio is cut; as many as promised; in time."""

from __future__ import annotations

from fractions import Fraction

import handmade
import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface import FrameBatch, Package
from emoface.audio.offset import without_offset
from emoface.errors import SnapshotError

RATES = (8000, 16000, 44100, 48000)


@pytest.mark.parametrize("rate", RATES)
def test_pieces_of_7_ms_with_empty_chunks_between(package, sound, run_whole, run_cut, same_bits, rate):
    audio = sound(0.8, rate)
    with package.animator(sample_rate=rate) as animator:
        whole = run_whole(animator, audio)
        animator.reset()
        same_bits(run_cut(animator, audio, [rate * 7 // 1000, 0, 0]), whole)


@pytest.mark.parametrize("rate", RATES)
def test_single_samples(package, sound, run_whole, run_cut, same_bits, rate):
    audio = sound(0.22, rate)
    with package.animator(sample_rate=rate) as animator:
        whole = run_whole(animator, audio)
        animator.reset()
        same_bits(run_cut(animator, audio, [1]), whole)


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from(RATES),
    block_ms=st.sampled_from([20, 40, 100, 200]),
    length=st.integers(0, 9000),
    pieces=st.lists(st.one_of(st.integers(0, 3), st.integers(0, 4000)), min_size=1).filter(any),
)
def test_random_cuts(package, sound, run_whole, run_cut, same_bits, rate, block_ms, length, pieces):
    audio = sound(9000 / rate, rate)[:length]
    with package.animator(sample_rate=rate, block_ms=block_ms) as animator:
        whole = run_whole(animator, audio)
        assert len(whole) == length * 30 // rate
        animator.reset()
        same_bits(run_cut(animator, audio, pieces), whole)


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_frame_count_and_times(tmp_path, sound, run_whole, fps, rate):
    package = Package.load(handmade.write_folder(tmp_path / "p", handmade.package_files(fps)))
    with package.animator(sample_rate=rate) as animator:
        for samples in (0, 1, rate // fps, rate // fps + 1, rate // 2 + 7, rate):
            frames = run_whole(animator, sound(2, rate)[:samples])
            assert len(frames) == samples * fps // rate
            assert frames.time.dtype == np.float64
            np.testing.assert_array_equal(frames.time, np.arange(len(frames)) / fps)
            animator.reset()


def test_no_moment_has_more_frames_than_promised(package, sound):
    """Also at 20 ms blocks: a stream that ends at any moment never returned more than floor(N fps / r) frames."""
    audio = sound(0.5)
    with package.animator(block_ms=20) as animator:
        returned = 0
        for end in range(0, len(audio), 40):
            returned += len(animator.step(audio[end : end + 40]))
            assert returned <= (end + 40) * 30 // 16000


def test_empty_batch_has_the_right_shapes(package):
    with package.animator() as animator:
        batch = animator.step(np.zeros(0, np.float32))
    assert len(batch) == 0
    assert batch.vertices.shape == (0, handmade.V, 3)
    assert batch.emotion.shape == (0, handmade.E)
    assert batch.emotion_weight.shape == (0, handmade.V)


def test_streaming_equals_the_parallel_whole_clip_call(files, package, sound, run_whole):
    """The graphs run once over the whole clip, glued by an interpolation of its own, against the driver's blocks."""
    audio = sound(1.0)
    with package.animator(emotion="happy", style={"ben": 1.0}, level="strong") as animator:
        frames = run_whole(animator, audio)

    def graph(name, **inputs):
        feeds = {key.replace("__", "."): np.asarray(value, np.float32) for key, value in inputs.items()}
        return onnxruntime.InferenceSession(files[name]).run(None, feeds)[0]

    count, delay = len(frames), handmade.DELAY
    features = 60
    padded = np.zeros(320 * (features + delay) + 80, np.float32)
    padded[: len(audio)] = without_offset(audio, 320, 80)
    content = graph("content.onnx", audio=padded[None], state__ring=np.zeros((1, delay, handmade.D)))
    mood = graph(
        "mood.onnx",
        content=content,
        speaker_mean=np.zeros((1, handmade.D)),
        state__sum=np.zeros((1, 1, handmade.E)),
        state__count=np.zeros((1, 1, 1)),
    )
    place = np.arange(count) * 50 / 30

    def at_frames(track):
        track = track[0, delay:]
        columns = [np.interp(place, np.arange(len(track)), track[:, k]) for k in range(track.shape[1])]
        return np.stack(columns, axis=1)[None]

    content, mood = at_frames(content), at_frames(mood)
    weight = graph("mix.onnx", content=content, mood=mood, state__last=np.zeros((1, 1, handmade.D)))
    np.testing.assert_allclose(frames.emotion, mood[0], atol=1e-5)
    np.testing.assert_allclose(frames.emotion_weight, weight[0], atol=1e-5)
    session = onnxruntime.InferenceSession(files["decoder.onnx"])
    fed_back = np.full((1, 1, handmade.D), 0.25, np.float32)
    for m in range(count):
        feeds = {
            "content": content[:, m : m + 1],
            "weight": weight[:, m : m + 1],
            "style": [[0, 1]],
            "emotion_class": [[0, 1, 0, 0]],
            "level": [[0, 1]],
            "state.fed_back": fed_back,
        }
        offsets, fed_back = session.run(None, {k: np.asarray(v, np.float32) for k, v in feeds.items()})
        np.testing.assert_allclose(frames.vertices[m] - package.face.template, offsets[0, 0], atol=1e-6)


def test_reset_gives_the_same_bits(package, sound, run_whole, same_bits):
    with package.animator(sample_rate=44100) as animator:
        first = run_whole(animator, sound(0.5, 44100))
        animator.reset()
        animator.step(sound(0.31, 44100, seed=5))
        animator.set_emotion("sad")
        animator.reset()
        same_bits(run_whole(animator, sound(0.5, 44100)), first)


@settings(max_examples=25, deadline=None)
@given(rate=st.sampled_from(RATES), share=st.floats(0, 1))
def test_snapshot_and_restore_mid_stream_give_the_same_bits(package, sound, run_whole, same_bits, rate, share):
    audio = sound(0.5, rate)
    place = round(share * len(audio))
    with package.animator(sample_rate=rate) as one, package.animator(sample_rate=rate) as two:
        one.set_emotion("happy", at=0.25)
        whole = run_whole(one, audio)
        one.reset()
        one.set_emotion("happy", at=0.25)
        before = one.step(audio[:place])
        data = one.snapshot()
        two.step(sound(0.1, rate, seed=9))
        two.restore(data)
        for animator in (one, two):
            same_bits(FrameBatch.concat([before, run_whole(animator, audio[place:])]), whole)


def test_snapshot_remembers_the_end_of_the_stream(package, sound):
    with package.animator() as animator:
        animator.step(sound(0.2))
        animator.flush()
        data = animator.snapshot()
        animator.reset()
        animator.restore(data)
        with pytest.raises(Exception, match="after flush"):
            animator.step(sound(0.1))


def test_snapshot_of_another_stream_is_refused(package, files, tmp_path, sound, run_whole, same_bits):
    other = Package.load(handmade.write_folder(tmp_path / "p", handmade.with_manifest(files, name="other")))
    audio = sound(0.3)
    with package.animator() as animator:
        whole = run_whole(animator, audio)
        animator.reset()
        half = animator.step(audio[:2000])
        for stranger, key in (
            (other.animator(), "package"),
            (package.animator(sample_rate=8000), "sample_rate"),
            (package.animator(block_ms=100), "block_features"),
        ):
            with pytest.raises(SnapshotError, match=key):
                animator.restore(stranger.snapshot())
        same_bits(FrameBatch.concat([half, run_whole(animator, audio[2000:])]), whole)


def test_damaged_snapshot_is_refused(package, sound):
    with package.animator() as animator:
        animator.step(sound(0.2))
        data = animator.snapshot()
        for position in range(0, len(data), 37):
            damaged = bytearray(data)
            damaged[position] ^= 1
            with pytest.raises(SnapshotError):
                animator.restore(bytes(damaged))
        for wrong in (b"", data[:20], data[:-1], data + b"x", "text"):
            with pytest.raises(SnapshotError):
                animator.restore(wrong)
        animator.restore(data)


@settings(max_examples=25, deadline=None)
@given(
    moment=st.floats(0.0, 0.6),
    pieces=st.lists(st.integers(0, 3000), min_size=1).filter(any),
    rate=st.sampled_from([16000, 48000]),
)
def test_timed_conditions_do_not_depend_on_cuts(package, sound, run_whole, run_cut, same_bits, moment, pieces, rate):
    audio = sound(0.6, rate)

    def announce(animator):
        animator.set_style("anna", at=0.0)
        animator.set_emotion({"happy": 0.5, "sad": 0.5}, at=moment)
        animator.set_condition("speaker_mean", np.full(handmade.D, 0.3), at=moment)
        animator.set_level("strong", at=moment + 0.1)

    with package.animator(sample_rate=rate) as animator:
        announce(animator)
        whole = run_whole(animator, audio)
        animator.reset()
        announce(animator)
        same_bits(run_cut(animator, audio, pieces), whole)


def test_change_holds_from_its_moment_on(package, sound, run_whole):
    audio = sound(1.0)
    with package.animator() as animator:
        plain = run_whole(animator, audio)
        animator.reset()
        animator.set_emotion("sad", at=0.5)
        changed = run_whole(animator, audio)
    differs = np.abs(plain.vertices - changed.vertices).max(axis=(1, 2)) > 0
    np.testing.assert_array_equal(differs, plain.time >= 0.5)


def test_change_without_a_time_means_the_audio_fed_so_far(package, sound, run_whole, same_bits):
    audio = sound(0.8)
    with package.animator() as animator:
        animator.set_level("strong", at=6000 / 16000)
        announced = run_whole(animator, audio)
        animator.reset()
        first = animator.step(audio[:6000])
        animator.set_level("strong")
        same_bits(FrameBatch.concat([first, run_whole(animator, audio[6000:])]), announced)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("block_ms", [20, 40, 100])
def test_measured_latency_is_the_declared_one(package, sound, rate, block_ms):
    """Frame m comes once m / fps + latency has been fed, and for some frame not earlier."""
    audio = sound(1.5, rate)
    with package.animator(sample_rate=rate, block_ms=block_ms) as animator:
        waited = []
        for end in range(1, len(audio) + 1):
            for time in animator.step(audio[end - 1 : end]).time:
                waited.append(end - Fraction(round(time * 30) * rate, 30))
        declared = animator.latency
    assert declared.seconds == pytest.approx(declared.samples / rate)
    assert declared.ms == pytest.approx(1000 * declared.samples / rate)
    assert max(waited) <= declared.samples
    assert max(waited) > declared.samples - 2


@pytest.mark.parametrize("rate", RATES)
def test_audio_beyond_the_horizon_cannot_change_earlier_frames(package, sound, run_whole, rate):
    audio = sound(1.0, rate)
    with package.animator(sample_rate=rate) as animator:
        plain = run_whole(animator, audio)
        for horizon in (rate // 3, rate // 2, rate - 1000):
            animator.reset()
            changed = audio.copy()
            changed[horizon:] = -changed[horizon:] + 0.1
            other = run_whole(animator, changed)
            safe = plain.time * rate + animator.latency.samples <= horizon
            assert safe.any()
            assert plain.vertices[safe].tobytes() == other.vertices[safe].tobytes()
            assert (plain.vertices[-1] != other.vertices[-1]).any()


def test_default_package_latency_is_in_the_manifest(package):
    with package.animator() as animator:
        assert animator.latency.samples == package.manifest.latency_samples


def test_tail_returns_to_the_template(package, sound):
    audio = sound(0.5)
    with package.animator() as animator:
        start = animator.step(audio)
        plain = FrameBatch.concat([start, animator.flush()])
        animator.reset()
        start = animator.step(audio)
        tailed = FrameBatch.concat([start, animator.flush(tail_s=0.4)])
    assert len(tailed) == len(plain) + 12
    assert tailed.vertices[: len(plain)].tobytes() == plain.vertices.tobytes()
    distance = np.abs(tailed.vertices - package.face.template).max(axis=(1, 2))
    assert distance[-1] == 0
    assert (distance[len(plain) : -1] > 0).all()
    np.testing.assert_array_equal(tailed.time, np.arange(len(tailed)) / 30)


def test_tail_of_no_audio_at_all(package):
    with package.animator() as animator:
        assert len(animator.flush(tail_s=0.1)) == 3


def test_many_animators_share_a_package_without_touching_each_other(package, sound, run_whole, same_bits):
    audio = [sound(0.5, seed=k) for k in range(3)]
    alone = []
    for part in audio:
        with package.animator() as animator:
            alone.append(run_whole(animator, part))
    animators = [package.animator() for _ in audio]
    batches = [[] for _ in audio]
    for start in range(0, 8000, 800):
        for k, animator in enumerate(animators):
            batches[k].append(animator.step(audio[k][start : start + 800]))
    for k, animator in enumerate(animators):
        same_bits(FrameBatch.concat([*batches[k], animator.flush()]), alone[k])


def test_returned_frames_are_the_callers(package, sound):
    """Writing into a batch, or keeping it, touches nothing inside."""
    audio = sound(0.5)
    with package.animator() as animator:
        first = animator.step(audio)
        kept = first.vertices.copy()
        animator.step(audio)
        np.testing.assert_array_equal(first.vertices, kept)
        first.vertices[:] = np.nan
        assert np.isfinite(animator.step(audio).vertices).all()


def test_memory_of_a_long_stream_stays_flat(package, sound):
    audio = sound(10.0, 48000)
    with package.animator(sample_rate=48000, block_ms=200) as animator:
        sizes = []
        for turn in range(4):
            for start in range(0, len(audio), 9600):
                animator.set_emotion("happy" if turn % 2 else "sad")
                animator.step(audio[start : start + 9600])
            sizes.append(len(animator.snapshot()))
    assert max(sizes) < 1.1 * sizes[0]
