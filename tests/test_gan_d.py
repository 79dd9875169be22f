"""GAN-D's losses and its game: eqs. 1-3 on densities that can be integrated, and one turn of each network."""

import math
from functools import partial

import pytest
import torch

from ilib.cameras import GanDCamera
from ilib.data import load
from ilib.gan.recipes.gan_d import GanD, adversarial_loss, discriminator_loss
from ilib.gan.settings import Settings
from ilib.gan.sources import Photographs
from ilib.gan.train import Session, train
from ilib.networks import ODCNN, GanDCritic

small = partial(ODCNN, taps=15, width=6, features=8)
source = Photographs(load("embedded/train", size=64, n=4), GanDCamera())
settings = Settings(steps=3, batch=2, crop=32, lr=1e-4, held_out=1)
CRITIC = {"size": 32, "width": 2, "hidden": 8}


def test_losses_are_the_logarithms_of_eq_3():
    real, fake = torch.tensor([0.3, -1.0]), torch.tensor([0.9, 2.0])
    D = torch.sigmoid
    assert torch.allclose(discriminator_loss(real, fake), (-D(real).log() - (1 - D(fake)).log()).mean())
    assert torch.allclose(adversarial_loss(fake), -D(fake).log().mean())
    far = torch.tensor([200.0, -200.0])
    assert torch.isfinite(discriminator_loss(-far, far)) and torch.isfinite(adversarial_loss(far))


def test_the_best_discriminator_and_its_value():
    t = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    step = float(t[1] - t[0])
    p, q = (torch.exp(-((t - m) ** 2) / 2) / math.sqrt(2 * math.pi) for m in (-1.0, 1.0))
    logit = torch.zeros_like(t, requires_grad=True)
    loss = (p * torch.nn.functional.softplus(-logit) + q * torch.nn.functional.softplus(logit)).sum() * step
    best = (p / q).log()  # D = p / (p + q)
    (at_best,) = torch.autograd.grad(loss, logit)
    assert at_best.abs().max() > 0
    value = -(p * torch.nn.functional.softplus(-best) + q * torch.nn.functional.softplus(best)).sum() * step
    m = (p + q) / 2
    js = 0.5 * ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) * step
    assert float(value) == pytest.approx(float(-math.log(4) + 2 * js), abs=1e-8)


def test_without_weight_there_is_no_discriminator_and_the_generator_is_the_same():
    alone, game = (GanD(small, weight=w, critic=CRITIC) for w in (0.0, 1e-3))
    built = []
    for recipe in (alone, game):
        torch.manual_seed(0)
        built.append(recipe.networks())
    assert list(built[0]) == ["generator"] and list(built[1]) == ["generator", "discriminator"]
    assert all(map(torch.equal, built[0]["generator"].parameters(), built[1]["generator"].parameters()))


def test_each_turn_pulls_on_its_network():
    torch.manual_seed(0)
    recipe = GanD(small, weight=1.0, critic=CRITIC)
    networks, batch = recipe.networks(), source.draw(settings, 0)
    torch.nn.init.normal_(networks["discriminator"].judge[-1].weight)
    terms = recipe.losses("generator", networks, batch)
    assert set(terms) == {"mse", "adversarial"}
    with_it, without = (torch.autograd.grad(total, networks["generator"].rebuild.bias, retain_graph=True)[0]
                        for total in (sum(terms.values()), terms["mse"]))  # fmt: skip
    assert not torch.allclose(with_it, without)
    critic_terms = recipe.losses("discriminator", networks, batch)
    assert set(critic_terms) == {"discriminator"} and not batch.memo
    assert torch.autograd.grad(critic_terms["discriminator"], networks["discriminator"].judge[-1].bias)[0].isfinite()


@pytest.mark.parametrize("weight", [0.0, 1e-3])
def test_it_trains(weight):
    trained = train(GanD(small, weight=weight, critic=CRITIC), source, settings, Session(progress=False))
    assert trained.finished and len(trained.history["mse"]) == 3
    assert ("adversarial" in trained.history) == (weight > 0)


def test_the_printed_strides_cannot_be():
    side = 128
    for _ in range(5):
        side = side // 2 // 2
    assert side == 0
    D = GanDCritic(width=2, hidden=8)
    assert D.judge[1].in_features == 16 * 4 * 4
    probability = D.probability(torch.rand(2, 3, 128, 128))
    assert torch.equal(probability, torch.full((2,), 0.5))  # where training starts


def test_wrong_arguments():
    with pytest.raises(ValueError, match="weight"):
        GanD(small, weight=-1.0)
    with pytest.raises(ValueError, match="multiple of 32"):
        GanDCritic(size=100)
    with pytest.raises(ValueError, match="build it"):
        GanDCritic(**CRITIC)(torch.rand(1, 3, 64, 64))
