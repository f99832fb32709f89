"""VMC protocol 3.1 over OSC: a face for VRM avatars, to a marionette (port 39539) or a performer (39540).

Per frame: `/VMC/Ext/OK` 1, `/VMC/Ext/T` seconds, `/VMC/Ext/Blend/Val` name weight for every expression,
`/VMC/Ext/Blend/Apply`, and the head as `/VMC/Ext/Bone/Pos`. VMC has Unity's axes: of ours (glTF's: +Y up, +Z front), a
position (x, y, z) becomes (-x, y, z) and a quaternion (x, y, z, w) becomes (x, -y, -z, w).
"""

from __future__ import annotations

from collections.abc import Mapping

from emoface.errors import SenderError
from emoface.rig.names import ARKIT_52
from emoface.senders.frame import SentFrame, quaternion
from emoface.senders.osc import bundles, message
from emoface.senders.visemes import viseme_map

PORT = 39539
_VOWELS_0 = {"aa": "A", "ih": "I", "ou": "U", "ee": "E", "oh": "O"}
_LOOKS = ("LookUp", "LookDown", "LookLeft", "LookRight")
# Our emotions, VRM 1.0's expressions, VRM 0's.
_EMOTIONS = (
    ("happy", "happy", "Joy"),
    ("angry", "angry", "Angry"),
    ("sad", "sad", "Sorrow"),
    ("calm", "relaxed", "Fun"),
    ("surprised", "surprised", None),
    ("neutral", "neutral", "Neutral"),
)
NAMES = ("vrm1", "vrm0", "perfect-sync")
_HEAD = (0.0, 0.1, 0.0)


class Vmc:
    """Messages for one avatar.

    Args:
        names: "vrm1" (aa, blinkLeft, happy ..), "vrm0" (A, Blink_L, Joy ..) or "perfect-sync" (ARKit's 52 names, in
            PascalCase).
        expressions: factor 0 to 1 on the expressions of the emotion; avatars' own are strong. Perfect Sync has none.
        head: whether the head's bone is sent.
        head_rest: metres from the neck's bone to the head's in the avatar at rest, in our axes: receivers that take
            positions move the bone there.

    Raises:
        SenderError: other names, a factor out of range.
    """

    port = PORT

    def __init__(
        self,
        names: str = "vrm1",
        expressions: float = 1.0,
        head: bool = True,
        head_rest: tuple[float, float, float] = _HEAD,
    ) -> None:
        if names not in NAMES:
            raise SenderError(f"names={names!r}", f"one of {', '.join(NAMES)}", "See docs/send.md.")
        if not 0 <= expressions <= 1:
            raise SenderError(f"expressions={expressions!r}", "a number from 0 to 1", "1 sends emotions as they are.")
        self._names, self._expressions = names, expressions
        self._vowels = viseme_map("vrm")
        self._head, self._rest = head, head_rest

    def packets(self, frame: SentFrame) -> list[bytes]:
        """The bundles of a frame; `Apply` follows all values."""
        said = [message("/VMC/Ext/OK", 1), message("/VMC/Ext/T", frame.time)]
        said += [message("/VMC/Ext/Blend/Val", name, weight) for name, weight in self.blends(frame).items()]
        said.append(message("/VMC/Ext/Blend/Apply"))
        if self._head and frame.head_rotation is not None:
            x, y, z, w = quaternion(frame.head_rotation)
            moved = (0.0, 0.0, 0.0) if frame.head_translation is None else frame.head_translation.tolist()
            px, py, pz = (rest + by for rest, by in zip(self._rest, moved, strict=True))
            said.append(message("/VMC/Ext/Bone/Pos", "Head", -px, py, pz, x, -y, -z, w))
        return bundles(said)

    def blends(self, frame: SentFrame) -> Mapping[str, float]:
        """Weights by the receiver's names."""
        given = frame.weights
        if self._names == "perfect-sync":
            return {name[0].upper() + name[1:]: given[name] for name in ARKIT_52 if name in given}
        old = self._names == "vrm0"
        made = {_VOWELS_0[name] if old else name: w for name, w in self._vowels.weights(given).items()}
        for side in ("Left", "Right"):
            made[f"Blink_{side[0]}" if old else f"blink{side}"] = given.get(f"eyeBlink{side}", 0.0)
        for name in _LOOKS:
            made[name if old else name[0].lower() + name[1:]] = _look(name, given)
        for emotion, new, before in _EMOTIONS:
            if expression := before if old else new:
                made[expression] = frame.emotion.get(emotion, 0.0) * self._expressions
        return made


def _look(where: str, weights: Mapping[str, float]) -> float:
    """How far both eyes look up, down, or to a side of the face's own."""
    if where in ("LookUp", "LookDown"):
        pair = (f"eye{where}Left", f"eye{where}Right")
    else:
        left = where == "LookLeft"
        pair = ("eyeLookOutLeft", "eyeLookInRight") if left else ("eyeLookInLeft", "eyeLookOutRight")
    return sum(weights.get(name, 0.0) for name in pair) / 2
