"""Every error the SDK raises on purpose: what it got, what it expected, what to do about it.

The command line exits with the class's `exit_code`: 2 usage, 3 package, 4 audio, 5 runtime.
"""

from __future__ import annotations

from typing import Any


class EmoFaceError(Exception):
    """Base class of all deliberate errors of EmoFace.

    Args:
        got: what was found, with the value.
        expected: what would have been right.
        remedy: what the caller can do now.
    """

    exit_code = 5

    def __init__(self, got: str, expected: str, remedy: str) -> None:
        super().__init__(got, expected, remedy)
        self.got = got
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        return f"got {self.got}; expected {self.expected}. {self.remedy}"


class UsageError(EmoFaceError):
    """A wrong argument or option (exit code 2)."""

    exit_code = 2


class ConditionError(UsageError):
    """An unknown style, emotion, level or person, a wrong weight vector, or a change in the past."""


class PersonError(ConditionError):
    """A person file that is damaged, or a person of another model."""


class TemplateError(UsageError):
    """A template that does not fit the package's topology or cannot be read."""


class RigError(UsageError):
    """Blendshapes, controls or a mesh to retarget to that cannot be used."""


class SenderError(UsageError):
    """A sink that is unknown, cannot be reached, or has nothing to send."""


class CalibrationError(UsageError):
    """A saved calibration that is damaged, or of another package."""


class PackageError(EmoFaceError):
    """A package that cannot be used (exit code 3)."""

    exit_code = 3


class PackageNotFoundError(PackageError):
    """No package at this path or of this name."""


class PackageFormatError(PackageError):
    """The package has a format version that this SDK does not read."""


class PackageIntegrityError(PackageError):
    """A file is missing, truncated, oversized or its SHA-256 differs from the manifest."""


class ManifestError(PackageError):
    """`manifest.json` (or an array it describes) breaks the schema.

    Args:
        file: the file at fault.
        field: the path of the field, for example `stages[1].inputs[0].source`.
    """

    def __init__(self, file: str, field: str, got: str, expected: str, remedy: str) -> None:
        super().__init__(f"{file}: {field} = {got}", expected, remedy)
        self.args = (file, field, got, expected, remedy)
        self.file = file
        self.field = field


class AudioError(EmoFaceError):
    """Audio that cannot be used: dtype, shape, NaN, rate, file (exit code 4)."""

    exit_code = 4


class AudioFileError(AudioError):
    """A sound file that cannot be read as sound."""


class AudioFormatError(AudioError):
    """Sample rate, channels or dtype differ from what the stream was started with."""


class RuntimeFailure(EmoFaceError):
    """The stream or the machine is in a state in which the call cannot work (exit code 5)."""

    exit_code = 5


class ClosedError(RuntimeFailure):
    """The animator was used after `close()`."""


class StreamEndedError(RuntimeFailure):
    """The animator was stepped after `flush()` without `reset()`."""


class VoiceError(RuntimeFailure):
    """Voices of a pool that failed in a step; the others went on.

    Attributes:
        failures: voice -> its error; such a voice needs `reset()` or `restore()`.
        frames: voice -> FrameBatch of those that went on.
    """

    def __init__(self, failures: dict[int, EmoFaceError], frames: dict[int, Any]) -> None:
        first = min(failures)
        super().__init__(
            f"a failure of voice {', '.join(map(str, sorted(failures)))}: {failures[first].got}",
            failures[first].expected,
            f"{failures[first].remedy} The other voices went on: their frames are in `frames` of this error.",
        )
        self.args = (failures, frames)
        self.failures = failures
        self.frames = frames


class SnapshotError(RuntimeFailure):
    """A snapshot that is damaged or belongs to another package, backend, precision or stream format."""


class BackendError(RuntimeFailure):
    """A backend that is unknown, not installed, or failed to load or run a graph."""


class ConcurrentUseError(RuntimeFailure):
    """Two threads used one animator at the same time."""


class OutputError(RuntimeFailure):
    """An output file that could not be written."""
