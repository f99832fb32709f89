"""Phoneme times of recorded speech from an aligner that has nothing to do with the training data.

PocketSphinx (its own US English acoustic model, in the wheel) aligns a transcript; without one, its language model
decides what was said first. The phonemes are ARPAbet without stress, as everywhere in the corpus. Times are good to
about 10-20 ms, and a wrong transcript gives wrong phonemes: figures measured against them inherit both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emoface_training.data.resampling import at_sample_rate
from emoface_training.data.synthetic.phonemes import PHONEME_INDEX, SIL, Segment, merge
from emoface_training.errors import AlignmentError, SpeechEngineError
from emoface_training.vocabulary import SAMPLE_RATE

FRAME_S = 0.01
PEAK = 20000  # of int16: the acoustic model wants a healthy level
# A transcript does not tell pauses: with the default of .005 short ones went to the words around them
SILENCE_PROBABILITY = 0.5
GIVEN = 99  # the dictionary's own alternatives are word(2), word(3), ...
# The recogniser's default beams lose the path through long or noisy sentences; the widest lose more sentences of one
# breath than narrow ones. Each try: beam, silence added (s).
TRIES = ((1e-48, 0.1), (1e-80, 0.1), (1e-120, 0.25), (1e-160, 0.4))


@dataclass(frozen=True)
class Alignment:
    """Phonemes of one recording; `recognised` when the text came from the language model and may be wrong."""

    segments: list[Segment]
    text: str
    recognised: bool


def words_of(text: str) -> list[str]:
    """Lower-case words with their apostrophes. Raises AlignmentError for figures and for a text without words."""
    plain = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    if figure := re.search(r"\d\S*", plain):
        raise AlignmentError(f"the figure {figure.group()!r} in a transcript", "words", "Write it as spoken.")
    words = [word.strip("'") for word in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*'?", plain)]
    if not any(words):
        raise AlignmentError(f"the transcript {text[:40]!r}", "at least one word", "Write what is said.")
    return [word for word in words if word]


def to_aligner(samples: np.ndarray, rate: int) -> np.ndarray:
    """float [N] or [N, channels] at any rate -> int16 [M] at 16 kHz, at the level that the acoustic model knows."""
    mono = np.asarray(samples, np.float64)
    mono = mono.mean(1) if mono.ndim == 2 else mono
    if not np.isfinite(mono).all():
        raise AlignmentError("a recording with NaN or infinite samples", "finite ones", "Record it again.")
    mono = at_sample_rate(mono, rate)
    peak = np.abs(mono).max(initial=0.0)
    if not peak > 0.0:
        raise AlignmentError("a recording that is digital silence", "speech", "See the file.")
    # Digital silence in pauses has no logarithm; this is 80 dB below speech
    floor = np.random.default_rng(0).normal(0.0, 2.0, len(mono))
    return np.clip(np.round(mono / peak * PEAK + floor), -32768, 32767).astype(np.int16)


def align(
    samples: np.ndarray, rate: int, text: str | None = None, pronunciations: Mapping[str, str] | None = None
) -> Alignment:
    """Phoneme segments that cover the whole recording, pauses as SIL.

    samples: float [N] or [N, channels]. text: what is said; None lets the recogniser find out. pronunciations:
    word -> ARPAbet ("M AH L IY AH"), beside those that the dictionary has; words that neither has are asked of eSpeak
    NG.
    Raises AlignmentError when the text does not fit the sound, or PocketSphinx is not installed.
    """
    audio = to_aligner(samples, rate)
    recognised = text is None
    spoken = recognise(audio) if text is None else " ".join(words_of(text))
    known = dict(pronunciations or {})
    for beam, padding in TRIES:
        segments = _align(audio, spoken, known, beam, padding)
        if segments is not None:
            return Alignment(_covering(segments, len(audio) / SAMPLE_RATE), spoken, recognised)
    raise AlignmentError(
        f"the text {spoken[:60]!r}, which could not be laid onto {len(audio) / SAMPLE_RATE:.1f} s of sound",
        "what is said, word for word",
        "Correct the text, and cut long recordings into sentences.",
    )


def recognise(audio: np.ndarray) -> str:
    """The words that PocketSphinx hears in int16 [N] at 16 kHz. Raises AlignmentError when it hears none."""
    decoder = _decoder()
    _decode(decoder, audio)
    hypothesis = decoder.hyp()
    if hypothesis is None or not hypothesis.hypstr.strip():
        raise AlignmentError("a recording in which the recogniser heard no words", "speech", "Give the transcript.")
    return str(hypothesis.hypstr)


def _decoder(**settings: Any) -> Any:
    try:
        import pocketsphinx
    except ImportError as error:
        raise AlignmentError(f"no PocketSphinx ({error})", "the aligner", "pip install 'emoface[speech]'") from error
    return pocketsphinx.Decoder(loglevel="FATAL", **settings)


def _decode(decoder: Any, audio: np.ndarray) -> None:
    decoder.start_utt()
    decoder.process_raw(audio.tobytes(), full_utt=True)
    decoder.end_utt()


def _align(
    audio: np.ndarray, text: str, pronunciations: dict[str, str], beam: float, padding: float
) -> list[Segment] | None:
    """One try; None when the search lost every path. `pronunciations` gains what eSpeak was asked."""
    # Without `bestpath`: its search of the word lattice loses sentences that the first search had aligned
    decoder = _decoder(lm=None, beam=beam, wbeam=beam, pbeam=beam, silprob=SILENCE_PROBABILITY, bestpath=False)
    for word in dict.fromkeys(text.split()):
        if word not in pronunciations and decoder.lookup_word(word) is None:
            pronunciations[word] = _pronounced(word)
        if word in pronunciations:
            # What the dictionary has gets one more way of saying it; the sound decides between them
            known = decoder.lookup_word(word) is not None
            decoder.add_word(f"{word}({GIVEN})" if known else word, pronunciations[word], True)
    silence = np.random.default_rng(1).normal(0.0, 2.0, round(padding * SAMPLE_RATE)).round().astype(np.int16)
    padded = np.concatenate([silence, audio, silence])
    try:
        decoder.set_align_text(text)
        _decode(decoder, padded)
        if decoder.hyp() is None:
            return None
        # The first pass chose among a word's pronunciations; the second gives the phonemes' times
        decoder.set_alignment()
        _decode(decoder, padded)
        return list(_phones(decoder.get_alignment(), padding))
    except RuntimeError:  # PocketSphinx' only error: here, that the search did not reach the last word
        return None


def _phones(alignment: Any, padding: float) -> Iterator[Segment]:
    for word in alignment:
        for phone in word:
            start = phone.start * FRAME_S - padding
            # Fillers such as +BREATH+ are no speech
            name = phone.name if phone.name in PHONEME_INDEX else SIL
            yield Segment(name, start, start + phone.duration * FRAME_S)


def _pronounced(word: str) -> str:
    """ARPAbet of a word by eSpeak NG."""
    from emoface_training.data.synthetic import speech_espeak

    try:
        phonemes = [s.phoneme for s in speech_espeak.speak("en-us", [word], [1.0])[0].segments if s.phoneme != SIL]
    except SpeechEngineError as error:
        raise AlignmentError(
            f"the word {word!r}, which the aligner's dictionary lacks, and eSpeak NG could not say it ({error.got})",
            "one with known sounds",
            f"Give them with --pronounce '{word}=M AH L IY AH'.",
        ) from error
    if not phonemes:
        raise AlignmentError(f"the word {word!r}", "one with sounds", "Give them with --pronounce.")
    return " ".join(phonemes)


def _covering(segments: list[Segment], duration: float) -> list[Segment]:
    """The aligner's segments touch each other: cut them to 0..duration, with SIL up to both ends."""
    inside = [Segment(name, max(0.0, start), min(end, duration)) for name, start, end in segments]
    inside = [segment for segment in inside if segment.end > segment.start]
    if not inside:
        return [Segment(SIL, 0.0, duration)]
    return merge([Segment(SIL, 0.0, inside[0].start), *inside, Segment(SIL, inside[-1].end, duration)])
