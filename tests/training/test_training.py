"""Short real runs: the loss falls, a resumed run repeats the uninterrupted one, schemes and heads train."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_corpus import TinyRig, ToneCorpus
from tiny_run import run, tiny_options

from emoface_training import options
from emoface_training.clips.store import ClipStore
from emoface_training.errors import CheckpointError, OptionsError, RunExistsError
from emoface_training.loop.learning_rate import one_cycle
from emoface_training.loop.log import RunLog
from emoface_training.loop.processes import Processes
from emoface_training.loop.stage_run import StageRun
from emoface_training.models import checkpoint
from emoface_training.runs import training_run
from emoface_training.stages.stage_b import StageB
from emoface_training.stages.stage_b_batch import swapped_content


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def curve(out: Path, stage: str) -> list[float]:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if row["kind"] == "train" and row["stage"] == stage]


def test_both_stages_lower_their_loss_and_leave_a_loadable_model(tmp_path: Path) -> None:
    summary = run(tmp_path / "run", tiny_options(30, learning_rate=1e-2))
    for stage in ("stage_a", "stage_b"):
        losses = curve(tmp_path / "run", stage)
        assert len(losses) == 30
        assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5]), stage
    model, config = checkpoint.load(tmp_path / "run" / "stage_b")
    assert config.styles == ("a", "b")
    assert not model.training
    figures = summary["stage_b"]["validation"]
    assert figures["lve_m2"] > 0 and figures["bilabials"] > 0 and 0.0 <= figures["free_closed"] <= 1.0
    assert any((tmp_path / "run" / "tensorboard" / "stage_b").iterdir())


def test_the_learning_rate_is_logged_for_tensorboard_too(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path / "run", tiny_options(10, learning_rate=1e-2, encoder_rate_factor=0.1), stage="b")
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    logged = [row["learning_rate"] for row in rows if row["kind"] == "train"]
    assert logged == [one_cycle(step / 10, 1e-2) for step in range(10)]
    assert logged[1] == max(logged) == 1e-2
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard" / "stage_b")).Reload()
    assert [event.value for event in events.Scalars("train/learning_rate")] == pytest.approx(logged)


def test_no_clip_norm_is_no_limit(tmp_path: Path) -> None:
    """The same first step, logged with its own norm; only the limited run's gradients are scaled."""
    norms, gradients = [], []
    for clip_norm in (1e-3, None):
        stage = task(clip_norm=clip_norm)
        stage_run = StageRun(stage, tmp_path / str(clip_norm), 1, Processes())
        stage_run.begin()
        stage_run.advance(0.0, stage.load(0), 0)
        norms.append(stage_run.sums["gradient"][0])
        gradients.append(torch.cat([p.grad.flatten() for p in stage_run.parameters if p.grad is not None]))
    assert norms[0] == norms[1] > 1.0
    assert gradients[0].norm() == pytest.approx(1e-3, rel=1e-3) and gradients[1].norm() == pytest.approx(norms[1])
    assert torch.allclose(gradients[1] * (1e-3 / norms[1]), gradients[0], rtol=1e-3, atol=1e-12)


class Killed(Exception):
    pass


REGULARISED = {
    **dict.fromkeys(("feat_proj_dropout", "hidden_dropout", "attention_dropout", "activation_dropout"), 0.1),
    **{"layerdrop": 0.3, "mask_time_prob": 0.2, "mask_time_length": 3, "mask_feature_prob": 0.1},
}


def regularised(chosen: options.TrainingOptions) -> options.TrainingOptions:
    """Everything that is random in training, switched on."""
    encoders = {name: chosen.model[name] | REGULARISED for name in ("content_encoder", "emotion_encoder")}
    decoder = chosen.model["decoder"] | {"attention_dropout": 0.1, "position_dropout": 0.1}
    return dataclasses.replace(chosen, model=chosen.model | encoders | {"decoder": decoder})


@pytest.mark.parametrize("stage", ["a", "b"])
def test_regularised_training_has_one_curve_however_its_rows_are_split(tmp_path: Path, stage: str) -> None:
    for accumulate in (1, 2):
        chosen = regularised(tiny_options(4, batch_size=4))
        parts = {f"stage_{x}": getattr(chosen, f"stage_{x}") for x in "ab"}
        parts = {n: dataclasses.replace(p, accumulate=accumulate, batch_size=4) for n, p in parts.items()}
        run(tmp_path / str(accumulate), dataclasses.replace(chosen, **parts), stage=stage)
    name = f"stage_{stage}"
    one, two = curve(tmp_path / "1", name), curve(tmp_path / "2", name)
    assert one == pytest.approx(two, rel=1e-4)
    run(tmp_path / "plain", tiny_options(4, batch_size=4), stage=stage)
    assert one[-1] != pytest.approx(curve(tmp_path / "plain", name)[-1], rel=1e-4)


def test_encoders_with_and_without_masks_take_over_each_others_weights(tmp_path: Path) -> None:
    run(tmp_path / "plain", tiny_options(1), stage="b")
    run(tmp_path / "masked", regularised(tiny_options(1)), stage="b", start_from=tmp_path / "plain" / "stage_b")
    key = "content_encoder.encoder.masked_spec_embed"
    weights = checkpoint.load_weights(tmp_path / "masked" / "stage_b")[0]
    assert weights[key].shape == (32,)
    run(tmp_path / "again", tiny_options(1), stage="b", start_from=tmp_path / "masked" / "stage_b")
    assert key not in checkpoint.load_weights(tmp_path / "again" / "stage_b")[0]


@pytest.mark.parametrize("stage", ["a", "b"])
def test_killed_and_resumed_gives_the_same_curve(tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = regularised(tiny_options(8))
    chosen = dataclasses.replace(
        chosen,
        stage_a=dataclasses.replace(chosen.stage_a, checkpoint_every_minutes=0.0),
        stage_b=dataclasses.replace(chosen.stage_b, checkpoint_every_minutes=0.0),
    )
    run(tmp_path / "whole", chosen, stage=stage)
    write = RunLog.write

    def stop_after_five(self: RunLog, kind: str, step: int, *rest: object) -> None:
        write(self, kind, step, *rest)
        if step == 5:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "write", stop_after_five)
        with pytest.raises(Killed):
            run(tmp_path / "cut", chosen, stage=stage)
    run(tmp_path / "cut", chosen, stage=stage, resume=True)
    name = f"stage_{stage}"
    whole, cut = curve(tmp_path / "whole", name), curve(tmp_path / "cut", name)
    # step 5 was logged before the kill and not yet saved: it is repeated
    assert cut[:5] + cut[6:] == whole
    assert cut[4] == cut[5]
    ours, theirs = (checkpoint.load_weights(tmp_path / place / name)[0] for place in ("cut", "whole"))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_complete_stage_is_not_trained_again(tmp_path: Path) -> None:
    first = run(tmp_path / "run", tiny_options(3))
    again = run(tmp_path / "run", tiny_options(3), resume=True)
    assert again["stage_b"] == first["stage_b"]
    assert len(curve(tmp_path / "run", "stage_b")) == 3


def test_an_existing_run_is_refused_without_resume(tmp_path: Path) -> None:
    run(tmp_path / "run", tiny_options(1))
    before = (tmp_path / "run" / "stage_b" / "model.safetensors").read_bytes()
    with pytest.raises(RunExistsError, match="--resume"):
        run(tmp_path / "run", tiny_options(2))
    assert (tmp_path / "run" / "stage_b" / "model.safetensors").read_bytes() == before


def test_held_out_splits_are_refused() -> None:
    with pytest.raises(OptionsError, match=r"test_voice.*emoface eval"):
        dataclasses.replace(tiny_options(), train_split="test_voice")


@pytest.mark.parametrize("scheme", ["self-growing", "teacher-forcing", "autoregressive"])
def test_every_scheme_trains(tmp_path: Path, scheme: str) -> None:
    run(tmp_path / "run", tiny_options(6, scheme=scheme), stage="b")
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    shares = [row["ground_truth"] for row in rows if row["kind"] == "train"]
    if scheme == "self-growing":
        assert shares[0] == 1.0 and 0 < shares[2] < 1 and shares[-1] == 0.0
    else:
        assert set(shares) == {1.0 if scheme == "teacher-forcing" else 0.0}


@pytest.mark.parametrize("fusion", ["mesh-attention", "add"])
def test_the_papers_dense_head_trains(tmp_path: Path, fusion: str) -> None:
    chosen = training_run.with_overrides(tiny_options(20, decoder={"motion_rank": None}), fusion=fusion)
    run(tmp_path / "run", chosen, stage="b")
    losses = curve(tmp_path / "run", "stage_b")
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    model, _ = checkpoint.load(tmp_path / "run" / "stage_b")
    assert model.decoder.basis is None


def test_frozen_encoders_stay_and_then_move(tmp_path: Path) -> None:
    run(tmp_path / "a", tiny_options(2), stage="a")
    start = checkpoint.load_weights(tmp_path / "a" / "stage_a")[0]
    for share, moves in ((1.0, False), (0.5, True)):
        out = tmp_path / f"b{share}"
        run(out, tiny_options(4, freeze_encoders_for=share), stage="b", start_from=tmp_path / "a" / "stage_a")
        after = checkpoint.load_weights(out / "stage_b")[0]
        encoder = [key for key in start if "encoder.encoder" in key]
        assert all(torch.equal(start[k], after[k]) for k in encoder if "feature_extractor" in k)
        same = all(torch.equal(start[k], after[k]) for k in encoder if "feature_extractor" not in k)
        assert same is not moves


def test_mesh_attention_rests_until_its_share(tmp_path: Path) -> None:
    for share, moves in ((1.0, False), (0.5, True)):
        out = tmp_path / str(share)
        first = run(out, tiny_options(1, fusion_from=1.0), stage="b") and checkpoint.load_weights(out / "stage_b")[0]
        run(out / "more", tiny_options(4, fusion_from=share), stage="b")
        after = checkpoint.load_weights(out / "more" / "stage_b")[0]
        fusion = [key for key in first if key.startswith("mesh_attention.")]
        assert fusion
        assert all(torch.equal(first[key], after[key]) for key in fusion) is not moves


def test_mesh_attention_rests_at_a_rate_of_zero(tmp_path: Path) -> None:
    run(tmp_path / "first", tiny_options(1), stage="b")
    before = checkpoint.load_weights(tmp_path / "first" / "stage_b")[0]
    later = tiny_options(3, fusion_rate_factor=0.0)
    run(tmp_path / "later", later, stage="b", model_from=tmp_path / "first" / "stage_b")
    after = checkpoint.load_weights(tmp_path / "later" / "stage_b")[0]
    moved = {name.split(".")[0] for name in after if not torch.equal(before[name], after[name])}
    assert "decoder" in moved and "mesh_attention" not in moved


@torch.no_grad()
def test_rollout_codes_are_those_of_inference() -> None:
    stage = task(freeze_encoders_for=1.0, decoder={"window": 8})
    stage.model.eval()
    for parameter in stage.model.decoder.parameters():
        parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    rows = stage.rows(stage.load(0), 0.0)
    inputs = {"content": rows.content, "emotion": rows.emotion} | vars(rows.given)
    inputs["emotion_weight"] = stage.model.mesh_attention.whole(rows.content, rows.emotion)
    offsets = stage.model.decoder.autoregressive(inputs)
    assert offsets.abs().max() > 1e-3
    expected = stage.model.decoder.motion_code(offsets)
    assert torch.allclose(stage.model.decoder.rollout_codes(inputs), expected, atol=1e-4)


def test_late_self_growing_feeds_the_rollout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = task(rollout_from=0.5)
    used = []
    rollout = stage.model.decoder.rollout_codes
    monkeypatch.setattr(stage.model.decoder, "rollout_codes", lambda *a: used.append(1) or rollout(*a))
    stage.loss(0, 0.49)
    assert not used
    stage.loss(0, 0.5)
    assert used


def test_stage_a_leaves_one_front_end_in_both_encoders(tmp_path: Path) -> None:
    run(tmp_path / "run", tiny_options(3), stage="a")
    tensors = checkpoint.load_weights(tmp_path / "run" / "stage_a")[0]
    ours = {k: v for k, v in tensors.items() if "content_encoder" in k and "feature_extractor" in k}
    assert ours
    for key, value in ours.items():
        assert torch.equal(value, tensors[key.replace("content_encoder", "emotion_encoder")])


def test_stage_a_hears_both_streams_at_one_level(tmp_path: Path) -> None:
    chosen = tiny_options(2)
    conditions = {"second_voice_probability": 1.0, "quiet_probability": 1.0}
    chosen = dataclasses.replace(chosen, stage_a=dataclasses.replace(chosen.stage_a, **conditions))
    levelled = {name: {**chosen.model[name], "level_decay": 1.5} for name in ("content_encoder", "emotion_encoder")}
    with pytest.raises(OptionsError, match=r"level_decay 1\.5"):
        one = chosen.model | {"content_encoder": levelled["content_encoder"]}
        run(tmp_path / "one", dataclasses.replace(chosen, model=one), stage="a")
    run(tmp_path / "both", dataclasses.replace(chosen, model=chosen.model | levelled), stage="a")
    assert checkpoint.load(tmp_path / "both" / "stage_a")[1].emotion_encoder.level_decay == 1.5


def test_stage_a_goes_on_from_an_earlier_one(tmp_path: Path) -> None:
    run(tmp_path / "first", tiny_options(3), stage="a")
    chosen = dataclasses.replace(tiny_options(1), seed=9)
    still = dataclasses.replace(chosen, stage_a=dataclasses.replace(chosen.stage_a, learning_rate=1e-30))
    run(tmp_path / "second", still, stage="a", start_from=tmp_path / "first" / "stage_a")
    before, after = (checkpoint.load_weights(tmp_path / name / "stage_a")[0] for name in ("first", "second"))
    encoders = [key for key in before if key.startswith(("content_encoder.", "emotion_encoder."))]
    assert encoders and all(torch.allclose(before[key], after[key], atol=1e-20) for key in encoders)
    heads = [checkpoint.load_state(tmp_path / name / "stage_a")["extra"] for name in ("first", "second")]
    assert all(torch.allclose(heads[0][key], heads[1][key]) for key in heads[0])
    with pytest.raises(CheckpointError, match="stage_a folder of a run"):
        run(tmp_path / "b", tiny_options(1), stage="b")
        run(tmp_path / "third", tiny_options(1), stage="a", start_from=tmp_path / "b" / "stage_b")


def task(**stage_b: object) -> StageB:
    chosen = tiny_options(4, **stage_b)
    train = ClipStore.load(ToneCorpus().clips("train"), 30, 2)
    model = training_run.new_model(chosen, ("a", "b"), TinyRig(), train)
    return StageB(model, train, train, TinyRig(), chosen.stage_b, 3)


def test_cross_rows_carry_the_partners_content_and_the_clips_own_rest() -> None:
    stage = task(freeze_encoders_for=1.0)
    stage.model.eval()
    rows = stage.rows(stage.load(0), 0.0)
    assert rows.content.shape[0] > rows.own
    cross = rows.own
    twins = [i for i in range(rows.own) if torch.equal(rows.emotion[i], rows.emotion[cross])]
    assert twins
    assert torch.equal(rows.motion[twins[0]], rows.motion[cross])
    assert not torch.allclose(rows.content[twins[0]], rows.content[cross])


def test_pairs_can_be_switched_off() -> None:
    stage = task(pairs=False, classification=False)
    _, parts = stage.loss(0, 0.0)
    assert "cross" not in parts and "classification" not in parts


def test_phoneme_alignment_maps_boundaries_to_boundaries() -> None:
    stage = task(pair_alignment="phonemes")
    own, other = stage.train.clips[0], stage.train.clips[1]
    other.phonemes[:] = [("M", 0.0, 0.3), ("AA", 0.3, own.phonemes[-1][2])]
    ramp = torch.arange(other.frames, dtype=torch.float32)[:, None].expand(-1, 2)
    warped = swapped_content(stage.train, 0, 1, ramp, "phonemes")[:, 0]
    boundary = own.phonemes[0][2] * 30
    assert np.interp(boundary, np.arange(own.frames), warped.numpy()) == pytest.approx(9.0, abs=1.0)


def test_sampled_vertices_estimate_the_full_loss() -> None:
    full, sampled = task(pairs=False), task(pairs=False, loss_vertices=18)
    full.model.eval()
    sampled.model.load_state_dict(full.model.state_dict())
    sampled.model.eval()
    exact = full.loss(0, 0.0)[1]["self"].item()
    estimates = [sampled_self(sampled, step) for step in range(12)]
    assert np.mean(estimates) == pytest.approx(exact, rel=0.1)


def sampled_self(stage: StageB, seed: int) -> float:
    """L_self of step 0's batch on another sample of vertices."""
    stage._vertices = lambda _: torch.randperm(24, generator=torch.Generator().manual_seed(seed))[:18]
    return stage.loss(0, 0.0)[1]["self"].item()


def test_given_encoders_are_taken_where_there_is_no_stage_a(tmp_path: Path) -> None:
    run(tmp_path / "a", tiny_options(2), stage="a")
    given = tmp_path / "a" / "stage_a"
    alone = dataclasses.replace(tiny_options(1, freeze_encoders_for=1.0), stage_a=None)
    assert run(tmp_path / "b", alone, start_from=given)["encoders_from"] == "stage_a"
    start, end = (
        checkpoint.load_weights(place)[0] for place in (tmp_path / "a" / "stage_a", tmp_path / "b" / "stage_b")
    )
    names = [name for name in start if name.startswith("content_encoder.")]
    assert names and all(torch.equal(start[name], end[name]) for name in names)
    for stage in ("b", "all"):
        with pytest.raises(CheckpointError, match=r"nowhere without config\.json"):
            run(tmp_path / f"new_{stage}", alone, stage=stage, start_from=tmp_path / "nowhere")


def test_the_log_stays_json_where_a_figure_is_no_number(tmp_path: Path) -> None:
    log = RunLog(tmp_path, "stage_a")
    log.write("validation", 1, 0.5, 1.0, {"jaw_correlation": float("nan"), "closures": 0.25})
    log.close()

    def refuse(word: str) -> None:
        raise AssertionError(word)

    row = json.loads((tmp_path / "log.jsonl").read_text(), parse_constant=refuse)
    assert row["jaw_correlation"] is None and row["closures"] == 0.25
