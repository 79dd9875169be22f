"""Real photographs without any download: fixed crops of the pictures inside the scikit-image package.

The files lie in skimage/data of every scikit-image from 0.25 on; none of them is fetched, none is copied
here. Terms, as scikit-image's own documentation of skimage.data states them:
    astronaut         NASA, public domain (Great Images in NASA)
    chelsea           CC0, Stefan van der Walt
    coffee            CC0, Rachel Michetti, courtesy of Pikolo Espresso Bar
    rocket            SpaceX, released into the public domain
    motorcycle_left   Middlebury stereo benchmark 2014, Scharstein et al.; no terms stated there
    ihc               Center for Microscopy and Molecular Imaging; no known copyright restrictions
    camera            CC0, Lav Varshney
    brick, gravel     CC0 Textures, CC0;  grass: DeviantArt user linolafett, CC0
    coins             Brooklyn Museum, no known copyright restrictions
"""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from .pictures import Pictures, check_how, check_n, stack, to_rgb, to_tensor

SIZE = 256  # the size for which the corners below were chosen


class Crop(NamedTuple):
    """256 x 256 pixels of one photograph: its top left corner, and what is in it."""

    file: str
    top: int
    left: int
    name: str


# No photograph stands in two splits, so nothing that is trained on is tested on.
SPLITS = {
    "test": (
        Crop("astronaut.png", 0, 96, "astronaut-face"),
        Crop("chelsea.png", 22, 92, "chelsea"),
        Crop("coffee.png", 22, 180, "coffee"),
        Crop("astronaut.png", 256, 66, "astronaut-suit"),
    ),
    "train": (
        Crop("motorcycle_left.png", 190, 330, "motorcycle-engine"),
        Crop("rocket.jpg", 171, 200, "rocket"),
        Crop("ihc.png", 200, 120, "tissue"),
        Crop("motorcycle_left.png", 180, 74, "motorcycle-wheel"),
        Crop("motorcycle_left.png", 0, 480, "motorcycle-shelf"),
    ),
    "grey": (
        Crop("camera.png", 40, 110, "camera"),
        Crop("coins.png", 40, 60, "coins"),
        Crop("brick.png", 128, 128, "brick"),
        Crop("grass.png", 128, 128, "grass"),
        Crop("gravel.png", 128, 128, "gravel"),
    ),
}


def embedded(size: int | None = SIZE, n: int | None = None, split: str | None = None) -> Pictures:
    """Fixed crops of the colour photographs inside scikit-image.  -> Pictures with x (N, 3, size, size).

    split: "test" (4 crops), "train" (5 crops of other photographs), "grey" (5, three equal channels), or
    None: test, then train.  n: the first n of them.  Sizes other than 256 keep the centre of each crop;
    size=None gives the whole photographs, once each.  ValueError for an unknown split or a size that does
    not fit.
    """
    check_n(n)
    chosen = _chosen(split, whole=size is None)[:n]
    if size is None:
        pixels = [to_tensor(_open(c.file)) for c in chosen]
    else:
        check_how(size, "centre")
        pixels = [to_tensor(_cut(c, size)) for c in chosen]
    source = "embedded" if split is None else f"embedded/{split}"
    return Pictures(stack(pixels), tuple(c.name for c in chosen), source)


def _chosen(split: str | None, whole: bool) -> list[Crop]:
    """The crops of a split, or its photographs once each, named after their files."""
    if split is not None and split not in SPLITS:
        raise ValueError(f"The embedded pictures have the splits {', '.join(SPLITS)}, not {split!r}.")
    crops = [c for s in ([split] if split else ["test", "train"]) for c in SPLITS[s]]
    if not whole:
        return crops
    return [Crop(f, 0, 0, Path(f).stem) for f in dict.fromkeys(c.file for c in crops)]


def _cut(crop: Crop, size: int) -> Image.Image:
    """size x size pixels around the centre of the crop, moved into the photograph where they stick out."""
    picture = _open(crop.file)
    w, h = picture.size
    if size > min(h, w):
        raise ValueError(
            f"The embedded picture {crop.name} is cut from {h}x{w} pixels; ask for a size up to {min(h, w)}, "
            f"or for dead_leaves(n, size, seed), which come in any size."
        )
    top = min(max(crop.top + (SIZE - size) // 2, 0), h - size)
    left = min(max(crop.left + (SIZE - size) // 2, 0), w - size)
    return picture.crop((left, top, left + size, top + size))


def _open(file: str) -> Image.Image:
    """One file of skimage/data as RGB; neither skimage nor its downloader is imported."""
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("The embedded pictures lie in scikit-image: pip install 'scikit-image>=0.25'.")
    path = Path(spec.submodule_search_locations[0]) / "data" / file
    if not path.is_file():
        raise FileNotFoundError(f"This scikit-image lacks {file}: pip install -U 'scikit-image>=0.25'.")
    with Image.open(path) as picture:
        return to_rgb(picture)
