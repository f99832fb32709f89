"""Layers after the model: their order, what each may change, and what snapshots say of them."""

from __future__ import annotations

import random

import handmade
import handmade_head
import numpy as np
import pytest

from emoface import FrameBatch, Package
from emoface.errors import SnapshotError, UsageError
from emoface.frames import FRAME_ARRAYS
from emoface.rig import Blendshapes, Blinks, RigControls
from emoface.rig.layers import CHANGES, ORDER, LayerFrames, Layers

ADDED = ("head_sway", "gaze")


class Written:
    """A layer that writes its turn into what it is given, and remembers how many frames it saw."""

    def __init__(self, place: str, seed: int = 0, turns: list[str] | None = None) -> None:
        self.place, self.identity = place, [seed]
        self._turns = [] if turns is None else turns
        self._seen = 0

    def apply(self, frames: LayerFrames) -> None:
        self._turns.append(self.place)
        for index in range(len(frames.offsets)):
            self._seen += 1
            step = np.float32(1e-3 * self._seen * (1.0 if frames.shares is None else frames.shares[index]))
            if self.place == "head_sway":
                frames.head_translation[index] += step
            else:
                frames.offsets[index] += step

    def reset(self) -> None:
        self._seen = 0

    def state(self) -> dict[str, np.ndarray]:
        return {"seen": np.array([self._seen], np.int64)}

    def restore(self, state) -> None:
        self._seen = int(state["seen"][0])


@pytest.fixture(scope="module")
def moving(tmp_path_factory) -> Package:
    """The handmade package with a head."""
    files = handmade_head.with_head(handmade.package_files())
    return Package.load(handmade.write_zip(tmp_path_factory.mktemp("layers") / "head.emoface", files))


def opened(package: Package, seed: int = 3, **options):
    """An animator with layers of the test's own where head sway and gaze are."""
    return put(package.animator(**options), *(Written(place, seed) for place in ADDED))


def same(a: FrameBatch, b: FrameBatch) -> None:
    for name in FRAME_ARRAYS:
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name


def test_the_order_is_that_of_the_places_however_they_are_put():
    assert ORDER == ("speech", "head_sway", "controls", "gaze", "blinks", "blendshapes") == tuple(CHANGES)
    frames = LayerFrames(0, *(np.zeros((2, *shape), np.float32) for shape in ((4, 3), (3, 3), (3,), (0,))))
    for seed in range(8):
        turns: list[str] = []
        places = list(ORDER)
        random.Random(seed).shuffle(places)
        Layers(Written(place, turns=turns) for place in places).apply(frames)
        assert tuple(turns) == ORDER


def test_a_place_holds_one_layer():
    for place in ORDER:
        with pytest.raises(UsageError, match=f"a layer for '{place}'"):
            Layers([Written(place), Written("controls"), Written(place), Written("controls")])
    with pytest.raises(UsageError, match="a layer for 'gaze'; expected one of speech, head_sway, controls, blinks"):
        Layers([Written("gaze"), Written("gaze")])
    with pytest.raises(UsageError, match="one of none"):
        Layers([*map(Written, ORDER), Written("gaze")])
    with pytest.raises(UsageError, match="a layer for 'mouth'"):
        Layers([Written("mouth")])


def test_layers_change_the_frames_for_any_cut_and_after_reset(moving, sound, run_whole, run_cut):
    audio = sound(1.5)
    with opened(moving) as animator, moving.animator() as plain:
        frames, bare = run_whole(animator, audio), run_whole(plain, audio)
        steps = 1e-3 * np.arange(1, len(frames) + 1)
        assert np.allclose(frames.vertices - bare.vertices, steps[:, None, None], atol=1e-5)
        assert np.allclose(frames.head_translation - bare.head_translation, steps[:, None], atol=1e-5)
        assert frames.head_rotation.tobytes() == bare.head_rotation.tobytes()
        for lengths in ([1, 700, 2000], [333]):
            animator.reset()
            same(run_cut(animator, audio, lengths), frames)


def test_layers_come_to_rest_in_a_tail(moving, sound):
    with opened(moving) as animator:
        animator.step(sound(0.5))
        last = animator.flush(tail_s=1.0)
    assert last.vertices[-1].tobytes() == moving.face.template.tobytes() and not last.head_translation[-1].any()
    assert np.abs(last.vertices[-20] - moving.face.template).max() > 1e-3


def test_snapshots_hold_layers_and_say_whose_they_are(moving, sound):
    audio = sound(1.2)
    options = {"channels": 1, "controls": RigControls(lower_smoothing=0.1, upper_smoothing=0.1)}
    with opened(moving, **options) as animator, opened(moving, **options) as other:
        animator.step(audio[:9000])
        data = animator.snapshot()
        other.restore(data)
        rest = [FrameBatch.concat([one.step(audio[9000:]), one.flush()]) for one in (animator, other)]
        same(*rest)
    for wrong, field in (
        (opened(moving, 4, **options), "identity.head_sway"),
        (moving.animator(**options), "identity"),
    ):
        with wrong, pytest.raises(SnapshotError, match=field):
            wrong.restore(data)
    with moving.animator(**options) as plain:
        plain.step(audio)
        without = plain.snapshot()
    with opened(moving, **options) as animator, pytest.raises(SnapshotError, match=r"identity\.head_sway = nothing"):
        animator.restore(without)


def test_each_layer_changes_what_it_may(moving, sound, run_whole):
    """With one layer at a time, every other array of the frames has the bits of frames without layers."""
    audio, vertices = sound(1.0), len(moving.face.template)
    shapes = Blendshapes(("a",), np.random.default_rng(0).normal(0, 0.01, (1, vertices, 3)))
    with moving.animator() as animator:
        bare = run_whole(animator, audio)
    arrays = {"pose": {"head_rotation", "head_translation"}, "offsets": {"vertices"}, "weights": {"blendshape_weights"}}
    made = {
        "controls": lambda: moving.animator(controls=RigControls(upper_strength=0.5, lower_strength=0.5)),
        "blendshapes": lambda: moving.animator(blendshapes=shapes),
        **{place: lambda place=place: put(moving.animator(), Written(place)) for place in ADDED},
    }
    for place, make in made.items():
        with make() as animator:
            frames = run_whole(animator, audio)
        changed = {name for name in FRAME_ARRAYS if getattr(frames, name).tobytes() != getattr(bare, name).tobytes()}
        assert changed and changed <= arrays[CHANGES[place]], place


def put(animator, *layers):
    animator._layers = Layers([*animator._layers._layers, *layers])
    return animator


def test_identities_of_snapshots_are_as_they_were(moving):
    """What stood in snapshots before layers had places, in its order."""
    controls = RigControls(lower_strength=2.0, upper_strength=2.0)
    shapes = Blendshapes(("a",), np.random.default_rng(0).normal(0, 0.01, (1, len(moving.face.template), 3)))
    with moving.animator(controls=controls, blendshapes=shapes) as animator:
        assert animator._layers.identity == {"controls": controls.identity, "blendshapes": shapes.sha256}
        assert list(animator._layers.state()) == ["weights"]
    smooth = RigControls(upper_smoothing=0.1, lower_smoothing=0.1)
    with moving.animator(controls=smooth, blendshapes=shapes) as animator:
        assert list(animator._layers.state()) == ["held", "started", "weights"]
        assert list(animator._layers.identity) == ["controls", "blendshapes"]
    with moving.animator(controls=RigControls(sync_offset=0.1), blinks=False) as animator:
        assert list(animator._layers.identity) == ["controls"] and animator._layers.state() == {}
    assert Blinks(7, 20.0).identity == [7, 20.0]
