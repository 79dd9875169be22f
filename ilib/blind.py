"""Classical blind deblurring: one coarse-to-fine half-quadratic solver with FFT steps, three priors.

All minimise, over the picture x and the kernel k,

    ||x * k - y||^2 + mu ||D x||_0 + lam ||P x||_0 + gamma ||k||^2

where D x are differences, and P x nothing (Xu et al., 2013), the intensity (Pan et al., 2014, for text) or the dark
channel (Pan et al., 2016).  ||.||_0 counts what is not zero.  x here is only a sketch of sharp edges that k is read
off; the picture that is returned comes from a non-blind deconvolution with k.  Picture and kernel are found up to a
common shift, since x shifted one way and k the other give the same y.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.ndimage
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fft import irfft2, rfft2

from .classical import continue_periodically, gradient, gradient_adjoint, gradient_power, hyper_laplacian, with_borders
from .degrade import quantisation_noise
from .errors import check_measurement, check_odd
from .kernels import delta
from .operators import CircularBlur, otf


class Blind(NamedTuple):
    """What a blind method finds."""

    x: Tensor  # (B, C, H, W), not clipped
    kernel: Tensor  # (B, n, n), not negative, sum 1


@dataclass(frozen=True)
class Settings:
    """Constants of the solver, chosen on training photographs with drawn kernels (benchmarks/calibrate_blind.py)."""

    mu: float = 4e-3  # weight of the differences that are not zero
    lam: float = 0.0  # weight of the second term
    second: str = "none"  # none | intensity | dark: what the second term counts
    gamma: float = 2.0  # weight of the kernel's energy
    steps: int = 5  # alternations of picture and kernel on each scale
    decay: float = 1.1  # mu and lam are divided by it after each alternation ...
    least: float = 1e-4  # ... but not below this
    growth: float = 2.0  # of the weights that tie the auxiliary variables to x
    patch: int = 35  # pixels along the side of the dark channel's patch, on the finest scale
    noise: float = 0.01  # of the final deconvolution
    border: float = 1.0  # periodic continuation, in kernel sizes

    def __post_init__(self) -> None:
        if self.second not in ("none", "intensity", "dark"):
            raise ValueError(f"second is {self.second!r}; the second term is none, intensity or dark")

    def weights(self, step: int) -> tuple[float, float]:
        """Return mu and lam after so many alternations, counted over all scales."""
        return tuple(max(w / self.decay**step, min(w, self.least)) for w in (self.mu, self.lam))


def hard_threshold(v: Tensor, level: float) -> Tensor:
    """Keep entries with v^2 >= level, put 0 for the others: argmin_u (u - v)^2 + level ||u||_0.  Any shape -> same."""
    return torch.where(v.square() >= level, v, 0)


def group_threshold(d: Tensor, level: float) -> Tensor:
    """Keep a pixel's whole vector where its square length is at least level.  (2, B, C, H, W) -> the same.

    argmin_g ||g - d||^2 + level (number of pixels with g != 0); a pixel counts once, whatever its channels.
    """
    return torch.where(d.square().sum((0, 2), keepdim=True) >= level, d, 0)


def dark_channel(x: Tensor, patch: int) -> tuple[Tensor, Tensor]:
    """Return the least value over channels and a patch x patch window, and where it lies (He et al., 2009, eq. 5).

    x (B, C, H, W), patch odd -> dark (B, 1, H, W) and the index of the minimum among the H W pixels, same shape.
    ValueError for an even patch.
    """
    if patch < 1 or patch % 2 == 0:
        raise ValueError(f"patch is {patch}; the window has an odd number of pixels to each side")
    r = patch // 2
    least = F.pad(-x.amin(1, keepdim=True), (r, r, r, r), value=-math.inf)
    return _windowed_minimum(least, patch, x.shape[-1])


def _windowed_minimum(negative: Tensor, patch: int, width: int) -> tuple[Tensor, Tensor]:
    """Max-pool along rows, then along columns, and carry the position along."""
    r, padded = patch // 2, negative.shape[-1]
    value, index = F.max_pool2d(negative, (1, patch), 1, return_indices=True)
    value, where = F.max_pool2d(value, (patch, 1), 1, return_indices=True)
    place = index.flatten(1).gather(1, where.flatten(1)).reshape(where.shape)
    row, column = place // padded - r, place % padded - r
    return -value, row * width + column


def dark_threshold(x: Tensor, level: float, patch: int) -> Tensor:
    """Set pixels that make up a dark channel near zero to zero, leave the others.  x (B, 1, H, W) -> the same.

    The dark channel picks pixels, J = M x.  Where J^2 < level the minimiser of (u - J)^2 + level ||u||_0 is 0, and
    M^T takes that back to the pixel that was picked (Pan et al., 2016, section 4).
    """
    dark, where = dark_channel(x, patch)
    goes = dark.square() < level
    picked = torch.zeros_like(x).flatten(1).scatter_add_(1, where.flatten(1), goes.flatten(1).to(x.dtype))
    return torch.where(picked.reshape(x.shape) > 0, 0, x)


class Sketch:
    """argmin_x ||x * k - y||^2 + lam ||P x||_0 + mu ||D x||_0 by half-quadratic splitting (Xu; Pan)."""

    TOP, TOP_SECOND = 1e5, 8.0  # the largest weights of the splittings, as the authors have them

    def __init__(self, y: Tensor, kernel: Tensor, settings: Settings, patch: int) -> None:
        self.y, self.settings, self.patch = y, settings, patch
        h = otf(kernel, *y.shape[-2:])
        self.data, self.normal = h.conj() * rfft2(y), h.abs() ** 2
        self.smooth = gradient_power(*y.shape[-2:], y)

    def __call__(self, mu: float, lam: float) -> Tensor:
        x, growth = self.y, self.settings.growth
        if self.settings.second == "none":
            return self._differences(x, mu, None, 0.0)
        beta = 2 * lam
        while beta < self.TOP_SECOND:
            u = self._second(x, lam / beta)
            x = self._differences(x, mu, u, beta)
            beta *= growth
        return x

    def _second(self, x: Tensor, level: float) -> Tensor:
        if self.settings.second == "dark":
            return dark_threshold(x, level, self.patch)
        return hard_threshold(x, level)

    def _differences(self, x: Tensor, mu: float, u: Tensor | None, beta: float) -> Tensor:
        """Alternate g, by threshold, and x, by one division in Fourier space, while rho grows."""
        data, normal = self.data, self.normal
        if u is not None:
            data, normal = data + beta * rfft2(u), normal + beta
        rho = 2 * mu
        while rho < self.TOP:
            g = group_threshold(gradient(x), mu / rho)
            right = rfft2(gradient_adjoint(g)).mul_(rho).add_(data)
            x = irfft2(right.div_(normal + rho * self.smooth), s=x.shape[-2:])
            rho *= self.settings.growth
        return x


def estimate_kernel(x: Tensor, y: Tensor, size: int, gamma: float) -> Tensor:
    """Minimise ||D x * k - D y||^2 + gamma ||k||^2 over kernels of size x size pixels.  x, y (B, 1, H, W) -> (B, n, n).

    The normal equations on the support: the matrix holds the autocorrelation of D x at the differences of two kernel
    pixels, the right-hand side the correlation of D y with D x.  Both come from FFTs; n^2 equations are solved.
    Edges of x nearer to the border than the kernel reaches are left out, since part of their blur is not seen.
    """
    shape = x.shape[-2:]
    Dx, Dy = rfft2(_inner_gradient(x, size // 2)), rfft2(_inner_gradient(y, 0))
    auto = irfft2(Dx.abs().square().sum(0), s=shape)[:, 0]
    cross = irfft2((Dx.conj() * Dy).sum(0), s=shape)[:, 0]
    at = torch.arange(size, device=x.device) - size // 2
    row, column = (v.reshape(-1) for v in torch.meshgrid(at, at, indexing="ij"))
    matrix = auto[:, row[:, None] - row[None, :], column[:, None] - column[None, :]]
    matrix = matrix + gamma * torch.eye(size * size, dtype=x.dtype, device=x.device)
    k = torch.linalg.solve(matrix.double(), cross[:, row, column].double()[..., None])
    return k.reshape(-1, size, size).to(x.dtype)


def _inner_gradient(x: Tensor, margin: int) -> Tensor:
    """Differences, 0 where they would wrap around and within a margin of the border.  -> (2, B, 1, H, W)."""
    d = torch.zeros(2, *x.shape, dtype=x.dtype, device=x.device)
    h, w = x.shape[-2:]
    inner = (..., slice(margin, h - 1 - margin), slice(margin, w - 1 - margin))
    d[inner] = gradient(x)[inner]
    return d


def clean_kernel(kernel: Tensor, threshold: float = 0.05, island: float = 0.1) -> Tensor:
    """Drop entries below threshold times the largest, islands with less than a share of the sum, and centre.

    (B, n, n) of any values -> (B, n, n), not negative, sum 1; the single point where nothing is left.
    """
    k = torch.where(kernel >= threshold * kernel.amax((-2, -1), keepdim=True), kernel.clamp(min=0), 0)
    cleaned = [_without_islands(one, island) for one in k.double().cpu().numpy()]
    return centred(torch.stack([torch.from_numpy(one) for one in cleaned]).to(kernel))


def _without_islands(k: np.ndarray, share: float) -> np.ndarray:
    if k.sum() <= 0:
        k = np.zeros_like(k)
        k[k.shape[0] // 2, k.shape[1] // 2] = 1
    k = k / k.sum()
    labels, count = scipy.ndimage.label(k > 0, np.ones((3, 3)))
    sums = scipy.ndimage.sum_labels(k, labels, np.arange(count + 1))
    sums[sums.argmax()] = math.inf  # the largest always stays
    k = np.where(sums[labels] >= share, k, 0)
    return k / k.sum()


def centred(kernel: Tensor) -> Tensor:
    """Shift each kernel by whole pixels so that its centroid is nearest the middle.  (B, n, n) -> (B, n, n).

    What a shift would push over the edge stays out, and the sum is made 1 again.
    """
    n = kernel.shape[-1]
    at = torch.arange(n, dtype=kernel.dtype, device=kernel.device) - n // 2
    down = -(kernel.sum(-1) * at).sum(-1).round().long()
    right = -(kernel.sum(-2) * at).sum(-1).round().long()
    wide = F.pad(kernel, (n, n, n, n))
    moved = [w.roll((int(i), int(j)), (0, 1))[n:-n, n:-n] for w, i, j in zip(wide, down, right, strict=True)]
    moved = torch.stack(moved)
    return moved / moved.sum((-2, -1), keepdim=True)


def kernel_sizes(size: int) -> list[int]:
    """Return odd kernel sizes from coarse to fine, each about sqrt(2) times the last, the first 3 or 5."""
    count = max(math.floor(math.log(5 / size) / math.log(math.sqrt(0.5))), 0) + 1
    sizes = [2 * math.floor(size * 0.5 ** (s / 2) / 2) + 1 for s in range(count)]
    return sorted({min(max(n, 3), size) for n in sizes})


def resized(x: Tensor, shape: tuple[int, int]) -> Tensor:
    """Resize with an antialiased bicubic filter.  (B, C, H, W) -> (B, C, *shape)."""
    if x.shape[-2:] == shape:
        return x
    return F.interpolate(x, shape, mode="bicubic", antialias=True, align_corners=False)


def first_kernel(count: int, size: int, like: Tensor) -> Tensor:
    """Two points side by side: not the identity, which would be a solution that stays."""
    k = torch.zeros(count, size, size, dtype=like.dtype, device=like.device)
    k[:, size // 2, size // 2 - 1 : size // 2 + 1] = 0.5
    return k


def continued(y: Tensor, margin: int) -> Tensor:
    """Continue y periodically by at least margin pixels, to a size whose FFT is fast.  (B, C, H, W) -> larger."""
    rows, columns = (scipy.fft.next_fast_len(n + min(margin, n - 1), real=True) - n for n in y.shape[-2:])
    return continue_periodically(y, min(rows, y.shape[-2] - 1), min(columns, y.shape[-1] - 1))


Watch = Callable[[int, Tensor, Tensor], None]


def find_kernel(y: Tensor, size: int, settings: Settings, watch: Watch | None = None) -> Tensor:
    """Estimate the kernel, coarse to fine.  y (B, C, H, W), size odd -> (B, size, size).

    The kernel is common to the channels: their mean is looked at.  watch is called with (scale, sketch, kernel) at
    the end of each scale.  ValueError for a y that is no finite batch near [0, 1], and for a size that is even, below
    3, or over half the picture.
    """
    check_measurement(y)
    check_odd(size, min(y.shape[-2:]) // 2)
    grey, kernel = y.mean(1, keepdim=True), None
    for number, n in enumerate(kernel_sizes(size)):
        weights = [settings.weights(number * settings.steps + i) for i in range(settings.steps)]
        ratio = n / size
        shape = tuple(max(round(side * ratio), n + 2) for side in y.shape[-2:])
        small = resized(grey, shape)
        kernel = first_kernel(len(y), n, y) if kernel is None else _enlarged(kernel, n)
        patch = 2 * (round(settings.patch * ratio) // 2) + 1
        sketch, kernel = one_scale(small, kernel, settings, patch, weights)
        if watch is not None:
            watch(number, sketch, kernel)
    return kernel


def _enlarged(kernel: Tensor, n: int) -> Tensor:
    k = F.interpolate(kernel[:, None], (n, n), mode="bicubic", align_corners=False)[:, 0].clamp(min=0)
    return centred(k / k.sum((-2, -1), keepdim=True))


def one_scale(
    y: Tensor, kernel: Tensor, settings: Settings, patch: int, weights: list[tuple[float, float]]
) -> tuple[Tensor, Tensor]:
    """Alternate sketch and kernel on one scale, once for each (mu, lam).  -> sketch (B, 1, h, w), kernel (B, n, n)."""
    n = kernel.shape[-1]
    wide = continued(y, max(round(settings.border * n), 2))
    for mu, lam in weights:
        sketch = Sketch(wide, kernel, settings, patch)(mu, lam)[..., : y.shape[-2], : y.shape[-1]]
        kernel = clean_kernel(estimate_kernel(sketch, y, n, settings.gamma))
    return sketch, kernel


def blind_deblur(y: Tensor, size: int, settings: Settings, watch: Watch | None = None) -> Blind:
    """Estimate the kernels, then deconvolve with them by a hyper-Laplacian prior.  y (B, C, H, W) -> x_hat and kernels.

    size: an odd number of pixels that holds the blur.  ValueError where it is even, below 3, or over half the picture.
    """
    kernel = find_kernel(y, size, settings, watch)
    return Blind(deconvolved(y, kernel, settings.noise), kernel)


def deconvolved(y: Tensor, kernel: Tensor, noise: float) -> Tensor:
    """Deconvolve photographs with one kernel each, the last step of all three methods.  -> (B, C, H, W)."""
    method = with_borders(lambda y, A: hyper_laplacian(y, A, noise=noise))
    return method(y, CircularBlur(kernel.to(y), normalise=True))


L0_GRADIENT = Settings()
L0_INTENSITY = Settings(lam=1e-3, second="intensity", growth=4.0)
L0_TEXT = Settings(lam=4e-2, least=1e-3, second="intensity", growth=4.0)
DARK_CHANNEL = Settings(lam=4e-3, second="dark", growth=4.0)


def l0_gradient(y: Tensor, size: int) -> Blind:
    """Deblur with few differences that are not zero (Xu et al., 2013).  y (B, C, H, W) -> x_hat, kernels."""
    return blind_deblur(y, size, L0_GRADIENT)


def l0_intensity(y: Tensor, size: int) -> Blind:
    """Deblur photographs with Pan et al.'s (2014) prior, lightly weighted.  y (B, C, H, W) -> x_hat, kernels."""
    return blind_deblur(y, size, L0_INTENSITY)


def l0_text(y: Tensor, size: int) -> Blind:
    """Deblur text on white: few dark pixels, few differences (Pan et al., 2014).  y (B, C, H, W) -> x_hat, kernels."""
    return blind_deblur(y, size, L0_TEXT)


def l0_dark_channel(y: Tensor, size: int) -> Blind:
    """Deblur with a dark channel near zero as well (Pan et al., 2016).  y (B, C, H, W) -> x_hat, kernels."""
    return blind_deblur(y, size, DARK_CHANNEL)


PRIORS = {"l0_gradient": L0_GRADIENT, "l0_intensity": L0_INTENSITY, "l0_text": L0_TEXT, "dark_channel": DARK_CHANNEL}


def without_kernel(y: Tensor, A: object, *, prior: str, size: int) -> tuple[Tensor, Tensor]:
    """Deblur by a prior of PRIORS, as a row of a table: A is not looked at.  -> x_hat (B, C, H, W), kernels.

    ValueError for an unknown prior and a size that does not fit.
    """
    if prior not in PRIORS:
        raise ValueError(f"prior is {prior!r}; choose one of {', '.join(PRIORS)}")
    found = blind_deblur(y, size, PRIORS[prior])
    return found.x, found.kernel


def noise_of(y: Tensor) -> float:
    """Estimate the standard deviation of white noise from a photograph; at least that of rounding to 8 bits.

    y (B, C, H, W).  The median of the absolute diagonal differences of pixels in squares of four: blurred photographs
    have next to none of their own (Donoho and Johnstone, 1994).
    """
    diagonal = (y[..., :-1:2, :-1:2] - y[..., :-1:2, 1::2] - y[..., 1::2, :-1:2] + y[..., 1::2, 1::2]) / 2
    return max(float(diagonal.abs().median()) / 0.6745, quantisation_noise(8))


def told_nothing(y: Tensor, A: object, *, prior: str, size: int) -> tuple[Tensor, Tensor]:
    """Deblur as without_kernel, the last step with the noise found in each picture, and at least the calibrated one.

    y (B, C, H, W) -> x_hat (B, C, H, W), kernels.  ValueError as without_kernel.
    """
    kernel, least = without_kernel(y, A, prior=prior, size=size)[1], PRIORS[prior].noise
    x = [deconvolved(one[None], k[None], max(noise_of(one[None]), least)) for one, k in zip(y, kernel, strict=True)]
    return torch.cat(x), kernel


SHARE, DOUBT = 12, 0.03  # of cautious; the best of those tried on training photographs (benchmarks/doubt.py)


def window(y: Tensor, size: int, share: int = SHARE) -> int:
    """Return the odd size of the kernels that y is large enough for: at most size, at least 3.  y (B, C, H, W)."""
    most = min(y.shape[-2:]) // share
    return max(3, min(size, most - 1 + most % 2))


def cautious(y: Tensor, A: object, *, prior: str, size: int) -> tuple[Tensor, Tensor]:
    """Deblur as told_nothing, and believe a small photograph less: no kernel larger than `window` allows is looked
    for, and the last step assumes at least DOUBT, since what is wrong with the kernel rings in the picture.

    y (B, C, H, W) -> x_hat (B, C, H, W), kernels.  ValueError as without_kernel.
    """
    kernel = without_kernel(y, A, prior=prior, size=window(y, size))[1]
    x = [deconvolved(one[None], k[None], max(noise_of(one[None]), DOUBT)) for one, k in zip(y, kernel, strict=True)]
    return torch.cat(x), kernel


def denoised(y: Tensor, A: object) -> Tensor:
    """Take the last step of cautious alone, with a kernel of one point: what knowing no kernel gains by smoothing.

    y (B, C, H, W) -> (B, C, H, W).
    """
    x = [deconvolved(one[None], delta(3)[None], max(noise_of(one[None]), DOUBT)) for one in y]
    return torch.cat(x)
