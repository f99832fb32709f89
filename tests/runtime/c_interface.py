"""The C interface through ctypes, as any other program would call it."""

from __future__ import annotations

import ctypes
import glob
import importlib.util
import sys
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "sdk" / "emoface" / "_lib" / ("libemoface.dylib" if sys.platform == "darwin" else "libemoface.so")
DTYPES = {"float32": 0, "float64": 1, "int16": 2, "int32": 3, "uint8": 4}


def onnxruntime_library() -> str:
    folder = Path(importlib.util.find_spec("onnxruntime").origin).parent / "capi"
    return sorted(glob.glob(str(folder / "libonnxruntime.so*")) + glob.glob(str(folder / "libonnxruntime*.dylib")))[0]


class Sized(ctypes.Structure):
    """A struct that says its own size."""

    def __init__(self, **values):
        super().__init__(struct_size=ctypes.sizeof(type(self)), **values)


class AnimatorConfig(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        *[(name, c_int32) for name in ("sample_rate", "channels", "sample_format", "on_bad_audio", "block_ms")],
        *[(name, c_int32) for name in ("threads", "blendshapes")],
        *[(name, c_char_p) for name in ("precision", "backend", "style", "emotion", "level")],
        ("conditions", c_void_p),
        ("condition_count", c_int64),
        ("template_vertices", c_void_p),
        ("template_count", c_int64),
        ("controls", c_void_p),
        ("blinks", c_int32),
        ("blink_seed", c_uint32),
        ("blink_rate", c_double),
        ("noise_seed", c_uint64),
        ("identity", c_char_p),
        *[(name, c_int32) for name in ("skip_vertices", "reserved")],
        ("person", c_char_p),
        *[(name, c_int32) for name in ("gaze", "head_sway")],
        *[(name, c_double) for name in ("gaze_strength", "head_sway_strength")],
        *[(name, c_uint32) for name in ("gaze_seed", "head_sway_seed")],
    ]


class Controls(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        *[(name, c_double) for name in ("upper_strength", "lower_strength", "upper_smoothing", "lower_smoothing")],
        ("sync_offset", c_double),
        *[(name, c_double) for name in ("mask_level", "mask_softness", "skin_strength", "blink_strength")],
        *[(name, c_double) for name in ("blink_offset", "eyelid_open_offset", "lip_open_offset", "tongue_strength")],
        *[(name, c_double) for name in ("tongue_height_offset", "tongue_depth_offset")],
    ]

    def __init__(self, **values: float) -> None:
        """Zero is a value: what is not given has its default, as emoface_controls_init() has it."""
        ones = ("upper_strength", "lower_strength", "skin_strength", "blink_strength", "tongue_strength")
        super().__init__(**{**dict.fromkeys(ones, 1.0), "mask_level": 0.5, **values})


class EmotionBlending(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("max_emotions", c_int32),
        *[(name, c_double) for name in ("transition_seconds", "strength", "contrast", "neutral_after")],
        ("rest", c_char_p),
    ]


class EmotionKey(ctypes.Structure):
    _fields_ = [("time", c_double), ("weights", c_void_p), ("count", c_int64)]


class AnimatorInfo(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        *[(name, c_int32) for name in ("fps", "sample_rate", "channels", "block_ms", "latency_samples")],
        ("latency_seconds", c_double),
        ("backend", c_char_p),
        ("precision", c_char_p),
        ("samples_fed", c_int64),
        ("frames_made", c_int64),
        *[(name, c_int32) for name in ("has_head_pose", "reserved")],
    ]


class PackageInfo(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        *[(name, c_int32) for name in ("format", "fps", "sample_rate", "vertices", "triangles", "emotions")],
        *[(name, c_int32) for name in ("has_weights", "blendshapes", "latency_samples", "block_ms")],
        *[(name, c_int32) for name in ("least_block_ms", "longest_block_ms", "reserved")],
        ("unit_in_metres", c_double),
        ("motion_range", c_double),
        *[(name, c_int32) for name in ("has_head_pose", "has_arousal", "has_valence", "has_confidence")],
        *[(name, c_int32) for name in ("coefficients", "has_emotion_coefficients")],
    ]


class Calibration(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("capacity", c_int32),
        ("speaker_mean", c_void_p),
        ("count", c_int64),
        ("seconds", c_double),
    ]


class Frames(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        *[(name, c_void_p) for name in ("time", "vertices", "emotion", "emotion_weight", "blendshapes", "offsets")],
        *[(name, c_void_p) for name in ("head_rotation", "head_translation", "arousal", "valence", "confidence")],
        *[(name, c_void_p) for name in ("coefficients", "emotion_coefficients")],
    ]


class Verification(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("passed", c_int32),
        ("frames", c_int64),
        *[(name, c_double) for name in ("offsets_error", "emotion_error", "tolerance", "stages_error")],
    ]


class File(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("data", c_char_p), ("size", c_int64)]


class Statistics(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("failed", c_int32),
        *[(name, c_int64) for name in ("pushed_samples", "rejected_samples", "waiting_samples", "frames", "sampled")],
        *[(name, c_int64) for name in ("no_frame", "late", "early")],
        *[(name, c_double) for name in ("newest_time", "mean_block_seconds", "worst_block_seconds")],
    ]


class RealtimeConfig(Sized):
    _fields_ = [("struct_size", c_uint32), *[(name, c_int32) for name in ("queue_ms", "history_ms", "reserved")]]


class SolverConfig(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("shapes", c_int32),
        ("deltas", c_void_p),
        ("sparsity", c_float),
        ("smoothness", c_float),
    ]


def load(path: Path = LIBRARY) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    texts = "version", "status_name", "last_error", "last_error_part", "onnxruntime_version", "onnxruntime_path"
    for name in (*texts, "package_text", "package_name"):
        getattr(library, f"emoface_{name}").restype = c_char_p
    of_face = "template", "faces", "colours", "mask", "blendshape", "basis", "identity", "pivots"
    for name in (*of_face, "uvs", "uv_faces", "normal_groups", "texture"):
        getattr(library, f"emoface_package_{name}").restype = c_void_p
    for name in ("package", "animator", "solver", "retarget"):
        getattr(library, f"emoface_{name}_release").restype = None
        getattr(library, f"emoface_{name}_release").argtypes = [c_void_p]
    pointer, count = c_void_p, c_int64
    library.emoface_package_open_memory.argtypes = [pointer, count, POINTER(c_void_p)]
    library.emoface_package_open_files.argtypes = [pointer, count, POINTER(c_void_p)]
    library.emoface_step.argtypes = [pointer, pointer, count, pointer, count, POINTER(c_int64)]
    library.emoface_step_frames.argtypes = [pointer, count, POINTER(c_int64)]
    library.emoface_flush.argtypes = [pointer, c_double, pointer, count, POINTER(c_int64)]
    library.emoface_flush_frames.argtypes = [pointer, c_double, POINTER(c_int64)]
    library.emoface_snapshot.argtypes = [pointer, pointer, count, POINTER(c_int64)]
    library.emoface_restore.argtypes = [pointer, pointer, count]
    library.emoface_push.argtypes = [pointer, pointer, count]
    library.emoface_sample.argtypes = [pointer, c_double, pointer]
    for name in ("style", "emotion", "level", "person"):
        getattr(library, f"emoface_set_{name}").argtypes = [pointer, c_char_p, c_double]
    library.emoface_set_condition.argtypes = [pointer, c_char_p, pointer, count, c_double]
    library.emoface_read_person.argtypes = [pointer, c_char_p, pointer, count, pointer, count, POINTER(c_int64)]
    library.emoface_calibrate.argtypes = [pointer, pointer, count, c_int32, c_double, pointer]
    library.emoface_solver_solve.argtypes = [pointer, pointer, pointer]
    return library


class StatusError(Exception):
    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


class Api:
    """Calls that raise StatusError for errors, and return the status's name."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def call(self, function: str, *arguments) -> str:
        status = getattr(self.library, f"emoface_{function}")(*arguments)
        name = self.library.emoface_status_name(status).decode()
        if status < 0:
            raise StatusError(name.removeprefix("ERROR_"), self.library.emoface_last_error().decode())
        return name

    def last_error(self) -> str:
        return self.library.emoface_last_error().decode()

    def last_error_parts(self) -> list[str]:
        """Got, expected, remedy, file and field."""
        return [self.library.emoface_last_error_part(part).decode() for part in range(5)]

    def open(self, source) -> Package:
        handle = c_void_p()
        if isinstance(source, bytes):
            self.call("package_open_memory", source, len(source), byref(handle))
        elif isinstance(source, dict):
            files = (File * len(source))(*[File(name.encode(), data, len(data)) for name, data in source.items()])
            self.call("package_open_files", files, len(files), byref(handle))
        else:
            self.call("package_open", str(source).encode(), byref(handle))
        return Package(self, handle)


class Package:
    def __init__(self, api: Api, handle) -> None:
        self.api, self.handle = api, handle
        self.info = PackageInfo()
        api.call("package_get_info", handle, byref(self.info))

    def __del__(self) -> None:
        self.api.library.emoface_package_release(self.handle)

    def names(self, which: int) -> list[str]:
        library = self.api.library
        count = library.emoface_package_name_count(self.handle, which)
        return [library.emoface_package_name(self.handle, which, i).decode() for i in range(count)]

    def text(self, which: int) -> str:
        return self.api.library.emoface_package_text(self.handle, which).decode()

    def verify(self, config: AnimatorConfig | None = None) -> Verification:
        result = Verification()
        self.api.call("verify", self.handle, byref(config) if config else None, byref(result))
        return result

    def animator(self, **options) -> Voice:
        # Named, so that it is the same on every machine.
        return Voice(self, AnimatorConfig(**{"backend": b"ort-cpu", **options}))


class Voice:
    """An animator with numpy arrays."""

    def __init__(self, package: Package, config: AnimatorConfig) -> None:
        self.api, self.package, self.config = package.api, package, config
        self.handle = c_void_p()
        self.api.call("animator_create", package.handle, byref(config), byref(self.handle))
        self.channels = config.channels or 1
        self.has_head_pose = self.info().has_head_pose

    def __del__(self) -> None:
        self.api.library.emoface_animator_release(self.handle)

    def info(self) -> AnimatorInfo:
        info = AnimatorInfo()
        self.api.call("animator_get_info", self.handle, byref(info))
        return info

    def arrays(self, n: int) -> dict[str, np.ndarray]:
        info = self.package.info
        arrays = {
            "time": np.zeros(n),
            "emotion": np.zeros((n, info.emotions), np.float32),
            "emotion_weight": np.zeros((n, info.vertices * info.has_weights), np.float32),
        }
        if not self.config.skip_vertices:
            arrays |= {name: np.zeros((n, info.vertices, 3), np.float32) for name in ("vertices", "offsets")}
        if info.coefficients:
            arrays["coefficients"] = np.zeros((n, info.coefficients), np.float32)
        if info.has_emotion_coefficients:
            arrays["emotion_coefficients"] = np.zeros((n, info.coefficients), np.float32)
        if self.has_head_pose:
            arrays["head_rotation"] = np.zeros((n, 3, 3), np.float32)
            arrays["head_translation"] = np.zeros((n, 3), np.float32)
        for name in ("arousal", "valence", "confidence"):
            if getattr(info, f"has_{name}"):
                arrays[name] = np.zeros((n, 1), np.float32)
        if self.config.blendshapes:
            arrays["blendshapes"] = np.zeros((n, info.blendshapes), np.float32)
        return arrays

    @staticmethod
    def frames(arrays: dict[str, np.ndarray]) -> Frames:
        return Frames(**{name: array.ctypes.data for name, array in arrays.items()})

    def step(self, chunk: np.ndarray) -> dict[str, np.ndarray]:
        chunk = np.ascontiguousarray(chunk)
        count, written = len(chunk), c_int64()
        self.api.call("step_frames", self.handle, count, byref(written))
        arrays = self.arrays(written.value)
        out = self.frames(arrays)
        self.api.call("step", self.handle, chunk.ctypes.data, count, byref(out), len(arrays["time"]), byref(written))
        assert written.value == len(arrays["time"])
        return arrays

    def flush(self, tail: float = 0.0) -> dict[str, np.ndarray]:
        written = c_int64()
        self.api.call("flush_frames", self.handle, tail, byref(written))
        arrays = self.arrays(written.value)
        out = self.frames(arrays)
        self.api.call("flush", self.handle, tail, byref(out), len(arrays["time"]), byref(written))
        assert written.value == len(arrays["time"])
        return arrays

    def run(self, *chunks: np.ndarray, tail: float = 0.0) -> dict[str, np.ndarray]:
        return joined([self.step(chunk) for chunk in chunks] + [self.flush(tail)])

    def snapshot(self) -> bytes:
        written = c_int64()
        try:
            self.api.call("snapshot", self.handle, None, 0, byref(written))
        except StatusError as error:
            assert error.name == "BUFFER_TOO_SMALL"
        buffer = ctypes.create_string_buffer(written.value)
        self.api.call("snapshot", self.handle, buffer, len(buffer), byref(written))
        return buffer.raw

    def restore(self, data: bytes) -> None:
        self.api.call("restore", self.handle, data, len(data))

    def sample(self, time: float) -> tuple[str, dict[str, np.ndarray]]:
        arrays = self.arrays(1)
        arrays.pop("offsets", None)
        out = self.frames(arrays)
        return self.api.call("sample", self.handle, time, byref(out)), arrays

    def statistics(self) -> Statistics:
        statistics = Statistics()
        self.api.call("get_statistics", self.handle, byref(statistics))
        return statistics


def joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def same_bits(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].shape == b[name].shape, name
        assert a[name].tobytes() == b[name].tobytes(), name
