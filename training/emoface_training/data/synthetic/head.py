"""Builds the procedural head: geometry, colours, masks and rig arrays, and writes them as `head.npz`.

`python -m emoface_training.data.synthetic.head --out head.npz` rebuilds the committed file. Construction is
in centimetres; the file is in metres, +Y up, +Z front, origin near the centre of the head.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import eyes, head_ears, mouth
from .colours import hair_weight, paint
from .head_fill import SkinGrid, fill
from .head_masks import masks
from .head_parts import Array, Index, Parts, smoothstep

VERTICES = 5023


def faces_sha256(faces: NDArray[np.int32]) -> str:
    """Hash of a triangle list: SHA-256 of its little-endian int32 bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(faces, dtype="<i4").tobytes()).hexdigest()


def _sculpt(points: Array, labels: NDArray[np.str_], hair: Array) -> Array:
    """Details too fine for the distance field: nostrils and the thickness of the hair."""
    out = points.copy()
    x, y, z = points.T
    skin = labels == "skin"
    ax = np.abs(x)
    d2 = ((ax - 0.54) / 0.21) ** 2 + ((y + 4.1) / 0.30) ** 2 + ((z - 9.2) / 0.38) ** 2
    hole = skin * np.exp(-0.5 * d2 * d2)  # flat inside, steep at the rim
    out[:, 1] += 0.45 * hole
    out[:, 0] -= 0.08 * np.sign(x) * hole
    centre = np.array([0.0, 1.5, -1.5])
    outward = points - centre
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    thickness = 0.16 + 0.85 * smoothstep(3.0, 9.5, y) + 0.25 * smoothstep(0.0, -4.0, z) * smoothstep(-6.0, 0.0, y)
    out += (hair * skin * thickness)[:, None] * outward
    return out


def build() -> tuple[Parts, Array, Index, Array, Array]:
    """Builds the head; returns parts, vertices [V, 3] cm, faces [F, 3], colours [V, 3], hair weight [V]."""
    parts = Parts()
    mouth.add_lips(parts)
    eyes.add_eyes(parts)
    mouth.add_teeth(parts)
    mouth.add_tongue(parts)
    head_ears.add_ears(parts)
    eyes.add_lashes(parts)
    eyes.add_brows(parts)
    mouth_ids = parts.groups["mouth_rings"][0]
    eye_ids = parts.groups["lids_left"][0]
    made = parts.points
    new, faces, _ = fill(made[mouth_ids], made[eye_ids], VERTICES - len(parts), SkinGrid())
    ids = np.concatenate([parts.add(new, "skin"), mouth_ids, eye_ids, parts.groups["lids_right"][0]])
    parts.triangles(ids[faces])
    points = parts.points
    labels = np.array(parts.labels)
    hair = hair_weight(points) * (labels == "skin")
    colours = paint(parts, points, hair)
    return parts, _sculpt(points, labels, hair), parts.faces, colours, hair


def arrays() -> dict[str, NDArray[np.generic]]:
    """Everything `head.npz` holds, by name."""
    from .rig_build import build_basis

    parts, points, faces, colours, hair = build()
    faces32 = faces.astype(np.int32)
    out: dict[str, NDArray[np.generic]] = {
        "template": (points * 0.01).astype(np.float32),
        "faces": faces32,
        "colours": colours.astype(np.float32),
    }
    for name, index in masks(parts, points, hair).items():
        out[f"mask_{name}"] = index.astype(np.int32)
    out.update(build_basis(parts, points, faces))
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the procedural head and its rig.")
    parser.add_argument("--out", type=Path, required=True, help="file to write, for example head.npz")
    options = parser.parse_args()
    data = arrays()
    np.savez_compressed(options.out, **data)
    print(
        f"{options.out}: {options.out.stat().st_size} bytes, faces {faces_sha256(np.asarray(data['faces'], np.int32))}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
