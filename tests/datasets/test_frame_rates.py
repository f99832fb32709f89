"""25 and 30 fps: whole clips of any length see the sound that a stream sees."""

import pytest
import torch

import tiny
from emoface_training.nn.interpolation import interpolate


@torch.no_grad()
@pytest.mark.parametrize("fps", [25, 30])
@pytest.mark.parametrize("samples", [700, 6400, 7000, 7467, 12799])
def test_the_end_of_a_clip_keeps_its_look_ahead(fps: int, samples: int) -> None:
    model = tiny.tiny_model(tiny.tiny_config(fps=fps))
    audio = torch.randn(2, samples, generator=torch.Generator().manual_seed(samples))
    content, emotion, _ = model.encode(audio)
    frames = samples * fps // 16000
    assert content.shape[1] == frames
    # a long silence behind the clip, as a stream's flush feeds it
    padded = torch.cat([audio, torch.zeros(2, 320 * 12 + 80 - samples % 320)], 1)
    for encoder, got in ((model.content_encoder, content), (model.emotion_encoder, emotion)):
        expected = interpolate(encoder.encoder.whole(padded), frames, fps)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
