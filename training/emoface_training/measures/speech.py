"""What a viewer checks first, on predicted vertices: the jaw's timing, closed lips, the tuck of /f v/, silence.

Thresholds, fixed before any model was measured, on the rig's own scale:

- closed: the gap between the middles of the inner lips is at most 15 % of the way from the rig's closed lips to its
  half-open jaw (jaw_open = 0.5). A bilabial /p b m/ counts as closed when one frame is closed, from the last at or
  before the start of its interval to the first at or after its end.
- false closure: the frame nearest to the middle of an open vowel (AA AE AO EH AY AW) is closed.
- tuck: the middle of the lower lip has come at least 40 % of the way towards the upper teeth that the rig's own full
  tuck goes (jaw_open = 0.15). An /f v/ counts when one of these frames is tucked.
- silence: share of the frames with closed lips among those from 200 ms after the start of a silence (phoneme SIL) until
  80 ms before its end, over all silences of the split.
- jaw: correlation over all frames of the split of the lower teeth's drop with the ground truth's.

The same measures run on the ground truth, which shows what they can reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from emoface_training.clips.store import StoredClip
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.data.synthetic.phonemes import BILABIALS, LABIODENTALS, OPEN_VOWELS, SIL
from emoface_training.motion.basis import MotionRig

CLOSED_SHARE = 0.15
TUCKED_SHARE = 0.40
HALF_OPEN, TUCK_JAW = 0.5, 0.15
SILENCE_SETTLED_S, SILENCE_ENDS_S = 0.2, 0.08


def _pose(**values: float) -> np.ndarray:
    return np.array([[values.get(name, 0.0) for name in RIG_PARAMETERS]], np.float32)


class MouthGauge:
    """Gap, tuck and jaw drop of a rig's mouth, in metres; offsets are [T, V, 3] relative to the template."""

    def __init__(self, rig: MotionRig) -> None:
        self.template = rig.template.astype(np.float64)
        self.upper = self._middle(rig.masks["upper_lip_inner"])
        self.lower = self._middle(rig.masks["lower_lip_inner"])
        self.upper_teeth, self.lower_teeth = rig.masks["teeth_upper"], rig.masks["teeth_lower"]
        closed = self.gap(rig.offsets(_pose(lips_close=1.0)))[0]
        opened = self.gap(rig.offsets(_pose(jaw_open=HALF_OPEN)))[0]
        self.closed_below = closed + CLOSED_SHARE * (opened - closed)
        loose = self.teeth_distance(rig.offsets(_pose(jaw_open=TUCK_JAW)))[0]
        tucked = self.teeth_distance(rig.offsets(_pose(jaw_open=TUCK_JAW, lip_tuck=1.0)))[0]
        self.tucked_below = loose + TUCKED_SHARE * (tucked - loose)

    @staticmethod
    def _middle(ring: np.ndarray) -> np.ndarray:
        centre = len(ring) // 2
        return ring[max(0, centre - 1) : centre + 2]

    def _place(self, offsets: np.ndarray, indices: np.ndarray) -> np.ndarray:
        return offsets[:, indices].astype(np.float64) + self.template[indices]

    def gap(self, offsets: np.ndarray) -> np.ndarray:
        """Vertical distance [T] between the middles of the inner lips."""
        return self._place(offsets, self.upper)[..., 1].mean(1) - self._place(offsets, self.lower)[..., 1].mean(1)

    def teeth_distance(self, offsets: np.ndarray) -> np.ndarray:
        """Distance [T] from the middle of the lower lip to the nearest vertex of the upper teeth."""
        lip = self._place(offsets, self.lower).mean(1, keepdims=True)
        return np.linalg.norm(self._place(offsets, self.upper_teeth) - lip, axis=-1).min(1)

    def jaw_drop(self, offsets: np.ndarray) -> np.ndarray:
        """Mean downward displacement [T] of the lower teeth."""
        return -offsets[:, self.lower_teeth, 1].astype(np.float64).mean(1)


@dataclass(frozen=True)
class Event:
    """One phoneme that was judged. `measured` in metres: the gap (closures, false closures) or the distance from lower
    lip to upper teeth (tucks), the smallest of the interval or that of the judged frame."""

    kind: str
    phoneme: str
    start: float
    end: float
    hit: bool
    measured: float


RATES = {"closures": "bilabials", "false_closures": "open_vowels", "tucks": "labiodentals"}


@dataclass
class SpeechMeasures:
    """Accumulates clips of one split."""

    gauge: MouthGauge
    fps: int
    events: list[Event] = field(default_factory=list)
    _jaw: list[np.ndarray] = field(default_factory=list)
    _jaw_target: list[np.ndarray] = field(default_factory=list)
    _silent: list[np.ndarray] = field(default_factory=list)

    def add(self, clip: StoredClip, offsets: np.ndarray, target: np.ndarray) -> None:
        """offsets, target [T, V, 3] in metres; phonemes come from the clip."""
        gauge = self.gauge
        self._jaw.append(gauge.jaw_drop(offsets))
        self._jaw_target.append(gauge.jaw_drop(target))
        gap, teeth = gauge.gap(offsets), gauge.teeth_distance(offsets)
        self._silent.append(gap[silent_frames(clip.phonemes, len(gap), self.fps)] <= gauge.closed_below)
        for name, start, end in clip.phonemes:
            span = slice(int(start * self.fps), int(np.ceil(end * self.fps)) + 1)
            middle = round((start + end) / 2 * self.fps)
            if name in BILABIALS and len(gap[span]):
                self._judge("bilabials", (name, start, end), gap[span].min(), gauge.closed_below)
            elif name in LABIODENTALS and len(teeth[span]):
                self._judge("labiodentals", (name, start, end), teeth[span].min(), gauge.tucked_below)
            elif name in OPEN_VOWELS and middle < len(gap):
                self._judge("open_vowels", (name, start, end), gap[middle], gauge.closed_below)

    def _judge(self, kind: str, phoneme: tuple[str, float, float], measured: float, below: float) -> None:
        self.events.append(Event(kind, *phoneme, hit=bool(measured <= below), measured=float(measured)))

    @classmethod
    def joined(cls, parts: Sequence[SpeechMeasures]) -> SpeechMeasures:
        """The measures of all parts' clips together; parts of one rig and rate, at least one."""
        whole = cls(parts[0].gauge, parts[0].fps)
        for part in parts:
            whole.events += part.events
            whole._jaw += part._jaw
            whole._jaw_target += part._jaw_target
            whole._silent += part._silent
        return whole

    def jaws(self) -> tuple[np.ndarray, np.ndarray]:
        """Jaw drop [T] in metres of all clips, predicted and ground truth."""
        return np.concatenate(self._jaw), np.concatenate(self._jaw_target)

    def figures(self) -> dict[str, float | int]:
        """Rates in 0..1 with their counts; a correlation of a motionless jaw is 0."""
        hits = {kind: [event.hit for event in self.events if event.kind == kind] for kind in RATES.values()}
        silent = np.concatenate(self._silent)
        return {
            "jaw_correlation": correlation(*self.jaws()),
            **{rate: sum(hits[kind]) / max(1, len(hits[kind])) for rate, kind in RATES.items()},
            "silence_closed": float(silent.mean()) if len(silent) else 0.0,
            **{kind: len(judged) for kind, judged in hits.items()},
            "silent_frames": len(silent),
        }


def silent_frames(phonemes: Iterable[tuple[str, float, float]], frames: int, fps: int) -> np.ndarray:
    """bool [frames]: those whose time m / fps lies in a silence, 200 ms after its start to 80 ms before its end."""
    time = np.arange(frames) / fps
    silent = np.zeros(frames, bool)
    for name, start, end in phonemes:
        if name == SIL:
            silent |= (time >= start + SILENCE_SETTLED_S) & (time <= end - SILENCE_ENDS_S)
    return silent


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's correlation of two tracks in metres; 0 where one does not move by a nanometre."""
    if one.std() < 1e-9 or other.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
