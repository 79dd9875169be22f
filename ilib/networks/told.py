"""MBD-GAN's generator, told the kernel: beside what the camera saw, it is shown what two linear maps make of it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import check_input
from ..operators import CircularConvolution
from .resnet import SMALLEST, STRIDE, ResNet, convolve
from .unrolled import DataStep


def told_channels(y: Tensor, A: CircularConvolution, sigma: Tensor) -> Tensor:
    """Set the Wiener estimate at the known noise, y and A'y one beside the other.  y (B, C, H, W) -> (B, 3 C, H, W).

    A: a circular convolution, one kernel or one per picture; sigma (B, 1, 1, 1).  In float32.
    """
    y = y.float()
    return torch.cat((DataStep(y, A, sigma.float()).wiener().x, y, A.adjoint(y)), 1)


class ToldResNet(ResNet):
    """x_hat = W y + G(W y, y, A'y): the generator of MBD-GAN (Fig. 2) told blur and noise, W the Wiener filter.

    y (B, channels, H, W), sigma (B, 1, 1, 1) -> like y.  The layers are those of ResNet but for the first, which sees
    three pictures; the skip starts at the Wiener estimate, so that training does.  A: a circular convolution, one
    kernel or one per picture.  ValueError where A or sigma is missing or sigma is 0, and as ResNet.
    """

    def __init__(self, width: int = 64, blocks: int = 9, channels: int = 3) -> None:
        super().__init__(width, blocks, channels)
        self.G[0] = convolve(3 * channels, width, 7)

    def forward(self, y: Tensor, A: CircularConvolution | None = None, sigma: Tensor | None = None) -> Tensor:
        check_input(y, self.channels, SMALLEST)
        if A is None or sigma is None:
            raise ValueError("ToldResNet is told the blur and the noise: call it as net(y, A, sigma)")
        if sigma.shape != (len(y), 1, 1, 1) or not (sigma > 0).all():
            raise ValueError(f"sigma has shape {tuple(sigma.shape)}; pass ({len(y)}, 1, 1, 1), one level a picture, "
                             "each above 0: at least the rounding of the camera, degrade.quantisation_noise(8)")
        told = told_channels(y, A, sigma)
        h, w = y.shape[-2:]
        inside = F.pad(told, (0, -w % STRIDE, 0, -h % STRIDE), mode="reflect")
        return told[:, : self.channels] + self.G(inside)[..., :h, :w].to(told.dtype)
