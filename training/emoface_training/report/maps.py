"""Values on the face: where the error is, and where the emotion branch counts (the paper's Figure 4)."""

from __future__ import annotations

from typing import Any

import numpy as np

from emoface_training.motion.targets import Face
from emoface_training.report.faces import coloured
from emoface_training.report.style import MAP, Picture, figure, finish

# Beyond this share of the vertices one colour stands for "and more": a single outlier must not flatten the rest
WHOLE_SCALE = 0.999


def error_map(face: Face, errors: dict[str, tuple[np.ndarray, np.ndarray]]) -> Picture:
    """Mean (above) and largest (below) distance from the ground truth per vertex; errors in mm [V] twice by title."""
    rows = [
        ("mean over all frames, mm", [mean for mean, _ in errors.values()]),
        ("largest of all frames, mm", [largest for _, largest in errors.values()]),
    ]
    caption = (
        "Distance between predicted and true vertices over all measured frames. Every row has one scale, so that "
        "columns can be compared."
    )
    return _grid(face, list(errors), rows, "error_map", caption, from_zero=True)


def weight_map(face: Face, weights: dict[str, np.ndarray]) -> Picture:
    """Mean weight w_e of the emotion branch per vertex [V] by title; darker is larger, as in the paper's Figure 4."""
    caption = (
        "Mean Mesh Attention weight of the emotion branch, w_e, over the frames of the shown clips; the content branch "
        "has 1 - w_e. Darker is larger, as in Figure 4 of the paper. Each face has its own scale."
    )
    with figure(2.6 * max(2, len(weights)) + 0.3, 3.3) as drawn:
        places = np.atleast_1d(drawn.subplots(1, len(weights)))
        for place, (title, values) in zip(places, weights.items(), strict=True):
            scale = _scale(float(values.min()), float(values.max()))
            _face(place, face, values, scale, title)
            drawn.colorbar(scale, ax=place, shrink=0.7, pad=0.02, label="$w_e$")
        return finish(drawn, "weight_map", caption)


def _grid(
    face: Face, titles: list[str], rows: list[tuple[str, list[np.ndarray]]], name: str, caption: str, from_zero: bool
) -> Picture:
    with figure(1.9 * len(titles) + 1.0, 2.35 * len(rows) + 0.25) as drawn:
        places = np.atleast_2d(drawn.subplots(len(rows), len(titles), squeeze=False))
        for number, (line, (label, columns)) in enumerate(zip(places, rows, strict=True)):
            every = np.concatenate(columns)
            low = 0.0 if from_zero else float(every.min())
            scale = _scale(low, float(np.quantile(every, WHOLE_SCALE)))
            for place, values, title in zip(line, columns, titles, strict=True):
                _face(place, face, values, scale, title if number == 0 else "")
            drawn.colorbar(scale, ax=list(line), shrink=0.85, pad=0.015, label=label, extend="max")
        return finish(drawn, name, caption)


def _scale(low: float, high: float) -> Any:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(low, high if high > low else low + 1e-9), MAP)


def _face(place: Any, face: Face, values: np.ndarray, scale: Any, title: str) -> None:
    place.imshow(coloured(face, values, scale), interpolation="lanczos")
    place.set_axis_off()
    place.set_title(title, loc="center")
