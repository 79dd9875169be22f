"""Algorithm 2: a picture near the range of its generator, with total variation (Asim et al., eq. 10).

The weights are those of the authors' code, which differ from eq. 10 as it is printed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

from ..operators import otf
from .adam import adam_step, remembered
from .algorithm_1 import Found, misfit
from .latent import Generators, Stages, State, check_starts, draws, made_by, seeds_for, staged
from .load import halved

UNKNOWNS = ("x", "z_i", "z_k")


@dataclass(frozen=True)
class Slack:
    """How Algorithm 2 descends: one Adam step on picture and latent vectors together (Table III of the paper)."""

    steps: int = 10_000
    stages: Stages = ((0, 10),)  # (from step, restarts left)
    rate: float = 0.005  # Adam's step
    zeta: float = 1.0  # weight of ||y - G(z_i) * k||^2; 0.5 in eq. 10
    free: float = 0.5  # weight of ||y - x * k||^2; 1 in eq. 10
    tau: float = 100.0  # weight of the mean of (x - G(z_i))^2; of the sum in eq. 10
    rho: float = 1e-3  # weight of the total variation
    spread: float = 0.01  # standard deviation of the first x around 0.5; 0.1 in the paper
    chunk: int = 40  # runs at once
    bf16: bool = False  # compute the generator of pictures in bfloat16


def total_variation(x: Tensor) -> Tensor:
    """Return the sum of the absolute differences between neighbours, down and to the right.  (N, C, H, W) -> (N,)."""
    down, right = x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]
    return down.abs().flatten(1).sum(1) + right.abs().flatten(1).sum(1)


def objective(y: Tensor, state: State, G: Generators, how: Slack) -> Tensor:
    """Return the objective of eq. 10 for each run.  y (N, C, H, W); state x, z_i, z_k -> (N,)."""
    x, made, K = state["x"], made_by(G.picture, state["z_i"]), otf(G.kernel(state["z_k"]), *y.shape[-2:])
    both = irfft2(rfft2(torch.stack((made, x))) * K, s=y.shape[-2:])
    in_range, free = (both - y).square().flatten(2).sum(2)
    near = (x - made).square().flatten(1).mean(1)
    return how.zeta * in_range + how.free * free + how.tau * near + how.rho * total_variation(x)


def adam_steps(y: Tensor, state: State, G: Generators, how: Slack, steps: range) -> State:
    """Take Adam steps, each run by itself.  state: x, z_i, z_k, and m_ and v_ of each, Adam's memories."""
    for t in steps:
        state = adam_step(state, lambda unknowns: objective(y, unknowns, G, how), UNKNOWNS, t, how.rate)
    return state


def first_state(y: Tensor, G: Generators, how: Slack, seeds: Sequence[int]) -> State:
    """Draw z_i and z_k from N(0, I), x from N(0.5, spread^2).  -> (B, R, ...)."""
    R = how.stages[0][1]
    state = {name: draws(seeds, R, length, i).to(y) for i, (name, length) in enumerate(G.latents().items())}
    state["x"] = 0.5 + how.spread * draws(seeds, R, y[0].numel(), 2).to(y).unflatten(2, y.shape[1:])
    return state


@torch.no_grad()
def algorithm_2(y: Tensor, G: Generators, how: Slack | None = None, seeds: Sequence[int] | None = None) -> Found:
    """Find a picture near the range of its generator, and a kernel in the range of its own (Algorithm 2, eq. 10).

    y (B, C, H, W); seeds: one for each picture.  The restart that is kept has the smallest ||y - clip(x) * k||; x_hat
    is its x, clipped to [0, 1].  ValueError where y is not finite or not of the size and channels that G makes.
    """
    how = how or Slack()
    G.check(y)
    return algorithm_2_from(y, G, first_state(y, G, how, seeds_for(y, seeds)), how)


@torch.no_grad()
def algorithm_2_from(y: Tensor, G: Generators, start: State, how: Slack) -> Found:
    """Run Algorithm 2 from given starts, x (B, R, C, H, W), z_i and z_k (B, R, length); otherwise as algorithm_2.

    ValueError where the number of restarts is not that of the first stage.
    """
    G.check(y)
    check_starts(y, start, how.stages)
    fast = Generators(halved(G.picture), G.kernel) if how.bf16 else G

    def move(who: Tensor, part: State, steps: range) -> State:
        return adam_steps(y[who], part, fast, how, steps)

    def measure(who: Tensor, part: State) -> State:
        return {"misfit": misfit(y[who], part["x"].clamp(0, 1), G.kernel(part["z_k"]))}

    last = staged(remembered(start, UNKNOWNS), move, measure, how.stages, how)
    return Found(last["x"].clamp(0, 1), G.kernel(last["z_k"]), last["z_i"], last["z_k"], last["misfit"],
                 last["restart"])  # fmt: skip
