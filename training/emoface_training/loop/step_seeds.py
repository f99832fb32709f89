"""Randomness of a step: from (seed, stage, step) alone, so that a resumed run draws what it would have drawn."""

from __future__ import annotations

import numpy as np
import torch


def step_generator(seed: int, stage: str, step: int) -> np.random.Generator:
    """The randomness of one step's batch."""
    return np.random.default_rng([seed, sum(stage.encode()), step])


def seed_step(seed: int, stage: str, step: int) -> torch.Generator:
    """Seed dropout for one step and return a generator for the step's own draws."""
    torch.manual_seed(int(step_generator(seed, stage + "-dropout", step).integers(2**31)))
    return torch.Generator().manual_seed(int(step_generator(seed, stage + "-mixture", step).integers(2**31)))


def encoder_seed(seed: int, stage: str, step: int) -> int:
    """Seed of the encoders' dropout, LayerDrop and SpecAugment in one step."""
    return int(step_generator(seed, stage + "-encoders", step).integers(2**31))
