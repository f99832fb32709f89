"""Jobs in several processes end soon when they are interrupted."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from emoface_training.data.synthetic.workers import each


def _square(number: int, folder: Path) -> int:
    time.sleep(0.05)
    (folder / f"{number}-{os.getpid()}").touch()
    return number * number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(tmp_path: Path, workers: int) -> None:
    assert list(each(_square, workers, range(6), [tmp_path] * 6)) == [0, 1, 4, 9, 16, 25]
    done = {path.name.partition("-")[2] for path in tmp_path.iterdir()}
    assert (str(os.getpid()) in done) == (workers == 1)


def test_what_has_not_begun_is_left_when_the_work_is_interrupted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        for number in each(_square, 2, range(200), [tmp_path] * 200):
            if number == 4:
                raise KeyboardInterrupt
    begun = len(list(tmp_path.iterdir()))
    time.sleep(0.5)
    assert begun < 40 and len(list(tmp_path.iterdir())) == begun
