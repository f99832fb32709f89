"""Does a package do what the checkpoint does: chained small calls through the SDK against whole-clip PyTorch.

The stream runs through the SDK's own `Animator`, so the driver's blocks, look-ahead and interpolation are part of
what is compared. Whole-clip PyTorch is one parallel call per stage. Stages of one frame per call are autoregressive:
their parallel call is given the streamed motion, one frame late, and must reproduce it; beside it, PyTorch runs them on
their own motion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emoface.animator import Animator
from emoface.package import Package
from emoface.stream.expansion import EXPANDED_ROLES, expanded
from emoface.verification import FP32_RELATIVE, Check, reduced_limit_mm, stated_limit_mm, stated_relative
from emoface_export.errors import ExportError
from emoface_export.family_wiring import wiring_of
from emoface_export.reference import WholeClip, autoregressive, given_motion, whole_clip
from emoface_export.signals import speech_like
from emoface_export.wiring import default_conditions
from emoface_training.nn.talking_model import TalkingModel

Floats = NDArray[np.float32]
SECONDS = 60.0
_SEED = 11
_CHUNK_S = 0.5


@dataclass(frozen=True)
class Comparison(Check):
    """A check of the runtime's kind that the manifest and `--json` can state."""

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": self.value,
            "limit": self.limit,
            "unit": self.unit,
            "passed": self.passed,
        }


@dataclass(frozen=True)
class Reference:
    """Whole-clip PyTorch of one clip: what every precision and backend is compared with."""

    audio: Floats
    conditions: dict[str, Floats]
    clip: WholeClip
    made: dict[str, Floats]  # outputs [M, ...] of the stages of one frame per call, on their own motion
    offsets: str  # which of them the face's are

    @property
    def motion(self) -> Floats:
        """Offsets [M, V, 3]."""
        return self.made[self.offsets]

    @property
    def motion_range(self) -> float:
        """Largest offset of any coordinate, in the package's unit."""
        return float(np.abs(self.motion).max())


def refuse_failures(checks: Sequence[Check], remedy: str) -> None:
    """Raise ExportError where a check failed."""
    failed = [check for check in checks if not check.passed]
    if failed:
        raise ExportError(
            "; ".join(f"{check.name}: {check.value:.3g} {check.unit}" for check in failed),
            f"at most {failed[0].limit:g} {failed[0].unit}",
            remedy,
        )


def make_reference(model: TalkingModel, seconds: float = SECONDS, audio: Floats | None = None) -> Reference:
    """Run PyTorch over `audio` float32 [N] at 16 kHz (repeated to `seconds`), or over a seeded speech-like signal."""
    rate = model.config.sample_rate
    if audio is None or not len(audio):
        audio = speech_like(seconds, _SEED, rate)
    else:
        audio = np.tile(audio, int(np.ceil(seconds * rate / len(audio))))[: max(len(audio), int(seconds * rate))]
    conditions = default_conditions(model.config)
    clip = whole_clip(model, audio, conditions)
    made = autoregressive(model, clip, conditions)
    return Reference(audio, conditions, clip, made, wiring_of(model.config).outputs["offsets"])


def stream(
    package: Package, reference: Reference, backend: str, precision: str | None, block_ms: float | None = None
) -> tuple[dict[str, Floats], str]:
    """Every stage's output of a stream over the reference's audio, and the precision that ran."""
    parts: dict[str, list[Floats]] = {}

    def probe(stage: str, output: str, first: int, array: Floats) -> None:
        held = parts.setdefault(f"{stage}.{output}", [])
        # A stream reports every index once, in order; anything else would be compared with the wrong row
        assert first == sum(len(part) for part in held), (stage, output, first)
        held.append(array)

    rate = package.manifest.sample_rate
    chunk = int(_CHUNK_S * rate)
    options = {"block_ms": block_ms, "backend": backend, "precision": precision, "probe": probe}
    with Animator(package, sample_rate=rate, **options) as animator:
        for name, value in reference.conditions.items():
            animator.set_condition(name, value, at=0.0)
        if package.manifest.streams:
            for begin in range(0, len(reference.audio), chunk):
                animator.step(reference.audio[begin : begin + chunk])
            animator.flush()
        else:
            animator.whole(reference.audio)
        return {key: np.concatenate(held) for key, held in parts.items()}, animator.precision


def compare(
    package: Package, model: TalkingModel, reference: Reference, backend: str = "auto", precision: str | None = None
) -> list[Comparison]:
    """Compare a stream with the reference, per stage and end to end.

    fp32 is judged by relative error (limit 1e-4 of each output's range; offsets: of the motion range); int8 and fp16
    by the largest error of an offset against fp32 PyTorch in mm, with the limit of `stated_limit_mm`.
    """
    streamed, chosen = stream(package, reference, backend, precision)
    exact = stated_relative(package.manifest) if chosen == "fp32" else None
    found = []
    for key, expected in {**reference.clip.features, **reference.clip.frames}.items():
        got = streamed[key][: len(expected)]
        # The last features of the padded end may lie beyond the last frame's needs
        expected = expected[: len(got)]
        found.append(Comparison(f"{chosen} {key}", _relative(got, expected), exact, "of its range"))
    motion = streamed.get(reference.offsets)
    if motion is None:
        outputs = package.manifest.outputs
        roles = {role: streamed[outputs[role]] for role in EXPANDED_ROLES if role in outputs}
        motion = expanded(package.face, package.manifest, roles)
    scale = reference.motion_range
    if len(motion) != len(reference.motion):
        missing = abs(len(motion) - len(reference.motion))
        return [*found, Comparison(f"{chosen} frame count", float(missing), 0.0, "frames")]
    given = given_motion(model, reference.clip, reference.conditions, motion)
    for key, expected in reference.made.items():
        if key != reference.offsets:
            found.append(Comparison(f"{chosen} {key}", _relative(streamed[key], expected), exact, "of its range"))
    fed = f"{chosen} {reference.offsets}, given motion"
    found.append(Comparison(fed, _largest(motion, given) / scale, exact, RANGE))
    found.append(Comparison(f"{chosen} end to end", _largest(motion, reference.motion) / scale, exact, RANGE))
    in_mm = 1000 * package.manifest.unit_in_metres
    limit_mm = stated_limit_mm(package.manifest, chosen) if chosen != "fp32" else None
    rms = float(np.sqrt(np.mean(np.square(motion - reference.motion, dtype=np.float64))))
    found.append(
        Comparison(f"{chosen} end to end, largest", _largest(motion, reference.motion) * in_mm, limit_mm, "mm")
    )
    found.append(Comparison(f"{chosen} end to end, RMS", rms * in_mm, None, "mm"))
    return found


RANGE = "of the motion range"


def tolerances_for(precisions: tuple[str, ...], motion_range_m: float) -> dict[str, dict[str, float]]:
    """The limits a package states for each of its precisions."""
    stated: dict[str, dict[str, float]] = {}
    for precision in precisions:
        if precision == "fp32":
            stated[precision] = {"relative": FP32_RELATIVE}
        else:
            stated[precision] = {"offsets_mm": round(reduced_limit_mm(motion_range_m, precision), 4)}
    return stated


def verify_against_checkpoint(
    package: Package,
    checkpoint: Path,
    backend: str = "auto",
    precision: str | None = None,
    seconds: float = SECONDS,
) -> list[dict[str, Any]]:
    """The `pytorch` reference of `emoface verify`: name, value, limit, unit and passed of every comparison."""
    from emoface_training.models.checkpoint import load

    model, _ = load(checkpoint)
    reference = make_reference(model, seconds)
    return [c.to_json() for c in compare(package, model, reference, backend, precision)]


def summary(comparisons: list[Comparison]) -> Mapping[str, float]:
    """Numbers for the manifest, rounded so that they do not depend on the last bit of a machine."""
    return {c.name: float(f"{c.value:.2e}") for c in comparisons}


def _largest(a: Floats, b: Floats) -> float:
    difference = float(np.abs(a - b).max(initial=0.0))
    return difference if np.isfinite(difference) else float("inf")


def _relative(got: Floats, expected: Floats) -> float:
    scale = float(np.abs(expected).max(initial=0.0))
    return _largest(got, expected) / (scale or 1.0)
