"""Tiny encoder folders as transformers saves them: random weights, every family and norm."""

import pytest
import torch
from hugging_face import save_tiny


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """folder(family, norm, pre_norm) -> (folder, the transformers model), made once."""
    made = {}

    def get(family, norm="layer", pre_norm=True, **changes):
        key = (family, norm, pre_norm, *sorted(changes.items()))
        if key not in made:
            place = tmp_path_factory.mktemp(family)
            made[key] = place, save_tiny(place, family, norm, pre_norm, **changes)
        return made[key]

    return get


@pytest.fixture
def speech():
    """Two seconds of seeded noise with a changing level [1, 32400]."""
    generator = torch.Generator().manual_seed(8)
    return torch.randn(1, 320 * 101 + 80, generator=generator) * torch.linspace(0.05, 0.5, 320 * 101 + 80)
