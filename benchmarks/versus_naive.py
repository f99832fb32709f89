"""One frame of the step functions against the usual way: the whole prefix decoded again for every frame.

    python benchmarks/versus_naive.py [--width 64] [--lengths 60,300,600] [--json]

Our own re-implementation of that way with PyTorch's decoder layer (vectorised, inference mode, one thread, audio
features and feedback tokens kept), Mesh Attention by gather + linear for the newest frame. Rows: the prefix with the
head for every frame (as published implementations run it), with the head for the newest frame alone, and a PyTorch KV
cache. All outputs are asserted equal. Random weights, the papers' dense head, V = 5023, the default window.

Figures are ratios against Mesh Attention and decoder as exported, in ONNX Runtime with EmoFace's kernels, state bound
as the SDK binds it, one thread, fp32 and int8 (`_int8`): `speedup_t*` compares with the published form,
`speedup_newest_head_t*` and `speedup_cache_t*` with the two faster ones. Other widths than 64 end in `_d*`.
`plain_speedup_t*` is the published form against plain ONNX Runtime in fp32. `int8_error_t*` is how far the int8 step's
offsets are from the fp32 step's, as a share of the largest offset (random weights: an order of magnitude).
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import measure
from emoface.backends.native_library import library_path
from emoface.backends.ort import OrtStage
from emoface_export.family_wiring import wiring_of
from emoface_export.onnx_export import export_stage
from emoface_export.package_manifest import stage_spec
from emoface_export.quantize import quantize_model
from emoface_export.wiring import input_shapes
from emoface_training.config import DecoderConfig, EmoFaceConfig, EncoderConfig
from emoface_training.data.synthetic.rig import Rig
from emoface_training.nn.emoface import EmoFace
from emoface_training.nn.spiral import build_spirals
from emoface_training.nn.spiral_op import spiral_conv3d_projected

# Largest difference of an int8 step that is still a step: the weights are random, so this only catches blunders
INT8_LIMIT = 0.2


def build_model(width: int) -> EmoFace:
    """Random weights at the default encoders' feature width, the default face's topology, the dense head."""
    torch.manual_seed(0)
    rig = Rig.load()
    config = EmoFaceConfig(
        vertices=len(rig.template),
        content_encoder=EncoderConfig(num_hidden_layers=1, right=(1,)),
        emotion_encoder=EncoderConfig(num_hidden_layers=1, right=(1,)),
        decoder=DecoderConfig(width=width),
    )
    attention = config.mesh_attention
    spiral = torch.from_numpy(build_spirals(rig.template, rig.faces, attention.kernel, attention.dilation))
    model = EmoFace(config, spiral).eval()
    for branch in model.decoder.branches:
        nn.init.normal_(branch.motion_head.weight, std=1e-3)
    return model


@dataclass
class Moment:
    """Everything known when frame t is due: features and feedback of the frames up to t."""

    content: Tensor
    emotion: Tensor
    feedback: Tensor
    decoder_state: dict[str, Tensor]
    mesh_state: dict[str, Tensor]
    conditions: dict[str, Tensor]


def run_up_to(model: EmoFace, frames: int) -> Moment:
    generator = torch.Generator().manual_seed(1)
    width = model.config.width
    content, emotion = (torch.randn(1, frames, width, generator=generator) for _ in range(2))
    conditions = {"style": torch.ones(1, 1), "level": torch.eye(2)[:1], "emotion_class": torch.eye(9)[:1]}
    decoder, mesh = model.decoder, model.mesh_attention
    decoder_state, mesh_state = decoder.initial_state(1), mesh.initial_state(1)
    feedback = [decoder_state["feedback"]]
    for t in range(frames - 1):
        now = {"content": content[:, t : t + 1], "emotion": emotion[:, t : t + 1]}
        weight, mesh_state = mesh.step(now, mesh_state)
        _, decoder_state = decoder.step(now | weight | conditions, decoder_state)
        feedback.append(decoder_state["feedback"])
    return Moment(content, emotion, torch.stack(feedback, 1), decoder_state, mesh_state, conditions)


def published_layer(branch: nn.Module) -> nn.TransformerDecoderLayer:
    """PyTorch's decoder layer with a branch's weights: what FaceFormer-style code runs."""
    width = branch.self_out.weight.shape[0]
    layer = nn.TransformerDecoderLayer(width, branch.heads, 2 * width, batch_first=True).eval()
    layer.self_attn.in_proj_weight.copy_(branch.self_in.weight)
    layer.self_attn.in_proj_bias.copy_(branch.self_in.bias)
    layer.self_attn.out_proj.load_state_dict(branch.self_out.state_dict())
    layer.multihead_attn.in_proj_weight[2 * width :].copy_(branch.cross_value.weight)
    layer.multihead_attn.in_proj_bias[2 * width :].copy_(branch.cross_value.bias)
    layer.multihead_attn.out_proj.load_state_dict(branch.cross_out.state_dict())
    for name in ("linear1", "linear2", "norm1", "norm2", "norm3"):
        getattr(layer, name).load_state_dict(getattr(branch, name).state_dict())
    return layer


class Naive:
    """Decodes frames 0 ... t again to obtain frame t; Mesh Attention by gather + linear for the newest frame."""

    def __init__(self, model: EmoFace, moment: Moment, head_for_every_frame: bool) -> None:
        self.model, self.head_for_every_frame = model, head_for_every_frame
        decoder = model.decoder
        count = moment.feedback.shape[1]
        self.layers = [published_layer(branch) for branch in decoder.branches]
        self.memory = [
            branch.audio_feature_map(features)
            for branch, features in zip(decoder.branches, (moment.emotion, moment.content), strict=True)
        ]
        conditions = decoder._conditions(moment.conditions)
        position = decoder.positions[torch.arange(count) % model.config.decoder.period]
        self.tokens = [moment.feedback[:, :, i] + conditions[:, :, i] + position for i in range(2)]
        age = torch.arange(count)[:, None] - torch.arange(count)[None]
        penalty = -decoder.slopes[:, None, None] * (age // model.config.decoder.period)
        inside = (age >= 0) & (age < model.config.decoder.window)
        self.bias = torch.where(inside, penalty, -math.inf)
        self.aligned = torch.full((count, count), -math.inf).fill_diagonal_(0.0)
        mesh = model.mesh_attention
        self.audio = mesh.audio_features(moment.content, moment.emotion)[0, -5:]
        self.spiral = mesh.first.spiral.long()

    def mesh_weight(self) -> Tensor:
        """Gather + linear: the first layer of the three newest frames would be kept, only the newest is computed."""
        mesh = self.model.mesh_attention
        vertices, kernel = self.spiral.shape
        delta = mesh.delta

        def layer(module: nn.Module, frames: Tensor) -> Tensor:
            gathered = frames[:, self.spiral.reshape(-1)].unflatten(1, (vertices, kernel))
            return F.linear(gathered.transpose(0, 1).flatten(1), module.weight, module.bias)

        newest = F.elu(layer(mesh.first, self.audio[-delta:, None] + mesh.position))
        hidden = torch.cat([self.past_hidden, newest[None]])
        return torch.softmax(layer(mesh.second, hidden), -1)[:, 0]

    def prepare(self) -> Naive:
        """The past frames' first-layer outputs, kept from earlier frames."""
        mesh = self.model.mesh_attention
        x = (self.audio[:, None] + mesh.position)[None]
        partial = x.new_zeros(1, mesh.delta - 1, *x.shape[2:])
        first = mesh.first
        y, _ = spiral_conv3d_projected(x, partial, first.spiral, first.weight, first.bias, mesh.delta)
        self.past_hidden = F.elu(y[0, -mesh.delta : -1])
        return self

    def frame(self) -> Tensor:
        offsets = []
        for layer, tokens, memory, branch in zip(
            self.layers, self.tokens, self.memory, self.model.decoder.branches, strict=True
        ):
            hidden = layer(tokens, memory, tgt_mask=self.bias, memory_mask=self.aligned)
            head = branch.motion_head(hidden if self.head_for_every_frame else hidden[:, -1:])
            offsets.append(head[0, -1].unflatten(0, (-1, 3)))
        emotion, content = offsets
        weight = self.mesh_weight()[:, None]
        return weight * emotion + (1 - weight) * content


class Cached(Naive):
    """PyTorch with a KV cache; Mesh Attention as in `Naive`."""

    def __init__(self, model: EmoFace, moment: Moment) -> None:
        super().__init__(model, moment, head_for_every_frame=False)
        newest = {"content": moment.content[:, -1:], "emotion": moment.emotion[:, -1:]}
        self.inputs, self.state = newest | moment.conditions, moment.decoder_state

    def frame(self) -> Tensor:
        weight = self.mesh_weight()[None, None]
        outputs, _ = self.model.decoder.step(self.inputs | {"emotion_weight": weight}, self.state)
        return outputs["offsets"][0, 0]


class Step:
    """Mesh Attention and decoder as exported, as the SDK runs them: one thread, bound buffers."""

    def __init__(self, stages: list, int8: bool, native: bool) -> None:
        self.stages = []
        for exported in stages:
            options = ort.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 3
            if native:
                options.register_custom_ops_library(str(library_path()))
            data = (quantize_model(exported.model) if int8 else exported.model).SerializeToString()
            session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            self.stages.append(
                OrtStage(session, stage_spec(exported, wiring_of(EmoFaceConfig()).sources[exported.name], {}))
            )

    def at(self, moment: Moment):
        """The next frame from `moment`. Later calls go on from there: a step costs the same at any time."""
        mesh, decoder = self.stages
        for stage, state in ((mesh, moment.mesh_state), (decoder, moment.decoder_state)):
            stage.restore({name: value.numpy() for name, value in state.items()})
        newest = {"content": moment.content[:, -1:].numpy(), "emotion": moment.emotion[:, -1:].numpy()}
        conditions = {name: value.numpy() for name, value in moment.conditions.items()}

        def frame() -> np.ndarray:
            weight = mesh.run(newest, 1)["emotion_weight"]
            return decoder.run(newest | conditions | {"emotion_weight": weight}, 1)["offsets"][0, 0]

        return frame


def steps_of(model: EmoFace) -> dict[str, Step]:
    model.mesh_attention.freeze()
    names = ("mesh_attention", "decoder")
    stages = [export_stage(name, model.stages[name], input_shapes(model.config, name)) for name in names]
    kinds = {"step": (False, True), "int8": (True, True), "plain": (False, False)}
    if not library_path().is_file():
        sys.exit(f"got no {library_path().name}; expected a build with ONNX Runtime's headers (ONNXRUNTIME_ROOT).")
    return {name: Step(stages, *kind) for name, kind in kinds.items()}


def check(rows: dict, scale: float) -> float:
    """All rows give the same frame (int8: nearly); returns the int8 step's error. Each is called once."""
    frames = {name: np.asarray(call()).copy() for name, call in rows.items()}
    for name, frame in frames.items():
        difference = np.abs(frame - frames["step"]).max() / scale
        limit = INT8_LIMIT if name == "int8" else 1e-4
        if not difference <= limit:
            sys.exit(f"{name} differs from the step by {difference:.1e} of the largest offset; expected {limit:g}.")
    return float(np.abs(frames["int8"] - frames["step"]).max() / scale)


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--width", type=int, default=64, help="decoder width d (the papers' 64, or 128, 1024)")
    arguments.add_argument("--lengths", default="60,300,600", help="frames t of the prefix, separated by commas")
    arguments.add_argument("--repeats", type=int, default=21)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    suffix = "" if options.width == 64 else f"_d{options.width}"
    figures: dict[str, float] = {}
    every: list[measure.Timing] = []
    with torch.inference_mode():
        model = build_model(options.width)
        with torch.inference_mode(False):
            steps = steps_of(model)
        print(f"ms per frame (CPU time, median of {options.repeats}), d = {options.width}, V = {model.config.vertices}")
        print(f"{'t':>4} {'prefix':>9} {'prefix*':>9} {'KV cache':>9} {'plain':>7} {'step':>7} {'int8':>7}")
        for length in (int(text) for text in options.lengths.split(",")):
            moment = run_up_to(model, length)
            rows = {
                "prefix": Naive(model, moment, True).prepare().frame,
                "newest": Naive(model, moment, False).prepare().frame,
                "cache": Cached(model, moment).prepare().frame,
            }
            rows |= {name: step.at(moment) for name, step in steps.items()}
            error = check(rows, float(np.abs(rows["prefix"]().numpy()).max()))
            timings = measure.interleave(rows, options.repeats)
            every += timings.values()
            ms = {name: timing.median_ms for name, timing in timings.items()}
            print(
                f"{length:4d} {ms['prefix']:9.2f} {ms['newest']:9.2f} {ms['cache']:9.2f} {ms['plain']:7.2f} "
                f"{ms['step']:7.2f} {ms['int8']:7.2f}"
            )
            for name, key in (("prefix", "speedup"), ("newest", "speedup_newest_head"), ("cache", "speedup_cache")):
                figures[f"{key}_t{length}{suffix}"] = ms[name] / ms["step"]
                figures[f"{key}_t{length}{suffix}_int8"] = ms[name] / ms["int8"]
            figures[f"plain_speedup_t{length}{suffix}"] = ms["prefix"] / ms["plain"]
            figures[f"int8_error_t{length}{suffix}"] = error
    figures["cpu_per_wall"] = measure.cpu_per_wall(every)
    print("(prefix: head for every frame, as published; prefix*: head for the newest frame alone; step, int8: with our")
    print("kernels; plain: the same fp32 graphs in plain ONNX Runtime)")
    measure.finish("versus_naive", figures, options.json)


if __name__ == "__main__":
    main()
