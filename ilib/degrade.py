"""What a camera adds to A x: noise, saturation, quantisation, JPEG."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .errors import check_noise, check_picture, check_sum


def add_noise(x: Tensor, sigma: float, seed: int = 0) -> Tensor:
    """Add white Gaussian noise of standard deviation sigma (picture units; 1 % is 0.01).  (B, C, H, W) -> same.

    The noise is drawn on the CPU, so that a seed gives the same measurement on every device.  ValueError for NaN.
    """
    check_noise(sigma)
    check_sum(x)
    if sigma == 0:
        return x
    w = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    return x + sigma * w.to(x)


def quantise(x: Tensor, bits: int = 8) -> Tensor:
    """Clip to [0, 1] and round to 2^bits levels.  (B, C, H, W) -> same.

    ValueError for NaN, and unless bits is 1 to 16.
    """
    if not 1 <= bits <= 16:
        raise ValueError(f"bits is {bits}; pass 1 to 16")
    check_sum(x)
    top = 2**bits - 1
    return (x.clamp(0, 1) * top).round() / top


def quantisation_noise(bits: int = 8) -> float:
    """Return the standard deviation of rounding to 2^bits levels, one level over the square root of 12."""
    return 1 / (2**bits - 1) / 12**0.5


def saturate(x: Tensor, gain: float = 1.3) -> Tensor:
    """Multiply by a gain and clip to [0, 1] (GAN-D, section 4: gain 1.3).  (B, C, H, W) -> same."""
    return (gain * x).clamp(0, 1)


def jpeg(x: Tensor, quality: int = 70) -> Tensor:
    """Pass pictures through a JPEG file (GAN-D, section 4: quality 70).  (B, 1 or 3, H, W) in [0, 1] -> same.

    ValueError for other channels, values outside [0, 1], and a quality that is not 1 to 100.
    """
    check_picture(x)
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is {quality}; pass 1 to 100")
    if x.shape[1] not in (1, 3):
        raise ValueError(f"JPEG stores 1 or 3 channels, not {x.shape[1]}")

    def one(picture: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file)).reshape(picture.shape)

    levels = (x.detach().permute(0, 2, 3, 1).cpu() * 255).round().to(torch.uint8).numpy()
    back = torch.from_numpy(np.stack([one(p) for p in levels]))
    return back.permute(0, 3, 1, 2).to(x) / 255


@dataclass(frozen=True)
class Measurement:
    """The forward model y = quantise(A x + w) (MBD-GAN, eq. 1).

    operator maps (B, C, H, W) -> (B, C, H', W'); noise is the standard deviation of w in picture units; bits is the
    camera's depth, None for real numbers that may leave [0, 1].
    """

    operator: Callable[[Tensor], Tensor]
    noise: float = 0.0
    bits: int | None = 8
    seed: int = 0

    def __call__(self, x: Tensor) -> Tensor:
        """Measure pictures x (B, C, H, W) in [0, 1]; ValueError for NaN or another range."""
        check_picture(x)
        y = add_noise(self.operator(x), self.noise, self.seed)
        return y if self.bits is None else quantise(y, self.bits)

    def measure(self, x: Tensor, noise: Tensor, seed: int) -> tuple[Tensor, Callable[[Tensor], Tensor], Tensor]:
        """Measure x with noise (B, 1, 1, 1) in place of the camera's, drawn on the device of x; without its checks,
        which would wait for the device.  -> y (B, C, H', W'), A, the standard deviation of all that is added."""
        Ax = self.operator(x)
        y = Ax + noise * torch.randn(Ax.shape, generator=torch.Generator(x.device).manual_seed(seed), device=x.device)
        return y if self.bits is None else quantise(y, self.bits), self.operator, (noise**2 + self.rounding**2).sqrt()

    def to(self, device: torch.device) -> "Measurement":
        """Return the same camera, its kernel on a device."""
        return replace(self, operator=self.operator.to(torch.empty((), device=device)))

    @property
    def rounding(self) -> float:
        """The standard deviation of what rounding adds."""
        return 0.0 if self.bits is None else quantisation_noise(self.bits)

    @property
    def sigma(self) -> float:
        """The standard deviation of all that is added: noise and rounding."""
        return (self.noise**2 + self.rounding**2) ** 0.5
