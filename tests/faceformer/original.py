"""An independent FaceFormer, from its paper: whole prefixes again for every frame, torch's and transformers' modules.

Used to compare with, and to write checkpoints under the published names.
"""

import math

import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

LIMIT = 600  # frames that its tables are made for


def attention_bias(heads: int, frames: int, period: int) -> Tensor:
    """Equation 4's temporal bias, causal: minus slope times the number of whole periods that a key lies back."""
    slopes = [1 / 4 ** (head + 1) for head in range(heads)]
    bias = torch.full((heads, frames, frames), -math.inf)
    for head, slope in enumerate(slopes):
        for query in range(frames):
            for key in range(query + 1):
                bias[head, query, key] = -slope * ((query - key) // period)
    return bias


def alignment(frames: int, keys: int, per_frame: int) -> Tensor:
    """True where a frame must not look: everywhere but at its own features."""
    hidden = torch.ones(frames, keys, dtype=torch.bool)
    for frame in range(frames):
        hidden[frame, frame * per_frame : (frame + 1) * per_frame] = False
    return hidden


class Positions(nn.Module):
    """Sines and cosines of t mod period."""

    def __init__(self, width: int, period: int) -> None:
        super().__init__()
        table = torch.zeros(period, width)
        for t in range(period):
            for i in range(0, width, 2):
                angle = t / 10000 ** (i / width)
                table[t, i], table[t, i + 1] = math.sin(angle), math.cos(angle)
        self.register_buffer("pe", table.repeat(LIMIT // period + 1, 1)[None])


class Original(nn.Module):
    """keys: features per frame, 1 (VOCASET: 50 Hz features interpolated to 30 Hz inside the encoder) or 2 (BIWI)."""

    def __init__(self, encoder: Wav2Vec2Config, vertices: int, styles: int, width: int, period: int, keys: int) -> None:
        super().__init__()
        self.keys, self.period = keys, period
        self.audio_encoder = Wav2Vec2Model(encoder)
        self.audio_feature_map = nn.Linear(encoder.hidden_size, width)
        self.vertice_map = nn.Linear(3 * vertices, width)
        self.vertice_map_r = nn.Linear(width, 3 * vertices)
        self.obj_vector = nn.Linear(styles, width, bias=False)
        self.PPE = Positions(width, period)
        layer = nn.TransformerDecoderLayer(width, 4, 2 * width, batch_first=True)
        self.transformer_decoder = nn.TransformerDecoder(layer, 1)

    def features(self, audio: Tensor) -> Tensor:
        """audio [1, N], as the published preprocessor leaves it -> [1, frames * keys, C]."""
        normalised = (audio - audio.mean()) / torch.sqrt(audio.var(unbiased=False) + 1e-7)
        encoder = self.audio_encoder
        local = encoder.feature_extractor(normalised).transpose(1, 2)
        if self.keys == 1:
            frames = int(local.shape[1] / 50.0 * 30)
            local = nn.functional.interpolate(local.transpose(1, 2), size=frames, mode="linear", align_corners=True)
            local = local.transpose(1, 2)
        else:
            local = local[:, : local.shape[1] // 2 * 2]
        hidden, _ = encoder.feature_projection(local)
        return encoder.encoder(hidden).last_hidden_state

    def decode(self, features: Tensor, style: Tensor) -> Tensor:
        """features [1, frames * keys, C], style [1, n] -> offsets [1, frames, 3 V], every prefix from scratch."""
        memory = self.audio_feature_map(features)
        frames = features.shape[1] // self.keys
        bias = attention_bias(4, frames, self.period)
        style_token = self.obj_vector(style)[:, None]
        tokens, out = style_token, None
        for t in range(frames):
            count = t + 1
            out = self.transformer_decoder(
                tokens + self.PPE.pe[:, :count],
                memory,
                tgt_mask=bias[:, :count, :count],
                memory_mask=alignment(count, memory.shape[1], self.keys),
            )
            out = self.vertice_map_r(out)
            tokens = torch.cat([tokens, self.vertice_map(out[:, -1:]) + style_token], 1)
        return out

    def forward(self, audio: Tensor, style: Tensor) -> Tensor:
        return self.decode(self.features(audio), style)


def encoder_config(norm: str = "group", layers: int = 1) -> Wav2Vec2Config:
    """Small, with the published architecture's parts: seven convolutions, group norm, post-norm layers."""
    return Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=24,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
        conv_bias=norm == "layer",
    )


def make(keys: int = 1, vertices: int = 42, norm: str = "group", width: int = 16) -> Original:
    """Random weights that move the face by centimetres, 8 styles (VOCASET's) or 6 (BIWI's)."""
    torch.manual_seed(11)
    model = Original(encoder_config(norm), vertices, 8 if keys == 1 else 6, width, 30 if keys == 1 else 25, keys).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        model.vertice_map_r.weight.normal_(std=0.01)
        model.vertice_map_r.bias.normal_(std=0.001)
        model.vertice_map.weight.normal_(std=1.0)
        for part in (model.transformer_decoder.layers[0].multihead_attn, model.transformer_decoder.layers[0].self_attn):
            part.in_proj_weight.mul_(2.0)  # so that forgetting a key or the bias shows
            part.in_proj_bias.normal_(std=0.3)
    return model


def speech(seconds: float, seed: int = 5) -> Tensor:
    """Noise with a moving level, float32 [N] at 16 kHz."""
    generator = torch.Generator().manual_seed(seed)
    count = int(16000 * seconds)
    level = 0.05 + 0.2 * torch.sin(torch.linspace(0, 12 * seconds, count)).square()
    return torch.randn(count, generator=generator) * level
