"""A network that finds the kernel, from what a blurred picture shows of it in space, spectrum and autocorrelation.

A picture's power falls smoothly with frequency; the zeros of the blur do not, and the autocorrelation of the blurred
differences is near that of the kernel, since differences of sharp pictures hardly correlate (Yitzhaky and Kopeika,
1997; Goldstein and Fattal, 2012).  Neither knows k(t) from k(-t): that takes the picture itself.
"""

import torch
from torch import Tensor, nn
from torch.fft import fft2, ifft2

from ..operators import CircularConvolution, LinearOperator
from .vae import KERNEL_SIDE, widened

WIENER = 0.01  # noise to signal of the picture that is shown with the kernel
SMALL = 1e-3  # of the mean power: what the logarithm does not look below


def shown(y: Tensor) -> Tensor:
    """Stack y without its mean, the log-power of its differences and their autocorrelation, zero in the middle.

    y (B, C, H, W), periodic borders -> (B, C + 2, H, W).
    """
    y = y.float()
    differences = torch.stack([y - y.roll(1, -1), y - y.roll(1, -2)])
    power = fft2(differences).abs().square().sum((0, 2))
    logs = (power / power.mean((-2, -1), keepdim=True).clamp(min=1e-12) + SMALL).log()
    near = ifft2(power).real
    near = near / near[..., :1, :1].clamp(min=1e-12)
    both = torch.stack([logs, 4 * near], 1)
    return torch.cat([2 * (y - y.mean((-3, -2, -1), keepdim=True)),
                      both.roll((y.shape[-2] // 2, y.shape[-1] // 2), (-2, -1))], 1)  # fmt: skip


class KernelNet(nn.Module):
    """Find the kernel of a circular blur.  y (B, 3, side, side) -> (B, 28, 28), which sums to 1.

    width: features at half the resolution, twice as many at each halving down to 4 x 4.  Called as a generator is, it
    gives the picture of a Wiener filter with that kernel.  ValueError for a side that is no power of two and for
    pictures of another size.
    """

    def __init__(self, width: int = 32, side: int = 64) -> None:
        super().__init__()
        if side < 16 or side & (side - 1):
            raise ValueError(f"side is {side}; pass a power of two, 16 or more")
        self.side, depth = side, side.bit_length() - 3
        layers, features = [], 5
        for i in range(depth):
            out = width * 2**i
            layers += [nn.Conv2d(features, out, 3, 2, 1), nn.GroupNorm(8, out), nn.ReLU(),
                       nn.Conv2d(out, out, 3, 1, 1), nn.GroupNorm(8, out), nn.ReLU()]  # fmt: skip
            features = out
        self.encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * features, 8 * width), nn.ReLU())
        self.decoder = nn.Sequential(
            nn.Linear(8 * width, 49 * 32), nn.ReLU(), nn.Unflatten(1, (32, 7, 7)),
            nn.Upsample(scale_factor=2), nn.Conv2d(32, 64, 3, 1, 1), nn.ReLU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(64, 32, 3, 1, 1), nn.ReLU(),
            nn.Conv2d(32, 1, 3, 1, 1))  # fmt: skip

    def logits(self, y: Tensor) -> Tensor:
        """Return the logarithms of the kernels' entries but for a constant.  (B, 3, side, side) -> (B, 784)."""
        if y.shape[1:] != (3, self.side, self.side):
            raise ValueError(f"the pictures are {tuple(y.shape[1:])}; this network takes (3, {self.side}, {self.side})")
        return widened(self.decoder(self.encoder(shown(y)))).flatten(1)

    def kernel(self, y: Tensor) -> Tensor:
        """Return the kernels."""
        return self.logits(y).softmax(1).unflatten(1, (KERNEL_SIDE, KERNEL_SIDE))

    def forward(self, y: Tensor, A: LinearOperator | None = None, sigma: Tensor | None = None) -> Tensor:
        return CircularConvolution(self.kernel(y)).wiener(y.float(), WIENER)


def windows(y: Tensor, side: int) -> Tensor:
    """Cut a picture into windows that overlap by half or more and cover it.  (B, C, H, W) -> (B, n, C, side, side).

    ValueError for a picture that is smaller than a window.
    """
    if min(y.shape[-2:]) < side:
        raise ValueError(f"the pictures are {tuple(y.shape[-2:])}; this network looks at {side} x {side} at once")
    rows, columns = (_starts(length, side) for length in y.shape[-2:])
    return torch.stack([y[..., top : top + side, left : left + side] for top in rows for left in columns], 1)


def _starts(length: int, side: int) -> list[int]:
    steps = -(-(length - side) // (side // 2))
    return [round((length - side) * i / max(steps, 1)) for i in range(steps + 1)]


class KernelNetInside(KernelNet):
    """KernelNet for pictures of any size, borders not periodic, window by window.  y (B, 3, H, W) -> (B, 28, 28).

    The logarithms of the windows' kernels are averaged, each weighted by the power of the window's differences: a
    blank one says nothing.  ValueError for pictures smaller than side.
    """

    def logits(self, y: Tensor) -> Tensor:
        """Return the logarithms of the kernels' entries but for a constant.  (B, 3, H, W) -> (B, 784)."""
        seen = windows(y.float(), self.side)
        each = super().logits(seen.flatten(0, 1)).unflatten(0, seen.shape[:2])
        power = (seen.diff(dim=-1).square().flatten(2).sum(2) + seen.diff(dim=-2).square().flatten(2).sum(2)) + 1e-6
        return (each * (power / power.sum(1, keepdim=True))[..., None]).sum(1)
