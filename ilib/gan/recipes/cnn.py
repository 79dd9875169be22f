"""A plain network: the generator alone, trained with L1 (MBD-GAN with the adversarial term left out)."""

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from ..batch import Batch


class CNN:
    """Minimise the mean of |G(y) - x| over pixels."""

    def __init__(self, generator: Callable[[], nn.Module]) -> None:
        self.generator = generator

    def networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator()}

    def losses(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        return {"l1": F.l1_loss(networks["generator"](batch.y, batch.A, batch.sigma), batch.x)}
