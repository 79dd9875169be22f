"""Degradations and metrics: known values, seeds, agreement with scikit-image, bad input."""

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio

from ilib import degrade, metrics
from ilib.kernels import gaussian
from ilib.operators import CircularBlur


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.from_numpy(astronaut()[:96, 150:270].copy()).permute(2, 0, 1)[None].float() / 255


def test_noise_has_its_deviation_seed_and_device_independence(x):
    y = degrade.add_noise(x, 0.1, seed=1)
    assert (y - x).std() == pytest.approx(0.1, rel=0.02)
    assert torch.equal(y, degrade.add_noise(x, 0.1, seed=1)) and not torch.equal(y, degrade.add_noise(x, 0.1, seed=2))
    assert torch.equal(degrade.add_noise(x, 0), x)


def test_quantise_is_eight_bits_and_its_noise_is_uniform(x):
    z = CircularBlur(gaussian(1.0).float())(x)
    y = degrade.quantise(z)
    torch.testing.assert_close(y * 255, (y * 255).round(), atol=1e-4, rtol=0)
    assert (y - z.clamp(0, 1)).std() == pytest.approx(degrade.quantisation_noise(8), rel=0.02)
    assert len(degrade.quantise(x, 1).unique()) == 2


def test_saturation_and_jpeg(x):
    assert degrade.saturate(x).max() == 1 and degrade.saturate(x)[x < 0.7].max() <= 1.3 * 0.7
    quality = [float(metrics.psnr(degrade.jpeg(x, q), x)) for q in (10, 70, 95)]
    assert quality[0] < quality[1] < quality[2] and quality[1] > 28
    assert degrade.jpeg(x[:, :1]).shape == x[:, :1].shape


def test_measurement_is_the_forward_model(x):
    A = CircularBlur(gaussian(2.0).float())
    exact = degrade.Measurement(A, bits=None)(x)
    assert torch.equal(exact, A(x))
    m = degrade.Measurement(A, noise=0.05, seed=3)
    assert torch.equal(m(x), degrade.quantise(degrade.add_noise(A(x), 0.05, 3)))
    assert m.sigma == pytest.approx(np.hypot(0.05, 1 / 255 / np.sqrt(12)))


def test_psnr_agrees_with_scikit_image(x):
    y = degrade.add_noise(x, 0.05).clamp(0, 1)
    reference = peak_signal_noise_ratio(x.double().numpy(), y.double().numpy(), data_range=1)
    assert float(metrics.psnr(y, x)) == pytest.approx(reference, abs=1e-5)


def test_ssim_is_its_formula(x):
    """Wang et al., 2004, eq. 13, with the constants 0.01 and 0.03, by convolutions without a border."""
    y = degrade.add_noise(x, 0.05).clamp(0, 1)
    a, b = (t.double().transpose(0, 1) for t in (x, y))
    window = gaussian(1.5, 11)[None, None]
    mean = lambda t: torch.nn.functional.conv2d(t, window)  # noqa: E731
    m, n = mean(a), mean(b)
    variance, other, covariance = mean(a * a) - m * m, mean(b * b) - n * n, mean(a * b) - m * n
    similarity = (2 * m * n + 1e-4) * (2 * covariance + 9e-4) / ((m * m + n * n + 1e-4) * (variance + other + 9e-4))
    assert float(metrics.ssim(y, x)) == pytest.approx(float(similarity.mean()), abs=1e-9)
    assert metrics.ssim(x, x) == pytest.approx(1)


def test_metrics_are_per_picture(x):
    batch = torch.cat((x, x.flip(-1), 1 - x))
    y = degrade.add_noise(batch, 0.1)
    for metric in (metrics.psnr, metrics.ssim, metrics.shift_psnr, metrics.affine_psnr):
        together = metric(y, batch)
        assert together.shape == (3,)
        alone = torch.cat([metric(y[i : i + 1], batch[i : i + 1]) for i in range(3)])
        torch.testing.assert_close(together, alone)


def test_shift_and_affine_psnr_forgive_just_that(x):
    shifted = degrade.add_noise(x.roll((2, -1), (-2, -1)), 0.01)
    assert metrics.shift_psnr(shifted, x, 3) == pytest.approx(40, abs=0.2) and metrics.psnr(shifted, x) < 30
    faded = degrade.add_noise(0.5 * x + 0.2, 0.005)
    assert metrics.affine_psnr(faded, x) == pytest.approx(40, abs=0.3) and metrics.psnr(faded, x) < 25
    assert torch.isfinite(metrics.affine_psnr(torch.full_like(x, 0.5), x))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: degrade.Measurement(lambda z: z)(x * 255), ValueError, "pictures lie in"),
        (lambda x: degrade.Measurement(lambda z: z)(x * float("nan")), ValueError, "NaN"),
        (lambda x: degrade.Measurement(lambda z: z)(x[0]), ValueError, "B, C, H, W"),
        (lambda x: degrade.Measurement(lambda z: z)((x * 255).byte()), TypeError, "floating"),
        (lambda x: degrade.Measurement(lambda z: z, noise=-1)(x), ValueError, "noise is -1"),
        (lambda x: degrade.quantise(x, 0), ValueError, "bits"),
        (lambda x: degrade.quantise(x * float("nan")), ValueError, "NaN"),
        (lambda x: degrade.add_noise(x / 0, 0.1), ValueError, "NaN or infinity"),
        (lambda x: degrade.jpeg(x, 0), ValueError, "quality"),
        (lambda x: degrade.jpeg(torch.rand(1, 2, 8, 8)), ValueError, "channels"),
        (lambda x: metrics.psnr(x, x[..., 1:]), ValueError, "one size"),
        (lambda x: metrics.psnr(x * float("inf"), x), ValueError, "NaN or infinity in picture"),
        (lambda x: metrics.ssim(x[..., :8], x[..., :8]), ValueError, "11 pixels"),
        (lambda x: metrics.shift_psnr(x, x, 60), ValueError, "shift"),
    ],
)
def test_bad_input(x, call, error, words):
    with pytest.raises(error, match=words):
        call(x)
