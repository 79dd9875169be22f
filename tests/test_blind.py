"""Blind deblurring: each step against brute force or its definition, recovery of known kernels, real pictures."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage
import torch

from ilib import blind, dehaze, kernels
from ilib.classical import gradient, gradient_adjoint
from ilib.data import available, dead_leaves, levin09
from ilib.metrics import psnr, shift_error, shifted
from ilib.operators import Blur, CircularBlur

ROOT = Path(__file__).resolve().parents[1]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("level", [0.01, 0.3, 1.0])
def test_hard_threshold_is_the_least_of_all_candidates(level):
    v = normal(500)
    u = torch.cat((torch.linspace(-4, 4, 4001, dtype=v.dtype), v))  # the grid, and v itself
    cost = (u[:, None] - v).square() + level * (u[:, None] != 0)
    found = blind.hard_threshold(v, level)
    assert ((found - v).square() + level * (found != 0) <= cost.amin(0) + 1e-12).all()


def test_group_threshold_counts_a_pixel_once():
    d, level = normal(2, 2, 3, 4, 5), 4.0
    g = blind.group_threshold(d, level)
    keep = torch.rand(64, 2, 4, 5, generator=torch.Generator().manual_seed(1)) < 0.5
    keep = torch.cat((keep, torch.zeros(1, 2, 4, 5).bool(), torch.ones(1, 2, 4, 5).bool()))
    energy = d.square().sum((0, 2))
    cost = (g - d).square().sum() + level * g.abs().sum((0, 2)).gt(0).sum()
    for k in keep:  # whichever pixels are kept, the cost is not lower
        assert (energy * ~k + level * k).sum() >= cost - 1e-9


@pytest.mark.parametrize("patch", [1, 3, 7])
def test_dark_channel_is_the_minimum_filter(patch):
    x = torch.rand(2, 3, 11, 14, generator=torch.Generator().manual_seed(0))
    dark, where = blind.dark_channel(x, patch)
    expected = scipy.ndimage.minimum_filter(x.amin(1).numpy(), (1, patch, patch), mode="constant", cval=np.inf)
    np.testing.assert_array_equal(dark[:, 0].numpy(), expected)
    picked = x.amin(1).flatten(1).gather(1, where.flatten(1)).reshape(dark.shape)
    torch.testing.assert_close(picked, dark)  # and it says which pixel it was
    row, column = where // 14, where % 14
    assert ((row - torch.arange(11)[:, None]).abs() <= patch // 2).all()
    assert ((column - torch.arange(14)).abs() <= patch // 2).all()


def test_dark_threshold_moves_only_what_the_dark_channel_picks():
    x = torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    level = 0.04
    u = blind.dark_threshold(x, level, 3)
    dark, where = blind.dark_channel(x, 3)
    picked = torch.zeros(144, dtype=torch.bool)
    picked[where[dark.square() < level]] = True
    assert 0 < picked.sum() < 144
    torch.testing.assert_close(u.flatten(), torch.where(picked, 0, x.flatten()))


def convolution_matrix(x: torch.Tensor, n: int) -> torch.Tensor:
    """The matrix whose product with a flattened n x n kernel is x * k with zeros beyond the border.  -> (H W, n n)."""
    columns = []
    for i, j in itertools.product(range(n), range(n)):
        unit = torch.zeros(n, n, dtype=x.dtype)
        unit[i, j] = 1
        columns.append(Blur(unit, "zero")(x).flatten())
    return torch.stack(columns, 1)


def test_kernel_step_is_least_squares_on_the_support():
    n, gamma, x = 5, 0.3, normal(1, 1, 24, 26)
    y = CircularBlur(kernels.gaussian(1.0, n))(x)
    found = blind.estimate_kernel(x, y, n, gamma)[0]
    Dx, Dy = blind._inner_gradient(x, n // 2), blind._inner_gradient(y, 0)
    M = torch.cat([convolution_matrix(d, n) for d in Dx])
    normal_matrix = M.T @ M + gamma * torch.eye(n * n, dtype=x.dtype)
    expected = torch.linalg.solve(normal_matrix, M.T @ Dy.flatten())
    torch.testing.assert_close(found.flatten(), expected, atol=1e-8, rtol=1e-6)


def test_kernel_step_finds_the_kernel_of_a_sharp_picture():
    x = dead_leaves(2, 128).mean(1, keepdim=True)
    k = kernels.motion(15, 2, 0, length=12.0, anxiety=0.05).float()
    y = CircularBlur(k)(x)
    assert (blind.clean_kernel(blind.estimate_kernel(x, y, 15, 0.1)) - k).abs().sum((1, 2)).max() < 0.25


def test_picture_step_is_the_stationary_point_of_its_quadratic():
    """After the last step, h*(h x - y) + beta (x - u) + rho D'(D x - g) = 0 for the g that it started from."""
    y, u = torch.rand(2, 1, 1, 16, 18, dtype=torch.float64)
    k, beta, mu = kernels.gaussian(0.8, 5)[None], 0.7, 0.01
    sketch = blind.Sketch(y, k, blind.Settings(growth=1e9), 1)  # one step only
    x, rho, A = sketch._differences(y, mu, u, beta), 2 * mu, CircularBlur(k)
    g = blind.group_threshold(gradient(y), mu / rho)
    slope = A.adjoint(A(x) - y) + beta * (x - u) + rho * gradient_adjoint(gradient(x) - g)
    torch.testing.assert_close(slope, torch.zeros_like(x), atol=1e-10, rtol=0)


def test_sketch_keeps_few_differences():
    x = dead_leaves(1, 96).mean(1, keepdim=True).double()
    k = kernels.gaussian(1.0)[None]
    sketch = blind.Sketch(CircularBlur(k)(x), k, blind.L0_GRADIENT, 1)(4e-3, 0.0)
    share = lambda z: float((gradient(z).square().sum(0) > 1e-4).double().mean())  # noqa: E731
    assert share(sketch) < 0.5 * share(x)
    assert psnr(CircularBlur(k)(sketch), CircularBlur(k)(x)) > 25


def test_clean_kernel():
    k = torch.zeros(1, 9, 9)
    k[0, 2:5, 2] = 1.0
    k[0, 8, 8] = 0.2  # an island with 6 % of the sum
    k[0, 2, 8] = 0.04  # under the threshold
    k[0, 7, 3] = -0.5
    clean = blind.clean_kernel(k)
    assert clean[0, 3:6, 4].tolist() == pytest.approx([1 / 3] * 3)  # centred
    assert float(clean.sum()) == pytest.approx(1) and (clean > 0).sum() == 3
    nothing = blind.clean_kernel(-torch.ones(1, 5, 5))
    assert nothing[0, 2, 2] == 1 and nothing.sum() == 1


@pytest.mark.parametrize("size", [3, 5, 9, 15, 27, 31, 41])
def test_scales_grow_to_the_size(size):
    sizes = blind.kernel_sizes(size)
    assert sizes[-1] == size and sizes[0] <= 7 and all(n % 2 for n in sizes)
    assert all(1 < b / a <= 1.7 for a, b in itertools.pairwise(sizes))


def test_shift_error_sees_through_a_shift():
    x = CircularBlur(kernels.gaussian(2.0))(normal(2, 1, 64, 64))
    moved = shifted(x, 3.25, -5.5)
    assert shift_error(moved, x).max() < 1e-12 < (moved - x).square().mean()
    plain = (moved - x)[..., 20:-20, 20:-20].square().mean((1, 2, 3))
    torch.testing.assert_close(shift_error(moved, x, reach=0, parts=1), plain)
    torch.testing.assert_close(shifted(x, 2, -3), x.roll((2, -3), (-2, -1)))
    with pytest.raises(ValueError, match="reach"):
        shift_error(x, x, reach=21)


@pytest.fixture(scope="module")
def leaves() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Dead leaves with shaken cameras: x, kernels, y with a little noise; the border is not periodic."""
    x = dead_leaves(2, 174, seed=3)
    k = kernels.motion(15, 2, 5, length=torch.tensor([9.0, 12.0]), anxiety=0.02).float()
    y = Blur(k, "valid")(x)
    y = y + 0.003 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    return x[..., 7:-7, 7:-7], k, y


def test_l0_gradient_finds_drawn_kernels(leaves):
    x, k, y = leaves
    found = blind.l0_gradient(y, 15)
    assert found.x.shape == y.shape and found.kernel.shape == k.shape
    assert (shift_error(found.x, x) < 0.5 * shift_error(y, x)).all()


def test_l0_gradient_of_a_batch_is_a_loop_over_pictures(leaves):
    y = leaves[2][..., :96, :96].double()  # in float32 the rounding of a batch decides what a threshold leaves
    one, both = blind.l0_gradient(y[:1], 15), blind.l0_gradient(y, 15)
    torch.testing.assert_close(one.kernel, both.kernel[:1], atol=1e-6, rtol=0)
    torch.testing.assert_close(one.x, both.x[:1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", [blind.L0_TEXT, blind.DARK_CHANNEL])
def test_the_other_priors_find_it_too(leaves, method):
    x, _, y = leaves
    found = blind.blind_deblur(y[:1, :, :128, :128], 9, method)
    assert (found.kernel >= 0).all() and float(found.kernel.sum()) == pytest.approx(1, abs=1e-5)
    assert shift_error(found.x, x[:1, :, :128, :128]) < shift_error(y[:1, :, :128, :128], x[:1, :, :128, :128])


def test_the_last_step_takes_the_noise_of_each_picture_from_it(leaves):
    x, _, y = leaves
    noisy = y[1:] + 0.05 * torch.randn(y[1:].shape, generator=torch.Generator().manual_seed(2))
    both, how = torch.cat((y[:1], noisy)), {"prior": "l0_gradient", "size": 9}
    found, kernel = blind.told_nothing(both, None, **how)
    assumed, same_kernel = blind.without_kernel(both, None, **how)
    torch.testing.assert_close(kernel, same_kernel, atol=0, rtol=0)
    torch.testing.assert_close(found[0], assumed[0], atol=1e-4, rtol=0)  # less noise than what is always assumed
    assert (shift_error(found, x) < torch.tensor([1.01, 0.5]) * shift_error(assumed, x)).all()


def test_the_last_step_alone_takes_noise_away_and_leaves_the_blur(leaves):
    y = leaves[2][:1]
    noisy = (y + 0.05 * normal(*y.shape).float()).clamp(0, 1)
    assert float(psnr(blind.denoised(noisy, None), y)) > float(psnr(noisy, y)) + 3
    assert float(psnr(blind.denoised(y, None), y)) > 30


WINDOWS = [((160, 200), 27, 13), ((64, 64), 27, 5), ((24, 24), 27, 3), ((640, 480), 27, 27)]


@pytest.mark.parametrize(("sides", "size", "found"), WINDOWS)
def test_the_window_is_a_part_of_the_picture(sides, size, found):
    assert blind.window(torch.zeros(1, 1, *sides), size) == found


def test_a_small_picture_is_believed_less():
    x = dead_leaves(2, 64, seed=3)
    y = CircularBlur(kernels.motion(9, 2, 5, length=6.0, anxiety=0.02).float())(x)
    y = y + 0.005 * normal(*y.shape).float()
    how = {"prior": "l0_gradient", "size": 27}
    careful, kernel = blind.cautious(y, None, **how)
    assert kernel.shape == (2, 5, 5)
    before, after = shift_error(blind.told_nothing(y, None, **how)[0], x), shift_error(careful, x)
    assert (after < before).all() and after.mean() < 0.1 * before.mean()


def test_what_is_believed_is_the_best_of_what_was_tried():
    tried = json.loads((ROOT / "results" / "calibration" / "doubt.json").read_text())
    rows = pd.DataFrame([row | dict(zip(tried["doubts"], row["gains"], strict=True)) for row in tried["rows"]])
    means = rows.groupby("share")[tried["doubts"]].mean().stack()
    assert means.idxmax() == (blind.SHARE, blind.DOUBT)


def test_watch_sees_every_scale(leaves):
    seen = []
    blind.find_kernel(leaves[2][:1], 9, blind.L0_GRADIENT, lambda s, x, k: seen.append((s, x.shape[-1], k.shape[-1])))
    assert [s for s, _, _ in seen] == list(range(len(blind.kernel_sizes(9))))
    assert seen[-1][1:] == (160, 9) and seen[0][1] < 160


def test_the_constants_in_use_are_the_best_of_those_tried():
    calibration = json.loads((ROOT / "results" / "calibration" / "blind.json").read_text())
    rows = pd.DataFrame(calibration["rows"])
    rows["loss"] = rows["ratio"].fillna(-rows["psnr"])
    tried = {
        "L0 gradient": blind.L0_GRADIENT,
        "L0 intensity and gradient": blind.L0_TEXT,
        "L0 intensity and gradient, photographs": blind.L0_INTENSITY,
        "L0 dark channel": blind.DARK_CHANNEL,
    }
    assert set(rows["method"]) == set(tried)
    for (name, constant), group in rows.groupby(["method", "constant"]):
        assert group.loc[group["loss"].idxmin(), "value"] == getattr(tried[name], constant), (name, constant)
    assert max(calibration["haze"], key=lambda row: row["psnr"])["omega"] == dehaze.OMEGA


@pytest.mark.skipif(available()["levin09"] is None, reason="levin09 is not found through ILIB_DATA")
def test_a_real_shaken_picture():
    """The error ratio of Levin et al. (2009): under 3 counts as a success."""
    data = levin09()
    y, x, k = data.blurred[0, :1], data.sharp[:1], data.kernels[:1].float()
    found = blind.l0_gradient(y, 27)
    known = blind.deconvolved(y, k, blind.L0_GRADIENT.noise)
    assert float(shift_error(found.x, x) / shift_error(known, x)) < 2


BAD = [
    (lambda y: blind.l0_gradient(y, 8), "odd number of pixels from 3 to 32"),
    (lambda y: blind.l0_gradient(y, 1), "odd number of pixels from 3 to 32"),
    (lambda y: blind.find_kernel(y, 33, blind.Settings()), "odd number of pixels from 3 to 32"),
    (lambda y: blind.l0_gradient(y[0], 9), "B, C, H, W"),
    (lambda y: blind.l0_gradient(y * 255, 9), "scaled like pictures"),
    (lambda y: blind.l0_gradient(y * float("nan"), 9), "NaN"),
    (lambda y: blind.find_kernel(y * float("nan"), 9, blind.Settings()), "NaN"),
    (lambda y: blind.dark_channel(y, 4), "odd number"),
    (lambda y: blind.told_nothing(y, None, prior="l2", size=9), "choose one of l0_gradient"),
    (lambda y: blind.cautious(y, None, prior="l2", size=9), "choose one of l0_gradient"),
    (lambda y: blind.Settings(second="colour"), "none, intensity or dark"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call(torch.rand(1, 1, 64, 64))
