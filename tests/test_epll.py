"""The mixture of patches and EPLL: densities by the formula, EM, filters by linear algebra, and what they bring."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.patch_prior import PRIORS, digests_of
from ilib import classical, epll
from ilib.data import embedded
from ilib.degrade import Measurement, quantisation_noise
from ilib.gan.registry import WEIGHTS, read_registry
from ilib.gan.weights import load_weights
from ilib.kernels import delta, gaussian, motion
from ilib.metrics import psnr
from ilib.operators import CircularBlur
from ilib.patch_prior import (
    FLOOR,
    Fit,
    GaussianMixture,
    Statistics,
    expectation,
    fit,
    maximisation,
    overlap_average,
    patches,
    random_patches,
    seeded,
    without_mean,
)

ROOT = Path(__file__).resolve().parents[1]
REGISTERED = [name for name in read_registry(ROOT / WEIGHTS) if name.startswith("patch_prior--")]
EMBEDDED = next(name for name in REGISTERED if "--embedded--" in name)


def mixture(components: int = 3, side: int = 2, seed: int = 0) -> GaussianMixture:
    """A mixture with covariances drawn at random."""
    g, made = torch.Generator().manual_seed(seed), GaussianMixture(components, side).double()
    draws = torch.randn(components, 3 * side**2, side**2, generator=g, dtype=torch.float64)
    weights = torch.rand(components, generator=g, dtype=torch.float64)
    S = draws.mT @ draws / draws.shape[1] * torch.tensor([0.01, 0.1, 1.0])[:components, None, None]
    maximisation(made, Statistics(weights, S * weights[:, None, None]))
    return made


def samples(n: int, d: int = 4, seed: int = 1) -> Tensor:
    return 0.3 * torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_density_by_the_formula() -> None:
    made, p, noise = mixture(), samples(5), 0.2
    total = torch.zeros(5, dtype=torch.float64)
    for log_weight, S in zip(made.log_weights, made.covariances(), strict=True):
        C = S + noise**2 * torch.eye(4)
        quadratic = (p @ torch.linalg.inv(C) * p).sum(1)
        total += log_weight.exp() * (-quadratic / 2).exp() / math.sqrt((2 * math.pi) ** 4 * float(torch.linalg.det(C)))
    torch.testing.assert_close(made.log_likelihood(p, noise), total.log())


def test_density_of_one_white_component_sums_to_one() -> None:
    grid = torch.linspace(-6, 6, 61, dtype=torch.float64)
    p = torch.cartesian_prod(*[grid[::4]] * 4)
    assert abs(float(GaussianMixture(2, 2).double().log_likelihood(p).exp().sum()) * 0.8**4 - 1) < 1e-3


def test_patches_and_their_average() -> None:
    x = torch.rand(2, 10, 9)
    p = patches(x, 4)
    assert p.shape == (2, 16, 90)
    wrapped = torch.stack([x[0, (9 + i) % 10, (7 + j) % 9] for i in range(4) for j in range(4)])
    assert torch.equal(p[0, :, 9 * 9 + 7], wrapped), "the patch at row 9, column 7 goes on at the other side"
    torch.testing.assert_close(overlap_average(p, 10, 9), x)
    rest, mean = without_mean(p)
    assert rest.mean(1).abs().max() < 1e-6 and mean.shape == (2, 1, 90)


def test_averaging_is_the_adjoint_of_cutting() -> None:
    x, p = torch.rand(1, 9, 11, dtype=torch.float64), torch.rand(1, 64, 99, dtype=torch.float64)
    torch.testing.assert_close((patches(x) * p).sum() / 64, (x * overlap_average(p, 9, 11)).sum())


def test_em_raises_the_likelihood_in_every_step() -> None:
    g = torch.Generator().manual_seed(0)
    p = random_patches(embedded(split="train"), 1500, g)
    made = GaussianMixture(5)
    maximisation(made, seeded(made, p, g))
    found = []
    for _ in range(6):
        statistics, likelihood = expectation(made, p)
        found.append(likelihood)
        maximisation(made, statistics)
    assert all(b > a for a, b in zip(found, found[1:], strict=False))
    assert abs(float(statistics.n.sum()) - 1) < 1e-5
    torch.testing.assert_close(statistics.S.sum(0), p.T @ p / len(p), atol=1e-5, rtol=1e-3)


def test_em_finds_a_mixture_that_it_was_drawn_from() -> None:
    g = torch.Generator().manual_seed(0)
    scale = torch.where(torch.rand(6000, 1, generator=g) < 0.3, 0.5, 0.02)
    p = scale * torch.randn(6000, 4, generator=g)
    made = GaussianMixture(2, 2)
    kept = seeded(made, p, g)
    for _ in range(40):
        maximisation(made, kept)
        kept = expectation(made, p)[0]
    order = made.log_values.mean(1).argsort(descending=True)
    torch.testing.assert_close(made.log_weights.exp()[order], torch.tensor([0.3, 0.7]), atol=0.02, rtol=0)
    deviations = (made.log_values[order] / 2).exp().mean(1)
    torch.testing.assert_close(deviations, torch.tensor([0.5, 0.02]), atol=0, rtol=0.05)


def test_fit_is_repeatable_and_keeps_a_floor() -> None:
    how = Fit(components=4, steps=3, patches=400, seed=3)
    first, second = ([(m, v) for m, v in fit(embedded(split="train"), how)][-1] for _ in range(2))
    assert first[1] == second[1]
    assert all(torch.equal(a, b) for a, b in zip(first[0].buffers(), second[0].buffers(), strict=True))
    assert float(first[0].log_values.min()) >= math.log(FLOOR) - 1e-5


def test_the_filter_is_the_mean_of_the_posterior() -> None:
    """E[z | p] = S (S + noise^2)^-1 p for the component that linear algebra finds most probable."""
    made, p, noise = mixture(), samples(50).T, 0.15
    estimate = epll.PatchEstimate(made, noise)
    joint = made.log_joint(p.T, noise)
    k = estimate.choose(p)
    z, S = estimate.filtered(p, k), made.covariances()
    order = (made.log_values.exp() > epll.NEGLIGIBLE * noise**2).sum(1).argsort()
    assert torch.equal(order[k], joint.argmax(1)) and len(k.unique()) > 1
    for i in range(0, 50, 7):
        C = S[order[k[i]]]
        torch.testing.assert_close(z[:, i], C @ torch.linalg.solve(C + noise**2 * torch.eye(4), p[:, i]))


def test_leaving_out_negligible_directions_changes_little() -> None:
    """The component chosen is as probable as the best, within a tenth of a nat for 99 % of the patches."""
    made = epll.prior_of(EMBEDDED, torch.device("cpu"))
    rest = without_mean(patches(embedded(64, split="test").x[0].mean(0)))[0]
    for noise in (0.2, 0.02, 0.002):
        estimate = epll.PatchEstimate(made, noise)
        order = (made.log_values.exp() > epll.NEGLIGIBLE * noise**2).sum(1).argsort()
        joint = made.log_joint(rest.T, noise)
        loss = joint.amax(1) - joint.gather(1, order[estimate.choose(rest)][:, None])[:, 0]
        assert float(loss.quantile(0.99)) < 0.1


def test_betas_rise_from_first_to_the_noise() -> None:
    found = epll.betas(0.01, first=10, last=0.5)
    assert (found[0], len(found)) == (10, epll.STEPS) and found[-1] == pytest.approx(5000)
    assert np.allclose(np.diff(np.log(found), 2), 0)
    assert min(epll.betas(1.0)) == epll.FIRST, "never below first"


@pytest.fixture(scope="module")
def x() -> Tensor:
    return embedded(96, n=2, split="test").x


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_epll_beats_wiener(x: Tensor, noise: float) -> None:
    m = Measurement(CircularBlur(motion(15, 2, seed=1, length=12).float()), noise)
    y = m(x)
    found = epll.epll(y, m.operator, noise=m.sigma, prior=EMBEDDED)
    assert (psnr(found, x) > psnr(classical.wiener(y, m.operator, noise=m.sigma), x) + 0.5).all()
    alone = epll.epll(y[1:], CircularBlur(m.operator.kernel[1]), noise=m.sigma, prior=EMBEDDED)
    assert (found[1:] - alone).abs().max() < 1e-4, "a batch is a loop over pictures and kernels"


def test_epll_without_blur_removes_noise(x: Tensor) -> None:
    """With the betas of the paper's denoising, 1 to 32 over noise^2."""
    m = Measurement(CircularBlur(delta().float()), 0.05)
    y = m(x[:1])
    found = epll.epll(y, m.operator, noise=m.sigma, prior=EMBEDDED, first=1 / m.sigma**2, last=32)
    assert (psnr(found, x[:1]) > psnr(y, x[:1]) + 4).all()


def test_epll_is_periodic_and_takes_grey_pictures(x: Tensor) -> None:
    A, y = CircularBlur(gaussian(1.0, 5).float()), x[:1, :1, :40, :48]
    found = epll.epll(y, A, noise=0.01, prior=EMBEDDED)
    moved = epll.epll(y.roll((3, 7), (-2, -1)), A, noise=0.01, prior=EMBEDDED)
    gap = (found.roll((3, 7), (-2, -1)) - moved).abs()
    assert found.shape == y.shape and float(gap.median()) < 1e-4 and float(gap.mean()) < 1e-3


def test_bad_input(x: Tensor) -> None:
    A = CircularBlur(gaussian(1.0, 5).float())
    with pytest.raises(ValueError, match="quantisation_noise"):
        epll.epll(x, A, noise=0)
    with pytest.raises(ValueError, match="scaled like pictures"):
        epll.epll(x * 255, A, noise=quantisation_noise())
    with pytest.raises(FileNotFoundError, match="there are no weights nobody"):
        epll.epll(x, A, noise=0.1, prior="nobody")
    with pytest.raises(ValueError, match="holds no patch of 8x8"):
        patches(x[..., :6, :])
    with pytest.raises(ValueError, match="pass 1 component"):
        GaussianMixture(0)
    with pytest.raises(ValueError, match="as many patches as components"):
        Fit(components=50, patches=10)
    with pytest.raises(ValueError, match="decay is 0.4"):
        Fit(decay=0.4)


@pytest.mark.parametrize("name", REGISTERED)
def test_committed_priors_are_those_of_the_code(name: str) -> None:
    """Fitted by the settings and the code of today, named after their content, better than one Gaussian."""
    kind, entry = name.split("--")[1], read_registry(ROOT / WEIGHTS)[name]
    assert entry["sha256"].startswith(name.split("--")[2])
    assert entry["digest"] == digests_of(kind), f"python -m benchmarks.patch_prior {kind}"
    assert entry["arguments"] == {"components": PRIORS[kind][0].components}
    made = epll.prior_of(name, torch.device("cpu"))
    V = made.vectors
    assert (V.mT @ V - torch.eye(64)).abs().max() < 1e-6
    assert (V - load_weights(name)[0].vectors.abs() * V.sign()).abs().max() < 5e-3, "only what float16 had lost"
    p = random_patches(embedded(split="test"), 1000, torch.Generator().manual_seed(0))
    one = torch.distributions.MultivariateNormal(torch.zeros(64), p.T @ p / len(p) + FLOOR * torch.eye(64))
    assert float(made.log_likelihood(p).mean()) > float(one.log_prob(p).mean()) + 20


def test_the_method_uses_a_committed_prior() -> None:
    assert epll.PRIOR in REGISTERED and "--photographs--" in epll.PRIOR


def test_the_constants_are_the_best_of_those_tried() -> None:
    rows = json.loads((ROOT / "results" / "calibration" / "epll.json").read_text())["rows"]
    pairs = {(row["first"], row["last"]) for row in rows}
    mean = {pair: np.mean([r["psnr"] for r in rows if (r["first"], r["last"]) == pair]) for pair in pairs}
    assert len(pairs) >= 9 and max(mean, key=mean.get) == (epll.FIRST, epll.LAST)
