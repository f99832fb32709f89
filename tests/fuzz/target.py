"""What reads a user's bytes: each target makes one mutated input and gives it to every reader that we have of it.

A reader takes an input or refuses it with an error of ours. Anything else is a finding: another exception, two readers
that disagree, and, seen from outside (`mutate.py`), a crash or a hang.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import ModuleType

import numpy as np

from emoface.errors import EmoFaceError

ROOT = Path(__file__).parents[2]
SEED_PACKAGE = ROOT / "tests" / "sdk" / "frozen" / "format1.emoface"


class Finding(Exception):
    """Two readers disagree, or one lets an error through that is none of ours."""


def load(path: str) -> ModuleType:
    """A module of the tests by its path."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / "tests" / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # For the modules that it imports: those beside it, and the handmade package.
    sys.path += (folders := [str(ROOT / "tests" / name) for name in (Path(path).parent, "sdk")])
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.path[-len(folders) :]
    return module


class Target:
    """One kind of input. `run` returns whether it was taken."""

    def run(self, random: Random) -> bool:
        raise NotImplementedError

    @staticmethod
    def taken(read: Callable[[], object]) -> tuple[bool, str]:
        """Whether a Python reader takes the input, and what it says."""
        try:
            read()
        except EmoFaceError as error:
            return False, error.got
        return True, ""


def sound(seconds: float = 0.2) -> np.ndarray:
    return (0.2 * np.random.default_rng(0).standard_normal(round(16000 * seconds))).astype(np.float32)
