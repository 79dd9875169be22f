"""Picture and kernel are found up to a common shift: x moved one way and k the other give the same y."""

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

from ..errors import check_batch, check_kernel


def shift_to(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return the circular shift of x_hat that comes closest to x, the peak of their correlation.

    (B, C, H, W) twice -> whole pixels (B, 2), down and right, each between minus and plus half of the side.
    """
    check_batch(x_hat, "x_hat")
    if x_hat.shape != x.shape:
        raise ValueError(f"x_hat is {tuple(x_hat.shape)} but x {tuple(x.shape)}: compare pictures of one size")
    correlation = irfft2((rfft2(x.double()) * rfft2(x_hat.double()).conj()).sum(1), s=x.shape[-2:])
    peak = correlation.flatten(1).argmax(1)
    h, w = x.shape[-2:]
    place = torch.stack((peak // w, peak % w), 1)
    size = torch.tensor([h, w], device=place.device)
    return torch.where(place > size // 2, place - size, place)


def rolled(x: Tensor, shift: Tensor) -> Tensor:
    """Move each picture circularly by its own shift.  x (B, ..., H, W), shift (B, 2) -> like x."""
    return torch.stack([one.roll(tuple(s), (-2, -1)) for one, s in zip(x, shift.tolist(), strict=True)])


def aligned(x_hat: Tensor, k_hat: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Move x_hat onto x, and k_hat by as much the other way; their convolution stays what it is.

    x_hat, x (B, C, H, W), k_hat (B, h, w) -> x_hat, the kernel on a canvas of (B, H, W) with its centre at
    (H // 2, W // 2), where nothing can leave it, and the shift (B, 2).
    """
    check_kernel(k_hat, "k_hat")
    shift = shift_to(x_hat, x)
    return rolled(x_hat, shift), rolled(on_canvas(k_hat, *x.shape[-2:]), -shift), shift


def on_canvas(k: Tensor, height: int, width: int) -> Tensor:
    """Pad kernels with zeros, centre (h // 2, w // 2) upon centre (H // 2, W // 2).  (B, h, w) -> (B, H, W)."""
    h, w = k.shape[-2:]
    if h > height or w > width:
        raise ValueError(f"kernels of {h}x{w} do not fit a canvas of {height}x{width}")
    canvas = k.new_zeros(len(k), height, width)
    top, left = height // 2 - h // 2, width // 2 - w // 2
    canvas[:, top : top + h, left : left + w] = k
    return canvas


def centroid(k: Tensor) -> Tensor:
    """Return where the centroid of each kernel lies, against the middle of its canvas.  (B, h, w) -> pixels (B, 2)."""
    check_kernel(k, "k")
    down, right = (torch.arange(n, dtype=k.dtype, device=k.device) - (n - 1) / 2 for n in k.shape[-2:])
    return torch.stack([(k.sum(2) * down).sum(1), (k.sum(1) * right).sum(1)], 1) / k.sum((1, 2))[:, None]


def moved(x: Tensor, shift: Tensor) -> Tensor:
    """Move each picture circularly by its own shift in fractions of a pixel.  x (B, ..., H, W), shift (B, 2)."""
    h, w = x.shape[-2:]
    down, right = torch.fft.fftfreq(h, device=x.device)[:, None], torch.fft.rfftfreq(w, device=x.device)[None]
    along = shift.reshape(len(x), 2, *[1] * (x.ndim - 1))
    phase = torch.exp(-2j * torch.pi * (along[:, 0] * down + along[:, 1] * right))
    return irfft2(rfft2(x) * phase, s=(h, w))


def centred(x_hat: Tensor, k_hat: Tensor) -> tuple[Tensor, Tensor]:
    """Move the centroid of each kernel to the middle of its canvas, where camera shakes here have it, and the picture
    by as much the other way: the shift that the two share, settled without the truth.

    x_hat (B, C, H, W), k_hat (B, h, w) -> both, the picture clipped to [0, 1], the kernel not negative.
    """
    shift = centroid(k_hat)
    return moved(x_hat, shift).clamp(0, 1), moved(k_hat, -shift).clamp(min=0)


def kernel_correlation(k_hat: Tensor, k: Tensor) -> Tensor:
    """Return the largest cosine between the two kernels over all shifts.  (B, h, w) twice -> (B,) in [0, 1]."""
    check_kernel(k_hat, "k_hat"), check_kernel(k, "k")
    if k_hat.shape != k.shape or k.ndim != 3:
        raise ValueError(f"k_hat is {tuple(k_hat.shape)} but k {tuple(k.shape)}: compare kernels (B, h, w)")
    size = [2 * side for side in k.shape[-2:]]  # large enough that no shift wraps round
    a, b = (rfft2(part.double(), s=size) for part in (k_hat, k))
    norms = k_hat.double().flatten(1).norm(dim=1) * k.double().flatten(1).norm(dim=1)
    return irfft2(a * b.conj(), s=size).amax((-2, -1)) / norms.clamp(min=torch.finfo(torch.float64).tiny)
