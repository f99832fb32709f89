"""Change emotion and level at given moments of the audio: the frames do not depend on how the audio was cut.

    python examples/change_emotion.py [--audio speech.wav] [--output out.npz]

The first third follows the voice ("auto"), the second is the package's second emotion, the last mixes two at the
strongest level.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import emoface
from emoface.audio.files import Sound, read_sound

SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"


def run(package: emoface.Package, sound: Sound, chunk_s: float) -> emoface.FrameBatch:
    """Animate with the changes planned ahead, feeding `chunk_s` seconds at a time."""
    emotions, levels = package.manifest.emotions, package.manifest.levels
    one_third = sound.seconds / 3
    with package.animator(sample_rate=sound.rate, emotion="auto") as animator:
        # `at` is audio time in seconds and may lie in the future; without it the change holds from now on.
        animator.set_emotion(emotions[1], at=one_third)
        animator.set_emotion({emotions[1]: 0.5, emotions[2]: 0.5}, at=2 * one_third)
        animator.set_level(levels[-1], at=2 * one_third)
        size = max(1, int(chunk_s * sound.rate))
        batches = [animator.step(sound.samples[i : i + size]) for i in range(0, len(sound.samples), size)]
        return emoface.FrameBatch.concat([*batches, animator.flush()])


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--package", default="default")
    arguments.add_argument("--audio", type=Path, default=SPEECH)
    arguments.add_argument("--output", type=Path, default=None, help="an .npz with the vertices (V, 3) of each frame")
    choices = arguments.parse_args(argv)

    package = emoface.Package.load(choices.package)
    sound = read_sound(choices.audio)
    frames = run(package, sound, 0.1)
    plain = emoface.animate(sound.samples, sound.rate, package)
    other_cut = run(package, sound, 0.037)

    difference = np.abs(frames.vertices - plain.vertices).max(axis=(1, 2)) * package.face.unit_in_metres * 1000
    for name, part in zip(("auto", "one emotion", "mixed, strong"), np.array_split(difference, 3), strict=True):
        print(f"{name:14s} differs from auto by at most {part.max(initial=0.0):.3f} mm")
    same = np.array_equal(frames.vertices, other_cut.vertices)
    print(f"chunks of 100 ms and of 37 ms give {'the same bits' if same else 'DIFFERENT frames'}")
    if choices.output:
        np.savez(choices.output, vertices=frames.vertices, time=frames.time)
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
