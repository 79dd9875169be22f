"""Algorithms 1 to 3 and the range: gradients against autograd, batches, restarts, shifts, and errors that help."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.fft import rfft2

from ilib.networks import BlurDecoder, NumberDecoder
from ilib.operators import CircularConvolution, apply_otf, otf
from ilib.priors import algorithm_1 as one
from ilib.priors import algorithm_2 as two
from ilib.priors import algorithm_3 as three
from ilib.priors.adam import remembered
from ilib.priors.aligned import aligned, kernel_correlation, on_canvas, shift_to
from ilib.priors.latent import Generators, Point, best, check_stages, cost, draws, normalised
from ilib.priors.ranges import Projection, error_bound, project, range_error
from ilib.priors.sets import gaussian_kernels, motion_kernels

SHORT = ((0, 4), (3, 2), (6, 1))


def generators(dtype: torch.dtype = torch.float64) -> Generators:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        picture, kernel = NumberDecoder(6, 4).to(dtype).eval(), BlurDecoder(5).to(dtype)
    picture.requires_grad_(False), kernel.requires_grad_(False)
    for p in [*picture.parameters(), *kernel.f[:-1].parameters()]:
        p.mul_(2)  # livelier than untrained networks are
    kernel.f[-1].bias.fill_(-3.6)  # kernels whose sum is near 1
    return Generators(picture, kernel)


@torch.no_grad()
def problem(B: int = 3, seed: int = 0) -> tuple[Tensor, Generators]:
    """Pictures in the range, blurred by kernels in the range."""
    G, g = generators(), torch.Generator().manual_seed(seed)
    x, k = G.picture(torch.randn(B, 6, generator=g).double()), G.kernel(torch.randn(B, 5, generator=g).double())
    return apply_otf(x, otf(k, 32, 32)), G


def objective(y: Tensor, x: Tensor, k: Tensor) -> Tensor:
    """Eq. 7's data term by full complex DFTs: the sum over all frequencies and colours."""
    centre = torch.zeros(len(k), 32, 32, dtype=k.dtype)
    centre[:, :28, :28] = k
    K = torch.fft.fft2(centre.roll((-14, -14), (-2, -1)))
    return (torch.fft.fft2(y) - torch.fft.fft2(x) * K[:, None]).abs().square().sum()


def test_gradients_are_those_of_autograd() -> None:
    y, g = torch.rand(2, 3, 32, 32).double(), torch.Generator().manual_seed(1)
    x = torch.rand(2, 3, 32, 32, generator=g).double().requires_grad_()
    k = torch.rand(2, 28, 28, generator=g).double().requires_grad_()
    by_x, by_k = torch.autograd.grad(objective(y, x, k), (x, k))
    X, K, Y = rfft2(x.detach()), otf(k.detach(), 32, 32), rfft2(y)
    assert torch.allclose(one.picture_gradient(X * K - Y, K, 32, 32), by_x)
    assert torch.allclose(one.kernel_gradient(X * K - Y, X, 32, 28), by_k)


def test_iteration_is_the_one_of_the_text() -> None:
    """z_k first, then z_i with the new z_k; the gradient of the whole objective over its root mean square."""
    y, G = problem(2)
    how = one.Descent(gamma=0.3, lam=0.2)
    z = {name: draws([0, 1], 1, n, i)[:, 0].double() for i, (name, n) in enumerate(G.latents().items())}
    found = one.alternate(y, z, G, how, range(7, 8))

    def loss(z_i: Tensor, z_k: Tensor) -> Tensor:
        penalty = how.gamma * z_i.square().sum() + how.lam * z_k.square().sum()
        return objective(y, G.picture(z_i), G.kernel(z_k)) + penalty

    def stepped(name: str, now: dict[str, Tensor]) -> Tensor:
        free = now[name].clone().requires_grad_()
        (g,) = torch.autograd.grad(loss(**(now | {name: free})), free)
        rms = g.square().mean(1, keepdim=True).sqrt()
        return now[name] - 0.01 * torch.exp(torch.tensor(-0.007)).double() * g / (rms + 1e-5)

    after = z | {"z_k": stepped("z_k", z)}
    after = after | {"z_i": stepped("z_i", after)}
    for name in z:
        assert torch.allclose(found[name], after[name], atol=1e-7), name
    assert not torch.allclose(found["z_i"], z["z_i"], atol=1e-3)


def test_a_pictures_result_is_its_own() -> None:
    """Alone, inside a batch with others, and in chunks that cut through a picture's restarts: equal to rounding."""
    y, G = problem(3)
    how = one.Descent(steps=12, stages=SHORT, chunk=5)
    together = one.algorithm_1(y, G, how, seeds=[5, 6, 7])
    alone = one.algorithm_1(y[1:2], G, replace(how, chunk=3), seeds=[6])
    for name in ("x_hat", "kernel", "z_i", "z_k", "misfit"):
        assert torch.allclose(getattr(together, name)[1:2], getattr(alone, name), atol=1e-9), name
    assert together.restart[1] == alone.restart[0]
    assert not torch.allclose(together.z_i[0], together.z_i[1])


def test_restart_kept_has_the_smallest_misfit() -> None:
    y, G = problem(2)
    how = one.Descent(steps=8, stages=((0, 5),))
    kept = one.algorithm_1(y, G, how, seeds=[0, 1])
    start = {name: draws([0, 1], 5, n, i).double() for i, (name, n) in enumerate(G.latents().items())}
    runs = [one.alternate(y, {name: z[:, r] for name, z in start.items()}, G, how, range(8)) for r in range(5)]
    found = torch.stack([one.misfit(y, G.picture(run["z_i"]), G.kernel(run["z_k"])) for run in runs], 1)
    assert torch.equal(kept.restart, found.argmin(1)) and torch.allclose(kept.misfit, found.amin(1))
    by_hand = CircularConvolution(kept.kernel)(kept.x_hat)
    assert torch.allclose(kept.misfit, (y - by_hand).square().mean((1, 2, 3)))


def test_more_restarts_contain_the_fewer() -> None:
    assert torch.equal(draws([3], 2, 4, 0), draws([3], 9, 4, 0)[:, :2])
    assert not torch.equal(draws([3], 2, 4, 0), draws([3], 2, 4, 1))
    assert not torch.equal(draws([3], 2, 4, 0), draws([4], 2, 4, 0))


def test_dropping_goes_by_misfit_and_never_keeps_a_nan() -> None:
    misfit = torch.tensor([[3.0, 1.0, 2.0], [float("nan"), 5.0, 4.0]])
    state = best({"restart": torch.arange(3).expand(2, 3), "misfit": misfit}, misfit, 2)
    assert state["restart"].tolist() == [[1, 2], [2, 1]]


def test_algorithm_1_finds_what_is_in_the_range() -> None:
    y, G = problem(2)
    G = Generators(G.picture.float(), G.kernel.float())
    found = one.algorithm_1(y.float(), G, one.Descent(steps=300, stages=((0, 6), (80, 2))))
    start = one.algorithm_1(y.float(), G, one.Descent(steps=1, stages=((0, 6),)))
    assert (found.misfit < 0.3 * start.misfit).all()


def test_cost_of_the_schedules() -> None:
    assert cost(((0, 10),), 6000) == 60_000
    assert cost(((0, 10), (300, 5), (900, 2), (1500, 1)), 6000) == 3000 + 3000 + 1200 + 4500


@pytest.mark.parametrize(("stages", "steps"), [
    ((), 5), (((1, 3),), 5), (((0, 3), (2, 4)), 5), (((0, 3), (5, 1)), 5), (((0, 0),), 5), (((0, 3),), 0),
    (((0, 3), (3, 2), (2, 1)), 5),
])  # fmt: skip
def test_stages_that_make_no_sense(stages: tuple, steps: int) -> None:
    with pytest.raises(ValueError, match="stages"):
        check_stages(stages, steps)


# ---- Algorithm 2


def test_objective_of_algorithm_2_by_hand() -> None:
    y, G = problem(1)
    state = two.first_state(y, G, two.Slack(), [0])
    state = {name: z[:, 0] for name, z in state.items()}
    x, made, A = state["x"], G.picture(state["z_i"]), CircularConvolution(G.kernel(state["z_k"]))
    tv = sum(float((x.roll(1, d) - x).abs().sum()) - float((x.roll(1, d) - x).abs().select(d, 0).sum()) for d in (2, 3))
    by_hand = (1.0 * (y - A(made)).square().sum() + 0.5 * (y - A(x)).square().sum()
               + 100 * (x - made).square().mean() + 1e-3 * tv)  # fmt: skip
    assert two.objective(y, state, G, two.Slack()) == pytest.approx(float(by_hand))


def test_adam_is_that_of_torch() -> None:
    y, G = problem(2)
    state = {name: z[:, 0] for name, z in two.first_state(y, G, two.Slack(), [0, 1]).items()}
    free = {name: state[name].clone().requires_grad_() for name in two.UNKNOWNS}
    adam = torch.optim.Adam(free.values(), 0.005)
    for _ in range(5):
        adam.zero_grad()
        two.objective(y, free, G, two.Slack()).sum().backward()
        adam.step()
    found = two.adam_steps(y, remembered(state, two.UNKNOWNS), G, two.Slack(), range(5))
    assert all(torch.allclose(found[name], free[name], atol=1e-9) for name in two.UNKNOWNS)


def test_algorithm_2_keeps_pictures_apart_and_clips() -> None:
    y, G = problem(3)
    how = two.Slack(steps=9, stages=SHORT, chunk=5, rate=0.1)
    together, alone = two.algorithm_2(y, G, how, [5, 6, 7]), two.algorithm_2(y[2:], G, how, [7])
    assert torch.allclose(together.x_hat[2:], alone.x_hat, atol=1e-9)
    assert together.x_hat.min() >= 0 and together.x_hat.max() <= 1
    assert torch.allclose(together.misfit, one.misfit(y, together.x_hat, together.kernel))


def test_algorithm_2_in_bfloat16() -> None:
    y, G = problem(2)
    y, G = y.float(), Generators(*(net.float() for net in (G.picture, G.kernel)))
    how = two.Slack(steps=30, stages=((0, 2), (10, 1)), rate=0.02)
    exact, half = (two.algorithm_2(y, G, replace(how, bf16=bf16)) for bf16 in (False, True))
    assert half.x_hat.dtype == torch.float32 and next(G.picture.parameters()).dtype == torch.float32
    assert 0 < (half.x_hat - exact.x_hat).abs().max() < 0.02


# ---- Algorithm 3


def test_algorithm_3_starts_at_the_blurred_picture_and_fits_it() -> None:
    y = problem(1)[0].float().clamp(0, 1)
    G, seen = generators(torch.float32), []
    how = three.Untrained(first=100, first_rate=1e-2, steps=60, width=4, nu=0.0, rate=0.01, weights_rate=3e-3)
    found = three.algorithm_3(y, G.kernel, how, watch=lambda t, x, k: seen.append((x, k)))
    assert (seen[0][0] - y).square().mean() < 0.5 * y.var() and len(seen) == 60
    assert found.x_hat.shape == y.shape and found.kernel.shape == (1, 28, 28)
    assert found.misfit < 0.3 * one.misfit(y, *seen[0])


# ---- the range


def test_projection_finds_a_picture_of_the_range_and_obeys_the_bound() -> None:
    G, g = generators().picture, torch.Generator().manual_seed(2)
    with torch.no_grad():
        x = G(torch.randn(2, 6, generator=g).double())
    near = project(x, G, Projection(steps=200, rate=0.01, stages=((0, 4),)), seeds=[0, 1])
    far = project(x, G, Projection(steps=1, rate=0.01, stages=((0, 4),)), seeds=[0, 1])
    assert (near.misfit < 0.2 * far.misfit).all()
    assert torch.allclose(range_error(x, near.x), (near.misfit * x[0].numel()).sqrt())
    left, right = error_bound(torch.rand_like(x), near.x, x)
    assert (left <= right * (1 + 1e-12)).all()  # eq. 14, to rounding: near.x may be x itself


# ---- shifts


def test_alignment_undoes_a_common_shift() -> None:
    torch.manual_seed(0)
    x, k = torch.rand(2, 3, 40, 36).double(), motion_kernels(2).double()
    shifts = [(3, -5), (-6, 2)]
    x_hat = torch.stack([one.roll(s, (-2, -1)) for one, s in zip(x, shifts, strict=True)])
    canvas = on_canvas(k, 40, 36)
    k_hat = torch.stack([one.roll((-s[0], -s[1]), (-2, -1)) for one, s in zip(canvas, shifts, strict=True)])
    x_back, k_back, found = aligned(x_hat, k_hat, x)
    assert found.tolist() == [[-a, -b] for a, b in shifts] and torch.equal(x_back, x) and torch.equal(k_back, canvas)
    before, after = (CircularConvolution(kk)(xx) for kk, xx in ((k_hat, x_hat), (k_back, x_back)))
    assert torch.allclose(before, after) and torch.allclose(after, CircularConvolution(k)(x))
    assert shift_to(x, x).tolist() == [[0, 0], [0, 0]]


def test_kernel_correlation() -> None:
    k = motion_kernels(4)
    moved = torch.zeros_like(k)
    moved[:, 2:, 3:] = k[:, :-2, :-3]
    whole = (moved.sum((1, 2)) - k.sum((1, 2))).abs() < 1e-6
    assert torch.allclose(kernel_correlation(7 * k, k), torch.ones(4).double())
    assert whole.any() and torch.allclose(kernel_correlation(moved, k)[whole], torch.ones(int(whole.sum())).double())
    assert (kernel_correlation(k.flip(0), k) < 0.99).all()


# ---- kernels to learn from


def test_kernels_are_centred_and_sum_to_one() -> None:
    place = torch.arange(28.0)
    for k in (motion_kernels(50), gaussian_kernels(50)):
        assert k.shape == (50, 28, 28) and k.min() >= 0 and torch.allclose(k.sum((1, 2)), torch.ones(50), atol=1e-5)
        assert (k.sum(2) @ place - 13.5).abs().max() < 0.2 and (k.sum(1) @ place - 13.5).abs().max() < 0.2
    assert torch.equal(motion_kernels(6, 1), motion_kernels(6, 1))
    assert not torch.equal(motion_kernels(6), motion_kernels(6, 1))
    with pytest.raises(ValueError, match="lengths"):
        motion_kernels(3, lengths=(5, 29))


# ---- what callers may get wrong


@pytest.mark.parametrize(("y", "says"), [
    (torch.rand(1, 3, 30, 32), "resize or crop"),
    (torch.rand(1, 1, 32, 32), "three equal channels"),
    (torch.rand(1, 4, 32, 32), "4 channels and the prior 3"),
    (torch.full((1, 3, 32, 32), float("nan")), "NaN or infinity"),
    (255 * torch.rand(1, 3, 32, 32), "scaled like pictures"),
    (torch.rand(3, 32, 32), r"pass \(B, C, H, W\)"),
])  # fmt: skip
def test_bad_measurements(y: Tensor, says: str) -> None:
    G = generators(torch.float32)
    for algorithm in (one.algorithm_1, two.algorithm_2):
        with pytest.raises(ValueError, match=says):
            algorithm(y, G)
    with pytest.raises(ValueError, match=says):
        project(y, G.picture)


def test_other_mistakes() -> None:
    y, G = problem(2)
    with pytest.raises(ValueError, match="1 seeds for 2 pictures"):
        one.algorithm_1(y, G, one.Descent(steps=1), seeds=[1])
    with pytest.raises(TypeError, match="is it a generator"):
        Generators(torch.nn.Linear(2, 2), G.kernel)
    with pytest.raises(ValueError, match="no kernel for a picture"):
        Generators(G.picture, G.picture).check(y)
    with pytest.raises(ValueError, match="chunk is 0"):
        one.algorithm_1(y, G, one.Descent(steps=1, chunk=0))
    with pytest.raises(ValueError, match="one square picture"):
        three.algorithm_3(y, G.kernel)


def test_normalised_gradients_have_unit_length_and_zero_stays() -> None:
    g = torch.randn(4, 9) * torch.tensor([1e-2, 1.0, 50.0, 0.0])[:, None]
    rms = normalised(g).square().mean(1).sqrt()
    assert (rms[:3] - 1).abs().max() < 2e-3 and rms[3] == 0


def test_point_pulls_back_in_bfloat16() -> None:
    G = generators(torch.float32).picture
    z, g = torch.randn(3, 6), torch.randn(3, 3, 32, 32)
    exact, half = Point(G, z).pull_back(g), Point(G.bfloat16(), z).pull_back(g)
    assert exact.dtype == half.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(exact, half).min() > 0.98
