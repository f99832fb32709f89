"""The PyTorch reference: the parallel whole-clip call of every stage, to be compared with streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emoface_training.nn.emoface import EmoFace
from emoface_training.nn.interpolation import features_needed, frame_count, interpolate

Floats = NDArray[np.float32]
# Vertices per call of the fusion: the whole clip of a dense face would take gigabytes at once.
_VERTICES_AT_ONCE = 1024
_CONDITIONS = {"style": "style", "level": "level", "emotion_class": "emotion"}


@dataclass(frozen=True)
class WholeClip:
    """Every stage's output for a clip of M frames and T features, without batch axis.

    features: `content_encoder.content`, `emotion_encoder.emotion` [T, D], `emotion_encoder.probabilities` [T, 8];
    frames: `mesh_attention.emotion_weight` [M, V].
    """

    features: dict[str, Floats]
    frames: dict[str, Floats]


def whole_clip(model: EmoFace, audio: Floats, conditions: Mapping[str, Floats]) -> WholeClip:
    """Both encoders and Mesh Attention, each in one parallel call over the clip (audio float32 [N] at 16 kHz)."""
    with torch.no_grad():
        padded, frames = model.pad_audio(torch.from_numpy(np.asarray(audio, np.float32))[None])
        content = model.content_encoder.encoder.whole(padded)
        speaker = torch.from_numpy(np.asarray(conditions["speaker_mean"], np.float32))
        emotion = model.emotion_encoder.encoder.whole(padded) - speaker
        running = emotion.cumsum(1) / torch.arange(1, emotion.shape[1] + 1)[:, None]
        probabilities = torch.softmax(model.emotion_encoder.classifier(running), -1)
        fps = model.config.fps
        weight = model.mesh_attention.whole(interpolate(content, frames, fps), interpolate(emotion, frames, fps))
    return WholeClip(
        features={
            "content_encoder.content": content[0].numpy(),
            "emotion_encoder.emotion": emotion[0].numpy(),
            "emotion_encoder.probabilities": probabilities[0].numpy(),
        },
        frames={"mesh_attention.emotion_weight": weight[0].numpy()},
    )


def given_motion(model: EmoFace, clip: WholeClip, conditions: Mapping[str, Floats], motion: Floats) -> Floats:
    """The decoder's parallel call over the whole clip on a given motion, one frame late: offsets [M, V, 3].

    Frame t is computed from `motion` [M, V, 3] of the frames before t. A stream whose own motion is given reproduces
    itself.
    """
    decoder = model.decoder
    inputs = _decoder_inputs(model, clip, conditions)
    with torch.no_grad():
        code = decoder.motion_code(torch.from_numpy(motion)[None])
        out = np.empty_like(motion)
        weight = inputs["emotion_weight"]
        for begin in range(0, motion.shape[1], _VERTICES_AT_ONCE):
            vertices = torch.arange(begin, min(begin + _VERTICES_AT_ONCE, motion.shape[1]))
            inputs["emotion_weight"] = weight[..., vertices]
            out[:, vertices.numpy()] = decoder.given(inputs, code, vertices).fused[0].numpy()
    return out


def autoregressive(model: EmoFace, clip: WholeClip, conditions: Mapping[str, Floats]) -> Floats:
    """Offsets [M, V, 3] of the decoder fed with its own motion, frame by frame."""
    with torch.no_grad():
        return model.decoder.autoregressive(_decoder_inputs(model, clip, conditions))[0].numpy()


def _decoder_inputs(model: EmoFace, clip: WholeClip, conditions: Mapping[str, Floats]) -> dict[str, Tensor]:
    frames = len(clip.frames["mesh_attention.emotion_weight"])
    fps = model.config.fps
    inputs = {
        name: torch.from_numpy(np.asarray(conditions[condition], np.float32))[None]
        for name, condition in _CONDITIONS.items()
    }
    for name, key in (("content", "content_encoder.content"), ("emotion", "emotion_encoder.emotion")):
        inputs[name] = interpolate(torch.from_numpy(clip.features[key])[None], frames, fps)
    inputs["emotion_weight"] = torch.from_numpy(clip.frames["mesh_attention.emotion_weight"])[None]
    return inputs


def clip_size(model: EmoFace, samples: int) -> tuple[int, int]:
    """Frames M and features T of a clip of `samples`."""
    frames = frame_count(samples, model.config.fps, model.config.sample_rate)
    return frames, features_needed(frames, model.config.fps)
