"""What differs at every visit of a clip: level, steady noise, rumble, equaliser, another voice; nothing moves in time.

All of it is cheap. What is dear or belongs to a device (rooms, bands, codecs, automatic gain, overload, an offset,
music and voices in rooms, sounds of a resting mouth) is in the corpus: `emoface_training.data.synthetic.recording`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from emoface_training.vocabulary import SAMPLE_RATE

EQUALISER_POINTS = 8  # on a logarithmic frequency axis, 50 Hz to the Nyquist frequency
QUIETEST_DB = -45.0
SECOND_VOICE_DB = (-20.0, -4.0)  # against the near voice
SECOND_VOICE_DECAY = (0.2, 0.8)  # seconds by 60 dB
SIGNAL_TO_NOISE_DB = (8.0, 45.0)
NOISE_TILT_DB = 5.0
RUMBLE_TO_HZ = (40.0, 160.0)  # where rumble, breath and plosive pops end, and where a microphone may cut them off
RUMBLE_DB = (-35.0, 3.0)  # of the speech


@dataclass(frozen=True)
class RecordingConditions:
    """How strongly a clip is changed; zeros change nothing.

    equaliser_db: standard deviation of a smooth random frequency response. Probabilities are per crop. gain_db: half
    width of a uniform gain; a quiet crop has one between that and -45 dB instead. Noise is coloured, at a uniform
    signal-to-noise ratio of 8 to 45 dB. Rumble is noise below 40 to 160 Hz, which synthetic speech lacks; as often the
    low frequencies are cut instead. Other voices are farther away: 4 to 20 dB weaker, dull, with much
    echo.
    """

    equaliser_db: float = 0.0
    noise_probability: float = 0.0
    gain_db: float = 0.0
    rumble_probability: float = 0.0
    quiet_probability: float = 0.0
    second_voice_probability: float = 0.0

    def apply(self, audio: np.ndarray, generator: np.random.Generator, behind: Sequence[np.ndarray] = ()) -> np.ndarray:
        """The same speech in another recording.

        Args:
            audio: float32 [N] in -1..1.
            generator: decides; so many draws, whatever the sound is.
            behind: other clips, float32 [N], for a second voice or babble.

        Returns:
            float32 [N] in -1..1.
        """
        samples = len(audio)
        if behind and generator.random() < self.second_voice_probability:
            audio = audio + _second_voice(audio, sum(behind), generator)
        if self.equaliser_db > 0:
            size = fft.next_fast_len(samples + SAMPLE_RATE // 10, real=True)
            spectrum = fft.rfft(audio, size)
            spectrum *= _smooth_response(len(spectrum), self.equaliser_db, generator)
            audio = fft.irfft(spectrum, size)[:samples]
        if generator.random() < self.noise_probability:
            audio = audio + _noise(audio, generator)
        if self.rumble_probability > 0:
            audio = self._low_end(audio, generator)
        decibels = generator.uniform(-self.gain_db, self.gain_db)
        if self.quiet_probability > 0 and generator.random() < self.quiet_probability:
            decibels = generator.uniform(QUIETEST_DB, -self.gain_db)
        gain = 10.0 ** (decibels / 20.0)
        return np.clip(audio * np.float32(gain), -1.0, 1.0).astype(np.float32, copy=False)

    def _low_end(self, audio: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Rumble, or no low frequencies, or neither."""
        kind, corner = generator.random(), np.exp(generator.uniform(*np.log(RUMBLE_TO_HZ)))
        if kind < self.rumble_probability:
            return audio + _rumble(audio, corner, generator)
        if kind < 2 * self.rumble_probability:
            size = fft.next_fast_len(len(audio), real=True)
            cut = fft.rfft(audio, size) * (1.0 - _below(corner, size))
            return fft.irfft(cut, size)[: len(audio)].astype(np.float32, copy=False)
        return audio


def _smooth_response(bins: int, deviation_db: float, generator: np.random.Generator) -> np.ndarray:
    """A real (zero-phase) magnitude response [bins], float32."""
    frequency = np.linspace(0.0, SAMPLE_RATE / 2, bins)
    points = np.geomspace(50.0, SAMPLE_RATE / 2, EQUALISER_POINTS)
    decibels = np.interp(frequency, points, generator.normal(0.0, deviation_db, EQUALISER_POINTS))
    return (10.0 ** (decibels / 20.0)).astype(np.float32)


def _second_voice(audio: np.ndarray, behind: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """What others say as it comes from across a room, float32 [N]."""
    seconds = generator.uniform(*SECOND_VOICE_DECAY)
    samples = int(seconds * SAMPLE_RATE)
    echo = generator.standard_normal(samples, dtype=np.float32) * np.exp(
        -6.9 * np.linspace(0.0, 1.0, samples, dtype=np.float32)
    )
    echo *= 10.0 ** (generator.uniform(-3.0, 9.0) / 20.0) / np.sqrt(np.sum(echo**2))
    echo[0] = 1.0
    size = fft.next_fast_len(len(audio), real=True)
    far = fft.rfft(behind, size) * fft.rfft(echo, size)
    return _beside(audio, far * _below(generator.uniform(2000.0, 6000.0), size), generator.uniform(*SECOND_VOICE_DB))


def _noise(audio: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    spectrum = _white(len(audio), generator)
    spectrum = spectrum * _smooth_response(len(spectrum), NOISE_TILT_DB, generator)
    return _beside(audio, spectrum, -generator.uniform(*SIGNAL_TO_NOISE_DB))


def _rumble(audio: np.ndarray, corner: float, generator: np.random.Generator) -> np.ndarray:
    spectrum = _white(len(audio), generator) * _below(corner, fft.next_fast_len(len(audio), real=True))
    return _beside(audio, spectrum, generator.uniform(*RUMBLE_DB))


def _white(samples: int, generator: np.random.Generator) -> np.ndarray:
    """Spectrum of white noise at least so long."""
    return fft.rfft(generator.standard_normal(fft.next_fast_len(samples, real=True), dtype=np.float32))


def _beside(audio: np.ndarray, spectrum: np.ndarray, decibels: float) -> np.ndarray:
    """The noise of a spectrum, as long as the sound and so many decibels louder than it, float32."""
    noise = fft.irfft(spectrum, fft.next_fast_len(len(audio), real=True))[: len(audio)]
    level = np.sqrt(np.mean(audio**2)) * 10.0 ** (decibels / 20.0)
    return (noise * np.float32(level / (np.sqrt(np.mean(noise**2)) + 1e-12))).astype(np.float32, copy=False)


def _below(corner: float, size: int) -> np.ndarray:
    """A second-order magnitude response that passes what lies below `corner` Hz, float32 [size // 2 + 1]."""
    squared = (fft.rfftfreq(size, 1.0 / SAMPLE_RATE) / corner) ** 2
    return (1.0 / (1.0 + squared * squared)).astype(np.float32)
