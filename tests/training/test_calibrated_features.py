"""Emotion features relative to the same voice's neutral speech, in training as `speaker_mean` is at run time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from synthetic_corpus import TinyRig, ToneCorpus
from tiny_run import run, tiny_options

from emoface_training.clips.store import ClipStore
from emoface_training.models import checkpoint
from emoface_training.runs import training_run
from emoface_training.stages.stage_a import emotion_figures, relative_to_neutral
from emoface_training.stages.stage_b import StageB


def test_rows_lose_the_mean_of_their_neutral_row() -> None:
    torch.manual_seed(0)
    emotion = torch.randn(4, 5, 3)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    neutral = torch.tensor([-1, 0, 0, -1])
    relative = relative_to_neutral(emotion, mask, neutral, 1.0)
    mean = emotion[0, :3].mean(0)
    torch.testing.assert_close(relative[1:3], emotion[1:3] - mean)
    assert torch.equal(relative[0], emotion[0]) and torch.equal(relative[3], emotion[3])
    assert torch.equal(relative_to_neutral(emotion, mask, neutral, 0.0), emotion)


def test_stage_a_trains_on_groups_and_reports_both_accuracies(tmp_path: Path) -> None:
    chosen = tiny_options(steps=2)
    grouped = dataclasses.replace(chosen.stage_a, batch_size=4, clips_per_speaker=3, calibrated=1.0, validation_clips=6)
    chosen = dataclasses.replace(chosen, stage_a=grouped, stage_b=None)
    figures = run(tmp_path / "run", chosen)["stage_a"]["validation"]
    assert 0.0 <= figures["emotion_accuracy"] <= 1.0 and 0.0 <= figures["emotion_accuracy_calibrated"] <= 1.0


def test_accuracy_after_calibration_counts_the_voices_that_have_neutral_takes() -> None:
    corpus = ToneCorpus(count=4)
    clips = ClipStore.load(corpus.clips("train"), 30, 2).clips  # emotions 0 1 2 0, speakers a b a b
    classifier = lambda features: torch.nn.functional.one_hot(features[:, 0].round().long().clamp(0, 2), 8).float()  # noqa: E731
    features = torch.tensor([[5.0], [2.0], [7.0], [1.0]])  # a: neutral 5, sad-ish 7 = +2; b: neutral 1, 2 = +1
    figures = emotion_figures(classifier, clips, features)
    assert figures["emotion_accuracy"] == 1 / 4  # the third alone: 7 clamps to 2
    assert figures["emotion_accuracy_calibrated"] == 1.0  # 2 - 1 = 1 and 7 - 5 = 2; the neutral ones have no other


def test_stage_b_rows_lose_the_mean_of_a_neutral_take() -> None:
    corpus, rig = ToneCorpus(count=6), TinyRig()
    stores = [ClipStore.load(corpus.clips(split), 30, 2) for split in ("train", "validation")]
    for calibrated in (0.0, 1.0):
        chosen = tiny_options(calibrated=calibrated, freeze_encoders_for=1.0, pairs=False, batch_size=6)
        model = training_run.new_model(chosen, ("a", "b"), rig, stores[0])
        task = StageB(model, *stores, rig, chosen.stage_b, 3)
        task.prepare()
        rows = task.rows(task.load(0), 0.0)
        if not calibrated:
            plain = rows
    difference = plain.emotion - rows.emotion
    moved = difference.abs().amax((1, 2)) > 0
    assert moved.any()
    for row in difference[moved]:
        kept = row[row.abs().sum(-1) > 0]
        torch.testing.assert_close(kept, kept[:1].expand_as(kept), atol=2e-3, rtol=0)


def test_the_emotion_encoder_trains_alone(tmp_path: Path) -> None:
    chosen = dataclasses.replace(tiny_options(steps=2), stage_b=None)
    run(tmp_path / "both", chosen)
    alone = dataclasses.replace(chosen, stage_a=dataclasses.replace(chosen.stage_a, streams="emotion"))
    run(tmp_path / "alone", alone, start_from=tmp_path / "both" / "stage_a")
    before, after = (checkpoint.load_weights(tmp_path / name / "stage_a")[0] for name in ("both", "alone"))
    moved = {key for key in after if not torch.equal(before[key], after[key])}
    assert any(key.startswith("emotion_encoder.classifier.") for key in moved)
    assert any(key.startswith("emotion_encoder.encoder.encoder.layers.") for key in moved)
    assert not any(key.startswith("content_encoder.") or "feature_extractor" in key for key in moved)


def test_a_take_that_is_calibrated_itself_is_heard_as_it_was_recorded() -> None:
    """Whatever the order: three neutral clips of one voice are each other's takes, all in one batch."""
    corpus, rig = ToneCorpus(count=3), TinyRig()
    clips = ClipStore.load(corpus.clips("train"), 30, 2).clips
    store = ClipStore([dataclasses.replace(clip, emotion=0, speaker="one") for clip in clips], 30, 2)
    chosen = tiny_options(calibrated=1.0, freeze_encoders_for=1.0, pairs=False, batch_size=6)
    model = training_run.new_model(chosen, ("a", "b"), rig, store)
    task = StageB(model, store, store, rig, chosen.stage_b, 3)
    task.prepare()
    batches = [task.load(step) for step in range(4)]
    assert any(set(batch.draw.takes.values()) & set(batch.draw.takes) for batch in batches)
    for batch in batches:
        rows, draw = task.rows(batch, 0.0), batch.draw
        for row, clip in enumerate(draw.clips):
            heard = task.features.kept[clip].emotion.float() - task.features.kept[
                draw.takes[clip]
            ].emotion.float().mean(0)
            torch.testing.assert_close(rows.emotion[row, : draw.frames[row]], heard[draw.window(row)])


def test_an_encoder_that_rested_in_stage_a_trains_in_stage_b(tmp_path: Path) -> None:
    chosen = tiny_options(steps=2)
    alone = dataclasses.replace(chosen.stage_a, streams="emotion")
    run(tmp_path / "run", dataclasses.replace(chosen, stage_a=alone))
    before, after = (checkpoint.load_weights(tmp_path / "run" / name)[0] for name in ("stage_a", "stage_b"))
    layers = [name for name in after if name.startswith("content_encoder.encoder.encoder.layers")]
    assert layers and any(not torch.equal(before[name], after[name]) for name in layers)
    fixed = [name for name in after if ".feature_extractor." in name]
    assert fixed and all(torch.equal(before[name], after[name]) for name in fixed)
