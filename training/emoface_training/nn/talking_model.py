"""What trainer, evaluation and exporter know of a model, whatever its family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from torch import Tensor

from emoface_training.config import ModelConfig
from emoface_training.nn.motion_decoder import MotionDecoder
from emoface_training.nn.stage import Stage
from emoface_training.nn.wav2vec2 import StreamingWav2Vec2


class TalkingModel(Protocol):
    """A module of `stages`: encoders first, an autoregressive `decoder` last.

    A clip goes `streams = encode_streams(audio)`, then `inputs = streams | fuse(streams) | conditions`, then
    `decoder.given(inputs, code)`, `decoder.rollout(inputs)` or `decoder.autoregressive(inputs)`. Conditions are `style`
    [B, n], `level` [B, 2] and `emotion_class` [B, 9]; a family without levels or emotions ignores them.
    """

    family: ClassVar[str]
    streams: ClassVar[tuple[str, ...]]
    config: ModelConfig
    decoder: MotionDecoder
    training: bool

    @property
    def stages(self) -> dict[str, Stage]:
        """The exported parts, in the order of the data."""

    @property
    def encoders(self) -> dict[str, StreamingWav2Vec2]:
        """Encoders by stage."""

    @property
    def stream_widths(self) -> dict[str, int]:
        """Width of every stream of frame features."""

    def encode_streams(self, audio: Tensor, lengths: Sequence[int] | None = None) -> dict[str, Tensor]:
        """audio [B, N] at 16 kHz, clips of `lengths` samples with zeros behind -> features by stream [B, M, width]."""

    def fuse(
        self, streams: dict[str, Tensor], vertices: Tensor | None = None, resting: bool = False
    ) -> dict[str, Tensor]:
        """What the decoder reads besides features and conditions: computed once, from audio alone.

        vertices int64 [S]: for these alone. resting: what it is while its weights are not trained yet.
        """

    # Of torch.nn.Module
    parameters: Any
    state_dict: Any
    load_state_dict: Any
    train: Any
    eval: Any
