"""A fixed slice of the mutated inputs, and proof that the command finds what it looks for."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

import mutate
import pytest
import targets
from target import ROOT, Target, load

SEED = 1
SLICE = {name: 5 * share for name, share in mutate.SHARES.items()}


@pytest.mark.parametrize("name", SLICE)
def test_a_slice_of_the_inputs(name):
    target = targets.TARGETS[name]()
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index in range(SLICE[name]):
            verdict = mutate.run_one(target, SEED, name, index)
            if verdict not in ("taken", "refused"):
                found.append(f"python tests/fuzz/mutate.py --one {name}:{index}: {verdict}")
    assert not found, "\n".join(found)


class Raising(Target):
    """Now and then an error that is none of ours."""

    def run(self, random):
        if random.random() < 0.5:
            raise IndexError("planted")
        return True


class Hanging(Target):
    """Once, without end."""

    def run(self, random):
        if random.random() < 0.5:
            while True:
                pass
        return True


class Crashing(Target):
    """Once, the end of the process."""

    def run(self, random):
        if random.random() < 0.5:
            os.abort()
        return True


class Hoarding(Target):
    """More memory than there may be."""

    def run(self, random):
        return bool(bytearray(mutate.MEMORY_LIMIT + (1 << 30)))


def test_the_fuzzers_planted_bugs_fit_the_sources():
    bugs = load("../csrc/fuzz/planted_bugs.py").PLANTED
    runtime = ROOT / "csrc" / "runtime"
    wrong = {name: bug for name, bug in bugs.items() if (runtime / bug.file).read_text().count(bug.text) != 1}
    assert not wrong
    harnesses = {path.stem.removeprefix("fuzz_") for path in (ROOT / "csrc" / "fuzz").glob("fuzz_*.cpp")}
    assert bugs.keys() == harnesses


PLANTED = {"raising": Raising, "hanging": Hanging, "crashing": Crashing, "hoarding": Hoarding}


@pytest.mark.parametrize(
    ("name", "says"),
    [("raising", "IndexError: planted"), ("hanging", "a hang"), ("crashing", "a crash"), ("hoarding", "MemoryError")],
)
def test_the_command_finds_what_is_planted(tmp_path, name, says):
    """The worker is this file: the same loop, with the target that is planted."""
    run = mutate.Run(tmp_path, name, SEED, 4)
    run.script = Path(__file__)
    run.cpu_limit = 0.5
    run.finish()
    index, taken, refused, found = run.state()
    assert (index, taken + refused + found) == (4, 4)
    notes = [json.loads(line) for line in (tmp_path / "findings.jsonl").read_text().splitlines()]
    assert len(notes) == found > 0
    assert all(says in entry["found"] for entry in notes)


if __name__ == "__main__":
    targets.TARGETS.update(PLANTED)
    folder, planted, seed, first, last = sys.argv[2:]
    mutate.worker(Path(folder), planted, int(seed), int(first), int(last))
