"""Golden vectors: a short input and what every stage makes of it in fp32 PyTorch."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from emoface_export.face_file import deterministic_npz
from emoface_export.reference import autoregressive, whole_clip
from emoface_export.signals import speech_like
from emoface_export.wiring import default_conditions
from emoface_training.nn.talking_model import TalkingModel

LARGEST_BYTES = 500_000
_SECONDS = 0.6
_SEED = 7
_MOST_FRAMES = 6


def golden_arrays(model: TalkingModel) -> dict[str, np.ndarray]:
    """Arrays of `golden.npz`: audio, frames, condition.<name>, <stage>.<output>.

    The conditions differ from the defaults, so that a runtime that ignores them fails. Vertex-sized outputs hold the
    frames listed in `frames`: as many as fit in half a megabyte, the first and the last among them.
    """
    audio = speech_like(_SECONDS, _SEED, model.config.sample_rate)
    conditions = default_conditions(model.config)
    for name in conditions.keys() & {"style", "level", "emotion"}:
        conditions[name] = np.roll(np.eye(len(conditions[name]), dtype=np.float32)[-1], 3 if name == "emotion" else 0)
    if "heard" in model.streams:  # half of it as the voice says, so that what is heard reaches the frames
        conditions["emotion"] = (conditions["emotion"] + default_conditions(model.config)["emotion"]) / 2
    if "speaker_mean" in conditions:
        conditions["speaker_mean"] = np.linspace(-0.01, 0.01, len(conditions["speaker_mean"]), dtype=np.float32)
    clip = whole_clip(model, audio, conditions)
    made = autoregressive(model, clip, conditions)
    arrays: dict[str, np.ndarray] = {"audio": audio}
    arrays |= {f"condition.{name}": value for name, value in conditions.items()}
    arrays |= clip.features
    room = LARGEST_BYTES - sum(a.nbytes for a in arrays.values()) - 2000
    per_frame = 4 * model.config.vertices * 4  # offsets and weight
    count = max(1, min(_MOST_FRAMES, room // per_frame))
    frames = len(next(iter(made.values())))
    spread = np.linspace(0, frames - 1, count) if count > 1 else np.array([frames // 2])
    arrays["frames"] = np.unique(spread.round().astype(np.int64))
    for name, rows in {**made, **clip.frames}.items():
        arrays[name] = rows[arrays["frames"]] if model.config.vertices in rows.shape[1:] else rows
    return arrays


def golden_file(model: TalkingModel, left_out: Collection[str] = ()) -> bytes:
    """`golden.npz`, the same bytes for the same weights, without the outputs that a package does not have."""
    return deterministic_npz({name: array for name, array in golden_arrays(model).items() if name not in left_out})
