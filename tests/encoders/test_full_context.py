"""EmoFace on wav2vec2 with full context: the original's features, one offline package, no stream."""

import dataclasses
import json

import layouts
import numpy as np
import pytest
import torch
import yaml
from hugging_face import save_tiny
from transformers import Wav2Vec2FeatureExtractor

import emoface
import tiny
from emoface.audio.offset import without_offset
from emoface.backends import available_backends
from emoface.cli.main import main
from emoface.errors import BackendError, PackageError, UsageError
from emoface.options import BARE
from emoface.package import Package
from emoface.timing import MOST_CLIP_FRAMES
from emoface_export.against_pytorch import verify_against_checkpoint
from emoface_export.export import ExportOptions, export_package
from emoface_export.face_file import find_face
from emoface_export.package_manifest import PackageFacts
from emoface_training.config import EmoFaceConfig
from emoface_training.encoders import pretrained_sections
from emoface_training.encoders.pretrained import load_weights
from emoface_training.errors import BandError, EncoderStatisticsError, OptionsError
from emoface_training.models import checkpoint
from emoface_training.nn.wav2vec2 import StreamingWav2Vec2

SIZES = {
    name: getattr(tiny.ENCODER, name)
    for name in ("hidden_size", "num_attention_heads", "intermediate_size", "conv_dim", "conv_kernel", "conv_stride")
} | {"num_conv_pos_embeddings": 8, "num_feat_extract_layers": 5}
# The forms of wav2vec2-base (group norm, post-norm) and of wav2vec2-large (layer norm, pre-norm, biases)
FORMS = {
    "content_encoder": {"norm": "group", "pre_norm": False, "num_hidden_layers": 2},
    "emotion_encoder": {"norm": "layer", "pre_norm": True, "num_hidden_layers": 1},
}
UNLIMITED = {"left": None, "right": None, "position_right": None}


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Stage -> (folder with the preprocessor that normalises, the transformers model)."""
    made = {}
    for stage, form in FORMS.items():
        folder = tmp_path_factory.mktemp(stage)
        made[stage] = folder, save_tiny(folder, "wav2vec2", **form, **SIZES)
        Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return made


@pytest.fixture(scope="module")
def section(encoders):
    """The `model` section of a configuration."""
    return {"whole_clips": True} | {stage: {"pretrained": str(folder)} for stage, (folder, _) in encoders.items()}


@pytest.fixture(scope="module")
def model(section):
    """The tiny model's Mesh Attention and decoders, whose graphs are traced already, on the folders' encoders."""
    like = tiny.tiny_model()
    data, folders = pretrained_sections.resolve(section)
    config = EmoFaceConfig.from_dict(like.config.to_dict() | data)
    model = tiny.tiny_model(config)
    pretrained_sections.load(model, folders)
    model.mesh_attention.load_state_dict(like.mesh_attention.state_dict())
    model.decoder.load_state_dict(like.decoder.state_dict())
    return model


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    return tiny.write_checkpoint(tmp_path_factory.mktemp("saved") / "checkpoint", model)


@pytest.fixture(scope="module")
def package(saved, tiny_folder):
    """The exported package's path; as for any package, its export compared every stage with PyTorch first."""
    loaded, _ = checkpoint.load(saved)
    out = saved.with_name("face.emoface")
    options = ExportOptions(PackageFacts("face"), seconds=4.0, provenance=tiny.PROVENANCE)
    exporter = tiny.RememberingExporter(tiny_folder)
    export_package(loaded, find_face(saved, loaded, None), out, options, exporter=exporter)
    return out


def sound(seconds, seed=4):
    generator = np.random.default_rng(seed)
    return (0.1 * generator.standard_normal(int(16000 * seconds))).astype(np.float32)


@pytest.mark.parametrize("stage", FORMS)
def test_features_are_those_of_transformers(model, encoders, stage):
    theirs, audio = encoders[stage][1], sound(1.0) + 0.05
    heard = Wav2Vec2FeatureExtractor(do_normalize=True)(audio, sampling_rate=16000, return_tensors="pt").input_values
    with torch.no_grad():
        expected = theirs(heard).last_hidden_state
        got = model.stages[stage].encoder.whole(torch.from_numpy(audio)[None])
    assert got.shape == expected.shape == (1, 49, 16)
    assert (got - expected).abs().max() <= 2e-5 * expected.abs().max()


def test_what_lies_behind_a_clip_is_not_heard(model):
    long, short = torch.from_numpy(sound(1.0))[None], torch.from_numpy(sound(0.7, seed=5))[None]
    batch = torch.zeros(2, 16000)
    batch[0], batch[1, : short.shape[1]] = long[0], short[0]
    with torch.no_grad():
        together = model.encode_streams(batch, [16000, short.shape[1]])
        for row, clip in enumerate((long, short)):
            for name, alone in model.encode_streams(clip).items():
                assert torch.equal(together[name][row, : alone.shape[1]], alone[0])
        assert together["content"].shape == (2, 30, 16)


@pytest.mark.parametrize("seconds", [0.04, 1.0, 4.2])  # less than a feature, and more frames than are run at once
def test_a_package_gives_what_pytorch_gives_for_whole_clips(model, package, seconds):
    loaded, audio = Package.load(package), sound(seconds)
    frames = len(audio) * 30 // 16000
    assert seconds < 4 or frames > 2 * MOST_CLIP_FRAMES
    conditions = torch.eye(3)[1:2], torch.eye(2)[1:2], torch.eye(9)[3:4]
    with torch.no_grad():
        heard = torch.from_numpy(without_offset(audio, 320, 80))[None]  # as the runtime's front end gives it
        expected = model(heard, *conditions)[0].numpy()
        logits = model.encode(heard)[2]
    shown = emoface.animate(
        audio, 16000, loaded, style=tiny.STYLES[1], level="strong", emotion="sad", precision="fp32", **BARE
    )
    offsets = shown.vertices - loaded.face.template
    assert len(shown) == len(expected) == frames
    assert np.abs(offsets - expected).max() <= 1e-4 * np.abs(expected).max()
    assert np.abs(shown.emotion - torch.softmax(logits, -1).numpy()).max() <= 1e-4  # one verdict for the whole clip
    with loaded.animator(**BARE) as animator:
        assert len(animator.whole(audio, tail_s=0.5)) == frames + 15


def test_a_package_verifies_and_refuses_streams(package, saved, capsys):
    loaded = Package.load(package)
    assert main(["verify", str(package)]) == 0
    checks = verify_against_checkpoint(loaded, saved, seconds=2.0)
    assert {check["name"] for check in checks} >= {"fp32 emotion_encoder.probabilities", "fp32 end to end"}
    assert all(check["passed"] for check in checks)
    assert main(["inspect", str(package)]) == 0 and "hears clips as a whole" in capsys.readouterr().out
    with loaded.animator() as animator:
        for call in (lambda: animator.step(sound(0.1)), animator.flush):
            with pytest.raises(UsageError, match="hears clips as a whole"):
                call()
        with pytest.raises(PackageError, match="hears clips as a whole"):
            animator.calibrate(sound(3.0))
    with pytest.raises(UsageError, match="pool"):
        loaded.pool(2)
    if "native" in available_backends():
        with pytest.raises(BackendError, match="whole clips"):
            loaded.animator(backend="native")
    assert main(["profile", str(package)]) != 0 and "whole" in capsys.readouterr().err


def test_training_and_evaluation_hear_whole_clips(section, tmp_path, capsys):
    root, run = layouts.write_ravdess(tmp_path / "data"), tmp_path / "run"
    mesh = {"mesh_attention": {"kernel": 4, "dilation": 1}, "decoder": {"width": 16, "heads": 2, "window": 20}}
    stage = {"max_steps": 2, "batch_size": 2, "max_frames": 12, "validation_clips": 1, "scheme": "self-growing"}
    stage |= {"pairs": True, "classification": True, "log_every_steps": 1}
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"seed": 1, "model": section | mesh, "stage_b": stage}))
    assert main(["train", str(config), "--data", str(root), "--out", str(run)]) == 0
    model, trained = checkpoint.load(run / "stage_b")
    assert trained.hears_whole_clips and trained.content_encoder.normalised and trained.content_encoder.unlimited
    fresh = StreamingWav2Vec2(trained.content_encoder)
    load_weights(fresh, section["content_encoder"]["pretrained"])
    after = model.content_encoder.encoder.state_dict()
    moved = [name for name, before in fresh.state_dict().items() if not torch.equal(before, after[name])]
    assert moved and not any(name.startswith("feature_extractor.") for name in moved)
    capsys.readouterr()
    assert main(["eval", str(run / "stage_b"), str(root), "--styles", "mean", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["model"]["lve_m2"] > 0


def test_bad_input(section, encoders, model):
    with pytest.raises(EncoderStatisticsError, match="whole_clips: true"):
        pretrained_sections.resolve({key: value for key, value in section.items() if key != "whole_clips"})
    data = model.config.to_dict()
    band = dataclasses.asdict(tiny.ENCODER)
    with pytest.raises(OptionsError, match="whole_clips with a band or a window of the emotion encoder"):
        EmoFaceConfig.from_dict(data | {"emotion_encoder": band})
    with pytest.raises(BandError, match="full context"):
        StreamingWav2Vec2(dataclasses.replace(tiny.ENCODER, normalised=True))
    folder = {"content_encoder": {"pretrained": str(encoders["content_encoder"][0]), "left": 5, "right": [1, 1]}}
    with pytest.raises(EncoderStatisticsError, match="cannot stream"):
        pretrained_sections.resolve(section | folder)
