"""Sinks by name, and a live voice's frames for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emoface.errors import SenderError
from emoface.senders.frame import require_shapes, split
from emoface.senders.livelink import LiveLink
from emoface.senders.osc import Osc
from emoface.senders.paced import Paced, Sent, Sink
from emoface.senders.vmc import Vmc

if TYPE_CHECKING:
    from emoface.live.voice import LiveFrames

SINKS = ("livelink", "vmc", "osc")


def make_sink(to: str, fps: int, **options: Any) -> Sink:
    """The sink of this name.

    Args:
        to: one of `SINKS`.
        fps: frames per second.
        **options: of `LiveLink`, `Vmc` or `Osc`.

    Raises:
        SenderError: another name; and as of the sinks.
    """
    if to == "livelink":
        return LiveLink(fps, **options)
    if to == "vmc":
        return Vmc(**options)
    if to == "osc":
        return Osc(**options)
    raise SenderError(f"the sink {to!r}", f"one of {', '.join(SINKS)}", "See `emoface send --help`.")


class LiveSink:
    """Sends the frames of a live voice when they are due.

    Args:
        sink: makes the bytes.
        names: of the voice's blendshape weights.
        emotions: of the package.
        host, port, delay_s: as of `Paced`.

    Raises:
        SenderError: none of ARKit's shapes among the names; and as `Paced`.
    """

    def __init__(
        self,
        sink: Sink,
        names: tuple[str, ...],
        emotions: tuple[str, ...],
        host: str = "127.0.0.1",
        port: int | None = None,
        delay_s: float = 0.1,
    ) -> None:
        require_shapes(names)
        self._names, self._emotions = names, emotions
        self._paced = Paced(sink, host, port, delay_s=delay_s)

    def send(self, frames: LiveFrames, wait: bool = False) -> None:
        """Take the next frames; `wait` and errors as of `Paced.send`."""
        self._paced.send(list(split(frames, self._names, self._emotions)), wait)

    def forget(self) -> int | None:
        """Drop what waits when the voice is interrupted: `sink.send(voice.interrupt(sink.forget()))`."""
        return self._paced.forget()

    @property
    def sent(self) -> Sent:
        """What was done so far."""
        return self._paced.sent

    def close(self, drain: bool = True) -> None:
        """As of `Paced.close`."""
        self._paced.close(drain)
