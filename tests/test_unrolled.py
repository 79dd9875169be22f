"""Unrolled half-quadratic splitting: data step against a dense solve, gradients, limits, what is refused."""

import math

import pytest
import torch
from torch import Tensor

from ilib.classical import GRADIENT_POWER, gradient, gradient_adjoint, wiener
from ilib.data import load
from ilib.gan.batch import Batch
from ilib.gan.blurs import ManyBlurs, blurred_pictures, centred, noisy_pictures
from ilib.gan.recipes.misread import Misread
from ilib.gan.recipes.unfolded import Unfolded, begin_as
from ilib.gan.settings import Settings
from ilib.gan.turns import floored
from ilib.gan.weights import load_weights
from ilib.kernels import delta, disk, gaussian, motion
from ilib.networks import Denoiser, Unrolled
from ilib.networks.denoiser import squares_of
from ilib.networks.unrolled import REACH, DataStep
from ilib.operators import CircularBlur
from ilib.plug_and_play import falling

SIGMA = torch.tensor([0.01, 0.05]).reshape(2, 1, 1, 1)


def picture(n: int = 2, size: int = 16, channels: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(n), dtype=dtype)


def kernels() -> Tensor:
    return torch.stack([gaussian(1.0, 7), motion(7, seed=2, length=5.0)[0]])


# ---- the data step


def test_data_step_solves_the_normal_equations() -> None:
    """Picture by picture against the matrix, each with its kernel, its rho and its noise."""
    y, z, A = picture(), picture(2, 16) ** 2, CircularBlur(kernels())
    rho = torch.tensor([0.02, 0.7], dtype=y.dtype).reshape(2, 1, 1, 1)
    x = DataStep(y, A, SIGMA)(z, rho).x
    for i in range(2):
        M = CircularBlur(kernels()[i]).dense(16, 16)
        left = M.T @ M + rho[i].squeeze() * torch.eye(256, dtype=y.dtype)
        right = M.T @ y[i].flatten(1).T + rho[i].squeeze() * z[i].flatten(1).T
        assert torch.allclose(torch.linalg.solve(left, right).T.reshape(3, 16, 16), x[i], atol=1e-10)


def test_data_step_is_the_operators_prox_for_one_rho() -> None:
    y, z, A = picture(), picture(2, 16) ** 2, CircularBlur(kernels())
    rho = torch.full((2, 1, 1, 1), 0.3, dtype=y.dtype)
    assert torch.allclose(DataStep(y, A, SIGMA)(z, rho).x, A.prox(z, y, 0.3), atol=1e-12)


def test_wiener_of_each_level() -> None:
    y, A = picture(), CircularBlur(kernels())
    x = DataStep(y, A, SIGMA.double()).wiener().x
    for i in range(2):
        alone = wiener(y[i : i + 1], CircularBlur(kernels()[i]), noise=float(SIGMA[i]))
        assert torch.allclose(x[i : i + 1], alone, atol=1e-6)
    residual = A.adjoint(A(x) - y) + SIGMA**2 / GRADIENT_POWER * gradient_adjoint(gradient(x))
    assert residual.abs().max() < 1e-7


def test_noise_left_in_an_estimate_is_what_white_noise_becomes() -> None:
    """Gain of the linear map, measured on noise alone."""
    w = 0.05 * torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    A, sigma = CircularBlur(disk(5).float()), torch.full((1, 1, 1, 1), 0.05)
    step = DataStep(w, A, sigma)
    for estimate in (step.wiener(), step(torch.zeros_like(w), torch.full((1, 1, 1, 1), 0.1))):
        assert float(estimate.x.std()) == pytest.approx(float(estimate.noise), rel=0.05)


def test_gradients_through_the_data_step() -> None:
    """dx/dz is rho (A'A + rho)^-1, its own adjoint; autograd agrees with differences for z and rho."""
    y, z, A = picture(1, 8), picture(1, 8) ** 2, CircularBlur(gaussian(1.0, 5))
    step, rho = DataStep(y, A, SIGMA[:1].double()), torch.full((1, 1, 1, 1), 0.2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v, r: step(v, r).x, (z.requires_grad_(), rho.requires_grad_()))
    g = torch.rand_like(z)
    (pulled,) = torch.autograd.grad((step(z, rho).x * g).sum(), z)
    zero = DataStep(torch.zeros_like(y), A, SIGMA[:1].double())
    assert torch.allclose(pulled, zero(g, rho).x, atol=1e-10)


@pytest.mark.parametrize(("rho", "limit"), [(1e12, "z"), (1e-12, "inverse")])
def test_limits_of_rho(rho: float, limit: str) -> None:
    x, z = picture(1), picture(1) ** 2
    A = CircularBlur(gaussian(0.4, 5))  # invertible
    found = DataStep(A(x), A, SIGMA[:1])(z, torch.full((1, 1, 1, 1), rho, dtype=torch.float64)).x
    assert torch.allclose(found, z if limit == "z" else x, atol=1e-6)


# ---- the networks


def test_no_step_is_the_wiener_filter() -> None:
    y, A = picture(dtype=torch.float32), CircularBlur(kernels().float())
    expected = DataStep(y, A, SIGMA).wiener().x
    for net in (Unrolled(4, 0), Unrolled(4, 1)):  # one step starts as the identity
        assert torch.equal(net(y, A, SIGMA), expected)


def test_untrained_steps_are_half_quadratic_splitting_without_a_prior() -> None:
    y, A, net = picture(dtype=torch.float32), CircularBlur(kernels().float()), Unrolled(4, 3)
    data, s = DataStep(y, A, SIGMA), net.levels(SIGMA)
    x = data.wiener().x.clamp(*REACH)
    for k in (1, 2):
        x = data(x, (SIGMA / s[k]) ** 2).x.clamp(*REACH)
    out, stages = net(y, A, SIGMA, stages=True)
    assert torch.allclose(out, x, atol=1e-4)
    assert len(stages) == 6
    assert torch.equal(stages[-1], out)


def test_levels_start_falling_and_are_powers_of_the_noise() -> None:
    net = Unrolled(4, 4)
    s = net.levels(SIGMA).detach()
    assert s.shape == (4, 2, 1, 1, 1)
    assert (s[1:, 0] < s[:-1, 0]).all()
    b = (s[:, 1] / s[:, 0]).log().flatten() / math.log(5)
    assert torch.allclose(b, net.b.detach(), atol=1e-5)


@pytest.mark.parametrize("shared", [True, False])
def test_every_weight_learns_and_shares(shared: bool) -> None:
    net = Unrolled(4, 3, shared)
    assert len(net.denoisers) == (1 if shared else 3)
    for p in net.parameters():
        torch.nn.init.normal_(p, 0, 0.1)
    y, A = picture(dtype=torch.float32), CircularBlur(kernels().float())
    (net(y, A, SIGMA) - y).abs().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.abs().max() > 0 for p in net.parameters())


def test_a_few_steps_of_training_beat_the_wiener_filter() -> None:
    x = load("embedded/train", size=64).x
    y, A, sigma = ManyBlurs(noise=0.02, size=31, lengths=(5, 20)).measure(x, torch.full((len(x), 1, 1, 1), 0.02), 3)
    torch.manual_seed(0)
    net = Unrolled(8, 2)
    adam = torch.optim.Adam(net.parameters(), 2e-3)
    losses = []
    for _ in range(40):
        loss = (net(y, A, sigma) - x).abs().mean()
        adam.zero_grad(), loss.backward(), adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * float((DataStep(y, A, sigma).wiener().x - x).abs().mean())


def test_denoiser_starts_as_the_identity_at_any_size() -> None:
    x, sigma = picture(2, 21, dtype=torch.float32), torch.full((2, 1, 1, 1), 0.05)
    assert torch.equal(Denoiser(4)(x, None, sigma), x)


def test_denoiser_looks_at_the_level() -> None:
    D, x = Denoiser(4), picture(1, dtype=torch.float32)
    torch.nn.init.normal_(D.tail.weight, 0, 0.1)
    a, b = (D(x, None, torch.full((1, 1, 1, 1), s)) for s in (0.01, 0.1))
    assert (a - b).abs().max() > 1e-4


def test_squares_hold_the_mean_and_the_deviations() -> None:
    x = picture(1, 8)
    flat = torch.full_like(x, 0.75)
    assert torch.allclose(squares_of(flat), torch.full((1, 12, 4, 4), 0.5, dtype=x.dtype))
    assert torch.allclose(squares_of(x).unflatten(1, (3, 4)).mean(2), 2 * (torch.nn.functional.avg_pool2d(x, 2) - 0.5))


@pytest.mark.parametrize(("arguments", "message"), [
    ({}, "told the blur and the noise"),
    ({"A": CircularBlur(delta())}, "told the blur and the noise"),
    ({"A": CircularBlur(delta()), "sigma": torch.zeros(2, 1, 1, 1)}, "above 0"),
    ({"A": CircularBlur(delta()), "sigma": torch.ones(1, 1, 1, 1)}, r"pass \(2, 1, 1, 1\)"),
])  # fmt: skip
def test_unrolled_refuses(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Unrolled(4, 1)(picture(dtype=torch.float32), **arguments)


def test_refused_sizes_and_inputs() -> None:
    with pytest.raises(ValueError, match="steps is -1"):
        Unrolled(4, -1)
    with pytest.raises(ValueError, match="pass 1 or more"):
        Denoiser(0)
    with pytest.raises(ValueError, match="told the noise"):
        Denoiser(4)(picture(dtype=torch.float32))


# ---- begun at a trained denoiser

PLUGGED = "grand--pnp--levin--smoke--s0"


def test_unfolded_begins_with_the_denoiser_and_levels_that_fall_to_the_noise() -> None:
    D = load_weights(PLUGGED)[0]
    G = Unfolded(lambda: Unrolled(12, 3), start=PLUGGED).networks()["generator"]
    levels = torch.tensor([falling(float(s), 0.2, 3) for s in SIGMA]).T.reshape(3, 2, 1, 1, 1)
    assert torch.allclose(G.levels(SIGMA), levels)
    y, A = picture(dtype=torch.float32), CircularBlur(kernels().float())
    z, found = G(y, A, SIGMA, stages=True)
    for k in range(3):  # whatever noise is left in x
        assert torch.allclose(found[2 * k + 1], D(found[2 * k], None, levels[k]), atol=1e-6)
    assert z is found[-1] and all(p.requires_grad for p in G.parameters()), "it is trained on"
    (z - y).abs().mean().backward()
    assert float(G.denoisers[0].head.weight.grad[:, -1].abs().max()) > 0, "and may learn to hear of it"


def test_unfolded_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="told one level and has its own width"):
        Unfolded(lambda: Unrolled(8, 3), start=PLUGGED).networks()
    with pytest.raises(ValueError, match="told one level"):
        begin_as(Unrolled(4, 1), Denoiser(4, 2), 0.2)
    with pytest.raises(FileNotFoundError, match="no weights grand--nothing"):
        Unfolded(lambda: Unrolled(12, 3), start="grand--nothing").networks()


# ---- told kernels that are not quite right

HALF = {"start": "grand--unfolded--levin--smoke--s0", "reader": "physgan_2--network_turns--text--smoke--s0"}


def misread_batch(side: int = 25) -> Batch:
    x = picture(4, 64, dtype=torch.float32)
    A = CircularBlur(torch.rand(4, side**2).softmax(1).unflatten(1, (side, side)))
    return Batch(x, A(x), A, torch.tensor([0.0011, 0.05, 0.0011, 0.05]).reshape(4, 1, 1, 1), torch.zeros(4, 1, 1, 1))


def test_misread_tells_half_of_a_batch_the_kernels_that_are_read_from_it() -> None:
    recipe, batch = Misread(lambda: Unrolled(12, 2), **HALF), misread_batch()
    A, sigma = recipe.told(batch)
    read = load_weights(HALF["reader"])[0].kernel(batch.y[:2])[:, 1:, 1:]
    assert torch.equal(A.kernel[:2], floored(read)) and A.kernel.shape == (4, 27, 27)
    assert torch.allclose(CircularBlur(A.kernel[2:])(batch.x[2:]), batch.y[2:], atol=1e-6), "the others' are true"
    assert torch.allclose(sigma.flatten(), torch.tensor([0.02, 0.05, 0.0011, 0.05])), "it doubts what was read"


def test_misread_begins_with_the_weights_it_is_given_and_trains_the_restorer_alone() -> None:
    recipe, batch = Misread(lambda: Unrolled(12, 2), **HALF), misread_batch()
    networks = recipe.networks()
    G, start = networks["generator"], load_weights(HALF["start"])[0]
    both = zip(G.parameters(), start.parameters(), strict=True)
    assert list(networks) == ["generator"] and all(torch.equal(p, q) for p, q in both)
    loss = recipe.losses("generator", networks, batch)["l1"]
    A, sigma = recipe.told(batch)
    assert float(loss) == pytest.approx(float((G(batch.y, A, sigma) - batch.x).abs().mean()), rel=1e-5)
    loss.backward()
    assert all(p.grad is not None for p in G.parameters())
    assert not any(p.requires_grad for p in recipe.reader.parameters())


@pytest.mark.parametrize("side", [24, 29])
def test_misread_refuses_kernels_that_do_not_fit_what_is_read(side: int) -> None:
    with pytest.raises(ValueError, match="an odd number up to 27 fits"):
        Misread(lambda: Unrolled(12, 2), **HALF).told(misread_batch(side))


def test_misread_refuses_missing_weights_and_those_of_another_form() -> None:
    with pytest.raises(FileNotFoundError, match="no weights grand--nothing"):
        Misread(lambda: Unrolled(12, 2), **{**HALF, "reader": "grand--nothing"})
    with pytest.raises(RuntimeError, match="size mismatch"):
        Misread(lambda: Unrolled(8, 2), **HALF).networks()


# ---- the blurs that it is trained on


def test_kernels_are_blurs_of_three_kinds_and_reproducible() -> None:
    camera = ManyBlurs()
    k = camera.kernels(30, 7)
    assert k.shape == (30, 57, 57)
    assert torch.allclose(k.sum((-2, -1)), torch.ones(30), atol=1e-5)
    assert (k >= 0).all()
    assert torch.equal(k, camera.kernels(30, 7))
    round_ones = [torch.allclose(one, one.T, atol=1e-6) for one in k]
    assert 5 < sum(round_ones) < 22  # disks and Gaussians; shakes are not symmetric
    extent = (k > 0).sum((-2, -1))
    assert extent.min() < 40 and extent.max() > 1000


def test_measurement_has_a_kernel_for_each_picture() -> None:
    x, noise = picture(3, 64, dtype=torch.float32), torch.tensor([0.0, 0.01, 0.05]).reshape(3, 1, 1, 1)
    y, A, sigma = ManyBlurs().measure(x, noise, 5)
    rest = (y - A(x)).flatten(1).std(1)
    assert A.kernel.shape == (3, 57, 57)
    assert torch.allclose(rest, sigma.flatten(), rtol=0.1)
    torch.testing.assert_close(A[1:2](x[1:2]), A(x)[1:2], rtol=0, atol=1e-6)


def test_sources_draw_batches() -> None:
    pictures, settings = load("embedded/train", size=96), Settings(batch=3, crop=64, held_out=1, noises=(0.01, 0.1))
    batch = blurred_pictures(pictures, None, lengths=[3, 9]).draw(settings, 0)
    assert batch.A.kernel.shape == (3, 57, 57)
    noisy = noisy_pictures(pictures, None).draw(settings, 0)
    assert torch.allclose((noisy.y - noisy.x).flatten(1).std(1), noisy.sigma.flatten(), rtol=0.1)


def test_centred_keeps_the_middle() -> None:
    k = centred(delta(5), 9)
    assert k[4, 4] == 1 and k.shape == (9, 9)
    assert centred(gaussian(3.0), 9).sum() == pytest.approx(1)


@pytest.mark.parametrize(("options", "message"), [
    ({"lengths": (3, 90)}, "lengths are"), ({"size": 30}, "odd"), ({"shakes": 0.9}, "shares"), ({"noise": -1}, "noise"),
])  # fmt: skip
def test_refused_cameras(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ManyBlurs(**options)
