"""Receivers, and a package whose shapes have ARKit's names."""

from __future__ import annotations

from pathlib import Path

import pytest
from sender_cases import Receiver


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="session")
def named_path(tmp_path_factory) -> Path:
    """The handmade package with eleven of ARKit's shapes."""
    import handmade
    import handmade_controls

    folder = tmp_path_factory.mktemp("senders")
    return handmade.write_zip(folder / "named.emoface", handmade_controls.package_files())


@pytest.fixture(scope="session")
def wav(tmp_path_factory) -> Path:
    """0.7 s of noise at 16 kHz."""
    import numpy as np
    import soundfile

    path = tmp_path_factory.mktemp("sound") / "in.wav"
    soundfile.write(path, (0.2 * np.random.default_rng(0).standard_normal(11200)).astype(np.float32), 16000)
    return path
