"""Tiny checkpoints and packages for every test: exported once per state of the sources, kept in pytest's cache."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ENGINES = ("tensorrt", "windows")
"""Folders of tests whose tools `make test-engines` sets up."""


def pytest_configure() -> None:
    """A run in the background inherits that Ctrl-C and hang-ups are ignored; tests send both."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name in ENGINES:
            item.add_marker("engines")


@pytest.fixture(autouse=True)
def denormals() -> Iterator[None]:
    """Training turns them off for its process, which tests share."""
    yield
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def tiny_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where built packages are kept between sessions (a temporary folder where pytest's cache is off)."""
    cache = getattr(request.config, "cache", None)
    return tmp_path_factory.mktemp("tiny") if cache is None else Path(cache.mkdir("emoface-tiny"))


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_folder: Path) -> Path:
    """Checkpoint folder of a random-weight model with the dense head, V = 42, and its `face.npz`."""
    import tiny

    return tiny.cached(tiny_folder, "dense", lambda path: tiny.write_checkpoint(path, tiny.tiny_model()))


@pytest.fixture(scope="session")
def tiny_rank_checkpoint(tiny_folder: Path) -> Path:
    """The same with `motion_rank` 4: heads and feedback through a shared basis."""
    import tiny

    model = tiny.tiny_model
    return tiny.cached(tiny_folder, "rank", lambda path: tiny.write_checkpoint(path, model(tiny.tiny_config(4))))


@pytest.fixture(scope="session")
def tiny_package(tiny_folder: Path, tiny_checkpoint: Path) -> Path:
    """Package (zip) of `tiny_checkpoint` with fp32 and int8."""
    import tiny

    return tiny.cached(
        tiny_folder, "dense.emoface", lambda path: tiny.write_package(tiny_checkpoint, path, graphs=tiny_folder)
    )


@pytest.fixture(scope="session")
def tiny_rank_package(tiny_folder: Path, tiny_rank_checkpoint: Path) -> Path:
    """Package (zip) of `tiny_rank_checkpoint` with fp32 and int8."""
    import tiny

    return tiny.cached(
        tiny_folder, "rank.emoface", lambda path: tiny.write_package(tiny_rank_checkpoint, path, graphs=tiny_folder)
    )
