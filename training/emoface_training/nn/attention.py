"""Self-attention over cached keys, with WavLM's gated relative position bias where the encoder has one."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_training.config import EncoderConfig
from emoface_training.nn.regularisation import EncoderDropout, EncoderNoise
from emoface_training.nn.step_ops import stream_attention


class Attention(nn.Module):
    """Multi-head attention; the parameters carry Hugging Face's names.

    Queries are projected together with keys and values, in one product, and wait (with the gate of the position bias)
    until the look-ahead of their layer has arrived.
    """

    def __init__(self, config: EncoderConfig, noise: EncoderNoise, first: bool = False) -> None:
        super().__init__()
        self.dropout = EncoderDropout(config.attention_dropout, noise)
        width, self.heads = config.hidden_size, config.num_attention_heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))
        self.gated = config.num_buckets is not None
        if self.gated:
            self.gru_rel_pos_const = nn.Parameter(torch.ones(1, self.heads, 1, 1))
            self.gru_rel_pos_linear = nn.Linear(width // self.heads, 8)
        if self.gated and first:  # the first layer's table serves all layers
            self.rel_attn_embed = nn.Embedding(config.num_buckets, self.heads)

    @property
    def query_width(self) -> int:
        """Columns of what `project` returns as query."""
        return self.q_proj.out_features + (self.heads if self.gated else 0)

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, H, T, d_head]

    def project(self, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """source [B, n, D] -> queries [B, n, query_width], keys and values [B, H, n, d_head]."""
        q, k, v = self.project_rows(source).chunk(3, -1)
        if self.gated:
            q = torch.cat([q, self._gate(source).to(q.dtype)], -1)
        return q, self.split(k), self.split(v)

    def project_rows(self, source: Tensor) -> Tensor:
        """source [B, n, D] -> query, key and value of every row, [B, n, 3 D], the query scaled."""
        scale = (self.q_proj.out_features // self.heads) ** -0.5
        weight = torch.cat([self.q_proj.weight * scale, self.k_proj.weight, self.v_proj.weight])
        bias = torch.cat([self.q_proj.bias * scale, self.k_proj.bias, self.v_proj.bias])
        return F.linear(source, weight, bias)

    def streamed(
        self, query: Tensor, rows: Tensor, keys: Tensor, values: Tensor, first: Tensor, table: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`attend` as it is exported, with the new rows still to be cached: see `stream_attention`."""
        attended, keys, values = stream_attention(query, rows, keys, values, first, table)
        return self.out_proj(attended), keys, values

    def _gate(self, source: Tensor) -> Tensor:
        """WavLM's gate of the position bias (its equation for r, from the layer's input) [B, n, H]."""
        linear, heads = self.gru_rel_pos_linear, source.unflatten(-1, (self.heads, -1))
        # Each gate is the sum of four outputs: summing the weights gives the same from a product a quarter as wide
        weight, bias = linear.weight.unflatten(0, (2, 4)).sum(1), linear.bias.unflatten(0, (2, 4)).sum(1)
        a, b = torch.sigmoid(F.linear(heads, weight, bias)).unbind(-1)
        return a * (b * self.gru_rel_pos_const[:, :, 0, 0] - 1.0) + 2.0

    def attend(self, query: Tensor, k: Tensor, v: Tensor, mask: Tensor, bias: Tensor | None = None) -> Tensor:
        """query [B, n, query_width]; k, v [B, H, S, d_head] -> [B, n, D].

        mask [B or 1, 1, n, S] additive; bias [H, n, S]: WavLM's position bias, still without the gate.
        """
        width = self.q_proj.out_features
        if bias is not None:
            mask = mask + query[..., width:].transpose(1, 2)[..., None] * bias
        q = self.split(query[..., :width])
        if query.is_cuda and not (self.training and self.dropout.chance):
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask.to(q.dtype), scale=1.0)
        else:  # written out: in bfloat16 on a CPU a whole training step takes 0.85 of the fused kernel's time
            weights = (torch.matmul(q, k.transpose(-1, -2)) + mask).softmax(-1).to(v.dtype)
            out = torch.matmul(self.dropout(weights), v)
        return self.out_proj(out.transpose(1, 2).flatten(2))


def relative_bias(table: Tensor, distance: Tensor, max_distance: int) -> Tensor:
    """WavLM's position bias [H, *distance.shape] for key - query distances; table [buckets, H].

    Half of the buckets serve each direction: the near half of them one distance each, the rest logarithmically
    growing ranges up to `max_distance` (T5's scheme, as WavLM uses it).
    """
    buckets = table.shape[0] // 2
    exact = buckets // 2
    size = distance.abs()
    growing = torch.log(size.clamp(min=1).float() / exact) / math.log(max_distance / exact) * (buckets - exact)
    far = (exact + growing).to(torch.int64).clamp(max=buckets - 1)
    index = torch.where(size < exact, size, far) + (distance > 0).to(torch.int64) * buckets
    return table[index].movedim(-1, 0)
