"""Load any saved Hugging Face wav2vec2 or HuBERT folder (config.json + model.safetensors) into our encoder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from emoface_training.config import EncoderConfig
from emoface_training.nn.wav2vec2 import StreamingWav2Vec2

_SAME_NAME = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "conv_bias",
    "feat_extract_norm", "do_stable_layer_norm", "num_conv_pos_embeddings", "num_conv_pos_embedding_groups",
    "layer_norm_eps",
)  # fmt: skip
_FAMILIES = ("wav2vec2", "hubert")


def read_config(folder: Path) -> EncoderConfig:
    """Configuration of a saved folder with an unlimited band. Raises `ValueError` for another architecture."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; expected a folder saved by transformers' save_pretrained")
    data = json.loads(path.read_text())
    if data.get("model_type") not in _FAMILIES:
        raise ValueError(f"{path}: model_type is {data.get('model_type')!r}, expected one of {', '.join(_FAMILIES)}")
    activations = {data.get("hidden_act", "gelu"), data.get("feat_extract_activation", "gelu")}
    if activations != {"gelu"}:
        raise ValueError(f"{path}: activations {sorted(activations)} are not supported, only gelu")
    if data.get("feat_proj_layer_norm") is False:
        raise ValueError(f"{path}: feat_proj_layer_norm=false is not supported; expected a layer-normed projection")
    values = {name: data[name] for name in _SAME_NAME if name in data}
    convolutions = {name: tuple(data[name]) for name in ("conv_dim", "conv_kernel", "conv_stride") if name in data}
    return EncoderConfig(**values, **convolutions, left=None, right=None, position_right=None)


def load_pretrained(
    folder: Path,
    *,
    left: int | None = None,
    right: tuple[int, ...] | None = None,
    position_right: int | None = None,
) -> StreamingWav2Vec2:
    """Build the encoder with the folder's weights; a limited band turns it into band mode (to be fine-tuned).

    Taps of the positional convolution beyond `position_right` are dropped. Raises `ValueError` naming missing keys.
    """
    config = replace(read_config(folder), left=left, right=right, position_right=position_right)
    model = StreamingWav2Vec2(config)
    weights = _read_weights(Path(folder))
    model.load_state_dict(_convert(weights, model), strict=True)
    return model


def calibrate_group_norm(model: StreamingWav2Vec2, audio: Tensor) -> StreamingWav2Vec2:
    """A copy of a group-norm `model` whose first norm uses fixed statistics measured on `audio` [B, S].

    Utterance-level group norm cannot stream (it needs the whole clip); calibrated statistics can.
    """
    if model.config.feat_extract_norm != "group":
        raise ValueError("only encoders with feat_extract_norm='group' need calibration, got 'layer'")
    calibrated = StreamingWav2Vec2(replace(model.config, group_norm_statistics="fixed"))
    weights = model.state_dict()
    with torch.no_grad():
        first = model.feature_extractor.conv_layers[0].conv(audio[:, :, None])
    prefix = "feature_extractor.conv_layers.0."
    weights[prefix + "mean"] = first.mean((0, 1))
    weights[prefix + "variance"] = first.var((0, 1), unbiased=False)
    calibrated.load_state_dict(weights, strict=True)
    return calibrated


def _read_weights(folder: Path) -> dict[str, Tensor]:
    path = folder / "model.safetensors"
    if path.is_file():
        return load_file(path)
    pickled = folder / "pytorch_model.bin"
    if pickled.is_file():
        return torch.load(pickled, map_location="cpu", weights_only=True)
    raise FileNotFoundError(f"{folder} holds neither model.safetensors nor pytorch_model.bin")


def _convert(weights: dict[str, Tensor], model: StreamingWav2Vec2) -> dict[str, Tensor]:
    """Strip the model prefix, fold the weight norm, keep the band's taps, drop what inference does not use."""
    prefixes = ("wav2vec2.", "hubert.")
    stripped = {key.removeprefix(prefixes[0]).removeprefix(prefixes[1]): value for key, value in weights.items()}
    position = "encoder.pos_conv_embed."
    for gain_key, direction_key in (
        (f"{position}conv.parametrizations.weight.original0", f"{position}conv.parametrizations.weight.original1"),
        (f"{position}conv.weight_g", f"{position}conv.weight_v"),
    ):
        if gain_key in stripped:
            gain, direction = stripped.pop(gain_key), stripped.pop(direction_key)
            stripped[f"{position}conv.weight"] = torch._weight_norm(direction, gain, 2)
    conv = model.encoder.pos_conv_embed
    if f"{position}conv.weight" in stripped:
        folded = stripped.pop(f"{position}conv.weight")
        stripped[f"{position}weight"] = folded[..., : conv.left + 1 + conv.right].contiguous()
        stripped[f"{position}bias"] = stripped.pop(f"{position}conv.bias")
    expected = model.state_dict()
    missing = sorted(set(expected) - set(stripped))
    if missing:
        raise ValueError(f"the saved weights lack {len(missing)} tensors of this architecture, first {missing[0]!r}")
    return {key: stripped[key] for key in expected}
