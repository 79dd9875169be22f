"""The generator of the physics-based GAN (Table 1): CycleGAN's, which makes the picture itself, without a skip."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import check_input
from ..operators import LinearOperator
from .resnet import SMALLEST, STRIDE, ResNet

SPREAD = 0.02  # standard deviation of the initial weights (section 5.2, as CycleGAN)


class DirectResNet(ResNet):
    """x_hat = (1 + tanh G(2 y - 1)) / 2: the layers of ResNet without the skip over all of them (Table 1).

    y (B, channels, H, W) in [0, 1] -> (B, channels, H, W) in [0, 1].  width, blocks, channels, odd sides and errors as
    for ResNet.  The strides that Table 1 prints do not give back the input's size: both CTIR double it here.
    """

    def __init__(self, width: int = 64, blocks: int = 9, channels: int = 3) -> None:
        super().__init__(width, blocks, channels)
        draw_weights(self)

    def forward(self, y: Tensor, A: LinearOperator | None = None, sigma: Tensor | None = None) -> Tensor:
        check_input(y, self.channels, SMALLEST)
        h, w = y.shape[-2:]
        right, below = -w % STRIDE, -h % STRIDE
        inside = F.pad(y, (0, right, 0, below), mode="reflect") if right or below else y
        made = torch.tanh(self.G(2 * inside - 1).to(y.dtype))
        return (1 + made[..., :h, :w]) / 2


def draw_weights(network: nn.Module) -> nn.Module:
    """Draw the weights of all convolutions from N(0, 0.02^2), biases 0, and return the network."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0, SPREAD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network
