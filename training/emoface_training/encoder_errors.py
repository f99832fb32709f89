"""What can be wrong with an encoder: folder, weights, band, calibration, or the audio it is to learn from."""

from __future__ import annotations

from emoface_training.options import OptionsError


class EncoderError(OptionsError):
    """Base class. `got`, `expected` and `remedy` say what was found, what would be right and what to do."""

    def __init__(self, got: str, expected: str, remedy: str) -> None:
        super().__init__(f"got {got}; expected {expected}. {remedy}")
        self.got, self.expected, self.remedy = got, expected, remedy


class EncoderFolderError(EncoderError):
    """A folder without configuration or weights, or of an architecture that is not supported."""


class EncoderWeightsError(EncoderError):
    """Saved tensors that are missing, of another shape, or stored in a form that could run code."""


class BandError(EncoderError):
    """A band or window that is malformed or wider than allowed."""


class CalibrationError(EncoderError):
    """A group-norm encoder that is to stream without calibrated statistics, or a calibration that is not possible."""


class SpeechError(EncoderError):
    """Audio to distil or calibrate on that is missing or too short."""
