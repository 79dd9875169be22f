"""Dead leaves: reproducible, covered, and with the statistics of photographs."""

import numpy as np
import pytest
import torch

from ilib import data
from ilib.data.leaves import BETWEEN, MEAN, TO_RGB, WITHIN, _fall, _needed, _spans, cover


def slope(pictures: torch.Tensor, low: int = 4, high: int = 64) -> float:
    """Exponent of the radial power spectrum of the brightness, by least squares over low..high cycles."""
    grey = pictures.mean(1).double()
    size = grey.shape[-1]
    window = torch.hann_window(size, dtype=torch.float64)
    power = torch.fft.fft2((grey - grey.mean((1, 2), keepdim=True)) * window * window[:, None]).abs().square().mean(0)
    f = torch.fft.fftfreq(size, dtype=torch.float64) * size
    ring = torch.hypot(f[:, None], f).round().long().flatten()
    radial = torch.bincount(ring, power.flatten()) / torch.bincount(ring)
    k = np.arange(low, high)
    return float(np.polyfit(np.log(k), np.log(radial[low:high].numpy()), 1)[0])


def kurtosis(pictures: torch.Tensor) -> float:
    """Kurtosis of the horizontal brightness differences (3 for Gaussian noise)."""
    d = pictures.mean(1).double().diff(dim=-1)
    return float(((d - d.mean()) ** 4).mean() / d.var() ** 2)


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return data.dead_leaves(6, 256, seed=0)


def test_range_and_shape(pictures):
    assert pictures.shape == (6, 3, 256, 256) and pictures.dtype == torch.float32
    assert pictures.min() >= 0 and pictures.max() <= 1 and torch.isfinite(pictures).all()
    assert (pictures.flatten(1).std(1) > 0.1).all()


def test_seeded_and_independent_of_n():
    a = data.dead_leaves(3, 64, seed=7)
    assert torch.equal(a, data.dead_leaves(3, 64, seed=7))
    assert torch.equal(a[:2], data.dead_leaves(2, 64, seed=7))
    assert not torch.equal(a, data.dead_leaves(3, 64, seed=8)) and not torch.equal(a[0], a[1])


def test_every_pixel_is_covered():
    for seed in range(5):
        labels, count = cover(96, np.random.default_rng(seed), data.Leaves())
        assert labels.min() == 0 and labels.max() < count


def test_front_leaves_hide_the_back():
    """Against painting one leaf after the other: the label is the first leaf that contains the pixel."""
    side = 40
    labels, _ = cover(side, np.random.default_rng(3), data.Leaves(polygons=0))
    fallen = _fall(side, np.random.default_rng(3), data.Leaves(polygons=0), 1)
    fallen = fallen[:, _needed(fallen, np.ones((side, side), dtype=bool))]
    row, column = np.mgrid[:side, :side]
    naive = np.full((side, side), -1)
    for i, (y, x, r, angle, stretch, _) in enumerate(fallen.T):
        u = (np.cos(angle) * (column - x) + np.sin(angle) * (row - y)) / r
        v = (np.cos(angle) * (row - y) - np.sin(angle) * (column - x)) / (r * stretch)
        naive[(naive < 0) & (u**2 + v**2 <= 1)] = i
    shown = naive >= 0
    assert 0.3 < shown.mean() < 1
    assert (labels[shown] == naive[shown]).mean() > 0.999  # rounding at a leaf's very edge
    assert (labels[~shown] >= fallen.shape[1]).all()


@pytest.mark.parametrize("sides", [3, 4, 5, 6])
def test_polygons_have_their_area(sides):
    """A regular polygon of k sides in a circle of radius r, stretched, has the area q r^2 k/2 sin(2 pi / k)."""
    shapes = np.array([[100.0, 100.0, 80.0, angle, q, sides] for angle in (0.3, 2.0, 5.0) for q in (0.6, 1.0)]).T
    leaf, _, first, last = _spans(shapes, 200)
    area = np.bincount(leaf, np.maximum(last - first, 0))
    assert area == pytest.approx(shapes[4] * 80**2 * sides / 2 * np.sin(2 * np.pi / sides), rel=0.01)


def test_radii_follow_the_power_law():
    r = _fall(200, np.random.default_rng(0), data.Leaves(rmin=2, rmax=40), 20)[2] / 2  # in pixels of the picture
    assert r.min() >= 2 and r.max() <= 40
    for radius in (3, 5, 10, 20):  # share of radii above, for the density r^-3
        expected = (radius**-2 - 40**-2) / (2**-2 - 40**-2)
        assert np.mean(r > radius) == pytest.approx(expected, abs=4 * np.sqrt(expected / len(r)))


def test_statistics_of_photographs(pictures):
    assert -2.6 < slope(pictures) < -1.9  # power near 1/f^2
    assert kurtosis(pictures) > 5
    noise = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    assert abs(slope(noise)) < 0.1 and kurtosis(noise) < 5  # both measures tell noise apart


def test_colours_have_the_stated_statistics():
    leaves = data.Leaves(texture=0, rmin=1)
    axes = np.linalg.inv(TO_RGB)
    x = data.dead_leaves(150, 24, 1, leaves).permute(0, 2, 3, 1).reshape(150, -1, 3).double().numpy() @ axes.T
    spread = np.sqrt(BETWEEN**2 + WITHIN**2)
    assert np.allclose(x.mean((0, 1)), MEAN, atol=0.05)
    assert (x.std((0, 1)) < 1.1 * spread).all() and (x.std((0, 1)) > 0.6 * spread).all()  # clipping narrows it


def test_axes_are_the_ones_described():
    r, g, b = TO_RGB @ np.array([0.5, 0.2, 0.1])
    assert ((r + g + b) / 3, r - b, g - (r + b) / 2) == pytest.approx((0.5, 0.2, 0.1))


def test_palette_gives_the_colours_of_photographs():
    red = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    red[:, 0, :, ::2] = 255
    palette = data.Pictures(red, ("red",), "test")
    x = data.dead_leaves(1, 64, 0, data.Leaves(texture=0, palette=palette))
    assert x[:, 0].mean() == pytest.approx(0.5, abs=0.25) and x[:, 1:].max() == 0


def test_texture_and_shapes_are_options():
    plain, rough = (data.dead_leaves(1, 64, 0, data.Leaves(texture=t)) for t in (0, 0.1))
    assert 0 < (plain - rough).abs().mean() < 0.2
    flat = (plain.diff(dim=-1) == 0).all(1).float().mean()
    assert flat > 0.2 > (rough.diff(dim=-1) == 0).all(1).float().mean()
    disks, polygons = (data.dead_leaves(1, 64, 0, data.Leaves(polygons=p)) for p in (0, 1))
    assert not torch.equal(disks, polygons)


@pytest.mark.parametrize("size", [8, 33, 100])
def test_any_size(size):
    assert data.dead_leaves(1, size).shape == (1, 3, size, size)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rmin": 0}, "rmin"),
        ({"rmin": 5, "rmax": 4}, "rmin < rmax"),
        ({"polygons": 2}, "polygons"),
        ({"texture": 1}, "texture"),
    ],
)
def test_wrong_settings(wrong, message):
    with pytest.raises(ValueError, match=message):
        data.Leaves(**wrong)


def test_wrong_sizes():
    with pytest.raises(ValueError, match="size of at least 8"):
        data.dead_leaves(1, 4)
    with pytest.raises(ValueError, match="more than 2 rmin"):
        data.dead_leaves(1, 16, leaves=data.Leaves(rmin=9))
    with pytest.raises(ValueError, match="n counts pictures"):
        data.dead_leaves(0)
