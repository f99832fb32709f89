"""Faces of models side by side at chosen instants, as the papers' figures: ground truth first, one row per model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emoface_training.clips.store import StoredClip
from emoface_training.data.synthetic.phonemes import SIL
from emoface_training.motion.targets import Face
from emoface_training.report.curves import clip_title
from emoface_training.report.faces import TILE, portrait_of, rest_face
from emoface_training.report.mouth import Instant
from emoface_training.report.style import Picture, figure, finish

INCHES = 1.28


def face_grid(
    face: Face, clip: StoredClip, fps: int, moments: list[Instant], rows: dict[str, np.ndarray], name: str
) -> Iterator[Picture | None]:
    """rows: offsets [T, V, 3] by title. Yields None after each drawn face and the picture at the end."""
    template = rest_face(face, clip)
    painter = portrait_of(face, template)
    said = ", ".join(_said(moment) for moment in moments if moment.phoneme)
    caption = f"{clip_title(clip)}: {said or 'widest and most closed mouths of the ground truth'}."
    tiles = []
    for offsets in rows.values():
        line = []
        for moment in moments:
            line.append(painter.frame(template + offsets[moment.frame]))
            yield None
        tiles.append(line)
    height = INCHES * TILE[1] / TILE[0]
    with figure(INCHES * len(moments) + 0.35, height * len(rows) + 0.35) as drawn:
        drawn.get_layout_engine().set(w_pad=0.005, h_pad=0.02, wspace=0, hspace=0)
        places = drawn.subplots(len(rows), len(moments), squeeze=False)
        for number, (line, title, images) in enumerate(zip(places, rows, tiles, strict=True)):
            for place, moment, image in zip(line, moments, images, strict=True):
                place.imshow(image, interpolation="lanczos")
                place.set(xticks=[], yticks=[])
                place.spines[:].set_visible(False)
                if number == 0:
                    place.set_title(f"{_said(moment)}  {moment.frame / fps:.2f} s", loc="center", fontsize=8)
            line[0].set_ylabel(title)
        yield finish(drawn, name, caption)


def _said(moment: Instant) -> str:
    if moment.phoneme == SIL:
        return "pause"
    return f"/{moment.phoneme.lower()}/" if moment.phoneme else ""
