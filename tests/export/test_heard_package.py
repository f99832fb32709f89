"""A model that hears emotions: exported, streamed as whole clips are, calibrated, the same in C++."""

import dataclasses

import numpy as np
import pytest
import torch

from emoface.backends import available_backends
from emoface.frames import FRAME_ARRAYS, FrameBatch
from emoface.package import Package
from emoface.verification import verify_cuts, verify_golden
from emoface_export.against_pytorch import compare, make_reference
from emoface_export.signals import speech_like
from emoface_export.step_module import StepModule
from emoface_export.wiring import input_shapes
from tiny import cached, tiny_config, tiny_model, write_checkpoint, write_package


def scaled(net):
    """Random weights whose judgements move as after training."""
    torch.manual_seed(5)
    with torch.no_grad():
        net.emotion_encoder.hearing.judge[-1].weight.normal_(std=3.0)
        net.emotion_encoder.hearing.unsure[-1] = 1.0
    return net


@pytest.fixture(scope="module")
def model():
    return scaled(tiny_model(tiny_config(4, emotion_heard=True)))


@pytest.fixture(scope="module")
def made(tiny_folder, model):
    checkpoint = cached(tiny_folder, "heard", lambda path: write_checkpoint(path, model))
    return cached(tiny_folder, "heard.emoface", lambda path: write_package(checkpoint, path, graphs=tiny_folder))


@pytest.fixture(scope="module")
def package(made):
    return Package.load(made)


def run(animator, audio):
    return FrameBatch.concat([animator.step(audio[:7000]), animator.step(audio[7000:]), animator.flush()])


def test_the_stream_equals_whole_clip_pytorch(package, model):
    reference = make_reference(model, seconds=8.0)
    judged = [check for check in compare(package, model, reference, precision="fp32") if check.limit is not None]
    names = {check.name for check in judged}
    assert {f"fp32 emotion_encoder.{name}" for name in ("heard", "arousal", "confidence", "voice")} <= names
    for check in judged:
        assert check.value <= 5e-5, check.name
    assert float(reference.clip.features["emotion_encoder.heard"].std(0).max()) > 0.02
    every = [check for precision in ("fp32", "int8") for check in verify_golden(package, precision=precision)]
    every += verify_cuts(package)
    assert all(check.passed for check in every), every


def test_the_manifest_gives_roles_and_wires_the_decoder(package):
    manifest = package.manifest
    assert manifest.format == 2
    roles = {"emotion": "probabilities", "arousal": "arousal", "valence": "valence", "confidence": "confidence"}
    assert {role: manifest.outputs[role] for role in roles} == {
        role: f"emotion_encoder.{name}" for role, name in roles.items()
    }
    sources = {item.name: item.source for item in manifest.stage("decoder").inputs}
    assert sources["heard"] == "emotion_encoder.heard"
    assert manifest.conditions["speaker_mean"].shape == (17,)


def test_auto_follows_the_voice_and_a_share_of_neutral_floors_it(package):
    audio = speech_like(2.0, 3)
    moved = {}
    for name, emotion in {
        "auto": "auto",
        "neutral": "neutral",
        "floored": {"auto": 0.5, "neutral": 0.5},
    }.items():
        with package.animator(emotion=emotion, precision="fp32", blinks=False) as animator:
            moved[name] = run(animator, audio)
    auto, neutral, floored = (moved[name].vertices for name in moved)
    assert np.abs(auto - neutral).max() > 1e-3
    assert 0 < np.abs(floored - neutral).mean() < np.abs(auto - neutral).mean()
    assert np.array_equal(moved["auto"].emotion, moved["neutral"].emotion)  # heard all the same
    for name in ("arousal", "valence"):
        values = getattr(moved["auto"], name)
        assert np.abs(values).max() <= 1 and values.std() > 1e-4
    assert 0 <= moved["auto"].confidence.min() <= moved["auto"].confidence.max() <= 1


def test_calibration_learns_features_and_level_in_python_and_c(package, made):
    import c_interface as abi

    sound = speech_like(6.0, 8)
    with package.animator(precision="fp32", backend="ort-cpu") as animator:
        learnt = animator.calibrate(sound, 16000)
        calibrated = run(animator, sound)
    assert learnt.speaker_mean.shape == (17,) and learnt.speaker_mean[-1] != 0
    with package.animator(precision="fp32", backend="ort-cpu") as animator:
        assert np.abs(run(animator, sound).emotion - calibrated.emotion).max() > 1e-3
    if "native" not in available_backends() or not abi.LIBRARY.is_file():
        pytest.skip("no C++ runtime is built")
    with package.animator(precision="fp32", backend="native") as animator:
        np.testing.assert_allclose(
            animator.calibrate(sound, 16000).speaker_mean, learnt.speaker_mean, atol=1e-4, rtol=0
        )


def test_the_native_runtime_plays_the_same(package):
    if "native" not in available_backends():
        pytest.skip("no emoface._runtime")
    audio, frames = speech_like(2.0, 4), []
    for backend in ("native", "ort-cpu"):
        with package.animator(backend=backend, precision="fp32", blinks=False) as animator:
            frames.append(run(animator, audio))
    for name in FRAME_ARRAYS:
        ours, theirs = (getattr(batch, name) for batch in frames)
        if theirs.size:
            np.testing.assert_allclose(ours, theirs, atol=2e-5 * max(1.0, float(np.abs(theirs).max())), err_msg=name)


def test_a_model_without_delay_has_no_levels_to_hold_back():
    """A state without elements is left out of a graph: the stage runs as it."""
    config = tiny_config(4, emotion_heard=True)
    encoder = dataclasses.replace(config.emotion_encoder, right=(0,), position_right=0)
    stage = tiny_model(dataclasses.replace(config, emotion_encoder=encoder)).emotion_encoder
    module, shapes = StepModule(stage), input_shapes(config, "emotion_encoder")
    assert "levels" not in {state.name for state in module.signature(shapes).state}
    with torch.no_grad():
        outputs = module(*module.example(shapes, 2, 3, seed=1))
    assert outputs[0].shape == (2, 3, 16)
