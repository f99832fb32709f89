"""EmoFace: speech in, moving face out.

    import emoface

    package = emoface.Package.load("default")
    with package.animator(sample_rate=48000, emotion="happy") as animator:
        for chunk in microphone:
            frames = animator.step(chunk)  # frames.vertices: (n, V, 3)
        frames = animator.flush()

Importing this module imports neither numpy, onnxruntime nor anything else heavy: names load when first used.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emoface.animation import animate as animate
    from emoface.animation import animate_file as animate_file
    from emoface.animator import Animator as Animator
    from emoface.calibration import Calibration as Calibration
    from emoface.errors import EmoFaceError as EmoFaceError
    from emoface.frames import Animation as Animation
    from emoface.frames import FrameBatch as FrameBatch
    from emoface.manifest import Manifest as Manifest
    from emoface.package import Face as Face
    from emoface.package import Package as Package
    from emoface.person import Person as Person
    from emoface.pool import AnimatorPool as AnimatorPool
    from emoface.timing import Latency as Latency

__version__ = "0.1.0"

# ONNX Runtime 1.32 and newer write a device id into the user's cache folder when they are imported, and report to their
# makers. Off, here and in every process started from here, unless the user said ORT_DISABLE_TELEMETRY=0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "Animation",
    "Animator",
    "AnimatorPool",
    "Calibration",
    "EmoFaceError",
    "Face",
    "FrameBatch",
    "Latency",
    "Manifest",
    "Package",
    "Person",
    "animate",
    "animate_file",
]

_HOME = {
    "Animation": "frames",
    "Animator": "animator",
    "AnimatorPool": "pool",
    "Calibration": "calibration",
    "EmoFaceError": "errors",
    "Face": "package",
    "FrameBatch": "frames",
    "Latency": "timing",
    "Manifest": "manifest",
    "Package": "package",
    "Person": "person",
    "animate": "animation",
    "animate_file": "animation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
