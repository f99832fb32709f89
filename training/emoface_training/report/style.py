"""One look for all pictures: colours that print and that the colour-blind can tell apart, and how a figure is kept."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# Blue, orange, green, pink, light blue, yellow: Okabe and Ito's palette
MODELS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
TRUTH, FAINT, PAUSE, CLOSURE = "#111111", "#9aa0aa", "#eef0f3", "#f6d5c4"
# Darker is larger, as in Figure 4 of the paper
MAP = "YlOrRd"
DPI = 160
# How a report names the row that shows it
MEAN_FACE = "mean face"
WIDTH_IN = 9.2


@dataclass(frozen=True)
class Picture:
    """A drawn figure. name: of its file without suffix; png: its bytes; pdf: the same as vectors (plots)."""

    name: str
    caption: str
    png: bytes
    pdf: bytes | None = None

    @property
    def data_uri(self) -> str:
        """The picture inside a page."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


@contextmanager
def figure(width: float, height: float) -> Iterator[Any]:
    """A matplotlib figure of that many inches in the report's style, without any global state left behind."""
    import matplotlib
    from matplotlib.figure import Figure

    look = {
        "font.family": "DejaVu Sans",
        "font.size": 8.5,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.7,
        "lines.linewidth": 1.3,
        "legend.frameon": False,
        "pdf.fonttype": 42,
    }
    with matplotlib.rc_context(look):
        yield Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def finish(drawn: Any, name: str, caption: str, vectors: bool = False) -> Picture:
    """The figure as a Picture; the same figure gives the same bytes."""
    png, pdf = io.BytesIO(), io.BytesIO()
    drawn.savefig(png, format="png", metadata={"Software": "EmoFace"})
    if vectors:
        drawn.savefig(pdf, format="pdf", metadata={"CreationDate": None})
    return Picture(name, caption, png.getvalue(), pdf.getvalue() if vectors else None)
