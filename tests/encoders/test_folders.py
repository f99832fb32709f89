"""Folders of encoders: what is read and written, and every bad one by name."""

import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from emoface_training.config import EncoderConfig
from emoface_training.encoders.pretrained import (
    calibrated,
    load_pretrained,
    normalises_input,
    read_config,
    read_json,
    save_encoder,
)
from emoface_training.encoders.pretrained_sections import resolve
from emoface_training.errors import BandError, EncoderFolderError, EncoderStatisticsError, EncoderWeightsError
from emoface_training.nn.wav2vec2 import StreamingWav2Vec2
from emoface_training.nn.windowed import make_encoder

BAND = {"left": 20, "right": (1, 1, 1), "position_right": 1}


@pytest.fixture
def copy(folders, tmp_path):
    """A folder to damage: layer-norm wav2vec2."""
    return shutil.copytree(folders("wav2vec2")[0], tmp_path / "copy")


def change_config(folder, **changes):
    data = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(data))


def refused(kind, call, *words):
    """The typed error, whose got, expected and remedy are all there."""
    with pytest.raises(kind) as caught:
        call()
    error = caught.value
    assert error.got and error.expected and error.remedy
    for word in words:
        assert word in str(error), str(error)


def test_a_band_encoder_survives_its_folder(folders, tmp_path, speech):
    folder, _ = folders("wavlm", "group", False)
    model = calibrated(load_pretrained(folder, **BAND), [speech[0]], normalise=True).eval()
    save_encoder(tmp_path, model, read_json(folder))
    again = load_pretrained(tmp_path).eval()
    assert again.config == model.config and again.config.input_gain != 1.0
    with torch.no_grad():
        assert torch.equal(again.whole(speech), model.whole(speech))
    refused(BandError, lambda: load_pretrained(tmp_path, position_right=4), "taps end at +1")


@pytest.mark.parametrize("form", ["prefixed", "pickled", "sharded", "half"])
def test_other_forms_of_the_same_weights(folders, copy, form, speech):
    weights = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    if form == "prefixed":  # as a model with a head saves its encoder
        save_file({f"wav2vec2.{k}": v for k, v in weights.items()} | {"lm_head.weight": torch.ones(3)},
                  copy / "model.safetensors")  # fmt: skip
    elif form == "pickled":
        torch.save(weights, copy / "pytorch_model.bin")
    elif form == "half":
        save_file({k: v.half() for k, v in weights.items()}, copy / "model.safetensors")
    else:
        names = {key: f"model-{i % 2}.safetensors" for i, key in enumerate(sorted(weights))}
        for file in set(names.values()):
            save_file({k: v for k, v in weights.items() if names[k] == file}, copy / file)
        (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    with torch.no_grad():
        expected = folders("wav2vec2")[1](speech).last_hidden_state
        got = load_pretrained(copy).eval()(speech)
    assert got.dtype == torch.float32
    assert (got - expected).abs().max() <= (0.05 if form == "half" else 1e-5)


def test_folder_without_config(tmp_path):
    refused(EncoderFolderError, lambda: load_pretrained(tmp_path), "config.json", "names of the hub are not fetched")


def test_config_that_is_no_json(copy):
    (copy / "config.json").write_text("{")
    refused(EncoderFolderError, lambda: read_config(copy), "JSON")
    (copy / "config.json").write_text("[]")
    refused(EncoderFolderError, lambda: read_config(copy), "list")
    change = {"model_type": "wav2vec2", "conv_stride": "fast"}
    (copy / "config.json").write_text(json.dumps(change))
    refused(EncoderFolderError, lambda: read_config(copy), "malformed")


def test_unsupported_model_type(copy):
    change_config(copy, model_type="whisper")
    refused(EncoderFolderError, lambda: load_pretrained(copy), "'whisper'", "wav2vec2, hubert, wavlm")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"hidden_act": "relu"}, "only gelu"),
        ({"feat_proj_layer_norm": False}, "feat_proj_layer_norm"),
        ({"conv_pos_batch_norm": True}, "conv_pos_batch_norm"),
        ({"add_adapter": True}, "add_adapter"),
        ({"adapter_attn_dim": 16}, "adapter_attn_dim"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 1]}, "hop 160"),
        ({"num_attention_heads": 5}, "5 heads"),
    ],
)
def test_unsupported_architecture(copy, change, word):
    change_config(copy, **change)
    refused(EncoderFolderError, lambda: load_pretrained(copy), word)


def test_missing_weights_file(copy):
    (copy / "model.safetensors").unlink()
    refused(EncoderFolderError, lambda: load_pretrained(copy), "without weights", "save_pretrained")


def test_missing_tensor(copy):
    weights = load_file(copy / "model.safetensors")
    del weights["encoder.layers.1.attention.q_proj.weight"]
    save_file(weights, copy / "model.safetensors")
    refused(EncoderWeightsError, lambda: load_pretrained(copy), "encoder.layers.1.attention.q_proj.weight")


def test_wrong_shapes(copy):
    change_config(copy, intermediate_size=64)
    refused(EncoderWeightsError, lambda: load_pretrained(copy), "[48, 32]", "[64, 32]")


def test_truncated_weights(copy):
    data = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(data[: len(data) // 2])
    refused(EncoderWeightsError, lambda: load_pretrained(copy), "unreadable")


class Harmful:
    """What a pickle could do: here it would only make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickle_that_runs_code_is_refused(copy):
    (copy / "model.safetensors").unlink()
    target = copy / "made_by_pickle"
    with open(copy / "pytorch_model.bin", "wb") as file:
        pickle.dump({"weight": Harmful(target)}, file, protocol=2)
    refused(EncoderWeightsError, lambda: load_pretrained(copy), "tensors alone", "safe_serialization")
    assert not target.exists()


@pytest.mark.parametrize(
    ("band", "word"),
    [
        ({"left": 5000, "right": (1, 1, 1), "position_right": 0}, "left 5000"),
        ({"left": 0, "right": (1, 1, 1), "position_right": 0}, "left 0"),
        ({"left": 20, "right": (40, 40, 40), "position_right": 0}, "at most 100"),
        ({"left": 20, "right": (1, -1, 1), "position_right": 0}, "negative"),
        ({"left": 20, "right": (1, 1), "position_right": 0}, "2 entries in right for 3 layers"),
        ({"left": 20, "right": (1, 1, 1), "position_right": 8}, "at most 7"),
        ({"left": 20, "right": (1, 1, 1)}, "position_right"),
        ({"left": 20, "right": (1, 1, 1), "position_right": 0, "window": 50}, "window"),
    ],
)
def test_band_wider_than_allowed(folders, band, word):
    refused(BandError, lambda: load_pretrained(folders("wav2vec2")[0], **band), word)


@pytest.mark.parametrize(
    ("window", "word"),
    [
        ({"window": 12}, "16 to 1500"),
        ({"window": 20, "window_right": 6}, "22 to 1500"),
        ({"window": 4000}, "4000"),
        ({"window": 50, "window_block": 0}, "window_block 0"),
        ({"window": 50, "window_right": -1}, "window_right -1"),
    ],
)
def test_window_that_cannot_be(folders, window, word):
    refused(BandError, lambda: load_pretrained(folders("wav2vec2")[0], **window), word)


def test_windowed_encoders_share_no_front_end():
    encoder = make_encoder(EncoderConfig(left=None, right=None, position_right=None, window=30))
    refused(BandError, lambda: encoder.whole_local(torch.zeros(1, 4, 96)), "audio")


def test_streaming_a_group_norm_without_calibration(folders):
    band = load_pretrained(folders("wav2vec2", "group", False)[0], **BAND)
    refused(EncoderStatisticsError, lambda: band.initial_state(1), "emoface distill")
    unlimited = StreamingWav2Vec2(EncoderConfig(left=None, right=None, position_right=None))
    refused(EncoderStatisticsError, lambda: unlimited.initial_state(1), "unlimited band")


def test_calibration_on_silence_or_too_little(folders):
    model = load_pretrained(folders("wav2vec2", "group", False)[0], **BAND)
    refused(EncoderStatisticsError, lambda: calibrated(model, [torch.zeros(32000)]), "silent")
    refused(EncoderStatisticsError, lambda: calibrated(model, [torch.ones(800)]), "at least a second")


def test_the_preprocessor_says_whether_input_is_normalised(copy):
    assert not normalises_input(copy)
    (copy / "preprocessor_config.json").write_text('{"do_normalize": true}')
    assert normalises_input(copy)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_preprocessor_that_is_malformed(copy, text):
    (copy / "preprocessor_config.json").write_text(text)
    refused(EncoderFolderError, lambda: normalises_input(copy), "preprocessor_config.json")


def test_audio_that_would_have_to_be_normalised_needs_a_gain(copy):
    section = {"pretrained": str(copy), "window": 50}
    (copy / "preprocessor_config.json").write_text('{"do_normalize": true}')
    refused(EncoderStatisticsError, lambda: resolve({"content_encoder": section}), "do_normalize")
    data, _ = resolve({"content_encoder": {**section, "input_gain": 14.0}})
    assert data["content_encoder"]["input_gain"] == 14.0
    assert make_encoder(EncoderConfig(**data["content_encoder"])).config.input_gain == 14.0
    (copy / "preprocessor_config.json").write_text('{"do_normalize": false}')
    assert resolve({"content_encoder": section})[0]["content_encoder"]["input_gain"] == 1.0
