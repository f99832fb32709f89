"""A mouth of a few vertices whose tracks are set by hand, for measures whose right answer is known."""

import numpy as np

from emoface_training.clips.store import StoredClip
from emoface_training.measures.mouth import MouthGauge
from emoface_training.measures.speech import SpeechMeasures

FPS = 30
TUCKED = 0.002  # metres: a lower lip nearer to the upper teeth is tucked
UPPER, LOWER, CORNERS, TEETH_UPPER, TEETH_LOWER, BROWS = (
    slice(0, 5), slice(5, 10), slice(10, 12), slice(12, 15), slice(15, 18), slice(18, 21),
)  # fmt: skip


class HandMadeFace:
    """Inner lips that touch at rest, corners 40 mm apart, teeth 5 mm behind; lengths in `unit_in_metres`."""

    def __init__(self, unit_in_metres: float = 1.0) -> None:
        self.unit_in_metres = unit_in_metres
        across = np.linspace(-0.016, 0.016, 5)
        template = np.zeros((21, 3))
        template[UPPER, 0] = template[LOWER, 0] = across
        template[CORNERS, 0] = 0.02, -0.02
        template[TEETH_UPPER] = template[TEETH_LOWER] = [[x, 0.0, -0.005] for x in (-0.005, 0.0, 0.005)]
        self.template = template / unit_in_metres
        self.faces = np.array([[0, 1, 5]])
        every = np.arange(21)
        self.masks = {
            "upper_lip_inner": every[UPPER], "lower_lip_inner": every[LOWER], "lips": every[:12],
            "teeth_upper": every[TEETH_UPPER], "teeth_lower": every[TEETH_LOWER], "eyes_forehead": every[BROWS],
        }  # fmt: skip


def moved(
    gap: np.ndarray, width: np.ndarray | float = 40.0, teeth: np.ndarray | float = 5.0, jaw: np.ndarray | float = 0.0
) -> np.ndarray:
    """Offsets [T, 21, 3] in metres of a mouth with these tracks in mm [T]: the upper lip rises by the gap, the corners
    and the lower lip move back by what makes width and distance to the teeth."""
    gap, width, teeth, jaw = (
        np.broadcast_to(np.asarray(track, float) / 1000.0, np.shape(gap)) for track in (gap, width, teeth, jaw)
    )
    offsets = np.zeros((len(gap), 21, 3))
    offsets[:, UPPER, 1] = gap[:, None]
    offsets[:, CORNERS, 0] = 0.5 * (width[:, None] - 0.04) * [1.0, -1.0]
    offsets[:, LOWER, 2] = -(0.005 - teeth[:, None])
    offsets[:, TEETH_LOWER, 1] = -jaw[:, None]
    return offsets


def spoken(frames: int, phonemes: list[tuple[str, float, float]], emotion: int = 0, level: int = 0) -> StoredClip:
    """A clip of so many frames with these phonemes and no sound."""
    return StoredClip(
        np.zeros(frames * 16000 // FPS + 1, np.int16), np.zeros((frames, 0), np.float16), phonemes, emotion, level,
        "a", 0, -1,
    )  # fmt: skip


def measured(phonemes: list[tuple[str, float, float]], shown: np.ndarray, rules: np.ndarray) -> SpeechMeasures:
    """The measures of one clip, offsets [T, 21, 3]."""
    measures = SpeechMeasures(MouthGauge(HandMadeFace()), FPS, TUCKED)
    measures.add(spoken(len(shown), phonemes), shown, rules)
    return measures
