"""Packages made to take a reader's time or memory: refused by every reader in less than a second and 300 MB."""

from __future__ import annotations

import sys

import hostile_packages
import package_readers
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are read from /proc")


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    return hostile_packages.build(tmp_path_factory.mktemp("hostile"))


@pytest.mark.parametrize("reader", package_readers.readers_of("folder"))
def test_hostile_packages_are_refused_at_once(hostile, reader: str) -> None:
    results = hostile_packages.measured(reader, hostile)
    assert results.keys() == hostile_packages.KINDS.keys()
    for kind, result in results.items():
        assert result["verdict"] in ("MANIFEST", "PACKAGE_INTEGRITY"), (kind, result)
        # Of the processor: the clock also runs while others work. A reader that waits, say for a FIFO, ends with the
        # time that its process has.
        assert result["busy"] < hostile_packages.MOST_SECONDS, (kind, result)
        assert result["MB"] < hostile_packages.MOST_MB, (kind, result)
