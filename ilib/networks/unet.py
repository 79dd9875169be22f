"""A U-Net that is told nothing: the layers of the denoiser, on a quarter of the pixels and without norms.

An instance norm takes the mean and the contrast of every channel away in the first layer, which is all that a haze, or
a gain, has changed.
"""

import torch
from torch import Tensor

from ..operators import LinearOperator
from .denoiser import UNIT, Denoiser


class UNet(Denoiser):
    """x_hat = y + D(y).  y (B, channels, H, W) -> like y.

    width: features at half the resolution, twice and four times as many below.  It is blind: A and sigma are not looked
    at.  Training starts at x_hat = y.  Sides that are no multiple of 8 are continued by reflection and cut again.
    ValueError for another number of channels and for sides under 8 pixels.
    """

    def __init__(self, width: int = 32, channels: int = 3) -> None:
        super().__init__(width, 1, channels)

    def forward(self, x: Tensor, A: LinearOperator | None = None, sigma: Tensor | None = None) -> Tensor:
        return super().forward(x, A, torch.full((len(x), 1, 1, 1), UNIT, device=x.device))
