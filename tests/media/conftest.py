"""A small face and clip for the tests of pictures and files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from media_shapes import clip, sphere

from emoface.frames import Animation
from emoface.package import Face
from emoface.rig import Blendshapes


@pytest.fixture(scope="session")
def face() -> Face:
    vertices, faces = sphere()
    colours = np.full(vertices.shape, (0.6, 0.4, 0.3), np.float32)
    lips = np.flatnonzero((np.abs(vertices[:, 1]) < 0.03) & (vertices[:, 2] > 0.06)).astype(np.int32)
    return Face(vertices, faces, colours, {"lips": lips}, 1.0)


@pytest.fixture(scope="session")
def animation(face: Face) -> Animation:
    return clip(face, 20)


@pytest.fixture(scope="session")
def shaped(animation: Animation) -> Animation:
    """The clip with weights of two blendshapes: every writer can write it."""
    shapes = np.random.default_rng(5).normal(0, 0.01, (2, *animation.face.template.shape))
    weights = np.linspace(0, 1, 2 * len(animation), dtype=np.float32).reshape(-1, 2)
    return replace(animation, blendshapes=Blendshapes(("jawOpen", "tongueOut"), shapes), blendshape_weights=weights)
