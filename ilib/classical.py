"""Classical non-blind deconvolution: methods (y, A) -> x_hat on batches (B, C, H, W), A a CircularConvolution.

Where the border is not periodic, A being a Blur, it is with_borders(method)(y, A.inner); with_unknown_borders takes
longer and is better, the more so the less noise there is.
`noise` is the standard deviation of all that was added to A x, in picture units (Measurement.sigma).  What comes
out is not clipped: values outside [0, 1] belong to a linear estimate, whoever shows or scores it decides.
All raise ValueError for a y that is no finite batch scaled like [0, 1], for noise and weights that are not greater
than 0, and for kernels that are neither one nor one per picture; TypeError where A is a Blur.
Every method has its constants calibrated on training photographs.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

from .errors import check_counts, check_kernels_for, check_measurement, check_noise, check_positive
from .operators import Blur, CircularConvolution

Method = Callable[[Tensor, CircularConvolution], Tensor]

# Chosen on training photographs (bsds500/train), never on test pictures: the first is the mean of |D x|^2 there, the
# others gave the best mean PSNR over both kernels of MBD-GAN and noise of 0, 1 and 5 % (benchmarks/calibrate.py).
GRADIENT_POWER = 0.011
TV_SCALE = 0.1
HL_SCALE = 0.25
RL_STOP = 0.4
HL_ALPHA = 2 / 3
FILLS, FIRST = 16, 27.0  # of beyond; the best start for so many rounds on training photographs (benchmarks/borders.py)


def blurred(y: Tensor, A: CircularConvolution) -> Tensor:
    """Return the measurement itself, the row that every method has to beat.  y (B, C, H, W) -> the same."""
    check_measurement(y)
    return y


def check_told(y: Tensor, A: CircularConvolution, noise: float) -> None:
    """Raise unless y, A and noise are what a method of this module takes."""
    check_measurement(y)
    check_noise(noise)
    if noise == 0:
        raise ValueError("noise is 0: pass at least the rounding of the camera, degrade.quantisation_noise(8)")
    if isinstance(A, Blur):
        raise TypeError("A is a Blur, and this method takes the border as periodic: with_borders(method)(y, A.inner)")
    check_kernels_for(A.kernel, y)


def gradient(x: Tensor) -> Tensor:
    """Return the periodic forward differences D x, down and right.  (B, C, H, W) -> (2, B, C, H, W)."""
    return torch.stack((x.roll(-1, -2) - x, x.roll(-1, -1) - x))


def gradient_power(height: int, width: int, like: Tensor) -> Tensor:
    """Return the eigenvalues of D^T D on rfft2's half plane, the periodic Laplacian.  -> (H, W // 2 + 1)."""
    rows = torch.arange(height, dtype=torch.float64) / height
    columns = torch.arange(width // 2 + 1, dtype=torch.float64) / width
    return (4 - 2 * torch.cos(2 * math.pi * rows[:, None]) - 2 * torch.cos(2 * math.pi * columns)).to(like)


def gradient_adjoint(d: Tensor) -> Tensor:
    """Return D^T d.  (2, B, C, H, W) -> (B, C, H, W)."""
    return d[0].roll(1, -2) - d[0] + d[1].roll(1, -1) - d[1]


def wiener(y: Tensor, A: CircularConvolution, *, noise: float, power: float = GRADIENT_POWER) -> Tensor:
    """Minimise ||A x - y||^2 / noise^2 + ||D x||^2 / power: the Wiener filter for a spectrum power / |D|^2.

    power is the mean of |D x|^2 over the pixels of photographs.  y (B, C, H, W) -> (B, C, H, W).
    """
    check_told(y, A, noise)
    check_positive(power=power)
    ratio = noise**2 / power * gradient_power(*y.shape[-2:], y)
    return A.wiener(y, ratio)


class _GradientStep:
    """Solve (weight A'A + D'D) x = weight A'y + D'd for x, everything that does not change computed once."""

    def __init__(self, y: Tensor, A: CircularConvolution) -> None:
        h = A.otf(*y.shape[-2:])
        self.size = y.shape[-2:]
        self.data = h.conj() * rfft2(y)
        self.normal = h.abs() ** 2
        self.smooth = gradient_power(*self.size, y)

    def __call__(self, d: Tensor, weight: float) -> Tensor:
        right = rfft2(gradient_adjoint(d)).add_(self.data, alpha=weight)
        return irfft2(right.div_(weight * self.normal + self.smooth), s=self.size)


def shrink(d: Tensor, threshold: float) -> Tensor:
    """Shorten the gradient vectors by a threshold, the prox of isotropic TV.  (2, B, C, H, W) -> same."""
    length = d.norm(dim=0, keepdim=True)
    return d * (1 - threshold / length.clamp(min=threshold))


def tv(y: Tensor, A: CircularConvolution, *, noise: float, scale: float = TV_SCALE, iterations: int = 50) -> Tensor:
    """Minimise weight/2 ||A x - y||^2 + TV(x), weight = scale / noise^2, by ADMM (Rudin, Osher and Fatemi, 1992).

    TV is isotropic, channel by channel, with periodic differences; iterations is 1 or more.
    y (B, C, H, W) -> (B, C, H, W).
    """
    check_told(y, A, noise)
    check_positive(scale=scale)
    check_counts(iterations=iterations)
    weight, rho = scale / noise**2, 20.0
    step = _GradientStep(y, A)
    Dx = gradient(y)
    u = torch.zeros_like(Dx)
    for _ in range(iterations):
        d = shrink(Dx + u, 1 / rho)
        x = step(d - u, weight / rho)
        Dx = gradient(x)
        u = u + Dx - d
    return x


class HyperLaplacianTable:
    """Look up argmin_w |w|^alpha + beta/2 (w - v)^2 for every v at once (Krishnan and Fergus, 2009).

    Substituting v = s u, w = s z with s = beta^(-1 / (2 - alpha)) takes beta out, so that one table serves all.
    Below a threshold the minimum is 0; above it, it is the larger root of alpha z^(alpha - 1) + z = u.
    """

    def __init__(self, alpha: float = HL_ALPHA, top: float = 128.0, entries: int = 2**14) -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha is {alpha}; the hyper-Laplacian's exponent lies between 0 and 1")
        self.alpha, self.top = alpha, top
        # at the threshold 0 and the root cost the same: z^alpha + (z - u)^2 / 2 = u^2 / 2
        z = (2 * (1 - alpha)) ** (1 / (2 - alpha))
        self.threshold = z + alpha * z ** (alpha - 1)
        u = torch.linspace(self.threshold, top, entries, dtype=torch.float64)
        root = u.clone()
        for _ in range(50):  # Newton from above converges: the left-hand side is convex there
            root -= (alpha * root ** (alpha - 1) + root - u) / (alpha * (alpha - 1) * root ** (alpha - 2) + 1)
        self.table, self.step = root, (top - self.threshold) / (entries - 1)

    def __call__(self, v: Tensor, beta: float) -> Tensor:
        """Return the minimiser for each entry.  v of any shape, beta > 0 -> same shape."""
        scale = beta ** (1 / (2 - self.alpha))
        u = scale * v.abs()
        table = self.table.to(v)
        place = ((u - self.threshold) / self.step).clamp(0, len(table) - 1.001)
        low = place.floor()
        index = low.long()
        z = torch.lerp(table[index], table[index + 1], place - low)
        z = torch.where(u > self.top, u - self.alpha * u.clamp(min=1) ** (self.alpha - 1), z)
        return torch.where(u < self.threshold, 0, z / scale) * v.sign()


def hyper_laplacian(
    y: Tensor, A: CircularConvolution, *, noise: float, scale: float = HL_SCALE, alpha: float = HL_ALPHA
) -> Tensor:
    """Minimise weight/2 ||A x - y||^2 + sum |D x|^alpha, weight = scale / noise^2, by half-quadratic splitting.

    Krishnan and Fergus (2009): w takes the place of D x, a look-up table gives w and an FFT gives x, while the
    weight beta of ||D x - w||^2 / 2 rises from 1 by factors of 2 sqrt(2) while it is below 256, as theirs does.
    y (B, C, H, W) -> (B, C, H, W); ValueError for an alpha that is not between 0 and 1.
    """
    check_told(y, A, noise)
    check_positive(scale=scale)
    weight, table, step = scale / noise**2, HyperLaplacianTable(alpha), _GradientStep(y, A)
    x = y
    for k in range(6):
        beta = 2 ** (1.5 * k)
        x = step(table(gradient(x), beta), weight / beta)
    return x


def richardson_lucy(y: Tensor, A: CircularConvolution, *, noise: float, iterations: int | None = None) -> Tensor:
    """Maximise the Poisson likelihood by x <- x A^T(y / A x) (Richardson, 1972; Lucy, 1974).

    Later iterations fit the noise: by default there are RL_STOP / noise of them, between 5 and 200.  scikit-image's
    function of the same name takes zeros beyond the border, which eat their way into the picture step by step.
    y (B, C, H, W) -> (B, C, H, W).
    """
    check_told(y, A, noise)
    check_counts(iterations=iterations)
    y = y.clamp(min=0)
    x = torch.full_like(y, 0.5)
    for _ in range(iterations or stop_after(noise)):
        x = x * A.adjoint(y / A(x).clamp(min=1e-6))
    return x


def stop_after(noise: float, stop: float = RL_STOP) -> int:
    """Return how many steps Richardson-Lucy takes before it fits the noise: stop / noise, between 5 and 200."""
    return round(min(max(stop / noise, 5), 200))


def continue_periodically(y: Tensor, rows: int, columns: int) -> Tensor:
    """Add rows below and columns to the right that lead smoothly from the last pixels back to the first.

    y (B, C, H, W) -> (B, C, H + rows, W + columns): both edges' reflections, cross-faded.
    """
    for dim, margin in ((-2, rows), (-1, columns)):
        n = y.shape[dim]
        if not 0 <= margin < n:
            raise ValueError(f"a margin of {margin} needs a picture of more than {margin} pixels, this one has {n}")
        shape = [1, 1, 1, 1]
        shape[dim] = margin
        t = (torch.arange(1, margin + 1, dtype=y.dtype, device=y.device) / (margin + 1)).reshape(shape)
        after = y.narrow(dim, n - 1 - margin, margin).flip(dim)
        before = y.narrow(dim, 1, margin).flip(dim)
        y = torch.cat((y, (1 - t) * after + t * before), dim)
    return y


def with_borders(method: Method) -> Method:
    """Return the method for photographs whose border is not periodic: continue y smoothly, deconvolve, crop."""

    def wrapped(y: Tensor, A: CircularConvolution) -> Tensor:
        h, w = A.kernel.shape[-2:]
        wide = continue_periodically(y, min(2 * h, y.shape[-2] - 1), min(2 * w, y.shape[-1] - 1))
        return method(wide, A)[..., : y.shape[-2], : y.shape[-1]]

    return wrapped


def with_unknown_borders(method: Method, *, noise: float) -> Method:
    """Return the method for photographs whose border is not periodic: what lies beyond it is found with the picture.

    As with_borders, but what is added to y carries the blur of A (`beyond`), so that the method meets no contradiction;
    the problem is that of Almeida and Figueiredo (2013).
    noise: that of y, as for the method.
    """

    def wrapped(y: Tensor, A: CircularConvolution) -> Tensor:
        return method(beyond(y, A, noise=noise), A)[..., : y.shape[-2], : y.shape[-1]]

    return wrapped


def beyond(y: Tensor, A: CircularConvolution, *, noise: float, fills: int = FILLS, first: float = FIRST) -> Tensor:
    """Add two kernels of rows below and of columns to the right, y a part of a periodic measurement, the rest missing.

    The rest begins as in with_borders; then it is, fills times, what A makes of the Wiener estimate of the whole, told
    of first times the noise to begin with, of the noise itself at the end.  With first = 1 this is expectation
    maximisation: wiener's objective, its misfit on y's own pixels alone, falls each time; from above it is faster.
    y (B, C, H, W) -> (B, C, H + 2h, W + 2w) for kernels (h, w), less where y is smaller than that.
    """
    check_told(y, A, noise)
    (h, w), (H, W) = A.kernel.shape[-2:], y.shape[-2:]
    wide = continue_periodically(y, min(2 * h, H - 1), min(2 * w, W - 1))
    size = wide.shape[-2:]
    data, smooth = A.otf(*size).abs() ** 2, gradient_power(*size, y) / GRADIENT_POWER
    for t in range(fills):
        told = noise * first ** (1 - t / max(fills - 1, 1))
        wide = irfft2(rfft2(wide) * (data / (data + told**2 * smooth)), s=size)  # A(wiener(wide, A, noise=told))
        wide[..., :H, :W] = y
    return wide


def tv_with_borders(y: Tensor, A: Blur, *, noise: float, scale: float = TV_SCALE, iterations: int = 50) -> Tensor:
    """Run tv where the border is not periodic, A a Blur of any border: continue y smoothly, restore, crop.

    y (B, C, H, W) -> (B, C, H, W).
    """
    return with_borders(partial(tv, noise=noise, scale=scale, iterations=iterations))(y, A.inner)
