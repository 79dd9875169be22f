"""Pictures that a set might as well hold: what a prior learns from besides those that it holds."""

import torch
import torch.nn.functional as F
from torch import Tensor

SHIFT = 2  # pixels, the furthest that a house number is moved


def same(x: Tensor, random: torch.Generator) -> Tensor:
    """Return the pictures as they are."""
    return x


def mirrored(x: Tensor, random: torch.Generator) -> Tensor:
    """Mirror each picture left to right with probability 1/2.  (B, C, H, W) -> (B, C, H, W)."""
    return torch.where(torch.rand(len(x), 1, 1, 1, generator=random) < 0.5, x.flip(-1), x)


def moved_or_inverted(x: Tensor, random: torch.Generator) -> Tensor:
    """Move each picture by up to SHIFT pixels, borders repeated, and make light dark with probability 1/2.

    (B, C, H, W) -> (B, C, H, W): house numbers are cut out with little care, and painted either way round.
    """
    h, w = x.shape[-2:]
    wide = F.pad(x, (SHIFT,) * 4, mode="replicate")
    places = torch.randint(2 * SHIFT + 1, (len(x), 2), generator=random).tolist()
    x = torch.stack([one[:, i : i + h, j : j + w] for one, (i, j) in zip(wide, places, strict=True)])
    return torch.where(torch.rand(len(x), 1, 1, 1, generator=random) < 0.5, 1 - x, x)
