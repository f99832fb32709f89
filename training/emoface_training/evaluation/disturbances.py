"""What happens to the motion when the same speech comes over a worse way: offset, low level, babble, music.

The motion under each disturbance is correlated with the model's own motion of the undisturbed sound, and the lips in
pauses are judged as ever: the face is to follow the near voice alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emoface_training.clips.store import StoredClip
from emoface_training.data.synthetic.recording_levels import decibels, rms, spoken, to_int16
from emoface_training.data.synthetic.recording_music import music
from emoface_training.data.synthetic.recording_noises import babble
from emoface_training.evaluation.measured_models import Emotion, EvaluatedModel
from emoface_training.measures.mouth import MouthGauge
from emoface_training.measures.speech import SpeechMeasures
from emoface_training.measures.tracks import correlation

OFFSET = 0.05  # of full scale
LEVEL_DB = -40.0
BEHIND_DB = -10.0  # against the speech, pauses not counted

Way = Callable[[np.ndarray, Sequence[tuple[str, float, float]], Sequence[np.ndarray], np.random.Generator], np.ndarray]


def _behind(sound: np.ndarray, phonemes: Sequence[tuple[str, float, float]], other: np.ndarray) -> np.ndarray:
    """The sound with another of mean square 1 so much below its speech (of all of it, where nothing is said)."""
    speaking = spoken(phonemes, len(sound))  # type: ignore[arg-type]
    return sound + decibels(BEHIND_DB) * rms(sound[speaking] if speaking.any() else sound) * other


DISTURBANCES: dict[str, Way] = {
    "offset of 5 %": lambda sound, phonemes, voices, rng: sound + OFFSET,
    "level -40 dB": lambda sound, phonemes, voices, rng: decibels(LEVEL_DB) * sound,
    "babble 10 dB below": lambda sound, phonemes, voices, rng: _behind(
        sound, phonemes, babble(len(sound), rng, voices)
    ),
    "music 10 dB below": lambda sound, phonemes, voices, rng: _behind(sound, phonemes, music(len(sound), rng)),
}


def disturbed(clips: Sequence[StoredClip], name: str, seed: int = 0) -> list[StoredClip]:
    """The clips under one of DISTURBANCES. Babble is made of the clips' own voices, played backwards."""
    voices = [clip.waveform().astype(np.float64)[::-1] for clip in clips if clip.spoken]
    voices = voices or [clip.waveform().astype(np.float64) for clip in clips]
    return [
        replace(
            clip,
            audio=to_int16(
                DISTURBANCES[name](
                    clip.waveform().astype(np.float64), clip.phonemes, voices, np.random.default_rng([seed, index])
                )
            ),
        )
        for index, clip in enumerate(clips)
    ]


def under_disturbances(
    model: EvaluatedModel,
    clips: Sequence[StoredClip],
    emotion: Emotion,
    gauge: MouthGauge,
    tucked_below: float,
    reference: Callable[[StoredClip], np.ndarray],
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """By disturbance: correlation of the lip gap and of the jaw with the undisturbed motion, the largest distance of a
    lip vertex from it in mm, and how many silent frames and pauses the lips touch in. reference: a clip's rules
    [T, V, 3].
    """
    undisturbed: dict[int, np.ndarray] = {}

    def measured(heard: Sequence[StoredClip]) -> tuple[SpeechMeasures, float]:
        parts, worst = [SpeechMeasures(gauge, model.fps, tucked_below) for _ in heard], 0.0
        for index, offsets in model.animate(list(heard), emotion):
            lips = offsets[:, gauge.lips].astype(np.float64)
            away = lips - undisturbed.setdefault(index, lips)
            worst = max(worst, float(np.sqrt((away**2).sum(-1).max(initial=0.0))))
            parts[index].add(clips[index], offsets, reference(clips[index]))
        return SpeechMeasures.joined(parts), 1000.0 * gauge.unit * worst

    clean, _ = measured(clips)
    found = {}
    for name in DISTURBANCES:
        measures, worst = measured(disturbed(clips, name, seed))
        figures = measures.figures()
        found[name] = {
            "gap_correlation": correlation(measures.tracks("gap")[0], clean.tracks("gap")[0]),
            "jaw_correlation": correlation(measures.tracks("jaw")[0], clean.tracks("jaw")[0]),
            "worst_mm": worst,
            **{key: figures[key] for key in ("silence_closed", "silent_frames", "pauses_closed", "pauses")},
        }
    return found


def lines(found: dict[str, dict[str, Any]]) -> list[str]:
    """One line per disturbance for the terminal."""
    return [
        f"{name}: lip gap r {row['gap_correlation']:.3f}, jaw r {row['jaw_correlation']:.3f} with the undisturbed "
        f"motion, at most {row['worst_mm']:.1f} mm off; lips touch in {round(row['pauses_closed'] * row['pauses'])} of "
        f"{row['pauses']} pauses ({100.0 * row['silence_closed']:.0f} % of their frames)"
        for name, row in found.items()
    ]
