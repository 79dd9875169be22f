"""The network that finds the kernel: what it is shown, how it is trained, its row of Table V."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from test_table_v import short as short

from ilib.gan.batch import Batch
from ilib.gan.recipes.kernel import Kernel
from ilib.gan.weights import load_weights
from ilib.networks import KernelNet
from ilib.networks.kernel_net import shown
from ilib.operators import CircularBlur
from ilib.priors import ours
from ilib.priors.aligned import centroid, kernel_correlation
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


def test_mirrored_pictures_have_mirrored_kernels() -> None:
    """What is read off is equivariant under the mirrors over which it is a mean, which the network alone is not."""
    y, net = blurred("celeba/smoke", n=2).y, load_weights(WEIGHTS)[0]
    k = ours.read_off(y, WEIGHTS)
    assert k.shape == (2, 28, 28) and torch.allclose(k.sum((1, 2)), torch.ones(2), atol=1e-5)
    for axes in ((-1,), (-2,), (-2, -1)):
        assert torch.allclose(ours.read_off(y.flip(axes), WEIGHTS), k.flip(axes), atol=1e-5)
        assert not torch.allclose(net.kernel(y.flip(axes)), net.kernel(y).flip(axes), atol=1e-5)


def test_an_eased_kernel_has_less_noise() -> None:
    """Where the noise is like that of least squares; moved by whole pixels it is eased alike."""
    k = motion_kernels(8, 5)
    noise = torch.rand(k.shape, generator=torch.Generator().manual_seed(0))
    noisy = k + 0.02 * noise * (noise > 0.8)
    noisy = noisy / noisy.sum((1, 2), keepdim=True)
    eased = ours.eased(noisy, "cpu")
    assert torch.allclose(eased.sum((1, 2)), torch.ones(8), atol=1e-5) and float(eased.min()) >= 0
    assert kernel_correlation(eased, k).mean() > kernel_correlation(noisy, k).mean() + 0.02
    small = torch.nn.functional.pad(k[:, 7:21, 7:21], (7, 7, 7, 7))
    small = small / small.sum((1, 2), keepdim=True)
    shifted = ours.eased(small.roll((2, -3), (1, 2)), "cpu")
    assert (shifted - ours.eased(small, "cpu").roll((2, -3), (1, 2))).abs().max() < 1e-3


def test_joined_kernels() -> None:
    """Two kernels that are wrong in their own ways are nearer to the true one together."""
    pairs = blurred("svhn/smoke", n=4)
    k, y = pairs.A.kernel, pairs.y
    restore = ours._told(ours.task_of(pairs.A))
    others = motion_kernels(8, 9)
    first, second = (0.5 * (k + other) for other in (others[:4], others[4:]))
    alone, both = (ours.joined(y, first, seen, restore, "smoke", ours.Joined(0.5)) for seen in (first, second))
    assert both[0].shape == y.shape and torch.allclose(both[1].sum((1, 2)), torch.ones(4), atol=1e-5)
    assert kernel_correlation(both[1], k).mean() > kernel_correlation(alone[1], k).mean()


def test_its_row_of_house_numbers(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "MOTIONS", 60), monkeypatch.setattr(ours, "FEWER", 10)
    pairs, weights = blurred("svhn/smoke", n=2), "dgp_5--likely_network_turns--svhn--smoke--s0"
    x_hat, kernel = ours.evident_joined(pairs.y, pairs.A, weights=weights)
    assert x_hat.shape == pairs.y.shape and centroid(kernel).abs().max() < 1
    with pytest.raises(ValueError, match="takes"):
        ours.evident_joined(pairs.y, pairs.A, weights=WEIGHTS)
    faces = blurred("celeba/smoke", n=1)
    with pytest.raises(ValueError, match="no encoder"):
        ours.evident_joined(faces.y, faces.A, weights=WEIGHTS)
