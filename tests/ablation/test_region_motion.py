"""Hand-computed motions: a held error, half the amplitude, and none at all."""

import numpy as np
import pytest

from emoface_training.ablation.region_motion import RegionMotion


def _figures(predicted: np.ndarray, target: np.ndarray, unit: float = 1.0) -> dict[str, float]:
    motion = RegionMotion(np.array([1]), unit)
    motion.add(predicted, target)
    motion.add(predicted, target)
    return motion.figures()


def _moving(values: list[float]) -> np.ndarray:
    """[T, 2, 3]: vertex 1 moves along y; vertex 0, outside the region, far away."""
    offsets = np.full((len(values), 2, 3), 9.0)
    offsets[:, 1] = 0.0
    offsets[:, 1, 1] = values
    return offsets


TRUE = [0.0, 1.0, 0.0, -1.0]


def test_held_error() -> None:
    figures = _figures(_moving([2.0, 3.0, 2.0, 1.0]), _moving(TRUE), unit=0.1)
    assert figures == pytest.approx({"l1_mm": 200.0, "standing": 1.0, "gain": 1.0, "jitter": 1.0})


def test_half_the_amplitude() -> None:
    figures = _figures(_moving([0.0, 0.5, 0.0, -0.5]), _moving(TRUE))
    assert figures == pytest.approx({"l1_mm": 250.0, "standing": 0.0, "gain": 0.5, "jitter": 0.5})


def test_shaking() -> None:
    """Second differences: true -2, 0; predicted 0.4 more and less in turn, so -3.6 and 1.6."""
    figures = _figures(_moving([-0.4, 1.4, -0.4, -0.6]), _moving(TRUE))
    assert figures["jitter"] == pytest.approx(((3.6**2 + 1.6**2) / 4.0) ** 0.5)


def test_a_still_truth_has_no_gain() -> None:
    figures = _figures(_moving(TRUE), _moving([0.0] * 4))
    assert np.isnan(figures["gain"]) and np.isnan(figures["jitter"]) and figures["l1_mm"] == 500.0
