"""LVE, EVE and FDD against cases computed by hand."""

import hashlib

import numpy as np
import pytest

from emoface_training.errors import EmptySplitError
from emoface_training.evaluation.columns import published_scale
from emoface_training.measures.vertices import VertexMetrics, face_dynamics_deviation, mask_hash, region_error


def motion(frames: int) -> np.ndarray:
    return np.zeros((frames, 4, 3), np.float32)


def test_published_figures_of_another_unit_come_with_their_factor() -> None:
    assert published_scale({"dataset": {"square_unit_in_m2": 1.0}}) is None
    assert published_scale({"dataset": {}}) is None  # a report of an earlier version
    assert "times 0.03516" in published_scale({"dataset": {"square_unit_in_m2": 0.1875**2}})


def test_region_error_is_the_largest_squared_distance_in_the_region() -> None:
    predicted, target = motion(2), motion(2)
    predicted[0, 0] = [3, 4, 0]  # 25, the largest in the region
    predicted[0, 1] = [1, 0, 0]
    predicted[0, 3] = [100, 0, 0]  # outside
    target[1, 1] = [0, 2, 0]
    np.testing.assert_array_equal(region_error(predicted, target, np.array([0, 1])), [25.0, 4.0])
    with pytest.raises(ValueError, match="expected equal shapes"):
        region_error(predicted, target[:1], np.array([0]))


def test_errors_average_over_all_frames_not_over_clips() -> None:
    metrics = VertexMetrics(lips=np.array([0]), eyes_forehead=np.array([1]))
    one, two = motion(1), motion(3)
    one[:, 0, 0], two[:, 0, 0], two[:, 1, 1] = 2.0, 1.0, 3.0
    metrics.add(one, motion(1))
    metrics.add(two, motion(3))
    figures = metrics.figures()
    assert figures["lve_m2"] == pytest.approx((4 + 3 * 1) / 4)
    assert figures["lve_rms_mm"] == pytest.approx(1000 * np.sqrt(7 / 4))
    assert figures["eve_m2"] == pytest.approx((0 + 3 * 9) / 4)
    assert figures["face_rms_mm"] == pytest.approx(1000 * np.sqrt((4 + 3 * 10) / 4 / 4))
    assert figures["frames"] == 4


def test_dynamics_deviation_is_signed() -> None:
    target = motion(2)
    target[1, 1, 0] = 2.0  # squared displacements 0, 4: standard deviation 2; the region's other vertex is still
    assert face_dynamics_deviation(motion(2), target, np.array([1, 2])) == pytest.approx(1.0)
    assert face_dynamics_deviation(target, motion(2), np.array([1, 2])) == pytest.approx(-1.0)


def test_mask_hash_does_not_depend_on_the_integer_type() -> None:
    expected = hashlib.sha256(bytes([1, 0, 0, 0, 2, 0, 0, 0])).hexdigest()
    assert mask_hash(np.array([1, 2], np.int64)) == mask_hash(np.array([1, 2], np.int16)) == expected


def test_no_clips_is_an_error() -> None:
    with pytest.raises(EmptySplitError, match="no frames"):
        VertexMetrics(np.array([0]), np.array([1])).figures()
