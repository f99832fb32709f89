"""Animations as video with sound."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any

import numpy as np

from emoface.errors import OutputError
from emoface.frames import Animation
from emoface.render import Renderer, portrait
from emoface.writers.atomic import replacing
from emoface.writers.extras import require
from emoface.writers.progress import Progress

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_AUDIO_BLOCK = 1024


def write_mp4(
    path: str | os.PathLike[str],
    animation: Animation,
    *,
    size: tuple[int, int] = (512, 512),
    renderer: Renderer | None = None,
    progress: Progress | None = None,
) -> None:
    """Writes H.264 (yuv420p) video of `size` (width, height; even numbers) at `fps` and AAC sound.

    Frame m is shown from m / fps on, and the sound starts with frame 0: picture and sound are in step. `renderer`
    replaces the standard portrait. OutputError for an animation without frames, and as in `write`.
    """
    if not len(animation):
        raise OutputError("an animation of 0 frames", "at least one frame for a video", "Give longer audio.")
    av = require("av", ".mp4")
    face = animation.face
    picture = renderer or portrait(face.template, face.faces, face.colours, face.masks, size)
    width, height = picture.width, picture.height
    if width % 2 or height % 2:
        raise OutputError(f"a picture of {width} x {height}", "even numbers, as H.264 needs", "Choose an even size.")
    with replacing(path) as temporary:
        options = {"movflags": "+faststart"}
        with av.open(os.fspath(temporary), "w", format="mp4", options=options) as container:
            container.metadata["comment"] = "Synthetic animation made by EmoFace"
            video = container.add_stream("libx264", rate=animation.fps, options={"crf": "18", "preset": "veryfast"})
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            sound = _Sound(av, container, animation)
            for index, vertices in enumerate(animation.vertices):
                image = av.VideoFrame.from_ndarray(picture.frame(vertices), format="rgb24")
                image.pts, image.time_base = index, Fraction(1, animation.fps)
                container.mux(video.encode(image))
                sound.encode_until((index + 1) / animation.fps)
                if progress is not None:
                    progress(index + 1, len(animation))
            container.mux(video.encode(None))
            sound.finish()


class _Sound:
    """The AAC track, encoded along with the pictures so that the file is interleaved."""

    def __init__(self, av: Any, container: Any, animation: Animation) -> None:
        self._av, self._container = av, container
        self._rate = animation.audio_rate
        self._samples = np.clip(animation.audio, -1, 1).astype(np.float32)
        self._done = 0
        self._stream: Any = None
        if len(self._samples):
            rate = self._rate if self._rate in _AAC_RATES else 48000
            self._stream = container.add_stream("aac", rate=rate, layout="mono")
            self._stream.bit_rate = 96000
            self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)

    def encode_until(self, seconds: float) -> None:
        """Encodes the samples before `seconds` in whole blocks."""
        ready = min(int(seconds * self._rate), len(self._samples))
        while self._done + _AUDIO_BLOCK <= ready:
            self._encode(_AUDIO_BLOCK)

    def finish(self) -> None:
        """Encodes the rest and ends the track."""
        if self._stream is None:
            return
        while self._done < len(self._samples):
            self._encode(min(_AUDIO_BLOCK, len(self._samples) - self._done))
        for frame in self._resampler.resample(None):
            self._container.mux(self._stream.encode(frame))
        self._container.mux(self._stream.encode(None))

    def _encode(self, count: int) -> None:
        block = self._samples[None, self._done : self._done + count]
        frame = self._av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._done, Fraction(1, self._rate)
        self._done += count
        for resampled in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(resampled))
