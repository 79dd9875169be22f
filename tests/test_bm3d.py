"""BM3D deblurring: with the package where it is installed, with a stand-in for it, and what is said without it."""

import importlib.util
import sys
import types

import numpy as np
import pytest
import torch
from torch import Tensor

from ilib import classical
from ilib.bm3d import bm3d_deblurring, odd
from ilib.data import embedded
from ilib.degrade import Measurement, quantisation_noise
from ilib.kernels import gaussian, motion
from ilib.metrics import psnr
from ilib.operators import CircularBlur

A = CircularBlur(motion(15, 2, seed=1, length=12).float())


@pytest.fixture(scope="module")
def x() -> Tensor:
    return embedded(96, n=2, split="test").x


def stand_in(calls: list[tuple]) -> types.ModuleType:
    """A package that inverts without noise in mind and keeps what it was called with."""

    def invert(z: np.ndarray, sigma: float, psf: np.ndarray, profile: object) -> np.ndarray:
        calls.append((z.shape, sigma, psf.shape, profile.num_threads))
        full = np.zeros(z.shape[:2])
        full[: psf.shape[0], : psf.shape[1]] = psf
        full = np.roll(full, [-(n - 1) // 2 for n in psf.shape], (0, 1))
        return np.fft.ifft2(np.fft.fft2(z[..., 0]) / (np.fft.fft2(full) + 1e-6)).real

    made = types.ModuleType("bm3d")
    made.bm3d_deblurring, made.BM3DProfile = invert, lambda: types.SimpleNamespace(num_threads=0)
    return made


def test_what_the_package_is_given(monkeypatch: pytest.MonkeyPatch, x: Tensor) -> None:
    """One channel (M, N, 1), one number, a kernel of odd sides with its centre in the middle; each picture its own."""
    calls: list[tuple] = []
    monkeypatch.setitem(sys.modules, "bm3d", stand_in(calls))
    mild = CircularBlur(gaussian(0.6, 5).float().expand(2, 5, 5))
    found = bm3d_deblurring(mild(x), mild, noise=0.01)
    assert found.shape == x.shape and (found - x).abs().max() < 1e-3
    assert calls == [((96, 96, 1), 0.01, (5, 5), 1)] * 6


@pytest.mark.parametrize("size", [(4, 6), (5, 6), (5, 5)])
def test_even_kernels_keep_their_centre(size: tuple[int, int]) -> None:
    k = torch.rand(size)
    wide = odd(k / k.sum())
    x = torch.rand(1, 1, 12, 13)
    assert all(n % 2 for n in wide.shape)
    torch.testing.assert_close(CircularBlur(wide)(x), CircularBlur(k / k.sum())(x))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, x: Tensor) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    with pytest.raises(ImportError, match=r'non-commercial; install it with pip install "ilib\[bm3d\]"'):
        bm3d_deblurring(x, A, noise=0.01)


def test_bad_input(x: Tensor) -> None:
    with pytest.raises(ValueError, match="quantisation_noise"):
        bm3d_deblurring(x, A, noise=0)
    with pytest.raises(ValueError, match="scaled like pictures"):
        bm3d_deblurring(x * 255, A, noise=quantisation_noise())


@pytest.mark.skipif(importlib.util.find_spec("bm3d") is None, reason="the package bm3d is not installed")
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_bm3d_deblurs(x: Tensor, noise: float) -> None:
    m = Measurement(A, noise)
    y = m(x)
    found = bm3d_deblurring(y, A, noise=m.sigma)
    assert (psnr(found, x) > psnr(y, x) + 2).all()
    if noise:
        assert (psnr(found, x) > psnr(classical.wiener(y, A, noise=m.sigma), x)).all()
    assert torch.equal(found, bm3d_deblurring(y, A, noise=m.sigma)), "in one thread the same twice"
