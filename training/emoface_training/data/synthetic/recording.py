"""What a microphone hears of a clean clip: a voice in some room, with something behind it, through a device.

A corpus holds what is dear or belongs to a device: rooms, second voices and music in them, bands, codecs, automatic
gain, overload, offset. What is cheap and should differ at every visit of a clip training does by itself: level, steady
noise, rumble, equaliser and another voice, in `emoface_training.clips.recording_conditions`. The face follows the near
voice alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emoface_training.errors import CorpusError

from . import recording_bands, recording_codecs, recording_levels, recording_noises, recording_rooms
from .recording_codecs import Codec
from .recording_levels import LOUDNESS, decibels
from .recording_music import music
from .recording_rest import rest_sounds
from .speech import Speech

__all__ = ["Situation", "drawn", "nearly_clean", "record", "rest_sounds"]

_NEARLY_CLEAN = 0.4  # share of clips
_LARGEST_OFFSET = 0.05  # of full scale
_LONE = 10.0  # dB by which what is heard behind is quieter than speech where nobody speaks
_FULL = 0.99  # where a careful recording's peak stays


class Situation(NamedTuple):
    """One way to be recorded; all levels in dB.

    room: whether the voice is in one, ``distance`` metres from the microphone. behind: names of NOISES, "babble",
    "voice" or "music", each with its distance below the speech. microphone: "flat", "equalised" or "old". band: one of
    BANDS, or "". level: gain at the end. over: by how much the peak of speech would exceed full scale, 0 = it does not.
    offset: of full scale. floor: hiss of the electronics against full scale, None = digital silence.
    """

    room: bool = False
    distance: float = 0.5
    behind: tuple[tuple[str, float], ...] = ()
    microphone: str = "flat"
    gain_control: bool = False
    band: str = ""
    codec: Codec | None = None
    level: float = 0.0
    over: float = 0.0
    offset: float = 0.0
    floor: float | None = None


def nearly_clean(rng: np.random.Generator) -> Situation:
    """A careful recording: a good level, a little hiss or none."""
    level = rng.uniform(-18, 2)
    return Situation(level=level, floor=_drawn_floor(rng, level))


def drawn(rng: np.random.Generator, nearby: bool) -> Situation:
    """A random situation; about 40 % are nearly clean. Without ``nearby`` voices none talk behind."""
    if rng.random() < _NEARLY_CLEAN:
        return nearly_clean(rng)
    codec = None
    if rng.random() < 0.2:
        codecs = recording_codecs.MP3 if rng.random() < 0.5 else recording_codecs.OPUS
        codec = codecs[int(rng.integers(len(codecs)))]
    band = str(rng.choice(recording_bands.BANDS)) if rng.random() < 0.3 else ""
    level = rng.uniform(-45, -12) if rng.random() < 0.35 else rng.uniform(-12, 6)
    if codec is not None or band == "telephone":
        level = max(level, -25.0)  # a line that codes has brought the voice to a level first
    return Situation(
        room=bool(rng.random() < 0.55),
        distance=float(np.exp(rng.uniform(np.log(0.15), np.log(1.0)))),
        behind=_drawn_behind(rng, nearby),
        microphone=str(rng.choice(["flat", "equalised", "old"], p=[0.3, 0.55, 0.15])),
        gain_control=bool(rng.random() < 0.2),
        band=band,
        codec=codec,
        level=level,
        over=rng.uniform(1, 15) if rng.random() < 0.1 else 0.0,
        offset=rng.uniform(-1, 1) * _LARGEST_OFFSET * (rng.random() < 0.3),
        floor=_drawn_floor(rng, level),
    )


def _drawn_floor(rng: np.random.Generator, level: float) -> float | None:
    """At least 12 dB below speech at a level; None for a quarter."""
    return min(rng.uniform(-85, -58), level - 37) if rng.random() < 0.75 else None


def _drawn_behind(rng: np.random.Generator, nearby: bool) -> tuple[tuple[str, float], ...]:
    behind = []
    if rng.random() < 0.6:
        noise = rng.choice(list(recording_noises.NOISES), p=[0.4, 0.1, 0.2, 0.15, 0.15])
        behind.append((str(noise), rng.uniform(5, 40)))
    kind = rng.choice(["", "voice", "babble", "music"], p=[0.3, 0.25, 0.2, 0.25])
    if kind == "music" or (kind and nearby):
        behind.append((str(kind), rng.uniform(0, 20)))
    return tuple(behind)


def record(
    speech: Speech,
    rng: np.random.Generator,
    *,
    nearby: np.ndarray | Sequence[np.ndarray] | None,
    gain_db: float,
    situation: Situation | None = None,
) -> np.ndarray:
    """A clip as a microphone hears it.

    Args:
        speech: clean speech; its segments tell where the pauses are.
        rng: makes every random decision.
        nearby: other clips' clean speech [M] for a second voice or babble behind; one, several or None.
        gain_db: effort of the voice against its common loudness.
        situation: None = a random one.

    Returns:
        int16 [N]; every sound of the near voice at its place.

    Raises:
        CorpusError: samples that are not finite or not mono, or a gain that is no number.
    """
    audio = _checked(speech.audio, "speech")
    voices = [] if nearby is None else [nearby] if isinstance(nearby, np.ndarray) else list(nearby)
    voices = [voice for voice in (_checked(voice, "nearby speech") for voice in voices) if voice.any()]
    if not np.isfinite(gain_db):
        raise CorpusError(f"a gain of {gain_db} dB", "a finite number", "Correct the manner of the clip.")
    if not len(audio):
        return np.zeros(0, np.int16)
    how = drawn(rng, bool(voices)) if situation is None else situation
    speaking = recording_levels.spoken(speech.segments, len(audio))
    if not speaking.any():  # nothing tells how near a lone voice is but its room: a far one stays far
        far = tuple((name, max(below, _LONE)) for name, below in how.behind)
        how = how._replace(behind=far, over=0.0)
    near = recording_levels.normalised(audio, speaking, gain_db)
    level = LOUDNESS * decibels(gain_db)
    room = recording_rooms.drawn_room(rng) if how.room or how.behind else None
    heard = near
    if room is not None and how.room:
        heard = recording_rooms.in_room(near, recording_rooms.response(room, how.distance, rng))
    for name, below in how.behind:
        heard = heard + level * decibels(-below) * _behind(name, len(audio), room, voices, rng)
    return _through_device(heard, how, rng)


def _checked(audio: np.ndarray, what: str) -> np.ndarray:
    if audio.ndim != 1 or audio.dtype.kind != "f" or not np.isfinite(audio).all():
        raise CorpusError(
            f"{what} of type {audio.dtype} and shape {audio.shape}",
            "finite mono samples, float [N]",
            "Check the speech engine's output.",
        )
    return audio


def _behind(
    name: str,
    count: int,
    room: recording_rooms.Room | None,
    voices: Sequence[np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """What is behind the voice, root mean square 1 [count]: voices and music from farther away in the same room."""
    if name in recording_noises.NOISES:
        return recording_noises.NOISES[name](count, rng)
    if name != "music" and not voices:
        return np.zeros(count)
    if name == "babble":
        sound = recording_noises.babble(count, rng, voices)
    else:
        sound = music(count, rng) if name == "music" else recording_noises.other_voice(count, rng, voices)
        sound = recording_bands.passed(sound, rng.uniform(60, 250), rng.uniform(2500, 7500), rng.uniform(6, 18))
    if room is not None:
        sound = recording_rooms.in_room(sound, recording_rooms.response(room, rng.uniform(1.5, 5.0), rng))
    return recording_noises.unit(sound)


def _through_device(audio: np.ndarray, how: Situation, rng: np.random.Generator) -> np.ndarray:
    """Microphone, amplifier, converter, line: float64 [N] -> int16 [N]."""
    if how.microphone == "old":
        audio = recording_bands.old_microphone(audio, rng)
    elif how.microphone == "equalised":
        audio = recording_bands.equalised(audio, rng)
    if how.gain_control:
        audio = recording_levels.gain_control(audio, rng)
    if how.over:
        audio = recording_levels.overloaded(audio, how.over, rng)
    else:
        audio = audio * decibels(how.level)
        audio = audio * min(1.0, _FULL / max(np.abs(audio).max(), 1e-9))
    if how.floor is not None:
        audio = audio + decibels(how.floor) * recording_noises.microphone_noise(len(audio), rng)
    if how.band:
        audio = recording_bands.banded(audio, how.band, rng)
    if how.codec is not None:
        audio = recording_codecs.coded(audio, how.codec)
    return recording_levels.to_int16(audio + how.offset)
