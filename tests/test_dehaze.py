"""Dark-channel dehazing: the guided filter against its definition, recovery of drawn haze, real scenes, bad input."""

import numpy as np
import pytest
import torch

from ilib import dehaze
from ilib.data import available, haze_triples, hazy_leaves, load
from ilib.metrics import psnr
from ilib.physics import Haze


def test_box_mean_is_the_mean_of_the_window():
    x = torch.rand(1, 2, 9, 7, dtype=torch.float64)
    means = dehaze.box_mean(x, 2)
    for i, j in ((0, 0), (4, 3), (8, 6), (1, 5)):
        window = x[..., max(i - 2, 0) : i + 3, max(j - 2, 0) : j + 3]
        torch.testing.assert_close(means[..., i, j], window.mean((-2, -1)))


def test_guided_filter_is_least_squares_in_windows():
    p, guide = torch.rand(2, 1, 1, 12, 13, dtype=torch.float64)
    epsilon, r = 0.02, 2
    a, b = torch.zeros_like(p), torch.zeros_like(p)
    for i in range(12):
        for j in range(13):
            rows, columns = slice(max(i - r, 0), i + r + 1), slice(max(j - r, 0), j + r + 1)
            I_, q = guide[0, 0, rows, columns].flatten(), p[0, 0, rows, columns].flatten()
            M = torch.stack((I_, torch.ones_like(I_)), 1)
            normal = M.T @ M + torch.diag(torch.tensor([epsilon * len(I_), 0.0], dtype=torch.float64))
            a[0, 0, i, j], b[0, 0, i, j] = torch.linalg.solve(normal, M.T @ q)
    expected = dehaze.box_mean(a, r) * guide + dehaze.box_mean(b, r)
    torch.testing.assert_close(dehaze.guided_filter(p, guide, r, epsilon), expected)


def test_guided_filter_takes_its_edges_from_the_guide():
    guide = torch.zeros(1, 1, 32, 32)
    guide[..., 16:] = 1
    noisy = guide + 0.1 * torch.randn(guide.shape, generator=torch.Generator().manual_seed(0))
    assert psnr(dehaze.guided_filter(noisy, guide, 5, 1e-3), guide) > psnr(noisy, guide) + 8
    flat = torch.full_like(guide, 0.3)
    torch.testing.assert_close(dehaze.guided_filter(flat, guide, 5, 1e-3), flat)


def test_airlight_is_the_colour_of_the_veil():
    x = 0.6 * load("embedded/test", size=128).x  # nothing in the scene is as bright
    t = torch.ones(len(x), 1, 128, 128)
    t[..., :40, :] = 0.0  # a sky that shows nothing but the veil
    veil = torch.tensor([0.7, 0.8, 0.9]).expand(len(x), 3)
    torch.testing.assert_close(dehaze.estimate_airlight(Haze(t, veil)(x)), veil)


def test_transmission_where_the_prior_holds():
    """With a black pixel in each window and the airlight known, omega = 1 finds a constant transmission exactly."""
    x = torch.rand(1, 3, 30, 30)
    x[..., ::5, ::5] = 0
    t, veil = torch.full((1, 1, 30, 30), 0.6), torch.tensor([[0.8, 0.9, 1.0]])
    found = dehaze.estimate_transmission(Haze(t, veil)(x), veil, 15, 1.0)
    torch.testing.assert_close(found, t)


def test_drawn_haze_gets_thinner():
    scene, _ = hazy_leaves(6, 128, seed=1)
    out = dehaze.dark_channel_prior(scene.hazy.x)
    assert [v.shape for v in out] == [(6, 3, 128, 128), (6, 1, 128, 128), (6, 3)]
    assert psnr(out.x.clamp(0, 1), scene.clear.x).mean() > psnr(scene.hazy.x, scene.clear.x).mean() + 3
    assert np.corrcoef(out.transmission.flatten(), scene.transmission.flatten())[0, 1] > 0.5


def test_one_picture_at_a_time_is_the_batch():
    y = hazy_leaves(3, 64)[0].hazy.x
    for i, x in enumerate(dehaze.dark_channel_prior(y).x):
        torch.testing.assert_close(dehaze.dark_channel_prior(y[i : i + 1]).x[0], x)


@pytest.mark.skipif(available()["haze"] is None, reason="the haze triples are not found through ILIB_DATA")
def test_held_out_scenes():
    """The last 40 triples: above the paper's row of He's prior (Table 5, 18.01 dB; its own split)."""
    scenes = haze_triples("test")
    out = dehaze.dark_channel_prior(scenes.hazy.x)
    assert float(psnr(out.x.clamp(0, 1), scenes.clear.x).mean()) > 20
    assert float(psnr(scenes.hazy.x, scenes.clear.x).mean()) < 13


BAD = [
    (lambda: dehaze.dark_channel_prior(torch.rand(1, 1, 32, 32)), "red, green and blue"),
    (lambda: dehaze.dark_channel_prior(torch.rand(3, 32, 32)), "B, C, H, W"),
    (lambda: dehaze.dark_channel_prior(torch.rand(1, 3, 32, 32) * 255), "scaled like pictures"),
    (lambda: dehaze.dark_channel_prior(torch.rand(1, 3, 32, 32), patch=8), "odd number"),
    (lambda: dehaze.guided_filter(torch.rand(1, 3, 8, 8), torch.rand(1, 1, 8, 8)), "two of"),
    (lambda: dehaze.guided_filter(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 8), 0), "radius"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
