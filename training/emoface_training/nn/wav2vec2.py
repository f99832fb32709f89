"""A wav2vec2 / HuBERT / WavLM encoder that streams exactly: band-limited attention and taps, state as tensors.

Parameter names are Hugging Face's, so a saved `Wav2Vec2Model`, `HubertModel` or `WavLMModel` folder loads as it is (see
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
from emoface_training.errors import BandError, EncoderStatisticsError
from emoface_training.nn.attention import Attention, relative_bias
from emoface_training.nn.front_end import FeatureExtractor, FeatureProjection
from emoface_training.nn.input_level import levelled
from emoface_training.nn.interpolation import FEATURE_RATE, can_hold, group, interpolate
from emoface_training.nn.regularisation import EncoderDropout, EncoderNoise, SpecAugment
from emoface_training.nn.stage import State
from emoface_training.nn.step_ops import delay, grouped_conv

HOP = 320
OVERLAP = 80
# Finite, because -inf turns fully masked rows into NaN in ONNX Runtime.
MASKED = -1e9
# What the published preprocessor adds to the variance
_NORMALISER_EPS = 1e-7
# Bounds of a band, in features: what a stream may hold per layer (60 s), and a delay that is still live (2 s).
WIDEST_LEFT, LONGEST_LOOK_AHEAD = 3000, 100


class PositionalConv(nn.Module):
    """The kept taps [-left, +right] of wav2vec2's convolutional position embedding, weight norm folded."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        taps = config.num_conv_pos_embeddings
        self.left = taps // 2
        limit = taps - 1 - taps // 2
        self.right = limit if config.position_right is None else config.position_right
        if self.right > limit:
            raise BandError(
                f"position_right {self.right} with {taps} positional taps",
                f"at most {limit}: there are no taps beyond",
                "Lower position_right and raise `right` of some layers instead.",
            )
        self.groups = config.num_conv_pos_embedding_groups
        width = config.hidden_size
        self.weight = nn.Parameter(torch.empty(width, width // self.groups, self.left + 1 + self.right))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.normal_(self.weight, std=2 * (1 / (taps * width)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, left + n + right, D] -> [B, n, D]."""
        if torch.compiler.is_exporting():
            return F.gelu(grouped_conv(x, self.weight, self.bias))
        return F.gelu(F.conv1d(x.transpose(1, 2), self.weight, self.bias, groups=self.groups)).transpose(1, 2)


class FeedForward(nn.Module):
    """Two layers with GELU between them."""

    def __init__(self, config: EncoderConfig, noise: EncoderNoise) -> None:
        super().__init__()
        self.intermediate_dropout = EncoderDropout(config.activation_dropout, noise)
        self.output_dropout = EncoderDropout(config.hidden_dropout, noise)
        self.intermediate_dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.output_dense = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.intermediate_dropout(F.gelu(self.intermediate_dense(x)))
        return self.output_dropout(self.output_dense(hidden))


class EncoderLayer(nn.Module):
    """One transformer layer, pre-norm ("stable layer norm") or post-norm."""

    def __init__(self, config: EncoderConfig, noise: EncoderNoise, index: int) -> None:
        super().__init__()
        self.pre_norm, self.index = config.do_stable_layer_norm, index
        self.layerdrop, self.noise = config.layerdrop, noise
        self.attention = Attention(config, noise, first=index == 0)
        self.dropout = EncoderDropout(config.hidden_dropout, noise)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config, noise)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def left_out(self) -> bool:
        """Whether this step of training goes without the layer (LayerDrop)."""
        return self.training and self.layerdrop > 0.0 and self.noise.dropped_layer(self.index, self.layerdrop)

    def source(self, x: Tensor) -> Tensor:
        """What queries, keys and values are projected from."""
        return self.layer_norm(x) if self.pre_norm else x

    def forward(self, x: Tensor, query: Tensor, k: Tensor, v: Tensor, mask: Tensor, bias: Tensor | None) -> Tensor:
        """x [B, n, D], its projected query, all keys and values (see `Attention.attend`) -> [B, n, D]."""
        if self.left_out():
            return x
        return self.after(x, self.attention.attend(query, k, v, mask, bias))

    def after(self, x: Tensor, attended: Tensor) -> Tensor:
        """What follows the attention's output."""
        attended = x + self.dropout(attended)
        if self.pre_norm:
            return attended + self.feed_forward(self.final_layer_norm(attended))
        attended = self.layer_norm(attended)
        return self.final_layer_norm(attended + self.feed_forward(attended))


class TransformerEncoder(nn.Module):
    """Positional convolution and transformer layers."""

    def __init__(self, config: EncoderConfig, noise: EncoderNoise) -> None:
        super().__init__()
        self.pos_conv_embed = PositionalConv(config)
        self.dropout = EncoderDropout(config.hidden_dropout, noise)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.layers = nn.ModuleList(EncoderLayer(config, noise, i) for i in range(config.num_hidden_layers))
        self.max_distance, self.pre_norm = config.max_bucket_distance, config.do_stable_layer_norm

    def enter(self, x: Tensor, positions: Tensor) -> Tensor:
        """x and the positional convolution's output [B, n, D] -> what the first layer gets."""
        x = x + positions
        return self.dropout(x if self.pre_norm else self.layer_norm(x))

    def relative_bias(self, distance: Tensor) -> Tensor | None:
        """WavLM's position bias [H, n, S] of key - query distances int64 [n, S]; None for other families."""
        attention = self.layers[0].attention
        return relative_bias(attention.rel_attn_embed.weight, distance, self.max_distance) if attention.gated else None


class StreamingWav2Vec2(nn.Module):
    """The encoder: `step` for streams and whole clips of a band model, `forward` for a model without a band."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        check_band(config)
        self.config, self.noise = config, EncoderNoise()
        self.feature_extractor = FeatureExtractor(config)
        self.feature_projection = FeatureProjection(config, self.noise)
        self.spec_augment = SpecAugment(config, self.noise)
        self.masked_spec_embed = nn.Parameter(torch.rand(config.hidden_size)) if config.mask_time_prob else None
        self.encoder = TransformerEncoder(config, self.noise)

    def initial_state(self, batch: int, cache: int | None = None) -> State:
        """Zero state for `batch` streams; `cache` keys per layer (default: what a stream needs; 0 for one call).

        Every layer has its own keys and values, since slicing them out of one tensor would copy them all.
        """
        c = self.config
        if not c.streams:
            raise EncoderStatisticsError(
                "an encoder that cannot stream: it has an unlimited band or utterance-level group norm",
                "a band (left, right and position_right) and layer norm or fixed statistics of the group norm",
                "Convert the folder with `emoface distill`, which calibrates it, or use the window mode.",
            )
        position, attention = self.encoder.pos_conv_embed, self.encoder.layers[0].attention
        weight = self.feature_projection.projection.weight
        zeros = weight.new_zeros
        state = {
            "features": zeros(batch, position.left + position.right, c.hidden_size),
            "queries": zeros(batch, sum(c.right), c.hidden_size + attention.query_width),
            "position": torch.zeros(batch, dtype=torch.int64, device=weight.device),
        }
        if c.level_decay is not None:
            state["loudest"] = zeros(batch)
        for index, right in enumerate(c.right):
            held = c.left + right if cache is None else cache
            for name in ("keys", "values"):
                state[f"{name}_{index}"] = zeros(batch, c.num_attention_heads, held, self._head_width)
        return state

    @property
    def _head_width(self) -> int:
        return self.config.hidden_size // self.config.num_attention_heads

    def local_features(self, audio: Tensor) -> Tensor:
        """The convolutional front end of a whole clip. audio [B, 320 n + 80] -> [B, rows of n features, conv_dim[-1]].

        At another rate than 50 Hz, n is a whole number of groups (5 features at 30 Hz) and rows are interpolated.
        """
        if self.config.normalised:
            audio = normalised(audio)
        if self.config.level_decay is not None:
            audio, _ = levelled(audio, audio.new_zeros(audio.shape[0]), self.config.level_decay, HOP, OVERLAP)
        return self._convolved(audio)

    def _convolved(self, audio: Tensor) -> Tensor:
        gain, rate = self.config.input_gain, self.config.rate
        local = self.feature_extractor(audio if gain == 1.0 else audio * gain)
        return local if rate == FEATURE_RATE else interpolate(local, self.rows(local.shape[1]), rate)

    def project(self, local: Tensor) -> Tensor:
        """The front end's output [B, n, conv_dim[-1]] -> what the transformer works on, [B, n, D]."""
        return self.spec_augment(self.feature_projection(local), self.masked_spec_embed)

    def rows(self, features: int) -> int:
        """Rows at the transformer's rate that `features` features of 20 ms make."""
        # Whole groups first: an exporter with symbolic n could not simplify a fraction
        per_group, rows = group(self.config.rate)
        return features // per_group * rows

    def step(self, audio: Tensor, state: State) -> tuple[Tensor, State]:
        """audio [B, 320 n + 80] -> features [B, n, D] of the indices position - R ... position - R + n - 1.

        Outputs with a negative index (the first R of a stream) are to be dropped.
        """
        if self.config.level_decay is None:
            return self.step_local(self.local_features(audio), state)
        audio, loudest = levelled(audio, state["loudest"], self.config.level_decay, HOP, OVERLAP)
        features, new_state = self.step_local(self._convolved(audio), state)
        return features, new_state | {"loudest": loudest}

    def step_local(self, local: Tensor, state: State) -> tuple[Tensor, State]:
        """`step` from the front end's output [B, n, conv_dim[-1]]."""
        c, encoder = self.config, self.encoder
        n = local.shape[1]
        position_conv = encoder.pos_conv_embed
        left = position_conv.left
        recent = torch.cat([state["features"], self.project(local)], 1)
        z = encoder.enter(recent[:, left : left + n], position_conv(recent))
        first = state["position"] - position_conv.right  # index of z[:, 0]
        new_state, queries, used = {"features": recent[:, n:], "position": state["position"] + n}, [], 0
        for index, layer in enumerate(encoder.layers):
            right = c.right[index]
            keys, values = state[f"keys_{index}"], state[f"values_{index}"]
            as_operator = torch.compiler.is_exporting() and not layer.attention.gated
            if as_operator:
                rows = layer.attention.project_rows(layer.source(z))
                query = rows[..., : c.hidden_size]
            else:
                query, k, v = layer.attention.project(layer.source(z))
                k, v = torch.cat([keys, k], 2), torch.cat([values, v], 2)
                new_state[f"keys_{index}"], new_state[f"values_{index}"] = k[:, :, n:], v[:, :, n:]
            if right and as_operator:
                z, query, rest = delay(z, rows, state["queries"], used, right)
                queries.append(rest)
                used += right
            elif right:  # features and their queries wait until their look-ahead has arrived
                waiting = torch.cat([z, query.to(z.dtype)], -1)
                waiting = torch.cat([state["queries"][:, used : used + right], waiting], 1)
                queries.append(waiting[:, n:])
                z, query = waiting[:, :n, : c.hidden_size], waiting[:, :n, c.hidden_size :]
                used += right
            if as_operator:
                # In a stream the cache is as long as the band: every key it holds is seen
                table = F.pad(z.new_zeros(1, keys.shape[2] + 1), (0, 1), value=MASKED)
                attended, keys, values = layer.attention.streamed(query, rows, keys, values, first, table)
                new_state[f"keys_{index}"], new_state[f"values_{index}"] = keys, values
                z = layer.after(z, attended)
            else:
                mask, bias = self._band(n, k.shape[2] - n, right, first)
                z = layer(z, query, k, v, mask.to(z.dtype), bias)
            first = first - right
        if c.do_stable_layer_norm:
            z = encoder.layer_norm(z)
        return z, new_state | {"queries": torch.cat(queries, 1) if queries else state["queries"]}

    def _band(self, n: int, cache: int, right: int, first: Tensor) -> tuple[Tensor, Tensor | None]:
        """Additive mask [B, 1, n, cache + n] of a layer, and WavLM's bias.

        first [B]: index of the first row that enters the layer in this call.
        """
        left = self.config.left
        key = torch.arange(cache + n, device=first.device)
        offset = key[None] - torch.arange(n, device=first.device)[:, None] - (cache - left - right)
        inside = (offset >= 0) & (offset <= left + right)
        started = (first[:, None] + key - cache) >= 0  # keys before the stream are padding
        mask = torch.where(inside[None] & started[:, None], 0.0, MASKED)[:, None]
        return mask, self.encoder.relative_bias((offset - left).clamp(-left, right))

    def whole(self, audio: Tensor) -> Tensor:
        """All features of a clip in one call. audio [B, 320 T + 80] -> [B, T, D], feature t at time t / 50 s.

        The end is padded with silence, as a stream's flush does; with full context nothing is padded, and any length
        from 400 samples on will do.
        """
        if self.config.unlimited:
            return self(audio)
        tail = audio.new_zeros(audio.shape[0], HOP * self.config.delay_features)
        return self.whole_local(self.local_features(torch.cat([audio, tail], 1)))

    def whole_local(self, local: Tensor) -> Tensor:
        """`whole` from the front end's output of the padded clip [B, T + R, conv_dim[-1]] -> [B, T, D]."""
        if self.config.unlimited:
            return self.transform(local)
        features, _ = self.step_local(local, self.initial_state(local.shape[0], cache=0))
        return features[:, self.config.look_ahead :]

    def forward(self, audio: Tensor) -> Tensor:
        """Unlimited attention over the whole clip, as `transformers` computes it. audio [B, S] -> [B, T, D].

        T = (S - 400) // 320 + 1. Only for models without a band (equality with the original, distillation teachers).
        """
        return self.transform(self.local_features(audio))

    def transform(self, local: Tensor) -> Tensor:
        """The transformer with unlimited attention: the front end's output [B, T, conv_dim[-1]] -> [B, T, D]."""
        encoder = self.encoder
        x = self.project(local)
        position_conv = encoder.pos_conv_embed
        x = encoder.enter(x, position_conv(F.pad(x, (0, 0, position_conv.left, position_conv.right))))
        mask, index = x.new_zeros(1, 1, 1, 1), torch.arange(x.shape[1], device=x.device)
        bias = encoder.relative_bias(index[None] - index[:, None])
        for layer in encoder.layers:
            x = layer(x, *layer.attention.project(layer.source(x)), mask, bias)
        return encoder.layer_norm(x) if self.config.do_stable_layer_norm else x


def normalised(audio: Tensor) -> Tensor:
    """Clips [B, N] with mean 0 and variance 1 each, as the preprocessor of wav2vec2 brings them."""
    mean = audio.mean(1, keepdim=True)
    variance = (audio - mean).square().mean(1, keepdim=True)
    return (audio - mean) * torch.rsqrt(variance + _NORMALISER_EPS)


def check_band(config: EncoderConfig) -> None:
    """Raise `BandError` for a band that does not fit the encoder or is wider than a stream may hold."""
    c = config
    if not can_hold(c.rate):
        raise BandError(f"rate {c.rate}", "50, 30 or at most 25 rows per second", "Correct the configuration.")
    if c.normalised and not c.unlimited:
        raise BandError(
            "normalised clips with a band or a window", "full context", "Give input_gain, a fixed factor, in its place."
        )
    if c.level_decay is not None and (c.unlimited or c.window is not None):
        raise BandError(
            "level_decay with a window or full context",
            "a band: the level follows a stream",
            "Leave level_decay out, or give left, right and position_right.",
        )
    given = {"left": c.left, "right": c.right, "position_right": c.position_right}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return
    if missing or c.window is not None:
        raise BandError(
            f"a band without {' and '.join(missing)}" if missing else "a band and a window",
            "left, right and position_right together, or a window alone",
            "Give all three, or none of them for an unlimited encoder.",
        )
    if len(c.right) != c.num_hidden_layers:
        raise BandError(
            f"{len(c.right)} entries in right for {c.num_hidden_layers} layers", "one entry per layer", "Adapt `right`."
        )
    if not 1 <= c.left <= WIDEST_LEFT:
        raise BandError(f"left {c.left}", f"1 to {WIDEST_LEFT} features of 20 ms", "Choose another band.")
    if min(*c.right, c.position_right, 0) < 0 or c.look_ahead > LONGEST_LOOK_AHEAD:
        raise BandError(
            f"right {c.right} and position_right {c.position_right}",
            f"no negative number, and a look-ahead of at most {LONGEST_LOOK_AHEAD} features of 20 ms in sum",
            "Choose a narrower band.",
        )
    if c.look_ahead % group(c.rate)[1]:
        raise BandError(
            f"a look-ahead of {c.look_ahead} rows at {c.rate} Hz",
            f"a multiple of {group(c.rate)[1]}, which is whole features of 20 ms",
            "Change position_right or `right`.",
        )
