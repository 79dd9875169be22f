"""MBD-GAN: a generator, a critic that looks at what the camera would see of its pictures, and R between pictures."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...networks.patchgan import PatchGAN
from ...networks.vgg import VGG
from ..batch import Batch
from ..losses import between, gradient_penalty, mean_of_patches, perceptual_loss

DOMAINS = ("measurement", "image")
RHO = 10.0  # of the penalty (section III-C)
PLACES = ("between", "x_hat")
PAPER = MappingProxyType({"vgg19": 1.0})  # R as the paper has it


class MBDGAN:
    """Play min_G max_D of R(x_hat) + weight (D(A x) - D(A x_hat)), x_hat = G(y) (MBD-GAN, eqs. 10-16).

    domain: "measurement", the critic sees A x and A x_hat (MBD-GAN); "image", it sees x and x_hat (DeblurGAN, with all
    else equal).  R: a weight for each of its terms: the features of eq. 15 ("vgg16", "vgg19", "random") and "l1", the
    mean of |x_hat - x|; the paper has {"vgg19": 1}.  weight: of the adversarial term, which the paper does not state.
    penalty_at: "between", random points between the two pictures (Gulrajani et al.), or "x_hat", as eq. 16 has it.
    ndf: features of the critic's first layer (64).  window: where time is short, R looks at one window of so many
    pixels a side in each step, anywhere on the torus (0: the whole crop).
    """

    def __init__(self, generator: Callable[[], nn.Module], *, domain: str = "measurement",
                 R: Mapping[str, float] = PAPER, weight: float = 1.0, penalty_at: str = "between", ndf: int = 64,
                 window: int = 0) -> None:  # fmt: skip
        for name, value, allowed in (("domain", domain, DOMAINS), ("penalty_at", penalty_at, PLACES)):
            if value not in allowed:
                raise ValueError(f"{name} is {value!r}; choose one of {', '.join(allowed)}")
        if not isinstance(R, Mapping) or not R:
            raise TypeError(f"R is {R!r}; give a weight for each of its terms, as {{'l1': 1.0}}")
        self.generator, self.critic = generator, lambda: PatchGAN(ndf)
        self.domain, self.weight, self.penalty_at, self.window = domain, weight, penalty_at, window
        self.R = dict(R)
        self.features = {kind: VGG(kind) for kind in R if kind != "l1"}

    def networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator(), "critic": self.critic()}

    def losses(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        D = networks["critic"]
        if turn == "critic":
            return self.critic_losses(D, batch, batch.memo.pop("x_hat"))
        x_hat = networks["generator"](batch.y, batch.A, batch.sigma)
        batch.memo["x_hat"] = x_hat.detach()  # the critic is shown what the generator has just made
        return self.generator_losses(D, batch, x_hat)

    def critic_losses(self, D: nn.Module, batch: Batch, x_hat: Tensor) -> dict[str, Tensor]:
        """WG(x, x_hat) = D(x_hat) - D(x) + rho (||grad D|| - 1)^2 (eq. 16), in the critic's domain."""
        fake, real = self.seen(batch, x_hat).detach(), self.seen(batch, batch.x)
        at = fake if self.penalty_at == "x_hat" else between(real, fake, batch.u)
        on_fake, on_real = mean_of_patches(D, torch.cat((fake, real))).chunk(2)
        return {"wasserstein": (on_fake - on_real).mean(), "penalty": RHO * gradient_penalty(D, at)}

    def generator_losses(self, D: nn.Module, batch: Batch, x_hat: Tensor) -> dict[str, Tensor]:
        """R(x_hat) - weight D(A x_hat) (eqs. 13 and 16)."""
        return {"R": self.regularisation(*self.windows(batch, x_hat)),
                "adversarial": -self.weight * mean_of_patches(D, self.seen(batch, x_hat)).mean()}  # fmt: skip

    def seen(self, batch: Batch, x: Tensor) -> Tensor:
        """What the critic looks at: A x in the measurement domain (the block of Fig. 1), else x itself."""
        return batch.A(x.float()) if self.domain == "measurement" else x

    def regularisation(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """R: the perceptual loss of eq. 15, L1, or both, weighed."""
        terms = {kind: perceptual_loss(vgg.to(x.device), x_hat, x) for kind, vgg in self.features.items()}
        terms |= {"l1": F.l1_loss(x_hat, x)} if "l1" in self.R else {}
        return torch.stack([weight * terms[kind] for kind, weight in self.R.items()]).sum()

    def windows(self, batch: Batch, x_hat: Tensor) -> tuple[Tensor, Tensor]:
        """Cut the window that R looks at out of x_hat and x; every pixel is as likely as any other to be in it."""
        if not self.window:
            return x_hat, batch.x
        shift = (batch.u.flatten()[[0, -1]] * x_hat.shape[-1]).long().tolist()
        return tuple(p.roll(shift, (-2, -1))[..., : self.window, : self.window] for p in (x_hat, batch.x))
