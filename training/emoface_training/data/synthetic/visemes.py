"""Phonemes -> the eight speech parameters of the rig, 30 times a second.

Coarticulation by dominance functions (Cohen and Massaro 1993, "Modeling coarticulation in synthetic visual speech"):
every segment s has a target T_sp for each parameter p and a dominance D_sp(t) = a_sp exp(-theta_p |tau|), tau being the
time from the middle part of the segment; the parameter is F_p(t) = sum_s D_sp(t) T_sp / sum_s D_sp(t). What must not be
averaged away follows as explicit gestures: lips shut on P B M, lower lip under the teeth on F V, mouth shut in silence.
"""

from collections.abc import Sequence

import numpy as np

from .parameters import SPEECH_PARAMETERS
from .phonemes import BILABIALS, LABIODENTALS, SIL, VOWELS, Segment

FPS = 30
JAW, CLOSE, ROUND, WIDE, TUCK, UPPER, LOWER, TONGUE = range(len(SPEECH_PARAMETERS))

# The lips touch with the jaw at 0: this is the mouth of silence.
REST = np.array([0.0, 1.0, 0, 0, 0, 0, 0, 0])

# Targets in the order of SPEECH_PARAMETERS: jaw_open lips_close lips_round lips_wide lip_tuck upper lower tongue.
TARGETS = {
    SIL: tuple(REST),
    "AA": (1.00, 0, 0.05, 0.00, 0, 0.10, 0.35, 0), "AE": (0.85, 0, 0.00, 0.35, 0, 0.25, 0.35, 0),
    "AH": (0.50, 0, 0.05, 0.05, 0, 0.10, 0.20, 0), "AO": (0.75, 0, 0.55, 0.00, 0, 0.10, 0.20, 0),
    "EH": (0.60, 0, 0.00, 0.30, 0, 0.20, 0.25, 0), "ER": (0.35, 0, 0.45, 0.00, 0, 0.15, 0.20, 0.3),
    "IH": (0.35, 0, 0.00, 0.40, 0, 0.15, 0.20, 0.1), "IY": (0.22, 0, 0.00, 0.75, 0, 0.20, 0.30, 0.15),
    "UH": (0.35, 0, 0.60, 0.00, 0, 0.05, 0.10, 0), "UW": (0.16, 0, 1.00, 0.00, 0, 0.00, 0.05, 0),
    "P": (0.10, 1, 0, 0, 0, 0, 0, 0), "B": (0.10, 1, 0, 0, 0, 0, 0, 0), "M": (0.08, 1, 0, 0, 0, 0, 0, 0),
    "F": (0.14, 0, 0, 0.10, 1, 0.30, 0, 0), "V": (0.14, 0, 0, 0.10, 1, 0.25, 0, 0),
    "TH": (0.25, 0, 0, 0.10, 0, 0.10, 0.20, 1.0), "DH": (0.25, 0, 0, 0.10, 0, 0.10, 0.20, 1.0),
    "T": (0.22, 0, 0, 0.10, 0, 0.12, 0.25, 0.6), "D": (0.22, 0, 0, 0.10, 0, 0.12, 0.25, 0.6),
    "N": (0.22, 0, 0, 0.10, 0, 0.12, 0.25, 0.6), "L": (0.32, 0, 0, 0.10, 0, 0.10, 0.20, 0.7),
    "S": (0.08, 0, 0, 0.30, 0, 0.20, 0.35, 0.3), "Z": (0.08, 0, 0, 0.30, 0, 0.20, 0.35, 0.3),
    "SH": (0.12, 0, 0.70, 0, 0, 0.30, 0.40, 0.3), "ZH": (0.12, 0, 0.70, 0, 0, 0.30, 0.40, 0.3),
    "CH": (0.12, 0, 0.65, 0, 0, 0.30, 0.40, 0.4), "JH": (0.12, 0, 0.65, 0, 0, 0.30, 0.40, 0.4),
    "K": (0.32, 0, 0, 0.05, 0, 0.05, 0.10, 0.1), "G": (0.32, 0, 0, 0.05, 0, 0.05, 0.10, 0.1),
    "NG": (0.30, 0, 0, 0.10, 0, 0.05, 0.10, 0.1), "R": (0.25, 0, 0.55, 0, 0, 0.10, 0.15, 0.4),
    "W": (0.08, 0, 1.00, 0, 0, 0, 0, 0), "Y": (0.20, 0, 0, 0.50, 0, 0.10, 0.20, 0.2),
    "HH": (0.35, 0, 0, 0, 0, 0.05, 0.10, 0),
}  # fmt: skip

DIPHTHONGS = {"AY": ("AA", "IY"), "EY": ("EH", "IY"), "OY": ("AO", "IY"), "OW": ("AO", "UW"), "AW": ("AA", "UW")}
_DIPHTHONG_TURN = 0.6  # share of a diphthong that belongs to its first vowel

_SIBILANTS = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_ROUNDED = frozenset({"UW", "W", "SH", "ZH", "CH", "JH", "AO", "UH", "R", "ER"})
# Decay of dominance, 1/s: the jaw is slow, the lips' closure fast.
_DECAY = np.array([20.0, 48.0, 18.0, 20.0, 36.0, 24.0, 24.0, 30.0])
_CARRY_OVER = 1.25  # decay after the segment relative to before it

# Gestures, in seconds.
_RAMP = 0.05  # opening and closing of a bilabial or labiodental
_MIN_HOLD = 2 / FPS  # never shorter than two frames
_CLOSING = 0.15  # from the end of speech to the shut mouth
_OPENING = 0.08  # from the shut mouth to the first phoneme
_PAUSE = 0.20  # a pause shorter than this does not close the mouth fully


def _dominance(phoneme: str) -> np.ndarray:
    """Amplitude a_sp of a segment's dominance: how much it insists on each parameter."""
    vowel = phoneme in VOWELS
    a = np.full(8, 1.0 if vowel else 0.6)
    if phoneme == SIL:
        a[:] = 1.0
        a[CLOSE] = 0.6
        return a
    if vowel:
        a[JAW] = 1.2
    elif phoneme in _SIBILANTS:
        a[JAW] = 3.0
    elif phoneme in BILABIALS or phoneme in LABIODENTALS:
        a[JAW] = 1.5
    elif phoneme in ("K", "G", "NG", "HH", "T", "D", "N", "L"):
        a[JAW] = 0.4
    a[CLOSE] = 1.0
    a[ROUND] = 2.5 if phoneme in _ROUNDED else (0.8 if vowel else 0.25)
    a[TUCK] = 6.0 if phoneme in LABIODENTALS else 1.0
    return a


def _split_diphthongs(segments: Sequence[Segment]) -> list[Segment]:
    pieces = []
    for name, start, end in segments:
        if name in DIPHTHONGS:
            turn = start + _DIPHTHONG_TURN * (end - start)
            first, second = DIPHTHONGS[name]
            pieces += [Segment(first, start, turn), Segment(second, turn, end)]
        else:
            pieces.append(Segment(name, start, end))
    return pieces


def _blend(pieces: Sequence[Segment], time: np.ndarray) -> np.ndarray:
    """Dominance blending: [T] seconds -> [T, 8]."""
    targets = np.array([TARGETS[piece.phoneme] for piece in pieces])
    targets[:, CLOSE] = 0.0  # shutting the lips is a gesture, not a blend
    amplitude = np.array([_dominance(piece.phoneme) for piece in pieces])
    start = np.array([piece.start for piece in pieces])
    end = np.array([piece.end for piece in pieces])
    tau = time[:, None] - (start + end) / 2
    outside = np.maximum(np.abs(tau) - (end - start) / 4, 0.0) * np.where(tau > 0, _CARRY_OVER, 1.0)
    dominance = amplitude * np.exp(-_DECAY * outside[:, :, None]) + 1e-12  # [T, S, 8]
    return (dominance * targets).sum(1) / dominance.sum(1)


def _trapezoid(time: np.ndarray, start: float, end: float) -> np.ndarray:
    """1 on [start, end], with linear ramps outside; at least two frames are held."""
    if end - start < _MIN_HOLD:
        middle = (start + end) / 2
        start, end = middle - _MIN_HOLD / 2, middle + _MIN_HOLD / 2
    return np.clip(np.minimum((time - start) / _RAMP + 1, (end - time) / _RAMP + 1), 0.0, 1.0)


def _bilabial(segment: Segment) -> tuple[float, float]:
    """Time of full closure: a stop lets go at its burst, a nasal at its end."""
    length = segment.end - segment.start
    return segment.start, segment.start + length * (1.0 if segment.phoneme == "M" else 0.7)


def silence_weight(segments: Sequence[Segment], frames: int) -> np.ndarray:
    """[T] in 0..1: how far the mouth is shut by a pause; 1 from 150 ms after its start until 80 ms before its end."""
    time = np.arange(frames) / FPS
    weight = np.zeros(frames)
    for name, start, end in segments:
        if name != SIL:
            continue
        # At the very start of a clip the mouth is shut already, at its very end it stays shut.
        closing = (time - start) / _CLOSING if start > 0 else np.ones(frames)
        opening = (end - time) / _OPENING if end * FPS < frames - 1 else np.where(time <= end + 1 / FPS, 1.0, 0.0)
        ramp = np.clip(np.minimum(closing, opening), 0.0, 1.0)
        strength = min(1.0, (end - start) / _PAUSE)
        weight = np.maximum(weight, ramp * ramp * (3 - 2 * ramp) * strength)
    return weight


def speech_parameters(segments: Sequence[Segment], frames: int, gain: np.ndarray | None = None) -> np.ndarray:
    """Phonemes -> speech parameters [T, 8] in 0..1, frame m at m / 30 s.

    ``gain`` [T, 8] or [8] scales the articulation (a speaker's style, loudness) before the gestures are applied.
    """
    time = np.arange(frames) / FPS
    if not segments:
        return np.tile(REST, (frames, 1))
    out = _blend(_split_diphthongs(segments), time)
    if gain is not None:
        out = out * gain
    shut, tuck = np.zeros(frames), np.zeros(frames)
    for segment in segments:
        if segment.phoneme in BILABIALS:
            shut = np.maximum(shut, _trapezoid(time, *_bilabial(segment)))
        elif segment.phoneme in LABIODENTALS:
            tuck = np.maximum(tuck, _trapezoid(time, segment.start, segment.end))
    # While the lips are shut or the lip is tucked, nothing else may pull them apart.
    tuck = tuck * (1 - shut)
    out[:, TUCK] = np.maximum(out[:, TUCK] * (1 - shut), tuck)
    out[:, LOWER] *= (1 - shut) * (1 - tuck)
    out[:, UPPER] *= 1 - shut
    out[:, JAW] = np.where(shut + tuck > 0, out[:, JAW] * (1 - 0.5 * np.maximum(shut, tuck)), out[:, JAW])
    out[:, CLOSE] = shut
    weight = silence_weight(segments, frames)[:, None]
    return np.clip(out * (1 - weight) + REST * weight, 0.0, 1.0)
