"""The handmade package with all that a face of format 2 may bring beside its mesh."""

from __future__ import annotations

import io
import json

import handmade
import handmade_png
import numpy as np
from handmade import V

F = V - 2
# Those that need not be understood are passed over.
_CHUNKS = ("IHDR", "gAMA", "iCCP", "IDAT", "IDAT", "tEXt", "IEND")
IDENTITIES = ("anna", "round_head")
TEXTURES = {"roughness": handmade_png.image(4, 1, colour=6), "albedo": handmade_png.image(chunks=_CHUNKS)}


def assets() -> dict[str, np.ndarray]:
    """Arrays of `face.npz`: a seam at vertex 5, a sharp edge behind triangle 4, pivots of one of two identities."""
    random = np.random.default_rng(9)
    template = handmade.face_arrays()["template"]
    corners = handmade.face_arrays()["faces"].copy()
    corners[4:][corners[4:] == 5] = V
    return {
        "uvs": random.random((V + 1, 2)).astype(np.float32),
        "uv_faces": corners,
        "normal_groups": (np.arange(F) > 4).astype(np.int32),
        "pivots": random.standard_normal((4, 3)).astype(np.float32),
        "identity.anna": (template * np.float32(1.1)).astype(np.float32),
        "identity.anna.pivots": random.standard_normal((4, 3)).astype(np.float32),
        "identity.round_head": (template + random.standard_normal((V, 3)) * 0.01).astype(np.float32),
    }


def package_files() -> dict[str, bytes]:
    """All files of the package, manifest.json included."""
    files = handmade.with_manifest(handmade.package_files(), format=2)
    files = handmade.with_file(files, "face.npz", handmade.npz(**face_arrays(files), **assets()))
    for name, image in TEXTURES.items():
        files = handmade.with_file(files, f"{name}.png", image)
    ordered = {}
    for key, value in json.loads(files["manifest.json"]).items():
        ordered[key] = value
        if key == "outputs":
            ordered["textures"] = {name: f"{name}.png" for name in TEXTURES}
    return {**files, "manifest.json": json.dumps(ordered).encode()}


def face_arrays(files: dict[str, bytes]) -> dict[str, np.ndarray]:
    """The arrays of a package's `face.npz`."""
    with np.load(io.BytesIO(files["face.npz"])) as stored:
        return dict(stored)
