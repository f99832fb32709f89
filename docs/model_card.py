"""The measured part of docs/model-card.md, from reports of `emoface eval` and `emoface eval-speech` (see fill_figures).

Goals are those that were set before the model was trained; a figure that misses its goal says by how much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

SPLITS = {
    "test_words": "unseen words, known voices",
    "test_voice": "unseen voice",
    "test_engine": "unseen speech engine",
    "test_prosody": "unseen voices, unseen ways of acting",
    "validation": "unseen sentences, known voices",
}
OTHERS = {"energy": "energy of the sound alone", "mean": "mean face", "ground_truth": "ground truth"}
MORE, LESS = 1, -1


class Figure(NamedTuple):
    """key in a row, its title, the factor and the digits it is written with, the better direction, goals by split."""

    key: str
    title: str
    scale: float
    digits: int
    better: int = MORE
    goals: Mapping[str, float] = {}


def _goals(words: float, voice: float, engine: float) -> dict[str, float]:
    return {"test_words": words, "test_voice": voice, "test_engine": engine}


GIVEN = (
    Figure("jaw_correlation", "jaw correlation", 1, 3, MORE, _goals(0.95, 0.93, 0.92)),
    Figure("gap_correlation", "lip gap correlation", 1, 3),
    Figure("closures", "p b m closed, %", 100, 1, MORE, _goals(97, 95, 93)),
    Figure("closure_precision", "closures in speech on p b m, %", 100, 1),
    Figure("free_closed", "free consonants closed, %", 100, 1, LESS, _goals(3, 5, 6)),
    Figure("false_closures_per_10_s", "false closures in 10 s of speech", 1, 2, LESS),
    Figure("tucks", "f v tucked, %", 100, 1, MORE, _goals(92, 88, 85)),
    Figure("false_tucks", "free consonants tucked, %", 100, 1, LESS),
    Figure("silence_closed", "lips touch in silence, % of frames", 100, 1, MORE, _goals(98, 98, 98)),
    Figure("aperture", "aperture, % of the rules'", 100, 1),
    Figure("rounding", "rounding, % of the rules'", 100, 1, MORE, _goals(80, 80, 80)),
    Figure("flutter_to_rules", "flutter over the rules'", 1, 2, LESS, _goals(1.3, 1.3, 1.3)),
    Figure("lag_ms", "lag, ms", 1, 0),
    Figure("expression_r2", "expression R2", 1, 3, MORE, _goals(0.95, 0.95, 0.95)),
    Figure("shown_emotion", "face nearest to its own class, % of clips", 100, 1),
    Figure("lve_rms_mm", "LVE, root in mm", 1, 2, LESS),
    Figure("eve_rms_mm", "EVE, root in mm", 1, 2, LESS),
    Figure("fdd_m2", "FDD, 1e-7 m^2", 1e7, 2),
)
INFERRED = (
    Figure("expression_r2", "expression R2", 1, 3),
    Figure("shown_emotion", "face nearest to its own class, % of clips", 100, 1, MORE, {"test_voice": 40}),
    Figure("arousal_sign", "arousal's sign shown, % of clips", 100, 1, MORE, {"test_voice": 75}),
    Figure("switches_per_10_s", "switches of the shown class in 10 s", 1, 2, LESS, {"test_voice": 1}),
    Figure("neutral_still", "neutral clips: upper face within 0.5 mm, % of frames", 100, 1, MORE, {"test_voice": 90}),
)
CALIBRATED_INFERRED = tuple(
    figure._replace(goals={"test_voice": 60}) if figure.key == "shown_emotion" else figure for figure in INFERRED
)
HEARD = Figure("emotion_accuracy", "emotion heard, % of clips (one in eight by chance: 12.5)", 100, 1, MORE,
               {"test_voice": 45, "test_engine": 45})  # fmt: skip
CALIBRATED = HEARD._replace(key="emotion_accuracy_calibrated", goals={"test_voice": 60, "test_engine": 60})
SPEECH = (
    Figure("closures", "p b m closed", 100, 1, MORE, {"": 92}),
    Figure("free_closed", "free consonants closed", 100, 1, LESS, {"": 8}),
    Figure("closure_precision", "closures in speech on p b m", 100, 1),
    Figure("false_closures_per_10_s", "false closures in 10 s of speech", 1, 1, LESS, {"": 2}),
    Figure("tucks", "f v tucked", 100, 1),
    Figure("false_tucks", "free consonants tucked", 100, 1),
    Figure("pauses_closed", "pauses in which the lips touch", 100, 1),
    Figure("silence_closed", "silent frames with closed lips", 100, 1),
    Figure("flutter", "flutter, %", 100, 2, LESS, {"": 1}),
    Figure("aperture", "aperture, % of the rules'", 100, 0),
    Figure("rounding", "rounding, % of the rules'", 100, 0),
    Figure("lag_ms", "lag, ms (goal: at most 15 either way)", 1, 0),
    Figure("gap_correlation", "lip gap correlation", 1, 2),
    Figure("jaw_correlation", "jaw correlation", 1, 2),
    Figure("jaw_correlation_loud", "jaw correlation, reference with loudness", 1, 2),
)
DISTURBED = (
    Figure("gap_correlation", "lip gap r with the undisturbed motion", 1, 3, MORE,
           {"offset of 5 %": 0.98, "level -40 dB": 0.98}),
    Figure("pauses_closed", "pauses in which the lips touch, %", 100, 0, MORE,
           {"babble 10 dB below": 60, "music 10 dB below": 60}),
)  # fmt: skip
COUNTS = {
    "closures": "bilabials",
    "free_closed": "free",
    "closure_precision": "closures_in_speech",
    "tucks": "labiodentals",
    "false_tucks": "free",
    "pauses_closed": "pauses",
    "silence_closed": "silent_frames",
}


def card(reports: Sequence[Mapping[str, Any]], speech: Sequence[Mapping[str, Any]]) -> str:
    """Markdown of everything that the reports hold."""
    blocks = [
        *_motion(reports),
        *_emotion(reports),
        *(line for report in speech for line in _recorded(report)),
    ]
    return "\n".join(blocks) if blocks else "No reports were given."


def stated(figure: Figure, value: float, split: str) -> tuple[str, str]:
    """The figure as text and its goal, with what is missing to it."""
    text = f"{figure.scale * value:.{figure.digits}f}"
    if split not in figure.goals:
        return text, ""
    goal = figure.goals[split]
    # What the table shows decides, so that a reader sees no figure at its goal called a miss
    lacking = figure.better * (goal - float(text))
    sign = ">=" if figure.better == MORE else "<="
    verdict = f", missed by {lacking:.{figure.digits}f}" if lacking > 1e-9 else ", met"
    return text, f"{sign} {goal:g}{verdict}"


def _ordered(reports: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    order = list(SPLITS)
    return sorted(reports, key=lambda r: order.index(r["split"]) if r["split"] in order else len(order))


def _split_name(split: str) -> str:
    return f"{SPLITS[split]} (`{split}`)" if split in SPLITS else f"`{split}`"


def _motion(reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Reports with the emotion given: the model beside the baselines and the ground truth."""
    lines = []
    for report in _ordered(reports):
        if report.get("emotion") != "given" or report.get("calibrated_seconds"):
            continue
        rows, split = report["rows"], report["split"]
        others = [name for name in OTHERS if name in rows]
        counts = [f"{rows['model'][key]} {name}" for key, name in
                  (("bilabials", "p b m"), ("free", "free consonants"), ("labiodentals", "f v"),
                   ("silent_frames", "silent frames")) if key in rows["model"]]  # fmt: skip
        lines += [
            f"### {_split_name(split).capitalize()}, emotion given",
            "",
            f"{report.get('clips', '?')} clips; {', '.join(counts)}. "
            f"`emoface eval default CORPUS --split {split} --emotion given`",
            "",
            f"| figure | model | goal | {' | '.join(OTHERS[name] for name in others)} |",
            "|---" * (3 + len(others)) + "|",
        ]
        for figure in GIVEN:
            if figure.key in rows["model"]:
                value, goal = stated(figure, rows["model"][figure.key], split)
                beside = [stated(figure, rows[name][figure.key], "")[0] for name in others]
                lines.append(f"| {' | '.join([figure.title, value, goal, *beside])} |")
        lines.append("")
    return lines


def _emotion(reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Reports with the emotion inferred, with and without calibration."""
    found = []
    for report in _ordered(reports):
        seconds = report.get("calibrated_seconds", 0)
        if report.get("emotion") != "auto":
            continue
        split = report["split"]
        heard = report.get("emotion_recognition", {}).get("model", {})
        how = f"calibrated on {seconds:g} s" if seconds else "not calibrated"
        for figure in (CALIBRATED,) if seconds else (HEARD,):
            if figure.key in heard:
                clips = heard["calibrated_clips" if seconds else "clips"]
                value, goal = stated(figure, heard[figure.key], split)
                found.append(f"| {_split_name(split)} | {how} | {figure.title} | {value} ({clips} clips) | {goal} |")
        for figure in CALIBRATED_INFERRED if seconds else INFERRED:
            if figure.key in report["rows"]["model"]:
                value, goal = stated(figure, report["rows"]["model"][figure.key], split)
                found.append(f"| {_split_name(split)} | {how} | {figure.title} | {value} | {goal} |")
    if not found:
        return []
    return [
        "### Emotion inferred from the voice",
        "",
        "`emoface eval default CORPUS --split SPLIT --emotion auto [--calibrate 10]`. Calibrated: `speaker_mean` from",
        "neutral speech of the same voice, which is left out of the test.",
        "",
        "| speech | voice | figure | value | goal |",
        "|---|---|---|---|---|",
        *found,
        "",
    ]


def _recorded(report: Mapping[str, Any]) -> list[str]:
    """One report of `emoface eval-speech`."""
    rows = report["rows"]
    seconds = sum(part["seconds"] for part in report["recordings"])
    guessed = sum(bool(part["recognised"]) for part in report["recordings"])
    texts = "transcripts given" if not guessed else f"{guessed} of the texts recognised, so perhaps wrong"
    names = [name for name in ("model", "energy", "rules") if name in rows]
    titles = {"model": "model", "energy": "energy of the sound alone", "rules": "the rules themselves"}
    lines = [
        "### Recorded speech of people",
        "",
        f"{len(report['recordings'])} recordings, {seconds:.0f} s, {texts}; emotion {report['emotion']}. "
        "`emoface eval-speech default WAV ... --corpus CORPUS --disturbed`",
        "",
        f"| figure | {titles[names[0]]} | goal | {' | '.join(titles[name] for name in names[1:])} |",
        "|---" * (2 + len(names)) + "|",
    ]
    for figure in SPEECH:
        if figure.key not in rows["model"]:
            continue
        cells = []
        for name in names:
            value, goal = stated(figure, rows[name][figure.key], "" if name == "model" else "none")
            if figure.key in COUNTS:
                total = rows[name][COUNTS[figure.key]]
                value = f"{round(rows[name][figure.key] * total)} of {total} ({value} %)"
            cells += [value, goal] if name == "model" else [value]
        lines.append(f"| {' | '.join([figure.title, *cells])} |")
    return [
        *lines,
        "",
        *_disturbed(report.get("disturbed", {})),
        f"Log energy alone correlates with the reference's jaw by {report['energy_correlation']:.2f}, and by "
        f"{report['energy_correlation_loud']:.2f} with that of the reference with loudness.",
        "",
    ]


def _disturbed(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The model under disturbances, one row each."""
    if not found:
        return []
    titles = [title for figure in DISTURBED for title in (figure.title, "goal")]
    lines = [f"| the same sounds with | {' | '.join(titles)} |", "|---" * (1 + len(titles)) + "|"]
    for name, row in found.items():
        cells = [cell for figure in DISTURBED for cell in stated(figure, row[figure.key], name)]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return [*lines, ""]
