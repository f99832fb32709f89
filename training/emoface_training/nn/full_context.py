"""EmoFace's audio stages with full context, as the paper's wav2vec2 has it: whole clips, unlimited attention, no state.

They share weights' names with the streaming stages. What leaves them is at frame rate already, since the runtime cannot
know a clip's rows of features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

import torch
import torch.nn.functional as F
from torch import Tensor

from emoface.timing import SHORTEST_CLIP
from emoface_training.config import EmoFaceConfig
from emoface_training.nn.audio_stages import ContentEncoder, EmotionEncoder
from emoface_training.nn.interpolation import frame_count, held, interpolate
from emoface_training.nn.regularisation import EncoderNoise
from emoface_training.nn.stage import Cadence, State


class FullContextContent(ContentEncoder):
    """audio [B, N] of a whole clip -> content [B, floor(N fps / rate), D]."""

    cadence: Cadence = "clip"

    def __init__(self, config: EmoFaceConfig) -> None:
        super().__init__(config.content_encoder)
        self.fps, self.sample_rate = config.fps, config.sample_rate

    def initial_state(self, batch: int) -> State:
        return {}

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        features = self.encoder(inputs["audio"])
        return {"content": frame_rows(features, _frames(self, inputs["audio"]), self.fps)}, {}


class FullContextEmotion(EmotionEncoder):
    """audio [B, N], speaker_mean [B, D] -> emotion [B, M, D] (speaker mean removed), probabilities [B, M, 8].

    The classifier sees the mean of the whole clip, so that every frame has the same probabilities.
    """

    cadence: Cadence = "clip"

    def __init__(self, config: EmoFaceConfig) -> None:
        super().__init__(config.emotion_encoder)
        self.fps, self.sample_rate = config.fps, config.sample_rate

    def initial_state(self, batch: int) -> State:
        return {}

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        features = self.encoder(inputs["audio"]) - inputs["speaker_mean"][:, None]
        frames = _frames(self, inputs["audio"])
        probabilities = torch.softmax(self.logits(features), -1)[:, None].expand(-1, frames, -1)
        return {"emotion": frame_rows(features, frames, self.fps), "probabilities": probabilities}, {}


def clip_by_clip(
    encode: Callable[[Tensor], Sequence[Tensor]],
    noises: Iterable[EncoderNoise],
    audio: Tensor,
    lengths: Sequence[int],
    frames: int,
) -> list[Tensor]:
    """Every stream of clips [B, N] of these lengths as [B, frames, C], each clip encoded alone.

    What lies behind a clip does not exist to it, and its last row is held. encode: clip [1, n] -> streams [1, R, C].
    noises: the encoders' own.
    """
    clips = []
    for index, (row, n) in enumerate(zip(audio, lengths, strict=True)):
        with ExitStack() as rows:
            for noise in noises:
                rows.enter_context(noise.of_row(index))
            clips.append(encode(row[None, :n]))
    return [torch.cat([held(rows, frames) for rows in stream]) for stream in zip(*clips, strict=True)]


def pad_to_shortest(audio: Tensor) -> Tensor:
    """Silence behind clips [B, N] that are shorter than the runtime hears them: a frame may be less than a feature."""
    return F.pad(audio, (0, max(0, SHORTEST_CLIP - audio.shape[1])))


def frame_rows(features: Tensor, frames: int, fps: int) -> Tensor:
    """features [B, T, D] at 50 Hz -> [B, frames, D]: frame m lies at m / fps seconds, the last feature is held."""
    return interpolate(torch.cat([features, features[:, -1:]], 1), frames, fps)


def _frames(stage: FullContextContent | FullContextEmotion, audio: Tensor) -> int:
    return frame_count(audio.shape[1], stage.fps, stage.sample_rate)
