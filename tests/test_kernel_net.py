"""The network that finds the kernel: what it is shown, how it is trained, its row of Table V."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from test_table_v import short as short

from ilib.gan.batch import Batch
from ilib.gan.recipes.kernel import Kernel, KernelInside, laid
from ilib.gan.weights import load_weights
from ilib.networks import KernelNet, KernelNetInside
from ilib.networks.kernel_net import shown, windows
from ilib.operators import CircularBlur
from ilib.physics import BlurEach
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


@pytest.mark.parametrize("sides", [(64, 64), (65, 96), (97, 200)])
def test_windows_cover_a_picture_and_overlap(sides: tuple[int, int]) -> None:
    place = torch.arange(sides[0] * sides[1], dtype=torch.float64).reshape(1, 1, *sides)
    seen = windows(place, 64)
    assert set(seen.flatten().long().tolist()) == set(range(sides[0] * sides[1]))
    tops, lefts = (seen[0, :, 0, 0, 0] // sides[1]).unique(), (seen[0, :, 0, 0, 0] % sides[1]).unique()
    assert all((starts.diff() <= 32).all() for starts in (tops, lefts))
    with pytest.raises(ValueError, match="64 x 64 at once"):
        windows(place[..., :63], 64)


def test_one_window_is_the_network_itself_and_a_blank_one_says_nothing() -> None:
    torch.manual_seed(0)
    inside, whole = KernelNetInside(8), KernelNet(8)
    whole.load_state_dict(inside.state_dict())
    y = torch.rand(1, 3, 64, 64)
    assert torch.allclose(inside.kernel(y), whole.kernel(y), atol=1e-6)
    beside_nothing = torch.cat([y, y[..., -1:].mean().expand(1, 3, 64, 64)], -1)
    alone = windows(beside_nothing, 64)[:, :2]  # the third is blank
    power = [float(one.diff(dim=-1).square().sum() + one.diff(dim=-2).square().sum()) for one in alone[0]]
    by_hand = sum(p * whole.logits(one[None]) for p, one in zip(power, alone[0], strict=True)) / sum(power)
    assert torch.allclose(inside.logits(beside_nothing), by_hand, atol=1e-3)


def test_kernels_are_laid_into_the_middle() -> None:
    k = torch.zeros(1, 5, 5)
    k[0, 2, 2], k[0, 0, 4] = 0.75, 0.25
    whole = laid(k)
    assert whole.shape == (1, 28, 28) and whole[0, 14, 14] == 0.75 and whole[0, 12, 16] == 0.25
    x = torch.rand(1, 3, 40, 40)
    assert torch.allclose(CircularBlur(whole)(x), CircularBlur(k)(x), atol=1e-6), "the same blur"
    for side in (4, 29):
        with pytest.raises(ValueError, match="odd number below 28"):
            laid(torch.ones(1, side, side))


def test_what_depends_on_what_is_beyond_the_border_is_not_shown() -> None:
    net, x = KernelNetInside(8), torch.rand(2, 3, 96, 96)
    A = BlurEach(torch.rand(2, 625).softmax(1).unflatten(1, (25, 25)))
    reflected, zero = (BlurEach(A.inner.kernel, border)(x) for border in ("reflect", "zero"))
    ones = torch.zeros(2, 1, 1, 1)
    recipe, given = KernelInside(lambda: net), [Batch(x, y, A, ones, ones) for y in (reflected, zero)]
    losses = [recipe.losses("generator", {"generator": net}, batch)["cross_entropy"] for batch in given]
    assert torch.allclose(*losses, rtol=1e-4) and not torch.allclose(reflected, zero, atol=0.01)


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
