"""Columns that ask what a method does where its model is not quite right: a misjudged kernel, a real camera."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data import levin09, load
from ..data.pictures import Pictures
from ..degrade import Measurement
from ..kernels import normalise
from ..metrics import shifted
from ..operators import Blur, CircularBlur, CircularConvolution
from .columns import blurred, levin_or_drawn
from .runs import Pairs

LEVIN = "levin09"  # the 32 real pictures of Levin et al. (2009)
FRAME = 20  # pixels along each side that a kernel of 27 pixels, moved by up to 7, may fetch from beyond the picture
REACH = 8  # pixels by which the shaken pictures may lie off
NOISE = 0.005  # what the true kernels leave over inside the 32 pictures, a median, rounded up


def stretched(kernel: Tensor, factor: float) -> Tensor:
    """Stretch kernels about their centroids: k'(c + factor u) = k(c + u), bilinear, sum 1.  (h, w) or (B, h, w).

    -> the same number of kernels, larger by what a factor above 1 needs.  ValueError for a factor that is not positive.
    """
    if not factor > 0:
        raise ValueError(f"factor is {factor}; pass a number above 0, 1 for the kernel as it is")
    h, w = kernel.shape[-2:]
    margin = max(0, round((factor - 1) * max(h, w) + 0.5))
    k = F.pad(kernel.reshape(-1, 1, h, w), 4 * (margin,))
    sides = k.shape[-2:]
    at = torch.meshgrid(*(torch.arange(n, dtype=k.dtype, device=k.device) for n in sides), indexing="ij")
    centres = [(k * i).sum((1, 2, 3)) / k.sum((1, 2, 3)) for i in at]
    places = [c[:, None, None] + (i - c[:, None, None]) / factor for c, i in zip(centres, at, strict=True)]
    scaled = [2 * p / max(n - 1, 1) - 1 for p, n in zip(places, sides, strict=True)]
    moved = F.grid_sample(k, torch.stack(scaled[::-1], -1), align_corners=True)
    return normalise(moved.reshape(*kernel.shape[:-2], *sides))


def misled(name: str, blur: str, factor: float = 1.1, size: int = 256, n: int | None = None, noise: float = 0.01,
           seed: int = 0) -> Pairs:  # fmt: skip
    """Pictures blurred as by `ilib.results.columns.blurred`, A with the kernels stretched: what a method is told.

    factor: of the lengths, 1.1 where the extent of a blur is misjudged by 10 %.
    """
    pairs = blurred(name, blur, size, n, noise, seed)
    return replace(pairs, A=CircularBlur(stretched(pairs.A.kernel, factor)))


def inside(p: Tensor) -> Tensor:
    """Cut off the frame: (B, C, H, W) -> (B, C, H - 2 FRAME, W - 2 FRAME)."""
    return p[..., FRAME:-FRAME, FRAME:-FRAME]


def offset(z: Tensor, y: Tensor) -> tuple[float, float]:
    """Return by how much y lies below and to the right of z, in parts of a pixel: the shift that fits best inside.

    z, y (1, C, H, W).  The best of the whole pixels up to REACH, then steps of the Gauss-Newton method.
    """
    tries = [(i, j) for i in range(-REACH, REACH + 1) for j in range(-REACH, REACH + 1)]
    down, right = min(tries, key=lambda d: float(inside(y - z.roll(d, (-2, -1))).square().sum()))
    d = torch.tensor([down, right], dtype=torch.float64)
    for _ in range(4):
        s = shifted(z.double(), *d.tolist())
        slopes = torch.stack([inside(s.roll(-1, k) - s.roll(1, k)).flatten() / 2 for k in (-2, -1)], 1)
        d -= torch.linalg.lstsq(slopes, inside(y.double() - s).flatten()[:, None]).solution[:, 0]
    return float(d[0]), float(d[1])


def displaced(kernels: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Move the kernels so that k_i * x_i lies where y_i does.  (B, h, w), (B, C, H, W) twice -> (B, h + 16, w + 16).

    By Fourier series: what is returned may be slightly negative.
    """
    A, wide = CircularBlur(kernels), F.pad(kernels, 4 * (REACH,))
    moves = [offset(z[None], one[None]) for z, one in zip(A(x), y, strict=True)]
    return torch.cat([shifted(k[None, None], *move)[0] for k, move in zip(wide, moves, strict=True)])


def framed(y: Tensor, x: Tensor, A: CircularConvolution, seed: int) -> Tensor:
    """Put the model's own measurement of x around the inside of y, as if its borders were periodic.  -> like y."""
    whole = Measurement(A, NOISE, 8, seed)(x)
    whole[..., FRAME:-FRAME, FRAME:-FRAME] = inside(y)
    return whole


def shaken(name: str, size: int | None = None, n: int | None = None, seed: int = 0) -> Pairs:
    """Real camera shake: the 32 pictures of Levin et al. for the name "levin09" (size is not looked at).

    Any other set: pictures behind drawn shakes, reflected at their borders.  A holds the true kernels, moved to where
    the shaken picture lies; along the sides the pictures are measured by the model, since every method here takes
    borders as periodic.  ValueError where nothing is left inside that frame.
    """
    if name == LEVIN:
        levin = levin09()
        x, y = levin.sharp.repeat_interleave(8, 0)[:n], levin.blurred.flatten(0, 1)[:n]
        names = tuple(f"picture {i // 8 + 1}, kernel {i % 8 + 1}" for i in range(len(x)))
        x, y = x.expand(-1, 3, -1, -1), y.expand(-1, 3, -1, -1)
        pictures = Pictures((x * 255).round().byte(), names, LEVIN)
        k = levin.kernels.float()[torch.arange(len(x)) % 8]
        k = displaced(k, x[:, :1], y[:, :1])
    else:
        pictures = load(name, size=size, n=n)
        x, k = pictures.x, levin_or_drawn(name).float()
        k = k[torch.arange(len(x)) % len(k)]
        y = Measurement(Blur(k, "reflect"), NOISE, 8, seed)(x)
    if min(x.shape[-2:]) <= 2 * FRAME:
        raise ValueError(f"the pictures have sides of {tuple(x.shape[-2:])} pixels; pass more than {2 * FRAME}")
    A = CircularConvolution(k)
    camera = Measurement(A, NOISE, 8, seed)
    return Pairs(pictures, framed(y, x, A, seed), A, camera.sigma)
