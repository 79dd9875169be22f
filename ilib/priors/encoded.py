"""Algorithm 1 from other starts than N(0, I): an encoder's guess for the blurred picture, with some noise on it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .algorithm_1 import Descent, Found, alternate, found, misfit
from .latent import Generators, State, draws, seeds_for, staged
from .load import halved


def encoded_starts(y: Tensor, encoder: nn.Module, restarts: int, seeds: Sequence[int], spread: float = 0.5) -> Tensor:
    """Return the encoder's mean for y, moved by N(0, spread^2) in all restarts but the first.

    y (B, C, H, W) -> (B, restarts, latent).
    """
    mean = encoder(y)[0][:, None]
    moved = spread * draws(seeds, restarts, mean.shape[-1], 0).to(y)
    moved[:, 0] = 0
    return mean + moved


@torch.no_grad()
def algorithm_1_from_encoder(
    y: Tensor, G: Generators, encoder: nn.Module, how: Descent | None = None, seeds: Sequence[int] | None = None
) -> Found:
    """Run Algorithm 1 with z_i started at the encoder's guess for y, z_k as ever; not in the paper.

    y (B, C, H, W); seeds: one for each picture.  ValueError as algorithm_1.
    """
    how = how or Descent()
    G.check(y)
    own, fast = seeds_for(y, seeds), Generators(halved(G.picture), G.kernel) if how.bf16 else G
    R = how.stages[0][1]
    start = {"z_i": encoded_starts(y, encoder, R, own), "z_k": draws(own, R, G.kernel.latent, 1).to(y)}

    def move(who: Tensor, part: State, steps: range) -> State:
        return alternate(y[who], part, fast, how, steps)

    def measure(who: Tensor, part: State) -> State:
        return {"misfit": misfit(y[who], G.picture(part["z_i"]), G.kernel(part["z_k"]))}

    return found(staged(start, move, measure, how.stages, how), G)
