"""One level for every voice: exact in a stream, deaf to the recording's gain, bounded; and in the exported graph."""

import dataclasses

import numpy as np
import pytest
import torch

from emoface_export.half import half_model
from emoface_export.onnx_export import cpu_session, export_stage
from emoface_export.step_module import StepModule
from emoface_training.config import EncoderConfig
from emoface_training.encoders.pretrained import calibrated
from emoface_training.errors import BandError, EncoderStatisticsError, OptionsError
from emoface_training.nn.audio_stages import ContentEncoder
from emoface_training.nn.input_level import FLOOR, LEVEL, levelled
from emoface_training.nn.stage import Stage, State
from emoface_training.nn.wav2vec2 import HOP, OVERLAP, StreamingWav2Vec2
from emoface_training.nn.windowed import make_encoder
from tiny import ENCODER

DECAY = 1.5
SMALL = dataclasses.replace(ENCODER, num_hidden_layers=1, right=(1,))


def voice(features: int, seed: int = 0, batch: int = 2) -> torch.Tensor:
    """[batch, 320 n + 80] of sound that swells and pauses."""
    generator = torch.Generator().manual_seed(seed)
    samples = HOP * features + OVERLAP
    course = torch.rand(batch, samples // 3000 + 2, generator=generator) ** 3
    loud = torch.nn.functional.interpolate(course[:, None], size=samples, mode="linear")[:, 0]
    return 0.3 * loud * torch.randn(batch, samples, generator=generator)


def encoder_with(decay: float | None = DECAY) -> StreamingWav2Vec2:
    torch.manual_seed(5)
    return StreamingWav2Vec2(dataclasses.replace(SMALL, level_decay=decay)).eval()


def level(audio: torch.Tensor, decay: float = DECAY) -> torch.Tensor:
    return levelled(audio, torch.zeros(audio.shape[0]), decay, HOP, OVERLAP)[0]


@pytest.mark.parametrize(("sizes", "decay"), [([1] * 24, 1.5), ([7, 1, 2, 5, 3, 9], 60.0)])
def test_any_blocks_equal_the_whole_clip(sizes: list[int], decay: float) -> None:
    encoder, audio, done = encoder_with(decay), voice(20), 0
    state, streamed = encoder.initial_state(2), []
    heard = torch.cat([audio, torch.zeros(2, HOP * encoder.config.look_ahead)], 1)
    with torch.no_grad():
        whole = encoder.whole(audio)
        for size in sizes:
            size = min(size, (heard.shape[1] - OVERLAP) // HOP - done)
            if size:
                out, state = encoder.step(heard[:, HOP * done : HOP * (done + size) + OVERLAP], state)
                streamed.append(out)
                done += size
    joined = torch.cat(streamed, 1)[:, encoder.config.look_ahead :]
    assert (joined - whole[:, : joined.shape[1]]).abs().max() <= 2e-5


def test_the_recordings_gain_changes_nothing() -> None:
    audio = voice(100) + 0.02 * torch.randn(2, HOP * 100 + OVERLAP, generator=torch.Generator().manual_seed(1))
    for gain in (0.05, 3.0):
        torch.testing.assert_close(level(audio * gain)[:, OVERLAP:], level(audio)[:, OVERLAP:], rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        plain, other = encoder_with(None), encoder_with()
        quiet = audio * 0.01
        change = [(e.whole(quiet) - e.whole(audio)).square().mean() for e in (plain, other)]
        assert change[1] < 0.02 * change[0]


def test_the_loudest_is_at_the_level_and_forgotten_at_the_decay() -> None:
    steady = torch.full((1, HOP * 300 + OVERLAP), 0.1)
    steady[:, OVERLAP + HOP * 50 :] *= 0.1
    out = level(steady, 10.0)[0, OVERLAP:].view(300, HOP)
    assert torch.allclose(out[:50], torch.full((50, HOP), LEVEL), rtol=1e-4)
    assert 20 * torch.log10(out[50:, -1] / LEVEL).min() == pytest.approx(-19.8, abs=0.05)
    assert out[49 + 100, -1] / out[50, -1] == pytest.approx(10 ** (10 * 1.98 / 20), rel=1e-3)
    assert out[-1, -1] == pytest.approx(LEVEL, rel=1e-4)


def test_silence_stays_silent_and_faint_noise_faint() -> None:
    assert not level(torch.zeros(1, HOP * 20 + OVERLAP)).any()
    faint = torch.full((1, HOP * 20 + OVERLAP), FLOOR / 10)
    assert level(faint).abs().max() <= LEVEL / 9.99
    loud = level(torch.ones(1, HOP * 20 + OVERLAP))
    assert loud.max() <= 1 and loud[:, OVERLAP:].max() <= LEVEL * 1.001
    onset = torch.cat([torch.full((1, HOP * 5 + OVERLAP), 1e-4), torch.ones(1, HOP)], 1)
    assert level(onset)[:, -HOP:].max() <= LEVEL * 1.001


class Leveller(Stage):
    """The gain alone as a stage: a graph of little more than its operations."""

    cadence, input_names, output_names = "block", ("audio",), ("before", "segments")

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(()))

    def initial_state(self, batch: int) -> State:
        return {"loudest": torch.zeros(batch)}

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        out, loudest = levelled(inputs["audio"] * self.one, state["loudest"], DECAY, HOP, OVERLAP)
        return {"before": out[:, :OVERLAP], "segments": out[:, OVERLAP:].unflatten(1, (-1, HOP))}, {"loudest": loudest}


def test_the_exported_graph_equals_the_stage() -> None:
    module = StepModule(Leveller())
    exported = export_stage("level", module.stage, {"audio": ("B", "320*n+80")})
    assert [(state.name, state.shape) for state in exported.signature.state] == [("loudest", ("B",))]
    sessions = [cpu_session(exported.model), cpu_session(half_model(exported.model))]
    state, states, done = torch.zeros(2), [np.zeros(2, np.float32)] * 2, 0
    audio = voice(24) * 0.01
    for n in (1, 2, 5, 16):
        block = audio[:, HOP * done : HOP * (done + n) + OVERLAP]
        done += n
        with torch.no_grad():
            *expected, state = module(block, state)
        for i, (session, tolerance) in enumerate(zip(sessions, (1e-5, 1e-2), strict=True)):
            feeds = dict(zip(exported.signature.graph_inputs, [block.numpy(), states[i]], strict=True))
            *got, states[i] = session.run(exported.signature.graph_outputs, feeds)
            for one, other in zip(got, expected, strict=True):
                assert one.shape == other.shape and np.abs(one - other.numpy()).max() <= tolerance
    assert np.allclose(states[0], state.numpy(), atol=1e-4) and state.min() > 5


def test_the_encoders_step_carries_the_loudest() -> None:
    names = [StepModule(ContentEncoder(encoder_with(decay).config)).state_names for decay in (None, DECAY)]
    assert "loudest" not in names[0] and set(names[1]) - set(names[0]) == {"loudest"}


@pytest.mark.parametrize("decay", [0.0, -1.0, 61.0, float("nan")])
def test_a_decay_out_of_range_is_named(decay: float) -> None:
    with pytest.raises(OptionsError, match="level_decay"):
        EncoderConfig(level_decay=decay)


def test_where_no_level_can_follow_it_is_refused() -> None:
    whole = dataclasses.replace(ENCODER, level_decay=1.0, left=None, right=None, position_right=None)
    for config in (whole, dataclasses.replace(whole, window=40, window_right=5, window_block=5)):
        with pytest.raises(BandError, match="level_decay"):
            make_encoder(config)
    encoder = encoder_with()
    with pytest.raises(EncoderStatisticsError, match="level_decay"):
        calibrated(encoder, [torch.rand(16000)], normalise=True)
