"""The tiny datasets and corpora of the neighbouring folders."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
for neighbour in ("training", "datasets"):
    sys.path.append(str(Path(__file__).parents[1] / neighbour))


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3D-RAVDESS in its layout: 30 fps, 42 vertices, masks, emotions, no phonemes."""
    import layouts

    return layouts.write_ravdess(tmp_path_factory.mktemp("recorded") / "data")
