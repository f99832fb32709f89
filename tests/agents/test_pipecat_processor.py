"""The Pipecat processor in Pipecat's own test pipeline, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needs import AGENTS, lacking

from emoface import Package
from emoface.live.voice import REST_S, LiveVoice

ROOT = Path(__file__).resolve().parents[2]
SPEECH = ROOT / "sdk/emoface/assets/speech.wav"
FPS = 30
BLOCK_S = 0.1

pytestmark = pytest.mark.skipif(bool(lacking("pipecat")), reason=lacking("pipecat") or "met")


def spoken(framework: str, case: str) -> dict[str, Any]:
    path = os.pathsep.join(str(ROOT / part) for part in ("sdk", f"integrations/{framework}"))
    program = [str(AGENTS[framework] / "bin/python"), str(ROOT / f"tests/agents/speak_{framework}.py")]
    done = subprocess.run(
        [*program, case, str(SPEECH)],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def of(answer: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [row for row in answer["rows"] if row["type"] == kind]


def sound(answer: dict[str, Any]) -> bytes:
    return bytes.fromhex("".join(row["bytes"] for row in of(answer, "sound")))


def test_every_frame_goes_with_its_sound() -> None:
    answer = spoken("pipecat", "plain")
    rows, said = answer["rows"], bytes.fromhex(answer["said"])
    assert sound(answer)[: len(said)] == said and not np.any(np.frombuffer(sound(answer)[len(said) :], np.uint8))
    assert {row["context"] for row in of(answer, "sound")} == {"c"} and answer["ended"] and not answer["up"]
    frames = of(answer, "emoface.frames")
    assert [row["first"] for row in frames] == list(range(len(frames)))
    assert len(frames) == len(said) // 2 * FPS // 24000 + round(REST_S * FPS)
    kinds = [row["type"] for row in rows]
    assert kinds[:3] == ["StartFrame", "emoface.voice", "TTSStartedFrame"] and kinds[-1] == "TTSStoppedFrame"
    text = kinds.index("TTSTextFrame")
    before = sum(len(row["bytes"]) // 4 for row in rows[:text] if row["type"] == "sound")
    assert abs(before - 3 * len(said) // 14) <= 24000 / FPS  # behind the third of seven parts, to a frame
    # the frames are an animator's on the same sound
    voice = LiveVoice(Package.load("default"), sample_rate=24000, blendshapes=True, emotion="happy")
    pcm = np.frombuffer(said, np.int16)
    weights = np.concatenate([voice.feed(pcm).batch.blendshape_weights, voice.finish(REST_S).batch.blendshape_weights])
    np.testing.assert_allclose([row["weights"][0] for row in frames], weights, rtol=0, atol=2e-4)
    # and they leave on the clock
    ahead = [row["first"] / FPS - (row["at"] - frames[0]["at"]) for row in frames]
    assert max(ahead) <= 0.1 + 1e-3


def test_an_interruption_ends_the_old_frames_and_rests() -> None:
    answer = spoken("pipecat", "interrupted")
    rows = answer["rows"]
    (told,) = (number for number, row in enumerate(rows) if row["type"] == "emoface.interrupted")
    at = rows[told]["frame"]
    old = [row for row in rows[:told] if row["type"] == "emoface.frames"]
    assert len(old) > 5 and rows[told - 1]["type"] == "InterruptionFrame"
    # of the frames that had left, those of the future are taken back: at most a block of them
    assert 0 <= old[-1]["first"] + 1 - at <= BLOCK_S * FPS
    names = of(answer, "emoface.voice")[0]["blendshapes"]
    jaw = names.index("jawOpen")
    later = [row for row in rows[told:] if row["type"] == "emoface.frames"]
    assert [row["first"] for row in later] == list(range(at, at + len(later)))
    rest = later[: round(REST_S * FPS)]
    assert max(abs(weight) for weight in rest[-1]["weights"][0]) < 1e-3
    opening = [row["weights"][0][jaw] for row in rest]
    assert opening == sorted(opening, reverse=True)
    assert rest[-1]["time"][0] - rows[told]["frame"] / FPS <= REST_S
    # no old sound comes after it: what follows is the new utterance alone, and silence
    said, after = bytes.fromhex(answer["said"]), b"".join(
        bytes.fromhex(row["bytes"]) for row in rows[told:] if row["type"] == "sound"
    )  # fmt: skip
    part = np.array_split(np.frombuffer(said, np.int16), 7)[0].tobytes()
    assert after[: len(part)] == part and not any(after[len(part) :])
    assert [row["type"] for row in rows].count("TTSStoppedFrame") == 1 and answer["ended"]


def test_another_rate_and_channels_begin_another_voice() -> None:
    answer = spoken("pipecat", "rates")
    said = np.frombuffer(bytes.fromhex(answer["said"]), np.int16)
    first, other = np.array_split(said, 7)[0], np.repeat(said[: 24000 // 2 : 3], 2)
    for rate, samples in ((24000, first), (8000, other)):
        out = b"".join(bytes.fromhex(row["bytes"]) for row in of(answer, "sound") if row["rate"] == rate)
        assert out[: 2 * len(samples)] == samples.tobytes() and not any(out[2 * len(samples) :])
    kinds = [row["type"] for row in answer["rows"]]
    assert kinds.count("emoface.voice") == 2 and kinds[-1] == "TTSStoppedFrame" and not answer["up"]
    assert [row["first"] for row in of(answer, "emoface.frames")].count(0) == 2


@pytest.mark.parametrize("case", ["refused", "lost"])
def test_an_agent_without_a_face_speaks_on(case: str) -> None:
    answer = spoken("pipecat", case)
    assert sound(answer) == bytes.fromhex(answer["said"])
    assert answer["up"] == ["ErrorFrame"] and answer["ended"]
    assert [row["type"] for row in answer["rows"]][-1] in ("TTSStoppedFrame", "ErrorFrame")


def test_pictures_are_drawn_in_step_with_the_sound() -> None:
    answer = spoken("pipecat", "pictures")
    said, pictures = bytes.fromhex(answer["said"]), of(answer, "picture")
    assert sound(answer)[: len(said)] == said and not of(answer, "emoface.frames")
    assert len(pictures) > 1 and len({row["hash"] for row in pictures}) > len(pictures) / 2
    assert all(row["sync"] and row["size"] == [96, 96] for row in pictures)
    assert len(pictures) + answer["skipped"] == len(said) // 2 * FPS // 24000 + round(REST_S * FPS)
