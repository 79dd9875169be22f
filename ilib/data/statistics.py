"""What photographs have in common: the 1/f spectrum, heavy-tailed differences, and how like two pictures look."""

import numpy as np
import torch
from scipy.fft import dctn
from torch import Tensor


def brightness(x: Tensor) -> Tensor:
    """(B, 3, H, W) or (B, 1, H, W) in [0, 1] -> (B, H, W) float64, the mean over the channels."""
    return x.double().mean(1)


def radial_power(x: Tensor) -> tuple[Tensor, Tensor]:
    """Power spectrum of the brightness over rings of equal frequency, averaged over pictures.

    x (B, C, S, S) -> cycles per picture 1..S/2 - 1, power.  A Hann window keeps the borders from adding a cross.
    """
    grey = brightness(x)
    size = grey.shape[-1]
    window = torch.hann_window(size, dtype=torch.float64)
    window = window[:, None] * window
    grey = (grey - grey.mean((1, 2), keepdim=True)) * window
    power = torch.fft.fft2(grey).abs().square().mean(0) / window.square().sum()
    f = torch.fft.fftfreq(size, dtype=torch.float64) * size
    ring = torch.hypot(f[:, None], f).round().long().flatten()
    radial = torch.bincount(ring, power.flatten()) / torch.bincount(ring)
    return torch.arange(1, size // 2), radial[1 : size // 2]


def spectral_slope(x: Tensor, low: int = 4, high: int | None = None) -> float:
    """Exponent of the radial power spectrum between two frequencies, by least squares (photographs: about -2).

    low, high: cycles per picture; high defaults to a quarter of the side.  Field 1987; Ruderman 1994.
    """
    cycles, power = radial_power(x)
    high = high or x.shape[-1] // 4
    used = (cycles >= low) & (cycles < high)
    return float(np.polyfit(cycles[used].log().numpy(), power[used].log().numpy(), 1)[0])


def differences(x: Tensor) -> Tensor:
    """Differences of horizontal neighbours in brightness, all in one row; pictures (B, C, H, W)."""
    return brightness(x).diff(dim=-1).flatten()


def gradient_kurtosis(x: Tensor) -> float:
    """Fourth moment over squared variance of the differences: 3 for Gaussian noise, over 10 for photographs."""
    d = differences(x)
    return float((d - d.mean()).pow(4).mean() / d.var(correction=0).square())


def contrast(x: Tensor) -> float:
    """Standard deviation of the brightness inside a picture, averaged over the pictures."""
    return float(brightness(x).flatten(1).std(1).mean())


def colourfulness(x: Tensor) -> float:
    """Standard deviation of red minus blue and of green minus their mean, inside a picture, as one number."""
    r, g, b = x.double().unbind(1)
    spread = (r - b).flatten(1).var(1) + (g - (r + b) / 2).flatten(1).var(1)
    return float(spread.sqrt().mean())


def summary(x: Tensor) -> dict[str, float]:
    """The figures of the chapter on data for a set of pictures (B, 3, S, S)."""
    return {
        "mean": float(x.double().mean()),
        "contrast": contrast(x),
        "colourfulness": colourfulness(x),
        "slope": spectral_slope(x),
        "kurtosis": gradient_kurtosis(x),
    }


def perceptual_hash(x: Tensor) -> np.ndarray:
    """64 bits that survive scaling, compression and small crops: signs of the lowest DCT terms.  -> uint64 (B,).

    x (B, 3, H, W) or (B, 1, H, W): brightness, reduced to 32 x 32, DCT, the 64 lowest terms but the mean against
    their median.
    """
    grey = brightness(x)[:, None]
    small = torch.nn.functional.interpolate(grey, (32, 32), mode="bilinear", antialias=True, align_corners=False)
    terms = dctn(small[:, 0].numpy(), axes=(1, 2), norm="ortho")
    i, j = np.unravel_index(
        np.argsort(np.add.outer(np.arange(32), np.arange(32)).ravel(), kind="stable")[1:65], (32, 32)
    )
    low = terms[:, i, j]
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.ascontiguousarray(np.packbits(bits, axis=1)).view(">u8").astype(np.uint64).ravel()


def hash_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Number of different bits between all pairs of hashes.  (N,), (M,) uint64 -> (N, M) int."""
    return np.bitwise_count(a[:, None] ^ b[None, :]).astype(np.int64)
