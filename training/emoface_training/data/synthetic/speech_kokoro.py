"""Kokoro: neural voices. Times, pitch and loudness of every phoneme are predicted first, changed, and then spoken.

Words are given by their sounds, never by their letters, so that what is said is what the segments tell; a word whose
sounds nobody knows is an error before anything is spoken. Nothing is random but the prosody's own jitter, so the same
request gives the same samples on the same machine.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emoface_training.data.resampling import at_sample_rate
from emoface_training.errors import SpeechEngineError
from emoface_training.vocabulary import SAMPLE_RATE as CORPUS_RATE

from . import kokoro_files, kokoro_graphs, text_lexicon
from .phonemes import SIL, VOWELS, Segment, merge
from .prosody import Prosody, melody, phrases
from .speech import Speech

SAMPLE_RATE = 24000
FRAME_S = 0.025
_SYMBOLS = dict(
    AA="ɑ", AE="æ", AH="ʌ", AO="ɔ", AW="W", AY="I", B="b", CH="ʧ", D="d", DH="ð", EH="ɛ", ER="ɜɹ", EY="A", F="f", G="ɡ",
    HH="h", IH="ɪ", IY="i", JH="ʤ", K="k", L="l", M="m", N="n", NG="ŋ", OW="O", OY="Y", P="p", R="ɹ", S="s", SH="ʃ",
    T="t", TH="θ", UH="ʊ", UW="u", V="v", W="w", Y="j", Z="z", ZH="ʒ",
)  # fmt: skip
_MURMUR, _UNSTRESSED_ER, _STRESS, _GAP = "ə", "əɹ", "ˈ", " "
_PIECE = re.compile(r"[a-z']+|[,.!?;:]")
LONGEST = 510  # symbols of one text

# Seconds by which the start of a symbol comes after the start of its articulation, at any rate, measured against an
# independent aligner on eight voices, and by which the last sound before a pause ends early.
_LATE = dict.fromkeys(VOWELS, 0.052) | dict(
    AO=0.046, UW=0.048, AW=0.06, IY=0.065, P=0.077, B=0.085, T=0.056, D=0.055, K=0.075, G=0.081, CH=0.098, JH=0.067,
    M=0.085, N=0.073, NG=0.09, F=0.091, V=0.077, S=0.096, Z=0.067, SH=0.102, ZH=0.071, TH=0.09, DH=0.068, HH=0.077,
    L=0.071, R=0.06, W=0.086, Y=0.088,
)  # fmt: skip
_LATE_END = 0.06
_SHORTEST_PAUSE = 0.15  # seconds; shorter gaps between words hold no pause
# A sound is no longer heard 30 dB below loud speech; what is left of it then is silence of at least so many seconds.
_HEARD, _NEAR_MARK, _FADES, _SHORTEST_SILENCE = 0.03, 0.1, 0.02, 0.06

_VOICED_HZ = 40.0  # predicted pitch below it is no voice
_LOWEST_HZ, _HIGHEST_HZ = 55.0, 600.0
_SILENT = -4.0  # predicted loudness below it is no sound
_DB_PER_UNIT = 6.0  # of the predicted loudness


class Request(NamedTuple):
    """One utterance."""

    voice: str
    text: str
    how: Prosody = Prosody()


class _Unit(NamedTuple):
    """A phoneme, or (with an empty name) a gap between words or a punctuation mark, and its symbols."""

    phoneme: str
    symbols: str


def check(folder: Path = kokoro_files.FOLDER) -> None:
    """Raise VoiceDataError when a file of the voices is missing or damaged."""
    kokoro_files.check(folder)


def speak(voice: str, texts: Sequence[str], rates: Sequence[float], folder: Path = kokoro_files.FOLDER) -> list[Speech]:
    """Speak each text with a voice such as ``af_heart`` at a relative rate."""
    requests = [Request(voice, text, Prosody(rate=rate)) for text, rate in zip(texts, rates, strict=True)]
    return speak_all(requests, np.random.default_rng(0), folder)


def speak_all(
    requests: Sequence[Request], rng: np.random.Generator, folder: Path = kokoro_files.FOLDER
) -> list[Speech]:
    """Speak a list of requests; rate, pauses, pitch and loudness are theirs, the timbre is left to the vocoder.

    Raises SpeechEngineError for a text with unknown words or without any, OptionsError for an unknown voice,
    VoiceDataError when files are missing.
    """
    all_units = [_units(request.text) for request in requests]  # every text is looked at before one is spoken
    styles = [kokoro_files.style(folder, request.voice) for request in requests]
    engine = _engine(folder.resolve())
    parts = zip(requests, all_units, styles, strict=True)
    return [engine.say(units, style, request.how, rng) for request, units, style in parts]


def _units(text: str) -> list[_Unit]:
    text_lexicon.check_known(text)
    units: list[_Unit] = []
    for piece in _PIECE.findall(text.lower()):
        if not piece[0].isalpha() and piece[0] != "'":
            units.append(_Unit("", piece))
            continue
        if units:
            units.append(_Unit("", _GAP))
        for sound in text_lexicon.pronounce(piece):
            symbols = _SYMBOLS[sound.phoneme]
            if sound.murmured:
                symbols = _MURMUR
            elif sound.phoneme == "ER" and not sound.stressed:
                symbols = _UNSTRESSED_ER
            units.append(_Unit(sound.phoneme, (_STRESS if sound.stressed else "") + symbols))
    length = sum(len(unit.symbols) for unit in units)
    if not any(unit.phoneme for unit in units) or length > LONGEST:
        raise SpeechEngineError(
            f"a text of {length} symbols ({text[:40]!r})", f"words, of {LONGEST} symbols at most", "Say it in parts."
        )
    return units


@functools.lru_cache(maxsize=1)
def _engine(folder: Path) -> _Engine:
    return _Engine(folder)


class _Engine:
    """The three graphs, loaded."""

    def __init__(self, folder: Path) -> None:
        kokoro_graphs.prepare(folder)
        self._numbers = kokoro_files.symbols(folder)
        self._front, self._middle, self._back = (kokoro_graphs.session(folder, name) for name in kokoro_graphs.NAMES)

    def say(self, units: Sequence[_Unit], style: np.ndarray, how: Prosody, rng: np.random.Generator) -> Speech:
        """Speak units in the voice of a style table [510, 256]."""
        symbols = [symbol for unit in units for symbol in unit.symbols]
        owner = np.array([-1, *(i for i, unit in enumerate(units) for _ in unit.symbols), -1])
        inputs: dict[str, Any] = {
            "tokens": np.array([[0, *(self._numbers[symbol] for symbol in symbols), 0]], np.int64),
            "style": style[min(len(symbols), len(style)) - 1][None],
        }
        (predicted,) = self._front.run(None, {**inputs, "speed": np.ones(1, np.float32)})
        inputs["frames"] = _frames(predicted.reshape(-1), owner, units, how)[None]
        edges = [float(edge) for edge in np.cumsum([0.0, *inputs["frames"][0]]) * FRAME_S]
        spans = [
            (edges[mine[0]], edges[mine[-1] + 1]) for mine in (np.flatnonzero(owner == i) for i in range(len(units)))
        ]
        pitch, loudness = self._middle.run(None, inputs)
        segments = _segments(units, spans, edges[-1])
        inputs["pitch"] = _pitch(pitch[0], segments, how, rng)[None]
        inputs["loudness"] = _loudness(loudness[0], how)[None]
        (samples,) = self._back.run(None, inputs)
        audio = at_sample_rate(samples.reshape(-1).astype(np.float64), SAMPLE_RATE)
        between = [(unit.symbols, span[0]) for unit, span in zip(units, spans, strict=True) if not unit.phoneme]
        marks = [*(start for symbols, start in between if symbols != _GAP), edges[-1]]
        gaps = [start for symbols, start in between if symbols == _GAP]
        return Speech(audio, without_silent_ends(segments, marks, gaps, audio))


def without_silent_ends(
    segments: Sequence[Segment], marks: Sequence[float], gaps: Sequence[float], audio: np.ndarray
) -> list[Segment]:
    """Segments whose last sound before a pause ends where it is no longer heard: the model lets it last on.

    marks, gaps: seconds at which punctuation and gaps between words begin; a gap is a pause where it is long. audio:
    float64 [N] at 16 kHz, what is spoken.
    """
    hop = CORPUS_RATE // 100
    power = np.square(audio[: len(audio) // hop * hop]).reshape(-1, hop).mean(axis=1)
    heard = np.sqrt(power) > _HEARD * np.sqrt(np.percentile(power, 95)) if len(power) else np.zeros(0, bool)
    out: list[Segment] = []
    for name, start, end in segments:
        last = end
        least = [
            shortest
            for places, shortest in ((marks, _SHORTEST_SILENCE), (gaps, _SHORTEST_PAUSE))
            if any(start < place <= end + _NEAR_MARK for place in places)
        ]
        if name != SIL and least:
            sounding = np.flatnonzero(heard[int(start * 100) : int(np.ceil(end * 100))])
            until = start + float(sounding[-1] + 1) / 100 + _FADES if len(sounding) else end
            last = until if end - until >= min(least) else end
        out += [Segment(name, start, last), Segment(SIL, last, end)]
    return merge(out)


def _frames(predicted: np.ndarray, owner: np.ndarray, units: Sequence[_Unit], how: Prosody) -> np.ndarray:
    """Whole frames of each symbol, float32 [S], at least one; rounding errors are passed on, which keeps the rate."""
    last = len(units) - 1
    frames, carried = np.zeros(len(predicted), np.float32), 0.0
    for k, (wanted, unit) in enumerate(zip(predicted, owner, strict=True)):
        mark = 0 <= unit < last and not units[unit].phoneme and units[unit].symbols != _GAP
        exact = float(wanted) / how.rate * (how.pause if mark else 1.0) + carried
        frames[k] = max(1.0, np.floor(exact + 0.5))
        carried = float(np.clip(exact - frames[k], -1.0, 1.0))
    return frames


def _pitch(hertz: np.ndarray, segments: Sequence[Segment], how: Prosody, rng: np.random.Generator) -> np.ndarray:
    """The predicted pitch [2 N] in another range and with another contour."""
    voiced = hertz > _VOICED_HZ
    if not voiced.any():
        return hertz
    octaves = np.log2(np.maximum(hertz, 1.0))
    mean = float(np.median(octaves[voiced]))
    changed = 2.0 ** melody(octaves, mean, FRAME_S / 2, phrases(segments), how, rng)
    return np.where(voiced, np.clip(changed, _LOWEST_HZ, _HIGHEST_HZ), hertz).astype(np.float32)


def _loudness(predicted: np.ndarray, how: Prosody) -> np.ndarray:
    """The predicted loudness [2 N] with more or less effort and contrast."""
    sounding = predicted > _SILENT
    if not sounding.any():
        return predicted
    mean = predicted[sounding].mean()
    changed = mean + (predicted - mean) * how.contrast + how.effort / _DB_PER_UNIT
    return np.where(sounding, changed, predicted).astype(np.float32)


def _segments(units: Sequence[_Unit], spans: Sequence[tuple[float, float]], seconds: float) -> list[Segment]:
    """Phonemes where they are articulated, with the pauses between them."""
    spoken = [(unit.phoneme, *span) for unit, span in zip(units, spans, strict=True) if unit.phoneme]
    starts: list[float] = []
    for name, start, _ in spoken:
        starts.append(max(start - _LATE[name], starts[-1] + 0.01 if starts else 0.0))
    segments = [Segment(SIL, 0.0, starts[0])]
    for i, (name, _, end) in enumerate(spoken):
        following = starts[i + 1] if i + 1 < len(spoken) else seconds
        pause = i + 1 == len(spoken) or spoken[i + 1][1] - end >= _SHORTEST_PAUSE
        stop = min(max(end - _LATE_END, starts[i] + 0.01), following) if pause else following
        segments += [Segment(name, starts[i], stop), Segment(SIL, stop, following)]
    return merge(segments)
