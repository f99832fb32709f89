"""Ground truth and models side by side as a video with sound, through the SDK's writer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emoface.frames import Animation
from emoface.package import Face as PackageFace
from emoface.render import Renderer
from emoface.writers import Progress, write_mp4
from emoface_training.clips.store import StoredClip
from emoface_training.motion.targets import Face
from emoface_training.report.faces import portrait_of, rest_face
from emoface_training.vocabulary import SAMPLE_RATE

TILE = (256, 352)
TITLE = 28


class SideBySide:
    """Draws a frame's vertices [M, V, 3], one face per title, as one picture: the video writer's renderer."""

    def __init__(self, painter: Renderer, titles: list[str]) -> None:
        from PIL import Image, ImageDraw, ImageFont

        self.painter = painter
        self.width, self.height = TILE[0] * len(titles), TILE[1] + TITLE
        strip = Image.new("RGB", (self.width, TITLE), "white")
        draw, font = ImageDraw.Draw(strip), ImageFont.load_default(14)
        for index, title in enumerate(titles):
            draw.text(((index + 0.5) * TILE[0], TITLE / 2), title, fill=(38, 42, 50), font=font, anchor="mm")
        self._strip = np.asarray(strip)

    def frame(self, vertices: np.ndarray) -> np.ndarray:
        """(height, width, 3) uint8."""
        return np.concatenate([self._strip, np.concatenate([self.painter.frame(one) for one in vertices], 1)])


def write_video(
    path: Path, face: Face, clip: StoredClip, fps: int, rows: dict[str, np.ndarray], progress: Progress | None = None
) -> None:
    """rows: offsets [T, V, 3] by title. OutputError as `emoface.writers.write_mp4`."""
    template = rest_face(face, clip)
    vertices: Any = np.stack([template + offsets for offsets in rows.values()], 1)  # [T, M, V, 3]
    count = len(template)
    colours = getattr(face, "colours", np.full((count, 3), 0.5, np.float32))
    shown = Animation(
        time=np.arange(len(vertices)) / fps,
        vertices=vertices,
        emotion=np.zeros((len(vertices), 0), np.float32),
        emotion_weight=np.zeros((len(vertices), 0), np.float32),
        face=PackageFace(template, face.faces, colours, face.masks, getattr(face, "unit_in_metres", 1.0)),
        fps=fps,
        audio=clip.waveform(),
        audio_rate=SAMPLE_RATE,
    )
    painter: Any = SideBySide(portrait_of(face, template, TILE), list(rows))
    write_mp4(path, shown, renderer=painter, progress=progress)
