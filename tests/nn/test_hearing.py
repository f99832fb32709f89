"""What is heard: whole clips and chained steps agree, unsure means neutral, `auto` reads it and nothing else does."""

import dataclasses

import pytest
import torch

from emoface_training.config import EmoFaceConfig
from emoface_training.errors import OptionsError
from emoface_training.nn.hearing import Hearing, leaky_sums
from tiny import tiny_config, tiny_model

AUTO = torch.eye(9)[8:]


def model(rank: int | None = 4, fusion: str = "mesh-attention", seed: int = 0):
    config = tiny_config(rank, emotion_heard=True)
    config = dataclasses.replace(config, mesh_attention=dataclasses.replace(config.mesh_attention, fusion=fusion))
    net = tiny_model(config, seed)
    torch.manual_seed(seed)
    with torch.no_grad():  # as after training: what is heard moves
        net.emotion_encoder.hearing.judge[-1].weight.normal_(std=3.0)
        net.emotion_encoder.hearing.unsure[-1] = 1.0
    return net


def told(emotion: torch.Tensor, batch: int = 1) -> dict[str, torch.Tensor]:
    given = {"style": torch.eye(3)[:1], "level": torch.eye(2)[:1], "emotion_class": emotion}
    return {name: value.expand(batch, -1) for name, value in given.items()}


@pytest.mark.parametrize(("blocks", "calibrated"), [((1,), True), ((2,), False), ((3, 1, 7), True), ((50,), False)])
def test_chained_steps_hear_what_the_whole_clip_does(blocks, calibrated):
    net, size = model(), 17
    encoder, features, n = net.emotion_encoder, 300, 0
    look_ahead = encoder.encoder.config.look_ahead
    audio = torch.randn(2, 320 * features + 80) * torch.tensor([[0.1], [0.003]])
    speaker = torch.randn(2, size) if calibrated else torch.zeros(2, size)
    padded = torch.cat([audio, torch.zeros(2, 320 * look_ahead)], 1)
    rows, state = [], encoder.initial_state(2)
    with torch.no_grad():
        voice = encoder.voice(audio)
        whole = encoder.hear(voice, speaker) | {"voice": voice - speaker[:, None]}
        for call in range(10**6):
            step = min(blocks[call % len(blocks)], features + look_ahead - n)
            if not step:
                break
            inputs = {"audio": padded[:, 320 * n : 320 * (n + step) + 80], "speaker_mean": speaker}
            outputs, state = encoder.step(inputs, state)
            rows.append(outputs)
            n += step
    for name in ("probabilities", "arousal", "valence", "confidence", "heard", "voice"):
        streamed = torch.cat([row[name] for row in rows], 1)[:, look_ahead:]
        assert streamed.shape == whole[name].shape
        assert (streamed - whole[name]).abs().max() <= 2e-5 * whole[name].abs().max(), name
        assert name == "voice" or float(whole[name].std(1).max()) > 1e-3, name  # it runs


def test_leaky_sums_of_pieces_equal_the_recurrence():
    x, before = torch.randn(1, 700, 3, dtype=torch.float64), torch.randn(1, 3, dtype=torch.float64)
    sums, last = leaky_sums(x, before, 0.99)
    expected, rows = before, []
    for t in range(700):
        expected = 0.99 * expected + x[:, t]
        rows.append(expected)
    torch.testing.assert_close(sums, torch.stack(rows, 1))
    torch.testing.assert_close(last, rows[-1])


def test_it_begins_unsure_and_unsure_means_neutral():
    torch.manual_seed(1)
    hearing = Hearing(16)
    with torch.no_grad():
        heard, _ = hearing(torch.randn(1, 5, 17), torch.zeros(1, 1), hearing.initial_state(1))
    assert heard["confidence"].max() < 0.2 and heard["heard"][..., 0].min() > 0.8
    torch.testing.assert_close(heard["heard"].sum(-1), torch.ones(1, 5))
    share = heard["confidence"][..., 0]
    torch.testing.assert_close(heard["heard"][..., 3], share * heard["probabilities"][..., 3])


def test_a_voice_heard_louder_differs_though_its_features_do_not():
    """The front end takes the level off; the level beside its features brings it back."""
    net = model()
    encoder = net.emotion_encoder
    torch.manual_seed(3)
    audio = torch.randn(1, 320 * 100 + 80) * 0.05
    with torch.no_grad():
        soft, loud = (encoder.voice(audio * gain) for gain in (1.0, 2.0))
    assert (loud - soft)[..., :-1].abs().max() < 0.05 * soft[..., :-1].abs().max()
    torch.testing.assert_close((loud - soft)[..., -1], torch.full((1, 100), 0.602), atol=2e-3, rtol=0)


def test_a_voice_comes_to_be_its_own_baseline_and_calibration_hastens_that():
    """A voice far from zero, always the same: what `judge` sees of it relative to its baseline vanishes with time."""
    torch.manual_seed(2)
    hearing, seen = Hearing(16), []
    hearing.judge.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    voice, speaker = 5 + torch.zeros(1, 1500, 17), torch.full((1, 17), 5.0)
    with torch.no_grad():
        hearing(voice, torch.zeros(1, 1), hearing.initial_state(1))
        hearing(voice - speaker[:, None], torch.ones(1, 1), hearing.initial_state(1))
    plain, calibrated = (part[0, :, 17:34].abs().amax(-1) for part in seen)
    assert plain[50] > 2 and plain[-1] < 0.25 * plain[50]
    assert calibrated.max() == 0


@pytest.mark.parametrize(("rank", "fusion"), [(None, "mesh-attention"), (4, "mesh-attention"), (4, "add")])
def test_parallel_call_and_rollout_reproduce_the_stream(rank, fusion):
    net = model(rank, fusion)
    with torch.no_grad():
        streams = net.encode_streams(torch.randn(2, 24000) * 0.1)
        inputs = streams | net.fuse(streams) | told(AUTO, 2)
        streamed = net.decoder.autoregressive(inputs)
        parallel = net.decoder.given(inputs, net.decoder.motion_code(streamed)).fused
        rolled = net.decoder.rollout(inputs)[0].fused
    assert streams["heard"].std(1).max() > 1e-3
    for other in (parallel, rolled):
        assert (other - streamed).abs().max() <= 1e-5 * streamed.abs().max()


def test_auto_shows_what_is_heard_as_if_it_were_given_and_given_classes_do_not_hear():
    net = model()
    with torch.no_grad():
        streams = net.encode_streams(torch.randn(1, 16000) * 0.1)
        fused = net.fuse(streams)
        heard = {**streams, "heard": torch.eye(8)[4].expand(1, 30, 8)}
        auto = net.decoder.autoregressive(heard | fused | told(AUTO))
        angry = net.decoder.autoregressive(streams | fused | told(torch.eye(9)[4:5]))
        half = net.decoder.autoregressive(heard | fused | told((torch.eye(9)[8:] + torch.eye(9)[:1]) / 2))
        mixed = net.decoder.autoregressive(streams | fused | told((torch.eye(9)[4:5] + torch.eye(9)[:1]) / 2))
    torch.testing.assert_close(auto, angry)
    torch.testing.assert_close(half, mixed)
    assert (auto - half).abs().max() > 1e-4


def test_whole_clips_and_other_words_than_true_are_refused():
    with pytest.raises(OptionsError, match="emotion_heard with whole_clips"):
        EmoFaceConfig(whole_clips=True, emotion_heard=True)
    with pytest.raises(OptionsError, match="emotion_heard 'yes'"):
        EmoFaceConfig(emotion_heard="yes")
