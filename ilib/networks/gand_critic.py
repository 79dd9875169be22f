"""The discriminator of GAN-D (Fig. 1): a shortened VGG that says how probable it is that a picture is a photograph."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import check_batch

HALVINGS = 5


class GanDCritic(nn.Module):
    """D: five 2 x 2 convolutions, a ReLU and a 2 x 2 pool behind each, then hidden, hidden, 100 and one number.

    x (B, channels, size, size) -> logits (B,): D(x) of the paper is their sigmoid.  width: features of the first layer
    (64), then twice, four, eight and eight times as many; size: of the pictures, a multiple of 32.  As printed the
    convolutions have stride 2 too, which would shrink 128 pixels to nothing: ours have stride 1, and one row and one
    column of zeros below and to the right.  ValueError for pictures of another shape.
    """

    def __init__(self, size: int = 128, width: int = 64, hidden: int = 4096, channels: int = 3) -> None:
        super().__init__()
        if size < 1 or size % 2**HALVINGS or min(width, hidden, channels) < 1:
            raise ValueError(f"size {size}, width {width}, hidden {hidden}, channels {channels}: pass 1 or more, and a "
                             f"size that is a multiple of {2**HALVINGS}")
        self.shape = (channels, size, size)
        features = [channels, width, 2 * width, 4 * width, 8 * width, 8 * width]
        self.convolutions = nn.ModuleList(nn.Conv2d(*pair, 2) for pair in zip(features, features[1:], strict=False))
        side = size // 2**HALVINGS
        self.judge = nn.Sequential(
            nn.Flatten(),  # (B, 8 width side^2)
            nn.Linear(8 * width * side**2, hidden), nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden), nn.ReLU(inplace=True),
            nn.Linear(hidden, 100), nn.ReLU(inplace=True),
            nn.Linear(100, 1),
        )  # fmt: skip
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu"), nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.judge[-1].weight)  # training starts at D = 1/2

    def forward(self, x: Tensor) -> Tensor:
        check_batch(x)
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(f"the pictures are {tuple(x.shape[1:])} but this discriminator takes {self.shape}: build "
                             "it for that size")
        h = x - 0.5
        for convolution in self.convolutions:
            h = F.max_pool2d(F.relu(convolution(F.pad(h, (0, 1, 0, 1)))), 2)  # (B, features, half, half)
        return self.judge(h).squeeze(1)

    def probability(self, x: Tensor) -> Tensor:
        """Return D(x) in (0, 1), the sigmoid of the logits.  (B, channels, size, size) -> (B,)."""
        return torch.sigmoid(self(x))
