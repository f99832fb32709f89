"""From a plan of sentences to finished clips: speech, pauses, manner, room, and the motion that belongs to them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emoface_training.vocabulary import EMOTIONS, SAMPLE_RATE

from ..corpus import RawClip, frame_count
from . import expression, recording, speech_espeak, voice
from .phonemes import SIL, Segment, merge
from .speech import Speech
from .speech_engines import engine
from .voice_actors import Actor

SHORTEST, LONGEST = 2.0, 8.0  # seconds


class Line(NamedTuple):
    """What one clip shall be. An empty ``text`` is a clip without speech; ``statement`` is -1 outside the mirror."""

    text: str
    emotion: str
    level: int
    statement: int = -1
    voice: str = ""  # another voice than the actor's own
    pitch: float = 1.0
    formants: float = 1.0
    rough: bool = False
    pauses: bool = False
    vocoder: bool = True


def add_pauses(spoken: Speech, rng: np.random.Generator, longest: float = LONGEST) -> Speech:
    """Lengthen the pauses inside (0.2-1.5 s) and add silence around; never beyond ``longest`` seconds in all."""
    audio, segments = spoken
    inner = [i for i, s in enumerate(segments) if s.phoneme == SIL and 0 < i < len(segments) - 1]
    extra = {i: rng.uniform(0.2, 1.5) for i in inner if rng.random() < 0.5}
    lead = rng.uniform(0.2, 1.0) if rng.random() < 0.35 else rng.uniform(0.03, 0.2)
    tail = rng.uniform(0.4, 1.5) if rng.random() < 0.35 else rng.uniform(0.1, 0.4)
    room = longest - len(audio) / SAMPLE_RATE
    wanted = lead + tail + sum(extra.values())
    shrink = min(1.0, max(0.0, room) / wanted)
    return insert_silence(spoken, lead * shrink, tail * shrink, {i: s * shrink for i, s in extra.items()})


def insert_silence(spoken: Speech, lead: float, tail: float, inner: dict[int, float]) -> Speech:
    """Put silence (seconds) before, after, and into the middle of the pauses with the given segment numbers."""
    audio, segments = spoken
    lead_samples = round(lead * SAMPLE_RATE)
    pieces = [np.zeros(lead_samples)]
    shift, position = lead_samples / SAMPLE_RATE, 0
    out = [Segment(SIL, 0.0, shift)]
    for i, (name, start, end) in enumerate(segments):
        if i in inner:
            cut = round((start + end) / 2 * SAMPLE_RATE)
            count = round(inner[i] * SAMPLE_RATE)
            pieces += [audio[position:cut], np.zeros(count)]
            position = cut
            out.append(Segment(name, start + shift, end + shift + count / SAMPLE_RATE))
            shift += count / SAMPLE_RATE
        else:
            out.append(Segment(name, start + shift, end + shift))
    pieces += [audio[position:], np.zeros(round(tail * SAMPLE_RATE))]
    joined = np.concatenate(pieces)
    out.append(Segment(SIL, out[-1].end, len(joined) / SAMPLE_RATE))
    return Speech(joined, merge(out))


def fit_length(spoken: Speech) -> Speech:
    """Cut a clip that is too long with a short fade, fill up one that is too short with silence."""
    audio, segments = spoken
    if len(audio) < SHORTEST * SAMPLE_RATE:
        return insert_silence(spoken, 0.0, SHORTEST - len(audio) / SAMPLE_RATE, {})
    limit = round(LONGEST * SAMPLE_RATE)
    if len(audio) <= limit:
        return spoken
    audio = audio[:limit].copy()
    audio[-160:] *= np.linspace(1, 0, 160)
    return Speech(audio, merge(Segment(n, s, min(e, LONGEST)) for n, s, e in segments if s < LONGEST))


def _speak(actor: Actor, lines: Sequence[Line], rates: Sequence[float]) -> list[Speech]:
    """Speech of the lines that have text, in order."""
    if actor.engine == "espeak":
        requests = [(line.voice or actor.voice, line.text, rate) for line, rate in zip(lines, rates, strict=True)]
        return speech_espeak.speak_all(requests)
    return engine(actor.engine)(actor.voice, [line.text for line in lines], rates)


def make_clips(actor: Actor, lines: Sequence[Line], rng: np.random.Generator) -> list[RawClip]:
    """Speak and animate the lines of one shard; all randomness comes from ``rng``."""
    manners = [voice.manner(line.emotion, line.level, rng) for line in lines]
    said = [i for i, line in enumerate(lines) if line.text]
    spoken = dict(zip(said, _speak(actor, [lines[i] for i in said], [manners[i].rate for i in said]), strict=True))
    style = expression.actor_style(actor.name)
    clips = []
    for i, (line, manner) in enumerate(zip(lines, manners, strict=True)):
        if line.text:
            speech = spoken[i]
            if line.vocoder:
                how = manner._replace(
                    pitch=manner.pitch * actor.pitch * line.pitch,
                    formants=manner.formants * actor.formants * line.formants,
                )
                speech = Speech(voice.revoice(speech.audio, how, rng), speech.segments)
            speech = add_pauses(speech, rng) if line.pauses else insert_silence(speech, 0.1, 0.25, {})
            speech = fit_length(speech)
        else:
            length = rng.uniform(SHORTEST, 4.0)
            count = round(length * SAMPLE_RATE)
            speech = Speech(np.zeros(count), [Segment(SIL, 0.0, count / SAMPLE_RATE)])
        frames = frame_count(len(speech.audio))
        energy = expression.energy_envelope(speech.audio, frames)
        parameters = expression.motion(speech.segments, energy, line.emotion, line.level, style, rng)
        others = [speech.audio for j, speech in spoken.items() if j != i]
        rough = line.rough or not line.text
        audio = recording.record(
            recording.rest_sounds(speech, rng) if rough else speech,
            rng,
            nearby=others,
            gain_db=manner.gain_db,
            situation=None if rough else recording.nearly_clean(rng),
        )
        clips.append(
            RawClip(
                audio,
                parameters.astype(np.float16),
                speech.segments,
                EMOTIONS.index(line.emotion),
                line.level,
                line.statement,
                line.text,
            )
        )
    return clips
