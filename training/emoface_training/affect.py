"""Where each emotion lies on the circle of arousal and valence: what a voice that is heard is compared with.

Angles are those of Russell, A Circumplex Model of Affect (Journal of Personality and Social Psychology 39, 1980, table
of direct circular scaling), counted from pleasant towards aroused, of the word nearest to each class. Neutral is the
centre.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from emoface_training.vocabulary import EMOTIONS, LEVELS

ANGLES = {
    "calm": 316.2,  # calm
    "happy": 24.9,  # delighted: acted joy is more aroused than his "happy" at 7.8
    "sad": 207.5,  # sad
    "angry": 99.0,  # angry
    "fearful": 116.0,  # afraid
    "disgusted": 138.0,  # distressed: the circle has no disgust
    "surprised": 69.8,  # astonished
}
RADIUS = {"normal": 0.7, "strong": 1.0}  # ours: how far from the centre each level goes


def affect_table() -> Tensor:
    """(arousal, valence) in -1..1 by class and level, [8, 2, 2]."""
    table = torch.zeros(len(EMOTIONS), len(LEVELS), 2)
    for row, emotion in enumerate(EMOTIONS):
        for column, level in enumerate(LEVELS):
            if emotion in ANGLES:
                angle = math.radians(ANGLES[emotion])
                table[row, column] = RADIUS[level] * torch.tensor([math.sin(angle), math.cos(angle)])
    return table
