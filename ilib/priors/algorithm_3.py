"""Algorithm 3: a generator that no picture has trained, fitted to one blurred picture (Asim et al., eqs. 11 and 12).

The paper gives no values of kappa and nu, and the authors have published no code of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import check_measurement
from ..networks.dcgan import DCGAN
from ..operators import apply_otf, otf
from .algorithm_1 import Found, misfit
from .algorithm_2 import total_variation
from .latent import Generators, draws


@dataclass(frozen=True)
class Untrained:
    """How Algorithm 3 descends: Adam throughout (section V-D of the paper)."""

    first: int = 400  # steps of eq. 12, which fit the weights to y
    first_rate: float = 1e-3
    steps: int = 20_000  # of eq. 11
    rate: float = 1e-3  # of z_i and z_k
    weights_rate: float = 1e-4  # of W
    kappa: float = 0.01  # weight of ||z_k||^2
    nu: float = 1e-3  # weight of the total variation
    width: int = 32  # features of the generator before its last layer


Watch = Callable[[int, Tensor, Tensor], None]  # step, picture (1, C, H, W), kernel (1, 28, 28)


def fit_to(y: Tensor, G: nn.Module, z: Tensor, steps: int, rate: float) -> None:
    """Minimise ||y - G(z, W)||^2 over the weights W, in place (eq. 12).  y (1, C, H, W), z (1, l)."""
    adam = torch.optim.Adam(G.parameters(), rate)
    for _ in range(steps):
        adam.zero_grad()
        (y - G(z)).square().sum().backward()
        adam.step()


def objective(y: Tensor, x: Tensor, k: Tensor, z_k: Tensor, how: Untrained) -> Tensor:
    """Return the objective of eq. 11: ||y - x * k||^2 + kappa ||z_k||^2 + nu TV(x).  y, x (1, C, H, W) -> a number."""
    data = (y - apply_otf(x, otf(k, *y.shape[-2:]))).square().sum()
    return data + how.kappa * z_k.square().sum() + how.nu * total_variation(x).sum()


def algorithm_3(
    y: Tensor, kernel_prior: nn.Module, how: Untrained | None = None, seed: int = 0, watch: Watch | None = None
) -> Found:
    """Deblur one picture with an untrained generator (Algorithm 3).  y (1, C, H, W), sides 32, 64, 128 or 256.

    Batch norm looks at the one picture.  watch: called before every step.  ValueError for more than one picture, for
    another size, and where y is not finite.
    """
    how = how or Untrained()
    check_measurement(y)
    if len(y) != 1 or y.shape[-1] != y.shape[-2]:
        raise ValueError(f"y is {tuple(y.shape)}; Algorithm 3 fits one generator to one square picture (1, C, S, S)")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        G = DCGAN(width=how.width, size=y.shape[-1], channels=y.shape[1]).to(y)
    G_both = Generators(G, kernel_prior)
    z_i, z_k = (draws([seed], 1, length, i)[0].to(y) for i, length in enumerate(G_both.latents().values()))
    fit_to(y, G, z_i, how.first, how.first_rate)
    z_i.requires_grad_(), z_k.requires_grad_()
    adam = torch.optim.Adam([{"params": [z_i, z_k], "lr": how.rate},
                             {"params": G.parameters(), "lr": how.weights_rate}])  # fmt: skip
    for t in range(how.steps):
        x, k = G(z_i), kernel_prior(z_k)
        if watch is not None:
            watch(t, x.detach(), k.detach())
        adam.zero_grad()
        objective(y, x, k, z_k, how).backward()
        adam.step()
    return _found(y, G_both, z_i.detach(), z_k.detach())


@torch.no_grad()
def _found(y: Tensor, G: Generators, z_i: Tensor, z_k: Tensor) -> Found:
    x, k = G.picture(z_i), G.kernel(z_k)
    return Found(x, k, z_i, z_k, misfit(y, x, k), torch.zeros(1, dtype=torch.long))
