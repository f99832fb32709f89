"""OSC: bytes against bytes written by hand, addresses, bundles."""

from __future__ import annotations

import pytest
from pythonosc.osc_bundle import OscBundle
from sender_cases import frame, turned

from emoface.errors import SenderError
from emoface.senders.osc import LARGEST, Osc, bundles, message


def test_bytes_of_a_message():
    assert message("/a", 1, 0.5, "xyz") == b"/a\0\0,ifs\0\0\0\0\0\0\0\1\x3f\0\0\0xyz\0"
    assert message("/abc") == b"/abc\0\0\0\0,\0\0\0"
    assert bundles([message("/a", 1)]) == [b"#bundle\0\0\0\0\0\0\0\0\1\0\0\0\x0c/a\0\0,i\0\0\0\0\0\1"]


def read(packets: list[bytes]) -> dict[str, list]:
    return {message.address: message.params for packet in packets for message in OscBundle(packet)}


def test_addresses_of_a_frame():
    given = frame(weights={"jawOpen": 0.5}, emotion={"happy": 0.25}, head_rotation=turned(0.1, 0.2, 0.3))
    got = read(Osc().packets(given))
    assert got["/emoface/time"] == [0.25] and got["/emoface/weight/jawOpen"] == [0.5]
    assert got["/emoface/emotion/happy"] == [0.25]
    assert got["/emoface/head"] == pytest.approx([0.2, 0.1, 0.3], abs=1e-6)
    assert len(got) == 4
    flat = read(Osc("/avatar/parameters", visemes="oculus", flat=True).packets(given))
    assert flat["/avatar/parameters/jawOpen"] == [0.5]
    visemes = {address: params[0] for address, params in flat.items() if "/viseme/" in address}
    assert len(visemes) == 15 and sum(visemes.values()) == pytest.approx(1.0, abs=1e-5)


def test_bundles_are_full_and_keep_the_order():
    messages = [message(f"/{'x' * 40}/{n}", float(n)) for n in range(100)]
    packets = bundles(messages)
    assert all(LARGEST - 80 < len(packet) <= LARGEST for packet in packets[:-1])
    assert [m.address for packet in packets for m in OscBundle(packet)] == [f"/{'x' * 40}/{n}" for n in range(100)]
    assert bundles([]) == []


@pytest.mark.parametrize("prefix", ["emoface", "/a b", "/a#", "/größe", "/a\n", ""])
def test_addresses_that_are_none(prefix):
    if prefix == "":
        assert Osc("").packets(frame())
        return
    with pytest.raises(SenderError, match="the OSC address"):
        Osc(prefix)


def test_an_unknown_set_of_visemes():
    with pytest.raises(SenderError, match="visemes='arpa'; expected one of oculus, vrm, preston-blair"):
        Osc(visemes="arpa")
