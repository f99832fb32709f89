"""flite: statistical and unit voices in one small program; ``-psdur`` prints the end of every phone."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from emoface_training.errors import SpeechEngineError
from emoface_training.vocabulary import SAMPLE_RATE

from .phonemes import from_festival
from .speech import Speech, missing, read_wave, to_16k


def check() -> None:
    """Raise SpeechEngineError when the program is missing."""
    if shutil.which("flite") is None:
        raise missing("flite", "the program 'flite'", "flite")


def speak(voice: str, texts: Sequence[str], rates: Sequence[float]) -> list[Speech]:
    """Speak each text with a flite voice (slt, awb, rms, kal16) at a relative speaking rate."""
    check()
    spoken = []
    with tempfile.TemporaryDirectory(prefix="emoface-") as folder:
        path = Path(folder) / "speech.wav"
        for text, rate in zip(texts, rates, strict=True):
            command = ["flite", "-voice", voice, "--setf", f"duration_stretch={1 / rate:.4f}"]
            done = subprocess.run(
                [*command, "-psdur", "-o", str(path), "-t", text], capture_output=True, text=True, check=False
            )
            if done.returncode != 0 or not path.exists():
                raise SpeechEngineError(
                    f"no speech from flite of {text!r} with voice {voice!r} ({done.stderr.strip()})",
                    "a sound file",
                    "See that it has this voice: flite -lv",
                )
            phones, start = [], 0.0
            for token in done.stdout.split():
                name, end = token.rsplit(":", 1)
                phones.append((name, start, float(end)))
                start = float(end)
            audio = to_16k(*read_wave(path.read_bytes()))
            seconds = len(audio) / SAMPLE_RATE  # kal16 announces a longer last pause than it plays
            cut = [(name, start, min(end, seconds)) for name, start, end in phones]
            spoken.append(Speech(audio, from_festival(cut)))
            path.unlink()
    return spoken
