"""Shards and reader: exact frame counts, round trip, same bytes, damaged files, and resuming a broken run."""

import json
from pathlib import Path

import numpy as np
import pytest

from emoface.cli.main import main
from emoface_training.data import corpus
from emoface_training.data.corpus import Corpus, RawClip, frame_count, write_shard
from emoface_training.data.synthetic import generate, text_pairs
from emoface_training.data.synthetic.clips import motion, stored
from emoface_training.data.synthetic.motion_again import make_motion
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.data.synthetic.phonemes import SIL, Segment
from emoface_training.errors import CorpusError, OptionsError
from emoface_training.vocabulary import EMOTIONS


def fake_clip(samples: int, seed: int, emotion: int = 0, statement: int = -1, text: str = "Hello.") -> RawClip:
    rng = np.random.default_rng(seed)
    return RawClip(
        audio=rng.integers(-30000, 30000, samples).astype(np.int16),
        parameters=rng.random((frame_count(samples), len(RIG_PARAMETERS))).astype(np.float16),
        segments=[Segment(SIL, 0.0, 0.25), Segment("M", 0.25, samples / 16000)],
        emotion=emotion,
        level=1,
        statement=statement,
        text=text,
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make shards without speech engines; returns the log of what was made."""
    log: list[str] = []

    def make_clips(actor, lines, rng, voices):
        log.append(f"{actor.name}:{len(lines)}")
        return [
            fake_clip(8000, int(rng.integers(1 << 30)), EMOTIONS.index(line.emotion), line.statement, line.text)
            for line in lines
        ]

    monkeypatch.setattr(generate, "make_clips", make_clips)
    for name in ("speech_flite", "speech_festival", "speech_espeak", "text_lexicon", "voice"):
        monkeypatch.setattr(getattr(generate, name), "check", lambda: None)
    monkeypatch.setattr(generate.kokoro_graphs, "prepare", lambda folder: None)
    words = ("bumble", "fever", "marrow", "oyster", "pavement", "thimble", "wallow")
    monkeypatch.setattr(generate.text_lexicon, "lexicon", lambda: (words, np.arange(1, 8) / 7))
    monkeypatch.setattr(generate.text_lexicon, "pronounce", lambda word, weak=True: (word,))
    families = ((("map", "bap"), ("nap", "tap")), (("ban", "van"), ("dan", "than")))
    monkeypatch.setattr(text_pairs, "families", lambda: families)
    return log


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("samples, frames", [(16000, 30), (15999, 29), (533, 0), (534, 1), (128000, 240), (16267, 30)])
def test_frame_count_is_the_floor(samples: int, frames: int) -> None:
    assert frame_count(samples) == frames == samples * 30 // 16000


def test_a_shard_with_a_wrong_frame_count_is_refused(tmp_path: Path) -> None:
    clip = fake_clip(16000, 0)
    with pytest.raises(CorpusError, match="got 29 frames"):
        write_shard(tmp_path / "x.npz", [clip._replace(parameters=clip.parameters[:-1])])
    assert list(tmp_path.iterdir()) == []


def test_clips_come_back_as_they_were_written(tmp_path: Path, quick: list[str]) -> None:
    generate.generate(tmp_path, 0.001, seed=1)
    opened = Corpus.open(tmp_path)
    folder = tmp_path / "train" / opened.actors[3]
    written = [fake_clip(16000 + 777 * i, i, i % 8, statement=i, text=f"Sentence {i}, naïve.") for i in range(5)]
    write_shard(folder / "00099.npz", written)
    refs = [ref for ref in opened.clips("train") if ref.actor == opened.actors[3]]
    assert len(refs) == 5
    for ref, raw in zip(refs, written, strict=True):
        clip = ref.load()
        assert clip.audio.dtype == np.float32 and clip.parameters.dtype == np.float32
        assert np.array_equal(clip.audio, raw.audio / np.float32(32768))
        assert np.array_equal(clip.parameters, raw.parameters.astype(np.float32))
        assert (
            clip.parameters.shape == (ref.frames, len(RIG_PARAMETERS)) and ref.frames == len(clip.audio) * 30 // 16000
        )
        assert [p.phoneme for p in clip.phonemes] == [SIL, "M"]
        assert clip.phonemes[1].end == pytest.approx(len(raw.audio) / 16000, abs=1e-5)
        assert (clip.emotion, clip.level, clip.statement, clip.text) == (raw.emotion, 1, raw.statement, raw.text)
        assert (clip.actor, clip.actor_index) == (opened.actors[3], 3)


def test_pairs_share_actor_and_statement_and_differ_in_emotion(tmp_path: Path, quick: list[str]) -> None:
    generate.generate(tmp_path, 0.1, seed=1)
    opened = Corpus.open(tmp_path)
    clips, pairs = opened.clips("train"), opened.pairs("train")
    assert len(pairs) == len(set(pairs)) > 100
    for i, j in pairs:
        a, b = clips[i], clips[j]
        assert (a.actor, a.statement) == (b.actor, b.statement) and a.statement >= 0 and a.emotion != b.emotion
    assert opened.pairs("validation") == []


def test_held_out_actors_have_no_style(tmp_path: Path, quick: list[str]) -> None:
    generate.generate(tmp_path, 0.001, seed=1)
    opened = Corpus.open(tmp_path)
    assert {ref.actor_index for ref in opened.clips("test_voice")} == {-1}
    assert {ref.actor_index for ref in opened.clips("test_engine")} == {-1}
    assert min(ref.actor_index for ref in opened.clips("test_words")) >= 0
    assert "rms" not in opened.actors


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path, quick: list[str]) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate.generate(tmp_path / name, 0.05, seed=seed)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert tree(tmp_path / "a") != tree(tmp_path / "c")


def test_an_interrupted_run_continues_and_ends_with_the_same_bytes(
    tmp_path: Path, quick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    generate.generate(tmp_path / "whole", 0.1, seed=4)
    total, working = len(quick), generate.make_clips
    quick.clear()

    def breaks(actor, lines, rng, voices):
        if len(quick) == 3:
            raise KeyboardInterrupt
        return working(actor, lines, rng, voices)

    monkeypatch.setattr(generate, "make_clips", breaks)
    with pytest.raises(KeyboardInterrupt):
        generate.generate(tmp_path / "broken", 0.1, seed=4)
    partial = Corpus.open(tmp_path / "broken")
    assert partial.description["complete"] is False
    assert sum(len(partial.clips(split)) for split in partial.splits) == 3 * 16
    monkeypatch.setattr(generate, "make_clips", working)
    description = generate.generate(tmp_path / "broken", 0.1, seed=4)
    assert description["complete"] is True
    assert len(quick) == total, "finished shards are not made again"
    assert tree(tmp_path / "broken") == tree(tmp_path / "whole")


def test_a_folder_with_another_seed_is_not_mixed(tmp_path: Path, quick: list[str]) -> None:
    generate.generate(tmp_path, 0.001, seed=1)
    before = tree(tmp_path)
    with pytest.raises(CorpusError, match=r"seed 1; expected format 3 and seed 2"):
        generate.generate(tmp_path, 0.001, seed=2)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_hours_are_refused(tmp_path: Path, hours: float) -> None:
    with pytest.raises(OptionsError, match="expected a positive number"):
        generate.generate(tmp_path / "x", hours, seed=1)
    assert not (tmp_path / "x").exists()


def test_opening_something_else_says_what_to_do(tmp_path: Path, quick: list[str]) -> None:
    with pytest.raises(CorpusError, match="emoface data synth"):
        Corpus.open(tmp_path)
    generate.generate(tmp_path, 0.001, seed=1)
    path = tmp_path / corpus.DESCRIPTION
    description = json.loads(path.read_text())
    path.write_text(json.dumps({**description, "format": 99}))
    with pytest.raises(CorpusError, match="field 'format': 99; expected 3"):
        Corpus.open(tmp_path)
    path.write_text("{")
    with pytest.raises(CorpusError, match="no JSON"):
        Corpus.open(tmp_path)


def test_an_unknown_split_and_a_truncated_shard_are_errors(tmp_path: Path, quick: list[str]) -> None:
    generate.generate(tmp_path, 0.001, seed=1)
    opened = Corpus.open(tmp_path)
    with pytest.raises(CorpusError, match="got the split 'dev'"):
        opened.clips("dev")
    shard = opened.clips("train")[0].path
    shard.write_bytes(shard.read_bytes()[:500])
    with pytest.raises(CorpusError, match=r"which cannot be read.*a shard"):
        corpus.read_shard(shard)
    with pytest.raises(CorpusError, match=r"which cannot be read.*a shard"):
        opened.clips("train")


def moving_clip(actor: str, seed: int) -> RawClip:
    """A clip whose motion follows from what is stored with it."""
    rng = np.random.default_rng(seed)
    energy = rng.uniform(0, 1, 60).astype(np.float16)
    segments = stored([Segment(SIL, 0.0, 0.3), Segment("M", 0.3, 0.41), Segment("AA", 0.41, 1.7), Segment(SIL, 1.7, 2)])
    parameters = motion(actor, segments, energy, 2, 1, seed)
    return fake_clip(32000, seed, 2)._replace(
        parameters=parameters, segments=segments, energy=energy, motion_seed=seed, way="elated"
    )


def test_the_motion_of_a_corpus_is_made_again_from_what_it_keeps(tmp_path: Path, quick: list[str]) -> None:
    description = generate.generate(tmp_path, 0.001, seed=1)
    for path in tmp_path.glob("*/*/*.npz"):
        write_shard(path, [moving_clip(path.parent.name, seed) for seed in (5, 1 << 61)])
    before = tree(tmp_path)
    count = len(list(tmp_path.glob("*/*/*.npz")))
    assert make_motion(tmp_path) == count > 1
    assert tree(tmp_path) == before, "the same rules give the same motion"
    shard = next(tmp_path.glob("train/*/*.npz"))
    write_shard(shard, [c._replace(parameters=c.parameters * 0) for c in (moving_clip(shard.parent.name, 5),)])
    (tmp_path / corpus.DESCRIPTION).write_text(json.dumps({**description, "parameters": ["of older rules"]}))
    with pytest.raises(CorpusError, match="emoface data synth --motion"):
        Corpus.open(tmp_path)
    assert main(["data", "synth", "--out", str(tmp_path), "--motion"]) == 0
    again = {str(ref.path): ref for ref in Corpus.open(tmp_path).clips("train")}[str(shard)].load()
    assert np.array_equal(again.parameters, moving_clip(shard.parent.name, 5).parameters.astype(np.float32))


def test_motion_that_cannot_be_made_again_is_refused(tmp_path: Path, quick: list[str]) -> None:
    with pytest.raises(CorpusError, match="the description of a corpus"):
        make_motion(tmp_path)
    description = generate.generate(tmp_path, 0.001, seed=1)
    with pytest.raises(CorpusError, match="no loudness of its clean speech"):
        make_motion(tmp_path)
    with pytest.raises(CorpusError, match="field 'parameters'"):
        Corpus.open(tmp_path)
    (tmp_path / corpus.DESCRIPTION).write_text(json.dumps({**description, "format": 2}))
    with pytest.raises(CorpusError, match=r"format 2; expected format 3"):
        make_motion(tmp_path)
