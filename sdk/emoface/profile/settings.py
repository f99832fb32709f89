"""What a profile is asked to measure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from emoface.audio.chunk import check_rate
from emoface.errors import UsageError

SPEECH = Path(__file__).parents[1] / "assets" / "speech.wav"
_LONGEST_S = 24 * 3600.0


@dataclass(frozen=True)
class Settings:
    """One run.

    Attributes:
        backend, precision, threads, block_ms: as for `emoface.Animator`.
        seconds: audio per voice that is measured, after the warm-up.
        voices: 1 measures an Animator, more an AnimatorPool.
        sample_rate: rate of the audio fed, in Hz; 48000 is what most devices give.
        audio: sound file to feed, over and over; the bundled speech by default.
        accuracy: whether the golden vectors are compared too.
    """

    backend: str = "auto"
    precision: str | None = None
    threads: int = 1
    block_ms: float | None = None
    seconds: float = 60.0
    voices: int = 1
    sample_rate: int = 48000
    audio: Path = SPEECH
    accuracy: bool = True

    def __post_init__(self) -> None:
        check_rate(self.sample_rate)
        if not math.isfinite(self.seconds) or not 1 <= self.seconds <= _LONGEST_S:
            raise UsageError(
                f"seconds={self.seconds!r}", f"1 to {_LONGEST_S:g} seconds of audio", "60 is enough for a p99."
            )
