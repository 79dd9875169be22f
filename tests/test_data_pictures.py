"""Embedded photographs, decoding and cropping, and folders of photographs in their published layouts."""

import importlib
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ilib import data
from ilib.data.folders import GOPRO_TEST, SETS, names
from ilib.data.pictures import to_rgb, to_tensor

embedded_module = importlib.import_module("ilib.data.embedded")  # the package's name is the function


def noise(h: int, w: int, seed: int = 0, channels: int = 3) -> np.ndarray:
    """Random 8-bit pixels (h, w, channels), or (h, w) for one channel."""
    shape = (h, w) if channels == 1 else (h, w, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def put(path: Path, pixels: np.ndarray) -> Path:
    """Save pixels as a picture, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


# --- embedded ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "n"), [("test", 4), ("train", 5), ("grey", 5), (None, 9)])
def test_embedded_crops(split, n):
    pictures = data.embedded(split=split)
    assert pictures.x.shape == (n, 3, 256, 256) and pictures.x.dtype == torch.float32
    assert pictures.x.min() >= 0 and pictures.x.max() <= 1 and len(set(pictures.names)) == n
    assert (pictures.x.flatten(1).std(1) > 0.05).all()  # each shows something
    assert (pictures.x.amax(1) == pictures.x.amin(1)).all() == (split == "grey")


def test_no_embedded_photograph_in_two_splits():
    files = {s: {c.file for c in crops} for s, crops in embedded_module.SPLITS.items()}
    assert not files["train"] & files["test"] and not files["grey"] & (files["train"] | files["test"])
    assert not {"motorcycle_left.png", "motorcycle_right.png"} & files["test"]  # one scene seen twice


def test_embedded_sizes_share_their_centre():
    large, small = data.embedded(256, split="test"), data.embedded(64, split="test")
    assert torch.equal(large.pixels[..., 96:160, 96:160], small.pixels)
    assert data.embedded(300, n=2).pixels.shape == (2, 3, 300, 300)


def test_embedded_whole_photographs():
    whole = data.embedded(None, split="test")
    assert whole.names == ("astronaut", "chelsea", "coffee")
    assert [tuple(p.shape) for p in whole.x] == [(3, 512, 512), (3, 300, 451), (3, 400, 600)]
    assert data.load("embedded/test", how="resize", size=64).pixels.shape == (3, 3, 64, 64)


def test_embedded_errors():
    with pytest.raises(ValueError, match="chelsea is cut from 300x451.*up to 300"):
        data.embedded(400)
    with pytest.raises(ValueError, match="splits test, train, grey"):
        data.embedded(split="val")
    with pytest.raises(ValueError, match="positive whole number"):
        data.embedded(n=0)


def test_embedded_without_scikit_image_says_what_to_install(monkeypatch):
    monkeypatch.setattr(embedded_module, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install 'scikit-image"):
        data.embedded()


# --- Pictures ---------------------------------------------------------------------------------------------------


def test_pictures_are_floats_outside_and_bytes_inside():
    pictures = data.embedded(32, n=2)
    assert pictures.pixels.dtype == torch.uint8
    assert torch.equal(pictures[1], pictures.x[1]) and len(list(pictures)) == len(pictures) == 2
    with pytest.raises(ValueError, match="one name per picture"):
        data.Pictures(pictures.pixels, ("one",), "x")


def test_sha256_sees_every_pixel_and_the_shape():
    pixels = torch.zeros(1, 3, 4, 6, dtype=torch.uint8)
    changed = pixels.clone()
    changed[0, 2, 3, 5] = 1
    shas = [data.Pictures(p, ("a",), "x").sha256 for p in (pixels, pixels.clone(), changed, pixels.mT)]
    assert shas[0] == shas[1] and len(set(shas)) == 3


# --- decoding ---------------------------------------------------------------------------------------------------


def test_modes_become_rgb():
    rgb = noise(8, 9)
    picture = Image.fromarray(rgb)
    assert np.array_equal(np.asarray(to_rgb(picture)), rgb)
    grey = Image.fromarray(noise(8, 9, channels=1))
    assert np.array_equal(np.asarray(to_rgb(grey)), np.repeat(np.asarray(grey)[..., None], 3, 2))
    deep = Image.fromarray(np.array([[0, 257 * 7, 65535]], dtype=np.uint16))
    assert np.asarray(to_rgb(deep))[0, :, 0].tolist() == [0, 7, 255]
    clear = Image.fromarray(np.array([[[10, 20, 30, 0], [10, 20, 30, 255]]], dtype=np.uint8))
    assert np.asarray(to_rgb(clear))[0].tolist() == [[255, 255, 255], [10, 20, 30]]  # transparency lies on white
    palette = picture.quantize(16)
    assert np.array_equal(np.asarray(to_rgb(palette)), np.asarray(palette.convert("RGB")))
    assert to_rgb(picture.convert("CMYK")).mode == "RGB"


def test_exif_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees
    Image.fromarray(noise(20, 30)).save(tmp_path / "turned.png", exif=exif)
    assert data.folder(tmp_path, how=None).pixels.shape == (1, 3, 30, 20)


def test_grey_can_be_refused(tmp_path):
    put(tmp_path / "set5/grey.png", noise(9, 9, channels=1))
    with pytest.raises(ValueError, match="picture grey.*it is grey.*grey='convert'"):
        data.load("set5", size=8, grey="refuse", root=tmp_path)
    x = data.load("set5", size=8, root=tmp_path).x
    assert torch.equal(x[:, 0], x[:, 1]) and torch.equal(x[:, 0], x[:, 2])


def test_centre_crop_and_resize(tmp_path):
    pixels = noise(21, 30)
    put(tmp_path / "a.png", pixels)
    crop = data.folder(tmp_path, size=10)
    assert torch.equal(crop.pixels[0], to_tensor(Image.fromarray(pixels))[:, 5:15, 10:20])
    constant = data.folder(put(tmp_path / "b.png", np.full((21, 30, 3), 77, np.uint8)), size=8, how="resize")
    assert (constant.pixels == 77).all() and constant.pixels.shape == (1, 3, 8, 8)
    shrunk = data.folder(tmp_path / "a.png", size=2, how="resize").x
    assert shrunk.std() < 0.25 * torch.tensor(pixels / 255).std()  # antialiased: noise averages out


def test_broken_files_are_left_out_with_a_count(tmp_path):
    put(tmp_path / "kodak24/good.png", noise(9, 9))
    (tmp_path / "kodak24/empty.png").touch()
    whole = put(tmp_path / "kodak24/cut.jpg", noise(64, 64)).read_bytes()
    (tmp_path / "kodak24/cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "kodak24/notes.txt").write_text("no picture")
    with pytest.warns(UserWarning, match=r"kodak24: 2 undecodable file\(s\) left out: cut.jpg, empty.png"):
        pictures = data.load("kodak24", size=8, root=tmp_path)
    assert pictures.names == ("good",)


def test_nothing_decodes_is_an_error(tmp_path):
    (tmp_path / "set5").mkdir()
    (tmp_path / "set5/empty.png").touch()
    with pytest.raises(ValueError, match="None of the 1 files of 'set5' decodes.*empty.png"):
        data.load("set5", root=tmp_path)


def test_too_small_is_refused_by_name(tmp_path):
    put(tmp_path / "set5/big.png", noise(40, 40))
    put(tmp_path / "set5/little.png", noise(40, 12))
    with pytest.raises(
        ValueError, match="picture little: it has 40x12 pixels; ask for a size up to 12, or how='resize'"
    ):
        data.load("set5", size=16, root=tmp_path)
    whole = data.load("set5", how=None, root=tmp_path)
    assert [tuple(x.shape) for x in whole.x] == [(3, 40, 40), (3, 40, 12)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"how": "stretch"}, "how must be one of"), ({"size": 0}, "size must be"), ({"size": 8.0}, "size must be"),
     ({"n": 0}, "n counts pictures"), ({"grey": "maybe"}, "grey must be")],
)  # fmt: skip
def test_wrong_arguments(wrong, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        data.load("set5", **wrong, root=tmp_path)


# --- folders ----------------------------------------------------------------------------------------------------


def test_bsds500_in_both_layouts_without_the_leak(tmp_path):
    for layout in ("mine/bsds500", "theirs/BSR/BSDS500/data/images"):
        for split, ids in {"train": ("302003", "2", "1"), "val": ("3",), "test": ("4",)}.items():
            for i in ids:
                put(tmp_path / layout / split / f"{i}.jpg", noise(16, 24, int(i)))
            (tmp_path / layout / split / "Thumbs.db").write_bytes(b"x")
    mine, theirs = (data.load("bsds500/train+test", 16, root=tmp_path / r) for r in ("mine", "theirs"))
    assert mine.names == theirs.names == ("train/1", "train/2", "test/4")
    assert mine.sha256 == theirs.sha256
    assert data.load("bsds500/val", 16, root=tmp_path / "mine/bsds500").names == ("3",)  # root is the set itself
    assert len(data.photographs("bsds500", size=16, root=tmp_path / "mine")) == 4
    assert data.photographs("bsds500", "train", 16, n=1, root=tmp_path / "mine").names == ("1",)


def test_gopro_is_split_by_sequence_in_both_layouts(tmp_path):
    train, test = "GOPR0374_11_00", GOPRO_TEST[0]
    for s in (train, test):
        put(tmp_path / f"a/gopro/sharp/{s}_frame-1_gt.png", noise(16, 24))
        put(tmp_path / f"a/gopro/blurred_by_frame_average/{s}_frame-1.png", noise(16, 24, 1))
    for part, s in (("train", train), ("test", test)):
        put(tmp_path / f"b/GOPRO_Large/{part}/{s}/sharp/000001.png", noise(16, 24))
        put(tmp_path / f"b/GOPRO_Large/{part}/{s}/blur/000001.png", noise(16, 24, 1))
    assert data.load("gopro/test", 16, root=tmp_path / "a").names == (f"{test}_frame-1_gt",)
    assert data.load("gopro/train", 16, root=tmp_path / "a").names == (f"{train}_frame-1_gt",)
    assert data.load("gopro/test", 16, root=tmp_path / "b").names == (f"{test}/sharp/000001",)
    for layout in "ab":
        clean, degraded = data.gopro_pairs("test", 16, root=tmp_path / layout)
        assert clean.names == degraded.names and clean.sha256 != degraded.sha256


def test_reds_layout(tmp_path):
    put(tmp_path / "REDS/val/val_sharp/000/00000000.png", noise(16, 24))
    assert data.load("reds/val", 16, root=tmp_path).names == ("000/00000000",)


@pytest.mark.parametrize("family", ["cid22", "set5", "set14", "kodak24"])
def test_plain_folders(family, tmp_path):
    part = next(iter(SETS[family].values()))
    for i, pattern in enumerate(part.patterns):
        put(tmp_path / str(i) / pattern.replace("*", "b.png"), noise(16, 24))
        put(tmp_path / str(i) / pattern.replace("*", "a.jpg"), noise(24, 16))
        pictures = data.load(family, 16, root=tmp_path / str(i))
        assert pictures.names == ("a", "b") and pictures.source == family


def test_missing_data_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv(data.ENVIRONMENT, raising=False)
    with pytest.raises(FileNotFoundError, match="neither root nor the variable ILIB_DATA.*embedded/test"):
        data.load("bsds500/val")
    monkeypatch.setenv(data.ENVIRONMENT, str(tmp_path))
    with pytest.raises(FileNotFoundError) as error:
        data.load("bsds500/val")
    for word in ("bsds500/val/*", "BSR/BSDS500/data/images/val/*", str(tmp_path), "Set ILIB_DATA", "root="):
        assert word in str(error.value)
    (tmp_path / "bsds500/val").mkdir(parents=True)
    (tmp_path / "bsds500/val/readme.txt").touch()
    with pytest.raises(FileNotFoundError, match="holds no picture of 'bsds500/val'"):
        data.load("bsds500/val")


def test_environment_names_the_folder(tmp_path, monkeypatch):
    put(tmp_path / "set5/a.png", noise(16, 16))
    monkeypatch.setenv(data.ENVIRONMENT, str(tmp_path))
    assert data.load("set5", 16).names == ("a",)
    found = data.available()
    assert found["set5"] == str(tmp_path / "set5") and found["set14"] is None and found["embedded"]


@pytest.mark.parametrize("name", ["bsds", "bsds500/validation", "set5/test", "svhn", "celeba/dev", "embedded/x"])
def test_unknown_names_list_the_known(name, tmp_path):
    with pytest.raises(ValueError, match="bsds500/val|svhn/test|celeba/test|test, train, grey"):
        data.load(name, root=tmp_path)


def test_names_are_complete():
    assert set(names()) < set(data.all_names()) and len(set(data.all_names())) == len(data.all_names())
    assert {"embedded/test", "bsds500/val", "kodak24", "celeba/test", "svhn/train"} <= set(data.all_names())


def test_own_pictures(tmp_path):
    file = put(tmp_path / "holiday.jpg", noise(20, 20))
    assert data.folder(file, size=16).names == ("holiday.jpg",)
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        data.folder(tmp_path / "elsewhere")
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="holds no picture; the endings"):
        data.folder(tmp_path / "none")


# --- crops ------------------------------------------------------------------------------------------------------


def coordinates(*sizes: tuple[int, int]) -> data.Pictures:
    """Pictures whose channels are picture number, row and column, so that a crop tells where it is from."""
    pixels = [
        torch.stack([torch.full(s, i), torch.arange(s[0])[:, None].expand(s), torch.arange(s[1]).expand(s)])
        for i, s in enumerate(sizes)
    ]
    return data.Pictures([p.to(torch.uint8) for p in pixels], tuple(map(str, range(len(sizes)))), "coordinates")


def test_crops_come_from_everywhere():
    x = (data.crops(coordinates((20, 30), (16, 18)), size=16, n=600, seed=1) * 255).round().long()
    assert x.shape == (600, 3, 16, 16)
    first = x[x[:, 0, 0, 0] == 0]
    assert 250 < len(first) < 350
    assert set(first[:, 1, 0, 0].tolist()) == set(range(5))  # every row that a crop can start at
    assert set(first[:, 2].amin((1, 2)).tolist()) == set(range(15))
    mirrored = first[:, 2, 0, 0] > first[:, 2, 0, 1]
    assert 0.4 < mirrored.float().mean() < 0.6
    assert (first[:, 1].diff(dim=1) == 1).all() and (first[:, 2].diff(dim=2).abs() == 1).all()


def test_crop_stream_is_seeded_and_goes_on():
    pictures = data.embedded(None, split="train")
    a, b = data.crop_stream(pictures, 32, 4, seed=3), data.crop_stream(pictures, 32, 4, seed=3)
    first, second = next(a), next(a)
    assert torch.equal(first, next(b)) and torch.equal(second, next(b)) and not torch.equal(first, second)
    assert torch.equal(first, data.crops(pictures, 32, 4, seed=3))
    assert not torch.equal(first, data.crops(pictures, 32, 4, seed=4))
    unflipped = data.crops(coordinates((40, 40)), 32, 50, flips=False)
    assert (unflipped[:, 2, 0, 0] < unflipped[:, 2, 0, 1]).all()


def test_crops_that_do_not_fit_name_the_picture():
    with pytest.raises(ValueError, match=r"do not fit into 1 picture\(s\) of 'coordinates' \(1\)"):
        data.crop_stream(coordinates((40, 40), (40, 20)), 32, 4)  # at the call, not at the first batch


def test_loading_is_quiet_by_default(tmp_path):
    put(tmp_path / "set5/a.png", noise(16, 16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.load("set5", 16, root=tmp_path)
        data.embedded(16)


def test_sets_are_joined_by_a_plus_sign():
    train, test = data.load("embedded/train", size=64), data.load("embedded/test", size=64)
    both = data.load("embedded/train+embedded/test", size=64)
    assert torch.equal(both.pixels, torch.cat((train.pixels, test.pixels)))
    assert both.names[0] == f"{train.source}/{train.names[0]}" and both.source == "embedded/train+embedded/test"
    assert len(data.load("embedded/train+embedded/test", size=64, n=3)) == 3
    with pytest.raises(ValueError, match="have the splits"):
        data.load("embedded/train+nowhere/test", size=64)
