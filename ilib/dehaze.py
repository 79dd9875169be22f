"""Dehazing by the dark-channel prior: airlight, transmission, guided filter, recovery (He et al., 2009).

Haze-free pictures have, in almost every window, some pixel that is nearly black in some channel; what the darkest
pixel of a window of a hazy picture shows is then the veil alone, A (1 - t).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .blind import dark_channel
from .errors import check_measurement
from .physics import Haze

PATCH, FLOOR = 15, 0.1  # as in the paper: the window, the smallest t
OMEGA = 0.9  # the share of haze removed, chosen on haze/train (benchmarks/calibrate_blind.py); the paper has 0.95
RADIUS, EPSILON = 40, 1e-3  # of the guided filter (He et al., 2010)
BRIGHTEST = 0.001  # share of the haziest pixels that the airlight is taken from


class Dehazed(NamedTuple):
    """What the dark-channel prior finds."""

    x: Tensor  # (B, 3, H, W), not clipped
    transmission: Tensor  # (B, 1, H, W)
    airlight: Tensor  # (B, 3)


def estimate_airlight(y: Tensor, patch: int = PATCH) -> Tensor:
    """Return the colour of the brightest among the haziest 0.1 % of the pixels.  y (B, 3, H, W) -> (B, 3) in [0, 1].

    Haziest: the largest dark channel (He et al., 2009, section 4.3 of the journal version).
    """
    dark = dark_channel(y, patch)[0].flatten(1)
    haziest = dark.topk(max(round(BRIGHTEST * dark.shape[1]), 1), dim=1).indices
    candidates = y.flatten(2).gather(2, haziest[:, None].expand(-1, y.shape[1], -1))
    brightest = candidates.sum(1).argmax(1)
    return candidates.gather(2, brightest[:, None, None].expand(-1, y.shape[1], 1))[..., 0].clamp(0, 1)


def estimate_transmission(y: Tensor, airlight: Tensor, patch: int = PATCH, omega: float = OMEGA) -> Tensor:
    """Return 1 - omega dark(y / A), constant in windows (He et al., 2009, eq. 12).  -> (B, 1, H, W) in [0, 1]."""
    relative = y / airlight.clamp(min=0.01)[:, :, None, None]
    return (1 - omega * dark_channel(relative, patch)[0]).clamp(0, 1)


def box_mean(x: Tensor, radius: int) -> Tensor:
    """Average over a (2 radius + 1)-pixel window, cut off at the border.  (B, C, H, W) -> (B, C, H, W)."""
    for dim in (-2, -1):
        n, total = x.shape[dim], F.pad(x.double().cumsum(dim), (1, 0) if dim == -1 else (0, 0, 1, 0))
        at = torch.arange(n, device=x.device)
        high, low = (at + radius + 1).clamp(max=n), (at - radius).clamp(min=0)
        shape = (-1, 1) if dim == -2 else (-1,)
        x = (total.index_select(dim, high) - total.index_select(dim, low)) / (high - low).reshape(shape)
    return x


def guided_filter(p: Tensor, guide: Tensor, radius: int = RADIUS, epsilon: float = EPSILON) -> Tensor:
    """Smooth p so that its edges are the guide's: in each window q = a guide + b, least squares with epsilon a^2.

    p (B, 1, H, W), guide (B, 1, H, W) -> (B, 1, H, W) (He, Sun and Tang, 2010, eqs. 5, 6 and 8).
    """
    if p.shape != guide.shape or p.shape[1] != 1:
        raise ValueError(f"p is {tuple(p.shape)} and the guide {tuple(guide.shape)}: pass two of (B, 1, H, W)")
    if radius < 1 or not epsilon > 0:
        raise ValueError(f"radius {radius} and epsilon {epsilon}: pass a radius of 1 or more and a positive epsilon")
    mean_p, mean_i = box_mean(p, radius), box_mean(guide, radius)
    covariance = box_mean(guide * p, radius) - mean_i * mean_p
    variance = box_mean(guide.square(), radius) - mean_i.square()
    a = covariance / (variance + epsilon)
    return (box_mean(a, radius) * guide + box_mean(mean_p - a * mean_i, radius)).to(p)


def dark_channel_prior(y: Tensor, patch: int = PATCH, omega: float = OMEGA) -> Dehazed:
    """Remove haze by the dark-channel prior.  y (B, 3, H, W) -> picture, transmission and airlight (He et al., 2009).

    ValueError for pictures without colours: the prior is about the darkest of three channels.
    """
    check_measurement(y)
    if y.shape[1] != 3:
        raise ValueError(f"y has {y.shape[1]} channel(s); the dark-channel prior needs red, green and blue")
    airlight = estimate_airlight(y, patch)
    coarse = estimate_transmission(y, airlight, patch, omega)
    t = guided_filter(coarse, y.mean(1, keepdim=True)).clamp(0, 1)
    return Dehazed(Haze(t, airlight).invert(y, FLOOR), t, airlight)


def without_airlight(y: Tensor, A: object) -> Tensor:
    """Dehaze by the dark-channel prior, as a row of a table: A is not looked at.  y (B, 3, H, W) -> the same."""
    return dark_channel_prior(y).x
