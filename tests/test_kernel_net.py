"""The network that finds the kernel: what it is shown, how it is trained, its row of Table V."""

from types import SimpleNamespace

import pytest
import torch

from ilib.gan.batch import Batch
from ilib.gan.recipes.kernel import Kernel
from ilib.gan.weights import load_weights
from ilib.networks import KernelNet
from ilib.networks.kernel_net import shown
from ilib.operators import CircularBlur
from ilib.priors import ours
from ilib.priors.aligned import centroid
from ilib.priors.inputs import Untold, blurred
from ilib.priors.sets import motion_kernels

WEIGHTS = "dgp_5--network_turns--celeba--smoke--s0"


def test_what_it_is_shown_of_spectrum_and_autocorrelation_does_not_move_with_the_picture() -> None:
    y = torch.rand(2, 3, 64, 64)
    here, there = shown(y), shown(y.roll((5, -7), (-2, -1)))
    assert here.shape == (2, 5, 64, 64)
    assert torch.allclose(here[:, 3:], there[:, 3:], atol=1e-3)
    assert not torch.allclose(here[:, :3], there[:, :3], atol=0.1)
    assert torch.allclose(here[:, :3].mean((1, 2, 3)), torch.zeros(2), atol=1e-5)
    near = here[:, 4]
    assert torch.allclose(near[:, 32, 32], torch.full((2,), 4.0)) and (near.flatten(1).amax(1) == near[:, 32, 32]).all()
    assert torch.allclose(near[:, 1:, 1:], near[:, 1:, 1:].flip(-2, -1), atol=1e-4), "an autocorrelation is even"


def test_white_differences_show_the_autocorrelation_of_the_kernel() -> None:
    """Behind a picture whose differences are white, what is shown is the kernel's own, but for chance."""
    noise, k = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)), motion_kernels(1, 3, (15, 15))
    turns = torch.fft.fftfreq(64).mul(torch.pi).sin().square()
    steep = 4 * (turns[:, None] + turns)  # of the differences: |1 - e^(i a)|^2 + |1 - e^(i b)|^2
    x = torch.fft.ifft2(torch.fft.fft2(noise) / (steep + 1e-6).sqrt()).real
    near = shown(CircularBlur(k)(x))[0, 4, 20:45, 20:45].flatten()
    K = torch.fft.fft2(torch.nn.functional.pad(k, (0, 36, 0, 36)))
    own = torch.fft.ifft2(K.abs().square()).real.roll((32, 32), (-2, -1))[0, 20:45, 20:45].flatten()
    assert torch.corrcoef(torch.stack([near, own]))[0, 1] > 0.7


@pytest.mark.parametrize("side", [16, 32, 64])
def test_kernels_sum_to_one(side: int) -> None:
    net = KernelNet(8, side)
    y = torch.rand(2, 3, side, side)
    k = net.kernel(y).detach()
    assert k.shape == (2, 28, 28) and torch.allclose(k.sum((1, 2)), torch.ones(2), atol=1e-5) and float(k.min()) >= 0
    assert side < 28 or net(y).shape == y.shape


def test_a_flat_picture_is_no_reason_to_break() -> None:
    assert KernelNet(8, 32).kernel(torch.full((1, 3, 32, 32), 0.5)).isfinite().all()


@pytest.mark.parametrize("side", [8, 48, 0])
def test_sides_that_it_cannot_have(side: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        KernelNet(8, side)


def test_pictures_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"takes \(3, 64, 64\)"):
        KernelNet(8).kernel(torch.rand(1, 3, 32, 32))


def test_loss_by_hand() -> None:
    net, y, k = KernelNet(8, 32), torch.rand(2, 3, 32, 32), 3 * motion_kernels(2, 1)
    batch = Batch(y, y, SimpleNamespace(kernel=k), torch.zeros(2, 1, 1, 1), torch.zeros(2, 1, 1, 1))
    (loss,) = Kernel(lambda: net).losses("generator", {"generator": net}, batch).values()
    by_hand = -(k / 3 * net.kernel(y).log()).sum((1, 2)).mean()
    assert torch.allclose(loss, by_hand, rtol=1e-4)


def test_a_few_steps_of_training_have_taught_it_something() -> None:
    """Kernels of blurred numbers that it has not seen: likelier than the mean kernel of its training set."""
    net, pairs = load_weights(WEIGHTS)[0], blurred("celeba/smoke", n=4)
    k, mean = pairs.A.kernel, motion_kernels(500, 8).mean(0)
    assert -(k * net.kernel(pairs.y).log()).sum() < -(k * (mean + 1e-6).log()).sum()


def test_its_row() -> None:
    pairs = blurred("shoes/smoke", n=2)
    x_hat, kernel = ours.network_in_turns(pairs.y, pairs.A, weights=WEIGHTS)
    assert x_hat.shape == pairs.y.shape and kernel.shape == (2, 28, 28) and centroid(kernel).abs().max() < 1
    alone = ours.network_in_turns(pairs.y[1:], pairs.A[1:], weights=WEIGHTS)[0]
    assert (alone[0] - x_hat[1]).abs().max() < 1e-3
    with pytest.raises(ValueError, match="takes"):
        ours.network_in_turns(pairs.y[..., :32, :32], Untold(pairs.A.kernel, "svhn/smoke"), weights=WEIGHTS)
    with pytest.raises(FileNotFoundError, match="no weights dgp_5--nothing"):
        ours.network_in_turns(pairs.y, pairs.A, weights="dgp_5--nothing--celeba--smoke--s0")
