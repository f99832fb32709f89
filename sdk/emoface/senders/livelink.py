"""The packets of the app Live Link Face (ARKit), version 6: what Unreal Engine's plugin listens to on UDP port 11111.

One datagram per frame, big-endian: u8 6 | i32 n, device id | i32 n, subject | i32 frame | f32 subframe | i32 fps |
i32 denominator | u8 61 | 61 f32. Texts have no terminator.
"""

from __future__ import annotations

import math
import struct
import uuid
from collections.abc import Mapping

from emoface.errors import SenderError
from emoface.rig.names import ARKIT_52
from emoface.senders.frame import SentFrame, angles

PORT = 11111
VERSION = 6
_EYE = ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")
_PAIRS = (("Smile", "Frown", "Dimple", "Stretch"), ("Press", "LowerDown", "UpperUp"))


def _both(part: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{part}{name}{side}" for name in names for side in ("Left", "Right"))


# Not the order of the app's own csv, which has Right before Left twice: shapes are looked up by name.
SHAPES: tuple[str, ...] = (
    *(f"eye{name}Left" for name in _EYE),
    *(f"eye{name}Right" for name in _EYE),
    *("jawForward", "jawLeft", "jawRight", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight"),
    *_both("mouth", _PAIRS[0]),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *_both("mouth", _PAIRS[1]),
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)
"""The first 52 values, by ARKit's names."""
ANGLES = (
    *("HeadYaw", "HeadPitch", "HeadRoll"),
    *(f"{side}Eye{angle}" for side in ("Left", "Right") for angle in ("Yaw", "Pitch", "Roll")),
)
"""The other nine. The eyes' are 0: where they look is in the shapes."""
_UNITS = {"radians": 1.0, "half-turns": 1 / math.pi}
_LONGEST = 255
assert set(SHAPES) == set(ARKIT_52)


class LiveLink:
    """Packets of one subject.

    Args:
        fps: frames per second.
        subject: the name that the receiver shows.
        device: what tells this sender from others, 36 characters by custom; None makes one of the subject's name.
        angles: unit of the head's angles: "radians", or "half-turns" (degrees / 180): receivers differ.

    Raises:
        SenderError: an empty or long text, another unit.
    """

    port = PORT

    def __init__(self, fps: int, subject: str = "EmoFace", device: str | None = None, angles: str = "radians") -> None:
        device = str(uuid.uuid5(uuid.NAMESPACE_DNS, subject)).upper() if device is None else device
        for name, text in (("subject", subject), ("device", device)):
            if not text or len(text.encode()) > _LONGEST or not text.isprintable():
                raise SenderError(f"{name}={text!r}", f"1 to {_LONGEST} bytes of text", "Choose another name.")
        if angles not in _UNITS:
            raise SenderError(f"angles={angles!r}", " or ".join(_UNITS), "See what your receiver expects.")
        self._unit = _UNITS[angles]
        self._head = struct.pack(">B", VERSION) + b"".join(_text(text) for text in (device, subject))
        self._fps = fps

    def packets(self, frame: SentFrame) -> list[bytes]:
        """The datagram of a frame."""
        clock = struct.pack(">ifii", frame.index & 0x7FFFFFFF, 0.0, self._fps, 1)
        values = [frame.weights.get(name, 0.0) for name in SHAPES]
        values += [angle * self._unit for angle in angles(frame.head_rotation)] + [0.0] * 6
        return [self._head + clock + struct.pack(f">B{len(values)}f", len(values), *values)]


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">i", len(data)) + data


def read_packet(data: bytes) -> tuple[str, str, int, int, Mapping[str, float]]:
    """Device, subject, frame, fps and the 61 values by name of a packet.

    Raises:
        SenderError: bytes that are none.
    """
    try:
        texts, at = list[str](), 1
        for _ in range(2):
            (length,) = struct.unpack_from(">i", data, at)
            texts.append(data[at + 4 : at + 4 + length].decode())
            at += 4 + length
        frame, _, fps, _, count = struct.unpack_from(">ifiiB", data, at)
        values = struct.unpack_from(f">{count}f", data, at + 17)
        if data[0] != VERSION or at + 17 + 4 * count != len(data) or count != len(SHAPES) + len(ANGLES):
            raise ValueError(f"version {data[0]}, {count} values, {len(data)} bytes")
    except (struct.error, ValueError, IndexError) as error:
        raise SenderError(f"a packet with {error}", "a packet of Live Link Face 6", "See docs/send.md.") from None
    return texts[0], texts[1], frame, fps, dict(zip((*SHAPES, *ANGLES), values, strict=True))
