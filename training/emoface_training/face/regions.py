"""Named vertex sets of the head, under the names that training and runtime ask for."""

from __future__ import annotations

import numpy as np

from .base_mesh import Index
from .cut import Cut
from .mouth import LIP_RINGS, Mouth
from .paint import brow, ear, hair
from .wheel import Array


def masks(cut: Cut, mouth: Mouth, at: Array, lid: Array) -> dict[str, Index]:
    """Vertex indices by name; at [V, 3] the canonical head in decimetres, lid [V] rings outside the lids.

    Regions of the skin may overlap: eyes_forehead is eyes, forehead, brows and lashes. `upper_lip_inner` and
    `lower_lip_inner` list facing vertices of the lips where they touch, from the corner on the head's left to the
    other; the middle element is the middle of the lips.
    """
    x, y, z = np.abs(at[:, 0]), at[:, 1], at[:, 2]
    skin = (cut.part == 0) & (cut.depth == 0)
    ears = skin & (ear(at) > 0.4)
    scalp = skin & (hair(at) > 0.5) & ~ears
    lips = (mouth.ring >= 0) & (mouth.ring < LIP_RINGS) & skin
    bare = skin & ~scalp & ~ears & ~lips
    neck = bare & ((y < 6.15) | ((y < 6.75) & (z < 0.85)))
    face = bare & ~neck & (z > 0.55)
    brows = face & (brow(at) > 0.25)
    nose = face & (x < 0.21) & (y > 6.87) & (y < 7.33) & (z > 1.3)
    eyes = ((lid <= 5) & skin) | (cut.depth > 0)
    forehead = face & (y > 7.35) & ~eyes & ~nose
    jaw = face & (y < 6.55) & ~nose
    cheeks = face & ~(nose | jaw | eyes | forehead) & (x > 0.22)
    parts = {name: np.isin(np.arange(len(at)), cut.of(name)) for name in ("teeth_upper", "teeth_lower", "tongue")}
    lashes = np.isin(np.arange(len(at)), cut.of("lashes"))
    sets = {
        "lips": lips, "jaw": jaw, "eyes": eyes, "forehead": forehead,
        "eyes_forehead": eyes | forehead | brows | lashes, "brows": brows, "lashes": lashes, "nose": nose,
        "cheeks": cheeks, **parts, "eyeballs": np.isin(np.arange(len(at)), cut.of("eye_left", "eye_right")),
        "mouth_inner": cut.depth == -1, "neck": neck, "scalp": scalp, "ears": ears,
    }  # fmt: skip
    out = {name: np.flatnonzero(marks) for name, marks in sets.items()}
    return out | {"upper_lip_inner": mouth.upper_pairs, "lower_lip_inner": mouth.lower_pairs}
