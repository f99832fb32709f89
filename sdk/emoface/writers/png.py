"""Contact sheets: one picture that shows what a clip does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emoface.frames import Clip, Piece
from emoface.render import portrait_of
from emoface.writers.extras import require
from emoface.writers.frame_writer import FrameWriter, require_frames, require_vertices, write_files
from emoface.writers.mouth import even_frames, mouth_opening, widest_frames
from emoface.writers.spool import Spool

_PAPER, _INK, _FAINT = (246, 247, 249), (38, 42, 50), (128, 134, 146)
_WAVE, _EVEN, _WIDE = (122, 134, 158), (38, 106, 186), (205, 92, 48)
_GAP, _CAPTION, _STRIP = 8, 22, 84

_Rows = list[tuple[str, tuple[int, int, int], list[int]]]


def write_png(
    path: str | os.PathLike[str], clip: Clip, *, columns: int = 6, tile: tuple[int, int] = (208, 248)
) -> None:
    """Writes a contact sheet: a row of evenly spaced frames, a row at the widest open mouth, the waveform below.

    tile: (width, height) of one frame in pixels. The head is drawn in its pose. Every frame carries its time
    and its emotion: the one that was set, where the metadata have an `emotion_schedule` (pairs of seconds and name),
    else the most probable of the metadata's `emotions`. Coloured ticks mark the frames in the waveform.
    OutputError for an animation without frames, and as in `write`. Frames and sound wait in unnamed temporary files
    beside the picture until it is known which are shown: in memory is one number per frame.
    """

    def open_writer(temporary: Path, clip: Clip) -> FrameWriter:
        return PngWriter(temporary, clip, columns=columns, tile=tile)

    write_files([(path, open_writer)], clip, None)


class PngWriter(FrameWriter):
    """Keeps everything on disk, then draws."""

    def __init__(self, path: Path, clip: Clip, *, columns: int = 6, tile: tuple[int, int] = (208, 248)) -> None:
        require_frames(clip.expected, ".png")
        require_vertices(clip, ".png")
        require("PIL.Image", ".png")
        self._path, self._clip, self._columns, self._tile = path, clip, columns, tile
        self._opening: list[Any] = []
        self._vertices, self._emotion, self._audio = (Spool(path.parent) for _ in range(3))
        self._time = Spool(path.parent, np.float64)

    def add(self, piece: Piece) -> None:
        """Keep the frames and the sound."""
        self._opening.append(mouth_opening(self._clip.face, piece.frames.vertices))
        self._vertices.append(piece.frames.posed_vertices)
        self._emotion.append(piece.frames.emotion)
        self._time.append(piece.frames.time)
        self._audio.append(piece.audio)

    def finish(self, metadata: Mapping[str, Any]) -> None:
        """Choose the frames and draw them."""
        total = len(self._vertices)
        require_frames(total, ".png")
        rows = [
            ("evenly spaced", _EVEN, even_frames(total, self._columns)),
            ("widest open", _WIDE, widest_frames(np.concatenate(self._opening), self._columns)),
        ]
        self._draw(rows, metadata).save(self._path, format="PNG", optimize=True)

    def close(self) -> None:
        """Release the space on disk."""
        for spool in (self._vertices, self._emotion, self._audio, self._time):
            spool.close()

    def _draw(self, rows: _Rows, metadata: Mapping[str, Any]) -> Any:
        from PIL import Image, ImageDraw, ImageFont

        wide, high = self._tile
        width = self._columns * (wide + _GAP) + _GAP
        row_height = _CAPTION + high + _GAP
        sheet = Image.new("RGB", (width, len(rows) * row_height + _GAP + _STRIP + _CAPTION + _GAP), _PAPER)
        draw = ImageDraw.Draw(sheet)
        font = ImageFont.load_default(12)
        count = len(self._vertices)
        renderer = portrait_of(self._clip.face, self._tile)
        for row, (title, colour, frames) in enumerate(rows):
            top = _GAP // 2 + row * row_height
            for column, index in enumerate(frames):
                left = _GAP + column * (wide + _GAP)
                vertices = self._vertices[index : index + 1][0]
                sheet.paste(Image.fromarray(renderer.frame(vertices)), (left, top + _CAPTION))
                draw.text((left + 2, top + 4), f"{self._moment(index):.2f} s", fill=colour, font=font)
                note = self._note(metadata, index)
                draw.text((left + wide - 2, top + 4), note, fill=_FAINT, font=font, anchor="ra")
                if column == 0:
                    draw.text((left + 62, top + 4), title, fill=_INK, font=font)
        top = len(rows) * row_height + _GAP
        self._draw_waveform(draw, (_GAP, top, width - _GAP, top + _STRIP), rows)
        length = f"{count} frames at {self._clip.fps} fps, {self._seconds:.2f} s"
        draw.text((_GAP, top + _STRIP + 5), f"{length}. Synthetic animation: EmoFace", fill=_FAINT, font=font)
        return sheet

    def _draw_waveform(self, draw: Any, box: tuple[int, int, int, int], rows: _Rows) -> None:
        left, top, right, bottom = box
        draw.rectangle(box, fill=(255, 255, 255), outline=(218, 222, 228))
        seconds, width = self._seconds, right - left - 1
        middle, half = (top + bottom) / 2, (bottom - top) / 2 - 4
        audio = self._audio
        if len(audio):
            loudest = max(max(float(np.abs(block).max()) for block in audio.blocks()), 1e-6)
            edges = np.linspace(0, seconds * self._clip.audio_rate, width + 1).astype(np.int64).clip(0, len(audio))
            for column in range(width):
                part = audio[edges[column] : edges[column + 1]]
                if len(part):
                    high, low = float(part.max()) / loudest, float(part.min()) / loudest
                    place = left + 1 + column
                    draw.line((place, middle - high * half, place, middle - low * half), fill=_WAVE)
        for _, colour, frames in rows:
            for index in frames:
                x = left + 1 + (self._moment(index) + 0.5 / self._clip.fps) / seconds * width
                draw.line((x, top + 1, x, bottom - 1), fill=colour, width=2)

    @property
    def _seconds(self) -> float:
        return max(len(self._vertices) / self._clip.fps, len(self._audio) / self._clip.audio_rate)

    def _moment(self, index: int) -> float:
        return float(self._time[index : index + 1][0])

    def _note(self, metadata: Mapping[str, Any], index: int) -> str:
        schedule = metadata.get("emotion_schedule")
        if schedule:
            set_before = [name for start, name in schedule if start <= self._moment(index) + 1e-9]
            return str(set_before[-1]) if set_before else ""
        names = metadata.get("emotions", ())
        scores = self._emotion[index : index + 1][0]
        return str(names[int(np.argmax(scores))]) if len(scores) and len(names) == len(scores) else ""
