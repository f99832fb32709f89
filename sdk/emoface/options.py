"""What a caller chooses for an animator: one typed set for `Animator`, `Package`, `AnimatorPool` and `animate`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

from emoface.errors import UsageError

if TYPE_CHECKING:
    from emoface.calibration import Calibration
    from emoface.rig.basis import Blendshapes
    from emoface.rig.blinks import Blinks
    from emoface.rig.controls import RigControls
    from emoface.rig.gaze import Gaze
    from emoface.rig.head_sway import HeadSway

MOST_THREADS = 1024


class VoiceOptions(TypedDict, total=False):
    """What may differ from voice to voice of a pool.

    Attributes:
        style: speaking style: a name, a dict of name -> weight, an array, or None (default) for the mean of the styles.
            Also an `emoface.Person` of the package's model, or its .json file.
        emotion: an emotion's name, a dict of weights, an array, or "auto" (default): follow the voice. Or keys in time:
            an `emoface.rig.EmotionTimeline`, or its .json or .csv file.
        auto_strength: 0 to 1 (default), how far "auto" follows the voice; the rest is neutral. A short way to write
            weights: "auto" at 0.7 is {"auto": 0.7, "neutral": 0.3}, here and wherever the emotion is set later.
        level: emotional level: "normal" (default) or "strong", a dict of weights or an array.
        person: of a package with persons: a name, a dict of weights, an array, an `emoface.Person` of its model
            or its .json file, or None (default) for the package's own.
        template: another neutral face of the same topology: (V, 3) array, or a .ply, .obj or .npz file.
        identity: the name of one of the package's own neutral faces, in place of a template; None (default) is the
            canonical one. See `emoface inspect`.
        channels: channels of the audio; None (default) lets the first chunk decide. Several are averaged.
        on_bad_audio: "error" (default) refuses NaN, infinite and out-of-scale samples, "silence" mutes them.
        speaker_mean: mean emotion feature of the voice, float (D,); None (default) is the package's own.
        calibration: what `Animator.calibrate` found out about the voice, or the file it was saved in.
        blendshapes: True for weights of the package's blendshapes in every batch; a `Blendshapes`, or a .glb or .npz
            file, for your own of the same topology; False (default) for none. Weights of `Face.basis` are the model's
            coefficients, exactly, where it fuses nothing vertex by vertex. See `emoface.rig`.
        controls: strengths, smoothing and offsets of parts of the face, and a shift in time.
        blinks: False for none, a seed, or `emoface.rig.Blinks`; True insists on them. None (default): where the face
            can blink. Blinks come after the controls and before the blendshape weights.
        gaze: False for eyes as the model moves them, a strength from 0.1 to 2, or `emoface.rig.Gaze`; True insists on
            it. None (default): where the face has shapes that turn the eyes.
        head_sway: False for none, a strength from 0.1 to 2, or `emoface.rig.HeadSway`; True insists on it. None
            (default): where the face has a pivot for the head and the model does not move it; then frames have a head
            pose, of packages without one too.
        vertices: False for coefficients without vertices, of packages whose motion lies in a basis: what makes vertices
            alone is not run. Then nothing that needs vertices can be asked for, and there are no blinks, no gaze and
            no head sway. True by default.
        noise_seed: 0 (default) to 2^64 - 1, of the noise that the stages of some packages read: another seed, another
            variation of the same speech. Packages without noise do not hear of it.
    """

    style: Any
    emotion: Any
    auto_strength: float
    level: Any
    person: Any
    template: npt.ArrayLike | str | Path | None
    identity: str | None
    channels: int | None
    on_bad_audio: str
    speaker_mean: npt.ArrayLike | None
    calibration: Calibration | str | Path | None
    blendshapes: bool | Blendshapes | str | Path
    controls: RigControls | None
    blinks: bool | int | Blinks | None
    gaze: bool | float | Gaze | None
    head_sway: bool | float | HeadSway | None
    vertices: bool
    noise_seed: int


class ClipOptions(VoiceOptions, total=False):
    """What a clip, which brings its own sample rate, is animated with: `VoiceOptions` and what the graphs run on.

    Attributes:
        block_ms: audio per step of the encoders in ms, a multiple of 20 ms for 50 features per second; None (default)
            takes the package's. Longer is cheaper and later.
        backend: "auto" (default), "ort-cpu", ...; see `emoface doctor`.
        precision: "fp32", "fp16" or "int8"; None (default) takes the package's.
        threads: threads per graph, 1 (default) to 1024. One is best unless the model is large.
    """

    block_ms: float | None
    backend: str
    precision: str | None
    threads: int


class AnimatorOptions(ClipOptions, total=False):
    """All that an animator is made with: `ClipOptions` and the rate of the audio.

    Attributes:
        sample_rate: rate of the audio that will be fed, 4000 to 384000 Hz; 16000 by default.
    """

    sample_rate: int


DEFAULTS = AnimatorOptions(
    style=None,
    emotion="auto",
    auto_strength=1.0,
    level="normal",
    person=None,
    template=None,
    identity=None,
    channels=None,
    on_bad_audio="error",
    speaker_mean=None,
    calibration=None,
    blendshapes=False,
    controls=None,
    blinks=None,
    gaze=None,
    head_sway=None,
    vertices=True,
    noise_seed=0,
    backend="auto",
    precision=None,
    threads=1,
    block_ms=None,
    sample_rate=16000,
)


class _Bare(TypedDict):
    blinks: bool
    gaze: bool
    head_sway: bool


BARE = _Bare(blinks=False, gaze=False, head_sway=False)
"""The model's own motion, to which nothing is added."""


def complete(given: AnimatorOptions | ClipOptions) -> AnimatorOptions:
    """All options: those given, defaults for the rest; UsageError for a name that is none."""
    refuse_unknown(given, DEFAULTS)
    return {**DEFAULTS, **given}


def refuse_unknown(given: Mapping[str, object], known: Collection[str]) -> None:
    """UsageError for an option that is none of `known`."""
    for name in given:
        if name not in known:
            raise UsageError(f"the option {name!r}", f"one of {', '.join(sorted(known))}", "Check the spelling.")


def check_threads(threads: object) -> int:
    """Threads per graph; UsageError for what is no number of threads."""
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or not 1 <= threads <= MOST_THREADS:
        raise UsageError(
            f"threads={threads!r}", f"an integer from 1 to {MOST_THREADS}", "One thread is enough in most cases."
        )
    return int(threads)
