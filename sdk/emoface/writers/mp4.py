"""Animations as video with sound."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from emoface.errors import OutputError
from emoface.frames import Clip, Floats, Piece
from emoface.render import Renderer, portrait_of
from emoface.writers.extras import require
from emoface.writers.frame_writer import FrameWriter, require_frames, require_vertices, write_files
from emoface.writers.progress import Progress

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_AUDIO_BLOCK = 1024


def write_mp4(
    path: str | os.PathLike[str],
    clip: Clip,
    *,
    size: tuple[int, int] = (512, 512),
    renderer: Renderer | None = None,
    progress: Progress | None = None,
) -> None:
    """Writes H.264 (yuv420p) video of `size` (width, height; even numbers) at `fps` and AAC sound.

    Frame m is shown from m / fps on, and the sound starts with frame 0: picture and sound are in step. The head
    is drawn in its pose. `renderer` replaces the standard portrait. OutputError for an animation without frames, and as
    in `write`. Memory grows by the table of contents alone: about 12 MB an hour.
    """

    def open_writer(temporary: Path, clip: Clip) -> FrameWriter:
        return Mp4Writer(temporary, clip, size=size, renderer=renderer)

    write_files([(path, open_writer)], clip, progress)


class Mp4Writer(FrameWriter):
    """Encodes each frame as it comes, and the sound along with it."""

    def __init__(
        self, path: Path, clip: Clip, *, size: tuple[int, int] = (512, 512), renderer: Renderer | None = None
    ) -> None:
        require_frames(clip.expected, ".mp4")
        require_vertices(clip, ".mp4")
        self._av = require("av", ".mp4")
        if clip.face.textures and renderer is None:
            require("PIL.Image", ".mp4")
        self._picture = renderer or portrait_of(clip.face, size)
        width, height = self._picture.width, self._picture.height
        if width % 2 or height % 2:
            raise OutputError(
                f"a picture of {width} x {height}", "even numbers, as H.264 needs", "Choose an even size."
            )
        self._path, self._fps, self._frame = path, clip.fps, 0
        self._sound = _Sound(self._av, clip.audio_rate)
        self._container: Any = None
        self._video: Any = None

    def add(self, piece: Piece) -> None:
        """Encode the frames."""
        self._sound.append(piece.audio)
        with self._encoding():
            for vertices in piece.frames.posed_vertices:
                if self._container is None:
                    self._open()
                image = self._av.VideoFrame.from_ndarray(self._picture.frame(vertices), format="rgb24")
                image.pts, image.time_base = self._frame, Fraction(1, self._fps)
                self._frame += 1
                self._container.mux(self._video.encode(image))
                self._sound.encode_until(self._frame / self._fps)

    def finish(self, metadata: Mapping[str, Any]) -> None:
        """Encode the rest of the sound and write the table of contents."""
        require_frames(self._frame, ".mp4")
        with self._encoding():
            self._container.mux(self._video.encode(None))
            self._sound.finish()
            self._end()

    def close(self) -> None:
        """Release the encoders; an incomplete file is of no use to anybody."""
        with self._encoding():
            self._end()

    def _open(self) -> None:
        """Begin the file. By now it is known whether there is any sound: frames come after theirs."""
        options = {"movflags": "+faststart"}
        self._container = self._av.open(os.fspath(self._path), "w", format="mp4", options=options)
        self._container.metadata["comment"] = "Synthetic animation made by EmoFace"
        self._video = self._container.add_stream("libx264", rate=self._fps, options={"crf": "18", "preset": "veryfast"})
        self._video.width, self._video.height = self._picture.width, self._picture.height
        self._video.pix_fmt = "yuv420p"
        self._sound.open(self._container)

    def _end(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.close()

    @contextmanager
    def _encoding(self) -> Iterator[None]:
        """OutputError for what the encoders refuse; their errors of the operating system pass as such."""
        try:
            yield
        except self._av.FFmpegError as error:
            if isinstance(error, (OSError, MemoryError)):
                raise
            raise OutputError(
                f"{error} while encoding the video",
                "frames that FFmpeg can encode",
                "Write .npz and encode that.",
            ) from error


class _Sound:
    """The AAC track, encoded along with the pictures so that the file is interleaved."""

    def __init__(self, av: Any, rate: int) -> None:
        self._av, self._rate = av, rate
        self._waiting = np.zeros(0, np.float32)
        self._done = 0
        self._container: Any = None
        self._stream: Any = None

    def append(self, samples: Floats) -> None:
        """Keep samples until their pictures are encoded."""
        self._waiting = np.concatenate([self._waiting, np.clip(samples, -1, 1).astype(np.float32)])

    def open(self, container: Any) -> None:
        """Add the track, where there is sound."""
        self._container = container
        if len(self._waiting):
            rate = self._rate if self._rate in _AAC_RATES else 48000
            self._stream = container.add_stream("aac", rate=rate, layout="mono")
            self._stream.bit_rate = 96000
            self._resampler = self._av.AudioResampler(format="fltp", layout="mono", rate=rate)

    def encode_until(self, seconds: float) -> None:
        """Encodes the samples before `seconds` in whole blocks."""
        if self._stream is None:
            return
        ready = min(int(seconds * self._rate), self._done + len(self._waiting))
        while self._done + _AUDIO_BLOCK <= ready:
            self._encode(_AUDIO_BLOCK)

    def finish(self) -> None:
        """Encodes the rest and ends the track."""
        if self._stream is None:
            return
        while len(self._waiting):
            self._encode(min(_AUDIO_BLOCK, len(self._waiting)))
        for frame in self._resampler.resample(None):
            self._container.mux(self._stream.encode(frame))
        self._container.mux(self._stream.encode(None))

    def _encode(self, count: int) -> None:
        block, self._waiting = self._waiting[None, :count], self._waiting[count:]
        frame = self._av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._done, Fraction(1, self._rate)
        self._done += count
        for resampled in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(resampled))
