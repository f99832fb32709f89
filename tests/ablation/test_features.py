"""Kept features are the encoders' own, and serve no other encoders or sound."""

from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_corpus import TinyRig
from tiny_plan import TalkingCorpus, ablate, write_encoders, write_plan

from emoface_training.ablation.features import split_features
from emoface_training.ablation.measures import explanations, split_figures
from emoface_training.ablation.task import Split, free_running, one_step_ahead
from emoface_training.clips.store import ClipStore
from emoface_training.models import checkpoint
from emoface_training.models.rollout import Rollout, animate
from emoface_training.motion.targets import clip_offsets


def _store(split: str = "train") -> ClipStore:
    return ClipStore.load(TalkingCorpus().clips(split), 30, 2)


def _silent(items):  # type: ignore[no-untyped-def]
    return items


def _whole(split: Split, index: int) -> dict[str, torch.Tensor]:
    return {name: rows[None].float() for name, rows in split.features.clip(index).items()}


def test_features_are_the_encoders_and_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = checkpoint.load(write_encoders(tmp_path / "encoders"))
    store = _store()
    kept = split_features(model, store, tmp_path / "features", "train", _silent)
    for index in (0, len(store.clips) - 1):
        clip = store.clips[index]
        with torch.no_grad():
            streams = model.encode_streams(torch.from_numpy(clip.heard())[None], [len(clip.audio)])
        for name in ("content", "emotion"):
            assert kept.clip(index)[name].shape == (clip.frames, 32)
            torch.testing.assert_close(kept.clip(index)[name].float(), streams[name][0], rtol=1e-3, atol=1e-3)
    monkeypatch.setattr(type(model), "encode_streams", None)  # not called again
    again = split_features(model, store, tmp_path / "features", "train", _silent)
    assert np.array_equal(again.rows, kept.rows)


def test_other_encoders_and_sound_have_files_of_their_own(tmp_path: Path) -> None:
    for seed in (5, 6):
        model, _ = checkpoint.load(write_encoders(tmp_path / f"encoders{seed}", seed=seed))
        for split in ("train", "validation"):
            split_features(model, _store(split), tmp_path / "features", "x", _silent)
    assert len(list((tmp_path / "features").iterdir())) == 4


def test_a_row_is_measured_as_emoface_eval_would(tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = ablate(write_plan(tmp_path / "plan"), write_encoders(tmp_path / "encoders"), out, seeds=1)
    model, _ = checkpoint.load(out / "rows" / "whole" / "seed1" / "stage_b")
    store = ClipStore.load(TalkingCorpus().clips("test_words"), 30, 2)
    kept = split_features(model, store, out / "features", "test_words", _silent)
    split, rig = Split(kept, [0, 3, 7]), TinyRig()
    from_sound = dict(animate(model, store, [store.clips[i] for i in split.chosen], Rollout("auto")))
    from_features = dict(free_running(model, split))
    for place, index in enumerate(split.chosen):
        np.testing.assert_allclose(from_features[index], from_sound[place], rtol=0, atol=2e-4)
    lips = rig.masks["lips"]
    errors = [
        ((offsets[:, lips].astype(float) - clip_offsets(rig, store.clips[i])[:, lips]) ** 2).sum(-1).max(-1)
        for i, offsets in from_features.items()
    ]
    expected = float(np.concatenate(errors).mean())
    assert split_figures(model, split, rig, "auto")["lve_m2"] == pytest.approx(expected, rel=1e-12)
    assert summary["rows"][0]["row"] == "whole"


def test_one_step_ahead_is_fed_the_truth(tmp_path: Path) -> None:
    """A model whose branches predict no motion at all has the same error however it is fed."""
    model, _ = checkpoint.load(write_encoders(tmp_path / "encoders"))
    from emoface_training import options
    from emoface_training.runs import training_run

    rig, store = TinyRig(), _store()
    section = {"content_encoder": model.config.to_dict()["content_encoder"], "decoder": {"width": 16, "window": 20}}
    section["emotion_encoder"] = section["content_encoder"]
    section["mesh_attention"] = {"kernel": 4, "dilation": 1}
    chosen = options.parse({"model": section, "stage_b": {"max_steps": 1}})
    model = training_run.new_model(chosen, ("a", "b"), rig, store).eval()  # heads begin at zero
    split = Split(split_features(model, store, tmp_path / "features", "train", _silent), [0, 1])
    figures = explanations(model, split, rig, "auto")
    assert figures["free_lve"] == figures["one_step_lve"] == figures["content_branch_lve"] > 0
    assert figures["lips_jitter"] == figures["lips_gain"] == 0.0
    weight = np.concatenate([model.fuse(_whole(split, i))["emotion_weight"][0].detach().numpy() for i in (0, 1)])
    assert figures["weight_lips"] == pytest.approx(weight[:, rig.masks["lips"]].mean(), abs=1e-5)
    assert figures["weight_spread"] == pytest.approx(weight.std(), abs=1e-5)
    with torch.no_grad():  # the feedback now reaches the output: feeding the truth is another thing than free running
        for branch in model.decoder.branches:
            branch.motion_head.weight.normal_(std=0.01)
            branch.motion_map.weight.normal_(std=50.0)
    own = dict(one_step_ahead(model, split, rig))
    truth = torch.from_numpy(clip_offsets(rig, store.clips[0]))[None]
    clip = _whole(split, 0)
    style = torch.eye(2)[store.clips[0].actor_index][None]
    level, unknown = torch.eye(2)[store.clips[0].level][None], torch.eye(9)[8][None]
    inputs = clip | model.fuse(clip) | {"style": style, "level": level, "emotion_class": unknown}
    with torch.no_grad():
        expected = model.decoder.given(inputs, truth.flatten(2)).fused[0]
    torch.testing.assert_close(own[0].fused, expected, rtol=0, atol=1e-6)
    figures = explanations(model, split, rig, "auto")
    assert figures["free_lve"] != figures["one_step_lve"] and figures["lips_jitter"] > 0
    assert figures["resting_lve"] != figures["free_lve"]
