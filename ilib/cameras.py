"""Cameras that do more than blur and add noise: any object with measure(x, noise, seed) -> (y, A, sigma).

x (B, C, H, W) in [0, 1], noise (B, 1, 1, 1): the standard deviation for each picture; y what the camera gives, A the
linear operator in it, sigma (B, 1, 1, 1) the standard deviation of what was added to A x as far as it is noise.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .degrade import jpeg, saturate
from .errors import check_noise, check_picture
from .kernels import disk
from .operators import Blur


@dataclass(frozen=True)
class GanDCamera:
    """y = JPEG(clip(gain A x) + w), A a disk blur: four degradations at once (GAN-D, section 4).

    diameter: of the disk, in pixels; gain: before clipping to [0, 1]; variance: of the noise w; quality: of the JPEG
    file, 1 to 100; border: what Blur takes the scene beyond the picture for, which the paper does not say (zeros come
    near its input row, benchmarks/gand_input.py).  ValueError for a value out of range.
    """

    diameter: float = 7.0
    gain: float = 1.3
    variance: float = 0.0005
    quality: int = 70
    border: str = "zero"

    def __post_init__(self) -> None:
        if not 0 < self.gain < float("inf"):
            raise ValueError(f"gain is {self.gain}; pass a number greater than 0")
        check_noise(self.variance, "variance")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality is {self.quality}; pass 1 to 100")
        Blur(disk(self.diameter), self.border)  # raises for a diameter or a border that does not exist

    @property
    def noise(self) -> float:
        """The standard deviation of the camera's own noise."""
        return self.variance**0.5

    def operator(self, like: Tensor) -> Blur:
        """Return A, the blur alone, on the device and in the precision of a tensor."""
        return Blur(disk(self.diameter).to(like), self.border)

    def measure(self, x: Tensor, noise: Tensor, seed: int) -> tuple[Tensor, Blur, Tensor]:
        """Degrade x (B, 1 or 3, H, W) in memory; the same seed gives the same y on every device.  -> (y, A, sigma).

        noise (B, 1, 1, 1) takes the place of the camera's own; sigma is that noise, without what JPEG adds.
        """
        check_picture(x)
        if noise.shape != (len(x), 1, 1, 1) or not (noise >= 0).all():
            raise ValueError(f"noise has shape {tuple(noise.shape)} and the least value {float(noise.min()):.3g}; pass "
                             f"a standard deviation >= 0 for each picture, ({len(x)}, 1, 1, 1)")
        A, sigma = self.operator(x), noise.to(x)
        w = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
        seen = saturate(A(x), self.gain) + sigma * w.to(x)
        return jpeg(seen.clamp(0, 1), self.quality), A, sigma

    def to(self, device: torch.device) -> "GanDCamera":
        """Return the same camera: it holds no tensors, and measures on the device of x."""
        return self
