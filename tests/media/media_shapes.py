"""A sphere for a head, and short clips in which it moves."""

from __future__ import annotations

import numpy as np

from emoface.frames import Animation
from emoface.package import Face

FPS = 30


def sphere(rings: int = 10, sectors: int = 16, radius: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and outward triangles of a closed sphere."""
    polar = np.linspace(0, np.pi, rings + 2)[1:-1]
    around = np.arange(sectors) * 2 * np.pi / sectors
    body = np.stack(
        [
            np.outer(np.sin(polar), np.sin(around)),
            np.repeat(np.cos(polar)[:, None], sectors, axis=1),
            np.outer(np.sin(polar), np.cos(around)),
        ],
        axis=2,
    ).reshape(-1, 3)
    vertices = np.concatenate([body, [[0, 1, 0], [0, -1, 0]]]) * radius
    top, bottom = len(body), len(body) + 1
    faces = []
    for s in range(sectors):
        n = (s + 1) % sectors
        faces.append((top, s, n))
        faces.append((bottom, (rings - 1) * sectors + n, (rings - 1) * sectors + s))
        for r in range(rings - 1):
            a, b, c, d = r * sectors + s, r * sectors + n, (r + 1) * sectors + s, (r + 1) * sectors + n
            faces += [(a, c, b), (b, c, d)]
    return vertices.astype(np.float32), np.asarray(faces, np.int32)


def clip(face: Face, frames: int, rate: int = 16000, seed: int = 0) -> Animation:
    """`frames` frames of random motion of rank 3 and a tone that swells."""
    generator = np.random.default_rng(seed)
    shapes = generator.normal(0, 0.004, (3, *face.template.shape))
    weights = np.cumsum(generator.normal(0, 0.4, (frames, 3)), axis=0)
    offsets = np.tensordot(weights, shapes, axes=1).astype(np.float32)
    samples = np.arange(frames * rate // FPS)
    return Animation(
        time=np.arange(frames) / FPS,
        vertices=face.template + offsets,
        emotion=np.full((frames, 8), 0.125, np.float32),
        emotion_weight=np.full((frames, len(face.template)), 0.5, np.float32),
        face=face,
        fps=FPS,
        audio=(0.5 * np.sin(samples * 0.1) * np.linspace(0, 1, len(samples))).astype(np.float32),
        audio_rate=rate,
        metadata={"synthetic": True, "package": "tiny"},
    )
