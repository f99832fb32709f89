"""Where the parts of the head lie in its texture: MakeHuman's islands, packed for a head alone, and eyes of our own."""

from __future__ import annotations

import numpy as np

from . import eyeballs
from .base_mesh import BaseMesh, Index
from .cut import PARTS, Cut
from .wheel import Array

# Left, top, right and bottom of each piece in the texture, 0..1, v downwards.
PLACES = {
    "skin": (0.005, 0.005, 0.715, 0.995),
    "eye_left": (0.73, 0.01, 0.86, 0.14),
    "eye_right": (0.865, 0.01, 0.995, 0.14),
    "neck": (0.73, 0.16, 0.995, 0.36),
    "cavity": (0.73, 0.375, 0.995, 0.545),
    "teeth_upper": (0.73, 0.56, 0.995, 0.655),
    "teeth_lower": (0.73, 0.67, 0.995, 0.765),
    "tongue": (0.73, 0.78, 0.83, 0.99),
    "socket_left": (0.84, 0.78, 0.91, 0.87),
    "socket_right": (0.92, 0.78, 0.99, 0.87),
    "lashes": (0.84, 0.885, 0.99, 0.99),
}


def layout(mesh: BaseMesh, cut: Cut) -> tuple[Array, Index, Index]:
    """Coordinates [U, 2] as glTF has them, faces [F, 3] into them, and the piece of each face as a row of `PLACES`."""
    whole = np.concatenate([mesh.uvs, *[eyeballs.uvs() for _ in eyeballs.SIDES]])
    whole[:, 1] = 1.0 - whole[:, 1]
    piece = _pieces(cut)
    used, uv_faces = np.unique(cut.uv_corners, return_inverse=True)
    uv_faces = uv_faces.reshape(-1, 3)
    uvs = whole[used]
    out = uvs.copy()
    for number, place in enumerate(PLACES.values()):
        rows = np.unique(uv_faces[piece == number])
        low, high = uvs[rows].min(axis=0), uvs[rows].max(axis=0)
        corner, end = np.array(place[:2]), np.array(place[2:])
        out[rows] = corner + (uvs[rows] - low) / (high - low) * (end - corner)
    return out, uv_faces, piece


def _pieces(cut: Cut) -> Index:
    """The piece [F] of each face: parts are one each, the skin falls into those of its texture."""
    names = list(PLACES)
    part = cut.part[cut.faces[:, 0]]
    piece = np.array([names.index(name) for name in PARTS])[part]
    skin = np.flatnonzero(part == 0)
    label = _connected(cut.uv_corners[skin])
    values, counts = np.unique(label, return_counts=True)
    for value in values[values != values[np.argmax(counts)]]:
        rows = skin[label == value]
        depth = cut.depth[cut.faces[rows]]
        name = "cavity" if (depth == -1).any() else "neck"
        if (depth > 0).any():
            # One socket's faces lie on one side: the eyes come after the skin, left first.
            name = "socket"
        piece[rows] = names.index(name) if name != "socket" else -1
    sockets = skin[piece[skin] == -1]
    which = _connected(cut.uv_corners[sockets])
    first, second = np.unique(which)
    # In the file the left eye's socket lies to the right in the texture; told apart by their vertices' order.
    piece[sockets[which == first]] = names.index("socket_right")
    piece[sockets[which == second]] = names.index("socket_left")
    return piece


def _connected(corners: Index) -> Index:
    """Label [F] of the connected piece of each triangle [F, 3] of texture coordinates."""
    label = np.arange(corners.max() + 1)
    while True:
        fresh = label.copy()
        np.minimum.at(fresh, corners.ravel(), np.repeat(label[corners].min(axis=1), 3))
        fresh = fresh[fresh]
        if np.array_equal(fresh, label):
            return np.asarray(label[corners[:, 0]])
        label = fresh
