"""Adam on several unknowns of many runs together; no run looks at another."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .latent import State

TINY = 1e-8


def remembered(state: State, unknowns: Sequence[str]) -> State:
    """Add Adam's memories of each unknown, m_ and v_, of what it has not seen yet."""
    return state | {f"{what}_{name}": torch.zeros_like(state[name]) for name in unknowns for what in "mv"}


def adam_step(
    state: State, objective: Callable[[State], Tensor], unknowns: Sequence[str], t: int, rate: float,
    betas: tuple[float, float] = (0.9, 0.999)
) -> State:  # fmt: skip
    """Take step t (from 0) of Kingma and Ba (2015).  objective: a state of the unknowns -> a number for each run."""
    wanted = {name: state[name].detach().requires_grad_() for name in unknowns}
    with torch.enable_grad():
        loss = objective(wanted).sum()
    state = dict(state)
    for name, g in zip(unknowns, torch.autograd.grad(loss, list(wanted.values())), strict=True):
        m, v = (torch.lerp(new, state[f"{what}_{name}"], beta)
                for what, new, beta in zip("mv", (g, g * g), betas, strict=True))  # fmt: skip
        step = (m / (1 - betas[0] ** (t + 1))) / ((v / (1 - betas[1] ** (t + 1))).sqrt() + TINY)
        state |= {name: state[name] - rate * step, f"m_{name}": m, f"v_{name}": v}
    return state
