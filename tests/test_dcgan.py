"""DCGAN: layers counted by hand, the game's losses against their definition, folding, averaging, errors."""

import pytest
import torch
from torch import nn

from ilib.networks import DCGAN, DCGANCritic, folded
from ilib.networks.dcgan import log_odds_losses, non_saturating, widths, with_mean_of


def test_layers_of_the_paper() -> None:
    assert widths(64, 64) == [512, 256, 128, 64]
    assert widths(32, 256) == [256, 256, 256, 128, 64, 32]
    with torch.device("meta"):
        n = sum(p.numel() for p in DCGAN().parameters())
    up = sum(a * b * 25 + b for a, b in ((512, 256), (256, 128), (128, 64), (64, 3)))
    assert n == 101 * 8192 + up + 2 * (512 + 256 + 128 + 64)


@pytest.mark.parametrize("size", [32, 64, 256])
def test_pictures_are_as_large_as_asked(size: int) -> None:
    x = DCGAN(7, 2, size)(torch.randn(2, 7))
    assert x.shape == (2, 3, size, size) and x.min() >= 0 and x.max() <= 1
    assert DCGANCritic(2, size)(x).shape == (2,)


def test_folding_keeps_the_function() -> None:
    torch.manual_seed(0)
    network = DCGAN(9, 4).double().train()
    for _ in range(5):
        network(torch.randn(16, 9).double())
    z = torch.randn(3, 9).double()
    inside = folded(network)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in inside.modules())
    assert (inside(z) - network.eval()(z)).abs().max() < 1e-12


def test_losses_are_logarithms_of_probabilities() -> None:
    real, made = torch.randn(50).double(), torch.randn(50).double()
    on_real, on_made = log_odds_losses(real, made)
    assert on_real == pytest.approx(float(-torch.sigmoid(real).log().mean()))
    assert on_made == pytest.approx(float(-(1 - torch.sigmoid(made)).log().mean()))
    assert non_saturating(made) == pytest.approx(float(-torch.sigmoid(made).log().mean()))


def test_generators_gradient_does_not_vanish_where_the_critic_wins() -> None:
    made = torch.tensor([-20.0], requires_grad=True)
    (kept,) = torch.autograd.grad(non_saturating(made), made)
    (lost,) = torch.autograd.grad(-log_odds_losses(made, made)[1], made)
    assert abs(kept) > 0.99 and abs(lost) < 1e-8 and kept.sign() == lost.sign()


def test_average_moves_towards_the_generator() -> None:
    average, network = DCGAN(3, 1, 32), DCGAN(3, 1, 32)
    before = [p.clone() for p in average.parameters()]
    with_mean_of(average, network, 0.75)
    for old, new, target in zip(before, average.parameters(), network.parameters(), strict=True):
        assert torch.allclose(new, 0.75 * old + 0.25 * target, atol=1e-6)


@pytest.mark.parametrize(("call", "says"), [
    (lambda: DCGAN(5, 2)(torch.zeros(1, 6)), r"takes \(B, 5\)"),
    (lambda: DCGAN(size=48), "pass one of"),
    (lambda: DCGANCritic(2)(torch.zeros(1, 3, 32, 32)), r"takes \(3, 64, 64\)"),
])  # fmt: skip
def test_errors_say_what_to_do(call, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()
