"""EPLL: deconvolution with a Gaussian mixture as the prior of every patch (Zoran and Weiss, ICCV 2011).

    maximise  -1 / (2 noise^2) ||A x - y||^2 + 1/d sum_i log p(P_i x)

over the periodic picture x, P_i its overlapping patches of d = 64 pixels.  Patches z_i take the place of P_i x and are
pulled towards it by beta / 2 ||P_i x - z_i||^2; while beta rises, z is a Wiener filter of the mixture's most probable
component, and x a proximal step that the FFT solves.
"""

from functools import lru_cache

import torch
from torch import Tensor

from .classical import check_told, wiener
from .gan.weights import load_weights
from .operators import CircularConvolution
from .patch_prior import GaussianMixture, overlap_average, patches, without_mean

PRIOR = "patch_prior--photographs--70c0b3df"
# Chosen on training photographs as the constants of ilib.classical were (benchmarks/calibrate_epll.py).
FIRST = 2.0
LAST = 0.5
STEPS = 8
NEGLIGIBLE = 0.1  # variance over that of the noise: directions below it are left out of the choice of component
GROUP = 20  # components treated at once
CHUNK = 2048  # patches treated at once: what fits the processor's cache


@lru_cache(maxsize=2)
def prior_of(name: str, device: torch.device) -> GaussianMixture:
    """Load a mixture of data/weights, once for each device.

    Eigenvectors stored in float16 are orthogonal to three digits, which is too few: |p|^2 / noise^2, which all
    components share, is up to a million where noise is little.  They are made orthogonal again.
    """
    mixture = load_weights(name)[0]
    mixture.vectors.copy_(torch.linalg.qr(mixture.vectors.double())[0])
    return mixture.to(device)


def betas(noise: float, first: float = FIRST, last: float = LAST) -> list[float]:
    """Return the weights of the patches, STEPS of them, geometric from first to last / noise^2.

    1 / beta is the variance of the noise that the patches are taken to hold.
    """
    end = max(last / noise**2, first)
    return [first * (end / first) ** (i / (STEPS - 1)) for i in range(STEPS)]


class PatchEstimate:
    """The most probable patches for a noise level, all that depends on the level computed once.

    log N(p; 0, Sigma + noise^2 I) is, but for -|p|^2 / (2 noise^2), constant_k + |B_k p|^2 / 2, with one row of
    B_k for each eigenvector: v_j' sqrt(s_j / (noise^2 (s_j + noise^2))).
    """

    def __init__(self, mixture: GaussianMixture, noise: float) -> None:
        s, v, weights = mixture.log_values.exp(), mixture.vectors, mixture.log_weights
        order = (s > NEGLIGIBLE * noise**2).sum(1).argsort()
        s, v = s[order], v[order]
        self.constant = (weights[order] - (s + noise**2).log().sum(1) / 2)[:, None]
        self.filters = (v * (s / (s + noise**2))[:, None]) @ v.mT  # (K, d, d)
        rows = (v * (s / (noise**2 * (s + noise**2))).sqrt()[:, None]).mT.flip(1)  # (K, d, d), the largest s first
        ranks = (s > NEGLIGIBLE * noise**2).sum(1).split(GROUP)
        self.groups = [part[:, : max(1, int(rank[-1]))] for part, rank in zip(rows.split(GROUP), ranks, strict=True)]

    def choose(self, p: Tensor) -> Tensor:
        """Return the most probable component of each patch.  p (d, N) -> (N,)."""
        return torch.cat([self._choose(part) for part in p.split(CHUNK, 1)])

    def _choose(self, p: Tensor) -> Tensor:
        squares = [(rows.flatten(0, 1) @ p).square_().unflatten(0, rows.shape[:2]).sum(1) for rows in self.groups]
        return torch.cat(squares).mul_(0.5).add_(self.constant).argmax(0)

    def filtered(self, p: Tensor, k: Tensor) -> Tensor:
        """Send each patch through the Wiener filter of its component.  p (d, N), k (N,) -> (d, N)."""
        order = k.argsort()
        parts = p.T[order].split(torch.bincount(k, minlength=len(self.filters)).tolist())
        z = torch.empty_like(p.T)
        z[order] = torch.cat([part @ f for part, f in zip(parts, self.filters, strict=True)])
        return z.T

    def __call__(self, x: Tensor) -> Tensor:
        """Estimate every overlapping patch of a picture and average.  (C, H, W) -> (C, H, W)."""
        k = self.choose(without_mean(patches(x.mean(0)))[0])
        p, mean = without_mean(patches(x))
        z = torch.stack([self.filtered(channel, k) for channel in p])
        return overlap_average(z + mean, *x.shape[-2:])


def epll(
    y: Tensor, A: CircularConvolution, *, noise: float, prior: str = PRIOR, first: float = FIRST, last: float = LAST
) -> Tensor:
    """Maximise the expected patch log-likelihood by half-quadratic splitting (eqs. 3 to 5).  (B, C, H, W) -> same.

    prior: a mixture of data/weights, fitted by benchmarks/patch_prior.py; first, last: see `betas`.  The paper's betas
    for deblurring are 50 to 3200 at 1 % noise; ours go up to last / noise^2, so that where rounding is all the noise
    there is the patches' own noise falls to it, and the result is no smoother than the data demand.  Channels share
    the choice of component, made on their mean, and go through its filter one by one.  ValueError for a noise of 0,
    FileNotFoundError where the prior is not there.
    """
    check_told(y, A, noise)
    mixture = prior_of(prior, y.device)
    x = wiener(y, A, noise=noise)
    for beta in betas(noise, first, last):
        estimate = PatchEstimate(mixture, beta**-0.5)
        x = A.prox(torch.stack([estimate(picture) for picture in x]), y, beta * noise**2)
    return x
