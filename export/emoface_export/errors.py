"""The error of the exporter."""

from emoface.errors import EmoFaceError


class ExportError(EmoFaceError):
    """A model that cannot be exported, or an export that does not reproduce the model (exit code 3)."""

    exit_code = 3
