"""A model file of FLAME's format, EMOCA's code folders and RAVDESS' videos, tiny and made by code."""

from __future__ import annotations

import pickle
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import scipy.sparse

from tiny import icosphere

SHAPES, EXPRESSIONS = 300, 100


def flame_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """42 vertices, 300 shape and 100 expression directions, five joints; the jaw carries the lower half."""
    generator = np.random.default_rng(seed)
    vertices, faces = icosphere(1, 0.1)
    count = len(vertices)
    lower = vertices[:, 1] < -0.02
    weights = np.zeros((count, 5))
    weights[:, 1] = 1.0
    weights[lower, 1], weights[lower, 2] = 0.2, 0.8
    regressor = generator.random((5, count))
    parents = np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32)
    return {
        "v_template": vertices.astype(np.float64),
        "f": faces.astype(np.uint32),
        "shapedirs": 1e-3 * generator.standard_normal((count, 3, SHAPES + EXPRESSIONS)),
        "posedirs": 1e-4 * generator.standard_normal((count, 3, 36)),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights,
        "kintree_table": parents,
    }


def write_flame(path: Path) -> Path:
    """As published: chumpy arrays and a sparse regressor in a protocol 2 pickle."""
    arrays = flame_arrays()
    chumpy, module = types.ModuleType("chumpy"), types.ModuleType("chumpy.ch")

    class Ch:
        def __init__(self, x: np.ndarray) -> None:
            self.x = x
            self._dirty_vars = set()

    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    module.Ch = Ch
    sys.modules.update({"chumpy": chumpy, "chumpy.ch": module})
    try:
        content: dict[str, object] = dict(arrays)
        content["shapedirs"] = Ch(arrays["shapedirs"])
        content["v_template"] = Ch(arrays["v_template"])
        content["J_regressor"] = scipy.sparse.csc_matrix(arrays["J_regressor"])
        content["bs_style"] = "lbs"
        path.write_bytes(pickle.dumps(content, 2))
    finally:
        del sys.modules["chumpy"], sys.modules["chumpy.ch"]
    return path


def codes(seed: int, frames: int) -> dict[str, np.ndarray]:
    """shape [T, 100], exp [T, 50], pose [T, 6] of a smooth take with jitter."""
    generator = np.random.default_rng(seed)
    time = np.arange(frames) / 30
    exp = np.sin(2 * np.pi * generator.uniform(0.5, 2.0, 50) * time[:, None]) * generator.uniform(0.2, 1.0, 50)
    pose = np.zeros((frames, 6))
    pose[:, :3] = 0.3 * np.sin(2 * np.pi * time)[:, None]  # the head turns
    pose[:, 3] = 0.1 + 0.1 * np.sin(2 * np.pi * 3 * time)  # the jaw opens
    noise = generator.standard_normal
    shape = generator.standard_normal(100) + 0.1 * noise((frames, 100))
    return {"shape": shape, "exp": exp + 0.05 * noise((frames, 50)), "pose": pose + 0.005 * noise((frames, 6))}


def write_codes(root: Path, stem: str, seed: int, frames: int, missing: tuple[int, ...] = ()) -> Path:
    """EMOCA's folders: one per frame, numbered from 1, with `_000` for the first face found."""
    rows = codes(seed, frames)
    for frame in range(frames):
        if frame in missing:
            continue
        folder = root / stem / "EMOCA_v2_lr_mse_20" / f"{frame + 1:06d}_000"
        folder.mkdir(parents=True)
        for name, values in rows.items():
            np.save(folder / f"{name}.npy", values[frame].astype(np.float32))
    return root / stem


def write_video(path: Path, seconds: float, fps: float = 29.97) -> Path:
    """A test picture with a tone, H.264 and AAC, as RAVDESS' files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = f"testsrc=size=32x32:rate={fps}:duration={seconds}"
    tone = f"sine=frequency=220:sample_rate=48000:duration={seconds}"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone]
    subprocess.run([*command, "-threads", "1", "-shortest", str(path)], check=True)
    return path
