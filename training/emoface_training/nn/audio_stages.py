"""The two audio stages: content features, and emotion features with a running classification."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_training.config import EMOTION_CLASSES, EncoderConfig
from emoface_training.nn.interpolation import features_needed
from emoface_training.nn.stage import Stage, State
from emoface_training.nn.wav2vec2 import HOP, OVERLAP
from emoface_training.nn.windowed import make_encoder


def pad_to_features(audio: Tensor, frames: int, fps: int, multiple: int = 1) -> Tensor:
    """Zero-pad audio [B, N] to whole features, a multiple of `multiple`, for `frames` frames.

    Sound behind the last frame's features is kept: it is the look-ahead that a stream would give them.
    """
    samples = audio.shape[1]
    held = -(-max(0, samples - OVERLAP) // HOP)
    count = -(-max(features_needed(frames, fps), held) // multiple) * multiple
    return F.pad(audio, (0, count * HOP + OVERLAP - samples))


class ContentEncoder(Stage):
    """audio [B, 320 n + 80] -> content [B, n, D], delayed by the encoder's look-ahead."""

    cadence = "block"
    input_names = ("audio",)
    output_names = ("content",)

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.encoder = make_encoder(config)

    def initial_state(self, batch: int) -> State:
        return self.encoder.initial_state(batch)

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        content, new_state = self.encoder.step(inputs["audio"], state)
        return {"content": content}, new_state


class EmotionEncoder(Stage):
    """audio, speaker_mean [B, D] -> emotion [B, n, D] (speaker mean removed), probabilities [B, n, 8].

    The classifier (L_cls) sees the mean of the emotion features so far: their sum and count are state.
    """

    cadence = "block"
    input_names = ("audio", "speaker_mean")
    output_names = ("emotion", "probabilities")

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.encoder = make_encoder(config)
        width = config.hidden_size
        self.classifier = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, EMOTION_CLASSES))

    def initial_state(self, batch: int) -> State:
        state = self.encoder.initial_state(batch)
        width = self.encoder.config.hidden_size
        return state | {"sum": self.classifier[0].weight.new_zeros(batch, width)}

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        features, new_state = self.encoder.step(inputs["audio"], state)
        emotion = features - inputs["speaker_mean"][:, None]
        # Outputs before the stream's first feature are padding: they count neither in the sum nor in the mean
        first = state["position"] - self.encoder.config.look_ahead
        index = first[:, None] + torch.arange(emotion.shape[1], device=emotion.device)
        counted = torch.where(index[..., None] >= 0, emotion, torch.zeros_like(emotion))
        running = state["sum"][:, None] + counted.cumsum(1)
        mean = running / (index + 1).clamp(min=1)[..., None].to(running.dtype)
        probabilities = torch.softmax(self.classifier(mean), -1)
        return {"emotion": emotion, "probabilities": probabilities}, new_state | {"sum": running[:, -1]}

    def logits(self, emotion: Tensor, mask: Tensor | None = None) -> Tensor:
        """Class logits [B, 8] of whole clips: mean over frames of emotion [B, T, D]; mask [B, T] of valid frames."""
        if mask is None:
            return self.classifier(emotion.mean(1))
        weight = mask.to(emotion.dtype)[..., None]
        return self.classifier((emotion * weight).sum(1) / weight.sum(1).clamp(min=1))
