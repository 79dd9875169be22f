"""The generator of MBD-GAN (Fig. 2): encoder, residual blocks, decoder, and a skip over all of them.

The layout is the one of Johnson et al. (2016) and CycleGAN (2017): c7s1-64, d128, d256, nine residual blocks,
u128, u64, c7s1-3, with instance norm and reflection padding.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import check_input
from ..operators import LinearOperator
from .norm import InstanceNorm2d

STRIDE = 4  # the encoder halves the picture twice
SMALLEST = 8  # a picture's side: reflection by one pixel needs two or more at the coarsest level


def convolve(inner: int, outer: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Reflect, convolve, normalise each picture, rectify: c7s1-k is size 7, dk is stride 2.  (B, inner, H, W) ->
    (B, outer, H / stride, W / stride)."""
    return nn.Sequential(
        nn.ReflectionPad2d(size // 2),
        nn.Conv2d(inner, outer, size, stride, bias=False),  # the norm takes any bias away again
        InstanceNorm2d(outer, affine=True),
        nn.ReLU(inplace=True),
    )


def enlarge(inner: int, outer: int) -> nn.Sequential:
    """Double the picture: uk, a transposed convolution.  (B, inner, H, W) -> (B, outer, 2 H, 2 W)."""
    return nn.Sequential(
        nn.ConvTranspose2d(inner, outer, 3, stride=2, padding=1, output_padding=1, bias=False),
        InstanceNorm2d(outer, affine=True),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """x + f(x), f two 3x3 convolutions with instance norm, the second not rectified.  (B, C, H, W) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.f = nn.Sequential(*convolve(channels, channels), *list(convolve(channels, channels))[:3])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.f(x)


class ResNet(nn.Module):
    """x_hat = y + G(y): the generator of MBD-GAN (Fig. 2).  y (B, channels, H, W) -> (B, channels, H, W).

    width: features at full resolution (ngf, 64 in the paper), twice and four times as many below; blocks: residual
    blocks (9).  It is blind: A and sigma are not looked at.  Sides that are no multiple of 4 are continued by
    reflection and cut again.  ValueError for pictures of another number of channels or with a side under 8 pixels.
    """

    def __init__(self, width: int = 64, blocks: int = 9, channels: int = 3) -> None:
        super().__init__()
        if width < 1 or blocks < 0 or channels < 1:
            raise ValueError(f"width {width}, blocks {blocks}, channels {channels}: pass 1 or more (blocks: 0 or more)")
        self.channels = channels
        last = nn.Conv2d(width, channels, 7)
        nn.init.zeros_(last.weight), nn.init.zeros_(last.bias)  # training starts at x_hat = y
        self.G = nn.Sequential(
            convolve(channels, width, 7),  # (B, w, H, W)
            convolve(width, 2 * width, stride=2),  # (B, 2w, H/2, W/2)
            convolve(2 * width, 4 * width, stride=2),  # (B, 4w, H/4, W/4)
            *(Residual(4 * width) for _ in range(blocks)),
            enlarge(4 * width, 2 * width),  # (B, 2w, H/2, W/2)
            enlarge(2 * width, width),  # (B, w, H, W)
            nn.ReflectionPad2d(3),
            last,  # (B, channels, H, W)
        )

    def forward(self, y: Tensor, A: LinearOperator | None = None, sigma: Tensor | None = None) -> Tensor:
        check_input(y, self.channels, SMALLEST)
        h, w = y.shape[-2:]
        right, below = -w % STRIDE, -h % STRIDE
        inside = F.pad(y, (0, right, 0, below), mode="reflect") if right or below else y
        return y + self.G(inside)[..., :h, :w].to(y.dtype)
