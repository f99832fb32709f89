"""Every deliberate error of training: got, expected, remedy and an exit code, as `emoface.errors` has them.

Exit codes: 2 a configuration, run or checkpoint that cannot be used, 3 a corpus or dataset that cannot, 4 unusable
sound, 5 the machine: a full disk, a speech engine, a loss that diverges; 130 and 143 after Ctrl-C and SIGTERM.
"""

from __future__ import annotations

import signal

from emoface.errors import AudioError, EmoFaceError, OutputError, RuntimeFailure, UsageError


class OptionsError(UsageError):
    """A configuration or option that cannot be used, or that data, device or processes cannot serve."""


class RunExistsError(OptionsError):
    """A run is never overwritten."""


class CheckpointError(UsageError):
    """A checkpoint folder is missing, incomplete or does not fit."""


class FaceFormerFileError(OptionsError):
    """A file that is no FaceFormer checkpoint; the message names the file and the keys at fault."""


class EncoderError(OptionsError):
    """An encoder that cannot be used; base class of the next five."""


class EncoderFolderError(EncoderError):
    """A folder without configuration or weights, or of an architecture that is not supported."""


class EncoderWeightsError(EncoderError):
    """Saved tensors that are missing, of another shape, or stored in a form that could run code."""


class BandError(EncoderError):
    """A band or window that is malformed or wider than allowed."""


class EncoderStatisticsError(EncoderError):
    """A group-norm encoder that is to stream without calibrated statistics, or a calibration that is not possible."""


class DistillError(EncoderError):
    """A distillation that cannot begin, resume or go on."""


class CorpusError(EmoFaceError):
    """A corpus on disk, or a request for one, is not usable (exit code 3)."""

    exit_code = 3


class DatasetError(CorpusError):
    """A dataset on disk is not usable; the message names the file."""


class FaceDataError(CorpusError):
    """The data files a face is built from are missing, damaged or not those expected."""


class PersonError(OptionsError):
    """A person who cannot be made: an unknown name or shape, or a parameter out of range."""


class EmptySplitError(DatasetError):
    """A split without clips."""


class SpeechError(AudioError):
    """Sound to learn from, calibrate on or measure with that is missing, too short, silent or damaged."""


class AlignmentError(SpeechError):
    """A transcript could not be read, pronounced or laid onto its sound."""


class SpeechEngineError(RuntimeFailure):
    """A speech engine is missing, or did not do what it was asked to."""


class VoiceDataError(SpeechEngineError):
    """The files of the neural voices are missing, damaged or not those expected."""


class SaveError(OutputError):
    """A file of a run could not be written, for example on a full disk; what was saved before is untouched."""


class DivergedError(RuntimeFailure):
    """The loss is no longer a finite number; the message says what to lower."""


class TrainingInterrupted(EmoFaceError):
    """A run that was asked to stop has saved its checkpoint (exit code 128 + the signal's number)."""

    def __init__(self, number: int, when: str, place: str) -> None:
        name = signal.Signals(number).name
        super().__init__(
            f"{name} {when}",
            "the end of the training",
            f"It is saved in {place}: continue with the same command and --resume.",
        )
        self.args = (number, when, place)
        self.exit_code = 128 + number
