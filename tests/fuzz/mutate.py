"""Mutated input for every reader, in processes of their own: no crash, no hang, no error that is none of ours.

    python tests/fuzz/mutate.py --runs 100000 --seed 1

An input is a function of seed, target and number alone: `--one snapshot:4711` runs that one again, here and now. A run
that was interrupted goes on where it was; the findings lie in the folder that the table's last line names. Exits with
1 where there are any.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import resource
import struct
import subprocess
import sys
import time
import warnings
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
# Shares of the runs, in percent
SHARES = {
    "snapshot": 24,
    "manifest": 18,
    "archive": 14,
    "arrays": 12,
    "graph": 10,
    "calibration": 3,
    "person": 3,
    "template": 7,
    "rig": 7,
    "sound": 5,
}
READERS = ",".join(
    f"*/emoface/{path}"
    for path in (
        *(
            "strict_json.py",
            "manifest*.py",
            "archive.py",
            "package_files.py",
            "npz_file.py",
            "face_file.py",
            "graphs/*",
        ),
        *("stream/snapshot*.py", "stream/state.py", "calibration.py", "person.py"),
        *("template_files.py", "ply_files.py"),
        *("rig/glb_reader.py", "rig/basis_files.py", "audio/files.py", "audio/containers.py", "audio/mpeg.py"),
        *("audio/ogg.py", "audio/source.py"),
    )
)
# A worker that stays at one input for so many seconds of processor time, or of any, hangs.
CPU_LIMIT_S, WALL_LIMIT_S = 10.0, 180.0
MEMORY_LIMIT = 2 << 30  # bytes beyond what a worker needs to begin
# The input in work (its complement before a worker has begun); taken, refused and found so far
_SHARED = struct.Struct("<4q")


def random_of(seed: int, target: str, index: int) -> Random:
    """The source of one input."""
    return Random(f"{seed}:{target}:{index}")


def run_one(target: Any, seed: int, name: str, index: int) -> str:
    """ "taken", "refused", or what was found."""
    # Here, so that the parent needs none of it.
    from target import Finding

    try:
        return "taken" if target.run(random_of(seed, name, index)) else "refused"
    except Finding as finding:
        return str(finding)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {error}"


def worker(folder: Path, name: str, seed: int, first: int, last: int) -> None:
    """Inputs [first, last) of one target; where it is, and what it found, lies in the folder for the parent."""
    from targets import TARGETS

    warnings.simplefilter("ignore")
    target = TARGETS[name]()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY_LIMIT, size + MEMORY_LIMIT))
    with (folder / f"{name}.now").open("r+b") as file, mmap.mmap(file.fileno(), _SHARED.size) as shared:
        _, taken, refused, found = _SHARED.unpack(shared[:])
        for index in range(first, last):
            shared[:] = _SHARED.pack(index, taken, refused, found)
            verdict = run_one(target, seed, name, index)
            if verdict == "taken":
                taken += 1
            elif verdict == "refused":
                refused += 1
            else:
                found += 1
                note(folder, name, index, verdict)
        shared[:] = _SHARED.pack(last, taken, refused, found)


def note(folder: Path, name: str, index: int, what: str) -> None:
    """One finding, on a line of its own."""
    with (folder / "findings.jsonl").open("a") as file:
        file.write(json.dumps({"target": name, "input": index, "found": what[:1000]}) + "\n")


class Run:
    """All inputs of one target."""

    def __init__(self, folder: Path, name: str, seed: int, runs: int, covered: bool = False) -> None:
        self.folder, self.name, self.seed, self.runs, self.covered = folder, name, seed, runs, covered
        self.script, self.cpu_limit = Path(__file__), CPU_LIMIT_S
        self.now = folder / f"{name}.now"
        if not self.now.exists():
            self.now.write_bytes(_SHARED.pack(0, 0, 0, 0))

    def state(self) -> tuple[int, int, int, int]:
        """The input in work; taken, refused and found so far."""
        index, taken, refused, found = _SHARED.unpack(self.now.read_bytes())
        return max(index, ~index), taken, refused, found

    def finish(self) -> None:
        """Worker after worker until every input has been read."""
        while self.state()[0] < self.runs:
            first, *counts = self.state()
            self.now.write_bytes(_SHARED.pack(~first, *counts))
            where = [str(self.folder), self.name, str(self.seed), str(first), str(self.runs)]
            measured = (
                ["-m", "coverage", "run", f"--rcfile={os.devnull}", "-p", "--source=emoface"] if self.covered else []
            )
            environment = {**os.environ, "COVERAGE_FILE": str(self.folder.resolve() / ".coverage")}
            command = [sys.executable, *measured, str(self.script), "--worker", *where]
            process = subprocess.Popen(command, env=environment)
            try:
                ended = self._watch(process)
            except BaseException:
                process.kill()
                raise
            if ended is not None:
                index, taken, refused, found = self.state()
                note(self.folder, self.name, index, ended)
                self.now.write_bytes(_SHARED.pack(index + 1, taken, refused, found + 1))

    def _watch(self, process: subprocess.Popen[bytes]) -> str | None:
        """None for a worker that came to its end, or how it did not."""
        index, since, cpu, told = -1, time.monotonic(), 0.0, 0.0
        while (code := process.poll()) is None:
            now, spent = time.monotonic(), processor_seconds(process.pid)
            (at,) = struct.unpack_from("<q", self.now.read_bytes())
            if at != index or at < 0:
                index, since, cpu = at, now, spent
            elif spent - cpu > self.cpu_limit or now - since > WALL_LIMIT_S:
                process.kill()
                process.wait()
                return f"a hang: {spent - cpu:.0f} s of processor time, {now - since:.0f} s in all"
            if now - told > 5:
                told = now
                print(f"{self.name:12} {index:7} of {self.runs}, {self.state()[3]} found", file=sys.stderr, flush=True)
            time.sleep(0.1)
        if code and struct.unpack_from("<q", self.now.read_bytes())[0] < 0:
            raise RuntimeError(f"the worker of {self.name} ended with {code} before its first input")
        return None if code == 0 else f"a crash: the process ended with {code}"


def processor_seconds(pid: int) -> float:
    """Of a process and its threads."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000, help="inputs in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--targets", default=",".join(SHARES), help="some of them, by commas")
    parser.add_argument("--folder", type=Path, help="where state and findings lie; build/mutate/SEED-RUNS")
    parser.add_argument(
        "--coverage", action="store_true", help="lines of the readers, by coverage.py: several times slower"
    )
    parser.add_argument("--one", metavar="TARGET:NUMBER", help="one input, in this process")
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        folder, name, seed, first, last = given.worker
        worker(Path(folder), name, int(seed), int(first), int(last))
        return 0
    if given.one:
        from targets import TARGETS

        name, _, number = given.one.partition(":")
        print(run_one(TARGETS[name](), given.seed, name, int(number)))
        return 0
    folder = given.folder or Path("build") / "mutate" / f"{given.seed}-{given.runs}"
    folder.mkdir(parents=True, exist_ok=True)
    names = given.targets.split(",")
    whole = sum(SHARES.get(name, 100) for name in names)
    shares = {name: -(-given.runs * SHARES.get(name, 100) // whole) for name in names}
    runs = [Run(folder, name, given.seed, shares[name], given.coverage) for name in names]
    for run in runs:
        run.finish()
    print(f"{'target':12} {'inputs':>7} {'taken':>7} {'refused':>7} {'found':>6}")
    totals = [run.state() for run in runs]
    for run, numbers in zip(runs, totals, strict=True):
        print(f"{run.name:12} {numbers[0]:7} {numbers[1]:7} {numbers[2]:7} {numbers[3]:6}")
    sums = [sum(column) for column in zip(*totals, strict=True)]
    print(f"{'all':12} {sums[0]:7} {sums[1]:7} {sums[2]:7} {sums[3]:6}   seed {given.seed}, {folder}")
    if given.coverage:
        covered = {"cwd": folder, "env": {**os.environ, "COVERAGE_FILE": ".coverage"}}
        subprocess.run([sys.executable, "-m", "coverage", "combine", "-q"], check=True, **covered)
        subprocess.run([sys.executable, "-m", "coverage", "report", f"--include={READERS}"], check=True, **covered)
    return 1 if sums[3] else 0


if __name__ == "__main__":
    sys.exit(main())
