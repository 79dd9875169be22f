"""Methods of the tables that restore by a trained network."""

from functools import lru_cache, partial

import torch
from torch import Tensor, nn

from ..classical import with_borders
from ..errors import check_measurement
from ..operators import Blur, LinearOperator
from .weights import load_weights


@lru_cache(maxsize=2)
def _loaded(weights: str, device: torch.device) -> nn.Module:
    """Keep the last networks on their device: a method is called once for every chunk of pictures."""
    return load_weights(weights)[0].to(device, memory_format=torch.channels_last)


@torch.no_grad()
def generator(y: Tensor, A: LinearOperator, *, weights: str, noise: float = 0.0) -> Tensor:
    """Restore by a trained generator, x_hat = G(y, A, sigma); most know A only from their training.

    y (B, C, H, W) -> (B, C, H, W) float32.  weights: a name of data/weights; noise: standard deviation of all that was
    added to A x (one grey level is 1/255), for networks that want it.  On a GPU G runs in bfloat16; on the CPU in
    float32, the same on every machine.  FileNotFoundError where they are not trained; ValueError for pictures that the
    network does not take.
    """
    check_measurement(y)
    net = _loaded(weights, y.device)
    with torch.autocast(y.device.type, torch.bfloat16, enabled=y.is_cuda):
        sigma = torch.full((len(y), 1, 1, 1), noise, device=y.device)
        return net(y.float().contiguous(memory_format=torch.channels_last), A, sigma).float().contiguous()


def generator_with_borders(y: Tensor, A: Blur, *, weights: str, noise: float = 0.0) -> Tensor:
    """Restore by a network that takes borders as periodic where they are not: continue y smoothly, restore, crop.

    y (B, C, H, W) -> (B, C, H, W) float32, A a Blur of any border; arguments and errors are generator's.
    """
    return with_borders(partial(generator, weights=weights, noise=noise))(y, A.inner)
