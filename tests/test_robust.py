"""Misjudged kernels and real shakes: what is told is stretched as asked, shifts are found, the frame fits the model."""

import pytest
import torch
from torch import Tensor

from ilib.classical import wiener
from ilib.data import load
from ilib.kernels import delta, gaussian, motion
from ilib.metrics import psnr, shifted
from ilib.operators import CircularBlur
from ilib.results import robust
from ilib.results.columns import blurred


def moments(k: Tensor) -> tuple[Tensor, Tensor]:
    """Centroid against the middle of the canvas, and standard deviation, along both axes.  (h, w) -> (2,) twice."""
    at = [torch.arange(n, dtype=k.dtype) - n // 2 for n in k.shape]
    means = [(k.sum(1 - i) * at[i]).sum() for i in (0, 1)]
    spreads = [((k.sum(1 - i) * (at[i] - means[i]) ** 2).sum()).sqrt() for i in (0, 1)]
    return torch.stack(means), torch.stack(spreads)


@pytest.mark.parametrize("factor", [0.8, 0.95, 1.05, 1.2])
def test_stretched_kernels_are_as_much_wider_about_the_same_centroid(factor: float) -> None:
    k = torch.stack([shifted(gaussian(2.5, 27)[None, None], 1.5, -2.0)[0, 0].clamp(min=0),
                     motion(27, seed=4, length=22.0, anxiety=0.03)[0]])  # fmt: skip
    for before, after in zip(k / k.sum((-2, -1), keepdim=True), robust.stretched(k, factor), strict=True):
        (centre, width), (moved, wider) = moments(before), moments(after)
        assert torch.allclose(moved, centre, atol=0.1)
        assert torch.allclose(wider / width, torch.full((2,), factor, dtype=k.dtype), rtol=0.03)
        assert float(after.sum()) == pytest.approx(1) and float(after.min()) >= 0


def test_a_factor_of_one_changes_nothing() -> None:
    k = motion(27, 2, seed=4, length=22.0)
    assert torch.allclose(robust.stretched(k, 1.0), k, atol=1e-12)
    assert torch.allclose(robust.stretched(delta(1), 1.0), delta(1))
    assert robust.stretched(k[0], 1.2).ndim == 2


@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_refuses_factors(factor: float) -> None:
    with pytest.raises(ValueError, match="pass a number above 0"):
        robust.stretched(delta(3), factor)


def test_misled_pairs_are_measured_with_the_true_kernel() -> None:
    told, true = (robust.misled("embedded/test", "levin", f, size=64, n=2) for f in (1.1, 1.0))
    assert torch.equal(told.y, true.y) and torch.equal(told.y, blurred("embedded/test", "levin", 64, 2).y)
    x = true.pictures.x
    gains = [float(psnr(wiener(p.y, p.A, noise=p.sigma).clamp(0, 1), x).mean()) for p in (told, true)]
    assert gains[0] < gains[1] - 0.1, "nobody gains from being misled"
    assert told.A.kernel.shape == (2, 33, 33)


# ---- real shakes


def test_offsets_are_found_to_a_hundredth_of_a_pixel() -> None:
    z = CircularBlur(gaussian(1.0, 7).float())(load("embedded/test", size=96, n=1).x)[:, :1]
    for move in ((0.0, 0.0), (-3.25, 2.0), (4.6, -6.3)):
        noisy = shifted(z, *move) + 0.005 * torch.randn(z.shape, generator=torch.Generator().manual_seed(0))
        assert robust.offset(z, noisy) == pytest.approx(move, abs=0.03)


def test_displaced_kernels_explain_displaced_pictures() -> None:
    x = load("embedded/test", size=96, n=2).x[:, :1]
    k = motion(27, 2, seed=4, length=20.0).float()
    y = torch.cat([shifted(one[None], 2.5, -1.25) for one in CircularBlur(k)(x)])
    moved = robust.CircularConvolution(robust.displaced(k, x, y))
    assert float(robust.inside(moved(x) - y).abs().max()) < 5e-3
    assert float(robust.inside(CircularBlur(k)(x) - y).abs().max()) > 0.05


def test_shaken_pictures_keep_what_the_camera_saw_inside_the_frame() -> None:
    pairs = robust.shaken("embedded/test", size=96, n=2)
    rest = (pairs.y - pairs.A(pairs.pictures.x)).flatten(1).std(1)
    assert torch.allclose(rest, torch.full((2,), pairs.sigma), rtol=0.1)
    seen = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    whole = robust.framed(seen, pairs.pictures.x, pairs.A, 0)
    assert torch.equal(robust.inside(whole), robust.inside(seen))
    assert float((whole - pairs.y).abs().flatten(2).amax()) > 0.5  # inside
    edge = (whole - pairs.y)[..., : robust.FRAME, :]
    assert torch.equal(edge, torch.zeros_like(edge))


def test_shaken_refuses_pictures_that_are_all_frame() -> None:
    with pytest.raises(ValueError, match="pass more than 40"):
        robust.shaken("embedded/test", size=40, n=1)
