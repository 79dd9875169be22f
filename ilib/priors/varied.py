"""Figures 8, 11, 12 and 14, and the last row of Table V: pictures of Table V with more noise or longer blurs, or that a
generator has made itself; Algorithm 1 with fewer restarts or another length of z_i.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.pictures import Pictures
from ..degrade import quantise
from ..gan.weights import load_weights
from ..results.runs import Pairs
from . import algorithm_1 as one
from . import algorithm_2 as two
from .inputs import DRAWN, NOISE, Untold, blurred, named
from .latent import Stages
from .load import load_prior
from .methods import CHUNK, FREE_STEPS, PRIORS, STEPS, Task, _solved, stages_of, task_of
from .plans import weights_name
from .sets import LENGTHS, motion_kernels

SHARE = 3  # so many times fewer iterations than the paper's
MOST = 100  # restarts at most: those of a picture have seeds of their own


def blurred_anew(
    name: str, n: int | None = None, noise: float = NOISE, length: int = 0, in_range: bool = False
) -> Pairs:
    """Blur the sharp pictures of a set again (ilib.priors.inputs.blurred), with other noise or longer paths.

    noise: standard deviation; length: pixels of every path (0: the kernels of Table V); in_range: blur what the prior
    makes of the pictures in their place.  ValueError for a length that no prior knows, or a prior without an encoder.
    """
    pairs = blurred(name, n)
    if length and not LENGTHS[0] <= length <= LENGTHS[1]:
        raise ValueError(f"length is {length}; the prior knows paths of {LENGTHS[0]} to {LENGTHS[1]} pixels")
    pictures = ranged(pairs.pictures, *named(name)) if in_range else pairs.pictures
    kernel = motion_kernels(len(pictures), DRAWN[2], (length, length)) if length else pairs.A.kernel
    A = Untold(kernel, name)
    w = torch.randn(pairs.y.shape, generator=torch.Generator().manual_seed(DRAWN[2] + 1))
    return Pairs(pictures, quantise(A(pictures.x) + noise * w), A, noise)


@torch.no_grad()
def ranged(pictures: Pictures, family: str, profile: str) -> Pictures:
    """Pass pictures through the autoencoder of a prior: G(E(x)) lies in its range.  ValueError where it has none."""
    if PRIORS[family] != "numbers":
        raise ValueError(f"the prior of {family} has no encoder, so that nothing in its range is known; take svhn")
    prior, encoder = (weights_name(PRIORS[family], profile, part=part) for part in ("prior", "encoder"))
    x = load_prior(prior)(load_weights(encoder)[0].eval()(pictures.x)[0])
    pixels = (255 * x).round().to(torch.uint8)
    return Pictures(pixels, tuple(f"{one} in the range" for one in pictures.names), pictures.source)


@dataclass(frozen=True)
class Lengthened(Task):
    """A task with a prior of pictures whose z_i has another length (0: the prior of Table V)."""

    latent: int = 0

    def weights(self, kernels: str) -> list[str]:
        """Name the weights of the prior of pictures and of that of kernels."""
        plan = f"{PRIORS[self.family]}_{self.latent}" if self.latent else PRIORS[self.family]
        return [weights_name(name, self.profile) for name in (plan, kernels)]


def restarted(
    y: Tensor, A: object, *, restarts: int = 0, kernels: str = "blur", weight: float = 0.0, latent: int = 0
) -> tuple[Tensor, Tensor]:
    """Deblur by Algorithm 1 in a third of the paper's iterations.  y (B, C, H, W) -> x_hat, kernels (B, 28, 28).

    restarts: so many to the end, each kept by itself, so that more of them contain the fewer (0: ten, dropped by their
    residual on the way); latent: the length of z_i (0: the prior of Table V); otherwise as
    ilib.priors.methods.algorithm_1.
    """
    task = task_of(A)
    steps = task.steps(STEPS[task.family]) // SHARE
    gamma = weight * y.shape[-2] * y.shape[-1] or 0.01

    def solved(stages: Stages, seeds: list[int]) -> tuple[Tensor, Tensor]:
        how = one.Descent(steps, stages, decay=1000 * steps / STEPS[task.family], gamma=gamma, lam=gamma, chunk=CHUNK,
                          bf16=True)  # fmt: skip
        return _solved(y, Lengthened(task.family, task.profile, seeds, latent), kernels, one.algorithm_1, how)

    if not restarts:
        return solved(stages_of(steps, True), task.seeds)
    tries = [solved(((0, 1),), [MOST * seed + i for seed in task.seeds]) for i in range(restarts)]
    left = torch.stack([one.misfit(y, *found) for found in tries]).nan_to_num(torch.inf)  # (restarts, B)
    x_hat, kernel = (torch.stack(parts)[left.argmin(0), torch.arange(len(y))] for parts in zip(*tries, strict=True))
    return x_hat, kernel


def freed(y: Tensor, A: object) -> tuple[Tensor, Tensor]:
    """Deblur by Algorithm 2 in a third of the paper's iterations, restarts dropped on the way.  -> x_hat, kernels.

    y (B, C, H, W); otherwise as ilib.priors.methods.algorithm_2.
    """
    task = task_of(A)
    steps = task.steps(FREE_STEPS) // SHARE
    rate = two.Slack.rate * (5 if task.profile == DRAWN[0] else 1)
    how = two.Slack(steps, stages_of(steps, True), rate=rate, chunk=CHUNK, bf16=True)
    return _solved(y, task, "blur", two.algorithm_2, how)
