"""Quality of an estimate, picture by picture: PSNR in dB, SSIM; data range 1."""

import torch
from torch import Tensor
from torch.fft import fftfreq, irfft2, rfft2, rfftfreq

from .errors import check_batch, check_finite


def _check_pair(x_hat: Tensor, x: Tensor) -> None:
    check_batch(x_hat, "x_hat"), check_batch(x, "x")
    if x_hat.shape != x.shape:
        raise ValueError(f"x_hat is {tuple(x_hat.shape)} but x {tuple(x.shape)}: compare pictures of one size")
    check_finite(x_hat, "x_hat"), check_finite(x, "x")


def psnr(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB, -10 log10 of the mean square error.  (B, C, H, W) -> (B,)."""
    _check_pair(x_hat, x)
    return -10 * (x_hat - x).double().square().flatten(1).mean(1).log10()


def ssim(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return the structural similarity (Wang et al., 2004), the mean over channels and inner pixels.  -> (B,).

    Gaussian window of 1.5 pixels; the 5 pixels along the border, where the window leaves the picture, do not count.
    ValueError for pictures of two sizes, or of fewer than 11 pixels to a side.
    """
    from skimage.metrics import structural_similarity

    _check_pair(x_hat, x)
    if min(x.shape[-2:]) < 11:
        raise ValueError(f"SSIM needs pictures of 11 pixels or more, these are {tuple(x.shape[-2:])}")
    as_published = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    pairs = zip(x_hat.detach().double().cpu().numpy(), x.detach().double().cpu().numpy(), strict=True)
    return torch.tensor(
        [structural_similarity(a, b, data_range=1, channel_axis=0, **as_published) for a, b in pairs],
        dtype=torch.float64,
    )


def shift_psnr(x_hat: Tensor, x: Tensor, shift: int = 3) -> Tensor:
    """Return the best PSNR (dB) over whole-pixel shifts of x_hat, a border of `shift` pixels left out.  -> (B,).

    Blind methods find picture and kernel only up to a common shift (physics-based GAN, footnote 3).
    ValueError for pictures of two sizes, and for a shift of half the picture or more.
    """
    _check_pair(x_hat, x)
    if not 0 <= 2 * shift < min(x.shape[-2:]):
        raise ValueError(f"shift is {shift}: pass 0 or more and less than half of the picture")
    inner = x[..., shift : x.shape[-2] - shift, shift : x.shape[-1] - shift]
    h, w = inner.shape[-2:]
    tries = [psnr(x_hat[..., i : i + h, j : j + w], inner) for i in range(2 * shift + 1) for j in range(2 * shift + 1)]
    return torch.stack(tries).amax(0)


def affine_psnr(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return the PSNR (dB) after the best a x_hat + b for each picture, least squares.  (B, C, H, W) -> (B,).

    It leaves out what a change of brightness and contrast explains (GAN-D multiplies by 1.3).
    """
    _check_pair(x_hat, x)
    u, v = x_hat.double().flatten(1), x.double().flatten(1)
    u0, v0 = u - u.mean(1, keepdim=True), v - v.mean(1, keepdim=True)
    variance = u0.square().sum(1, keepdim=True)
    a = (u0 * v0).sum(1, keepdim=True) / variance.clamp(min=torch.finfo(u.dtype).tiny)
    return -10 * (a * u0 - v0).square().mean(1).log10()


def luma(x: Tensor) -> Tensor:
    """Return the Y channel of BT.601, in [16, 235] / 255, as MATLAB's rgb2ycbcr.  (B, 3, H, W) -> (B, 1, H, W)."""
    check_batch(x)
    if x.shape[1] != 3:
        raise ValueError(f"x has {x.shape[1]} channel(s); the Y channel is made of red, green and blue")
    weights = x.new_tensor([65.481, 128.553, 24.966])[:, None, None] / 255
    return (x * weights).sum(1, keepdim=True) + 16 / 255


def luma_psnr(x_hat: Tensor, x: Tensor, shave: int = 4) -> Tensor:
    """Return the PSNR (dB) of the Y channel without `shave` pixels on each side, as for super-resolution.  -> (B,)."""
    return psnr(*_inner_luma(x_hat, x, shave))


def luma_ssim(x_hat: Tensor, x: Tensor, shave: int = 4) -> Tensor:
    """Return the SSIM of the Y channel without `shave` pixels on each side, as for super-resolution.  -> (B,)."""
    return ssim(*_inner_luma(x_hat, x, shave))


def _inner_luma(x_hat: Tensor, x: Tensor, shave: int) -> tuple[Tensor, Tensor]:
    _check_pair(x_hat, x)
    if not 0 <= 2 * shave < min(x.shape[-2:]):
        raise ValueError(f"shave is {shave}: pass 0 or more and less than half of the picture")
    inner = (..., slice(shave, x.shape[-2] - shave), slice(shave, x.shape[-1] - shave))
    return luma(x_hat)[inner], luma(x)[inner]


def shifted(x: Tensor, down: float, right: float) -> Tensor:
    """Shift by any part of a pixel, periodically, by its Fourier series.  (B, C, H, W) -> (B, C, H, W)."""
    check_batch(x)
    h, w = x.shape[-2:]
    turns = fftfreq(h, dtype=x.dtype, device=x.device)[:, None] * down
    turns = turns + rfftfreq(w, dtype=x.dtype, device=x.device) * right
    return irfft2(rfft2(x) * torch.exp(-2j * torch.pi * turns), s=(h, w))


def shift_error(x_hat: Tensor, x: Tensor, reach: int = 9, border: int = 20, parts: int = 4) -> Tensor:
    """Return the least mean square error over shifts of x_hat by 1 / parts of a pixel.  (B, C, H, W) -> (B,).

    Shifts up to `reach` pixels to each side, a border left out: the error of blind deblurring (Levin et al., 2009),
    whose ratio to that of deconvolution with the true kernel is the field's measure.  ValueError for pictures of two
    sizes, and unless reach <= border < half of the picture.
    """
    _check_pair(x_hat, x)
    if not 0 <= reach <= border or 2 * border >= min(x.shape[-2:]):
        raise ValueError(f"reach {reach} and border {border}: need reach <= border < half of {tuple(x.shape[-2:])}")
    h, w = x.shape[-2:]
    inside = torch.zeros(1, 1, h, w, dtype=torch.float64, device=x.device)
    inside[..., border : h - border, border : w - border] = 1
    mask, target = rfft2(inside).conj(), rfft2(x.double() * inside).conj()
    energy, at = (x.double().square() * inside).sum((1, 2, 3))[:, None, None], torch.arange(-reach, reach + 1)
    least = []
    for i in range(parts**2):
        moved = shifted(x_hat.double(), i // parts / parts, i % parts / parts)
        terms = irfft2(rfft2(moved.square()) * mask - 2 * rfft2(moved) * target, s=(h, w)).sum(1)
        least.append((terms[:, at[:, None], at] + energy).amin((1, 2)))
    return torch.stack(least).amin(0).clamp(min=0) / (inside.sum() * x.shape[1])
