"""How well a face shows the expression, on the vertices of the mask eyes + forehead.

Definitions; x are offsets from the template, in the face's unit:

- expression R2: 1 - (sum of squared errors) / (sum of the ground truth's squares about the training split's mean), sums
  over frames, the region's vertices and coordinates of all clips together. The "mean" baseline has 0 by definition.
- shown emotion: share of clips whose face, as the mean of the region's offsets over the clip, is nearer to the mean of
  their own class at the clip's level than to any other class's mean at that level; means are the ground truth's over
  the training split's frames. Where classes hardly differ in that region, see the ground truth's own share beside it.
  Clips without a known class are left out.
- arousal's sign: of the clips whose class is aroused or calmed (`AROUSAL`), the share whose shown class is the same.
- switches: changes of the shown class, frame by frame, per 10 s of motion. A class counts once it is shown for 0.2 s
  without a break; what is shown for a shorter time is as if it were not there.
- upper face: root of the mean square of the region's displacements over frames and vertices, in mm. A frame of a clip
  labelled neutral is still when its own root is at most 0.5 mm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from emoface_training.clips.store import StoredClip
from emoface_training.measures.tracks import runs
from emoface_training.motion.targets import Face, clip_codes, codes_to_offsets
from emoface_training.vocabulary import EMOTIONS, LEVELS, NEUTRAL

# Disgust is neither
AROUSAL = {"happy": 1, "angry": 1, "fearful": 1, "surprised": 1, "calm": -1, "sad": -1}
HELD_S = 0.2
STILL_MM = 0.5


@dataclass(frozen=True)
class ExpressionReference:
    """What the training split shows. region int [R]; mean float64 [R, 3]; classes [8, 2, R, 3], NaN without clips;
    unit: of the face, in metres."""

    region: np.ndarray
    mean: np.ndarray
    classes: np.ndarray
    unit: float = 1.0

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
        mean = shown(sum(sums.values()) / sum(frames.values()))
        return cls(region, mean, classes, float(getattr(face, "unit_in_metres", 1.0)))

    def nearest(self, faces: np.ndarray, level: int) -> np.ndarray:
        """The class whose mean at that level is nearest to the region's offsets [T, R, 3], int [T]; -1 where none has
        a mean."""
        distances = np.stack([((faces - mean) ** 2).sum((1, 2)) for mean in self.classes[:, level]], 1)
        known = ~np.isnan(distances).all(1)
        return np.where(known, np.argmin(np.where(np.isnan(distances), np.inf, distances), 1), -1)


@dataclass
class ExpressionMeasures:
    """Accumulates clips of one predictor. confusion int [8, 8]: clips by the class spoken and the class shown."""

    reference: ExpressionReference
    fps: int
    confusion: np.ndarray = field(default_factory=lambda: np.zeros((len(EMOTIONS), len(EMOTIONS)), int))
    _error: float = 0.0
    _spread: float = 0.0
    _squares: float = 0.0
    _frames: int = 0
    _switches: int = 0
    _neutral: list[np.ndarray] = field(default_factory=list)
    _shown: np.ndarray = field(default_factory=lambda: np.zeros(len(EMOTIONS), int))

    @classmethod
    def joined(cls, parts: Sequence[ExpressionMeasures]) -> ExpressionMeasures:
        """The measures of all parts' clips together; parts of one reference and rate, at least one."""
        whole = cls(parts[0].reference, parts[0].fps)
        for part in parts:
            for name in ("confusion", "_error", "_spread", "_squares", "_frames", "_switches", "_neutral", "_shown"):
                setattr(whole, name, getattr(whole, name) + getattr(part, name))
        return whole

    def add(self, clip: StoredClip, offsets: np.ndarray, target: np.ndarray) -> None:
        """offsets, target [T, V, 3]; class and level come from the clip."""
        reference = self.reference
        shown = offsets[:, reference.region].astype(np.float64)
        wanted = target[:, reference.region].astype(np.float64)
        self._error += float(((shown - wanted) ** 2).sum())
        self._spread += float(((wanted - reference.mean) ** 2).sum())
        if not len(shown):
            return
        moved = 1e6 * reference.unit**2 * (shown**2).sum(-1).mean(1)  # mm^2 of each frame
        self._squares += float(moved.sum())
        self._frames += len(shown)
        classes = reference.nearest(shown, clip.level)
        self._switches += switches(classes, self.fps)
        self._shown += np.bincount(classes[classes >= 0], minlength=len(EMOTIONS))
        if clip.emotion == NEUTRAL:
            self._neutral.append(np.sqrt(moved) <= STILL_MM)
        if clip.emotion < len(EMOTIONS):
            nearest = int(reference.nearest(shown.mean(0)[None], clip.level)[0])
            if nearest >= 0:
                self.confusion[clip.emotion, nearest] += 1

    def shown_share(self) -> dict[str, float]:
        """Share of the frames in which each class is the nearest."""
        frames = max(1, int(self._shown.sum()))
        return {name: float(count / frames) for name, count in zip(EMOTIONS, self._shown, strict=True)}

    def figures(self) -> dict[str, float | int]:
        """R2 (0 where the ground truth never leaves the mean) and the shares, where any clip had such a class."""
        figures: dict[str, float | int] = {
            "expression_r2": 1.0 - self._error / self._spread if self._spread > 0.0 else 0.0,
            "upper_face_mm": float(np.sqrt(self._squares / self._frames)) if self._frames else 0.0,
            "switches_per_10_s": 10.0 * self._switches * self.fps / self._frames if self._frames else 0.0,
        }
        if judged := int(self.confusion.sum()):
            figures |= {"shown_emotion": float(self.confusion.trace() / judged), "shown_clips": judged}
        sign = np.array([AROUSAL.get(name, 0) for name in EMOTIONS])
        alike = (sign[:, None] == sign[None]) & (sign[:, None] != 0)
        if aroused := int(self.confusion[sign != 0].sum()):
            figures |= {"arousal_sign": float(self.confusion[alike].sum() / aroused), "aroused_clips": aroused}
        if self._neutral:
            still = np.concatenate(self._neutral)
            figures |= {"neutral_still": float(still.mean()), "neutral_frames": len(still)}
        return figures


def switches(classes: np.ndarray, fps: int) -> int:
    """Changes between classes int [T] that are each shown for 0.2 s without a break."""
    hold = int(np.ceil(HELD_S * fps))
    held = [
        (first, int(name))
        for name in np.unique(classes)
        for first, stop in runs(classes == name)
        if stop >= first + hold
    ]
    return sum(one != other for (_, one), (_, other) in pairwise(sorted(held)))
