"""Plug and play: one iteration, any denoiser as the prior (Venkatakrishnan et al., 2013).

    z = D(x, s)                                    the prior's step: whatever takes noise of level s out of a picture
    x = (A'A + rho)^-1 (A'y + rho z),  rho = weight (noise / s)^2         the data step, exact by FFTs

repeated while s falls from FIRST to the noise.  The methods below differ in D alone:

    tv_steps     the prox of total variation
    dct_steps    soft thresholds of the DCT of patches: sparse representation
    gmm_steps    the Wiener filter of a patch's most probable Gaussian: EPLL is these steps with its own levels
    cnn_steps    a trained network that is told the level (as DPIR, Zhang et al., 2021)
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import torch
from torch import Tensor, nn

from .classical import check_told, tv, wiener
from .epll import PRIOR, PatchEstimate, prior_of
from .gan.weights import load_weights
from .kernels import delta
from .operators import CircularBlur, CircularConvolution
from .patch_prior import SIDE, overlap_average, patches

Prior = Callable[[Tensor, float], Tensor]  # (x (B, C, H, W), level s) -> z, the same shape

FIRST = 0.2  # the level of the first step, in picture units
STEPS = 8
# CNN_WEIGHT is the best of those tried on training photographs (benchmarks/calibrate_pnp.py); the others are plain
# choices that have not been calibrated yet.
TV_WEIGHT, TV_STRENGTH = 1.0, 0.1
DCT_WEIGHT, DCT_THRESHOLD = 1.0, 1.5
GMM_WEIGHT = 1.0
CNN_WEIGHT = 0.5


def plug_and_play(y: Tensor, A: CircularConvolution, D: Prior, s: Sequence[float], *, noise: float,
                  weight: float = 1.0) -> Tensor:  # fmt: skip
    """Restore y by as many steps as there are levels s, from the Wiener estimate on.  (B, C, H, W) -> the same.

    D: the prior's step; noise: standard deviation of all that was added to A x; weight: how much the prior counts, 1
    where D is the MAP estimate for noise of level s.  ValueError for a noise or a level of 0.
    """
    check_told(y, A, noise)
    if min(s, default=1) <= 0:
        raise ValueError(f"the levels are {list(s)}: all must be above 0")
    x = wiener(y, A, noise=noise)
    for level in s:
        z = D(x, level)
        x = A.prox(z, y, weight * (noise / level) ** 2)
    return x


def falling(noise: float, first: float = FIRST, steps: int = STEPS) -> list[float]:
    """Return levels in equal ratios from first down to the noise, which stays the last (DPIR, section 4.2)."""
    last = min(noise, first)
    return [first * (last / first) ** (k / (steps - 1)) for k in range(steps)]


def tv_denoise(x: Tensor, s: float, strength: float = TV_STRENGTH) -> Tensor:
    """Minimise ||z - x||^2 / (2 s^2) + TV(z) / strength, the prox of TV, by ADMM.  (B, C, H, W) -> the same."""
    identity = CircularBlur(delta().to(x))
    return tv(x, identity, noise=s, scale=strength, iterations=15)


@lru_cache(maxsize=4)
def dct_matrix(n: int = SIDE) -> Tensor:
    """Return the orthonormal DCT-II of n samples, one cosine a row.  -> (n, n) float64."""
    k, i = torch.meshgrid(torch.arange(n, dtype=torch.float64), torch.arange(n, dtype=torch.float64), indexing="ij")
    C = (2 / n) ** 0.5 * torch.cos(math.pi * (i + 0.5) * k / n)
    C[0] /= 2**0.5
    return C


def soften(c: Tensor, threshold: float) -> Tensor:
    """Return argmin_z (z - c)^2 / 2 + threshold |z| for every entry: move it towards 0.  Any shape -> the same."""
    return c.sign() * (c.abs() - threshold).clamp(min=0)


def dct_denoise(x: Tensor, s: float, threshold: float = DCT_THRESHOLD) -> Tensor:
    """Soften the DCT of every overlapping 8x8 patch by threshold * s, the mean spared, and average.

    (B, C, H, W) -> the same.  One tiling of patches is the prox of their l1 norm; the average over all shifts of the
    tiling no longer depends on where it begins (Coifman and Donoho, 1995).
    """
    C = dct_matrix().to(x)
    T = torch.kron(C, C)  # (64, 64): rows are separable cosines
    c = T @ patches(x)
    c[..., 1:, :] = soften(c[..., 1:, :], threshold * s)
    return overlap_average(T.T @ c, *x.shape[-2:])


def gmm_denoise(x: Tensor, s: float, prior: str = PRIOR) -> Tensor:
    """Filter every patch by its most probable Gaussian of a mixture, and average (EPLL).  (B, C, H, W) -> the same."""
    estimate = PatchEstimate(prior_of(prior, x.device), s)
    return torch.stack([estimate(picture) for picture in x])


@lru_cache(maxsize=2)
def _loaded(weights: str, device: torch.device) -> nn.Module:
    return load_weights(weights)[0].to(device, memory_format=torch.channels_last)


@torch.no_grad()
def cnn_denoise(x: Tensor, s: float, weights: str) -> Tensor:
    """Denoise by a network of data/weights that is told the level.  (B, 3, H, W) -> the same."""
    level = torch.full((len(x), 1, 1, 1), s, device=x.device)
    net = _loaded(weights, x.device)
    with torch.autocast(x.device.type, torch.bfloat16, enabled=x.is_cuda):
        return net(x.float().contiguous(memory_format=torch.channels_last), None, level).float().contiguous()


def tv_steps(y: Tensor, A: CircularConvolution, *, noise: float, weight: float = TV_WEIGHT) -> Tensor:
    """Plug in the prox of TV.  (B, C, H, W) -> the same; errors as plug_and_play."""
    return plug_and_play(y, A, tv_denoise, falling(noise), noise=noise, weight=weight)


def dct_steps(y: Tensor, A: CircularConvolution, *, noise: float, weight: float = DCT_WEIGHT) -> Tensor:
    """Plug in soft thresholds of the DCT of patches.  (B, C, H, W) -> the same; errors as plug_and_play."""
    return plug_and_play(y, A, dct_denoise, falling(noise), noise=noise, weight=weight)


def gmm_steps(y: Tensor, A: CircularConvolution, *, noise: float, weight: float = GMM_WEIGHT) -> Tensor:
    """Plug in the Gaussian mixture of patches.  (B, C, H, W) -> the same; errors as plug_and_play and load_weights."""
    return plug_and_play(y, A, gmm_denoise, falling(noise), noise=noise, weight=weight)


def cnn_steps(y: Tensor, A: CircularConvolution, *, weights: str, noise: float, weight: float = CNN_WEIGHT) -> Tensor:
    """Plug in a trained network.  (B, 3, H, W) -> the same; errors as plug_and_play and load_weights."""
    D = partial(cnn_denoise, weights=weights)
    return plug_and_play(y, A, D, falling(noise), noise=noise, weight=weight)
