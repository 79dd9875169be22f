"""An unrolled network that begins with a trained denoiser in its steps, as plug and play has it, and is trained on."""

import math
from collections.abc import Callable

import torch
from torch import nn

from ...networks import Denoiser, Unrolled
from ...networks.denoiser import UNIT
from ..weights import load_weights
from .cnn import CNN


class Unfolded(CNN):
    """Minimise the mean of |G(y) - x| over pixels, from a trained denoiser on.

    generator: builds an Unrolled network; start: the weights of a Denoiser of its width, by name; first: the level of
    the first step, in picture units.  FileNotFoundError and ValueError as load_weights and begin_as have them.
    """

    def __init__(self, generator: Callable[[], Unrolled], *, start: str, first: float = 0.2) -> None:
        super().__init__(generator)
        self.start, self.first = start, first

    def networks(self) -> dict[str, nn.Module]:
        G = self.generator()
        begin_as(G, load_weights(self.start)[0], self.first)
        return {"generator": G}


@torch.no_grad()
def begin_as(G: Unrolled, D: Denoiser, first: float) -> None:
    """Make every prior's step of G the denoiser D, the levels falling in equal ratios from first to the noise.

    G's denoisers are also told the noise that is left; they begin deaf to it.  ValueError where D does not fit.
    """
    fits = isinstance(D, Denoiser) and D.levels == 1 and G.steps > 0
    if not fits or D.head.out_channels != G.denoisers[0].head.out_channels:
        raise ValueError("the network has one step or more and starts from a Denoiser that is told one level and has "
                         "its own width")
    weights = D.state_dict()
    deaf = torch.zeros_like(weights["head.weight"][:, :1])
    weights["head.weight"] = torch.cat((weights["head.weight"], deaf), 1)
    for denoiser in G.denoisers:
        denoiser.load_state_dict(weights)
    share = torch.arange(G.steps) / max(G.steps - 1, 1)
    G.b.copy_(share)
    G.a.copy_((1 - share) * math.log(first) + share * math.log(UNIT))
