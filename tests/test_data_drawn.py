"""What ilib draws: text pages, street numbers, haze, rain, and the options of dead leaves; streams; statistics."""

import warnings
from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ilib import data
from ilib.data import numbers, statistics
from ilib.data import pages as text_pages
from ilib.data.leaves import Leaves
from ilib.data.rain import lines
from ilib.data.stream import seed_of

PLAIN = text_pages.Page(system=False)
DRAWS = {
    "text": lambda n, seed: data.text_pages(n, 96, seed, PLAIN),
    "numbers": lambda n, seed: data.street_numbers(n, seed).x,
    "rain": lambda n, seed: data.rain_streaks(n, 64, seed),
    "haze": lambda n, seed: data.hazy_leaves(n, 48, seed)[0].hazy.x,
    "leaves": lambda n, seed: data.dead_leaves(n, 48, seed, Leaves(blur=1.5, noise=0.05)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_seeded_and_independent_of_n(name):
    draw = DRAWS[name]
    three = draw(3, 7)
    assert torch.equal(three, draw(3, 7)) and torch.allclose(three[:2], draw(2, 7), atol=1e-6)
    assert not torch.equal(three, draw(3, 8)) and not torch.equal(three[0], three[1])
    assert torch.isfinite(three).all() and three.min() >= 0
    with pytest.raises(ValueError, match="n counts pictures"):
        draw(0, 0)


def test_dead_leaves_without_the_new_options_are_what_they_were():
    """Trained weights name pictures by seed: the drawing must not change."""
    x = data.dead_leaves(2, 64, seed=1)
    assert torch.equal(x, data.dead_leaves(2, 64, seed=1, leaves=Leaves(blur=0, noise=0)))
    assert float(x.double().mean()) == pytest.approx(0.507165, abs=5e-6)


def test_blur_and_noise_of_dead_leaves():
    def roughness(**options: float) -> float:
        return float(data.dead_leaves(4, 64, 0, Leaves(texture=0, **options)).diff(dim=-1).abs().mean())

    assert roughness(blur=3.0) < 0.8 * roughness() < roughness() < roughness(noise=0.1)
    with pytest.raises(ValueError, match="blur must not be negative"):
        Leaves(blur=-1)
    with pytest.raises(ValueError, match="noise lie in"):
        Leaves(noise=1)


# text


@pytest.fixture(scope="module")
def sheets() -> Tensor:
    return data.text_pages(24, 200, 0, PLAIN)


def test_pages_are_ink_on_paper(sheets):
    assert sheets.shape == (24, 3, 200, 200) and sheets.max() <= 1
    assert torch.equal(sheets[:, 0], sheets[:, 1])
    assert 0.8 < sheets.mean() < 0.97  # the 100 real pages have 0.90
    assert (sheets.flatten(1).amin(1) < 0.3).float().mean() > 0.9 and (sheets == 1).float().mean() > 0.4


def test_pages_have_lines_of_type(sheets):
    """The mean over a row goes up and down with the lines, which are 16 to 50 pixels apart."""
    profile = sheets[:, 0].mean(2)
    power = torch.fft.rfft(profile - profile.mean(1, keepdim=True)).abs().square().mean(0)
    line, between = power[4:13].sum(), power[40:].sum()  # 15 to 50 pixels against under 5
    assert line > 5 * between


def test_every_kind_of_block_is_drawn():
    random = np.random.default_rng(0)
    for kind in ("paragraph", "heading", "formula", "item", "table", "rule"):
        sheet = text_pages._Sheet(400, random, PLAIN)
        sheet.left, sheet.y, before = 10.0, 20.0, 20.0
        getattr(sheet, kind)()
        assert np.asarray(sheet.image).min() == 0, kind
        assert sheet.y > before


@pytest.mark.parametrize("formula", text_pages.FORMULAS)
@pytest.mark.parametrize("family", ["cm", "stix", "dejavuserif", "dejavusans"])
def test_formulas_are_set(formula, family):
    drawn = np.asarray(text_pages._formula(formula, 30, family))
    assert drawn.max() > 200 and drawn.shape[0] >= 15 and (drawn > 0).mean() < 0.6


def test_fonts():
    ours, all_ = text_pages.faces(False), text_pages.faces(True)
    assert len(ours) == 6 and all_[:6] == ours
    with pytest.raises(ValueError, match="em is the range"):
        text_pages.Page(em=(4, 8))
    with pytest.raises(ValueError, match="turn must not be negative"):
        text_pages.Page(ink=0)
    with pytest.raises(ValueError, match="at least 32 pixels"):
        data.text_pages(1, 16)


def test_fonts_that_an_older_matplotlib_lacks_are_set_upright(tmp_path, monkeypatch):
    for regular, *_ in text_pages.OURS:
        (tmp_path / "fonts" / "ttf").mkdir(parents=True, exist_ok=True)
        (tmp_path / "fonts" / "ttf" / f"{regular}.ttf").touch()
    monkeypatch.setattr("matplotlib.get_data_path", lambda: str(tmp_path))
    assert all(face.italic == face.bold == face.regular for face in text_pages.faces.__wrapped__(False))


def test_named_pages_do_not_depend_on_the_fonts_of_the_machine(monkeypatch):
    monkeypatch.setattr(text_pages, "_of_machine", lambda: pytest.fail("asked for the fonts of the machine"))
    text_pages.faces.cache_clear()
    assert len(data.load("text_pages/test", size=96, n=2)) == 2


def test_turned_pages_are_turned():
    straight, turned = (data.text_pages(1, 128, 3, text_pages.Page(turn=t, system=False)) for t in (0.0, 5.0))
    assert not torch.equal(straight, turned)


# street numbers


def test_numbers_have_the_statistics_of_svhn():
    """The 10,000 real crops have brightness 0.46 (0.18 between them), contrast 0.12, kurtosis 11."""
    x = data.street_numbers(400, 0).x
    assert x.shape == (400, 3, 32, 32)
    assert 0.4 < x.mean() < 0.53 and 0.13 < x.mean((1, 2, 3)).std() < 0.23
    assert 0.08 < statistics.contrast(x) < 0.16 and 6 < statistics.gradient_kurtosis(x) < 25


def test_numbers_show_their_label():
    """The average of each digit's crops, ink dark or bright, resembles its mask more than any other digit's."""
    drawn = data.street_numbers(3000, 1)
    middle = drawn.x.mean(1)[:, 4:28, 8:24]
    middle = (middle - middle.mean((1, 2), keepdim=True)) / (middle.std((1, 2), keepdim=True) + 1e-3)
    masks = numbers.atlas().reshape(-1, 10, 64, 64).mean(0)
    masks = torch.nn.functional.interpolate(masks[:, None, 8:56, 16:48], (24, 16), mode="area")[:, 0]
    masks = (masks - masks.mean((1, 2), keepdim=True)) / masks.std((1, 2), keepdim=True)
    score = torch.einsum("nij,dij->nd", middle.float(), masks).abs()
    labels = torch.tensor(drawn.labels)
    assert (score.argmax(1) == labels).float().mean() > 0.35  # 0.1 by chance
    assert set(drawn.labels) == set(range(10))


def test_numbers_of_other_sizes():
    assert data.street_numbers(2, 0, 64).x.shape == (2, 3, 64, 64)
    with pytest.raises(ValueError, match="at least 16"):
        data.street_numbers(1, 0, 8)


# haze and rain


def test_haze_follows_its_model():
    haze, depth = data.hazy_leaves(4, 64, 0)
    a = haze.airlight[:, None, None, None]
    model = haze.clear.x * haze.transmission + a * (1 - haze.transmission)
    assert (model - haze.hazy.x).abs().max() < 2 / 255  # both pictures are rounded to 8 bits
    assert depth.shape == (4, 1, 64, 64) and depth.min() >= 0
    beta = -haze.transmission.log() / depth.clamp(min=1e-3)
    assert (beta.flatten(1).std(1) < 1e-2).all()  # one beta for a picture
    assert ((haze.airlight >= 0.7) & (haze.airlight <= 1)).all()


def test_nearer_leaves_lie_in_front():
    """The topmost leaf is the nearest: its depth is the least of its row."""
    _, depth = data.hazy_leaves(3, 64, 1)
    assert (depth.flatten(1).amin(1) < 0.5).all() and (depth.flatten(1).amax(1) > 0.8).all()


@pytest.mark.parametrize(("beta", "airlight"), [(-1.0, 0.9), (1.0, 1.1), (1.0, -0.1)])
def test_haze_out_of_range(beta, airlight):
    with pytest.raises(ValueError, match="must not be negative"):
        data.add_haze(torch.rand(1, 3, 8, 8), torch.rand(1, 1, 8, 8), beta, airlight)


def test_haze_of_another_size():
    with pytest.raises(ValueError, match="one value a pixel"):
        data.add_haze(torch.rand(1, 3, 8, 8), torch.rand(1, 1, 9, 8), 1.0, 0.9)


def test_rain_falls():
    """Streaks add light, and change less along themselves (down) than across."""
    r = data.rain_streaks(6, 128, 0)
    assert r.shape == (6, 1, 128, 128) and ((r.mean((1, 2, 3)) >= 0.049) & (r.mean((1, 2, 3)) <= 0.201)).all()
    assert (r.diff(dim=-2).abs().mean((1, 2, 3)) < 0.6 * r.diff(dim=-1).abs().mean((1, 2, 3))).all()
    x = torch.rand(2, 3, 64, 64)
    rainy = data.add_rain(x, 1)
    assert (rainy >= x - 1e-6).all() and rainy.max() <= 1
    with pytest.raises(ValueError, match="at least 16"):
        data.rain_streaks(1, 8)


def test_lines_are_as_long_and_as_steep_as_told():
    """Second moments of the kernel: a line of length L has variance L^2 / 12 along itself."""
    size, length, width, angle = 129, torch.tensor(40.0), torch.tensor(1.5), torch.tensor(30.0)
    k = torch.fft.fftshift(lines(size, length, width, angle))
    y, x = torch.meshgrid(*2 * [torch.arange(size, dtype=torch.float64) - size // 2], indexing="ij")
    moments = torch.tensor([[(k * y * y).sum(), (k * x * y).sum()], [(k * x * y).sum(), (k * x * x).sum()]])
    values, vectors = torch.linalg.eigh(moments)
    assert float(values[1]) == pytest.approx(40**2 / 12, rel=0.05)
    assert float(values[0]) == pytest.approx(1.5**2, rel=0.05)
    steep = float(torch.rad2deg(torch.atan(vectors[1, 1] / vectors[0, 1])))
    assert steep == pytest.approx(30, abs=0.5)


# names and streams


@pytest.mark.parametrize("name", ["text_pages/train", "numbers/val"])
def test_drawn_pictures_have_names(name):
    size = 64 if name.startswith("text") else 32
    a = data.load(name, size, n=3)
    assert a.pixels.shape == (3, 3, size, size) and a.source == name and a.sha256 == data.load(name, size, n=3).sha256
    other = data.load(name.replace("train", "test").replace("val", "test"), size, n=3)
    assert a.sha256 != other.sha256
    with pytest.raises(ValueError, match=f"{name.partition('/')[0]}/test"):
        data.load(f"{name.partition('/')[0]}/dev")


def double(i: int) -> Tensor:
    """What stands in for a drawing: its number."""
    return torch.full((2,), float(i))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_streams_do_not_depend_on_the_workers(workers):
    got = [int(b[0]) for b in islice(data.endless(double, workers), 7)]
    assert got == list(range(7))


def test_leaf_stream_never_repeats_itself():
    batches = list(islice(data.leaf_stream(16, 2, seed=3, workers=0), 3))
    again = list(islice(data.leaf_stream(16, 2, seed=3, workers=1), 3))
    assert all(torch.equal(a, b) for a, b in zip(batches, again, strict=True))
    assert len({b.numpy().tobytes() for b in batches}) == 3 and batches[0].shape == (2, 3, 16, 16)
    assert len({seed_of(s, i) for s in range(20) for i in range(20)}) == 400


def test_stream_arguments():
    with pytest.raises(ValueError, match="workers must not be negative"):
        data.endless(double, -1)


def test_folder_stream_reads_whatever_is_there(tmp_path):
    """Grey, palette, RGBA, 16-bit and CMYK give crops; broken, empty and small files are passed over by name."""
    random = np.random.default_rng(0)
    base = Image.fromarray(random.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    (tmp_path / "deep").mkdir()
    for mode, ending in (("L", "png"), ("P", "png"), ("RGBA", "png"), ("CMYK", "jpg"), ("RGB", "webp")):
        base.convert(mode).save(tmp_path / f"deep/{mode}.{ending}")
    Image.fromarray(random.integers(0, 65535, (40, 50), dtype=np.uint16)).save(tmp_path / "sixteen.png")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "broken.jpg").write_bytes((tmp_path / "deep/CMYK.jpg").read_bytes()[:300])
    base.resize((10, 10)).save(tmp_path / "small.png")
    with pytest.warns(UserWarning) as told:
        batches = list(islice(data.folder_stream(tmp_path, 32, 16, seed=0, workers=0), 4))
    text = " ".join(str(w.message) for w in told)
    assert all(name in text for name in ("empty.png", "broken.jpg", "small.png"))
    assert all(b.shape == (16, 3, 32, 32) and b.min() >= 0 and b.max() <= 1 for b in batches)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = list(islice(data.folder_stream(tmp_path, 32, 16, seed=0, workers=0), 1))
    assert torch.equal(again[0], batches[0])


def test_folder_stream_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        data.folder_stream(tmp_path / "nowhere", 8, 2)
    with pytest.raises(ValueError, match="no picture"):
        data.folder_stream(tmp_path, 8, 2)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with warnings.catch_warnings(), pytest.raises(RuntimeError, match="hardly one gives a crop"):
        warnings.simplefilter("ignore")
        next(data.folder_stream(tmp_path, 8, 2, workers=0))


# statistics


def test_slope_of_a_known_spectrum():
    """Noise with power f^-p has the slope -p."""
    random = np.random.default_rng(0)
    f = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128))
    f[0, 0] = np.inf
    for p in (0.0, 1.0, 2.0):
        x = np.fft.irfft2(np.fft.rfft2(random.standard_normal((8, 128, 128))) * f ** (-p / 2))
        assert statistics.spectral_slope(torch.from_numpy(x)[:, None]) == pytest.approx(-p, abs=0.12)


def test_kurtosis_of_known_densities():
    random = np.random.default_rng(0)
    for draw, kurtosis in ((random.standard_normal, 3.0), (partial(random.laplace, 0.0, 1.0), 6.0)):
        x = torch.from_numpy(np.cumsum(draw(size=(4, 1, 128, 256)), -1))
        assert statistics.gradient_kurtosis(x) == pytest.approx(kurtosis, rel=0.08)


def test_contrast_and_colour():
    grey = torch.rand(4, 1, 32, 32).expand(-1, 3, -1, -1)
    assert statistics.colourfulness(grey) < 1e-9 and statistics.colourfulness(torch.rand(4, 3, 32, 32)) > 0.3
    assert statistics.contrast(grey) == pytest.approx(12**-0.5, rel=0.05)
    names = {"mean", "contrast", "colourfulness", "slope", "kurtosis"}
    assert set(statistics.summary(torch.rand(2, 3, 64, 64))) == names


def test_hashes_survive_what_copies_undergo():
    x = data.embedded(256).x
    smaller = torch.nn.functional.interpolate(x, (180, 180), mode="bilinear", antialias=True)
    noisy = (x + 0.02 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    cropped = x[..., 4:-4, 4:-4]
    h = statistics.perceptual_hash(x)
    apart = statistics.hash_distance(h, h) + 64 * np.eye(len(h), dtype=int)
    assert apart.min() > 12  # different photographs
    for copy in (smaller, noisy, cropped):
        assert np.diag(statistics.hash_distance(h, statistics.perceptual_hash(copy))).max() <= 10
