"""Public data sets in the layouts in which they are published, beyond the photographs of `folders`.

Names for `load`: svhn_official, celeba_official, zappos.  Pairs, scenes and kernels have functions of their own.
data/registry.yaml says where each comes from; `python -m ilib.data fetch NAME` lays it out as it is looked for here.
"""

import hashlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .folders import decode, find
from .pictures import Pictures, check_how, check_n, refit, stack
from .sets import Pairs, Root, _block, _face, _faces, _mat, _of, _pictures, _slice, _whole

LAYOUTS = {
    "svhn_official/train": ("SVHN/train_32x32.mat", "svhn/train_32x32.mat"),
    "svhn_official/test": ("SVHN/test_32x32.mat", "svhn/test_32x32.mat"),
    "svhn_official/extra": ("SVHN/extra_32x32.mat", "svhn/extra_32x32.mat"),
    "celeba_official": tuple(f"{place}list_eval_partition.txt" for place in ("CelebA/", "CelebA/Eval/", "celeba/")),
    "zappos": tuple(f"{place}ut-zap50k-images-square/*/*/*/*" for place in ("UT-Zappos50K/", "")),
    "text training": ("BMVC_image_data/orig/*_orig.*",),
    "nyu": ("NYU/nyu_depth_v2_labeled.mat", "nyu/nyu_depth_v2_labeled.mat", "nyu_depth_v2_labeled.mat"),
    "make3d/train": ("Make3D/Train400Img/*.jpg", "make3d/Train400Img/*.jpg"),
    "make3d/test": ("Make3D/Test134/*.jpg", "make3d/Test134/*.jpg"),
    "ohaze": ("O-HAZE/GT/*", "O-HAZE/*/GT/*", "O-HAZY/GT/*"),
    "rain800/train": ("Rain800/training/*", "rain800/training/*"),
    "rain800/test": ("Rain800/test_syn/*", "rain800/test_syn/*"),
    "levin09 mat": ("LevinEtalCVPR09Data/Levin09blurdata/*.mat", "LevinEtalCVPR09Data/*.mat", "Levin09blurdata/*.mat"),
    "kohler": ("Kohler/Blurry*.png", "Kohler/BlurryImages/Blurry*.png", "kohler/Blurry*.png"),
    "lai16/real": ("cvpr16_deblur_study/real_dataset/*", "cvpr16_deblur_study_real_dataset/real_dataset/*"),
    "lai16/uniform": ("cvpr16_deblur_study/uniform/*",),
    "lai16/nonuniform": ("cvpr16_deblur_study/nonuniform/*",),
}
ZAPPOS_TEST = 6  # of 256: the share of brands that is tested on
PARTITION = {"train": "0", "val": "1", "test": "2"}  # in list_eval_partition.txt
OHAZE = {"train": (0, 35), "val": (35, 40), "test": (40, 45)}  # NTIRE 2018: pictures 1-35, 36-40, 41-45
KOHLER_FRAMES = {(2, 11): 200, (1, 10): 198, (1, 12): 198, (2, 10): 198, (3, 7): 198, (3, 12): 198, (4, 12): 198}


class Scenes(NamedTuple):
    """Photographs with their depth in metres, NaN where unknown."""

    colour: Pictures
    depth: list[Tensor]  # (1, H, W) each


class LevinMat(NamedTuple):
    """Levin et al. 2009 from the authors' MATLAB files, the kernels turned so that they convolve."""

    sharp: Tensor  # (4, 1, 255, 255)
    blurred: Tensor  # (4, 8, 1, 255, 255): [picture, kernel]
    kernels: Tensor  # (8, 27, 27) float64, zero-padded, sum 1, true convolution


def svhn_official(split: str, n: int | None = None, root: Root = None) -> Pictures:
    """Street-number crops in the official splits train, test and extra.  -> x (N, 3, 32, 32), the digit as label."""
    _, (file, *_) = find(_patterns("svhn_official", split, ("train", "test", "extra")), f"svhn_official/{split}", root)
    data = _mat(file)
    images = data["X"].transpose(3, 0, 1, 2)
    return _slice(images, data["y"].ravel() % 10, (0, len(images)), f"svhn_official/{split}", n)


def celeba_official(split: str, n: int | None = None, size: int = 64, root: Root = None) -> Pictures:
    """Aligned faces in the official split, cropped and resized as `celeba`.  -> x (N, 3, size, size).

    split: train, val or test, as list_eval_partition.txt has it: no person stands in two of them.
    """
    check_how(size, "resize")
    check_n(n)
    part = _of({"celeba_official": PARTITION}, "celeba_official", split)
    _, (table, *_) = find(LAYOUTS["celeba_official"], "celeba_official", root)
    lines = (line.split() for line in table.read_text().splitlines())
    numbers = [Path(name).stem for name, where in lines if where == part]
    faces = _faces(root)
    chosen = [k for k in numbers if k in faces][:n]
    if not chosen:
        raise ValueError(
            f"None of the {len(numbers)} faces of celeba_official/{split} is there; are the pictures complete?"
        )
    return Pictures(stack([_face(faces[k](), size) for k in chosen]), tuple(chosen), f"celeba_official/{split}")


def zappos(split: str, n: int | None = None, size: int = 64, root: Root = None) -> Pictures:
    """Footwear of UT-Zappos50K, resized, with its kind as label.  -> x (N, 3, size, size).

    split: train or test, by brand, so that one model's colours stay on one side: see `tests_brand`.
    """
    check_how(size, "resize")
    tested = _of({"zappos": {"train": False, "test": True}}, "zappos", split)
    base, files = find(LAYOUTS["zappos"], "zappos", root)
    wanted = {
        "/".join(f.relative_to(base).with_suffix("").parts): f for f in files if tests_brand(f.parent.name) == tested
    }
    pictures = decode(wanted, f"zappos/{split}", size, "resize", n)
    return Pictures(pictures.pixels, pictures.names, pictures.source, tuple(k.split("/")[0] for k in pictures.names))


def tests_brand(brand: str) -> bool:
    """Whether a brand is tested on: the first byte of its name's SHA-256 is below ZAPPOS_TEST."""
    return hashlib.sha256(brand.encode()).digest()[0] < ZAPPOS_TEST


def _patterns(family: str, split: str, splits: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns of one split; ValueError lists the splits."""
    return _of({family: {s: LAYOUTS[f"{family}/{s}"] for s in splits}}, family, split)


Reader = Callable[[int | None, int | None, Root], Pictures]


def _svhn(split: str) -> Reader:
    def read(size: int | None, n: int | None, root: Root) -> Pictures:
        pictures = svhn_official(split, n, root)
        return pictures if size in (None, 32) else refit(pictures, size, "resize")

    return read


OFFICIAL: dict[str, dict[str, Reader]] = {
    "svhn_official": {s: _svhn(s) for s in ("train", "test", "extra")},
    "celeba_official": {s: lambda size, n, root, s=s: celeba_official(s, n, size or 64, root) for s in PARTITION},
    "zappos": {s: lambda size, n, root, s=s: zappos(s, n, size or 64, root) for s in ("train", "test")},
}


def text_training_pairs(n: int | None = None, root: Root = None) -> Pairs:
    """Crops of pages and their blurred versions, from the training data of Hradis et al. 2015 (BMVC_image_data)."""
    check_n(n)
    _, files = find(LAYOUTS["text training"], "text training", root)
    sharp = {f.stem.removesuffix("_orig"): f for f in files[:n]}
    blurred = {k: f.parent.with_name("blur") / f"{k}_blur{f.suffix}" for k, f in sharp.items()}
    return _pairs(sharp, blurred, "text training")


def ohaze_pairs(split: str | None = None, size: int = 256, how: str | None = None, root: Root = None) -> Pairs:
    """Outdoor scenes without and with real haze (Ancuti et al. 2018).  split: train, val or test of NTIRE 2018."""
    check_how(size, how)
    low, high = _block(OHAZE, "ohaze", split) if split else (0, None)
    _, files = find(LAYOUTS["ohaze"], "ohaze", root)
    clear = {f.stem.split("_")[0]: f for f in files if f.stem.split("_")[0].isdigit()}
    clear = dict(sorted(clear.items())[low:high])
    hazy = {k: f.parent.with_name("hazy") / f.name.replace("_GT", "_hazy") for k, f in clear.items()}
    return _pairs(clear, hazy, "ohaze", size, how)


def rain800_pairs(split: str, n: int | None = None, root: Root = None) -> Pairs:
    """Photographs without and with synthetic rain (Zhang et al. 2020): the right and the left half of each file."""
    check_n(n)
    _, files = find(_patterns("rain800", split, ("train", "test")), f"rain800/{split}", root)
    both = _whole({f.stem: f for f in files[:n]}, f"rain800/{split}")
    half = [p.shape[-1] // 2 for p in both.pixels]
    clean = stack([p[..., w:] for p, w in zip(both.pixels, half, strict=True)])
    rainy = stack([p[..., :w] for p, w in zip(both.pixels, half, strict=True)])
    return Pairs(Pictures(clean, both.names, "rain800/clean"), Pictures(rainy, both.names, "rain800/rain"))


def kohler_pairs(frame: str = "middle", root: Root = None) -> Pairs:
    """Köhler et al. 2012: 4 prints seen along 12 recorded trajectories; the clean picture is one frame of each.

    frame: "middle", "first" or "last" of the 198 to 200 sharp frames along the trajectory.
    """
    if frame not in ("first", "middle", "last"):
        raise ValueError(f"frame must be 'first', 'middle' or 'last', got {frame!r}.")
    _, files = find(LAYOUTS["kohler"], "kohler", root)
    shaken = {f.stem.removeprefix("Blurry"): f for f in files}
    clean = {k: _kohler_frame(f, k, frame) for k, f in shaken.items()}
    return _pairs(clean, shaken, "kohler")


def _kohler_frame(shaken: Path, key: str, frame: str) -> Path:
    """The sharp frame of picture i, trajectory j."""
    i, j = map(int, key.split("_"))
    count = KOHLER_FRAMES.get((i, j), 199)
    number = {"first": 1, "middle": (count + 1) // 2, "last": count}[frame]
    home = shaken.parent.parent if shaken.parent.name == "BlurryImages" else shaken.parent
    return home / f"Image{i}" / f"Kernel{j}" / f"GroundTruth{i}_{j}_{number}.png"


def lai16_real(n: int | None = None, root: Root = None) -> Pictures:
    """The 100 real blurred photographs of Lai et al. 2016, whole; nobody knows their sharp versions."""
    _, files = find(LAYOUTS["lai16/real"], "lai16/real", root)
    return decode({f.stem: f for f in files}, "lai16/real", 1, None, n)


def lai16_pairs(kind: str = "uniform", root: Root = None) -> Pairs:
    """Lai et al. 2016: 25 photographs, each with 4 kernels (kind "uniform") or 4 camera motions ("nonuniform")."""
    _, files = find(_patterns("lai16", kind, ("uniform", "nonuniform")), f"lai16/{kind}", root)
    blurred = {f.stem: f for f in files}
    clean = {k: _lai_sharp(f) for k, f in blurred.items()}
    return _pairs(clean, blurred, f"lai16/{kind}")


def _lai_sharp(blurred: Path) -> Path:
    """ground_truth/manmade_01.png for uniform/manmade_01_kernel_01.png."""
    stem = blurred.stem.split("_kernel")[0].split("_gyro")[0]
    return blurred.parent.with_name("ground_truth") / f"{stem}{blurred.suffix}"


def levin09_mat(root: Root = None) -> LevinMat:
    """Real camera shake from the authors' files im05_flit01.mat to im08_flit08.mat; shapes at `LevinMat`."""
    _, files = find(LAYOUTS["levin09 mat"], "levin09 mat", root)
    found = {tuple(int(part[-2:]) for part in f.stem.split("_")): f for f in files}
    missing = [f"im{i:02d}_flit{k:02d}.mat" for i in range(5, 9) for k in range(1, 9) if (i, k) not in found]
    if missing:
        raise FileNotFoundError(
            f"Levin's set lacks {len(missing)} of its 32 files, {missing[0]} first, in {files[0].parent}."
        )
    data = {key: _mat(f) for key, f in found.items()}
    sharp = torch.stack([_plane(data[i, 1]["x"]) for i in range(5, 9)])
    blurred = torch.stack([torch.stack([_plane(data[i, k]["y"]) for k in range(1, 9)]) for i in range(5, 9)])
    return LevinMat(sharp, blurred, torch.stack([_turned(data[5, k]["f"]) for k in range(1, 9)]))


def _plane(values: np.ndarray) -> Tensor:
    """A picture of MATLAB's doubles in [0, 1] -> (1, H, W)."""
    return torch.from_numpy(values.astype(np.float32))[None]


def _turned(f: np.ndarray, size: int = 27) -> Tensor:
    """A kernel that is correlated -> one that convolves, centred in size x size, sum 1."""
    k = torch.from_numpy(f[::-1, ::-1].astype(np.float64).copy())
    top, left = (size - k.shape[0]) // 2, (size - k.shape[1]) // 2
    padded = torch.zeros(size, size, dtype=torch.float64)
    padded[top : top + k.shape[0], left : left + k.shape[1]] = k
    return padded / padded.sum()


def make3d_depth(split: str, n: int | None = None, root: Root = None) -> Scenes:
    """Outdoor scenes with laser depth, at the depth's own 305 x 55, beside photographs of 2272 x 1704.

    split: train (400) or test (134).  The files' grid (55, 305, 4) holds the depth in metres last; it covers the
    photograph, which stands upright, with 55 rows and 305 columns.
    """
    check_n(n)
    folder = {"train": "Train400Depth", "test": "Gridlaserdata"}
    _, files = find(_patterns("make3d", split, ("train", "test")), f"make3d/{split}", root)
    chosen = {f.stem.removeprefix("img-"): f for f in files[:n]}
    depth = [_laser(f.parent.with_name(folder[split]) / f"depth_sph_corr-{k}.mat") for k, f in chosen.items()]
    return Scenes(_whole(chosen, f"make3d/{split}"), depth)


def _laser(file: Path) -> Tensor:
    """The depth of one laser scan.  -> (1, 55, 305) in metres."""
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing; are the depth archives of Make3D unpacked beside the pictures?")
    return torch.from_numpy(_mat(file)["Position3DGrid"][..., 3].astype(np.float32))[None]


def nyu_depth(split: str | None = None, n: int | None = None, root: Root = None) -> Scenes:
    """Indoor scenes with depth in metres, 480 x 640.  split: train or test of splits.mat, or None for all 1,449.

    The file is HDF5: ImportError that says what to install where h5py is missing.
    """
    check_n(n)
    _, (file, *_) = find(LAYOUTS["nyu"], "nyu", root)
    with _hdf5().File(file, "r") as data:
        wanted = _nyu_numbers(file.with_name("splits.mat"), split, len(data["images"]))[:n]
        images = np.stack([data["images"][i].transpose(2, 1, 0) for i in wanted])
        depth = [torch.from_numpy(data["depths"][i].T.astype(np.float32).copy())[None] for i in wanted]
    ids = tuple(f"{i + 1:04d}" for i in wanted)
    return Scenes(_pictures(images, ids, f"nyu/{split}" if split else "nyu", None), depth)


def _hdf5() -> Any:
    try:
        return import_module("h5py")
    except ImportError as error:
        raise ImportError("NYU Depth v2 is one file of HDF5: pip install h5py (or 'ilib[nyu]').") from error


def _nyu_numbers(splits: Path, split: str | None, count: int) -> list[int]:
    """The scenes of a split, from 0."""
    if split is None:
        return list(range(count))
    key = _of({"nyu": {"train": "trainNdxs", "test": "testNdxs"}}, "nyu", split)
    if not splits.is_file():
        raise FileNotFoundError(
            f"{splits} is missing, which says which scenes are trained on: fetch nyu, or pass split=None."
        )
    return sorted(int(i) - 1 for i in _mat(splits)[key].ravel())


def _pairs(
    clean: dict[str, Path], degraded: dict[str, Path], what: str, size: int = 1, how: str | None = None
) -> Pairs:
    """Read both sides of pairs; FileNotFoundError where one side is missing."""
    missing = [f for f in (*clean.values(), *degraded.values()) if not f.is_file()]
    if missing:
        raise FileNotFoundError(f"{what}: {len(missing)} file(s) of the pairs are missing, {missing[0]} first.")
    return Pairs(_whole(clean, f"{what}/clean", size, how), _whole(degraded, f"{what}/degraded", size, how))
