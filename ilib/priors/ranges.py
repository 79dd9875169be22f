"""What a generator can make: the closest picture in its range, and what that says about deblurring (eqs. 4, 13, 14)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import check_measurement
from .latent import Point, Stages, State, check_made, draws, seeds_for, staged


@dataclass(frozen=True)
class Projection:
    """How the closest picture is looked for: plain gradient descent on ||x - G(z)||^2, the sum over pixels."""

    steps: int = 6000  # 10,000 for faces and shoes
    rate: float = 0.01  # 0.001 for faces and shoes
    stages: Stages = ((0, 10),)  # (from step, restarts left)
    chunk: int = 40  # runs at once


@dataclass(frozen=True)
class InRange:
    """The closest pictures G(z) (B, C, H, W), their z (B, l), the mean square error (B,), the restart (B,)."""

    x: Tensor
    z: Tensor
    misfit: Tensor
    restart: Tensor


def descend(x: Tensor, z: Tensor, G: nn.Module, how: Projection, steps: range) -> Tensor:
    """Take steps of gradient descent on ||x - G(z)||^2.  x (N, C, H, W), z (N, l) -> (N, l)."""
    for _ in steps:
        point = Point(G, z)
        z = z - how.rate * point.pull_back(2 * (point.made - x))
    return z


@torch.no_grad()
def project(x: Tensor, G: nn.Module, how: Projection | None = None, seeds: Sequence[int] | None = None) -> InRange:
    """Find the picture in the range of G that is closest to x: i_range, or naive deblurring of a blurred x (eq. 4).

    x (B, C, H, W).  The restart with the smallest error is kept.  ValueError where x is not finite, or not of the size
    and channels that G makes.
    """
    how = how or Projection()
    check_measurement(x, "x")
    check_made(G, x, "x")
    own = seeds_for(x, seeds)
    start = {"z": draws(own, how.stages[0][1], G.latent, 0).to(x)}

    def move(who: Tensor, part: State, steps: range) -> State:
        return {"z": descend(x[who], part["z"], G, how, steps)}

    def measure(who: Tensor, part: State) -> State:
        return {"misfit": (G(part["z"]) - x[who]).square().flatten(1).mean(1)}

    last = staged(start, move, measure, how.stages, how)
    return InRange(G(last["z"]), last["z"], last["misfit"], last["restart"])


def range_error(x: Tensor, x_range: Tensor) -> Tensor:
    """Return ||x - x_range|| (eq. 13), the root of the sum over pixels.  (B, C, H, W) twice -> (B,)."""
    return (x - x_range).flatten(1).norm(dim=1)


def error_bound(x_hat: Tensor, x_range: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return both sides of eq. 14, ||x_hat - x|| <= ||x_hat - x_range|| + ||x_range - x||.  -> (B,), (B,)."""
    return range_error(x_hat, x), range_error(x_hat, x_range) + range_error(x_range, x)
