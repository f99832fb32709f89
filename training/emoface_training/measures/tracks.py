"""What can be said of tracks over time, whatever they are of: correlation, delay, flutter, runs of frames, pauses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.signal import welch

from emoface_training.data.synthetic.phonemes import SIL

SILENCE_SETTLED_S, SILENCE_ENDS_S = 0.2, 0.08
FLUTTER_HZ = 8.0
FLUTTER_WINDOW_S = 2.0
LARGEST_LAG_S = 0.15
STILL = 1e-9  # a track in metres that moves by less stands still


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's correlation of two tracks in metres; 0 where one does not move by a nanometre."""
    if one.std() < STILL or other.std() < STILL:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def lag_ms(tracks: Sequence[np.ndarray], references: Sequence[np.ndarray], fps: int) -> float:
    """Milliseconds by which tracks [T] are behind their references [T] where they agree best; negative: ahead.

    The delay of at most 150 ms with the largest correlation of all pairs together, between frames by the parabola
    through it and its neighbours. 0 where nothing moves.
    """
    largest = int(LARGEST_LAG_S * fps)
    lags = [lag for lag in range(-largest, largest + 1) if any(len(track) > abs(lag) for track in tracks)]
    agreement = [_correlation_at(tracks, references, lag) for lag in lags]
    best = int(np.argmax(agreement)) if any(agreement) else lags.index(0) if lags else 0
    if not 0 < best < len(lags) - 1:
        return 1000.0 * lags[best] / fps if lags else 0.0
    before, at, after = agreement[best - 1 : best + 2]
    bend = before - 2.0 * at + after
    between = 0.5 * (before - after) / bend if bend < 0.0 else 0.0
    return float(1000.0 * (lags[best] + between) / fps)


def _correlation_at(tracks: Sequence[np.ndarray], references: Sequence[np.ndarray], lag: int) -> float:
    pairs = [
        (track[max(0, lag) : len(track) + min(0, lag)], reference[max(0, -lag) : len(track) - max(0, lag)])
        for track, reference in zip(tracks, references, strict=True)
        if len(track) > abs(lag)
    ]
    return correlation(np.concatenate([one for one, _ in pairs]), np.concatenate([other for _, other in pairs]))


def flutter(tracks: Iterable[np.ndarray], fps: int) -> float:
    """Share of the tracks' energy about their mean that lies over 8 Hz, in all tracks [T] together.

    Welch's spectra over windows of 2 s (Hann), each without its mean; a track counts by its length. 0 where nothing
    moves.
    """
    fast = whole = 0.0
    for track in tracks:
        window = min(len(track), round(FLUTTER_WINDOW_S * fps))
        if window < 2:
            continue
        frequency, power = welch(track, fps, nperseg=window)
        fast += len(track) * float(power[frequency > FLUTTER_HZ].sum()) / window
        whole += len(track) * float(power.sum()) / window
    return fast / whole if whole > STILL**2 else 0.0


def runs(frames: np.ndarray) -> list[tuple[int, int]]:
    """First frame and frame behind the last one of every run of true values in bool [T]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(frames, np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def settled_pauses(phonemes: Iterable[tuple[str, float, float]], frames: int, fps: int) -> list[np.ndarray]:
    """Frames of each silence whose time m / fps lies 200 ms after its start to 80 ms before its end; no empty ones."""
    time = np.arange(frames) / fps
    found = [
        np.flatnonzero((time >= start + SILENCE_SETTLED_S) & (time <= end - SILENCE_ENDS_S))
        for name, start, end in phonemes
        if name == SIL
    ]
    return [pause for pause in found if len(pause)]
