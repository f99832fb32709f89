"""Frames leave at their times, not in bursts; what is late, dropped, refused or unreachable is told."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sender_cases import frame

from emoface.errors import SenderError
from emoface.senders.livelink import LiveLink, read_packet
from emoface.senders.paced import Paced


def block(first: int, count: int = 5) -> list:
    return [frame(index, index / 30) for index in range(first, first + count)]


def numbers(packets) -> list[int]:
    return [read_packet(packet)[2] for packet in packets]


def test_blocks_leave_frame_by_frame(receiver):
    paced = Paced(LiveLink(30), port=receiver.port, delay_s=0.05)
    begin = time.monotonic()
    paced.send(block(0, 10))
    paced.send(block(10, 10))
    got = receiver.take(20)
    paced.close()
    times = np.array([at for at, _ in got]) - begin
    assert numbers(packet for _, packet in got) == list(range(20))
    due = 0.05 + np.arange(20) / 30
    assert (times > due - 0.002).all()  # none too early
    assert np.median(times - due) < 0.03
    assert paced.sent.frames == paced.sent.packets == 20 and paced.sent.dropped == 0
    assert 0 <= paced.sent.late_p50_ms <= paced.sent.late_p99_ms <= paced.sent.late_max_ms


def test_a_source_that_waits_is_held_back_and_nothing_is_lost(receiver):
    with Paced(LiveLink(30), port=receiver.port, delay_s=0.0, room=3) as paced:
        begin = time.monotonic()
        paced.send(block(0, 12), wait=True)
        assert time.monotonic() - begin > 7 / 30
    assert numbers(receiver.waiting()) == list(range(12)) and paced.sent.dropped == 0


def test_a_source_that_does_not_wait_loses_the_oldest(receiver):
    with Paced(LiveLink(30), port=receiver.port, delay_s=0.3, room=4) as paced:
        paced.send(block(0, 10))
    assert numbers(receiver.waiting()) == [6, 7, 8, 9]
    assert (paced.sent.frames, paced.sent.dropped) == (4, 6)


def test_what_waits_can_be_forgotten(receiver):
    with Paced(LiveLink(30), port=receiver.port, delay_s=5.0) as paced:
        assert paced.forget() is None
        paced.send(block(3))
        assert paced.forget() == 3
        paced.send([frame(99, 0.0)])
        paced.close(drain=False)
    assert receiver.waiting() == [] and paced.sent.dropped == 6


def test_a_stream_that_begins_anew_and_one_that_pauses(receiver):
    with Paced(LiveLink(30), port=receiver.port, delay_s=0.0) as paced:
        paced.send(block(0, 3))
        paced.send(block(0, 3))  # earlier times: a new clock
        time.sleep(0.8)
        begin = time.monotonic()
        paced.send(block(3, 3))  # late by more than half a second: another
        got = receiver.take(9)
    assert numbers(packet for _, packet in got) == [0, 1, 2, 0, 1, 2, 3, 4, 5]
    assert got[-1][0] - begin > 1.9 / 30


def test_nobody_listens_yet(receiver):
    port = receiver.port
    receiver.close()
    with Paced(LiveLink(30), port=port, delay_s=0.0) as paced:
        paced.send(block(0, 6))
    assert paced.sent.frames == 6 and paced.sent.refused > 0


@pytest.mark.parametrize(
    ("host", "match"),
    [
        ("no-such-host.invalid", "the host 'no-such-host.invalid': "),
        ("256.1.1.1.1", "the host '256.1.1.1.1': "),
        ("x" * 300, "the host 'xxx"),
        ("255.255.255.255", "the host '255.255.255.255': .*Send to one machine"),
    ],
)
def test_hosts_that_cannot_be_reached(host, match):
    with pytest.raises(SenderError, match=match):
        Paced(LiveLink(30), host)


@pytest.mark.parametrize(
    ("options", "match"),
    [({"port": 0}, "port=0"), ({"port": 65536}, "port=65536"), ({"delay_s": 6}, "delay_s=6"), ({"delay_s": -1}, "-1")],
)
def test_wrong_numbers(options, match):
    with pytest.raises(SenderError, match=match):
        Paced(LiveLink(30), **options)


def test_a_network_that_goes_away_and_a_sender_that_is_closed(receiver, monkeypatch):
    paced = Paced(LiveLink(30), port=receiver.port, delay_s=0.0)

    def fails(self, data):
        raise OSError(101, "Network is unreachable")

    class Gone:
        send = fails

        def close(self):
            return None

    paced._socket.close()
    paced._socket = Gone()
    paced.send(block(0, 1))
    with pytest.raises(SenderError, match="Network is unreachable"):
        for _ in range(100):
            time.sleep(0.02)
            paced.send(block(1, 1))
    with pytest.raises(SenderError, match="Network is unreachable"):
        paced.close()
    closed = Paced(LiveLink(30), "127.0.0.1", receiver.port)
    closed.close()
    closed.close()
    with pytest.raises(SenderError, match="closed"):
        closed.send(block(0, 1))
