"""One chunk of caller audio -> mono float32, checked before anything is touched."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from emoface.audio.antiphase import PhaseWatch
from emoface.errors import AudioError, AudioFormatError, UsageError

BadAudio = Literal["error", "silence"]
LOWEST_RATE = 4000
HIGHEST_RATE = 384000
# Float audio is nominally within +-1. Beyond 16 (24 dB over full scale) it is integer data cast to float, or garbage
# that would overflow float32 inside a network.
LOUDEST = 16.0
_INTEGER_SCALE = {"int16": 2.0**-15, "int32": 2.0**-31, "uint8": 2.0**-7}
_DTYPES = ("float32", "float64", "int16", "int32", "uint8")
_SAID = "float32, float64, int16, int32 or uint8"


def check_rate(sample_rate: object) -> int:
    """The sample rate as an int; AudioFormatError outside 4 to 384 kHz or when not whole."""
    rate = 0
    if isinstance(sample_rate, (int, float, np.integer, np.floating)) and not isinstance(sample_rate, bool):
        value = float(sample_rate)
        rate = int(value) if value.is_integer() else 0
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioFormatError(
            f"sample_rate={sample_rate!r}",
            f"a whole number of hertz from {LOWEST_RATE} to {HIGHEST_RATE}",
            "Pass the rate the audio was recorded at, for example sample_rate=48000.",
        )
    return rate


def check_policy(on_bad_audio: str) -> BadAudio:
    """The policy for NaN, infinite and out-of-scale samples."""
    if on_bad_audio == "error":
        return "error"
    if on_bad_audio == "silence":
        return "silence"
    raise UsageError(f"on_bad_audio={on_bad_audio!r}", '"error" or "silence"', "Pass one of the two.")


def as_samples(chunk: Any, channels: int | None = None, dtype: object = None) -> npt.NDArray[Any]:
    """A chunk as an array: raw bytes as the samples that they are said to be, anything else as numpy sees it.

    Args:
        chunk: array, list, buffer with a type (`array.array`, a typed memoryview), or raw bytes: `bytes`, `bytearray`,
            a `memoryview` of bytes.
        channels: of raw bytes, interleaved; None is one.
        dtype: of raw bytes, little-endian: "int16" for the usual PCM, or float32, float64, int32, uint8. Of anything
            else it must be what the chunk is.

    Returns:
        (n,), or (n, channels) for raw bytes of several.

    Raises:
        AudioError: raw bytes without a dtype, or not of whole samples; a chunk of another dtype than said.
    """
    name = None if dtype is None else _sample_type(dtype)
    if not isinstance(chunk, bytes | bytearray) and not (isinstance(chunk, memoryview) and chunk.format in "Bbc"):
        array = np.asarray(chunk)
        if name is not None and array.size and array.dtype.name != name:
            raise AudioError(
                f"samples of dtype {array.dtype.name} and dtype={dtype!r}", f"samples of {name}", "Leave dtype out."
            )
        return array
    data = bytes(chunk)
    if name is None:
        if not data:
            return np.zeros(0, np.float32)
        raise AudioError(
            f"{len(data)} raw bytes ({type(chunk).__name__})",
            "samples, or bytes whose kind is said",
            'Pass dtype="int16" for 16-bit little-endian PCM, or an array: np.frombuffer(chunk, "<i2").',
        )
    width = np.dtype(name).itemsize * (channels or 1)
    if len(data) % width:
        raise AudioError(
            f"{len(data)} bytes of {name}, {channels or 1} channel(s)",
            f"a multiple of {width} bytes",
            "Keep the bytes of an unfinished sample for the next chunk.",
        )
    array = np.frombuffer(data, np.dtype(name).newbyteorder("<"))
    return array if channels in (None, 1) else array.reshape(-1, channels)


def _sample_type(dtype: object) -> str:
    try:
        kind = np.dtype(dtype)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        kind = np.dtype(object)
    if kind.name not in _DTYPES or kind.newbyteorder("<") != kind:
        raise AudioError(f"dtype={dtype!r}", _SAID + ", little-endian", 'Pass dtype="int16" for the usual PCM.')
    return str(kind.name)


def to_mono(
    chunk: Any,
    channels: int | None,
    on_bad_audio: BadAudio = "error",
    dtype: object = None,
    watch: PhaseWatch | None = None,
) -> tuple[Any, int | None]:
    """Convert one chunk to mono float32 in [-1, 1] full scale.

    Args:
        chunk: shape (n,) or (n, channels), n >= 0; float32, float64, int16, int32 or uint8 (128 is silence). Several
            channels are averaged. Raw bytes need `dtype`; see `as_samples`.
        channels: the stream's number of channels; None when no chunk has fixed it yet.
        on_bad_audio: "error" refuses NaN, infinite and |x| > 16 samples; "silence" replaces each with 0.
        dtype: of raw bytes.
        watch: told of several channels and their mean.

    Returns:
        samples: float32 (n,), never sharing memory that the caller may write to later.
        channels: the stream's number of channels after this chunk; an empty chunk does not fix it.

    Raises:
        AudioError: wrong dtype or shape, or bad samples under "error".
        AudioFormatError: the number of channels differs from the stream's.
    """
    array = as_samples(chunk, channels, dtype)
    if array.size == 0 and array.ndim in (1, 2):
        # np.asarray([]) and np.empty((0, 2)) alike are a pause: no samples, whatever their dtype.
        return np.zeros(0, np.float32), channels
    if array.ndim not in (1, 2):
        raise AudioError(
            f"a chunk of shape {array.shape}", "shape (n,) or (n, channels)", "Pass samples along the first axis."
        )
    found = 1 if array.ndim == 1 else array.shape[1]
    if channels is not None and found != channels:
        raise AudioFormatError(
            f"a chunk of {found} channel(s), shape {array.shape}",
            f"{channels} channel(s), as the stream began",
            "Call reset() and use another animator for audio of another layout; samples lie along the first axis.",
        )
    if found > 64:
        raise AudioError(
            f"{found} channels, shape {array.shape}", "at most 64", "Samples lie along the first axis: transpose."
        )
    samples = _to_float(array, on_bad_audio)
    mono = _mix(samples)
    if watch is not None and found > 1:
        watch.hear(samples, mono)
    return mono, found


def _to_float(array: npt.NDArray[Any], on_bad_audio: BadAudio) -> npt.NDArray[np.float32]:
    name = array.dtype.name
    if name in _INTEGER_SCALE:
        # float64 holds every int32; the product is rounded to float32 once.
        centred = array.astype(np.float64) - (128.0 if name == "uint8" else 0.0)
        return (centred * _INTEGER_SCALE[name]).astype(np.float32)
    if name not in ("float32", "float64"):
        raise AudioError(
            f"samples of dtype {name}",
            _SAID,
            "Convert the samples, for example with chunk.astype('float32') / full_scale.",
        )
    # Both comparisons are false for NaN.
    if array.min() >= -LOUDEST and array.max() <= LOUDEST:
        return array.astype(np.float32)
    good = np.abs(array) <= LOUDEST
    if on_bad_audio == "error":
        worst = array[~good].ravel()[0]
        raise AudioError(
            f"{int((~good).sum())} unusable sample(s), the first {worst!r}",
            f"finite samples within full scale +-1 (at most +-{LOUDEST:g})",
            'Scale integer audio to +-1, repair the source, or pass on_bad_audio="silence" to mute such samples.',
        )
    return np.where(good, array, 0.0).astype(np.float32)


def _mix(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if samples.ndim == 1:
        return samples
    if samples.shape[1] == 1:
        return np.ascontiguousarray(samples[:, 0])
    # Channel by channel: the order of additions does not depend on how the audio was cut.
    total = samples[:, 0].copy()
    for channel in range(1, samples.shape[1]):
        total += samples[:, channel]
    total *= np.float32(1.0 / samples.shape[1])
    return total
