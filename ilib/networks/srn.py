"""SRN: one encoder-decoder applied at a quarter, a half and the full size in turn (Tao et al., CVPR 2018).

At each scale it sees the blurred picture beside the estimate of the scale below, enlarged; a convolutional LSTM at its
bottleneck carries what was found there.  Convolutions are 5x5, of 32, 64 and 128 features in the paper; nothing is
normalised; the decoder adds the encoder's features of the same size.  Unlike the paper's, ours adds what it finds to
the blurred picture of each scale: without that, the few thousand steps that we train go into learning to copy.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import check_input
from ..operators import LinearOperator

STRIDE = 16  # two halvings of the coarsest of three scales
SCALES = (4, 2, 1)
State = tuple[Tensor, Tensor]


def convolve(inner: int, outer: int, stride: int = 1) -> nn.Sequential:
    """Convolve by 5x5 filters and rectify.  (B, inner, H, W) -> (B, outer, H / stride, W / stride)."""
    return nn.Sequential(nn.Conv2d(inner, outer, 5, stride, padding=2), nn.ReLU(inplace=True))


def enlarge(inner: int, outer: int) -> nn.Sequential:
    """Double the picture by a transposed 4x4 convolution and rectify.  (B, inner, H, W) -> (B, outer, 2 H, 2 W)."""
    return nn.Sequential(nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """x + f(x), f two 5x5 convolutions with one ReLU between them.  (B, C, H, W) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.f = nn.Sequential(convolve(channels, channels), nn.Conv2d(channels, channels, 5, padding=2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.f(x)


def residuals(channels: int, n: int) -> list[Residual]:
    return [Residual(channels) for _ in range(n)]


class ConvLSTM(nn.Module):
    """An LSTM whose maps are 3x3 convolutions.  x (B, C, H, W), state (h, c) -> (h, (h, c)), each like x."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * channels, 4 * channels, 3, padding=1)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        h, c = state
        take, new, forget, give = self.gates(torch.cat((x, h.to(x.dtype)), 1)).chunk(4, 1)
        c = c * torch.sigmoid(forget + 1) + torch.sigmoid(take) * torch.tanh(new)
        h = torch.tanh(c) * torch.sigmoid(give)
        return h, (h, c)


class SRN(nn.Module):
    """x_hat = y + SRN(y): blind, A and sigma are not looked at.  y (B, channels, H, W) -> (B, channels, H, W).

    width: features at full size (32 in the paper), twice and four times as many below; blocks: residual blocks at each
    size of the encoder and of the decoder (3).  Sides that are no multiple of 16 are continued by reflection and cut
    again.  ValueError for pictures of another number of channels or with a side under 16 pixels.
    """

    def __init__(self, width: int = 32, blocks: int = 3, channels: int = 3) -> None:
        super().__init__()
        if min(width, channels) < 1 or blocks < 0:
            raise ValueError(f"width {width}, blocks {blocks}, channels {channels}: pass 1 or more (blocks: 0 or more)")
        self.channels, w = channels, width
        self.encode1 = nn.Sequential(convolve(2 * channels, w), *residuals(w, blocks))  # (B, w, H, W)
        self.encode2 = nn.Sequential(convolve(w, 2 * w, 2), *residuals(2 * w, blocks))  # (B, 2w, H/2, W/2)
        self.encode3 = nn.Sequential(convolve(2 * w, 4 * w, 2), *residuals(4 * w, blocks))  # (B, 4w, H/4, W/4)
        self.lstm = ConvLSTM(4 * w)
        self.decode3 = nn.Sequential(*residuals(4 * w, blocks), enlarge(4 * w, 2 * w))  # (B, 2w, H/2, W/2)
        self.decode2 = nn.Sequential(*residuals(2 * w, blocks), enlarge(2 * w, w))  # (B, w, H, W)
        self.decode1 = nn.Sequential(*residuals(w, blocks), nn.Conv2d(w, channels, 5, padding=2))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.xavier_uniform_(layer.weight), nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.decode1[-1].weight)  # training starts at x_hat = y

    def forward(
        self, y: Tensor, A: LinearOperator | None = None, sigma: Tensor | None = None, scales: bool = False
    ) -> Tensor | list[Tensor]:
        """Return x_hat; with scales the estimates of all scales, coarse to fine, of pictures of sides 16 n."""
        check_input(y, self.channels, STRIDE)
        h, w = y.shape[-2:]
        right, below = -w % STRIDE, -h % STRIDE
        found = self._estimates(F.pad(y, (0, right, 0, below), mode="reflect") if right or below else y)
        return found if scales else found[-1][..., :h, :w]

    def _estimates(self, y: Tensor) -> list[Tensor]:
        small = [F.avg_pool2d(y, scale) for scale in SCALES]
        x, found = small[0], []
        state = None
        for blurred in small:
            x = _resized(x.detach(), blurred)  # the authors' code lets no gradient through here, only through the LSTM
            change, state = self._at_one_scale(torch.cat((blurred, x), 1), state)
            found.append(x := blurred + change.to(y.dtype))
        return found

    def _at_one_scale(self, pair: Tensor, state: State | None) -> tuple[Tensor, State]:
        e1 = self.encode1(pair)
        e2 = self.encode2(e1)
        e3 = self.encode3(e2)
        zero = torch.zeros_like(e3)
        h, state = self.lstm(e3, (zero, zero) if state is None else tuple(_resized(part, e3) for part in state))
        return self.decode1(self.decode2(self.decode3(h) + e2) + e1), state



def _resized(x: Tensor, like: Tensor) -> Tensor:
    """Enlarge bilinearly to the size of another; the same where it has that size."""
    size = like.shape[-2:]
    return x if x.shape[-2:] == size else F.interpolate(x, size=size, mode="bilinear", align_corners=False)
