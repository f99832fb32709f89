"""A picture of a profile: histogram of the steps, share of the stages, steps over time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from emoface.profile.measure import Measured, Numbers
from emoface.writers.atomic import replacing
from emoface.writers.extras import require

_WIDTH, _HEIGHT = 1280, 800
_PAPER, _PANEL, _INK, _FAINT, _GRID = (246, 247, 249), (255, 255, 255), (38, 42, 50), (112, 118, 130), (226, 229, 234)
_BAR, _MARK, _BUDGET = (86, 130, 190), (205, 92, 48), (176, 40, 46)
# Distinct in print and for the colour-blind: blue, orange, green, yellow, light blue, pink, grey.
_STAGES = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (230, 180, 20),
    (86, 180, 233),
    (204, 121, 167),
    (140, 146, 156),
)
Box = tuple[int, int, int, int]


def write_plot(path: Path, measured: Measured) -> None:
    """Write the picture as PNG; OutputError without the extra [view] or where it cannot be written."""
    require("PIL.Image", ".png")
    picture = _Picture()
    settings = measured.settings
    voices = f"{settings.voices} voices" if settings.voices > 1 else "1 voice"
    picture.text(
        (32, 18),
        f"{measured.package.manifest.name}: {measured.backend}, {measured.precision}, {voices}, "
        f"{measured.block_ms:g} ms blocks",
        22,
    )
    milliseconds = 1000 * measured.wall
    picture.histogram((32, 64, 700, 420), milliseconds, measured.block_ms)
    picture.stages((732, 64, 1248, 420), measured)
    picture.timeline((32, 452, 1248, 768), milliseconds, measured.block_ms)
    with replacing(path) as temporary:
        picture.image.save(temporary, format="PNG", optimize=True)


class _Picture:
    """A canvas with the few marks that the panels need."""

    def __init__(self) -> None:
        from PIL import Image, ImageDraw

        self.image = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
        self._draw = ImageDraw.Draw(self.image)
        self._fonts: dict[int, Any] = {}

    def text(
        self, place: tuple[float, float], text: str, size: int = 15, colour: Any = _INK, anchor: str = "la"
    ) -> None:
        from PIL import ImageFont

        if size not in self._fonts:
            self._fonts[size] = ImageFont.load_default(size)
        self._draw.text(place, text, fill=colour, font=self._fonts[size], anchor=anchor)

    def tag(self, place: tuple[float, float], text: str) -> None:
        """A label that lines behind it do not cross out."""
        self._draw.rectangle((place[0] - 2, place[1], place[0] + 7.2 * len(text), place[1] + 16), _PANEL)
        self.text(place, text, 14, _MARK)

    def panel(self, box: Box, title: str) -> Box:
        """A white panel; returns the box inside it for data."""
        left, top, right, bottom = box
        self._draw.rounded_rectangle(box, 6, fill=_PANEL)
        self.text((left + 16, top + 12), title, 16)
        return left + 64, top + 52, right - 24, bottom - 44

    def histogram(self, box: Box, milliseconds: Numbers, budget: float) -> None:
        """Counts of step times, the percentiles and the block's budget."""
        left, top, right, bottom = inside = self.panel(box, "steps by duration")
        p50, p95, p99 = np.percentile(milliseconds, (50, 95, 99))
        # A single outlier would press all others into one bar: it is counted in the last one.
        high = _ceiling(max(1.25 * float(p99), 1.02 * float(milliseconds.min()) + 1e-6))
        counts, edges = np.histogram(np.minimum(milliseconds, high), bins=60, range=(0.0, high))
        peak = max(1, int(counts.max()))
        self._axes(inside, (0.0, high), (0.0, _ceiling(peak)), "ms")
        scale = (right - left) / high
        for count, begin, end in zip(counts, edges, edges[1:], strict=False):
            if count:
                y = bottom - (bottom - top) * count / _ceiling(peak)
                self._draw.rectangle((left + begin * scale, min(y, bottom - 1), left + end * scale - 1, bottom), _BAR)
        marks = [("p50", float(p50)), ("p95", float(p95)), ("p99", float(p99))]
        for _, value in marks:
            self._draw.line((left + value * scale, top, left + value * scale, bottom), _MARK, 2)
        for row, (label, value) in enumerate(marks):
            x = left + value * scale
            self.tag((x + 5, top + 18 * row), f"{label} {value:.2f}")
        above = int((milliseconds > high).sum())
        maximum = f"max {milliseconds.max():.2f} ms"
        self.text((right, box[1] + 14), f"{maximum}, {above} beyond the scale" if above else maximum, 14, _FAINT, "ra")
        if budget <= high:
            x = left + budget * scale
            self._draw.line((x, top, x, bottom), _BUDGET, 2)
            self.text((x - 5, top + 54), f"budget {budget:g}", 14, _BUDGET, "ra")

    def stages(self, box: Box, measured: Measured) -> None:
        """Per stage the median and the 99th percentile of its time per step, and its share of all time."""
        left, top, right, bottom = self.panel(box, "ms per step by stage: median (bar) and p99 (line)")
        rest = measured.wall - measured.stage.sum(axis=1)
        ran = np.flatnonzero(measured.counts.sum(axis=0))
        table = 1000 * np.column_stack((measured.stage[:, ran], rest))
        names = (*(measured.stages[place] for place in ran), "driver")
        medians, tails = np.percentile(table, 50, axis=0), np.percentile(table, 99, axis=0)
        shares = table.sum(axis=0) / (1000 * measured.wall.sum())
        begin, scale = left + 96, (right - left - 190) / max(1e-9, float(tails.max()))
        height = min(40.0, (bottom + 24 - top) / len(names))
        for row, name in enumerate(names):
            y, colour = top + row * height, _STAGES[row % len(_STAGES)]
            middle = y + height / 2 - 3
            label = name if len(name) <= 17 else f"{name[:16]}…"
            self.text((begin - 8, middle), label, 14, _INK, "rm")
            self._draw.rectangle((begin, y + 4, begin + max(1.0, medians[row] * scale), y + height - 10), colour)
            self._draw.line((begin, middle, begin + tails[row] * scale, middle), _INK, 1)
            tip = begin + tails[row] * scale
            self._draw.line((tip, middle - 5, tip, middle + 5), _INK, 1)
            self.text((right, middle), f"{medians[row]:.2f} ms, {shares[row]:.0%}", 14, _FAINT, "rm")

    def timeline(self, box: Box, milliseconds: Numbers, budget: float) -> None:
        """A bar per step, or per pixel column the range and the median of the steps in it."""
        few = len(milliseconds) <= (box[2] - box[0]) // 3
        title = "ms per step over time" + ("" if few else ": range and median")
        left, top, right, bottom = inside = self.panel(box, title)
        high = _ceiling(1.1 * float(milliseconds.max()))
        seconds = len(milliseconds) * budget / 1000
        self._axes(inside, (0.0, seconds), (0.0, high), "s of audio")
        # At least four steps per column: a median of one or two would be the range again.
        count = len(milliseconds) if few else min(len(milliseconds) // 4, right - left)
        columns = np.array_split(milliseconds, count)
        width, scale = (right - left) / len(columns), (bottom - top) / high
        middles = []
        for index, part in enumerate(columns):
            x = left + index * width
            y = bottom - scale * float(part.max())
            colour = _BUDGET if part.max() > budget else _BAR
            foot = bottom if few else bottom - scale * float(part.min())
            self._draw.rectangle((x, y, max(x, x + width - 1), foot), colour)
            middles.append((x + width / 2, bottom - scale * float(np.median(part))))
        if not few:
            self._draw.line(middles, _INK, 1)
        late = int((milliseconds > budget).sum())
        state = f"{late} of {len(milliseconds)} steps over the budget of {budget:g} ms"
        self.text((right, box[1] + 14), state, 14, _BUDGET if late else _FAINT, "ra")
        if budget <= high:
            y = bottom - scale * budget
            self._draw.line((left, y, right, y), _BUDGET, 1)

    def _axes(self, box: Box, x: tuple[float, float], y: tuple[float, float], x_unit: str) -> None:
        left, top, right, bottom = box
        for value in _ticks(y[1]):
            height = bottom - (bottom - top) * value / y[1]
            self._draw.line((left, height, right, height), _GRID, 1)
            self.text((left - 8, height), f"{value:g}", 14, _FAINT, "rm")
        for value in _ticks(x[1]):
            place = left + (right - left) * value / x[1]
            self._draw.line((place, bottom, place, bottom + 4), _FAINT, 1)
            self.text((place, bottom + 8), f"{value:g}", 14, _FAINT, "ma")
        self._draw.line((left, bottom, right, bottom), _FAINT, 1)
        self.text((right, bottom + 24), x_unit, 14, _FAINT, "ra")


def _ceiling(value: float) -> float:
    """A round number not below `value`, for the end of a scale."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-6)))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * 0.999999)


def _ticks(high: float) -> list[float]:
    """Four to eight round values from 0 to `high`."""
    power = 10.0 ** math.floor(math.log10(high))
    step = next(s * power for s in (0.1, 0.2, 0.25, 0.5, 1, 2) if high / (s * power) <= 8.01)
    return [round(index * step, 9) for index in range(int(high / step + 1e-6) + 1)]
