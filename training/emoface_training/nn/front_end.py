"""wav2vec2's convolutional front end as matrix products: raw samples to one feature per 20 ms."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_training.config import EncoderConfig
from emoface_training.errors import OptionsError
from emoface_training.nn.regularisation import EncoderDropout, EncoderNoise
from emoface_training.nn.step_ops import unfold


class MatMulConv(nn.Module):
    """Conv1d over channels-last frames as a matrix product over unfolded input (quantises well, exact).

    Kernel k and stride s must satisfy k - s = 0, 1 or s, as in every wav2vec2.
    x [B, T, Cin] -> [B, (T - k) // s + 1, Cout].
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, bias: bool) -> None:
        super().__init__()
        if kernel - stride not in (0, 1, stride):
            raise OptionsError(
                f"a convolution of kernel {kernel} and stride {stride}",
                "kernel - stride of 0, 1 or the stride",
                "Correct conv_kernel and conv_stride.",
            )
        self.kernel, self.stride = kernel, stride
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in, kernel))
        self.bias = nn.Parameter(torch.zeros(channels_out)) if bias else None
        nn.init.kaiming_normal_(self.weight)

    def forward(
        self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None, level_rows: bool = False
    ) -> Tensor:
        """`scale` and `shift` [Cout] are an affine map behind the convolution, folded into its weights.

        With `level_rows` every row of an exported product has the same peak, which changes nothing but the rounding:
        8-bit activations have one scale for all rows, and loud frames would leave a few levels to quiet ones.
        """
        body = unfold(x, self.kernel, self.stride) if torch.compiler.is_exporting() else self._unfold(x)
        # [Cout, Cin, k] -> [Cout, k * Cin], the order of the unfolded input
        weight, bias = self.weight.permute(0, 2, 1).reshape(self.weight.shape[0], -1), self.bias
        if scale is not None:
            weight, bias = weight * scale[:, None], shift if bias is None else bias * scale + shift
        if level_rows and torch.compiler.is_exporting():
            peak = body.abs().amax(-1, keepdim=True).clamp(min=1e-5)
            out = F.linear(body / peak, weight) * peak
            return out if bias is None else out + bias
        return F.linear(body, weight, bias)

    def _unfold(self, x: Tensor) -> Tensor:
        """[B, T, Cin] -> [B, steps, k * Cin], with reshapes where a copy can be spared."""
        batch, length, channels = x.shape
        stride, rest = self.stride, self.kernel - self.stride
        steps = (length - self.kernel) // stride + 1
        body = x[:, : steps * stride].reshape(batch, steps, stride * channels)
        if rest:
            head = x[:, stride : stride * (steps + 1)] if rest == stride else x[:, stride::stride][:, :steps]
            body = torch.cat([body, head.reshape(batch, steps, rest * channels)], -1)
        return body


class ConvLayer(nn.Module):
    """Convolution, normalisation (layer, group or none), GELU."""

    def __init__(self, config: EncoderConfig, index: int) -> None:
        super().__init__()
        channels_in = 1 if index == 0 else config.conv_dim[index - 1]
        channels = config.conv_dim[index]
        self.conv = MatMulConv(
            channels_in, channels, config.conv_kernel[index], config.conv_stride[index], config.conv_bias
        )
        self.grouped = config.feat_extract_norm == "group" and index == 0
        # Group norm works on the first layer alone, over time: the layers behind it see frames of any loudness
        self.follows_no_norm = config.feat_extract_norm == "group" and index > 0
        self.fixed_statistics = self.grouped and config.group_norm_statistics == "fixed"
        if config.feat_extract_norm == "layer":
            self.layer_norm: nn.Module | None = nn.LayerNorm(channels)
        elif self.grouped:
            self.layer_norm = nn.GroupNorm(channels, channels)
        else:
            self.layer_norm = None
        if self.fixed_statistics:
            self.register_buffer("mean", torch.zeros(channels))
            self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        norm = self.layer_norm
        if self.fixed_statistics:
            # Group norm's utterance statistics replaced by calibrated ones: time-invariant, hence streamable
            scale = norm.weight * torch.rsqrt(self.variance + norm.eps)
            return F.gelu(self.conv(x, scale, norm.bias - self.mean * scale))
        x = self.conv(x, level_rows=self.follows_no_norm)
        if self.grouped:
            x = norm(x.transpose(1, 2)).transpose(1, 2)
        elif norm is not None:
            x = norm(x)
        return F.gelu(x)


class FeatureExtractor(nn.Module):
    """All convolutions."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList(ConvLayer(config, i) for i in range(len(config.conv_dim)))

    def forward(self, audio: Tensor) -> Tensor:
        """audio [B, S] at 16 kHz -> [B, (S - 400) // 320 + 1, conv_dim[-1]]."""
        x = audio[:, :, None]
        for layer in self.conv_layers:
            x = layer(x)
        return x


class FeatureProjection(nn.Module):
    """Layer norm and the map from the convolutions' width to the transformer's."""

    def __init__(self, config: EncoderConfig, noise: EncoderNoise) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(config.conv_dim[-1], eps=config.layer_norm_eps)
        self.projection = nn.Linear(config.conv_dim[-1], config.hidden_size)
        self.dropout = EncoderDropout(config.feat_proj_dropout, noise)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.projection(self.layer_norm(x)))
