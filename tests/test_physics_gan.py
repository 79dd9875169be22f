"""The physics-based GAN: losses and one step by hand, the pool, a killed run, CycleGAN, bad input."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ilib.data import load
from ilib.gan.batch import Batch
from ilib.gan.losses import pixel_loss, taken_for_real, told_apart
from ilib.gan.pool import Pool
from ilib.gan.recipes.cycle_gan import CycleGAN
from ilib.gan.recipes.physics_gan import CRITICS, PhysicsGAN, forward_model
from ilib.gan.settings import Settings
from ilib.gan.sources import Photographs
from ilib.gan.tasks import Shaken
from ilib.gan.train import Session, Trained, train
from ilib.networks import DirectResNet, ResNet, UNet, restorer

ROOT = Path(__file__).resolve().parents[1]
TINY = Settings(steps=30, batch=2, crop=32, lr=1e-3, betas=(0.5, 0.999), held_out=1, evaluate_every=10,
                checkpoint_every=0)  # fmt: skip
CAMERA = Shaken(size=9, diameters=(1, 5), lengths=(2, 8), noise=0.02)
SMALL = {"ndf": 2, "pool": 3}
generator = partial(ResNet, 4, 1)
ROWS = {
    "ours": {},
    "without 8": {"gamma": 0},
    "without 9": {"lam": 0},
    "without 10": {"mu": 0},
    "BaseGAN": {"gamma": 0, "mu": 0, "critics": ["image"]},
    "pix2pix": {"gamma": 0, "mu": 0, "critics": ["image"], "conditional": True, "lam": 100},
}


def source() -> Photographs:
    return Photographs(load("embedded/train", size=48), CAMERA)


def batch_of(settings: Settings = TINY, t: int = 0) -> Batch:
    return source().draw(settings, t)


def recipe(kind: type = PhysicsGAN, **options: object) -> PhysicsGAN | CycleGAN:
    return kind(generator, **{**SMALL, **options})


def built(game: PhysicsGAN | CycleGAN, seed: int = 0) -> dict[str, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        networks = game.networks()
    for name in ("generator", "model"):
        if name in networks:
            nn.init.normal_(networks[name].G[-1].weight, 0, 0.1)  # not at the identity
    return networks


# ---- losses


def test_losses_by_hand() -> None:
    a, b = (torch.tensor(v).reshape(1, 1, 2, 2) for v in ([0.0, 0.5, 1.0, 0.2], [0.1, 0.1, 1.0, 0.7]))
    assert float(pixel_loss(a, b)) == pytest.approx(2 * (0.1 + 0.4 + 0.0 + 0.5) / 4)
    assert float(pixel_loss(a, b)) == pytest.approx(float(((2 * a - 1) - (2 * b - 1)).abs().mean()))  # in [-1, 1]
    on = torch.tensor([0.5, 2.0])
    assert float(taken_for_real(on)) == pytest.approx((0.25 + 1) / 2)
    assert float(told_apart(on, torch.tensor([0.5, -1.0]))) == pytest.approx(0.5 * (1.25 / 2 + 1.25 / 2))
    assert float(told_apart(torch.ones(3), torch.zeros(3))) == 0
    assert float(told_apart(torch.full((3,), 0.5), torch.full((3,), 0.5))) == 0.25


def test_the_best_least_squares_critic_is_the_share_of_real_pictures() -> None:
    p, q = torch.tensor([0.7, 0.2, 0.1]).double(), torch.tensor([0.1, 0.3, 0.6]).double()
    D = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(0.5 * (p * (D - 1).square() + q * D.square()).sum(), D)
    best = -slope / (p + q)  # one Newton step from 0: the loss is a parabola in every D
    assert torch.allclose(best, p / (p + q))


def test_terms_are_eqs_8_to_12() -> None:
    game, batch = recipe(lam=3.0, gamma=5.0, mu=7.0), batch_of()
    networks = built(game)
    G, D_g, D_h = (networks[name] for name in ("generator", *CRITICS))
    terms = game.losses("generator", networks, batch)
    x_hat = G(batch.y)
    y_tilde = batch.A(x_hat)
    expected = {
        "image adversarial": (D_g(x_hat) - 1).square().mean(),
        "measurement adversarial": (D_h(y_tilde) - 1).square().mean(),
        "L_g": 3 * 2 * (x_hat - batch.x).abs().mean(),
        "L_p": 5 * 2 * (y_tilde - batch.y).abs().mean(),
        "L~_g": 7 * 2 * (G(y_tilde) - batch.x).abs().mean(),
    }
    assert set(terms) == set(expected)
    for name, value in expected.items():
        assert torch.allclose(terms[name], value, rtol=1e-5), name
    assert torch.equal(batch.memo["image"], x_hat) and torch.equal(batch.memo["measurement"], y_tilde)
    for name, real, fake in (("image", batch.x, x_hat), ("measurement", batch.y, y_tilde)):
        D = networks[name]
        loss = game.losses(name, networks, batch)[f"{name} critic"]
        assert torch.allclose(loss, 0.5 * ((D(real) - 1).square().mean() + D(fake).square().mean()), rtol=1e-5)
    assert not batch.memo


def test_gradient_of_the_physics_loss_comes_back_through_the_adjoint() -> None:
    batch = batch_of()
    x_hat = batch.y.clone().requires_grad_()
    (slope,) = torch.autograd.grad(pixel_loss(forward_model(batch, x_hat), batch.y), x_hat)
    assert torch.allclose(slope, 2 / x_hat.numel() * batch.A.adjoint((batch.A(x_hat) - batch.y).sign()), atol=1e-9)


@pytest.mark.parametrize("row", ROWS)
def test_rows_have_their_terms_and_no_others(row: str) -> None:
    game = recipe(**ROWS[row])
    networks = built(game)
    terms = set(game.losses("generator", networks, batch_of()))
    assert ("L_p" in terms, "L_g" in terms, "L~_g" in terms) == (game.gamma > 0, game.lam > 0, game.mu > 0)
    assert ("measurement" in networks) == (row not in ("BaseGAN", "pix2pix"))
    assert networks["image"].D.channels == (6 if row == "pix2pix" else 3)


def test_conditional_critic_knows_the_measurement() -> None:
    """Pairs matter to pix2pix's critic and not to BaseGAN's: what keeps, or does not keep, the content."""
    batch = batch_of(replace(TINY, batch=4))
    shuffled = replace(batch, x=batch.x.roll(1, 0))
    for row, matters in (("pix2pix", True), ("BaseGAN", False)):
        game = recipe(**ROWS[row])
        D = built(game)["image"].double()
        on = [told_apart(D(game.seen("image", b, b.x).double()), torch.zeros(1)) for b in (batch, shuffled)]
        both = [game.seen("image", b, b.x).double() for b in (batch, shuffled)]
        assert not torch.equal(*both)
        assert torch.allclose(on[0], on[1], rtol=1e-12) == (not matters), row


# ---- the pool


def test_pool_fills_then_exchanges_half_of_the_time() -> None:
    pool, random = Pool(50), torch.Generator().manual_seed(0)
    made = torch.arange(4050.0).reshape(-1, 1, 1, 1)
    shown = pool.exchange(made, torch.rand(4050, generator=random)).flatten()
    assert torch.equal(shown[:50], made[:50].flatten()) and len(pool.kept) == 50
    age = made.flatten()[50:] - shown[50:]
    assert float((age == 0).float().mean()) == pytest.approx(0.5, abs=0.03)
    old = age[2000:][age[2000:] > 0]
    assert float(old.mean()) == pytest.approx(100, rel=0.15)  # each place is met every 100 pictures on the average
    assert len(set(shown[age.nonzero().flatten() + 50].tolist())) == int((age > 0).sum()), "none is shown twice"


def test_pool_of_none_and_pool_of_one() -> None:
    made, u = torch.rand(6, 3, 4, 4), torch.tensor([0.1, 0.9, 0.6, 0.2, 0.99, 0.5])
    assert torch.equal(Pool(0).exchange(made, u), made)
    assert torch.equal(Pool(1).exchange(made, u), made[[0, 0, 1, 3, 2, 4]])


def test_pool_is_part_of_the_state() -> None:
    one, other = recipe().networks()["image"], recipe().networks()["image"]
    one.pool.exchange(torch.rand(5, 3, 8, 8), torch.rand(5))
    other.load_state_dict(one.state_dict())
    assert len(other.pool.kept) == 3 and all(map(torch.equal, one.pool.kept, other.pool.kept))
    later, u = torch.rand(4, 3, 8, 8), torch.rand(4)
    assert torch.equal(one.pool.exchange(later, u), other.pool.exchange(later, u))


# ---- training


def run(checkpoint: Path | None = None, settings: Settings = TINY, slow: bool = False, **options: object) -> Trained:
    game = (Slow if slow else PhysicsGAN)(generator, **{**SMALL, **options})
    return train(game, source(), settings, Session(checkpoint, progress=False))


class Slow(PhysicsGAN):
    """The same recipe, slow enough to be killed in the middle."""

    def losses(self, *arguments: object) -> dict[str, Tensor]:
        time.sleep(0.02)
        return super().losses(*arguments)


def weights_of(trained: Trained) -> Tensor:
    return torch.cat([p.detach().flatten() for net in trained.networks.values() for p in net.parameters()])


def test_one_step_by_hand() -> None:
    settings, game = replace(TINY, steps=1), recipe()
    trained = run(settings=settings)
    torch.manual_seed(settings.seed)
    networks = game.networks()
    batch, (G, D_g, D_h) = batch_of(settings), networks.values()
    x_hat = G(batch.y)
    y_tilde = batch.A(x_hat)
    loss = ((D_g(x_hat) - 1).square().mean() + (D_h(y_tilde) - 1).square().mean()
            + 50 * 2 * (x_hat - batch.x).abs().mean() + 10 * 2 * (y_tilde - batch.y).abs().mean()
            + 10 * 2 * (G(y_tilde) - batch.x).abs().mean())  # fmt: skip
    adam = {net: torch.optim.Adam(net.parameters(), lr=settings.rate(0), betas=settings.betas) for net in (G, D_g, D_h)}
    loss.backward()
    adam[G].step()
    for D, real, fake in ((D_g, batch.x, x_hat), (D_h, batch.y, y_tilde)):
        D.zero_grad()
        (0.5 * ((D(real) - 1).square().mean() + D(fake.detach()).square().mean())).backward()
        adam[D].step()
    by_hand = torch.cat([p.detach().flatten() for net in networks.values() for p in net.parameters()])
    assert (by_hand - weights_of(trained)).abs().max() < 1e-6
    first = torch.cat([p.detach().flatten() for net in built_plain().values() for p in net.parameters()])
    assert (by_hand - first).abs().max() > 1e-4, "the step did something"


def built_plain() -> dict[str, nn.Module]:
    torch.manual_seed(TINY.seed)
    return recipe().networks()


def test_stopped_and_resumed_is_bitwise_the_same(tmp_path: Path) -> None:
    whole = run()
    parts = [train(recipe(), source(), TINY, Session(tmp_path / "run.pt", limit=0, progress=False)) for _ in range(3)]
    assert [part.step for part in parts] == [10, 20, 30]
    assert torch.equal(weights_of(parts[-1]), weights_of(whole)) and parts[-1].history == whole.history
    pools = [[net.pool.kept for net in (run_.networks[name] for name in CRITICS)] for run_ in (whole, parts[-1])]
    assert all(torch.equal(a, b) for one, two in zip(*pools, strict=True) for a, b in zip(one, two, strict=True))


def test_killed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    words = [sys.executable, "-m", "tests.test_physics_gan", str(tmp_path / "run.pt")]
    process = subprocess.Popen(words, cwd=ROOT, env=environment)
    while not (tmp_path / "run.pt").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was killed before it ended"
    assert 0 < torch.load(tmp_path / "run.pt")["state"]["step"] < TINY.steps
    assert torch.equal(weights_of(run(tmp_path / "run.pt")), weights_of(run()))


def test_training_comes_nearer_to_the_pictures() -> None:
    trained = run(settings=replace(TINY, steps=60))
    losses = trained.history["L_g"]
    assert sum(losses[-15:]) < sum(losses[:15])
    assert trained.history["psnr"][-1][1] > trained.history["psnr"][0][1]


def test_parts_of_a_batch_have_their_own_kernels() -> None:
    whole, parts = (weights_of(run(settings=replace(TINY, steps=3, lr=1e-4, accumulate=n), pool=0)) for n in (1, 2))
    assert (whole - parts).abs().max() < 1e-5


# ---- CycleGAN


def test_cycle_terms_by_hand() -> None:
    game, batch = recipe(CycleGAN, lam=3.0, mu=7.0), batch_of()
    networks = built(game)
    G, F = networks["generator"], networks["model"]
    terms = game.losses("generator", networks, batch)
    assert torch.allclose(terms["cycle of y"], 10 * pixel_loss(F(G(batch.y)), batch.y))
    assert torch.allclose(terms["cycle of x"], 10 * pixel_loss(G(F(batch.x)), batch.x))
    assert torch.allclose(terms["L_g"], 3 * pixel_loss(G(batch.y), batch.x))
    assert torch.allclose(terms["L~_g"], 7 * pixel_loss(G(F(G(batch.y))), batch.x))
    model = game.losses("model", networks, batch)
    assert torch.allclose(model["model: cycle of y"], terms["cycle of y"])
    assert torch.allclose(model["model: cycle of x"], terms["cycle of x"])
    assert torch.equal(batch.memo["measurement"], F(batch.x))


def test_the_identity_closes_both_cycles() -> None:
    """The trivial solution that section 6 of the paper speaks of: ResNet starts there."""
    game, batch = recipe(CycleGAN), batch_of()
    networks = game.networks()
    terms = game.losses("generator", networks, batch) | game.losses("model", networks, batch)
    assert all(value.item() == 0 for name, value in terms.items() if "cycle" in name)


def test_pairs_do_not_matter_to_cyclegan() -> None:
    """What the paper calls PCycleGAN has the loss of CycleGAN: no term looks at the pairing within a batch."""
    batch = batch_of(replace(TINY, batch=4))
    shuffled = replace(batch, x=batch.x.roll(1, 0), memo={})
    game = recipe(CycleGAN, pool=0)
    networks = built(game)
    for turn in networks:
        one, other = (game.losses(turn, networks, b) for b in (batch, shuffled))
        assert all(torch.allclose(one[name], other[name], rtol=1e-3, atol=1e-5) for name in one), turn


def test_unpaired_sees_no_pair() -> None:
    batch = batch_of(replace(TINY, batch=4))
    x, y = recipe(CycleGAN, paired=False).sides(batch)
    assert torch.equal(x, batch.x[:2]) and torch.equal(y, batch.y[2:])
    with pytest.raises(ValueError, match="a batch of 3 cannot be halved"):
        recipe(CycleGAN, paired=False).sides(batch[:3])


@pytest.mark.parametrize("options", [{}, {"paired": False}, {"lam": 50, "mu": 10}])
def test_cyclegan_trains(options: dict[str, object]) -> None:
    trained = train(recipe(CycleGAN, **options), source(), replace(TINY, steps=3), Session(progress=False))
    assert trained.finished and list(trained.networks) == ["generator", "model", *CRITICS]


# ---- the generator of Table 1


def test_direct_generator_stays_in_range_and_has_no_skip() -> None:
    torch.manual_seed(0)
    G = DirectResNet(4, 1)
    y = torch.rand(2, 3, 34, 41)
    x_hat = G(y)
    assert x_hat.shape == y.shape and x_hat.min() >= 0 and x_hat.max() <= 1
    assert (x_hat - 0.5).abs().mean() < 0.3 and not torch.allclose(x_hat, y, atol=0.1)
    drawn = torch.cat([p.detach().flatten() for name, p in G.named_parameters() if p.ndim == 4])
    assert float(drawn.std()) == pytest.approx(0.02, rel=0.05)
    assert len(G.state_dict()) == len(ResNet(4, 1).state_dict())


def test_generators_by_name() -> None:
    for kind, cls in (("direct", DirectResNet), ("resnet", ResNet)):
        assert type(restorer(kind, width=4, blocks=1)) is cls
    assert type(restorer(width=4)) is DirectResNet
    assert type(restorer("unet", width=4)) is UNet
    with pytest.raises(ValueError, match="kind is 'gan'; choose one of direct, resnet, unet"):
        restorer("gan")


# ---- what goes wrong


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (PhysicsGAN, {"lam": -1}, "lam is -1; pass a number, 0 or more"),
        (PhysicsGAN, {"gamma": float("nan")}, "gamma is nan"),
        (PhysicsGAN, {"mu": True}, "mu is True"),
        (PhysicsGAN, {"critics": ["D_g"]}, r"critics is \['D_g'\]; give a list of image and measurement"),
        (PhysicsGAN, {"critics": "image"}, "critics is 'image'; give a list"),
        (PhysicsGAN, {"critics": ["measurement"], "conditional": True}, "conditional is for the critic on pictures"),
        (PhysicsGAN, {"critics": [], "lam": 0, "gamma": 0, "mu": 0}, "nothing to minimise"),
        (CycleGAN, {"paired": False, "lam": 50}, "lam is 50 and mu is 0.0: these terms compare pairs"),
        (CycleGAN, {"cycle": -3}, "cycle is -3"),
    ],
)
def test_wrong_arguments_are_named(kind: type, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(generator, **options)


def test_source_without_a_model_is_named() -> None:
    game, batch = recipe(), replace(batch_of(), A=None)
    with pytest.raises(ValueError, match="the batch has no physics model.*set gamma: 0, mu: 0, critics"):
        game.losses("generator", built(game), batch)
    base = recipe(**ROWS["BaseGAN"])
    assert "L_g" in base.losses("generator", built(base), batch)


@pytest.mark.parametrize("size", [-1, 2.5, True])
def test_wrong_pool(size: object) -> None:
    with pytest.raises(ValueError, match="the pool's size is"):
        Pool(size)


def test_pool_refuses_other_sizes() -> None:
    pool = Pool(2)
    pool.exchange(torch.rand(1, 3, 8, 8), torch.rand(1))
    with pytest.raises(ValueError, match=r"holds pictures of \(3, 8, 8\), not \(3, 9, 8\)"):
        pool.exchange(torch.rand(1, 3, 9, 8), torch.rand(1))


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(Path(sys.argv[1]), slow=True)
