"""SpiralConv3D's CUDA kernels on the GPU at hand: against float64, PyTorch's gather + linear and the card's bandwidth.

    python benchmarks/spiral_conv3d_cuda.py [--batch 64] [--frames 2] [--repeats 50] [--json]

Needs libemoface_cuda (an installation from source with nvcc) and PyTorch with CUDA. Every result is first compared with
float64 on the processor; times are medians of CUDA events around calls in a row on one stream, after a warm-up.

Figures, for each shape (`layer2_cin12`, `layer2_cin16`, `general_cin16`, `general_cin48`) and precision (`fp32`,
`fp16`): `<shape>_<precision>` is PyTorch's time over the kernel's (goal: >= 10); `..._us` the kernel's time;
`..._bandwidth` the bytes that must move at least (inputs and outputs once), over the time, as a share of a
device-to-device copy's (goal: >= 0.7); `..._error` the largest error relative to the largest value.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import measure
from emoface.backends.cuda_device import driver_reason
from emoface.backends.tensorrt_library import plugin_path
from emoface.errors import BackendError

# V, K, Cin, Cout, delta: the second layer of Mesh Attention on a 5023-vertex face, and the operator between layers
SHAPES = {
    "layer2_cin12": (5023, 18, 12, 1, 3),
    "layer2_cin16": (5023, 18, 16, 1, 3),
    "general_cin16": (5023, 18, 16, 16, 3),
    "general_cin48": (5023, 18, 48, 48, 3),
}


class Case:
    """One shape with random arrays on the GPU.

    Args:
        sizes: V, K, Cin, Cout, delta.
        batch, frames: voices and new frames.
        half: fp16 values (sums in fp32).
    """

    def __init__(self, sizes: tuple[int, int, int, int, int], batch: int, frames: int, half: bool, seed: int) -> None:
        import torch

        self.sizes, self.batch, self.frames, self.half = sizes, batch, frames, half
        vertices, kernel, channels_in, channels_out, delta = sizes
        random = np.random.default_rng(seed)
        dtype = np.float16 if half else np.float32

        def fill(*shape: int) -> np.ndarray:
            return random.standard_normal(shape, np.float32).astype(dtype)

        self.x = fill(batch, frames, vertices, channels_in)
        self.partial = fill(batch, delta - 1, vertices, channels_out)
        self.weight = fill(channels_out, delta * kernel * channels_in)
        self.bias = fill(channels_out)
        self.spiral = random.integers(0, vertices, (vertices, kernel)).astype(np.int32)
        names = ("x", "partial", "spiral", "weight", "bias")
        self.on_gpu = {name: torch.from_numpy(getattr(self, name)).cuda() for name in names}
        self.y = torch.empty(batch, frames, vertices, channels_out, dtype=self.on_gpu["x"].dtype, device="cuda")
        self.rest = torch.empty_like(self.on_gpu["partial"])

    def call(self, library: Any) -> Callable[[], None]:
        """A function that queues the kernel on PyTorch's current stream."""
        import torch

        arrays = [*self.on_gpu.values(), self.y, self.rest]
        error = ctypes.c_int(0)
        arguments = (
            (ctypes.c_int64 * 5)(*self.sizes),
            ctypes.c_int64(self.batch),
            ctypes.c_int64(self.frames),
            ctypes.c_int(self.half),
            *(ctypes.c_void_p(array.data_ptr()) for array in arrays),
            ctypes.c_void_p(torch.cuda.current_stream().cuda_stream),
            ctypes.byref(error),
        )

        def run() -> None:
            status = library.emoface_spiral_conv3d_cuda(*arguments)
            if status:
                raise BackendError(f"status {status}, CUDA error {error.value}", "a launch", "See spiral_conv3d.h.")

        return run

    def kernel(self, library: Any) -> tuple[np.ndarray, np.ndarray]:
        """y and new_partial of the kernel, as float64."""
        self.call(library)()
        return self.y.double().cpu().numpy(), self.rest.double().cpu().numpy()

    def reference(self) -> tuple[np.ndarray, np.ndarray]:
        """The same in float64 on the processor."""
        vertices, kernel, channels_in, channels_out, delta = self.sizes
        taps = self.weight.astype(np.float64).reshape(channels_out, delta, kernel * channels_in)
        total = np.zeros((self.batch, self.frames + delta - 1, vertices, channels_out))
        total[:, : delta - 1] += self.partial
        for t in range(self.frames):
            rows = self.x[:, t, self.spiral.reshape(-1)].astype(np.float64).reshape(self.batch, vertices, -1)
            for age in range(delta):
                total[:, t + age] += rows @ taps[:, delta - 1 - age].T
        return total[:, : self.frames] + self.bias.astype(np.float64), total[:, self.frames :]

    def error(self, got: tuple[np.ndarray, np.ndarray]) -> float:
        """Largest absolute error over the largest expected value."""
        pairs = [(a, b) for a, b in zip(got, self.reference(), strict=True) if b.size]
        return max(float(np.abs(a - b).max()) for a, b in pairs) / max(float(np.abs(b).max()) for _, b in pairs)

    def gather_linear(self) -> Callable[[], Any]:
        """PyTorch's plain form: gather the neighbours of the window's frames, one linear layer."""
        import torch

        vertices, _, channels_in, _, delta = self.sizes
        past = torch.zeros(self.batch, delta - 1, vertices, channels_in, dtype=self.y.dtype, device="cuda")
        window = torch.cat([past, self.on_gpu["x"]], 1)
        rows = self.on_gpu["spiral"].reshape(-1).long()

        def run() -> Any:
            with torch.inference_mode():
                gathered = window[:, :, rows].view(self.batch, window.shape[1], vertices, -1)
                stacked = torch.cat([gathered[:, age : age + self.frames] for age in range(delta)], -1)
                return torch.nn.functional.linear(stacked, self.on_gpu["weight"], self.on_gpu["bias"])

        return run

    @property
    def bytes(self) -> int:
        """What must move at least: every array once."""
        return sum(array.nbytes for array in (*self.on_gpu.values(), self.y, self.rest))


def microseconds(run: Callable[[], Any], repeats: int, calls: int = 20) -> float:
    """Median time of one call."""
    import torch

    for _ in range(5):
        run()
    times = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(calls):
            run()
        end.record()
        end.synchronize()
        times.append(1000 * begin.elapsed_time(end) / calls)
    return float(np.median(times))


def copy_bandwidth(repeats: int) -> float:
    """Bytes per second that a device-to-device copy of 1 GiB reads and writes."""
    import torch

    source = torch.zeros(1 << 28, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / (1e-6 * microseconds(lambda: target.copy_(source), repeats, calls=2))


def open_library() -> Any:
    """libemoface_cuda; BackendError where it, the GPU or PyTorch's CUDA is missing."""
    reason = driver_reason()
    if reason is not None:
        raise BackendError(reason, "an NVIDIA GPU with its driver", "Run this benchmark on a machine with one.")
    path = plugin_path().with_name("libemoface_cuda.so")
    if not path.is_file():
        raise BackendError(f"no file {path}", "the library of a build with nvcc", "Set CUDA_HOME and install again.")
    import torch

    if not torch.cuda.is_available():
        raise BackendError(f"torch {torch.__version__} without CUDA", "PyTorch with CUDA", "See pytorch.org.")
    return ctypes.CDLL(str(path))


def main() -> int:
    parser = measure.parser(__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64, help="voices in one call")
    parser.add_argument("--frames", type=int, default=2, help="new frames per voice")
    parser.add_argument("--repeats", type=int, default=50)
    args = parser.parse_args()
    try:
        library = open_library()
    except BackendError as error:
        print(f"not measured: {error}", file=sys.stderr)
        return error.exit_code
    import torch

    print(f"{torch.cuda.get_device_name()}, {args.batch} voices, {args.frames} frames", file=sys.stderr)
    bandwidth = copy_bandwidth(args.repeats)
    figures = {"copy_gb_per_s": bandwidth / 1e9}
    for name, sizes in SHAPES.items():
        for precision in ("fp32", "fp16"):
            case = Case(sizes, args.batch, args.frames, precision == "fp16", seed=0)
            figures[f"{name}_{precision}_error"] = case.error(case.kernel(library))
            time = microseconds(case.call(library), args.repeats)
            figures[f"{name}_{precision}"] = microseconds(case.gather_linear(), args.repeats) / time
            figures[f"{name}_{precision}_us"] = time
            figures[f"{name}_{precision}_bandwidth"] = case.bytes / (1e-6 * time) / bandwidth
    measure.finish("spiral_conv3d_cuda", figures, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
