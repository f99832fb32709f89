"""Lip distance over time: models against the ground truth, and a model's branches against what it makes of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from emoface_training.clips.store import StoredClip
from emoface_training.data.synthetic.phonemes import BILABIALS, SIL
from emoface_training.report.style import (
    CLOSURE,
    FAINT,
    MEAN_FACE,
    MODELS,
    PAUSE,
    TRUTH,
    WIDTH_IN,
    Picture,
    figure,
    finish,
)
from emoface_training.vocabulary import EMOTIONS, LEVELS, SAMPLE_RATE


def clip_title(clip: StoredClip) -> str:
    """Speaker, emotion and level of a clip."""
    emotion = EMOTIONS[clip.emotion] if clip.emotion < len(EMOTIONS) else "emotion unknown"
    return f"{clip.actor}, {emotion}, {LEVELS[clip.level]}"


def lip_curves(
    clip: StoredClip, fps: int, truth: np.ndarray, rows: dict[str, np.ndarray], closed_below: float | None, name: str
) -> Picture:
    """Lip distance in mm, [T] of the ground truth and by row title; closed_below: where lips count as closed, mm."""
    heard = "; /p b m/ in red, pauses in grey" if clip.phonemes else ""
    limit = "; dashed: below it lips count as closed" if closed_below is not None else ""
    caption = f"Lip distance against the ground truth: {clip_title(clip)}{heard}{limit}."
    with figure(WIDTH_IN, 2.5) as drawn:
        sound, place = drawn.subplots(2, 1, sharex=True, height_ratios=(1, 5))
        _sound(sound, clip)
        _speech(place, clip)
        seconds = np.arange(len(truth)) / fps
        for rank, ((title, values), colour) in enumerate(zip(rows.items(), row_colours(rows), strict=True)):
            line = ":" if title == MEAN_FACE else "-"
            # The first model lies above the others: two that agree must not hide it
            place.plot(seconds, values, color=colour, label=title, linestyle=line, zorder=2.9 - 0.01 * rank)
        place.plot(seconds, truth, color=TRUTH, linewidth=1.8, label="ground truth", zorder=3)
        if closed_below is not None:
            place.axhline(closed_below, color=FAINT, linewidth=0.8, linestyle="--")
        place.set(xlabel="s", ylabel="lip distance, mm", xlim=(0, seconds[-1]))
        place.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=len(rows) + 1)
        return finish(drawn, name, caption, vectors=True)


def branch_curves(
    clip: StoredClip,
    fps: int,
    silent: np.ndarray,
    truth: np.ndarray,
    rows: dict[str, np.ndarray],
    model: str,
    name: str,
) -> Picture:
    """Lip distance of a model's branches, one strip each with the ground truth; silent: bool [T], judged for jitter."""
    caption = (
        f"What each branch of {model} would show by itself, and what their fusion shows: {clip_title(clip)}. Grey: the "
        "silent frames in which jitter is measured. Black: ground truth."
    )
    seconds = np.arange(len(truth)) / fps
    with figure(WIDTH_IN, 0.95 * len(rows) + 0.5) as drawn:
        places = np.atleast_1d(drawn.subplots(len(rows), 1, sharex=True, sharey=True))
        for place, (title, values), colour in zip(places, rows.items(), row_colours(rows), strict=True):
            place.fill_between(
                seconds, 0, 1, where=silent, color=PAUSE, transform=place.get_xaxis_transform(), step="mid"
            )
            place.plot(seconds, truth, color=TRUTH, linewidth=0.9)
            place.plot(seconds, values, color=colour)
            place.set_title(title, pad=2)
            place.set_ylabel("mm")
        places[-1].set(xlabel="s", xlim=(0, seconds[-1]))
        return finish(drawn, name, caption, vectors=True)


def row_colours(rows: Collection[str]) -> list[str]:
    """A colour per row title: one per model, grey for the mean face."""
    models = iter(MODELS * (1 + len(rows) // len(MODELS)))
    return [FAINT if title == MEAN_FACE else next(models) for title in rows]


def _sound(place: Any, clip: StoredClip) -> None:
    rate, wave = SAMPLE_RATE, clip.waveform()
    block = max(1, len(wave) // 1200)
    blocks = wave[: len(wave) // block * block].reshape(-1, block)
    seconds = (np.arange(len(blocks)) + 0.5) * block / rate
    place.fill_between(seconds, blocks.min(1), blocks.max(1), color=FAINT, linewidth=0)
    place.set_axis_off()


def _speech(place: Any, clip: StoredClip) -> None:
    """Pauses and bilabials shaded, phonemes written above."""
    for phoneme, start, end in clip.phonemes:
        if phoneme in BILABIALS or phoneme == SIL:
            place.axvspan(start, end, color=PAUSE if phoneme == SIL else CLOSURE, linewidth=0)
        if phoneme != SIL:
            red = phoneme in BILABIALS
            place.text(
                (start + end) / 2,
                1.01,
                phoneme.lower(),
                transform=place.get_xaxis_transform(),
                ha="center",
                va="bottom",
                fontsize=5.5,
                color="#b03a10" if red else FAINT,
                fontweight="bold" if red else "normal",
            )
