"""One step of learning a prior: the evidence lower bound of a VAE, the game of a GAN (Asim et al., section IV-A)."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Adam

from ..networks.dcgan import log_odds_losses, non_saturating, with_mean_of
from ..networks.vae import VAE, divergence

Terms = dict[str, Tensor]
Cast = Callable[[], torch.autocast]  # a context in which networks compute in bfloat16, or not
KEEP = 0.999  # of the averaged generator at every step
BATCHES = 20  # of 64 pictures, from which its norms are taken at the end


def negative_log_likelihood(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return -log N(x; x_hat, s^2 I) + constant for the s^2 that is likeliest for the batch, its mean squared error.

    d/2 log s^2 for d pixels: maximising over s as well leaves no weight between the two terms of the bound to choose
    (Rybkin et al., 2021).  (B, ...) twice -> a number, the mean over the batch.
    """
    d = x[0].numel()
    return d / 2 * (x_hat - x).square().mean().log()


class VAELearner:
    """Ascends log p(x) >= E_q log p(x | z) - KL(q(z | x) || p(z)).  Prior: the decoder; partner: the encoder."""

    beta = 1.0  # how often the divergence counts

    def __init__(self, prior: nn.Module, partner: nn.Module, lr: float) -> None:
        self.vae = VAE(partner, prior)
        self.latent, self.lr = prior.latent, lr
        self.networks = {"prior": prior, "partner": partner}
        self.optimisers = {"vae": Adam(self.vae.parameters(), lr)}

    def step(self, x: Tensor, random: torch.Generator, cast: Cast, left: float) -> Terms:
        """Take one step on a batch x (B, ...).  left: what is left of the rate, 1 at the start."""
        for group in self.optimisers["vae"].param_groups:
            group["lr"] = left * self.lr
        e = torch.randn(len(x), self.latent, generator=random).to(x.device)
        with cast():
            x_hat, mean, log_variance = self.vae(x, e)
        terms = {"misfit": negative_log_likelihood(x_hat, x), "kl": divergence(mean, log_variance).mean()}
        _descend(self.optimisers["vae"], terms["misfit"] + self.beta * terms["kl"])
        return {name: term.detach() for name, term in terms.items()}

    @torch.no_grad()
    def reconstructed(self, x: Tensor) -> Tensor:
        """Return G(mean of q(z | x)).  (B, ...) -> the same shape."""
        return self.vae.decoder(self.vae.encoder(x)[0])


class StrictVAELearner(VAELearner):
    """Counts the divergence five times over, so that draws from N(0, I) look more like what was learned from."""

    beta = 5.0


class GANLearner:
    """Plays min_G max_D E log D(x) + E log(1 - D(G(z))), G by -log D(G(z)).  Prior: the average of G over steps."""

    def __init__(self, prior: nn.Module, partner: nn.Module, lr: float) -> None:
        self.G, self.D, self.latent = copy.deepcopy(prior), partner, prior.latent
        self.networks = {"prior": prior, "generator": self.G, "partner": partner}
        self.optimisers = {name: Adam(net.parameters(), lr, betas=(0.5, 0.999)) for name, net in
                           (("critic", self.D), ("generator", self.G))}  # fmt: skip

    def step(self, x: Tensor, random: torch.Generator, cast: Cast, left: float) -> Terms:
        """Take one step each on photographs x (B, C, H, W); the rate stays as it is."""
        z = torch.randn(len(x), self.latent, generator=random).to(x.device)
        with cast():
            made = self.G(z)
            real, fake = log_odds_losses(self.D(x), self.D(made.detach()))
        _descend(self.optimisers["critic"], real + fake)
        self.D.requires_grad_(False)
        with cast():
            fooled = non_saturating(self.D(made))
        _descend(self.optimisers["generator"], fooled)
        self.D.requires_grad_(True)
        with_mean_of(self.networks["prior"], self.G, KEEP)
        return {"real": real.detach(), "made": fake.detach(), "generator": fooled.detach()}

    @torch.no_grad()
    def finish(self, random: torch.Generator) -> None:
        """Take the mean and the variance in the norms of the averaged generator anew, from what it makes.

        The averages of those of the generators on the way belong to none of them (Izmailov et al., 2018, section 3.2).
        """
        prior = self.networks["prior"].train()
        norms = {part: part.momentum for part in prior.modules() if isinstance(part, nn.BatchNorm2d)}
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over the batches
        for _ in range(BATCHES):
            prior(torch.randn(64, self.latent, generator=random).to(next(prior.parameters())))
        for norm, momentum in norms.items():
            norm.momentum = momentum
        prior.eval()


def _descend(optimiser: Adam, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
