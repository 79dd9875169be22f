"""Figure 15: Algorithm 3 on photographs, as a row of a table."""

from dataclasses import asdict

import torch
from torch import Tensor

from ..data import load
from ..results.digests import digest_of, reached_code
from ..results.runs import Pairs
from .algorithm_1 import Found
from .algorithm_3 import Untrained
from .algorithm_3 import algorithm_3 as fitted
from .inputs import DRAWN, NOISE, Trajectories
from .methods import _loaded, kept
from .plans import weights_name

# By the side of the picture, in pixels: an eighth of the paper's steps at its size; where there are 64, enough to run.
SETTINGS = {
    64: Untrained(first=100, first_rate=5e-3, steps=150, rate=0.01, weights_rate=1e-3, width=8),
    256: Untrained(steps=2500),
}


def photographs(name: str, n: int | None = None, size: int = 256, how: str = "centre") -> Pairs:
    """Blur photographs by a camera shake each, with noise of 1 %.  name, n, size, how: as the loaders take them."""
    pictures = load(name, size=size, how=how, n=n)
    y, A, _ = Trajectories().measure(pictures.x, torch.full((len(pictures), 1, 1, 1), NOISE), DRAWN[2])
    return Pairs(pictures, y, A, NOISE)


def algorithm_3(y: Tensor, A: object, *, kernels: str = "blur") -> tuple[Tensor, Tensor]:
    """Deblur by Algorithm 3, picture by picture, as a row of a table.  y (B, C, S, S) -> x_hat, kernels (B, 28, 28).

    kernels: the plan of the kernel prior; A is not looked at.  ValueError where S has no settings.
    """
    if y.shape[-1] not in SETTINGS:
        raise ValueError(f"y is {tuple(y.shape)}; there are settings for sides {', '.join(map(str, SETTINGS))}")
    how, weights = SETTINGS[y.shape[-1]], weights_name(kernels, "cpu")
    given = {"algorithm": "algorithm_3", "weights": [weights], "how": asdict(how),
             "code": digest_of(reached_code(("ilib.priors.algorithm_3.algorithm_3",)))}  # fmt: skip

    @torch.enable_grad()
    def find(one: Tensor) -> Found:
        return fitted(one, _loaded(weights, y.device), how)

    parts = [kept(given, one, lambda one=one: find(one)) for one in y.split(1)]
    x_hat, kernel = (torch.cat(part) for part in zip(*parts, strict=True))
    return x_hat, kernel
