"""Many voices at once: one loaded package, one cheap animator per voice, one thread per voice at a time.

    python examples/many_voices.py [--voices 8] [--workers 2] [--audio speech.wav]

Every voice starts at another moment of the sound. The weights are loaded once; a voice adds only its stream's state.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import emoface
from emoface.audio.files import read_sound

SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--package", default="default")
    arguments.add_argument("--audio", type=Path, default=SPEECH)
    arguments.add_argument("--voices", type=int, default=8)
    arguments.add_argument("--workers", type=int, default=2, help="threads; one per core is enough")
    choices = arguments.parse_args(argv)

    package = emoface.Package.load(choices.package)
    sound = read_sound(choices.audio)
    step = sound.rate // 10  # a server's round: 100 ms of every voice
    styles = package.manifest.styles
    animators = [
        package.animator(sample_rate=sound.rate, style=styles[voice % len(styles)]) for voice in range(choices.voices)
    ]
    sounds = [np.roll(sound.samples, -voice * step, axis=0) for voice in range(choices.voices)]
    frames = [0] * choices.voices
    begin = time.perf_counter()

    with ThreadPoolExecutor(choices.workers) as workers:
        for start in range(0, len(sound.samples), step):

            def advance(voice: int, start: int = start) -> int:
                # Two threads never share an animator: each round has one task per voice and ends before the next.
                return len(animators[voice].step(sounds[voice][start : start + step]))

            for voice, count in enumerate(workers.map(advance, range(choices.voices))):
                frames[voice] += count
        for voice, batch in enumerate(workers.map(lambda animator: animator.flush(), animators)):
            frames[voice] += len(batch)

    elapsed = time.perf_counter() - begin
    for voice, count in enumerate(frames):
        print(f"voice {voice}: style {styles[voice % len(styles)]}, {count} frames")
    audio_s = choices.voices * sound.seconds
    print(f"{audio_s:.1f} s of audio in {elapsed:.1f} s on {choices.workers} threads")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
