"""Named vertex sets of the procedural head."""

from __future__ import annotations

import numpy as np

from . import eyes, mouth
from .head_parts import FACE_LABELS, Array, Index, Parts

# regions of the visible skin may overlap the parts and each other: eyes_forehead = eyes + forehead + brows


def masks(parts: Parts, points: Array, hair: Array) -> dict[str, Index]:
    """Vertex indices by region name; points [V, 3] in centimetres, hair weight [V].

    `upper_lip_inner` and `lower_lip_inner` list the 31 facing pairs of the ring where the lips touch, from
    the corner on the head's left to the other; element 15 is the middle of the lips.
    """
    label = np.array(parts.labels)
    x, y, z = points.T
    ax = np.abs(x)
    surface = np.isin(label, FACE_LABELS)
    rings = parts.groups["mouth_rings"]
    contact = rings[mouth.CONTACT]
    first_lip = len(mouth.SKIN_RINGS)
    scalp = (label == "skin") & (hair > 0.5)
    bare = surface & ~scalp
    neck = bare & ((y < -11.2) | ((y < -7.0) & (z < 2.0)))
    face = bare & ~neck & (z > 2.0)
    nose = face & (ax < 1.9) & (y > -4.75) & (y < 1.2) & (z > 6.6)
    lids = label == "lids"
    forehead = face & (y > 1.3) & ~nose
    around_eye = face & ~nose & (((ax - eyes.EYE_X) / 2.7) ** 2 + ((y - eyes.EYE_Y) / 1.7) ** 2 < 1) & ~forehead
    jaw = face & (y < -6.9) & ~nose
    cheeks = face & ~nose & ~jaw & ~around_eye & ~forehead & (ax > 1.6)
    sets = {
        "lips": np.isin(np.arange(len(label)), rings[first_lip : mouth.CONTACT + 1]),
        "jaw": jaw,
        "eyes": lids | around_eye,
        "forehead": forehead,
        "eyes_forehead": lids | around_eye | forehead | (label == "brows") | (label == "lashes"),
        "brows": label == "brows",
        "lashes": label == "lashes",
        "nose": nose,
        "cheeks": cheeks,
        "teeth_upper": np.isin(label, ("teeth_upper", "gum_upper")),
        "teeth_lower": np.isin(label, ("teeth_lower", "gum_lower")),
        "tongue": label == "tongue",
        "eyeballs": label == "eyeballs",
        "mouth_inner": label == "mouth_inner",
        "neck": neck,
        "scalp": scalp,
        "ears": label == "ears",
    }
    out = {name: np.flatnonzero(marks) for name, marks in sets.items()}
    upper = np.arange(1, mouth.COLUMNS // 2)
    out["upper_lip_inner"] = contact[upper]
    out["lower_lip_inner"] = contact[mouth.PAIR[upper]]
    return out
