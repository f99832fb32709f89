"""MP3 frames: how many there are, and where one recording ends and the next begins.

libsndfile believes the frame count of an Xing, Info or VBRI header even where other recordings were appended, and
without one guesses a length from the first frame's bit rate. Here the frames are counted, each recording is a stream of
its own, and one without a count gets it in an Xing header put before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from emoface.audio.source import Span
from emoface.errors import AudioFileError

# kbit/s of layers I, II, III of MPEG 1, then of layers I, II and III of MPEG 2 and 2.5.
_BIT_RATES = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)
_SEARCHED = 4096
_WINDOW = 1 << 20


@dataclass(frozen=True)
class _Frame:
    """A frame's header: what all frames of a recording share, and its length in bytes."""

    version: int  # 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
    layer: int
    rate: int
    mono: bool
    length: int

    @property
    def samples(self) -> int:
        """Samples per channel."""
        return 384 if self.layer == 1 else 576 if self.layer == 3 and self.version != 3 else 1152

    @property
    def side(self) -> int:
        """Bytes of header and side information, behind which an Xing header lies."""
        if self.version == 3:
            return 4 + (17 if self.mono else 32)
        return 4 + (9 if self.mono else 17)

    def like(self, other: _Frame) -> bool:
        """Whether both can be of one recording; channels may change from stereo to joint stereo, not to mono."""
        return (self.version, self.layer, self.rate, self.mono) == (other.version, other.layer, other.rate, other.mono)


def _parse(data: bytes) -> _Frame | None:
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer, rate = data[1] >> 3 & 3, 4 - (data[1] >> 1 & 3), data[2] >> 2 & 3
    if version == 1 or layer == 4 or rate == 3 or data[2] >> 4 in (0, 15):
        return None
    hertz = _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bits = 1000 * _BIT_RATES[1 if version == 3 else 2, layer][data[2] >> 4]
    padding = data[2] >> 1 & 1
    if layer == 1:
        length = (12 * bits // hertz + padding) * 4
    else:
        length = (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding
    return _Frame(version, layer, hertz, data[3] >> 6 == 3, length)


class _Bytes:
    """A file through a window, since frames are small and many."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self._at, self._held = 0, b""

    def read(self, at: int, count: int) -> bytes:
        if not self._at <= at or at + count > self._at + len(self._held):
            self._file.seek(at)
            self._at, self._held = at, self._file.read(max(_WINDOW, count))
        return self._held[at - self._at : at - self._at + count]

    def frame(self, at: int) -> _Frame | None:
        return _parse(self.read(at, 4))


@dataclass
class _Recording:
    """Frames of one recording, as stretches of the file; `promised` is what its first frame says."""

    first: _Frame
    header: Span | None
    promised: int | None
    spans: list[Span]
    frames: int = 0


def mpeg_parts(file: BinaryIO, start: int, size: int, name: str) -> list[tuple[tuple[bytes | Span, ...], int]]:
    """The recordings of an MP3 file, as pieces and samples per channel at most; none where it is no MP3 file.

    Raises:
        AudioFileError: fewer frames than promised, an end within a frame, or bytes between frames that are neither a
            frame nor a tag.
    """
    data = _Bytes(file, size)
    begin = _first_frame(data, start)
    if begin is None:
        return []
    return [_part(recording) for recording in _recordings(data, begin, name)]


def _first_frame(data: _Bytes, start: int) -> int | None:
    """Where three frames of one kind follow each other, or all that there are."""
    for at in range(start, min(start + _SEARCHED, data.size - 3)):
        first = data.frame(at)
        if first is None:
            continue
        place, found = at, 0
        while found < 3 and place < data.size and (frame := data.frame(place)) is not None and frame.like(first):
            place, found = place + frame.length, found + 1
        if found == 3 or (found and place >= data.size) or (found and at == start and _tag(data, place)):
            return at
    return None


def _recordings(data: _Bytes, at: int, name: str) -> list[_Recording]:
    found: list[_Recording] = []
    current: _Recording | None = None
    while at < data.size:
        frame = data.frame(at)
        if frame is None:
            if skipped := _tag(data, at):
                at += skipped
                continue
            following = _first_frame(data, at)
            if following is None:
                break  # what follows the last frame is no sound
            if any(data.read(at, following - at)):
                raise _failure(name, f"{following - at} bytes at {at} that are no MP3 frame", found)
            at = following
            continue
        promise = _promise(data, at, frame)
        full = current is not None and current.promised is not None and current.frames >= current.promised + 1
        if promise is not None or full or current is None or not frame.like(current.first):
            _require_whole(current, name, found)
            header = (at, at + frame.length) if promise is not None else None
            current = _Recording(frame, header, promise or None, [])
            found.append(current)
            if header is not None:
                at += frame.length
                continue
        if at + frame.length > data.size:
            raise _failure(name, "an end within a frame", found)
        if current.spans and current.spans[-1][1] == at:
            current.spans[-1] = (current.spans[-1][0], at + frame.length)
        else:
            current.spans.append((at, at + frame.length))
        current.frames += 1
        at += frame.length
    _require_whole(current, name, found)
    return [recording for recording in found if recording.frames]


def _require_whole(recording: _Recording | None, name: str, found: list[_Recording]) -> None:
    # Some encoders count the header among the frames.
    if recording is not None and recording.promised is not None and recording.frames < recording.promised - 1:
        raise _failure(name, f"{recording.frames} of {recording.promised} promised MP3 frames", found)


def _failure(name: str, what: str, found: list[_Recording]) -> AudioFileError:
    seconds = sum(r.frames * r.first.samples / r.first.rate for r in found)
    return AudioFileError(
        f"{name}: {what}, after {seconds:.2f} s",
        "a complete file",
        "Copy or record the file again, or keep what is there with `ffmpeg -i INPUT OUTPUT.wav`.",
    )


def _promise(data: _Bytes, at: int, frame: _Frame) -> int | None:
    """The frame count of an Xing, Info or VBRI header; 0 for a header that says none, None for a frame of sound."""
    if frame.layer != 3:
        return None
    head = data.read(at, frame.side + 16)[frame.side :]
    if head[:4] in (b"Xing", b"Info"):
        return int.from_bytes(head[8:12], "big") if head[7:8] and head[7] & 1 else 0
    vbri = data.read(at + 36, 18)
    return int.from_bytes(vbri[14:18], "big") if vbri.startswith(b"VBRI") else None


def _tag(data: _Bytes, at: int) -> int:
    """Length of the ID3 or APE tag at `at`; 0 where there is none."""
    head = data.read(at, 32)
    if head.startswith(b"TAG"):
        return 128
    if head.startswith(b"ID3") and len(head) >= 10:
        length = 0
        for byte in head[6:10]:
            length = length << 7 | byte & 0x7F
        return 10 + length + (10 if head[5] & 0x10 else 0)
    if head.startswith(b"APETAGEX") and len(head) == 32:
        return int.from_bytes(head[12:16], "little") + (32 if head[23] & 0x20 else 0)
    return 0


def _part(recording: _Recording) -> tuple[tuple[bytes | Span, ...], int]:
    first, spans, frames = recording.first, tuple(recording.spans), recording.frames
    most = frames * first.samples
    if recording.header is not None and recording.promised is not None and abs(frames - recording.promised) <= 1:
        return (recording.header, *spans), most
    if first.layer != 3:
        return spans, most
    return (_counting_frame(first, frames), *spans), most


def _counting_frame(first: _Frame, frames: int) -> bytes:
    """A silent frame with an Xing header that says how many frames follow."""
    rate = _RATES.index(first.rate << {3: 0, 2: 1, 0: 2}[first.version])
    table = _BIT_RATES[1 if first.version == 3 else 2, 3]
    for index in range(1, 15):
        head = bytes((0xFF, 0xE3 | first.version << 3, index << 4 | rate << 2, 0xC0 if first.mono else 0))
        frame = _parse(head)
        assert frame is not None and table[index]
        if frame.length >= first.side + 12:
            body = b"Xing" + (1).to_bytes(4, "big") + frames.to_bytes(4, "big")
            return (head + bytes(first.side - 4) + body).ljust(frame.length, b"\0")
    raise AssertionError("no bit rate holds an Xing header")
