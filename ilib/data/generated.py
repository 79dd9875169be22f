"""Drawn pictures by name for `load`: text_pages/train, numbers/val, hazy_leaves/test, ...; a seed for each split.

The same on every machine with the same matplotlib: no fonts but those that come with it.
"""

from collections.abc import Callable
from functools import partial

import torch

from .numbers import street_numbers
from .pages import Page, text_pages
from .pictures import Pictures
from .scenes import SPLITS, clear_scenes
from .sets import Root

SEEDS = {"train": 1, "val": 2, "test": 3}
COUNT = 64  # pictures, unless told otherwise


def _pages(split: str, size: int | None, n: int | None) -> Pictures:
    drawn = text_pages(n or COUNT, size or 256, SEEDS[split], Page(system=False))
    pixels = (drawn * 255).round().to(torch.uint8)
    return Pictures(pixels, tuple(f"page {i}" for i in range(len(pixels))), f"text_pages/{split}")


def _numbers(split: str, size: int | None, n: int | None) -> Pictures:
    drawn = street_numbers(n or COUNT, SEEDS[split], size or 32)
    return Pictures(drawn.pixels, drawn.names, f"numbers/{split}", drawn.labels)


Draw = Callable[[str, int | None, int | None], Pictures]  # split, size, n
Reader = Callable[[int | None, int | None, Root], Pictures]


def _reader(draw: Draw, split: str) -> Reader:
    """Draw a split when it is asked for; where the data lie does not matter."""

    def read(size: int | None, n: int | None, root: Root) -> Pictures:
        return draw(split, size, n)

    return read


DRAWN: dict[str, Draw] = {"text_pages": _pages, "numbers": _numbers}
SCENES: dict[str, dict[str, Reader]] = {
    family: {split: partial(clear_scenes, f"{family}/{split}") for split in splits} for family, splits in SPLITS.items()
}
GENERATED = {family: {split: _reader(draw, split) for split in SEEDS} for family, draw in DRAWN.items()} | SCENES
