"""What a caller chose for a stream, checked and complete."""

from __future__ import annotations

import math
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from emoface.calibration import calibration_for
from emoface.errors import AudioFormatError, ConditionError, UsageError
from emoface.rig.timeline import Change, given_timeline
from emoface.stream.conditions import Vector, condition_vector
from emoface.stream.snapshot_checks import LONGEST_TAIL_S

if TYPE_CHECKING:
    from emoface.manifest import Manifest
    from emoface.options import AnimatorOptions
    from emoface.package import Face, Package
    from emoface.stream.driver import StreamDriver

# What a package cannot be steered by may only be left as it is.
_NEUTRAL = {"style": None, "emotion": "auto", "level": "normal", "person": None, "speaker_mean": None}
_LATEST = 1e9


def check_channels(channels: int | None) -> int | None:
    """Channels as they were given; AudioFormatError for what is no number of channels."""
    if channels is None or (isinstance(channels, int) and not isinstance(channels, bool) and 1 <= channels <= 64):
        return channels
    raise AudioFormatError(f"channels={channels!r}", "1 to 64, or None", "Pass the number of channels of the audio.")


def initial_conditions(package: Package, options: AnimatorOptions) -> dict[str, Vector]:
    """Vectors of all the package's conditions: what was given, defaults for the rest.

    Args:
        package: the package.
        options: complete; style, emotion, auto_strength, level, person, speaker_mean and calibration are looked at.

    Raises:
        ConditionError, CalibrationError.
    """
    manifest = package.manifest
    given = {name: options[name] for name in _NEUTRAL}  # type: ignore[literal-required]
    if options["calibration"] is not None:
        if options["speaker_mean"] is not None:
            raise UsageError("speaker_mean and calibration", "one of the two", "A calibration holds a speaker_mean.")
        given["speaker_mean"] = calibration_for(package, options["calibration"]).speaker_mean
    for name, value in given.items():
        left = value is None or (isinstance(value, str) and value == _NEUTRAL[name])
        if name not in manifest.conditions and not left:
            condition_vector(manifest, name, value)  # raises, listing the conditions there are
        if left and isinstance(value, str) and value not in manifest.choices(name):
            given = {**given, name: None}
    vectors = {name: condition_vector(manifest, name, given.get(name)) for name in manifest.conditions}
    strength = check_auto_strength(manifest, options["auto_strength"])
    return {name: weakened(manifest, name, vector, strength) for name, vector in vectors.items()}


def with_emotion_keys(manifest: Manifest, options: AnimatorOptions) -> tuple[AnimatorOptions, list[Change]]:
    """The options with the emotion that holds before its keys in time, and the changes that the keys ask for.

    Raises:
        ConditionError: as `EmotionTimeline.load` and `EmotionTimeline.changes`.
    """
    keys = given_timeline(options["emotion"], manifest.choices("emotion"))
    if keys is None:
        return options, []
    start = condition_vector(manifest, "emotion", keys.start)
    strength = check_auto_strength(manifest, options["auto_strength"])
    changes = keys.changes(manifest, start)
    weaker = [(at, weakened(manifest, "emotion", vector, strength)) for at, vector in changes]
    return {**options, "emotion": keys.start}, weaker


def announce(driver: StreamDriver, emotions: list[Change]) -> None:
    """Tell a driver at its start of the changes of the emotion."""
    for at, vector in emotions:
        driver.set_condition("emotion", vector, at)


def check_auto_strength(manifest: Manifest, strength: object) -> float:
    """The strength; ConditionError for none from 0 to 1, and for less than 1 where a package has no such choice."""
    number = isinstance(strength, Real) and not isinstance(strength, bool)
    if not number or not 0 <= float(cast(Any, strength)) <= 1:  # false for NaN
        raise ConditionError(f"auto_strength={strength!r}", "a number from 0 to 1", "1 follows the voice as heard.")
    choices = manifest.choices("emotion")
    share = float(cast(Any, strength))
    if share < 1 and not {"auto", "neutral"} <= set(choices):
        raise ConditionError(
            f"auto_strength={strength!r} with emotions {', '.join(choices) or 'none'}",
            "auto and neutral among them",
            "This package does not weigh the voice against a neutral face; leave it out.",
        )
    return share


def weakened(manifest: Manifest, name: str, vector: Vector, strength: float) -> Vector:
    """A condition's vector; of `emotion`, all but `strength` of the weight of "auto" given to "neutral"."""
    if name != "emotion" or strength == 1:
        return vector
    choices = manifest.choices(name)
    auto, neutral = choices.index("auto"), choices.index("neutral")
    weights = vector.astype(np.float64)
    weights[neutral] += (1 - strength) * weights[auto]
    weights[auto] *= strength
    mixed = weights.astype(np.float32)
    mixed.setflags(write=False)
    return mixed


def change_moment(name: str, at: object, now: float, earliest: float) -> float:
    """The audio time from which a change of condition `name` holds: `at`, or `now` for None.

    Raises:
        ConditionError: no number, or a time before `earliest`, the first that was not computed yet.
    """
    moment = now if at is None else at
    # Compared rather than converted: no float holds every integer.
    if isinstance(moment, bool) or not isinstance(moment, Real) or not abs(cast(float, moment)) <= _LATEST:
        raise ConditionError(f"at={at!r}", f"seconds of audio time, at most {_LATEST:g}", "Pass a number or None.")
    if moment < earliest:
        raise ConditionError(
            f"{name} at {moment:g} s",
            f"a time from {earliest:g} s on: earlier frames were already computed",
            "Announce changes before feeding the audio they belong to, or leave `at` out.",
        )
    return float(moment)


def tail_frames(tail_s: object, fps: int) -> int:
    """Frames of a tail; UsageError for what is no length of one."""
    if isinstance(tail_s, bool) or not isinstance(tail_s, (int, float)) or not 0 <= tail_s <= LONGEST_TAIL_S:
        raise UsageError(f"tail_s={tail_s!r}", f"seconds from 0 to {LONGEST_TAIL_S:g}", "Pass a number.")
    return math.ceil(tail_s * fps - 1e-9)


def block_features(package: Package, block_ms: float | None) -> int:
    """Features per block; UsageError for a block that the package does not allow."""
    manifest = package.manifest
    if block_ms is None:
        return manifest.block_features
    low, high = manifest.allowed_block_features
    unit = 1000 / manifest.feature_rate
    try:
        count = round(block_ms / unit)
        fits = low <= count <= high and math.isclose(count * unit, block_ms)
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise UsageError(
            f"block_ms={block_ms!r}",
            f"a multiple of {unit:g} ms from {low * unit:g} to {high * unit:g}",
            f"The package's own block is {manifest.block_features * unit:g} ms.",
        )
    return count


def chosen_face(package: Package, template: Any, identity: Any = None) -> Face:
    """The package's face with the neutral face that the caller chose, by its mesh or its name among the identities.

    Raises:
        TemplateError: one that does not fit, or a name that is none. UsageError: both.
    """
    if identity is not None:
        if template is not None:
            raise UsageError("template and identity", "one of the two", "Both say which neutral face is animated.")
        return package.face.with_identity(identity)
    if template is None:
        return package.face
    if isinstance(template, (str, Path)):
        # Imported here: mesh readers are needed by few.
        from emoface.template_files import read_template

        template = read_template(Path(template), package.face)
    return package.face.with_template(template)
