"""Calibration: the mean emotion feature of neutral speech, from the frame on that it is asked for."""

from __future__ import annotations

import copy
import json
import pickle

import handmade
import handmade_voice
import numpy as np
import onnxruntime
import pytest
import soundfile
from handmade_voice import neutral_speech

import emoface
from emoface import Calibration, FrameBatch, Package
from emoface.audio.offset import without_offset
from emoface.cli.main import main
from emoface.errors import (
    AudioError,
    AudioFormatError,
    CalibrationError,
    ClosedError,
    ConditionError,
    OutputError,
    PackageError,
    UsageError,
)
from emoface.stream.calibrate import speech


@pytest.fixture(scope="module")
def files(files):
    return handmade_voice.with_emotion(files)


@pytest.fixture(scope="module")
def package_path(files, tmp_path_factory):
    return handmade.write_zip(tmp_path_factory.mktemp("calibration") / "voiced.emoface", files)


@pytest.fixture(scope="module")
def package(package_path) -> Package:
    return Package.load(package_path)


def run(animator, audio) -> FrameBatch:
    return FrameBatch.concat([animator.step(audio), animator.flush()])


def features_at_once(files, audio: np.ndarray) -> np.ndarray:
    """The graphs run once over the whole sound: what the mean is taken of, without blocks."""
    count, delay = len(audio) // 320, handmade.DELAY
    padded = np.zeros(320 * (count + delay) + 80, np.float32)
    padded[: len(audio)] = without_offset(audio, 320, 80)
    state = np.zeros((1, delay, handmade.D), np.float32)
    content = onnxruntime.InferenceSession(files["content.onnx"]).run(
        ["content"], {"audio": padded[None], "state.ring": state}
    )
    feeds = {
        "content": content[0],
        "speaker_mean": np.zeros((1, handmade.D), np.float32),
        "state.sum": np.zeros((1, 1, handmade.E), np.float32),
        "state.count": np.zeros((1, 1, 1), np.float32),
    }
    return onnxruntime.InferenceSession(files["mood.onnx"]).run(["emotion"], feeds)[0][0, delay:]


@pytest.mark.parametrize("block_ms", [20, 40, 200])
def test_the_mean_of_the_features_of_speech(package, files, block_ms):
    audio = neutral_speech(3.1)
    with package.animator(block_ms=block_ms) as animator:
        calibration = animator.calibrate(audio)
    features = features_at_once(files, audio)
    # All pauses are short: what ends the sound is the only silence that is left out.
    last = max(t for t in range(155) if np.abs(audio[320 * t : 320 * t + 320]).max() > 0.01)
    np.testing.assert_allclose(calibration.speaker_mean, features[: last + 1].mean(axis=0), atol=1e-6)
    assert calibration.seconds == (last + 1) / 50
    assert calibration.package == package.digest
    assert np.abs(calibration.speaker_mean).max() > 0.01


@pytest.mark.parametrize(("pause", "counts"), [(0.1, True), (0.28, True), (0.4, False), (2.0, False)])
def test_short_pauses_count_and_long_ones_do_not(package, pause, counts):
    clock = package.manifest.clock()
    voiced = neutral_speech(0.4)
    silence = np.zeros(round(pause * 16000), np.float32)
    audio = np.concatenate([np.zeros(9600, np.float32), voiced, silence, voiced, np.zeros(9600, np.float32)])
    counted = speech(clock, audio, len(audio) // 320)
    middle = 30 + 20 + int(pause * 25)
    assert counted[0] == 30
    assert (middle in counted) == counts
    assert len(counted) == pytest.approx(40 + (pause * 50 if counts else 0), abs=1)


def test_noise_is_told_from_speech_by_its_level(package):
    clock = package.manifest.clock()
    audio = neutral_speech(2.0)
    hum = (0.003 * np.random.default_rng(0).standard_normal(len(audio))).astype(np.float32)
    audio[16000:] = 0
    counted = speech(clock, audio + hum, 100)
    assert counted.max() < 51
    assert len(counted) >= 45


def test_frames_change_from_the_moment_on(package, sound, same_bits):
    """The same frames as by `set_condition`; those before have the bits they had."""
    audio, place = sound(2.0), 14321
    with package.animator() as animator:
        before = run(animator, audio)
        animator.reset()
        calibration = animator.calibrate(neutral_speech())
        start = run(animator, audio)
        animator.reset()
        first = animator.step(audio[:place])
        assert animator.calibrate(neutral_speech()) == calibration
        middle = FrameBatch.concat([first, run(animator, audio[place:])])
        animator.reset()
        animator.set_condition("speaker_mean", calibration.speaker_mean, at=place / 16000)
        same_bits(run(animator, audio), middle)
        animator.reset()
        animator.calibrate(neutral_speech(), at=1.0)
        announced = run(animator, audio)
        animator.reset()
        same_bits(run(animator, audio), before)
    assert (start.vertices != before.vertices).any(axis=(1, 2)).all()
    for frames, at in ((middle, place / 16000), (announced, 1.0)):
        # The first block that begins at or after the moment; frames read the feature before theirs, too.
        block = int(np.ceil(at / 0.04))
        changed = (frames.vertices != before.vertices).any(axis=(1, 2))
        first_feature = 2 * block - handmade.DELAY
        expected = int(np.floor((first_feature - 1) * 30 / 50)) + 1
        assert int(np.argmax(changed)) == expected
        assert changed[expected:].all()


def test_given_when_made_is_the_same(package, sound, tmp_path, same_bits):
    audio = sound(1.0)
    with package.animator() as animator:
        calibration = animator.calibrate(neutral_speech())
        expected = run(animator, audio)
    calibration.save(tmp_path / "voice.json")
    for given in (calibration, Calibration.load(tmp_path / "voice.json"), tmp_path / "voice.json"):
        with package.animator(calibration=given) as animator:
            same_bits(run(animator, audio), expected)
            animator.reset()
            same_bits(run(animator, audio), expected)
    with package.animator(speaker_mean=calibration.speaker_mean) as animator:
        same_bits(run(animator, audio), expected)
    with package.animator() as animator:
        assert animator.calibrate(calibration) == calibration
        same_bits(run(animator, audio), expected)


def test_none_takes_it_back(package, sound, same_bits):
    audio = sound(1.0)
    with package.animator() as animator:
        plain = run(animator, audio)
        animator.reset()
        animator.calibrate(neutral_speech())
        assert animator.calibrate(None) is None
        same_bits(run(animator, audio), plain)


def test_snapshots_keep_it(package, sound, same_bits):
    audio, place = sound(1.0), 7000
    with package.animator() as one, package.animator() as two:
        one.calibrate(neutral_speech())
        before = one.step(audio[:place])
        two.restore(one.snapshot())
        rest = run(one, audio[place:])
        same_bits(run(two, audio[place:]), rest)
        one.reset()
        one.calibrate(neutral_speech())
        same_bits(run(one, audio), FrameBatch.concat([before, rest]))


def test_a_running_stream_is_not_disturbed(package, sound, same_bits):
    audio = sound(1.0)
    with package.animator() as animator:
        expected = run(animator, audio)
        animator.reset()
        head = animator.step(audio[:5000])
        animator.calibrate(neutral_speech(), at=50.0)
        same_bits(FrameBatch.concat([head, run(animator, audio[5000:])]), expected)


def test_a_refused_calibration_changes_nothing(package, sound, same_bits):
    audio = sound(1.0)
    with package.animator() as animator:
        expected = run(animator, audio)
        animator.reset()
        head = animator.step(audio[:5000])
        for wrong in (np.zeros(48000), neutral_speech(1.0), np.full(48000, np.nan, np.float32)):
            with pytest.raises(AudioError):
                animator.calibrate(wrong)
        with pytest.raises(ConditionError, match="already computed"):
            animator.calibrate(neutral_speech(), at=0.0)
        same_bits(FrameBatch.concat([head, run(animator, audio[5000:])]), expected)


def test_formats_and_rates(package):
    audio = neutral_speech(3.0)
    with package.animator(sample_rate=48000) as animator:
        expected = animator.calibrate(audio, 16000)
        integers = np.round(audio * 32768).astype(np.int16)
        got = animator.calibrate(integers, 16000)
        np.testing.assert_allclose(got.speaker_mean, expected.speaker_mean, atol=1e-3)
        assert got == animator.calibrate((integers / np.float32(32768)).astype(np.float32), 16000)
        stereo = animator.calibrate(np.stack([audio, audio], axis=1), 16000, at=np.float32(1))
        assert stereo == expected
        tripled = np.repeat(audio, 3)
        assert animator.calibrate(tripled).seconds == pytest.approx(expected.seconds, abs=0.05)
        assert animator.calibrate(np.repeat(audio, 2), 32000.0).seconds == pytest.approx(expected.seconds, abs=0.05)


def test_a_voice_of_a_pool(package, sound, same_bits):
    """Its graphs run in the pool's batch, and calibration beside it."""
    audio, place = sound(1.0), 6000
    with package.animator() as animator:
        head = animator.step(audio[:place])
        expected = animator.calibrate(neutral_speech())
        whole = FrameBatch.concat([head, run(animator, audio[place:])])
    with package.pool(voices=1) as pool:
        head = pool.step_all([audio[:place]])
        assert pool[0].calibrate(neutral_speech()) == expected
        same_bits(FrameBatch.concat([*head, *pool.step_all([audio[place:]]), *pool.flush_all()]), whole)


@pytest.mark.parametrize(
    ("speech_given", "options", "error", "match"),
    [
        (lambda: np.zeros(0, np.float32), {}, AudioError, "0.00 s of audible speech in 0.00 s.*at least 2 s"),
        (lambda: neutral_speech(1.5), {}, AudioError, "1.40 s of audible speech in 1.50 s"),
        (lambda: np.zeros(64000, np.float32), {}, AudioError, "0.00 s of audible speech in 4.00 s"),
        (lambda: 1e-4 * neutral_speech(4.0), {}, AudioError, "0.00 s of audible speech"),
        (lambda: np.zeros(16000 * 121, np.int16), {}, AudioError, "121 s to calibrate on.*at most 120 s"),
        (lambda: np.full(64000, np.nan, np.float32), {}, AudioError, "64000 unusable sample"),
        (lambda: np.full(64000, 1e9, np.float32), {}, AudioError, "unusable sample"),
        (lambda: np.zeros((2, 3, 4), np.float32), {}, AudioError, r"shape \(2, 3, 4\)"),
        (lambda: np.float32(0.5), {}, AudioError, r"shape \(\)"),
        (lambda: np.zeros((1, 48000), np.float32), {}, AudioError, "48000 channels"),
        (lambda: "neutral.wav", {}, AudioError, "shape"),
        (lambda: np.zeros(64000, complex), {}, AudioError, "dtype complex128"),
        (lambda: neutral_speech(), {"sample_rate": 100}, AudioFormatError, "sample_rate=100"),
        (lambda: neutral_speech(), {"sample_rate": "fast"}, AudioFormatError, "sample_rate='fast'"),
        (lambda: neutral_speech(), {"at": float("nan")}, ConditionError, "at=nan"),
        (lambda: neutral_speech(), {"at": "now"}, ConditionError, "at='now'"),
    ],
)
def test_bad_speech(package, speech_given, options, error, match):
    with package.animator() as animator, pytest.raises(error, match=match):
        animator.calibrate(speech_given(), **options)


def test_a_closed_animator(package):
    animator = package.animator()
    animator.close()
    with pytest.raises(ClosedError):
        animator.calibrate(neutral_speech())


def test_a_package_that_cannot_be_calibrated(tmp_path):
    """Its model reads speaker_mean, and gives no features of that size."""
    mute = Package.load(handmade.write_folder(tmp_path / "mute", handmade.package_files()))
    with mute.animator() as animator, pytest.raises(PackageError, match="no emotion stage that takes speaker_mean"):
        animator.calibrate(neutral_speech())
    with mute.animator() as animator, pytest.raises(PackageError, match="no emotion stage"):
        animator.calibrate(None)


def test_a_calibration_of_another_package(package, files, tmp_path):
    other = Package.load(handmade.write_folder(tmp_path / "other", handmade.with_manifest(files, name="other")))
    with package.animator() as animator:
        calibration = animator.calibrate(neutral_speech())
    with pytest.raises(CalibrationError, match=f"package {package.digest[:12]}.*{other.digest[:12]}.*Calibrate again"):
        other.animator(calibration=calibration)
    with other.animator() as animator, pytest.raises(CalibrationError, match="Calibrate again"):
        animator.calibrate(calibration)
    with pytest.raises(UsageError, match="one of the two"):
        package.animator(calibration=calibration, speaker_mean=calibration.speaker_mean)
    for wrong in (3, [0.0] * 6, {"speaker_mean": 1}):
        with pytest.raises(CalibrationError, match=type(wrong).__name__):
            package.animator(calibration=wrong)


def test_files(package, tmp_path):
    with package.animator() as animator:
        calibration = animator.calibrate(neutral_speech())
    path = tmp_path / "voice.json"
    calibration.save(path)
    again = Calibration.load(path)
    assert again == calibration
    assert again.speaker_mean.tobytes() == calibration.speaker_mean.tobytes()
    assert hash(again) == hash(calibration)
    assert not again.speaker_mean.flags.writeable
    assert [child.name for child in tmp_path.iterdir()] == ["voice.json"]
    values = json.loads(path.read_text())
    for change in (
        {"format": 2},
        {"package": "abc"},
        {"package": 5},
        {"seconds": "long"},
        {"seconds": -1},
        {"seconds": "3"},
        {"seconds": 10**400},
        {"speaker_mean": [1.0, "x"]},
        {"speaker_mean": ["1", "2"]},
        {"speaker_mean": [10**400]},
        {"speaker_mean": [[1.0], 2.0]},
        {"speaker_mean": {"0": 1.0}},
        {"speaker_mean": []},
        {"speaker_mean": [[1.0]]},
        {"speaker_mean": [float("nan")]},
        {"speaker_mean": [1e99]},
        {"more": 1},
    ):
        path.write_text(json.dumps({**values, **change}))
        with pytest.raises(CalibrationError):
            Calibration.load(path)
    for text in ("", "[]", "{", "[" * 100000, "\udc80".encode("utf-8", "surrogatepass")):
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        with pytest.raises(CalibrationError, match=r"voice\.json"):
            Calibration.load(path)
    path.write_bytes(b" " * (2 << 20))
    with pytest.raises(CalibrationError, match="bytes"):
        Calibration.load(path)
    with pytest.raises(CalibrationError, match=r"none\.json"):
        Calibration.load(tmp_path / "none.json")
    with pytest.raises(OutputError):
        calibration.save(tmp_path / "no" / "voice.json")
    longer = Calibration(np.zeros(7, np.float32), 3.0, package.digest)
    with pytest.raises(ConditionError, match="shape"):
        package.animator(calibration=longer)


def test_equal_calibrations_have_equal_hashes_and_copies_are_equal():
    signed = [Calibration(np.array([zero, 1.0], np.float32), 3.0, "0" * 64) for zero in (0.0, -0.0)]
    assert signed[0] == signed[1]
    assert len(set(signed)) == 1
    for same in (copy.deepcopy(signed[1]), pickle.loads(pickle.dumps(signed[1]))):
        assert same == signed[1]
        assert not same.speaker_mean.flags.writeable


def test_command_line(package, package_path, tmp_path, capsys):
    audio, voice = neutral_speech(1.0, seed=8), neutral_speech(3.0)
    soundfile.write(tmp_path / "speech.wav", audio, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "voice.wav", voice, 16000, subtype="FLOAT")
    base = ["animate", str(tmp_path / "speech.wav"), "--package", str(package_path), "-o", str(tmp_path / "x.npz")]
    with package.animator() as animator:
        calibration = animator.calibrate(voice)
        expected = run(animator, audio)
    calibration.save(tmp_path / "voice.json")
    for given in ("voice.wav", "voice.json"):
        assert main([*base, "--calibrate", str(tmp_path / given)]) == 0
        assert np.load(tmp_path / "x.npz")["vertices"].tobytes() == expected.vertices.tobytes()
    assert main([*base, "--calibrate", str(tmp_path / "speech.wav")]) == 4
    assert "1.00 s of sound" in capsys.readouterr().err
    assert main([*base, "--calibrate", str(tmp_path / "none.wav")]) == 4
    assert main([*base, "--calibrate", str(tmp_path / "none.json")]) == 2


def test_the_default_package_can_be_calibrated():
    from emoface.stream.calibrate import calibrated_output

    manifest = emoface.Package.load().manifest
    stage, output = calibrated_output(manifest)
    assert stage.output(output).shape == ("B", "n", *manifest.conditions["speaker_mean"].shape)
