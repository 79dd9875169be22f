"""Rows of Table V that are not in the paper: the likeliest codes, from random starts, from a sweep of kernels, with the
kernel's evidence, or from what a network makes of y; Algorithm 2 from there; and, after it, kernel and picture in turns
with a network that is told the kernel.

Kernels are centred at the end, as those that the prior has learnt from are.
A network's picture gives the start twice: z_i where the encoder puts it, z_k where it puts the kernel that lies between
that picture and y.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.fft import irfft2, rfft2

from ..gan.registry import read_registry, weights_folder
from ..gan.restore import generator
from ..gan.turns import THRICE, TURNS, Restore, Turn, alternated, floored, least_squares_kernel
from ..gan.weights import load_weights
from ..networks.vae import KERNEL_SIDE
from ..operators import CircularBlur, otf
from ..results.digests import digest_of, reached_code
from . import algorithm_2 as two
from .algorithm_1 import Found
from .aligned import centred, centroid, rolled
from .codes import codes_of, load_drawn
from .evidence import Evidence
from .inputs import DRAWN
from .latent import Generators, State, best, draws
from .likely import Likely, likeliest, objective
from .methods import CHUNK, FREE_STEPS, PRIORS, Task, kept, stages_of, task_of
from .plans import weights_name
from .products import products_of
from .ranges import Projection, project
from .sets import motion_kernels

KERNELS = "unit_blur"  # the plan of the kernel prior
WEIGHT = {"svhn": 0.01, "celeba": 0.1, "shoes": 0.1}  # of the codes; tried on pictures held out (benchmarks.likely)
FEWER = 5  # at the profile smoke, so many times fewer iterations
SPREAD = 0.3  # standard deviation of the starts around what the encoders give
SLOWER = 3  # from a network's picture, so many times shorter steps
NEAR = Projection(300, 0.003, ((0, 4), (30, 1)))  # how the picture of a range is found that is closest to another
CANDIDATES, AT_ONCE = 1000, 250  # kernels that are tried for each picture
MOTIONS, MOTION_SEED, CLASSES = 1200, 12345, 6  # motion kernels that are drawn in their place, and classes of size
SHARE = 0.5  # of the evidence that is added (benchmarks.likely)
SWEPT_WEIGHT = 0.003  # of the codes: as the starts are better, the misfit that is left is smaller
UNROLLED = "grand--unfolded--levin--{}--s0"  # the network that is told the kernel
# House numbers are found too badly to read a kernel off them: the network takes the one there is (benchmarks.turns).
TURNS_OF = {"svhn": (Turn(None, 0.02),), "celeba": TURNS, "shoes": TURNS}
NETWORK_TURNS = (Turn(None, 0.03), *THRICE)  # the first with the kernel that the network gives
MIRRORS = ((), (-1,), (-2,), (-2, -1))  # axes along which pictures are mirrored
EASE, LAST = 0.6, 0.01  # of the way to what the prior makes of the last kernel; noise that the network is then told
NOISE_TO_SIGNAL = 0.003  # of the Wiener filter that tries them
DAMPING = 0.02  # of the least squares, in mean powers of the picture


class Joined(NamedTuple):
    """How kernels are joined; tried in benchmarks/turns.py."""

    share: float = 0.3  # of the kernel that a network reads off
    damping: float = 0.1  # of the least squares, as in Turn
    noise: float = 0.02  # standard deviation that the network is told


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


@lru_cache(maxsize=4)
def _loaded(plan: str, profile: str, device: torch.device) -> nn.Module:
    """Keep the last priors on their device: a method is called once for every block of pictures."""
    return products_of(load_drawn(plan, profile)).to(device)


def code_of(x: Tensor, plan: str, profile: str, seeds: Sequence[int]) -> Tensor:
    """Return the u of pictures or kernels: by the encoder of their prior, or that of the closest picture in the range.

    x (B, ...) -> (B, length).
    """
    name = weights_name(plan, profile, part="encoder")
    if name in read_registry(weights_folder()):
        return codes_of(plan, profile).to(x.device).inverse(load_weights(name)[0].to(x.device)(x)[0])
    return project(x, _loaded(plan, profile, x.device), NEAR, seeds).z


def starts(x: Tensor, y: Tensor, task: Task, restarts: int) -> State:
    """Return the codes of a first picture x and of the kernel between it and y, those of all restarts but the first
    moved by N(0, SPREAD^2).  (B, C, H, W) twice -> z_i, z_k (B, restarts, length)."""
    state = {}
    for i, (name, plan, seen) in enumerate((("z_i", PRIORS[task.family], x), ("z_k", KERNELS, kernel_between(x, y)))):
        code = code_of(seen, plan, task.profile, task.seeds)[:, None]
        around = SPREAD * draws(task.seeds, restarts, code.shape[-1], i).to(y)
        around[:, 0] = 0
        state[name] = code + around
    return state


def weights_of(task: Task) -> list[str]:
    """Name the weights that a task takes: both priors, and where the codes of those with an encoder lie."""
    plans = [(plan, part) for plan in (PRIORS[task.family], KERNELS) for part in ("prior", "codes")]
    names = [weights_name(plan, task.profile, part=part) for plan, part in plans]
    return [name for name in names if name in read_registry(weights_folder())]


def generators_of(task: Task, device: torch.device) -> Generators:
    """Return both priors; those with an encoder draw from where their codes lie."""
    return Generators(*(_loaded(plan, task.profile, device) for plan in (PRIORS[task.family], KERNELS)))


def _solved(
    y: Tensor, task: Task, solve: Callable[[Generators], Found], how: Likely | two.Slack, row: str, network: str = ""
) -> tuple[Tensor, Tensor]:
    """Solve a block of pictures and centre the kernels, or take what was found before."""

    def find() -> Found:
        found = solve(generators_of(task, y.device))
        x_hat, kernel = centred(found.x_hat, found.kernel)
        return replace(found, x_hat=x_hat, kernel=kernel)

    code = digest_of(reached_code([f"ilib.priors.ours.{row}"]))
    given = {"code": code, "weights": weights_of(task), "network": network}
    return kept(given | {"how": asdict(how), "seeds": task.seeds}, y, find)


def _likely(task: Task) -> Likely:
    """Return the settings for a set; fewer iterations at the profile smoke."""
    steps = Likely.steps // (FEWER if task.profile == DRAWN[0] else 1)
    return Likely(steps, stages_of(steps, True), weight=WEIGHT[task.family], chunk=CHUNK, bf16=True)


def likely(y: Tensor, A: object) -> tuple[Tensor, Tensor]:
    """Deblur by the likeliest codes, from random starts, as a row of a table.  y (B, C, H, W) -> x_hat, kernels.

    What A blurs with is not looked at; kernels (B, 28, 28).  TypeError where A names no set; FileNotFoundError where a
    prior is not trained.
    """
    task = task_of(A)
    how = _likely(task)
    return _solved(y, task, lambda G: likeliest(y, G, how, task.seeds), how, "likely")


def sweep(
    y: Tensor, G: Generators, task: Task, how: Likely, z_k: Tensor, evidence: Evidence | None = None, classes: int = 1
) -> State:
    """Return the likeliest of many kernels, each with the code of what a Wiener filter makes of y with it.

    y (B, C, H, W); z_k (N, m): as many classes, one after the other, of which each keeps its likeliest ->
    z_i, z_k (B * classes, R, length), R as the first of the stages has them.
    """
    K, Y, found = otf(G.kernel(z_k), *y.shape[-2:]), rfft2(y), []
    inverse = K.conj() / (K.abs().square() + NOISE_TO_SIGNAL)
    for n, seed in enumerate(task.seeds):
        parts = []
        for k, F in zip(z_k.split(AT_ONCE), inverse.split(AT_ONCE), strict=True):
            x = irfft2(F * Y[n], s=y.shape[-2:]).clamp(0, 1)
            z = {"z_i": code_of(x, PRIORS[task.family], task.profile, [seed] * len(x)), "z_k": k}
            parts.append(z | {"misfit": objective(y[n].expand_as(x), z, G, how, evidence)})
        every = {name: torch.cat([part[name] for part in parts]).unflatten(0, (classes, -1)) for name in parts[0]}
        found.append(best(every, every["misfit"], how.stages[0][1]))
    return {name: torch.cat([one[name] for one in found]) for name in ("z_i", "z_k")}


def _check_encoder(task: Task) -> None:
    if PRIORS[task.family] != "numbers":
        raise ValueError(f"the prior of {task.family} has no encoder, and a thousand descents take too long; take svhn")


def swept(y: Tensor, A: object) -> tuple[Tensor, Tensor]:
    """Deblur by the likeliest codes, from the likeliest of many kernels, as a row of a table.

    y, kernels and errors as likely; ValueError for a set whose prior has no encoder.
    """
    task = task_of(A)
    _check_encoder(task)
    how = replace(_likely(task), rate=Likely.rate / SLOWER, weight=SWEPT_WEIGHT)

    def solve(G: Generators) -> Found:
        z_k = torch.randn(CANDIDATES, G.kernel.latent, generator=torch.Generator().manual_seed(0)).to(y)
        return likeliest(y, G, how, start=sweep(y, G, task, how, z_k))

    return _solved(y, task, solve, how, "swept")


@torch.no_grad()
def sized(y: Tensor, G: Generators, task: Task, how: Likely, evidence: Evidence) -> Found:
    """Find the likeliest codes by their evidence from drawn motion kernels, in classes from large ones to small ones.

    The best of each class is moved to the end: no early preference for small kernels decides.
    """
    z_k = code_of(motion_kernels(MOTIONS, MOTION_SEED).to(y), KERNELS, task.profile, range(MOTIONS))
    z_k = z_k[evidence(otf(G.kernel(z_k), *y.shape[-2:])).argsort()]
    each = y.repeat_interleave(CLASSES, 0)
    found = likeliest(each, G, how, None, sweep(y, G, task, how, z_k, evidence, CLASSES), evidence)
    L = objective(each, {"z_i": found.z_i, "z_k": found.z_k}, G, how, evidence).unflatten(0, (-1, CLASSES))
    best_of = torch.arange(len(y), device=y.device) * CLASSES + L.argmin(1)
    return Found(**{name: value[best_of] for name, value in vars(found).items()})


def evident(y: Tensor, A: object) -> tuple[Tensor, Tensor]:
    """Deblur by the likeliest codes with the kernel's evidence, from drawn motion kernels, as a row of a table.

    y, kernels and errors as swept.
    """
    task = task_of(A)
    _check_encoder(task)
    steps = _likely(task).steps // 2
    how = replace(
        _likely(task), steps=steps, stages=stages_of(steps, True), rate=Likely.rate / SLOWER, weight=SWEPT_WEIGHT
    )
    return _solved(y, task, lambda G: sized(y, G, task, how, Evidence(G.picture, how.weight, SHARE)), how, "evident")


def started(y: Tensor, A: object, *, weights: str) -> tuple[Tensor, Tensor]:
    """Deblur by the likeliest codes, from what a trained network makes of y, as a row of a table.

    y (B, C, H, W) -> x_hat, kernels (B, 28, 28); weights: the network's.  Errors as likely.
    """
    task = task_of(A)
    how = replace(_likely(task), rate=Likely.rate / SLOWER)

    def solve(G: Generators) -> Found:
        x = generator(y, A, weights=weights).clamp(0, 1)
        return likeliest(y, G, how, start=starts(x, y, task, how.stages[0][1]))

    return _solved(y, task, solve, how, "started", weights)


def freed(y: Tensor, A: object, *, weights: str) -> tuple[Tensor, Tensor]:
    """Deblur by Algorithm 2 from what a trained network makes of y, as a row of a table.  -> x_hat, kernels.

    One start: x is the network's picture, z_i and z_k are those of started.  A tenth of the paper's iterations.  y,
    weights, kernels and errors as started.
    """
    task = task_of(A)
    how = two.Slack(task.steps(FREE_STEPS) // 10, ((0, 1),), chunk=CHUNK, bf16=True)

    def solve(G: Generators) -> Found:
        x = generator(y, A, weights=weights).clamp(0, 1)
        return two.algorithm_2_from(y, G, {"x": x[:, None], **starts(x, y, task, 1)}, how)

    return _solved(y, task, solve, how, "freed", weights)


def _told(task: Task) -> Restore:
    """Return the unrolled network that is told the kernel."""
    network = UNROLLED.format("smoke" if task.profile == DRAWN[0] else "cpu")
    return lambda y, k, noise: generator(y, CircularBlur(k), weights=network, noise=noise)


def in_turns(y: Tensor, A: object, *, weights: str) -> tuple[Tensor, Tensor]:
    """Deblur by Algorithm 2 as freed, then find kernel and picture in turns, as a row of a table.  -> x_hat, kernels.

    y, weights, kernels and errors as freed; FileNotFoundError as well where the unrolled network is not trained.
    """
    task = task_of(A)
    found = alternated(y, *freed(y, A, weights=weights), _told(task), TURNS_OF[task.family])
    return centred(found.x, found.kernel)


def evident_in_turns(y: Tensor, A: object) -> tuple[Tensor, Tensor]:
    """Take the kernel that evident finds to the unrolled network, as a row of a table.

    y, kernels and errors as evident; FileNotFoundError as well where the unrolled network is not trained.
    """
    task = task_of(A)
    found = alternated(y, *evident(y, A), _told(task), TURNS_OF[task.family])
    return centred(found.x, found.kernel)


def read_off(y: Tensor, weights: str) -> Tensor:
    """Return the mean of the kernels that a KernelNet reads off pictures and off their mirror images, mirrored back.

    Mirrored left to right, upside down, and both; all four lie around the middle of the canvas.
    y (B, 3, side, side) -> (B, 28, 28), sum 1.
    """
    network = load_weights(weights)[0].to(y.device)
    return sum(network.kernel(y.flip(axes)).flip(axes) for axes in MIRRORS) / len(MIRRORS)


@torch.no_grad()
def eased(kernel: Tensor, profile: str) -> Tensor:
    """Bring kernels a part of the way to what the autoencoder of their prior makes of them, about their own centroid.

    Least squares leave noise in a kernel that no camera shake has, and that its prior does not make again.  Moved by
    whole pixels: a shift by parts of one rings.  (B, 28, 28), not negative -> kernels of sum 1.
    """
    off = centroid(kernel).round().long()
    code = code_of(rolled(kernel, -off), KERNELS, profile, range(len(kernel)))
    return _of_sum_one(kernel.lerp(rolled(_loaded(KERNELS, profile, kernel.device)(code), off), EASE))


def _of_sum_one(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum((-2, -1), keepdim=True)


def network_in_turns(y: Tensor, A: object, *, weights: str) -> tuple[Tensor, Tensor]:
    """Take the kernel from a network, find kernel and picture in turns, ease the kernel, as a row of a table.

    y (B, 3, 64, 64) -> x_hat, kernels (B, 28, 28); weights: a KernelNet's.  Errors as in_turns.
    """
    task = task_of(A)
    found = alternated(y, y, read_off(y, weights), _told(task), NETWORK_TURNS)
    kernel = eased(found.kernel, task.profile)
    return centred(_told(task)(y, kernel, LAST), kernel)


def joined(
    y: Tensor, found: Tensor, seen: Tensor, restore: Restore, profile: str, how: Joined
) -> tuple[Tensor, Tensor]:
    """Join the kernel of the likeliest codes, one that a network reads off, and one of least squares between them.

    Each errs in its own way.  y (B, C, H, W), found and seen (B, 28, 28) -> x_hat, kernels of sum 1.
    """
    first = _of_sum_one(centred(y, found)[1]).lerp(_of_sum_one(centred(y, seen)[1]), how.share)
    x = restore(y, floored(first), how.noise).clamp(0, 1)
    between = eased(least_squares_kernel(x, y, first.shape[-1], how.damping), profile)
    kernel = floored((first + between) / 2)
    return restore(y, kernel, how.noise).clamp(0, 1), kernel


def evident_joined(y: Tensor, A: object, *, weights: str) -> tuple[Tensor, Tensor]:
    """Join the kernel that evident finds with a network's, and take both to the unrolled network, as a row of a table.

    y (B, 3, 32, 32) -> x_hat, kernels (B, 28, 28); weights: a KernelNet's.  Errors as evident_in_turns.
    """
    task = task_of(A)
    return centred(*joined(y, evident(y, A)[1], read_off(y, weights), _told(task), task.profile, Joined()))
