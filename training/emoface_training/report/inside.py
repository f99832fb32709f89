"""What happens inside a model: the emotion branch's weights (Figure 4) and both branches' own motion (section 4.5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from emoface_training.clips.conditions import conditions
from emoface_training.clips.store import ClipStore, StoredClip
from emoface_training.evaluation.measured_models import CheckpointModel, Emotion, EvaluatedModel, PackageModel
from emoface_training.nn.emoface import EmoFace


@dataclass(frozen=True)
class Inside:
    """Of one clip. emotion_weight [T, V] or None; branches: motion [T, V, 3] by name, empty where a model shows none.

    `missing` says in words why something is not there.
    """

    emotion_weight: np.ndarray | None = None
    branches: dict[str, np.ndarray] | None = None
    missing: str = ""


@torch.no_grad()
def look_inside(
    model: EvaluatedModel, clip: StoredClip, fused: np.ndarray, emotion: Emotion, voice: np.ndarray | None = None
) -> Inside:
    """clip: as the model was driven; fused: what it gave for it, [T, V, 3]; voice: its `speaker_mean` [D] then.

    The branches are those of the same run: both are fed with the fused motion, as in inference.
    """
    if isinstance(model, PackageModel):
        weight = model.speak(clip, emotion, voice)[1]
        words = "a package gives the fused motion alone: give its checkpoint for the branches"
        if not weight.shape[1]:
            return Inside(missing="the package has no Mesh Attention and no branches")
        return Inside(weight, None, words)
    network = model.network if isinstance(model, CheckpointModel) else None
    if not isinstance(network, EmoFace):
        return Inside(missing=f"{model.label} has one branch")
    # `conditions` keeps a label whose draw (here always 1) reaches the chance of dropping it
    dropped = 2.0 if emotion == "auto" else 0.0
    given = conditions(ClipStore([clip], model.fps, len(model.styles)), [clip], emotion_dropped=dropped)
    mean = None if voice is None else torch.from_numpy(voice)[None]
    streams = network.encode_streams(torch.from_numpy(clip.heard())[None], [len(clip.audio)], mean)
    streams = {name: rows[:, : len(fused)] for name, rows in streams.items()}
    weight = network.mesh_attention.whole(streams["content"], streams["emotion"])
    code = network.decoder.motion_code(torch.from_numpy(fused)[None])
    out = network.decoder.given(streams | {"emotion_weight": weight} | vars(given), code)
    parts = {"content": out.content_branch[0].numpy(), "emotion": out.emotion_branch[0].numpy()}
    branches = {
        "content branch alone": parts["content"],
        "emotion branch alone": parts["emotion"],
        "Add (both, w = 1)": parts["content"] + parts["emotion"],
    }
    if network.mesh_attention.adds:
        return Inside(None, branches, "trained with Add: w = 1 for both branches everywhere")
    return Inside(weight[0].numpy(), branches | {"Mesh Attention": out.fused[0].numpy()})
