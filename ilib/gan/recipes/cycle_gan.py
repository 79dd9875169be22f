"""CycleGAN: the physics model is not known but learned, as a second generator F from pictures to measurements."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from ..batch import Batch
from ..losses import pixel_loss, taken_for_real
from .physics_gan import CRITICS, check_weights, critic_loss, critic_of

CYCLE = 10.0  # of the cycle losses (Zhu et al., 2017, section 4)
Networks = Mapping[str, nn.Module]


class CycleGAN:
    """Play two games at once, G on measurements and F on pictures, tied by F(G(y)) = y and G(F(x)) = x.

    paired: True, each step sees both sides of every pair (the paper's PCycleGAN); False, one half of the batch gives
    its pictures and the other half its measurements, so that no step sees a pair.  lam and mu: of eqs. 9 and 10 of the
    physics-based GAN, with F in the place of H (its eq. 8 is the cycle loss of y); they look at pairs, so ValueError
    unless paired.  ndf and pool as for PhysicsGAN.
    """

    def __init__(self, generator: Callable[[], nn.Module], *, paired: bool = True, cycle: float = CYCLE,
                 lam: float = 0.0, mu: float = 0.0, ndf: int = 64, pool: int = 50) -> None:  # fmt: skip
        check_weights(cycle=cycle, lam=lam, mu=mu)
        if not paired and (lam or mu):
            raise ValueError(f"lam is {lam} and mu is {mu}: these terms compare pairs; set paired: true, or both to 0")
        self.generator, self.paired, self.cycle, self.lam, self.mu = generator, paired, cycle, lam, mu
        self.ndf, self.pool = ndf, pool

    def networks(self) -> dict[str, nn.Module]:
        pair = {"generator": self.generator(), "model": self.generator()}
        return pair | {name: critic_of(self.ndf, self.pool) for name in CRITICS}

    def losses(self, turn: str, networks: Networks, batch: Batch) -> dict[str, Tensor]:
        x, y = self.sides(batch)
        if turn == "generator":
            return self.generator_losses(networks, batch, x, y)
        if turn == "model":
            return self.model_losses(networks, batch, x, y)
        real = x if turn == "image" else y
        return {f"{turn} critic": critic_loss(networks[turn], real, batch.memo.pop(turn), batch.u)}

    def sides(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The pictures and the measurements that a step sees; ValueError for a batch that cannot be halved."""
        if self.paired:
            return batch.x, batch.y
        half, rest = divmod(len(batch.x), 2)
        if rest or not half:
            raise ValueError(f"a batch of {len(batch.x)} cannot be halved: unpaired training takes an even batch")
        return batch.x[:half], batch.y[half:]

    def generator_losses(self, networks: Networks, batch: Batch, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """G's side: G(y) is taken for a picture, and both cycles close."""
        G, F = networks["generator"], networks["model"]
        x_hat = G(y)
        batch.memo["image"] = x_hat.detach()
        y_tilde = F(x_hat)
        terms = {"image adversarial": taken_for_real(networks["image"](x_hat)),
                 "cycle of y": self.cycle * pixel_loss(y_tilde, y),
                 "cycle of x": self.cycle * pixel_loss(G(F(x)), x)}  # fmt: skip
        terms |= {"L_g": self.lam * pixel_loss(x_hat, x)} if self.lam else {}
        return terms | ({"L~_g": self.mu * pixel_loss(G(y_tilde), x)} if self.mu else {})

    def model_losses(self, networks: Networks, batch: Batch, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """F's side: F(x) is taken for a measurement, and both cycles close."""
        G, F = networks["generator"], networks["model"]
        made = F(x)
        again = F(batch.memo["image"].to(x))
        batch.memo["measurement"] = made.detach()
        return {"measurement adversarial": taken_for_real(networks["measurement"](made)),
                "model: cycle of y": self.cycle * pixel_loss(again, y),
                "model: cycle of x": self.cycle * pixel_loss(G(made), x)}  # fmt: skip
