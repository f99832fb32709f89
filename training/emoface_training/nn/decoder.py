"""The two autoregressive decoders (FaceFormer's layer with a finite window) and the fusion of their offsets.

Per branch: the fused offsets of the previous frame -> d, plus the conditions, plus periodic position; causal
self-attention over the last `window` frames with FaceFormer's periodic bias; cross-attention aligned frame to frame,
which with one key per frame is `out(value(memory))` whatever the query; feed-forward; head d -> 3V.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_training.config import EMOTION_CLASSES, EmoFaceConfig
from emoface_training.nn.stage import Stage, State
from emoface_training.nn.step_ops import motion_head, stream_attention

BRANCHES = ("emotion", "content")
MASKED = -1e9


class MotionOutputs(NamedTuple):
    """Offsets in metres, each [B, T, V, 3]."""

    fused: Tensor
    emotion_branch: Tensor
    content_branch: Tensor


class BranchDecoder(nn.Module):
    """One branch: tokens and audio features -> hidden [B, n, d]. Post-norm, as FaceFormer."""

    def __init__(self, config: EmoFaceConfig, motion_size: int, with_emotion: bool) -> None:
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
            self.emotion_embedding = nn.Linear(EMOTION_CLASSES + 1, width, bias=False)
        self.self_in = nn.Linear(width, 3 * width)
        self.self_out = nn.Linear(width, width)
        self.cross_value = nn.Linear(width, width)
        self.cross_out = nn.Linear(width, width)
        self.linear1 = nn.Linear(width, 2 * width)
        self.linear2 = nn.Linear(2 * width, width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(d.dropout)

    def condition(self, style: Tensor, level: Tensor, emotion_class: Tensor) -> Tensor:
        """Sum of the condition embeddings, [B, d] for conditions [B, ...]."""
        total = self.style_embedding(style)
        if self.with_emotion:
            total = total + self.level_embedding(level) + self.emotion_embedding(emotion_class)
        return total

    def forward(self, tokens: Tensor, features: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> tuple:
        """tokens [B, n, d], features [B, n, D], keys/values [B, H, cache, d/H], bias [B, H, n, cache + n]."""
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.self_in(tokens).chunk(3, -1))
        k, v = torch.cat([keys, k], 2), torch.cat([values, v], 2)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        memory = self.cross_out(self.cross_value(self.audio_feature_map(features)))
        return self._after(tokens, attended.transpose(1, 2).flatten(2), memory), k, v

    def exported(
        self, tokens: Tensor, features: Tensor, keys: Tensor, values: Tensor, first: Tensor, table: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`forward` as it is exported: attention as one operator, and one product for the three behind `memory`.

        first int64 [B]: frames so far; table [H, cache + 2]: bias by distance, see `stream_attention`. Returns hidden,
        new keys, new values.
        """
        width = tokens.shape[-1]
        scale = (width // self.heads) ** -0.5
        scales = torch.cat([torch.full((width,), scale), torch.ones(2 * width)])
        projected = F.linear(tokens, self.self_in.weight * scales[:, None], self.self_in.bias * scales)
        attended, keys, values = stream_attention(projected[..., :width], projected, keys, values, first, table)
        inner = self.cross_value.weight @ self.audio_feature_map.weight
        inner_bias = self.cross_value.weight @ self.audio_feature_map.bias + self.cross_value.bias
        bias = self.cross_out.weight @ inner_bias + self.cross_out.bias
        memory = F.linear(features, self.cross_out.weight @ inner, bias)
        return self._after(tokens, attended, memory), keys, values

    def _after(self, tokens: Tensor, attended: Tensor, memory: Tensor) -> Tensor:
        x = self.norm1(tokens + self.dropout(self.self_out(attended)))
        x = self.norm2(x + self.dropout(memory))
        return self.norm3(x + self.dropout(self.linear2(self.dropout(F.relu(self.linear1(x))))))


class TwoBranchDecoder(Stage):
    """content, emotion [B, 1, D], emotion_weight [B, 1, V], conditions -> offsets [B, 1, V, 3] of one frame."""

    cadence = "frame"
    input_names = ("content", "emotion", "emotion_weight", "style", "level", "emotion_class")
    output_names = ("offsets",)

    def __init__(self, config: EmoFaceConfig, basis: Tensor | None = None) -> None:
        super().__init__()
        d = config.decoder
        self.config = config
        self.adds = config.mesh_attention.fusion == "add"
        motion_size = 3 * config.vertices if d.motion_rank is None else d.motion_rank
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
        self.emotion_branch = BranchDecoder(config, motion_size, with_emotion=True)
        self.content_branch = BranchDecoder(config, motion_size, with_emotion=False)
        self.register_buffer("slopes", _head_slopes(d.heads), persistent=False)
        self.register_buffer("positions", _periodic_positions(d.period, d.width), persistent=False)

    @property
    def branches(self) -> tuple[BranchDecoder, BranchDecoder]:
        return self.emotion_branch, self.content_branch

    def initial_state(self, batch: int, cache: int | None = None) -> State:
        """`cache` frames of keys (default: the window less one, what a stream needs; 0 for one whole-clip call)."""
        d = self.config.decoder
        cache = d.window - 1 if cache is None else cache
        zeros = self.emotion_branch.linear1.weight.new_zeros
        state = {"feedback": zeros(batch, 2, d.width)}
        for name in BRANCHES:
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

    def embed_feedback(self, code: Tensor) -> Tensor:
        """Feedback tokens [B, n, 2, d] of motion codes [B, n, 3V or rank]."""
        return torch.stack([branch.motion_map(code) for branch in self.branches], 2)

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        if torch.compiler.is_exporting():
            return self._exported_step(inputs, state)
        hidden, new_state = self._hidden(
            state["feedback"][:, None], inputs["content"], inputs["emotion"], self._conditions(inputs), state
        )
        offsets = self._fuse(hidden, inputs["emotion_weight"]).fused
        new_state["feedback"] = self.embed_feedback(self.motion_code(offsets))[:, 0]
        return {"offsets": offsets}, new_state

    def _exported_step(self, inputs: State, state: State) -> tuple[State, State]:
        """The same frame with fewer and larger operations, for inference."""
        d = self.config.decoder
        # Both branches' conditions, and later both feedbacks, are one product
        conditions = torch.cat([inputs["style"], inputs["level"], inputs["emotion_class"]], -1)
        emotion = self.emotion_branch
        embeddings = (emotion.style_embedding, emotion.level_embedding, emotion.emotion_embedding)
        by_emotion = torch.cat([embedding.weight for embedding in embeddings], 1)
        by_style = self.content_branch.style_embedding.weight
        by_content = F.pad(by_style, (0, by_emotion.shape[1] - by_style.shape[1]))
        embedded = F.linear(conditions, torch.cat([by_emotion, by_content])).unflatten(-1, (2, d.width))
        tokens = state["feedback"] + embedded + self.positions[state["frame"] % d.period][:, None]
        age = torch.arange(d.window - 1, -1, -1)
        table = -self.slopes[:, None] * torch.div(age, d.period, rounding_mode="floor").to(self.slopes.dtype)
        table = F.pad(table, (0, 1), value=MASKED)
        hidden, new_state = [], {}
        for index, (name, branch) in enumerate(zip(BRANCHES, self.branches, strict=True)):
            x, keys, values = branch.exported(
                tokens[:, index : index + 1],
                inputs[name],
                state[f"{name}_keys"],
                state[f"{name}_values"],
                state["frame"],
                table,
            )
            hidden.append(x)
            new_state |= {f"{name}_keys": keys, f"{name}_values": values}
        maps = [branch.motion_map for branch in self.branches]
        weight, bias = torch.cat([m.weight for m in maps]), torch.cat([m.bias for m in maps])
        if self.basis is None or self.adds:
            offsets = self._fuse((hidden[0], hidden[1]), inputs["emotion_weight"]).fused
            code = self.motion_code(offsets)
        else:
            codes = [branch.motion_head(x) for branch, x in zip(self.branches, hidden, strict=True)]
            offsets, code = motion_head(codes[0], codes[1], inputs["emotion_weight"], self.basis)
            weight = weight / self.basis.square().sum(1)
        feedback = F.linear(code, weight, bias)[:, 0].unflatten(-1, (2, d.width))
        new_state = {"feedback": feedback} | new_state | {"frame": state["frame"] + 1}
        return {"offsets": offsets}, new_state

    def given(self, inputs: State, code: Tensor, vertices: Tensor | None = None) -> MotionOutputs:
        """Whole clip in parallel with given motion codes [B, T, 3V or rank] (frame t is fed at t + 1).

        With `vertices` int64 [S], weights and offsets are those of the listed vertices alone.
        """
        state = self.initial_state(code.shape[0], cache=0)
        tokens = self.embed_feedback(code[:, :-1])
        tokens = torch.cat([state["feedback"][:, None], tokens], 1)
        hidden, _ = self._hidden(tokens, inputs["content"], inputs["emotion"], self._conditions(inputs), state)
        return self._fuse(hidden, inputs["emotion_weight"], vertices)

    def autoregressive(self, inputs: State, state: State | None = None) -> Tensor:
        """Whole clip, frame by frame on its own output: offsets [B, T, V, 3]. Conditions [B, ...] hold throughout."""
        frames = inputs["content"].shape[1]
        state = self.initial_state(inputs["content"].shape[0]) if state is None else state
        per_frame = ("content", "emotion", "emotion_weight")
        out = []
        for t in range(frames):
            now = {key: value[:, t : t + 1] if key in per_frame else value for key, value in inputs.items()}
            outputs, state = self.step(now, state)
            out.append(outputs["offsets"])
        return torch.cat(out, 1)

    def rollout_codes(self, inputs: State, vertices: Tensor | None = None) -> Tensor:
        """Motion codes [B, T, 3V or rank] of autoregression on the model's own output (training's view of inference).

        With `vertices` int64 [S], `emotion_weight` is [B, T, S] and the codes are estimated from those vertices alone.
        """
        frames = inputs["content"].shape[1]
        state = self.initial_state(inputs["content"].shape[0], cache=min(frames, self.config.decoder.window - 1))
        conditions = self._conditions(inputs)
        codes = []
        for t in range(frames):
            now = slice(t, t + 1)
            hidden, state_after = self._hidden(
                state["feedback"][:, None], inputs["content"][:, now], inputs["emotion"][:, now], conditions, state
            )
            fused = self._fuse(hidden, inputs["emotion_weight"][:, now], vertices).fused
            codes.append(self.motion_code(fused, vertices))
            state = state_after | {"feedback": self.embed_feedback(codes[-1])[:, 0]}
        return torch.cat(codes, 1)

    def _conditions(self, inputs: State) -> Tensor:
        style, level, emotion_class = inputs["style"], inputs["level"], inputs["emotion_class"]
        return torch.stack([branch.condition(style, level, emotion_class) for branch in self.branches], 1)

    def _hidden(
        self, feedback: Tensor, content: Tensor, emotion: Tensor, conditions: Tensor, state: State
    ) -> tuple[tuple[Tensor, Tensor], State]:
        """feedback [B, n, 2, d], conditions [B, 2, d] -> hidden of both branches [B, n, d]."""
        n, cache = feedback.shape[1], state["emotion_keys"].shape[2]
        frame = state["frame"][:, None] + torch.arange(n, device=feedback.device)
        position = self.positions[frame % self.config.decoder.period]  # [B, n, d]
        bias = self._attention_bias(state["frame"], n, cache)
        hidden, new_state = [], {"feedback": feedback[:, -1]}
        sources = zip(BRANCHES, self.branches, (emotion, content), strict=True)
        for index, (name, branch, features) in enumerate(sources):
            tokens = feedback[:, :, index] + conditions[:, None, index] + position
            x, k, v = branch(tokens, features, state[f"{name}_keys"], state[f"{name}_values"], bias)
            hidden.append(x)
            new_state |= {f"{name}_keys": k[:, :, n:], f"{name}_values": v[:, :, n:]}
        return (hidden[0], hidden[1]), new_state | {"frame": state["frame"] + n}

    def _attention_bias(self, frame: Tensor, n: int, cache: int) -> Tensor:
        """FaceFormer's temporal bias -slope * floor(age / period), causal, within the window, [B, H, n, cache + n]."""
        d = self.config.decoder
        age = torch.arange(n, device=frame.device)[:, None] + cache - torch.arange(cache + n, device=frame.device)[None]
        penalty = -self.slopes[:, None, None] * torch.div(age, d.period, rounding_mode="floor").to(self.slopes.dtype)
        key_frame = frame[:, None, None] - cache + torch.arange(cache + n, device=frame.device)
        visible = ((age >= 0) & (age < d.window))[None] & (key_frame >= 0)
        return torch.where(visible[:, None], penalty, MASKED)

    def _fuse(
        self, hidden: tuple[Tensor, Tensor], emotion_weight: Tensor, vertices: Tensor | None = None
    ) -> MotionOutputs:
        """dM = w_e dM_e + w_c dM_c with w_c = 1 - w_e per vertex; the ablation "add" is w = 1, 1."""
        emotion, content = (self._offsets(b, h, vertices) for b, h in zip(self.branches, hidden, strict=True))
        fused = emotion + content if self.adds else content + emotion_weight[..., None] * (emotion - content)
        return MotionOutputs(fused, emotion, content)

    def _offsets(self, branch: BranchDecoder, hidden: Tensor, vertices: Tensor | None) -> Tensor:
        code = branch.motion_head(hidden)
        if self.basis is not None:
            code = code @ (self.basis if vertices is None else self._basis_at(vertices))
            return code.unflatten(-1, (-1, 3))
        offsets = code.unflatten(-1, (self.config.vertices, 3))
        return offsets if vertices is None else offsets[:, :, vertices]


def _head_slopes(heads: int) -> Tensor:
    """ALiBi's slopes as FaceFormer uses them: 1/4, 1/16, 1/64, 1/256 for four heads."""
    return torch.tensor([2.0 ** (-8.0 * (i + 1) / heads) for i in range(heads)])


def _periodic_positions(period: int, width: int) -> Tensor:
    position = torch.arange(period, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10000.0) / width))
    table = torch.zeros(period, width)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)
    return table
