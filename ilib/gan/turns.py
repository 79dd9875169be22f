"""Blind deconvolution by a network that is told the kernel: kernel and picture are found in turns.

From a first picture, the kernel by least squares on the differences, no weight negative; with that kernel, the picture
by an unrolled network; and again, told less noise and the kernel damped less as both come closer to the truth.  Nothing
is trained for it: the network has seen many kernels, and the noise that it is told says how far to trust this one.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

from ..blind import PRIORS, Blind, find_kernel, noise_of, window
from ..classical import gradient
from ..errors import check_batch
from ..operators import Blur
from .restore import generator_with_borders
from .weights import load_weights


class Turn(NamedTuple):
    """One turn.  damping: of the kernel's energy, in mean powers of the picture's differences, None to keep the kernel
    that is there; noise: standard deviation that the network is told."""

    damping: float | None
    noise: float


TURNS = (Turn(0.4, 0.03), Turn(0.2, 0.02), Turn(0.1, 0.02), Turn(0.05, 0.01))  # tried in benchmarks/turns.py
THRICE = tuple(turn for turn in TURNS for _ in range(3))
FROM_A_CLASSICAL_KERNEL = (Turn(None, 0.03), *TURNS[:3])
FROM_A_NETWORK = (Turn(None, 0.03), *THRICE)
FLOOR = 0.1  # of a kernel's largest entry: what is below it is dropped
STEPS = 100  # of the descent on the kernel

Restore = Callable[[Tensor, Tensor, float], Tensor]  # y, kernels (B, n, n), noise -> x_hat


def floored(kernel: Tensor) -> Tensor:
    """Drop the entries below FLOOR times the largest, and make the sum 1.  (B, n, n), not negative -> (B, n, n).

    A kernel of zeros becomes a single point.
    """
    k = torch.where(kernel >= FLOOR * kernel.amax((-2, -1), keepdim=True), kernel, 0)
    k[..., k.shape[-2] // 2, k.shape[-1] // 2] += k.sum((-2, -1)) == 0
    return k / k.sum((-2, -1), keepdim=True)


def least_squares_kernel(x: Tensor, y: Tensor, side: int, damping: float, margin: int = 0) -> Tensor:
    """Minimise ||D (x * k - y)||^2 + c ||k||^2 over kernels of side x side pixels without a negative entry.

    x, y (B, C, H, W) -> (B, side, side), sum 1.  D: differences; c: damping times the sum of their squares in x.
    Borders are periodic; margin: pixels along each border whose differences of x are left out, where they are not.  By
    the accelerated projected gradients of Nesterov (chapter 11, "Nobody tells the kernel").  ValueError where side is
    larger than what is left of the picture, and for pictures of two sizes.
    """
    check_batch(x, "x"), check_batch(y, "y")
    if x.shape != y.shape:
        raise ValueError(f"x is {tuple(x.shape)} but y {tuple(y.shape)}: pass the picture that y is the blur of")
    if not 1 <= side <= min(x.shape[-2:]) - 2 * margin:
        raise ValueError(f"kernels of {side} pixels do not fit into pictures of {tuple(x.shape[-2:])} without {margin} "
                         "pixels along each border")  # fmt: skip
    shape, c = x.shape[-2:], side // 2
    X, Y = rfft2(_differences(x.double(), margin)), rfft2(_differences(y.double(), min(margin, 1)))
    power, cross = X.abs().square().sum((0, 2)), (X.conj() * Y).sum((0, 2))
    energy = irfft2(power, s=shape)[:, :1, :1]  # sum of the squared differences: the mean of the full power
    steepest = (power.amax((1, 2), keepdim=True) + damping * energy).clamp(min=1e-12)  # of a flat picture: 0

    def placed(k: Tensor) -> Tensor:
        return torch.nn.functional.pad(k, (0, shape[1] - side, 0, shape[0] - side)).roll((-c, -c), (-2, -1))

    def slope(k: Tensor) -> Tensor:
        full = irfft2(power * rfft2(placed(k)) - cross, s=shape)
        return full.roll((c, c), (-2, -1))[:, :side, :side] + damping * energy * k

    k = ahead = power.new_full((len(x), side, side), 1 / side**2)
    t = 1.0
    for _ in range(STEPS):
        new = (ahead - slope(ahead) / steepest).clamp(min=0)
        t, before = (1 + math.sqrt(1 + 4 * t * t)) / 2, t
        k, ahead = new, new + (before - 1) / t * (new - k)
    return floored(k).to(x)


def _differences(x: Tensor, margin: int) -> Tensor:
    """D x, 0 within a margin of the border.  (B, C, H, W) -> (2, B, C, H, W)."""
    d = gradient(x)
    if margin:
        kept = torch.zeros(d.shape[-2:], dtype=d.dtype, device=d.device)
        kept[margin : d.shape[-2] - margin - 1, margin : d.shape[-1] - margin - 1] = 1
        d = d * kept
    return d


def alternated(
    y: Tensor, x: Tensor, kernel: Tensor, restore: Restore, turns: Sequence[Turn] = TURNS, margin: int = 0
) -> Blind:
    """Find kernel and picture in turns, from a first picture and kernel.  y, x (B, C, H, W), kernel (B, n, n)."""
    for turn in turns:
        keep = turn.damping is None
        kernel = floored(kernel) if keep else least_squares_kernel(x, y, kernel.shape[-1], turn.damping, margin)
        x = restore(y, kernel, turn.noise).clamp(0, 1)
    return Blind(x, kernel)


def blind_in_turns(y: Tensor, A: object, *, weights: str, prior: str, size: int) -> tuple[Tensor, Tensor]:
    """Deblur photographs as a row of a table: the first kernel by a prior of ilib.blind.PRIORS, then kernel and picture
    in turns.  A is not looked at; the network is told at least the noise that is found in each picture.

    y (B, C, H, W) -> x_hat (B, C, H, W), kernels.  weights: those of a network that is told the kernel.  ValueError for
    an unknown prior; FileNotFoundError for a network that is not trained.
    """
    if prior not in PRIORS:
        raise ValueError(f"prior is {prior!r}; choose one of {', '.join(PRIORS)}")
    kernels = find_kernel(y, window(y, size), PRIORS[prior])
    found = [refined(one[None], k[None], weights) for one, k in zip(y, kernels, strict=True)]
    return torch.cat([one.x for one in found]), torch.cat([one.kernel for one in found])


@torch.no_grad()
def read_in_turns(y: Tensor, A: object, *, weights: str, told: str) -> tuple[Tensor, Tensor]:
    """Deblur photographs as a row of a table: the first kernel by a KernelNetInside, then kernel and picture in turns.

    y (B, C, H, W) -> x_hat (B, C, H, W), kernels (B, 27, 27); A is not looked at.  weights: those of the network that
    finds the kernel; told: of the one that is told it.  FileNotFoundError for a network that is not trained.
    """
    kernels = load_weights(weights)[0].to(y.device).kernel(y)[:, 1:, 1:]  # without what has no counterpart
    found = [refined(one[None], k[None], told, FROM_A_NETWORK) for one, k in zip(y, kernels, strict=True)]
    return torch.cat([one.x for one in found]), torch.cat([one.kernel for one in found])


def refined(y: Tensor, kernel: Tensor, weights: str, turns: Sequence[Turn] = FROM_A_CLASSICAL_KERNEL) -> Blind:
    """Find kernel and picture in turns from the kernel that a classical method found; the border is not periodic.

    y (1, C, H, W), kernel (1, n, n) -> x_hat, kernel.  weights: as blind_in_turns; turns: the first keeps the kernel.
    """
    sigma = noise_of(y)

    def restore(y: Tensor, k: Tensor, noise: float) -> Tensor:
        return generator_with_borders(y, Blur(k, normalise=True), weights=weights, noise=max(noise, sigma))

    return alternated(y, y, kernel, restore, turns, margin=kernel.shape[-1] // 2)
