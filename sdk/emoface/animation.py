"""A whole clip at once: the same stream, fed in pieces, gathered into one Animation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from emoface.animator import Animator
from emoface.audio.chunk import check_policy, to_mono
from emoface.audio.files import read_sound
from emoface.frames import Animation, FrameBatch
from emoface.options import ClipOptions, complete
from emoface.package import DEFAULT, Package
from emoface.rig.controls import shifted

_PIECE_S = 1.0


def animate(
    audio: npt.ArrayLike,
    sample_rate: int,
    package: Package | str | Path = DEFAULT,
    *,
    tail_s: float = 0.0,
    changes: Iterable[tuple[float, str, Any]] = (),
    on_progress: Callable[[float], None] | None = None,
    **options: Unpack[ClipOptions],
) -> Animation:
    """Animate a whole clip.

    Args:
        audio: (N,) or (N, channels), any supported dtype.
        sample_rate: its rate in Hz.
        package: a loaded package, a path or a name.
        tail_s: seconds of frames, after the sound, in which the face returns to its template.
        changes: (seconds, condition, value) of conditions that change in the clip; see `Animator.set_condition`.
        on_progress: called with the fraction done.
        **options: see `emoface.options.ClipOptions`: style, emotion, level, template, ...

    Returns:
        Animation of floor(N fps / sample_rate) frames plus the tail. `metadata` holds what was used and the cost:
        `latency_ms`, `real_time_factor` (processing time / audio time).
    """
    loaded = package if isinstance(package, Package) else Package.load(package)
    with Animator(loaded, sample_rate=sample_rate, **options) as animator:
        whole = np.asarray(audio)
        chosen = complete(options)
        mono, _ = to_mono(whole, chosen["channels"], check_policy(chosen["on_bad_audio"]))
        for at, condition, value in changes:
            animator.set_condition(condition, value, at)
        piece = max(1, int(_PIECE_S * animator.sample_rate))
        batches = []
        started = time.perf_counter()
        streams = loaded.manifest.streams
        for start in range(0, len(mono) if streams else 0, piece):
            batches.append(animator.step(whole[start : start + piece]))
            if on_progress is not None:
                on_progress(min(1.0, (start + piece) / len(mono)))
        batches.append(animator.flush(tail_s) if streams else animator.whole(whole, tail_s))
        elapsed = time.perf_counter() - started
        frames = FrameBatch.concat(batches)
        # A file's frames lie at m / fps: the clip moves, not its clock.
        late, fps = animator.sync_offset * animator.fps, animator.fps
        seconds = len(mono) / animator.sample_rate
        metadata = {
            "synthetic": True,
            "generator": "emoface",
            "package": loaded.manifest.name,
            "package_sha256": loaded.digest,
            "backend": animator.backend,
            "precision": animator.precision,
            "latency_ms": animator.latency.ms,
            "real_time_factor": elapsed / seconds if seconds else 0.0,
        }
        return Animation(
            time=np.arange(len(frames)) / fps,
            vertices=shifted(frames.vertices, late),
            emotion=shifted(frames.emotion, late),
            emotion_weight=shifted(frames.emotion_weight, late),
            blendshapes=animator.blendshapes,
            blendshape_weights=shifted(frames.blendshape_weights, late),
            face=animator.face,
            fps=fps,
            audio=mono,
            audio_rate=animator.sample_rate,
            metadata=metadata,
        )


def animate_file(
    path: str | Path,
    package: Package | str | Path = DEFAULT,
    *,
    tail_s: float = 0.0,
    changes: Iterable[tuple[float, str, Any]] = (),
    on_progress: Callable[[float], None] | None = None,
    **options: Unpack[ClipOptions],
) -> Animation:
    """Animate a sound file (wav, flac, ogg, ...); arguments as for `animate`."""
    sound = read_sound(path)
    return animate(
        sound.samples, sound.rate, package, tail_s=tail_s, changes=changes, on_progress=on_progress, **options
    )
