"""Mesh Attention (EmoFace paper, section 3.2): per-vertex, per-frame weights of the two branches, from audio alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_training.config import EmoFaceConfig
from emoface_training.nn.spiral_op import spiral_conv3d, spiral_conv3d_projected
from emoface_training.nn.stage import Stage, State
from emoface_training.nn.step_ops import vertex_layer


class SpiralConv3D(nn.Module):
    """The generic layer [B, n, V, Cin] -> [B, n, V, Cout] with its partial sums as state."""

    def __init__(self, spiral: Tensor, channels_in: int, channels_out: int, delta: int) -> None:
        super().__init__()
        self.delta = delta
        self.register_buffer("spiral", spiral.to(torch.int32), persistent=False)
        self.weight = nn.Parameter(torch.empty(channels_out, delta * spiral.shape[1] * channels_in))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor, partial: Tensor) -> tuple[Tensor, Tensor]:
        return _operator()(x, partial, self.spiral, self.weight, self.bias, self.delta)


class SeparableSpiralConv3D(SpiralConv3D):
    """The same layer for the input `audio[t] + position[v]`, where it splits exactly into a time and a vertex part.

    y[t, v] = b + sum_j (sum_k W[j, k]) audio[t - j] + sum_{j <= t} sum_k W[j, k] position[spiral[v, k]]; zero padding
    leaves out the constant of frames before the start, hence one constant per number of available past frames.
    """

    def constants(self, position: Tensor) -> Tensor:
        """position [V, Cin] -> [delta, V, Cout]: entry a serves frames with a available past frames, bias included."""
        delta, channels_out = self.delta, self.weight.shape[0]
        # Every age as an output channel of a single frame: one gather for all of them
        taps = self.weight.unflatten(1, (delta, -1)).flip(1).transpose(0, 1).flatten(0, 1)
        nothing = position.new_zeros(1, 0, position.shape[0], delta * channels_out)
        bias = position.new_zeros(delta * channels_out)
        per_age, _ = spiral_conv3d_projected(position[None, None], nothing, self.spiral, taps, bias, 1)
        return per_age[0, 0].unflatten(-1, (delta, channels_out)).transpose(0, 1).cumsum(0) + self.bias

    def forward(self, audio: Tensor, past: Tensor, available: Tensor, constants: Tensor) -> Tensor:
        """audio [B, n, Cin], past [B, delta - 1, Cin], available int64 [B, n] (0 ... delta - 1) -> [B, n, V, Cout]."""
        return self.frame_part(audio, past)[:, :, None] + constants[available]

    def frame_part(self, audio: Tensor, past: Tensor) -> Tensor:
        """What a frame's audio and its past give to every vertex alike, [B, n, Cout]."""
        taps = self.weight.unflatten(1, (self.delta, self.spiral.shape[1], -1)).sum(2)  # [Cout, delta, Cin]
        frames = torch.cat([past, audio], 1)
        n = audio.shape[1]
        unfolded = torch.cat([frames[:, j : j + n] for j in range(self.delta)], -1)
        return F.linear(unfolded, taps.flatten(1))


class MeshAttention(Stage):
    """content, emotion [B, n, D] at frame rate -> emotion_weight w_e [B, n, V]; the content branch gets 1 - w_e.

    The paper's softmax over two logits per vertex is the sigmoid of their difference, so the second layer is evaluated
    for the difference alone (exact). With `fusion="add"` (ablation) both branches count fully: w_e = 1 and the decoder
    adds them.
    """

    cadence = "frames"
    input_names = ("content", "emotion")
    output_names = ("emotion_weight",)

    def __init__(self, config: EmoFaceConfig, spiral: Tensor) -> None:
        super().__init__()
        width, m = config.width, config.mesh_attention
        channels = width // 16
        self.vertices, self.delta, self.adds = config.vertices, m.delta, m.fusion == "add"
        if self.adds:
            return
        self.reduce_emotion = nn.Linear(width, width // 4)
        self.reduce_content = nn.Linear(width, width // 4)
        self.reduce_both = nn.Linear(width // 2, channels)
        self.position = nn.Parameter(torch.randn(config.vertices, channels) * 0.1)
        self.first = SeparableSpiralConv3D(spiral, channels, channels, m.delta)
        self.second = SpiralConv3D(spiral, channels, 2, m.delta)
        self._frozen: tuple[Tensor, Tensor, Tensor] | None = None

    def initial_state(self, batch: int) -> State:
        if self.adds:
            return {}
        channels = self.position.shape[1]
        return {
            "past": self.position.new_zeros(batch, self.delta - 1, channels),
            "partial": self.position.new_zeros(batch, self.delta - 1, self.vertices, 1),
            "available": torch.zeros(batch, dtype=torch.int64, device=self.position.device),
        }

    def freeze(self) -> MeshAttention:
        """Fix what depends on weights alone (vertex constants, logit difference): the form that is exported."""
        if not self.adds:
            with torch.no_grad():
                self._frozen = tuple(t.detach().clone() for t in self._derived())
        return self

    def _derived(self) -> tuple[Tensor, Tensor, Tensor]:
        """Vertex constants of the first layer; weight and bias of the second for the logit difference."""
        weight, bias = self.second.weight, self.second.bias
        return self.first.constants(self.position), weight[0:1] - weight[1:2], bias[0:1] - bias[1:2]

    def audio_features(self, content: Tensor, emotion: Tensor) -> Tensor:
        """F_audio [B, n, D / 16]: one MLP layer per stream, concatenated, one more (section 3.2)."""
        both = torch.cat([F.relu(self.reduce_emotion(emotion)), F.relu(self.reduce_content(content))], -1)
        return self.reduce_both(both)

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        content = inputs["content"]
        batch, n = content.shape[:2]
        if self.adds:
            return {"emotion_weight": content.new_ones(batch, n, self.vertices)}, {}
        hidden, past = self._first_layer(inputs, state)
        _, weight, bias = self._frozen or self._derived()
        difference, partial = _operator()(hidden, state["partial"], self.second.spiral, weight, bias, self.delta)
        return {"emotion_weight": torch.sigmoid(difference.flatten(2))}, {
            "past": past,
            "partial": partial,
            "available": (state["available"] + n).clamp(max=self.delta - 1),
        }

    def _first_layer(self, inputs: State, state: State) -> tuple[Tensor, Tensor]:
        """Hidden [B, n, V, C / 16] after ELU, and the new past audio features."""
        audio = self.audio_features(inputs["content"], inputs["emotion"])
        n = audio.shape[1]
        constants = (self._frozen or self._derived())[0]
        available = state["available"][:, None] + torch.arange(n, device=audio.device)
        available, past = available.clamp(max=self.delta - 1), state["past"]
        if torch.compiler.is_exporting():
            hidden = vertex_layer(self.first.frame_part(audio, past), constants, available)
        else:
            hidden = F.elu(self.first(audio, past, available, constants))
        return hidden, torch.cat([past, audio], 1)[:, n:]

    def whole(self, content: Tensor, emotion: Tensor, vertices: Tensor | None = None) -> Tensor:
        """Weights of a whole clip, [B, T, V], or [B, T, S] at the listed `vertices` int64 [S] alone (training)."""
        state = self.initial_state(content.shape[0])
        if vertices is None:
            return self.step({"content": content, "emotion": emotion}, state)[0]["emotion_weight"]
        if self.adds:
            return content.new_ones(*content.shape[:2], len(vertices))
        constants, weight, bias = self._derived()
        # Only the listed vertices' neighbours need the first layer
        used, spiral = torch.unique(self.second.spiral[vertices].long(), return_inverse=True)
        audio = self.audio_features(content, emotion)
        available = torch.arange(audio.shape[1], device=audio.device).clamp(max=self.delta - 1)[None]
        hidden = F.elu(self.first(audio, state["past"], available, constants[:, used]))
        partial = hidden.new_zeros(hidden.shape[0], self.delta - 1, len(vertices), 1)
        difference, _ = spiral_conv3d_projected(hidden, partial, spiral, weight, bias, self.delta)
        return torch.sigmoid(difference[..., 0])


def _operator():
    return spiral_conv3d if torch.compiler.is_exporting() else spiral_conv3d_projected
