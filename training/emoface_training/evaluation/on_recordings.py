"""`emoface eval-speech`: a model on recordings of people, whose phonemes an independent aligner finds.

No motion was recorded with such speech. The reference is what the rig's own rules (`visemes.speech_parameters`) make of
the aligned phonemes, neutral, without any actor's style and without loudness; it inherits the aligner's errors of 10 to
20 ms. The measures are those of `measures.speech`, with the counts of events beside, since a recording has few of them.
Correlations take all frames of all recordings together.

Speakers open wider on loud syllables, and so does the corpus. `jaw_correlation_loud` is therefore the correlation with
the jaw of all rules of the corpus (`expression.motion`, neutral, of a speaker between all): a second figure, since that
reference is no longer independent of the sound's energy.

Beside the model: "rules", the reference itself under the same measures, and, where a corpus to fit it on is given,
"energy", the linear map from the sound's energy to motion. `energy_correlation` and
`energy_correlation_loud` need no corpus: the frames' log energy against either jaw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emoface.audio.files import read_sound
from emoface_training.clips.store import StoredClip
from emoface_training.data.resampling import at_sample_rate
from emoface_training.data.synthetic import expression
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS, SPEECH_PARAMETERS
from emoface_training.data.synthetic.visemes import FPS, speech_parameters
from emoface_training.errors import AlignmentError, OptionsError
from emoface_training.evaluation import speech_alignment
from emoface_training.evaluation.baselines import EnergyBaseline, log_energy
from emoface_training.evaluation.disturbances import lines as disturbance_lines
from emoface_training.evaluation.disturbances import under_disturbances
from emoface_training.evaluation.given_alignment import GivenAlignment, alignment_of
from emoface_training.evaluation.measured_models import Emotion, EvaluatedModel, PackageModel
from emoface_training.evaluation.tables import class_lines
from emoface_training.measures.expression import ExpressionMeasures, ExpressionReference
from emoface_training.measures.mouth import MouthGauge, tucked_below
from emoface_training.measures.speech import Event, SpeechMeasures
from emoface_training.measures.tracks import correlation
from emoface_training.motion.basis import MotionRig
from emoface_training.motion.targets import clip_offsets, codes_to_offsets
from emoface_training.vocabulary import EMOTION_NAMES, EMOTIONS, LEVELS, SAMPLE_RATE, UNKNOWN_EMOTION

BETWEEN_ALL = expression.Style(*[1.0] * len(expression.Style._fields))
SAME_TEMPLATE_M = 1e-5
KINDS = {"bilabials": "p b m", "labiodentals": "f v", "free": "free"}


@dataclass(frozen=True)
class Recording:
    """clip: sound at 16 kHz, aligned phonemes, and the rules' parameters [T, P] as its motion; its emotion is the class
    that is acted, or unknown."""

    name: str
    text: str
    recognised: bool
    clip: StoredClip


def read_recording(
    path: str | Path,
    text: str | None = None,
    pronunciations: Mapping[str, str] | None = None,
    given: Mapping[str, GivenAlignment] | None = None,
) -> Recording:
    """A sound file with its alignment among the `given` ones by name; without those it is aligned with its transcript:
    `text`, else the .txt of the same stem beside it, else what is recognised.

    Raises the SDK's AudioFileError for the sound, AlignmentError for a transcript or an alignment that does not fit it.
    """
    path = Path(path)
    sound = read_sound(path)
    beside = path.with_suffix(".txt")
    try:
        if given is not None:
            alignment = alignment_of(given, path.stem, sound.seconds)
        else:
            if text is None and beside.is_file():
                text = _transcript(beside)
            alignment = speech_alignment.align(sound.samples, sound.rate, text, pronunciations)
    except AlignmentError as error:
        raise AlignmentError(f"{path}: {error.got}", error.expected, error.remedy) from error
    mono = at_sample_rate(sound.samples.mean(1, dtype=np.float64), sound.rate)
    audio = np.clip(np.round(mono * 32768.0), -32768, 32767).astype(np.int16)
    frames = len(audio) * FPS // SAMPLE_RATE
    parameters = np.zeros((frames, len(RIG_PARAMETERS)), np.float16)
    parameters[:, : len(SPEECH_PARAMETERS)] = speech_parameters(alignment.segments, frames)
    acted = None if given is None else given[path.stem].emotion
    spoken = UNKNOWN_EMOTION if acted is None else EMOTIONS.index(acted)
    clip = StoredClip(audio, parameters, list(alignment.segments), spoken, 0, "", -1, -1)
    return Recording(path.name, alignment.text, alignment.recognised, clip)


def _transcript(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AlignmentError(
            f"the transcript {path.name}, which cannot be read ({error})", "UTF-8 text", "Save it as such."
        ) from error


def evaluate(
    model: EvaluatedModel,
    rig: MotionRig,
    recordings: Sequence[Recording],
    emotion: str = "auto",
    level: str = "normal",
    train: Sequence[StoredClip] = (),
    disturbed: bool = False,
) -> dict[str, Any]:
    """Figures by predictor, by recording, and every judged event of the model.

    emotion: "auto" or a class that the model is told. train: clips that the energy baseline is fitted on, and whose
    mean faces say which class is shown. disturbed: animate the recordings again under every disturbance.
    Raises OptionsError when the model animates another face or at another rate than the rig's.
    """
    _check_face(model, rig)
    gauge = MouthGauge(rig)
    tucked = tucked_below(gauge, rig)
    told = EMOTIONS.index(emotion) if emotion != "auto" else UNKNOWN_EMOTION
    clips = [replace(recording.clip, emotion=told, level=LEVELS.index(level)) for recording in recordings]
    energy = EnergyBaseline(rig, list(train), FPS) if train else None
    classes = ExpressionReference.of(rig, train) if train else None
    faces = [None if classes is None else ExpressionMeasures(classes, FPS) for _ in clips]
    parts: list[dict[str, SpeechMeasures]] = [{} for _ in clips]
    how: Emotion = "auto" if emotion == "auto" else "given"
    for index, offsets in model.animate(clips, how):
        target = clip_offsets(rig, clips[index])
        if (face := faces[index]) is not None:
            face.add(replace(clips[index], emotion=recordings[index].clip.emotion), offsets, target)
        shown = {"model": offsets, "rules": target}
        if energy is not None:
            shown["energy"] = codes_to_offsets(rig, energy.predict(clips[index]))
        for name, motion in shown.items():
            parts[index][name] = SpeechMeasures(gauge, FPS, tucked)
            parts[index][name].add(clips[index], motion, target)
    rows = {name: SpeechMeasures.joined([part[name] for part in parts]) for name in parts[0]}
    levels = np.concatenate([log_energy(clip, FPS) for clip in clips])
    reference = rows["model"].tracks("jaw")[1]
    loud = np.concatenate([gauge.jaw_drop(rig.offsets(_with_loudness(clip))) for clip in clips])
    return {
        "recordings": _recordings(recordings, parts, faces, rows["model"].events()),
        "emotion": emotion,
        "level": level,
        "closed_below_mm": 1000.0 * rows["rules"].closed_below,
        "tucked_below_mm": 1000.0 * tucked,
        "energy_correlation": correlation(levels, reference),
        "energy_correlation_loud": correlation(levels, loud),
        "rows": {
            name: row.figures() | {"jaw_correlation_loud": correlation(row.tracks("jaw")[0], loud)}
            for name, row in rows.items()
        },
        "classes": rows["model"].classes(),
        "upper_face": _upper_face(faces),
        "disturbed": under_disturbances(model, clips, how, gauge, tucked, lambda clip: clip_offsets(rig, clip))
        if disturbed
        else {},
        "model": model.facts(),
    }


def _with_loudness(clip: StoredClip) -> np.ndarray:
    """Rig parameters [T, P] of the corpus' rules for the clip's phonemes and sound."""
    energy = expression.energy_envelope(clip.waveform(), clip.frames)
    return expression.motion(clip.phonemes, energy, "neutral", 0, BETWEEN_ALL, np.random.default_rng(0))


def _recordings(
    recordings: Sequence[Recording],
    parts: Sequence[dict[str, SpeechMeasures]],
    faces: Sequence[ExpressionMeasures | None],
    events: Sequence[Event],
) -> list[dict[str, Any]]:
    """One entry each; the events of all are judged by one limit and come in the order of the recordings."""
    found, place = [], 0
    for recording, part, face in zip(recordings, parts, faces, strict=True):
        count = len(part["model"].events())
        found.append(
            {
                "name": recording.name,
                "seconds": len(recording.clip.audio) / SAMPLE_RATE,
                "text": recording.text,
                "recognised": recording.recognised,
                "rows": {name: measures.figures() for name, measures in part.items()},
                "acted": EMOTION_NAMES[recording.clip.emotion],
                "upper_face": _upper_face([face]),
                "events": [asdict(event) for event in events[place : place + count]],
            }
        )
        place += count
    return found


def _upper_face(faces: Sequence[ExpressionMeasures | None]) -> dict[str, Any]:
    """What the upper face shows of some recordings: no error, since its motion was not recorded. Empty without a
    reference."""
    known = [face for face in faces if face is not None]
    if not known:
        return {}
    whole = ExpressionMeasures.joined(known)
    figures = {key: value for key, value in whole.figures().items() if key != "expression_r2"}
    return figures | {"shown_share": whole.shown_share()}


def _check_face(model: EvaluatedModel, rig: MotionRig) -> None:
    model.check(rig, FPS)
    if isinstance(model, PackageModel):
        apart = float(np.abs(model.package.face.template - rig.template).max())
        if apart > SAME_TEMPLATE_M:
            raise OptionsError(
                f"the package {model.label}, whose face is up to {1000 * apart:.2f} mm off this version's rig",
                "the rig that it was trained on, since the measures are on the rig's scale",
                "Use the version of emoface that made the package, or train again.",
            )


def table(report: dict[str, Any], events: bool = False) -> str:
    """The report as text; with `events` every judged phoneme of the model, those that went wrong marked."""
    lines = []
    for part in report["recordings"]:
        how = "recognised, may be wrong" if part["recognised"] else "transcript given"
        lines.append(f"{part['name']}: {part['seconds']:.1f} s ({how}): {part['text']}")
        lines += [_row(name, figures) for name, figures in part["rows"].items()]
        lines += _face_line(f"acted {part['acted']}", part["upper_face"])
        if events:
            lines += [_event(event) for event in part["events"]]
    lines.append(f"all recordings, emotion {report['emotion']}, level {report['level']}:")
    lines += [_row(name, figures) for name, figures in report["rows"].items()]
    lines += class_lines("model", report["classes"]) + _face_line("all", report["upper_face"])
    louder = "; ".join(f"{name} {figures['jaw_correlation_loud']:.2f}" for name, figures in report["rows"].items())
    lines.append(f"against the jaw of the rules with loudness: {louder}")
    lines.append(
        f"log energy alone: jaw r {report['energy_correlation']:.2f} (with loudness "
        f"{report['energy_correlation_loud']:.2f}); closed below {report['closed_below_mm']:.2f} mm, tucked below "
        f"{report['tucked_below_mm']:.2f} mm"
    )
    lines += disturbance_lines(report["disturbed"])
    return "\n".join(lines)


def _row(name: str, figures: dict[str, Any]) -> str:
    def of(rate: str, count: str) -> str:
        return f"{round(figures[rate] * figures[count])} of {figures[count]}"

    rounding = f"{100 * figures['rounding']:.0f}" if figures["rounded"] and figures["spread"] else "-"
    return (
        f"  {name:>6}: p b m closed {of('closures', 'bilabials')}; free consonants closed {of('free_closed', 'free')}; "
        f"closures in speech on p b m {of('closure_precision', 'closures_in_speech')}, "
        f"{figures['false_closures_per_10_s']:.1f} false in 10 s; f v tucked {of('tucks', 'labiodentals')}, free "
        f"consonants tucked {of('false_tucks', 'free')}; lips touch in {of('pauses_closed', 'pauses')} pauses; flutter "
        f"{100 * figures['flutter']:.2f} %; aperture {100 * figures['aperture']:.0f} % and rounding "
        f"{rounding} % of the rules'; "
        f"{figures['lag_ms']:+.0f} ms late; lip gap r "
        f"{figures['gap_correlation']:.2f}, jaw r {figures['jaw_correlation']:.2f}"
    )


def _face_line(of: str, figures: dict[str, Any]) -> list[str]:
    if not figures:
        return []
    shown = ", ".join(f"{name} {100 * share:.0f} %" for name, share in figures["shown_share"].items() if share >= 0.05)
    text = f"  upper face, {of}: {shown} of the time; {figures['switches_per_10_s']:.1f} switches in 10 s"
    if "shown_clips" in figures:
        text += f"; right in {round(figures['shown_emotion'] * figures['shown_clips'])} of {figures['shown_clips']}"
    return [f"{text}; {figures['upper_face_mm']:.1f} mm"]


def _event(event: dict[str, Any]) -> str:
    wrong = event["hit"] == (event["kind"] == "free")
    return (
        f"    {'MISS' if wrong else '    '} {event['start']:7.3f} {event['phoneme']:>2} "
        f"({KINDS[event['kind']]}) {1000.0 * event['measured']:.1f} mm"
    )
