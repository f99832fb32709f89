"""BIWI (B3D(AC)^2) in FaceFormer's layout: 14 subjects, 40 sentences neutral and emotional, 25 fps, 23370 vertices.

Lengths are in the corpus' own unit: every face is scaled to unit surface area, about 174 to 201 mm per unit depending
on the subject; the millimetres of metrics use their middle.
"""

from __future__ import annotations

import re

from emoface_training.errors import DatasetError
from emoface_training.vocabulary import NEUTRAL, UNKNOWN_EMOTION

from .folder_layout import FolderLayout, TakeName
from .vertex_dataset import SplitRule

SEEN = ("F2", "F3", "F4", "M3", "M4", "M5")
UNSEEN = ("F1", "F5", "F6", "F7", "F8", "M1", "M2", "M6")
RULES = {
    "train": SplitRule(SEEN, range(1, 33)),
    "validation": SplitRule(SEEN, range(33, 37)),
    "test_seen": SplitRule(SEEN, range(37, 41)),
    "test_unseen": SplitRule(UNSEEN, range(37, 41)),
}


class Biwi(FolderLayout):
    """`vertices_npy/F2_e01.npy` [F, 70110] at 25 fps; `F2_01` is the neutral take of the sentence that `F2_e01` says
    with emotion. Both keep their own name and number of the sentence; which emotion was felt is not labelled.
    """

    kind, title = "biwi", "BIWI"
    layout = "vertices_npy/F2_e01.npy, wav/, templates.pkl and templates/BIWI.ply"
    fps = source_fps = 25
    unit, unit_in_metres = "unit surface area", 0.1875
    rules = RULES
    published_vertices, published_takes = 23370, 560

    @classmethod
    def gender(cls, subject: str) -> str:
        return subject[0].lower()

    @classmethod
    def parse(cls, stem: str) -> TakeName:
        found = re.fullmatch(r"([FM]\d+)_(e?)(\d+)", stem)
        if found is None:
            raise DatasetError(
                f"a take named {stem!r}",
                "F2_e01 (emotional), F2_01 (neutral) or so",
                "Rename the file, or move it away.",
            )
        subject, emotional, sentence = found.groups()
        return TakeName(subject, int(sentence), UNKNOWN_EMOTION if emotional else NEUTRAL)
