"""What a browser client is told, as JSON: `data` of RTVI server messages. See docs/agents.md."""

from __future__ import annotations

from typing import Any

from emoface.live.host import HostedVoice
from emoface.live.voice import LiveFrames

DECIMALS = 4
"""Of weights, probabilities and quaternions: 1e-4 of their range is not seen."""


def voice_message(voice: HostedVoice) -> dict[str, Any]:
    """What holds for all frames; sent before the first."""
    facts = voice.facts
    return {
        "type": "emoface.voice",
        "fps": facts.fps,
        "latency_ms": facts.latency_ms,
        "blendshapes": list(facts.blendshapes),
        "emotions": list(facts.emotions),
        "package": facts.package,
    }


def frames_message(frames: LiveFrames) -> dict[str, Any]:
    """Frames: their first number, times in seconds of the voice, and one row each of what they have."""
    batch = frames.batch
    message: dict[str, Any] = {
        "type": "emoface.frames",
        "first": frames.first,
        "time": [round(float(time), 6) for time in batch.time],
        "weights": _rounded(batch.blendshape_weights),
    }
    if batch.emotion.shape[1]:
        message["emotion"] = _rounded(batch.emotion)
    if batch.has_head_pose:
        message["head"] = _rounded(batch.head_quaternion)
    return message


def interrupted_message(frame: int) -> dict[str, Any]:
    """Forget frame `frame` and all later ones; others with their numbers follow."""
    return {"type": "emoface.interrupted", "frame": frame}


def _rounded(rows: Any) -> list[list[float]]:
    return [[round(float(value), DECIMALS) for value in row] for row in rows]
