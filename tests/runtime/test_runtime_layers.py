"""Layers after the model in C++: the order, identities and states of Python's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from emoface.rig.layers import ORDER, Layers

CSRC = Path(__file__).parents[2] / "csrc"
COMPILER = shutil.which("g++") or shutil.which("clang++")


class Seen:
    """A layer that says and holds what the C++ program's do."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.identity = None if place == "blinks" else [ORDER.index(place)]

    def state(self) -> dict[str, int]:
        return {"seen": 1}


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: apt install g++")
def test_layers_are_those_of_python(tmp_path):
    sources = [
        CSRC / "tests" / "test_layers.cpp",
        *(CSRC / "runtime" / f"{name}.cpp" for name in ("layers", "failure")),
    ]
    includes = [f"-I{CSRC / folder}" for folder in ("runtime", "include")]
    program = tmp_path / "test_layers"
    subprocess.run([COMPILER, "-std=c++17", "-O0", "-DEMOFACE_BUILD", *includes, *sources, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    turns, identities, states = done.stdout.splitlines()
    layers = Layers(Seen(place) for place in reversed(ORDER))
    assert tuple(turns.split()) == ORDER
    # Arrays of the first places to have arrays were named before there were places.
    assert dict.fromkeys(states.split()) == dict.fromkeys(layers.state())
    # Order within a header says nothing; those that came later are last in both.
    said = dict(item.split("=") for item in identities.split())
    assert said == {place: str(value) for place, value in layers.identity.items()}
    assert list(said)[-3:] == list(layers.identity)[-3:] == ["speech", "head_sway", "gaze"]
