"""What can be measured: a checkpoint of any family, or a package run through the SDK, behind one interface.

A checkpoint is measured as PyTorch computes it. A package is measured as it is shipped: its own graphs in their own
precision (int8 included), chained block by block with its look-ahead, as `emoface.animate` runs a whole clip.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import nn

from emoface.frames import FrameBatch
from emoface.options import BARE
from emoface.package import DEFAULT, Package
from emoface_training.clips.store import ClipStore, StoredClip
from emoface_training.data.sample import DatasetFace
from emoface_training.errors import CheckpointError, OptionsError
from emoface_training.models.checkpoint import CONFIG, FACE, WEIGHTS, load
from emoface_training.models.rollout import Rollout, animate
from emoface_training.motion.targets import Face
from emoface_training.nn.spiral import spirals_fit
from emoface_training.vocabulary import EMOTIONS, LEVELS, SAMPLE_RATE

Emotion = Literal["auto", "given"]


class EvaluatedModel(Protocol):
    """styles: the training subjects by name, in the order of the style condition. label: how reports name the model."""

    label: str
    fps: int
    styles: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Plain data that identify the model in a report."""
        ...

    def check(self, face: Face, fps: int) -> None:
        """Raise OptionsError unless the model animates this face at this rate."""
        ...

    def animate(
        self, clips: list[StoredClip], emotion: Emotion, voices: Sequence[np.ndarray] | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (index in clips, offsets float32 [T, V, 3] in the unit of the face that was checked), in any order.

        A clip's `actor_index` is the style it is driven with, -1 the mean of the styles. voices: each clip's
        `speaker_mean`, from a `emotion_recognition.Listener` of this model.
        """
        ...


class CheckpointModel:
    """A network of any family whose whole-clip inference `inference.animate` knows."""

    def __init__(self, network: nn.Module, label: str = "model", folder: Path | None = None) -> None:
        self.network, self.label, self.folder = network, label, folder
        self.fps: int = network.config.fps
        self.styles = tuple(network.config.styles)

    def facts(self) -> dict[str, Any]:
        facts = {
            "kind": "checkpoint",
            "label": self.label,
            "family": self.network.family,
            "styles": len(self.styles),
            "precision": "fp32",
        }
        if self.folder is not None:
            facts["weights_sha256"] = hashlib.sha256((self.folder / WEIGHTS).read_bytes()).hexdigest()
        return facts

    def check(self, face: Face, fps: int) -> None:
        """Equal counts do not make a topology: triangles or spirals must be those of the training."""
        _check_rate(self.label, self.fps, fps)
        _check_count(self.label, self.network.config.vertices, face)
        stored = None if self.folder is None else self.folder / FACE
        if stored is not None and stored.is_file():
            with np.load(stored, allow_pickle=False) as arrays:
                same = np.array_equal(arrays["faces"], face.faces)
        elif isinstance(face, DatasetFace) and hasattr(self.network, "spiral"):
            dilation = self.network.config.mesh_attention.dilation
            same = spirals_fit(self.network.spiral.cpu().numpy(), face.faces, dilation)
        else:
            same = True  # nothing stored to compare
        if not same:
            raise _other_topology(self.label, len(face.template))

    def animate(
        self, clips: list[StoredClip], emotion: Emotion, voices: Sequence[np.ndarray] | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        store = ClipStore(clips, self.fps, len(self.styles))
        if voices is None:
            return animate(self.network, store, clips, Rollout(emotion))
        return animate(self.network, store, clips, Rollout(emotion), torch.from_numpy(np.stack(voices)))


class PackageModel:
    """A package in its default precision, or in the one that is named."""

    def __init__(
        self, package: Package, label: str = "model", precision: str | None = None, backend: str = "auto"
    ) -> None:
        manifest = package.manifest
        self.package, self.label, self.backend = package, label, backend
        self.precision = precision or manifest.default_precision
        self.fps, self.styles = manifest.fps, tuple(manifest.styles)
        self._scale = 1.0
        package.engine(backend, self.precision)  # a precision that it lacks is named before the work begins

    def facts(self) -> dict[str, Any]:
        manifest = self.package.manifest
        engine = self.package.engine(self.backend, self.precision)
        return {
            "kind": "package",
            "label": self.label,
            "family": manifest.family,
            "styles": len(self.styles),
            "precision": engine.precision,
            "backend": engine.backend,
            "latency_ms": 1000.0 * manifest.latency_samples / manifest.sample_rate,
            "package_sha256": self.package.digest,
        }

    def check(self, face: Face, fps: int) -> None:
        own = self.package.face
        _check_rate(self.label, self.fps, fps)
        _check_count(self.label, len(own.template), face)
        if not np.array_equal(own.faces, face.faces):
            raise _other_topology(self.label, len(own.template))
        self._scale = own.unit_in_metres / getattr(face, "unit_in_metres", 1.0)

    def animate(
        self, clips: list[StoredClip], emotion: Emotion, voices: Sequence[np.ndarray] | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        for index, clip in enumerate(clips):
            yield index, self.speak(clip, emotion, None if voices is None else voices[index])[0]

    def speak(
        self, clip: StoredClip, emotion: Emotion, voice: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Offsets float32 [T, V, 3] in the checked face's unit, and the emotion branch's weights [T, V] ([T, 0])."""
        known = clip.emotion < len(EMOTIONS)
        wanted = {
            "style": self.styles[clip.actor_index] if clip.actor_index >= 0 else None,
            "emotion": EMOTIONS[clip.emotion] if emotion == "given" and known else "auto",
            "level": LEVELS[clip.level],
        }
        # A family without a condition is not asked for it
        conditions = {name: value for name, value in wanted.items() if name in self.package.manifest.conditions}
        moved = self.play(clip, voice, **conditions)
        offsets = (moved.vertices[: clip.frames] - self.package.face.template) * np.float32(self._scale)
        return offsets, moved.emotion_weight[: clip.frames]

    def play(self, clip: StoredClip, voice: np.ndarray | None = None, **conditions: Any) -> FrameBatch:
        """The frames of a whole clip as the SDK makes them; voice: its speaker mean float32 [D]."""
        from emoface.animation import animate as animate_sound

        return animate_sound(
            clip.waveform(),
            SAMPLE_RATE,
            self.package,
            backend=self.backend,
            precision=self.precision,
            speaker_mean=voice,
            **BARE,  # blinks and gaze follow no sound, and no ground truth has them
            **conditions,
        )


def open_model(source: str) -> EvaluatedModel:
    """A checkpoint folder, a package (folder, .emoface file, bundled name), or PACKAGE@PRECISION.

    Raises CheckpointError when there is no model, and the SDK's errors for a package that cannot be used.
    """
    path = Path(source)
    if (path / WEIGHTS).is_file() or (path / CONFIG).is_file():
        return CheckpointModel(load(path)[0], _checkpoint_label(path), path)
    name, precision = source, None
    if not _is_package(source) and "@" in source:
        name, precision = source.rsplit("@", 1)
    if not _is_package(name):
        raise CheckpointError(
            f"{source}, which is no model",
            f'a checkpoint folder with {CONFIG} and {WEIGHTS}, an .emoface file, or "{DEFAULT}"',
            "Give for example RUN/stage_b, or a package with a precision: default@fp32.",
        )
    package = Package.load(name)
    model = PackageModel(package, precision=precision)
    title = name if name == DEFAULT else Path(name).name.removesuffix(".emoface")
    model.label = f"{title} ({model.precision})"
    return model


def in_own_style(clips: list[StoredClip], styles: tuple[str, ...]) -> list[StoredClip]:
    """The clips with each actor's own style of a model, or -1 for actors that it was not trained on."""
    index = {name: i for i, name in enumerate(styles)}
    return in_styles(clips, [index.get(clip.actor, -1) for clip in clips])


def in_styles(clips: list[StoredClip], indices: list[int]) -> list[StoredClip]:
    """The clips, each with the style of that index."""
    return [dataclasses.replace(clip, actor_index=i) for clip, i in zip(clips, indices, strict=True)]


def _is_package(name: str) -> bool:
    path = Path(name)
    return name == DEFAULT or path.is_file() or (path / "manifest.json").is_file()


def _checkpoint_label(path: Path) -> str:
    """RUN/stage_b as "RUN", or with the folder's name where that says more."""
    path = path.resolve()
    return path.parent.name if path.name in ("stage_a", "stage_b") else path.name


def _check_rate(label: str, own: int, fps: int) -> None:
    if own != fps:
        raise OptionsError(
            f"a dataset of {fps} fps for a model of {own} ({label})",
            "equal rates",
            "Evaluate each model on data of the rate that it was trained with.",
        )


def _check_count(label: str, own: int, face: Face) -> None:
    if own != len(face.template):
        raise OptionsError(
            f"a face of {len(face.template)} vertices for a model of {own} ({label})",
            "equal counts",
            "Evaluate with the face that the model was trained on.",
        )


def _other_topology(label: str, vertices: int) -> OptionsError:
    return OptionsError(
        f"a dataset whose face has the model's {vertices} vertices in another topology ({label})",
        "the triangles that it was trained on",
        "Evaluate it on data of its own topology.",
    )
