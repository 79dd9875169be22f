"""The registry of trained weights, data/weights/registry.json: name -> checksum, architecture, what it was trained on.

PyTorch is not loaded here, so that a plan of a thousand rows is quick.
"""

import contextlib
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..files import write_text
from ..project import project_folder

WEIGHTS = "data/weights"
FILE = "registry.json"
SCHEMA = 1
NEEDED = ("sha256", "bytes", "network", "arguments", "data", "settings", "steps", "digest", "seconds")
Entry = dict[str, Any]


def weights_folder() -> Path:
    """Return the project's folder of trained weights."""
    return project_folder() / WEIGHTS


def read_registry(folder: Path) -> dict[str, Entry]:
    """Read all entries; none where there is no registry.  ValueError that names what is wrong with the file."""
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is no JSON ({error}); restore it from the repository") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ValueError(f"{path.name} has another schema than {SCHEMA}, the one that this version of ilib reads")
    for name, entry in content["weights"].items():
        missing = [key for key in NEEDED if key not in entry]
        if missing:
            raise ValueError(f"{path.name}: {name} has no {', '.join(missing)}; train it again")
    return content["weights"]


def add_entries(entries: dict[str, Entry], folder: Path) -> None:
    """Add or replace entries, other processes held off meanwhile; the file is written whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        every = dict(sorted((read_registry(folder) | entries).items()))
        text = json.dumps({"schema": SCHEMA, "weights": every}, indent=1, allow_nan=False, ensure_ascii=False)
        write_text(folder / FILE, text + "\n")


def curve_in_words(curve: Iterable[tuple[int, float]]) -> str:
    """Write (step, PSNR) as one line of the registry: 0:15.78 500:16.75."""
    return " ".join(f"{step}:{psnr:.2f}" for step, psnr in curve)


def curve_of(entry: Entry) -> tuple[list[int], list[float]]:
    """Read the PSNR (dB) on what was held out of a training, as it rose.  -> steps, PSNR; empty where none is kept.

    Steps at which a picture came out exactly (a blank page), so that the mean is infinite, are left out.
    """
    points = [point.split(":") for point in entry.get("psnr_by_step", "").split()]
    found = [(int(step), float(psnr)) for step, psnr in points if math.isfinite(float(psnr))]
    return [step for step, _ in found], [psnr for _, psnr in found]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system lets go when a process is killed (no lock on Windows)."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
