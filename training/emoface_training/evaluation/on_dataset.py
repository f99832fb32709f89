"""`emoface eval`: the papers' metrics and speech measures of models, beside two baselines that know less.

"mean" shows the training split's mean face all the time; "energy" maps the sound's short-time energy linearly to the
motion. A model that does not beat both has learned nothing about speech. On the synthetic corpus every figure shows
recovery of this project's own rig, not fidelity to human motion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from emoface_training.clips.store import ClipStore, StoredClip, evenly_spread
from emoface_training.data.corpus import FPS
from emoface_training.data.sample import DatasetFace
from emoface_training.errors import CheckpointError, OptionsError
from emoface_training.evaluation.baselines import EnergyBaseline, MeanBaseline
from emoface_training.evaluation.disturbances import under_disturbances
from emoface_training.evaluation.emotion_recognition import calibration, learn_voices, listener, recognition
from emoface_training.evaluation.explicit_classes import class_distances
from emoface_training.evaluation.measured_models import (
    Emotion,
    EvaluatedModel,
    in_own_style,
    in_styles,
)
from emoface_training.measures.expression import ExpressionMeasures, ExpressionReference
from emoface_training.measures.mouth import MouthGauge, tucked_below
from emoface_training.measures.speech import SpeechMeasures
from emoface_training.measures.vertices import VertexMetrics, mask_hash
from emoface_training.motion.targets import Face, clip_offsets, codes_to_offsets
from emoface_training.vocabulary import EMOTION_NAMES, LEVELS

SCHEMA = 3
BASELINE_CLIPS = 300
BASELINES = ("mean", "energy")
TRUTH = "ground_truth"
# What a face without that region cannot be measured by
NEEDS = {"lips": "LVE and the lips' curves", "eyes_forehead": "EVE and FDD"}

Styles = Literal["mean", "every"]
Progress = Callable[[str, Iterable, int], Iterable]


class Watcher(Protocol):
    """Sees every clip that a model or a baseline predicts, for what the tables do not hold."""

    def begin(
        self, clips: list[StoredClip], models: dict[str, EvaluatedModel], voices: dict[str, list[np.ndarray]]
    ) -> None:
        """The clips that will be measured and the models by row. voices: each clip's, of calibrated models."""
        ...

    def see(self, row: str, index: int, offsets: np.ndarray, target: np.ndarray) -> None:
        """Clip `index` of row `row`: offsets and target [T, V, 3] in the face's unit."""
        ...


class _Mouth(NamedTuple):
    """How a rig's mouth is read."""

    gauge: MouthGauge
    tucked_below: float


class _Row:
    """All measures of one predictor over some clips; speech measures need a rig's mouth, expression ones a mask."""

    def __init__(self, face: Face, mouth: _Mouth | None, fps: int, expression: ExpressionReference | None) -> None:
        self.clips = 0
        self.vertices = VertexMetrics.of(face)
        self.speech = None if mouth is None else SpeechMeasures(mouth.gauge, fps, mouth.tucked_below)
        self.expression = None if expression is None else ExpressionMeasures(expression, fps)

    def add(self, clip: StoredClip, offsets: np.ndarray, target: np.ndarray) -> None:
        self.clips += 1
        self.vertices.add(offsets, target)
        for measures in (self.speech, self.expression):
            if measures is not None:
                measures.add(clip, offsets, target)

    def figures(self) -> dict[str, Any]:
        figures = self.vertices.figures()
        for measures in (self.speech, self.expression):
            figures |= {} if measures is None else measures.figures()
        return figures


class _Breakdown:
    """One predictor's measures over all clips, by emotion and by level."""

    def __init__(self, new_row: Callable[[], _Row]) -> None:
        self.new_row, self.whole = new_row, new_row()
        self.groups: dict[str, dict[str, _Row]] = {"emotions": {}, "levels": {}}

    def add(self, clip: StoredClip, offsets: np.ndarray, target: np.ndarray) -> None:
        names = {"emotions": EMOTION_NAMES[clip.emotion], "levels": LEVELS[clip.level]}
        parts = [self.groups[kind].setdefault(name, self.new_row()) for kind, name in names.items()]
        for row in (self.whole, *parts):
            row.add(clip, offsets, target)


def _plain(_label: str, items: Iterable, _total: int) -> Iterable:
    return items


@dataclass(frozen=True)
class Request:
    """What to measure.

    emotion: told to the models as it is labelled ("given"), or not. clips: at most that many, evenly spread over the
    split. styles: "every" also drives the clips of unseen subjects with each training style in turn. calibrate:
    seconds of neutral speech that each voice is first calibrated on, from clips that are then left out. disturbed and
    told: how many of the clips are animated again under every disturbance, and told each class in turn.
    """

    split: str = "test_voice"
    emotion: Emotion = "auto"
    clips: int | None = None
    styles: Styles = "mean"
    calibrate: float = 0.0
    disturbed: int = 0
    told: int = 0

    def __post_init__(self) -> None:
        wrong = [(name, n) for name in ("disturbed", "told") if (n := getattr(self, name)) < 0]
        if wrong:
            name, count = wrong[0]
            raise OptionsError(f"--{name} {count}", "a number of clips, or 0 for none", f"Correct --{name}.")


def evaluate(
    models: Sequence[EvaluatedModel],
    corpus: Any,
    rig: Face,
    request: Request = Request(),
    watcher: Watcher | None = None,
    progress: Progress = _plain,
) -> dict[str, Any]:
    """Figures of the models, of both baselines, and of the ground truth itself under the speech measures.

    models: the first one gives rate and styles. corpus: as `Corpus` and every dataset class offer it.
    rig: its rig, or a dataset's face (then without speech measures, which need phonemes, and without LVE or EVE where
    the face has no such mask). Returns the report of docs/evaluation.md.

    Raises OptionsError for an empty split, and when the face or the frame rate is not a model's; CheckpointError for
    a model whose motion is not finite.
    """
    first, split, emotion, calibrate = models[0], request.split, request.emotion, request.calibrate
    models = _named(first, models[1:])
    fps = first.fps
    for one in models.values():
        one.check(rig, getattr(corpus, "fps", FPS))
    _check_request(request, rig)
    references = corpus.clips(split)
    if not references or (request.clips is not None and request.clips < 1):
        raise OptionsError(
            f"no clips in split {split!r}",
            "at least one",
            "See what `emoface data check` says of the dataset, or choose another --split and a larger --clips.",
        )
    store = ClipStore.load(progress("reading", references, len(references)), fps, len(first.styles))
    sounds, left = calibration(store.clips, calibrate)
    if not left:
        raise OptionsError(
            f"no clips in split {split!r} beside those to calibrate on",
            "at least one",
            f"Calibrate on fewer seconds than {calibrate:g}, or choose another --split.",
        )
    store = ClipStore(left, fps, len(first.styles))
    chosen = store.clips if request.clips is None else store.spread(request.clips)
    train = _training_clips(corpus, fps, progress)
    mouth = _mouth(rig)
    expression = ExpressionReference.of(rig, train)

    def new_row() -> _Row:
        return _Row(rig, mouth, fps, expression)

    rows = {name: _Breakdown(new_row) for name in (*models, *BASELINES, TRUTH)}
    heard = {name: each for name, one in models.items() if (each := listener(one)) is not None}
    voices = {name: learn_voices(each, chosen, sounds) for name, each in heard.items()} if calibrate else {}
    if watcher is not None:
        watcher.begin(chosen, models, voices)
    for name, one in models.items():
        own = in_own_style(chosen, one.styles)
        told = {"voices": voices[name]} if name in voices else {}
        for index, offsets in progress(one.label, one.animate(own, emotion, **told), len(own)):
            _require_finite(one.label, offsets)
            target = clip_offsets(rig, chosen[index])
            rows[name].add(chosen[index], offsets, target)
            if watcher is not None:
                watcher.see(name, index, offsets, target)
    for name, index, offsets, target in _baseline_predictions(rig, train, fps, chosen, progress):
        rows[name].add(chosen[index], offsets, target)
        if watcher is not None and name in BASELINES:
            watcher.see(name, index, offsets, target)
    return {
        "split": split,
        "emotion": emotion,
        "clips": len(chosen),
        **_limits(rows[TRUTH].whole, mouth),
        "rows": {name: row.whole.figures() for name, row in rows.items()},
        "schema": SCHEMA,
        "dataset": _dataset_facts(corpus, rig),
        "models": {name: one.facts() for name, one in models.items()},
        "calibrated_seconds": calibrate,
        "emotion_recognition": {name: recognition(each, chosen, voices.get(name)) for name, each in heard.items()},
        **{kind: _groups(rows, kind) for kind in ("emotions", "levels")},
        "classes": {name: row.whole.speech.classes() for name, row in rows.items() if row.whole.speech is not None},
        "shown": {
            name: row.whole.expression.confusion.tolist()
            for name, row in rows.items()
            if row.whole.expression is not None
        },
        "disturbed": _disturbed(models, chosen, rig, mouth, request),
        "told": {
            name: class_distances(one, rig, evenly_spread(in_own_style(chosen, one.styles), request.told), progress)
            for name, one in models.items()
            if request.told
        },
        "styles": {
            name: _style_figures(one, chosen, voices.get(name), rig, new_row, request, progress)
            for name, one in models.items()
        },
    }


def _check_request(request: Request, face: Face) -> None:
    """Raise OptionsError for what this face cannot be measured by, before anything is computed."""
    if request.disturbed and isinstance(face, DatasetFace):
        raise OptionsError(
            "--disturbed with a dataset without phonemes", "the synthetic corpus", "Use `emoface eval-speech`."
        )
    if request.told and "eyes_forehead" not in face.masks:
        raise OptionsError("--told with a face without the mask eyes_forehead", "one with it", "Give it (--masks).")


def _mouth(face: Face) -> _Mouth | None:
    """None for a recorded face: its phonemes are not known."""
    if isinstance(face, DatasetFace):
        return None
    gauge = MouthGauge(face)
    return _Mouth(gauge, tucked_below(gauge, face))


def _limits(truth: _Row, mouth: _Mouth | None) -> dict[str, float]:
    if mouth is None or truth.speech is None:
        return {}
    return {"closed_below_mm": 1000.0 * truth.speech.closed_below, "tucked_below_mm": 1000.0 * mouth.tucked_below}


def _disturbed(
    models: dict[str, EvaluatedModel], clips: list[StoredClip], rig: Face, mouth: _Mouth | None, request: Request
) -> dict[str, Any]:
    """Each model under every disturbance; nothing unless it was asked for."""
    if not request.disturbed or mouth is None:
        return {}
    return {
        name: under_disturbances(
            one,
            evenly_spread(in_own_style(clips, one.styles), request.disturbed),
            request.emotion,
            *mouth,
            lambda clip: clip_offsets(rig, clip),
        )
        for name, one in models.items()
    }


def _require_finite(label: str, offsets: np.ndarray) -> None:
    """Raise CheckpointError for motion that cannot be measured."""
    if not np.isfinite(offsets).all():
        raise CheckpointError(
            f"NaN or infinite motion from {label}",
            "finite offsets",
            "Its training diverged, or its file is damaged; take an earlier checkpoint.",
        )


def _named(first: EvaluatedModel, others: Sequence[EvaluatedModel]) -> dict[str, EvaluatedModel]:
    """Models by the name of their row: "model", then labels that are each used once."""
    models = {"model": first}
    for other in others:
        taken = {*models, first.label, *BASELINES, TRUTH}
        label, number = other.label, 1
        while label in taken:
            number += 1
            label = f"{other.label} #{number}"
        other.label = label
        models[label] = other
    return models


def _training_clips(corpus: Any, fps: int, progress: Progress) -> list[StoredClip]:
    """Some hundred clips of the training split, evenly spread."""
    references = corpus.clips("train")
    references = references[:: max(1, len(references) // BASELINE_CLIPS)]
    return ClipStore.load(progress("reading training clips", references, len(references)), fps, 1).clips


def _baseline_predictions(
    face: Face, train: list[StoredClip], fps: int, clips: list[StoredClip], progress: Progress
) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
    """(row, index of the clip, offsets, target) of the baselines and of the ground truth under its own measures."""
    baselines = {"mean": MeanBaseline(face, train), "energy": EnergyBaseline(face, train, fps)}
    for index, clip in enumerate(progress("baselines", clips, len(clips))):
        target = clip_offsets(face, clip)
        yield TRUTH, index, target, target
        for name, baseline in baselines.items():
            yield name, index, codes_to_offsets(face, baseline.predict(clip)), target


def _dataset_facts(corpus: Any, face: Face) -> dict[str, Any]:
    """What was measured on: kind, rate, unit, masks by hash, and what is missing."""
    masks = {name: np.asarray(face.masks[name]) for name in NEEDS if name in face.masks}
    unit = float(getattr(face, "unit_in_metres", 1.0))
    missing = [f"no mask {name!r}: no {what} (--masks)" for name, what in NEEDS.items() if name not in masks]
    if isinstance(face, DatasetFace):
        missing.append("no phonemes: no speech measures")
    return {
        "kind": getattr(corpus, "kind", "synthetic"),
        "fps": getattr(corpus, "fps", FPS),
        "vertices": len(face.template),
        "unit_in_metres": unit,
        "square_unit_in_m2": unit**2,
        "masks": {name: {"vertices": len(mask), "sha256": mask_hash(mask)} for name, mask in masks.items()},
        "missing": missing,
    }


def _groups(rows: dict[str, _Breakdown], kind: str) -> dict[str, Any]:
    """Per emotion or level: number of clips, and figures of every predictor."""
    order = EMOTION_NAMES if kind == "emotions" else LEVELS
    present = [name for name in order if name in rows[TRUTH].groups[kind]]
    return {
        name: {
            "clips": rows[TRUTH].groups[kind][name].clips,
            "rows": {row: _without_hashes(each.groups[kind][name].figures()) for row, each in rows.items()},
        }
        for name in present
    }


def _style_figures(
    model: EvaluatedModel,
    clips: list[StoredClip],
    voices: list[np.ndarray] | None,
    face: Face,
    new_row: Callable[[], _Row],
    request: Request,
    progress: Progress,
) -> dict[str, Any]:
    """How many clips had their own style, and the unseen ones' figures under every style, with mean and spread."""
    indices = [index for index, clip in enumerate(clips) if clip.actor not in model.styles]
    unseen = [clips[index] for index in indices]
    result: dict[str, Any] = {"seen_clips": len(clips) - len(unseen), "unseen_clips": len(unseen)}
    if request.styles != "every" or not unseen:
        return result
    told = {} if voices is None else {"voices": [voices[index] for index in indices]}
    by_style = {}
    for index, name in enumerate(model.styles):
        row = new_row()
        driven = in_styles(unseen, [index] * len(unseen))
        moving = model.animate(driven, request.emotion, **told)
        for position, offsets in progress(f"{model.label}, style {name}", moving, len(unseen)):
            row.add(unseen[position], offsets, clip_offsets(face, unseen[position]))
        by_style[name] = _without_hashes(row.figures())
    return result | {"spread": spread(list(by_style.values())), "by_style": by_style}


def spread(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean, population standard deviation, least and largest of every measured (float) figure over the rows."""
    result = {}
    for key, value in rows[0].items():
        if isinstance(value, float):
            values = np.array([row[key] for row in rows])
            found = {"mean": values.mean(), "std": values.std(), "min": values.min(), "max": values.max()}
            result[key] = {name: float(number) for name, number in found.items()}
    return result


def _without_hashes(figures: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in figures.items() if not key.endswith("_sha256")}
