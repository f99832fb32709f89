"""What a report reads off a clip: silence, jitter, instants worth a picture, clips worth showing."""

import dataclasses

import numpy as np
import pytest
from synthetic_corpus import TinyRig, ToneCorpus

from emoface_training.clips.store import ClipStore, StoredClip
from emoface_training.data.sample import DatasetFace
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.report.gather import shown_clips
from emoface_training.report.mouth import Instant, instants, jitter_mm, lip_distance, silent_frames


def clip(frames: int, phonemes: list, emotion: int = 0) -> StoredClip:
    audio = np.zeros(frames * 1600 // 3 + 1, np.int16)
    return StoredClip(audio, np.zeros((frames, len(RIG_PARAMETERS)), np.float16), phonemes, emotion, 0, "a", 0, -1)


def test_jitter_is_the_rms_second_difference() -> None:
    offsets = np.zeros((6, 3, 3))
    offsets[:, 0, 1] = 0.002 * np.arange(6)  # an even motion is no jitter
    offsets[3, 1, 1] = 0.001
    every = np.ones(6, bool)
    assert jitter_mm(offsets, np.array([0]), every, 1.0) == pytest.approx(0.0, abs=1e-12)
    # one vertex of two: bends of 1, -2 and 1 mm in three of the four inner frames
    assert jitter_mm(offsets, np.array([1, 2]), every, 1.0) == pytest.approx((6 / 8) ** 0.5)
    assert jitter_mm(offsets, np.array([1]), np.array([1, 1, 0, 0, 0, 1], bool), 0.01) == 0.0
    assert jitter_mm(offsets, np.array([1]), np.zeros(6, bool), 1.0) is None


def test_silence_settles_after_speech_and_ends_before_it() -> None:
    phonemes = [("SIL", 0.0, 1.0), ("AA", 1.0, 2.0), ("SIL", 2.0, 3.0), ("M", 3.0, 4.0), ("SIL", 4.0, 5.0)]
    silent = np.flatnonzero(silent_frames(clip(150, phonemes), 30))
    np.testing.assert_array_equal(silent, [*range(6, 27), *range(66, 87), *range(126, 150)])
    loud = clip(90, [])
    wave = np.zeros(len(loud.audio), np.int16)
    wave[16000:32000] = (20000 * np.sin(np.arange(16000) * 0.3)).astype(np.int16)
    found = silent_frames(dataclasses.replace(loud, audio=wave), 30)
    assert not found[:6].any() and found[6:25].all() and not found[31:59].any() and found[70:].all()


def test_instants_show_closed_and_open_mouths() -> None:
    phonemes = [("SIL", 0.0, 0.5), ("M", 0.5, 1.0), ("AA", 1.0, 1.5), ("F", 1.5, 2.0)]
    opening = np.linspace(5.0, 6.0, 60)
    opening[20], opening[40], opening[3] = 0.5, 20.0, 0.1
    assert instants(clip(60, phonemes), opening, 30, 6) == [
        Instant(7, "SIL"),
        Instant(20, "M"),
        Instant(40, "AA"),
        Instant(52, "F"),
    ]
    # None of the groups is said: as without phonemes
    hummed = instants(clip(60, [("N", 0.0, 2.0)]), opening, 30, 4)
    assert hummed == instants(clip(60, []), opening, 30, 4)
    chosen = [instant.frame for instant in instants(clip(60, []), opening, 30, 4)]
    assert chosen == [3, 20, 40, 59]
    assert [instant.frame for instant in instants(clip(60, []), None, 30, 2)] == [15, 45]


def test_lip_distance_is_in_millimetres_of_the_faces_own_unit() -> None:
    rig = TinyRig()
    jaw = np.zeros((2, len(RIG_PARAMETERS)), np.float32)
    jaw[1, 0] = 0.5
    np.testing.assert_allclose(lip_distance(rig)(rig.offsets(jaw)), [10.0, 20.0], atol=1e-4)
    face = DatasetFace(rig.template, rig.faces, {"lips": rig.masks["lips"]}, 0.1)
    np.testing.assert_allclose(lip_distance(face)(rig.offsets(jaw)), [0.0, 1.0], atol=1e-5)
    assert lip_distance(DatasetFace(rig.template, rig.faces)) is None


def test_shown_clips_differ_in_emotion_and_are_of_readable_length() -> None:
    clips = [clip(frames, [], emotion) for frames, emotion in ((60, 0), (60, 0), (900, 1), (60, 2), (20, 3), (90, 2))]
    assert shown_clips(clips, 30, 2) == [1, 5]
    assert shown_clips(clips, 30, 9) == [0, 1, 3, 5]
    assert shown_clips(clips[4:5], 30, 3) == [0]
    store = ClipStore.load(ToneCorpus(6).clips("train"), 30, 2)
    assert shown_clips(store.clips, 30, 3) == shown_clips(store.clips, 30, 3)
