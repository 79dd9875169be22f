"""Endless batches for training, prepared by other processes while a step is computed.

Batch i depends on the seed and i alone, whatever the number of workers: the same seed gives the same training.
"""

import struct
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .folders import _pictures_in
from .leaves import Leaves, dead_leaves
from .pictures import check_how, check_n, to_float, to_rgb, to_tensor

Draw = Callable[[int], Tensor]  # number of the batch -> the batch


def seed_of(seed: int, i: int) -> int:
    """The seed of batch i, unrelated to those of other batches and other seeds."""
    return int(np.random.SeedSequence([seed, i]).generate_state(1, np.uint64)[0] >> 1)


class _Batches(IterableDataset):
    """The batches of one worker: w, w + workers, w + 2 workers, ..."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw

    def __iter__(self) -> Iterator[Tensor]:
        info = get_worker_info()
        i, step = (info.id, info.num_workers) if info else (0, 1)
        while True:
            yield self.draw(i)
            i += step


def endless(draw: Draw, workers: int = 1, ahead: int = 4) -> Iterator[Tensor]:
    """Give out draw(0), draw(1), ... without end, drawn by other processes `ahead` batches before they are asked for.

    workers: processes; 0 draws in this one, when asked.  draw must be picklable where processes are spawned (a function
    of a module, or functools.partial of one).
    """
    if workers < 0 or ahead < 1:
        raise ValueError(f"workers must not be negative and ahead be at least 1, got {workers} and {ahead}.")
    more = {"prefetch_factor": ahead, "worker_init_fn": _one_thread} if workers else {}
    return iter(DataLoader(_Batches(draw), batch_size=None, num_workers=workers, **more))


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def leaf_stream(size: int, n: int, seed: int = 0, leaves: Leaves | None = None, workers: int = 1) -> Iterator[Tensor]:
    """Endless batches of dead leaves, no picture twice.  -> float32 (n, 3, size, size)."""
    check_n(n)
    return endless(partial(_leaves, size=size, n=n, seed=seed, leaves=leaves), workers)


def _leaves(i: int, size: int, n: int, seed: int, leaves: Leaves | None) -> Tensor:
    return dead_leaves(n, size, seed_of(seed, i), leaves)


def folder_stream(folder: str | Path, size: int, n: int, seed: int = 0, workers: int = 1) -> Iterator[Tensor]:
    """Endless batches of random crops from all pictures below a folder, read when needed: for sets larger than memory.

    Picture, place and mirroring are uniform.  Files that do not decode, and pictures smaller than the crop, are passed
    over, each with a warning that names it.  -> float32 (n, 3, size, size).  ValueError where no picture is found.
    """
    check_how(size, "centre")
    check_n(n)
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    files = sorted(_pictures_in(f for f in folder.rglob("*") if f.is_file()))
    if not files:
        raise ValueError(f"There is no picture below {folder}.")
    return endless(partial(_crops, files=files, size=size, n=n, seed=seed), workers)


def _crops(i: int, files: list[Path], size: int, n: int, seed: int) -> Tensor:
    """Batch i of a folder's crops; RuntimeError where a thousand files in a row do not serve."""
    random = np.random.default_rng([seed, i])
    kept: list[Tensor] = []
    for _ in range(1000 + n):
        crop = _crop(files[random.integers(len(files))], size, random)
        if crop is not None:
            kept.append(crop)
        if len(kept) == n:
            return to_float(torch.stack(kept))
    raise RuntimeError(
        f"Of 1,000 files in {files[0].parent} hardly one gives a crop of {size} x {size}: see the warnings."
    )


def _crop(file: Path, size: int, random: np.random.Generator) -> Tensor | None:
    """One random crop of a file, mirrored half the time, uint8 (3, size, size); None where it does not serve."""
    top, left, flip = random.random(3)
    try:
        with Image.open(file) as opened:
            picture = to_rgb(opened)
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        warnings.warn(f"{file} was passed over: it does not decode ({type(error).__name__})", stacklevel=2)
        return None
    w, h = picture.size
    if min(w, h) < size:
        warnings.warn(f"{file} was passed over: {h}x{w} pixels are too few for a crop of {size}", stacklevel=2)
        return None
    top, left = int(top * (h - size + 1)), int(left * (w - size + 1))
    crop = to_tensor(picture.crop((left, top, left + size, top + size)))
    return crop.flip(-1) if flip < 0.5 else crop
