"""The PyTorch reference: the parallel whole-clip call of every stage, to be compared with streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emoface.manifest import NoiseSpec
from emoface.stream.noise import NoiseSource
from emoface_export.family_wiring import wiring_of
from emoface_training.config import ModelConfig
from emoface_training.nn.emoface import EmoFace
from emoface_training.nn.faceformer import FaceFormer
from emoface_training.nn.interpolation import interpolate
from emoface_training.nn.stage import Stage
from emoface_training.nn.talking_model import TalkingModel

Floats = NDArray[np.float32]
# Vertices per call of the fusion: the whole clip of a dense face would take gigabytes at once.
_VERTICES_AT_ONCE = 1024
_CONDITIONS = {"style": "style", "level": "level", "emotion_class": "emotion"}


@dataclass(frozen=True)
class WholeClip:
    """Every stage's output for a clip of M frames and T features, without batch axis.

    features: block stages' outputs by "<stage>.<output>" [T, ...] (those of a stage that hears whole clips: one row per
    frame); frames: outputs at frame rate [M, ...], such as `mesh_attention.emotion_weight` [M, V]; inputs: what the
    stages of one frame per call read of them, by the input's name [M, ...].
    """

    features: dict[str, Floats]
    frames: dict[str, Floats]
    inputs: dict[str, Floats]


def whole_clip(model: TalkingModel, audio: Floats, conditions: Mapping[str, Floats]) -> WholeClip:
    """All stages but those of one frame per call, each in one parallel call over the clip (float32 [N] at 16 kHz)."""
    with torch.no_grad():
        return _WHOLE[model.family](model, torch.from_numpy(np.asarray(audio, np.float32))[None], conditions)


def _emoface(model: EmoFace, audio: Tensor, conditions: Mapping[str, Floats]) -> WholeClip:
    speaker = torch.from_numpy(np.asarray(conditions["speaker_mean"], np.float32))
    if model.config.emotion_heard:
        return _hearing(model, audio, speaker[None])
    if model.config.whole_clips:
        content, emotion, logits = model.encode(audio, speaker[None])
        probabilities = torch.softmax(logits, -1)[:, None].expand(-1, content.shape[1], -1)
        streams = {"content": content, "emotion": emotion}
    else:
        padded, frames = model.pad_audio(audio)
        content = model.content_encoder.encoder.whole(padded)
        emotion = model.emotion_encoder.encoder.whole(padded) - speaker
        running = emotion.cumsum(1) / torch.arange(1, emotion.shape[1] + 1)[:, None]
        probabilities = torch.softmax(model.emotion_encoder.classifier(running), -1)
        fps = model.config.fps
        streams = {"content": interpolate(content, frames, fps), "emotion": interpolate(emotion, frames, fps)}
    inputs = {name: rows[0].numpy() for name, rows in (streams | model.fuse(streams)).items()}
    return WholeClip(
        features={
            "content_encoder.content": content[0].numpy(),
            "emotion_encoder.emotion": emotion[0].numpy(),
            "emotion_encoder.probabilities": probabilities[0].numpy(),
        },
        frames={"mesh_attention.emotion_weight": inputs["emotion_weight"]},
        inputs=inputs,
    )


def _faceformer(model: FaceFormer, audio: Tensor, conditions: Mapping[str, Floats]) -> WholeClip:
    inputs = {name: rows[0].numpy() for name, rows in model.encode_streams(audio).items()}
    encoder = model.content_encoder
    rows = (
        encoder.frames(audio)
        if encoder.cadence == "clip"
        else encoder.held(encoder.encoder.whole(model.pad_audio(audio)[0]))
    )
    return WholeClip({"content_encoder.content": rows[0].numpy()}, {}, inputs)


def _hearing(model: EmoFace, audio: Tensor, speaker: Tensor) -> WholeClip:
    """EmoFace with `emotion_heard`."""
    padded, _ = model.pad_audio(audio)
    encoder = model.emotion_encoder
    voice = encoder.voice(padded)
    relative = voice - speaker
    outputs = encoder.hear(voice, speaker) | {"emotion": relative[..., :-1], "voice": relative}
    features = {f"emotion_encoder.{name}": outputs[name][0].numpy() for name in encoder.output_names}
    features["content_encoder.content"] = model.content_encoder.encoder.whole(padded)[0].numpy()
    streams = model.encode_streams(audio, speaker_mean=speaker)
    inputs = {name: rows[0].numpy() for name, rows in (streams | model.fuse(streams)).items()}
    return WholeClip(features, {"mesh_attention.emotion_weight": inputs["emotion_weight"]}, inputs)


_WHOLE: dict[str, Callable[[Any, Tensor, Mapping[str, Floats]], WholeClip]] = {
    "emoface": _emoface,
    "faceformer": _faceformer,
}


def given_motion(model: TalkingModel, clip: WholeClip, conditions: Mapping[str, Floats], motion: Floats) -> Floats:
    """The parallel call over the whole clip on a given motion, one frame late: offsets [M, V, 3].

    Frame t is computed from `motion` [M, V, 3] of the frames before t. A stream whose own motion is given reproduces
    itself.
    """
    inputs = _motion_inputs(model, clip, conditions)
    with torch.no_grad():
        code = model.motion.motion_code(torch.from_numpy(motion)[None])
        out = np.empty_like(motion)
        by_vertex = {name: value for name, value in inputs.items() if name == "emotion_weight"}
        for begin in range(0, motion.shape[1], _VERTICES_AT_ONCE):
            vertices = torch.arange(begin, min(begin + _VERTICES_AT_ONCE, motion.shape[1]))
            some = {name: value[..., vertices] for name, value in by_vertex.items()}
            out[:, vertices.numpy()] = model.motion.given(inputs | some, code, vertices).fused[0].numpy()
    return out


def autoregressive(model: TalkingModel, clip: WholeClip, conditions: Mapping[str, Floats]) -> dict[str, Floats]:
    """Outputs "<stage>.<output>" [M, ...] of the stages of one frame per call, fed with their own, frame by frame."""
    wiring = wiring_of(model.config)
    frames = len(next(iter(clip.inputs.values())))
    drawn = _noise(model.config, frames)
    made: dict[str, Tensor] = {}
    for name in wiring.frame_stages:
        stage, every_frame, held = model.stages[name], {}, {}
        for key, source in wiring.sources[name].items():
            owner, _, item = source.partition(".")
            if owner == "condition":
                held[key] = torch.from_numpy(np.asarray(conditions[item], np.float32))[None]
            elif source in drawn:
                every_frame[key] = drawn[source]
            else:
                every_frame[key] = made[source] if source in made else torch.from_numpy(clip.inputs[key])[None]
        outputs = frame_by_frame(stage, every_frame, held, frames)
        made |= {f"{name}.{output}": rows for output, rows in outputs.items()}
    return {key: rows[0].numpy() for key, rows in made.items()}


def frame_by_frame(
    stage: Stage, every_frame: Mapping[str, Tensor], held: Mapping[str, Tensor], frames: int
) -> dict[str, Tensor]:
    """Outputs [1, M, ...] of a stage of one frame per call from inputs [1, M, ...], and conditions [1, k] held."""
    state, rows = stage.initial_state(1), []
    with torch.no_grad():
        for frame in range(frames):
            now = {key: value[:, frame : frame + 1] for key, value in every_frame.items()}
            outputs, state = stage.step({**now, **held}, state)
            rows.append(outputs)
    return {name: torch.cat([row[name] for row in rows], 1) for name in stage.output_names}


def _noise(config: ModelConfig, frames: int) -> dict[str, Tensor]:
    """Values of "noise.<name>" [1, M, ...], of seed 0 as in golden vectors."""
    shapes = wiring_of(config).noise
    source = NoiseSource({name: NoiseSpec(shape) for name, shape in shapes.items()}, 0)
    return {f"noise.{name}": torch.from_numpy(source.values(name, 0, frames)) for name in shapes}


def _motion_inputs(model: TalkingModel, clip: WholeClip, conditions: Mapping[str, Floats]) -> dict[str, Tensor]:
    """What `model.motion` reads, by the inputs' names."""
    inputs = {
        name: torch.from_numpy(np.asarray(conditions[condition], np.float32))[None]
        for name, condition in _CONDITIONS.items()
        if condition in conditions
    }
    wiring, drawn = wiring_of(model.config), _noise(model.config, len(next(iter(clip.inputs.values()))))
    read = [item for name in wiring.frame_stages for item in wiring.sources[name].items()]
    inputs |= {key: drawn[source] for key, source in read if source in drawn}
    return inputs | {name: torch.from_numpy(rows)[None] for name, rows in clip.inputs.items()}
