"""Rain: streaks of light over a picture, drawn as grains that an oriented line smears, all pictures at once."""

import numpy as np
import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

from .pictures import check_n

LAYERS = 3  # of drops: near ones long and wide, far ones short and thin
ANGLE = 15.0  # degrees from the vertical, at most
MEAN = (0.05, 0.2)  # light that rain adds, averaged over a picture


def rain_streaks(n: int, size: int = 256, seed: int = 0) -> Tensor:
    """Draw streaks of rain.  -> float32 (n, 1, size, size), not negative, means between 0.05 and 0.2.

    Picture i depends on seed and i alone; it is periodic.  y = x + streaks, clipped, is the rain model of the
    physics-based GAN (section 4).  ValueError for sizes below 16.
    """
    check_n(n)
    if size < 16:
        raise ValueError(f"Streaks need a picture of at least 16 pixels, got {size}.")
    drawn = [_drops(size, np.random.default_rng([seed, i])) for i in range(n)]
    drops, length, width, angle = (torch.from_numpy(np.stack([d[k] for d in drawn])) for k in range(4))
    layers = irfft2(rfft2(drops) * rfft2(lines(size, length, width, angle)), s=(size, size)).clamp(min=0)
    streaks = layers.sum(1, keepdim=True)
    wanted = torch.from_numpy(np.stack([d[4] for d in drawn])).reshape(-1, 1, 1, 1)
    return (streaks * wanted / streaks.mean((2, 3), keepdim=True)).float()


def add_rain(x: Tensor, seed: int = 0) -> Tensor:
    """Add one drawing of rain to each picture.  x (B, C, S, S) in [0, 1] -> the same, clipped to [0, 1]."""
    return (x + rain_streaks(len(x), x.shape[-1], seed).to(x)).clamp(0, 1)


def _drops(size: int, random: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Where drops are, per layer (L, S, S); length, width (L,) in pixels; angle (L,) in degrees; the mean light."""
    near = np.linspace(1, 0.25, LAYERS)
    density = random.uniform(0.002, 0.01) / near**1.5  # far drops are more
    bright = random.exponential(size=(LAYERS, size, size)) * near[:, None, None]
    drops = np.where(random.random((LAYERS, size, size)) < density[:, None, None], bright, 0)
    length = near * random.uniform(0.15, 0.45) * size
    width = np.maximum(near * random.uniform(0.8, 2.2), 0.5)
    angle = random.uniform(-ANGLE, ANGLE) + random.normal(0, 1, LAYERS)
    return drops, length, width, angle, np.array(random.uniform(*MEAN))


def lines(size: int, length: Tensor, width: Tensor, angle: Tensor) -> Tensor:
    """Blur kernels that are lines, centred at (0, 0) of a periodic picture.  (...) -> (..., size, size), sum 1.

    length, width: standard extent along and across, in pixels; angle: degrees from the vertical.
    """
    f = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    y, x = f[:, None], f[None, :]
    a, half, w = (v.double()[..., None, None] for v in (torch.deg2rad(angle), length / 2, width))
    along, across = x * torch.sin(a) + y * torch.cos(a), x * torch.cos(a) - y * torch.sin(a)
    kernel = torch.sigmoid(2 * (half - along.abs())) * torch.exp(-0.5 * (across / w) ** 2)
    return kernel / kernel.sum((-2, -1), keepdim=True)
