"""The likeliest codes: Algorithm 1's unknowns by Adam, with priors whose z is drawn where their codes lie.

    L(u_i, u_k) = ||y - G_I(u_i) * G_K(u_k)||^2 + c (||u_i||^2 + ||u_k||^2)

summed over pixels, and the evidence of the kernel where it is asked for (evidence.py).  Not in the paper: Algorithm 1
takes plain gradient steps in turn, a c near 0, and keeps the restart with the smallest misfit; here both move together,
c counts, and the restart with the smallest L is kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

from ..operators import otf
from .adam import adam_step, remembered
from .algorithm_1 import Found, misfit
from .evidence import Evidence
from .latent import Generators, Stages, State, check_starts, draws, made_by, seeds_for, staged
from .load import halved

UNKNOWNS = ("z_i", "z_k")


@dataclass(frozen=True)
class Likely:
    """How the codes are looked for."""

    steps: int = 600
    stages: Stages = ((0, 10), (30, 5), (90, 2), (150, 1))  # (from step, restarts left)
    rate: float = 0.1  # Adam's first step, which falls to 0 along half a cosine
    betas: tuple[float, float] = (0.9, 0.99)
    weight: float = 0.01  # c: in proportion to the noise's variance and that of what the generators cannot make
    chunk: int = 40  # runs at once
    bf16: bool = False  # compute the generator of pictures in bfloat16; its last picture in float32 all the same

    def rate_at(self, t: int) -> float:
        """Return Adam's step at iteration t."""
        return self.rate * (1 + math.cos(math.pi * t / self.steps)) / 2


def objective(y: Tensor, state: State, G: Generators, how: Likely, evidence: Evidence | None = None) -> Tensor:
    """Return L of each run.  y (N, C, H, W); state z_i, z_k -> (N,)."""
    K = otf(G.kernel(state["z_k"]), *y.shape[-2:])
    r = irfft2(rfft2(made_by(G.picture, state["z_i"])) * K, s=y.shape[-2:]) - y
    L = r.square().flatten(1).sum(1) + how.weight * sum(state[name].square().sum(1) for name in UNKNOWNS)
    return L if evidence is None else L + evidence(K)


@torch.no_grad()
def likeliest(
    y: Tensor,
    G: Generators,
    how: Likely | None = None,
    seeds: Sequence[int] | None = None,
    start: State | None = None,
    evidence: Evidence | None = None,
) -> Found:
    """Find picture and kernel in the range of two generators, at codes that N(0, I) makes likely.

    y (B, C, H, W); seeds: one for each picture, from which its starts are drawn; start: z_i, z_k (B, R, length) in
    their place; evidence: of the kernels, in the objective.  ValueError where y is not finite, not of the size and
    channels that the generator makes, or where stages, steps and starts do not go together.
    """
    how = how or Likely()
    G.check(y)
    R, own = how.stages[0][1], seeds_for(y, seeds)
    start = start or {name: draws(own, R, length, i).to(y) for i, (name, length) in enumerate(G.latents().items())}
    check_starts(y, start, how.stages)
    fast = Generators(halved(G.picture), G.kernel) if how.bf16 else G

    def move(who: Tensor, part: State, steps: range) -> State:
        def value(z: State) -> Tensor:
            return objective(y[who], z, fast, how, evidence)

        for t in steps:
            part = adam_step(part, value, UNKNOWNS, t, how.rate_at(t), how.betas)
        return part

    def measure(who: Tensor, part: State) -> State:
        return {"misfit": objective(y[who], part, G, how, evidence)}

    last = staged(remembered(start, UNKNOWNS), move, measure, how.stages, how)
    x, k = G.picture(last["z_i"]), G.kernel(last["z_k"])
    return Found(x, k, last["z_i"], last["z_k"], misfit(y, x, k), last["restart"])
