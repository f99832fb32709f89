"""The speakers of the corpus: which engine and voice each has, how the voice is shifted, and which split it is in.

A training actor is a voice *and* a motion style; the order of the training actors is the order of the model's styles.
One flite voice and a whole engine are held out.
"""

from typing import NamedTuple

import numpy as np


class Actor(NamedTuple):
    """A speaker. ``pitch`` and ``formants`` are factors that turn one engine voice into several people."""

    name: str
    engine: str
    voice: str
    pitch: float = 1.0
    formants: float = 1.0
    split: str = "train"


# Alternating engines, so that a corpus that is still being made is balanced from its first minutes.
TRAIN_ACTORS = (
    Actor("slt", "flite", "slt"),
    Actor("us_m1", "espeak", "en-us+m1"),
    Actor("gb_f1", "espeak", "gmw/en+f1"),
    Actor("awb", "flite", "awb"),
    Actor("us_f2", "espeak", "en-us+f2"),
    Actor("sc_m7", "espeak", "gmw/en-GB-scotland+m7", 0.95, 1.0),
    Actor("kal", "flite", "kal16"),
    Actor("rp_f5", "espeak", "gmw/en-GB-x-rp+f5"),
    Actor("gb_m3", "espeak", "gmw/en+m3", 1.0, 0.95),
    Actor("slt_low", "flite", "slt", 0.72, 0.90),
    Actor("us_f4", "espeak", "en-us+f4", 1.0, 1.05),
    Actor("rp_m8", "espeak", "gmw/en-GB-x-rp+m8"),
    Actor("awb_high", "flite", "awb", 1.55, 1.14),
    Actor("us_m6", "espeak", "en-us+m6"),
    Actor("kal_high", "flite", "kal16", 1.75, 1.17),
    Actor("sc_f3", "espeak", "gmw/en-GB-scotland+f3", 1.05, 1.02),
)
HELD_OUT_ACTORS = (
    Actor("rms", "flite", "rms", split="test_voice"),
    Actor("ked", "festival", "ked_diphone", split="test_engine"),
    Actor("slt_hts", "festival", "cmu_us_slt_arctic_hts", split="test_engine"),
    Actor("kal_diphone", "festival", "kal_diphone", split="test_engine"),
)
ACTORS = TRAIN_ACTORS + HELD_OUT_ACTORS
SPLITS = ("train", "validation", "test_voice", "test_engine", "test_words")

# Further eSpeak timbres, lent clip by clip to the eSpeak actors of the phonetically rich part.
_VARIANTS = (
    "m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 Annie adam anika belinda benjamin david ed edward linda max michael paul "
    "quincy rob robert shelby steph travis zac"
)
ESPEAK_VARIANTS = tuple(_VARIANTS.split())
# Those and the others of eSpeak, without whispers, robots and speed tests: the strangers of the last part.
_STRANGE_VARIANTS = (
    "Alex Alicia Andrea Andy antonio aunty boris caleb Denis Diogo edward2 Gene Gene2 Gustave Henrique Hugo Iven "
    "Iven2 Iven3 Iven4 Jacky John kaukovalta Lee marcelo marco Mario michel miguel Mike Mr norbert pablo pedro "
    "RicishayMax RicishayMax2 RicishayMax3 sandro steph2 steph3 Storm victor grandma grandpa"
)
_ACCENTS = ("en-us", "en-us", "gmw/en", "gmw/en-GB-x-rp", "gmw/en-GB-scotland")
_FLITE_SHARE = 0.5
# By flite voice: factors on pitch and formants, lowest and highest, on a logarithmic scale.
_FLITE_RANGES = {"slt": (0.6, 1.3, 0.84, 1.08), "awb": (0.75, 1.7, 0.94, 1.20), "kal16": (0.75, 1.75, 0.94, 1.20)}


def actors_of(split: str) -> tuple[Actor, ...]:
    """The speakers heard in a split; validation and test_words are spoken by the training actors."""
    held_out = tuple(actor for actor in HELD_OUT_ACTORS if actor.split == split)
    return held_out or TRAIN_ACTORS


def stranger(actor: Actor, rng: np.random.Generator) -> Actor:
    """Somebody who moves like ``actor`` and speaks with a random training voice, pitch and length of the throat."""
    if rng.random() < _FLITE_SHARE:
        voice = list(_FLITE_RANGES)[rng.integers(len(_FLITE_RANGES))]
        low, high, short, long = np.log(_FLITE_RANGES[voice])
        size = rng.random()  # high voices come from small throats, more or less
        pitch = np.exp(low + (high - low) * size)
        formants = np.exp(short + (long - short) * np.clip(size + rng.normal(0, 0.2), 0, 1))
        return actor._replace(engine="flite", voice=voice, pitch=float(pitch), formants=float(formants))
    variants = ESPEAK_VARIANTS + tuple(_STRANGE_VARIANTS.split())
    voice = f"{_ACCENTS[rng.integers(len(_ACCENTS))]}+{variants[rng.integers(len(variants))]}"
    pitch, formants = np.exp(rng.normal(0, 0.15)), rng.uniform(0.9, 1.1)
    return actor._replace(engine="espeak", voice=voice, pitch=float(pitch), formants=float(formants))
