"""FCNN's training: L1 on the gradients of every stage and on the picture (Zhang et al., 2017, section 3.3)."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from ...classical import gradient
from ..batch import Batch
from .alone import Alone


class FCNN(Alone):
    """Minimise the sum over the stages of mean |g_i - D x|, and mean |x_hat - x|, all at once.

    The paper trains stage after stage, and the weights of the deconvolutions after that.
    """

    def losses(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        x_hat, stages = networks["generator"](batch.y, batch.A, batch.sigma, stages=True)
        Dx = gradient(batch.x)
        gradients = sum((F.l1_loss(g, Dx) for g in stages), start=batch.x.new_zeros(()))
        return {"l1": F.l1_loss(x_hat, batch.x), "gradients": gradients}
