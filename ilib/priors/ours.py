"""Rows of Table V that are not in the paper: the likeliest codes, from random starts or from what a network makes of y.

Kernels are centred at the end, as those that the prior has learnt from are.
A network's picture gives the start twice: z_i where the encoder puts it, z_k where it puts the kernel that lies between
that picture and y.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.fft import irfft2, rfft2

from ..gan.registry import read_registry, weights_folder
from ..gan.restore import generator
from ..gan.weights import load_weights
from ..networks.vae import KERNEL_SIDE
from ..results.digests import digest_of, reached_code
from .algorithm_1 import Found
from .aligned import centred
from .codes import codes_of, load_drawn
from .encoded import encoded_starts
from .inputs import DRAWN
from .latent import Generators, State
from .likely import Likely, likeliest
from .methods import CHUNK, PRIORS, Task, kept, stages_of, task_of
from .plans import weights_name
from .products import products_of

KERNELS = "unit_blur"  # the plan of the kernel prior
WEIGHT = {"svhn": 0.01, "celeba": 0.1, "shoes": 0.1}  # of the codes, as found on pictures held out (benchmarks.likely)
FEWER = 5  # at the profile smoke, so many times fewer iterations
SPREAD = 0.3  # standard deviation of the starts around what the encoders give
SLOWER = 3  # from a network's picture, so many times shorter steps
DAMPING = 0.02  # of the least squares, in mean powers of the picture


def kernel_between(x: Tensor, y: Tensor, side: int = KERNEL_SIDE) -> Tensor:
    """Return the kernel k of least ||x * k - y||^2 + c ||k||^2, cut to side x side, not negative, of sum 1.

    x, y (B, C, H, W), periodic borders -> (B, side, side).
    """
    X, Y = rfft2(x), rfft2(y)
    power = X.abs().square().sum(1)
    damping = DAMPING * power.flatten(1)[:, 1:].mean(1)[:, None, None]
    k = irfft2((X.conj() * Y).sum(1) / (power + damping), s=x.shape[-2:])
    k = k.roll((side // 2, side // 2), (-2, -1))[:, :side, :side].clamp(min=0)
    return k / k.sum((-2, -1), keepdim=True)


def starts(x: Tensor, y: Tensor, task: Task, restarts: int) -> State:
    """Encode a first picture x and the kernel between it and y.  (B, C, H, W) twice -> z_i, z_k (B, restarts, ...)."""
    state = {}
    for name, plan, seen in (("z_i", PRIORS[task.family], x), ("z_k", KERNELS, kernel_between(x, y))):
        encoder = load_weights(weights_name(plan, task.profile, part="encoder"))[0].to(y.device)
        codes = codes_of(plan, task.profile).to(y.device)
        state[name] = encoded_starts(seen, lambda z, E=encoder, C=codes: (C.inverse(E(z)[0]),), restarts, task.seeds,
                                     SPREAD)  # fmt: skip
    return state


@lru_cache(maxsize=4)
def _loaded(plan: str, profile: str, device: torch.device) -> nn.Module:
    """Keep the last priors on their device: a method is called once for every block of pictures."""
    return products_of(load_drawn(plan, profile)).to(device)


def weights_of(task: Task) -> list[str]:
    """Name the weights that a task takes: both priors, and where the codes of those with an encoder lie."""
    plans = [(plan, part) for plan in (PRIORS[task.family], KERNELS) for part in ("prior", "codes")]
    names = [weights_name(plan, task.profile, part=part) for plan, part in plans]
    return [name for name in names if name in read_registry(weights_folder())]


def _solved(
    y: Tensor, task: Task, start: Callable[[int], State] | None, given: dict[str, str]
) -> tuple[Tensor, Tensor]:
    """Look for the codes of a block of pictures, or take what was found before."""
    steps, plans = Likely.steps // (FEWER if task.profile == DRAWN[0] else 1), (PRIORS[task.family], KERNELS)
    how = Likely(steps, stages_of(steps, True), weight=WEIGHT[task.family], chunk=CHUNK, bf16=True)
    how = replace(how, rate=how.rate / SLOWER) if start else how

    def find() -> Found:
        G = Generators(*(_loaded(plan, task.profile, y.device) for plan in plans))
        found = likeliest(y, G, how, task.seeds, start(how.stages[0][1]) if start else None)
        x_hat, kernel = centred(found.x_hat, found.kernel)
        return replace(found, x_hat=x_hat, kernel=kernel)

    reached = ("likely.likeliest", "ours.starts", "aligned.centred")
    code = digest_of(reached_code([f"ilib.priors.{name}" for name in reached]))
    return kept({"code": code, "weights": weights_of(task), "how": asdict(how), "seeds": task.seeds, **given}, y, find)


def likely(y: Tensor, A: object) -> tuple[Tensor, Tensor]:
    """Deblur by the likeliest codes, from random starts, as a row of a table.  y (B, C, H, W) -> x_hat, kernels.

    What A blurs with is not looked at; kernels (B, 28, 28).  TypeError where A names no set; FileNotFoundError where a
    prior is not trained.
    """
    return _solved(y, task_of(A), None, {})


def started(y: Tensor, A: object, *, weights: str) -> tuple[Tensor, Tensor]:
    """Deblur by the likeliest codes, from what a trained network makes of y, as a row of a table.

    y (B, C, H, W) -> x_hat, kernels (B, 28, 28); weights: the network's.  TypeError where A names no set; ValueError
    for a set whose prior has no encoder.
    """
    task = task_of(A)
    if PRIORS[task.family] != "numbers":
        raise ValueError(f"the prior of {task.family} has no encoder to start from; take svhn")
    return _solved(y, task, lambda restarts: starts(generator(y, A, weights=weights).clamp(0, 1), y, task, restarts),
                   {"network": weights})  # fmt: skip
