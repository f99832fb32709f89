"""Classes of the statuses of the C interface. Written by bindings/build_errors.py from csrc/include/emoface.h."""

from __future__ import annotations

from emoface import errors

STATUS_ERRORS: dict[int, type[errors.EmoFaceError]] = {
    -1: errors.UsageError,  # ARGUMENT
    -2: errors.UsageError,  # BUFFER_TOO_SMALL
    -3: errors.ConditionError,  # CONDITION
    -4: errors.TemplateError,  # TEMPLATE
    -10: errors.PackageError,  # PACKAGE
    -11: errors.PackageNotFoundError,  # PACKAGE_NOT_FOUND
    -12: errors.PackageFormatError,  # PACKAGE_FORMAT
    -13: errors.PackageIntegrityError,  # PACKAGE_INTEGRITY
    -14: errors.ManifestError,  # MANIFEST
    -20: errors.AudioError,  # AUDIO
    -21: errors.AudioFormatError,  # AUDIO_FORMAT
    -30: errors.RuntimeFailure,  # RUNTIME
    -31: errors.StreamEndedError,  # STREAM_ENDED
    -32: errors.SnapshotError,  # SNAPSHOT
    -33: errors.BackendError,  # BACKEND
    -34: errors.ConcurrentUseError,  # CONCURRENT_USE
    -35: errors.RuntimeFailure,  # QUEUE_FULL
    -36: errors.RuntimeFailure,  # MODE
    -37: errors.RuntimeFailure,  # OUT_OF_MEMORY
    -38: errors.RuntimeFailure,  # INTERNAL
}
