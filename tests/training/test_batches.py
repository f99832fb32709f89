"""Batches: alignment under cuts and speed changes, conditions, pairs, statistics."""

import dataclasses

import numpy as np
import pytest
import torch
from synthetic_corpus import ToneCorpus

from emoface_training.clips import crops
from emoface_training.clips.conditions import conditions
from emoface_training.clips.crops import EDGE_FRAMES, CropBatch, crop_batch, grid_step
from emoface_training.clips.phoneme_labels import IGNORED, phoneme_frames
from emoface_training.clips.store import ClipStore, StoredClip
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.data.synthetic.phonemes import PHONEME_INDEX
from emoface_training.errors import EmptySplitError
from emoface_training.loop.step_seeds import step_generator
from emoface_training.options import StageAOptions


def plain(batch_size: int, **changes: float) -> StageAOptions:
    """A second of each clip as it was recorded, with all conditions."""
    nothing = dict.fromkeys(
        ("emotion_dropped", "style_dropped", "speed_change", "gain_db", "noise_probability", "equaliser_db"), 0.0
    )
    nothing["crop_seconds"] = 1.0
    return StageAOptions(max_steps=1, batch_size=batch_size, **(nothing | changes))


def ramp_clip(frames: int) -> StoredClip:
    """Audio and parameters that both tell their own time: sample n and frame m hold their time in seconds / 10."""
    samples = frames * 16000 // 30 + 100
    time = np.arange(samples) / 16000
    parameters = np.repeat((np.arange(frames) / 300)[:, None], len(RIG_PARAMETERS), 1)
    audio = np.round(time / 10 * 32768).astype(np.int16)
    return StoredClip(audio, parameters.astype(np.float16), [("M", 0.0, 1.0)], 1, 1, "a", 0, -1)


@pytest.fixture
def ramps_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ramp is little but an offset: what tells its time stays in."""
    monkeypatch.setattr(crops, "heard", lambda waveform: waveform)


def test_crops_have_no_offset_as_behind_the_front_end() -> None:
    """Equal to a few units of the int16 that clips are kept in, whatever the recording's offset was."""
    time = np.arange(32000) / 16000
    tone = np.round(8000 * np.sin(2 * np.pi * 220 * time) * np.sin(np.pi * time)).astype(np.int16)
    clip = dataclasses.replace(ramp_clip(60), audio=tone)
    batches = [
        crop_batch(
            ClipStore([dataclasses.replace(clip, audio=clip.audio + np.int16(offset))], 30, 2),
            step_generator(0, "x", 3),
            plain(4, speed_change=0.2, speed_change_probability=0.5),
        )
        for offset in (0, 1638)
    ]
    torch.testing.assert_close(batches[0].audio, batches[1].audio, rtol=0, atol=2e-5)
    assert batches[0].audio.abs().max() > 0.2


@pytest.mark.usefixtures("ramps_heard")
@pytest.mark.parametrize("speed", [0.0, 0.2])
def test_audio_and_parameters_stay_aligned(speed: float) -> None:
    store = ClipStore([ramp_clip(150)], 30, 2)
    for step in range(20):
        batch = crop_batch(
            store, step_generator(0, "x", step), plain(2, speed_change=speed, speed_change_probability=1.0)
        )
        for row in range(2):
            heard = batch.audio[row, torch.arange(30) * 16000 // 30]
            shown = batch.parameters[row, :, 0]
            scored = batch.mask[row]
            assert scored.sum() > 15 and torch.allclose(heard[scored], shown[scored], atol=1.5e-3)


def test_a_second_voice_is_another_clip_of_the_batch_and_rows_do_not_depend_on_each_other() -> None:
    time = np.arange(48000) / 16000
    tones = [np.round(8000 * np.sin(2 * np.pi * pitch * time)).astype(np.int16) for pitch in (300, 700, 1100)]
    store = ClipStore([dataclasses.replace(ramp_clip(90), audio=tone) for tone in tones], 30, 2)
    options = plain(12, second_voice_probability=1.0)
    batch = crop_batch(store, step_generator(0, "x", 3), options)
    spectra = np.abs(np.fft.rfft(batch.audio.numpy()))[:, [300, 700, 1100]]
    behind = np.sort(spectra, axis=1)[:, 1] / spectra.max(1)
    assert (behind > 0.05).sum() >= 5 and behind.max() < 0.8
    part = crop_batch(store, step_generator(0, "x", 3), options, range(4, 7))
    assert torch.equal(part.audio[4:7], batch.audio[4:7]) and not part.audio[:4].any()


@pytest.mark.usefixtures("ramps_heard")
def test_cut_edges_are_not_scored_and_clip_ends_are() -> None:
    store = ClipStore([ramp_clip(150)], 30, 2)
    batch = crop_batch(store, step_generator(0, "x", 1), plain(16))
    started = batch.parameters[:, 0, 0] > 0
    assert started.any()
    assert not batch.mask[started, :EDGE_FRAMES].any()
    assert batch.mask[:, EDGE_FRAMES:-EDGE_FRAMES].all()
    short = crop_batch(ClipStore([ramp_clip(20)], 30, 2), step_generator(0, "x", 1), plain(1))
    assert short.mask[0].sum() == 20 and short.mask[0, :20].all()
    assert not short.audio[0, 20 * 16000 // 30 + 200 :].any()


def test_a_batch_depends_on_seed_stage_and_step_alone() -> None:
    store = ClipStore.load(ToneCorpus().clips("train"), 30, 2)
    options = StageAOptions(
        max_steps=1,
        batch_size=3,
        crop_seconds=1.0,
        emotion_dropped=0.5,
        style_dropped=0.3,
        speed_change=0.1,
        gain_db=6.0,
    )

    def draw(seed: int, step: int) -> CropBatch:
        return crop_batch(store, step_generator(seed, "stage_a", step), options)

    assert torch.equal(draw(0, 4).audio, draw(0, 4).audio)
    assert not torch.equal(draw(0, 4).audio, draw(0, 5).audio)
    assert not torch.equal(draw(0, 4).audio, draw(1, 4).audio)


def test_conditions_are_one_hot_and_drop_to_unknown_and_to_the_mean() -> None:
    clip = ramp_clip(10)
    store = ClipStore([clip], 30, 4)
    given = conditions(store, [clip])
    assert given.style.tolist() == [[1, 0, 0, 0]]
    assert given.level.tolist() == [[0, 1]]
    assert given.emotion_class.argmax().item() == 1
    dropped = conditions(store, [clip], np.random.default_rng(0), 1.0, 1.0)
    assert dropped.style.tolist() == [[0.25] * 4]
    assert dropped.emotion_class.argmax().item() == 8
    many = conditions(store, [clip] * 400, np.random.default_rng(0), 0.5, 0.3)
    assert many.emotion_class[:, 8].mean().item() == pytest.approx(0.5, abs=0.08)
    assert (many.style[:, 0] == 0.25).float().mean().item() == pytest.approx(0.3, abs=0.08)


def test_partners_share_actor_and_statement_but_not_emotion() -> None:
    store = ClipStore.load(ToneCorpus().clips("train"), 30, 2)
    assert any(store.partners)
    for clip, others in zip(store.clips, store.partners, strict=True):
        for other in others:
            twin = store.clips[other]
            assert (twin.actor, twin.statement) == (clip.actor, clip.statement)
            assert twin.emotion != clip.emotion


def test_phoneme_frames_and_the_common_grid() -> None:
    clip = ramp_clip(60)
    labels = phoneme_frames(clip, np.array([0.0, 0.99, 1.0, 1.5]))
    assert labels.tolist() == [PHONEME_INDEX["M"], PHONEME_INDEX["M"], IGNORED, IGNORED]
    assert (grid_step(30), grid_step(25), grid_step(60)) == (3, 1, 6)


def test_no_clips_is_an_error() -> None:
    with pytest.raises(EmptySplitError, match="emoface data synth"):
        ClipStore.load([], 30, 1)


def speaker_store() -> ClipStore:
    clips = [dataclasses.replace(ramp_clip(60), speaker=s, emotion=e) for s in ("one", "two", "") for e in (0, 0, 3, 5)]
    return ClipStore(clips, 30, 2)


def test_groups_of_one_voice_begin_with_another_neutral_clip_of_it() -> None:
    store = speaker_store()
    grouped = 0
    for seed in range(20):
        rows, neutral = store.draw_speakers(np.random.default_rng(seed), 8, 4)
        assert len(rows) == len(neutral) == 8
        for row, leader in enumerate(neutral):
            if leader < 0:
                continue
            grouped += 1
            voice, reference = store.clips[rows[row]], store.clips[rows[leader]]
            assert reference.emotion == 0 and neutral[leader] == -1
            assert voice.speaker == reference.speaker != ""
    assert grouped > 40


def test_without_groups_every_row_is_drawn_alone() -> None:
    rows, neutral = speaker_store().draw_speakers(np.random.default_rng(0), 8, 1)
    assert rows == speaker_store().draw(np.random.default_rng(0), 8).tolist() and neutral == [-1] * 8


def test_a_clip_never_calibrates_itself() -> None:
    store = speaker_store()
    assert store.neutral_takes[0] == [1] and store.neutral_takes[2] == [0, 1] and store.neutral_takes[8] == []
