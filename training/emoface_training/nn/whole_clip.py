"""FaceFormer's encoder as published: whole clips, normalised, interpolated to their length, unlimited attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from emoface_training.config import FaceFormerConfig
from emoface_training.nn.stage import Stage, State
from emoface_training.nn.wav2vec2 import MASKED, StreamingWav2Vec2, normalised


class WholeClipEncoder(Stage):
    """audio [B, N] of a whole clip -> content [B, frames, keys D]; no state.

    The original's number of frames: floor(T fps / 50) as it computes it, T = (N - 400) // 320 + 1 features, or T // 2
    where a frame reads two of them. Where floating point makes the original one frame shorter than T fps / 50, the last
    row is that of the frame before.
    """

    cadence = "clip"
    input_names = ("audio",)
    output_names = ("content",)

    def __init__(self, config: FaceFormerConfig) -> None:
        super().__init__()
        self.keys, self.fps = config.keys, config.fps
        self.resampling = config.resampling
        self.encoder = StreamingWav2Vec2(config.content_encoder)

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        return {"content": self.frames(inputs["audio"])}, {}

    def frames(self, audio: Tensor) -> Tensor:
        """audio [B, N], N >= 720 -> [B, frames, keys D]."""
        encoder = self.encoder
        local = encoder.feature_extractor(normalised(audio))
        count = local.shape[1]
        if self.resampling == "none":
            kept = count // self.keys * self.keys
            return encoder.transform(local[:, :kept]).unflatten(1, (-1, self.keys)).flatten(2)
        if self.resampling == "after-transformer":
            rows, valid = clip_interpolate(encoder.transform(local), self.fps)
            return _held(rows, valid)
        rows, valid = clip_interpolate(local, self.fps)
        return _held(self._transform(rows, valid), valid)

    def _transform(self, local: Tensor, valid: Tensor) -> Tensor:
        """The transformer over the first `valid` rows alone; what the others give means nothing."""
        encoder = self.encoder.encoder
        exists = torch.arange(local.shape[1], device=local.device) < valid
        x = self.encoder.project(local) * exists[:, None].to(local.dtype)
        position = encoder.pos_conv_embed
        x = encoder.enter(x, position(F.pad(x, (0, 0, position.left, position.right))))
        mask = torch.where(exists, 0.0, MASKED).to(x.dtype)[None, None, None]
        index = torch.arange(x.shape[1], device=x.device)
        bias = encoder.relative_bias(index[None] - index[:, None])
        for layer in encoder.layers:
            x = layer(x, *layer.attention.project(layer.source(x)), mask, bias)
        return encoder.layer_norm(x) if encoder.pre_norm else x


def clip_interpolate(features: Tensor, fps: int) -> tuple[Tensor, Tensor]:
    """The original's interpolation from 50 Hz: first and last row stay in place, so rows depend on the clip's length.

    features [B, T, C] -> [B, T fps // 50, C], and how many of these rows the original has (int64 []).
    """
    count = features.shape[1]
    rows = torch.arange(count * fps // 50, device=features.device)
    # In the original's order and precision: int(T / 50 * fps) is sometimes one less than T fps // 50
    valid = (torch.full((), count, dtype=torch.float64, device=features.device) / 50.0 * fps).floor()
    scale = ((count - 1) / (valid - 1).clamp(min=1.0)).to(features.dtype)
    position = rows.to(features.dtype) * scale
    before = position.to(torch.int64).clamp(max=count - 1)
    after = (before + 1).clamp(max=count - 1)
    share = (position - before)[None, :, None]
    mixed = features[:, before] * (1 - share) + features[:, after] * share
    return mixed, valid.to(torch.int64)


def _held(rows: Tensor, valid: Tensor) -> Tensor:
    index = torch.arange(rows.shape[1], device=rows.device)
    return rows[:, torch.minimum(index, valid - 1)]
