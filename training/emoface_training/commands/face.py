"""Command `emoface face`."""

from __future__ import annotations

import argparse
from pathlib import Path

_SHARES = (
    ("gender", "0 female to 1 male"), ("age", "0.19 a child, 0.5 young, 1 old"), ("african", "share of ancestry"),
    ("asian", "share of ancestry"), ("caucasian", "share of ancestry"), ("weight", "0 least, 0.5 average, 1 most"),
    ("muscle", "0 least, 0.5 average, 1 most"), ("skin", "0 light to 1 dark"), ("hair", "0 black to 1 blond"),
    ("iris", "0 dark brown to 1 blue grey"),
)  # fmt: skip


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command. Nothing heavy is imported before it runs."""
    parser = subparsers.add_parser("face", help="make human faces", description="Make human faces.")
    commands = parser.add_subparsers(dest="face_command", required=True, metavar="COMMAND")
    make = commands.add_parser(
        "make",
        help="build a head with ARKit's shapes, texture and identities",
        description="Build a human head of 5023 vertices from MakeHuman's CC0 data, which are fetched once: ARKit's 52 "
        "shapes, eyes, teeth, tongue, masks, a painted texture. Without a person: the canonical head with twelve named "
        "identities. With one, by name or by parameters: that person alone.",
    )
    make.add_argument("-o", "--out", required=True, metavar="FILE.npz", help="the face; its texture is FILE.png")
    make.add_argument(
        "--cache", default="build/face", metavar="DIR", help="folder for the data, 48 MB (default: build/face)"
    )
    make.add_argument("--person", metavar="NAME", help="one of the twelve, in place of parameters")
    for name, meaning in _SHARES:
        make.add_argument(f"--{name}", type=float, metavar="X", help=meaning)
    make.add_argument(
        "--shape", action="append", default=[], metavar="PATH=X", help="a local shape, such as nose/nose-hump-incr=0.5"
    )
    make.set_defaults(run=_make)


def _make(args: argparse.Namespace) -> int:
    import numpy as np

    from emoface.writers.atomic import replacing
    from emoface_training.face import build, gaps, persons, png, wheel

    person = persons.chosen(args.person, {name: getattr(args, name) for name, _ in _SHARES}, args.shape)
    out = build.target(Path(args.out))
    cache = Path(args.cache)
    wheel.fetch(cache)
    data = wheel.Wheel(cache)
    head = build.build(data)
    picture = build.texture(head, person)
    arrays = build.arrays(data, head, {} if person else persons.NAMED, person, picture)
    with replacing(out) as file, file.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    with replacing(out.with_suffix(".png")) as file:
        file.write_bytes(png.encode(picture))
    template = build.fitted(data, head, person or persons.CANONICAL)[0]
    found = gaps.contact(head.mouth, template, head.shapes)
    print(f"{out}: {len(template)} vertices, {len(arrays['faces'])} triangles, {len(arrays['blendshapes'])} shapes")
    print(f"lips where they close: at most {found.closed:.2f} mm apart; anywhere: at least {found.lips:.2f} mm")
    print(f"lips in front of the teeth: at least {found.teeth:.2f} mm")
    print(f"lower lip to upper teeth in f and v: {found.tuck[0]:.2f} to {found.tuck[1]:.2f} mm")
    return 0
