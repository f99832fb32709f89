"""What fine-tuning adds to an encoder, as `transformers` does: dropout, LayerDrop and SpecAugment.

In evaluation, in an exported graph, and where every chance is 0, nothing is computed and nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_training.config import EncoderConfig


class EncoderNoise:
    """Randomness of an encoder's passes in one step: of (seed, clip), so that a clip gets the same in any batch.

    Before the first `begin`, and for rows that are no clips (windows), PyTorch's own generator is drawn from.
    """

    def __init__(self) -> None:
        self.seed: int | None = None
        self.clips: list[int] = []
        self._generators: list[torch.Generator] = []

    def __deepcopy__(self, memo: dict) -> EncoderNoise:
        return EncoderNoise()  # a copied model is in no step

    def begin(self, seed: int, clips: Sequence[int]) -> None:
        """The next passes have these rows; all passes of a step have its seed."""
        self.seed, self.clips, self._generators = seed, list(clips), []

    @contextmanager
    def of_row(self, index: int) -> Iterator[None]:
        """Passes inside have row `index` alone."""
        clips, generators = self.clips, self._generators
        if clips:
            self.clips, self._generators = clips[index : index + 1], []
        yield
        self.clips, self._generators = clips, generators

    def dropped_layer(self, index: int, chance: float) -> bool:
        """Whether LayerDrop leaves out layer `index`: for all clips of a step alike."""
        generator = None if self.seed is None else _generator(torch.device("cpu"), self.seed, index)
        return float(torch.rand((), generator=generator)) < chance

    def dropout(self, x: Tensor, chance: float) -> Tensor:
        """Dropout of x [B, ...]."""
        if len(self.clips) != len(x) or chance >= 1.0:
            return F.dropout(x, chance)
        if not self._generators:
            self._generators = [_generator(x.device, self.seed, clip, 1) for clip in self.clips]
        drawn = [torch.rand(x.shape[1:], generator=generator, device=x.device) for generator in self._generators]
        return x * ((torch.stack(drawn) >= chance) / (1.0 - chance)).to(x.dtype)

    def spans(self, rows: int, length: int, chance: float, span: int, least: int, kind: int) -> Tensor:
        """SpecAugment's mask, bool [rows, length]. kind tells masks over time (0) and over channels (1) apart."""
        if len(self.clips) == rows:
            generators = [np.random.default_rng([self.seed, clip, 2 + kind]) for clip in self.clips]
        else:
            generators = [np.random.default_rng(int(torch.randint(2**31, ()))) for _ in range(rows)]
        return torch.from_numpy(np.stack([span_mask(each, length, chance, span, least) for each in generators]))


def span_mask(generator: np.random.Generator, length: int, chance: float, span: int, least: int) -> np.ndarray:
    """bool [length]: spans of which about `chance` of all entries would be covered if none overlapped.

    As `transformers` draws them: chance * length / span spans, rounded up or down by chance, at least `least`, no more
    than fit beside each other, with different starts.
    """
    count = max(int(chance * length / span + generator.random()), least)
    count = max(0, min(count, length // span, length - span + 1))
    mask = np.zeros(length, bool)
    if count:
        starts = generator.choice(length - span + 1, count, replace=False)
        mask[starts[:, None] + np.arange(span)] = True
    return mask


class EncoderDropout(nn.Module):
    """Dropout that an encoder's noise decides."""

    def __init__(self, chance: float, noise: EncoderNoise) -> None:
        super().__init__()
        self.chance, self.noise = chance, noise

    def forward(self, x: Tensor) -> Tensor:
        return self.noise.dropout(x, self.chance) if self.training and self.chance else x


class SpecAugment(nn.Module):
    """Spans of features replaced by a learned vector, spans of channels by zeros, behind the feature projection."""

    def __init__(self, config: EncoderConfig, noise: EncoderNoise) -> None:
        super().__init__()
        self.config, self.noise = config, noise

    def forward(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        """x [B, n, D], embedding [D] (None where nothing is masked over time) -> [B, n, D]."""
        c = self.config
        if not self.training:
            return x
        rows, n, width = x.shape
        if embedding is not None:
            mask = self.noise.spans(rows, n, c.mask_time_prob, c.mask_time_length, c.mask_time_min_masks, 0)
            x = torch.where(mask.to(x.device)[..., None], embedding.to(x.dtype), x)
        if c.mask_feature_prob:
            mask = self.noise.spans(
                rows, width, c.mask_feature_prob, c.mask_feature_length, c.mask_feature_min_masks, 1
            )
            x = x.masked_fill(mask.to(x.device)[:, None], 0.0)
        return x


def _generator(device: torch.device, *numbers: int) -> torch.Generator:
    return torch.Generator(device).manual_seed(int(np.random.default_rng(numbers).integers(2**62)))
