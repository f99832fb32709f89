"""Fill the measured figures of docs/figures.md, docs/model-card.md and README.md from what was printed by measuring.

    for name in stream versus_naive spiral_conv3d full_size c_abi pinvoke blendshape_solver pool training; do
        python benchmarks/$name.py --json
    done > figures.jsonl
    python docs/fill_figures.py figures.jsonl [--package default]

Everything between the marks `figures:begin` and `figures:end` is replaced, in README.md between `headlines:begin` and
`headlines:end`, in the model card between `card:begin` and `card:end`. Reports of `emoface eval` and `emoface
eval-speech` are taken from the files, else from the package's provenance. A figure without a label below is left out.

    python docs/fill_figures.py --ablation "full model=full.jsonl" --ablation "Add instead of Mesh Attention=add.jsonl"

fills the table of docs/ablations.md alone: one row per label, from the model's rows of the reports in its file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parents[1] / "README.md"
FIGURES = Path(__file__).resolve().parent / "figures.md"
CARD = Path(__file__).resolve().parent / "model-card.md"
ABLATIONS = Path(__file__).resolve().parent / "ablations.md"
LABELS = {
    "rtf_100ms": "processing time / audio time, one core, 100 ms blocks, plain ONNX Runtime",
    "rtf_40ms": "processing time / audio time, one core, 40 ms blocks, plain ONNX Runtime",
    "rtf_100ms_native": "processing time / audio time, one core, 100 ms blocks, with our kernels",
    "rtf_40ms_native": "processing time / audio time, one core, 40 ms blocks, with our kernels",
    "step_p50_ms": "one `step` with 100 ms of audio, with our kernels, median, ms",
    "step_p99_ms": "one `step` with 100 ms of audio, with our kernels, 99th percentile, ms",
    "first_frame_ms": "first frame after the first sample, 40 ms blocks, ms",
    "drift": "cost of a step, last tenth of the long run / first tenth",
    "rss_growth_mb": "growth of memory over the long run, MB",
    "cpu_per_wall": "CPU time / wall time",
    "speedup_t60": "d = 64, frame 60: decoding the whole prefix again in PyTorch / our step, fp32",
    "speedup_t300": "d = 64, frame 300: decoding the whole prefix again in PyTorch / our step, fp32",
    "speedup_t600": "d = 64, frame 600: decoding the whole prefix again in PyTorch / our step, fp32",
    "speedup_t300_int8": "d = 64, frame 300: the whole prefix in PyTorch / our step, int8",
    "speedup_newest_head_t300": "d = 64, frame 300: whole prefix, vertex head for the newest frame alone / step",
    "speedup_cache_t300": "d = 64, frame 300: PyTorch with a key-value cache / step",
    "plain_speedup_t300": "d = 64, frame 300: the whole prefix / step in plain ONNX Runtime",
    "speedup_t300_d1024": "d = 1024 (`--width 1024`), frame 300: the whole prefix / step, fp32",
    "speedup_t300_d1024_int8": "d = 1024, frame 300, int8",
    "speedup_newest_head_t300_d1024": "d = 1024, frame 300: vertex head for the newest frame alone / step",
    "speedup_cache_t300_d1024": "d = 1024, frame 300: PyTorch with a key-value cache / step",
    "c_vs_python": "one step through the C interface / one step in Python, both with our kernels",
    "push_p99_us": "`emoface_push` from an audio thread while the worker computes, 99th percentile, us",
    "allocs_per_frame": "heap allocations of the C runtime per frame after warm-up (ONNX Runtime's own not counted)",
    "pinvoke_us": "overhead of one call from C# (Mono), us",
    "garbage_bytes": "garbage per frame in C#, bytes",
    "layer1_cin4": "SpiralConv3D, separable first layer, 4 channels: gather + linear in PyTorch / kernel",
    "layer1_cin64": "SpiralConv3D, separable first layer, 64 channels: gather + linear in PyTorch / kernel",
    "layer2_vs_torch": "SpiralConv3D, second layer: gather + linear in PyTorch / kernel",
    "layer2_vs_ort": "SpiralConv3D, second layer: Gather + MatMul in ONNX Runtime / kernel",
    "layer2_roofline": "SpiralConv3D, second layer: least time that the machine needs / time of the kernel",
    "general_cin16": "SpiralConv3D, 16 -> 16 channels: gather + linear in PyTorch / kernel",
    "general_cin48": "SpiralConv3D, 48 -> 48 channels: gather + linear in PyTorch / kernel",
    "rtf_base_int8_100ms": "two wav2vec2-base encoders, int8, band mode: processing time / audio time, one core",
    "rtf_base_fp32_100ms": "two wav2vec2-base encoders, fp32, band mode: processing time / audio time, one core",
    "rtf_base_windowed": "two wav2vec2-base encoders, int8, window mode (2 s encoded anew every 100 ms)",
    "rtf_large_int8_100ms": "two wav2vec2-large encoders, int8, band mode: processing time / audio time, one core",
    "pool_rtf_4": "4 voices in a pool, 40 ms blocks: processing time / audio time, all voices on one core",
    "speedup_4": "4 voices: separate animators / pool",
    "pool_rtf_16": "16 voices in a pool, the same",
    "speedup_16": "16 voices: separate animators / pool",
    "bits_differ": "coordinates in which a voice of a pool differs from the voice alone",
    "solver_ms": "52 blendshape weights of one frame, Python, one core, ms",
    "solver_cpp_ms": "52 blendshape weights of one frame, C++, one core, ms",
    "train_a_speech_per_second": "training, stage A: seconds of speech per second, one core",
    "train_a_loading": "training, stage A: share of time for loading",
    "train_a_peak_mb": "training, stage A: peak memory, MB",
    "train_b_speech_per_second": "training, stage B with resting encoders: seconds of speech per second, one core",
    "train_b_loading": "training, stage B with resting encoders: share of time for loading",
    "train_b_peak_mb": "training, stage B with resting encoders: peak memory, MB",
    "train_b_live_speech_per_second": "training, stage B, encoders learn too: seconds of speech per second, one core",
    "train_b_live_loading": "training, stage B, encoders learn too: share of time for loading",
    "train_b_live_peak_mb": "training, stage B, encoders learn too: peak memory, MB",
    "solver_rms_mm": "root mean square error of the weights' face on the bundled speech, mm",
}
# What README.md shows
HEADLINES = ("rtf_100ms", "rtf_100ms_native", "rtf_40ms_native", "drift", "rss_growth_mb", "speedup_t300",
             "speedup_t300_int8", "layer1_cin64", "layer2_vs_torch", "rtf_base_int8_100ms", "c_vs_python",
             "allocs_per_frame", "solver_ms")  # fmt: skip
COLUMNS = (
    ("lve_m2", "LVE, 1e-5 m^2", 1e5),
    ("lve_rms_mm", "LVE, mm", 1),
    ("eve_m2", "EVE, 1e-5 m^2", 1e5),
    ("eve_rms_mm", "EVE, mm", 1),
    ("jaw_correlation", "jaw correlation", 1),
    ("closures", "p b m closed, %", 100),
    ("free_closed", "free consonants closed, %", 100),
    ("tucks", "f v tucked, %", 100),
    ("closure_precision", "closures in speech on p b m, %", 100),
    ("aperture", "aperture, % of the rules'", 100),
    ("rounding", "rounding, % of the rules'", 100),
    ("flutter", "flutter, %", 100),
    ("silence_closed", "lips touch in silence, %", 100),
    ("expression_r2", "expression R2", 1),
)
README_COLUMNS = COLUMNS[:8]
PREDICTORS = {"mean": "mean face", "energy": "energy of the sound alone", "ground_truth": "ground truth"}
SYNTHETIC = """On held-out parts of the **synthetic** corpus (`emoface eval`). These figures show how well the model
recovers the motion of this project's own rig, not how close it comes to people."""


def benchmark_rows(paths: list[Path], names: Collection[str]) -> tuple[list[str], list[str]]:
    """Table rows of those figures in all benchmark lines of the files, and the machines they ran on."""
    rows, machines = [], []
    for path in paths:
        for line in path.read_text().splitlines():
            if not line.startswith('{"benchmark"'):
                continue
            result = json.loads(line)
            command = f"python benchmarks/{result['benchmark']}.py"
            rows += [
                f"| {LABELS[name]} | {number(value)} | `{command}` |"
                for name, value in result["figures"].items()
                if name in names
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
        if "end to end" not in name:  # each stage's figures are in the manifest
            continue
        rows.append(f"| export: {name} | {number(value)} | `emoface verify --checkpoint` |")
    return rows


def numbers(tree: Any, prefix: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of nested plain data with their dotted names."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from numbers(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(tree, (int, float)) and not isinstance(tree, bool):
        yield prefix, float(tree)


def evaluation_reports(paths: list[Path], metrics: Any) -> list[dict[str, Any]]:
    """Reports of `emoface eval`: lines of the files, else those that the provenance's metrics hold at any depth."""
    lines = [line for path in paths for line in path.read_text().splitlines() if line.startswith('{"split"')]
    return [json.loads(line) for line in lines] or list(_reports_in(metrics))


def speech_reports(paths: list[Path], metrics: Any) -> list[dict[str, Any]]:
    """Reports of `emoface eval-speech`, found like those of `emoface eval`."""
    lines = [line for path in paths for line in path.read_text().splitlines() if line.startswith('{"recordings"')]
    return [json.loads(line) for line in lines] or list(_reports_in(metrics, "recordings"))


def _reports_in(tree: Any, kind: str = "split") -> Iterator[dict[str, Any]]:
    if not isinstance(tree, Mapping):
        return
    if "rows" in tree and kind in tree:
        yield dict(tree)
        return
    for value in tree.values():
        yield from _reports_in(value, kind)


def evaluation_table(reports: list[dict[str, Any]], columns: Sequence[tuple[str, str, float]] = COLUMNS) -> list[str]:
    """One row per report and predictor; what a report does not hold stays empty."""
    titles = ["split, emotion", "predictor", *(title for _, title, _ in columns)]
    rows = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for report in reports:
        for name, row in report["rows"].items():
            cells = [number(scale * row[key]) if key in row else "" for key, _, scale in columns]
            told = [
                report["split"],
                report.get("emotion", ""),
                "calibrated" if report.get("calibrated_seconds") else "",
            ]
            shown = [", ".join(filter(None, told)), PREDICTORS.get(name, name), *cells]
            rows.append(f"| {' | '.join(shown)} |")
    return rows


def headlines(paths: list[Path], manifest: Any) -> str:
    """The few figures of README.md."""
    rows, machines = benchmark_rows(paths, HEADLINES)
    rows += package_rows(manifest)[:2]
    reports = evaluation_reports(paths, manifest.provenance.get("metrics", {}))
    models = [report | {"rows": {"model": report["rows"]["model"]}} for report in reports]
    lines = ["| figure | value | measured by |", "|---|---|---|", *rows, "", f"Machine: {'; '.join(machines)}.", ""]
    return "\n".join([*lines, SYNTHETIC, "", *evaluation_table(models, README_COLUMNS)])


def section(paths: list[Path], manifest: Any | None) -> str:
    """All figures."""
    rows, machines = benchmark_rows(paths, LABELS)
    if manifest is not None:
        rows += package_rows(manifest)
    lines = ["| figure | value | measured by |", "|---|---|---|", *rows, ""]
    if machines:
        lines += [f"Machine: {'; '.join(machines)}.", ""]
    metrics = manifest.provenance.get("metrics", {}) if manifest is not None else {}
    reports = evaluation_reports(paths, metrics)
    if reports:
        lines += [SYNTHETIC, "", *evaluation_table(reports), ""]
    elif metrics:
        plain = [f"| {name} | {number(value)} |" for name, value in numbers(metrics)]
        lines += [SYNTHETIC, "", "| metric | value |", "|---|---|", *plain, ""]
    return "\n".join(lines)


def model_card(paths: list[Path], manifest: Any | None) -> str:
    """The measured part of the model card."""
    sys.path.insert(0, str(CARD.parent))
    from model_card import card

    metrics = {} if manifest is None else manifest.provenance.get("metrics", {})
    return card(evaluation_reports(paths, metrics), speech_reports(paths, metrics))


def ablation_table(runs: list[tuple[str, Path]]) -> str:
    """One row per run, two columns per split."""
    reports = {label: {r["split"]: r["rows"]["model"] for r in evaluation_reports([path], {})} for label, path in runs}
    splits = list(dict.fromkeys(split for report in reports.values() for split in report))
    titles = ["stage B", *(f"{split}: {name}" for split in splits for name in ("LVE / EVE, 1e-5 m^2", "mm"))]
    rows = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for label, report in reports.items():
        cells = [label]
        for split in splits:
            row = report.get(split)
            cells.append(f"{number(1e5 * row['lve_m2'])} / {number(1e5 * row['eve_m2'])}" if row else "")
            cells.append(f"{number(row['lve_rms_mm'])} / {number(row['eve_rms_mm'])}" if row else "")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def fill(document: Path, name: str, text: str) -> None:
    """Replace what stands between the marks `name:begin` and `name:end`."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, rest = document.read_text().split(begin)
    _, after = rest.split(end)
    document.write_text(f"{before}{begin}\n{text.rstrip()}\n{end}{after}")


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("lines", nargs="*", type=Path, help="files with the benchmarks' JSON lines")
    arguments.add_argument("--package", default="default", help='package whose manifest is read; "" for none')
    arguments.add_argument("--document", type=Path, default=None, help="default: those that the marks above are in")
    arguments.add_argument("--card", action="store_true", help="fill the model card alone")
    arguments.add_argument("--ablation", action="append", default=[], metavar="LABEL=FILE")
    choices = arguments.parse_args(argv)
    if choices.ablation:
        runs = [(label, Path(path)) for label, _, path in (item.partition("=") for item in choices.ablation)]
        fill(choices.document or ABLATIONS, "ablations", ablation_table(runs))
        return 0
    manifest = None
    if choices.package:
        import emoface

        manifest = emoface.Package.load(choices.package).manifest
    if choices.card:
        fill(choices.document or CARD, "card", model_card(choices.lines, manifest))
        return 0
    fill(choices.document or FIGURES, "figures", section(choices.lines, manifest))
    if choices.document is None and manifest is not None:
        fill(README, "headlines", headlines(choices.lines, manifest))
        fill(CARD, "card", model_card(choices.lines, manifest))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
