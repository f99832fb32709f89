"""Why a voice is refused or ends: one table, from which every protocol takes its own numbers."""

from __future__ import annotations

from typing import NamedTuple

from emoface.errors import (
    AudioError,
    ConditionError,
    RuntimeFailure,
    StreamEndedError,
    UsageError,
)


class Code(NamedTuple):
    """One reason.

    Attributes:
        websocket: close code (RFC 6455; 4000 and above are ours).
        http: status where the answer is HTTP.
        grpc: name of the status in gRPC.
        meaning: for people.
        again: whether the same request may succeed later.
    """

    websocket: int
    http: int
    grpc: str
    meaning: str
    again: bool


CODES: dict[str, Code] = {
    "done": Code(1000, 200, "OK", "the audio ended and every frame was sent", False),
    "going_away": Code(1001, 503, "UNAVAILABLE", "the server is being stopped", True),
    "bad_message": Code(4400, 400, "INVALID_ARGUMENT", "a message that the protocol does not know", False),
    "bad_header": Code(4401, 400, "INVALID_ARGUMENT", "a header with values that are not possible", False),
    "bad_audio": Code(4402, 400, "INVALID_ARGUMENT", "audio that cannot be used", False),
    "bad_condition": Code(4403, 400, "INVALID_ARGUMENT", "an emotion, style, level or person that is unknown", False),
    "out_of_order": Code(4404, 400, "FAILED_PRECONDITION", "a message at a time at which it has no meaning", False),
    "unauthorised": Code(4405, 401, "UNAUTHENTICATED", "no token, or a wrong one", False),
    "forbidden": Code(4406, 403, "PERMISSION_DENIED", "an origin or host that is not allowed", False),
    "too_large": Code(1009, 413, "RESOURCE_EXHAUSTED", "a message larger than allowed", False),
    "too_fast": Code(4408, 429, "RESOURCE_EXHAUSTED", "more audio at once than allowed", True),
    "idle": Code(4409, 408, "DEADLINE_EXCEEDED", "nothing was heard for too long", True),
    "too_many": Code(4410, 503, "RESOURCE_EXHAUSTED", "another voice would make the others late", True),
    "not_kept": Code(4411, 410, "OUT_OF_RANGE", "frames or a session that are no longer kept", False),
    "bad_snapshot": Code(4412, 400, "INVALID_ARGUMENT", "a snapshot that is damaged or of another session", False),
    "lost": Code(4500, 503, "UNAVAILABLE", "the process that ran the voice ended; resume or begin anew", True),
    "failed": Code(1011, 500, "INTERNAL", "an error in the server", False),
}
"""Reasons by name."""


class LiveError(RuntimeFailure):
    """A voice that is refused or ends, with its reason.

    Args:
        code: a name of `CODES`.
        got, expected, remedy: as in `EmoFaceError`.
    """

    def __init__(self, code: str, got: str, expected: str, remedy: str) -> None:
        super().__init__(got, expected, remedy)
        self.args = (code, got, expected, remedy)  # how it travels between processes
        self.code = code


def code_of(error: BaseException) -> str:
    """The reason's name for an error."""
    if isinstance(error, LiveError):
        return error.code
    return next((code for kind, code in _BY_KIND if isinstance(error, kind)), "failed")


_BY_KIND = (
    (ConditionError, "bad_condition"),
    (AudioError, "bad_audio"),
    (StreamEndedError, "out_of_order"),
    (UsageError, "bad_header"),
)
