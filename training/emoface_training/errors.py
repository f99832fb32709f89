"""Every error of training, in one place."""

from __future__ import annotations


class CorpusError(Exception):
    """A corpus on disk, or a request for one, is not usable."""

    exit_code = 5


class SpeechEngineError(CorpusError):
    """A speech engine is missing, or did not do what it was asked to."""


class OptionsError(ValueError):
    """A training configuration that cannot be used; the message says got, expected and remedy."""

    exit_code = 2


class DatasetError(CorpusError):
    """A dataset on disk is not usable; the message names the file and says got, expected and remedy."""


class EmptySplitError(DatasetError, ValueError):
    """A split without clips."""


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


class DistillError(EncoderError):
    """A distillation that cannot begin, resume or go on."""


class AlignmentError(DatasetError):
    """A transcript could not be read, pronounced or laid onto its sound."""


class FaceFormerFileError(OptionsError):
    """A file that is no FaceFormer checkpoint; the message names the file and the keys at fault."""


class CheckpointError(ValueError):
    """A checkpoint folder is missing, incomplete or does not fit; the message says got, expected and remedy."""


class SaveError(CheckpointError):
    """A file of a run could not be written, for example on a full disk; what was saved before is untouched."""

    exit_code = 5


class RunExistsError(OptionsError):
    """A run is never overwritten."""


class TrainingInterrupted(Exception):
    """A run that was asked to stop has saved its checkpoint; the message says how to continue."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class DivergedError(FloatingPointError):
    """The loss is no longer a finite number; the message says what to lower."""

    exit_code = 5
