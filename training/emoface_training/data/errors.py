"""Errors of recorded datasets."""

from .synthetic.errors import CorpusError


class DatasetError(CorpusError):
    """A dataset on disk is not usable; the message names the file and says got, expected and remedy."""


class EmptySplitError(DatasetError, ValueError):
    """A split without clips."""
