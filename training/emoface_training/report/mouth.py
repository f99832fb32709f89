"""Lip distance, instants worth a picture, and silence: what a report reads off a clip's motion and sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emoface_training.clips.store import StoredClip
from emoface_training.data.sample import DatasetFace
from emoface_training.data.synthetic.phonemes import BILABIALS, LABIODENTALS, OPEN_VOWELS, SIL
from emoface_training.evaluation.baselines import log_energy
from emoface_training.measures.mouth import MouthGauge
from emoface_training.motion.targets import Face

ROUNDED, WIDE = frozenset({"UW", "OW", "UH", "W", "SH", "CH"}), frozenset({"IY", "EY", "IH", "S", "Z"})
SHOWN = (BILABIALS, OPEN_VOWELS, LABIODENTALS, ROUNDED, WIDE, frozenset({SIL}))
# The lips may still be closing after speech ends, a model comes out of its empty history in a clip's first frames,
# and the lips already open before speech begins
SETTLE_S, ONSET_S = 0.2, 0.1
# In the energy baseline's unit of 50 dB: a recording without phonemes is silent 40 dB below its loud speech
SILENT_LEVEL = -0.8


@dataclass(frozen=True)
class Instant:
    """A frame and what is said in it ("" where unknown)."""

    frame: int
    phoneme: str


def lip_distance(face: Face) -> Callable[[np.ndarray], np.ndarray] | None:
    """A function offsets [T, V, 3] -> mm [T], or None for a face without a mask `lips`.

    Of a rig: the vertical gap between the middles of the inner lips. Of a recorded face: how much higher the region
    of the lips is than in the template.
    """
    if not isinstance(face, DatasetFace):
        gauge = MouthGauge(face)
        return lambda offsets: 1000.0 * gauge.gap(offsets)
    if "lips" not in face.masks:
        return None
    rest, scale = face.template[face.masks["lips"], 1], 1000.0 * face.unit_in_metres
    return lambda offsets: scale * (np.ptp(offsets[:, face.masks["lips"], 1] + rest, axis=1) - np.ptp(rest))


def instants(clip: StoredClip, opening: np.ndarray | None, fps: int, count: int) -> list[Instant]:
    """At most `count` frames in order of time: closed, open, tucked, rounded, wide and silent mouths where the clip's
    phonemes are known; else the ground truth's widest and most closed frames (opening: its lip distance, mm [T]), or
    even ones."""
    if clip.phonemes and opening is not None:
        found = [_best(clip, opening, fps, group) for group in SHOWN]
        chosen = {instant.frame: instant for instant in found if instant is not None}
        if chosen:
            return [chosen[frame] for frame in sorted(chosen)][:count]
    if opening is None:
        return [Instant(int((k + 0.5) * clip.frames / count), "") for k in range(count)]
    apart = max(1, clip.frames // (2 * count + 2))
    frames: list[int] = []
    for score, wanted in ((-opening, count - count // 2), (opening, count)):  # the widest ones, then the most closed
        for frame in np.argsort(score, kind="stable"):
            if len(frames) < wanted and all(abs(int(frame) - other) >= apart for other in frames):
                frames.append(int(frame))
    return [Instant(frame, "") for frame in sorted(frames)]


def _best(clip: StoredClip, opening: np.ndarray, fps: int, group: frozenset[str]) -> Instant | None:
    """The clearest instant of a group of phonemes: the most closed or open one, else the middle of the longest."""
    spans = [(name, round(start * fps), round(end * fps)) for name, start, end in clip.phonemes if name in group]
    spans = [(name, first, min(last, len(opening) - 1)) for name, first, last in spans if first < len(opening) - 1]
    if not spans:
        return None
    if group in (BILABIALS, OPEN_VOWELS):
        sign = 1.0 if group is BILABIALS else -1.0
        within = [(name, frame) for name, first, last in spans for frame in range(first, last + 1)]
        name, frame = min(within, key=lambda item: sign * opening[item[1]])
        return Instant(frame, name)
    name, first, last = max(spans, key=lambda span: span[2] - span[1])
    return Instant((first + last) // 2, name)


def silent_frames(clip: StoredClip, fps: int) -> np.ndarray:
    """Bool [T]: pauses by the clip's phonemes, or by its sound, without their first 0.2 s and last 0.1 s.

    At the clip's own end a pause counts to the last frame.
    """
    frames = np.arange(clip.frames)
    if clip.phonemes:
        silent = np.zeros(clip.frames, bool)
        for name, start, end in clip.phonemes:
            if name == SIL:
                silent |= (frames >= start * fps) & (frames < end * fps)
    else:
        silent = log_energy(clip, fps) < SILENT_LEVEL
    settled = np.zeros(clip.frames, bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], silent.astype(np.int8), [0]])))
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        begin = first + round(SETTLE_S * fps)
        end = stop if stop == clip.frames else stop - round(ONSET_S * fps)  # nothing is said after the clip's end
        settled[begin : max(begin, end)] = True
    return settled


def jitter_mm(offsets: np.ndarray, region: np.ndarray, frames: np.ndarray, unit_in_metres: float) -> float | None:
    """How much a region trembles in some frames: RMS over vertices and frames of the second difference, in mm.

    A still or evenly moving face has 0. offsets [T, V, 3], region indices, frames bool [T]. None where no frame has
    both neighbours.
    """
    inner = frames[1:-1]
    if not inner.any():
        return None
    moved = offsets[:, region].astype(np.float64)
    bend = (moved[2:] - 2.0 * moved[1:-1] + moved[:-2])[inner]
    return float(1000.0 * unit_in_metres * np.sqrt((bend**2).sum(-1).mean()))
