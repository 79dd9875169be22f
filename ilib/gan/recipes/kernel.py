"""A network that finds the kernel, trained on kernels that are known."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace

import torch.nn.functional as F
from torch import Tensor, nn

from ...networks.vae import KERNEL_SIDE
from ..batch import Batch
from .alone import Alone


class Kernel(Alone):
    """Minimise the mean of -sum k log k_hat over the batch, k the true kernel: least at the mean of the likely ones."""

    def losses(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        k = batch.A.kernel.flatten(1)
        return {"cross_entropy": F.cross_entropy(networks["generator"].logits(batch.y), k / k.sum(1, keepdim=True))}


class KernelInside(Kernel):
    """The same where borders are not periodic: the network is not shown a margin of y, which depends on what is beyond
    it.  Kernels of an odd side are laid into the middle of its canvas; ValueError for those that do not fit.
    """

    def __init__(self, generator: Callable[[], nn.Module], *, margin: int = 16) -> None:
        super().__init__(generator)
        self.margin = margin

    def losses(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        m, A = self.margin, SimpleNamespace(kernel=laid(batch.A.inner.kernel))
        return super().losses(turn, networks, replace(batch, y=batch.y[..., m:-m, m:-m], A=A))


def laid(kernel: Tensor, side: int = KERNEL_SIDE) -> Tensor:
    """Lay kernels into the middle of an even canvas, side // 2.  (B, n, n), n odd -> (B, side, side).

    ValueError for kernels of an even side or that do not fit.
    """
    n = kernel.shape[-1]
    if n % 2 == 0 or n >= side:
        raise ValueError(f"the kernels have {n} x {n} pixels; an odd number below {side} fits the network's canvas")
    before, after = side // 2 - n // 2, side // 2 - n // 2 - 1
    return F.pad(kernel, (before, after, before, after))
