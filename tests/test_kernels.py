"""Kernels: sums, centres, shapes, statistics, seeds, bad input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ilib import kernels


def moments(k: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (n, 2) and variance (n, 2) of kernels (n, h, w) along rows and columns."""
    t = torch.arange(k.shape[-1], dtype=k.dtype)
    profiles = torch.stack((k.sum(-1), k.sum(-2)), 1)
    mean = profiles @ t
    return mean, profiles @ t**2 - mean**2


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0, 50**0.5])
def test_gaussian_has_its_variance_and_centre(sigma):
    k = kernels.gaussian(sigma)
    mean, variance = moments(k[None])
    assert k.shape[0] % 2 == 1 and k.argmax() == k.numel() // 2
    torch.testing.assert_close(mean, torch.full((1, 2), float(k.shape[0] // 2), dtype=k.dtype))
    assert variance[0, 0] == pytest.approx(sigma**2, rel=2e-3)


@pytest.mark.parametrize("diameter", [3.0, 5.0, 7.0, 12.5])
def test_disk_has_the_second_moment_of_a_disk(diameter):
    mean, variance = moments(kernels.disk(diameter)[None])
    assert mean[0, 0] == pytest.approx(kernels.disk(diameter).shape[0] // 2)
    assert variance[0, 0] == pytest.approx(diameter**2 / 16, rel=0.04)  # pixels of size 1 add a little


def test_disk_of_seven_pixels_is_seven_wide():
    k = kernels.disk(7.0)
    assert k.shape == (7, 7) and (k[3] > 0).all() and k[0, 0] == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**31), st.floats(0, 1), st.floats(0.05, 1))
def test_motion_is_a_centred_kernel(size, seed, anxiety, share):
    k = kernels.motion(size, 5, seed, length=share * size, anxiety=anxiety)
    assert k.shape == (5, size, size) and (k >= 0).all()
    torch.testing.assert_close(k.sum((1, 2)), torch.ones(5, dtype=k.dtype))
    if share * size <= size - 1:  # a longer straight path may lose half a pixel at its ends
        torch.testing.assert_close(moments(k)[0], torch.full((5, 2), (size - 1) / 2, dtype=k.dtype))


def test_motion_is_seeded_and_batched():
    a = kernels.motion(27, 6, seed=4)
    assert torch.equal(a, kernels.motion(27, 6, seed=4)) and not torch.equal(a, kernels.motion(27, 6, seed=5))
    assert not torch.equal(a[0], a[1])


def test_a_calm_hand_draws_long_kernels_and_an_anxious_one_short():
    drawn = [kernels.motion(27, 200, 0, length=24, anxiety=a) for a in (0, 0.01, 0.1, 1)]
    spread = [moments(k)[1].sum(1).sqrt().mean() for k in drawn]
    assert spread[0] == pytest.approx(24 / math.sqrt(12), rel=0.03)  # a straight line at constant speed
    assert spread[0] > spread[1] > spread[2] > spread[3]


def test_trajectories_have_their_length_and_constant_speed():
    length = torch.tensor([5.0, 20.0], dtype=torch.float64)
    steps = kernels.trajectories(length, 0.3, 64, seed=1).diff(dim=-1).abs()
    torch.testing.assert_close(steps, (length / 63)[:, None].expand(2, 63))


def test_bad_arguments():
    for call, words in [
        (lambda: kernels.gaussian(0), "sigma"),
        (lambda: kernels.gaussian(float("nan")), "sigma"),
        (lambda: kernels.gaussian(2.0, 0), "size is 0"),
        (lambda: kernels.disk(-1), "diameter"),
        (lambda: kernels.disk(3.0, -5), "size is -5"),
        (lambda: kernels.disk(3.0, oversample=0), "oversample is 0"),
        (lambda: kernels.delta(0), "size is 0"),
        (lambda: kernels.motion(9, length=20), "does not fit"),
        (lambda: kernels.motion(9, length=5, anxiety=2), "anxiety"),
        (lambda: kernels.motion(9, 0, length=5), "at least 1"),
        (lambda: kernels.motion(9, length=float("nan")), "positive"),
        (lambda: kernels.normalise(torch.zeros(3, 3)), "cannot be normalised"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()
