"""Does a package still do here what it did where it was exported: golden vectors and random cuts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emoface.animator import Animator
from emoface.backends import DrivingEngine, GoldenCheck
from emoface.errors import ManifestError
from emoface.frames import FRAME_ARRAYS, FrameBatch
from emoface.manifest import Manifest
from emoface.options import BARE
from emoface.package import Golden, Package
from emoface.stream.expansion import EXPANDED_ROLES, expanded

Floats = npt.NDArray[np.float32]
FP32_RELATIVE = 1e-4
REDUCED_RELATIVE = {"int8": 0.05, "fp16": 0.02}
"""Largest error of an offset against fp32 that a precision may have, as a part of the motion range ..."""
REDUCED_MM = 1.0
"""... and in mm, whichever is less: a lip or a lid that is a millimetre off shows."""
_EXPANDED = "offsets of the coefficients"


@dataclass(frozen=True)
class Check:
    """One measured number beside its limit (None: reported, not judged)."""

    name: str
    value: float
    limit: float | None
    unit: str

    @property
    def passed(self) -> bool:
        """Within the limit, or without one. NaN fails."""
        return self.limit is None or bool(self.value <= self.limit)


def verify_golden(
    package: Package, backend: str = "auto", precision: str | None = None, threads: int = 1
) -> list[Check]:
    """Run the golden audio through the chained stages and compare every output with the stored fp32 PyTorch ones.

    Stage outputs are judged by the largest difference relative to the output's own range, the final offsets relative
    to the motion range (fp32) or in mm (int8, fp16): the least of `REDUCED_RELATIVE` of the motion range, `REDUCED_MM`
    and what the package states.

    An engine that runs whole streams itself (`native`) judges its stages itself, by the same limits; of those but the
    offsets the largest error alone is told.

    Where the motion lies in a basis, the stored offsets must be what the stored coefficients make of it. Offsets that
    only the coefficients make are judged as the stages' would be.
    """
    chosen_backend = package.engine(backend, precision, threads)
    if isinstance(chosen_backend, DrivingEngine):
        judged = _judged_by_engine(chosen_backend.verify(), package.manifest, chosen_backend.precision)
        return [*judged, *_stored_expansion(package)]
    golden = package.golden()
    recorded: dict[str, dict[int, Floats]] = {}

    def probe(stage: str, output: str, first: int, array: Floats) -> None:
        steps = recorded.setdefault(f"{stage}.{output}", {})
        steps.update((first + index, row) for index, row in enumerate(array))

    animator = Animator(
        package,
        sample_rate=package.manifest.sample_rate,
        backend=backend,
        precision=precision,
        threads=threads,
        probe=probe,
        **BARE,
    )
    with animator:
        for name, vector in golden.conditions.items():
            animator.set_condition(name, vector.reshape(-1), at=0.0)
        frames = animator.whole(golden.audio)
        chosen = animator.precision
    checks = []
    for key, expected in golden.outputs.items():
        rows, got = _aligned(package, golden, key, expected, recorded.get(key, {}), len(frames))
        checks.append(_judge(package, chosen, key, float(np.abs(got - rows).max(initial=0.0)), rows))
    checks += _stored_expansion(package) + _streamed_expansion(package, chosen, recorded)
    if not golden.outputs:
        raise ManifestError("golden.npz", "outputs", "nothing", "<stage>.<output> arrays", "Export the package again.")
    return checks


def _judged_by_engine(found: GoldenCheck, manifest: Manifest, precision: str) -> list[Check]:
    stages = found.tolerance if precision == "fp32" else None
    name = manifest.outputs.get("offsets", _EXPANDED)
    return [
        Check(f"golden {name}", found.offsets_error, found.tolerance, "of the motion range"),
        Check("golden other outputs, largest", found.stages_error, stages, "of its range"),
        Check("golden verdict of the engine", float(not found.passed), 0.0, "faults"),
    ]


def _golden_roles(package: Package) -> dict[str, Floats]:
    """The stored frames of every role that has them, without a batch axis, at the frames that are listed."""
    golden, manifest = package.golden(), package.manifest
    found = {}
    for role, key in manifest.outputs.items():
        if key in golden.outputs and manifest.stage(key.partition(".")[0]).cadence in ("frames", "frame"):
            rows = golden.outputs[key]
            rows = rows[0] if rows.ndim == len(manifest.role_shapes[role]) + 2 else rows
            sampled = manifest.vertices in manifest.role_shapes[role]
            kept = [int(frame) for frame in golden.frames if sampled or frame < len(rows)]
            found[role] = rows if sampled else rows[kept]
    return found


def _stored_expansion(package: Package) -> list[Check]:
    """The stored offsets beside what the basis makes of the stored coefficients."""
    roles = _golden_roles(package)
    needed = {"offsets"} | {role for role in EXPANDED_ROLES if role in package.manifest.outputs}
    if "coefficients" not in package.manifest.outputs or not needed <= roles.keys():
        return []
    made = expanded(package.face, package.manifest, roles)
    scale = package.manifest.motion_range_m / package.manifest.unit_in_metres
    error = float(np.abs(made - roles["offsets"]).max(initial=0.0)) / scale
    return [Check("golden offsets as coefficients times basis", error, FP32_RELATIVE, "of the motion range")]


def _streamed_expansion(package: Package, precision: str, recorded: Mapping[str, Mapping[int, Floats]]) -> list[Check]:
    """Offsets that coefficients make, streamed against stored, where no stage gives any."""
    manifest, stored = package.manifest, _golden_roles(package)
    needed = [role for role in EXPANDED_ROLES if role in manifest.outputs]
    if "offsets" in manifest.outputs or not set(needed) <= stored.keys():
        return []
    frames = [int(frame) for frame in package.golden().frames]
    streamed = {role: np.stack([recorded[manifest.outputs[role]][frame] for frame in frames]) for role in needed}
    expected = expanded(package.face, manifest, stored)
    difference = float(np.abs(expanded(package.face, manifest, streamed) - expected).max(initial=0.0))
    return [_judge(package, precision, _EXPANDED, difference, expected)]


def _aligned(
    package: Package, golden: Golden, key: str, expected: Floats, recorded: Mapping[int, Floats], frames: int
) -> tuple[Floats, Floats]:
    """The stored rows and the computed rows of the same features or frames."""
    stage, _, name = key.partition(".")
    known = [s for s in package.manifest.stages if s.name == stage and name in [o.name for o in s.outputs]]
    if not known:
        raise ManifestError("golden.npz", key, "an unknown output", "<stage>.<output>", "Export the package again.")
    extents = known[0].output(name).shape[2:]
    if expected.ndim == len(extents) + 2 and expected.shape[0] == 1:
        expected = expected[0]
    sampled = package.manifest.vertices in extents
    indices = list(golden.frames) if sampled else list(range(len(expected)))
    if expected.shape != (len(indices), *extents) or (sampled and any(i >= frames for i in indices)):
        raise ManifestError(
            "golden.npz", key, f"shape {expected.shape}", f"({len(indices)}, {extents})", "Export the package again."
        )
    # Features that only the end of the stream's zero padding produces may be stored beyond what streaming ran.
    kept = [row for row, index in enumerate(indices) if int(index) in recorded]
    if not kept and indices:
        raise ManifestError("golden.npz", key, "rows that no frame needs", "rows within the audio", "Export it again.")
    if not kept:
        return expected, expected
    return expected[kept], np.stack([recorded[int(indices[row])] for row in kept])


def _judge(package: Package, precision: str, key: str, difference: float, expected: Floats) -> Check:
    manifest = package.manifest
    final = key in (manifest.outputs.get("offsets"), _EXPANDED)
    if precision == "fp32":
        scale = manifest.motion_range_m / manifest.unit_in_metres if final else float(np.abs(expected).max(initial=0.0))
        relative = difference / scale if scale else difference
        return Check(f"golden {key}", relative, stated_relative(manifest), "of its range")
    if not final:
        scale = float(np.abs(expected).max(initial=0.0))
        return Check(f"golden {key}", difference / scale if scale else difference, None, "of its range")
    in_mm = 1000 * manifest.unit_in_metres
    return Check(f"golden {key}", difference * in_mm, stated_limit_mm(manifest, precision), "mm")


def reduced_limit_mm(motion_range_m: float, precision: str) -> float:
    """Largest error of an offset in mm that `precision` ("int8" or "fp16") may have."""
    return min(REDUCED_RELATIVE[precision] * motion_range_m * 1000, REDUCED_MM)


def stated_relative(manifest: Manifest) -> float:
    """The relative limit that a package states for fp32, where it is stricter than `FP32_RELATIVE`; else that."""
    stated = manifest.verification.get("tolerances", {}).get("fp32", {}).get("relative", FP32_RELATIVE)
    return min(FP32_RELATIVE, float(stated))


def stated_limit_mm(manifest: Manifest, precision: str) -> float:
    """The limit that a package states for `precision`, where it is stricter than `reduced_limit_mm`; else that."""
    own = reduced_limit_mm(manifest.motion_range_m, precision)
    stated = manifest.verification.get("tolerances", {}).get(precision, {}).get("offsets_mm", own)
    return min(own, float(stated))


def verify_cuts(package: Package, backend: str = "auto", precision: str | None = None, seed: int = 0) -> list[Check]:
    """Feed the golden audio whole and in random pieces, at four sample rates: values that differ in any bit.

    Nothing is checked of a package that hears whole clips.
    """
    if not package.manifest.streams:
        return []
    audio = package.golden().audio
    random = np.random.default_rng(seed)
    checks = []
    for rate in (8000, package.manifest.sample_rate, 44100, 48000):
        with Animator(package, sample_rate=rate, backend=backend, precision=precision, **BARE) as animator:
            whole = FrameBatch.concat([animator.step(audio), animator.flush()])
            animator.reset()
            batches, start = [], 0
            while start < len(audio):
                length = int(random.choice([0, 1, rate * 7 // 1000, rate // 10, int(random.integers(1, rate))]))
                batches.append(animator.step(audio[start : start + length]))
                start += length
            cut = FrameBatch.concat([*batches, animator.flush()])
        different = sum(
            float((getattr(cut, field) != getattr(whole, field)).sum())
            if getattr(cut, field).shape == getattr(whole, field).shape
            else float("inf")
            for field in FRAME_ARRAYS
        )
        checks.append(Check(f"random cuts at {rate} Hz", different, 0.0, "different values"))
        missing = abs(len(whole) - len(audio) * package.manifest.fps // rate)
        checks.append(Check(f"frame count at {rate} Hz", float(missing), 0.0, "frames"))
    return checks
