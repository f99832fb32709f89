"""Each layout's classes against what the fixtures are known to hold."""

from pathlib import Path

import layouts
import numpy as np
import pytest

from emoface_training.commands import dataset_options
from emoface_training.data import opening
from emoface_training.data.biwi import Biwi
from emoface_training.data.opening import RECORDED, detect_kind, open_for_training
from emoface_training.data.ravdess import Ravdess3D, parse_name
from emoface_training.data.vocaset import Vocaset, VocasetRaw
from emoface_training.errors import DatasetError
from emoface_training.vocabulary import UNKNOWN_EMOTION


@pytest.mark.parametrize("kind", layouts.WRITERS)
def test_every_layout_is_found_out_and_opens_without_problems(tmp_path: Path, kind: str) -> None:
    root = layouts.WRITERS[kind](tmp_path / "data")
    assert detect_kind(root) == kind
    dataset, face = open_for_training(root)
    assert type(dataset) is RECORDED[kind] and dataset.problems == []
    assert face.template.shape == (42, 3) and face.faces.shape == (80, 3)
    assert set(face.masks) >= {"lips", "eyes_forehead"}
    for split in dataset.splits:
        for reference in dataset.clips(split):
            clip = reference.load()
            assert clip.audio.dtype == np.float32 and np.abs(clip.audio).max() < 1.0
            assert len(clip.parameters) == clip.vertices.frames == reference.frames
            # what the encoders give covers every frame of motion, and no more than one frame is lost
            assert len(clip.audio) * dataset.fps // 16000 == clip.vertices.frames
            assert clip.vertices.frames in (int(layouts.SECONDS * dataset.fps), int(layouts.SECONDS * dataset.fps) - 1)
            assert clip.vertices.offsets().shape == (clip.vertices.frames, 42, 3)


def test_the_command_line_offers_every_kind() -> None:
    assert set(dataset_options.KINDS) == set(opening.KINDS)


def test_splits_are_the_papers() -> None:
    voca, biwi, ravdess = Vocaset.rules, Biwi.rules, Ravdess3D.rules
    assert [len(rule.subjects) for rule in voca.values()] == [8, 2, 2]
    assert [len(rule.sentences) for rule in voca.values()] == [40, 20, 20]
    assert [len(rule.subjects) for rule in biwi.values()] == [6, 6, 6, 8]
    assert [len(rule.sentences) for rule in biwi.values()] == [32, 4, 4, 4]
    assert [len(rule.subjects) for rule in ravdess.values()] == [20, 2, 2]
    assert ravdess["test_unseen"].subjects == ("Actor_23", "Actor_24")
    for rules in (voca, ravdess):
        subjects = [subject for rule in rules.values() for subject in rule.subjects]
        assert len(subjects) == len(set(subjects))


def test_vocaset_takes_every_second_frame(tmp_path: Path) -> None:
    root = layouts.write_vocaset(tmp_path / "data")
    dataset = Vocaset.open(root)
    reference = dataset.clips("train")[0]
    clip = reference.load()
    whole = np.load(root / "vertices_npy" / f"{reference.take.name}.npy").reshape(-1, 42, 3)
    neutral = dataset.templates[reference.take.subject]
    np.testing.assert_array_equal(clip.vertices.offsets(), (whole - neutral)[::2])
    np.testing.assert_array_equal(clip.vertices.offsets(3, 5), (whole - neutral)[6:10:2])
    assert clip.emotion == UNKNOWN_EMOTION and clip.statement == 3 and clip.level == 0


def test_raw_and_faceformer_vocaset_agree(tmp_path: Path) -> None:
    raw = VocasetRaw.open(layouts.write_vocaset_raw(tmp_path / "raw"))
    folder = Vocaset.open(layouts.write_vocaset(tmp_path / "folder"))
    for split in raw.splits:
        for ours, theirs in zip(raw.clips(split), folder.clips(split), strict=True):
            assert ours.take.name == theirs.take.name and ours.actor_index == theirs.actor_index
            a, b = ours.load(), theirs.load()
            assert a.vertices.frames == b.vertices.frames
            # 16-bit sound in both, scaled by 32767 and 32768
            np.testing.assert_allclose(a.audio, b.audio, atol=1e-4)


def test_sound_is_resampled_to_16_khz(tmp_path: Path) -> None:
    clip = Biwi.open(layouts.write_biwi(tmp_path / "data")).clips("train")[0].load()
    assert len(clip.audio) == pytest.approx(layouts.SECONDS * 16000, abs=641)
    spectrum = np.abs(np.fft.rfft(clip.audio * np.hanning(len(clip.audio))))
    peak = spectrum.argmax() * 16000 / len(clip.audio)
    assert 115 < peak < 310  # the tone's own pitch, not 44.1 / 16 of it


def test_biwi_keeps_neutral_and_emotional_takes_apart(tmp_path: Path) -> None:
    clips = {c.take.name: c for c in Biwi.open(layouts.write_biwi(tmp_path / "data")).clips("train")}
    neutral, emotional = clips["F2_01"].load(), clips["F2_e01"].load()
    assert neutral.statement == emotional.statement == 1
    assert (neutral.emotion, emotional.emotion) == (0, UNKNOWN_EMOTION)
    assert not np.array_equal(neutral.audio, emotional.audio)
    assert {name for name in clips if "34" in name or "38" in name} == set()


def test_ravdess_names_give_labels() -> None:
    name = parse_name("01-01-05-02-01-02-12")
    assert name == ("Actor_12", 1, 4, 1)
    for wrong in ("01-02-05-02-01-02-12", "01-01-09-01-01-01-01", "01-01-05-02-01-02-25", "clip"):
        with pytest.raises(DatasetError, match="named"):
            parse_name(wrong)


def test_ravdess_pairs_take_one_statement_with_two_emotions(tmp_path: Path) -> None:
    from emoface_training.clips.store import ClipStore

    dataset = Ravdess3D.open(layouts.write_ravdess(tmp_path / "data"))
    store = ClipStore.load(dataset.clips("train"), dataset.fps, len(dataset.actors))
    assert len(store.clips) == 40 and all(len(partners) == 1 for partners in store.partners)
    first, partner = store.clips[0], store.clips[store.partners[0][0]]
    assert first.actor == partner.actor and {first.emotion, partner.emotion} == {0, 4}
    assert {first.level, partner.level} == {0, 1}
