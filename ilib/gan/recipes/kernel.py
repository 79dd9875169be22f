"""A network that finds the kernel, trained on kernels that are known."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from ..batch import Batch
from .alone import Alone


class Kernel(Alone):
    """Minimise the mean of -sum k log k_hat over the batch, k the true kernel: least at the mean of the likely ones."""

    def losses(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        k = batch.A.kernel.flatten(1)
        return {"cross_entropy": F.cross_entropy(networks["generator"].logits(batch.y), k / k.sum(1, keepdim=True))}
