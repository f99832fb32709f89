"""Write the fuzzers' seeds: small valid inputs of each kind, and the tiny package that two of them run.

python csrc/fuzz/make_seeds.py      writes csrc/fuzz/seeds again
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "sdk"))

import handmade  # noqa: E402  (the tests' handmade package)

from emoface import Package  # noqa: E402


def main() -> None:
    seeds = HERE / "seeds"
    for name in ("package", "step", "snapshot"):
        (seeds / name).mkdir(parents=True, exist_ok=True)
    files = handmade.package_files()
    path = handmade.write_zip(seeds / "tiny.emoface", files)
    (seeds / "package" / "whole").write_bytes(b"\0" + path.read_bytes())
    (seeds / "package" / "manifest").write_bytes(b"\1" + files["manifest.json"])
    (seeds / "package" / "face").write_bytes(b"\2" + files["face.npz"])

    random = np.random.default_rng(0)
    for index, kind in enumerate((2, 3 | 2 << 4, 4 | 8, 1 | 4 << 4)):
        call = struct.pack("<BH", 1, 1000)
        width = (4, 8, 2, 4, 1)[kind >> 4 & 7] * (2 if kind & 8 else 1)
        samples = (0.1 * random.standard_normal(1000 * width // 4)).astype(np.float32).tobytes()
        options = bytes([kind]) + (b"" if kind & 8 else b"\1") + b"\1\2"
        data = (
            options
            + call
            + samples
            + struct.pack("<BBh", 201, 1, 50)
            + b"\xe0"
            + struct.pack("<Bh", 161, 500)
            + b"\xf0"
        )
        (seeds / "step" / f"calls{index}").write_bytes(data)

    with Package.load(path).animator(backend="ort-cpu", channels=1) as animator:
        for cut in (0, 500, 6000):
            animator.reset()
            animator.step((0.1 * random.standard_normal(cut)).astype(np.float32))
            animator.set_emotion("sad", at=2.0)
            (seeds / "snapshot" / f"after{cut}").write_bytes(animator.snapshot())


if __name__ == "__main__":
    main()
