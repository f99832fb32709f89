"""Mixed precision, as PyTorch does it: autocast around the encoders, which are nearly all of a step's work.

Decoders, Mesh Attention and losses stay in float32: offsets are a few millimetres in metres. bfloat16 works on CPUs and
GPUs; float16 needs a GPU and scaled losses (`torch.amp.GradScaler`, in the loop).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from emoface_training.options import StageOptions


def encoder_precision(options: StageOptions, device: torch.device) -> AbstractContextManager:
    """What the encoders' forward pass runs in."""
    if not (options.bfloat16 or options.float16):
        return nullcontext()
    return torch.autocast(device.type, torch.float16 if options.float16 else torch.bfloat16)
