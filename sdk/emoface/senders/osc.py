"""OSC 1.0: messages and bundles as bytes, and a sink that sends every weight to an address of its own.

A message is the address, the types and the arguments, each padded with zeros to a multiple of four bytes; numbers are
big-endian. Bundles are as large as a datagram that no network cuts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from emoface.errors import SenderError
from emoface.senders.frame import SentFrame, angles
from emoface.senders.visemes import VisemeMap, viseme_map

Argument = float | int | str
PORT = 9000
PREFIX = "/emoface"
LARGEST = 1400
"""Bytes of a bundle: less than an Ethernet frame holds."""
_BUNDLE = b"#bundle\0" + struct.pack(">Q", 1)  # time 1: at once
_FORBIDDEN = set(' #*,?[]{}"')


def message(address: str, *arguments: Argument) -> bytes:
    """A message; floats as f, integers as i, texts as s.

    Raises:
        SenderError: an address that does not begin with / or has a space or one of #*,?[]{} in it.
    """
    if not address.startswith("/") or not address.isascii() or _FORBIDDEN & set(address) or not address.isprintable():
        raise SenderError(f"the OSC address {address!r}", "/ and ASCII without spaces and #*,?[]{}", "Choose another.")
    types, body = ",", b""
    for argument in arguments:
        if isinstance(argument, str):
            types, body = types + "s", body + _padded(argument.encode())
        elif isinstance(argument, int):
            types, body = types + "i", body + struct.pack(">i", argument)
        else:
            types, body = types + "f", body + struct.pack(">f", argument)
    return _padded(address.encode()) + _padded(types.encode()) + body


def bundles(messages: Iterable[bytes]) -> list[bytes]:
    """Messages in their order, in as few bundles of at most `LARGEST` bytes as hold them."""
    made, held = list[bytes](), _BUNDLE
    for one in messages:
        element = struct.pack(">i", len(one)) + one
        if len(held) > len(_BUNDLE) and len(held) + len(element) > LARGEST:
            made.append(held)
            held = _BUNDLE
        held += element
    return [*made, held] if len(held) > len(_BUNDLE) else made


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (4 - len(data) % 4)


class Osc:
    """Addresses below a prefix: `/time`, `/weight/NAME`, `/viseme/NAME`, `/emotion/NAME` (f each), `/head` (fff).

    Args:
        prefix: what every address begins with.
        visemes: a set of visemes that is sent beside the weights; see `emoface.senders.visemes`.
        flat: `/NAME` instead of `/weight/NAME`: for programs that look for the shapes there.

    Raises:
        SenderError: a prefix that no address can begin with; an unknown set.
    """

    port = PORT

    def __init__(self, prefix: str = PREFIX, visemes: str | None = None, flat: bool = False) -> None:
        message(f"{prefix}/time")
        self._prefix, self._weights = prefix, f"{prefix}/" if flat else f"{prefix}/weight/"
        self._visemes: VisemeMap | None = None if visemes is None else viseme_map(visemes)

    def packets(self, frame: SentFrame) -> list[bytes]:
        """The bundles of a frame; the first begins with the time."""
        said = [message(f"{self._prefix}/time", frame.time)]
        said += [message(f"{self._weights}{name}", weight) for name, weight in frame.weights.items()]
        if self._visemes is not None:
            of = self._visemes.weights(frame.weights).items()
            said += [message(f"{self._prefix}/viseme/{name}", weight) for name, weight in of]
        said += [message(f"{self._prefix}/emotion/{name}", weight) for name, weight in frame.emotion.items()]
        if frame.head_rotation is not None:
            said.append(message(f"{self._prefix}/head", *angles(frame.head_rotation)))
        return bundles(said)
