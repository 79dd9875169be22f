"""Figures 8, 11 and 14: pictures of Table V with more noise or longer blurs, and Algorithm 1 with fewer restarts."""

import torch
from torch import Tensor

from ..degrade import quantise
from ..results.runs import Pairs
from . import algorithm_1 as one
from .inputs import DRAWN, NOISE, Untold, blurred
from .methods import CHUNK, STEPS, _solved, task_of
from .sets import LENGTHS, motion_kernels


def blurred_anew(name: str, n: int | None = None, noise: float = NOISE, length: int = 0) -> Pairs:
    """Blur the sharp pictures of a set again (ilib.priors.inputs.blurred), with other noise or longer paths.

    noise: standard deviation; length: pixels of every path (0: the kernels of Table V).  ValueError for a length that
    no prior knows.
    """
    pairs = blurred(name, n)
    if length and not LENGTHS[0] <= length <= LENGTHS[1]:
        raise ValueError(f"length is {length}; the prior knows paths of {LENGTHS[0]} to {LENGTHS[1]} pixels")
    count = len(pairs.pictures)
    kernel = motion_kernels(count, DRAWN[2], (length, length)) if length else pairs.A.kernel
    A = Untold(kernel, name)
    w = torch.randn(pairs.y.shape, generator=torch.Generator().manual_seed(DRAWN[2] + 1))
    return Pairs(pairs.pictures, quantise(A(pairs.pictures.x) + noise * w), A, noise)


def restarted(y: Tensor, A: object, *, restarts: int = 10, kernels: str = "blur") -> tuple[Tensor, Tensor]:
    """Deblur by Algorithm 1 in a third of the paper's iterations, with so many restarts to the end.

    y (B, C, H, W) -> x_hat, kernels (B, 28, 28); otherwise as ilib.priors.methods.algorithm_1.
    """
    task = task_of(A)
    steps = task.steps(STEPS[task.family]) // 3
    how = one.Descent(steps, ((0, restarts),), decay=1000 * steps / STEPS[task.family], chunk=CHUNK, bf16=True)
    return _solved(y, task, kernels, one.algorithm_1, how)
