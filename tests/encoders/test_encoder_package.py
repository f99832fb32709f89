"""Pretrained folders through the normal path: configuration, training, export, package, Animator."""

import dataclasses

import numpy as np
import onnx
import pytest
import torch
from hugging_face import save_tiny
from safetensors.torch import load_file
from synthetic_corpus import TinyRig, ToneCorpus
from tiny_run import tiny_options

from emoface.errors import UsageError
from emoface.package import Package
from emoface_export.errors import ExportError
from emoface_export.wiring import allowed_blocks
from emoface_training.config import EmoFaceConfig, EncoderConfig
from emoface_training.encoders import pretrained, pretrained_sections
from emoface_training.errors import EncoderStatisticsError, OptionsError
from emoface_training.models import checkpoint
from emoface_training.nn.emoface import EmoFace
from emoface_training.runs import training_run
from tiny import cached, tiny_config, tiny_model, write_checkpoint, write_package

# Five convolutions with the hop of wav2vec2's seven: fewer operations to trace
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (16,) * 5,
    "conv_kernel": (10, 3, 3, 3, 9),
    "conv_stride": (5, 2, 2, 2, 8),
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
}


@pytest.fixture(scope="module")
def sections(tmp_path_factory):
    """Encoder sections: a WavLM in band mode with calibrated group norm, and an unmodified HuBERT in window mode."""
    original, band, window = (tmp_path_factory.mktemp(name) for name in ("wavlm", "band", "hubert"))
    save_tiny(original, "wavlm", "group", False, strong=False, **SMALL)
    save_tiny(window, "hubert", "group", False, strong=False, **SMALL | {"num_hidden_layers": 1})
    model = pretrained.load_pretrained(original, left=12, right=(2, 1), position_right=1)
    noise = 0.2 * torch.randn(32000, generator=torch.Generator().manual_seed(2))
    pretrained.save_encoder(band, pretrained.calibrated(model, [noise]), pretrained.read_json(original))
    return {
        "content_encoder": {"pretrained": str(band)},
        "emotion_encoder": {"pretrained": str(window), "window": 20, "window_right": 4, "window_block": 2},
    }


@pytest.fixture(scope="module")
def package(sections, tiny_folder):
    """Exported with fp32 and int8, and compared with PyTorch by the exporter."""
    data, folders = pretrained_sections.resolve(sections)
    encoders = {name: EncoderConfig(**data[name]) for name in data}
    # Decoders and fusion of the usual tiny model, which other tests have traced
    plain = tiny_model()
    model = EmoFace(tiny_config(**encoders), plain.spiral).eval()
    for part in ("mesh_attention", "decoder"):
        getattr(model, part).load_state_dict(getattr(plain, part).state_dict())
    pretrained_sections.load(model, folders)

    def build(path):
        folder = write_checkpoint(path.with_suffix(".checkpoint"), model)
        write_package(folder, path, graphs=tiny_folder)

    return Package.load(cached(tiny_folder, "encoders.emoface", build))


def animate(package, audio, cuts, **options):
    animator = package.animator(**options)
    parts = [animator.step(piece) for piece in np.split(audio, cuts)]
    return np.concatenate([part.vertices for part in (*parts, animator.flush())])


def test_streams_have_the_same_bits_under_any_cut(package, speech):
    audio = speech[0, :16000].numpy()
    for precision in ("fp32", "int8"):
        whole = animate(package, audio, [], precision=precision)
        assert len(whole) == 30
        assert np.array_equal(whole, animate(package, audio, [7, 500, 4001, 4002, 9000], precision=precision))
        assert np.abs(whole - package.face.template).max() > 1e-3


def test_the_package_states_mode_latency_and_measured_difference(package):
    manifest = package.manifest
    assert manifest.delay_features == 4
    assert manifest.allowed_block_features == (2, 2) and manifest.block_features == 2
    config = manifest.provenance["config"]
    assert config["emotion_encoder"]["window"] == 20 and config["content_encoder"]["left"] == 12
    measured = manifest.verification["measured"]
    for output in ("content_encoder.content", "emotion_encoder.emotion"):
        assert measured[f"fp32 {output}"] <= 1e-5
        assert 1e-5 < measured[f"int8 {output}"] < 0.2  # without leveled rows: 1.0 after four convolutions without norm


def test_another_block_size_is_refused_for_a_window(package):
    with pytest.raises(UsageError, match="40"):
        package.animator(block_ms=100)
    config = tiny_config(
        emotion_encoder=EncoderConfig(
            hidden_size=16, left=None, right=None, position_right=None, window=30, window_block=5
        )
    )
    with pytest.raises(ExportError, match="100 ms"):
        allowed_blocks(config, 2)
    assert allowed_blocks(config, 5) == (5, 5)


@pytest.mark.parametrize(("stage", "layers"), [("content_encoder", 2), ("emotion_encoder", 1)])
def test_int8_covers_convolutions_and_layers(package, stage, layers):
    fp32, int8 = (onnx.load_from_string(package.file(f"{stage}.{p}.onnx")).graph for p in ("fp32", "int8"))
    weights = {tensor.name: tensor for tensor in int8.initializer}
    products = [node for node in int8.node if node.op_type == "MatMulInteger"]
    # Four convolutions (the first, over raw samples, stays), projection, and four products per layer
    assert len(products) >= 4 + 1 + 4 * layers
    assert all(weights[node.input[1]].data_type == onnx.TensorProto.INT8 for node in products)
    assert sum("Conv" in node.op_type for node in fp32.node) == 1  # positions alone


def test_training_starts_from_the_folders(sections, tmp_path):
    chosen = tiny_options(1)
    chosen = dataclasses.replace(chosen, model=chosen.model | sections, stage_a=None)
    training_run.train(chosen, ToneCorpus(2), TinyRig(), tmp_path / "run")
    model, config = checkpoint.load(tmp_path / "run" / "stage_b")
    assert config.content_encoder.num_buckets == 320 and config.emotion_encoder.window == 20
    for name, section in sections.items():
        saved = load_file(f"{section['pretrained']}/model.safetensors")
        key = "feature_extractor.conv_layers.2.conv.weight"  # fixed in training, as in the paper
        assert torch.equal(getattr(model, name).encoder.state_dict()[key], saved[key])
    with torch.no_grad():
        content, emotion, _ = model.encode(torch.randn(1, 16000) * 0.1)
    assert content.shape == emotion.shape == (1, 30, 16)


def test_stage_a_is_refused_with_pretrained_encoders(sections, tmp_path):
    chosen = tiny_options(1)
    chosen = dataclasses.replace(chosen, model=chosen.model | sections)
    with pytest.raises(OptionsError, match="stage_a"):
        training_run.train(chosen, ToneCorpus(2), TinyRig(), tmp_path / "run")


def test_group_norm_without_calibration_is_refused_in_a_configuration(sections):
    folder = sections["emotion_encoder"]["pretrained"]
    band = {"pretrained": folder, "left": 12, "right": [2, 1], "position_right": 1}
    with pytest.raises(EncoderStatisticsError, match="emoface distill"):
        pretrained_sections.resolve({"content_encoder": band})
    with pytest.raises(EncoderStatisticsError, match="unlimited"):
        pretrained_sections.resolve({"content_encoder": {"pretrained": folder}})
    with pytest.raises(OptionsError, match="lef"):
        pretrained_sections.resolve({"content_encoder": {"pretrained": folder, "lef": 12}})


def test_encoders_of_two_widths_are_refused(sections):
    with pytest.raises(OptionsError, match="one width"):
        EmoFaceConfig.from_dict(pretrained_sections.resolve(sections)[0] | {"emotion_encoder": {"hidden_size": 32}})
