"""Move a running stream: snapshot to a file, restore in a new animator, and the frames are the same bits.

    python examples/snapshot_resume.py [--audio speech.wav] [--snapshot stream.snapshot]

The new animator may live in another process or on another machine with the same package, backend and precision.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import emoface
from emoface.audio.files import read_sound

SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--package", default="default")
    arguments.add_argument("--audio", type=Path, default=SPEECH)
    arguments.add_argument("--snapshot", type=Path, default=Path("stream.snapshot"))
    choices = arguments.parse_args(argv)

    package = emoface.Package.load(choices.package)
    sound = read_sound(choices.audio)
    middle = len(sound.samples) // 2

    with package.animator(sample_rate=sound.rate) as first:
        before = first.step(sound.samples[:middle])
        choices.snapshot.write_bytes(first.snapshot())
        # What the first animator goes on to do without any interruption, to compare with.
        expected = emoface.FrameBatch.concat([first.step(sound.samples[middle:]), first.flush()])

    with package.animator(sample_rate=sound.rate) as second:
        second.restore(choices.snapshot.read_bytes())
        resumed = emoface.FrameBatch.concat([second.step(sound.samples[middle:]), second.flush()])

    same = np.array_equal(resumed.vertices, expected.vertices) and np.array_equal(resumed.time, expected.time)
    print(f"snapshot of {choices.snapshot.stat().st_size} bytes after {len(before)} frames")
    print(f"{len(resumed)} further frames, {'the same bits' if same else 'DIFFERENT'} as without the interruption")
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
