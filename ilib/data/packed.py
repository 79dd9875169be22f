"""Packed pictures: what one run loads, as one file of 8-bit pixels, for a machine without the data sets or decoders.

Where the environment variable ILIB_PACKED names a folder, `load` takes from it what is there, bit for bit.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .pictures import Pictures

PACKED = "ILIB_PACKED"
DEFAULTS = {"size": None, "how": "centre", "n": None, "grey": "convert"}  # of `load`


def packed_path(folder: str | Path, words: dict[str, Any]) -> Path:
    """Return where the pictures of these words of `load` lie in a folder of packed ones."""
    text = json.dumps(DEFAULTS | words, sort_keys=True)
    name = "".join(c if c.isalnum() else "_" for c in words["name"])
    return Path(folder) / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.npz"


def write_packed(pictures: Pictures, folder: str | Path, words: dict[str, Any]) -> Path:
    """Pack pictures: each row of pixels as the differences between neighbours, deflated.  -> the file."""
    path = packed_path(folder, words)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    about = {"names": pictures.names, "labels": pictures.labels, "source": pictures.source}
    arrays = {f"p{i:06d}": np.diff(p.numpy(), axis=-1, prepend=np.uint8(0)) for i, p in enumerate(pictures.pixels)}
    with temporary.open("wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)
    temporary.replace(path)
    return path


def read_packed(words: dict[str, Any]) -> Pictures | None:
    """Read packed pictures; None where no folder is named, or it does not hold these."""
    folder = os.environ.get(PACKED)
    path = packed_path(folder, words) if folder else None
    if path is None or not path.is_file():
        return None
    with np.load(path) as stored:
        about = json.loads(str(stored["about"]))
        keys = sorted(key for key in stored.files if key != "about")
        pixels = [torch.from_numpy(np.cumsum(stored[key], axis=-1, dtype=np.uint8)) for key in keys]
    one_size = len({p.shape for p in pixels}) == 1
    return Pictures(torch.stack(pixels) if one_size else pixels, tuple(about["names"]), about["source"],
                    tuple(about["labels"]))  # fmt: skip
