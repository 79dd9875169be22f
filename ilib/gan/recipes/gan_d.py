"""GAN-D: the mean squared error, and a discriminator that tells restored pictures from photographs."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...networks.gand_critic import GanDCritic
from ..batch import Batch


def discriminator_loss(on_real: Tensor, on_fake: Tensor) -> Tensor:
    """L_D = -log D(x) - log(1 - D(G(z))) (GAN-D, eq. 3), from logits (B,), the mean over the batch.

    With D the sigmoid of a logit l, -log D is softplus(-l) and -log(1 - D) is softplus(l), which never overflow.
    """
    return (F.softplus(-on_real) + F.softplus(on_fake)).mean()


def adversarial_loss(on_fake: Tensor) -> Tensor:
    """-log D(G(z)), what the generator adds to its loss (Goodfellow et al., section 3), from logits (B,), the mean."""
    return F.softplus(-on_fake).mean()


class GanD:
    """Play L_G = MSE(G(z), x) + weight (-log D(G(z))) against L_D (GAN-D, eqs. 2 and 3, and the abstract).

    weight: of the adversarial term, which the paper does not state and its eq. 3 leaves out; 0 trains ODCNN alone, on
    the same batches from the same weights.  critic: arguments of GanDCritic; its size must be that of the crops.
    """

    def __init__(self, generator: Callable[[], nn.Module], *, weight: float = 1e-3,
                 critic: Mapping[str, Any] | None = None) -> None:  # fmt: skip
        if not 0 <= weight < float("inf"):
            raise ValueError(f"weight is {weight}; pass a number, 0 or more")
        self.generator, self.weight, self.critic = generator, weight, dict(critic or {})

    def networks(self) -> dict[str, nn.Module]:
        alone = {"generator": self.generator()}
        return alone | {"discriminator": GanDCritic(**self.critic)} if self.weight else alone

    def losses(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        if turn == "discriminator":
            return self.discriminator_losses(networks["discriminator"], batch.x, batch.memo.pop("x_hat"))
        x_hat = networks["generator"](batch.y, batch.A, batch.sigma)
        batch.memo["x_hat"] = x_hat.detach()  # the discriminator is shown what the generator has just made
        mse = {"mse": F.mse_loss(x_hat, batch.x)}
        if not self.weight:
            return mse
        return mse | {"adversarial": self.weight * adversarial_loss(networks["discriminator"](x_hat))}

    def discriminator_losses(self, D: nn.Module, x: Tensor, x_hat: Tensor) -> dict[str, Tensor]:
        """L_D on photographs x and restored pictures x_hat (B, C, H, W)."""
        on_real, on_fake = D(torch.cat((x, x_hat))).chunk(2)
        return {"discriminator": discriminator_loss(on_real, on_fake)}
