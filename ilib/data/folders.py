"""Photograph sets in folders, in the layouts in which they are published.

The folder that holds the sets is the argument root, or else the environment variable ILIB_DATA.
"""

import os
import struct
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from .embedded import SPLITS, embedded
from .pictures import ENDINGS, Pictures, check_how, check_n, fit, refit, stack, to_rgb, to_tensor

ENVIRONMENT = "ILIB_DATA"
WITHOUT_DATA = "load('embedded/test') and dead_leaves(...) need no data at all."

# Nah et al. 2017: the sequences of GOPRO_Large that are tested on.
GOPRO_TEST = (
    "GOPR0384_11_00", "GOPR0384_11_05", "GOPR0385_11_01", "GOPR0396_11_00", "GOPR0410_11_00",
    "GOPR0854_11_00", "GOPR0862_11_00", "GOPR0868_11_00", "GOPR0869_11_00", "GOPR0871_11_00",
    "GOPR0881_11_01",
)  # fmt: skip

# The 21 photographs of the rain pairs come from bsds500: these were found in train and test by their hashes.
IN_RAIN_PAIRS = (
    "107014", "161045", "196015", "196062", "202000", "202012", "206062", "207038", "207056", "227040", "232076",
    "236017", "35049", "48025", "78098", "79073",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Where one split of a set may lie: file patterns below root, the first that matches any picture is used.

    only, without: beginnings of folder or file names that alone belong to the split, or do not belong to it.
    """

    patterns: tuple[str, ...]
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


def _bsds(split: str, without: tuple[str, ...] = ()) -> Part:
    folders = ("bsds500", "BSR/BSDS500/data/images", "BSDS500/data/images", "BSDS500/images", "BSDS500")
    return Part(tuple(f"{f}/{split}/*" for f in folders), without=without)


def _reds(split: str) -> Part:
    return Part((f"REDS/{split}/{split}_sharp/*/*", f"REDS/{split}_sharp/*/*", f"reds/{split}/*/*"))


# bsds500/val is BSD100 and the test split of BSDS300; train/302003 is the woman of Set5: never trained on.
SETS: dict[str, dict[str, Part]] = {
    "bsds500": {"train": _bsds("train", without=("302003",)), "val": _bsds("val"), "test": _bsds("test")},
    "bsds500_derain": {s: _bsds(s, without=("302003", *IN_RAIN_PAIRS)) for s in ("train", "test")},
    "cid22": {"train": Part(("cid22/train/*", "CID22/train/*"))},
    "set5": {"all": Part(("set5/*", "Set5/*", "Set5/original/*", "Set5/HR/*", "Set5/Set5_HR/*"))},
    "set14": {"all": Part(("set14/*", "Set14/*", "Set14/original/*", "Set14/HR/*", "Set14/Set14_HR/*"))},
    "kodak24": {"all": Part(("kodak24/*", "Kodak24/*", "kodak/*", "Kodak/*"))},
    "odcnn": {"all": Part(("odcnn/*", "ODCNN/*"))},
    "gopro": {
        "train": Part(("GOPRO_Large/train/*/sharp/*", "gopro/sharp/*"), without=GOPRO_TEST),
        "test": Part(("GOPRO_Large/test/*/sharp/*", "gopro/sharp/*"), only=GOPRO_TEST),
    },
    "reds": {"train": _reds("train"), "val": _reds("val")},
    "coco": {s: Part((f"COCO/{s}2017/*", f"coco/{s}2017/*", f"COCO/images/{s}2017/*")) for s in ("train", "val")},
    "cid22_val": {"all": Part(("CID22_val/original/*", "CID22_validation_set/original/*",
                               "CID22_val/CID22_validation_set/original/*"))},
}


def photographs(
    name: str,
    split: str | None = None,
    size: int | None = 256,
    how: str | None = "centre",
    n: int | None = None,
    root: str | Path | None = None,
) -> Pictures:
    """Photographs of one set, sorted by name.  -> Pictures with x (N, 3, size, size), or a list.

    name: embedded, bsds500, cid22, cid22_val, set5, set14, kodak24, odcnn, gopro, reds, coco.  split: one of the
    set's, several joined by "+", or None for all.  how: "centre" crops the middle size x size pixels (for embedded: the
    chosen crops), "resize" brings the whole picture to size x size (bicubic, antialiased; MBD-GAN, section
    IV-D), None leaves it as it is.  n: the first n.  Grey pictures get three equal channels.
    FileNotFoundError where the set is not found; ValueError for unknown names and for pictures too small.
    """
    return read(name if split is None else f"{name}/{split}", size, how, n, root=root)


def read(
    name: str,
    size: int | None = 256,
    how: str | None = "centre",
    n: int | None = None,
    grey: str = "convert",
    root: str | Path | None = None,
) -> Pictures:
    """As `photographs`, with the split in the name ("bsds500/train+test").

    grey: "convert" gives grey pictures three equal channels, "refuse" raises ValueError at the first one.
    """
    size = 256 if size is None else size
    check_how(size, how, grey)
    check_n(n)
    family, _, split = name.partition("/")
    if family == "embedded":
        return _embedded(split or None, size, how, n)
    return decode(listing(name, root), name, size, how, n, grey)


def folder(
    path: str | Path, size: int = 256, how: str | None = "centre", n: int | None = None, grey: str = "convert"
) -> Pictures:
    """The reader's own pictures: one file, or all the pictures of a folder, as `read` does.  -> Pictures."""
    path = Path(path).expanduser()
    check_how(size, how, grey)
    check_n(n)
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {path}.")
    files = {f.name: f for f in _pictures_in([path] if path.is_file() else path.iterdir())}
    if not files:
        raise ValueError(f"{path} holds no picture; the endings that are read are {', '.join(ENDINGS)}.")
    return decode(files, path.name, size, how, n, grey)


def data_root(root: str | Path | None = None) -> Path | None:
    """The folder of the data sets: the argument, or ILIB_DATA, or None."""
    chosen = root if root is not None else os.environ.get(ENVIRONMENT)
    return Path(chosen).expanduser() if chosen else None


def find(patterns: tuple[str, ...], what: str, root: str | Path | None = None) -> tuple[Path, list[Path]]:
    """The folder and the sorted files of the first pattern that matches any below root.

    A root that is itself the set's folder (root=".../GOPRO_Large") serves too.  FileNotFoundError names the
    patterns, the root and what to do.
    """
    home = data_root(root)
    for pattern in patterns if home is not None else ():
        base = home.parent if pattern.split("/")[0] == home.name else home
        files = sorted(f for f in base.glob(pattern) if f.is_file() and not f.name.startswith("."))
        if files:
            return base / pattern.split("*")[0].rpartition("/")[0], files
    raise FileNotFoundError(_missing(patterns, what, home))


def _missing(patterns: tuple[str, ...], what: str, home: Path | None) -> str:
    """What to tell a reader who does not have the set."""
    where = f"below {home}" if home is not None else f"but neither root nor the variable {ENVIRONMENT} is set"
    return (
        f"The data of {what!r} were not found: looked for {', '.join(patterns)}, {where}. "
        f"Set {ENVIRONMENT} to the folder that holds them, or pass root=. {WITHOUT_DATA}"
    )


def listing(name: str, root: str | Path | None) -> dict[str, Path]:
    """Picture name -> file for "set", "set/split" or "set/split+split"."""
    family, _, split = name.partition("/")
    parts = SETS.get(family)
    wanted = split.split("+") if split else list(parts or ())
    if parts is None or any(s not in parts for s in wanted):
        raise ValueError(f"There are no photographs {name!r}; the names are {', '.join(names())}.")
    found: dict[str, Path] = {}
    for s in wanted:
        prefix = f"{s}/" if len(wanted) > 1 else ""
        found |= {prefix + k: f for k, f in _part(parts[s], f"{family}/{s}", root).items()}
    return found


def _part(part: Part, what: str, root: str | Path | None) -> dict[str, Path]:
    """Picture name -> file for one split; the name is the path below the pattern's folder, without ending."""
    base, files = find(part.patterns, what, root)
    kept = {}
    for f in _pictures_in(files):
        inside = f.relative_to(base)
        starts = [p for p in inside.parts if p.startswith(part.only or "")]
        if starts and not any(p.startswith(part.without) for p in inside.parts if part.without):
            kept[inside.with_suffix("").as_posix()] = f
    if not kept:
        raise FileNotFoundError(f"{base} holds no picture of {what!r}. {WITHOUT_DATA}")
    return kept


def _pictures_in(files: Iterable[Path]) -> list[Path]:
    """Those that end as pictures do, sorted."""
    return sorted(f for f in files if f.suffix.lower() in ENDINGS and not f.name.startswith("."))


def names() -> list[str]:
    """The names that `read` takes; splits may be joined by "+" or left out."""
    known = {"embedded": SPLITS} | SETS
    return [f"{family}/{s}" if len(parts) > 1 else family for family, parts in known.items() for s in parts]


def _embedded(split: str | None, size: int, how: str | None, n: int | None) -> Pictures:
    """The chosen crops for "centre", else the whole photographs, resized or as they are."""
    if how == "centre":
        return embedded(size, n, split)
    return refit(embedded(None, n, split), size, how)


def decode(
    files: dict[str, Path], source: str, size: int, how: str | None, n: int | None, grey: str = "convert"
) -> Pictures:
    """Read name -> file into Pictures, the first n that decode.

    Files that do not decode are left out with one warning that names them; ValueError where none is left, or
    where a picture is smaller than the crop.
    """
    pixels: dict[str, Tensor] = {}
    broken: list[str] = []
    for name, file in files.items():
        picture = _open(file)
        if picture is None:
            broken.append(file.name)
            continue
        try:
            pixels[name] = to_tensor(fit(to_rgb(picture, grey), size, how))
        except ValueError as error:
            raise ValueError(f"{source}, picture {name}: {error}.") from None
        if len(pixels) == n:
            break
    _report(broken, len(pixels), source)
    return Pictures(stack(list(pixels.values())), tuple(pixels), source)


def _open(file: Path) -> Image.Image | None:
    """The decoded picture, or None where the file is none."""
    try:
        with Image.open(file) as picture:
            picture.load()
            return picture
    except (OSError, SyntaxError, ValueError, struct.error):  # what Pillow's decoders raise on broken files
        return None


def _report(broken: list[str], read: int, source: str) -> None:
    """Warn about files that did not decode; ValueError where nothing else is left."""
    shown = ", ".join(broken[:5]) + (", ..." if len(broken) > 5 else "")
    if not read:
        raise ValueError(f"None of the {len(broken)} files of {source!r} decodes as a picture: {shown}.")
    if broken:
        warnings.warn(f"{source}: {len(broken)} undecodable file(s) left out: {shown}", stacklevel=3)
