"""A plain network: the generator alone, trained with L1 (MBD-GAN with the adversarial term left out)."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from ..batch import Batch
from .alone import Alone


class CNN(Alone):
    """Minimise the mean of |G(y) - x| over pixels."""

    def losses(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        return {"l1": F.l1_loss(networks["generator"](batch.y, batch.A, batch.sigma), batch.x)}
