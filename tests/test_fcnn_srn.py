"""The networks of the comparison rows, FCNN and SRN: sizes counted by hand, what they start as, losses, errors."""

import pytest
import torch
from torch import Tensor

from ilib import classical
from ilib.data import dead_leaves
from ilib.degrade import Measurement
from ilib.gan import recipes
from ilib.gan.batch import Batch
from ilib.gan.recipes import fcnn, srn
from ilib.kernels import motion
from ilib.networks import FCNN, SRN
from ilib.networks.fcnn import MARGIN, Deconvolution, GradientDenoiser
from ilib.operators import CircularBlur

A = CircularBlur(motion(9, 1, 1, length=7)[0].float())


def batch(size: int = 32, noise: float = 0.01, n: int = 2) -> Batch:
    x = dead_leaves(n, size, seed=0)
    m = Measurement(A, noise)
    return Batch(x, m(x), A, torch.full((n, 1, 1, 1), m.sigma), torch.rand(n, 1, 1, 1))


def randomised(net: torch.nn.Module) -> torch.nn.Module:
    """Give the last layers weights, as training does."""
    torch.manual_seed(0)
    for denoiser in getattr(net, "denoisers", []):
        torch.nn.init.normal_(denoiser.f[-1].weight, std=0.1)
    if isinstance(net, SRN):
        torch.nn.init.normal_(net.decode1[-1].weight, std=0.1)
    return net


def parameters(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_fcnn_counted_by_hand() -> None:
    """Six layers of 64 features, 5x5 then 3x3 (the authors' weights), three times, and four weights."""
    with torch.device("meta"):
        net = FCNN()
    stage = 4 * 64 * 25 + 64 + 4 * (64 * 64 * 9 + 64) + 64 * 3 * 9 + 3
    assert parameters(net) == 3 * stage + 4 == 467_725


def test_srn_counted_by_hand() -> None:
    """Tao et al., Fig. 4: 32, 64, 128 features, three residual blocks at each of three sizes on either side."""
    with torch.device("meta"):
        net = SRN()
    same = lambda c: 25 * c * c + c  # noqa: E731
    blocks = 2 * 6 * (same(32) + same(64) + same(128))
    down = 6 * 32 * 25 + 32 + 32 * 64 * 25 + 64 + 64 * 128 * 25 + 128
    up = 128 * 64 * 16 + 64 + 64 * 32 * 16 + 32 + 32 * 3 * 25 + 3
    assert parameters(net) == blocks + down + up + 9 * 256 * 512 + 512 == 8_061_411


@pytest.mark.parametrize("size", [(16, 16), (32, 48), (33, 32), (17, 61)])
@pytest.mark.parametrize("net", [FCNN(4, 2), SRN(4, 1)], ids=["fcnn", "srn"])
def test_output_is_as_large_as_the_input(net: torch.nn.Module, size: tuple[int, int]) -> None:
    y, sigma = torch.rand(2, 3, *size), torch.full((2, 1, 1, 1), 0.01)
    assert net(y, A, sigma).shape == y.shape


def test_fcnn_starts_as_the_wiener_filter() -> None:
    b = batch(noise=0.02)
    torch.testing.assert_close(FCNN(4)(b.y, A, b.sigma), classical.wiener(b.y, A, noise=float(b.sigma[0])))


def test_fcnn_deconvolution_solves_its_normal_equations() -> None:
    """(weight A'A + D'D) x = weight A'y + D'g, put together from the operators themselves."""
    y, g = torch.rand(2, 3, 12, 14), torch.randn(2, 2, 3, 12, 14)
    weight = torch.tensor([3.0, 500.0]).reshape(2, 1, 1, 1)
    x = Deconvolution(y, A)(g, weight)
    left = weight * A.adjoint(A(x)) + classical.gradient_adjoint(classical.gradient(x))
    right = weight * A.adjoint(y) + classical.gradient_adjoint(g)
    torch.testing.assert_close(left, right, atol=2e-3, rtol=1e-4)


def test_fcnn_given_the_true_gradients_finds_the_picture() -> None:
    b = batch(noise=0.0)
    x = Deconvolution(b.y, A)(classical.gradient(b.x), torch.ones(2, 1, 1, 1))
    assert (x - b.x).abs().max() < 0.02, "rounding to 8 bits alone"


def test_fcnn_treats_both_directions_alike() -> None:
    """A transposed picture under a transposed kernel gives the transposed result."""
    net, b = randomised(FCNN(4)).eval(), batch()
    turned = net(b.y.mT, CircularBlur(A.kernel.mT), b.sigma)
    torch.testing.assert_close(net(b.y, A, b.sigma), turned.mT, atol=1e-4, rtol=0)


def test_fcnn_is_periodic() -> None:
    net, b = randomised(FCNN(4)).eval(), batch()
    moved = net(b.y.roll((5, 9), (-2, -1)), A, b.sigma)
    torch.testing.assert_close(net(b.y, A, b.sigma).roll((5, 9), (-2, -1)), moved, atol=1e-4, rtol=0)


def test_the_denoiser_reaches_seven_pixels() -> None:
    g = torch.zeros(1, 3, 32, 32, requires_grad=True)
    net = GradientDenoiser(8, 3)
    torch.nn.init.ones_(net.f[-1].weight)
    for layer in net.f[::2]:
        torch.nn.init.constant_(layer.weight, 0.1), torch.nn.init.ones_(layer.bias)
    net(g, torch.full((1, 1, 1, 1), 0.01))[0, 0, 16, 16].backward()
    rows = g.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert MARGIN == 7 and (rows.min(), rows.max()) == (16 - 7, 16 + 7)


def test_fcnn_sees_the_noise_level() -> None:
    net, b = randomised(FCNN(4)), batch()
    assert not torch.allclose(net(b.y, A, b.sigma), net(b.y, A, 3 * b.sigma))


def test_srn_starts_as_the_identity_at_every_scale() -> None:
    y = torch.rand(2, 3, 32, 48)
    fine, half, quarter = (x for x in reversed(SRN(4, 1)(y, scales=True)))
    assert torch.equal(fine, y)
    torch.testing.assert_close(half, y.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).mean((-1, -3)))
    torch.testing.assert_close(quarter, y.unflatten(-1, (-1, 4)).unflatten(-3, (-1, 4)).mean((-1, -3)))


def test_srn_is_blind() -> None:
    net, b = randomised(SRN(4, 1)), batch()
    assert not torch.equal(net(b.y), b.y)
    assert torch.equal(net(b.y), net(b.y, A, b.sigma))


def test_srn_has_three_scales_and_sends_the_state_up() -> None:
    net, y = randomised(SRN(4, 1)), batch(n=1).y
    scales = net(y, scales=True)
    assert [x.shape[-1] for x in scales] == [8, 16, 32]
    scales[-1].sum().backward()
    through = net.lstm.gates.weight.grad[:, 16:]  # the columns that act on the state of the scale below
    assert through.abs().max() > 0


def test_pictures_of_a_batch_do_not_mix() -> None:
    b = batch(n=3)
    for net in (randomised(FCNN(4)), randomised(SRN(4, 1))):
        apart = torch.cat([net(b.y[i : i + 1], A, b.sigma[i : i + 1]) for i in range(3)])
        assert (net(b.y, A, b.sigma) - apart).abs().max() < 1e-5


@pytest.mark.parametrize(("recipe", "net", "lr", "terms"), [
    (fcnn.FCNN, FCNN, 5e-3, {"l1", "gradients"}),
    (srn.SRN, SRN, 1e-3, {"l2 at 1/4", "l2 at 1/2", "l2 at 1/1"}),
], ids=["fcnn", "srn"])  # fmt: skip
def test_recipes_reach_every_weight_and_fall(recipe: type, net: type, lr: float, terms: set[str]) -> None:
    torch.manual_seed(0)
    made, b = recipe(lambda: net(width=8)), batch()
    networks = made.networks()
    optimiser = torch.optim.Adam(networks["generator"].parameters(), lr=lr)
    losses = []
    for _ in range(25):
        found = made.losses("generator", networks, b)
        assert found.keys() == terms
        sum(found.values()).backward()
        losses.append(sum(float(term.detach()) for term in found.values()))
        optimiser.step()
        if len(losses) > 20:
            assert all(p.grad.abs().max() > 0 for p in networks["generator"].parameters() if p.numel() > 1)
        optimiser.zero_grad()
    assert losses[-1] < 0.95 * losses[0]


def test_fcnn_recipe_counts_what_it_says() -> None:
    b = batch()
    stage = torch.zeros_like(classical.gradient(b.x))
    found = fcnn.FCNN(lambda: None).losses("generator", {"generator": lambda *_, stages: (b.x, [stage] * 3)}, b)
    assert float(found["l1"]) == 0
    torch.testing.assert_close(found["gradients"], 3 * classical.gradient(b.x).abs().mean())


def test_srn_recipe_compares_means_over_squares() -> None:
    b = batch()
    small: list[Tensor] = [b.x.unflatten(-1, (-1, s)).unflatten(-3, (-1, s)).mean((-1, -3)) for s in (4, 2, 1)]
    found = srn.SRN(lambda: None).losses("generator", {"generator": lambda *_, scales: small}, b)
    assert all(float(term) < 1e-12 for term in found.values())


@pytest.mark.parametrize(("net", "y", "message"), [
    (FCNN(4, 1), torch.rand(1, 1, 16, 16), "y has 1 channels but the network takes 3"),
    (FCNN(4, 1), torch.rand(1, 3, 6, 16), r"y is \(6, 16\) pixels; the network takes sides of 7 or more"),
    (SRN(4, 0), torch.rand(1, 1, 16, 16), "y has 1 channels but the network takes 3"),
    (SRN(4, 0), torch.rand(1, 3, 12, 16), r"y is \(12, 16\) pixels; the network takes sides of 16 or more"),
    (SRN(4, 0), torch.rand(3, 16, 16), r"pass \(B, C, H, W\)"),
])  # fmt: skip
def test_wrong_pictures_are_refused(net: torch.nn.Module, y: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        net(y, A, torch.full((1, 1, 1, 1), 0.01))


def test_wrong_arguments_are_refused() -> None:
    b = batch()
    with pytest.raises(ValueError, match=r"call it as net\(y, A, sigma\)"):
        FCNN(4)(b.y)
    with pytest.raises(ValueError, match="one level a picture"):
        FCNN(4)(b.y, A, b.sigma[:1])
    for net in (FCNN, SRN):
        with pytest.raises(ValueError, match="pass 1 or more"):
            net(width=0)
    assert recipes.__doc__ is not None and all(name in recipes.__doc__ for name in ("fcnn", "srn"))
