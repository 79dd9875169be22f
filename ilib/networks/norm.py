"""Instance norm that keeps the layout of bfloat16 pictures, for training on processors."""

import math
from typing import Any

import torch
from torch import Tensor, nn

TILES = 64  # pixels laid in one row, so that a pass over a picture with few channels is still one over long rows


class InstanceNorm2d(nn.InstanceNorm2d):
    """PyTorch's layer; for bfloat16 on a CPU, with passes that leave the channels innermost.

    PyTorch's own kernel hands such pictures on with the channels outermost, and the convolutions around it copy them
    back and forth: with this one a training step of the generator takes three quarters of the time.  Sums are taken in
    float32, as PyTorch does.  x (B, C, H, W) -> same.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype is torch.bfloat16 and x.device.type == "cpu" and not self.track_running_stats:
            return _ChannelsLast.apply(x, self.weight, self.bias, self.eps)
        return super().forward(x)


class _ChannelsLast(torch.autograd.Function):
    """y = w (x - mean) / sqrt(variance + eps) + b, over the pixels of each picture and channel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor, eps: float) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        f = _rows(x).float()
        n = x[0, 0].numel()
        mean = _sum(f, x) / n
        scale = torch.rsqrt((_sum(f * f, x) / n - mean**2).clamp(min=0) + eps)
        ctx.save_for_backward(x, w, mean, scale)
        return _like(x, f.mul_(_tiled(w * scale, x)).add_(_tiled(b - w * scale * mean, x)))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, w, mean, scale = ctx.saved_tensors
        n, r = x[0, 0].numel(), _rows(x).float()
        f = _rows(g.contiguous(memory_format=torch.channels_last)).float()
        of_b = _sum(f, x)
        of_w = scale * (_sum(f * r, x) - mean * of_b)
        slope = -w * scale**2 * of_w / n
        f.mul_(_tiled(w * scale, x)).addcmul_(r, _tiled(slope, x)).sub_(_tiled(w * scale * of_b / n + slope * mean, x))
        return _like(x, f), of_w.sum(0), of_b.sum(0), None


def _tiles(x: Tensor) -> int:
    return math.gcd(x[0, 0].numel(), TILES)


def _rows(x: Tensor) -> Tensor:
    """View channels-last pictures as rows of some pixels each.  (B, C, H, W) -> (B, H W / tiles, tiles C)."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, _tiles(x) * x.shape[1])


def _sum(rows: Tensor, x: Tensor) -> Tensor:
    """Sum over the pixels.  -> (B, C)."""
    return rows.sum(1).reshape(len(x), -1, x.shape[1]).sum(1)


def _tiled(values: Tensor, x: Tensor) -> Tensor:
    """Repeat a figure for each channel along a row.  (B, C) -> (B, 1, tiles C)."""
    return values.repeat(1, _tiles(x))[:, None]


def _like(x: Tensor, rows: Tensor) -> Tensor:
    """Write rows as pictures of the type and layout of x."""
    y = torch.empty_like(x)
    _rows(y).copy_(rows)
    return y
