"""The physics-based GAN: a critic on pictures, a critic on what the physics model makes of them, and three L1 terms.

What is trained is the same for every task: H comes with the batch.  The baselines are settings of it:

    ours       PhysicsGAN(generator)
    w/o (8)    gamma: 0        w/o (9)  lam: 0        w/o (10)  mu: 0
    BaseGAN    critics: [image], gamma: 0, mu: 0: no physics
    pix2pix    as BaseGAN, conditional: true, lam: 100 (Isola et al., 2017), with the generator of the others
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ...networks.direct import draw_weights
from ...networks.patchgan import PatchGAN
from ..batch import Batch
from ..losses import pixel_loss, taken_for_real, told_apart
from ..pool import Pool, Remembering, pool_of

CRITICS = ("image", "measurement")  # D_g and D_h


class PhysicsGAN:
    """Play min_G max_D of L_a + lam L_g + gamma L_p + mu L~_g (physics-based GAN, eqs. 8 to 12).

    lam, gamma, mu: the paper's 50, 10, 10; a term of weight 0 is not computed.  critics: "image", D_g on x and
    G(y), and "measurement", D_h on y and H(G(y)).  conditional: D_g is shown y beside the picture (pix2pix).  ndf:
    features of a critic's first layer (64); pool: pictures that each critic's pool holds (50).
    """

    def __init__(self, generator: Callable[[], nn.Module], *, lam: float = 50.0, gamma: float = 10.0, mu: float = 10.0,
                 critics: Sequence[str] = CRITICS, conditional: bool = False, ndf: int = 64,
                 pool: int = 50) -> None:  # fmt: skip
        check_weights(lam=lam, gamma=gamma, mu=mu)
        unknown = [name for name in critics if name not in CRITICS]
        if unknown or isinstance(critics, str):
            raise ValueError(f"critics is {critics!r}; give a list of {' and '.join(CRITICS)}, or an empty one")
        if conditional and "image" not in critics:
            raise ValueError("conditional is for the critic on pictures: give critics: [image]")
        if not critics and not any((lam, gamma, mu)):
            raise ValueError("no critic and no weight: there is nothing to minimise")
        self.generator, self.lam, self.gamma, self.mu = generator, lam, gamma, mu
        self.critics, self.conditional, self.ndf, self.pool = tuple(critics), conditional, ndf, pool

    def networks(self) -> dict[str, nn.Module]:
        sides = {"image": 6 if self.conditional else 3, "measurement": 3}
        judges = {name: critic_of(self.ndf, self.pool, sides[name]) for name in self.critics}
        return {"generator": self.generator(), **judges}

    def losses(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        if turn == "generator":
            return self.generator_losses(networks, batch)
        real = self.seen(turn, batch, batch.x) if turn == "image" else batch.y
        return {f"{turn} critic": critic_loss(networks[turn], real, batch.memo.pop(turn), batch.u)}

    def generator_losses(self, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """The generator's side of eq. 12; what it makes is left for the critics."""
        G, terms = networks["generator"], {}
        x_hat = G(batch.y, batch.A, batch.sigma)
        fakes = {"image": self.seen("image", batch, x_hat)}
        if self.gamma or self.mu or "measurement" in self.critics:
            fakes["measurement"] = forward_model(batch, x_hat)
        for name in self.critics:
            batch.memo[name] = fakes[name].detach()
            terms[f"{name} adversarial"] = taken_for_real(networks[name](fakes[name]))
        if self.lam:
            terms["L_g"] = self.lam * pixel_loss(x_hat, batch.x)
        if self.gamma:
            terms["L_p"] = self.gamma * pixel_loss(fakes["measurement"], batch.y)
        if self.mu:
            terms["L~_g"] = self.mu * pixel_loss(G(fakes["measurement"], batch.A, batch.sigma), batch.x)
        return terms

    def seen(self, name: str, batch: Batch, x: Tensor) -> Tensor:
        """What the critic on pictures looks at: x, or y and x one after the other."""
        return torch.cat((batch.y, x.to(batch.y)), 1) if self.conditional and name == "image" else x


def forward_model(batch: Batch, x: Tensor) -> Tensor:
    """y~ = H(x), in float32 (eq. 7 and its like).  ValueError where the batch has no H."""
    if batch.A is None:
        raise ValueError("the batch has no physics model: this source cannot train gamma, mu or the critic on "
                         "measurements; set gamma: 0, mu: 0, critics: [image]")
    with torch.autocast(x.device.type, enabled=False):
        return batch.A(x.float())


def critic_of(ndf: int, pool: int, channels: int = 3) -> Remembering:
    """Build a critic with its pool, its weights drawn as the paper's (section 5.2)."""
    return Remembering(draw_weights(PatchGAN(ndf, channels)), Pool(pool))


def critic_loss(D: nn.Module, real: Tensor, fake: Tensor, u: Tensor) -> Tensor:
    """What a critic minimises: it is shown real pictures and generated ones, new or from its pool."""
    on_real, on_fake = D(torch.cat((real, pool_of(D).exchange(fake, u[: len(fake)]).to(real)))).chunk(2)
    return told_apart(on_real, on_fake)


def check_weights(**weights: float) -> None:
    """Raise ValueError for a weight that is no number of 0 or more."""
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            raise ValueError(f"{name} is {weight!r}; pass a number, 0 or more")
