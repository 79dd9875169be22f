"""A small generator for processors: a U-Net on squares of pixels, with the skip of ResNet and without norms."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import check_input
from ..operators import LinearOperator

SQUARE = 2  # pixels a side that become channels


def _pair(inner: int, outer: int) -> nn.Sequential:
    """Two 3 x 3 convolutions, each rectified.  (B, inner, H, W) -> (B, outer, H, W)."""
    return nn.Sequential(nn.Conv2d(inner, outer, 3, padding=1), nn.ReLU(inplace=True),
                         nn.Conv2d(outer, outer, 3, padding=1), nn.ReLU(inplace=True))  # fmt: skip


class UNet(nn.Module):
    """x_hat = y + G(y): squares of 2 x 2 pixels as channels, then halvings and back (Ronneberger et al., 2015).

    y (B, channels, H, W) -> (B, channels, H, W).  width: features at the finest level, doubled at each of the
    `levels` others.
    It is blind: A and sigma are not looked at.  Sides that are no multiple of 2^(levels + 1) are continued by
    replication and cut again.  ValueError for pictures of another number of channels or smaller than that multiple.
    """

    def __init__(self, width: int = 32, levels: int = 3, channels: int = 3) -> None:
        super().__init__()
        if width < 1 or levels < 1 or channels < 1:
            raise ValueError(f"width {width}, levels {levels}, channels {channels}: pass 1 or more of each")
        self.channels, self.multiple = channels, SQUARE * 2**levels
        widths, inner = [width * 2**i for i in range(levels + 1)], channels * SQUARE**2
        self.down = nn.ModuleList(_pair(a, b) for a, b in zip([inner, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.Conv2d(2 * w, 4 * w, 1) for w in widths[:-1])
        self.join = nn.ModuleList(_pair(2 * w, w) for w in widths[:-1])
        self.last = nn.Conv2d(width, inner, 3, padding=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # without norms, else nothing arrives
        nn.init.zeros_(self.last.weight), nn.init.zeros_(self.last.bias)  # training starts at x_hat = y

    def forward(self, y: Tensor, A: LinearOperator | None = None, sigma: Tensor | None = None) -> Tensor:
        check_input(y, self.channels, self.multiple)
        h, w = y.shape[-2:]
        right, below = -w % self.multiple, -h % self.multiple
        inside = F.pad(y, (0, right, 0, below), mode="replicate") if right or below else y
        return y + self.G(inside)[..., :h, :w].to(y.dtype)

    def G(self, y: Tensor) -> Tensor:
        """What is added to y, whose sides divide.  (B, channels, H, W) -> same."""
        z, seen = F.pixel_unshuffle(y, SQUARE), []
        for i, pair in enumerate(self.down):
            z = pair(F.max_pool2d(z, 2) if i else z)  # (B, 2^i w, H / 2^(i + 1), W / 2^(i + 1))
            seen.append(z)
        for up, join, fine in zip(reversed(self.up), reversed(self.join), reversed(seen[:-1]), strict=True):
            z = join(torch.cat((F.pixel_shuffle(up(z), 2), fine), 1))
        return F.pixel_shuffle(self.last(z), SQUARE)
