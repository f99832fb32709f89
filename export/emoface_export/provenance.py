"""Where a package comes from: commit, versions, configuration and digest of the weights."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

from emoface_training.nn.talking_model import TalkingModel


def provenance_of(model: TalkingModel, given: Mapping[str, Any]) -> dict[str, Any]:
    """Where the package comes from: commit, versions, configuration, digest of the weights, and what was given."""
    from emoface import __version__

    facts = {
        "emoface": __version__,
        "torch": str(torch.__version__),
        "onnx": onnx.__version__,
        "config": model.config.to_dict(),
        "weights_sha256": weights_sha256(model.state_dict()),
    }
    commit = code_commit()
    return facts | ({"code_commit": commit} if commit else {}) | dict(given)


def weights_sha256(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) of a model's tensors and their names, `model_sha256` of its packages whatever their precision."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def code_commit() -> str | None:
    """Commit of the source tree this code runs from; None for an installed copy."""
    source = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(source), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
