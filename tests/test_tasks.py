"""The four tasks: H explains what was measured, batches can be cut, drawn pictures and haze by name, the columns."""

from dataclasses import replace

import pytest
import torch

from ilib.data import Pictures, available, haze_of, levin09_kernels, load
from ilib.degrade import quantisation_noise
from ilib.gan.settings import Settings
from ilib.gan.sources import Photographs
from ilib.gan.tasks import HazyScenes, Rainy, Shaken, Shrunk, hazy_scenes, rainy_pictures, shaken_pages
from ilib.kernels import gaussian
from ilib.metrics import psnr
from ilib.operators import dot_test
from ilib.physics import BlurEach, Haze, Rain
from ilib.results import columns

ROUNDING = 0.5 / 255 + 1e-5
SMALL = Settings(batch=6, crop=32, held_out=2)
CAMERAS = {"blur": Shaken(size=9, diameters=(1, 7), lengths=(2, 9)), "shrunk": Shrunk(4), "rain": Rainy()}
LEAVES = "hazy_leaves/train"


def scenes() -> HazyScenes:
    return hazy_scenes(load(LEAVES, n=6, size=48), None, name=LEAVES)


def source_of(task: str) -> Photographs | HazyScenes:
    return scenes() if task == "haze" else Photographs(load("embedded/train", size=48), CAMERAS[task])


# ---- every task


@pytest.mark.parametrize("task", [*CAMERAS, "haze"])
def test_the_operator_explains_the_measurement(task: str) -> None:
    batch = source_of(task).draw(SMALL, 0)
    gap = (batch.A(batch.x).clamp(0, 1) - batch.y).abs().max()
    assert float(gap) <= ROUNDING * (3 if task == "shrunk" else 1)  # shrunk: rounded twice, the cubic overshoots
    assert not torch.allclose(batch.y, batch.x, atol=0.1)
    together = torch.cat([part.A(part.x) for part in batch.split(2)])
    assert torch.allclose(together, batch.A(batch.x), atol=1e-6)
    some = torch.tensor([4, 0])
    assert torch.allclose(batch[some].A(batch.x[some]), batch.A(batch.x)[some], atol=1e-6)


@pytest.mark.parametrize("task", [*CAMERAS, "haze"])
def test_batch_is_a_function_of_seed_and_step(task: str) -> None:
    noisy = replace(SMALL, noises=(0.0, 0.05))
    source = source_of(task)
    first, again, next_, other = (source.draw(replace(noisy, seed=s), t) for s, t in ((0, 7), (0, 7), (0, 8), (1, 7)))
    for name in ("x", "y", "u", "sigma"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.y, next_.y) and not torch.equal(first.y, other.y)
    assert {round(float(s), 3) for s in first.sigma} <= {0.0, 0.05}
    added = (first.y - first.A(first.x).clamp(0, 1)).flatten(1).std(1)
    assert float(added[first.sigma.flatten() > 0].min()) > 5 * float(added[first.sigma.flatten() == 0].max())


# ---- blur


def test_kernels_are_disks_and_walks_with_a_share_of_each() -> None:
    k = Shaken().kernels(200, seed=1)
    assert k.shape == (200, 25, 25) and torch.allclose(k.sum((1, 2)), torch.ones(200))
    assert torch.equal(k, Shaken().kernels(200, seed=1)) and not torch.equal(k, Shaken().kernels(200, seed=2))
    round_ = (k - k.transpose(1, 2)).abs().amax((1, 2)) < 1e-6
    assert 0.35 < float(round_.float().mean()) < 0.65
    assert Shaken(disks=0.0).kernels(3, 0).shape == Shaken(disks=1.0).kernels(3, 0).shape
    widest = (k > 0).any(1).sum(1)[round_].amax()
    assert 12 <= int(widest) <= 16  # a disk of 14 pixels


def test_a_disk_and_a_walk_together_spread_as_both() -> None:
    both = Shaken(diameters=(1, 8), lengths=(2, 14), together=True)
    k = both.kernels(60, seed=1)
    assert k.shape == (60, 25, 25) and torch.allclose(k.sum((1, 2)), torch.ones(60)) and float(k.min()) >= 0
    assert torch.equal(k, both.kernels(60, seed=1)) and not torch.equal(k, both.kernels(60, seed=2))
    at = torch.arange(25) - 12.0
    assert float((k.sum(2) @ at).abs().max()) < 1e-4 > float((k.sum(1) @ at).abs().max()), "centred"
    alone = [Shaken(diameters=(1, 1), lengths=(2, 14), disks=0.0), Shaken(diameters=(8, 8), disks=1.0)]
    walk, disk = (spread(camera.kernels(60, seed=1)) for camera in alone)
    wide = spread(replace(both, diameters=(8.0, 8.0)).kernels(60, seed=1))
    assert torch.allclose(wide, walk + disk, rtol=1e-3), "the variances of what is convolved add up"


def spread(k: torch.Tensor) -> torch.Tensor:
    """Return the variance of centred kernels (n, 25, 25), rows and columns together."""
    at = (torch.arange(25) - 12.0) ** 2
    return k.sum(2) @ at + k.sum(1) @ at


def test_blur_each_is_a_blur_per_picture() -> None:
    kernels = torch.stack([gaussian(s, 7) for s in (0.5, 1.0, 2.0)])
    x = torch.rand(3, 2, 20, 20, dtype=torch.float64)
    A = BlurEach(kernels)
    for i in range(3):
        assert torch.allclose(A(x)[i : i + 1], BlurEach(kernels[i : i + 1])(x[i : i + 1]))
    assert dot_test(A, x, torch.rand_like(x)) < 1e-12 and A.to(x.float()).dtype == torch.float32
    with pytest.raises(ValueError, match=r"shape \(7, 7\); pass \(B, h, w\)"):
        BlurEach(kernels[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 24}, "whose size .24. is odd"),
        ({"diameters": (3, 40)}, r"diameters are \(3, 40\)"),
        ({"lengths": (9, 3)}, r"lengths are \(9, 3\)"),
        ({"disks": 1.5}, "disks is 1.5"),
        ({"together": True}, "reach over 34 pixels, kernels over 25"),
        ({"noise": -1.0}, "noise is -1.0"),
    ],
)
def test_wrong_cameras(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Shaken(**options)


def ramps(n: int = 4, size: int = 40) -> Pictures:
    """Pictures that grow brighter to the right: a mirrored crop grows darker."""
    pixels = (torch.arange(size) * 6).to(torch.uint8).expand(n, 3, size, size).contiguous()
    return Pictures(pixels, tuple(map(str, range(n))), "ramps")


def test_pages_are_never_mirrored_photographs_are() -> None:
    camera = {"size": 9, "diameters": (1, 4), "lengths": (2, 5), "together": True}
    for source, ways in ((shaken_pages(ramps(), None, **camera), {1.0}),
                         (Photographs(ramps(), CAMERAS["blur"]), {1.0, -1.0})):  # fmt: skip
        assert {float(d.sign()) for t in range(8) for d in source.draw(SMALL, t).x.diff(dim=-1)[:, 0, 0, 0]} == ways


def test_pages_are_shaken_with_periodic_borders_and_sigma_counts_the_rounding() -> None:
    options = {"size": 9, "diameters": (1, 4), "lengths": (2, 5), "together": True}
    source = shaken_pages(load("embedded/train", size=48), None, **options)
    batch, noisy = source.draw(SMALL, 3), source.draw(replace(SMALL, noises=(0.05,)), 3)
    assert float((batch.A(batch.x) - batch.y).abs().max()) <= ROUNDING, "as CircularBlur has it, borders included"
    assert torch.allclose(batch.sigma, torch.full((6, 1, 1, 1), quantisation_noise(8)))
    assert float((noisy.y - noisy.A(noisy.x)).std()) == pytest.approx(float(noisy.sigma[0]), rel=0.1)
    assert torch.equal(source.draw(SMALL, 3).y, batch.y) and not torch.equal(source.draw(SMALL, 4).y, batch.y)


# ---- haze


def test_scenes_held_out_are_not_trained_on() -> None:
    source = scenes()
    kept, out = source.split(2)
    assert sorted(kept + out) == list(range(6)) and len(out) == 2
    held = source.held_out(SMALL)
    middle = source.scenes.clear.x[out][..., 8:40, 8:40]
    assert torch.equal(held.x, middle) and torch.equal(source.held_out(SMALL).y, held.y)
    assert float((held.A(held.x) - held.y).abs().max()) <= ROUNDING
    with pytest.raises(ValueError, match="6 scenes are to be held out of 6"):
        source.split(6)


def test_crops_of_transmission_go_with_the_picture() -> None:
    source = scenes()
    batch = source.draw(SMALL, 3)
    whole = torch.cat((source.scenes.clear.x, source.scenes.transmission), 1)
    windows = whole.unfold(2, 32, 1).unfold(3, 32, 1).flatten(2, 3).transpose(1, 2)  # (6, places, 4, 32, 32)
    every = torch.cat((windows, windows.flip(-1))).flatten(0, 1)
    for x, t in zip(batch.x, batch.A.t, strict=True):
        both = torch.cat((x, t))
        assert (every - both).abs().amax((1, 2, 3)).min() < 1e-6


def test_scenes_and_pictures_must_agree() -> None:
    with pytest.raises(ValueError, match="not the clear scenes of hazy_leaves/train"):
        hazy_scenes(load("hazy_leaves/val", n=6, size=48), None, name=LEAVES)
    with pytest.raises(ValueError, match="do not fit scenes"):
        scenes().draw(replace(SMALL, crop=64), 0)
    with pytest.raises(ValueError, match="There are no scenes 'haze/val'; the names are haze/train, haze/test"):
        haze_of("haze/val")


def test_drawn_scenes_by_name() -> None:
    whole = haze_of("hazy_leaves/test", 32, 3)
    assert torch.equal(load("hazy_leaves/test", size=32, n=3).x, whole.clear.x)
    assert load("hazy_leaves/test", size=32, n=3).sha256 != load("hazy_leaves/val", size=32, n=3).sha256
    veiled = Haze(whole.transmission, whole.airlight)(whole.clear.x)
    assert float((veiled - whole.hazy.x).abs().max()) < 0.005  # both rounded to 8 bits


@pytest.mark.skipif(available()["haze"] is None, reason="the haze triples are not found through ILIB_DATA")
def test_recorded_scenes() -> None:
    pairs = columns.haze("haze/test")
    assert len(pairs.y) == 40 and float(psnr(pairs.y, pairs.pictures.x).mean()) == pytest.approx(12.71, abs=0.01)
    assert float(psnr(pairs.A(pairs.pictures.x), pairs.y).min()) > 50
    assert not set(pairs.pictures.names) & set(load("haze/train", how=None).names)


# ---- the others


def test_rain_is_what_the_camera_did_not_clip() -> None:
    x = load("embedded/train", size=32, n=2).x.clone()
    x[0, :, :8] = 1.0
    y, H, _ = Rainy().measure(x, torch.zeros(2, 1, 1, 1), 0)
    assert isinstance(H, Rain) and float(H.offset[0, :, :8].abs().max()) == 0 and float(H.offset.max()) > 0.1
    assert torch.equal(H.adjoint(x), x)


def test_shrunk_wants_sides_that_divide() -> None:
    with pytest.raises(ValueError, match="x4 does not divide"):
        Shrunk(4).measure(torch.rand(1, 3, 30, 32), torch.zeros(1, 1, 1, 1), 0)


# ---- columns


@pytest.mark.parametrize(
    ("maker", "options"),
    [("text", {"name": "text_pages/test", "size": 64, "n": 2}),
     ("noisy_text", {"name": "text_pages/test/0.1", "size": 64, "n": 2}),
     ("haze", {"name": "hazy_leaves/test", "size": 64, "n": 2}),
     ("rain", {"name": "embedded/test", "size": 64, "n": 2}),
     ("shrunk", {"name": "embedded/test/coffee", "size": 64})],
)  # fmt: skip
def test_columns_that_are_drawn(maker: str, options: dict[str, object]) -> None:
    one, two = (getattr(columns, maker)(**options) for _ in range(2))
    assert torch.equal(one.y, two.y) and one.y.shape == one.pictures.x.shape
    residual = float((one.A(one.pictures.x) - one.y).std())
    assert residual == pytest.approx(one.sigma, rel=0.35, abs=0.004)


def test_wrong_names_of_columns() -> None:
    with pytest.raises(ValueError, match="embedded/test holds no picture 'baby'; it holds"):
        columns.shrunk("embedded/test/baby")
    with pytest.raises(ValueError, match="'text_pages/test' does not end in a noise level"):
        columns.noisy_text("text_pages/test")
    whole = columns.shrunk("embedded/test/coffee")
    assert all(n % 4 == 0 for n in whole.y.shape[-2:])


@pytest.mark.skipif(available()["text"] is None, reason="the text pairs are not found through ILIB_DATA")
def test_recorded_text() -> None:
    pairs = columns.text("text", n=20)
    assert pairs.y.shape == (20, 3, 200, 200)
    left = (pairs.A(pairs.pictures.x) - pairs.y)[..., 20:-20, 20:-20].std()
    assert float(left) == pytest.approx(pairs.sigma, rel=0.3)
    noisy = columns.noisy_text("text/0.1", n=3)
    assert float((noisy.y - noisy.A(noisy.pictures.x).clamp(0, 1)).std()) == pytest.approx(0.1, rel=0.4)


@pytest.mark.skipif(available()["rain"] is None, reason="the rain pairs are not found through ILIB_DATA")
def test_recorded_rain() -> None:
    pairs = columns.rain("rain", n=3)
    assert float((pairs.A(pairs.pictures.x) - pairs.y).abs().mean()) < 0.01


def test_rain_is_a_source_of_a_grid() -> None:
    source = rainy_pictures(load("embedded/train", size=48), None, noise=0.0)
    batch = source.draw(SMALL, 0)
    assert source.camera == Rainy() and (batch.y >= batch.x - ROUNDING).all() and (batch.y > batch.x + 0.1).any()


def test_pages_are_sharp_pages_behind_eight_shakes_in_turn() -> None:
    pairs = columns.pages("text_pages/test", size=96, n=9)
    k, x = pairs.A.kernel, load("text_pages/test", size=96, n=9).x
    assert torch.equal(pairs.pictures.x, x) and torch.equal(k[8], k[0]) and not torch.equal(k[1], k[0])
    soft = pairs.A(x)
    between = (soft > 0.1) & (soft < 0.9)  # elsewhere black and white cut the noise off
    assert float((pairs.y - soft)[between].std()) == pytest.approx(pairs.sigma, rel=0.02)
    assert torch.equal(pairs.y, columns.pages("text_pages/test", size=96, n=9).y)
    assert not torch.equal(pairs.y, columns.pages("text_pages/test", size=96, n=9, seed=1).y)


@pytest.mark.skipif(available()["text"] is None, reason="the text pairs are not found through ILIB_DATA")
def test_real_pages_have_levins_shakes() -> None:
    pairs = columns.pages("text", n=2)
    assert torch.equal(pairs.A.kernel, levin09_kernels()[:2].float())
    assert pairs.pictures.names == columns.text("text", n=2).pictures.names
