"""FaceFormer's decoder layer with a finite window, and the frame-by-frame loop that every model's decoder runs.

Per branch: the offsets of the previous frame -> d, plus the conditions, plus periodic position; causal self-attention
over the last `window` frames with FaceFormer's periodic bias; cross-attention aligned frame to frame, which with one
key per frame is `out(value(memory))` whatever the query; feed-forward; head d -> 3V.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_training.config import EMOTION_CLASSES, ModelConfig
from emoface_training.nn.stage import Stage, State
from emoface_training.nn.step_ops import stream_attention

MASKED = -1e9


class MotionOutputs(NamedTuple):
    """Offsets in the face's unit, each [B, T, V, 3]; a model of one branch has `fused` alone."""

    fused: Tensor
    emotion_branch: Tensor | None = None
    content_branch: Tensor | None = None


class BranchDecoder(nn.Module):
    """One branch: tokens and audio features -> hidden [B, n, d]. Post-norm, as FaceFormer."""

    def __init__(
        self, config: ModelConfig, motion_size: int, with_emotion: bool, classes: int = EMOTION_CLASSES + 1
    ) -> None:
        super().__init__()
        d, width = config.decoder, config.decoder.width
        self.heads = d.heads
        self.audio_feature_map = nn.Linear(config.width, width)
        self.motion_map = nn.Linear(motion_size, width)
        self.motion_head = nn.Linear(width, motion_size)
        nn.init.zeros_(self.motion_head.weight)
        nn.init.zeros_(self.motion_head.bias)
        self.style_embedding = nn.Linear(len(config.styles), width, bias=False)
        self.with_emotion = with_emotion
        if with_emotion:
            self.level_embedding = nn.Linear(2, width, bias=False)
            self.emotion_embedding = nn.Linear(classes, width, bias=False)
        self.self_in = nn.Linear(width, 3 * width)
        self.self_out = nn.Linear(width, width)
        self.cross_value = nn.Linear(width, width)
        self.cross_out = nn.Linear(width, width)
        self.linear1 = nn.Linear(width, 2 * width)
        self.linear2 = nn.Linear(2 * width, width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(d.dropout)
        self.attention_dropout = nn.Dropout(d.attention_dropout)
        # What training does to the tokens before the layer
        self.token_dropout: nn.Module = nn.Dropout(d.position_dropout) if d.position_dropout else nn.Identity()

    def condition(self, inputs: State) -> Tensor:
        """Sum of the condition embeddings, [B, d] for conditions [B, ...]."""
        total = self.style_embedding(inputs["style"])
        if self.with_emotion:
            total = total + self.level_embedding(inputs["level"]) + self.emotion_embedding(inputs["emotion_class"])
        return total

    def forward(self, tokens: Tensor, features: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> tuple:
        """tokens [B, n, d], features [B, n, D], keys/values [B, H, cache, d/H], bias [B, H, n, cache + n]."""
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.self_in(tokens).chunk(3, -1))
        k, v = torch.cat([keys, k], 2), torch.cat([values, v], 2)
        if self.training and self.attention_dropout.p > 0:
            weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias).softmax(-1)
            attended = self.attention_dropout(weights) @ v
        else:
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self._after(tokens, attended.transpose(1, 2).flatten(2), features), k, v

    def exported(
        self, tokens: Tensor, features: Tensor, keys: Tensor, values: Tensor, first: Tensor, table: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`forward` as it is exported: attention as one operator, and one product for the three of `cross`.

        first int64 [B]: frames so far; table [H, cache + 2]: bias by distance, see `stream_attention`. Returns hidden,
        new keys, new values.
        """
        width = tokens.shape[-1]
        scale = (width // self.heads) ** -0.5
        scales = torch.cat([torch.full((width,), scale), torch.ones(2 * width)])
        projected = F.linear(tokens, self.self_in.weight * scales[:, None], self.self_in.bias * scales)
        attended, keys, values = stream_attention(projected[..., :width], projected, keys, values, first, table)
        return self._after(tokens, attended, features), keys, values

    def cross(self, x: Tensor, features: Tensor) -> Tensor:
        """Cross-attention of x [B, n, d] to the features of its own frame: with one key, whatever the query."""
        if not torch.compiler.is_exporting():
            value = self.cross_value(self.audio_feature_map(features))
            if self.training and self.attention_dropout.p > 0:  # of the one weight that each head has
                weight = self.attention_dropout(value.new_ones(*value.shape[:2], self.heads, 1))
                value = (value.unflatten(-1, (self.heads, -1)) * weight).flatten(2)
            return self.cross_out(value)
        inner = self.cross_value.weight @ self.audio_feature_map.weight
        inner_bias = self.cross_value.weight @ self.audio_feature_map.bias + self.cross_value.bias
        bias = self.cross_out.weight @ inner_bias + self.cross_out.bias
        return F.linear(features, self.cross_out.weight @ inner, bias)

    def _after(self, tokens: Tensor, attended: Tensor, features: Tensor) -> Tensor:
        x = self.norm1(tokens + self.dropout(self.self_out(attended)))
        x = self.norm2(x + self.dropout(self.cross(x, features)))
        return self.norm3(x + self.dropout(self.linear2(self.dropout(F.relu(self.linear1(x))))))


class MotionDecoder(Stage):
    """One or more branches that are fed with the motion of the frames before; subclasses say how they make a face.

    A subclass names its `branch_names` (branch x is the attribute `x_branch`, reads the input `x` and keeps the states
    `x_keys`, `x_values`) and the inputs that change with every frame, and defines `_fuse` and `_exported_step`.
    """

    cadence = "frame"
    output_names: tuple[str, ...] = ("offsets",)
    branch_names: ClassVar[tuple[str, ...]]
    per_frame: ClassVar[tuple[str, ...]]

    def __init__(self, config: ModelConfig, basis: Tensor | None = None) -> None:
        super().__init__()
        d = config.decoder
        self.config = config
        if d.motion_rank is None:
            self.basis = None
        else:
            basis = torch.zeros(d.motion_rank, 3 * config.vertices) if basis is None else basis
            if basis.shape != (d.motion_rank, 3 * config.vertices):
                raise ValueError(
                    f"the motion basis must be [{d.motion_rank}, {3 * config.vertices}], got {list(basis.shape)}"
                )
            # Half-precision values, so that the exported package can store the basis in half the bytes, exactly
            self.register_buffer("basis", basis.half().float())
        self.register_buffer("slopes", _head_slopes(d.heads), persistent=False)
        self.register_buffer("positions", periodic_positions(d.period, d.width), persistent=False)

    @property
    def motion_size(self) -> int:
        """Numbers per frame that a branch predicts and is fed with."""
        rank = self.config.decoder.motion_rank
        return 3 * self.config.vertices if rank is None else rank

    @property
    def branches(self) -> tuple[BranchDecoder, ...]:
        return tuple(getattr(self, f"{name}_branch") for name in self.branch_names)

    def initial_state(self, batch: int, cache: int | None = None) -> State:
        """`cache` frames of keys (default: the window less one, what a stream needs; 0 for one whole-clip call)."""
        d = self.config.decoder
        cache = d.window - 1 if cache is None else cache
        zeros = self.branches[0].linear1.weight.new_zeros
        state = {"feedback": zeros(batch, len(self.branch_names), d.width)}
        for name in self.branch_names:
            for kind in ("keys", "values"):
                state[f"{name}_{kind}"] = zeros(batch, d.heads, cache, d.width // d.heads)
        return state | {"frame": torch.zeros(batch, dtype=torch.int64, device=self.positions.device)}

    def motion_code(self, offsets: Tensor, vertices: Tensor | None = None) -> Tensor:
        """What is fed back of offsets [B, n, V, 3]: the offsets themselves or their coordinates in the basis.

        With `vertices` int64 [S], offsets [B, n, S, 3] are given there alone and the coordinates are their
        least-squares estimate (training on vertex samples; only with a motion basis).
        """
        flat = offsets.flatten(2)
        if self.basis is None:
            if vertices is not None:
                raise ValueError("vertex samples need a motion basis (motion_rank); the dense head needs all vertices")
            return flat
        if vertices is None:
            return flat @ self.basis.T / self.basis.square().sum(1)
        basis = self._basis_at(vertices)
        return torch.linalg.solve(basis @ basis.T, basis @ flat.flatten(0, 1).T).T.unflatten(0, flat.shape[:2])

    def _basis_at(self, vertices: Tensor) -> Tensor:
        return self.basis.unflatten(1, (-1, 3))[:, vertices].flatten(1)

    def feedback_of_codes(self) -> Tensor:
        """[R, R]: `motion_code(code @ basis)` is code @ this, the identity where the basis is orthogonal."""
        assert self.basis is not None
        return self.basis @ self.basis.T / self.basis.square().sum(1)

    def embed_feedback(self, code: Tensor) -> Tensor:
        """Feedback tokens [B, n, branches, d] of motion codes [B, n, 3V or rank]."""
        return torch.stack([branch.motion_map(code) for branch in self.branches], 2)

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """Outputs that say a frame in the motion basis; none with the dense head."""
        return () if self.basis is None else ("coefficients",)

    @contextmanager
    def giving(self, *names: str) -> Iterator[None]:
        """Let steps give these outputs: "offsets", and some of `coefficient_names`. Offsets alone otherwise."""
        before, self.output_names = self.output_names, names
        try:
            yield
        finally:
            self.output_names = before

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        if torch.compiler.is_exporting():
            return self._exported_step(inputs, state)
        hidden, new_state = self._hidden(
            state["feedback"][:, None], self._features(inputs), self._conditions(inputs), state
        )
        offsets = self._fuse(hidden, inputs).fused
        new_state["feedback"] = self.embed_feedback(self.motion_code(offsets))[:, 0]
        if self.output_names == ("offsets",):
            return {"offsets": offsets}, new_state
        codes = [branch.motion_head(x) for branch, x in zip(self.branches, hidden, strict=True)]
        return self._outputs(offsets, codes), new_state

    def given(self, inputs: State, code: Tensor, vertices: Tensor | None = None) -> MotionOutputs:
        """Whole clip in parallel with given motion codes [B, T, 3V or rank] (frame t is fed at t + 1).

        With `vertices` int64 [S], weights and offsets are those of the listed vertices alone.
        """
        state = self.initial_state(code.shape[0], cache=0)
        tokens = self.embed_feedback(code[:, :-1])
        tokens = torch.cat([state["feedback"][:, None], tokens], 1)
        hidden, _ = self._hidden(tokens, self._features(inputs), self._conditions(inputs), state)
        return self._fuse(hidden, inputs, vertices)

    def autoregressive(self, inputs: State, state: State | None = None) -> Tensor:
        """Whole clip, frame by frame on its own output: offsets [B, T, V, 3]. Conditions [B, ...] hold throughout."""
        first = inputs[self.branch_names[0]]
        state = self.initial_state(first.shape[0]) if state is None else state
        out = []
        for t in range(first.shape[1]):
            outputs, state = self.step(self._at(inputs, t), state)
            out.append(outputs["offsets"])
        return torch.cat(out, 1)

    def rollout(self, inputs: State, vertices: Tensor | None = None) -> tuple[MotionOutputs, Tensor]:
        """Autoregression on the model's own output as training sees it: outputs, and motion codes [B, T, 3V or rank].

        Gradients flow through what is fed back, unless the caller switches them off. With `vertices` int64 [S],
        weights and outputs are those of the listed vertices alone and the codes are estimated from them.
        """
        first = inputs[self.branch_names[0]]
        frames = first.shape[1]
        state = self.initial_state(first.shape[0], cache=min(frames, self.config.decoder.window - 1))
        conditions = self._conditions(inputs)
        outputs, codes = [], []
        for t in range(frames):
            now, told = self._at(inputs, t), conditions[:, t : t + 1] if conditions.shape[1] > 1 else conditions
            hidden, state_after = self._hidden(state["feedback"][:, None], self._features(now), told, state)
            outputs.append(self._fuse(hidden, now, vertices))
            codes.append(self.motion_code(outputs[-1].fused, vertices))
            state = state_after | {"feedback": self.embed_feedback(codes[-1])[:, 0]}
        whole = (None if part[0] is None else torch.cat(part, 1) for part in zip(*outputs, strict=True))
        return MotionOutputs(*whole), torch.cat(codes, 1)

    def rollout_codes(self, inputs: State, vertices: Tensor | None = None) -> Tensor:
        """The motion codes of `rollout`."""
        return self.rollout(inputs, vertices)[1]

    def _at(self, inputs: State, t: int) -> State:
        return {key: value[:, t : t + 1] if key in self.per_frame else value for key, value in inputs.items()}

    def _features(self, inputs: State) -> tuple[Tensor, ...]:
        return tuple(inputs[name] for name in self.branch_names)

    def _conditions(self, inputs: State) -> Tensor:
        """Embedded conditions of every branch, [B, n, branches, d], or [B, 1, branches, d] for all frames alike."""
        return torch.stack([branch.condition(inputs) for branch in self.branches], 1)[:, None]

    def _hidden(
        self, feedback: Tensor, features: tuple[Tensor, ...], conditions: Tensor, state: State
    ) -> tuple[tuple[Tensor, ...], State]:
        """feedback [B, n, branches, d], conditions [B, n or 1, branches, d] -> hidden of every branch [B, n, d]."""
        n, cache = feedback.shape[1], state[f"{self.branch_names[0]}_keys"].shape[2]
        frame = state["frame"][:, None] + torch.arange(n, device=feedback.device)
        position = self.positions[frame % self.config.decoder.period]  # [B, n, d]
        bias = self._attention_bias(state["frame"], n, cache)
        hidden, new_state = [], {"feedback": feedback[:, -1]}
        sources = zip(self.branch_names, self.branches, features, strict=True)
        for index, (name, branch, of_branch) in enumerate(sources):
            tokens = branch.token_dropout(feedback[:, :, index] + conditions[:, :, index] + position)
            x, k, v = branch(tokens, of_branch, state[f"{name}_keys"], state[f"{name}_values"], bias)
            hidden.append(x)
            new_state |= {f"{name}_keys": k[:, :, n:], f"{name}_values": v[:, :, n:]}
        return tuple(hidden), new_state | {"frame": state["frame"] + n}

    def _attention_bias(self, frame: Tensor, n: int, cache: int) -> Tensor:
        """FaceFormer's temporal bias -slope * floor(age / period), causal, within the window, [B, H, n, cache + n]."""
        d = self.config.decoder
        age = torch.arange(n, device=frame.device)[:, None] + cache - torch.arange(cache + n, device=frame.device)[None]
        penalty = -self.slopes[:, None, None] * torch.div(age, d.period, rounding_mode="floor").to(self.slopes.dtype)
        key_frame = frame[:, None, None] - cache + torch.arange(cache + n, device=frame.device)
        visible = ((age >= 0) & (age < d.window))[None] & (key_frame >= 0)
        return torch.where(visible[:, None], penalty, MASKED)

    def _attention_table(self) -> Tensor:
        """The same bias by distance for `stream_attention`, [H, window + 1]."""
        d = self.config.decoder
        age = torch.arange(d.window - 1, -1, -1)
        table = -self.slopes[:, None] * torch.div(age, d.period, rounding_mode="floor").to(self.slopes.dtype)
        return F.pad(table, (0, 1), value=MASKED)

    def _fuse(self, hidden: tuple[Tensor, ...], inputs: State, vertices: Tensor | None = None) -> MotionOutputs:
        """One face of the branches' hidden states [B, n, d]."""
        raise TypeError(f"{type(self).__name__} must define _fuse(hidden, inputs, vertices)")

    def _exported_step(self, inputs: State, state: State) -> tuple[State, State]:
        """The same frame with fewer and larger operations, for inference."""
        raise TypeError(f"{type(self).__name__} must define _exported_step(inputs, state)")

    def _outputs(self, offsets: Tensor | None, codes: list[Tensor]) -> State:
        """What a step gives, of the branches' coordinates in the motion basis; one sum here."""
        given = {"offsets": offsets, "coefficients": sum(codes[1:], codes[0])}
        return {name: given[name] for name in self.output_names}

    def _offsets(self, branch: BranchDecoder, hidden: Tensor, vertices: Tensor | None = None) -> Tensor:
        code = branch.motion_head(hidden)
        if self.basis is not None:
            code = code @ (self.basis if vertices is None else self._basis_at(vertices))
            return code.unflatten(-1, (-1, 3))
        offsets = code.unflatten(-1, (self.config.vertices, 3))
        return offsets if vertices is None else offsets[:, :, vertices]


def _head_slopes(heads: int) -> Tensor:
    """ALiBi's slopes as FaceFormer uses them: 1/4, 1/16, 1/64, 1/256 for four heads."""
    return torch.tensor([2.0 ** (-8.0 * (i + 1) / heads) for i in range(heads)])


def periodic_positions(period: int, width: int) -> Tensor:
    position = torch.arange(period, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10000.0) / width))
    table = torch.zeros(period, width)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)
    return table
