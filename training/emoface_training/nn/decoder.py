"""EmoFace's two autoregressive decoders and the fusion of their offsets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from emoface_training.config import EMOTION_CLASSES, EmoFaceConfig
from emoface_training.nn.motion_decoder import BranchDecoder, MotionDecoder, MotionOutputs
from emoface_training.nn.stage import State
from emoface_training.nn.step_ops import motion_head


class TwoBranchDecoder(MotionDecoder):
    """content, emotion [B, 1, D], emotion_weight [B, 1, V], conditions -> offsets [B, 1, V, 3] of one frame.

    The fused offsets are what both branches are fed with. With `emotion_heard` there is heard [B, 1, 8] too: what the
    branches see of the emotion class is its first eight weights plus the ninth, `unknown`, times what is heard.
    """

    input_names = ("content", "emotion", "emotion_weight", "style", "level", "emotion_class")
    branch_names = ("emotion", "content")
    per_frame = ("content", "emotion", "emotion_weight")

    def __init__(self, config: EmoFaceConfig, basis: Tensor | None = None) -> None:
        super().__init__(config, basis)
        self.adds = config.mesh_attention.fusion == "add"
        self.hears = config.emotion_heard
        classes = EMOTION_CLASSES if self.hears else EMOTION_CLASSES + 1
        if self.hears:
            self.input_names, self.per_frame = (*self.input_names, "heard"), (*self.per_frame, "heard")
        self.emotion_branch = BranchDecoder(config, self.motion_size, True, classes)
        self.content_branch = BranchDecoder(config, self.motion_size, config.decoder.emotional_content, classes)

    def _conditions(self, inputs: State) -> Tensor:
        if not self.hears:
            return super()._conditions(inputs)
        given = inputs["emotion_class"][:, None]
        shown = given[..., :EMOTION_CLASSES] + given[..., EMOTION_CLASSES:] * inputs["heard"]
        told = {name: inputs[name][:, None] for name in ("style", "level")} | {"emotion_class": shown}
        every = [branch.condition(told) for branch in self.branches]
        return torch.stack([each.expand(-1, shown.shape[1], -1) for each in every], 2)

    def _exported_step(self, inputs: State, state: State) -> tuple[State, State]:
        d = self.config.decoder
        # Both branches' conditions, and later both feedbacks, are one product
        shown = inputs["emotion_class"]
        if self.hears:
            shown = shown[:, :EMOTION_CLASSES] + shown[:, EMOTION_CLASSES:] * inputs["heard"][:, 0]
        conditions = torch.cat([inputs["style"], inputs["level"], shown], -1)
        maps = [_condition_weight(branch, conditions.shape[1]) for branch in self.branches]
        embedded = F.linear(conditions, torch.cat(maps)).unflatten(-1, (2, d.width))
        tokens = state["feedback"] + embedded + self.positions[state["frame"] % d.period][:, None]
        table = self._attention_table()
        hidden, new_state = [], {}
        for index, (name, branch) in enumerate(zip(self.branch_names, self.branches, strict=True)):
            x, keys, values = branch.exported(
                tokens[:, index : index + 1],
                inputs[name],
                state[f"{name}_keys"],
                state[f"{name}_values"],
                state["frame"],
                table,
            )
            hidden.append(x)
            new_state |= {f"{name}_keys": keys, f"{name}_values": values}
        maps = [branch.motion_map for branch in self.branches]
        weight, bias = torch.cat([m.weight for m in maps]), torch.cat([m.bias for m in maps])
        codes: list[Tensor] = []
        if self.basis is not None:
            codes = [branch.motion_head(x) for branch, x in zip(self.branches, hidden, strict=True)]
        if self.basis is not None and self.adds and self.output_names != ("offsets",):
            # No vertex lies on the way from frame to frame
            code = codes[0] + codes[1]
            offsets = (code @ self.basis).unflatten(-1, (-1, 3)) if "offsets" in self.output_names else None
            weight = weight @ self.feedback_of_codes().T
        elif self.basis is None or self.adds:
            offsets = self._fuse((hidden[0], hidden[1]), inputs).fused
            code = self.motion_code(offsets)
        else:
            offsets, code = motion_head(codes[0], codes[1], inputs["emotion_weight"], self.basis)
            weight = weight / self.basis.square().sum(1)
        feedback = F.linear(code, weight, bias)[:, 0].unflatten(-1, (2, d.width))
        new_state = {"feedback": feedback} | new_state | {"frame": state["frame"] + 1}
        return ({"offsets": offsets} if not codes else self._outputs(offsets, codes)), new_state

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        if self.basis is None or self.adds:
            return super().coefficient_names
        return ("coefficients", "emotion_coefficients")

    def _outputs(self, offsets: Tensor | None, codes: list[Tensor]) -> State:
        if self.adds:
            return super()._outputs(offsets, codes)
        given = {"offsets": offsets, "coefficients": codes[1], "emotion_coefficients": codes[0]}
        return {name: given[name] for name in self.output_names}

    def _fuse(self, hidden: tuple[Tensor, ...], inputs: State, vertices: Tensor | None = None) -> MotionOutputs:
        """dM = w_e dM_e + w_c dM_c with w_c = 1 - w_e per vertex; the ablation "add" is w = 1, 1."""
        emotion, content = (self._offsets(b, h, vertices) for b, h in zip(self.branches, hidden, strict=True))
        weight = inputs["emotion_weight"]
        fused = emotion + content if self.adds else content + weight[..., None] * (emotion - content)
        return MotionOutputs(fused, emotion, content)


def _condition_weight(branch: BranchDecoder, width: int) -> Tensor:
    """One branch's embeddings of style, level and class side by side, [d, width]; zeros for those that it lacks."""
    embeddings = [branch.style_embedding]
    if branch.with_emotion:
        embeddings += [branch.level_embedding, branch.emotion_embedding]
    weight = torch.cat([embedding.weight for embedding in embeddings], 1)
    return F.pad(weight, (0, width - weight.shape[1]))
