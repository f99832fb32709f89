"""festival: diphone and HTS voices; one process speaks a whole list of sentences."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from emoface_training.errors import SpeechEngineError

from .phonemes import from_festival
from .speech import Speech, missing, read_wave, to_16k

PACKAGES = "festival festlex-cmu festlex-poslex festvox-us-slt-hts festvox-kallpc16k festvox-kdlpc16k"

_DEFINE = """(define (speak text path)
  (let ((utterance (eval (list 'Utterance 'Text text))))
    (utt.synth utterance)
    (utt.save.wave utterance (string-append path ".wav") 'riff)
    (utt.save.segs utterance (string-append path ".lab"))))
"""


def check() -> None:
    """Raise SpeechEngineError when the program is missing."""
    if shutil.which("festival") is None:
        raise missing("festival", "the program 'festival'", PACKAGES)


def _script(voice: str, texts: Sequence[str], rates: Sequence[float], folder: Path) -> str:
    lines = [f"(voice_{voice})", _DEFINE]
    for i, (text, rate) in enumerate(zip(texts, rates, strict=True)):
        if "hts" in voice:
            # The HTS engine takes a rate; later options win over earlier ones.
            lines.append(f'(set! hts_engine_params (append hts_engine_params (list (list "-r" {rate:.4f}))))')
        else:
            lines.append(f"(Parameter.set 'Duration_Stretch {1 / rate:.4f})")
        plain = text.replace("\\", " ").replace('"', " ")
        lines.append(f'(speak "{plain}" "{folder}/{i:05d}")')
    return "\n".join(lines)


def speak(voice: str, texts: Sequence[str], rates: Sequence[float]) -> list[Speech]:
    """Speak each text with a festival voice (ked_diphone, kal_diphone, cmu_us_slt_arctic_hts) at a relative rate."""
    check()
    with tempfile.TemporaryDirectory(prefix="emoface-") as name:
        folder = Path(name)
        script = folder / "batch.scm"
        script.write_text(_script(voice, texts, rates, folder), encoding="ascii")
        done = subprocess.run(["festival", "-b", str(script)], capture_output=True, text=True, check=False)
        spoken = []
        for i, text in enumerate(texts):
            sound, labels = folder / f"{i:05d}.wav", folder / f"{i:05d}.lab"
            if not sound.exists() or not labels.exists():
                raise SpeechEngineError(
                    f"no speech from festival of {text!r} with voice {voice!r} ({done.stderr.strip() or 'no message'})",
                    "a sound file",
                    f"See that its voices are installed: apt-get install {PACKAGES}",
                )
            phones, start = [], 0.0
            for line in labels.read_text(encoding="ascii").splitlines():
                fields = line.split()
                if len(fields) < 3 or fields[0] == "#":
                    continue
                phones.append((fields[2], start, float(fields[0])))
                start = float(fields[0])
            spoken.append(Speech(to_16k(*read_wave(sound.read_bytes())), from_festival(phones)))
    return spoken
