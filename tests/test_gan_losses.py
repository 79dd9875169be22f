"""The parts of MBD-GAN: critic, features, penalty, losses; each against something that is known without it."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ilib.data import load
from ilib.gan.batch import Batch
from ilib.gan.losses import between, gradient_penalty, mean_of_patches, perceptual_loss
from ilib.gan.recipes.mbd_gan import MBDGAN
from ilib.gan.sources import Photographs
from ilib.gan.train import Session, train
from ilib.networks import VGG, PatchGAN, ResNet
from ilib.networks.vgg import WIDTHS
from tests.training_run import TINY, camera

SMALL = replace(TINY, crop=32, batch=4, steps=20)


def batch_of(seed: int = 0) -> Batch:
    return Photographs(load("embedded/train", size=48), camera()).draw(replace(SMALL, seed=seed), 0)


def recipe(**options: object) -> MBDGAN:
    return MBDGAN(partial(ResNet, 4, 1), **{"R": {"l1": 1}, "ndf": 4, **options})


# ---- the critic


def test_critic_is_the_patchgan_of_the_paper() -> None:
    with torch.device("meta"):
        D = PatchGAN()
    by_hand = (3 * 64 * 16 + 64) + 64 * 128 * 16 + 256 + 128 * 256 * 16 + 512 + 256 * 512 * 16 + 1024 + 512 * 16 + 1
    assert sum(p.numel() for p in D.parameters()) == by_hand
    assert PatchGAN(4)(torch.rand(2, 3, 256, 256)).shape == (2, 1, 30, 30)


def test_critic_sees_patches_of_70_pixels() -> None:
    """Without norms, which look at the whole picture, one figure depends on 70 x 70 pixels and on no other."""
    D = PatchGAN(2)
    D.D = nn.Sequential(*(layer for layer in D.D if not isinstance(layer, nn.InstanceNorm2d)))
    x = torch.rand(1, 3, 256, 256, requires_grad=True)
    D(x)[0, 0, 15, 15].backward()
    rows, columns = (x.grad[0].abs().sum(0).sum(dim).nonzero().flatten() for dim in (1, 0))
    for seen in (rows, columns):
        assert int(seen.max() - seen.min()) + 1 == len(seen) == 70


def test_critic_refuses_what_it_cannot_judge() -> None:
    for x in (torch.rand(1, 1, 64, 64), torch.rand(1, 3, 16, 64)):
        with pytest.raises(ValueError, match="the critic takes 3 channels and sides of 32 pixels or more"):
            PatchGAN(4)(x)


# ---- features and R


def test_random_features_are_the_same_always_and_keep_their_size() -> None:
    x = load("embedded/train", size=64).x
    features = VGG()(x)
    assert features.shape == (len(x), 256, 16, 16)
    assert torch.equal(features, VGG("random")(x))
    assert 0.1 < float(features.square().mean()) < 10
    assert not any(p.requires_grad for p in VGG().parameters())


def test_trained_features_are_read_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random, inner, arrays = np.random.default_rng(0), 3, {}
    for block, widths in enumerate(WIDTHS, 1):
        for i, outer in enumerate(widths, 1):
            weight = random.normal(size=(outer, inner, 3, 3)) * (2 / 9 / inner) ** 0.5
            arrays |= {f"conv{block}_{i}.weight": weight.astype("f2"), f"conv{block}_{i}.bias": np.zeros(outer, "f2")}
            inner = outer
    (tmp_path / "weights").mkdir()
    np.savez(tmp_path / "weights/vgg16_conv1_1-conv4_1_f16.npz", **arrays)
    monkeypatch.setenv("ILIB_DATA", str(tmp_path))
    x = torch.rand(1, 3, 16, 16)
    mean, sd = (torch.tensor(v).reshape(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    by_hand = (x - mean) / sd
    for block, widths in enumerate(WIDTHS, 1):
        by_hand = F.max_pool2d(by_hand, 2) if block > 1 else by_hand
        for i in range(1, len(widths) + 1):
            by_hand = F.conv2d(by_hand, torch.from_numpy(arrays[f"conv{block}_{i}.weight"]).float(), padding=1).relu()
    assert torch.allclose(VGG("vgg16")(x), by_hand, atol=1e-5)


def test_missing_or_unknown_features_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ILIB_DATA", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for kind in ("vgg16", "vgg19"):
        with pytest.raises(FileNotFoundError, match="are not there.*\"random\", which need no file"):
            VGG(kind)
    with pytest.raises(ValueError, match="features 'vgg11' are unknown; choose one of vgg16, vgg19, random"):
        VGG("vgg11")
    with pytest.raises(ValueError, match="VGG takes 3 channels, not 1"):
        VGG()(torch.rand(1, 1, 16, 16))


def test_perceptual_loss_sums_features_and_averages_places() -> None:
    x, x_hat = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    expected = sum(float(((x_hat[b, :, i, j] - x[b, :, i, j]) ** 2).sum()) for b in range(2) for i in range(4)
                   for j in range(5)) / (2 * 4 * 5)  # fmt: skip
    assert float(perceptual_loss(lambda z: z, x_hat, x)) == pytest.approx(expected, rel=1e-5)
    assert float(perceptual_loss(VGG(), x[..., :4, :4], x[..., :4, :4])) == 0


# ---- the penalty and the critic's game


def test_penalty_of_a_linear_critic_is_known() -> None:
    """D(x) = <w, x> has the gradient w everywhere: the penalty is (||w|| - 1)^2."""
    w = torch.randn(3, 8, 8)

    def D(x: Tensor) -> Tensor:
        return (w * x).sum((1, 2, 3), keepdim=True)

    expected = (float(w.norm()) - 1) ** 2
    assert float(gradient_penalty(D, torch.rand(5, 3, 8, 8))) == pytest.approx(expected, rel=1e-5)
    w /= w.norm()
    assert float(gradient_penalty(D, torch.rand(5, 3, 8, 8))) < 1e-10


def test_penalty_has_the_right_gradient() -> None:
    """Its derivative by each weight of a small critic against finite differences, in float64."""
    torch.manual_seed(0)
    D = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Conv2d(3, 1, 3)).double()
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    names, values = zip(*D.named_parameters(), strict=True)

    def penalty(*weights: Tensor) -> Tensor:
        called = partial(torch.func.functional_call, D, dict(zip(names, weights, strict=True)))
        inside = x.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(called(inside).mean((1, 2, 3)).sum(), inside, create_graph=True)
        return (gradient.flatten(1).norm(dim=1) - 1).square().mean()

    assert torch.autograd.gradcheck(penalty, tuple(v.detach().requires_grad_() for v in values))
    ours = torch.autograd.grad(gradient_penalty(lambda z: D(z), x), values, allow_unused=True)
    theirs = torch.autograd.grad(penalty(*values), values, allow_unused=True)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None and b is None) or torch.allclose(a, b, rtol=1e-5, atol=1e-7)


def test_points_lie_between() -> None:
    a, b, u = torch.zeros(4, 3, 2, 2), torch.ones(4, 3, 2, 2), torch.rand(4, 1, 1, 1)
    assert torch.equal(between(a, b, u), u.expand(4, 3, 2, 2))


def test_critic_reaches_the_wasserstein_distance() -> None:
    """Two normal distributions on a line, W = 2 apart.  A critic of slope c earns c W - rho (c - 1)^2, the most at
    c = 1 + W / (2 rho), where its figures differ by W (1 + W / (2 rho)): the penalty lets it go that far beyond W."""
    torch.manual_seed(0)
    W, rho, steps = 2.0, 10.0, 400
    D = nn.Sequential(nn.Flatten(), nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1),
                      nn.Unflatten(1, (1, 1, 1)))  # fmt: skip
    adam = torch.optim.Adam(D.parameters(), 3e-3, betas=(0.0, 0.9))
    falling = torch.optim.lr_scheduler.LinearLR(adam, 1, 0, steps)
    for _ in range(steps):
        real, fake = torch.randn(256, 1, 1, 1), torch.randn(256, 1, 1, 1) + W
        gap = (mean_of_patches(D, fake) - mean_of_patches(D, real)).mean()
        loss = gap + rho * gradient_penalty(D, between(real, fake, torch.rand(256, 1, 1, 1)))
        adam.zero_grad(), loss.backward(), adam.step(), falling.step()
    z = torch.randn(20_000, 1, 1, 1)
    distance = float((mean_of_patches(D, z) - mean_of_patches(D, z + W)).mean().detach())
    assert distance == pytest.approx(W * (1 + W / (2 * rho)), rel=0.03)


# ---- the recipe


@pytest.mark.parametrize("domain", ["measurement", "image"])
def test_critic_looks_at_its_domain(domain: str) -> None:
    """In the measurement domain a change of x that A cannot see leaves the critic's figures as they are."""
    batch, game = batch_of(), recipe(domain=domain)
    flat = replace(batch, A=lambda x: torch.zeros_like(x))
    D = game.networks()["critic"]
    terms = [game.generator_losses(D, flat, x_hat)["adversarial"] for x_hat in (batch.x, 1 - batch.x)]
    assert torch.equal(*terms) == (domain == "measurement")


def test_terms_are_the_equations() -> None:
    batch, game = batch_of(), recipe(weight=7.0)
    networks = game.networks()
    D = networks["critic"]
    x_hat = networks["generator"](batch.y)
    generator, critic = game.losses("generator", networks, batch), game.losses("critic", networks, batch)
    fake, real = (mean_of_patches(D, batch.A(p)).mean() for p in (x_hat, batch.x))
    at = batch.A(batch.x) + batch.u * (batch.A(x_hat.detach()) - batch.A(batch.x))
    assert torch.allclose(critic["wasserstein"], fake - real, atol=1e-6)
    assert torch.allclose(critic["penalty"], 10 * gradient_penalty(D, at), rtol=1e-4)
    assert torch.allclose(generator["adversarial"], -7 * fake, rtol=1e-5)
    assert torch.allclose(generator["R"], (x_hat - batch.x).abs().mean(), rtol=1e-5)


def test_R_is_the_sum_of_its_terms() -> None:
    batch = batch_of()
    x_hat = (batch.x + 0.1 * torch.randn_like(batch.x)).clamp(0, 1)
    l1, features = (recipe(R={kind: 1}).regularisation(x_hat, batch.x) for kind in ("l1", "random"))
    assert torch.allclose(l1, (x_hat - batch.x).abs().mean())
    assert torch.allclose(features, perceptual_loss(VGG(), x_hat, batch.x))
    both = recipe(R={"l1": 2, "random": 0.5}).regularisation(x_hat, batch.x)
    assert torch.allclose(both, 2 * l1 + 0.5 * features)


def test_penalty_at_x_hat_is_that_of_equation_16() -> None:
    batch, game = batch_of(), recipe(penalty_at="x_hat")
    networks = game.networks()
    at = batch.A(networks["generator"](batch.y))
    expected = 10 * gradient_penalty(networks["critic"], at)
    game.losses("generator", networks, batch)
    assert torch.allclose(game.losses("critic", networks, batch)["penalty"], expected, rtol=1e-4)


def test_window_is_somewhere_on_the_torus() -> None:
    batch = batch_of()
    game, places = recipe(window=16), torch.arange(32.0).expand(4, 3, 32, 32)
    for part in (replace(batch, u=u) for u in torch.rand(5, 4, 1, 1, 1)):
        columns = game.windows(part, places)[0][0, 0, 0]
        assert torch.equal((columns - columns[0]) % 32, torch.arange(16.0))
    x_hat, x = game.windows(batch, batch.x)
    assert x_hat.shape == (4, 3, 16, 16)
    assert torch.equal(x_hat, x), "the same window of both"
    assert recipe().windows(batch, batch.x)[0] is batch.x


@pytest.mark.parametrize(("option", "value"), [("domain", "fourier"), ("penalty_at", "x"), ("R", {"l2": 1})])
def test_unknown_choices_are_named(option: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"'{value if option != 'R' else 'l2'}'.*choose one of"):
        recipe(**{option: value})


@pytest.mark.parametrize("R", ["l1", {}])
def test_R_is_a_weight_for_each_term(R: object) -> None:
    with pytest.raises(TypeError, match="give a weight for each of its terms, as {'l1': 1.0}"):
        recipe(R=R)


@pytest.mark.parametrize("bf16", [False, True])
def test_training_resumes_bitwise_with_critic_and_features(tmp_path: Path, bf16: bool) -> None:
    source = Photographs(load("embedded/train", size=48), camera())
    settings = replace(SMALL, bf16=bf16, channels_last=bf16)

    def go(session: Session) -> dict[str, nn.Module]:
        return train(recipe(R={"l1": 1, "random": 0.001}), source, settings, session).networks

    whole = go(Session(progress=False))
    for _ in range(2):
        parts = go(Session(tmp_path / "run.pt", limit=0, progress=False))
    for name, net in whole.items():
        for a, b in zip(net.parameters(), parts[name].parameters(), strict=True):
            assert torch.equal(a, b)


def test_training_lowers_R_and_keeps_the_slope_near_one() -> None:
    source = Photographs(load("embedded/train", size=64), camera())
    trained = train(recipe(weight=0.01), source, replace(SMALL, steps=150), Session(progress=False))
    first, last = (np.mean(trained.history["R"][part]) for part in (slice(0, 30), slice(-30, None)))
    assert last < first
    assert np.mean(trained.history["penalty"][-30:]) < 10 * 0.5
    assert all(math.isfinite(v) for v in trained.history["wasserstein"])
