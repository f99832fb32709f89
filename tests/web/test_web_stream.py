"""The browser's step loop beside Python's: the same frames from the same package, whatever the cuts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import handmade
import handmade_affect
import handmade_basis
import handmade_face
import handmade_format2
import handmade_gaze
import handmade_head
import numpy as np
import pytest
import soundfile
from layer_cases import CASES as LAYERS

import emoface
from emoface import Package
from emoface.live.voice import LiveFrames, LiveVoice
from emoface.options import BARE
from emoface.rig import ARKIT_52, Blinks, Gaze, HeadSway, RigControls
from emoface.senders.visemes import viseme_map, viseme_sets
from emoface.verification import REDUCED_RELATIVE

DEFAULT = Path(emoface.__file__).parent / "packages" / "default.emoface"
TOLERANCE = 1e-4  # of the motion range; of the range of other arrays
PLAIN = {"blinks": False, "gaze": False, "headSway": False}
SPELT = {"speaker_mean": "speakerMean"}
NAMES = {
    "vertices": "vertices",
    "emotion": "emotion",
    "emotionWeight": "emotion_weight",
    "blendshapeWeights": "blendshape_weights",
    "headRotation": "head_rotation",
    "headTranslation": "head_translation",
    "arousal": "arousal",
    "valence": "valence",
    "confidence": "confidence",
    "coefficients": "coefficients",
    "emotionCoefficients": "emotion_coefficients",
    "time": "time",
}


def speech(seconds: float, rate: int = 16000, seed: int = 1) -> np.ndarray:
    """Noise that comes and goes, with an offset and a pause."""
    time = np.arange(int(seconds * rate)) / rate
    loud = np.clip(np.sin(2 * np.pi * 1.3 * time), 0, 1) * (time % 1.7 > 0.3)
    return (0.3 * np.random.default_rng(seed).standard_normal(len(time)) * loud + 0.02).astype(np.float32)


def cuts(length: int, seed: int) -> list[int]:
    rng, pieces = np.random.default_rng(seed), list[int]()
    while (left := length - sum(pieces)) > 0:
        pieces.append(int(min(left, rng.integers(0, 4000))))
    return pieces


def compare(streamed: Any, batch: emoface.FrameBatch, motion_range: float, tolerance: float = TOLERANCE) -> None:
    assert "error" not in streamed.said, streamed.said
    assert streamed.said["count"] == len(batch)
    for name, ours in NAMES.items():
        expected = getattr(batch, ours)
        found = streamed.array(name)
        assert found.size == expected.size, name
        if not expected.size:
            continue
        reach = motion_range if name == "vertices" else max(float(np.ptp(expected)), 1.0)
        assert np.isfinite(found).all(), name
        assert np.abs(found.reshape(expected.shape) - expected).max() <= tolerance * reach, name


def animate(package: Package, audio: np.ndarray, tail: float = 0.0, **options: Any) -> emoface.FrameBatch:
    animator = package.animator(backend="ort-cpu", **options)
    return emoface.FrameBatch.concat([animator.step(audio), animator.flush(tail)])


def written(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    return handmade.write_zip(folder / f"{name}.emoface", files)


PACKAGES: dict[str, Callable[[], dict[str, bytes]]] = {
    "format 1": handmade.package_files,
    "25 frames per second": lambda: handmade.package_files(25),
    "noise": handmade_format2.package_files,
    "affect": handmade_affect.package_files,
    "head pose": handmade_head.package_files,
    "identities": handmade_face.package_files,
    "two fused sets of coefficients": handmade_basis.package_files,
    "coefficients": lambda: handmade_basis.with_basis(handmade.package_files(), fused=False),
}


@pytest.mark.parametrize("name", PACKAGES)
def test_frames_are_those_of_python_under_any_cuts(name: str, node_streams, tmp_path: Path) -> None:
    path = written(tmp_path, "package", PACKAGES[name]())
    package, audio = Package.load(path), speech(2.3)
    plain = {"audio": audio, "options": PLAIN, "tail": 0.4}
    streams = [{**plain, "cuts": [len(audio)]}, {**plain, "cuts": cuts(len(audio), 2)}]
    streams += [{**plain, "cuts": cuts(len(audio), 3), "options": {**PLAIN, "blockMs": 100}}]
    whole, cut, longer = node_streams(path, streams)
    motion_range = package.manifest.motion_range_m / package.manifest.unit_in_metres
    compare(whole, animate(package, audio, 0.4, **BARE), motion_range)
    compare(longer, animate(package, audio, 0.4, block_ms=100, **BARE), motion_range)
    for array in NAMES:
        assert np.array_equal(whole.array(array), cut.array(array)), array


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_any_rate_is_resampled_with_the_stored_taps(rate: int, node_streams, tmp_path: Path) -> None:
    path, audio = written(tmp_path, "package", handmade.package_files()), speech(1.5, rate)
    options = {**PLAIN, "sampleRate": rate}
    whole, cut = node_streams(
        path, [{"audio": audio, "options": options, "cuts": pieces} for pieces in ([len(audio)], cuts(len(audio), 4))]
    )
    package = Package.load(path)
    compare(whole, animate(package, audio, sample_rate=rate, **BARE), package.manifest.motion_range_m)
    assert whole.said["latency"] == package.animator(sample_rate=rate).latency.samples
    assert np.array_equal(whole.array("vertices"), cut.array("vertices"))


def test_conditions_hold_from_the_moment_that_is_said(node_streams, tmp_path: Path) -> None:
    path, audio = written(tmp_path, "package", handmade.package_files()), speech(2.0)
    package = Package.load(path)
    style, emotion = package.manifest.styles[0], package.manifest.emotions[1]
    changes = [[0, "style", style, 0.5], [0, "emotion", {emotion: 0.5}, 1.0]]
    stream = {"audio": audio, "options": PLAIN, "changes": changes}
    whole, cut = node_streams(path, [{**stream, "cuts": [len(audio)]}, {**stream, "cuts": [9000, len(audio) - 9000]}])
    animator = package.animator(backend="ort-cpu", **BARE)
    animator.set_style(style, 0.5)
    animator.set_emotion({emotion: 0.5}, 1.0)
    batch = emoface.FrameBatch.concat([animator.step(audio), animator.flush()])
    compare(whole, batch, package.manifest.motion_range_m)
    compare(cut, batch, package.manifest.motion_range_m)


def test_an_interrupted_voice_is_pythons(node_streams, tmp_path: Path) -> None:
    """Barge-in, in the room for live voices: the same numbers, the same frames to rest and from it."""
    path = written(tmp_path, "package", handmade_gaze.with_gaze(handmade_face.package_files()))
    package, audio = Package.load(path), speech(2.4)
    emotion = package.manifest.emotions[1]
    pieces = [15000, 9000, len(audio) - 24000]
    stream = {"audio": audio, "cuts": pieces, "interrupt": [1], "tail": 0.3, "options": {}}
    plain, back = node_streams(
        path, [{**stream, "changes": [[0, "emotion", emotion, 0.3]]}, {**stream, "options": PLAIN, "back": 4}]
    )
    voice = LiveVoice(package, backend="ort-cpu")
    voice.set("emotion", emotion, 0.3)
    parts = [voice.feed(audio[:15000]), voice.interrupt(), voice.feed(audio[15000:24000]), voice.feed(audio[24000:])]
    parts.append(voice.finish(0.3))
    assert plain.said["firsts"] == [part.first for part in parts]
    compare(plain, LiveFrames.joined(parts).batch, package.manifest.motion_range_m)
    # Frames that were made and not shown are taken back; the last of those that lead to rest is the neutral face.
    shown, rest, rising, *_ = back.said["firsts"]
    count = parts[0].end - 4
    assert (shown, rest, rising) == (0, count, count + 6)
    frames = back.array("vertices").reshape(-1, *package.face.template.shape)
    last = frames[parts[0].end + 5]
    assert np.array_equal(last, package.face.template)
    assert np.abs(frames[parts[0].end] - frames[count - 1]).max() < np.abs(frames[count - 1] - last).max()


OPTIONS = {"blinks": "blinks", "gaze": "gaze", "head_sway": "headSway", "identity": "identity"}


def in_javascript(options: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Blinks):
            value = {"seed": value.seed, "rate": value.rate}
        elif isinstance(value, Gaze | HeadSway):
            value = {"strength": value.strength, "seed": value.seed}
        made[OPTIONS[name]] = value
    return made


def test_layers_are_those_of_python(node_streams, tmp_path: Path) -> None:
    """Blinks, gaze and head sway by the table of cases that C++ has, too."""
    path = written(tmp_path, "package", handmade_gaze.with_gaze(handmade_face.package_files()))
    package, audio = Package.load(path), speech(6.0)
    jobs = [{"audio": audio, "options": in_javascript(options), "cuts": cuts(len(audio), 5), "tail": 0.5}
            for _, options in LAYERS.values()]  # fmt: skip
    for streamed, (_, options) in zip(node_streams(path, jobs), LAYERS.values(), strict=True):
        compare(streamed, animate(package, audio, 0.5, **options), package.manifest.motion_range_m)


def test_controls_and_blendshape_weights_are_those_of_python(node_streams, tmp_path: Path) -> None:
    path = written(tmp_path, "package", handmade_gaze.with_gaze(handmade_face.package_files()))
    package, audio = Package.load(path), speech(2.0)
    controls = {"lower_strength": 1.4, "upper_smoothing": 0.1, "lower_smoothing": 0.1, "upper_strength": 1.4}
    script = {"lowerStrength": 1.4, "upperSmoothing": 0.1, "lowerSmoothing": 0.1, "upperStrength": 1.4}
    options = {"blendshapes": True, "controls": script}
    (streamed,) = node_streams(path, [{"audio": audio, "options": options, "cuts": [len(audio)]}])
    compare(
        streamed,
        animate(package, audio, blendshapes=True, controls=RigControls(**controls)),
        package.manifest.motion_range_m,
    )


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_golden_vectors_of_an_exported_package(precision: str, node_streams, tiny_package: Path) -> None:
    """Every stage's output of the golden audio beside PyTorch's; int8 by the limit of `emoface verify`."""
    package = Package.load(tiny_package)
    golden, limit = package.golden(), TOLERANCE if precision == "fp32" else REDUCED_RELATIVE[precision]
    given = {SPELT.get(name, name): vector.tolist() for name, vector in golden.conditions.items()}
    pieces = [[len(golden.audio)], cuts(len(golden.audio), 7)]
    streams = [{"audio": golden.audio, "options": {**PLAIN, **given}, "cuts": cut, "probe": True} for cut in pieces]
    for streamed in node_streams(tiny_package, streams, precision):
        assert "error" not in streamed.said, streamed.said
        for name, expected in golden.outputs.items():
            wanted = expected[0] if name in whole_batches(golden) else expected
            found = streamed.array(name).reshape(-1, *wanted.shape[1:])
            rows = golden.frames if len(wanted) == len(golden.frames) else np.arange(len(wanted))
            off = np.abs(found[rows] - wanted).max() / np.ptp(wanted)
            assert off <= limit, (name, off)


def whole_batches(golden: emoface.package.Golden) -> set[str]:
    """Outputs that are stored with a batch axis of 1."""
    return {name for name, array in golden.outputs.items() if array.shape[0] == 1 and array.ndim > 2}


def test_the_bundled_package_speaks_as_in_python(node_streams) -> None:
    """In int8, where the last bit of a sum may turn a rounded value: within 2 % of the motion range, and of weights."""
    package, audio = Package.load(), emoface_speech()
    options = {**PLAIN, "blendshapes": True}
    (streamed,) = node_streams(DEFAULT, [{"audio": audio, "options": options, "cuts": cuts(len(audio), 6)}])
    batch = animate(package, audio, blendshapes=True, **BARE)
    compare(streamed, batch, package.manifest.motion_range_m, 0.02)
    assert streamed.said["names"] == list(package.blendshapes.names)


def emoface_speech() -> np.ndarray:
    audio, rate = soundfile.read(Path(emoface.__file__).parent / "assets" / "speech.wav", dtype="float32", stop=20000)
    assert rate == 16000
    return audio


def test_a_fault_in_a_stream_is_said_as_in_python(node_streams, tmp_path: Path) -> None:
    path, audio = written(tmp_path, "package", handmade.package_files()), speech(0.2)
    loud = audio.copy()
    loud[7] = 20
    stream = {"audio": audio, "cuts": [len(audio)]}
    cases = [
        ({"style": "nobody"}, audio, "ConditionError"),
        ({"sampleRate": 3000}, audio, "AudioFormatError"),
        ({"blockMs": 30}, audio, "UsageError"),
        ({"gaze": True}, audio, "RigError"),
        ({"identity": "nobody"}, audio, "TemplateError"),
        ({}, loud, "AudioError"),
    ]
    jobs = [{**stream, "options": {**PLAIN, **options}, "audio": sound} for options, sound, _ in cases]
    for streamed, (options, _, kind) in zip(node_streams(path, jobs), cases, strict=True):
        assert streamed.said.get("error") == kind, (options, streamed.said)


def test_visemes_are_those_of_the_senders(web_build: Path) -> None:
    rng = np.random.default_rng(8)
    frames = [dict(zip(ARKIT_52, map(float, row), strict=True)) for row in rng.random((20, 52)) ** 3]
    script = f"""
        import {{ VisemeMap }} from {json.dumps(str(web_build / "emoface.js"))};
        const frames = {json.dumps(frames)};
        const answer = (set) => frames.map((frame) => VisemeMap.of(set).weights((name) => frame[name] ?? 0));
        console.log(JSON.stringify({json.dumps(viseme_sets())}.map(answer)));"""
    done = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    for name, answers in zip(viseme_sets(), json.loads(done.stdout), strict=True):
        for frame, answer in zip(frames, answers, strict=True):
            assert answer == pytest.approx(viseme_map(name).weights(frame), abs=1e-12)


def test_names_of_shapes_are_those_of_python(web_build: Path) -> None:

    script = (
        f"import {{ ARKIT_52 }} from {json.dumps(str(web_build / 'emoface.js'))}; console.log(JSON.stringify(ARKIT_52))"
    )
    done = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    assert tuple(json.loads(done.stdout)) == ARKIT_52
