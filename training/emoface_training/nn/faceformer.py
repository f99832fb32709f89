"""FaceFormer, the baseline: one wav2vec2 stream and one autoregressive decoder, as steps with finite windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from emoface_training.config import FaceFormerConfig
from emoface_training.errors import OptionsError
from emoface_training.nn.audio_stages import ContentEncoder, pad_to_features
from emoface_training.nn.full_context import clip_by_clip
from emoface_training.nn.interpolation import FEATURE_RATE, frame_count, group, hold, interpolate
from emoface_training.nn.motion_decoder import BranchDecoder, MotionDecoder, MotionOutputs
from emoface_training.nn.stage import Stage, State
from emoface_training.nn.whole_clip import WholeClipEncoder


class PairedBranch(BranchDecoder):
    """The branch whose frames see two features each (BIWI: 25 fps of 50), so that the query chooses between them."""

    def __init__(self, config: FaceFormerConfig, motion_size: int) -> None:
        super().__init__(config, motion_size, with_emotion=False)
        self.keys = config.keys
        self.cross_query = nn.Linear(config.decoder.width, config.decoder.width)
        self.cross_key = nn.Linear(config.decoder.width, config.decoder.width)

    def cross(self, x: Tensor, features: Tensor) -> Tensor:
        """x [B, n, d], features [B, n, 2 D] -> [B, n, d]."""
        memory = self.audio_feature_map(features.unflatten(-1, (self.keys, -1)))  # [B, n, 2, d]
        split = (self.heads, -1)
        query = self.cross_query(x).unflatten(-1, split)[:, :, None]  # [B, n, 1, H, d / H]
        key, value = (part(memory).unflatten(-1, split) for part in (self.cross_key, self.cross_value))
        scores = (query * key).sum(-1) * key.shape[-1] ** -0.5  # [B, n, 2, H]
        attended = (self.attention_dropout(scores.softmax(2))[..., None] * value).sum(2)
        return self.cross_out(attended.flatten(2))


class FaceFormerDecoder(MotionDecoder):
    """content [B, 1, keys D], style [B, n] -> offsets [B, 1, V, 3] of one frame."""

    input_names = ("content", "style")
    branch_names = ("content",)
    per_frame = ("content",)

    def __init__(self, config: FaceFormerConfig, basis: Tensor | None = None) -> None:
        super().__init__(config, basis)
        self.content_branch = (
            BranchDecoder(config, self.motion_size, with_emotion=False)
            if config.keys == 1
            else PairedBranch(config, self.motion_size)
        )
        # The original's periodic position is followed by a dropout of its own
        if config.decoder.position_dropout is None:
            self.content_branch.token_dropout = nn.Dropout(config.decoder.dropout)

    def _fuse(self, hidden: tuple[Tensor, ...], inputs: State, vertices: Tensor | None = None) -> MotionOutputs:
        return MotionOutputs(self._offsets(self.content_branch, hidden[0], vertices))

    def _exported_step(self, inputs: State, state: State) -> tuple[State, State]:
        branch, position = self.content_branch, self.positions[state["frame"] % self.config.decoder.period]
        tokens = state["feedback"] + (branch.style_embedding(inputs["style"]) + position)[:, None]
        hidden, keys, values = branch.exported(
            tokens,
            inputs["content"],
            state["content_keys"],
            state["content_values"],
            state["frame"],
            self._attention_table(),
        )
        new_state = {"content_keys": keys, "content_values": values, "frame": state["frame"] + 1}
        if self.output_names == ("offsets",):
            offsets = self._offsets(branch, hidden)
            return {"offsets": offsets}, {"feedback": branch.motion_map(self.motion_code(offsets))} | new_state
        # Fed with coordinates: no vertex lies on the way from frame to frame
        code = branch.motion_head(hidden)
        feedback = F.linear(code, branch.motion_map.weight @ self.feedback_of_codes().T, branch.motion_map.bias)
        offsets = (code @ self.basis).unflatten(-1, (-1, 3)) if "offsets" in self.output_names else None
        return self._outputs(offsets, [code]), {"feedback": feedback} | new_state


class AlignedEncoder(ContentEncoder):
    """audio [B, 320 n + 80] -> content [B, n, keys D] at 50 Hz, delayed by the encoder's look-ahead.

    Where the transformer works at the frame rate, or a frame reads two features, both features that a frame lies
    between hold what that frame reads: the runtime interpolates, and gets it back exactly. n is then whole groups (5 at
    30 fps, 2 at 25 fps).
    """

    def __init__(self, config: FaceFormerConfig) -> None:
        super().__init__(config.content_encoder)
        self.keys, self.fps, self.rate = config.keys, config.fps, config.content_encoder.rate
        self.multiple = block_multiple(config)

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        rows, new_state = self.encoder.step(inputs["audio"], state)
        return {"content": self.held(rows)}, new_state

    def held(self, rows: Tensor) -> Tensor:
        """The encoder's rows [B, R, D] -> what a frame reads, at 50 Hz."""
        if self.keys > 1:
            return hold(rows.unflatten(1, (-1, self.keys)).flatten(2), self.fps)
        return hold(rows, self.rate)


class FaceFormer(nn.Module):
    """The model as two stages; whole-clip calls are the same code from zero state.

    An encoder that cannot stream (unlimited attention) hears every clip whole and normalised, as the original does.
    """

    family = "faceformer"
    streams = ("content",)

    def __init__(self, config: FaceFormerConfig, basis: Tensor | None = None) -> None:
        super().__init__()
        self.config = config
        check_alignment(config)
        form = AlignedEncoder if config.content_encoder.streams else WholeClipEncoder
        self.content_encoder = form(config)
        self.decoder = FaceFormerDecoder(config, basis)

    @property
    def motion(self) -> MotionDecoder:
        """The decoder: all that is autoregressive."""
        return self.decoder

    @property
    def stages(self) -> dict[str, Stage]:
        """The exported parts, in the order of the data."""
        return {"content_encoder": self.content_encoder, "decoder": self.decoder}

    @property
    def encoders(self) -> dict[str, Any]:
        """Encoders by stage."""
        return {"content_encoder": self.content_encoder.encoder}

    @property
    def stream_widths(self) -> dict[str, int]:
        return {"content": self.config.keys * self.config.width}

    def pad_audio(self, audio: Tensor) -> tuple[Tensor, int]:
        """Zero-pad audio [B, N] to whole groups of features; returns it and the number of frames."""
        frames = frame_count(audio.shape[1], self.config.fps, self.config.sample_rate)
        return pad_to_features(audio, frames, self.config.fps, block_multiple(self.config)), frames

    def encode_streams(self, audio: Tensor, lengths: Sequence[int] | None = None) -> dict[str, Tensor]:
        """audio [B, N] at 16 kHz -> {"content": [B, M, keys D]} at frame rate.

        lengths: samples of every clip; what lies behind them is silence to a streaming encoder, and does not exist to
        one that hears whole clips.
        """
        padded, frames = self.pad_audio(audio)
        if not self.config.content_encoder.streams:
            lengths = [audio.shape[1]] * len(audio) if lengths is None else lengths
            noises = [self.content_encoder.encoder.noise]
            (content,) = clip_by_clip(lambda clip: [self.content_encoder.frames(clip)], noises, audio, lengths, frames)
            return {"content": content}
        rows = self.content_encoder.encoder.whole(padded)
        if self.config.keys > 1:
            return {"content": rows.unflatten(1, (-1, self.config.keys)).flatten(2)[:, :frames]}
        if self.config.content_encoder.rate == self.config.fps:
            return {"content": rows[:, :frames]}
        return {"content": interpolate(rows, frames, self.config.fps)}

    def fuse(
        self, streams: dict[str, Tensor], vertices: Tensor | None = None, resting: bool = False
    ) -> dict[str, Tensor]:
        """What the decoder reads besides features and conditions: nothing, there is one branch."""
        return {}

    def forward(self, audio: Tensor, style: Tensor) -> Tensor:
        """Inference on whole clips: audio [B, N], style [B, n] -> offsets [B, M, V, 3]."""
        return self.decoder.autoregressive(self.encode_streams(audio) | {"style": style})


def block_multiple(config: FaceFormerConfig) -> int:
    """Features that a block must hold a multiple of."""
    if config.keys > 1:
        return group(config.fps)[0]
    return group(config.content_encoder.rate)[0]


def check_alignment(config: FaceFormerConfig) -> None:
    """Raise `ValueError` for a band or window whose look-ahead or block would part what one frame reads."""
    encoder, size = config.content_encoder, block_multiple(config)
    if not encoder.streams:
        return
    counts = {"the look-ahead": encoder.delay_features}
    if encoder.window is not None:
        counts |= {"window": encoder.window, "window_block": encoder.window_block}
    for name, count in counts.items():
        if count % size:
            raise OptionsError(
                f"{name} of {count} features",
                f"a multiple of {size} for resampling {config.resampling} at {config.fps} fps",
                "Choose another number.",
            )


assert FEATURE_RATE == 50  # `FaceFormerConfig` counts two features per frame at 25 fps
