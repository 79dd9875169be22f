"""FCNN: deconvolution in the Fourier domain, guided by gradients that a network has denoised (Zhang et al., CVPR 2017).

    x_i = argmin_x  lambda_i / 2 ||A x - y||^2 + 1/2 ||D x - g_i||^2,    g_0 = 0,    g_i = denoiser_i(D x_{i-1})

Three denoisers, six layers each, and four deconvolutions whose lambda_i are learned.  One denoiser serves both
directions: the differences down are transposed on the way in and out.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fft import irfft2, rfft2

from ..classical import GRADIENT_POWER, gradient, gradient_adjoint, gradient_power
from ..errors import check_input
from ..operators import CircularConvolution

SIZES = (5, 3, 3, 3, 3, 3)  # the sides of the six layers' filters
MARGIN = sum(size // 2 for size in SIZES)  # pixels that they reach to each side
TYPICAL = (GRADIENT_POWER / 2) ** 0.5  # the size of a difference in photographs: what the layers see is divided by it


class GradientDenoiser(nn.Module):
    """Six layers of width features and ReLU between them.  g (B, channels, H, W), sigma (B, 1, 1, 1) -> like g.

    The noise level goes in as one more channel.  Borders are periodic, as the differences are.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        inner = [channels + 1, *[width] * (len(SIZES) - 1)]
        layers = [nn.Conv2d(a, b, size) for a, b, size in zip(inner, [*inner[1:], channels], SIZES, strict=True)]
        nn.init.zeros_(layers[-1].weight), nn.init.zeros_(layers[-1].bias)  # training starts at g = 0: Wiener
        self.f = nn.Sequential(*[part for layer in layers[:-1] for part in (layer, nn.ReLU(inplace=True))], layers[-1])

    def forward(self, g: Tensor, sigma: Tensor) -> Tensor:
        level = (sigma / 0.01).log().expand(-1, 1, *g.shape[-2:])
        inside = F.pad(torch.cat((g / TYPICAL, level), 1), (MARGIN,) * 4, mode="circular")
        return TYPICAL * self.f(inside).float()


class Deconvolution:
    """Solve (weight A'A + D'D) x = weight A'y + D'g for x.  weight (B, 1, 1, 1), g (2, B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, y: Tensor, A: CircularConvolution) -> None:
        h = A.otf(*y.shape[-2:])
        self.size = y.shape[-2:]
        self.data, self.normal = h.conj() * rfft2(y), h.abs() ** 2
        self.smooth = gradient_power(*self.size, y)

    def __call__(self, g: Tensor, weight: Tensor) -> Tensor:
        right = weight * self.data + rfft2(gradient_adjoint(g))
        return irfft2(right / (weight * self.normal + self.smooth), s=self.size)


class FCNN(nn.Module):
    """x_hat = FCNN(y, A, sigma), told the blur and the noise.  y (B, channels, H, W), sigma (B, 1, 1, 1) -> like y.

    width: features (64 in the paper), stages: denoisers (3).  Unlike the paper's, the denoisers see the colours
    together and the noise level, so that one network serves all levels: lambda_i = exp(a_i) GRADIENT_POWER / sigma^2
    with a_i learned.  It starts as the Wiener filter.  ValueError where A or sigma is missing, for another number of
    channels and for sides under 7 pixels.
    """

    def __init__(self, width: int = 64, stages: int = 3, channels: int = 3) -> None:
        super().__init__()
        if min(width, stages, channels) < 1:
            raise ValueError(f"width {width}, stages {stages}, channels {channels}: pass 1 or more")
        self.channels = channels
        self.denoisers = nn.ModuleList(GradientDenoiser(width, channels) for _ in range(stages))
        self.a = nn.Parameter(torch.zeros(stages + 1))

    def forward(
        self, y: Tensor, A: CircularConvolution | None = None, sigma: Tensor | None = None, stages: bool = False
    ) -> Tensor | tuple[Tensor, list[Tensor]]:
        """Return x_hat; with stages also the denoised gradients g_i, each (2, B, C, H, W)."""
        A, sigma = self._check(y, A, sigma)
        y, weight = y.float(), GRADIENT_POWER / sigma**2
        deconvolve = Deconvolution(y, A)
        x, found = deconvolve(torch.zeros_like(gradient(y)), self.a[0].exp() * weight), []
        for denoise, a in zip(self.denoisers, self.a[1:], strict=True):
            down, right = gradient(x)
            found.append(torch.stack((denoise(down.mT, sigma).mT, denoise(right, sigma))))
            x = deconvolve(found[-1], a.exp() * weight)
        return (x, found) if stages else x

    def _check(
        self, y: Tensor, A: CircularConvolution | None, sigma: Tensor | None
    ) -> tuple[CircularConvolution, Tensor]:
        check_input(y, self.channels, MARGIN)
        if A is None or sigma is None:
            raise ValueError("FCNN is told the blur and the noise: call it as net(y, A, sigma)")
        if sigma.shape != (len(y), 1, 1, 1):
            raise ValueError(f"sigma has shape {tuple(sigma.shape)}; pass ({len(y)}, 1, 1, 1): one level a picture")
        return A, sigma.float()
