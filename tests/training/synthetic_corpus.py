"""A corpus and a rig small enough for tests: tones whose loudness and pitch follow known rig parameters."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from emoface_training.data.synthetic.parameters import RIG_PARAMETERS

FPS, RATE = 30, 16000
VERTICES = 24


@dataclass
class ToneClip:
    """What the corpus' Clip offers, as far as the trainer reads it."""

    audio: np.ndarray
    parameters: np.ndarray
    phonemes: list[tuple[str, float, float]]
    emotion: int
    level: int
    actor: str
    actor_index: int
    statement: int
    text: str = ""
    vertices: None = None
    speaker: str = ""


@dataclass
class ToneReference:
    clip: ToneClip

    def load(self) -> ToneClip:
        return self.clip


@dataclass
class ToneCorpus:
    """Every split holds `count` clips; train voices are a and b, test voices are unknown."""

    count: int = 6
    seconds: float = 1.5
    fps: int = FPS
    sample_rate: int = RATE
    actors: list[str] = field(default_factory=lambda: ["a", "b"])

    def clips(self, split: str) -> list[ToneReference]:
        offset = {"train": 0, "validation": 1000}.get(split, 2000)
        return [ToneReference(tone_clip(offset + i, self.seconds, known=offset < 2000)) for i in range(self.count)]


def tone_clip(seed: int, seconds: float, known: bool = True) -> ToneClip:
    """A tone that is loud where the jaw opens; lips closed in the gaps."""
    generator = np.random.default_rng(seed)
    samples = int(seconds * RATE)
    frames = samples * FPS // RATE
    time = np.arange(samples) / RATE
    rate = generator.uniform(1.0, 3.0)
    envelope = 0.5 - 0.5 * np.cos(2 * np.pi * rate * time)
    audio = 0.3 * envelope * np.sin(2 * np.pi * generator.uniform(150, 400) * time)
    parameters = np.zeros((frames, len(RIG_PARAMETERS)), np.float32)
    opening = envelope[(np.arange(frames) * RATE // FPS)]
    parameters[:, 0] = opening
    parameters[:, 1] = np.clip(1 - 3 * opening, 0, 1)
    emotion = seed % 3
    parameters[:, 8] = 0.2 * emotion
    half = seconds / 2
    phonemes = [("M", 0.0, half), ("AA", half, seconds)]
    actor = "ab"[seed % 2] if known else "c"
    return ToneClip(
        audio.astype(np.float32),
        parameters,
        phonemes,
        emotion,
        seed % 2,
        actor,
        "ab".find(actor),
        (seed % 6) // 4,
        speaker=actor,
    )


class TinyRig:
    """A flat strip of vertices moved linearly by the parameters; lips are its middle, teeth its ends."""

    def __init__(self, vertices: int = VERTICES) -> None:
        columns = vertices // 2
        x = np.repeat(np.arange(columns), 2) * 0.01
        y = np.tile([0.0, 0.01], columns)
        self.template = np.stack([x, y, np.zeros(vertices)], 1).astype(np.float32)
        low = np.arange(0, vertices - 2, 2)
        self.faces = np.concatenate(
            [np.stack([low, low + 2, low + 1], 1), np.stack([low + 1, low + 2, low + 3], 1)]
        ).astype(np.int32)
        self.directions = 0.01 * np.random.default_rng(0).standard_normal((len(RIG_PARAMETERS), vertices, 3))
        # Opening separates the two inner lip rings, closing brings them together, the jaw takes the lower teeth along
        rows = {name: RIG_PARAMETERS.index(name) for name in ("jaw_open", "lips_close", "lip_tuck")}
        for row in rows.values():
            self.directions[row] = 0.0
        upper, lower, teeth = np.arange(8, 16, 2) + 1, np.arange(8, 16, 2), np.arange(0, 4)
        self.directions[rows["jaw_open"], lower, 1] = -0.02
        self.directions[rows["jaw_open"], teeth, 1] = -0.02
        self.directions[rows["lips_close"], lower, 1] = 0.01
        self.directions[rows["lip_tuck"], lower, 2] = -0.01
        self.directions = self.directions.astype(np.float32)
        self.masks = {
            "lips": np.arange(8, 16),
            "eyes_forehead": np.arange(16, vertices),
            "teeth_lower": teeth,
            "teeth_upper": upper,
            "upper_lip_inner": upper,
            "lower_lip_inner": lower,
        }
        self.colours = np.ones_like(self.template)

        self.fields = self.directions.reshape(len(RIG_PARAMETERS), -1)

    def coefficients(self, parameters: np.ndarray) -> np.ndarray:
        return np.asarray(parameters, np.float32)

    def offsets(self, parameters: np.ndarray) -> np.ndarray:
        return (self.coefficients(parameters) @ self.fields).reshape(-1, *self.template.shape)
