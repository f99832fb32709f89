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

from . import eyes, head_ears, head_nose, mouth
from .colours import hair_weight, paint
from .head_fill import SkinGrid, fill, hairline
from .head_masks import masks
from .head_parts import Array, Index, Parts, smoothstep
from .head_shape import AXIS_Z

VERTICES = 5023


def faces_sha256(faces: NDArray[np.int32]) -> str:
    """Hash of a triangle list: SHA-256 of its little-endian int32 bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(faces, dtype="<i4").tobytes()).hexdigest()


def _sculpt(points: Array, labels: NDArray[np.str_], hair: Array) -> Array:
    """Details too fine for the distance field: the wings of the nose and the thickness of the hair."""
    out = points.copy()
    x, y, z = points.T
    skin = labels == "skin"
    side = np.sign(x)
    nose = np.isin(labels, ("skin", "nostril"))
    # a groove runs around the back of each wing; the wing itself swells and its rim arches over the opening
    ax = np.abs(x)
    around = np.hypot(ax - 0.92, 0.8 * (y + 3.62))
    groove = nose * np.exp(-0.5 * ((around - 0.74) / 0.13) ** 2) * smoothstep(1.0, 1.35, ax) * smoothstep(6.8, 7.6, z)
    wing = nose * np.exp(
        -0.5 * ((ax - 1.12) / 0.28) ** 2 - 0.5 * ((y + 3.72) / 0.32) ** 2 - 0.5 * ((z - 8.7) / 0.55) ** 2
    )
    arch = nose * np.exp(-0.5 * ((ax - 0.92) / 0.24) ** 2 - 0.5 * ((y + 4.1) / 0.3) ** 2 - 0.5 * ((z - 9.2) / 0.5) ** 2)
    columella = nose * np.exp(-0.5 * (ax / 0.2) ** 2 - 0.5 * ((y + 4.12) / 0.2) ** 2 - 0.5 * ((z - 9.1) / 0.6) ** 2)
    out[:, 0] += side * (0.05 * wing - 0.08 * groove)
    out[:, 1] += 0.20 * arch - 0.04 * columella
    out[:, 2] += -0.13 * groove + 0.04 * wing
    # the groove from nose to lip
    philtrum = (
        np.isin(labels, ("skin", "mouth_skin")) * smoothstep(-4.45, -4.75, y) * smoothstep(-5.9, -5.55, y) * (z > 7)
    )
    out[:, 2] += philtrum * (0.05 * np.exp(-0.5 * ((ax - 0.42) / 0.16) ** 2) - 0.07 * np.exp(-0.5 * (x / 0.2) ** 2))
    centre = np.array([0.0, 1.5, -1.5])
    outward = points - centre
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    # no step at the edge: the hair rises over the first centimetres behind it
    azimuth = np.arctan2(x, z - AXIS_Z)
    depth = y - hairline(azimuth)
    rise = smoothstep(-0.1, 2.2, depth)
    top = smoothstep(1.5, 8.0, y)
    thickness = 0.05 + rise * (0.10 + 0.80 * top)
    thickness += 0.22 * smoothstep(0.0, -4.0, z) * smoothstep(-6.0, 0.0, y) * rise
    thickness *= smoothstep(2.4, 4.0, np.hypot(y + 0.6, z + 0.8) + 4.0 * (ax < 4.5))  # cut short around the ears
    out += (hair * skin * thickness)[:, None] * outward
    # the front stands up a little
    fringe = hair * skin * rise * np.exp(-0.5 * ((z - 6.0) / 1.8) ** 2) * smoothstep(6.5, 9.0, y)
    out += np.outer(fringe, [0.0, 0.22, 0.25])
    return out


def build() -> tuple[Parts, Array, Index, Array, Array]:
    """Builds the head; returns parts, vertices [V, 3] cm, faces [F, 3], colours [V, 3], hair weight [V]."""
    parts = Parts()
    mouth.add_lips(parts)
    eyes.add_eyes(parts)
    mouth.add_teeth(parts)
    mouth.add_tongue(parts)
    head_ears.add_ears(parts)
    head_nose.add_nostrils(parts)
    eyes.add_lashes(parts)
    eyes.add_brows(parts)
    mouth_ids = parts.groups["mouth_rings"][0]
    openings = {
        side: [parts.groups[f"lids_{side}"][0], parts.groups[f"nostril_{side}"][0]] for side in ("left", "right")
    }
    made = parts.points
    new, faces = fill(made[mouth_ids], [made[ring] for ring in openings["left"]], VERTICES - len(parts), SkinGrid())
    ids = np.concatenate([parts.add(new, "skin"), mouth_ids, *openings["left"], *openings["right"]])
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
