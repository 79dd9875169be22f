"""The algorithms as methods of a table: (y, A) -> x_hat and the kernels, block by block of pictures.

What A blurs with is not looked at; which priors are taken, and for how many iterations, comes from the name that it
carries (ilib.priors.inputs.Untold).  What a block of pictures gave is kept in checkpoints/blocks, so that a run that
was stopped goes on with the next block.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from ..blind import cautious
from ..files import sha256_of, write_bytes
from ..gan.registry import WEIGHTS, read_registry
from ..networks.vae import KERNEL_SIDE
from ..results.digests import digest_of, reached_code
from ..results.project import CHECKPOINTS, project_folder
from . import algorithm_1 as one
from . import algorithm_2 as two
from .inputs import DRAWN, Untold, named
from .latent import Generators, Stages
from .load import load_prior
from .plans import weights_name
from .products import products_of

PRIORS = {"svhn": "numbers", "celeba": "faces", "shoes": "shoes"}  # set -> its prior's plan
STEPS = {"svhn": 6000, "celeba": 10_000, "shoes": 10_000}  # of Algorithm 1 in the paper
FREE_STEPS = 10_000  # of Algorithm 2 in the paper
RESTARTS = 10
FEWER = 20  # at the profile smoke, so many times fewer iterations
CHUNK = 40  # runs at once: about 400 MB


@dataclass(frozen=True)
class Task:
    """What a method is told about a block of pictures: which set, which profile's priors, a seed for each picture."""

    family: str
    profile: str
    seeds: list[int]

    def steps(self, paper: int) -> int:
        """Return the paper's number of iterations, fewer at the profile smoke."""
        return paper // FEWER if self.profile == DRAWN[0] else paper

    def weights(self, kernels: str) -> list[str]:
        """Name the weights of the prior of pictures and of that of kernels."""
        return [weights_name(plan, self.profile) for plan in (PRIORS[self.family], kernels)]


def task_of(A: object) -> Task:
    """Read a task off an operator.  TypeError for one that says nothing about its pictures."""
    if not isinstance(A, Untold):
        raise TypeError("these methods choose their priors by the set that A names: pass A of a "
                        "ilib.priors.inputs.blurred(...), or call ilib.priors.algorithm_1 with priors of your own")
    return Task(*named(A.name), A.numbers)


@lru_cache(maxsize=4)
def _loaded(weights: str, device: torch.device) -> nn.Module:
    """Keep the last priors on their device: a method is called once for every block of pictures."""
    return products_of(load_prior(weights)).to(device)


def stages_of(steps: int, dropped: bool) -> Stages:
    """Return ten restarts to the end, or 10, 5, 2 and 1 from 0, 5, 15 and 25 % of the way: a fifth of the cost."""
    if not dropped:
        return ((0, RESTARTS),)
    return ((0, RESTARTS), (steps // 20, RESTARTS // 2), (3 * steps // 20, 2), (steps // 4, 1))


def kept(given: dict[str, Any], y: Tensor, find: Callable[[], one.Found]) -> tuple[Tensor, Tensor]:
    """Return what an earlier run found for the same block, priors, settings and code, or find it and keep it.

    -> x_hat (B, C, H, W), kernels (B, 28, 28).
    """
    names, root = given["weights"], project_folder()
    registry = read_registry(root / WEIGHTS)
    code = reached_code(("ilib.priors.algorithm_1.algorithm_1", "ilib.priors.algorithm_2.algorithm_2"))
    place = digest_of([given, digest_of(code), [registry.get(name, {}).get("sha256") for name in names],
                       sha256_of(y.cpu().contiguous().numpy().tobytes())])  # fmt: skip
    path = root / CHECKPOINTS / "blocks" / f"{place}.safetensors"
    if not path.is_file():
        made = find()
        both = {"x_hat": made.x_hat.cpu().contiguous(), "kernel": made.kernel.cpu().contiguous()}
        write_bytes(path, safetensors.torch.save(both))
    block = safetensors.torch.load_file(path)
    return block["x_hat"].to(y), block["kernel"].to(y)


def _solved(
    y: Tensor, task: Task, kernels: str, solve: Callable[..., one.Found], how: one.Descent | two.Slack
) -> tuple[Tensor, Tensor]:
    """Run an algorithm on a block of pictures, or take what it gave before."""
    names = task.weights(kernels)

    def find() -> one.Found:
        return solve(y, Generators(*(_loaded(name, y.device) for name in names)), how, task.seeds)

    return kept({"algorithm": solve.__name__, "weights": names, "how": asdict(how), "seeds": task.seeds}, y, find)


def algorithm_1(
    y: Tensor, A: object, *, kernels: str = "blur", dropped: bool = False, weight: float = 0.0, bf16: bool = True
) -> tuple[Tensor, Tensor]:
    """Deblur by Algorithm 1 with trained priors, as a row of a table.  y (B, C, H, W) -> x_hat, kernels (B, 28, 28).

    kernels: the plan of the kernel prior; dropped: drop restarts on the way; weight: of ||z_i||^2 and ||z_k||^2 against
    the sum over *pixels* (0: the paper's 0.01 against the sum over frequencies).  TypeError where A names no set;
    FileNotFoundError where a prior is not trained.
    """
    task = task_of(A)
    steps = task.steps(STEPS[task.family])
    gamma = weight * y.shape[-2] * y.shape[-1] or 0.01
    how = one.Descent(steps, stages_of(steps, dropped), decay=1000 * steps / STEPS[task.family], gamma=gamma, lam=gamma,
                      chunk=CHUNK, bf16=bf16)  # fmt: skip
    return _solved(y, task, kernels, one.algorithm_1, how)


def algorithm_2(
    y: Tensor, A: object, *, kernels: str = "blur", dropped: bool = False, bf16: bool = True
) -> tuple[Tensor, Tensor]:
    """Deblur by Algorithm 2 with trained priors, as a row of a table.  y (B, C, H, W) -> x_hat, kernels (B, 28, 28).

    kernels, dropped: as for algorithm_1.  TypeError where A names no set; FileNotFoundError where a prior is not
    trained.
    """
    task = task_of(A)
    steps = task.steps(FREE_STEPS)
    rate = two.Slack.rate * (5 if task.profile == DRAWN[0] else 1)
    how = two.Slack(steps, stages_of(steps, dropped), rate=rate, chunk=CHUNK, bf16=bf16)
    return _solved(y, task, kernels, two.algorithm_2, how)


def dark_channel(y: Tensor, A: object) -> tuple[Tensor, Tensor]:
    """Deblur by the dark channel prior, with kernels as large as these small pictures allow.  -> x_hat, kernels.

    y (B, C, H, W); A is not looked at.
    """
    return cautious(y, A, prior="dark_channel", size=KERNEL_SIDE - 1)
