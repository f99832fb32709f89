"""Figures of several models: by emotion, by level, over the training styles, checkpoints against packages."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from known_model import KnownModel
from synthetic_corpus import TinyRig, ToneCorpus

import tiny
from emoface.cli.main import main
from emoface_training.clips.store import ClipStore
from emoface_training.config import DecoderConfig, FaceFormerConfig
from emoface_training.data.opening import open_for_training
from emoface_training.data.sample import DatasetFace
from emoface_training.errors import CheckpointError, OptionsError
from emoface_training.evaluation import measured_models, on_dataset
from emoface_training.evaluation.on_dataset import Request
from emoface_training.evaluation.tables import table
from emoface_training.models.checkpoint import save
from emoface_training.nn.faceformer import FaceFormer
from emoface_training.report.inside import look_inside
from emoface_training.vocabulary import EMOTIONS, LEVELS

RIG = TinyRig()
FIGURES = ("lve_m2", "eve_m2", "face_rms_mm")


def by_hand(clips: list, raised: dict[int, float]) -> float:
    """LVE in m^2 of motion whose every vertex is off by raised[clip index] metres."""
    squares, frames = 0.0, 0
    for index, clip in enumerate(clips):
        for _ in range(clip.frames):
            squares += raised[index] ** 2
            frames += 1
    return squares / frames


def test_figures_by_emotion_and_level_are_those_computed_by_hand() -> None:
    corpus, model = ToneCorpus(6), KnownModel()
    report = on_dataset.evaluate([model], corpus, RIG, Request("validation", "given"))
    clips = ClipStore.load(corpus.clips("validation"), 30, 2).clips
    raised = {i: 0.001 * (2 + "ab".index(clip.actor)) * (1 + clip.emotion) for i, clip in enumerate(clips)}
    assert report["rows"]["model"]["lve_m2"] == pytest.approx(by_hand(clips, raised), rel=1e-4)
    for kind, names, key in (("emotions", EMOTIONS, "emotion"), ("levels", LEVELS, "level")):
        assert list(report[kind]) == [name for name in names if name in report[kind]]
        assert sum(group["clips"] for group in report[kind].values()) == len(clips)
        for name, group in report[kind].items():
            chosen = [i for i, clip in enumerate(clips) if getattr(clip, key) == names.index(name)]
            expected = by_hand([clips[i] for i in chosen], [raised[i] for i in chosen])
            assert group["clips"] == len(chosen)
            assert group["rows"]["model"]["lve_m2"] == pytest.approx(expected, rel=1e-4)
            assert group["rows"]["ground_truth"]["lve_m2"] == 0.0
            assert group["rows"]["mean"]["lve_m2"] > 0.0
    assert report["styles"]["model"] == {"seen_clips": 6, "unseen_clips": 0}


def test_unseen_subjects_get_every_style_with_mean_and_spread() -> None:
    corpus, model = ToneCorpus(3), KnownModel(styles=("x", "y", "z"))
    report = on_dataset.evaluate([model], corpus, RIG, Request("test_voice", "given", styles="every"))
    assert model.asked == [-1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    styles = report["styles"]["model"]
    clips = ClipStore.load(corpus.clips("test_voice"), 30, 2).clips
    expected = [
        by_hand(clips, {i: 0.001 * (2 + style) * (1 + clip.emotion) for i, clip in enumerate(clips)})
        for style in range(3)
    ]
    assert list(styles["by_style"]) == ["x", "y", "z"]
    np.testing.assert_allclose([row["lve_m2"] for row in styles["by_style"].values()], expected, rtol=1e-4)
    found = styles["spread"]["lve_m2"]
    assert found["mean"] == pytest.approx(sum(expected) / 3, rel=1e-4)
    variance = sum((value - sum(expected) / 3) ** 2 for value in expected) / 3
    assert found["std"] == pytest.approx(variance**0.5, rel=1e-4)
    assert (found["min"], found["max"]) == (styles["by_style"]["x"]["lve_m2"], styles["by_style"]["z"]["lve_m2"])
    assert "under each of 3 styles" in table(report)
    assert "spread" not in on_dataset.evaluate([model], corpus, RIG)["styles"]["model"]


def test_seen_and_unseen_subjects_are_told_apart_by_name() -> None:
    model = KnownModel(styles=("b", "other"))
    clips = ClipStore.load(ToneCorpus(2).clips("train"), 30, 2).clips
    assert [clip.actor for clip in clips] == ["a", "b"]
    assert [clip.actor_index for clip in measured_models.in_own_style(clips, model.styles)] == [-1, 0]
    report = on_dataset.evaluate([model], ToneCorpus(2), RIG, Request("train", styles="every"))
    assert report["styles"]["model"]["unseen_clips"] == 1


def test_models_of_one_name_keep_rows_of_their_own() -> None:
    models = [KnownModel(error=error) for error in (0.002, 0.003)]
    report = on_dataset.evaluate([KnownModel(), *models, KnownModel("mean")], ToneCorpus(2), RIG, Request("validation"))
    assert list(report["rows"]) == ["model", "known #2", "known #3", "mean #2", "mean", "energy", "ground_truth"]
    rows = report["rows"]
    assert rows["known #2"]["lve_m2"] == pytest.approx(4 * rows["model"]["lve_m2"], rel=1e-4)
    assert report["models"]["known #3"]["label"] == "known #3"


def test_a_package_gives_its_checkpoints_figures(recorded: Path, tiny_checkpoint: Path, tiny_package: Path) -> None:
    dataset, face = open_for_training(recorded)
    models = [measured_models.open_model(str(path)) for path in (tiny_checkpoint, f"{tiny_package}@fp32", tiny_package)]
    report = on_dataset.evaluate(models, dataset, face, Request("test_unseen", "given", 2))
    exact, full, small = (report["rows"][name] for name in ("model", *(model.label for model in models[1:])))
    for key in FIGURES:
        assert full[key] == pytest.approx(exact[key], rel=1e-3)  # fp32: what verification allows, 1e-4 of the motion
        assert small[key] == pytest.approx(exact[key], rel=0.2) and small[key] != full[key]
    kinds = [(facts["kind"], facts["precision"]) for facts in report["models"].values()]
    assert kinds == [("checkpoint", "fp32"), ("package", "fp32"), ("package", "int8")]
    assert report["dataset"]["kind"] == "ravdess" and set(report["dataset"]["masks"]) == {"lips", "eyes_forehead"}


def test_families_stand_side_by_side(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    decoder = DecoderConfig(width=16, heads=2, period=7, window=20)
    config = FaceFormerConfig(len(RIG.template), ("a", "b"), content_encoder=tiny.ENCODER, decoder=decoder)
    network = FaceFormer(config).eval()
    torch.nn.init.constant_(network.decoder.branches[0].motion_head.bias, 0.001)
    save(tmp_path / "baseline" / "stage_b", network)
    baseline = measured_models.open_model(str(tmp_path / "baseline" / "stage_b"))
    report = on_dataset.evaluate([KnownModel(), baseline], ToneCorpus(2), RIG, Request("validation"))
    assert report["models"]["baseline"]["family"] == "faceformer"
    # Everything moved by 1 mm along each axis, whatever is said
    clips = ClipStore.load(ToneCorpus(2).clips("validation"), 30, 2).clips
    squares = [
        ((0.001 - RIG.offsets(clip.parameters.astype(np.float32))[:, RIG.masks["lips"]]) ** 2).sum(-1).max(-1)
        for clip in clips
    ]
    assert report["rows"]["baseline"]["lve_m2"] == pytest.approx(np.concatenate(squares).mean(), rel=1e-4)
    assert "baseline" not in report["emotion_recognition"]
    seen = look_inside(baseline, clips[0], np.zeros((clips[0].frames, 24, 3), np.float32), "given")
    assert seen.emotion_weight is None and seen.branches is None and seen.missing == "baseline has one branch"


def test_other_topologies_are_refused_whatever_their_count(
    recorded: Path, tmp_path: Path, tiny_checkpoint: Path, tiny_package: Path
) -> None:
    dataset, face = open_for_training(recorded)
    turned = DatasetFace(face.template, face.faces[:, [1, 2, 0]][::-1], face.masks)
    bare = shutil.copytree(tiny_checkpoint, tmp_path / "bare")
    (bare / "face.npz").unlink()
    for source in (tiny_checkpoint, tiny_package, bare):
        with pytest.raises(OptionsError, match="another topology"):
            on_dataset.evaluate([measured_models.open_model(str(source))], dataset, turned, Request("validation"))
    small = tiny.write_checkpoint(tmp_path / "small", tiny.tiny_model(tiny.tiny_config(subdivisions=0), 0, 0), 0)
    with pytest.raises(OptionsError, match=r"42 vertices for a model of 12 \(small\)"):
        first = measured_models.open_model(str(tiny_checkpoint))
        on_dataset.evaluate([first, measured_models.open_model(str(small))], dataset, face, Request("validation"))


def test_what_is_no_model_or_no_split_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in (tmp_path, tmp_path / "none.emoface", "nothing@int8"):
        with pytest.raises(CheckpointError, match=r"no model; expected a checkpoint folder with config\.json"):
            measured_models.open_model(str(source))
    corpus = ToneCorpus(2)
    for clips in (0, -1):
        with pytest.raises(OptionsError, match="no clips in split 'validation'"):
            on_dataset.evaluate([KnownModel()], corpus, RIG, Request("validation", clips=clips))
    with pytest.raises(CheckpointError, match="NaN or infinite motion from broken"):
        on_dataset.evaluate([KnownModel("broken", float("nan"))], corpus, RIG, Request("validation"))
    monkeypatch.setattr(corpus, "clips", lambda split: [])
    with pytest.raises(OptionsError, match="no clips in split 'test_voice'"):
        on_dataset.evaluate([KnownModel()], corpus, RIG)


def test_without_masks_the_report_says_what_is_missing(
    recorded: Path, tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = shutil.copytree(recorded, tmp_path / "bare")
    (bare / "FLAME_masks.pkl").unlink()
    command = ["eval", str(tiny_checkpoint), str(bare), "--clips", "1", "--styles", "mean"]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["split"] == "test_unseen" and "lve_m2" not in report["rows"]["model"]
    assert len(report["dataset"]["missing"]) == 3 and "LVE" in report["dataset"]["missing"][0]
    assert main(command) == 0
    assert "no masks" in capsys.readouterr().out
