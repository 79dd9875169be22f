"""What priors learn from: motion and Gaussian kernels drawn by the ten thousand, pictures as 8-bit tensors."""

import numpy as np
import torch
from torch import Tensor

from ..data import load
from ..kernels import DTYPE, motion, normalise
from ..networks.vae import KERNEL_SIDE

LENGTHS = (5, 28)  # pixels: the shortest and the longest path
SIGMAS = (0.5, 4.0)  # pixels: the standard deviations of Gaussian blurs, along and across
CHUNK = 5000  # kernels drawn at once


def motion_kernels(n: int, seed: int = 0, lengths: tuple[int, int] = LENGTHS) -> Tensor:
    """Draw the motion blurs of Asim et al. (section V-A): path lengths uniform on the integers, anxiety 0.01, 100
    samples of a path, centred.  -> float32 (n, 28, 28)."""
    least, most = lengths
    if not 1 <= least <= most <= KERNEL_SIDE:
        raise ValueError(f"lengths is {lengths}; pass two whole numbers between 1 and {KERNEL_SIDE}, the least first")
    parts = []
    for i, start in enumerate(range(0, n, CHUNK)):
        m, state = min(CHUNK, n - start), np.random.SeedSequence([seed, i]).generate_state(2)
        generator = torch.Generator().manual_seed(int(state[0]))
        length = torch.randint(least, most + 1, (m,), generator=generator).to(DTYPE)
        parts.append(motion(KERNEL_SIDE, m, int(state[1]), length=length, anxiety=0.01, steps=100).float())
    return torch.cat(parts)


def gaussian_kernels(n: int, seed: int = 0, sigmas: tuple[float, float] = SIGMAS) -> Tensor:
    """Draw Gaussian blurs of two standard deviations and any direction, centred.  -> float32 (n, 28, 28)."""
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(3, n, 1, 1, generator=generator, dtype=DTYPE)
    s1, s2 = (sigmas[0] + (sigmas[1] - sigmas[0]) * u[i] for i in (0, 1))
    c, s = (torch.pi * u[2]).cos(), (torch.pi * u[2]).sin()
    t = torch.arange(KERNEL_SIDE, dtype=DTYPE) - (KERNEL_SIDE - 1) / 2
    rows, columns = t[:, None], t[None, :]
    along, across = c * rows + s * columns, c * columns - s * rows
    return normalise(torch.exp(-((along / s1) ** 2 + (across / s2) ** 2) / 2)).float()


def pictures(name: str, n: int | None = None, size: int | None = None) -> Tensor:
    """Load a set by the name that `ilib.data.load` takes.  -> uint8 (n, 3, H, W)."""
    found = load(name, size=size, n=n).pixels
    if not isinstance(found, Tensor):
        raise ValueError(f"the pictures of {name} differ in size; a prior learns from pictures of one size")
    return found
