"""Datagrams when they are due: frames come in blocks, a face wants them one by one on the clock of the audio."""

from __future__ import annotations

import errno
import math
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from emoface.errors import SenderError
from emoface.senders.frame import SentFrame

MOST_DELAY_S = 5.0
_LATENESSES = 100_000  # that are kept for the percentiles: the latest
_BEHIND_S = 0.5  # a source that is later than this has paused: the clock begins anew


class Sink(Protocol):
    """What makes the bytes of a frame."""

    @property
    def port(self) -> int:
        """Where receivers usually listen."""
        ...

    def packets(self, frame: SentFrame) -> list[bytes]:
        """The datagrams of a frame, in order."""
        ...


@dataclass(frozen=True)
class Sent:
    """What a sender has done.

    Attributes:
        frames, packets: sent.
        dropped: frames that were not sent since newer ones came first.
        refused: datagrams that a machine said nobody listens for.
        late_p50_ms, late_p99_ms, late_max_ms: how long after they were due the frames left; NaN without frames.
    """

    frames: int
    packets: int
    dropped: int
    refused: int
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float


class Paced:
    """Sends frames by UDP, each at its time, from a thread of its own.

    The first frame leaves `delay_s` after it came, each later one so much after it as its audio time says. A source
    that pauses, or begins anew at an earlier time, begins the clock anew.

    Args:
        sink: makes the bytes.
        host: name or address.
        port: None is the sink's.
        delay_s: 0 to 5; frames that come in blocks need as much as a block lasts.
        room: frames that may wait; beyond it `send` waits, or drops the oldest.

    Raises:
        SenderError: an unknown or unreachable host, a port or a delay out of range.
    """

    def __init__(
        self, sink: Sink, host: str = "127.0.0.1", port: int | None = None, *, delay_s: float = 0.1, room: int = 120
    ) -> None:
        port = sink.port if port is None else port
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise SenderError(f"port={port!r}", "1 to 65535", "Pass the port that the receiver listens to.")
        if isinstance(delay_s, bool) or not isinstance(delay_s, (int, float)) or not 0 <= delay_s <= MOST_DELAY_S:
            raise SenderError(f"delay_s={delay_s!r}", f"seconds from 0 to {MOST_DELAY_S:g}", "0.1 is enough for most.")
        self._sink, self._delay, self._room = sink, delay_s, max(1, room)
        self._where = f"{host} port {port}"
        self._socket = _open(host, port)
        self._queue = deque[tuple[float, SentFrame]]()
        self._changed = threading.Condition()
        self._anchor = -math.inf  # the clock's time at audio time 0
        self._newest = math.inf  # audio time of the newest frame
        self._closing = False
        self._error: OSError | None = None
        self._frames = self._packets = self._dropped = self._refused = 0
        self._late = deque[float](maxlen=_LATENESSES)
        self._thread = threading.Thread(target=self._run, name="emoface-send", daemon=True)
        self._thread.start()

    def send(self, frames: list[SentFrame], wait: bool = False) -> None:
        """Take the next frames.

        Args:
            frames: in the order of their times.
            wait: until there is room, for sources that are faster than time; else the oldest are dropped.

        Raises:
            SenderError: the network went away, or the sender is closed.
        """
        for frame in frames:
            with self._changed:
                self._check()
                while wait and len(self._queue) >= self._room:
                    self._changed.wait()
                    self._check()
                if len(self._queue) >= self._room:
                    self._queue.popleft()
                    self._dropped += 1
                now = time.monotonic()
                behind = now - (self._anchor + frame.time)
                if frame.time <= self._newest or behind > _BEHIND_S:
                    self._anchor = now + self._delay - frame.time
                    if self._queue:  # nothing overtakes what waits
                        self._anchor = max(self._anchor, self._queue[-1][0] + 1e-3 - frame.time)
                self._newest = frame.time
                self._queue.append((self._anchor + frame.time, frame))
                self._changed.notify_all()

    def forget(self) -> int | None:
        """Drop the frames that wait; the number of the first of them, None where none did.

        For a voice that was interrupted: `LiveVoice.interrupt` takes the number, and its next frames follow at their
        times on the same clock.
        """
        with self._changed:
            if not self._queue:
                return None
            _, first = self._queue[0]
            self._newest = math.nextafter(first.time, -math.inf)
            self._dropped += len(self._queue)
            self._queue.clear()
            self._changed.notify_all()
            return first.index

    @property
    def sent(self) -> Sent:
        """What was done so far."""
        with self._changed:
            late = sorted(self._late)
            counts = (self._frames, self._packets, self._dropped, self._refused)
        at = [1000 * late[min(len(late) - 1, int(share * len(late)))] if late else math.nan for share in (0.5, 0.99, 1)]
        return Sent(*counts, *at)

    def close(self, drain: bool = True) -> None:
        """Send what waits (`drain`), then end; closing twice is harmless.

        Raises:
            SenderError: the network went away.
        """
        with self._changed:
            if not drain:
                self._dropped += len(self._queue)
                self._queue.clear()
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._socket.close()
        with self._changed:
            if self._error is not None and drain:
                self._check()

    def __enter__(self) -> Paced:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(drain=kind is None)

    def _check(self) -> None:
        if self._error is not None:
            reason = self._error.strerror or str(self._error)
            raise SenderError(f"{self._where}: {reason}", "a network that takes datagrams", "Check host and network.")
        if self._closing:
            raise SenderError("frames for a sender that is closed", "an open one", "Make another.")

    def _run(self) -> None:
        made, packets = None, list[bytes]()
        while True:
            with self._changed:
                while not self._queue and not self._closing:
                    self._changed.wait()
                if not self._queue:
                    return
                due, frame = self._queue[0]
            if made is not frame:  # before it is due, so that it leaves at once
                made, packets = frame, self._sink.packets(frame)
            with self._changed:
                if not self._queue or self._queue[0][1] is not frame:
                    continue  # it was dropped
                rest = due - time.monotonic()
                if rest > 0:
                    self._changed.wait(rest)
                    continue  # it may have been forgotten
                self._queue.popleft()
                self._changed.notify_all()
            try:
                self._send(packets)
            except OSError as error:
                with self._changed:
                    self._error, self._queue = error, deque()
                    self._changed.notify_all()
                return
            with self._changed:
                self._frames += 1
                self._late.append(time.monotonic() - due)

    def _send(self, packets: list[bytes]) -> None:
        for packet in packets:
            try:
                self._socket.send(packet)
            except ConnectionRefusedError:
                # The answer to an earlier datagram: nobody listens there yet.
                self._refused += 1
            self._packets += 1


def _open(host: str, port: int) -> socket.socket:
    """A UDP socket that sends to one address."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SenderError(f"the host {host!r}: {reason}", "a name or an address that is known", "Check it.") from None
    made = socket.socket(family, kind, protocol)
    try:
        made.connect(address)
    except OSError as error:
        made.close()
        reason = error.strerror or str(error)
        remedy = "Check the address and this machine's network."
        if error.errno == errno.EACCES:
            remedy = "Send to one machine: broadcast addresses are not taken."
        raise SenderError(f"the host {host!r}: {reason}", "a host that can be reached", remedy) from None
    return made
