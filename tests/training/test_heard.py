"""Training what is heard: stage A's losses and figures, stage B's rows in `auto`, and what both refuse."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_corpus import TinyRig, ToneClip, ToneCorpus, ToneReference, tone_clip
from tiny_run import ENCODER, run, tiny_options

from emoface_training.ablation.features import split_features
from emoface_training.affect import ANGLES, affect_table
from emoface_training.clips.store import ClipStore
from emoface_training.errors import OptionsError
from emoface_training.evaluation.emotion_recognition import listener
from emoface_training.evaluation.measured_models import CheckpointModel
from emoface_training.models import checkpoint
from emoface_training.models.rollout import Rollout, animate
from emoface_training.report.inside import look_inside
from emoface_training.runs import training_run
from emoface_training.stages.heard_losses import heard_figures
from emoface_training.stages.stage_a import StageA
from emoface_training.stages.stage_b import StageB
from emoface_training.vocabulary import EMOTIONS, UNKNOWN_EMOTION

RIG = TinyRig()


def chosen(steps: int = 2, stage_a: dict | None = None, **stage_b: object):
    plain = tiny_options(steps, freeze_encoders_for=1.0, pairs=False, **stage_b)
    grouped = {"batch_size": 4, "clips_per_speaker": 2, "validation_clips": 6} | (stage_a or {})
    return dataclasses.replace(
        plain, model=plain.model | {"emotion_heard": True}, stage_a=dataclasses.replace(plain.stage_a, **grouped)
    )


class LoudCorpus(ToneCorpus):
    """Two tones that differ in level alone: neutral, and angry three times as loud."""

    def clips(self, split: str) -> list[ToneReference]:
        return [ToneReference(_loud(reference.clip, i)) for i, reference in enumerate(super().clips(split))]


def _loud(clip: ToneClip, index: int) -> ToneClip:
    angry = index % 2
    audio = clip.audio * np.float32(3.0 if angry else 1.0)
    emotion = EMOTIONS.index("angry") if angry else 0
    return dataclasses.replace(clip, audio=audio, emotion=emotion, speaker="ab"[index % 4 // 2])


def stores(corpus: ToneCorpus) -> list[ClipStore]:
    return [ClipStore.load(corpus.clips(split), 30, 2) for split in ("train", "validation")]


def task_a(options, corpus: ToneCorpus) -> StageA:
    both = stores(corpus)
    return StageA(training_run.new_model(options, ("a", "b"), RIG, both[0]), *both, options.stage_a, 3)


def test_the_circle_of_affect_has_arousals_signs() -> None:
    table = affect_table()
    assert table.shape == (8, 2, 2) and (table[0] == 0).all() and set(ANGLES) == set(EMOTIONS[1:])
    signs = {"calm": (-1, 1), "happy": (1, 1), "sad": (-1, -1), "angry": (1, -1), "fearful": (1, -1)}
    for name, expected in signs.items():
        assert table[EMOTIONS.index(name), 1].sign().tolist() == list(expected), name
    torch.testing.assert_close(table[1:, 1].norm(dim=-1), torch.ones(7))
    assert (table[1:, 0].norm(dim=-1) < table[1:, 1].norm(dim=-1)).all()


def test_it_learns_two_tones_that_differ_in_level_alone() -> None:
    """What the front end takes off, and what is heard relative to the voice."""
    torch.set_num_threads(1)
    still = {"gain_db": 0.0, "noise_probability": 0.0, "equaliser_db": 0.0, "speed_change_probability": 0.0}
    size = {"batch_size": 8, "crop_seconds": 3.0, "clips_per_speaker": 3, "streams": "emotion"}
    task = task_a(chosen(stage_a=size | still), LoudCorpus(count=8, seconds=4.0))
    task.set_train(True)
    optimiser = torch.optim.Adam(task.parameter_groups()[0]["params"], lr=5e-3)
    losses = []
    for step in range(45):
        optimiser.zero_grad()
        _, parts = task.loss(step, step / 45)
        sum(parts[name] for name in ("emotion", "affect", "confidence", "pauses")).backward()
        optimiser.step()
        losses.append({name: float(value.detach()) for name, value in parts.items()})
    assert set(losses[0]) == {"expression", "emotion", "affect", "confidence", "pauses"}
    for name in ("emotion", "affect"):
        begin, end = (np.mean([row[name] for row in part]) for part in (losses[:4], losses[-8:]))
        assert end < 0.7 * begin, (name, begin, end)
    task.finish()
    task.set_train(False)
    figures = heard_figures(task.model, task.train.clips)
    assert min(figures["emotion_accuracy_calibrated"], figures["arousal_sign_calibrated"]) >= 0.75, figures


def test_parts_of_a_batch_add_up_to_its_loss() -> None:
    task = task_a(chosen(), ToneCorpus(count=6))
    task.set_train(False)
    whole, parts = task.loss(3, 0.0)
    halves = [task.loss(3, 0.0, rows=rows) for rows in (range(2), range(2, 4))]
    for name in parts:
        torch.testing.assert_close(halves[0][1][name] + halves[1][1][name], parts[name], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(halves[0][0] + halves[1][0], whole, rtol=1e-4, atol=1e-6)


def test_both_stages_train_and_what_is_heard_rests_in_stage_b(tmp_path: Path) -> None:
    figures = run(tmp_path / "run", chosen(calibrated=0.5, rollout_from=0.5))
    assert {"emotion_accuracy", "arousal_sign"} <= set(figures["stage_a"]["validation"])
    before, after = (checkpoint.load_weights(tmp_path / "run" / name)[0] for name in ("stage_a", "stage_b"))
    hearing = [name for name in after if name.startswith("emotion_encoder.")]
    assert any(".hearing." in name for name in hearing)
    assert all(torch.equal(before[name], after[name]) for name in hearing)
    assert after["decoder.emotion_branch.emotion_embedding.weight"].shape[1] == len(EMOTIONS)
    assert any(not torch.equal(before[name], after[name]) for name in after if name.startswith("decoder."))


def test_rows_in_auto_see_what_is_heard_calibrated_or_not_and_evaluation_does_too() -> None:
    corpus = ToneCorpus(count=6)
    rows = {}
    for calibrated in (0.0, 1.0):
        options = chosen(calibrated=calibrated, batch_size=6, emotion_dropped=0.5)
        both = stores(corpus)
        model = training_run.new_model(options, ("a", "b"), RIG, both[0]).eval()
        torch.manual_seed(0)
        model.emotion_encoder.hearing.judge[-1].weight.data.normal_(std=3.0)
        task = StageB(model, *both, RIG, options.stage_b, 3)
        task.prepare()
        batch = task.load(0)
        rows[calibrated] = task.rows(batch, 0.0)
        auto = rows[calibrated].given.emotion_class[:, UNKNOWN_EMOTION] == 1
        assert 0 < int(auto.sum()) < len(auto)
    plain, told = rows[0.0], rows[1.0]
    for row, clip in enumerate(batch.draw.clips):
        count = batch.draw.frames[row]
        stored = both[0].clips[clip]
        take = batch.draw.takes.get(clip)
        with torch.no_grad():
            own = model.encode_streams(torch.from_numpy(stored.heard())[None])["heard"][0]
            torch.testing.assert_close(plain.heard[row, :count], own[batch.draw.window(row)], atol=5e-3, rtol=0)
            if take is None:
                continue
            heard = model.encode_streams(torch.from_numpy(both[0].clips[take].heard())[None])
            mean = torch.cat([heard["emotion"], heard["loudness"]], -1).mean(1)
            exact = model.encode_streams(torch.from_numpy(stored.heard())[None], speaker_mean=mean)["heard"][0]
        # at frame rate here, at 50 Hz there
        torch.testing.assert_close(told.heard[row, :count], exact[batch.draw.window(row)], atol=0.05, rtol=0)
    assert (plain.heard - told.heard).abs().max() > 0.02
    clips = both[1].clips[:2]
    means = torch.randn(2, model.config.voice_width)
    moved = [dict(animate(model, both[1], clips, Rollout("auto"), each)) for each in (None, means)]
    assert np.abs(moved[0][0] - moved[1][0]).max() >= 0 and moved[0][0].shape == (45, 24, 3)
    heard = listener(CheckpointModel(model))
    assert heard.width == model.config.voice_width and len(list(heard.names(clips, list(means.numpy())))) == 2


def test_encoders_that_move_in_stage_b_are_refused_by_name() -> None:
    options = dataclasses.replace(chosen(), stage_b=dataclasses.replace(chosen().stage_b, freeze_encoders_for=0.5))
    both = stores(ToneCorpus())
    model = training_run.new_model(options, ("a", "b"), RIG, both[0])
    with pytest.raises(OptionsError, match=r"freeze_encoders_for 0\.5 with emotion_heard.* 1: the decoder learns"):
        StageB(model, *both, RIG, options.stage_b, 3)


def test_kept_features_of_an_ablation_and_the_report_hear_too(tmp_path: Path) -> None:
    corpus = ToneCorpus(count=3)
    store = stores(corpus)[0]
    model = training_run.new_model(chosen(), ("a", "b"), RIG, store).eval()
    kept = split_features(model, store, tmp_path, "train", lambda items: items)
    model.emotion_encoder.hearing.judge[-1].weight.data.mul_(2.0)
    assert split_features(model, store, tmp_path, "train", lambda items: items).rows is not kept.rows
    assert len(list(tmp_path.iterdir())) == 2  # what hears otherwise has a file of its own
    for branch in model.decoder.branches:  # heads begin at zero
        branch.motion_head.weight.data.normal_(std=0.05)
    clip = store.clips[1]
    with torch.no_grad():
        streams = model.encode_streams(torch.from_numpy(clip.heard())[None])
    assert {name: rows.shape[-1] for name, rows in kept.clip(1).items()} == model.stream_widths
    for name in ("content", "emotion", "loudness"):
        torch.testing.assert_close(kept.clip(1)[name].float(), streams[name][0], rtol=1e-3, atol=2e-3)
    fused = dict(animate(model, store, [clip], Rollout("auto")))[0]
    assert np.abs(fused).max() > 1e-3
    inside = look_inside(CheckpointModel(model), clip, fused, "auto", np.zeros(model.config.voice_width, np.float32))
    np.testing.assert_allclose(inside.branches["Mesh Attention"], fused, atol=1e-6)


def test_other_models_keep_their_classifier() -> None:
    model = training_run.new_model(tiny_options(), ("a", "b"), RIG, stores(ToneCorpus())[0])
    assert not any("hearing" in name for name in model.state_dict())
    assert model.decoder.emotion_branch.emotion_embedding.weight.shape[1] == UNKNOWN_EMOTION + 1
    assert len(ENCODER["right"]) == 1 and tone_clip(0, 1.0).speaker == "a"
