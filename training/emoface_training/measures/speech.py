"""What a viewer checks first, on predicted vertices: closed lips and falsely closed ones, the tuck of /f v/, silence,
how far apart the mouth's shapes are, and their timing. Definitions are in docs/measures.md.

Each rate stands beside the opposite error: a mouth that shuts on everything closes every /p b m/. The same measures run
on the reference motion (the rules), which shows what they can reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from emoface_training.clips.store import StoredClip
from emoface_training.data.synthetic.phonemes import BILABIALS, LABIODENTALS, OPEN_VOWELS, SIL, VOWELS
from emoface_training.measures.mouth import CLOSED_M, CLOSED_SHARE, MouthGauge
from emoface_training.measures.tracks import correlation, flutter, lag_ms, runs, settled_pauses

FREE_S = 0.12  # a free consonant has no labial and no pause so near
LABIALS = BILABIALS | LABIODENTALS
ROUNDED, SPREAD = frozenset({"UW", "UH", "OW"}), frozenset({"IY", "IH", "EY"})
# Every phoneme belongs to one of these, the rest to "other vowels" or "other consonants"
CLASSES = {
    "p b m": BILABIALS,
    "f v": LABIODENTALS,
    "t d n l": frozenset({"T", "D", "N", "L"}),
    "k g ng": frozenset({"K", "G", "NG"}),
    "th dh": frozenset({"TH", "DH"}),
    "s z": frozenset({"S", "Z"}),
    "sh zh ch jh": frozenset({"SH", "ZH", "CH", "JH"}),
    "open vowels": OPEN_VOWELS,
}
OTHERS = ("other consonants", "other vowels")
# Share of a pause's frames in which the lips must touch for the pause to count as shut
PAUSE_SHARE = 0.5

Phoneme = tuple[str, float, float]


def class_of(phoneme: str) -> str:
    """The class of a phoneme in the table by classes."""
    return next((name for name, some in CLASSES.items() if phoneme in some), OTHERS[phoneme in VOWELS])


def around(phoneme: Phoneme, fps: int) -> slice:
    """Frames from the last one at or before the start to the first one at or after the end."""
    return slice(int(phoneme[1] * fps), int(np.ceil(phoneme[2] * fps)) + 1)


def inside(phoneme: Phoneme, fps: int) -> slice:
    """Frames within the interval; where there is none, the one nearest to its middle."""
    first, last = int(np.ceil(phoneme[1] * fps)), int(phoneme[2] * fps)
    if last < first:
        first = last = round((phoneme[1] + phoneme[2]) / 2 * fps)
    return slice(first, last + 1)


def is_free(phoneme: Phoneme, phonemes: Iterable[Phoneme]) -> bool:
    """Whether it is a consonant other than p b m f v with no such one and no pause within 120 ms."""
    name, start, end = phoneme
    if name == SIL or name in VOWELS or name in LABIALS:
        return False
    return not any(
        (other in LABIALS or other == SIL) and first < end + FREE_S and last > start - FREE_S
        for other, first, last in phonemes
    )


@dataclass(frozen=True)
class Event:
    """One phoneme that was judged. kind: "bilabials", "labiodentals" or "free"; hit: closed (free: falsely closed) or
    tucked; measured, in metres: its smallest gap, or distance from lower lip to upper teeth."""

    kind: str
    phoneme: str
    start: float
    end: float
    hit: bool
    measured: float


@dataclass(frozen=True)
class _Mouth:
    """Tracks [T] in metres of one clip."""

    gap: np.ndarray
    width: np.ndarray
    teeth: np.ndarray
    jaw: np.ndarray

    @classmethod
    def of(cls, gauge: MouthGauge, offsets: np.ndarray) -> _Mouth:
        return cls(*(track(offsets) for track in (gauge.gap, gauge.width, gauge.teeth_distance, gauge.jaw_drop)))


@dataclass
class SpeechMeasures:
    """Accumulates clips. tucked_below: metres from lower lip to upper teeth (`mouth.tucked_below`)."""

    gauge: MouthGauge
    fps: int
    tucked_below: float
    _clips: list[tuple[list[Phoneme], _Mouth, _Mouth]] = field(default_factory=list)

    def add(self, clip: StoredClip, offsets: np.ndarray, target: np.ndarray) -> None:
        """offsets, target [T, V, 3] in the face's unit; phonemes come from the clip."""
        phonemes = [tuple(phoneme) for phoneme in clip.phonemes]
        self._clips.append((phonemes, _Mouth.of(self.gauge, offsets), _Mouth.of(self.gauge, target)))

    @classmethod
    def joined(cls, parts: Sequence[SpeechMeasures]) -> SpeechMeasures:
        """The measures of all parts' clips together; parts of one face and rate, at least one."""
        whole = cls(parts[0].gauge, parts[0].fps, parts[0].tucked_below)
        whole._clips = [clip for part in parts for clip in part._clips]
        return whole

    @property
    def closed_below(self) -> float:
        """Metres: lips nearer than 1 mm and than a tenth of the 95th percentile of the reference's gap are closed."""
        return min(CLOSED_M, CLOSED_SHARE * _p95(target.gap for _, _, target in self._clips))

    def tracks(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """gap, width, teeth or jaw [T] in metres of all clips one after the other, predicted and reference."""
        pairs = [(getattr(shown, name), getattr(target, name)) for _, shown, target in self._clips]
        return np.concatenate([one for one, _ in pairs]), np.concatenate([other for _, other in pairs])

    def events(self) -> list[Event]:
        """Every judged p b m, f v and free consonant in order of time, clip by clip."""
        closed, found = self.closed_below, []
        for phonemes, shown, _ in self._clips:
            for phoneme in phonemes:
                name = phoneme[0]
                if name in BILABIALS:
                    kind, values, limit = "bilabials", shown.gap[around(phoneme, self.fps)], closed
                elif name in LABIODENTALS:
                    kind, values, limit = "labiodentals", shown.teeth[around(phoneme, self.fps)], self.tucked_below
                elif is_free(phoneme, phonemes):
                    kind, values, limit = "free", shown.gap[inside(phoneme, self.fps)], closed
                else:
                    continue
                if len(values):
                    nearest = float(values.min())
                    found.append(Event(kind, *phoneme, hit=nearest < limit, measured=nearest))
        return found

    def figures(self) -> dict[str, float | int]:
        """Shares in 0..1 with their counts, see docs/measures.md; a share of nothing is 0, and so is what stands
        still."""
        events = self.events()
        hits = {kind: [e.hit for e in events if e.kind == kind] for kind in ("bilabials", "labiodentals", "free")}
        gap, reference = self.tracks("gap")
        lips = [shown.gap for _, shown, _ in self._clips], [target.gap for _, _, target in self._clips]
        trembling, rules = flutter(lips[0], self.fps), flutter(lips[1], self.fps)
        return {
            "closures": _share(hits["bilabials"]),
            **self._closures(),
            "free_closed": _share(hits["free"]),
            "tucks": _share(hits["labiodentals"]),
            "false_tucks": _share(self._free_tucks()),
            **self._pauses(),
            "aperture": _p95(lips[0]) / reach if (reach := _p95(lips[1])) > 0.0 else 0.0,
            **self._rounding(),
            "flutter": trembling,
            "flutter_to_rules": trembling / rules if rules > 0.0 else 0.0,
            "lag_ms": lag_ms(*lips, self.fps),
            "gap_correlation": correlation(gap, reference),
            "jaw_correlation": correlation(*self.tracks("jaw")),
            **{kind: len(judged) for kind, judged in hits.items()},
        }

    def _closures(self) -> dict[str, float | int]:
        """Runs of closed frames in speech: those that touch a pause are its own; p b m claim those that touch one."""
        limit, right, wrong, speech = self.closed_below, 0, 0, 0.0
        for phonemes, shown, _ in self._clips:
            frames = len(shown.gap)
            paused, labial = (np.zeros(frames, bool) for _ in range(2))
            if not phonemes:
                paused[:] = True  # nothing is said
            for phoneme in phonemes:
                if phoneme[0] == SIL:
                    paused[around(phoneme, self.fps)] = True
                else:
                    speech += max(0.0, min(phoneme[2], frames / self.fps) - phoneme[1])
                if phoneme[0] in BILABIALS:
                    labial[around(phoneme, self.fps)] = True
            for first, stop in runs(shown.gap < limit):
                if paused[first:stop].any():
                    continue
                right, wrong = (right + 1, wrong) if labial[first:stop].any() else (right, wrong + 1)
        return {
            "closure_precision": right / (right + wrong) if right + wrong else 0.0,
            "false_closures_per_10_s": 10.0 * wrong / speech if speech > 0.0 else 0.0,
            "closures_in_speech": right + wrong,
            "speech_s": speech,
        }

    def _free_tucks(self) -> list[bool]:
        return [
            bool(values.min() < self.tucked_below)
            for phonemes, shown, _ in self._clips
            for phoneme in phonemes
            if is_free(phoneme, phonemes) and len(values := shown.teeth[inside(phoneme, self.fps)])
        ]

    def _pauses(self) -> dict[str, float | int]:
        limit = self.closed_below
        pauses = [
            shown.gap[frames] < limit
            for phonemes, shown, _ in self._clips
            for frames in settled_pauses(phonemes, len(shown.gap), self.fps)
        ]
        return {
            "silence_closed": _share(np.concatenate(pauses)) if pauses else 0.0,
            "pauses_closed": _share([pause.mean() >= PAUSE_SHARE for pause in pauses]),
            "silent_frames": sum(map(len, pauses)),
            "pauses": len(pauses),
        }

    def _rounding(self) -> dict[str, float | int]:
        """Mean width over the frames of rounded and of spread vowels."""
        widths: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for phonemes, shown, target in self._clips:
            for phoneme in phonemes:
                span = inside(phoneme, self.fps)
                if (phoneme[0] in ROUNDED or phoneme[0] in SPREAD) and len(shown.width[span]):
                    widths[phoneme[0] in ROUNDED].append((shown.width[span].mean(), target.width[span].mean()))
        found: dict[str, float | int] = {"rounded": len(widths[True]), "spread": len(widths[False])}
        if not (widths[True] and widths[False]):
            return {"rounding_mm": 0.0, "rounding": 0.0} | found
        shown_apart, apart = np.mean(widths[False], 0) - np.mean(widths[True], 0)
        rounding = float(shown_apart / apart) if abs(apart) > 1e-9 else 0.0
        return {"rounding_mm": float(1000.0 * shown_apart), "rounding": rounding} | found

    def classes(self) -> dict[str, dict[str, float | int]]:
        """By class of phoneme: count, share with a closed frame, and the median of the smallest gaps in mm, beside the
        reference's own two. p b m are judged as in `closures`, all others within their intervals."""
        limit = self.closed_below
        smallest: dict[str, list[tuple[float, float]]] = {name: [] for name in (*CLASSES, *OTHERS)}
        for phonemes, shown, target in self._clips:
            for phoneme in phonemes:
                if phoneme[0] == SIL:
                    continue
                span = (around if phoneme[0] in BILABIALS else inside)(phoneme, self.fps)
                if len(shown.gap[span]):
                    smallest[class_of(phoneme[0])].append((shown.gap[span].min(), target.gap[span].min()))
        table = {}
        for name, values in smallest.items():
            if values:
                gaps = np.array(values)
                closed, median = (gaps < limit).mean(0), 1000.0 * np.median(gaps, 0)
                table[name] = {
                    "count": len(gaps),
                    "closed": float(closed[0]),
                    "closed_rules": float(closed[1]),
                    "gap_mm": float(median[0]),
                    "gap_rules_mm": float(median[1]),
                }
        return table


def _share(hits: Sequence[bool] | np.ndarray) -> float:
    return float(np.mean(hits)) if len(hits) else 0.0


def _p95(gaps: Iterable[np.ndarray]) -> float:
    gaps = list(gaps)
    return float(np.percentile(np.concatenate(gaps), 95)) if gaps else 0.0
