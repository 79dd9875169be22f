"""Many runs side by side: starts by a picture's own seed, stages that drop restarts, chunks that fit the memory.

A run is one picture with one restart.  What runs carry along is a state: named tensors (B, R, ...), B pictures and R
restarts.  No run looks at another, so a picture's result does not depend on what it is computed together with.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import check_measurement

State = dict[str, Tensor]
Stages = tuple[tuple[int, int], ...]  # (from step, restarts that are left), the first from step 0
SMALL = 1e-5  # added to a gradient's root mean square


class Generators:
    """The two priors of a problem: picture maps (N, l) to (N, C, H, W) in [0, 1], kernel maps (N, m) to (N, 28, 28)."""

    def __init__(self, picture: nn.Module, kernel: nn.Module) -> None:
        for name, network in (("picture", picture), ("kernel", kernel)):
            if not isinstance(getattr(network, "latent", None), int):
                raise TypeError(f"the {name} prior has no length of its latent vector, `latent`: is it a generator?")
        self.picture, self.kernel = picture, kernel

    def check(self, y: Tensor) -> None:
        """Raise unless y is finite and of the size and the channels that the generator of pictures makes."""
        check_measurement(y)
        check_made(self.picture, y)
        k = self.kernel(torch.zeros(1, self.kernel.latent, dtype=y.dtype, device=y.device))
        if k.ndim != 3 or max(k.shape[-2:]) > min(y.shape[-2:]):
            raise ValueError(f"the kernel prior makes {tuple(k.shape[1:])}, which is no kernel for a picture of "
                             f"{tuple(y.shape[-2:])} pixels")

    def latents(self) -> dict[str, int]:
        """Return the lengths of the latent vectors."""
        return {"z_i": self.picture.latent, "z_k": self.kernel.latent}


def check_made(G: nn.Module, y: Tensor, name: str = "y") -> None:
    """Raise unless a generator makes pictures of the size and channels of y, in its precision, on its device."""
    weight = next(G.parameters())
    if weight.dtype != y.dtype or weight.device != y.device:
        raise TypeError(f"{name} is {y.dtype} on {y.device}, the prior {weight.dtype} on {weight.device}: convert one")
    made = G(torch.zeros(1, G.latent, dtype=y.dtype, device=y.device)).shape[1:]
    if y.shape[1] != made[0]:
        raise ValueError(f"{name} has {y.shape[1]} channels and the prior {made[0]}: give grey pictures three equal "
                         f"channels, {name}.expand(-1, 3, -1, -1)")
    if y.shape[-2:] != made[-2:]:
        raise ValueError(f"{name} is {tuple(y.shape[-2:])} pixels but the prior makes {tuple(made[-2:])}: resize or "
                         "crop the picture, or take another prior")


def check_stages(stages: Stages, steps: int) -> None:
    """Raise unless stages start at step 0, come in order, end before the last step and only ever drop restarts."""
    starts, left = [a for a, _ in stages], [r for _, r in stages]
    if steps < 1 or not stages or starts[0] != 0 or starts != sorted(set(starts)) or starts[-1] >= steps:
        raise ValueError(f"stages {stages} for {steps} steps: pass (from step, restarts left), the first from step 0, "
                         "in order, the last before the end")
    if left != sorted(left, reverse=True) or left[-1] < 1:
        raise ValueError(f"stages {stages}: restarts are dropped, never added, and one is left at least")


def check_starts(y: Tensor, start: State, stages: Stages) -> None:
    """Raise unless there are as many starts of each unknown, (B, R, ...), as pictures and as restarts at first."""
    R = stages[0][1]
    if any(z.shape[:2] != (len(y), R) for z in start.values()):
        raise ValueError(f"the starts are {[tuple(z.shape) for z in start.values()]}; pass (B, R, ...) for {len(y)} "
                         f"pictures and {R} restarts")


def cost(stages: Stages, steps: int) -> int:
    """Return how many iterations of one run the stages take for a picture."""
    ends = [a for a, _ in stages[1:]] + [steps]
    return sum((end - start) * left for (start, left), end in zip(stages, ends, strict=True))


def draws(seeds: Sequence[int], restarts: int, length: int, what: int) -> Tensor:
    """Draw starts from N(0, I): those of a picture depend on its seed and on what is drawn, on nothing else.

    seeds: one for each picture; what: 0 for z_i, 1 for z_k, 2 for a picture.  -> (B, restarts, length).
    """
    states = [int(np.random.SeedSequence([seed, what]).generate_state(1)[0]) for seed in seeds]
    return torch.stack([torch.stack([torch.randn(length, generator=g) for _ in range(restarts)])
                        for g in (torch.Generator().manual_seed(s) for s in states)])  # fmt: skip


def seeds_for(y: Tensor, seeds: Sequence[int] | None) -> list[int]:
    """Return a seed for each picture, 0, 1, 2, ... where none are given.  ValueError for another number of them."""
    seeds = list(range(len(y))) if seeds is None else list(seeds)
    if len(seeds) != len(y):
        raise ValueError(f"there are {len(seeds)} seeds for {len(y)} pictures: pass one for each")
    return seeds


def in_chunks(f: Callable[[Tensor, State], State], state: State, chunk: int) -> State:
    """Apply f to the runs of a state, `chunk` at once.  f takes the runs' pictures (N,) and their state (N, ...)."""
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}; compute at least one run at once")
    B, R = next(iter(state.values())).shape[:2]
    flat = {name: x.flatten(0, 1) for name, x in state.items()}
    owner = torch.arange(B).repeat_interleave(R)
    parts = [f(owner[at : at + chunk], {name: x[at : at + chunk] for name, x in flat.items()})
             for at in range(0, B * R, chunk)]  # fmt: skip
    return {name: torch.cat([part[name] for part in parts]).unflatten(0, (B, R)) for name in parts[0]}


def best(state: State, misfit: Tensor, left: int) -> State:
    """Keep the runs of the smallest misfit, picture by picture.  state (B, R, ...), misfit (B, R) -> (B, left, ...)."""
    order = torch.where(misfit.isnan(), torch.inf, misfit).argsort(dim=1, stable=True)[:, :left]
    rows = torch.arange(len(misfit), device=order.device)[:, None]
    return {name: x[rows, order] for name, x in state.items()}


Move = Callable[[Tensor, State, range], State]  # the runs' pictures (N,), their state (N, ...), which steps


class Runs(Protocol):
    """What the settings of every algorithm have: steps, and how many runs are computed at once."""

    steps: int
    chunk: int


def staged(state: State, move: Move, misfit: Callable[[Tensor, State], State], stages: Stages, how: Runs) -> State:
    """Move all runs step by step and drop restarts by their misfit between the stages; keep the best one at the end.

    misfit gives {"misfit": (N,)}.  -> the state of one run a picture, (B, ...), with its misfit and its restart.
    """
    check_stages(stages, how.steps)
    R, B = stages[0][1], len(next(iter(state.values())))
    state = state | {"restart": torch.arange(R).expand(B, R)}
    ends = [start for start, _ in stages[1:]] + [how.steps]
    for (start, left), end in zip(stages, ends, strict=True):
        state = best(state, state["misfit"], left) if "misfit" in state else state
        state = in_chunks(lambda who, part, a=start, b=end: part | move(who, part, range(a, b)), state, how.chunk)
        state = in_chunks(lambda who, part: part | misfit(who, part), state, how.chunk)
    return {name: x[:, 0] for name, x in best(state, state["misfit"], 1).items()}


def normalised(g: Tensor) -> Tensor:
    """Divide a gradient by its root mean square, run by run.  (N, l) -> (N, l)."""
    return g / (g.square().mean(-1, keepdim=True).sqrt() + SMALL)


def made_by(G: nn.Module, z: Tensor) -> Tensor:
    """Return G(z) in the precision of z, also where G computes in bfloat16.  (N, l) -> (N, ...)."""
    weight = next(G.parameters())
    return G(z.to(weight.dtype)).to(z.dtype) if weight.dtype == torch.bfloat16 else G(z)


class Point:
    """A latent vector and what a generator makes of it, ready to pull gradients back.  z (N, l)."""

    def __init__(self, G: nn.Module, z: Tensor) -> None:
        self.z = z.detach().requires_grad_()
        with torch.enable_grad():
            self.graph = made_by(G, self.z)
        self.made = self.graph.detach()

    def pull_back(self, g: Tensor) -> Tensor:
        """Return J' g, the gradient with respect to z for the gradient g with respect to what is made."""
        return torch.autograd.grad(self.graph, self.z, g.to(self.graph.dtype))[0]

