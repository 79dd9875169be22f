"""Benchmarks against other people's work: their denoiser plugged in, their protocol of measuring."""

from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from benchmarks import dncnn, dpir
from ilib.data import load
from ilib.degrade import add_noise
from ilib.kernels import motion
from ilib.metrics import psnr
from ilib.operators import CircularBlur
from ilib.plug_and_play import cnn_denoise


def stored(path: Path, tensors: dict[str, Tensor]) -> Path:
    np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})
    return path


def test_a_chain_of_convolutions_is_what_the_picture_is_less(tmp_path: Path) -> None:
    """Two layers, written down: the second channel is the level, borders are periodic, the last layer is not cut."""
    left, sigma = torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
    left[0, 0, 1, 0], sigma[0, 1, 1, 1] = 1, 1
    first = torch.cat((left, sigma))
    second = torch.tensor([2.0, -3.0])[None, :, None, None] * torch.nn.functional.pad(torch.ones(1, 1, 1, 1), (1,) * 4)
    D = dncnn.DnCNN(stored(tmp_path / "w.npz", {"conv0.weight": first, "conv1.weight": second,
                                                "conv1.bias": torch.tensor([0.25])}))  # fmt: skip
    x = torch.rand(2, 1, 5, 6, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(D(x, 0.5), x - (2 * x.roll(1, -1) - 1.5 + 0.25), atol=1e-6)
    with pytest.raises(ValueError, match="takes grey pictures"):
        D(x.expand(-1, 3, -1, -1), 0.5)


def test_missing_weights_are_named() -> None:
    with pytest.raises(FileNotFoundError, match="dncnn6N.* set ILIB_DATA to a folder that holds them"):
        dncnn.priors(Path("nowhere"))


def test_a_grey_picture_is_told_with_the_level_that_three_channels_would_have() -> None:
    D = dncnn.OURS_IN_COLOUR
    x = dncnn.grey(load("embedded/test", size=96, n=2).x)
    noisy = add_noise(x, 0.05, seed=0)
    thrice, told = noisy.expand(-1, 3, -1, -1), dncnn.in_colour(D)(noisy, 0.05)
    plain = D(thrice, 0.05).mean(1, keepdim=True)
    assert torch.equal(told, cnn_denoise(thrice, 3**0.5 * 0.05, dncnn.WEIGHTS).mean(1, keepdim=True))
    assert (psnr(told, x) > psnr(plain, x) + 1).all() and (psnr(plain, x) > psnr(noisy, x) + 1).all()


def test_grey_is_bt601() -> None:
    x = torch.eye(3)[:, :, None, None]
    assert torch.allclose(dncnn.grey(x).flatten(), torch.tensor([0.299, 0.587, 0.114]))
    assert torch.allclose(dncnn.grey(torch.ones(1, 3, 2, 2)), torch.ones(1, 1, 2, 2))


def test_pictures_are_seen_as_by_the_script() -> None:
    """8 bits after the blur, cut off; noise in the script's order of axes; true convolution, periodic."""
    pixels, k = load("embedded/test", size=48, n=1).pixels[0], motion(15, seed=1, length=10.0)[0]
    blur = CircularBlur(k)(pixels[None].double())[0]
    noise = 255 * (dpir.seen(pixels, k, 7.65) - dpir.seen(pixels, k, 0.0))
    soft = 255 * dpir.seen(pixels, k, 0.0)
    assert torch.allclose(soft, soft.round(), atol=1e-3)
    assert float((soft - blur).mean()) == pytest.approx(-0.5, abs=0.05) and float((soft - blur).abs().max()) < 1 + 1e-6
    drawn = np.random.RandomState(0).normal(0, 7.65, (48, 48, 3))
    assert np.allclose(noise.permute(1, 2, 0).numpy(), drawn, atol=1e-3)
    turned = scipy.ndimage.convolve(pixels[0].numpy().astype(float), k.numpy(), mode="wrap")
    assert np.allclose(turned, blur[0].numpy(), atol=1e-6)


def test_figures_are_of_eight_bits() -> None:
    pixels, k = load("embedded/test", size=48, n=1).pixels[0], motion(15, seed=1, length=10.0)[0]
    assert dpir.figure(lambda y, A, noise: pixels[None] / 255 + 0.4 / 255, pixels, k, 2.55) > 100
    assert dpir.figure(lambda y, A, noise: pixels[None] / 255 + 0.6 / 255, pixels, k, 2.55) < 50
