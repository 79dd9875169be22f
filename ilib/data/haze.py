"""Haze with synthetic depth: scenes of dead leaves, whose order from front to back is a depth, behind a veil.

The model is Koschmieder's, as in the physics-based GAN (section 4): y = x t + A (1 - t), t = exp(-beta d).
"""

import numpy as np
import torch
from torch import Tensor

from .leaves import Leaves, _colours, _texture, cover
from .pictures import Pictures, check_n
from .sets import Haze

NEAR = 0.2  # depth of the nearest leaf, where the farthest is 1 before the ground's slope


def add_haze(x: Tensor, depth: Tensor, beta: Tensor | float, airlight: Tensor | float) -> tuple[Tensor, Tensor]:
    """Put haze over clear pictures.  x (B, C, H, W), depth (B, 1, H, W) -> hazy picture, transmission (B, 1, H, W).

    beta: how fast light is lost with depth, a number or (B,); airlight: the veil's brightness in [0, 1], a number
    or (B,).  ValueError for negative depth or beta, and airlight outside [0, 1].
    """
    beta, airlight = (torch.as_tensor(v, dtype=x.dtype).reshape(-1, 1, 1, 1) for v in (beta, airlight))
    if depth.shape[-2:] != x.shape[-2:] or depth.ndim != 4:
        raise ValueError(f"depth has the shape {tuple(depth.shape)}; pictures {tuple(x.shape)} need one value a pixel.")
    if (depth < 0).any() or (beta < 0).any() or (airlight < 0).any() or (airlight > 1).any():
        raise ValueError("depth and beta must not be negative, and the airlight must lie in [0, 1].")
    t = torch.exp(-beta * depth)
    return x * t + airlight * (1 - t), t


def hazy_leaves(
    n: int,
    size: int = 256,
    seed: int = 0,
    beta: tuple[float, float] = (0.4, 2.0),
    airlight: tuple[float, float] = (0.7, 1.0),
) -> tuple[Haze, Tensor]:
    """Draw scenes with their haze, beta and airlight uniform in their ranges.  -> Haze, depth (n, 1, size, size).

    Picture i depends on seed and i alone.  ValueError for sizes below 8.
    """
    check_n(n)
    drawn = [_scene(size, np.random.default_rng([seed, i]), beta, airlight) for i in range(n)]
    clear, depth = (torch.stack([scene[k] for scene in drawn]) for k in (0, 1))
    strength, veil = (torch.tensor([scene[k] for scene in drawn]) for k in (2, 3))
    hazy, t = add_haze(clear, depth, strength, veil)
    names = tuple(f"scene {i}" for i in range(n))
    return Haze(_stored(clear, names, "leaves/clear"), _stored(hazy, names, "leaves/hazy"), t, veil), depth


def _scene(
    size: int, random: np.random.Generator, beta: tuple[float, float], airlight: tuple[float, float]
) -> tuple[Tensor, Tensor, float, float]:
    """One scene: picture (3, S, S), depth (1, S, S), beta, airlight."""
    leaves = Leaves(rmin=3.0, rmax=size / 2)
    labels, count = cover(2 * size, random, leaves)
    fine = _colours(count, random, leaves)[labels]
    x = fine.reshape(size, 2, size, 2, 3).mean((1, 3)).transpose(2, 0, 1)
    x = x + _texture(labels[::2, ::2], count, random, leaves.texture)
    depth = _depth(labels, count, random)
    drawn = float(random.uniform(*beta)), float(random.uniform(*airlight))
    return torch.from_numpy(np.clip(x, 0, 1).astype(np.float32)), torch.from_numpy(depth), *drawn


def _depth(labels: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Depth of each pixel: the order of its leaf from the front, farther towards the top.  -> (1, S, S) float32.

    Leaves of the later rounds fill small gaps and are many; the rank among the visible pixels spreads them evenly.
    """
    side = len(labels)
    order = np.cumsum(np.bincount(labels.ravel(), minlength=count)) / labels.size  # share of pixels at least as near
    slope = random.uniform(0, 1) * (0.5 - np.arange(side) / side)[:, None]  # the ground recedes upwards
    depth = np.maximum((NEAR + (1 - NEAR) * order)[labels] * (1 + slope), 0)
    return depth.reshape(side // 2, 2, side // 2, 2).mean((1, 3)).astype(np.float32)[None]


def _stored(x: Tensor, names: tuple[str, ...], source: str) -> Pictures:
    """Rounded to 8 bits, as every set is held."""
    return Pictures((x.clamp(0, 1) * 255).round().to(torch.uint8), names, source)
