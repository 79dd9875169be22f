"""Checks on what callers hand in: each raises an error that says what is wrong and what to do."""

import math

import torch
from torch import Tensor

RANGE_TOLERANCE = 1e-4  # float32 pictures may leave [0, 1] by rounding
SUM_TOLERANCE = 1e-3  # float16 kernels sum to 1 only so well


def check_batch(x: Tensor, name: str = "x") -> None:
    """Raise unless x is a floating-point tensor (B, C, H, W)."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} is a {type(x).__name__}; pass a torch tensor (B, C, H, W), e.g. torch.from_numpy(...)")
    if x.ndim != 4:
        raise ValueError(f"{name} has shape {tuple(x.shape)}; pass (B, C, H, W): one grey picture is x[None, None]")
    if not x.is_floating_point():
        raise TypeError(f"{name} is {x.dtype}; convert to floating point in [0, 1], e.g. {name}.float() / 255")
    if x.numel() == 0:
        raise ValueError(f"{name} has shape {tuple(x.shape)}: it holds no pixel")


def check_input(y: Tensor, channels: int, smallest: int) -> None:
    """Raise unless y is what a network takes: (B, channels, H, W), each side of at least so many pixels."""
    check_batch(y, "y")
    if y.shape[1] != channels:
        grey = (y.shape[1], channels) == (1, 3)
        hint = ": give grey pictures three equal channels, y.expand(-1, 3, -1, -1)" if grey else ""
        raise ValueError(f"y has {y.shape[1]} channels but the network takes {channels}{hint}")
    if min(y.shape[-2:]) < smallest:
        raise ValueError(f"y is {tuple(y.shape[-2:])} pixels; the network takes sides of {smallest} or more")


def check_finite(x: Tensor, name: str = "x") -> None:
    """Raise when x holds NaN or infinity, and say in which pictures."""
    bad = ~torch.isfinite(x).flatten(1).all(1)
    if bad.any():
        raise ValueError(f"{name} holds NaN or infinity in picture(s) {bad.nonzero().flatten().tolist()}")


def check_sum(x: Tensor, name: str = "x") -> None:
    """Raise for NaN or infinity, which show in the sum: one pass, where check_finite takes several.

    Skipped off the CPU, where reading a number back would stall the queue.
    """
    if x.device.type == "cpu" and not math.isfinite(x.detach().sum().item()):
        check_finite(x.detach(), name)


def check_picture(x: Tensor, name: str = "x") -> None:
    """Raise unless x is a finite floating-point batch (B, C, H, W) in [0, 1]."""
    check_batch(x, name)
    check_finite(x, name)
    low, high = float(x.min()), float(x.max())
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        raise ValueError(f"{name} ranges over [{low:.3g}, {high:.3g}]; pictures lie in [0, 1]: scale or clip it first")


def check_measurement(y: Tensor, name: str = "y") -> None:
    """Raise unless y is a finite floating-point batch whose values are near [0, 1] (noise may leave it)."""
    check_batch(y, name)
    check_finite(y, name)
    low, high = float(y.min()), float(y.max())
    if low < -2 or high > 3:
        raise ValueError(f"{name} ranges over [{low:.3g}, {high:.3g}]; measurements are scaled like pictures in [0, 1]")


def check_kernel(kernel: Tensor, name: str = "kernel") -> None:
    """Raise unless the kernel is finite floating point of shape (h, w) or (B, h, w)."""
    if not isinstance(kernel, Tensor):
        raise TypeError(f"{name} is a {type(kernel).__name__}; pass a torch tensor (h, w) or (B, h, w)")
    if kernel.ndim not in (2, 3) or kernel.numel() == 0:
        raise ValueError(f"{name} has shape {tuple(kernel.shape)}; pass (h, w), or (B, h, w) for one per picture")
    if not kernel.is_floating_point():
        raise TypeError(f"{name} is {kernel.dtype}; convert it to floating point")
    check_finite(kernel.detach().reshape(-1, kernel.shape[-2] * kernel.shape[-1]), name)


def check_blur_kernel(kernel: Tensor, name: str = "kernel") -> None:
    """Raise unless every kernel is non-negative and sums to 1."""
    check_kernel(kernel, name)
    if kernel.min() < -SUM_TOLERANCE * kernel.max().abs():
        raise ValueError(f"{name} has negative entries (down to {float(kernel.min()):.3g}); a blur kernel has none")
    sums = kernel.detach().sum((-2, -1)).reshape(-1)
    worst = float(sums[(sums - 1).abs().argmax()])
    if abs(worst - 1) > SUM_TOLERANCE:
        raise ValueError(f"{name} sums to {worst:.4g}, not 1; pass normalise=True if it should be divided by its sum")


def check_kernels_for(kernel: Tensor, x: Tensor) -> None:
    """Raise unless there is one kernel (h, w) for all pictures (B, C, H, W), or one for each."""
    if kernel.ndim == 3 and len(kernel) not in (1, len(x)):
        raise ValueError(f"{len(kernel)} kernels for {len(x)} pictures: pass one for all or one per picture")


def check_odd(size: int, most: int) -> None:
    """Raise unless a kernel's size is an odd number from 3 to most."""
    if size % 2 == 0 or not 3 <= size <= most:
        raise ValueError(f"size is {size}; pass an odd number of pixels from 3 to {most}, half of the picture's side")


def check_counts(**counts: int | None) -> None:
    """Raise unless each is a whole number of 1 or more; None stands for a default."""
    for name, n in counts.items():
        if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
            raise ValueError(f"{name} is {n!r}; pass a whole number, 1 or more")


def check_positive(**values: float) -> None:
    """Raise unless each is a finite number greater than 0."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} is {value}; pass a number greater than 0")


def check_noise(sigma: float, name: str = "noise") -> None:
    """Raise unless the noise's standard deviation is a finite non-negative number in picture units."""
    if not 0 <= sigma < float("inf"):
        raise ValueError(f"{name} is {sigma}; pass a standard deviation >= 0 in units of [0, 1] (1 % noise is 0.01)")
