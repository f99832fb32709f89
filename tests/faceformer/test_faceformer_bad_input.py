"""Files, configurations and checkpoints that do not fit: one clear error each, naming what is wrong."""

import pickle

import layouts
import original
import pytest
import torch
import yaml
from tiny_run import DECODER, ENCODER, tiny_options
from tiny_run import run as run_options

from emoface.cli.main import main
from emoface_training import options
from emoface_training.errors import (
    BandError,
    CheckpointError,
    EncoderStatisticsError,
    FaceFormerFileError,
    OptionsError,
)
from emoface_training.faceformer.published_file import FaceFormerFile, Mode
from emoface_training.models import checkpoint
from emoface_training.runs import training_run

FACEFORMER = {"family": "faceformer", "content_encoder": ENCODER, "decoder": DECODER}


def refused(tmp_path, tensors, word, **arguments):
    path = tmp_path / "vocaset.pth"
    torch.save(tensors, path)
    with pytest.raises(FaceFormerFileError, match=word) as error:
        FaceFormerFile(path, encoder_heads=2, **arguments).model(Mode("offline"))
    assert str(path) in str(error.value)


def test_keys_and_shapes_are_named(tmp_path, published):
    whole = published("vocaset")[1].state_dict()
    refused(tmp_path, {k: v for k, v in whole.items() if k != "vertice_map_r.weight"}, r"without vertice_map_r\.weight")
    refused(tmp_path, whole | {"emotion_map.weight": torch.zeros(2)}, r"unknown emotion_map\.weight")
    gone = "audio_encoder.encoder.layers.0.attention.k_proj.weight"
    refused(tmp_path, {k: v for k, v in whole.items() if k != gone}, r"layers\.0\.attention\.k_proj\.weight is missing")
    refused(tmp_path, whole | {"audio_encoder.adapter": torch.zeros(1)}, "adapter is unknown")
    norm = "transformer_decoder.layers.0.norm1.weight"
    refused(tmp_path, whole | {norm: torch.zeros(5)}, r"norm1\.weight has shape \[5\] instead of \[16\]")
    refused(tmp_path, whole | {"PPE.pe": torch.zeros(1, 630, 16)}, r"PPE\.pe")
    # What training leaves behind is no fault, nor is the prefix of several GPUs
    extra = whole | {"biased_mask": torch.zeros(4, 600, 600), "audio_encoder.masked_spec_embed": torch.zeros(16)}
    torch.save({f"module.{k}": v for k, v in extra.items()}, tmp_path / "several.pth")
    assert FaceFormerFile(tmp_path / "several.pth", encoder_heads=2).model(Mode("offline")).config.vertices == 42


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_other_files_are_named(tmp_path):
    path = tmp_path / "x.pth"
    for content in (b"no checkpoint", pickle.dumps(print)):
        path.write_bytes(content)
        with pytest.raises(FaceFormerFileError, match=r"x\.pth"):
            FaceFormerFile(path)
    torch.save({"model": [1, 2]}, path)
    with pytest.raises(FaceFormerFileError, match="state dict"):
        FaceFormerFile(path)
    with pytest.raises(FaceFormerFileError, match="no file"):
        FaceFormerFile(tmp_path / "missing.pth")


def test_choices_that_do_not_fit(published):
    path = published("vocaset")[0]
    with pytest.raises(OptionsError, match="--encoder-heads"):
        FaceFormerFile(path)
    file = FaceFormerFile(path, encoder_heads=2)
    with pytest.raises(OptionsError, match=r"3 subjects.*expected the 8"):
        file.model(Mode("offline"), ["a", "b", "c"])
    with pytest.raises(EncoderStatisticsError, match="--calibrate"):
        file.model(Mode("band"))
    with pytest.raises(BandError, match="multiple of 3"):
        file.model(Mode("band", right=4), calibration=[original.speech(2.0)])
    with pytest.raises(BandError, match="multiples of 5"):
        file.model(Mode("window", window=101))
    two = FaceFormerFile(published("biwi")[0], encoder_heads=2)
    with pytest.raises(OptionsError, match="multiple of 2"):
        two.model(Mode("window", 41, 5, 5))


def test_the_command_line_names_what_is_wrong(tmp_path, published, capsys):
    path, out = str(published("vocaset")[0]), tmp_path / "out"
    base = ["faceformer", "import", path, "--encoder-heads", "2", "--mode", "offline"]
    out.mkdir()
    assert main([*base, "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    small = tmp_path / "small.ply"
    layouts.write_ply(small, *layouts.icosphere(0, 0.1))
    assert main([*base, "--out", str(tmp_path / "a"), "--face", str(small)]) == 2
    assert "12 vertices; expected the 42" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
    assert main([*base, "--out", str(tmp_path / "b")]) == 0
    assert "--face" in capsys.readouterr().out
    # V alone says nothing of the topology, so no face is taken for it
    assert main(["export", str(tmp_path / "b"), "--out", str(tmp_path / "b.emoface")]) == 3
    assert "no face for this checkpoint" in capsys.readouterr().err
    sound = tmp_path / "x.wav"
    layouts.soundfile.write(sound, original.speech(1.0).numpy(), 16000)
    measure = ["faceformer", "deviation", path, "--encoder-heads", "2", "--audio", str(sound)]
    assert main([*measure, "--windows", "a"]) == 2
    assert "--windows a" in capsys.readouterr().err
    assert main([*measure, "--windows", "30"]) == 0
    shown = capsys.readouterr()
    assert "600 ms" in shown.out and "band mode is left out" in shown.err


def test_another_family_is_named(tmp_path):
    theirs, ours = tmp_path / "faceformer", tmp_path / "emoface"
    stage = {"max_steps": 1, "batch_size": 2, "max_frames": 12, "validation_clips": 1}
    data = {"seed": 3, "model": FACEFORMER, "stage_b": stage}
    run_options(theirs, options.parse(data))
    run_options(ours, tiny_options(1), stage="b")
    # The checkpoint of a rig's FaceFormer keeps its face, since it has no spirals to tell it by
    assert (theirs / "stage_b" / "face.npz").is_file() and not (ours / "stage_b" / "face.npz").exists()
    with pytest.raises(CheckpointError, match="family 'faceformer'; expected one of family 'emoface'"):
        run_options(tmp_path / "x", tiny_options(1), stage="b", model_from=theirs / "stage_b")
    with pytest.raises(CheckpointError, match="no emotion_encoder"):
        run_options(tmp_path / "y", tiny_options(1), stage="b", start_from=theirs / "stage_b")
    # An EmoFace content encoder is what FaceFormer's stage B may begin with
    start = data | {"stage_b": stage | {"freeze_encoders_for": 1.0}}
    run_options(tmp_path / "z", options.parse(start), stage="b", start_from=ours / "stage_b")
    before, after = (checkpoint.load_weights(place / "stage_b")[0] for place in (ours, tmp_path / "z"))
    copied = [name for name in before if name.startswith("content_encoder.")]
    assert copied and all(torch.equal(before[name], after[name]) for name in copied)


def test_another_config_is_named_by_field(tmp_path):
    stage = {"max_steps": 1, "batch_size": 2, "max_frames": 12, "validation_clips": 1}
    run_options(tmp_path / "a", options.parse({"model": FACEFORMER, "stage_b": stage}))
    wider = FACEFORMER | {"decoder": DECODER | {"width": 24}}
    with pytest.raises(CheckpointError, match=r"another config \(.*decoder\.width 16 instead of 24"):
        run_options(
            tmp_path / "b",
            options.parse({"model": wider, "stage_b": stage}),
            stage="b",
            model_from=tmp_path / "a/stage_b",
        )


def test_sections_that_do_not_fit_the_family(tmp_path):
    stage = {"max_steps": 1, "batch_size": 2, "validation_clips": 1}
    cases = {
        "family": FACEFORMER | {"family": "codetalker"},
        "mesh_attention": FACEFORMER | {"mesh_attention": {"kernel": 4}},
        "expected 30 for resampling": FACEFORMER | {"resampling": "before-transformer"},
        "expected 25: resampling none": FACEFORMER | {"resampling": "none"},
    }
    for word, model in cases.items():
        with pytest.raises(OptionsError, match=word):
            run_options(tmp_path / "x", options.parse({"model": model, "stage_b": stage}))
    with pytest.raises(OptionsError, match=r"stage A for family 'faceformer'.*--encoders"):
        both = {"model": FACEFORMER, "stage_a": stage, "stage_b": stage}
        training_run.train(options.parse(both), None, None, tmp_path / "y", stage="a")


def test_gradients_flow_through_frames_fed_back_only_where_asked(tmp_path):
    from synthetic_corpus import TinyRig, ToneCorpus

    from emoface_training.clips.store import ClipStore
    from emoface_training.stages.stage_b import StageB

    found = {}
    for chosen in (None, True, False):
        stage = {"max_steps": 1, "batch_size": 2, "max_frames": 12, "scheme": "autoregressive"}
        model = FACEFORMER | {"decoder": DECODER | {"dropout": 0.0}}
        parsed = options.parse({"model": model, "stage_b": stage | {"rollout_gradient": chosen}})
        corpus, rig = ToneCorpus(), TinyRig()
        store = ClipStore.load(corpus.clips("train"), 30, 2)
        model = training_run.new_model(parsed, ("a", "b"), rig, store)
        torch.nn.init.normal_(model.decoder.content_branch.motion_head.weight, std=0.1)
        task = StageB(model, store, store, rig, parsed.stage_b, 0)
        loss, _ = task.loss(0, 0.0)
        loss.backward()
        found[chosen] = (loss.item(), model.decoder.content_branch.motion_head.weight.grad.clone())
    assert found[None][0] == found[True][0] and torch.equal(found[None][1], found[True][1])
    assert found[False][0] == pytest.approx(found[True][0], rel=1e-4)
    assert not torch.allclose(found[False][1], found[True][1], rtol=1e-2)


def test_the_shipped_configuration_is_the_papers(tmp_path):
    path = training_run.Path(__file__).resolve().parents[2] / "configs" / "faceformer.yaml"
    loaded = options.load(path)
    stage, model = loaded.stage_b, yaml.safe_load(path.read_text())["model"]
    assert loaded.stage_a is None and model["family"] == "faceformer" and model["resampling"] == "before-transformer"
    dropped = dict.fromkeys(("dropout", "attention_dropout", "position_dropout"), 0.1)
    assert model["decoder"] == {"width": 64, "heads": 4, "period": 30, "window": 600, "motion_rank": None} | dropped
    assert (stage.scheme, stage.learning_rate, stage.max_epochs) == ("autoregressive", 1e-4, 100)
    assert stage.rollout_gradient is not False and stage.style_dropped == 0.0
