"""Bad input, line by line: a typed error with got, expected and remedy, or the stated behaviour."""

from __future__ import annotations

import threading

import handmade
import numpy as np
import pytest
import soundfile

from emoface import FrameBatch, animate, animate_file
from emoface.errors import (
    AudioError,
    AudioFileError,
    AudioFormatError,
    BackendError,
    ClosedError,
    ConcurrentUseError,
    ConditionError,
    RuntimeFailure,
    StreamEndedError,
    TemplateError,
    UsageError,
)


@pytest.fixture
def undisturbed(package, sound, run_whole, same_bits):
    """Run a refused call in the middle of a stream; afterwards the stream must go on as if it had not happened."""

    def check(error, match, call, **options):
        audio = sound(0.4)
        with package.animator(**options) as animator:
            whole = run_whole(animator, audio)
            animator.reset()
            first = animator.step(audio[:3001])
            with pytest.raises(error, match=match) as caught:
                call(animator)
            same_bits(FrameBatch.concat([first, run_whole(animator, audio[3001:])]), whole)
        assert caught.value.got
        assert caught.value.expected
        assert caught.value.remedy

    return check


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, 32767.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_inf_and_out_of_scale_samples(undisturbed, value, dtype):
    chunk = np.zeros(500, dtype)
    chunk[100] = value
    undisturbed(AudioError, r"unusable sample.*on_bad_audio", lambda animator: animator.step(chunk))


def test_nan_and_inf_samples_as_silence(package, sound, run_whole, same_bits):
    audio = sound(0.4)
    muted, bad = audio.copy(), audio.copy()
    muted[1000:1100] = 0
    bad[1000:1050], bad[1050:1100] = np.nan, np.inf
    with package.animator(on_bad_audio="silence") as animator:
        expected = run_whole(animator, muted)
        animator.reset()
        same_bits(run_whole(animator, bad), expected)
        assert np.isfinite(expected.vertices).all()


def test_double_that_overflows_single_precision(undisturbed):
    undisturbed(AudioError, "1e\\+300", lambda animator: animator.step(np.full(10, 1e300)))


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint16", "float16", "complex64", "bool", "object", "U4"])
def test_wrong_dtype(undisturbed, dtype):
    chunk = np.zeros(100).astype(dtype)
    undisturbed(AudioError, "float32, float64, int16, int32 or uint8", lambda animator: animator.step(chunk))


@pytest.mark.parametrize("shape", [(), (10, 2, 2), (2, 4000)])
def test_wrong_shape(undisturbed, shape):
    undisturbed(AudioError, "shape|channel", lambda animator: animator.step(np.zeros(shape, np.float32)))


def test_zero_length(package, run_whole):
    with package.animator() as animator:
        for empty in ([], np.zeros(0, np.int16), np.zeros((0, 2), np.float32)):
            assert len(animator.step(empty)) == 0
        assert len(animator.flush()) == 0
        animator.reset()
        assert run_whole(animator, np.zeros(0, np.float32)).vertices.shape == (0, handmade.V, 3)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_clip_of_10_ms(package, sound, run_whole, rate):
    with package.animator(sample_rate=rate) as animator:
        assert len(run_whole(animator, sound(0.01, rate))) == 0
        animator.reset()
        assert len(run_whole(animator, sound(0.04, rate))) == 1


def test_silence(package, run_whole):
    with package.animator() as animator:
        frames = run_whole(animator, np.zeros(16000, np.int16))
    assert len(frames) == 30
    assert np.isfinite(frames.vertices).all()
    assert np.abs(np.diff(frames.vertices[15:], axis=0)).max() < 1e-4


def test_clipped_audio(package, sound, run_whole):
    with package.animator() as animator:
        frames = run_whole(animator, np.clip(sound(0.5) * 100, -1, 1))
    assert len(frames) == 15
    assert np.isfinite(frames.vertices).all()


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_other_rates_give_the_same_movement(package, run_whole, rate):
    """A 300 Hz tone recorded at any rate: the same frames within the resampler's ripple."""

    def tone(at):
        return (0.3 * np.sin(2 * np.pi * 300 * np.arange(at) / at)).astype(np.float32)

    with package.animator() as one, package.animator(sample_rate=rate) as two:
        a, b = run_whole(one, tone(16000)), run_whole(two, tone(rate))
    assert len(a) == len(b) == 30
    np.testing.assert_allclose(a.vertices[2:-2], b.vertices[2:-2], atol=1e-4)


def test_stereo_is_averaged(package, sound, run_whole, same_bits):
    left, right = sound(0.4), sound(0.4, seed=1)
    with package.animator() as mono, package.animator(channels=2) as stereo:
        expected = run_whole(mono, (left + right) * np.float32(0.5))
        same_bits(run_whole(stereo, np.stack([left, right], axis=1)), expected)


def test_24_bit_stereo_file_at_44100(package, tmp_path, sound):
    samples = np.stack([sound(0.5, 44100), sound(0.5, 44100)], axis=1)
    soundfile.write(tmp_path / "a.wav", samples, 44100, subtype="PCM_24")
    animation = animate_file(tmp_path / "a.wav", package)
    assert len(animation) == 15
    assert animation.audio.shape == (22050,)
    assert animation.audio_rate == 44100
    assert animation.metadata["synthetic"] is True


def test_float64(package, sound, run_whole, same_bits):
    audio = sound(0.3)
    with package.animator() as animator:
        expected = run_whole(animator, audio)
        animator.reset()
        same_bits(run_whole(animator, audio.astype(np.float64)), expected)


def test_int16_equals_its_float_value(package, sound, run_whole, same_bits):
    audio = (sound(0.3) * 20000).astype(np.int16)
    with package.animator() as animator:
        expected = run_whole(animator, audio)
        animator.reset()
        same_bits(run_whole(animator, audio.astype(np.float32) / 32768), expected)


def test_text_file_named_wav(package, tmp_path):
    (tmp_path / "a.wav").write_text("no sound at all")
    with pytest.raises(AudioFileError, match="ffmpeg"):
        animate_file(tmp_path / "a.wav", package)


def test_truncated_wav(package, tmp_path, sound):
    soundfile.write(tmp_path / "a.wav", sound(0.5), 16000)
    data = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioFileError, match="header promises"):
        animate_file(tmp_path / "a.wav", package)


@pytest.mark.parametrize("option", ["style", "emotion", "level"])
def test_unknown_style_emotion_or_level(package, option):
    choices = {"style": "anna, ben", "emotion": "neutral, happy, sad, auto", "level": "normal, strong"}[option]
    with pytest.raises(ConditionError, match=choices):
        package.animator(**{option: "furious"})
    with pytest.raises(ConditionError, match=choices):
        package.animator(**{option: {"furious": 1.0}})


@pytest.mark.parametrize("value", [{}, {"happy": np.nan}, {"happy": "much"}, [1.0], np.full(4, np.inf), [[1, 0, 0, 0]]])
def test_wrong_weights(undisturbed, value):
    undisturbed(ConditionError, "emotion", lambda animator: animator.set_emotion(value))


def test_unknown_condition(undisturbed):
    undisturbed(ConditionError, "speaker_mean", lambda animator: animator.set_condition("age", [1.0]))


def test_change_in_the_past(undisturbed):
    undisturbed(ConditionError, r"already computed", lambda animator: animator.set_level("strong", at=0.01))


@pytest.mark.parametrize("at", [np.nan, -1.0, "soon", True])
def test_change_at_no_time(undisturbed, at):
    undisturbed(ConditionError, "time", lambda animator: animator.set_level("strong", at=at))


def test_template_of_another_topology(package, tmp_path):
    with pytest.raises(TemplateError, match="topology"):
        package.animator(template=np.zeros((handmade.V + 1, 3)))
    with pytest.raises(TemplateError, match="finite"):
        package.animator(template=np.full((handmade.V, 3), np.nan))
    faces = package.face.faces[:, ::-1]
    np.savez(tmp_path / "t.npz", template=package.face.template, faces=faces)
    with pytest.raises(TemplateError, match="triangles"):
        package.animator(template=tmp_path / "t.npz")
    with pytest.raises(TemplateError):
        package.animator(template=tmp_path / "none.ply")


def test_own_template_moves_as_the_packages_does(package, tmp_path, sound, run_whole):
    own = package.face.template + np.float32(0.5)
    np.savez(tmp_path / "t.npz", template=own, faces=package.face.faces)
    audio = sound(0.3)
    with package.animator() as plain, package.animator(template=tmp_path / "t.npz") as other:
        a, b = run_whole(plain, audio), run_whole(other, audio)
    np.testing.assert_allclose(b.vertices - a.vertices, 0.5, atol=1e-6)
    assert other.face.faces is package.face.faces


def test_use_after_close(package, sound):
    animator = package.animator()
    animator.close()
    animator.close()
    for call in (
        lambda: animator.step(sound(0.1)),
        animator.flush,
        animator.reset,
        animator.snapshot,
        lambda: animator.restore(b""),
        lambda: animator.set_emotion("happy"),
    ):
        with pytest.raises(ClosedError, match="animator"):
            call()


def test_step_after_flush(package, sound):
    with package.animator() as animator:
        animator.step(sound(0.2))
        animator.flush()
        with pytest.raises(StreamEndedError, match="reset"):
            animator.step(sound(0.2))
        with pytest.raises(StreamEndedError, match="reset"):
            animator.flush()
        animator.reset()
        animator.step(sound(0.2))


def test_rate_changed_mid_stream(undisturbed, sound):
    undisturbed(AudioFormatError, "sample_rate=44100", lambda animator: animator.step(sound(0.1), sample_rate=44100))


def test_channels_changed_mid_stream(undisturbed):
    undisturbed(AudioFormatError, r"2 channel\(s\)", lambda animator: animator.step(np.zeros((100, 2), np.float32)))


def test_channels_declared_and_not_kept(package):
    with package.animator(channels=2) as animator, pytest.raises(AudioFormatError, match=r"1 channel\(s\)"):
        animator.step(np.zeros(100, np.float32))


def test_two_threads_on_one_animator(package, sound, monkeypatch):
    """The second thread is told; the first goes on as if alone."""
    inside, go_on = threading.Event(), threading.Event()
    with package.animator() as animator:
        feed = animator._driver.feed

        def slow(samples):
            inside.set()
            assert go_on.wait(10)
            return feed(samples)

        monkeypatch.setattr(animator._driver, "feed", slow)
        results = []
        thread = threading.Thread(target=lambda: results.append(animator.step(sound(0.3))))
        thread.start()
        assert inside.wait(10)
        for call in (lambda: animator.step(sound(0.1)), animator.reset, animator.snapshot, animator.flush):
            with pytest.raises(ConcurrentUseError, match="one animator per voice"):
                call()
        go_on.set()
        thread.join()
    assert len(results[0]) > 0


def test_many_threads_with_an_animator_each(package, sound, run_whole, same_bits):
    audio = sound(0.5)
    with package.animator() as animator:
        expected = run_whole(animator, audio)
    results = []

    def work():
        with package.animator() as own:
            results.extend(run_whole(own, audio[:]) for _ in range(1))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    for result in results:
        same_bits(result, expected)


def test_graph_that_fails_mid_stream_asks_for_reset(package, sound, monkeypatch, run_whole, same_bits):
    audio = sound(0.4)
    with package.animator() as animator:
        whole = run_whole(animator, audio)
        animator.reset()
        stage = animator._driver.plan.frame[0].stream
        good = stage.run

        def fail(inputs, n):
            raise BackendError("a failing graph", "a graph that runs", "Export it again.")

        monkeypatch.setattr(stage, "run", fail)
        with pytest.raises(BackendError, match="failing graph"):
            animator.step(audio)
        monkeypatch.setattr(stage, "run", good)
        with pytest.raises(RuntimeFailure, match="reset"):
            animator.step(audio)
        animator.reset()
        same_bits(run_whole(animator, audio), whole)


def test_never_nan_out(package, sound, monkeypatch):
    with package.animator() as animator:
        stage = animator._driver.plan.frame[0].stream
        good = stage.run
        monkeypatch.setattr(stage, "run", lambda inputs, n: {k: v * np.nan for k, v in good(inputs, n).items()})
        with pytest.raises(RuntimeFailure, match="NaN"):
            animator.step(sound(0.4))


@pytest.mark.parametrize("block_ms", [0, 10, 30, 1020, "fast", float("nan"), float("inf")])
def test_impossible_block(package, block_ms):
    with pytest.raises(UsageError, match="multiple of 20 ms from 20 to 1000"):
        package.animator(block_ms=block_ms)


@pytest.mark.parametrize("options", [{"sample_rate": 100}, {"channels": 0}, {"on_bad_audio": "ignore"}, {"threads": 0}])
def test_impossible_options(package, options):
    with pytest.raises((AudioFormatError, UsageError)):
        package.animator(**options)


def test_an_option_that_there_is_not(package):
    for made in (
        package.animator,
        lambda **options: package.pool(1, **options),
        lambda **o: animate([], 16000, package, **o),
    ):
        with pytest.raises(UsageError, match="option 'emotoin'; expected one of auto_strength, backend, blendshapes, "):
            made(emotoin="happy")


@pytest.mark.parametrize("tail", [-1, 61, float("nan"), "long"])
def test_impossible_tail(package, tail):
    with package.animator() as animator, pytest.raises(UsageError, match="tail_s"):
        animator.flush(tail_s=tail)


def test_whole_clip_function_counts_and_reports(package, sound):
    done = []
    animation = animate(sound(2.5), 16000, package, emotion="happy", tail_s=0.2, on_progress=done.append)
    assert len(animation) == 75 + 6
    assert done[-1] == 1.0
    assert animation.metadata["real_time_factor"] > 0
    assert animation.vertices.shape == (81, handmade.V, 3)
