"""`pretrained: FOLDER` in a configuration's encoder sections: the architecture and weights of saved encoders."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emoface_training.config import EmoFaceConfig, FaceFormerConfig, config_class
from emoface_training.encoders.pretrained import load_weights, normalises_input, read_config
from emoface_training.errors import EncoderStatisticsError, OptionsError
from emoface_training.nn.talking_model import TalkingModel

ENCODERS = ("content_encoder", "emotion_encoder")


def resolve(model: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Path]]:
    """The `model` section with every `pretrained` folder replaced by its fields, and the folders by encoder.

    Fields beside `pretrained` choose the mode (left, right, position_right, or window, window_right, window_block),
    `input_gain` and, for full context, `normalised` (default: as the folder's preprocessor says).
    Raises EncoderError for a folder that cannot be used, that cannot stream in this mode (unless the model hears whole
    clips), or that needs a gain; OptionsError for an unknown family.
    """
    data, folders = dict(model), {}
    whole_clips = wanted_class(data).allows_whole_clips(data)
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
            raise OptionsError(
                f"model.{name} with a wrong field ({error})", "fields of EncoderConfig", "Correct the config."
            ) from None
        if config.unlimited and whole_clips:
            if "normalised" not in section:
                config = dataclasses.replace(config, normalised=normalises_input(folders[name]))
            data[name] = dataclasses.asdict(config)
            continue
        if not config.streams:
            raise EncoderStatisticsError(
                f"model.{name} from {folders[name]}, which cannot stream: its band is unlimited or its group norm "
                "needs the whole utterance",
                "a band and calibrated statistics, or a window",
                "Give the folder that `emoface distill` writes (--steps 0 only calibrates), or `window: 100`; or "
                "`whole_clips: true` in the model section, for a model that hears whole clips and cannot stream.",
            )
        # The first norm takes the level out again, unless a bias stands before it.
        if config.conv_bias and "input_gain" not in section and normalises_input(folders[name]):
            raise EncoderStatisticsError(
                f"model.{name} from {folders[name]}, trained on audio brought to variance 1 (do_normalize), "
                "which a stream cannot do",
                "input_gain, a fixed factor in its place",
                "Band: give the folder that `emoface distill` writes (--steps 0 only measures the gain). Window: add "
                "`input_gain`, one over the RMS of your speech (about 14 for speech at -23 dBFS; 1.0 leaves it out).",
            )
        data[name] = dataclasses.asdict(config)
    return data, folders


def wanted_class(model: Mapping[str, Any]) -> type[EmoFaceConfig] | type[FaceFormerConfig]:
    """The configuration class that a `model` section asks for. Raises OptionsError for an unknown family."""
    return config_class(model.get("family", EmoFaceConfig.family))


def load(model: TalkingModel, folders: Mapping[str, Path]) -> None:
    """Copy the folders' weights into the model's encoders."""
    for name, folder in folders.items():
        load_weights(model.encoders[name], folder)


def refuse_stage_a(model: Mapping[str, Any], folders: Mapping[str, Path]) -> None:
    """Stage A trains both encoders from nothing over one shared front end, which would undo pretraining.

    model: the section as `resolve` returns it. Raises OptionsError for pretrained folders, and for a family of one
    encoder.
    """
    if not issubclass(wanted_class(model), EmoFaceConfig):
        raise OptionsError(
            f"a stage A for family {model['family']!r}",
            "family emoface, which has the two encoders that it trains",
            "Train those first, and give them to this family's stage B with --encoders RUN/stage_a.",
        )
    if folders:
        raise OptionsError(
            f"pretrained encoders ({', '.join(sorted(folders))}) and a stage A",
            "one of them",
            "Remove the section stage_a, or train with --stage b.",
        )
