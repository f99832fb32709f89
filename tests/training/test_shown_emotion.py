"""What the upper face shows: class, arousal, switches, stillness, and how far apart told classes are."""

from collections.abc import Iterator

import numpy as np
import pytest
from hand_made_mouth import BROWS, FPS, HandMadeFace, spoken

from emoface_training.clips.store import StoredClip
from emoface_training.evaluation.explicit_classes import class_distances, lines
from emoface_training.measures.expression import ExpressionMeasures, ExpressionReference, switches
from emoface_training.vocabulary import EMOTIONS

REGION = np.arange(21)[BROWS]


def height(emotion: int) -> float:
    """Metres by which the brows are up under a class: 2 mm apart, neutral at rest."""
    return 0.002 * emotion


def shown(*emotions: int, frames: int = 30) -> np.ndarray:
    """Offsets of a face that shows one class after the other, each for so many frames."""
    offsets = np.zeros((frames * len(emotions), 21, 3))
    offsets[:, BROWS, 1] = np.repeat([height(emotion) for emotion in emotions], frames)[:, None]
    return offsets


def reference() -> ExpressionReference:
    classes = np.zeros((8, 2, 3, 3))
    classes[:, :, :, 1] = np.array([height(emotion) for emotion in range(8)])[:, None, None]
    return ExpressionReference(REGION, np.zeros((3, 3)), classes)


def figures(*clips: tuple[int, np.ndarray]) -> dict:
    """Of clips by the class that is spoken."""
    measures = ExpressionMeasures(reference(), FPS)
    for emotion, offsets in clips:
        measures.add(spoken(len(offsets), [], emotion), offsets, shown(emotion, frames=len(offsets)))
    return measures.figures() | {"confusion": measures.confusion}


def test_class_and_arousal_s_sign() -> None:
    names = {name: EMOTIONS.index(name) for name in EMOTIONS}
    right = figures(*((emotion, shown(emotion)) for emotion in range(8)))
    assert (right["shown_emotion"], right["shown_clips"]) == (1.0, 8)
    assert (right["arousal_sign"], right["aroused_clips"]) == (1.0, 6)
    # another class of the same arousal; disgust is of none, and neutral shows none
    swapped = {"happy": "angry", "sad": "calm", "fearful": "sad", "calm": "neutral", "disgusted": "happy"}
    found = figures(*((names[spoken], shown(names[seen])) for spoken, seen in swapped.items()))
    assert (found["shown_emotion"], found["arousal_sign"], found["aroused_clips"]) == (0.0, 0.5, 4)
    assert found["confusion"][names["happy"], names["angry"]] == 1 and found["confusion"].sum() == 5
    assert figures((8, shown(2)))["switches_per_10_s"] == 0.0
    assert "shown_emotion" not in figures((8, shown(2)))  # of an unknown class


def test_switches_count_what_is_held_for_a_fifth_of_a_second() -> None:
    assert figures((0, shown(0, 4, 2)))["switches_per_10_s"] == pytest.approx(2 / 3 * 10)
    assert figures((0, shown(0)))["switches_per_10_s"] == 0.0
    assert switches(np.repeat([0, 4, 0], [30, 5, 30]), 30) == 0  # a flicker that nobody sees
    assert switches(np.repeat([0, 4, 0], [30, 6, 30]), 30) == 2
    assert switches(np.repeat([0, 4, 2], [30, 5, 30]), 30) == 1
    assert switches(np.arange(8).repeat(2), 30) == switches(np.zeros(0, int), 30) == 0


def test_a_neutral_voice_s_face_is_still_up_to_half_a_millimetre() -> None:
    offsets = np.zeros((40, 21, 3))
    offsets[:10, BROWS, 1] = 0.0004
    offsets[10:20, REGION[0], 1] = 0.0009  # one of three vertices: RMS .52 mm
    found = figures((0, offsets), (4, shown(7)))
    assert (found["neutral_still"], found["neutral_frames"]) == (0.75, 40)
    assert found["upper_face_mm"] == pytest.approx(
        np.sqrt((10 * 0.4**2 + 10 * 0.9**2 / 3 + 30 * (1000 * height(7)) ** 2) / 70)
    )
    assert figures((0, shown(0)))["neutral_still"] == 1.0 and figures((0, shown(7)))["neutral_still"] == 0.0
    assert "neutral_still" not in figures((4, shown(7)))


def test_parts_join_to_the_whole() -> None:
    parts = [ExpressionMeasures(reference(), FPS) for _ in range(2)]
    whole = ExpressionMeasures(reference(), FPS)
    for part, (emotion, offsets) in zip(parts, ((0, shown(0, 4)), (2, shown(2))), strict=True):
        for measures in (part, whole):
            measures.add(spoken(len(offsets), [], emotion), offsets, shown(emotion, frames=len(offsets)))
    joined = ExpressionMeasures.joined(parts)
    assert joined.figures() == pytest.approx(whole.figures())
    assert np.array_equal(joined.confusion, whole.confusion)
    share = joined.shown_share()
    assert (share["neutral"], share["angry"], share["happy"], share["sad"]) == pytest.approx((1 / 3, 1 / 3, 1 / 3, 0.0))


class Obedient:
    """Shows what it is told, calm half as much."""

    label = "obedient"

    def animate(self, clips: list[StoredClip], emotion: str) -> Iterator[tuple[int, np.ndarray]]:
        assert emotion == "given" and {clip.level for clip in clips} == {0}
        for index, clip in enumerate(clips):
            yield index, shown(clip.emotion, frames=clip.frames) * (0.5 if clip.emotion == 1 else 1.0)


def test_told_classes_lie_apart() -> None:
    found = class_distances(Obedient(), HandMadeFace(), [spoken(30, [], 3, level=1), spoken(60, [])])
    expected = np.array([1000 * height(emotion) * (0.5 if emotion == 1 else 1.0) for emotion in range(8)])
    np.testing.assert_allclose(found["distances_mm"], np.abs(expected[:, None] - expected[None]), atol=1e-9)
    assert found["calm_mm"] == pytest.approx(1.0) and found["clips"] == 2
    assert found["nearest_mm"] == pytest.approx(2.0) and len(found["nearest"]) == 2  # neutral and calm do not count
    text = lines("obedient", found)
    assert len(text) == 11 and "neutral and calm 1.00 mm" in text[-1]
    still = class_distances(Still(), HandMadeFace(), [spoken(30, [])])
    assert still["nearest_mm"] == still["calm_mm"] == 0.0


class Still:
    label = "still"

    def animate(self, clips: list[StoredClip], emotion: str) -> Iterator[tuple[int, np.ndarray]]:
        yield from ((index, shown(0, frames=clip.frames)) for index, clip in enumerate(clips))
