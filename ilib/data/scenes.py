"""Scenes with their haze by name: haze/train, haze/test (recorded), hazy_leaves/train, /val, /test (drawn)."""

from dataclasses import replace

from .haze import hazy_leaves
from .pictures import Pictures, check_n
from .sets import Haze, Root, haze_triples

COUNT = 64  # drawn scenes, unless told otherwise
SIZE = 128  # their side in pixels, unless told otherwise
SEEDS = {"train": 1, "val": 2, "test": 3}
SPLITS = {"haze": ("train", "test"), "hazy_leaves": tuple(SEEDS)}


def haze_of(name: str, size: int | None = None, n: int | None = None, root: Root = None) -> Haze:
    """Clear pictures, hazy pictures, transmission and airlight of the first n scenes.  -> Haze.

    size: of drawn scenes; recorded ones have their own, 256.  ValueError for an unknown name, which lists the names.
    """
    check_n(n)
    family, _, split = name.partition("/")
    if split not in SPLITS.get(family, ()):
        known = ", ".join(f"{f}/{s}" for f, splits in SPLITS.items() for s in splits)
        raise ValueError(f"There are no scenes {name!r}; the names are {known}.")
    if family == "hazy_leaves":
        return hazy_leaves(n or COUNT, size or SIZE, SEEDS[split])[0]
    found = haze_triples(split, root)
    clear, hazy = (replace(p, pixels=p.pixels[:n], names=p.names[:n]) for p in (found.clear, found.hazy))
    return Haze(clear, hazy, found.transmission[:n], found.airlight[:n])


def clear_scenes(name: str, size: int | None, n: int | None, root: Root) -> Pictures:
    """The clear pictures alone, for `load`."""
    return haze_of(name, size, n, root).clear
