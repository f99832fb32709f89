"""What `make paper` trains: the dataset's configuration as the paper has it, and what every row of its tables changes.

Nothing is written twice: the base is `configs/vocaset.yaml`, `ravdess.yaml` or `biwi.yaml`, FaceFormer's is
`configs/faceformer.yaml`, and the rows of Tables 3 and 4 are those of `configs/ablations` that the paper prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from emoface_training import options
from emoface_training.ablation import plan as ablation
from emoface_training.data.opening import RECORDED
from emoface_training.encoders import pretrained_sections
from emoface_training.encoders.pretrained import read_config
from emoface_training.errors import DatasetError, OptionsError
from emoface_training.options import TrainingOptions

EMOFACE, FACEFORMER = "emoface", "faceformer"
# Dataset -> its configuration, and what FaceFormer's own differs in there
BASES: dict[str, tuple[str, dict[str, Any]]] = {
    "vocaset": ("vocaset.yaml", {}),
    "vocaset-raw": ("vocaset.yaml", {}),
    "ravdess": ("ravdess.yaml", {}),
    "biwi": (
        "biwi.yaml",
        {
            "model": {
                "resampling": "none",
                "content_encoder": {"rate": 50},
                "decoder": {"width": 128, "period": 25, "window": 500},
            },
            "stage_b": {"max_frames": 125},
        },
    ),
}


@dataclass(frozen=True)
class PaperRow:
    """One model to train. tables: table -> label in it; paper: LVE and EVE in 1e-5 m^2 as printed for 3D-RAVDESS.

    configuration: plain data, as it is written into the run's folder.
    """

    name: str
    tables: dict[str, str]
    paper: dict[str, float] | None
    configuration: dict[str, Any]

    @property
    def options(self) -> TrainingOptions:
        return options.parse(self.configuration)

    @property
    def text(self) -> str:
        return yaml.safe_dump(self.configuration, sort_keys=False)


def paper_rows(
    configs: Path,
    kind: str,
    content: Path,
    emotion: Path,
    limit: dict[str, Any],
    names: list[str] | None = None,
) -> list[PaperRow]:
    """The rows in the order of the paper: EmoFace, FaceFormer, Table 3, Table 4.

    configs: the project's folder of that name; content, emotion: folders of pretrained encoders. Encoders of full
    context make models that hear whole clips, as the paper's do; those that `emoface distill` wrote, models that
    stream. limit: fields of every stage B in place of its own limits. names: only these rows.
    Raises DatasetError for a dataset that the paper's protocol does not fit, EncoderError for folders that cannot be
    used, OptionsError for unknown rows and configurations that do not fit.
    """
    if kind not in BASES:
        raise DatasetError(
            f"the {kind} corpus",
            f"a recorded dataset: {', '.join(BASES)}",
            "The rows on the synthetic corpus are those of `emoface ablate configs/ablations` (docs/ablations.md).",
        )
    found = [row for row in ablation.load(configs / "ablations").rows if row.paper]
    known = [row.name for row in found]
    for name in names or ():
        if name not in known:
            raise OptionsError(f"row {name!r}", f"one of {', '.join(known)}", "Correct --rows.")
    file, difference = BASES[kind]
    base = _with_encoders(ablation.mapping(configs / file), {"content_encoder": content, "emotion_encoder": emotion})
    theirs = ablation.merged(ablation.mapping(configs / "faceformer.yaml"), difference)
    theirs = _with_encoders(theirs, {"content_encoder": content})
    rows = []
    for row in found:
        configuration = theirs if row.name == FACEFORMER else ablation.merged(base, row.change)
        if limit:
            taken = dict.fromkeys(("max_steps", "max_epochs", "max_minutes"))
            configuration = ablation.merged(ablation.merged(configuration, {"stage_b": taken}), {"stage_b": limit})
        rows.append(PaperRow(row.name, row.tables, row.paper, configuration))
    order = {EMOFACE: 0, FACEFORMER: 1}
    rows.sort(key=lambda row: order.get(row.name, 2))
    rows = [row for row in rows if names is None or row.name in names]
    for row in rows:  # one that cannot be built fails before the first one trains
        section, _ = pretrained_sections.resolve(row.options.model)
        pretrained_sections.wanted_class(section).from_dict(section | {"fps": RECORDED[kind].fps})
    return rows


def _with_encoders(configuration: dict[str, Any], folders: dict[str, Path]) -> dict[str, Any]:
    """The configuration on these encoders, as the band that they have or have not allows."""
    streams = {name: not read_config(folder).unlimited for name, folder in folders.items()}
    model: dict[str, Any] = {name: {"pretrained": str(folder.resolve())} for name, folder in folders.items()}
    if configuration["model"].get("family") != FACEFORMER:
        return ablation.merged(configuration, {"model": model | {"whole_clips": not all(streams.values())}})
    if any(streams.values()):  # its rows are those of 50 Hz
        model["content_encoder"]["rate"] = 50
        if configuration["model"]["resampling"] == "before-transformer":
            model["resampling"] = "after-transformer"
    return ablation.merged(configuration, {"model": model})
