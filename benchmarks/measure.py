"""What every benchmark shares: interleaved timing, CPU time beside wall time, one JSON line at the end."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

# One-core figures: libraries that start their own threads must not. (ONNX Runtime takes its own setting.)
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


@dataclass
class Timing:
    """Seconds of repeated calls of one alternative: CPU and wall."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def add(self, call: Callable[[], object]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        self.cpu.append(time.process_time() - cpu)
        self.wall.append(time.perf_counter() - wall)

    @property
    def median_ms(self) -> float:
        """Median CPU time in ms: on a shared machine steadier than wall time, and equal to it on a free core."""
        return 1e3 * float(np.median(self.cpu))

    def percentile_ms(self, percent: float) -> float:
        return 1e3 * float(np.percentile(self.wall, percent))


def interleave(alternatives: dict[str, Callable[[], object]], repeats: int, warm_up: int = 3) -> dict[str, Timing]:
    """Time the alternatives in turns, so that a busy machine hits all of them alike."""
    timings = {name: Timing() for name in alternatives}
    for _ in range(warm_up):
        for call in alternatives.values():
            call()
    for _ in range(repeats):
        for name, call in alternatives.items():
            timings[name].add(call)
    return timings


def cpu_per_wall(timings: list[Timing]) -> float:
    """Total CPU over total wall time; above 1.05 more than one core was used."""
    return sum(sum(t.cpu) for t in timings) / max(1e-9, sum(sum(t.wall) for t in timings))


def resident_mb() -> float:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


def parser(description: str) -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--json", action="store_true", help="print one JSON object with the figures as last line")
    return arguments


def finish(benchmark: str, figures: dict[str, float], as_json: bool) -> None:
    """Print the figures; with `as_json` the last line is {"benchmark", "figures", "machine"}."""
    rounded = {name: float(f"{value:.4g}") for name, value in figures.items()}
    if not as_json:
        for name, value in rounded.items():
            print(f"{name:24s} {value:g}")
        return
    print(json.dumps({"benchmark": benchmark, "figures": rounded, "machine": machine()}))


def machine() -> dict[str, object]:
    import onnxruntime

    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "numpy": np.__version__,
    }
