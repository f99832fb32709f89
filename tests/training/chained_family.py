"""A tiny family of the trainer and the exporter whose motion is made by a chain of two stages of one frame per call.

neutral (frame)   FaceFormer's decoder, on its own motion
feeling (frame)   adds to it, from what the chain gave before and from noise [3]
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import tiny
from emoface_export import family_wiring, reference
from emoface_training import config as configurations
from emoface_training.config import DecoderConfig, FaceFormerConfig
from emoface_training.models import families
from emoface_training.nn.faceformer import FaceFormer, FaceFormerDecoder
from emoface_training.nn.motion_decoder import MotionOutputs
from emoface_training.nn.stage import Stage, State
from emoface_training.stages import objectives

SHAKE = 3


class Feeling(Stage):
    """neutral [B, n, V, 3], noise [B, n, 3] -> offsets [B, n, V, 3]; state: the offsets before."""

    cadence = "frame"
    input_names = ("neutral", "noise")
    output_names = ("offsets",)

    def __init__(self, vertices: int) -> None:
        super().__init__()
        self.vertices = vertices
        self.own, self.past = nn.Linear(3 * vertices, 3 * vertices), nn.Linear(3 * vertices, 3 * vertices)
        self.shake = nn.Linear(SHAKE, 3 * vertices)
        for layer in (self.own, self.past, self.shake):
            nn.init.normal_(layer.weight, std=0.02)

    def initial_state(self, batch: int) -> State:
        return {"before": torch.zeros(batch, 1, 3 * self.vertices)}

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        offsets = self.fed(inputs["neutral"], state["before"], inputs["noise"])
        return {"offsets": offsets}, {"before": offsets.flatten(2)[:, -1:]}

    def fed(self, neutral: Tensor, before: Tensor, noise: Tensor) -> Tensor:
        """n frames at once, with the motion before each of them [B, n, 3V]."""
        added = self.own(neutral.flatten(2)) + self.past(before) + 0.01 * self.shake(noise)
        return neutral + 0.1 * torch.tanh(added).unflatten(2, (self.vertices, 3))


class Chain:
    """`MotionModel` of both stages: motion codes are the chain's offsets."""

    basis = None

    def __init__(self, neutral: FaceFormerDecoder, feeling: Feeling) -> None:
        self.neutral, self.feeling = neutral, feeling

    def motion_code(self, offsets: Tensor, vertices: Tensor | None = None) -> Tensor:
        return offsets.flatten(2)

    def given(self, inputs: State, code: Tensor, vertices: Tensor | None = None) -> MotionOutputs:
        neutral = self.neutral.rollout(inputs)[0].fused
        before = torch.cat([torch.zeros_like(code[:, :1]), code[:, :-1]], 1)
        noise = inputs.get("noise", torch.zeros(*code.shape[:2], SHAKE))
        offsets = self.feeling.fed(neutral, before, noise)
        return MotionOutputs(offsets if vertices is None else offsets[:, :, vertices])

    def rollout(self, inputs: State, vertices: Tensor | None = None) -> tuple[MotionOutputs, Tensor]:
        neutral = self.neutral.rollout(inputs)[0].fused
        state, frames = self.feeling.initial_state(len(neutral)), []
        noise = inputs.get("noise", torch.zeros(*neutral.shape[:2], SHAKE))
        for t in range(neutral.shape[1]):
            outputs, state = self.feeling.step({"neutral": neutral[:, t : t + 1], "noise": noise[:, t : t + 1]}, state)
            frames.append(outputs["offsets"])
        offsets = torch.cat(frames, 1)
        return MotionOutputs(offsets if vertices is None else offsets[:, :, vertices]), offsets.flatten(2)

    def rollout_codes(self, inputs: State, vertices: Tensor | None = None) -> Tensor:
        return self.rollout(inputs)[1]

    def autoregressive(self, inputs: State) -> Tensor:
        return self.rollout(inputs)[0].fused


class ChainedModel(FaceFormer):
    """FaceFormer's encoder, then the chain."""

    family = "chain"

    def __init__(self, config: FaceFormerConfig) -> None:
        super().__init__(config)
        self.neutral = self.decoder
        del self.decoder
        self.feeling = Feeling(config.vertices)

    @property
    def motion(self) -> Chain:
        return Chain(self.neutral, self.feeling)

    @property
    def stages(self) -> dict[str, Stage]:
        return {"content_encoder": self.content_encoder, "neutral": self.neutral, "feeling": self.feeling}


WIRING = family_wiring.Wiring(
    sources={
        "content_encoder": {"audio": "audio"},
        "neutral": {"content": "content_encoder.content", "style": "condition.style"},
        "feeling": {"neutral": "neutral.offsets", "noise": "noise.shake"},
    },
    outputs={"offsets": "feeling.offsets"},
    emotions=(),
    levels=(),
    conditions=family_wiring.WIRINGS["faceformer"].conditions,
    extents=lambda config: {"content": (config.width,), "neutral": (config.vertices, 3)},
    block_multiple=lambda config: 1,
    frame_stages=("neutral", "feeling"),
    noise={"shake": (SHAKE,)},
)


def configuration(vertices: int) -> FaceFormerConfig:
    """A configuration of the family."""
    decoder = DecoderConfig(width=16, heads=2, period=5, window=6)
    return FaceFormerConfig(vertices, ("a", "b"), content_encoder=tiny.ENCODER, decoder=decoder, family="chain")


def register(monkeypatch) -> None:
    """Let trainer and exporter know the family, as a module of its own would."""
    made = families.Family(lambda c, *_: ChainedModel(c), lambda c, *_: ChainedModel(c), stores_spirals=False)
    monkeypatch.setitem(configurations.CONFIGS, "chain", FaceFormerConfig)
    monkeypatch.setitem(families.FAMILIES, "chain", made)
    monkeypatch.setitem(objectives.OBJECTIVES, "chain", objectives.OBJECTIVES["faceformer"])
    monkeypatch.setitem(family_wiring.WIRINGS, "chain", WIRING)
    monkeypatch.setitem(reference._WHOLE, "chain", reference._WHOLE["faceformer"])
