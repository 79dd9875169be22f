"""Dead leaves: pictures of opaque shapes that hide one another (Lee, Mumford and Huang 2001), in any number.

Shapes with radii of density r^-3 fall at random places until they cover the picture. The result has what
matters to restoration in common with photographs: edges at every scale, a power spectrum near 1/f^2,
heavy-tailed gradients.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .pictures import Pictures, check_n

# Colours of photographs, measured over the 199 pictures of bsds500/train (2,000 pixels of each), sRGB in
# [0, 1], along three axes: brightness (R+G+B)/3, yellow-blue R-B, green-purple G-(R+B)/2.
MEAN = np.array([0.415, 0.066, 0.043])  # of all pixels
BETWEEN = np.array([0.111, 0.137, 0.048])  # standard deviation of the pictures' means
WITHIN = np.array([0.197, 0.132, 0.053])  # root mean square deviation inside a picture
TO_RGB = np.array([[1, 1 / 2, -1 / 3], [1, 0, 2 / 3], [1, -1 / 2, -1 / 3]])  # from these axes to R, G, B


@dataclass(frozen=True)
class Leaves:
    """The model's settings; lengths in pixels.

    rmin, rmax: the radii's range (rmax None: half the picture's side).  polygons: share of leaves with
    three to six straight sides, the rest are ellipses.  texture: standard deviation of the 1/f noise on
    the average leaf.  palette: photographs to take the leaves' colours from, one photograph a picture;
    None draws them from the statistics above.  blur: the largest standard deviation of a lens's blur, drawn
    uniformly from 0 for each picture; noise: the largest standard deviation of a sensor's noise, drawn likewise.
    """

    rmin: float = 2.0
    rmax: float | None = None
    polygons: float = 0.5
    texture: float = 0.02
    palette: Pictures | None = None
    blur: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.rmin < 0.5 or (self.rmax is not None and self.rmax <= self.rmin):
            raise ValueError(f"Leaves need 0.5 <= rmin < rmax, got rmin={self.rmin} and rmax={self.rmax}.")
        if not 0 <= self.polygons <= 1:
            raise ValueError(f"polygons is the share of leaves with straight sides, in [0, 1]; got {self.polygons}.")
        if not 0 <= self.texture < 0.5:
            raise ValueError(f"texture is a standard deviation in [0, 0.5), got {self.texture}.")
        if self.blur < 0 or not 0 <= self.noise < 0.5:
            raise ValueError(f"blur must not be negative and noise lie in [0, 0.5), got {self.blur} and {self.noise}.")


def dead_leaves(n: int, size: int = 256, seed: int = 0, leaves: Leaves | None = None) -> Tensor:
    """Draw dead leaves pictures.  -> float32 (n, 3, size, size) in [0, 1], every pixel covered.

    Picture i depends on seed and i alone, so dead_leaves(2, ...) begins dead_leaves(5, ...).
    Lee, Mumford and Huang 2001, with density r^-3 between rmin and rmax.  ValueError for sizes below 8.
    """
    check_n(n)
    leaves = leaves or Leaves()
    if size < 8 or leaves.rmin >= (leaves.rmax or size / 2):
        raise ValueError(f"Dead leaves need a size of at least 8 and of more than 2 rmin pixels, got {size}.")
    return torch.stack([_picture(size, np.random.default_rng([seed, i]), leaves) for i in range(n)])


def _picture(size: int, random: np.random.Generator, leaves: Leaves) -> Tensor:
    """One picture (3, size, size): shapes twice as fine, coloured, averaged over 2 x 2, textured."""
    labels, count = cover(2 * size, random, leaves)
    fine = _colours(count, random, leaves)[labels]  # (2 size, 2 size, 3)
    x = fine.reshape(size, 2, size, 2, 3).mean((1, 3)).transpose(2, 0, 1)
    if leaves.texture:
        x = x + _texture(labels[::2, ::2], count, random, leaves.texture)
    x = _camera(x, random, leaves)
    return torch.from_numpy(np.clip(x, 0, 1).astype(np.float32))


def cover(side: int, random: np.random.Generator, leaves: Leaves) -> tuple[np.ndarray, int]:
    """Which leaf each pixel shows, leaf 0 being the topmost.  -> labels (side, side), number of leaves.

    Works from the front to the back in rounds, as a later leaf shows only where no earlier one lies.
    """
    labels = np.full(side * side, -1, dtype=np.int32)
    count, times = 0, 1
    while (labels < 0).any():
        fallen = _fall(side, random, leaves, times)
        fallen = fallen[:, _needed(fallen, labels.reshape(side, side) < 0)]
        _paint(labels, fallen, side, count)
        count, times = count + fallen.shape[1], times + 1
    return labels.reshape(side, side), count


def _fall(side: int, random: np.random.Generator, leaves: Leaves, times: int) -> np.ndarray:
    """Leaves to cover the picture `times` times: rows y, x, radius, angle, stretch, sides (0: ellipse)."""
    low, high = 2 * leaves.rmin, 2 * (leaves.rmax or side / 4)
    wide = side + 2 * high  # leaves fall on this larger square, so that the border is covered like the middle
    area = np.pi * 2 * np.log(high / low) / (low**-2 - high**-2)  # mean over the density r^-3
    m = int(np.ceil(times * wide**2 / area))
    r = (low**-2 - random.random(m) * (low**-2 - high**-2)) ** -0.5  # inverse of the distribution function
    y, x = random.uniform(-high, side + high, (2, m))
    angle, stretch = random.uniform(0, 2 * np.pi, m), random.uniform(0.6, 1, m)
    sides = np.where(random.random(m) < leaves.polygons, random.integers(3, 7, m), 0)
    return np.stack([y, x, r, angle, stretch, sides]).astype(np.float32)


def _needed(fallen: np.ndarray, open_: np.ndarray) -> np.ndarray:
    """Which leaves have an uncovered pixel in their bounding square, by an integral image.  -> bool (m,)."""
    side = len(open_)
    total = np.zeros((side + 1, side + 1), dtype=np.int32)
    total[1:, 1:] = open_.cumsum(1, dtype=np.int32).cumsum(0, dtype=np.int32)
    top, left, bottom, right = _bounds(fallen, side)
    inside = total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]
    return (bottom > top) & (right > left) & (inside > 0)


def _bounds(fallen: np.ndarray, side: int) -> tuple[np.ndarray, ...]:
    """The box around each leaf's ellipse, cut to the picture: top, left, bottom, right as indices."""
    y, x, r, angle, stretch, _ = fallen
    c, s = np.cos(angle), np.sin(angle)
    up, across = r * np.hypot(s, stretch * c), r * np.hypot(c, stretch * s)
    edges = (np.ceil(y - up), np.ceil(x - across), np.floor(y + up) + 1, np.floor(x + across) + 1)
    return tuple(np.clip(e, 0, side).astype(np.int32) for e in edges)


def _paint(labels: np.ndarray, fallen: np.ndarray, side: int, count: int) -> None:
    """Number the uncovered pixels of labels (side * side,) by the leaf they show; leaf `count` falls on top."""
    leaf, row, first, last = (a[::-1] for a in _spans(fallen, side))  # back to front: the last write stays
    width = np.maximum(last - first, 0)
    at = np.repeat(row * side + first - (np.cumsum(width) - width), width) + np.arange(width.sum())
    free = labels[at] < 0
    labels[at[free]] = np.repeat(count + leaf, width)[free]


def _spans(fallen: np.ndarray, side: int) -> tuple[np.ndarray, ...]:
    """The pixels of every leaf, row by row: leaf, row, first column, column behind the last."""
    top, _, bottom, _ = _bounds(fallen, side)
    rows = bottom - top
    leaf = np.repeat(np.arange(len(rows)), rows)
    row = np.arange(len(leaf)) - np.repeat(np.cumsum(rows) - rows - top, rows)
    shape = fallen[:, leaf]
    dy = row - shape[0]
    low, high = _ellipse(shape, dy)
    straight = np.flatnonzero(shape[5])
    low[straight], high[straight] = _polygon(shape[:, straight], dy[straight], low[straight], high[straight])
    first, last = np.ceil(shape[1] + low), np.floor(shape[1] + high) + 1
    return leaf, row, *(np.clip(e, 0, side).astype(np.int64) for e in (first, last))


def _ellipse(shape: np.ndarray, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a dx^2 + 2 b dx dy + d dy^2 <= r^2: the interval of dx in each row, empty (low > high) outside."""
    _, _, r, angle, stretch, _ = shape
    c, s, q = np.cos(angle), np.sin(angle), stretch**-2
    a, b, d = c * c + s * s * q, c * s * (1 - q), s * s + c * c * q
    under = (b * dy) ** 2 - a * (d * dy**2 - r**2)
    half = np.where(under >= 0, np.sqrt(np.abs(under)), -np.inf) / a
    return -b * dy / a - half, -b * dy / a + half


def _polygon(shape: np.ndarray, dy: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval of dx in each row cut by the sides of the regular polygon inscribed in the stretched circle."""
    _, _, r, angle, stretch, sides = shape
    c, s = np.cos(angle), np.sin(angle)
    for j in range(6):
        phi = 2 * np.pi * np.minimum(j, sides - 1) / sides  # a polygon of fewer sides repeats its last one
        u, v = np.cos(phi), np.sin(phi) / stretch
        across, down = c * u - s * v, s * u + c * v  # the side: across dx + down dy = r cos(pi / sides)
        edge = (r * np.cos(np.pi / sides) - down * dy) / np.where(across == 0, 1e-9, across)
        low, high = np.where(across < 0, np.maximum(low, edge), low), np.where(across < 0, high, np.minimum(high, edge))
    return low, high


def _colours(count: int, random: np.random.Generator, leaves: Leaves) -> np.ndarray:
    """One colour per leaf.  -> (count, 3) in [0, 1]."""
    if leaves.palette is not None:
        pixels = leaves.palette.pixels[int(random.integers(len(leaves.palette)))].flatten(1)
        return pixels[:, random.integers(pixels.shape[1], size=count)].T.numpy() / 255
    mean = MEAN + BETWEEN * random.standard_normal(3)
    brightness = random.standard_normal((count, 1))
    chroma = random.laplace(scale=0.5**0.5, size=(count, 2))  # unit variance, heavy tails as measured
    return np.clip((mean + WITHIN * np.hstack([brightness, chroma])) @ TO_RGB.T, 0, 1)


def _texture(labels: np.ndarray, count: int, random: np.random.Generator, strength: float) -> np.ndarray:
    """1/f noise, shifted and scaled differently on every leaf.  -> (size, size)."""
    size = len(labels)
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    f[0, 0] = np.inf
    noise = np.fft.irfft2(np.fft.rfft2(random.standard_normal((size, size))) / f, s=(size, size))
    dy, dx = random.integers(size, size=(2, count))
    at = (np.arange(size)[:, None] + dy[labels]) % size, (np.arange(size) + dx[labels]) % size
    return noise[at] * (strength / noise.std()) * random.exponential(size=count)[labels]


def _camera(x: np.ndarray, random: np.random.Generator, leaves: Leaves) -> np.ndarray:
    """The blur of a lens and the noise of a sensor, where they are wanted.  x (3, size, size) -> the same."""
    if leaves.blur:
        from scipy.ndimage import gaussian_filter  # takes long to import, and is seldom needed

        sigma = random.uniform(0, leaves.blur)
        x = gaussian_filter(x, (0, sigma, sigma), mode="nearest")
    if leaves.noise:
        x = x + random.uniform(0, leaves.noise) * random.standard_normal(x.shape)
    return x
