"""Models of transformers with a tiny configuration and perturbed random weights, saved as users save theirs."""

from pathlib import Path

import torch
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)

from tiny import TINY_WAV2VEC2

FAMILIES = {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
    "hubert": (HubertConfig, HubertModel),
    "wavlm": (WavLMConfig, WavLMModel),
}


def save_tiny(folder: Path, family: str, norm: str, pre_norm: bool, strong: bool = True, **changes):
    """Save and return the model; with `strong` attention and position bias, so that leaving them out shows."""
    torch.manual_seed(3)
    config_class, model_class = FAMILIES[family]
    config = config_class(
        **TINY_WAV2VEC2
        | {"feat_extract_norm": norm, "do_stable_layer_norm": pre_norm, "conv_bias": norm == "layer"}
        | changes
    )
    model = model_class(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
            if not strong:
                continue
            if "q_proj" in name or "k_proj" in name:
                parameter.mul_(6)
            elif "gru_rel_pos" in name or "rel_attn_embed" in name:
                parameter.add_(torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model
