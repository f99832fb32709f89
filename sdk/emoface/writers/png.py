"""Contact sheets: one picture that shows what a clip does."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from emoface.errors import OutputError
from emoface.frames import Animation
from emoface.render import Renderer, portrait
from emoface.writers.atomic import replacing
from emoface.writers.extras import require
from emoface.writers.mouth import even_frames, mouth_opening, widest_frames
from emoface.writers.progress import Progress

_PAPER, _INK, _FAINT = (246, 247, 249), (38, 42, 50), (128, 134, 146)
_WAVE, _EVEN, _WIDE = (122, 134, 158), (38, 106, 186), (205, 92, 48)
_GAP, _CAPTION, _STRIP = 8, 22, 84


def write_png(
    path: str | os.PathLike[str],
    animation: Animation,
    *,
    columns: int = 6,
    tile: tuple[int, int] = (208, 248),
    progress: Progress | None = None,
) -> None:
    """Writes a contact sheet: a row of evenly spaced frames, a row at the widest open mouth, the waveform below.

    tile: (width, height) of one frame in pixels. Every frame carries its time and its emotion: the one that was set,
    where the metadata have an `emotion_schedule` (pairs of seconds and name), else the most probable of the metadata's
    `emotions`. Coloured ticks mark the frames in the waveform.
    OutputError for an animation without frames, and as in `write`.
    """
    if not len(animation):
        raise OutputError("an animation of 0 frames", "at least one frame for a picture", "Give longer audio.")
    require("PIL.Image", ".png")
    face = animation.face
    renderer = portrait(face.template, face.faces, face.colours, face.masks, tile)
    rows = [
        ("evenly spaced", _EVEN, even_frames(len(animation), columns)),
        ("widest open", _WIDE, widest_frames(mouth_opening(animation), columns)),
    ]
    sheet = _draw(animation, renderer, rows, columns, tile, progress)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def _draw(
    animation: Animation,
    renderer: Renderer,
    rows: list[tuple[str, tuple[int, int, int], list[int]]],
    columns: int,
    tile: tuple[int, int],
    progress: Progress | None,
) -> Any:
    from PIL import Image, ImageDraw, ImageFont

    wide, high = tile
    width = columns * (wide + _GAP) + _GAP
    row_height = _CAPTION + high + _GAP
    sheet = Image.new("RGB", (width, len(rows) * row_height + _GAP + _STRIP + _CAPTION + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    total, done = sum(len(frames) for _, _, frames in rows), 0
    for row, (title, colour, frames) in enumerate(rows):
        top = _GAP // 2 + row * row_height
        for column, index in enumerate(frames):
            left = _GAP + column * (wide + _GAP)
            sheet.paste(Image.fromarray(renderer.frame(animation.vertices[index])), (left, top + _CAPTION))
            draw.text((left + 2, top + 4), f"{animation.time[index]:.2f} s", fill=colour, font=font)
            note = _note(animation, index)
            draw.text((left + wide - 2, top + 4), note, fill=_FAINT, font=font, anchor="ra")
            if column == 0:
                draw.text((left + 62, top + 4), title, fill=_INK, font=font)
            done += 1
            if progress is not None:
                progress(done, total)
    top = len(rows) * row_height + _GAP
    _draw_waveform(draw, animation, (_GAP, top, width - _GAP, top + _STRIP), rows)
    words = f"{len(animation)} frames at {animation.fps} fps, {_seconds(animation):.2f} s. Synthetic animation: EmoFace"
    draw.text((_GAP, top + _STRIP + 5), words, fill=_FAINT, font=font)
    return sheet


def _draw_waveform(
    draw: Any,
    animation: Animation,
    box: tuple[int, int, int, int],
    rows: list[tuple[str, tuple[int, int, int], list[int]]],
) -> None:
    left, top, right, bottom = box
    draw.rectangle(box, fill=(255, 255, 255), outline=(218, 222, 228))
    seconds, width = _seconds(animation), right - left - 1
    middle, half = (top + bottom) / 2, (bottom - top) / 2 - 4
    audio = animation.audio
    if len(audio):
        loudest = max(float(np.abs(audio).max()), 1e-6)
        edges = np.linspace(0, seconds * animation.audio_rate, width + 1).astype(np.int64).clip(0, len(audio))
        for x in range(width):
            part = audio[edges[x] : edges[x + 1]]
            if len(part):
                high, low = float(part.max()) / loudest, float(part.min()) / loudest
                draw.line((left + 1 + x, middle - high * half, left + 1 + x, middle - low * half), fill=_WAVE)
    for _, colour, frames in rows:
        for index in frames:
            x = left + 1 + (animation.time[index] + 0.5 / animation.fps) / seconds * width
            draw.line((x, top + 1, x, bottom - 1), fill=colour, width=2)


def _seconds(animation: Animation) -> float:
    return max(len(animation) / animation.fps, len(animation.audio) / animation.audio_rate)


def _note(animation: Animation, index: int) -> str:
    schedule = animation.metadata.get("emotion_schedule")
    if schedule:
        set_before = [name for start, name in schedule if start <= animation.time[index] + 1e-9]
        return str(set_before[-1]) if set_before else ""
    names = animation.metadata.get("emotions", ())
    scores = animation.emotion[index]
    return str(names[int(np.argmax(scores))]) if len(scores) and len(names) == len(scores) else ""
