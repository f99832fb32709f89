"""Checkpoints under FaceFormer's published names, made by code."""

import original
import pytest
import torch

KEYS = {"vocaset": 1, "biwi": 2}


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """published(variant) -> (.pth file, the independent model), made once."""
    made = {}

    def get(variant):
        if variant not in made:
            model = original.make(KEYS[variant])
            path = tmp_path_factory.mktemp("published") / f"{variant}.pth"
            torch.save(model.state_dict(), path)
            made[variant] = path, model
        return made[variant]

    return get
