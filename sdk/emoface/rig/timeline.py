"""Emotions at times: keys from a file, a list or a caller who goes on adding them, blended from one to the next.

A key begins to act at its time and is reached `transition_s` later, from wherever the emotion then was. Between the two
the emotion changes from frame to frame, at the times m / fps, so that any cut of the audio gives the same bits. What
comes out are changes of the condition `emotion` (`emoface.stream.conditions`). csrc/runtime/emotion_keys.cpp does the
same with the same sums in the same order.
"""

from __future__ import annotations

import csv
import io
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from emoface.errors import ConditionError
from emoface.stream.conditions import Vector, condition_vector
from emoface.strict_json import parse_object

if TYPE_CHECKING:
    from emoface.manifest import Manifest

Change = tuple[float, Vector]
MOST_KEYS = 10_000
LATEST_S = 1e6
SUFFIXES = (".json", ".csv")
_LIMITS = {
    "transition_s": (0.0, 10.0),
    "strength": (0.0, 1.0),
    "contrast": (0.3, 3.0),
    "neutral_after": (0.0, LATEST_S),
}
_MOST = 64
_LARGEST_FILE = 8 << 20
_SMALLEST_SUM = 1e-9
_REMEDY = 'Write for example {"keys": [{"time": 0, "emotion": "happy"}, {"time": 2.5, "emotion": {"sad": 0.6}}]}.'


@dataclass(frozen=True)
class EmotionBlending:
    """How keys become the emotion of a frame.

    Attributes:
        transition_s: seconds from a key to its emotion, 0 to 10, smoothly. The next key begins where the emotion is.
        strength: 0 to 1, how much of the keys' emotions is shown; the rest is `rest`.
        contrast: 0.3 to 3. Above 1 the stronger of several emotions gains on the weaker, below 1 it loses; their sum
            stays: w becomes w^contrast.
        max_emotions: of a key's emotions the strongest so many count, 1 to 64.
        rest: the emotion that fills weights up to 1: "neutral", or "auto", which follows the voice.
        neutral_after: seconds after which a key that no other has followed goes back to `rest`; None: never.

    Raises:
        ConditionError: a value out of its range.
    """

    transition_s: float = 0.5
    strength: float = 1.0
    contrast: float = 1.0
    max_emotions: int = 6
    rest: str = "neutral"
    neutral_after: float | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if name == "neutral_after" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise ConditionError(
                    f"{name} = {value!r}", f"a number from {low:g} to {high:g}", "Choose one in range."
                )
        count = self.max_emotions
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= _MOST:
            raise ConditionError(f"max_emotions = {count!r}", f"an integer from 1 to {_MOST}", "Choose one in range.")
        if not isinstance(self.rest, str):
            raise ConditionError(f"rest = {self.rest!r}", "an emotion's name", "neutral, or auto to follow the voice.")

    def vector(self, manifest: Manifest, emotion: str | Mapping[str, float]) -> Vector:
        """Weights of the condition `emotion` for a key's emotions; {} is `rest` alone.

        A sum above 1 is brought down to 1.

        Raises:
            ConditionError: an unknown emotion, a weight out of range, a package without `rest`.
        """
        choices = manifest.choices("emotion")
        given = condition_vector(manifest, "emotion", emotion if emotion else self.rest).tolist()
        if self.rest not in choices:
            raise ConditionError(f"rest = {self.rest!r}", f"one of {', '.join(choices)}", "Name one of the package.")
        if not emotion:
            given = [0.0] * len(given)
        for place in sorted(range(len(given)), key=lambda place: -given[place])[self.max_emotions :]:
            given[place] = 0.0
        total = _sum(given)
        if self.contrast != 1.0 and total > _SMALLEST_SUM:
            given = [math.pow(weight / total, self.contrast) if weight > 0 else 0.0 for weight in given]
            sharpened = _sum(given)
            given = [weight / sharpened * total for weight in given]
        scale = self.strength / max(total, 1.0)
        given = [weight * scale for weight in given]
        given[choices.index(self.rest)] += max(1.0 - total * scale, 0.0)
        made = np.array(given, np.float32)
        made.setflags(write=False)
        return made


def _sum(values: Sequence[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total


class EmotionBlend:
    """Turns keys into changes of the condition while they come: for streams whose keys are not known before.

    Args:
        manifest: of the package.
        blending: how.
        start: the emotion before the first key, as the condition's vector.

    Raises:
        ConditionError: a package without the condition `emotion`.
    """

    def __init__(self, manifest: Manifest, blending: EmotionBlending, start: Vector) -> None:
        self._manifest, self._blending = manifest, blending
        self._fps = manifest.fps
        self._keys = deque[tuple[float, Vector]]()
        self._from = self._to = self._said = start
        self._begin = -math.inf
        self._frame = 0
        self._told = 0.0  # changes before this time have been given
        self._rest = None if blending.neutral_after is None else blending.vector(manifest, {})
        self._resting = True

    def key(self, time: float, emotion: str | Mapping[str, float]) -> None:
        """Let an emotion, or several with their weights, begin to act at `time`, in seconds.

        Raises:
            ConditionError: a time before the last key's or among changes that were given already; an unknown emotion.
        """
        earliest = max(self._told, self._keys[-1][0] if self._keys else self._begin)
        if isinstance(time, bool) or not isinstance(time, (int, float)) or not max(earliest, 0.0) <= time <= LATEST_S:
            raise ConditionError(
                f"an emotion key at {time!r}",
                f"seconds from {max(earliest, 0.0):g} to {LATEST_S:g}",
                "Keys come in the order of their times, before the audio they belong to.",
            )
        self._keys.append((float(time), self._blending.vector(self._manifest, emotion)))

    def until(self, time: float) -> list[Change]:
        """The changes at frames before `time` that were not given yet, in order: (seconds, vector of `emotion`)."""
        changes = list[Change]()
        while True:
            begin, target = self._next()
            self._emit(min(begin, time), changes)
            if begin >= time:
                self._told = max(self._told, time)
                return changes
            self._from, self._to, self._begin = self._at(begin), target, begin
            self._frame = max(self._frame, self._first_frame(begin))
            self._resting = not self._keys or self._keys[0][0] != begin
            if not self._resting:
                self._keys.popleft()

    def _next(self) -> Change:
        """The next key, or the return to rest where that is earlier."""
        after = self._keys[0] if self._keys else (math.inf, self._to)
        if self._rest is None or self._resting or self._blending.neutral_after is None:
            return after
        back = self._begin + self._blending.neutral_after
        return (back, self._rest) if back < after[0] else after

    def _emit(self, until: float, changes: list[Change]) -> None:
        while (time := self._frame / self._fps) < until:
            vector = self._at(time)
            if vector.tobytes() != self._said.tobytes():
                changes.append((time, vector))
                self._said = vector
            if time - self._begin >= self._blending.transition_s:
                if math.isinf(until):
                    return
                self._frame = max(self._frame + 1, self._first_frame(until))
            else:
                self._frame += 1

    def _at(self, time: float) -> Vector:
        since, whole = time - self._begin, self._blending.transition_s
        if since >= whole:
            return self._to
        t = since / whole
        share = t * t * (3.0 - 2.0 * t)
        first, second = self._from.astype(np.float64), self._to.astype(np.float64)
        blended = (first + (second - first) * share).astype(np.float32)
        blended.setflags(write=False)
        return blended

    def _first_frame(self, time: float) -> int:
        """The first frame at or after a time."""
        frame = max(int(time * self._fps) - 1, 0)
        while frame / self._fps < time:
            frame += 1
        return frame


@dataclass(frozen=True)
class EmotionTimeline:
    """Emotion keys of a clip or a stream, for the option `emotion` of an animator.

    Attributes:
        keys: (seconds, emotion's name or weights by name), in the order of their times, at most 10000.
        blending: how they are blended.
        start: the emotion before the first key, as the option `emotion` takes it; "auto" by default.

    Raises:
        ConditionError: keys out of order, or of another form.
    """

    keys: tuple[tuple[float, str | Mapping[str, float]], ...]
    blending: EmotionBlending = field(default_factory=EmotionBlending)
    start: Any = "auto"

    def __post_init__(self) -> None:
        keys = tuple(self.keys)
        if len(keys) > MOST_KEYS:
            raise ConditionError(f"{len(keys)} emotion keys", f"at most {MOST_KEYS}", "Leave some out.")
        checked = list[tuple[float, str | Mapping[str, float]]]()
        for index, key in enumerate(keys):
            if not isinstance(key, (tuple, list)) or len(key) != 2:
                raise ConditionError(f"keys[{index}] = {key!r}", "(seconds, emotion)", _REMEDY)
            time, emotion = key
            earliest = checked[-1][0] if checked else 0.0
            if isinstance(time, bool) or not isinstance(time, (int, float)) or not earliest <= time <= LATEST_S:
                got, expected = f"keys[{index}].time = {time!r}", f"seconds from {earliest:g} to {LATEST_S:g}, in order"
                raise ConditionError(got, expected, "Sort the keys by time.")
            if not isinstance(emotion, (str, Mapping)):
                raise ConditionError(f"keys[{index}].emotion = {emotion!r}", "a name, or weights by name", _REMEDY)
            held = emotion if isinstance(emotion, str) else MappingProxyType(dict(emotion))
            checked.append((float(time), held))
        object.__setattr__(self, "keys", tuple(checked))

    def __reduce__(self) -> tuple[type[EmotionTimeline], tuple[Any, ...]]:
        # A mapping proxy cannot be pickled.
        keys = tuple((time, emotion if isinstance(emotion, str) else dict(emotion)) for time, emotion in self.keys)
        return EmotionTimeline, (keys, self.blending, self.start)

    def changes(self, manifest: Manifest, start: Vector) -> list[Change]:
        """All changes of the condition `emotion`, in order: (seconds, vector). `start` holds before.

        Raises:
            ConditionError: an emotion that the package does not have, or a weight out of range.
        """
        blend = EmotionBlend(manifest, self.blending, start)
        for index, (time, emotion) in enumerate(self.keys):
            try:
                blend.key(time, emotion)
            except ConditionError as error:
                raise ConditionError(f"keys[{index}]: {error.got}", error.expected, error.remedy) from None
        return blend.until(math.inf)

    @classmethod
    def load(cls, path: str | Path) -> EmotionTimeline:
        """Keys from a file.

        A .json file holds {"keys": [{"time": s, "emotion": name or {name: weight}}, ...]}, and beside them any of
        `start` and the attributes of `EmotionBlending`. A .csv file has the columns `time` and one for every emotion.

        Raises:
            ConditionError: no such file, or a damaged one.
        """
        path = Path(path)
        try:
            if path.stat().st_size > _LARGEST_FILE:
                raise ConditionError(f"{path}: {path.stat().st_size} bytes", f"at most {_LARGEST_FILE}", "Split it up.")
            data = path.read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConditionError(f"{path}: {reason}", "a file of emotion keys", "Check the path.") from None
        try:
            return _from_csv(data) if path.suffix.lower() == ".csv" else _from_json(data)
        except ConditionError as error:
            raise ConditionError(f"{path}: {error.got}", error.expected, error.remedy) from None


def given_timeline(emotion: object, choices: tuple[str, ...]) -> EmotionTimeline | None:
    """The timeline that an option `emotion` is, or names as a file (.json, .csv); else None.

    Raises:
        ConditionError: as `EmotionTimeline.load`.
    """
    if isinstance(emotion, EmotionTimeline):
        return emotion
    if isinstance(emotion, Path) or (
        isinstance(emotion, str) and emotion not in choices and Path(emotion).suffix.lower() in SUFFIXES
    ):
        return EmotionTimeline.load(emotion)
    return None


def _from_json(data: bytes) -> EmotionTimeline:
    try:
        content = parse_object(data, 4)
    except ValueError as error:
        raise ConditionError(f"content = {error}", "a JSON object", _REMEDY) from None
    blending = EmotionBlending()
    settings = {name: content.pop(name) for name in vars(blending) if name in content}
    keys, start = content.pop("keys", None), content.pop("start", "auto")
    if content:
        expected = f"keys, start, {', '.join(vars(blending))}"
        raise ConditionError(f"the field {next(iter(content))!r}", expected, "Check the spelling.")
    if not isinstance(keys, list):
        raise ConditionError(f"keys = {keys!r}", "a list of objects", _REMEDY)
    if not isinstance(start, (str, dict)):
        raise ConditionError(f"start = {start!r}", "an emotion's name, or weights by name", _REMEDY)
    pairs = list[tuple[float, str | Mapping[str, float]]]()
    for index, key in enumerate(keys):
        if not isinstance(key, dict) or key.keys() != {"time", "emotion"}:
            raise ConditionError(f"keys[{index}] = {key!r}", 'an object of "time" and "emotion"', _REMEDY)
        pairs.append((key["time"], key["emotion"]))
    return EmotionTimeline(tuple(pairs), replace(blending, **settings), start)


def _from_csv(data: bytes) -> EmotionTimeline:
    expected, remedy = "a table with the columns time and emotions", "Write for example time,happy,sad and 0.5,1,0."
    try:
        rows = [row for row in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConditionError(f"content = {error}", expected, remedy) from None
    names = [name.strip() for name in rows[0]] if rows else []
    if len(names) < 2 or names[0] != "time" or len(set(names)) != len(names):
        raise ConditionError(f"the header {','.join(names)!r}", expected, remedy)
    pairs = list[tuple[float, str | Mapping[str, float]]]()
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise ConditionError(f"line {line} of {len(row)} values", f"{len(names)}", remedy)
        try:
            numbers = [float(cell) if cell.strip() else 0.0 for cell in row]
        except ValueError:
            raise ConditionError(f"line {line}: {','.join(row)!r}", "numbers", remedy) from None
        weights = {name: number for name, number in zip(names[1:], numbers[1:], strict=True) if number != 0}
        pairs.append((numbers[0], weights))
    return EmotionTimeline(tuple(pairs))
