"""EmoFace: two audio streams, Mesh Attention, two decoders (Figure 1 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emoface_training.config import EMOTION_CLASSES, EmoFaceConfig
from emoface_training.nn.audio_stages import ContentEncoder, EmotionEncoder, pad_to_features
from emoface_training.nn.decoder import TwoBranchDecoder
from emoface_training.nn.full_context import (
    FullContextContent,
    FullContextEmotion,
    clip_by_clip,
    frame_rows,
    pad_to_shortest,
)
from emoface_training.nn.hearing import HearingEmotionEncoder
from emoface_training.nn.interpolation import frame_count, interpolate
from emoface_training.nn.mesh_attention import MeshAttention
from emoface_training.nn.motion_decoder import MotionDecoder, MotionOutputs
from emoface_training.nn.stage import Stage
from emoface_training.nn.wav2vec2 import StreamingWav2Vec2

# Streams of frames beside the features where the emotion is heard, and their widths
HEARD_STREAMS = {"heard": EMOTION_CLASSES, "loudness": 1}


class EmoFace(nn.Module):
    """The model as four stages; whole-clip calls below are the same code from zero state.

    `spiral` int32 [V, kernel] comes from `spiral.build_spirals` and is stored with the weights, like the motion
    `basis` [rank, 3V] of the low-rank option.
    """

    family = "emoface"
    streams: tuple[str, ...] = ("content", "emotion")

    def __init__(self, config: EmoFaceConfig, spiral: Tensor | None = None, basis: Tensor | None = None) -> None:
        super().__init__()
        self.config = config
        kernel = config.mesh_attention.kernel
        spiral = torch.zeros(config.vertices, kernel, dtype=torch.int32) if spiral is None else spiral.to(torch.int32)
        if spiral.shape != (config.vertices, kernel):
            raise ValueError(f"spirals must be [{config.vertices}, {kernel}], got {list(spiral.shape)}")
        self.register_buffer("spiral", spiral)
        if config.whole_clips:
            self.content_encoder: ContentEncoder = FullContextContent(config)
            self.emotion_encoder: EmotionEncoder | HearingEmotionEncoder = FullContextEmotion(config)
        else:
            self.content_encoder = ContentEncoder(config.content_encoder)
            self.emotion_encoder = EmotionEncoder(config.emotion_encoder)
        if config.emotion_heard:
            self.emotion_encoder = HearingEmotionEncoder(config.emotion_encoder)
            self.streams = (*self.streams, *HEARD_STREAMS)
        self.mesh_attention = MeshAttention(config, spiral)
        self.decoder = TwoBranchDecoder(config, basis)

    def load_state_dict(self, state_dict, strict: bool = True, assign: bool = False):  # type: ignore[no-untyped-def]
        result = super().load_state_dict(state_dict, strict, assign)
        self._share_spiral()
        return result

    def _share_spiral(self) -> None:
        """The layers hold the model's spirals without storing them again."""
        for module in self.mesh_attention.modules():
            if "spiral" in module._buffers:
                module._buffers["spiral"] = self.spiral

    @property
    def motion(self) -> MotionDecoder:
        """The decoder: all that is autoregressive."""
        return self.decoder

    @property
    def stages(self) -> dict[str, Stage]:
        """The exported parts, in the order of the data."""
        return {
            "content_encoder": self.content_encoder,
            "emotion_encoder": self.emotion_encoder,
            "mesh_attention": self.mesh_attention,
            "decoder": self.decoder,
        }

    @property
    def encoders(self) -> dict[str, StreamingWav2Vec2]:
        """Encoders by stage."""
        return {
            "content_encoder": self.content_encoder.encoder,
            "emotion_encoder": self.emotion_encoder.encoder,
        }

    @property
    def stream_widths(self) -> dict[str, int]:
        return {name: HEARD_STREAMS.get(name, self.config.width) for name in self.streams}

    def pad_audio(self, audio: Tensor) -> tuple[Tensor, int]:
        """Zero-pad audio [B, N] to whole features; returns it and the number of frames floor(N fps / rate).

        With full context only the shortest clips are padded: silence behind a clip would be heard.
        """
        frames = frame_count(audio.shape[1], self.config.fps, self.config.sample_rate)
        if self.config.whole_clips:
            return pad_to_shortest(audio), frames
        return pad_to_features(audio, frames, self.config.fps), frames

    def encode(self, audio: Tensor, speaker_mean: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """audio [B, N] at 16 kHz -> content, emotion [B, M, D] at frame rate, emotion class logits [B, 8].

        speaker_mean: [B, S], the voice's own (S: `voice_width`). Where the emotion is heard, the logits are the last.
        """
        if isinstance(self.emotion_encoder, HearingEmotionEncoder):
            streams, heard = self._hear(audio, speaker_mean)
            return streams["content"], streams["emotion"], heard["logits"][:, -1]
        padded, frames = self.pad_audio(audio)
        content = self.content_encoder.encoder.whole(padded)
        emotion = self.emotion_encoder.encoder.whole(padded)
        if speaker_mean is not None:
            emotion = emotion - speaker_mean[:, None]
        logits = self.emotion_encoder.logits(emotion)
        rows = frame_rows if self.config.whole_clips else interpolate
        return rows(content, frames, self.config.fps), rows(emotion, frames, self.config.fps), logits

    def _hear(self, audio: Tensor, speaker_mean: Tensor | None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Streams at frame rate, and what is heard at 50 Hz."""
        padded, frames = self.pad_audio(audio)
        voice = self.emotion_encoder.voice(padded)
        heard = self.emotion_encoder.hear(voice, speaker_mean)
        emotion = voice if speaker_mean is None else voice - speaker_mean[:, None]
        rows = {
            "content": self.content_encoder.encoder.whole(padded),
            "emotion": emotion[..., :-1],
            "heard": heard["heard"],
            "loudness": emotion[..., -1:],
        }
        return {name: interpolate(row, frames, self.config.fps) for name, row in rows.items()}, heard

    def encode_streams(
        self, audio: Tensor, lengths: Sequence[int] | None = None, speaker_mean: Tensor | None = None
    ) -> dict[str, Tensor]:
        """audio [B, N] at 16 kHz -> content and emotion [B, M, D] at frame rate.

        With `emotion_heard`, heard [B, M, 8] and loudness [B, M, 1] too; the decoder reads the former, and what hears
        anew after calibration reads the latter.
        lengths: samples of every clip; what lies behind them is silence to a streaming encoder, and does not exist to
        one of full context. speaker_mean: [B, S] of every clip's voice.
        """
        if speaker_mean is not None and not self.config.emotion_heard:
            streams = self.encode_streams(audio, lengths)
            return streams | {"emotion": streams["emotion"] - speaker_mean[:, None]}
        if self.config.emotion_heard:
            return self._hear(audio, speaker_mean)[0]
        if not self.config.whole_clips or lengths is None:
            content, emotion, _ = self.encode(audio)
            return {"content": content, "emotion": emotion}
        frames = frame_count(audio.shape[1], self.config.fps, self.config.sample_rate)
        noises = [encoder.noise for encoder in self.encoders.values()]
        content, emotion = clip_by_clip(lambda clip: self.encode(clip)[:2], noises, audio, lengths, frames)
        return {"content": content, "emotion": emotion}

    def fuse(
        self, streams: dict[str, Tensor], vertices: Tensor | None = None, resting: bool = False
    ) -> dict[str, Tensor]:
        """Mesh Attention's w_e of frame features: {"emotion_weight": [B, T, V or S]}.

        It depends on audio alone: computed once, outside the autoregressive loop. resting: one half everywhere.
        """
        content, emotion = streams["content"], streams["emotion"]
        if resting and not self.mesh_attention.adds:
            count = self.config.vertices if vertices is None else len(vertices)
            return {"emotion_weight": content.new_full((*content.shape[:2], count), 0.5)}
        return {"emotion_weight": self.mesh_attention.whole(content, emotion, vertices)}

    def decode_given(
        self,
        content: Tensor,
        emotion: Tensor,
        emotion_weight: Tensor,
        code: Tensor,
        style: Tensor,
        level: Tensor,
        emotion_class: Tensor,
        vertices: Tensor | None = None,
        heard: Tensor | None = None,
    ) -> MotionOutputs:
        """Parallel decoding with given motion codes (see `TwoBranchDecoder.motion_code`) [B, T, 3V or rank].

        With `vertices` int64 [S], `emotion_weight` [B, T, S] and the offsets are those of the listed vertices. heard
        [B, T, 8]: of a model with `emotion_heard`.
        """
        inputs = _decoder_inputs(content, emotion, emotion_weight, style, level, emotion_class, heard)
        return self.decoder.given(inputs, code, vertices)

    def decode_autoregressive(
        self,
        content: Tensor,
        emotion: Tensor,
        emotion_weight: Tensor,
        style: Tensor,
        level: Tensor,
        emotion_class: Tensor,
        heard: Tensor | None = None,
    ) -> Tensor:
        """Offsets [B, T, V, 3] in metres, each frame fed with the model's own previous one."""
        return self.decoder.autoregressive(
            _decoder_inputs(content, emotion, emotion_weight, style, level, emotion_class, heard)
        )

    def forward(self, audio: Tensor, style: Tensor, level: Tensor, emotion_class: Tensor) -> Tensor:
        """Inference on whole clips: audio [B, N], conditions [B, n], [B, 2], [B, 9] -> offsets [B, M, V, 3]."""
        streams = self.encode_streams(audio)
        told = {"style": style, "level": level, "emotion_class": emotion_class}
        return self.decoder.autoregressive(streams | self.fuse(streams) | told)


def _decoder_inputs(
    content: Tensor,
    emotion: Tensor,
    emotion_weight: Tensor,
    style: Tensor,
    level: Tensor,
    emotion_class: Tensor,
    heard: Tensor | None,
) -> dict[str, Tensor]:
    further = {} if heard is None else {"heard": heard}
    return further | {
        "content": content,
        "emotion": emotion,
        "emotion_weight": emotion_weight,
        "style": style,
        "level": level,
        "emotion_class": emotion_class,
    }
