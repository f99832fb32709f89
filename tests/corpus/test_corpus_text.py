"""Held-out words never occur in training, validation sentences are unseen, and voices and engines do not leak."""

import re
from pathlib import Path

import numpy as np
import pytest
from needs import lacking

from emoface_training.data.synthetic import clip_lines, generate, text, text_lexicon, text_pairs
from emoface_training.data.synthetic.text_words import TEMPLATES
from emoface_training.data.synthetic.voice_actors import (
    ACTORS,
    NEURAL_VOICES,
    SPLITS,
    TRAIN_ACTORS,
    actors_of,
    neural,
    stranger,
)


def words(sentence: str) -> set[str]:
    return set(re.findall(r"[a-z]+", sentence.lower()))


FUNCTION_WORDS = set().union(*(words(re.sub(r"\{\w+\}s?", " ", t)) for t in TEMPLATES)) | {"an"}


def content(sentence: str) -> set[str]:
    """Content words, and plurals reduced to their vocabulary entry."""
    vocabulary = text.content_words("train") | text.content_words("test")
    found = words(sentence) - FUNCTION_WORDS
    return {w[:-1] if w not in vocabulary and w.endswith("s") and w[:-1] in vocabulary else w for w in found}


def test_the_two_vocabularies_share_no_content_word() -> None:
    train, test = text.content_words("train"), text.content_words("test")
    assert len(train) > 300 and len(test) > 150
    assert not train & test
    assert not {f"{w}s" for w in train} & test and not {f"{w}s" for w in test} & train


def test_generated_test_sentences_share_no_content_word_with_training_sentences() -> None:
    rng = np.random.default_rng(0)
    train = set().union(*(content(text.sentence("train", 5, rng)) for _ in range(400)))
    train |= set().union(*(content(s) for s in text.STATEMENTS))
    test = set().union(*(content(text.sentence("test", 5, rng)) for _ in range(400)))
    assert len(test) > 100
    assert not train & test & text.content_words("test")
    assert not train & text.content_words("test")


def test_validation_sentences_are_none_of_the_training_sentences() -> None:
    rng = np.random.default_rng(1)
    train = {text.sentence("train", 5, rng) for _ in range(500)}
    validation = {text.sentence("validation", 5, rng) for _ in range(200)}
    assert len(train) > 450 and len(validation) > 180
    assert not train & validation
    assert not any(text.is_validation(s) for s in train)
    assert all(text.is_validation(s) for s in validation)


def test_sentences_are_deterministic_filled_and_not_too_long() -> None:
    for family in ("train", "validation", "test"):
        first = [text.sentence(family, 4.0, np.random.default_rng(5)) for _ in range(3)]
        assert first == [text.sentence(family, 4.0, np.random.default_rng(5)) for _ in range(3)]
        rng = np.random.default_rng(6)
        for _ in range(50):
            sentence = text.sentence(family, 4.0, rng)
            assert not re.search(r"[{}_]", sentence) and sentence[0].isupper()
            assert text.estimated_seconds(sentence) <= 4.0


def test_the_statements_are_short_and_different() -> None:
    assert len(set(text.STATEMENTS)) == len(text.STATEMENTS) >= 20
    assert all(text.estimated_seconds(s) < 3.6 for s in text.STATEMENTS)


def test_held_out_voices_and_engines_are_never_trained_on() -> None:
    train_engines = {a.engine for a in TRAIN_ACTORS}
    train_voices = {(a.engine, a.voice) for a in TRAIN_ACTORS} | {("kokoro", voice) for voice in NEURAL_VOICES}
    assert "festival" not in train_engines and ("flite", "rms") not in train_voices
    assert {a.engine for a in actors_of("test_engine")} == {"festival"}
    held_out = {(a.engine, a.voice) for a in actors_of("test_voice")}
    assert held_out == {("flite", "rms"), *(("kokoro", f"bm_{n}") for n in ("daniel", "fable", "george", "lewis"))}
    assert not held_out & train_voices and not any(v.startswith("bm_") or v == "af_nicole" for v in NEURAL_VOICES)
    assert actors_of("test_prosody") == actors_of("test_voice")
    assert actors_of("validation") == actors_of("test_words") == TRAIN_ACTORS
    assert len(TRAIN_ACTORS) == 16 and len(set(NEURAL_VOICES)) == len(NEURAL_VOICES) == 49
    assert len({a.name for a in ACTORS}) == len(ACTORS)


def test_neural_speakers_have_training_voices_some_of_them_shifted() -> None:
    rng = np.random.default_rng(3)
    people = [neural(TRAIN_ACTORS[i % 16], i, rng) for i in range(98)]
    assert [p.voice for p in people] == [*NEURAL_VOICES, *NEURAL_VOICES]
    assert all(p.engine == "kokoro" and p.name in {a.name for a in TRAIN_ACTORS} for p in people)
    assert 20 < sum(p.formants != 1 for p in people) < 60 and all(0.7 < p.pitch < 1.4 for p in people)


def test_the_plan_has_every_split_and_is_balanced_from_its_start() -> None:
    jobs = generate.plan(3.0)
    assert {job.split for job in jobs} == set(SPLITS)
    assert all(job.actor in actors_of(job.split) for job in jobs)
    train = [job for job in jobs if job.split == "train"]
    assert {job.actor for job in train[: len(generate.TURN) * len(TRAIN_ACTORS)]} == set(TRAIN_ACTORS)
    assert tuple(job.kind for job in train[: len(generate.TURN)]) == generate.TURN
    assert {job.split for job in jobs[: len(jobs) // 2]} == set(SPLITS), "tests come before the end"
    assert len({(job.split, job.number) for job in jobs}) == len(jobs)
    assert len({job.path(Path(".")) for job in jobs}) == len(jobs)


def test_a_longer_corpus_contains_the_shorter_one() -> None:
    assert set(generate.plan(0.5)) < set(generate.plan(2.0))
    assert {job.split for job in generate.plan(0.001)} == set(SPLITS)


def test_word_salad_never_holds_a_test_word_and_fits() -> None:
    if reason := lacking("speech"):
        pytest.skip(reason)
    rng = np.random.default_rng(2)
    salad = [text_lexicon.sentence(4.5, rng) for _ in range(500)]
    assert not set().union(*(words(s) for s in salad)) & text.content_words("test")
    assert all(text.estimated_seconds(s) <= 4.6 and s[0].isupper() for s in salad)
    assert len(set().union(*(words(s) for s in salad))) > 1500


def test_strangers_speak_with_training_voices() -> None:
    rng = np.random.default_rng(3)
    strangers = [stranger(TRAIN_ACTORS[i % 16], rng) for i in range(300)]
    assert {s.engine for s in strangers} == {"flite", "espeak"}
    assert {s.voice for s in strangers if s.engine == "flite"} == {"slt", "awb", "kal16"}
    assert len({s.voice for s in strangers}) > 80
    assert all(s.name in {a.name for a in TRAIN_ACTORS} for s in strangers)


def test_words_in_pairs_differ_in_one_consonant_and_lips_meet_tongues() -> None:
    if reason := lacking("speech"):
        pytest.skip(reason)
    families = text_pairs.families()
    assert len(families) > 1000 and any({"map"} <= set(lips) and {"nap"} <= set(tongue) for lips, tongue in families)
    unseen = text.content_words("test")
    for lips, tongue in families[::7]:
        sounds = [[s.phoneme for s in text_lexicon.pronounce(word)] for word in (*lips, *tongue)]
        assert len({len(s) for s in sounds}) == 1 and not {*lips, *tongue} & unseen
        different = [i for i in range(len(sounds[0])) if len({s[i] for s in sounds}) > 1]
        assert len(different) == 1
        said = [s[different[0]] for s in sounds]
        assert set(said[: len(lips)]) <= text_pairs.LIPS and set(said[len(lips) :]) <= text_pairs.TONGUE
    rng = np.random.default_rng(4)
    sentences = [text_pairs.sentence(4.5, rng) for _ in range(200)]
    assert len(set(sentences)) > 190 and all(text.estimated_seconds(s) <= 4.5 and s[0].isupper() for s in sentences)


def test_every_sentence_can_be_pronounced() -> None:
    if reason := lacking("speech"):
        pytest.skip(reason)
    rng = np.random.default_rng(5)
    for split, family in (("train", "train"), ("validation", "validation"), ("test_words", "test")):
        lines = [line for _ in range(20) for line in clip_lines.rich(split, TRAIN_ACTORS[0], rng) if line.text]
        assert not text_lexicon.unknown(" ".join(line.text for line in lines))
        if family != "test":
            single = [line.text for line in lines if not re.search(r"[.!?] [A-Z]", line.text)]
            assert all(text.is_validation(t) == (family == "validation") for t in single)
    assert not text_lexicon.unknown(" ".join(text.STATEMENTS))
    assert text_lexicon.unknown("A xyzzyq map, a qwv.") == ["xyzzyq", "qwv"]


def test_the_dictionary_lacks_plurals_and_has_small_words_twice() -> None:
    if reason := lacking("speech"):
        pytest.skip(reason)

    def said(word: str, **how: bool) -> str:
        return " ".join(sound.phoneme for sound in text_lexicon.pronounce(word, **how))

    assert (said("churchs"), said("parsnips"), said("puppys")) == ("CH ER CH IH Z", "P AA R S N IH P S", "P AH P IY Z")
    assert (said("of"), said("of", weak=False)) == ("AH V", "AH V")
    assert said("to") == "T AH" and said("to", weak=False) == "T UW" and said("xyzzyq") == ""


def test_only_the_split_of_prosody_is_acted_in_held_out_ways() -> None:
    if reason := lacking("speech"):
        pytest.skip(reason)
    for split in SPLITS:
        lines = clip_lines.rich(split, actors_of(split)[0], np.random.default_rng(6))
        spoken = [line for line in lines if line.text]
        assert {line.held_out for line in spoken} == {split == "test_prosody"}
        assert {line.newcomer for line in spoken} == {split == "train"}
    mine = clip_lines.of_one_voice(np.random.default_rng(7))
    assert sum(line.emotion == "neutral" for line in mine) >= 4 and not any(line.held_out for line in mine)
