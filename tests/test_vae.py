"""The autoencoders of kernels and house numbers: sizes by hand, the bound against its definition, folding, errors."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from ilib.networks import VAE, BlurDecoder, BlurEncoder, NumberDecoder, NumberEncoder, folded
from ilib.networks.vae import divergence
from ilib.priors.learners import negative_log_likelihood


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_parameters_counted_by_hand() -> None:
    """Table IV: fc(720), two 2x2 layers of 20 and one of 1; fc(8192), 2x2 layers of 512, 256, 128, and 1x1."""
    assert count(BlurDecoder(50)) == 50 * 720 + 720 + 2 * (20 * 20 * 4 + 20) + 20 * 4 + 1
    assert count(BlurEncoder(50)) == 20 * 4 + 20 + 20 * 20 * 4 + 20 + 720 * 100 + 100
    layers = 512 * 512 * 4 + 512 * 256 * 4 + 256 * 128 * 4 + 128 * 3 + 3
    assert count(NumberDecoder(100)) == 100 * 8192 + 8192 + layers + 3 * (512 + 256 + 128)
    assert count(NumberEncoder(100)) == 4 * (3 * 128 + 128 * 256 + 256 * 512) + 3 * 896 + 8192 * 200 + 200


@pytest.mark.parametrize("output", ["relu", "softplus"])
def test_kernels_are_not_negative_and_28_wide(output: str) -> None:
    k = BlurDecoder(50, output)(torch.randn(7, 50))
    assert k.shape == (7, 28, 28) and k.min() >= 0 and k.max() > 0


def test_pictures_lie_in_the_unit_interval() -> None:
    x = NumberDecoder(100, 8)(10 * torch.randn(5, 100))
    assert x.shape == (5, 3, 32, 32) and x.min() >= 0 and x.max() <= 1 and x.std() > 0.01


@pytest.mark.parametrize("width", [4, 16])
def test_folding_keeps_the_function(width: int) -> None:
    torch.manual_seed(width)
    network = NumberDecoder(10, width).double()
    network.train()
    for _ in range(5):
        network(torch.randn(16, 10).double())  # statistics that are not 0 and 1
    for norm in (part for part in network.modules() if isinstance(part, nn.BatchNorm2d)):
        nn.init.normal_(norm.weight, 1, 0.3), nn.init.normal_(norm.bias)
    z = torch.randn(3, 10).double()
    inside = folded(network)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in inside.modules())
    assert (inside(z) - network.eval()(z)).abs().max() < 1e-12
    assert any(isinstance(part, nn.BatchNorm2d) for part in network.modules()), "a copy was folded"


def test_folding_refuses_a_norm_that_follows_nothing() -> None:
    with pytest.raises(ValueError, match="do not follow a linear map"):
        folded(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)))


def test_divergence_is_that_of_the_distributions() -> None:
    mean, log_variance = torch.randn(4, 6).double(), torch.randn(4, 6).double()
    q, p = Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros(6).double(), torch.ones(6).double())
    assert torch.allclose(divergence(mean, log_variance), kl_divergence(q, p).sum(1))
    assert divergence(torch.zeros(1, 6), torch.zeros(1, 6)) == 0


def test_misfit_is_the_likelihood_at_the_likeliest_spread() -> None:
    """-log N(x; x_hat, s^2) less its constants, s^2 the mean squared error, and larger for any other s."""
    x, x_hat = torch.rand(5, 3, 4, 4).double(), torch.rand(5, 3, 4, 4).double()

    def negative(s: float) -> float:
        return float(-Normal(x_hat, s).log_prob(x).flatten(1).sum(1).mean())

    s, d = float((x - x_hat).square().mean().sqrt()), 48
    constant = d / 2 * (1 + math.log(2 * math.pi))
    assert negative(s) == pytest.approx(float(negative_log_likelihood(x_hat, x)) + constant)
    assert negative(s) < min(negative(0.9 * s), negative(1.1 * s))


def test_autoencoder_draws_from_q() -> None:
    torch.manual_seed(0)
    vae = VAE(BlurEncoder(5), BlurDecoder(5))
    k, e = torch.rand(2, 28, 28) / 100, torch.randn(2, 5)
    k_hat, mean, log_variance = vae(k, e)
    assert torch.equal(k_hat, vae.decoder(mean + e * (log_variance / 2).exp()))
    k_hat.sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in vae.parameters())


@pytest.mark.parametrize(("make", "given", "error", "says"), [
    (lambda: BlurDecoder(50), torch.zeros(2, 49), ValueError, r"takes \(B, 50\)"),
    (lambda: NumberDecoder(10, 4), torch.zeros(10), ValueError, r"takes \(B, 10\)"),
    (lambda: NumberDecoder(10, 4), torch.zeros(2, 10, dtype=torch.long), TypeError, "floating-point"),
    (lambda: BlurEncoder(5), torch.zeros(2, 27, 28), ValueError, "28, 28"),
    (lambda: NumberEncoder(5, 4), torch.zeros(2, 1, 32, 32), ValueError, "3, 32, 32"),
    (lambda: BlurDecoder(5, "tanh"), torch.zeros(2, 5), ValueError, "relu, softplus"),
])  # fmt: skip
def test_errors_say_what_to_do(make, given: torch.Tensor, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        make()(given)
