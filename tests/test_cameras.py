"""GAN-D's camera: seeded, in memory, any batch, each stage as the functions of degrade have it."""

import pytest
import torch

from ilib.cameras import GanDCamera
from ilib.data import load
from ilib.degrade import jpeg, saturate
from ilib.kernels import disk
from ilib.metrics import affine_psnr, psnr
from ilib.operators import Blur, dot_test

x = load("embedded/test", size=64, n=3).x
quiet = torch.zeros(3, 1, 1, 1)


def own(camera, n):
    return torch.full((n, 1, 1, 1), camera.noise)


def test_without_noise_it_is_blur_gain_and_jpeg():
    y, A, sigma = GanDCamera().measure(x, quiet, 0)
    assert torch.equal(y, jpeg(saturate(Blur(disk(7).float(), "zero")(x)), 70)) and torch.equal(sigma, quiet)
    assert dot_test(A, x, y) < 1e-6


def test_the_seed_decides():
    camera = GanDCamera()
    first, again, other = (camera.measure(x, own(camera, 3), seed)[0] for seed in (4, 4, 5))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_any_batch_and_grey(n):
    camera = GanDCamera()
    assert camera.measure(x[:n], own(camera, n), 0)[0].shape == x[:n].shape
    assert camera.measure(x[:n, :1], own(camera, n), 0)[0].shape == x[:n, :1].shape


def test_noise_has_the_deviation_that_is_asked_for():
    flat = torch.full((2, 3, 64, 64), 0.4)
    noise = torch.tensor([0.01, 0.05]).reshape(2, 1, 1, 1)
    y, _, sigma = GanDCamera(quality=100, border="replicate").measure(flat, noise, 0)
    weights = torch.tensor([0.299, 0.587, 0.114])  # JPEG keeps the luma, and half the resolution of the colours
    luma = torch.einsum("bchw,c->bhw", y, weights)
    assert torch.allclose(luma.std((1, 2)), noise.flatten() * weights.norm(), rtol=0.1)
    assert torch.equal(sigma, noise)


def test_most_of_the_loss_is_brightness():
    camera = GanDCamera()
    y, _, _ = camera.measure(x, own(camera, 3), 0)
    assert (affine_psnr(y, x) - psnr(y, x)).mean() > 2


def test_it_can_train():
    camera = GanDCamera()
    assert camera.noise == pytest.approx(0.0005**0.5) and camera.to(torch.device("cpu")) == camera
    assert GanDCamera(quality=30) != camera


@pytest.mark.parametrize("wrong", [{"quality": 0}, {"quality": 101}, {"gain": 0.0}, {"variance": -1.0},
                                   {"diameter": 0.0}, {"border": "mirror"}])  # fmt: skip
def test_wrong_values_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GanDCamera(**wrong)


def test_wrong_input():
    camera = GanDCamera()
    with pytest.raises(ValueError, match="scale or clip"):
        camera.measure(255 * x, quiet, 0)
    with pytest.raises(ValueError, match="for each picture"):
        camera.measure(x, quiet[:1], 0)
    with pytest.raises(ValueError, match="for each picture"):
        camera.measure(x, quiet - 1, 0)
    with pytest.raises(TypeError, match="floating"):
        camera.measure((255 * x).byte(), quiet, 0)
