"""`emoface distill`: lowers the error, resumes to the bit, writes a folder that loads, refuses bad input by name."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile
import torch

from emoface.cli.main import main
from emoface_training.clips.unlabelled_speech import load_speech
from emoface_training.encoders import distill
from emoface_training.encoders.pretrained import load_pretrained
from emoface_training.errors import BandError, DistillError, SpeechError

OPTIONS = distill.DistillOptions(left=12, look_ahead=3, steps=6, batch_size=2, crop_seconds=1.0, learning_rate=2e-3)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Twelve sound files of noisy chirps, at several rates."""
    folder = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(0)
    for index in range(12):
        rate = (16000, 22050, 48000)[index % 3]
        time = np.arange(int(1.2 * rate)) / rate
        tone = np.sin(2 * np.pi * (150 + 40 * index) * time * (1 + 0.3 * time)) * np.sin(9 * time) ** 2
        soundfile.write(folder / f"{index:02d}.wav", 0.3 * tone + 0.02 * random.standard_normal(len(time)), rate)
    return folder


@pytest.fixture
def teacher(folders, tmp_path):
    """A group-norm encoder whose input is normalised, as wav2vec2-base's is."""
    folder, _ = folders("wav2vec2", "group", False, strong=False)
    (folder / "preprocessor_config.json").write_text('{"do_normalize": true}')
    return folder


def test_distillation_lowers_the_held_out_error(folders, sounds, tmp_path, capsys):
    teacher, _ = folders("hubert", "layer", True, strong=False)
    out = tmp_path / "student"
    command = ["distill", str(teacher), "--band", "12,3", "--data", str(sounds), "--out", str(out), "--json"]
    options = ["--steps", "40", "--batch-size", "2", "--crop-seconds", "1", "--learning-rate", "2e-3"]
    assert main([*command, *options]) == 0
    shown = capsys.readouterr()
    report = json.loads(shown.out)
    assert report == json.loads((out / "distill.json").read_text())
    assert report["complete"] and report["steps"] == 40
    assert report["after"]["error"] < 0.8 * report["before"]["error"]
    assert report["after"]["cosine"] > report["before"]["cosine"]
    assert "before: error" in shown.err and "after:  error" in shown.err
    student = load_pretrained(out)
    assert student.config.left == 12 and student.config.right == (1, 1, 1) and student.config.position_right == 0
    assert student.config.streams and student.config.input_gain == 1.0
    assert len(student.initial_state(1)) == 3 + 2 * 3
    assert main([*command, *options]) == 2
    assert "--resume" in capsys.readouterr().err


def test_zero_steps_calibrate_and_convert(teacher, sounds, tmp_path):
    options = dataclasses.replace(OPTIONS, steps=0, position_right=1)
    report = distill.run(teacher, load_speech(sounds), options, tmp_path / "out", False, lambda line: None)
    assert report["before"] == report["after"] and report["steps"] == 0
    config = load_pretrained(tmp_path / "out").config
    assert config.right == (1, 1, 0) and config.streams and config.input_gain > 1


def test_an_interrupted_run_resumes_to_the_bit(teacher, sounds, tmp_path, monkeypatch):
    clips, quiet = load_speech(sounds), lambda line: None
    options = dataclasses.replace(OPTIONS, checkpoint_every_minutes=0.0)
    distill.run(teacher, clips, options, tmp_path / "whole", False, quiet)
    loss = distill.Distillation.loss

    def interrupted(self, step):
        if step == 3:
            raise KeyboardInterrupt
        return loss(self, step)

    monkeypatch.setattr(distill.Distillation, "loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        distill.run(teacher, clips, options, tmp_path / "cut", False, quiet)
    assert not json.loads((tmp_path / "cut" / "distill.json").read_text())["complete"]
    load_pretrained(tmp_path / "cut")  # usable at any time
    monkeypatch.setattr(distill.Distillation, "loss", loss)
    with pytest.raises(DistillError, match="left was 12"):
        distill.run(teacher, clips, dataclasses.replace(options, left=10), tmp_path / "cut", True, quiet)
    distill.run(teacher, clips, options, tmp_path / "cut", True, quiet)
    whole, cut = (load_pretrained(tmp_path / name).state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_the_teacher_is_the_original(teacher, sounds, folders):
    work = distill.Distillation(teacher, load_speech(sounds), OPTIONS)
    audio = torch.randn(2, 320 * 20 + 80) * 0.1 + 0.02
    normal = (audio - audio.mean(1, keepdim=True)) / (audio.var(1, keepdim=True, unbiased=False) + 1e-7).sqrt()
    with torch.no_grad():
        expected = folders("wav2vec2", "group", False, strong=False)[1](normal).last_hidden_state
    assert (work.target(audio) - expected).abs().max() <= 1e-5


def test_mistakes_are_named(teacher, sounds, tmp_path, capsys):
    clips = load_speech(sounds)
    assert len(clips.held_out) == 2 and len(clips.train) == 10
    with pytest.raises(BandError, match="100,6"):
        distill.parse_band("wide")
    with pytest.raises(BandError, match="at most the look-ahead"):
        distill.Distillation(teacher, clips, dataclasses.replace(OPTIONS, position_right=4))
    with pytest.raises(BandError, match="at most 100"):
        distill.Distillation(teacher, clips, dataclasses.replace(OPTIONS, look_ahead=400))
    with pytest.raises(DistillError, match="interrupted run"):
        distill.run(teacher, clips, OPTIONS, tmp_path / "none", True, print)
    (tmp_path / "empty").mkdir()
    for missing in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(SpeechError, match="two sound files"):
            load_speech(missing)
    command = ["distill", str(teacher), "--band", "12,3", "--data", str(sounds), "--out", str(tmp_path / "o")]
    assert main([*command, "--batch-size", "0"]) == 2
    assert "--batch-size" in capsys.readouterr().err
    assert main(["distill", str(tmp_path / "no"), *command[2:]]) == 2
    assert "config.json" in capsys.readouterr().err
