"""The model card: filled from reports, with misses in numbers; and the benchmark of the jaw's ceiling."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from emoface_training.data.synthetic import expression
from emoface_training.data.synthetic.phonemes import Segment

ROOT = Path(__file__).resolve().parents[2]


def _script(folder: str, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _report(split: str, emotion: str, seconds: float = 0.0, **row: float) -> dict:
    heard = {"clips": 80, "emotion_accuracy": 0.4625}
    if seconds:
        heard |= {"calibrated_clips": 70, "emotion_accuracy_before": 0.45, "emotion_accuracy_calibrated": 0.5912}
    return {
        "split": split,
        "emotion": emotion,
        "clips": 80,
        "calibrated_seconds": seconds,
        "emotion_recognition": {"model": heard},
        "rows": {"model": {"bilabials": 200, **row}, "energy": {key: 0.5 for key in row}},
    }


SPEECH_ROW = {
    "jaw_correlation": 0.7512, "closures": 0.75, "bilabials": 8, "free_closed": 0.125, "free": 16,
    "false_closures_per_10_s": 1.96, "flutter": 0.0123, "jaw_correlation_loud": 0.81,
}  # fmt: skip
SPEECH = {
    "recordings": [{"seconds": 4.0, "recognised": False}, {"seconds": 3.0, "recognised": True}],
    "emotion": "auto",
    "disturbed": {
        "offset of 5 %": {"gap_correlation": 0.9712, "pauses_closed": 0.5},
        "babble 10 dB below": {"gap_correlation": 0.41, "pauses_closed": 0.61},
    },
    "energy_correlation": 0.6,
    "energy_correlation_loud": 0.7,
    "rows": {"model": SPEECH_ROW, "rules": SPEECH_ROW},
}


def test_the_card_is_filled_and_misses_are_stated(tmp_path: Path) -> None:
    document = tmp_path / "model-card.md"
    document.write_text("before\n<!-- card:begin -->\nold\n<!-- card:end -->\nafter\n")
    reports = [
        _report("test_voice", "given", jaw_correlation=0.9312, closures=0.941, free_closed=0.0541),
        _report("test_words", "given", jaw_correlation=0.9499),
        _report("test_voice", "auto", expression_r2=0.61),
        _report("test_voice", "auto", seconds=10.0, expression_r2=0.71, shown_emotion=0.5, switches_per_10_s=0.9),
    ]
    lines = tmp_path / "lines.jsonl"
    lines.write_text("noise\n" + "\n".join(map(json.dumps, [*reports, SPEECH])))
    code = _script("docs", "fill_figures").main([str(lines), "--card", "--package", "", "--document", str(document)])
    text = document.read_text()
    assert code == 0
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    assert "| jaw correlation | 0.931 | >= 0.93, met | 0.500 |" in text
    assert "| p b m closed, % | 94.1 | >= 95, missed by 0.9 | 50.0 |" in text
    assert "| free consonants closed, % | 5.4 | <= 5, missed by 0.4 | 50.0 |" in text
    assert "| 0.950 | >= 0.95, met |" in text  # what is shown decides
    assert text.index("test_words") < text.index("test_voice")  # easiest first
    assert "46.2 (80 clips) | >= 45, met" in text
    assert "59.1 (70 clips) | >= 60, missed by 0.9" in text
    assert "| calibrated on 10 s | expression R2 | 0.710 |" in text
    assert "2 recordings, 7 s, 1 of the texts recognised" in text
    assert "| calibrated on 10 s | face nearest to its own class, % of clips | 50.0 | >= 60, missed by 10.0 |" in text
    assert "| switches of the shown class in 10 s | 0.90 | <= 1, met |" in text
    assert "| 6 of 8 (75.0 %) | >= 92, missed by 17.0 | 6 of 8 (75.0 %) |" in rows["p b m closed"]
    assert "| 2 of 16 (12.5 %) | <= 8, missed by 4.5 |" in rows["free consonants closed"]
    assert "| 2.0 | <= 2, met | 2.0 |" in rows["false closures in 10 s of speech"]
    assert "| 1.23 | <= 1, missed by 0.23 |" in rows["flutter, %"]
    assert "| 0.971 | >= 0.98, missed by 0.009 | 50 |  |" in rows["offset of 5 %"]
    assert "| 0.410 |  | 61 | >= 60, met |" in rows["babble 10 dB below"]
    assert "0.60, and by 0.70" in text


def test_the_card_in_the_documentation_can_be_filled() -> None:
    text = (ROOT / "docs/model-card.md").read_text()
    assert text.count("<!-- card:begin -->") == text.count("<!-- card:end -->") == 1


def test_the_jaw_s_ceiling_is_one_when_everything_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    from emoface_training.data.synthetic.rig import Rig

    generator = np.random.default_rng(0)
    names = ("SIL", "M", "AA", "T", "IY", "P", "AE", "N", "AO", "S", "EH", "SIL")
    edges = np.linspace(0.0, 2.4, len(names) + 1)
    segments = [Segment(name, a, b) for name, a, b in zip(names, edges[:-1], edges[1:], strict=True)]
    sound = generator.standard_normal(38400) * np.interp(np.arange(38400), [0, 9600, 19200, 38399], [0, 0.1, 0.02, 0.1])
    energy = expression.energy_envelope(sound, 72)
    clips = []
    for actor, emotion in (("ada", 0), ("ben", 4), ("cleo", 7)):
        how = expression.EMOTIONS[emotion], 1, expression.actor_style(actor)
        moved = expression.motion(segments, energy, *how, np.random.default_rng(1))
        reference = SimpleNamespace(actor=actor, emotion=emotion, level=1)
        clips.append((reference, SimpleNamespace(audio=sound, parameters=moved, phonemes=segments)))
    figures = _script("benchmarks", "jaw_ceiling").ceilings(clips, Rig.load())
    assert figures["r_everything"] > 0.999  # the manner of an expression is drawn anew
    for part in ("r_mean_style", "r_neutral", "r_even_loudness", "r_late_frame"):
        assert 0.5 < figures[part] < figures["r_everything"], part
    assert figures["r_phonemes_alone"] < min(figures["r_mean_style"], figures["r_even_loudness"])
    assert figures["r_boundaries_40ms"] < figures["r_boundaries_10ms"] < figures["r_everything"]
