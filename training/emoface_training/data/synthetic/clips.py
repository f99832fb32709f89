"""From a plan of sentences to finished clips: speech, pauses, manner, room, and the motion that belongs to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emoface_training.vocabulary import EMOTIONS, SAMPLE_RATE

from ..corpus import RawClip, frame_count
from . import expression, kokoro_files, prosody, recording, speech_espeak, speech_kokoro, voice
from .phonemes import SIL, Segment, merge
from .prosody import Prosody
from .speech import Speech
from .speech_engines import engine
from .voice_actors import Actor

SHORTEST, LONGEST = 2.0, 8.0  # seconds
_ANOTHER_MICROPHONE = 0.4  # share of clips


class Line(NamedTuple):
    """What one clip shall be. An empty ``text`` is a clip without speech; ``statement`` is -1 outside the mirror."""

    text: str
    emotion: str
    level: int
    statement: int = -1
    voice: str = ""  # another voice than the actor's own
    pitch: float = 1.0
    formants: float = 1.0
    rough: bool = False  # recorded as people do it: 40 % nearly clean; else all are
    pauses: bool = False
    vocoder: bool = True
    newcomer: bool = False  # somebody else than in the shard's other clips
    held_out: bool = False  # acts in a held-out way


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


def stretch_pauses(spoken: Speech, factor: float) -> Speech:
    """Every pause inside lasts ``factor`` times as long: silence is put into its middle, or its middle is cut out."""
    audio, segments = spoken
    pieces, position, shift = [], 0, 0.0
    out: list[Segment] = []
    for i, (name, start, end) in enumerate(segments):
        extra = 0
        if name == SIL and 0 < i < len(segments) - 1:
            extra = round((factor - 1) * (end - start) * SAMPLE_RATE)
            middle = round((start + end) / 2 * SAMPLE_RATE)
            pieces += [audio[position : middle + min(0, extra) // 2], np.zeros(max(0, extra))]
            position = middle + min(0, extra) // 2 - min(0, extra)
        out.append(Segment(name, start + shift, end + shift + extra / SAMPLE_RATE))
        shift += extra / SAMPLE_RATE
    return Speech(np.concatenate([*pieces, audio[position:]]), merge(out))


def _speak(
    actor: Actor, lines: Sequence[Line], how: Sequence[Prosody], rng: np.random.Generator, voices: Path
) -> list[Speech]:
    """Speech of the lines that have text, in order, each as its prosody has it."""
    names = [line.voice or actor.voice for line in lines]
    if actor.engine == "kokoro":
        parts = zip(names, lines, how, strict=True)
        requests = [speech_kokoro.Request(name, line.text, wanted) for name, line, wanted in parts]
        spoken = speech_kokoro.speak_all(requests, rng, voices)
        # Timing, pitch and loudness are done
        left = [voice.timbre(wanted) if voice.audible(wanted) else Prosody() for wanted in how]
    else:
        rates = [wanted.rate for wanted in how]
        if actor.engine == "espeak":
            texts = [line.text for line in lines]
            spoken = speech_espeak.speak_all(list(zip(names, texts, rates, strict=True)))
        else:
            spoken = engine(actor.engine)(actor.voice, [line.text for line in lines], rates)
        spoken = [stretch_pauses(speech, wanted.pause) for speech, wanted in zip(spoken, how, strict=True)]
        left = [wanted if line.vocoder else Prosody() for line, wanted in zip(lines, how, strict=True)]
    return [
        speech
        if wanted == Prosody()
        else Speech(voice.revoice(speech.audio, speech.segments, wanted, rng), speech.segments)
        for speech, wanted in zip(spoken, left, strict=True)
    ]


def _of_the_body(how: Prosody, actor: Actor, line: Line) -> Prosody:
    """The prosody with the pitch and throat of whoever speaks."""
    semitones = 12 * float(np.log2(actor.pitch * line.pitch))
    return how._replace(pitch=how.pitch + semitones, formants=how.formants * actor.formants * line.formants)


def stored(segments: Sequence[Segment]) -> list[Segment]:
    """Segments with times as a shard keeps them, float32."""
    return [Segment(name, float(np.float32(start)), float(np.float32(end))) for name, start, end in segments]


def motion(
    actor: str, segments: Sequence[Segment], energy: np.ndarray, emotion: int, level: int, seed: int
) -> np.ndarray:
    """Rig parameters float16 [T, P] from what a shard keeps of a clip, and from nothing else."""
    style, rng = expression.actor_style(actor), np.random.default_rng(seed)
    rows = expression.motion(segments, energy.astype(np.float64), EMOTIONS[emotion], level, style, rng)
    return rows.astype(np.float16)


def make_clips(
    actor: Actor, lines: Sequence[Line], rng: np.random.Generator, voices: Path = kokoro_files.FOLDER
) -> list[RawClip]:
    """Speak and animate the lines of one shard; all randomness comes from ``rng``.

    ``voices`` is the folder of the neural voices' files.
    """
    person = prosody.speaker(rng)
    drawn = [
        prosody.draw(
            line.emotion, line.level, prosody.speaker(rng) if line.newcomer else person, rng, held_out=line.held_out
        )
        for line in lines
    ]
    said = [i for i, line in enumerate(lines) if line.text]
    wanted = [_of_the_body(drawn[i][0], actor, lines[i]) for i in said]
    spoken = dict(zip(said, _speak(actor, [lines[i] for i in said], wanted, rng, voices), strict=True))
    # One microphone for most of what a person says: only then is loudness a sign of effort
    usual = {True: recording.drawn(rng, len(said) > 1), False: recording.nearly_clean(rng)}
    clips = []
    for i, (line, (how, way)) in enumerate(zip(lines, drawn, strict=True)):
        if line.text:
            speech = spoken[i]
            speech = add_pauses(speech, rng) if line.pauses else insert_silence(speech, 0.1, 0.25, {})
            speech = fit_length(speech)
        else:
            length = rng.uniform(SHORTEST, 4.0)
            count = round(length * SAMPLE_RATE)
            speech = Speech(np.zeros(count), [Segment(SIL, 0.0, count / SAMPLE_RATE)])
        frames = frame_count(len(speech.audio))
        energy = expression.energy_envelope(speech.audio, frames).astype(np.float16)
        segments, seed = stored(speech.segments), int(rng.integers(1 << 62))
        others = [speech.audio for j, speech in spoken.items() if j != i]
        rough = line.rough or not line.text
        another = line.newcomer or not line.text or rng.random() < _ANOTHER_MICROPHONE
        audio = recording.record(
            recording.rest_sounds(speech, rng) if rough else speech,
            rng,
            nearby=others,
            gain_db=how.effort,
            situation=usual[rough] if not another else None if rough else recording.nearly_clean(rng),
        )
        emotion = EMOTIONS.index(line.emotion)
        clips.append(
            RawClip(
                audio,
                motion(actor.name, segments, energy, emotion, line.level, seed),
                segments,
                emotion,
                line.level,
                line.statement,
                line.text,
                way=way if line.text else "",
                energy=energy,
                motion_seed=seed,
            )
        )
    return clips
