"""A wav2vec2 / HuBERT encoder that streams exactly: band-limited attention, limited positional taps, state as tensors.

Parameter names are Hugging Face's, so a saved `Wav2Vec2Model` or `HubertModel` folder loads as it is (see
`pretrained.py`). With an unlimited band and its original normalisation the output equals `transformers`.

Band mode: in layer l a query sees keys [q - left, q + right_l]; the positional convolution keeps the taps up to
+position_right. The output lags the input by R = position_right + sum(right) features of 20 ms. Results do not depend
on how many features a call brings, so one model serves every block size and the whole clip.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_training.config import EncoderConfig
from emoface_training.nn.stage import State

HOP = 320
OVERLAP = 80
# Finite, because -inf turns fully masked rows into NaN in ONNX Runtime.
MASKED = -1e9


class MatMulConv(nn.Module):
    """Conv1d over channels-last frames as a matrix product over unfolded input (quantises well, exact).

    Kernel k and stride s must satisfy k - s = 0, 1 or s, as in every wav2vec2.
    x [B, T, Cin] -> [B, (T - k) // s + 1, Cout].
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, bias: bool) -> None:
        super().__init__()
        if kernel - stride not in (0, 1, stride):
            raise ValueError(f"kernel - stride must be 0, 1 or stride, got kernel {kernel}, stride {stride}")
        self.kernel, self.stride = kernel, stride
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in, kernel))
        self.bias = nn.Parameter(torch.zeros(channels_out)) if bias else None
        nn.init.kaiming_normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, channels = x.shape
        stride, rest = self.stride, self.kernel - self.stride
        steps = (length - self.kernel) // stride + 1
        body = x[:, : steps * stride].reshape(batch, steps, stride * channels)
        if rest:
            head = x[:, stride : stride * (steps + 1)] if rest == stride else x[:, stride::stride][:, :steps]
            body = torch.cat([body, head.reshape(batch, steps, rest * channels)], -1)
        # [Cout, Cin, k] -> [Cout, k * Cin], the order of the unfolded input
        weight = self.weight.permute(0, 2, 1).reshape(self.weight.shape[0], -1)
        return F.linear(body, weight, self.bias)


class ConvLayer(nn.Module):
    """Convolution, normalisation (layer, group or none), GELU."""

    def __init__(self, config: EncoderConfig, index: int) -> None:
        super().__init__()
        channels_in = 1 if index == 0 else config.conv_dim[index - 1]
        channels = config.conv_dim[index]
        self.conv = MatMulConv(
            channels_in, channels, config.conv_kernel[index], config.conv_stride[index], config.conv_bias
        )
        self.grouped = config.feat_extract_norm == "group" and index == 0
        self.fixed_statistics = self.grouped and config.group_norm_statistics == "fixed"
        if config.feat_extract_norm == "layer":
            self.layer_norm: nn.Module | None = nn.LayerNorm(channels)
        elif self.grouped:
            self.layer_norm = nn.GroupNorm(channels, channels)
        else:
            self.layer_norm = None
        if self.fixed_statistics:
            self.register_buffer("mean", torch.zeros(channels))
            self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        norm = self.layer_norm
        if self.fixed_statistics:
            # Group norm's utterance statistics replaced by calibrated ones: time-invariant, hence streamable
            scale = norm.weight * torch.rsqrt(self.variance + norm.eps)
            x = x * scale + (norm.bias - self.mean * scale)
        elif self.grouped:
            x = norm(x.transpose(1, 2)).transpose(1, 2)
        elif norm is not None:
            x = norm(x)
        return F.gelu(x)


class FeatureExtractor(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList(ConvLayer(config, i) for i in range(len(config.conv_dim)))

    def forward(self, audio: Tensor) -> Tensor:
        """audio [B, S] at 16 kHz -> [B, (S - 400) // 320 + 1, conv_dim[-1]]."""
        x = audio[:, :, None]
        for layer in self.conv_layers:
            x = layer(x)
        return x


class FeatureProjection(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(config.conv_dim[-1], eps=config.layer_norm_eps)
        self.projection = nn.Linear(config.conv_dim[-1], config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.projection(self.layer_norm(x))


class PositionalConv(nn.Module):
    """The kept taps [-left, +right] of wav2vec2's convolutional position embedding, weight norm folded."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        taps = config.num_conv_pos_embeddings
        self.left = taps // 2
        limit = taps - 1 - taps // 2
        self.right = limit if config.position_right is None else min(limit, config.position_right)
        self.groups = config.num_conv_pos_embedding_groups
        width = config.hidden_size
        self.weight = nn.Parameter(torch.empty(width, width // self.groups, self.left + 1 + self.right))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.normal_(self.weight, std=2 * (1 / (taps * width)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, left + n + right, D] -> [B, n, D]."""
        return F.gelu(F.conv1d(x.transpose(1, 2), self.weight, self.bias, groups=self.groups)).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            nn.Linear(config.hidden_size, config.hidden_size) for _ in range(4)
        )

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, H, T, d_head]

    def attend(self, source: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        """source [B, n, D]; k, v [B, H, S, d_head]; mask [B or 1, 1, n, S] additive -> [B, n, D]."""
        q = self.split(self.q_proj(source))
        if source.is_cuda:
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        else:  # written out: in bfloat16 on a CPU a whole training step takes 0.85 of the fused kernel's time
            scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2)) + mask
            out = torch.matmul(scores.softmax(-1).to(v.dtype), v)
        return self.out_proj(out.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.output_dense = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.output_dense(F.gelu(self.intermediate_dense(x)))


class EncoderLayer(nn.Module):
    """One transformer layer, pre-norm ("stable layer norm") or post-norm."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.pre_norm = config.do_stable_layer_norm
        self.attention = Attention(config)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def source(self, x: Tensor) -> Tensor:
        """What queries, keys and values are projected from."""
        return self.layer_norm(x) if self.pre_norm else x

    def forward(self, x: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        attended = x + self.attention.attend(self.source(x), k, v, mask)
        if self.pre_norm:
            return attended + self.feed_forward(self.final_layer_norm(attended))
        attended = self.layer_norm(attended)
        return self.final_layer_norm(attended + self.feed_forward(attended))


class TransformerEncoder(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.pos_conv_embed = PositionalConv(config)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_hidden_layers))


class StreamingWav2Vec2(nn.Module):
    """The encoder: `step` for streams and whole clips of a band model, `forward` for a model without a band."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        if config.right is not None and len(config.right) != config.num_hidden_layers:
            raise ValueError(
                f"right must have one entry per layer: got {len(config.right)} for {config.num_hidden_layers} layers"
            )
        self.config = config
        self.feature_extractor = FeatureExtractor(config)
        self.feature_projection = FeatureProjection(config)
        self.encoder = TransformerEncoder(config)

    def initial_state(self, batch: int, cache: int | None = None) -> State:
        """Zero state for `batch` streams; `cache` keys per layer (default: what a stream needs; 0 for one call)."""
        c = self.config
        if not c.streams:
            raise ValueError(
                "this encoder cannot stream: it has an unlimited band or utterance-level group norm; set left, right "
                "and position_right, and group_norm_statistics='fixed' after calibration"
            )
        position = self.encoder.pos_conv_embed
        cache = c.left + max(c.right) if cache is None else cache
        weight = self.feature_projection.projection.weight
        zeros = weight.new_zeros
        return {
            "features": zeros(batch, position.left + position.right, c.hidden_size),
            "queries": zeros(batch, max(1, sum(c.right)), c.hidden_size),
            "keys": zeros(batch, c.num_hidden_layers, c.num_attention_heads, cache, self._head_width),
            "values": zeros(batch, c.num_hidden_layers, c.num_attention_heads, cache, self._head_width),
            "position": torch.zeros(batch, dtype=torch.int64, device=weight.device),
        }

    @property
    def _head_width(self) -> int:
        return self.config.hidden_size // self.config.num_attention_heads

    def local_features(self, audio: Tensor) -> Tensor:
        """The convolutional front end. audio [B, 320 n + 80] -> [B, n, conv_dim[-1]]."""
        return self.feature_extractor(audio)

    def step(self, audio: Tensor, state: State) -> tuple[Tensor, State]:
        """audio [B, 320 n + 80] -> features [B, n, D] of the indices position - R ... position - R + n - 1.

        Outputs with a negative index (the first R of a stream) are to be dropped.
        """
        return self.step_local(self.local_features(audio), state)

    def step_local(self, local: Tensor, state: State) -> tuple[Tensor, State]:
        """`step` from the front end's output [B, n, conv_dim[-1]]."""
        c, encoder = self.config, self.encoder
        n = local.shape[1]
        position_conv = encoder.pos_conv_embed
        left = position_conv.left
        recent = torch.cat([state["features"], self.feature_projection(local)], 1)
        z = recent[:, left : left + n] + position_conv(recent)
        if not c.do_stable_layer_norm:
            z = encoder.layer_norm(z)
        cache = state["keys"].shape[3]
        query = torch.arange(n, device=z.device)[:, None]
        key = torch.arange(cache + n, device=z.device)[None]
        first = state["position"] - position_conv.right  # index of z[:, 0]
        keys, values, queries, used = [], [], [], 0
        for index, layer in enumerate(encoder.layers):
            right = c.right[index]
            source = layer.source(z)
            k = torch.cat([state["keys"][:, index], layer.attention.split(layer.attention.k_proj(source))], 2)
            v = torch.cat([state["values"][:, index], layer.attention.split(layer.attention.v_proj(source))], 2)
            keys.append(k[:, :, n:])
            values.append(v[:, :, n:])
            if right:
                pending = torch.cat([state["queries"][:, used : used + right], z], 1)
                queries.append(pending[:, n:])
                z = pending[:, :n]
                used += right
            offset = key - query - (cache - c.left - right)  # 0 ... left + right are inside the band
            inside = (offset >= 0) & (offset <= c.left + right)
            started = (first[:, None, None] + key - cache) >= 0  # keys before the stream are padding
            mask = torch.where(inside[None] & started, 0.0, MASKED).to(z.dtype)[:, None]
            z = layer(z, k, v, mask)
            first = first - right
        if c.do_stable_layer_norm:
            z = encoder.layer_norm(z)
        return z, {
            "features": recent[:, n:],
            "queries": torch.cat(queries, 1) if queries else state["queries"],
            "keys": torch.stack(keys, 1),
            "values": torch.stack(values, 1),
            "position": state["position"] + n,
        }

    def whole(self, audio: Tensor) -> Tensor:
        """All features of a clip in one call. audio [B, 320 T + 80] -> [B, T, D], feature t at time t / 50 s.

        The end is padded with silence, as a stream's flush does.
        """
        tail = audio.new_zeros(audio.shape[0], HOP * self.config.look_ahead)
        return self.whole_local(self.local_features(torch.cat([audio, tail], 1)))

    def whole_local(self, local: Tensor) -> Tensor:
        """`whole` from the front end's output of the padded clip [B, T + R, conv_dim[-1]] -> [B, T, D]."""
        features, _ = self.step_local(local, self.initial_state(local.shape[0], cache=0))
        return features[:, self.config.look_ahead :]

    def forward(self, audio: Tensor) -> Tensor:
        """Unlimited attention over the whole clip, as `transformers` computes it. audio [B, S] -> [B, T, D].

        T = (S - 400) // 320 + 1. Only for models without a band (equality with the original, distillation teachers).
        """
        encoder = self.encoder
        x = self.feature_projection(self.feature_extractor(audio))
        position_conv = encoder.pos_conv_embed
        x = x + position_conv(F.pad(x, (0, 0, position_conv.left, position_conv.right)))
        if not self.config.do_stable_layer_norm:
            x = encoder.layer_norm(x)
        mask = x.new_zeros(1, 1, 1, 1)
        for layer in encoder.layers:
            source = layer.source(x)
            attention = layer.attention
            x = layer(x, attention.split(attention.k_proj(source)), attention.split(attention.v_proj(source)), mask)
        return encoder.layer_norm(x) if self.config.do_stable_layer_norm else x
