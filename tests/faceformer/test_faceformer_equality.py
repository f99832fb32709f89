"""Our steps against an independent FaceFormer that computes every prefix from scratch."""

import dataclasses

import numpy as np
import original
import pytest
import torch

from emoface_training.faceformer.deviation import deviations
from emoface_training.faceformer.published_file import FaceFormerFile, Mode

FRAMES = {"vocaset": 70, "biwi": 60}  # more than two periods


def load(published, variant, **mode):
    path, theirs = published(variant)
    file = FaceFormerFile(path, encoder_heads=2)
    return file, file.model(Mode(**mode)), theirs


@pytest.mark.parametrize("variant", ["vocaset", "biwi"])
def test_given_the_same_features_the_decoder_is_the_original(published, variant):
    _, ours, theirs = load(published, variant, name="offline")
    frames, keys = FRAMES[variant], theirs.keys
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(1, frames * keys, 16, generator=generator)
    style = torch.eye(theirs.obj_vector.in_features)[1:2]
    with torch.no_grad():
        expected = theirs.decode(features, style)
        inputs = {"content": features.unflatten(1, (-1, keys)).flatten(2), "style": style}
        streamed = ours.decoder.autoregressive(inputs).flatten(2)
        parallel = ours.decoder.given(inputs, streamed).fused.flatten(2)
    assert expected.abs().max() > 0.01
    assert (streamed - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert (parallel - streamed).abs().max() <= 1e-5 * expected.abs().max()


def test_beyond_the_window_only_the_window_counts(published):
    _, ours, theirs = load(published, "vocaset", name="offline")
    window = 20
    config = dataclasses.replace(ours.config, decoder=dataclasses.replace(ours.config.decoder, window=window))
    narrow = type(ours)(config).eval()
    narrow.load_state_dict(ours.state_dict())
    features = torch.randn(1, 40, 16, generator=torch.Generator().manual_seed(2))
    inputs = {"content": features, "style": torch.eye(8)[:1]}
    with torch.no_grad():
        expected = theirs.decode(features, inputs["style"])
        got = narrow.decoder.autoregressive(inputs).flatten(2)
    difference = (got - expected).abs().amax((0, 2))
    assert difference[:window].max() <= 1e-5 * expected.abs().max()
    assert difference[window:].max() > 1e-4 * expected.abs().max()


@pytest.mark.parametrize("variant", ["vocaset", "biwi"])
# 115 features make 68 frames in the original's floating point, not 69
@pytest.mark.parametrize("samples", [16000, 36880, 20123])
def test_offline_is_the_original_end_to_end(published, variant, samples):
    _, ours, theirs = load(published, variant, name="offline")
    audio, style = original.speech(samples / 16000)[None, :samples], torch.eye(theirs.obj_vector.in_features)[:1]
    with torch.no_grad():
        expected = theirs(audio, style)
        got = ours(audio, style).flatten(2)
    frames = expected.shape[1]
    assert got.shape[1] == samples * ours.config.fps // 16000
    assert 0 <= got.shape[1] - frames <= 2
    assert (got[:, :frames] - expected).abs().max() <= 2e-5 * expected.abs().max()


def test_what_is_heard_does_not_depend_on_how_a_stream_is_cut(published):
    for variant in ("vocaset", "biwi"):
        _, ours, _ = load(published, variant, name="window", window=40, look_ahead=10, block=10)
        encoder, audio = ours.content_encoder, original.speech(2.0)[None]
        with torch.no_grad():
            whole = encoder.held(encoder.encoder.whole(ours.pad_audio(audio)[0]))
            state, parts = encoder.initial_state(1), []
            padded = torch.nn.functional.pad(audio, (0, 320 * 10 + 80))
            for begin in range(0, 32000 + 3200, 3200):
                out, state = encoder.step({"audio": padded[:, begin : begin + 3280]}, state)
                parts.append(out["content"])
            frames = ours.encode_streams(audio)["content"]
        streamed = torch.cat(parts, 1)[:, 10:]
        assert torch.allclose(streamed[:, :100], whole[:, :100], atol=1e-5)
        # what the runtime interpolates at the frames' times is exactly what was held for them
        rows = torch.arange(frames.shape[1]) * 50 / ours.config.fps
        for side in (rows.floor(), rows.ceil()):
            assert torch.equal(whole[:, side.long()], frames)


def test_the_deviation_from_the_original_is_measured_in_mm(published):
    path, _ = published("vocaset")
    file = FaceFormerFile(path, encoder_heads=2)
    modes = [Mode("window", 30, 10, 10), Mode("window", 60, 10, 10), Mode("band", left=50, right=6)]
    speech = [original.speech(2.0)]
    rows = list(deviations(file, modes, speech, calibration=speech))
    assert [row.mode for row in rows] == modes
    assert [row.look_ahead_ms for row in rows] == [200, 200, 200]
    assert all(row.largest_mm >= row.rms_mm > 0 for row in rows)
    assert len({row.rms_mm for row in rows}) == 3
    # Computed here without the module's own arithmetic
    with torch.no_grad():
        style = torch.full((1, 8), 1 / 8)
        a, b = (file.model(m)(speech[0][None], style)[0].double() for m in (modes[1], Mode("offline")))
    distance = (a - b).norm(dim=-1)
    assert np.isclose(rows[1].rms_mm, 1000 * distance.square().mean().sqrt(), rtol=1e-6)
    assert np.isclose(rows[1].largest_mm, 1000 * distance.max(), rtol=1e-6)
    assert np.isclose(rows[1].motion_mm, 1000 * b.norm(dim=-1).square().mean().sqrt(), rtol=1e-6)


def test_clips_of_a_batch_do_not_hear_each_other(published):
    _, ours, _ = load(published, "vocaset", name="offline")
    clips = [original.speech(1.1, 1), original.speech(0.7, 2)]
    audio = torch.zeros(2, len(clips[0]))
    for row, clip in enumerate(clips):
        audio[row, : len(clip)] = clip
    with torch.no_grad():
        together = ours.encode_streams(audio, [len(clip) for clip in clips])["content"]
        alone = [ours.encode_streams(clip[None])["content"][0] for clip in clips]
    for row, rows in enumerate(alone):
        assert torch.allclose(together[row, : len(rows)], rows, atol=1e-6)
    assert together.shape == (2, 33, 16)


def test_a_saved_wav2vec2_is_heard_whole_in_training(tmp_path):
    from synthetic_corpus import TinyRig, ToneCorpus

    from emoface_training import options
    from emoface_training.clips.store import ClipStore
    from emoface_training.nn.whole_clip import WholeClipEncoder
    from emoface_training.runs import training_run
    from emoface_training.stages.stage_b import StageB

    theirs = original.make(1)
    theirs.audio_encoder.save_pretrained(tmp_path / "wav2vec2")
    model = {"family": "faceformer", "resampling": "before-transformer", "decoder": {"width": 16}}
    model |= {"content_encoder": {"pretrained": str(tmp_path / "wav2vec2"), "rate": 30}}
    parsed = options.parse({"model": model, "stage_b": {"max_steps": 1, "batch_size": 2, "max_frames": 12}})
    corpus = ToneCorpus()
    store = ClipStore.load(corpus.clips("train"), 30, 2)
    ours = training_run.new_model(parsed, ("a", "b"), TinyRig(), store)
    assert isinstance(ours.content_encoder, WholeClipEncoder)
    audio = original.speech(1.0)[None]
    ours.eval()
    with torch.no_grad():
        expected = theirs.features(audio)
        got = ours.encode_streams(audio)["content"][:, : expected.shape[1]]
    assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()
    loss, _ = StageB(ours, store, store, TinyRig(), parsed.stage_b, 0).loss(0, 0.0)
    loss.backward()
    encoder = ours.content_encoder.encoder
    assert encoder.feature_extractor.conv_layers[0].conv.weight.grad is None  # the paper keeps the convolutions
    assert encoder.encoder.layers[0].attention.q_proj.weight.grad is not None
