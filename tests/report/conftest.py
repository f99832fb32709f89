"""The tiny datasets and corpora of the neighbouring folders."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3D-RAVDESS in its layout: 30 fps, 42 vertices, masks, emotions, no phonemes."""
    import layouts

    return layouts.write_ravdess(tmp_path_factory.mktemp("recorded") / "data")
