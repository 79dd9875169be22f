"""Algorithm 1 from starts that are given: an encoder's guess for the blurred picture, or, to learn what is there to be
found, for the sharp one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .algorithm_1 import Descent, Found, alternate, found, misfit
from .latent import Generators, State, check_starts, draws, staged
from .load import halved


@torch.no_grad()
def encoded_starts(x: Tensor, encoder: nn.Module, restarts: int, seeds: Sequence[int], spread: float = 0.5) -> Tensor:
    """Return the encoder's mean for x, moved by N(0, spread^2) in all restarts but the first.

    x: pictures (B, C, H, W) or kernels (B, h, w), as the encoder takes them -> (B, restarts, latent).
    """
    mean = encoder(x)[0][:, None]
    moved = spread * draws(seeds, restarts, mean.shape[-1], 0).to(x)
    moved[:, 0] = 0
    return mean + moved


@torch.no_grad()
def algorithm_1_from(y: Tensor, G: Generators, start: State, how: Descent | None = None) -> Found:
    """Run Algorithm 1 from given starts, z_i and z_k (B, R, length); not in the paper.

    y (B, C, H, W).  ValueError as algorithm_1, and where the number of restarts is not that of the first stage.
    """
    how = how or Descent()
    G.check(y)
    check_starts(y, start, how.stages)
    fast = Generators(halved(G.picture), G.kernel) if how.bf16 else G

    def move(who: Tensor, part: State, steps: range) -> State:
        return alternate(y[who], part, fast, how, steps)

    def measure(who: Tensor, part: State) -> State:
        return {"misfit": misfit(y[who], G.picture(part["z_i"]), G.kernel(part["z_k"]))}

    return found(staged(start, move, measure, how.stages, how), G)
