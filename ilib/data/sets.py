"""Sets of their own form (faces, digits, shoes, pairs, kernels), and `load`, the one entry point by name."""

import csv
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .folders import SETS, decode, find, listing, names, read
from .packed import read_packed
from .pictures import Pictures, check_how, check_n, joined, refit, stack, to_float, to_rgb, to_tensor

Root = str | Path | None
T = TypeVar("T")

# Hold-outs are contiguous blocks; where neighbours look alike (SVHN's share pixels) a gap precedes them.
CELEBA = {"train": (1, 8681), "val": (8681, 8841), "test": (8841, 9001)}  # official file numbers
CELEBA_TWINS = ("003209",)  # of the training faces: the same photograph as 008966, which is tested on
SVHN = {"train": (0, 7990), "val": (8000, 8990), "test": (9000, 10000)}  # indices of the official test split
SHOES = {"train": (0, 1760), "val": (1770, 1910), "test": (1920, 2122)}
HAZE = {"train": (0, 156), "test": (156, 196)}
HAZE_TWINS = ("105",)  # of the training scenes: the same aisle as 182, which is tested on
FACE_BOX = (17.5 / 89, 27 / 109, 71.5 / 89, 81 / 109)  # 108 x 108 of 178 x 218 pixels, as fractions

PATTERNS = {
    "celeba": (
        "celeba/*celeba*.zip",
        "celeba/img_align_celeba/*.jpg",
        "CelebA/Img/img_align_celeba.zip",
        "CelebA/Img/img_align_celeba/*.jpg",
        "CelebA/img_align_celeba.zip",
        "CelebA/img_align_celeba/*.jpg",
    ),
    "svhn": ("svhn/svhn_test_split_first10000_32x32.npz", "svhn/test_32x32.mat", "SVHN/test_32x32.mat"),
    "shoes": ("shoes/myntra_footwear_64x64.npz",),
    "levin09": ("levin09/gt/im*.png",),
    "levin09 kernels": ("kernels/levin09_convolution_convention.npz",),
    "kernels_12": ("kernels/kernels_12.mat",),
    "text": ("text_bmvc2015/bmvc_test05_200x200.npz",),
    "text kernels": ("text_bmvc2015/estimated_kernels_41x41_f16.npz",),
    "haze": ("haze_nyu_make3d/airlight.csv",),
    "rain": ("rain/clean/*",),
    "depth": ("depth/*_rgb.png",),
    "dgp_reference": ("deep_generative_priors_reference/asim_*.npz",),
}


class Pairs(NamedTuple):
    """The same scenes without and with the degradation, in the same order."""

    clean: Pictures
    degraded: Pictures


class Haze(NamedTuple):
    """hazy = clear * transmission + airlight * (1 - transmission)."""

    clear: Pictures
    hazy: Pictures
    transmission: Tensor  # (N, 1, H, W)
    airlight: Tensor  # (N,)


class Text(NamedTuple):
    """Rendered text, photographed-like blur, and the kernels fitted to each pair."""

    sharp: Pictures
    blurred: Pictures
    kernels: Tensor  # (N, 41, 41), sum 1, centre (20, 20), true convolution


class Levin(NamedTuple):
    """Levin et al. 2009: four pictures, each shaken with the same eight kernels."""

    sharp: Tensor  # (4, 1, 255, 255)
    blurred: Tensor  # (4, 8, 1, 255, 255): [picture, kernel], shifted by up to 7 pixels
    kernels: Tensor  # (8, 27, 27), sum 1, centre (13, 13), true convolution


class Depth(NamedTuple):
    """One scene with its disparity; depth is proportional to 1 / disparity."""

    name: str
    colour: Tensor  # (3, H, W)
    disparity: Tensor  # (1, H, W), in the file's units, NaN where unknown


def celeba(split: str, n: int | None = None, size: int = 64, root: Root = None) -> Pictures:
    """Aligned faces, 108 x 108 of 178 x 218 pixels, resized (Asim et al. 2020).  -> x (N, 3, size, size).

    split: train, val or test = official numbers 1-8680 (without CELEBA_TWINS), 8681-8840, 8841-9000.  Read straight
    from the archive, whether it holds the official pictures or their half-size copies.
    """
    check_how(size, "resize")
    check_n(n)
    low, high = _block(CELEBA, "celeba", split)
    faces = {k: read for k, read in _faces(root).items() if low <= int(k) < high and k not in CELEBA_TWINS}
    if not faces:
        raise ValueError(f"The faces found hold none of the numbers {low}-{high - 1} that celeba/{split} needs.")
    chosen = sorted(faces)[:n]
    return Pictures(stack([_face(faces[k](), size) for k in chosen]), tuple(chosen), f"celeba/{split}")


def _faces(root: Root) -> dict[str, Callable[[], bytes]]:
    """Official number as text -> what reads that file, from the archive or from its unpacked folder."""
    _, files = find(PATTERNS["celeba"], "celeba", root)
    if files[0].suffix != ".zip":
        return {f.stem: f.read_bytes for f in files if f.stem.isdigit()}
    archive = zipfile.ZipFile(files[0])
    return {Path(m).stem: partial(archive.read, m) for m in archive.namelist() if _is_face(m)}


def _is_face(member: str) -> bool:
    """Whether a member of the archive is a numbered JPEG."""
    return member.endswith(".jpg") and Path(member).stem.isdigit()


def _face(data: bytes, size: int) -> Tensor:
    """One aligned face -> uint8 (3, size, size)."""
    with Image.open(BytesIO(data)) as picture:
        w, h = picture.size
        box = (FACE_BOX[0] * w, FACE_BOX[1] * h, FACE_BOX[2] * w, FACE_BOX[3] * h)
        return to_tensor(to_rgb(picture).resize((size, size), Image.Resampling.BICUBIC, box=box))


def svhn(split: str, n: int | None = None, root: Root = None) -> Pictures:
    """Street-number crops with the digit as label (0-9).  -> x (N, 3, 32, 32).

    split: train, val or test = indices 0-7989, 8000-8989, 9000-9999 of the official test split: contiguous
    blocks, because neighbouring crops share pixels.
    """
    block = _block(SVHN, "svhn", split)
    _, (file, *_) = find(PATTERNS["svhn"], "svhn", root)
    if file.suffix == ".mat":
        data = _mat(file)
        images, labels = data["X"].transpose(3, 0, 1, 2), data["y"].ravel()
    else:
        data = _npz(file)
        images, labels = data["images"], data["labels"]
    return _slice(images, labels % 10, block, f"svhn/{split}", n)


def shoes(split: str, n: int | None = None, root: Root = None) -> Pictures:
    """Footwear on white, side view, with its kind as label; not UT-Zappos50K.  -> x (N, 3, 64, 64).

    split: train, val or test = indices 0-1759, 1770-1909, 1920-2121.
    """
    block = _block(SHOES, "shoes", split)
    _, (file, *_) = find(PATTERNS["shoes"], "shoes", root)
    data = _npz(file)
    return _slice(data["images"], data["article"], block, f"shoes/{split}", n)


def levin09(root: Root = None) -> Levin:
    """Real camera shake: grey pictures, their 32 shaken versions, and the kernels; shapes at `Levin`."""
    base, files = find(PATTERNS["levin09"], "levin09", root)
    sharp = torch.stack([_grey(f) for f in files])
    shaken = base.parent / "blurred"
    blurred = [[_grey(_only(shaken, f"{f.stem}_kernel{k}_img")) for k in range(1, 9)] for f in files]
    return Levin(sharp, torch.stack([torch.stack(row) for row in blurred]), levin09_kernels(root))


def levin09_kernels(root: Root = None) -> Tensor:
    """Levin's eight camera-shake kernels for true convolution, zero-padded.  -> (8, 27, 27) float64."""
    _, (file, *_) = find(PATTERNS["levin09 kernels"], "levin09 kernels", root)
    data = _npz(file)
    kernels = [torch.from_numpy(data[f"kernel{k}"]) for k in range(1, 9)]
    pads = [(27 - k.shape[0]) // 2 for k in kernels]
    return torch.stack([torch.nn.functional.pad(k, (p, p, p, p)) for k, p in zip(kernels, pads, strict=True)])


def kernels_12(root: Root = None) -> Tensor:
    """USRNet's kernels: four round Gaussians, four slanted, four shakes.  -> (12, 25, 25) float64, sum 1."""
    _, (file, *_) = find(PATTERNS["kernels_12"], "kernels_12", root)
    return torch.stack([torch.from_numpy(k.astype(np.float64)) for k in _mat(file)["kernels"][0]])


def text_pairs(n: int | None = None, root: Root = None) -> Text:
    """Text of Hradis et al. 2015 (BMVC), test set 05: sharp and blurred (N, 3, 200, 200), fitted kernels."""
    _, (file, *_) = find(PATTERNS["text"], "text", root)
    _, (fitted, *_) = find(PATTERNS["text kernels"], "text kernels", root)
    data = _npz(file)
    ids = tuple(Path(str(s)).stem for s in data["names"])
    sharp, blurred = (_pictures(data[k], ids, f"text/{k}", n) for k in ("sharp", "blurred"))
    kernels = torch.from_numpy(_npz(fitted)["kernels"].astype(np.float32))[: len(sharp)]
    return Text(sharp, blurred, kernels / kernels.sum((-2, -1), keepdim=True))


def haze_triples(split: str | None = None, root: Root = None) -> Haze:
    """Synthetic haze over NYU and Make3D scenes, 256 x 256: clear, hazy, transmission, airlight.

    split: train (the first 156, without HAZE_TWINS), test (the last 40), or None for all 196.
    """
    low, high = _block(HAZE, "haze", split) if split else (0, None)
    _, (table, *_) = find(PATTERNS["haze"], "haze", root)
    with table.open(newline="") as lines:
        rows = list(csv.DictReader(lines))[low:high]
    rows = [r for r in rows if split != "train" or r["id"] not in HAZE_TWINS]
    ids = [r["id"] for r in rows]
    clear, hazy = (_named(table.parent / k, ids, f"haze/{k}") for k in ("clear", "hazy"))
    transmission = torch.stack([_grey(_only(table.parent / "trans", i)) for i in ids])
    return Haze(clear, hazy, transmission, torch.tensor([float(r["A"]) for r in rows]))


def rain_pairs(root: Root = None) -> Pairs:
    """Photographs of bsds500 without and with synthetic rain streaks, whole; train on bsds500_derain for these."""
    base, files = find(PATTERNS["rain"], "rain", root)
    ids = [f.stem for f in files]
    return Pairs(_named(base, ids, "rain/clean"), _named(base.parent / "rain", ids, "rain/rain"))


def gopro_pairs(split: str | None = None, size: int = 256, how: str | None = "centre", root: Root = None) -> Pairs:
    """Sharp frames and their real, non-uniform blur (frames averaged); split: train or test, by sequence."""
    check_how(size, how)
    sharp = listing(f"gopro/{split}" if split else "gopro", root)
    blurred = {name: _averaged(f) for name, f in sharp.items()}
    return Pairs(_whole(sharp, "gopro/sharp", size, how), _whole(blurred, "gopro/blurred", size, how))


def _averaged(sharp: Path) -> Path:
    """The blurred frame of a sharp one: in GOPRO_Large's layout, or beside a folder of "_gt" files."""
    if sharp.stem.endswith("_gt"):
        return sharp.parent.with_name("blurred_by_frame_average") / (sharp.stem[:-3] + sharp.suffix)
    return sharp.parent.with_name("blur") / sharp.name


def depth(root: Root = None) -> list[Depth]:
    """Middlebury scenes with their disparity, at their own sizes.  See `Depth`."""
    _, colours = find(PATTERNS["depth"], "depth", root)
    return [Depth(f.stem[:-4], to_float(_rgb(f)), _disparity(f)) for f in colours]


def _disparity(colour: Path) -> Tensor:
    """The disparity beside a colour picture, zeros replaced by NaN.  -> (1, H, W)."""
    file = _only(colour.parent, colour.stem[:-4] + "_disp*")
    values = _npz(file)["disp"] if file.suffix == ".npz" else np.asarray(Image.open(file))
    d = torch.from_numpy(values.astype(np.float32))[None]
    return torch.where(d == 0, torch.nan, d)


def dgp_reference(name: str, root: Root = None) -> dict[str, Tensor]:
    """The test material of Asim et al. 2020, Table V; name: svhn, celeba, shoes or pggan.

    Pictures are float32 (N, 3, H, W) in [0, 1], kernels (100, 28, 28) sum to 1, and the estimated kernels
    (*_w_hat_*, 8-bit there, divided by their largest value) are (N, 28, 28) in [0, 1].
    """
    known = {s: f"asim_{s}_test.npz" for s in ("svhn", "celeba", "shoes")} | {"pggan": "asim_pggan_samples_128.npz"}
    if name not in known:
        raise ValueError(f"There is no reference set {name!r}; the names are {', '.join(known)}.")
    _, (file, *_) = find((f"deep_generative_priors_reference/{known[name]}",), f"dgp_reference {name}", root)
    return {key: _scaled(values) for key, values in _npz(file).items()}


def _scaled(values: np.ndarray) -> Tensor:
    """uint8 -> [0, 1]; channels last -> channels first; float as it is."""
    t = torch.from_numpy(values)
    t = to_float(t) if t.dtype == torch.uint8 else t
    return t.permute(0, 3, 1, 2).contiguous() if t.ndim == 4 else t


BLOCKS = {"celeba": CELEBA, "svhn": SVHN, "shoes": SHOES}


def load(
    name: str,
    size: int | None = None,
    how: str | None = "centre",
    n: int | None = None,
    grey: str = "convert",
    root: Root = None,
) -> Pictures:
    """Pictures by name: "embedded/test", "bsds500/val", "bsds500/train+test", "kodak24", "celeba/test", ...

    "+" joins splits of one set ("bsds500/train+test") and whole names ("kodak24+gopro/test").
    size: 256 for photographs, the set's own for celeba (64), svhn (32) and shoes (64), unless given.  What
    ilib draws (text_pages/train, numbers/train, ...) is found by name too; n is then how many, 64 unless given.
    how: "centre" (crop), "resize" (whole picture, bicubic) or None (as it is); n: the first n; grey:
    "convert" or "refuse".  -> Pictures.  ValueError lists the names that exist; FileNotFoundError says
    what to set.  Where ILIB_PACKED names a folder of packed pictures that holds them, they are read from there.
    """
    packed = read_packed({"name": name, "size": size, "how": how, "n": n, "grey": grey})
    if packed is not None:
        return packed
    parts = name.split("+")
    families = {known.partition("/")[0] for known in all_names()}
    if len(parts) > 1 and all(part.partition("/")[0] in families for part in parts):
        return joined([load(part, size, how, None, grey, root) for part in parts], n)
    family, _, split = name.partition("/")
    if family in _others():
        return _of(_others(), family, split)(size, n, root)
    if family not in BLOCKS:
        if family not in families:
            raise ValueError(f"There is no set {name!r}; the names are {', '.join(all_names())}.")
        return read(name, size, how, n, grey, root)
    if family == "celeba":
        return celeba(split, n, size or 64, root)
    pictures = (svhn if family == "svhn" else shoes)(split, n, root)
    return pictures if size in (None, pictures.pixels.shape[-1]) else refit(pictures, size, how)


def _others() -> dict[str, dict[str, Callable[[int | None, int | None, Root], Pictures]]]:
    """What other modules read or draw: family -> split -> (size, n, root) -> Pictures."""
    from .generated import GENERATED  # both build on this module
    from .layouts import OFFICIAL

    return {**OFFICIAL, **GENERATED}


def all_names() -> list[str]:
    """Every name that `load` takes; splits of photographs may be joined by "+", or left out for all."""
    return names() + [f"{family}/{split}" for family, splits in {**BLOCKS, **_others()}.items() for split in splits]


def available(root: Root = None) -> dict[str, str | None]:
    """Where each set was found, or None: for `python -m ilib.check`.  Names as in `load`, then the pairs."""
    wanted = {
        f"{s}/{p}" if len(parts) > 1 else s: part.patterns for s, parts in SETS.items() for p, part in parts.items()
    }
    found: dict[str, str | None] = {"embedded": "inside scikit-image"}
    from .layouts import LAYOUTS

    for what, patterns in (wanted | PATTERNS | LAYOUTS).items():
        try:
            found[what] = str(find(patterns, what, root)[0])
        except FileNotFoundError:
            found[what] = None
    return found


def _npz(file: Path) -> dict[str, np.ndarray]:
    """All the arrays of one .npz file."""
    with np.load(file, allow_pickle=False) as data:
        return dict(data)


def _block(blocks: dict[str, tuple[int, int]], name: str, split: str) -> tuple[int, int]:
    """The ends of one split; ValueError lists them all."""
    return _of({name: blocks}, name, split)


def _of(families: dict[str, dict[str, T]], name: str, split: str) -> T:
    """What stands for one split; ValueError lists them all."""
    splits = families[name]
    if split not in splits:
        raise ValueError(f"There is no split {name}/{split}; {name} has {', '.join(f'{name}/{s}' for s in splits)}.")
    return splits[split]


def _slice(images: np.ndarray, labels: np.ndarray, block: tuple[int, int], source: str, n: int | None) -> Pictures:
    """One block of an array (N, H, W, 3), each picture named after its index."""
    check_n(n)
    low, high = block
    high = min(high, low + n) if n else high
    pictures = _pictures(images[low:high], tuple(f"{i:05d}" for i in range(low, high)), source, None)
    return replace(pictures, labels=tuple(labels[low:high].tolist()))


def _pictures(images: np.ndarray, ids: tuple[str, ...], source: str, n: int | None) -> Pictures:
    """The first n of a uint8 array (N, H, W, 3) as Pictures."""
    check_n(n)
    return Pictures(torch.from_numpy(images[:n].transpose(0, 3, 1, 2).copy()), ids[:n], source)


def _mat(file: Path) -> dict[str, np.ndarray]:
    """A file of MATLAB."""
    from scipy.io import loadmat  # takes 0.2 s to import, which most runs can spare

    return loadmat(file)


def _named(folder: Path, ids: list[str], source: str) -> Pictures:
    """The pictures folder/id.*, in this order, whole."""
    return _whole({i: _only(folder, i) for i in ids}, source)


def _whole(wanted: dict[str, Path], source: str, size: int = 1, how: str | None = None) -> Pictures:
    """`decode`, but every file must decode: the members of a pair belong together by their place."""
    pictures = decode(wanted, source, size, how, None)
    if len(pictures) < len(wanted):
        raise ValueError(f"{source}: pairs need every file, and some do not decode (see the warning above).")
    return pictures


def _only(folder: Path, stem: str) -> Path:
    """The file folder/stem.*; FileNotFoundError where there is none."""
    for file in sorted(folder.glob(f"{stem}.*")):
        return file
    raise FileNotFoundError(f"{folder / stem}.* is missing; is the set complete?")


def _rgb(file: Path) -> Tensor:
    """One file -> uint8 (3, H, W)."""
    with Image.open(file) as picture:
        return to_tensor(to_rgb(picture))


def _grey(file: Path) -> Tensor:
    """One 8-bit grey file -> float32 (1, H, W) in [0, 1]."""
    with Image.open(file) as picture:
        return to_float(torch.from_numpy(np.asarray(picture.convert("L")).copy()))[None]
