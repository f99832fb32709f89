"""Equation 4's probabilities, the mixture, the learning rate."""

import math

import pytest
import torch

from emoface_training.errors import OptionsError
from emoface_training.loop.learning_rate import one_cycle
from emoface_training.stages.schemes import ground_truth_probability, mix


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (0.0, 1.0),
        (0.0999, 1.0),
        (0.1, 1.0),
        (0.325, math.cos(math.pi / 4)),
        (0.4, math.cos(math.pi / 3)),
        (0.55, 0.0),
        (0.8, 0.0),
        (1.0, 0.0),
    ],
)
def test_self_growing_follows_equation_4(progress: float, expected: float) -> None:
    assert ground_truth_probability(progress) == pytest.approx(expected, abs=1e-12)


def test_other_schemes_are_constant() -> None:
    for progress in (0.0, 0.5, 1.0):
        assert ground_truth_probability(progress, "teacher-forcing") == 1.0
        assert ground_truth_probability(progress, "autoregressive") == 0.0
    with pytest.raises(OptionsError, match=r"got scheme 'free'.*self-growing"):
        ground_truth_probability(0.5, "free")


def test_mixture_takes_whole_frames_at_the_given_rate_and_carries_no_gradient() -> None:
    truth, predicted = torch.ones(40, 50, 3), torch.zeros(40, 50, 3, requires_grad=True)
    mixed = mix(truth, predicted, 0.3, torch.Generator().manual_seed(1))
    assert not mixed.requires_grad
    assert torch.equal(mixed.min(-1).values, mixed.max(-1).values)
    assert mixed.mean().item() == pytest.approx(0.3, abs=0.03)
    again = mix(truth, predicted, 0.3, torch.Generator().manual_seed(1))
    assert torch.equal(mixed, again)
    assert mix(truth, predicted, 1.0, torch.Generator()) is truth
    assert torch.equal(mix(truth, predicted, 0.0, torch.Generator()), predicted)


def test_learning_rate_rises_for_a_tenth_and_falls_to_almost_nothing() -> None:
    assert one_cycle(0.0, 1e-3) == pytest.approx(4e-5)
    assert one_cycle(0.1, 1e-3) == pytest.approx(1e-3)
    assert one_cycle(0.55, 1e-3) == pytest.approx(0.5 * (1e-3 + 1e-7))
    assert one_cycle(1.0, 1e-3) == pytest.approx(1e-7)
