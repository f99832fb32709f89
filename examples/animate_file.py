"""A sound file in, an animation out: .glb, .mp4, .npz or .png (a contact sheet).

    python examples/animate_file.py speech.wav out.glb [--package default] [--style NAME] [--emotion happy]

Without arguments it animates the bundled speech into animation.npz. The same as `emoface animate`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import emoface
from emoface import writers

SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("audio", nargs="?", default=SPEECH, type=Path)
    arguments.add_argument("output", nargs="?", default=Path("animation.npz"), type=Path)
    arguments.add_argument("--package", default="default", help="a name, a folder or an .emoface file")
    arguments.add_argument("--style", default=None, help="one of the package's styles (default: their mean)")
    arguments.add_argument("--emotion", default="auto", help="one of the package's emotions, or auto")
    choices = arguments.parse_args(argv)

    writers.check(choices.output)  # an unknown suffix or a missing library is found before the work, not after
    package = emoface.Package.load(choices.package)
    animation = emoface.animate_file(choices.audio, package, style=choices.style, emotion=choices.emotion)
    writers.write(choices.output, animation)

    used = animation.metadata
    print(f"{choices.output}: {len(animation)} frames at {animation.fps} fps, {used['backend']}, {used['precision']}")
    print(f"declared latency {used['latency_ms']:.0f} ms, real-time factor {used['real_time_factor']:.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
