"""What trainer, evaluation and exporter know of a model, whatever its family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from torch import Tensor

from emoface_training.config import ModelConfig
from emoface_training.nn.motion_decoder import MotionOutputs
from emoface_training.nn.stage import Stage, State
from emoface_training.nn.wav2vec2 import StreamingWav2Vec2


class MotionModel(Protocol):
    """The stages of one frame per call, one or a chain of them, over whole clips: what makes motion of features.

    A motion code [B, T, size] is what is fed back of a frame. With `vertices` int64 [S], outputs are those of the
    listed vertices alone. See `MotionDecoder`, a model of one such stage.
    """

    basis: Tensor | None

    def motion_code(self, offsets: Tensor, vertices: Tensor | None = None) -> Tensor:
        """The codes of offsets [B, T, V, 3]."""

    def given(self, inputs: State, code: Tensor, vertices: Tensor | None = None) -> MotionOutputs:
        """A whole clip in parallel, fed with given motion codes: frame t is fed at t + 1."""

    def autoregressive(self, inputs: State) -> Tensor:
        """A whole clip fed with its own motion, as a stream is: offsets [B, T, V, 3]."""

    def rollout(self, inputs: State, vertices: Tensor | None = None) -> tuple[MotionOutputs, Tensor]:
        """The same as training sees it, with gradients: outputs and motion codes."""

    def rollout_codes(self, inputs: State, vertices: Tensor | None = None) -> Tensor:
        """The motion codes of `rollout`."""


class TalkingModel(Protocol):
    """A module of `stages`: encoders first, the stages of one frame per call last.

    A clip goes `streams = encode_streams(audio)`, then `inputs = streams | fuse(streams) | conditions`, then
    `motion.given(inputs, code)`, `motion.rollout(inputs)` or `motion.autoregressive(inputs)`. Conditions are `style`
    [B, n], `level` [B, 2] and `emotion_class` [B, 9]; a family without levels or emotions ignores them.
    """

    family: ClassVar[str]
    streams: ClassVar[tuple[str, ...]]
    config: ModelConfig
    training: bool

    @property
    def motion(self) -> MotionModel:
        """What makes motion of features."""

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
        """What `motion` reads besides features and conditions: computed once, from audio alone.

        vertices int64 [S]: for these alone. resting: what it is while its weights are not trained yet.
        """

    # Of torch.nn.Module
    parameters: Any
    state_dict: Any
    load_state_dict: Any
    train: Any
    eval: Any
