"""Half-quadratic splitting unrolled into K steps: the data step in closed form, the prior's step learned.

    minimise  1 / (2 sigma^2) ||A x - y||^2 + phi(z) + 1 / (2 s^2) ||x - z||^2   over x and z in turn

    z_k = D(x_{k-1}; s_k)                                        the prior's step: a denoiser for noise of level s_k
    x_k = (A'A + rho_k)^-1 (A'y + rho_k z_k),  rho_k = sigma^2 / s_{k+1}^2      the data step, a division of spectra

x_0 is the Wiener filter's estimate and the result z_K; a data step has the level of the denoiser that follows it.  The
levels s_k(sigma) and the denoiser are learned together, for many kernels and noise levels at once: the kernel is no
part of the weights.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.fft import irfft2, rfft2

from ..classical import GRADIENT_POWER, gradient_power
from ..errors import check_input
from ..operators import CircularConvolution
from .denoiser import STRIDE, UNIT, Denoiser

FIRST, LAST = 0.05, 0.01  # s_1 and s_K that training starts from, at a noise of 1 %
REACH = (-1.0, 2.0)  # no estimate leaves this range: what one step gets wrong, the next does not multiply


class Estimate(NamedTuple):
    """A linear estimate x (B, C, H, W), and the standard deviation (B, 1, 1, 1) of the noise that is left in it."""

    x: Tensor
    noise: Tensor


class DataStep:
    """argmin_x ||A x - y||^2 + rho ||x - z||^2 for one y and any z and rho, what does not change computed once.

    y (B, C, H, W), A a circular convolution, sigma (B, 1, 1, 1).  The gradient reaches z and rho.
    """

    def __init__(self, y: Tensor, A: CircularConvolution, sigma: Tensor) -> None:
        h = A.otf(*y.shape[-2:])
        self.size, self.sigma = y.shape[-2:], sigma
        self.data, self.power = h.conj() * rfft2(y), h.abs() ** 2

    def wiener(self) -> Estimate:
        """Take for z the photographs whose spectrum falls as that of D x does: `classical.wiener`, per picture."""
        ratio = self.sigma**2 / GRADIENT_POWER * gradient_power(*self.size, self.power)
        return self._estimate(self.data, self.power + ratio)

    def __call__(self, z: Tensor, rho: Tensor) -> Estimate:
        """Solve (A'A + rho) x = A'y + rho z.  z (B, C, H, W), rho (B, 1, 1, 1) -> x and its noise."""
        return self._estimate(self.data + rho * rfft2(z), self.power + rho)

    def _estimate(self, right: Tensor, left: Tensor) -> Estimate:
        """Divide, and tell what white noise in y becomes: sigma times the root mean square of conj(h) / left."""
        gain = (self.power / left**2).mean((-2, -1), keepdim=True).sqrt()
        return Estimate(irfft2(right / left, s=self.size), self.sigma * gain)


class Unrolled(nn.Module):
    """x_hat = z_K of K learned steps, told blur and noise.  y (B, channels, H, W), sigma (B, 1, 1, 1) -> like y.

    width: features of the denoiser; steps: K, 0 or more (0 is the Wiener filter); shared: one denoiser for all steps,
    or one each.  A: a circular convolution, one kernel or one per picture.  s_k = exp(a_k) (sigma / 0.01)^b_k, a and b
    learned; a denoiser is told s_k and the noise left in x_{k-1}.  Training starts at D(x) = x.  ValueError where A or
    sigma is missing, for another number of channels and for sides under 8 pixels.
    """

    def __init__(self, width: int = 32, steps: int = 4, shared: bool = True, channels: int = 3) -> None:
        super().__init__()
        if steps < 0:
            raise ValueError(f"steps is {steps}; pass 0 or more")
        self.channels, self.steps = channels, steps
        number = min(steps, 1) if shared else steps
        self.denoisers = nn.ModuleList(Denoiser(width, 2, channels) for _ in range(number))
        self.a = nn.Parameter(torch.linspace(math.log(FIRST), math.log(LAST), steps))
        self.b = nn.Parameter(torch.linspace(0.3, 1.0, steps))

    def levels(self, sigma: Tensor) -> Tensor:
        """Return s_1 ... s_K for the noise in y.  sigma (B, 1, 1, 1) -> (K, B, 1, 1, 1)."""
        a, b = (p.reshape(-1, 1, 1, 1, 1) for p in (self.a, self.b))
        return (a + b * (sigma / UNIT).log()).exp()

    def forward(
        self, y: Tensor, A: CircularConvolution | None = None, sigma: Tensor | None = None, stages: bool = False
    ) -> Tensor | tuple[Tensor, list[Tensor]]:
        """Return x_hat; with stages also x_0, z_1, x_1, ... z_K, each (B, C, H, W)."""
        A, sigma = self._check(y, A, sigma)
        data, s = DataStep(y.float(), A, sigma), self.levels(sigma)
        x, found = data.wiener(), []
        z = x.x
        for k in range(self.steps):
            x = data(z, (sigma / s[k]) ** 2) if k else x
            level = torch.cat((s[k], x.noise), 1)
            z = self.denoisers[k % len(self.denoisers)](x.x.clamp(*REACH), None, level).clamp(*REACH)
            found += [x.x, z]
        return (z, found or [z]) if stages else z

    def _check(
        self, y: Tensor, A: CircularConvolution | None, sigma: Tensor | None
    ) -> tuple[CircularConvolution, Tensor]:
        check_input(y, self.channels, STRIDE)
        if A is None or sigma is None:
            raise ValueError("Unrolled is told the blur and the noise: call it as net(y, A, sigma)")
        if sigma.shape != (len(y), 1, 1, 1) or not (sigma > 0).all():
            raise ValueError(f"sigma has shape {tuple(sigma.shape)}; pass ({len(y)}, 1, 1, 1), one level a picture, "
                             "each above 0: at least the rounding of the camera, degrade.quantisation_noise(8)")
        return A, sigma.float()
