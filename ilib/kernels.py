"""Blur kernels: non-negative, summing to 1, with their centre at index (h // 2, w // 2)."""

import math

import torch
from torch import Tensor

from .errors import check_counts, check_kernel

DTYPE = torch.float64  # kernels are small: build them exactly, cast where they are used


def normalise(kernel: Tensor) -> Tensor:
    """Divide each kernel by its sum.  (..., h, w) -> (..., h, w); ValueError where a sum is not positive."""
    check_kernel(kernel)
    total = kernel.sum((-2, -1), keepdim=True)
    if not (total > 0).all():
        raise ValueError(f"a kernel with the sum {float(total.min()):.3g} cannot be normalised to sum 1")
    return kernel / total


def delta(size: int = 1) -> Tensor:
    """Return the identity kernel.  -> (size, size); ValueError for a size below 1."""
    check_counts(size=size)
    kernel = torch.zeros(size, size, dtype=DTYPE)
    kernel[size // 2, size // 2] = 1
    return kernel


def gaussian(sigma: float, size: int | None = None) -> Tensor:
    """Sample a Gaussian of standard deviation sigma (pixels).  -> (size, size).

    The default size is the odd one that reaches 4 sigma to each side.  MBD-GAN, section IV-C: sigma^2 = 50.
    ValueError for a sigma that is not greater than 0, and for a size below 1.
    """
    check_counts(size=size)
    if not 0 < sigma < math.inf:
        raise ValueError(f"sigma is {sigma}; pass a standard deviation in pixels greater than 0")
    size = size or 2 * math.ceil(4 * sigma) + 1
    t = torch.arange(size, dtype=DTYPE) - size // 2
    g = torch.exp(-(t**2) / (2 * sigma**2))
    return normalise(g[:, None] * g[None, :])


def disk(diameter: float, size: int | None = None, oversample: int = 16) -> Tensor:
    """Return a disk (defocus) whose pixels are weighted by their covered area.  -> (size, size), odd by default.

    diameter in pixels.  GAN-D, section 4: diameter 7.  ValueError for one that is not greater than 0, and for a size
    below 1.
    """
    check_counts(size=size, oversample=oversample)
    if not 0 < diameter < math.inf:
        raise ValueError(f"diameter is {diameter}; pass a number of pixels greater than 0")
    size = size or 2 * math.ceil((diameter - 1) / 2) + 1
    fine = (torch.arange(size * oversample, dtype=DTYPE) + 0.5) / oversample - size // 2 - 0.5
    inside = (fine[:, None] ** 2 + fine[None, :] ** 2 <= (diameter / 2) ** 2).to(DTYPE)
    return normalise(inside.reshape(size, oversample, size, oversample).mean((1, 3)))


def motion(
    size: int = 27, n: int = 1, seed: int = 0, *, length: float | Tensor = 20.0, anxiety: float = 0.01, steps: int = 100
) -> Tensor:
    """Draw camera-shake kernels from random trajectories (Boracchi and Foi, 2012).  -> (n, size, size).

    length (pixels; one for all or a tensor (n,)) is the path's total length, anxiety in [0, 1] how much the hand
    shakes and corrects itself, steps the number of samples of a path.  The centroid of a kernel lies in the middle
    of its canvas, ((size - 1) / 2, (size - 1) / 2).  ValueError where a path may be longer than the canvas.
    """
    length = torch.as_tensor(length, dtype=DTYPE).expand(n)
    if not 0 <= anxiety <= 1:
        raise ValueError(f"anxiety is {anxiety}; pass a number in [0, 1]")
    if size < 1 or n < 1 or steps < 2 or not (length > 0).all():
        raise ValueError("size and n must be at least 1, steps at least 2, length positive")
    if (length > size).any():
        raise ValueError(f"a path of {float(length.max()):g} pixels does not fit a canvas of {size}: enlarge size")
    path = trajectories(length, anxiety, steps, seed)
    middle = (size - 1) / 2
    return rasterise(path - path.mean(-1, keepdim=True) + complex(middle, middle), size)


def trajectories(length: Tensor, anxiety: float, steps: int, seed: int) -> Tensor:
    """Draw camera paths of constant speed: inertia, Gaussian shake, a pull back to the start, and sudden jerks.

    length (n,) in pixels -> complex positions (n, steps), the real part along the rows (Boracchi and Foi, 2012).
    """
    generator = torch.Generator().manual_seed(seed)
    stride = length / (steps - 1)

    def uniform(scale: float) -> Tensor:
        return scale * torch.rand(len(length), generator=generator, dtype=DTYPE)

    def gauss() -> Tensor:
        return torch.view_as_complex(torch.randn(len(length), 2, generator=generator, dtype=DTYPE))

    pull, shake, jerk = uniform(0.7), uniform(10.0), anxiety * uniform(0.2)
    velocity = torch.polar(stride, uniform(2 * math.pi))
    path = [torch.zeros_like(velocity)]
    for _ in range(steps - 1):
        turn = torch.polar(2 * stride * (uniform(1.0) < jerk), velocity.angle() + math.pi + uniform(1.0) - 0.5)
        velocity = velocity + turn + anxiety * stride * (shake * gauss() - pull * path[-1])
        velocity = torch.polar(stride, velocity.angle())
        path.append(path[-1] + velocity)
    return torch.stack(path, -1)


def rasterise(path: Tensor, size: int) -> Tensor:
    """Spread each sample of a path over its four nearest pixels.  Complex (n, steps) -> kernels (n, size, size)."""
    row, column = path.real.clamp(0, size - 1), path.imag.clamp(0, size - 1)
    top, left = row.floor().clamp(max=max(size - 2, 0)), column.floor().clamp(max=max(size - 2, 0))
    kernel = torch.zeros(len(path), size * size, dtype=DTYPE)
    for down in range(min(2, size)):
        for right in range(min(2, size)):
            weight = (1 - (row - top - down).abs()) * (1 - (column - left - right).abs())
            kernel.scatter_add_(1, ((top + down) * size + left + right).long(), weight)
    return normalise(kernel.reshape(-1, size, size))
