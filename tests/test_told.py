"""The generator that is told the kernel: what it is shown, where it starts, gradients, the game, what is refused."""

from functools import partial

import pytest
import torch
from torch import Tensor

from ilib.classical import wiener
from ilib.data import load
from ilib.gan.batch import Batch
from ilib.gan.blurs import blurred_pictures
from ilib.gan.recipes.mbd_gan import MBDGAN
from ilib.gan.settings import Settings
from ilib.gan.train import Session, train
from ilib.kernels import delta, gaussian, motion
from ilib.networks import ResNet, ToldResNet
from ilib.networks.told import told_channels
from ilib.operators import CircularBlur

SIGMA = torch.tensor([0.01, 0.05]).reshape(2, 1, 1, 1)
KERNELS = torch.stack([gaussian(1.0, 7), motion(7, seed=2, length=5.0)[0]]).float()
SETTINGS = Settings(steps=4, batch=4, crop=32, lr=1e-3, held_out=2, evaluate_every=4, noises=(0.01, 0.05))


def picture(h: int = 16, w: int = 16) -> Tensor:
    return torch.rand(2, 3, h, w, generator=torch.Generator().manual_seed(h))


def randomised() -> ToldResNet:
    """A small network whose last layer has weights, as training gives them."""
    torch.manual_seed(0)
    net = ToldResNet(4, 1)
    torch.nn.init.normal_(net.G[-1].weight, std=0.1)
    return net


def source() -> object:
    return blurred_pictures(load("embedded/train", size=48), None, lengths=[3, 9], diameters=[2, 5], widths=[0.5, 2],
                            size=15)  # fmt: skip


def test_channels_are_the_wiener_estimate_the_measurement_and_its_adjoint() -> None:
    """Each picture with its own kernel and its own noise, the adjoint against the matrix."""
    y, A = picture(), CircularBlur(KERNELS)
    W, same, back = told_channels(y, A, SIGMA).split(3, 1)
    assert torch.equal(same, y)
    for i in range(2):
        one = CircularBlur(KERNELS[i])
        assert torch.allclose(W[i : i + 1], wiener(y[i : i + 1], one, noise=float(SIGMA[i])), atol=1e-5)
        assert torch.allclose(back[i].flatten(1), y[i].flatten(1) @ one.dense(16, 16), atol=1e-5)  # rows: (A'y)' = y'A


@pytest.mark.parametrize("size", [(16, 16), (17, 20), (34, 35)])
def test_starts_at_the_wiener_estimate_at_any_size(size: tuple[int, int]) -> None:
    y, A = picture(*size), CircularBlur(KERNELS)
    assert torch.equal(ToldResNet(4, 1)(y, A, SIGMA), told_channels(y, A, SIGMA)[:, :3])
    assert randomised()(y, A, SIGMA).shape == y.shape


def test_one_layer_more_than_the_plain_generator_sees() -> None:
    told, plain = ({name: p.shape for name, p in net(4, 1).state_dict().items()} for net in (ToldResNet, ResNet))
    assert told.keys() == plain.keys()
    assert [name for name in told if told[name] != plain[name]] == ["G.0.1.weight"]
    assert told["G.0.1.weight"] == (4, 9, 7, 7)


def test_kernel_and_noise_change_what_the_layers_add() -> None:
    y, A, net = picture(), CircularBlur(KERNELS), randomised()
    added = [net(y, a, s) - told_channels(y, a, s)[:, :3]
             for a, s in ((A, SIGMA), (CircularBlur(KERNELS.flip(0)), SIGMA), (A, 4 * SIGMA))]  # fmt: skip
    assert all(bool(((added[0] - other).abs() > 1e-3).any()) for other in added[1:])


def test_gradients_reach_every_weight_and_the_measurement() -> None:
    y, net = picture().requires_grad_(), randomised()
    net(y, CircularBlur(KERNELS), SIGMA).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())
    assert y.grad is not None and float(y.grad.abs().min()) > 0


@pytest.mark.parametrize(("arguments", "message"), [
    ({}, "told the blur and the noise"),
    ({"A": CircularBlur(delta().float())}, "told the blur and the noise"),
    ({"A": CircularBlur(delta().float()), "sigma": torch.zeros(2, 1, 1, 1)}, "above 0"),
    ({"A": CircularBlur(delta().float()), "sigma": torch.ones(1, 1, 1, 1)}, r"pass \(2, 1, 1, 1\)"),
])  # fmt: skip
def test_refuses(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ToldResNet(4, 1)(picture(), **arguments)


def test_refuses_grey_pictures() -> None:
    with pytest.raises(ValueError, match="the network takes 3"):
        ToldResNet(4, 1)(picture()[:, :1], CircularBlur(KERNELS), SIGMA)


# ---- the game, with a kernel for each picture


def test_critic_sees_each_picture_through_its_own_kernel() -> None:
    batch: Batch = source().draw(SETTINGS, 0)
    seen = MBDGAN(partial(ToldResNet, 4, 1), R={"l1": 1}, ndf=4).seen(batch, batch.x)
    alone = [CircularBlur(batch.A.kernel[i])(batch.x[i : i + 1]) for i in range(4)]
    assert torch.allclose(seen, torch.cat(alone), atol=1e-6)
    assert (batch.A.kernel[0] - batch.A.kernel[1]).abs().max() > 1e-3


def test_a_few_steps_lower_what_the_generator_minimises() -> None:
    torch.manual_seed(0)
    batch, recipe = source().draw(SETTINGS, 0), MBDGAN(partial(ToldResNet, 8, 1), R={"l1": 1}, weight=0.0003, ndf=4)
    networks = recipe.networks()
    adam, losses = torch.optim.Adam(networks["generator"].parameters(), 2e-3), []
    for _ in range(30):
        terms = recipe.losses("generator", networks, batch)
        adam.zero_grad(), sum(terms.values()).backward(), adam.step()
        losses.append(terms["R"].item())
    assert losses[-1] < 0.97 * losses[0]


def test_the_loop_plays_the_game() -> None:
    recipe = MBDGAN(partial(ToldResNet, 4, 1), R={"l1": 1}, weight=0.0003, ndf=4)
    before, trained = recipe.networks(), train(recipe, source(), SETTINGS, Session(progress=False))
    assert trained.finished and set(trained.history) == {"psnr", "R", "adversarial", "wasserstein", "penalty"}
    for name, net in trained.networks.items():
        assert [p.shape for p in net.parameters()] == [p.shape for p in before[name].parameters()]
        assert all(bool(p.isfinite().all()) for p in net.parameters())
    assert float(trained.networks["generator"].G[-1].weight.detach().abs().max()) > 0  # it began at 0
