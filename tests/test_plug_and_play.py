"""Plug and play: the steps by hand, EPLL as a case of it, the proxes against their definition, what is refused."""

import json
import math
import os
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ilib import plug_and_play as pnp
from ilib.classical import gradient, hyper_laplacian, wiener
from ilib.data import load
from ilib.degrade import Measurement
from ilib.epll import betas, epll
from ilib.gan.registry import read_registry, weights_folder
from ilib.kernels import delta, motion
from ilib.metrics import psnr
from ilib.operators import CircularBlur
from ilib.patch_prior import overlap_average, patches
from ilib.plug_and_play import dct_denoise, dct_matrix, falling, plug_and_play, soften, tv_denoise

ROOT = Path(__file__).resolve().parents[1]
CALIBRATION = json.loads((ROOT / "results" / "calibration" / "pnp.json").read_text())


@pytest.fixture(scope="module")
def blurred() -> tuple[Tensor, Measurement]:
    x = load("embedded/test", size=40, n=2).x
    return x, Measurement(CircularBlur(motion(15, seed=1, length=12.0)[0].float()), 0.02)


def smoke_denoiser() -> str:
    return next(name for name in read_registry(weights_folder()) if name.startswith("grand--pnp--levin--smoke"))


def test_steps_by_hand(blurred: tuple[Tensor, Measurement]) -> None:
    x, m = blurred
    y, A, s = m(x), m.operator, [0.1, 0.03]
    found = plug_and_play(y, A, tv_denoise, s, noise=m.sigma, weight=2.0)
    by_hand = wiener(y, A, noise=m.sigma)
    for level in s:
        by_hand = A.prox(tv_denoise(by_hand, level), y, 2.0 * (m.sigma / level) ** 2)
    assert torch.equal(found, by_hand)


def test_no_level_is_the_wiener_filter(blurred: tuple[Tensor, Measurement]) -> None:
    x, m = blurred
    assert torch.equal(plug_and_play(m(x), m.operator, tv_denoise, [], noise=m.sigma),
                       wiener(m(x), m.operator, noise=m.sigma))  # fmt: skip


def test_epll_is_a_case_of_it(blurred: tuple[Tensor, Measurement]) -> None:
    x, m = blurred
    s = [beta**-0.5 for beta in betas(m.sigma)]
    found = plug_and_play(m(x), m.operator, pnp.gmm_denoise, s, noise=m.sigma)
    assert torch.allclose(found, epll(m(x), m.operator, noise=m.sigma), atol=1e-4)


def test_levels_fall_to_the_noise_in_equal_ratios() -> None:
    s = falling(0.01, 0.2, 5)
    assert (s[0], s[-1]) == (0.2, pytest.approx(0.01))
    assert np.allclose(np.diff(np.log(s)), math.log(0.05) / 4)
    assert falling(0.5) == [0.2] * 8


def test_dct_is_orthonormal_and_begins_with_the_mean() -> None:
    C = dct_matrix()
    assert torch.allclose(C @ C.T, torch.eye(8, dtype=C.dtype), atol=1e-12)
    assert torch.allclose(C[0], torch.full((8,), 8**-0.5, dtype=C.dtype))
    ramp = C @ torch.arange(8, dtype=C.dtype)
    assert torch.allclose(ramp[2::2], torch.zeros(3, dtype=C.dtype), atol=1e-12)


def test_soft_threshold_is_the_prox_of_the_absolute_value() -> None:
    c = torch.linspace(-2, 2, 41, dtype=torch.float64)
    z = torch.linspace(-3, 3, 60001, dtype=torch.float64)
    cost = (z[:, None] - c) ** 2 / 2 + 0.7 * z.abs()[:, None]
    assert torch.allclose(soften(c, 0.7), z[cost.argmin(0)], atol=1e-4)


def test_dct_denoise_is_thresholding_of_every_tiling() -> None:
    """The mean over the 64 shifts of one tiling's prox."""
    x, s = load("embedded/test", size=16, n=1).x, 0.05
    C = dct_matrix().float()
    total = torch.zeros_like(x)
    for i in range(8):
        for j in range(8):
            tiles = x.roll((-i, -j), (-2, -1)).unfold(-2, 8, 8).unfold(-2, 8, 8)
            c = C @ tiles @ C.T
            kept = soften(c, pnp.DCT_THRESHOLD * s)
            kept[..., 0, 0] = c[..., 0, 0]
            back = (C.T @ kept @ C).permute(0, 1, 2, 4, 3, 5).reshape(x.shape)
            total += back.roll((i, j), (-2, -1))
    assert torch.allclose(dct_denoise(x, s), total / 64, atol=1e-5)
    assert torch.allclose(overlap_average(patches(x), 16, 16), x, atol=1e-6)


def test_tv_denoise_is_the_prox_of_tv() -> None:
    """No neighbour of the result costs less."""
    x, s = load("embedded/test", size=16, n=1).x.double(), 0.1

    def cost(z: Tensor) -> float:
        tv = gradient(z).norm(dim=0).sum()
        return float((z - x).square().sum() / (2 * s**2) + tv / pnp.TV_STRENGTH)

    z = tv_denoise(x, s)
    generator = torch.Generator().manual_seed(0)
    moves = [0.02 * torch.randn(x.shape, generator=generator, dtype=x.dtype) for _ in range(5)]
    assert cost(z) < min(cost(x), *(cost(z + move) for move in moves), cost(z.mean().expand_as(z)))


def test_cnn_denoise_takes_noise_away() -> None:
    x = load("embedded/test", size=64, n=2).x
    noisy = x + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    z = pnp.cnn_denoise(noisy, 0.05, smoke_denoiser())
    assert (psnr(z, x) > psnr(noisy, x) + 2).all()


@pytest.mark.parametrize("method", ["tv_steps", "gmm_steps"])
def test_methods_beat_the_wiener_filter(blurred: tuple[Tensor, Measurement], method: str) -> None:
    x, m = blurred
    found = getattr(pnp, method)(m(x), m.operator, noise=m.sigma)
    assert psnr(found.clamp(0, 1), x).mean() > psnr(wiener(m(x), m.operator, noise=m.sigma).clamp(0, 1), x).mean()


@pytest.mark.parametrize(("noise", "s"), [(0.0, [0.1]), (0.01, [0.1, 0.0]), (0.01, [-0.1])])
def test_levels_and_noise_of_0_are_refused(noise: float, s: list[float]) -> None:
    with pytest.raises(ValueError, match="above 0|noise is 0"):
        plug_and_play(torch.rand(1, 3, 8, 8), CircularBlur(delta().float()), tv_denoise, s, noise=noise)


def in_use(prior: str) -> tuple[float, float]:
    return {"tv": (pnp.TV_WEIGHT, pnp.TV_STRENGTH), "dct": (pnp.DCT_WEIGHT, pnp.DCT_THRESHOLD),
            "gmm": (pnp.GMM_WEIGHT, 0.0), "cnn": (pnp.CNN_WEIGHT, 0.0)}[prior]  # fmt: skip


@pytest.mark.parametrize("prior", sorted({row["prior"] for row in CALIBRATION["rows"]}))
def test_constants_are_the_best_of_those_tried(prior: str) -> None:
    rows = sorted((r for r in CALIBRATION["rows"] if r["prior"] == prior), key=lambda r: (r["weight"], r["strength"]))
    means = {key: np.mean([r["psnr"] for r in found])
             for key, found in groupby(rows, key=lambda r: (r["weight"], r["strength"]))}  # fmt: skip
    assert len(means) > 2
    assert means[in_use(prior)] == max(means.values())


@pytest.mark.skipif("ILIB_DATA" not in os.environ, reason="needs the DnCNN weights below ILIB_DATA")
def test_a_denoiser_of_others_plugs_in() -> None:
    """DnCNN of KAIR, grey, told the level: in the same steps it beats the hyper-Laplacian on a photograph."""
    path = Path(os.environ["ILIB_DATA"]) / "weights" / "dncnn17N_bnfolded_f32.npz"
    if not path.is_file():
        pytest.skip("the DnCNN weights are not there")
    weights = {key: torch.from_numpy(value) for key, value in np.load(path).items()}
    layers = sorted({key.rpartition(".")[0] for key in weights}, key=lambda k: [int(n) for n in _digits(k)])

    def dncnn(x: Tensor, s: float) -> Tensor:
        h = torch.cat((x, torch.full_like(x, s)), 1)
        for i, name in enumerate(layers):
            h = torch.nn.functional.pad(h, (1, 1, 1, 1), mode="circular")
            h = torch.nn.functional.conv2d(h, weights[f"{name}.weight"], weights.get(f"{name}.bias"))
            h = h.relu() if i < len(layers) - 1 else h
        return x - h[:, :1]

    x = load("embedded/test", size=96, n=1).x.mean(1, keepdim=True)
    m = Measurement(CircularBlur(motion(15, seed=1, length=12.0)[0].float()), 0.02)
    found = plug_and_play(m(x), m.operator, dncnn, falling(m.sigma), noise=m.sigma)
    assert psnr(found.clamp(0, 1), x) > psnr(hyper_laplacian(m(x), m.operator, noise=m.sigma).clamp(0, 1), x)


def _digits(name: str) -> list[str]:
    return ["".join(c for c in part if c.isdigit()) for part in name.split(".") if any(c.isdigit() for c in part)]
