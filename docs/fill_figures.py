"""Fill the measured figures of README.md from what the benchmarks printed and what the package says of itself.

    python benchmarks/stream.py --json > stream.jsonl
    python benchmarks/versus_naive.py --json > naive.jsonl
    python docs/fill_figures.py stream.jsonl naive.jsonl [--package default]

Everything between the marks `figures:begin` and `figures:end` is replaced. A figure without a label below is shown by
its name; nothing is rounded beyond four digits.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
LABELS = {
    "rtf_100ms": "processing time / audio time, 100 ms blocks, one core",
    "rtf_40ms": "processing time / audio time, 40 ms blocks, one core",
    "step_p50_ms": "one `step` with 100 ms of audio, median, ms",
    "step_p99_ms": "one `step` with 100 ms of audio, 99th percentile, ms",
    "first_frame_ms": "first frame after the first sample, 40 ms blocks, ms",
    "drift": "cost of a step, last tenth of the long run / first tenth",
    "rss_growth_mb": "growth of memory over the long run, MB",
    "cpu_per_wall": "CPU time / wall time",
    "speedup_t60": "step against decoding the whole prefix again, frame 60",
    "speedup_t300": "step against decoding the whole prefix again, frame 300",
    "speedup_t600": "step against decoding the whole prefix again, frame 600",
    "speedup_published_t300": "the same with the vertex head for every frame of the prefix, frame 300",
    "speedup_cache_t300": "step against PyTorch with a key-value cache, frame 300",
}


def benchmark_rows(paths: list[Path]) -> tuple[list[str], list[str]]:
    """Table rows of all benchmark lines in the files, and the machines they ran on."""
    rows, machines = [], []
    for path in paths:
        for line in path.read_text().splitlines():
            if not line.startswith('{"benchmark"'):
                continue
            result = json.loads(line)
            command = f"python benchmarks/{result['benchmark']}.py"
            rows += [
                f"| {LABELS.get(name, name)} | {number(value)} | `{command}` |"
                for name, value in result["figures"].items()
                if name in LABELS or not re.search(r"_t\d+$", name)
            ]
            machine = result["machine"]
            versions = [f"{key} {machine[key]}" for key in ("python", "onnxruntime") if key in machine]
            text = ", ".join([f"{machine.get('cpu', 'unknown CPU')} ({machine.get('cores', '?')} cores)", *versions])
            if text not in machines:
                machines.append(text)
    return rows, machines


def number(value: float) -> str:
    """Four significant digits, thousands without an exponent."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def package_rows(manifest: Any) -> list[str]:
    """What the package declares, and the metrics its provenance states."""
    rate = manifest.sample_rate
    size = sum(entry.bytes for entry in manifest.files.values()) / 1e6
    block = 1000 * manifest.block_features / manifest.feature_rate
    rows = [
        f"| declared latency at {block:g} ms blocks, ms | {number(1000 * manifest.latency_samples / rate)} "
        "| `emoface inspect` |",
        f"| files of the package, MB | {number(size)} | `emoface inspect` |",
    ]
    for name, value in numbers(manifest.verification.get("measured", {})):
        rows.append(f"| export: {name} | {number(value)} | `emoface verify --checkpoint` |")
    return rows


def numbers(tree: Any, prefix: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of nested plain data with their dotted names."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from numbers(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(tree, (int, float)) and not isinstance(tree, bool):
        yield prefix, float(tree)


def metric_table(metrics: Mapping[str, Any]) -> list[str]:
    """A table with one row per metric and one column per split of the synthetic corpus."""
    splits = [name for name, value in metrics.items() if isinstance(value, Mapping)]
    if not splits:
        return [f"| {name} | {number(value)} |" for name, value in numbers(metrics)]
    columns = {split: dict(numbers(metrics[split])) for split in splits}
    names = list(dict.fromkeys(name for split in splits for name in columns[split]))
    rows = [f"| metric | {' | '.join(splits)} |", "|---" * (len(splits) + 1) + "|"]
    for name in names:
        cells = [number(columns[s][name]) if name in columns[s] else "" for s in splits]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows


def section(paths: list[Path], manifest: Any | None) -> str:
    """The text between the marks."""
    rows, machines = benchmark_rows(paths)
    if manifest is not None:
        rows += package_rows(manifest)
    lines = ["| figure | value | measured by |", "|---|---|---|", *rows, ""]
    if machines:
        lines += [f"Machine: {'; '.join(machines)}.", ""]
    metrics = manifest.provenance.get("metrics", {}) if manifest is not None else {}
    if metrics:
        lines += [
            "Metrics of the bundled model on the **synthetic** corpus (recovery of the rig's motion, not fidelity",
            "to people), as stored in its manifest; `emoface inspect` prints them:",
            "",
            *metric_table(metrics),
            "",
        ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("lines", nargs="*", type=Path, help="files with the benchmarks' JSON lines")
    arguments.add_argument("--package", default="default", help='package whose manifest is read; "" for none')
    arguments.add_argument("--document", type=Path, default=README)
    choices = arguments.parse_args(argv)
    manifest = None
    if choices.package:
        import emoface

        manifest = emoface.Package.load(choices.package).manifest
    text = choices.document.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    filled = section(choices.lines, manifest)
    choices.document.write_text(f"{before}{BEGIN}\n{filled.rstrip()}\n{END}{after}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
