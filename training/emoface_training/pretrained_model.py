"""`pretrained: FOLDER` in a configuration's encoder sections: the architecture and weights of saved encoders."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emoface_training.encoder_errors import CalibrationError
from emoface_training.nn.emoface import EmoFace
from emoface_training.nn.pretrained import load_weights, normalises_input, read_config
from emoface_training.options import OptionsError

ENCODERS = ("content_encoder", "emotion_encoder")


def resolve(model: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Path]]:
    """The `model` section with every `pretrained` folder replaced by its fields, and the folders by encoder.

    Fields beside `pretrained` choose the mode (left, right, position_right, or window, window_right, window_block)
    and `input_gain`.
    Raises EncoderError for a folder that cannot be used, that cannot stream in this mode, or that needs a gain.
    """
    data, folders = dict(model), {}
    for name in ENCODERS:
        section = dict(data.get(name) or {})
        if "pretrained" not in section:
            continue
        folders[name] = Path(section.pop("pretrained"))
        section = {key: tuple(value) if isinstance(value, list) else value for key, value in section.items()}
        if section.get("window") is not None:  # a window takes the place of a folder's own band
            section = {"left": None, "right": None, "position_right": None} | section
        try:
            config = dataclasses.replace(read_config(folders[name]), **section)
        except TypeError as error:
            raise OptionsError(f"got model.{name} with a wrong field ({error}): correct the config") from None
        if not config.streams:
            raise CalibrationError(
                f"model.{name} from {folders[name]}, which cannot stream: its band is unlimited or its group norm "
                "needs the whole utterance",
                "a band and calibrated statistics, or a window",
                "Give the folder that `emoface distill` writes (--steps 0 only calibrates), or `window: 100`.",
            )
        # The first norm takes the level out again, unless a bias stands before it.
        if config.conv_bias and "input_gain" not in section and normalises_input(folders[name]):
            raise CalibrationError(
                f"model.{name} from {folders[name]}, trained on audio brought to variance 1 (do_normalize), "
                "which a stream cannot do",
                "input_gain, a fixed factor in its place",
                "Band: give the folder that `emoface distill` writes (--steps 0 only measures the gain). Window: add "
                "`input_gain`, one over the RMS of your speech (about 14 for speech at -23 dBFS; 1.0 leaves it out).",
            )
        data[name] = dataclasses.asdict(config)
    return data, folders


def load(model: EmoFace, folders: Mapping[str, Path]) -> None:
    """Copy the folders' weights into the model's encoders."""
    for name, folder in folders.items():
        load_weights(getattr(model, name).encoder, folder)


def refuse_stage_a(folders: Mapping[str, Path]) -> None:
    """Stage A trains both encoders from nothing over one shared front end, which would undo pretraining."""
    if folders:
        raise OptionsError(
            f"got pretrained encoders ({', '.join(sorted(folders))}) and a stage A, expected one of them: remove the "
            "section stage_a, or train with --stage b"
        )
