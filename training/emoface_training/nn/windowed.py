"""Windowed mode: an unmodified encoder that encodes a fixed window of past audio again for every block.

Any checkpoint works, without fine-tuning, group norm included: every window is an utterance of its own. It costs a
whole window per block. A stream equals `whole` of the same block size; another block size gives other values, since a
feature then stands elsewhere in its window, so a package with such an encoder allows one block size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from emoface_training.config import EncoderConfig
from emoface_training.errors import BandError
from emoface_training.nn.interpolation import FEATURE_RATE, group
from emoface_training.nn.stage import State
from emoface_training.nn.wav2vec2 import HOP, OVERLAP, StreamingWav2Vec2

# Bounds in features: what is worth encoding at all, and what a block may cost (30 s of attention).
NARROWEST, WIDEST = 16, 1500
_WINDOWS_AT_ONCE = 8


class WindowedWav2Vec2(StreamingWav2Vec2):
    """The encoder over windows of `config.window` features; the last `config.window_right` of them are look-ahead."""

    def __init__(self, config: EncoderConfig) -> None:
        check_window(config)
        super().__init__(config)

    def initial_state(self, batch: int, cache: int | None = None) -> State:
        """Silence before the stream; `cache` has no meaning here."""
        weight = self.feature_projection.projection.weight
        return {
            "audio": weight.new_zeros(batch, HOP * (self.config.window - 1)),
            "position": torch.zeros(batch, dtype=torch.int64, device=weight.device),
        }

    def step(self, audio: Tensor, state: State) -> tuple[Tensor, State]:
        """audio [B, 320 n + 80], 1 <= n <= window - look-ahead -> features [B, n, D] from index position - R on."""
        c, past = self.config, state["audio"].shape[1]
        n = (audio.shape[1] - OVERLAP) // HOP
        joined = torch.cat([state["audio"], audio], 1)
        # narrow states the lengths, which an exporter with symbolic n could not derive
        features = self(joined.narrow(1, HOP * (n - 1), HOP * c.window + OVERLAP))
        new_state = {"audio": joined.narrow(1, HOP * n, past), "position": state["position"] + n}
        if c.rate == FEATURE_RATE:
            return features.narrow(1, c.window - c.window_right - n, n), new_state
        # Rows by index: the exporter cannot prove that fractions of a symbolic n lie inside the window
        rows = self.rows(n)
        index = torch.arange(rows, device=features.device) + (self.rows(c.window - c.window_right) - rows)
        return features[:, index], new_state

    def step_local(self, local: Tensor, state: State) -> tuple[Tensor, State]:
        raise _needs_audio()

    def whole_local(self, local: Tensor) -> Tensor:
        raise _needs_audio()

    def whole(self, audio: Tensor) -> Tensor:
        """audio [B, 320 T + 80] -> [B, T, D]: what a stream with blocks of `config.window_block` features gives."""
        c, batch = self.config, audio.shape[0]
        features = (audio.shape[1] - OVERLAP) // HOP
        blocks = -(-(features + c.window_right) // c.window_block)
        left = HOP * (c.window - c.window_block)
        padded = F.pad(audio, (left, HOP * (blocks * c.window_block - features)))
        windows = padded.unfold(1, HOP * c.window + OVERLAP, HOP * c.window_block).flatten(0, 1)
        end, first = self.rows(c.window - c.window_right), self.rows(c.window_right)
        parts = [self(some)[:, end - self.rows(c.window_block) : end] for some in windows.split(_WINDOWS_AT_ONCE)]
        out = torch.cat(parts).unflatten(0, (batch, blocks)).flatten(1, 2)
        return out[:, first : first + self.rows(features)]


def make_encoder(config: EncoderConfig) -> StreamingWav2Vec2:
    """The encoder of a configuration: windowed if it has a window, else by band (or unlimited)."""
    return StreamingWav2Vec2(config) if config.window is None else WindowedWav2Vec2(config)


def check_window(config: EncoderConfig) -> None:
    """Raise `BandError` for a window that cannot be used."""
    c = config
    if c.window_block < 1 or c.window_right < 0:
        raise BandError(
            f"window_block {c.window_block}, window_right {c.window_right}", "at least 1 and 0", "Correct them."
        )
    size = group(c.rate)[0]
    if c.window % size or c.window_right % size or c.window_block % size:
        raise BandError(
            f"window {c.window}, window_right {c.window_right}, window_block {c.window_block} at {c.rate} Hz",
            f"multiples of {size} features, which are whole rows",
            "Choose such numbers; 100, 5 and 5 will do.",
        )
    least = c.window_right + max(NARROWEST, c.window_block)
    if not least <= c.window <= WIDEST:
        raise BandError(
            f"a window of {c.window} features",
            f"{least} to {WIDEST} features of 20 ms for this look-ahead and block",
            "Choose another window; 100 (2 s) is usual.",
        )


def _needs_audio() -> BandError:
    return BandError(
        "features of a shared front end for a windowed encoder",
        "audio: every window is an utterance of its own",
        "Use a band, or leave out stage A.",
    )
