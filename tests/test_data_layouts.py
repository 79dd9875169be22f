"""Public layouts, on small sets of that layout that the tests make; splits and their leaks."""

import hashlib
import sys
import types
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from test_data_sets import noise, put

from ilib import data
from ilib.data import layouts
from ilib.data.folders import GOPRO_TEST
from ilib.data.registry import registry
from ilib.data.sets import available


def mat(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, arrays)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("gopro/train", ["GOPRO_Large/train/GOPR0372_07_00/sharp/000047.png",
                         f"GOPRO_Large/test/{GOPRO_TEST[0]}/sharp/000001.png"]),
        ("gopro/test", [f"GOPRO_Large/test/{GOPRO_TEST[0]}/sharp/000001.png"]),
        ("reds/train", ["REDS/train/train_sharp/000/00000000.png"]),
        ("reds/val", ["REDS/val/val_sharp/000/00000000.png"]),
        ("set5", ["Set5/Set5_HR/baby.png"]),
        ("set14", ["Set14/Set14_HR/face.png"]),
        ("kodak24", ["Kodak/kodim01.png"]),
        ("odcnn", ["odcnn/castle.png"]),
        ("bsds500/val", ["BSR/BSDS500/data/images/val/101085.jpg"]),
        ("coco/train", ["COCO/train2017/000000000009.jpg"]),
        ("coco/val", ["COCO/val2017/000000000139.jpg"]),
        ("cid22_val", ["CID22_val/CID22_validation_set/original/1.png"]),
    ],
)  # fmt: skip
def test_photographs_as_fetch_lays_them_out(name, files, tmp_path):
    for i, file in enumerate(files):
        put(tmp_path / file, noise(24, 24, 3, seed=i))
    pictures = data.load(name, 16, root=tmp_path)
    assert len(pictures) == 1 and pictures.pixels.shape == (1, 3, 16, 16)


def test_receipts_and_archives_beside_the_pictures_are_no_pictures(tmp_path):
    put(tmp_path / "Kodak/kodim01.png", noise(24, 24, 3))
    (tmp_path / "Kodak/.ilib-fetched.json").write_text("{}")
    assert data.load("kodak24", 16, root=tmp_path).names == ("kodim01",)


def test_svhn_official(tmp_path):
    crops = noise(32, 32, 3, 12)
    mat(tmp_path / "SVHN/train_32x32.mat", X=crops, y=np.arange(1, 13)[:, None] % 11)
    train = data.load("svhn_official/train", root=tmp_path)
    assert train.pixels.shape == (12, 3, 32, 32) and train.labels[9] == 0 and train.labels[0] == 1
    assert (train.pixels[3].permute(1, 2, 0).numpy() == crops[..., 3]).all()
    assert data.load("svhn_official/train", 16, n=2, root=tmp_path).pixels.shape == (2, 3, 16, 16)
    with pytest.raises(FileNotFoundError, match="test_32x32.mat"):
        data.load("svhn_official/test", root=tmp_path)
    with pytest.raises(ValueError, match="svhn_official/extra"):
        data.load("svhn_official/validation", root=tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_celeba_official(zipped, tmp_path):
    (tmp_path / "CelebA").mkdir()
    parts = {1: 0, 2: 0, 3: 1, 4: 2, 5: 2}
    (tmp_path / "CelebA/list_eval_partition.txt").write_text("".join(f"{i:06d}.jpg {p}\n" for i, p in parts.items()))
    files = {f"img_align_celeba/{i:06d}.jpg": noise(218, 178, 3, seed=i) for i in parts}
    if zipped:
        with zipfile.ZipFile(tmp_path / "CelebA/img_align_celeba.zip", "w") as archive:
            for name, pixels in files.items():
                out = BytesIO()
                Image.fromarray(pixels).save(out, "JPEG")
                archive.writestr(name, out.getvalue())
    else:
        for name, pixels in files.items():
            put(tmp_path / "CelebA" / name, pixels)
    found = {s: data.load(f"celeba_official/{s}", root=tmp_path).names for s in ("train", "val", "test")}
    assert found == {"train": ("000001", "000002"), "val": ("000003",), "test": ("000004", "000005")}
    assert data.load("celeba_official/test", 32, n=1, root=tmp_path).pixels.shape == (1, 3, 32, 32)
    (tmp_path / "CelebA/list_eval_partition.txt").write_text("000009.jpg 0\n")
    with pytest.raises(ValueError, match="None of the 1 faces"):
        data.celeba_official("train", root=tmp_path)


def test_zappos_is_split_by_brand(tmp_path):
    brands = [f"Brand {i}" for i in range(300)]
    tested = [b for b in brands if layouts.tests_brand(b)]
    assert 1 <= len(tested) <= 20  # about 1 in 43
    for brand in (tested[0], next(b for b in brands if b not in tested)):
        for i in range(2):
            put(tmp_path / f"UT-Zappos50K/ut-zap50k-images-square/Shoes/Flats/{brand}/{i}.jpg", noise(136, 136, 3))
    train, test = (data.load(f"zappos/{s}", root=tmp_path) for s in ("train", "test"))
    assert len(train) == len(test) == 2 and all(tested[0] in name for name in test.names)
    assert test.labels == ("Shoes", "Shoes") and test.pixels.shape == (2, 3, 64, 64)
    assert hashlib.sha256(tested[0].encode()).digest()[0] < layouts.ZAPPOS_TEST


def test_text_training_pairs(tmp_path):
    sharp = noise(30, 30)
    put(tmp_path / "BMVC_image_data/orig/0000000_orig.png", sharp)
    put(tmp_path / "BMVC_image_data/blur/0000000_blur.png", 255 - sharp)
    clean, blurred = data.text_training_pairs(root=tmp_path)
    assert clean.names == ("0000000",) and ((clean.pixels + blurred.pixels) == 255).all()
    put(tmp_path / "BMVC_image_data/orig/0000001_orig.png", sharp)
    with pytest.raises(FileNotFoundError, match="0000001_blur.png"):
        data.text_training_pairs(root=tmp_path)


def test_ohaze_in_the_archives_folder(tmp_path):
    for i in (1, 2, 36, 41):
        put(tmp_path / f"O-HAZE/# O-HAZY NTIRE 2018/GT/{i:02d}_outdoor_GT.jpg", noise(20 + i, 30, 3, seed=i))
        put(tmp_path / f"O-HAZE/# O-HAZY NTIRE 2018/hazy/{i:02d}_outdoor_hazy.jpg", noise(20 + i, 30, 3, seed=i))
    pairs = data.ohaze_pairs(root=tmp_path)
    assert pairs.clean.names == pairs.degraded.names == ("01", "02", "36", "41")
    assert [p.shape for p in pairs.clean.pixels] == [p.shape for p in pairs.degraded.pixels]
    assert data.ohaze_pairs(size=16, how="resize", root=tmp_path).clean.pixels.shape == (4, 3, 16, 16)
    with pytest.raises(ValueError, match="ohaze/test"):
        data.ohaze_pairs("tests", root=tmp_path)


def test_rain800_halves(tmp_path):
    both = np.concatenate([np.full((10, 8, 3), 200, np.uint8), np.full((10, 8, 3), 100, np.uint8)], 1)
    put(tmp_path / "Rain800/test_syn/1.png", both)
    clean, rainy = data.rain800_pairs("test", root=tmp_path)
    assert clean.pixels.shape == (1, 3, 10, 8) and (clean.pixels == 100).all() and (rainy.pixels == 200).all()


def test_kohler_takes_the_middle_frame(tmp_path):
    for i, j, middle, last in ((1, 1, 100, 199), (1, 10, 99, 198), (2, 11, 100, 200)):
        put(tmp_path / f"Kohler/Blurry{i}_{j}.png", noise(12, 12, 3))
        for n in (1, middle, last):
            put(tmp_path / f"Kohler/Image{i}/Kernel{j}/GroundTruth{i}_{j}_{n}.png", np.full((12, 12, 3), n, np.uint8))
    pairs = data.kohler_pairs(root=tmp_path)
    assert pairs.clean.names == ("1_1", "1_10", "2_11")
    assert [int(p[0, 0, 0]) for p in pairs.clean.pixels] == [100, 99, 100]
    assert [int(p[0, 0, 0]) for p in data.kohler_pairs("last", tmp_path).clean.pixels] == [199, 198, 200]
    with pytest.raises(ValueError, match="'middle'"):
        data.kohler_pairs("second", tmp_path)


def test_lai16(tmp_path):
    put(tmp_path / "cvpr16_deblur_study/real_dataset/coke.jpg", noise(12, 12, 3))
    put(tmp_path / "cvpr16_deblur_study/ground_truth/manmade_01.png", np.full((12, 12, 3), 7, np.uint8))
    put(tmp_path / "cvpr16_deblur_study/uniform/manmade_01_kernel_01.png", noise(12, 12, 3))
    put(tmp_path / "cvpr16_deblur_study/nonuniform/manmade_01_gyro_02.png", noise(12, 12, 3))
    assert data.lai16_real(root=tmp_path).names == ("coke",)
    for kind in ("uniform", "nonuniform"):
        clean, blurred = data.lai16_pairs(kind, tmp_path)
        assert (clean.pixels == 7).all() and len(blurred) == 1
    with pytest.raises(ValueError, match="lai16/uniform"):
        data.lai16_pairs("both", tmp_path)


def test_levin_mat_kernels_convolve(tmp_path):
    """y is x correlated with f, so turned it convolves."""
    from scipy.signal import correlate2d

    random = np.random.default_rng(0)
    x = random.random((40, 40))
    for k in range(1, 9):
        f = random.random((13 + 2 * (k % 3), 13 + 2 * (k % 3)))
        f /= f.sum()
        for i in range(5, 9):
            mat(tmp_path / f"LevinEtalCVPR09Data/Levin09blurdata/im{i:02d}_flit{k:02d}.mat",
                x=x, y=correlate2d(x, f, "same"), f=f)  # fmt: skip
    levin = data.levin09_mat(tmp_path)
    assert levin.sharp.shape == (4, 1, 40, 40) and levin.blurred.shape == (4, 8, 1, 40, 40)
    assert torch.allclose(levin.kernels.sum((1, 2)), torch.ones(8, dtype=torch.float64))
    from scipy.signal import fftconvolve

    middle = np.s_[14:-14, 14:-14]
    for k in range(8):
        model = fftconvolve(x, levin.kernels[k].numpy(), "same")[middle]
        assert np.abs(model - levin.blurred[0, k, 0].numpy()[middle]).max() < 1e-5
    (tmp_path / "LevinEtalCVPR09Data/Levin09blurdata/im05_flit03.mat").unlink()
    with pytest.raises(FileNotFoundError, match="lacks 1 of its 32 files, im05_flit03.mat"):
        data.levin09_mat(tmp_path)


def test_make3d(tmp_path):
    grid = np.random.default_rng(0).random((55, 305, 4))
    folders = (("Train400Img", "Train400Depth", "10.21op2-p-046t000"), ("Test134", "Gridlaserdata", "op1-p-1"))
    for folder, laser, key in folders:
        put(tmp_path / f"Make3D/{folder}/img-{key}.jpg", noise(40, 30, 3))
        mat(tmp_path / f"Make3D/{laser}/depth_sph_corr-{key}.mat", Position3DGrid=grid)
    for split in ("train", "test"):
        scenes = data.make3d_depth(split, root=tmp_path)
        assert len(scenes.colour) == 1 and scenes.depth[0].shape == (1, 55, 305)
        assert np.allclose(scenes.depth[0][0], grid[..., 3], atol=1e-6)
    next(tmp_path.glob("Make3D/Gridlaserdata/*")).unlink()
    with pytest.raises(FileNotFoundError, match="depth archives"):
        data.make3d_depth("test", root=tmp_path)


class FakeFile(dict):
    """Stands in for h5py.File: the arrays by name, as h5py gives MATLAB's with its axes in reverse."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_nyu_depth(tmp_path, monkeypatch):
    (tmp_path / "NYU").mkdir()
    (tmp_path / "NYU/nyu_depth_v2_labeled.mat").write_bytes(b"HDF5")
    images, depths = noise(4, 3, 64, 48), np.random.default_rng(0).random((4, 64, 48))
    h5py = types.SimpleNamespace(File=lambda *_: FakeFile(images=images, depths=depths))
    monkeypatch.setitem(sys.modules, "h5py", h5py)
    scenes = data.nyu_depth(root=tmp_path)
    assert scenes.colour.pixels.shape == (4, 3, 48, 64) and scenes.depth[0].shape == (1, 48, 64)
    assert (scenes.colour.pixels[1].numpy() == images[1].transpose(0, 2, 1)).all()
    assert np.allclose(scenes.depth[2][0], depths[2].T, atol=1e-6)
    with pytest.raises(FileNotFoundError, match="splits.mat is missing"):
        data.nyu_depth("test", root=tmp_path)
    mat(tmp_path / "NYU/splits.mat", trainNdxs=np.array([[1], [4]]), testNdxs=np.array([[2], [3]]))
    assert data.nyu_depth("test", root=tmp_path).colour.names == ("0002", "0003")
    assert data.nyu_depth("train", n=1, root=tmp_path).colour.names == ("0001",)


def test_nyu_without_h5py_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "NYU").mkdir()
    (tmp_path / "NYU/nyu_depth_v2_labeled.mat").write_bytes(b"HDF5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match="pip install h5py"):
        data.nyu_depth(root=tmp_path)


def test_every_layout_is_in_the_registry():
    """What `available` looks for is described in data/registry.yaml, but for what is not to be had by address."""
    described = {name for source in registry().values() for name in source.loads}
    elsewhere = {"embedded", "shoes", "levin09 kernels", "kernels_12", "text kernels", "haze", "rain", "depth",
                 "dgp_reference"}  # fmt: skip
    assert set(available()) == described | elsewhere
