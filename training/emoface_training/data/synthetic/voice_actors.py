"""The speakers of the corpus: which engine and voice each has, how the voice is shifted, and which split it is in.

A training actor is a voice *and* a motion style; the order of the training actors is the order of the model's styles.
There are few ways of moving and many voices: most shards lend an actor's way of moving to somebody else's voice. Whole
voices (one of flite's, all British men of Kokoro's) and a whole engine are held out.
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


# Neural and other voices in turn, so that a corpus that is still being made is balanced from its first minutes.
TRAIN_ACTORS = (
    Actor("heart", "kokoro", "af_heart"),
    Actor("slt", "flite", "slt"),
    Actor("michael", "kokoro", "am_michael"),
    Actor("us_m1", "espeak", "en-us+m1"),
    Actor("emma", "kokoro", "bf_emma"),
    Actor("awb", "flite", "awb"),
    Actor("puck", "kokoro", "am_puck"),
    Actor("us_f2", "espeak", "en-us+f2"),
    Actor("bella", "kokoro", "af_bella"),
    Actor("sc_m7", "espeak", "gmw/en-GB-scotland+m7", 0.95, 1.0),
    Actor("fenrir", "kokoro", "am_fenrir"),
    Actor("kal", "flite", "kal16"),
    Actor("isabella", "kokoro", "bf_isabella"),
    Actor("rp_f5", "espeak", "gmw/en-GB-x-rp+f5"),
    Actor("onyx", "kokoro", "am_onyx"),
    Actor("slt_low", "flite", "slt", 0.72, 0.90),
)
HELD_OUT_ACTORS = (
    Actor("daniel", "kokoro", "bm_daniel", split="test_voice"),
    Actor("rms", "flite", "rms", split="test_voice"),
    Actor("george", "kokoro", "bm_george", split="test_voice"),
    Actor("fable", "kokoro", "bm_fable", split="test_voice"),
    Actor("lewis", "kokoro", "bm_lewis", split="test_voice"),
    Actor("ked", "festival", "ked_diphone", split="test_engine"),
    Actor("slt_hts", "festival", "cmu_us_slt_arctic_hts", split="test_engine"),
    Actor("kal_diphone", "festival", "kal_diphone", split="test_engine"),
)
ACTORS = TRAIN_ACTORS + HELD_OUT_ACTORS
SPLITS = ("train", "validation", "test_voice", "test_engine", "test_words", "test_prosody")

# Kokoro's voices that training hears; those after the English ones speak it with an accent. Held out: bm_*. Left out:
# af_nicole, who whispers.
_NEURAL = (
    "af_alloy af_aoede af_bella af_heart af_jessica af_kore af_nova af_river af_sarah af_sky am_adam am_echo am_eric "
    "am_fenrir am_liam am_michael am_onyx am_puck am_santa bf_alice bf_emma bf_isabella bf_lily "
    "ef_dora em_alex em_santa ff_siwis hf_alpha hf_beta hm_omega hm_psi if_sara im_nicola jf_alpha jf_gongitsune "
    "jf_nezumi jf_tebukuro jm_kumo pf_dora pm_alex pm_santa zf_xiaobei zf_xiaoni zf_xiaoxiao zf_xiaoyi zm_yunjian "
    "zm_yunxi zm_yunxia zm_yunyang"
)
NEURAL_VOICES = tuple(_NEURAL.split())
_SHIFTED = 0.4  # share of the neural speakers whose voice is shifted

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
    """The speakers heard in a split; validation and test_words are spoken by the training actors.

    ``test_prosody`` is spoken by the held-out voices, who there act in held-out ways.
    """
    split = "test_voice" if split == "test_prosody" else split
    held_out = tuple(actor for actor in HELD_OUT_ACTORS if actor.split == split)
    return held_out or TRAIN_ACTORS


def neural(actor: Actor, number: int, rng: np.random.Generator) -> Actor:
    """Somebody who moves like ``actor`` and speaks with the neural voice of this number, now and then shifted."""
    somebody = actor._replace(
        engine="kokoro", voice=NEURAL_VOICES[number % len(NEURAL_VOICES)], pitch=1.0, formants=1.0
    )
    if rng.random() >= _SHIFTED:
        return somebody
    formants = rng.uniform(0.93, 1.08)
    pitch = formants * np.exp(rng.normal(0, 0.06))  # high voices come from small throats, more or less
    return somebody._replace(pitch=float(pitch), formants=float(formants))


def stranger(actor: Actor, rng: np.random.Generator) -> Actor:
    """Somebody who moves like ``actor`` and speaks with a random training voice of flite's or eSpeak's, its pitch and
    throat changed."""
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
