"""Animate your own neutral face: any mesh with the package's vertices and triangles in the same order.

    python examples/own_template.py [--template face.ply] [--audio speech.wav] [--output out.npz]

Without --template it makes one: the package's face, 10 % wider, written as an .obj file. A mesh of another topology is
refused with an error that says what to do.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import emoface
from emoface import writers

SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"


def write_obj(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Vertices (V, 3) and triangles (F, 3), in the order given: the order is part of the topology."""
    lines = [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in vertices]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in faces]
    path.write_text("\n".join(lines) + "\n")


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--package", default="default")
    arguments.add_argument("--audio", type=Path, default=SPEECH)
    arguments.add_argument("--template", type=Path, default=None, help=".ply, .obj or .npz")
    arguments.add_argument("--output", type=Path, default=Path("own_template.npz"))
    choices = arguments.parse_args(argv)

    package = emoface.Package.load(choices.package)
    template = choices.template
    if template is None:
        template = choices.output.with_suffix(".obj")
        write_obj(template, package.face.template * np.float32([1.1, 1.0, 1.0]), package.face.faces)

    try:
        animation = emoface.animate_file(choices.audio, package, template=template)
    except emoface.EmoFaceError as error:
        print(f"{template} cannot be used: {error}")
        return error.exit_code
    writers.write(choices.output, animation)

    motion = np.abs(animation.vertices - animation.face.template).max() * package.face.unit_in_metres * 1000
    print(f"{choices.output}: {len(animation)} frames of {template.name}, motion up to {motion:.2f} mm")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
