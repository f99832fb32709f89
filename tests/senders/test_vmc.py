"""VMC: what an OSC server of other people receives, in order, with Unity's axes."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer
from sender_cases import frame, turned

from emoface.errors import SenderError
from emoface.rig import ARKIT_52
from emoface.senders.frame import quaternion
from emoface.senders.osc import LARGEST
from emoface.senders.paced import Paced
from emoface.senders.vmc import Vmc


@pytest.fixture
def server():
    """python-osc's server: (port, list of (address, arguments))."""
    got: list[tuple[str, tuple]] = []
    dispatcher = Dispatcher()
    dispatcher.set_default_handler(lambda address, *arguments: got.append((address, arguments)))
    with BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made.server_address[1], got
        made.shutdown()
        thread.join()


def received(server, sink: Vmc, *frames) -> list[tuple[str, tuple]]:
    port, got = server
    with Paced(sink, "127.0.0.1", port, delay_s=0.0) as paced:
        paced.send(list(frames))
    end, count = time.monotonic() + 5, -1
    while time.monotonic() < end and count != len(got):
        count = len(got)
        time.sleep(0.1)
    return got


def test_a_frame_in_order(server):
    rotation, translation = turned(0.2, -0.4, 0.1), np.array([0.01, 0.02, -0.03], np.float32)
    given = frame(
        weights={"eyeBlinkLeft": 0.75, "eyeLookOutLeft": 0.5, "eyeLookInRight": 0.25},
        emotion={"happy": 0.5, "calm": 0.25},
        head_rotation=rotation,
        head_translation=translation,
    )
    got = received(server, Vmc(head_rest=(0.0, 0.25, 0.0)), given)
    addresses = [address for address, _ in got]
    assert addresses[:2] == ["/VMC/Ext/OK", "/VMC/Ext/T"] and got[0][1] == (1,) and got[1][1] == (0.25,)
    assert addresses[-2:] == ["/VMC/Ext/Blend/Apply", "/VMC/Ext/Bone/Pos"]
    assert set(addresses[2:-2]) == {"/VMC/Ext/Blend/Val"}
    values = dict(arguments for _, arguments in got[2:-2])
    assert set(values) == {
        "aa", "ih", "ou", "ee", "oh", "blinkLeft", "blinkRight", "lookUp", "lookDown", "lookLeft", "lookRight",
        "happy", "angry", "sad", "relaxed", "surprised", "neutral",
    }  # fmt: skip
    assert (values["blinkLeft"], values["blinkRight"]) == (0.75, 0.0)
    assert (values["lookLeft"], values["lookRight"]) == (0.375, 0.0)
    assert (values["happy"], values["relaxed"], values["sad"]) == (0.5, 0.25, 0.0)
    name, px, py, pz, *turn = got[-1][1]
    assert name == "Head" and (px, py, pz) == pytest.approx((-0.01, 0.27, -0.03), abs=1e-6)
    x, y, z, w = quaternion(rotation)
    assert turn == pytest.approx((x, -y, -z, w), abs=1e-6)


def test_axes():
    """A head that turns to its left (+Y here) turns about -Y in Unity; a nod has the same sign in both."""
    for turn, expected in (((0.3, 0, 0), (1, 0, 0)), ((0, 0.3, 0), (0, -1, 0)), ((0, 0, 0.3), (0, 0, -1))):
        x, y, z, w = quaternion(turned(*turn))
        half = np.sin(0.15)
        assert (x, -y, -z, w) == pytest.approx((*(half * e for e in expected), np.cos(0.15)), abs=1e-6)
    for seed in range(20):
        turn = np.random.default_rng(seed).uniform(-3, 3, 3)
        x, y, z, w = quaternion(rotation := turned(*turn))
        again = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        np.testing.assert_allclose(again, rotation, atol=1e-6)


def test_names_of_vrm_0(server):
    got = received(server, Vmc("vrm0", head=False), frame(weights={"eyeBlinkRight": 1.0}, emotion={"sad": 1.0}))
    values = dict(arguments for address, arguments in got if address == "/VMC/Ext/Blend/Val")
    assert set(values) == {
        "A", "I", "U", "E", "O", "Blink_L", "Blink_R", "LookUp", "LookDown", "LookLeft", "LookRight",
        "Joy", "Angry", "Sorrow", "Fun", "Neutral",
    }  # fmt: skip
    assert (values["Blink_R"], values["Sorrow"]) == (1.0, 1.0)
    assert got[-1][0] == "/VMC/Ext/Blend/Apply"


def test_perfect_sync(server):
    weights = {name: place / 64 for place, name in enumerate(ARKIT_52)}
    got = received(server, Vmc("perfect-sync"), frame(weights=weights))
    values = dict(arguments for address, arguments in got if address == "/VMC/Ext/Blend/Val")
    assert values == {name[0].upper() + name[1:]: weight for name, weight in weights.items()}
    assert "BrowInnerUp" in values and len(values) == 52


def test_datagrams_that_no_network_cuts():
    packets = Vmc("perfect-sync").packets(frame(weights=dict.fromkeys(ARKIT_52, 0.5)))
    assert len(packets) > 1 and max(map(len, packets)) <= LARGEST


def test_refusals():
    with pytest.raises(SenderError, match="names='vrm2'; expected one of vrm1, vrm0, perfect-sync"):
        Vmc("vrm2")
    with pytest.raises(SenderError, match=r"expressions=1\.5"):
        Vmc(expressions=1.5)
