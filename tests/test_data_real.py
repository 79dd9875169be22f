"""The loaders on the real sets: counts, conventions and facts that are stated. Skipped where a set is not there."""

import time
from functools import cache
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve

from ilib import data
from ilib.data import statistics
from ilib.data.leaves import BETWEEN, MEAN, TO_RGB, WITHIN
from ilib.results.robust import LEVIN, NOISE, inside, shaken

FOUND = data.available()
COUNTS = {
    "bsds500/train": 199, "bsds500/val": 100, "bsds500/test": 200, "bsds500/train+test": 399, "set5": 5, "set14": 14,
    "kodak24": 24, "bsds500_derain/train+test": 383, "celeba/val": 160, "celeba/test": 160,
    "svhn/train": 7990, "svhn/val": 990, "svhn/test": 1000,
    "shoes/train": 1760, "shoes/val": 140, "shoes/test": 202,
}  # fmt: skip


def needs(*names: str):
    """Skip unless every one of these sets is found."""
    missing = [n for n in names if FOUND.get(n, FOUND.get(where(n))) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not found through {data.ENVIRONMENT}: {', '.join(missing)}")


def where(name: str) -> str:
    """The key of `available` for a name of `load`."""
    family = name.partition("/")[0]
    return family if family in FOUND else name.partition("+")[0]


@pytest.mark.parametrize("name", [pytest.param(n, marks=needs(where(n))) for n in COUNTS])
def test_counts(name):
    pictures = data.load(name, how="resize" if name.startswith("set") else "centre")
    side = {"celeba": 64, "svhn": 32, "shoes": 64}.get(name.partition("/")[0], 256)
    assert pictures.pixels.shape == (COUNTS[name], 3, side, side)
    assert len(set(pictures.names)) == len(pictures)


@needs("bsds500/val")
def test_hundred_photographs_load_in_two_seconds():
    start = time.perf_counter()
    data.load("bsds500/val", 256, "centre")
    assert time.perf_counter() - start < 2


@needs("bsds500/train", "bsds500/val", "bsds500/test")
def test_bsds_splits_share_no_picture():
    crops = {s: data.load(f"bsds500/{s}", 64).pixels.flatten(1) for s in ("train", "val", "test")}
    hashes = {s: {bytes(p.numpy()) for p in x} for s, x in crops.items()}
    assert not hashes["val"] & (hashes["train"] | hashes["test"]) and not hashes["train"] & hashes["test"]


TRAINED_ON = ("bsds500/train", "bsds500/test", "cid22", "gopro/train", "haze/train", "embedded/train")
TESTED_ON = ("bsds500/val", "set5", "set14", "kodak24", "gopro/test", "haze/test", "rain", "embedded/test")
NEAR = 10  # bits of 64: copies differ in fewer, different photographs here in 12 or more
LEAKS = {("set5/head", "set14/face")}  # both are tested on


@cache
def hashes(name: str) -> dict[str, np.uint64]:
    """The perceptual hash of every picture of a set, seen whole at one size."""
    if name == "rain":
        clean = data.rain_pairs().clean
        x = [torch.nn.functional.interpolate(p[None], (128, 128), mode="bilinear", antialias=True) for p in clean]
        return {f"rain/{k}": statistics.perceptual_hash(p)[0] for k, p in zip(clean.names, x, strict=True)}
    pictures = data.haze_triples(name[5:]).clear if name.startswith("haze") else data.load(name, 128, "resize")
    return {f"{name}/{k}": h for k, h in zip(pictures.names, statistics.perceptual_hash(pictures.x), strict=True)}


def overlaps(first: tuple[str, ...], second: tuple[str, ...]) -> set[tuple[str, str]]:
    """Pairs of pictures whose perceptual hashes nearly agree."""
    a, b = ({k: h for n in names for k, h in hashes(n).items()} for names in (first, second))
    distance = statistics.hash_distance(np.array([*a.values()]), np.array([*b.values()]))
    return {([*a][i], [*b][j]) for i, j in zip(*np.nonzero(distance <= NEAR), strict=True)}


@needs(*TRAINED_ON, *TESTED_ON)
def test_no_picture_is_trained_on_and_tested_on():
    """But for deraining, whose pairs show pictures of bsds500: it trains on bsds500_derain."""
    derain = tuple(n.replace("bsds500", "bsds500_derain") for n in TRAINED_ON)
    assert overlaps(derain, TESTED_ON) == set()
    in_rain = overlaps(TRAINED_ON, TESTED_ON)
    assert len(in_rain) == 16 and all(b.startswith("rain/") for _, b in in_rain)


@needs("bsds500/val", "set5", "set14", "kodak24", "gopro/test")
def test_sets_that_are_tested_on_share_only_what_is_known():
    names = ("set5", "set14", "kodak24", "bsds500/val", "gopro/test")
    assert set().union(*(overlaps((a,), (b,)) for a, b in combinations(names, 2))) == LEAKS


@needs("celeba", "svhn", "shoes")
@pytest.mark.parametrize(("name", "least"), [("celeba", 0.03), ("svhn", 0.02), ("shoes", 0.02)])
def test_no_face_number_or_shoe_is_in_two_splits(name, least):
    """These look too much alike for hashes: compared pixel by pixel at 16 x 16, means taken off (root mean square)."""
    x = {s: torch.nn.functional.interpolate(data.load(f"{name}/{s}").x, (16, 16), mode="area").flatten(1)
         for s in ("train", "val", "test")}  # fmt: skip
    x = {s: (v - v.mean(1, keepdim=True)) / 768**0.5 for s, v in x.items()}
    for a, b in (("train", "val"), ("train", "test"), ("val", "test")):
        assert torch.cdist(x[b], x[a]).min() > least, (a, b)


@needs("bsds500/val", "kodak24")
def test_dead_leaves_have_the_statistics_of_photographs():
    """Slope of the spectrum and tails of the differences, beside 124 photographs."""
    photos = torch.cat([data.load(n, 256).x for n in ("bsds500/val", "kodak24")])
    leaves = data.dead_leaves(32, 256, 0)
    assert statistics.spectral_slope(leaves) == pytest.approx(statistics.spectral_slope(photos), abs=0.5)
    assert 0.4 < statistics.gradient_kurtosis(leaves) / statistics.gradient_kurtosis(photos) < 2.5
    assert statistics.contrast(leaves) == pytest.approx(statistics.contrast(photos), rel=0.35)


@needs("text")
def test_drawn_pages_resemble_real_ones():
    real, drawn = data.text_pairs().sharp.x, data.text_pages(100, 200, 0)
    assert float(drawn.mean()) == pytest.approx(float(real.mean()), abs=0.04)
    assert statistics.contrast(drawn) == pytest.approx(statistics.contrast(real), abs=0.04)
    assert statistics.gradient_kurtosis(drawn) == pytest.approx(statistics.gradient_kurtosis(real), rel=0.5)


@needs("svhn")
def test_drawn_numbers_resemble_real_ones():
    real, drawn = data.svhn("train").x, data.street_numbers(1000, 0).x
    for measure, within in ((torch.mean, 0.05), (statistics.contrast, 0.04)):
        assert float(measure(drawn)) == pytest.approx(float(measure(real)), abs=within)
    assert statistics.spectral_slope(drawn, 2, 12) == pytest.approx(statistics.spectral_slope(real, 2, 12), abs=1.0)


@needs("rain")
def test_drawn_rain_resembles_the_pairs():
    pairs = data.rain_pairs()
    light = torch.stack([torch.stack(((r - c).mean(), (r - c).std()))
                         for c, r in zip(pairs.clean, pairs.degraded, strict=True)])  # fmt: skip
    drawn = data.rain_streaks(32, 256, 0)
    assert light[:, 0].min() < drawn.mean() < light[:, 0].max()
    assert 0.4 < drawn.std((1, 2, 3)).mean() / light[:, 1].mean() < 1.6


@needs("haze")
def test_drawn_haze_resembles_the_triples():
    real, drawn = data.haze_triples("train"), data.hazy_leaves(32, 64, 0)[0]
    assert len(real.clear) == 155  # 105 is the same aisle as 182
    assert float(drawn.transmission.mean()) == pytest.approx(float(real.transmission.mean()), abs=0.2)
    assert real.airlight.min() > 0.6 and drawn.airlight.min() >= 0.7


@needs("bsds500/train")
def test_the_palette_is_what_was_measured():
    random, axes = np.random.default_rng(0), np.linalg.inv(TO_RGB)
    means, squares = [], []
    for picture in data.load("bsds500/train", how=None).pixels:
        pixels = picture.flatten(1)[:, random.integers(picture[0].numel(), size=2000)].T.double().numpy() / 255
        colours = pixels @ axes.T
        means.append(colours.mean(0))
        squares.append(colours.var(0))
    assert np.allclose(np.mean(means, 0), MEAN, atol=0.005)
    assert np.allclose(np.std(means, 0), BETWEEN, atol=0.005)
    assert np.allclose(np.sqrt(np.mean(squares, 0)), WITHIN, atol=0.005)


@needs("gopro/test")
def test_gopro_pairs_show_the_same_scene():
    clean, degraded = data.gopro_pairs("test")
    assert set(clean.names).isdisjoint(data.load("gopro/train").names) and len(clean) > 0
    error = (clean.x[:, None] - degraded.x[None]).square().mean((2, 3, 4))
    assert (error.argmin(1) == torch.arange(len(clean))).all()


@needs("levin09", "levin09 kernels")
def test_levin_kernels_convolve():
    """True convolution with the kernel explains the shaken picture, up to a shift of a few pixels."""
    sharp, blurred, kernels = data.levin09()
    assert sharp.shape == (4, 1, 255, 255) and blurred.shape == (4, 8, 1, 255, 255)
    assert torch.allclose(kernels.sum((1, 2)), torch.ones(8, dtype=torch.float64))
    for k in (3, 6):
        model = fftconvolve(sharp[0, 0], kernels[k], "same")
        flipped = fftconvolve(sharp[0, 0], kernels[k].flip(0, 1), "same")
        assert best_psnr(model, blurred[0, k, 0].numpy()) > 38 > best_psnr(flipped, blurred[0, k, 0].numpy())


def best_psnr(x: np.ndarray, y: np.ndarray, reach: int = 5) -> float:
    """PSNR of the middle under the best whole-pixel shift."""
    shifts = range(-reach, reach + 1)
    errors = [((np.roll(x, (a, b), (0, 1)) - y)[40:-40, 40:-40] ** 2).mean() for a in shifts for b in shifts]
    return -10 * np.log10(min(errors))


@needs("levin09", "levin09 kernels")
def test_true_kernels_explain_the_32_real_shakes():
    """Moved to where each picture lies, they leave over what methods are told, at most twice that."""
    pairs = shaken(LEVIN)
    rest = inside(pairs.y - pairs.A(pairs.pictures.x)).flatten(1).std(1)
    assert len(rest) == 32 and float(rest.max()) < 2 * NOISE
    assert float(rest.median()) == pytest.approx(NOISE, rel=0.2)


@needs("kernels_12")
def test_kernels_12_sum_to_one():
    kernels = data.kernels_12()
    assert kernels.shape == (12, 25, 25) and torch.allclose(kernels.sum((1, 2)), torch.ones(12, dtype=torch.float64))
    assert torch.allclose(kernels[:8], kernels[:8].flip(1, 2), atol=1e-4)  # the Gaussians; the shakes are not even
    assert not torch.allclose(kernels[8:], kernels[8:].flip(1, 2), atol=1e-4)


@needs("text", "text kernels")
def test_text_kernels_explain_the_blur():
    text = data.text_pairs()
    assert len(text.sharp) == len(text.blurred) == len(text.kernels) == 100
    x, h = text.sharp[0].mean(0).numpy(), text.kernels[0].numpy()
    middle = np.s_[30:-30, 30:-30]
    error = fftconvolve(x, h, "same")[middle] - text.blurred[0].mean(0).numpy()[middle]
    assert np.sqrt((error**2).mean()) < 0.04


@needs("haze")
def test_haze_model_holds():
    haze = data.haze_triples("test")
    a = haze.airlight[:, None, None, None]
    model = haze.clear.x * haze.transmission + a * (1 - haze.transmission)
    assert len(haze.clear) == 40 and (model - haze.hazy.x).square().mean((1, 2, 3)).max() < 1e-5  # over 50 dB


@needs("rain")
def test_rain_pairs():
    clean, rain = data.rain_pairs()
    assert len(clean) == len(rain) == 21 and clean.names == rain.names
    assert all((r - c).mean() > 0 for c, r in zip(clean, rain, strict=True))  # streaks add light


@needs("depth")
def test_depth():
    scenes = data.depth()
    assert len(scenes) == 8 and all(s.colour.shape[1:] == s.disparity.shape[1:] for s in scenes)
    assert [s.name for s in scenes if s.disparity.isnan().any()] == ["motorcycle"]


@needs("dgp_reference")
@pytest.mark.parametrize(("name", "n", "db"), [("svhn", 100, 20.16), ("celeba", 80, 19.72), ("shoes", 80, 18.38)])
def test_dgp_reference_gives_the_published_psnr_of_the_blurred_pictures(name, n, db):
    reference = data.dgp_reference(name)
    error = (reference["original"] - reference["alg1_y_from_test"]).square().mean((1, 2, 3))
    assert len(error) == n and float(-10 * error.log10().mean()) == pytest.approx(db, abs=0.01)


@needs("celeba", "dgp_reference")
def test_celeba_crop_lies_where_the_authors_pictures_do():
    """Mean faces of both agree best when ours is not shifted."""
    ours, theirs = data.celeba("train", 500).x.mean((0, 1)), data.dgp_reference("celeba")["original"].mean((0, 1))
    ours, theirs = ours - ours.mean(), theirs - theirs.mean()
    shifts = [(a, b) for a in range(-4, 5) for b in range(-4, 5)]
    score = [(ours.roll(s, (0, 1)) * theirs)[8:-8, 8:-8].sum() for s in shifts]
    best = shifts[int(torch.stack(score).argmax())]
    assert max(map(abs, best)) <= 1


@needs("svhn", "dgp_reference")
def test_svhn_digits_are_balanced_enough_to_be_digits():
    test = data.svhn("test")
    assert set(test.labels) == set(range(10))
