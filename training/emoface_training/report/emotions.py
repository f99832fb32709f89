"""Pictures by emotion: the error of every model, and which emotion a model hears."""

from __future__ import annotations

from typing import Any

import numpy as np

from emoface_training.report.curves import row_colours
from emoface_training.report.style import WIDTH_IN, Picture, figure, finish
from emoface_training.vocabulary import EMOTIONS


def emotion_bars(report: dict[str, Any], rows: dict[str, str]) -> Picture | None:
    """LVE and EVE by emotion as RMS in mm, models and the mean face (`rows`: title by row) side by side.

    None without masks, or where all clips have one emotion.
    """
    groups = report["emotions"]
    measures = [(key, key[:3].upper()) for key in ("lve_rms_mm", "eve_rms_mm") if key in report["rows"]["model"]]
    if not measures or len(groups) < 2:
        return None
    width = 0.8 / len(rows)
    with figure(WIDTH_IN, 2.3) as drawn:
        places = np.atleast_1d(drawn.subplots(1, len(measures)))
        for place, (key, title) in zip(places, measures, strict=True):
            for number, ((row, label), colour) in enumerate(zip(rows.items(), row_colours(rows.values()), strict=True)):
                heights = [each["rows"][row][key] for each in groups.values()]
                left = np.arange(len(groups)) - 0.4 + (number + 0.5) * width
                place.bar(left, heights, 0.92 * width, color=colour, label=label)
            place.set_xticks(range(len(groups)), list(groups), rotation=30, ha="right", rotation_mode="anchor")
            place.set(title=f"{title}, root in mm")
        handles, labels = places[0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=len(rows))
        return finish(drawn, "emotions", "Error by emotion; the mean face of the training split in grey.", vectors=True)


def confusion(matrices: dict[str, np.ndarray]) -> Picture:
    """Counts [8, 8] by model title: row what is acted, column what the model's classifier names."""
    caption = (
        "Clips by acted emotion (rows) and by what the model's classifier names from the whole clip (columns); the "
        "shade is the share of the row."
    )
    # At most three in a row: the counts must stay legible
    across = min(3, len(matrices))
    down = -(-len(matrices) // across)
    with figure(WIDTH_IN / 3 * max(2, across), 2.9 * down) as drawn:
        places = drawn.subplots(down, across, squeeze=False).ravel()
        for place in places[len(matrices) :]:
            place.set_axis_off()
        for place, (title, counts) in zip(places, matrices.items(), strict=False):
            share = counts / np.maximum(1, counts.sum(1, keepdims=True))
            place.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
            for row, column in zip(*np.nonzero(counts), strict=True):
                ink = "white" if share[row, column] > 0.6 else "#1d222b"
                place.text(column, row, counts[row, column], ha="center", va="center", color=ink, fontsize=7)
            place.set_xticks(
                range(len(EMOTIONS)), EMOTIONS, rotation=45, ha="right", rotation_mode="anchor", fontsize=7
            )
            place.set_yticks(range(len(EMOTIONS)), EMOTIONS, fontsize=7)
            place.set_title(title)
        return finish(drawn, "confusion", caption, vectors=True)
