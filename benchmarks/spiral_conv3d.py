"""SpiralConv3D on one thread: EmoFace's kernels against PyTorch and ONNX Runtime, one new frame of a 5023-vertex face.

    python benchmarks/spiral_conv3d.py [--repeats 15] [--isa auto] [--json]

Alternatives take turns of at least 5 ms each: a short call is repeated within its turn, so that its arrays are in the
caches as they are in use, where the layer before has just written them.

Figures (ratios of median CPU times; above 1 the kernel is faster):
`layer1_cin4`, `layer1_cin64`: the separable first layer against gather + linear in PyTorch, 4 -> 4, 64 -> 64 channels;
both without the activation.
`layer2_vs_torch`: the logit difference, the smaller ratio of 12 and 16 channels in, against PyTorch's gather of three
frames + linear to two logits. `layer2_vs_ort`: the same against ONNX Runtime's Gather + MatMul, which is given the
partial sums as well, so that it gathers one frame. `layer2_roofline`: the larger of the times that the machine's
multiplications and memory would need at least (measured: a large matrix product, a copy), as a share of the kernel's.
`general_cin16`, `general_cin48`: the operator at 16 -> 16 and 48 -> 48 channels against PyTorch's gather + linear.
Times in ms end in `_ms`. `cpu_per_wall` says how much of a core the run had.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper

import measure
from emoface_training.data.synthetic.rig import Rig
from emoface_training.nn.spiral import build_spirals

KERNEL, DILATION, DELTA = 18, 2, 3  # the paper's default


def torch_layer(spiral: np.ndarray, weight: np.ndarray, bias: np.ndarray, x: np.ndarray) -> Callable[[], torch.Tensor]:
    """The plain form: gather the neighbours in the window's frames x [delta, V, Cin], one linear layer."""
    rows, taps, add = torch.from_numpy(spiral.reshape(-1)).long(), torch.from_numpy(weight), torch.from_numpy(bias)
    frames, vertices = torch.from_numpy(x), len(spiral)

    def run() -> torch.Tensor:
        with torch.inference_mode():
            gathered = frames[:, rows].view(len(frames), vertices, -1).transpose(0, 1).reshape(vertices, -1)
            return torch.nn.functional.linear(gathered, taps, add)

    return run


def ort_layer(spiral: np.ndarray, weight: np.ndarray, channels_in: int) -> onnxruntime.InferenceSession:
    """Gather + MatMul of one frame for every age's column, then the partial sums: x, partial -> y, new partial."""
    vertices, columns = len(spiral), DELTA
    taps = weight.reshape(DELTA, -1)[::-1].T  # newest age first
    constants = {
        "spiral": spiral.astype(np.int64),
        "taps": np.ascontiguousarray(taps),
        "zero": np.zeros((1, vertices), "f4"),
    }
    constants["shape"] = np.array([vertices, KERNEL * channels_in])
    constants["split"] = np.array([1, DELTA - 1])
    nodes = [
        helper.make_node("Gather", ["x", "spiral"], ["neighbours"], axis=0),
        helper.make_node("Reshape", ["neighbours", "shape"], ["rows"]),
        helper.make_node("MatMul", ["rows", "taps"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["ages"], perm=[1, 0]),
        helper.make_node("Concat", ["partial", "zero"], ["owed"], axis=0),
        helper.make_node("Add", ["ages", "owed"], ["sums"]),
        helper.make_node("Split", ["sums", "split"], ["y", "new_partial"], axis=0),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "gather_matmul",
        [
            value("x", TensorProto.FLOAT, [vertices, channels_in]),
            value("partial", TensorProto.FLOAT, [columns - 1, vertices]),
        ],
        [value("y", TensorProto.FLOAT, None), value("new_partial", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class Layer:
    """One layer's random weights, the window x [delta, V, Cin] whose last frame is new, and what earlier frames owe."""

    def __init__(self, native, spiral: np.ndarray, channels_in: int, channels_out: int, isa: str) -> None:
        random = np.random.default_rng(channels_in)
        vertices, columns = len(spiral), DELTA * KERNEL * channels_in
        self.spiral, self.channels_in = spiral, channels_in
        self.weight = (random.standard_normal((channels_out, columns)) / columns**0.5).astype(np.float32)
        self.bias = random.standard_normal(channels_out).astype(np.float32)
        self.x = random.standard_normal((DELTA, vertices, channels_in)).astype(np.float32)
        self.operator = native.SpiralConv3D(spiral, self.weight, self.bias, DELTA, isa)
        nothing = np.zeros((1, DELTA - 1, vertices, channels_out), np.float32)
        _, self.partial = self.operator(self.x[None, :-1], nothing)
        self.y = np.empty((1, 1, vertices, channels_out), np.float32)
        self.rest = np.empty_like(self.partial)

    def native(self) -> None:
        self.operator.run_into(self.x[None, -1:], self.partial, self.y, self.rest)


def timed(
    alternatives: dict[str, Callable[[], object]], repeats: int, turn_s: float = 5e-3
) -> dict[str, measure.Timing]:
    """CPU and wall seconds per call of each alternative, in turns of about `turn_s` CPU seconds."""
    counts, turns = {}, {}
    for name, call in alternatives.items():
        call()
        first = measure.Timing()
        first.add(call)
        counts[name] = max(1, int(turn_s / max(first.cpu[0], 1e-6)))
        turns[name] = lambda call=call, count=counts[name]: [call() for _ in range(count)]
    timings = measure.interleave(turns, repeats, warm_up=1)
    for name, timing in timings.items():
        timing.cpu = [seconds / counts[name] for seconds in timing.cpu]
        timing.wall = [seconds / counts[name] for seconds in timing.wall]
    return timings


def agree(name: str, got: np.ndarray, want: np.ndarray) -> None:
    """A benchmark of wrong results is worthless."""
    if not np.allclose(got, want, rtol=1e-3, atol=1e-4):
        sys.exit(f"{name}: got results that differ by {np.abs(got - want).max():g}; expected agreement to 1e-4")


def second_layer(native, spiral: np.ndarray, channels: int, choices) -> tuple[dict[str, measure.Timing], Layer]:
    layer = Layer(native, spiral, channels, 1, choices.isa)
    # PyTorch evaluates both logits, as the paper has it; their difference is what the kernel computes
    two = np.concatenate([layer.weight, np.zeros_like(layer.weight)]), np.concatenate([layer.bias, 0 * layer.bias])
    plain = torch_layer(spiral, *two, layer.x)
    session = ort_layer(spiral, layer.weight, channels)
    feed = {"x": layer.x[-1], "partial": layer.partial[0, :, :, 0]}
    alternatives = {"torch": plain, "ort": lambda: session.run(None, feed), "native": layer.native}
    timings = timed(alternatives, choices.repeats)
    agree("layer 2", layer.y[0, 0, :, 0], (plain()[:, 0] - plain()[:, 1]).numpy())
    agree("layer 2 in ONNX Runtime", layer.y[0, 0, :, 0] - layer.bias, session.run(None, feed)[0][0])
    return timings, layer


def first_layer(native, spiral: np.ndarray, channels: int, choices) -> dict[str, measure.Timing]:
    """Input audio[t] + position[v]: the kernel adds the frame's part to the vertices' constants."""
    random = np.random.default_rng(channels)
    audio = random.standard_normal((DELTA, channels)).astype(np.float32)
    position = random.standard_normal((len(spiral), channels)).astype(np.float32)
    layer = Layer(native, spiral, channels, channels, choices.isa)
    layer.x[:] = audio[:, None] + position
    plain = torch_layer(spiral, layer.weight, layer.bias, layer.x)
    taps = layer.weight.reshape(channels, DELTA, KERNEL, channels)
    constants = np.zeros((DELTA, len(spiral), channels), np.float32)
    for age in range(DELTA):
        constants[age:] += np.tensordot(position[spiral], taps[:, DELTA - 1 - age], ([1, 2], [1, 2]))
    constants += layer.bias
    summed = taps.sum(2).reshape(channels, -1)
    out, available = np.empty((1, len(spiral), channels), np.float32), np.array([DELTA - 1])

    def separable() -> None:
        native.vertex_layer((summed @ audio.reshape(-1))[None], constants, available, "none", choices.isa, out)

    timings = timed({"torch": plain, "native": separable}, choices.repeats)
    agree("layer 1", out[0], plain().numpy())
    return timings


def general(native, spiral: np.ndarray, channels: int, choices) -> dict[str, measure.Timing]:
    layer = Layer(native, spiral, channels, channels, choices.isa)
    plain = torch_layer(spiral, layer.weight, layer.bias, layer.x)
    timings = timed({"torch": plain, "native": layer.native}, max(3, choices.repeats // 3))
    agree("general", layer.y[0, 0], plain().numpy())
    return timings


def roofline_ms(layer: Layer, repeats: int) -> float:
    """The time that this core needs at least: multiplications at the rate of a large matrix product, and every array
    read or written once at the rate of a copy of the same size."""
    square = torch.randn(768, 768)
    out = torch.empty_like(square)
    arrays = [layer.x[-1], layer.spiral, layer.weight, layer.partial, layer.rest, layer.y]
    size = sum(array.nbytes for array in arrays)
    source, target = np.ones(size // 8, np.float32), np.empty(size // 8, np.float32)  # read + written = size
    limits = {"product": lambda: torch.mm(square, square, out=out), "copy": lambda: np.copyto(target, source)}
    timings = timed(limits, repeats)
    products = 2.0 * layer.weight.size * len(layer.spiral)
    fastest = 1e3 * min(timings["product"].cpu)
    return max(fastest * products / (2.0 * 768**3), 1e3 * min(timings["copy"].cpu))


def main() -> None:
    parser = measure.parser("SpiralConv3D: the kernels against PyTorch and ONNX Runtime.")
    parser.add_argument("--repeats", type=int, default=15, help="timed calls of each alternative (15)")
    parser.add_argument("--isa", default="auto", help="instruction set: auto, scalar, avx2, avx512")
    choices = parser.parse_args()
    try:
        from emoface import _native as native
    except ImportError as error:
        sys.exit(f"got no emoface._native ({error}); expected a build with a C++ compiler. Run `pip install -e .`.")
    torch.set_num_threads(1)
    rig = Rig.load()
    spiral = build_spirals(rig.template, rig.faces, KERNEL, DILATION).astype(np.int32)

    second = {channels: second_layer(native, spiral, channels, choices) for channels in (12, 16)}
    firsts = {channels: first_layer(native, spiral, channels, choices) for channels in (4, 64)}
    generals = {channels: general(native, spiral, channels, choices) for channels in (16, 48)}

    def ratio(timings: dict[str, measure.Timing], other: str) -> float:
        return timings[other].median_ms / timings["native"].median_ms

    figures = {f"layer1_cin{channels}": ratio(timings, "torch") for channels, timings in firsts.items()}
    figures["layer2_vs_torch"] = min(ratio(timings, "torch") for timings, _ in second.values())
    figures["layer2_vs_ort"] = min(ratio(timings, "ort") for timings, _ in second.values())
    shares = [roofline_ms(layer, choices.repeats) / timings["native"].median_ms for timings, layer in second.values()]
    figures["layer2_roofline"] = min(shares)
    figures |= {f"general_cin{channels}": ratio(timings, "torch") for channels, timings in generals.items()}
    for channels, (timings, _) in second.items():
        figures |= {f"layer2_cin{channels}_{name}_ms": timing.median_ms for name, timing in timings.items()}
    everything = [
        t
        for timings in [*firsts.values(), *generals.values(), *(s[0] for s in second.values())]
        for t in timings.values()
    ]
    figures["cpu_per_wall"] = measure.cpu_per_wall(everything)
    print(f"instruction set: {native.isa()['best'] if choices.isa == 'auto' else choices.isa}")
    measure.finish("spiral_conv3d", figures, choices.json)


if __name__ == "__main__":
    main()
