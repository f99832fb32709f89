"""Live Link Face: bytes against bytes written by hand, shapes by name, refusals."""

from __future__ import annotations

import math

import pytest
from sender_cases import frame, turned

from emoface.errors import SenderError
from emoface.rig import ARKIT_52
from emoface.senders.livelink import ANGLES, SHAPES, LiveLink, read_packet

DEVICE = "0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9"


def by_hand(values: dict[int, str]) -> bytes:
    """The packet of frame 7 at 30 fps: `values` are the float32 at a place, big-endian, in hexadecimal."""
    head = (
        "06"
        "00000024" + DEVICE.encode().hex() + ""  # 36 characters
        "00000007" + "456d6f46616365" + ""  # EmoFace
        "00000007"  # frame
        "00000000"  # subframe
        "0000001e" + "00000001"  # 30 / 1
        "3d"  # 61 values
    )
    return bytes.fromhex(head + "".join(values.get(place, "00000000") for place in range(61)))


def test_bytes_are_those_written_by_hand():
    weights = {
        "eyeBlinkLeft": 1.0, "eyeBlinkRight": 0.5, "jawLeft": 0.25, "jawRight": 0.75, "jawOpen": 0.125,
        "mouthLeft": 0.0625, "mouthRight": 0.375, "mouthSmileLeft": 1.0, "browInnerUp": 0.5, "cheekPuff": 0.25,
        "noseSneerRight": 0.75, "tongueOut": 0.125,
    }  # fmt: skip
    expected = by_hand(
        {
            0: "3f800000", 7: "3f000000", 15: "3e800000", 16: "3f400000", 17: "3e000000", 21: "3d800000",
            22: "3ec00000", 23: "3f800000", 43: "3f000000", 46: "3e800000", 50: "3f400000", 51: "3e000000",
        }
    )  # fmt: skip
    (packet,) = LiveLink(30, device=DEVICE).packets(frame(weights=weights))
    assert packet == expected
    assert len(packet) == 313 and packet[:5] == b"\x06\x00\x00\x00\x24"


def test_the_heads_angles_follow_the_shapes():
    rotation = turned(0.25, 0.5, -0.125)
    (packet,) = LiveLink(30, device=DEVICE).packets(frame(head_rotation=rotation))
    device, subject, number, fps, values = read_packet(packet)
    assert (device, subject, number, fps) == (DEVICE, "EmoFace", 7, 30)
    assert tuple(values)[52:] == ANGLES
    assert [values[f"Head{angle}"] for angle in ("Yaw", "Pitch", "Roll")] == pytest.approx(
        [0.5, 0.25, -0.125], abs=1e-6
    )
    (packet,) = LiveLink(30, angles="half-turns").packets(frame(head_rotation=rotation))
    assert read_packet(packet)[4]["HeadYaw"] == pytest.approx(0.5 / math.pi, abs=1e-6)


def test_the_order_is_the_packets_own_and_not_the_files():
    assert set(SHAPES) == set(ARKIT_52) and len(SHAPES) == 52 and SHAPES != ARKIT_52
    differ = [place for place in range(52) if SHAPES[place] != ARKIT_52[place]]
    assert differ == [15, 16, 21, 22]
    assert SHAPES[15:17] == ("jawLeft", "jawRight") and SHAPES[21:23] == ("mouthLeft", "mouthRight")


def test_a_device_of_its_own_for_every_subject():
    one, same, other = (LiveLink(30, subject=name).packets(frame())[0] for name in ("Ann", "Ann", "Ben"))
    assert one == same != other
    assert len(read_packet(one)[0]) == 36


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"subject": ""}, "subject=''"),
        ({"subject": "x" * 256}, "subject="),
        ({"device": "a\nb"}, "device="),
        ({"angles": "degrees"}, "angles='degrees'; expected radians or half-turns"),
    ],
)
def test_refusals(options, match):
    with pytest.raises(SenderError, match=match):
        LiveLink(30, **options)


@pytest.mark.parametrize("cut", [0, 1, 20, 100, 312])
def test_packets_that_are_none(cut):
    (packet,) = LiveLink(30).packets(frame())
    for damaged in (packet[:cut], b"\x05" + packet[1:], packet + b"\0"):
        with pytest.raises(SenderError, match="a packet of Live Link Face 6"):
            read_packet(damaged)
