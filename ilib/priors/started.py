"""Algorithm 1 started by a network: z_i where the encoder puts the network's picture, z_k where it puts the kernel that
lies between that picture and y.  Not in the paper: a row of our own in Table V, for the prior with an encoder.
"""

from collections.abc import Sequence
from dataclasses import asdict

from torch import Tensor, nn
from torch.fft import irfft2, rfft2

from ..gan.restore import generator
from ..gan.weights import load_weights
from ..networks.vae import KERNEL_SIDE
from ..results.digests import digest_of, reached_code
from .algorithm_1 import Descent, Found
from .encoded import algorithm_1_from, encoded_starts
from .latent import Generators, State
from .methods import CHUNK, PRIORS, STEPS, _loaded, kept, stages_of, task_of
from .plans import weights_name

SHARE = 6  # so many times fewer iterations than the paper's
SPREAD = 0.5  # standard deviation of the starts around the encoders' means
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


def starts(x: Tensor, y: Tensor, encoders: tuple[nn.Module, nn.Module], restarts: int, seeds: Sequence[int]) -> State:
    """Encode a first picture x and the kernel between it and y.  (B, C, H, W) twice -> z_i, z_k (B, restarts, ...)."""
    of_picture, of_kernel = encoders
    return {"z_i": encoded_starts(x, of_picture, restarts, seeds, SPREAD),
            "z_k": encoded_starts(kernel_between(x, y), of_kernel, restarts, seeds, SPREAD)}  # fmt: skip


def started(y: Tensor, A: object, *, weights: str, kernels: str = "blur") -> tuple[Tensor, Tensor]:
    """Deblur by Algorithm 1 from what a trained network makes of y, as a row of a table.  -> x_hat, kernels.

    y (B, C, H, W); weights: the network's; kernels: the plan of the kernel prior.  A sixth of the paper's iterations,
    restarts dropped; the latent vectors weigh 0.001 against the sum over pixels.  TypeError where A
    names no set; ValueError for a set whose prior has no encoder.
    """
    task = task_of(A)
    if PRIORS[task.family] != "numbers":
        raise ValueError(f"the prior of {task.family} has no encoder to start from; take svhn")
    steps = task.steps(STEPS[task.family]) // SHARE
    weight = 0.001 * y.shape[-2] * y.shape[-1]
    how = Descent(steps, stages_of(steps, True), decay=1000 * steps / STEPS[task.family], gamma=weight,
                  lam=weight, chunk=CHUNK, bf16=True)  # fmt: skip
    names = task.weights(kernels)

    def find() -> Found:
        x = generator(y, A, weights=weights).clamp(0, 1)
        encoders = tuple(load_weights(weights_name(plan, task.profile, part="encoder"))[0].eval().to(y.device)
                         for plan in (PRIORS[task.family], kernels))  # fmt: skip
        start = starts(x, y, encoders, how.stages[0][1], task.seeds)
        return algorithm_1_from(y, Generators(*(_loaded(name, y.device) for name in names)), start, how)

    given = {"code": digest_of(reached_code(["ilib.priors.started.starts"])), "weights": [*names, weights],
             "how": asdict(how), "seeds": task.seeds}  # fmt: skip
    return kept(given, y, find)
