"""Faces, digits, shoes, kernels and pairs, on small fixtures of the layouts that they are published in."""

import csv
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from ilib import data
from ilib.data.sets import BLOCKS, HAZE


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Random 8-bit values."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def put(path: Path, pixels: np.ndarray) -> Path:
    """Save pixels as a picture, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def encoded(pixels: np.ndarray) -> bytes:
    """A picture as JPEG bytes."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.mark.parametrize("family", BLOCKS)
def test_hold_outs_do_not_overlap(family):
    blocks = sorted(BLOCKS[family].values())
    gap = 0 if family == "celeba" else 10  # faces are in random order, the others are not
    assert all(b[0] - a[1] >= gap for a, b in zip(blocks, blocks[1:], strict=False))
    assert set(BLOCKS[family]) == {"train", "val", "test"} and all(a < b for a, b in blocks)


def face(half: bool) -> np.ndarray:
    """A grey frame of an aligned face's size with the paper's crop box in white."""
    h, w = (109, 89) if half else (218, 178)
    x = np.full((h, w, 3), 90, dtype=np.uint8)
    box = (27, 81, 18, 71) if half else (54, 162, 35, 143)
    x[box[0] : box[1], box[2] : box[3]] = 255
    return x


@pytest.mark.parametrize("half", [True, False])
def test_celeba_crop_is_the_documented_box(half, tmp_path):
    (tmp_path / "celeba").mkdir()
    with zipfile.ZipFile(tmp_path / "celeba/img_align_celeba.zip", "w") as archive:
        archive.writestr("__MACOSX/._000001.jpg", b"no picture")
        for i in (1, 8680, 8681, 9000, 9001):
            archive.writestr(f"img_align_celeba/{i:06d}.jpg", encoded(face(half)))
    found = {s: data.celeba(s, root=tmp_path) for s in BLOCKS["celeba"]}
    assert {s: p.names for s, p in found.items()} == {
        "train": ("000001", "008680"),
        "val": ("008681",),
        "test": ("009000",),
    }
    x = found["test"].x[0]
    assert x.shape == (3, 64, 64) and x[:, 1:-1, 1:-1].min() > 0.97  # all white inside
    assert data.load("celeba/train", 32, n=1, root=tmp_path).pixels.shape == (1, 3, 32, 32)


def test_celeba_from_the_unpacked_folder(tmp_path):
    (tmp_path / "CelebA/Img/img_align_celeba").mkdir(parents=True)
    (tmp_path / "CelebA/Img/img_align_celeba/000007.jpg").write_bytes(encoded(face(False)))
    assert data.celeba("train", root=tmp_path).names == ("000007",)
    with pytest.raises(ValueError, match="none of the numbers 8841-9000"):
        data.celeba("test", root=tmp_path)


def test_svhn_in_both_layouts(tmp_path):
    images, labels = noise(10000, 2, 2, 3), (np.arange(10000) % 10 + 1).astype(np.uint8)
    for layout in ("a/svhn", "b/SVHN"):
        (tmp_path / layout).mkdir(parents=True)
    np.savez(tmp_path / "a/svhn/svhn_test_split_first10000_32x32.npz", images=images, labels=labels)
    mat = {"X": np.concatenate([images, images[:3]]).transpose(1, 2, 3, 0), "y": np.append(labels, [1, 2, 3])[:, None]}
    scipy.io.savemat(tmp_path / "b/SVHN/test_32x32.mat", mat)
    a, b = (data.svhn("test", root=tmp_path / r) for r in "ab")
    assert a.sha256 == b.sha256 and a.labels == b.labels and len(a) == 1000
    assert a.names[0] == "09000" and a.labels[:10] == (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)
    assert torch.equal(a.pixels[5], torch.from_numpy(images[9005]).permute(2, 0, 1))
    assert data.load("svhn/val", n=3, root=tmp_path / "a").names == ("08000", "08001", "08002")


def test_shoes(tmp_path):
    (tmp_path / "shoes").mkdir()
    kinds = np.array(["Heels", "Flats"])[np.arange(2122) % 2]
    np.savez(tmp_path / "shoes/myntra_footwear_64x64.npz", images=noise(2122, 4, 4, 3), article=kinds)
    shoes = data.load("shoes/test", root=tmp_path)
    assert len(shoes) == 202 and shoes.labels[:2] == ("Heels", "Flats")
    assert data.load("shoes/test", 2, "resize", root=tmp_path).labels == shoes.labels
    with pytest.raises(ValueError, match="shoes has shoes/train, shoes/val, shoes/test"):
        data.shoes("all", root=tmp_path)


def levin_fixture(root: Path) -> None:
    """The four pictures, thirty-two shaken ones and eight kernels, small."""
    sizes = (19, 17, 15, 27, 13, 21, 23, 23)
    kernels = {f"kernel{k}": np.zeros((s, s)) for k, s in enumerate(sizes, 1)}
    for h in kernels.values():
        h[len(h) // 2, len(h) // 2] = 1
    (root / "kernels").mkdir()
    np.savez(root / "kernels/levin09_convolution_convention.npz", **kernels)
    for i in range(1, 5):
        put(root / f"levin09/gt/im{i}.png", np.full((9, 9), i, np.uint8))
        for k in range(1, 9):
            put(root / f"levin09/blurred/im{i}_kernel{k}_img.png", np.full((9, 9), 10 * i + k, np.uint8))


def test_levin(tmp_path):
    levin_fixture(tmp_path)
    sharp, blurred, kernels = data.levin09(tmp_path)
    assert sharp.shape == (4, 1, 9, 9) and blurred.shape == (4, 8, 1, 9, 9)
    assert round(float(blurred[2, 6].mean()) * 255) == 37
    assert kernels.shape == (8, 27, 27) and (kernels[:, 13, 13] == 1).all() and kernels.sum() == 8
    (tmp_path / "levin09/blurred/im3_kernel7_img.png").unlink()
    with pytest.raises(FileNotFoundError, match="im3_kernel7_img.*is the set complete"):
        data.levin09(tmp_path)


def test_kernels_12(tmp_path):
    (tmp_path / "kernels").mkdir()
    cells = np.empty((1, 12), dtype=object)
    for i in range(12):
        cells[0, i] = np.full((25, 25), 1 / 625, np.float32)
    scipy.io.savemat(tmp_path / "kernels/kernels_12.mat", {"kernels": cells})
    assert data.kernels_12(tmp_path).shape == (12, 25, 25) and data.kernels_12(tmp_path).dtype == torch.float64


def test_text_pairs(tmp_path):
    (tmp_path / "text_bmvc2015").mkdir()
    names = np.array(["0000000_.png", "0000001_.png", "0000002_.png"])
    pictures = {"sharp": noise(3, 8, 8, 3), "blurred": noise(3, 8, 8, 3, seed=1)}
    np.savez(tmp_path / "text_bmvc2015/bmvc_test05_200x200.npz", names=names, **pictures)
    kernels = np.random.default_rng(0).random((3, 41, 41)).astype(np.float16)
    np.savez(tmp_path / "text_bmvc2015/estimated_kernels_41x41_f16.npz", kernels=kernels)
    text = data.text_pairs(2, tmp_path)
    assert text.sharp.names == text.blurred.names == ("0000000_", "0000001_")
    assert text.kernels.shape == (2, 41, 41) and torch.allclose(text.kernels.sum((1, 2)), torch.ones(2))


def test_haze_triples(tmp_path):
    home = tmp_path / "haze_nyu_make3d"
    ids = [f"{i:03d}" for i in range(1, 197)]
    for i in ids:
        for kind in ("clear", "hazy"):
            put(home / kind / f"{i}.webp", np.full((2, 3, 3), int(i), np.uint8))
        put(home / "trans" / f"{i}.png", np.full((2, 3), 128, np.uint8))
    with (home / "airlight.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "A"]] + [[i, int(i) / 1000] for i in ids])
    haze = data.haze_triples("test", tmp_path)
    assert haze.clear.names == haze.hazy.names == tuple(ids[156:]) and len(ids[156:]) == 40
    assert haze.transmission.shape == (40, 1, 2, 3) and haze.airlight[0] == pytest.approx(0.157)
    assert len(data.haze_triples(root=tmp_path).clear) == 196 == HAZE["test"][1]
    with pytest.raises(ValueError, match="haze/train, haze/test"):
        data.haze_triples("val", tmp_path)


def test_rain_pairs_need_every_file(tmp_path):
    for kind in ("clean", "rain"):
        put(tmp_path / f"rain/{kind}/01.webp", noise(4, 6, 3))
        put(tmp_path / f"rain/{kind}/02.webp", noise(6, 4, 3))
    clean, rain = data.rain_pairs(tmp_path)
    assert clean.names == rain.names == ("01", "02") and clean.source == "rain/clean"
    (tmp_path / "rain/rain/02.webp").write_bytes(b"broken")
    with pytest.warns(UserWarning, match="02.webp"), pytest.raises(ValueError, match="pairs need every file"):
        data.rain_pairs(tmp_path)


def test_depth_marks_the_unknown(tmp_path):
    for name in ("cones", "motorcycle"):
        put(tmp_path / f"depth/{name}_rgb.png", noise(2, 3, 3))
    put(tmp_path / "depth/cones_disp.png", np.array([[0, 1, 2], [3, 4, 5]], np.uint8))
    np.savez(tmp_path / "depth/motorcycle_disp_f16.npz", disp=np.array([[0, 1, 2], [3, 4, 5]], np.float16))
    for scene, name in zip(data.depth(tmp_path), ("cones", "motorcycle"), strict=True):
        assert scene.name == name and scene.colour.shape == (3, 2, 3) and scene.disparity.shape == (1, 2, 3)
        assert scene.disparity.isnan().sum() == 1 and scene.disparity[0, 1, 2] == 5


def test_dgp_reference(tmp_path):
    (tmp_path / "deep_generative_priors_reference").mkdir()
    arrays = {
        "original": noise(2, 4, 5, 3),
        "kernels": np.full((3, 28, 28), 1 / 784, np.float32),
        "alg1_w_hat_from_test_maxnorm": noise(2, 28, 28),
    }
    np.savez(tmp_path / "deep_generative_priors_reference/asim_svhn_test.npz", **arrays)
    reference = data.dgp_reference("svhn", tmp_path)
    assert {k: tuple(v.shape) for k, v in reference.items()} == {
        "original": (2, 3, 4, 5),
        "kernels": (3, 28, 28),
        "alg1_w_hat_from_test_maxnorm": (2, 28, 28),
    }
    assert torch.equal(reference["original"][1, 2], torch.from_numpy(arrays["original"][1, ..., 2]) / 255)
    assert reference["alg1_w_hat_from_test_maxnorm"].max() <= 1
    with pytest.raises(ValueError, match="svhn, celeba, shoes, pggan"):
        data.dgp_reference("faces", tmp_path)
    with pytest.raises(FileNotFoundError, match="dgp_reference shoes"):
        data.dgp_reference("shoes", tmp_path)


LOADERS = [data.levin09, data.levin09_kernels, data.kernels_12, data.text_pairs, data.haze_triples, data.rain_pairs,
           data.gopro_pairs, data.depth]  # fmt: skip


@pytest.mark.parametrize("loader", LOADERS, ids=lambda f: f.__name__)
def test_missing_sets_say_what_to_set(loader, tmp_path):
    with pytest.raises(FileNotFoundError, match="Set ILIB_DATA to the folder that holds them, or pass root="):
        loader(root=tmp_path)
