"""A small denoiser that is told the noise: a U-Net on squares of four pixels, whose output is added to its input.

Working on a quarter of the pixels with four times the channels is what makes it quick (Zhang et al., FFDNet, 2018); the
layout, three scales with residual blocks and skips, is that of DRUNet (Zhang et al., 2021), narrowed.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import check_input
from ..operators import LinearOperator

STRIDE = 8  # 2 by gathering squares of pixels, 4 by the two coarser scales
UNIT = 0.01  # the noise level whose logarithm the layers see as 0
COARSE, FINE = 2.0, 10.0  # what the layers see of a square: its mean times 2, the deviations from it times 10


def squares_of(x: Tensor) -> Tensor:
    """Gather squares of 2x2 pixels as channels, means and deviations scaled alike.  (B, C, H, W) -> (B, 4C, H/2, W/2).

    Deviations are a tenth of the means in photographs; unscaled, the first layers take many steps to notice them.
    """
    squares = F.pixel_unshuffle(x, 2).unflatten(1, (-1, 4))
    mean = squares.mean(2, keepdim=True)
    return (COARSE * (mean - 0.5) + FINE * (squares - mean)).flatten(1, 2)


class Block(nn.Module):
    """x + f(x), f two 3x3 convolutions with a ReLU between them.  (B, C, H, W) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True),
                               nn.Conv2d(channels, channels, 3, padding=1))  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.f(x)


class Denoiser(nn.Module):
    """x_hat = x + D(x, sigma), told the noise level.  x (B, channels, H, W), sigma (B, levels, 1, 1) -> like x.

    width: features at half the resolution, twice and four times as many below; levels: how many noise levels it is told
    (1).  It is called as a generator is, D(y, A, sigma), and does not look at A.  Training starts at x_hat = x.  Sides
    that are no multiple of 8 are continued by reflection and cut again.  ValueError where sigma is missing, for another
    number of channels and for sides under 8 pixels.
    """

    def __init__(self, width: int = 32, levels: int = 1, channels: int = 3) -> None:
        super().__init__()
        if min(width, levels, channels) < 1:
            raise ValueError(f"width {width}, levels {levels}, channels {channels}: pass 1 or more")
        self.channels, self.levels, w = channels, levels, width
        self.head = nn.Conv2d(4 * channels + levels, w, 3, padding=1)  # (B, w, H/2, W/2)
        self.fine, self.down = Block(w), nn.Conv2d(w, 2 * w, 2, stride=2)
        self.middle, self.below = Block(2 * w), nn.Conv2d(2 * w, 4 * w, 2, stride=2)
        self.coarse = nn.Sequential(Block(4 * w), Block(4 * w))  # (B, 4w, H/8, W/8)
        self.above, self.middle_again = nn.ConvTranspose2d(4 * w, 2 * w, 2, stride=2), Block(2 * w)
        self.up, self.fine_again = nn.ConvTranspose2d(2 * w, w, 2, stride=2), Block(w)
        self.tail = nn.Conv2d(w, 4 * channels, 3, padding=1)
        nn.init.zeros_(self.tail.weight), nn.init.zeros_(self.tail.bias)

    def forward(self, x: Tensor, A: LinearOperator | None = None, sigma: Tensor | None = None) -> Tensor:
        check_input(x, self.channels, STRIDE)
        if sigma is None or sigma.shape != (len(x), self.levels, 1, 1):
            raise ValueError(f"the denoiser is told the noise: pass sigma, {(len(x), self.levels, 1, 1)}")
        h, w = x.shape[-2:]
        right, below = -w % STRIDE, -h % STRIDE
        inside = F.pad(x, (0, right, 0, below), mode="reflect") if right or below else x
        return x + self.D(inside, sigma)[..., :h, :w].to(x.dtype)

    def D(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return what is added to x, whose sides are multiples of 8."""
        squares = squares_of(x)  # (B, 4 channels, H/2, W/2)
        level = (sigma / UNIT).clamp(min=1e-2).log().to(x).expand(-1, -1, *squares.shape[-2:]) / 2
        a = self.fine(self.head(torch.cat((squares, level), 1)))
        b = self.middle(self.down(a))
        c = self.coarse(self.below(b))
        b = self.middle_again(b + self.above(c))
        return F.pixel_shuffle(self.tail(self.fine_again(a + self.up(b))), 2)
