"""The human head with its 52 shapes, and motion of its rig."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rig_cases import handmade, shaped_files

from emoface.package import Face, Package
from emoface_export.face_file import read_face, with_assets_of_head
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.data.synthetic.rig import HEAD_FILE, Rig


@pytest.fixture(scope="session")
def face() -> Face:
    arrays = with_assets_of_head(read_face(HEAD_FILE))
    return Face(arrays.template, arrays.faces, arrays.colours, arrays.masks, 1.0, arrays.blendshapes)


@pytest.fixture(scope="session")
def motion() -> np.ndarray:
    """Offsets (90, V, 3) of the rig: jaw, lips, smile, brows and a blink move, each parameter at its own pace."""
    time = np.arange(90)[:, None] / 30
    generator = np.random.default_rng(7)
    pace, phase = generator.uniform(0.5, 3.0, len(RIG_PARAMETERS)), generator.uniform(0, 2 * np.pi, len(RIG_PARAMETERS))
    size = np.array(
        [0.6 if name in ("jaw_open", "smile", "blink", "brow_inner_up") else 0.3 for name in RIG_PARAMETERS]
    )
    return Rig.load().offsets(size * np.clip(np.sin(pace * time * 2 * np.pi + phase), 0, 1))


@pytest.fixture(scope="session")
def shaped_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handmade.write_zip(tmp_path_factory.mktemp("rig") / "shaped.emoface", shaped_files())


@pytest.fixture(scope="session")
def shaped_package(shaped_path: Path) -> Package:
    return Package.load(shaped_path)
