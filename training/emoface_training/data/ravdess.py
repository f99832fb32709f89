"""3D-RAVDESS (P1, section 4.1): 24 actors, 60 takes each, 8 emotions at 2 levels, FLAME meshes at 30 fps.

The folder is made by `emoface data ravdess` from the published videos; names and labels are RAVDESS' own.
"""

from __future__ import annotations

import re

from emoface_training.errors import DatasetError

from .folder_layout import FolderLayout, TakeName
from .vertex_dataset import SplitRule

ACTORS = tuple(f"Actor_{number:02d}" for number in range(1, 25))
RULES = {
    "train": SplitRule(ACTORS[:20]),
    "validation": SplitRule(ACTORS[20:22]),
    "test_unseen": SplitRule(ACTORS[22:]),
}


def parse_name(stem: str) -> TakeName:
    """Labels of a name such as 01-01-03-02-01-02-12.

    Its numbers: modality, channel, emotion, intensity, statement, repetition, actor. Raises DatasetError for another
    form, for song, and for codes that RAVDESS does not have.
    """
    found = re.fullmatch(r"0[123]-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)", stem)
    if found is None:
        raise DatasetError(
            f"a take named {stem!r}",
            "RAVDESS' seven numbers such as 01-01-03-02-01-02-12",
            "Rename the file, or move it away.",
        )
    channel, emotion, intensity, statement, repetition, actor = (int(part) for part in found.groups())
    in_range = 1 <= emotion <= 8 and intensity in (1, 2) and statement in (1, 2) and repetition in (1, 2)
    if channel != 1 or not in_range or not 1 <= actor <= 24:
        raise DatasetError(
            f"a take named {stem!r}", "speech, with codes that RAVDESS has", "Rename the file, or move it away."
        )
    return TakeName(f"Actor_{actor:02d}", statement, emotion - 1, intensity - 1)


class Ravdess3D(FolderLayout):
    """`vertices_npy/01-01-03-02-01-02-12.npy` [F, 15069] at 30 fps in metres, `wav/`, `templates.npz`, `face.npz`."""

    kind, title = "ravdess", "3D-RAVDESS"
    layout = "vertices_npy/01-01-03-02-01-02-12.npy, wav/, templates.npz and face.npz (see `emoface data ravdess`)"
    fps = source_fps = 30
    rules = RULES
    published_vertices, published_takes = 5023, 1440

    @classmethod
    def gender(cls, subject: str) -> str:
        return "m" if int(subject[-2:]) % 2 else "f"  # RAVDESS numbers its men odd

    @classmethod
    def parse(cls, stem: str) -> TakeName:
        return parse_name(stem)
