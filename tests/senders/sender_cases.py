"""A receiver of datagrams, and frames to send."""

from __future__ import annotations

import socket
import time

import numpy as np

from emoface.senders.frame import SentFrame


class Receiver:
    """A UDP socket on a port of its own; datagrams with the times at which they came."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self.port = self._socket.getsockname()[1]

    def take(self, count: int, timeout: float = 20.0) -> list[tuple[float, bytes]]:
        """The next `count` datagrams."""
        self._socket.settimeout(timeout)
        return [(data := self._socket.recv(65536), (time.monotonic(), data))[1] for _ in range(count)]

    def waiting(self) -> list[bytes]:
        """What has come."""
        self._socket.setblocking(False)
        got = []
        try:
            while True:
                got.append(self._socket.recv(65536))
        except BlockingIOError:
            return got

    def close(self) -> None:
        self._socket.close()


def turned(x: float, y: float, z: float) -> np.ndarray:
    """A rotation by yaw y, then pitch x, then roll z about the turned axes, radians."""
    cx, sx, cy, sy, cz, sz = np.cos(x), np.sin(x), np.cos(y), np.sin(y), np.cos(z), np.sin(z)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return (about_y @ about_x @ about_z).astype(np.float32)


def frame(index: int = 7, time: float = 0.25, weights=None, **more) -> SentFrame:
    """A frame."""
    return SentFrame(index, time, weights or {}, **more)
