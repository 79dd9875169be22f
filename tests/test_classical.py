"""Classical deconvolution: each method against an independent solution, on batches, and its errors."""

from functools import partial

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from skimage.restoration import denoise_tv_chambolle
from skimage.restoration import richardson_lucy as skimage_richardson_lucy

from ilib import classical
from ilib.degrade import Measurement, quantisation_noise
from ilib.kernels import delta, gaussian, motion
from ilib.metrics import psnr
from ilib.operators import Blur, CircularBlur

METHODS = {
    "wiener": classical.wiener,
    "tv": classical.tv,
    "hyper_laplacian": classical.hyper_laplacian,
    "richardson_lucy": classical.richardson_lucy,
}


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    photo = torch.from_numpy(astronaut().copy()).permute(2, 0, 1).float() / 255
    return torch.stack((photo[:, :96, 150:246], photo[:, 300:396, 100:196]))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_beats_the_blurred_picture(x, name):
    m = Measurement(CircularBlur(motion(15, 2, seed=1, length=12).float()), noise=0.005)
    y = m(x)
    gain = psnr(METHODS[name](y, m.operator, noise=m.sigma), x) - psnr(classical.blurred(y, m.operator), x)
    assert (gain > (1 if name == "richardson_lucy" else 3)).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_is_a_loop_over_pictures_and_kernels(x, name):
    k = motion(9, 2, seed=2, length=7).float()
    m = Measurement(CircularBlur(k), noise=0.01)
    y = m(x)
    together = METHODS[name](y, m.operator, noise=m.sigma)
    for i in range(2):
        alone = METHODS[name](y[i : i + 1], CircularBlur(k[i]), noise=m.sigma)
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-4, rtol=0)


def test_gradient_and_its_adjoint_and_power():
    x, d = torch.randn(1, 2, 6, 7, dtype=torch.float64), torch.randn(2, 1, 2, 6, 7, dtype=torch.float64)
    torch.testing.assert_close((classical.gradient(x) * d).sum(), (x * classical.gradient_adjoint(d)).sum())
    laplacian = classical.gradient_adjoint(classical.gradient(x))
    by_fft = torch.fft.irfft2(classical.gradient_power(6, 7, x) * torch.fft.rfft2(x), s=(6, 7))
    torch.testing.assert_close(laplacian, by_fft)


def test_wiener_solves_its_normal_equations():
    A, y = CircularBlur(gaussian(1.0, 5)), torch.rand(1, 1, 8, 9, dtype=torch.float64)
    noise, power = 0.03, 0.02
    x = classical.wiener(y, A, noise=noise, power=power)
    H, pixels = A.dense(8, 9), torch.eye(72, dtype=torch.float64).reshape(72, 1, 8, 9)
    D = classical.gradient(pixels).reshape(2, 72, 72).transpose(1, 2).reshape(144, 72)
    exact = torch.linalg.solve(H.T @ H / noise**2 + D.T @ D / power, H.T @ y.flatten() / noise**2)
    torch.testing.assert_close(x.flatten(), exact)


def test_tv_without_blur_is_chambolles_denoiser():
    y = torch.from_numpy(astronaut()[:48, 200:248, :1].copy()).permute(2, 0, 1)[None].double() / 255
    y = y + 0.05 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = classical.tv(y, CircularBlur(delta()), noise=1.0, scale=10.0, iterations=500)
    # the same objective, TV + ||x - y||^2 * 10 / 2, but without the differences across the border
    other = denoise_tv_chambolle(y[0, 0].numpy(), weight=0.1, eps=1e-9, max_num_iter=5000)
    assert np.abs(ours[0, 0].numpy() - other)[8:-8, 8:-8].mean() < 2e-3


@pytest.mark.parametrize("alpha", [0.5, 2 / 3, 0.8])
@pytest.mark.parametrize("beta", [1.0, 22.6, 181.0, 1e4])
def test_the_look_up_table_is_the_brute_force_minimum(alpha, beta):
    v = torch.linspace(-1, 1, 401, dtype=torch.float64)
    w = torch.linspace(-1, 1, 20001, dtype=torch.float64)
    cost = lambda w, v: w.abs() ** alpha + beta / 2 * (w - v) ** 2  # noqa: E731
    best = cost(w[None], v[:, None]).min(1)
    ours = classical.HyperLaplacianTable(alpha)(v, beta)
    assert (cost(ours, v) <= best.values + 1e-6).all()
    settled = (v.abs() - v.abs()[ours == 0].max()).abs() > 0.01  # at the threshold both minima cost the same
    assert (ours - w[best.indices])[settled].abs().max() < 2e-4


def test_the_table_beyond_its_end():
    table = classical.HyperLaplacianTable()
    v = torch.tensor([127.0, 129.0, 500.0], dtype=torch.float64)
    residual = (2 / 3) * table(v, 1.0) ** (-1 / 3) + table(v, 1.0) - v
    assert residual.abs().max() < 1e-3


def test_hyper_laplacian_lowers_its_objective(x):
    m = Measurement(CircularBlur(gaussian(1.5).float()), noise=0.01)
    y = m(x)
    weight = classical.HL_SCALE / m.sigma**2

    def objective(z: torch.Tensor) -> float:
        return float(weight / 2 * (m.operator(z) - y).square().sum() + (classical.gradient(z).abs() ** (2 / 3)).sum())

    estimate = classical.hyper_laplacian(y, m.operator, noise=m.sigma)
    assert objective(estimate) < min(objective(y), objective(classical.wiener(y, m.operator, noise=m.sigma)))


def test_richardson_lucy_is_scikit_images_away_from_its_border(x):
    A = CircularBlur(gaussian(1.0, 7))
    y = A(x.double()).clamp(0, 1)
    ours = classical.richardson_lucy(y, A, noise=0.01, iterations=5)
    theirs = skimage_richardson_lucy(y[0, 0].numpy(), A.kernel.numpy(), num_iter=5, clip=False)
    np.testing.assert_allclose(ours[0, 0, 32:-32, 32:-32].numpy(), theirs[32:-32, 32:-32], atol=1e-9)


def test_richardson_lucy_raises_the_likelihood_and_keeps_the_light(x):
    A, y = CircularBlur(gaussian(1.5)), x.double().clamp(min=1e-3)
    steps = [classical.richardson_lucy(y, A, noise=0.01, iterations=i) for i in (1, 2, 5, 20)]
    loss = [float((A(z) - y * A(z).log()).sum()) for z in steps]
    assert sorted(loss, reverse=True) == loss
    assert all(abs(float(z.sum() / y.sum()) - 1) < 1e-9 and z.min() > 0 for z in steps)


def test_a_real_border_does_not_ring(x):
    from ilib.operators import Blur

    k = motion(15, 1, seed=1, length=12).float()
    y = Measurement(Blur(k, "valid"), noise=0.002)(x)
    A, truth = CircularBlur(k), x[..., 7:-7, 7:-7]
    sharpen = lambda y, A: classical.wiener(y, A, noise=0.002)  # noqa: E731
    assert (psnr(classical.with_borders(sharpen)(y, A), truth) > psnr(sharpen(y, A), truth) + 2).all()


def photographed(x, noise=0.0):
    """Blur by a shake, the border cut off.  -> y, A, and the part of x that y shows."""
    k = motion(15, 1, seed=1, length=12).float()
    return Measurement(Blur(k, "valid"), noise=noise)(x), CircularBlur(k), x[..., 7:-7, 7:-7]


@pytest.mark.parametrize("name", ["wiener", "tv", "hyper_laplacian"])
def test_a_border_that_carries_the_blur_is_better_than_a_smooth_one(x, name):
    (y, A, truth), noise = photographed(x), quantisation_noise(8)
    method = partial(METHODS[name], noise=noise)
    smooth, found = classical.with_borders(method)(y, A), classical.with_unknown_borders(method, noise=noise)(y, A)
    assert found.shape == y.shape
    assert (psnr(found.clamp(0, 1), truth) > psnr(smooth.clamp(0, 1), truth) + 2).all()


def test_beyond_keeps_the_picture_and_lowers_its_objective(x):
    """Expectation maximisation: the misfit on the pixels that are known, with the prior, falls with every round."""
    (y, A, _), noise = photographed(x), 0.01

    def objective(wide):
        x_hat = classical.wiener(wide, A, noise=noise)
        misfit = (A(x_hat)[..., : y.shape[-2], : y.shape[-1]] - y).square().sum() / noise**2
        return float(misfit + classical.gradient(x_hat).square().sum() / classical.GRADIENT_POWER)

    rounds = [classical.beyond(y, A, noise=noise, fills=n, first=1.0) for n in (0, 1, 2, 4, 8, 16)]
    assert all(torch.equal(wide[..., : y.shape[-2], : y.shape[-1]], y) for wide in rounds)
    assert torch.equal(rounds[0], classical.continue_periodically(y, 30, 30))
    values = [objective(wide) for wide in rounds]
    assert sorted(values, reverse=True) == values and values[0] > 1.2 * values[-1]


def test_a_round_beyond_is_a_wiener_estimate_blurred_again(x):
    (y, A, _), noise = photographed(x), 0.01
    wide = classical.continue_periodically(y, 30, 30)
    again = A(classical.wiener(wide, A, noise=noise))
    again[..., : y.shape[-2], : y.shape[-1]] = y
    assert torch.allclose(classical.beyond(y, A, noise=noise, fills=1, first=1.0), again, atol=1e-5)


def test_beyond_a_picture_that_is_smaller_than_two_kernels(x):
    k = motion(15, 1, seed=1, length=12).float()
    y = Measurement(Blur(k, "reflect"))(x[..., :24, :40].contiguous())
    assert classical.beyond(y, CircularBlur(k), noise=0.01, fills=2).shape[-2:] == (24 + 23, 40 + 30)


def test_periodic_continuation_has_no_step():
    y = torch.linspace(0, 1, 40).expand(1, 1, 30, 40)
    wide = classical.continue_periodically(y, 10, 10)
    assert torch.equal(wide[..., :30, :40], y) and wide.shape[-2:] == (40, 50)
    assert classical.gradient(wide).abs().max() < 0.15 < classical.gradient(y).abs().max()


@pytest.mark.parametrize("method", METHODS.values())
def test_bad_input(x, method):
    A = CircularBlur(gaussian(1.0, 5).float())
    with pytest.raises(ValueError, match="quantisation_noise"):
        method(x, A, noise=0)
    with pytest.raises(ValueError, match="noise is nan"):
        method(x, A, noise=float("nan"))
    with pytest.raises(ValueError, match="NaN"):
        method(x * float("nan"), A, noise=0.1)
    with pytest.raises(ValueError, match="scaled like pictures"):
        method(x * 255, A, noise=quantisation_noise())
    with pytest.raises(TypeError, match="with_borders"):
        method(x, Blur(gaussian(1.0, 5).float()), noise=0.1)
    with pytest.raises(ValueError, match="2 kernels for 3 pictures"):
        method(x[:1].expand(3, -1, -1, -1), CircularBlur(gaussian(1.0, 5).float().expand(2, 5, 5)), noise=0.1)
    with pytest.raises(ValueError, match="exponent"):
        classical.HyperLaplacianTable(1.5)
    with pytest.raises(ValueError, match="margin"):
        classical.continue_periodically(x, 200, 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [(lambda y, A: classical.wiener(y, A, noise=0.1, power=0), "power is 0"),
     (lambda y, A: classical.tv(y, A, noise=0.1, scale=-1), "scale is -1"),
     (lambda y, A: classical.tv(y, A, noise=0.1, iterations=0), "iterations is 0"),
     (lambda y, A: classical.hyper_laplacian(y, A, noise=0.1, scale=float("nan")), "scale is nan"),
     (lambda y, A: classical.richardson_lucy(y, A, noise=0.1, iterations=0), "iterations is 0")],
)  # fmt: skip
def test_bad_settings(x, call, words):
    with pytest.raises(ValueError, match=words):
        call(x, CircularBlur(gaussian(1.0, 5).float()))


def test_the_constants_are_the_best_of_those_tried():
    import json
    from pathlib import Path

    file = Path(__file__).parents[1] / "results" / "calibration" / "classical.json"
    rows = json.loads(file.read_text())["rows"]
    for constant in ("TV_SCALE", "HL_SCALE", "RL_STOP"):
        values = {row["value"] for row in rows if row["constant"] == constant}
        mean = {v: np.mean([r["psnr"] for r in rows if (r["constant"], r["value"]) == (constant, v)]) for v in values}
        assert len(values) >= 3 and max(mean, key=mean.get) == getattr(classical, constant)
