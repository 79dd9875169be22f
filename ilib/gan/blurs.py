"""Blurs of many kinds, one drawn for each crop, for networks that are told the kernel; and noise without any blur."""

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.pictures import Pictures
from ..degrade import Measurement
from ..errors import check_noise
from ..kernels import delta, disk, gaussian, motion
from ..operators import CircularBlur, LinearOperator
from .sources import Photographs

Measured = tuple[Tensor, LinearOperator, Tensor]  # y, A, sigma (B, 1, 1, 1)


def centred(kernel: Tensor, size: int) -> Tensor:
    """Put a kernel of odd sides into the middle of a canvas of odd size, cut where it is larger.  -> sum 1."""
    margins = [m for n in (kernel.shape[-1], kernel.shape[-2]) for m in 2 * [(size - n) // 2]]
    kernel = F.pad(kernel, margins)
    return kernel / kernel.sum((-2, -1), keepdim=True)


@dataclass(frozen=True)
class ManyBlurs:
    """y = k_i * x_i + noise with periodic borders, rounded to 8 bits; k_i is a shake, a disk or a Gaussian.

    size: of the kernels, odd; lengths of the shakes, diameters of the disks, widths (standard deviations) of the
    Gaussians: the ranges in pixels, drawn with equal chances for equal ratios; shakes, disks: their shares, the rest
    are Gaussians; anxieties: the range of the hand's restlessness; noise: where the settings give no levels.  No kernel
    of a test set is ever drawn.  ValueError for a range or a share that does not fit.
    """

    size: int = 57
    lengths: tuple[float, float] = (2.0, 45.0)
    diameters: tuple[float, float] = (1.5, 16.0)
    widths: tuple[float, float] = (0.4, 8.0)
    anxieties: tuple[float, float] = (0.001, 0.1)
    shakes: float = 0.6
    disks: float = 0.2
    noise: float = 0.0

    def __post_init__(self) -> None:
        check_noise(self.noise)
        for name in ("lengths", "diameters", "widths", "anxieties"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= self.size or self.size % 2 == 0:
                raise ValueError(f"{name} are {(low, high)}; pass two numbers above 0, none larger than the kernels, "
                                 f"whose size ({self.size}) is odd")
        if min(self.shakes, self.disks) < 0 or self.shakes + self.disks > 1:
            raise ValueError(f"shakes {self.shakes}, disks {self.disks}: pass two shares whose sum is at most 1")

    def kernels(self, n: int, seed: int) -> Tensor:
        """Draw kernels, which depend on seed and n.  -> (n, size, size) float32."""
        generator = torch.Generator().manual_seed(seed)
        places = torch.rand(3, n, generator=generator, dtype=torch.float64).T.tolist()
        return torch.stack([self._kernel(*three, seed + i) for i, three in enumerate(places)]).float()

    def _kernel(self, kind: float, place: float, restless: float, seed: int) -> Tensor:
        """Draw one kernel: its kind by share, its extent and restlessness by their places in the ranges."""
        if kind < self.shakes:
            anxiety, length = between(self.anxieties, restless), between(self.lengths, place)
            return motion(self.size, 1, seed, length=length, anxiety=anxiety)[0]
        if kind < self.shakes + self.disks:
            return centred(disk(between(self.diameters, place)), self.size)
        return centred(gaussian(between(self.widths, place)), self.size)

    def measure(self, x: Tensor, noise: Tensor, seed: int) -> Measured:
        """Blur x (B, C, H, W) by a kernel for each picture, with noise (B, 1, 1, 1).  -> (y, A, sigma)."""
        A = CircularBlur(self.kernels(len(x), seed).to(x))
        return Measurement(A, 0.0, 8).measure(x, noise, seed + 1)

    def to(self, device: torch.device) -> "ManyBlurs":
        """Return the same camera: it draws on the CPU and measures on the device of x."""
        return self


def between(ends: tuple[float, float], place: float) -> float:
    """Return the number at a place in [0, 1] between two ends, in equal ratios."""
    low, high = ends
    return low * (high / low) ** place


def blurred_pictures(pictures: Pictures, camera: Any, **options: Any) -> Photographs:
    """Crops blurred by ManyBlurs(**options): a grid's source, which does not look at the column's camera."""
    lists = {name: tuple(value) for name, value in options.items() if isinstance(value, list)}  # YAML has no tuples
    return Photographs(pictures, replace(ManyBlurs(), **{**options, **lists}))


def noisy_pictures(pictures: Pictures, camera: Any) -> Photographs:
    """Crops with white noise and no blur, real numbers: a grid's source to train denoisers with."""
    return Photographs(pictures, Measurement(CircularBlur(delta().float()), 0.0, None))
