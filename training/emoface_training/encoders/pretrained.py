"""Load any saved Hugging Face wav2vec2, HuBERT or WavLM folder (config.json + weights) into our encoder.

`emoface distill` writes folders of the same form. Their config.json has a section "emoface" with the band, the
calibration of the group norm and the input gain, and their positional convolution holds the taps of the band alone.
"""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from emoface_training.config import EncoderConfig
from emoface_training.errors import BandError, EncoderFolderError, EncoderStatisticsError, EncoderWeightsError
from emoface_training.nn.wav2vec2 import HOP, OVERLAP, StreamingWav2Vec2
from emoface_training.nn.windowed import make_encoder
from emoface_training.vocabulary import SAMPLE_RATE

CONFIG, WEIGHTS, SHARDS, PICKLED = (
    "config.json", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
)  # fmt: skip
SECTION = "emoface"
MASKED_SPEC_EMBED = "masked_spec_embed"
ARCHITECTURES = ("wav2vec2", "hubert", "wavlm")
_SAME_NAME = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "conv_bias",
    "feat_extract_norm", "do_stable_layer_norm", "num_conv_pos_embeddings", "num_conv_pos_embedding_groups",
    "layer_norm_eps",
)  # fmt: skip
# Options of the families under which the weights mean something else.
_REFUSED = {"feat_proj_layer_norm": False, "conv_pos_batch_norm": True, "add_adapter": True}
_OURS = ("left", "right", "position_right", "group_norm_statistics", "input_gain")
_POSITION = "encoder.pos_conv_embed."
_CHOOSE = "Choose another encoder."


def read_config(folder: Path) -> EncoderConfig:
    """Configuration of a saved folder; the band is unlimited unless `emoface distill` has written one.

    Raises EncoderFolderError where there is no config.json, or for an architecture that is not supported.
    """
    data = read_json(folder)
    path, family = Path(folder) / CONFIG, data.get("model_type")
    if family not in ARCHITECTURES:
        raise EncoderFolderError(f"{path} with model_type {family!r}", f"one of {', '.join(ARCHITECTURES)}", _CHOOSE)
    activations = {data.get("hidden_act", "gelu"), data.get("feat_extract_activation", "gelu")}
    if activations != {"gelu"}:
        raise EncoderFolderError(
            f"{path} with activations {sorted(activations)}", "only gelu", "Choose another encoder."
        )
    refused = [name for name, value in _REFUSED.items() if data.get(name) is value]
    refused += ["adapter_attn_dim"] if data.get("adapter_attn_dim") is not None else []
    for name in refused:
        raise EncoderFolderError(
            f"{path} with {name} = {json.dumps(data[name])}",
            "an encoder without this option",
            "Choose another encoder.",
        )
    values = {name: data[name] for name in _SAME_NAME if name in data}
    for name in ("conv_dim", "conv_kernel", "conv_stride"):
        if name in data:
            values[name] = tuple(data[name])
    if family == "wavlm":
        values |= {
            "num_buckets": data.get("num_buckets", 320),
            "max_bucket_distance": data.get("max_bucket_distance", 800),
        }
    ours = {"left": None, "right": None, "position_right": None} | data.get(SECTION, {})
    values |= {
        name: tuple(ours[name]) if isinstance(ours[name], list) else ours[name] for name in _OURS if name in ours
    }
    try:
        config = EncoderConfig(**values)
        _check_architecture(path, config)
    except TypeError as error:
        raise EncoderFolderError(
            f"{path}, which is malformed ({error})", "numbers and lists", "Copy it again."
        ) from None
    return config


def read_json(folder: Path) -> dict[str, Any]:
    """config.json of an encoder's folder, as plain data."""
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise EncoderFolderError(
            f"{folder} without {CONFIG}",
            "a folder saved by transformers' save_pretrained or by `emoface distill`",
            "Check the path; download a model into a folder first, names of the hub are not fetched.",
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EncoderFolderError(f"{path}, which is no JSON ({error})", "a JSON object", "Copy it again.") from None
    if not isinstance(data, dict):
        raise EncoderFolderError(f"{path} with a {type(data).__name__}", "a JSON object", "Copy it again.")
    return data


def normalises_input(folder: Path) -> bool:
    """Whether the folder's preprocessor brings every utterance to mean 0 and variance 1."""
    path = Path(folder) / "preprocessor_config.json"
    if not path.is_file():
        return False
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EncoderFolderError(f"{path}, which is no JSON ({error})", "a JSON object", "Copy it again.") from None
    if not isinstance(data, dict):
        raise EncoderFolderError(f"{path} with a {type(data).__name__}", "a JSON object", "Copy it again.")
    return bool(data.get("do_normalize", False))


def load_pretrained(folder: Path, **mode: Any) -> StreamingWav2Vec2:
    """Build the encoder with the folder's weights.

    mode: fields of EncoderConfig that replace the folder's: a band (left, right, position_right; to be fine-tuned
    unless the folder was distilled to it) or a window (window, window_right, window_block).
    Raises EncoderFolderError, EncoderWeightsError, BandError.
    """
    model = make_encoder(dataclasses.replace(read_config(folder), **mode))
    load_weights(model, folder)
    return model


def load_weights(model: StreamingWav2Vec2, folder: Path) -> None:
    """Copy the folder's weights into an encoder of its architecture; taps beyond the model's band are dropped."""
    found = convert_weights(_read_weights(Path(folder)), model)
    expected = model.state_dict()
    # Saved only by those that mask; without it, training begins with our own
    found.setdefault(MASKED_SPEC_EMBED, expected.get(MASKED_SPEC_EMBED))
    missing = sorted(set(expected) - set(found))
    if missing:
        raise EncoderWeightsError(
            f"weights in {folder} that lack {len(missing)} tensors, first {missing[0]!r}",
            "every tensor of the architecture in config.json",
            "Save the model again with save_pretrained.",
        )
    for name, tensor in expected.items():
        if found[name].shape != tensor.shape:
            raise EncoderWeightsError(
                f"{name} of shape {list(found[name].shape)} in {folder}",
                f"{list(tensor.shape)}, as config.json says",
                "Use the config.json that was saved with these weights.",
            )
    model.load_state_dict({name: found[name] for name in expected}, strict=True)


def calibrated(model: StreamingWav2Vec2, clips: Sequence[Tensor], normalise: bool = False) -> StreamingWav2Vec2:
    """A copy whose utterance statistics are replaced by fixed ones measured on `clips` (each [N] at 16 kHz).

    Group norm over the whole utterance cannot stream; the mean and variance of all clips can. With `normalise` the
    same is done for the input: its gain becomes one over the clips' RMS. Raises
    EncoderStatisticsError for silent clips.
    """
    samples = sum(len(clip) for clip in clips)
    power = sum(float(clip.double().square().sum()) for clip in clips)
    if samples < SAMPLE_RATE or power <= 1e-10 * samples:
        raise EncoderStatisticsError(
            f"{samples / SAMPLE_RATE:.1f} s of audio with a mean power of {power / max(1, samples):.1e}",
            "at least a second of speech that is not silent",
            "Calibrate on the kind of speech that the encoder will hear.",
        )
    if model.config.level_decay is not None and (normalise or model.config.feat_extract_norm == "group"):
        raise EncoderStatisticsError(
            "level_decay in an encoder whose statistics or input gain are measured on speech as it is",
            "one or the other",
            "Leave level_decay out.",
        )
    config = dataclasses.replace(model.config, input_gain=(samples / power) ** 0.5 if normalise else 1.0)
    weights = model.state_dict()
    if config.feat_extract_norm == "group":
        config = dataclasses.replace(config, group_norm_statistics="fixed")
        conv = model.feature_extractor.conv_layers[0].conv
        with torch.no_grad():
            parts = [conv((clip * config.input_gain)[None, :, None])[0].double() for clip in clips if len(clip) >= 400]
        count = sum(len(part) for part in parts)
        mean = sum(part.sum(0) for part in parts) / count
        prefix = "feature_extractor.conv_layers.0."
        weights[prefix + "mean"] = mean.float()
        weights[prefix + "variance"] = (sum(part.square().sum(0) for part in parts) / count - mean.square()).float()
    copy = make_encoder(config)
    copy.load_state_dict(weights, strict=True)
    return copy.train(model.training)


def save_encoder(folder: Path, model: StreamingWav2Vec2, original: dict[str, Any]) -> None:
    """Write config.json (the `original` one with our section) and model.safetensors into an existing folder."""
    section = {name: getattr(model.config, name) for name in _OURS}
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    for name in ("weight", "bias"):
        tensors[f"{_POSITION}conv.{name}"] = tensors.pop(f"{_POSITION}{name}")
    (Path(folder) / CONFIG).write_text(json.dumps(original | {SECTION: section}, indent=1) + "\n")
    save_file(tensors, str(Path(folder) / WEIGHTS))


def _check_architecture(path: Path, config: EncoderConfig) -> None:
    hop, field = 1, 1
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        field, hop = field + (kernel - 1) * hop, hop * stride
    if (hop, field) != (HOP, HOP + OVERLAP) or len(config.conv_dim) != len(config.conv_kernel):
        raise EncoderFolderError(
            f"{path} with convolutions of hop {hop} and field {field}",
            f"hop {HOP} and field {HOP + OVERLAP} samples, as in every published wav2vec2",
            _CHOOSE,
        )
    if config.hidden_size % config.num_attention_heads:
        raise EncoderFolderError(
            f"{path} with width {config.hidden_size} and {config.num_attention_heads} heads",
            "a width that the number of heads divides",
            "Copy it again.",
        )


def _read_weights(folder: Path) -> dict[str, Tensor]:
    """All saved tensors in float32. Nothing here runs code from a file."""
    try:
        if (folder / WEIGHTS).is_file():
            tensors = load_file(folder / WEIGHTS)
        elif (folder / SHARDS).is_file():
            names = set(json.loads((folder / SHARDS).read_text(encoding="utf-8"))["weight_map"].values())
            tensors = {}
            for name in sorted(names):
                tensors |= load_file(folder / Path(name).name)
        elif (folder / PICKLED).is_file():
            tensors = torch.load(folder / PICKLED, map_location="cpu", weights_only=True)
        else:
            raise EncoderFolderError(
                f"{folder} without weights", f"{WEIGHTS}, {SHARDS} or {PICKLED}", "Save the model with save_pretrained."
            )
    except pickle.UnpicklingError as error:
        raise EncoderWeightsError(
            f"{folder / PICKLED}, which is more than tensors ({str(error).splitlines()[0][:120]})",
            "tensors alone: other pickles can run code and are never loaded",
            f"Save the model as {WEIGHTS}: model.save_pretrained(folder, safe_serialization=True).",
        ) from None
    except EncoderFolderError:
        raise
    except Exception as error:  # safetensors and torch raise what they like for a damaged file
        raise EncoderWeightsError(
            f"unreadable weights in {folder} ({error})", "whole files", "Copy them again."
        ) from None
    return {name: value.float() for name, value in tensors.items() if isinstance(value, Tensor)}


def convert_weights(weights: dict[str, Tensor], model: StreamingWav2Vec2) -> dict[str, Tensor]:
    """Strip the model prefix, fold the weight norm, keep the band's taps."""
    stripped = {}
    for key, value in weights.items():
        family, _, rest = key.partition(".")
        stripped[rest if family in ARCHITECTURES else key] = value
    for gain_key, direction_key in (
        (f"{_POSITION}conv.parametrizations.weight.original0", f"{_POSITION}conv.parametrizations.weight.original1"),
        (f"{_POSITION}conv.weight_g", f"{_POSITION}conv.weight_v"),
    ):
        if gain_key in stripped:
            gain, direction = stripped.pop(gain_key), stripped.pop(direction_key)
            stripped[f"{_POSITION}conv.weight"] = torch._weight_norm(direction, gain, 2)
    conv = model.encoder.pos_conv_embed
    if f"{_POSITION}conv.weight" in stripped:
        folded, taps = stripped.pop(f"{_POSITION}conv.weight"), conv.left + 1 + conv.right
        if folded.shape[-1] < taps:
            raise BandError(
                f"position_right {conv.right} for an encoder whose taps end at +{folded.shape[-1] - conv.left - 1}",
                "at most that many",
                "Load it with its own band, or distil the original again.",
            )
        stripped[f"{_POSITION}weight"] = folded[..., :taps].contiguous()
        stripped[f"{_POSITION}bias"] = stripped.pop(f"{_POSITION}conv.bias")
    return stripped
