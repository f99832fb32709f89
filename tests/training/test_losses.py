"""Equations 5 to 9 against cases computed by hand, in float64."""

import math

import pytest
import torch

from emoface_training.errors import OptionsError
from emoface_training.stages import losses


def offsets(values: list) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


# one clip, three frames, two vertices; the third frame is padding
TARGET = torch.zeros(1, 3, 2, 3, dtype=torch.float64)
FUSED = offsets([[[[1, -2, 3], [0, 0, 0]], [[0, 1, 0], [2, 0, -2]], [[9, 9, 9], [9, 9, 9]]]])
MASK = torch.tensor([[True, True, False]])


def test_frame_mean_sums_coordinates_and_skips_padding() -> None:
    # frame 0: (6 + 0) / 2 = 3; frame 1: (1 + 4) / 2 = 2.5
    assert losses.frame_mean(FUSED - TARGET, MASK).item() == pytest.approx(2.75, abs=1e-12)


def test_frame_mean_weights_vertices() -> None:
    weights = offsets([0.5, 1.5])
    # frame 0: (3 + 0) / 2; frame 1: (0.5 + 6) / 2
    assert losses.frame_mean(FUSED - TARGET, MASK, weights).item() == pytest.approx((1.5 + 3.25) / 2, abs=1e-12)


def test_frame_mean_of_no_frames_is_zero() -> None:
    assert losses.frame_mean(FUSED, torch.zeros(1, 3, dtype=torch.bool)).item() == 0.0


def test_reconstruction_has_three_terms() -> None:
    terms = losses.reconstruction(FUSED, 2 * FUSED, TARGET, TARGET, MASK)
    assert terms["fused"].item() == pytest.approx(2.75, abs=1e-12)
    assert terms["emotion"].item() == pytest.approx(5.5, abs=1e-12)
    assert terms["content"].item() == 0.0


def test_velocity_needs_both_frames() -> None:
    # change 0 -> 1: (-1, 3, -3) and (2, 0, -2): (7 + 4) / 2; change 1 -> 2 touches padding
    assert losses.velocity(FUSED, TARGET, MASK).item() == pytest.approx(5.5, abs=1e-12)
    assert losses.velocity(FUSED + 4.0, TARGET, MASK).item() == pytest.approx(5.5, abs=1e-12)


def test_classification_is_the_mean_negative_log_probability() -> None:
    logits = offsets([[0.0, math.log(3.0)], [0.0, 0.0]])
    expected = (-math.log(0.75) - math.log(0.5)) / 2
    assert losses.classification(logits, torch.tensor([1, 0])).item() == pytest.approx(expected, abs=1e-12)


def test_total_uses_the_papers_weights() -> None:
    terms = {name: torch.tensor(value, dtype=torch.float64) for name, value in
             (("self", 1.0), ("cross", 2.0), ("velocity", 3.0), ("classification", 5.0))}  # fmt: skip
    assert losses.total(terms, losses.LossWeights()).item() == pytest.approx(1000 + 2000 + 1500 + 5e-4, abs=1e-9)
    del terms["cross"], terms["classification"]
    assert losses.total(terms, losses.LossWeights()).item() == pytest.approx(2500, abs=1e-9)


def test_region_weights_have_mean_one_and_name_unknown_regions() -> None:
    weights = losses.region_weights(4, {"lips": [0, 1]}, {"lips": 2.0})
    assert weights.mean().item() == pytest.approx(1.0)
    assert weights[0].item() == pytest.approx(3 * weights[3].item())
    with pytest.raises(OptionsError, match=r"nostrils.*lips"):
        losses.region_weights(4, {"lips": [0]}, {"nostrils": 1.0})
