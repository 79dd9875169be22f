"""SRN's training: the mean squared error at every scale (Tao et al., 2018, eq. 7)."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from ..batch import Batch
from .alone import Alone


class SRN(Alone):
    """Minimise the sum over the scales of the mean of (x_hat_i - x_i)^2, x_i the mean of x over squares of pixels."""

    def losses(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        scales = networks["generator"](batch.y, batch.A, batch.sigma, scales=True)
        truths = [F.avg_pool2d(batch.x, batch.x.shape[-1] // x_hat.shape[-1]) for x_hat in scales]
        pairs = zip(scales, truths, strict=True)
        return {f"l2 at 1/{2**i}": F.mse_loss(*pair) for i, pair in zip((2, 1, 0), pairs, strict=True)}
