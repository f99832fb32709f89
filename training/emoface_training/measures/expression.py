"""How well a face shows the expression, on the vertices of the mask eyes + forehead.

Definitions, fixed before any model was measured; x are offsets from the template, in any unit:

- expression R2: 1 - (sum of squared errors) / (sum of the ground truth's squares about the training split's mean), sums
  over frames, the region's vertices and coordinates of all clips together. The "mean" baseline has 0 by definition.
- shown emotion: share of clips whose face, as the mean of the region's offsets over the clip, is nearer to the mean of
  their own class at the clip's level than to any other class's mean at that level; means are the ground truth's over
  the training split's frames. Neutral and calm hardly differ in that region, whatever the predictor: see the ground
  truth's own share beside it. Clips without a known class are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from emoface_training.clips.store import StoredClip
from emoface_training.motion.targets import Face, clip_codes, codes_to_offsets
from emoface_training.vocabulary import EMOTIONS, LEVELS


@dataclass(frozen=True)
class ExpressionReference:
    """What the training split shows. region int [R]; mean float64 [R, 3]; classes [8, 2, R, 3], NaN without clips."""

    region: np.ndarray
    mean: np.ndarray
    classes: np.ndarray

    @classmethod
    def of(cls, face: Face, train: Iterable[StoredClip]) -> ExpressionReference | None:
        """The means of some training clips; None for a face without the mask."""
        if "eyes_forehead" not in face.masks:
            return None
        region = np.asarray(face.masks["eyes_forehead"])
        sums: dict[tuple[int, int], np.ndarray] = {}
        frames: dict[tuple[int, int], int] = {}
        for clip in train:
            key = clip.emotion, clip.level
            sums[key] = sums.get(key, 0.0) + clip_codes(face, clip).sum(0, dtype=np.float64)
            frames[key] = frames.get(key, 0) + clip.frames

        def shown(code: np.ndarray) -> np.ndarray:
            return codes_to_offsets(face, code[None])[0, region].astype(np.float64)

        classes = np.full((len(EMOTIONS), len(LEVELS), len(region), 3), np.nan)
        for (emotion, level), total in sums.items():
            if emotion < len(EMOTIONS):
                classes[emotion, level] = shown(total / frames[emotion, level])
        return cls(region, shown(sum(sums.values()) / sum(frames.values())), classes)

    def nearest(self, face: np.ndarray, level: int) -> int:
        """The class whose mean at that level is nearest to the region's offsets [R, 3]; -1 where none has a mean."""
        distances = ((self.classes[:, level] - face) ** 2).sum((1, 2))
        return -1 if np.isnan(distances).all() else int(np.nanargmin(distances))


@dataclass
class ExpressionMeasures:
    """Accumulates clips of one predictor."""

    reference: ExpressionReference
    _error: float = 0.0
    _spread: float = 0.0
    _judged: int = 0
    _right: int = 0

    def add(self, clip: StoredClip, offsets: np.ndarray, target: np.ndarray) -> None:
        """offsets, target [T, V, 3]; class and level come from the clip."""
        reference = self.reference
        shown = offsets[:, reference.region].astype(np.float64)
        wanted = target[:, reference.region].astype(np.float64)
        self._error += float(((shown - wanted) ** 2).sum())
        self._spread += float(((wanted - reference.mean) ** 2).sum())
        if clip.emotion < len(EMOTIONS) and len(shown):
            nearest = reference.nearest(shown.mean(0), clip.level)
            self._judged += nearest >= 0
            self._right += nearest == clip.emotion

    def figures(self) -> dict[str, float]:
        """R2 (0 where the ground truth never leaves the mean), and the share of clips where any had a class."""
        figures = {"expression_r2": 1.0 - self._error / self._spread if self._spread > 0.0 else 0.0}
        return figures | ({"shown_emotion": self._right / self._judged} if self._judged else {})
