"""eSpeak NG: the only engine whose interface reports phonemes while it speaks.

Every list of sentences is spoken by a process of its own (see :mod:`.espeak_process` for the reason).
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emoface_training.errors import SpeechEngineError

from .espeak_process import LIBRARY
from .phonemes import from_espeak
from .speech import Speech, missing, to_16k

PACKAGES = "libespeak-ng1 espeak-ng-data"
WORDS_PER_MINUTE = 165


def check() -> None:
    """Raise SpeechEngineError when the library or its data is missing."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise missing("espeak", f"the library {LIBRARY}", PACKAGES) from error


def speak(voice: str, texts: Sequence[str], rates: Sequence[float]) -> list[Speech]:
    """Speak each text with an eSpeak voice such as ``en-us+f2`` or ``gmw/en-GB-scotland+m7`` at a relative rate."""
    return speak_all([(voice, text, rate) for text, rate in zip(texts, rates, strict=True)])


def speak_all(requests: Sequence[tuple[str, str, float]]) -> list[Speech]:
    """Speak a list of (voice, text, relative rate) in a fresh process, so that the result depends on the list alone."""
    check()
    spoken = [(voice, text, round(WORDS_PER_MINUTE * rate)) for voice, text, rate in requests]
    root = Path(__file__).resolve().parents[3]
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory(prefix="emoface-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", f"{__package__}.espeak_process", folder],
            input=json.dumps(spoken),
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
        result = Path(folder) / "speech.npz"
        if done.returncode != 0 or not result.exists():
            raise SpeechEngineError(
                f"no speech from eSpeak ({done.stderr.strip() or f'status {done.returncode}'})",
                "speech of every sentence",
                f"See that it and its voices are installed: apt-get install {PACKAGES}",
            )
        with np.load(result, allow_pickle=False) as stored:
            rate = int(stored["rate"])
            speech = []
            for i, (_, _, words_per_minute) in enumerate(spoken):
                samples, times = stored[f"samples_{i}"], stored[f"times_{i}"]
                events = [(str(name), float(time)) for name, time in zip(stored[f"names_{i}"], times, strict=True)]
                segments = from_espeak(events, len(samples) / rate, words_per_minute)
                speech.append(Speech(to_16k(samples, rate), segments))
    return speech
