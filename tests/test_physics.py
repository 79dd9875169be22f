"""Physics models: adjoints, what each computes, the protocol of super-resolution, bad input."""

from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image

from ilib import kernels
from ilib.data import available, haze_triples, load, rain_streaks
from ilib.metrics import luma, luma_psnr, luma_ssim, psnr
from ilib.operators import Blur, CircularBlur, dot_test
from ilib.physics import BicubicDown, BicubicUp, Haze, Product, Rain, Scaling, bicubic_matrix, same_size

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-13}
B, C, H, W = 3, 3, 24, 36


def rand(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


def models(dtype: torch.dtype) -> dict[str, object]:
    even = same_size([kernels.gaussian(1.0, 4), kernels.disk(5.0), kernels.motion(8, 1, 2, length=6.0)[0]]).to(dtype)
    t, streaks = rand(B, 1, H, W, dtype=dtype), rand(B, 1, H, W, dtype=dtype)
    return {
        "blur": CircularBlur(even),
        "blur, reflecting": Blur(even, "reflect"),
        "haze": Haze(t, rand(B, dtype=dtype)).linear,
        "haze per channel": Haze(t, rand(B, C, dtype=dtype)).linear,
        "rain": Rain(streaks).linear,
        "down x2": BicubicDown(2),
        "down x3": BicubicDown(3),
        "down x4": BicubicDown(4),
        "up x4": BicubicUp(4),
        "down and up": Product(BicubicUp(4), BicubicDown(4)),
    }


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", models(torch.float64))
def test_adjoint(name, dtype):
    A, x = models(dtype)[name], torch.randn(B, C, H, W, dtype=dtype)
    assert dot_test(A, x, torch.randn_like(A(x))) < TOLERANCE[dtype]


@pytest.mark.parametrize("A", [Haze(rand(B, 1, H, W), rand(B, C)), Rain(rand(B, C, H, W))])
def test_dot_test_takes_the_linear_part_of_an_affine_model(A):
    x = torch.randn(B, C, H, W, dtype=torch.float64)
    assert dot_test(A, x, torch.randn_like(x)) < 1e-13


@pytest.mark.parametrize("model", [Haze(rand(B, 1, H, W), rand(B)), Haze(rand(B, 1, H, W), rand(B, C)),
                                   Rain(rand(B, 1, H, W)), BicubicDown(4), BicubicUp(2)])  # fmt: skip
def test_gradient_of_the_data_term_is_the_adjoint(model):
    x = rand(B, C, H, W).requires_grad_()
    y = torch.randn_like(model(x))
    (g,) = torch.autograd.grad(0.5 * (model(x) - y).square().sum(), x)
    torch.testing.assert_close(g, model.adjoint(model(x) - y).detach())


def test_dense_is_the_operator():
    x = rand(1, 1, 8, 12)
    haze, rain = Haze(rand(1, 1, 8, 12), 0.8), Rain(rand(1, 1, 8, 12))
    for A in (haze.linear, rain.linear, BicubicDown(4), BicubicUp(2), Product(BicubicUp(2), BicubicDown(2))):
        torch.testing.assert_close((A.dense(8, 12) @ x.flatten()).reshape(A(x).shape), A(x))
    for H_ in (haze, rain):
        torch.testing.assert_close((H_.dense(8, 12) @ x.flatten()).reshape(x.shape) + H_.offset, H_(x))


SIZES = [(3, 3), (4, 4), (5, 2), (6, 7), (1, 1)]


def test_kernels_of_every_size_blur_as_before():
    ks = [rand(*size) / rand(*size).sum() for size in SIZES]
    together, x = same_size(ks), rand(len(ks), C, 20, 21)
    assert together.shape == (len(ks), 7, 7)
    for i, (k, y) in enumerate(zip(ks, CircularBlur(together)(x), strict=True)):
        torch.testing.assert_close(y, CircularBlur(k)(x[i : i + 1])[0])
    assert same_size(ks, 11).shape == (len(ks), 11, 11)
    torch.testing.assert_close(CircularBlur(same_size(ks, 11))(x), CircularBlur(together)(x))


def test_haze_is_the_veil_and_inverts():
    t, a, x = rand(B, 1, H, W) * 0.8 + 0.2, rand(B), rand(B, C, H, W)
    model = Haze(t, a)
    torch.testing.assert_close(model(x), x * t + a[:, None, None, None] * (1 - t))
    torch.testing.assert_close(model.invert(model(x)), x)
    per_channel = Haze(t, a[:, None].expand(B, C))
    torch.testing.assert_close(per_channel(x), model(x))
    opaque = Haze(torch.zeros(1, 1, 4, 4), 0.7)
    torch.testing.assert_close(opaque(torch.rand(2, 3, 4, 4)), torch.full((2, 3, 4, 4), 0.7))
    assert opaque.invert(torch.full((1, 3, 4, 4), 0.75)).max() < 1.21  # 0.05 / 0.1 + 0.7, not infinite


def test_rain_adds_and_takes_away():
    r = rain_streaks(2, 32)
    model, x = Rain(r), torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(model(x) - x, r.expand(2, 3, 32, 32), atol=1e-6, rtol=0)
    torch.testing.assert_close(model.invert(model(x)), x, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["haze", "rain", "down", "both"])
def test_follows_the_precision_of_the_picture(name):
    model = {"haze": Haze(rand(1, 1, 8, 8), 0.5), "rain": Rain(rand(1, 1, 8, 8)), "down": BicubicDown(2),
             "both": Product(BicubicDown(2), Scaling(rand(1, 1, 8, 8)))}[name]  # fmt: skip
    x = rand(1, 3, 8, 8)
    torch.testing.assert_close(model.to(x.float())(x.float()).double(), model.to(x)(x), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("n", "scale"), list(product([12, 24, 48], [1 / 2, 1 / 3, 1 / 4, 2, 3, 4])))
def test_bicubic_matrix(n, scale):
    """Rows sum to 1, a line stays a line away from the border, and each side is its own mirror image."""
    R = bicubic_matrix(n, scale)
    assert R.shape == (round(n * scale), n)
    torch.testing.assert_close(R.sum(1), torch.ones(len(R), dtype=R.dtype))
    torch.testing.assert_close(R, R.flip(0, 1))
    line, out = torch.arange(n, dtype=R.dtype), (torch.arange(len(R), dtype=R.dtype) + 0.5) / scale - 0.5
    inner = (out > 2 / min(scale, 1)) & (out < n - 1 - 2 / min(scale, 1))
    torch.testing.assert_close((R @ line)[inner], out[inner])


@pytest.mark.parametrize("scale", [1 / 4, 1 / 2, 3])
def test_bicubic_agrees_with_pillow_inside(scale):
    """Pillow has the same filter with another border: the middles agree."""
    x = torch.rand(64, 64, generator=torch.Generator().manual_seed(0))
    size = round(64 * scale)
    theirs = Image.fromarray(x.numpy()).resize((size, size), Image.Resampling.BICUBIC)
    ours = BicubicUp(3) if scale > 1 else BicubicDown(round(1 / scale))
    gap = ours(x[None, None])[0, 0] - torch.from_numpy(np.array(theirs))
    edge = max(4, round(3 * scale))
    assert gap[edge:-edge, edge:-edge].abs().max() < 1e-5


def test_luma_is_that_of_matlab():
    x = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0]])[:, :, None, None]
    torch.testing.assert_close(luma(x).flatten() * 255, torch.tensor([235.0, 16, 81.481]))
    assert luma_psnr(x.expand(3, 3, 16, 16) * 0.9, x.expand(3, 3, 16, 16)).shape == (3,)
    border = torch.rand(1, 3, 16, 16)
    spoilt = border.clone()
    spoilt[..., :4, :] = 0
    assert torch.isinf(luma_psnr(spoilt, border)) and torch.isfinite(luma_psnr(spoilt, border, 3))
    border = torch.rand(1, 3, 24, 24)
    assert luma_ssim(border, border) == 1 > luma_ssim(border.flip(1), border)


@pytest.mark.skipif(available()["set5"] is None, reason="Set5 is not found through ILIB_DATA")
def test_bicubic_on_set5_is_the_figure_of_the_literature():
    """Physics-based GAN, Table 7: 28.42 dB for bicubic at x4; the small picture is stored in 8 bits."""
    scores = []
    for x in load("set5", how=None):
        x = x[None, :, : x.shape[-2] // 4 * 4, : x.shape[-1] // 4 * 4]
        small = (BicubicDown(4)(x).clamp(0, 1) * 255).round() / 255
        scores.append(float(luma_psnr((BicubicUp(4)(small).clamp(0, 1) * 255).round() / 255, x)))
    assert sum(scores) / len(scores) == pytest.approx(28.42, abs=0.05)


@pytest.mark.skipif(available()["haze"] is None, reason="the haze triples are not found through ILIB_DATA")
def test_haze_reproduces_the_triples():
    triples = haze_triples("test")
    again = Haze(triples.transmission, triples.airlight)(triples.clear.x)
    assert psnr(again, triples.hazy.x).min() > 50


BAD = [
    (lambda: Haze(torch.full((1, 1, 4, 4), 1.2), 0.8), ValueError, "transmission t ranges over"),
    (lambda: Haze(torch.full((1, 1, 4, 4), -0.1), 0.8), ValueError, "transmission t ranges over"),
    (lambda: Haze(torch.full((1, 1, 4, 4), float("nan")), 0.8), ValueError, "transmission t ranges over"),
    (lambda: Haze(torch.rand(1, 1, 4, 4)), ValueError, "airlight is missing"),
    (lambda: Haze(torch.rand(1, 1, 4, 4), float("nan")), ValueError, "airlight ranges over"),
    (lambda: Haze(torch.rand(1, 1, 4, 4), 204.0), ValueError, "divide 8-bit values by 255"),
    (lambda: Haze(torch.rand(2, 1, 4, 4), torch.rand(3)), ValueError, "airlight is"),
    (lambda: Haze(torch.rand(1, 1, 4, 4), torch.rand(3)), ValueError, r"one colour as \(1, 3\)"),
    (lambda: Haze(torch.rand(2, 1, 4, 4), 0.8).invert(torch.rand(3, 3, 4, 4)), ValueError, "one map per picture"),
    (lambda: Rain(torch.rand(2, 1, 4, 4)).invert(torch.rand(3, 3, 4, 4)), ValueError, "one map per picture"),
    (lambda: Haze(torch.rand(4, 4), 0.8), ValueError, "B, C, H, W"),
    (lambda: Haze(torch.rand(2, 1, 4, 4), 0.8)(torch.rand(2, 3, 5, 4)), ValueError, "one map per picture"),
    (lambda: Haze(torch.rand(1, 1, 4, 4), 0.8)(torch.rand(1, 3, 4, 4).double()), TypeError, "use H.to"),
    (lambda: Haze(torch.rand(1, 1, 4, 4), 0.8).invert(torch.rand(1, 3, 4, 4), 0), ValueError, "floor"),
    (lambda: Rain(-torch.rand(1, 1, 4, 4)), ValueError, "rain adds light"),
    (lambda: Rain(torch.rand(3, 1, 4, 4))(torch.rand(2, 3, 4, 4)), ValueError, "one map per picture"),
    (lambda: BicubicDown(4)(torch.rand(1, 3, 30, 32)), ValueError, r"crop, x\[..., :28, :32\]"),
    (lambda: BicubicUp(4).adjoint(torch.rand(1, 3, 30, 32)), ValueError, "does not divide"),
    (lambda: BicubicDown(0.5), ValueError, "whole number"),
    (lambda: BicubicDown(0), ValueError, "whole number"),
    (lambda: same_size([]), ValueError, "at least one"),
    (lambda: same_size([torch.ones(4, 4)], 4), ValueError, "odd size of 5"),
    (lambda: same_size([torch.ones(7, 7)], 5), ValueError, "odd size of 7"),
    (lambda: same_size(torch.ones(2, 2, 4, 4)), ValueError, r"list of \(h, w\)"),
    (lambda: luma(torch.rand(1, 1, 8, 8)), ValueError, "red, green and blue"),
    (lambda: luma_psnr(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)), ValueError, "shave"),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
