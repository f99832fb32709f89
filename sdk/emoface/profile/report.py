"""The profile as plain data: the JSON that is written, its figures, and the text that is printed.

The format is described by `schema.json` beside this file and in docs/profile.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from emoface.errors import UsageError
from emoface.profile.machine import describe_machine
from emoface.profile.measure import Measured, Numbers

FORMAT = "emoface-profile"
VERSION = 1
_REMAKE = "Write it with `emoface profile PACKAGE --json FILE`."


def schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    text = files("emoface.profile").joinpath("schema.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def build_report(measured: Measured) -> dict[str, Any]:
    """Everything that was measured as JSON values."""
    package, settings, manifest = measured.package, measured.settings, measured.package.manifest
    audio_s = len(measured.wall) * measured.block_ms / 1000
    wall = float(measured.wall.sum())
    arrived, computing = measured.first_frame
    budget = {name: measured_ms / measured.block_ms for name, measured_ms in _spread(measured.wall).items()}
    return {
        "format": FORMAT,
        "version": VERSION,
        "package": {
            "name": manifest.name,
            "sha256": package.digest,
            "family": manifest.family,
            "vertices": manifest.vertices,
            "fps": manifest.fps,
        },
        "settings": {
            "backend": measured.backend,
            "precision": measured.precision,
            "threads": settings.threads,
            "voices": settings.voices,
            "block_ms": measured.block_ms,
            "sample_rate": settings.sample_rate,
            "seconds": _round(audio_s),
            "audio": settings.audio.name,
        },
        "machine": describe_machine(),
        "start": {
            "load_ms": _round(1000 * measured.load),
            "build_ms": _round(1000 * measured.build),
            "open_ms": _round(1000 * measured.open),
            "first_frame_ms": _round(1000 * (arrived + computing)),
            "first_frame_audio_ms": _round(1000 * arrived),
            "declared_latency_ms": _round(1000 * measured.declared_latency),
        },
        "steps": {
            "count": len(measured.wall),
            "frames": measured.frames,
            "total_ms": _rounded(_spread(measured.wall)),
            "budget_share": _rounded(budget),
            "real_time_factor": _round(wall / audio_s),
            "real_time_factor_per_voice": _round(wall / audio_s / settings.voices),
            "cpu_time_factor": _round(measured.cpu / audio_s),
            "cpu_per_wall": _round(measured.cpu / wall),
            "drift": _round(_drift(measured.wall)),
        },
        "stages": _stages(measured),
        "memory_mb": _memory(measured),
        "accuracy": _accuracy(measured),
    }


def read_report(path: Path) -> dict[str, Any]:
    """A report from a file, with every figure that comparisons need.

    Raises:
        UsageError: no such file, not JSON, another format or version, or a part that is missing or of a wrong type.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}", "a profile in JSON", _REMAKE) from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise UsageError(f"{path}: format = {found!r}", repr(FORMAT), _REMAKE)
    if data.get("version") != VERSION:
        raise UsageError(
            f"{path}: version = {data.get('version')!r}", f"version {VERSION}", "Profile again with this emoface."
        )
    _require(path, data, schema(), "")
    return data


def figures(report: Mapping[str, Any]) -> dict[str, float | None]:
    """The figures that two runs are compared by, all of them better when smaller."""
    start, steps, memory = report["start"], report["steps"], report["memory_mb"]
    values: dict[str, float | None] = {f"step {name}, ms": steps["total_ms"][name] for name in _SPREAD}
    for stage in report["stages"]:
        values |= {f"{stage['name']} {name}, ms": stage["ms"][name] for name in ("p50", "p95")}
    values["real-time factor"] = steps["real_time_factor"]
    values["CPU time factor"] = steps["cpu_time_factor"]
    values |= {f"{name.replace('_ms', '').replace('_', ' ')}, ms": start[name] for name in _START}
    values |= {f"memory at the {name}, MB": memory[name] for name in ("end", "peak")}
    values["memory growth, MB"] = memory["growth"]
    return values


_SPREAD = ("p50", "p95", "p99", "max")
# A step that computes on the CPU alone and has a core for itself comes to 1.
_BUSY = 0.8
_START = ("first_frame_ms", "load_ms", "build_ms")


def describe(report: Mapping[str, Any]) -> list[str]:
    """The report as lines of text."""
    settings, machine, start = report["settings"], report["machine"], report["start"]
    steps, memory, accuracy = report["steps"], report["memory_mb"], report["accuracy"]
    voices = f"{settings['voices']} voices" if settings["voices"] > 1 else "1 voice"
    lines = [
        f"{report['package']['name']}  {settings['backend']}, {settings['precision']}, {voices}, "
        f"{settings['block_ms']:g} ms blocks, {settings['threads']} thread(s) per graph",
        f"{machine['cpu']}, {machine['usable_cores']} of {machine['cores']} cores, "
        + ", ".join(f"{name} {version}" for name, version in machine["libraries"].items()),
        f"load {start['load_ms']:.0f} ms, build {start['build_ms']:.0f} ms, first frame "
        f"{start['first_frame_ms']:.1f} ms after the first sample (declared latency "
        f"{start['declared_latency_ms']:.1f} ms)",
        "",
        f"{'ms per step':<22} {'p50':>8} {'p95':>8} {'p99':>8} {'max':>8} {'calls':>7} {'share':>7}",
    ]
    for stage in report["stages"]:
        row = " ".join(f"{stage['ms'][name]:8.3f}" for name in _SPREAD)
        calls = f"{stage['calls_per_step']:7.2f}" if stage["calls_per_step"] is not None else f"{'':>7}"
        lines.append(f"{stage['name']:<22} {row} {calls} {stage['share']:7.1%}")
    lines.append(f"{'step':<22} " + " ".join(f"{steps['total_ms'][name]:8.3f}" for name in _SPREAD))
    lines.append(f"{'of the block budget':<22} " + " ".join(f"{steps['budget_share'][name]:8.1%}" for name in _SPREAD))
    lines += [
        "",
        f"real-time factor  {steps['real_time_factor']:.4f} over {settings['seconds']:g} s of audio per voice "
        f"({steps['real_time_factor_per_voice']:.4f} per voice), drift {steps['drift']:.2f}",
        f"CPU time          {steps['cpu_time_factor']:.4f} of the audio's, {steps['cpu_per_wall']:.2f} of the steps'"
        + ("" if steps["cpu_per_wall"] > _BUSY or machine["gpus"] else ": other programs kept the processor busy"),
    ]
    if memory["end"] is not None:
        lines.append(
            f"memory            {memory['end']:.1f} MB, grown by {memory['growth']:.2f} MB since the warm-up"
            + (f", peak {memory['peak']:.1f} MB" if memory["peak"] is not None else "")
        )
    if accuracy is None:
        lines.append("golden vectors    not compared")
    else:
        worst = max(accuracy["checks"], key=_closeness)
        value = "NaN" if worst["value"] is None else f"{worst['value']:.3g} {worst['unit']}"
        lines.append(
            f"golden vectors    {'reproduced' if accuracy['passed'] else 'NOT REPRODUCED'}; closest to its limit: "
            f"{worst['name'].removeprefix('golden ')} {value}"
            + (f" (limit {worst['limit']:.3g})" if worst["limit"] is not None else "")
        )
    return lines


def _closeness(check: Mapping[str, Any]) -> float:
    """How much of its limit a check uses; NaN uses more than any."""
    if check["limit"] is None:
        return 0.0
    return math.inf if check["value"] is None else check["value"] / (check["limit"] or 1e-300)


def _stages(measured: Measured) -> list[dict[str, Any]]:
    total = float(measured.wall.sum())
    rows: list[dict[str, Any]] = []
    for place, (name, cadence) in enumerate(zip(measured.stages, measured.cadences, strict=True)):
        seconds, calls = measured.stage[:, place], float(measured.counts[:, place].sum())
        if not calls:  # an engine that runs whole streams itself
            continue
        rows.append(
            {
                "name": name,
                "cadence": cadence,
                "ms": _rounded(_spread(seconds)),
                "share": _round(float(seconds.sum()) / total),
                "calls_per_step": _round(calls / len(measured.wall)),
                "voices_per_call": _round(float(measured.voices[:, place].sum()) / calls),
            }
        )
    rest = measured.wall - measured.stage.sum(axis=1)
    rows.append(
        {
            "name": "driver",
            "cadence": "step",
            "ms": _rounded(_spread(rest)),
            "share": _round(float(rest.sum()) / total),
            "calls_per_step": None,
            "voices_per_call": None,
        }
    )
    return rows


def _spread(seconds: Numbers) -> dict[str, float]:
    """Percentiles in ms."""
    p50, p95, p99 = np.percentile(seconds, (50, 95, 99))
    values = {"mean": seconds.mean(), "p50": p50, "p95": p95, "p99": p99, "max": seconds.max()}
    return {name: 1000 * float(value) for name, value in values.items()}


def _drift(wall: Numbers) -> float:
    """Median step of the last tenth over that of the first tenth."""
    tenth = max(1, len(wall) // 10)
    return float(np.median(wall[-tenth:]) / np.median(wall[:tenth]))


def _memory(measured: Measured) -> dict[str, float | None]:
    values = {name: None if value is None else _round(value) for name, value in measured.memory.items()}
    warm, end = measured.memory["warm"], measured.memory["end"]
    values["growth"] = None if warm is None or end is None else _round(end - warm)
    return values


def _accuracy(measured: Measured) -> dict[str, Any] | None:
    if measured.checks is None:
        return None
    return {
        "passed": all(check.passed for check in measured.checks),
        "checks": [
            {
                "name": check.name,
                "value": float(f"{check.value:.4g}") if math.isfinite(check.value) else None,
                "limit": check.limit,
                "unit": check.unit,
                "passed": check.passed,
            }
            for check in measured.checks
        ],
    }


def _round(value: float) -> float:
    """Four decimals: a tenth of a microsecond where the unit is ms."""
    return round(float(value), 4)


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: _round(value) for name, value in values.items()}


def _require(path: Path, value: Any, wanted: Mapping[str, Any], field: str) -> None:
    """The part of JSON Schema that `schema.json` uses: types, required and listed properties, items, one reference."""
    wanted = schema()["$defs"]["spread"] if "$ref" in wanted else wanted
    kinds = wanted.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        raise UsageError(f"{path}: {field or 'the file'} = {json.dumps(value)[:60]}", f"{' or '.join(kinds)}", _REMAKE)
    if isinstance(value, dict):
        for name in wanted.get("required", ()):
            if name not in value:
                raise UsageError(f"{path}: no {field}{'.' if field else ''}{name}", "a complete profile", _REMAKE)
        for name, part in wanted.get("properties", {}).items():
            if name in value:
                _require(path, value[name], part, f"{field}{'.' if field else ''}{name}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            _require(path, item, wanted.get("items", {}), f"{field}[{index}]")


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "number":
        return isinstance(value, (int, float)) and math.isfinite(value)
    types: dict[str, type | tuple[type, ...]] = {
        "integer": int,
        "string": str,
        "object": dict,
        "array": list,
        "null": type(None),
    }
    return kind in types and isinstance(value, types[kind])
