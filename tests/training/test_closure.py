"""The price of missed closures and of lips that close where they should not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_corpus import TinyRig

from emoface_training.errors import OptionsError
from emoface_training.stages.closure import LEAST_SHARE, RARE, TOUCHING, closure, lip_gap, lip_pairs

MM = 1e-3
TARGET = torch.tensor([[6, 6, 6, 0, 0, 6, 6, 6, 6, 6.0]]) * MM
ALL = torch.ones(1, 10, dtype=torch.bool)


def prices(gap: torch.Tensor, mask: torch.Tensor = ALL) -> tuple[float, float]:
    found = closure(gap, TARGET, mask)
    return found["missed"].item() / MM, found["extra"].item() / MM


def test_right_motion_costs_nothing_even_one_frame_early_or_late() -> None:
    for shift in (-1, 0, 1):
        assert prices(torch.roll(TARGET, shift, 1)) == (0.0, 0.0), shift
    missed, extra = prices(torch.roll(TARGET, 3, 1))
    assert missed > 0 and extra > 0


def test_a_missing_closure_costs_its_gap() -> None:
    missed, extra = prices(torch.full_like(TARGET, 6 * MM))
    assert missed == pytest.approx(RARE * 2 * (6 - TOUCHING / MM) / 10, rel=1e-5) and extra == 0.0
    half = prices(torch.full_like(TARGET, 3 * MM))[0]
    assert half == pytest.approx(RARE * 2 * (3 - TOUCHING / MM) / 10, rel=1e-5)


def test_a_closure_too_many_costs_what_open_lips_lack() -> None:
    gap = TARGET.clone()
    gap[0, 8] = 0.0
    assert prices(gap) == (0.0, pytest.approx(LEAST_SHARE * 6 / 10, rel=1e-5))
    gap[0, 8] = LEAST_SHARE * 6 * MM
    assert prices(gap) == (0.0, pytest.approx(0.0, abs=1e-6))
    beside = TARGET.clone()
    beside[0, 2] = beside[0, 5] = 0.0  # beside a true closure, lips may meet earlier and part later
    assert prices(beside) == (0.0, 0.0)


def test_frames_that_do_not_count() -> None:
    gap, mask = TARGET.clone(), ALL.clone()
    gap[0, 8:], mask[0, 8:] = 0.0, False
    assert prices(gap, mask) == (0.0, 0.0)
    assert closure(gap, TARGET, mask & False)["extra"].item() == 0.0


def test_parts_of_a_batch_add_up() -> None:
    generator = torch.Generator().manual_seed(1)
    gap, target = (8 * MM * torch.rand(4, 12, generator=generator) for _ in range(2))
    mask = torch.arange(12)[None] < torch.tensor([12, 7, 9, 3])[:, None]
    whole = closure(gap, target, mask)
    parts = [closure(gap[rows], target[rows], mask[rows], 31.0) for rows in (slice(0, 1), slice(1, 4))]
    for name, value in whole.items():
        assert value.item() == pytest.approx(sum(part[name].item() for part in parts), rel=1e-5)


def test_gradients_push_lips_together_and_apart() -> None:
    gap = torch.full((1, 10), 3 * MM, requires_grad=True)
    closure(gap, TARGET, ALL)["missed"].backward()
    assert gap.grad is not None and gap.grad[0, 3] > 0 and gap.grad[0, 8] == 0
    gap = torch.full((1, 10), 1 * MM, requires_grad=True)
    closure(gap, TARGET, ALL)["extra"].backward()
    assert gap.grad is not None and gap.grad[0, 8] < 0 and gap.grad[0, 3] == 0


def test_pairs_face_each_other_in_the_middle_third() -> None:
    rig = TinyRig()
    upper, lower = lip_pairs(rig)
    assert len(upper) and (rig.template[upper, 0] == rig.template[lower, 0]).all()
    offsets = torch.zeros(1, 3, len(rig.template), 3)
    offsets[0, 1, lower, 1] = -0.004
    gap = lip_gap(offsets[:, :, torch.cat([upper, lower])])
    np.testing.assert_allclose(gap[0], [0, 0.004, 0], atol=1e-7)
    rig.masks = {"lips": rig.masks["lips"]}
    with pytest.raises(OptionsError, match=r"upper_lip_inner.*loss_closure: 0"):
        lip_pairs(rig)
