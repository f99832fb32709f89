"""Errors of the synthetic corpus; each says what was wrong and what to do, and carries a command line exit code."""


class CorpusError(Exception):
    """A corpus on disk, or a request for one, is not usable."""

    exit_code = 5


class SpeechEngineError(CorpusError):
    """A speech engine is missing, or did not do what it was asked to."""
