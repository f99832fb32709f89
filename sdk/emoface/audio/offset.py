"""Takes a constant offset (DC) out of the model's audio, as csrc/runtime/offset.cpp does: the same bits from both.

An offset is no sound, but a network hears it: 5 % of full scale moved lips by up to 13 mm. The offset is estimated on a
grid of segments: the first of hop + overlap samples, then `hop` each, so that a segment never waits for audio beyond
the block it belongs to. After each segment the estimate is the mean of all samples so far, and from `WINDOW` samples on
a running mean of that length; within a segment what is subtracted goes in a straight line from the estimate before it
to the one after. The estimate is linear in the sound, and the first segment's own mean begins it: a constant offset
goes entirely, from the first sample on, whatever the rest of the sound does.

A segment within 2^-12 of full scale is a pause, sent by a microphone that is switched off or written by a synthesiser.
Its own mean is subtracted, and it says nothing of the offset under speech once a whole window is known.

Whole numbers decide: samples in units of 2^-24, offsets of 2^-34. All values stay below 2^53 for samples within +-32,
so that sums depend on no order, and float64 (JavaScript's only number) holds them exactly.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

WINDOW = 4096
LARGEST_COUNT = 1 << 20
LOUDEST = 1 << 29  # samples are within +-32
_UNITS = 2.0**24
_FINER = 1 << 10
_QUIET = 2.0**-12
_PROBES = 8  # samples that tell most sound from a pause without a look at all of them


@lru_cache(maxsize=8)
def _ramp(length: int) -> npt.NDArray[np.float64]:
    return np.arange(1, length + 1, dtype=np.float64) / _FINER


class OffsetRemover:
    """The offset of one stream.

    Args:
        hop: samples per segment.
        overlap: what the first segment has beside.
    """

    def __init__(self, hop: int, overlap: int) -> None:
        self._hop = hop
        self._overlap = overlap
        self.reset()

    def reset(self) -> None:
        """Back to the start of a stream: nothing known."""
        self._sum = 0
        self._count = 0

    def remove(self, samples: Floats, at: int, heard: int) -> Floats:
        """Samples without the offset.

        Args:
            samples: (n,) whole segments.
            at: number of the first of them in the stream: where a segment begins.
            heard: number of samples of sound in the stream; what lies beyond is padding, and silence.

        Returns:
            float32 (n,).
        """
        out = np.zeros(len(samples), np.float32)
        count = max(0, min(len(samples), heard - at))
        begin = min(count, self._hop + self._overlap) if at == 0 else 0
        whole = begin + (count - begin) // self._hop * self._hop
        for start, stop, length in ((0, begin, begin), (begin, whole, self._hop), (whole, count, count - whole)):
            if start < stop:
                self._remove(samples[start:stop].reshape(-1, length), out[start:stop].reshape(-1, length))
        return out

    def _remove(self, samples: Floats, out: Floats) -> None:
        """Segments of one length (segments, samples) without the offset into `out`."""
        length = samples.shape[1]
        sound = samples.astype(np.float64)
        sound *= _UNITS
        sums = np.add.reduce(np.floor(sound + 0.5), axis=1).tolist()
        probes = samples[:, :: max(1, length // _PROBES)].tolist()
        pauses = [
            max(some) - min(some) <= _QUIET and float(row.max()) - float(row.min()) <= _QUIET
            for some, row in zip(probes, samples, strict=True)
        ]
        lines = [self._line(int(total), length, pause) for total, pause in zip(sums, pauses, strict=True)]
        first, step = np.array(lines, np.float64).T[:, :, None]
        sound -= step * _ramp(length) + first / _FINER
        sound /= _UNITS
        out[:] = sound

    def _line(self, total: int, length: int, pause: bool) -> tuple[int, int]:
        """What is subtracted from a segment: its sample i, from 0, loses first + (i + 1) second, in units of 2^-34."""
        known = self._count
        before = self._sum * _FINER // known if known else None
        if not pause or known < WINDOW:
            kept = min(known, max(0, WINDOW - length))
            if kept < known:
                self._sum = self._sum * kept // known
            self._sum += total
            self._count = kept + length
        if pause:
            return total * _FINER // length, 0
        after = self._sum * _FINER // self._count
        if before is None:
            return after, 0
        return before, (after - before) // length

    def state(self) -> list[int]:
        """What a snapshot holds: the sum of the samples that the estimate is the mean of, and their number."""
        return [self._sum, self._count]

    def restore(self, total: int, count: int) -> None:
        """Continue from `state()`."""
        self._sum, self._count = total, count


def without_offset(samples: Floats, hop: int, overlap: int) -> Floats:
    """A whole clip (n,) without its offset, as a stream of it gives it."""
    rest = max(0, len(samples) - overlap)
    size = overlap + max(1, -(-rest // hop)) * hop
    padded = np.concatenate((samples, np.zeros(size - len(samples), np.float32)))
    return OffsetRemover(hop, overlap).remove(padded, 0, len(samples))[: len(samples)]
