"""What slots need beside their scripts, each as one file: pictures, trained weights, features that a recipe loads.

Pictures that are cut or resized travel as pixels (ilib/data/packed.py), for which no decoder is needed; whole
photographs, which are trained on, as the files that they came in, which are several times smaller and need Pillow.
Both come back as the same pixels.
"""

import os
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..files import write_bytes
from ..gan.registry import WEIGHTS, read_registry
from .digests import train_block, training_code
from .grids import load_grid
from .queue import Task
from .trained import Training, weights_path

LARGEST = 60 * 2**20  # bytes that may travel with one script
FEATURES = re.compile(r"weights/[\w.-]+\.npz")  # below the folder of the data sets, as code names them
MADE = "dead_leaves"  # drawn there
Entry = Task | Training
Packed = tuple[tuple[Path, ...], str]  # the files of an entry; why they are not all there, else ""


def carry(entries: Iterable[Entry], root: Path, folder: Path) -> dict[Entry, Packed]:
    """Put the files that some tasks and trainings need into a folder, each once."""
    done: dict[Path, str] = {}
    found: dict[Entry, Packed] = {}
    for entry in entries:
        needed = needs_of(entry, root, folder)
        for path, make in needed.items():
            if path not in done:
                done[path] = _made(path, make)
        why = "; ".join(reason for path in needed if (reason := done[path]))
        size = 0 if why else sum(path.stat().st_size for path in needed)
        if size > LARGEST:
            why = (f"it needs {size / 2**20:.0f} MiB and {LARGEST // 2**20} may travel: give the data of the grid's "
                   "profile a smaller n or size")  # fmt: skip
        found[entry] = tuple(needed), why
    return found


def _made(path: Path, make: Callable[[Path], None]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        make(path)
    except FileNotFoundError as error:
        return str(error)
    return ""


def needs_of(entry: Entry, root: Path, folder: Path) -> dict[Path, Callable[[Path], None]]:
    """Name the files that a task or a training needs, each with what makes it."""
    grid = load_grid(entry.job.table, root)
    if isinstance(entry, Training):
        blocks = [block for block in train_block(grid, entry.job)[1].data if block["name"] != MADE]
        needed = dict(_pictures({"how": None, **block}, folder) for block in blocks)
        return needed | _features(" ".join(training_code(grid, entry.job).values()), folder)
    data, pairs = grid.data(entry.job.column, entry.job.profile), grid.column(entry.job.column).pairs
    needed = dict([_pictures(data, folder)]) if pairs is None else {folder / entry.job.column: _stay}
    for weights in _weights_of(entry, root):
        needed[folder / weights.name] = lambda path, weights=weights: write_bytes(path, weights.read_bytes())
    return needed


def _stay(path: Path) -> None:
    raise FileNotFoundError("recorded pairs do not travel with slots: run it on a machine that has them")


def _weights_of(task: Task, root: Path) -> list[Path]:
    """List the weights that a row loads and that no training makes on the way: its own, or named by a parameter."""
    grid = load_grid(task.job.table, root)
    own = [weights_path(grid.trained_by(task.job)[1])] if grid.row(task.job.row).train and task.needs is None else []
    named = {str(value) for value in grid.row(task.job.row).parameters.values()} & set(read_registry(root / WEIGHTS))
    return [root / path for path in (*own, *(Path(WEIGHTS) / f"{name}.safetensors" for name in sorted(named)))]


def _pictures(words: Mapping[str, Any], folder: Path) -> tuple[Path, Callable[[Path], None]]:
    from ..data.packed import packed_path  # loads PyTorch

    path = packed_path(folder, dict(words))
    if words.get("how", "centre") is None and _originals(words["name"]) is not None:
        return path.with_suffix(".zip"), lambda place: _pack_originals(words, place)
    return path, lambda place: _pack_pixels(words, place)


def _originals(name: str) -> list[str] | None:
    """Return the sets of photographs that a name joins; None where one of them is read from something else."""
    from ..data.folders import SETS

    parts = name.split("+")
    families = [part.partition("/")[0] in SETS for part in parts]
    if all(families):
        return parts
    return [name] if families[0] and not any(families[1:]) else None  # "bsds500/train+test": splits of one set


def _pack_originals(words: Mapping[str, Any], place: Path) -> None:
    """Zip the files that `load` reads for these words, where they lie below the folder of the data sets."""
    from ..data import load
    from ..data.folders import SETS, data_root, listing

    parts = _originals(words["name"]) or []
    kept = set(load(**words).names) if len(parts) == 1 else None  # the first n that decode; of joined sets all
    home = Path(data_root() or ".").absolute()
    files = [path.absolute() for part in parts for name, path in listing(part, None).items()
             if kept is None or name in kept]  # fmt: skip
    heads = {pattern.split("/")[0] for part in parts for split in SETS[part.partition("/")[0]].values()
             for pattern in split.patterns}  # fmt: skip
    base = home.parent if home.name in heads else home  # ILIB_DATA may be the set's own folder
    _zip({path.relative_to(base).as_posix(): path for path in files}, place)


def _pack_pixels(words: Mapping[str, Any], place: Path) -> None:
    from ..data import load
    from ..data.packed import write_packed

    write_packed(load(**words), place.parent, dict(words))


def _features(code: str, folder: Path) -> dict[Path, Callable[[Path], None]]:
    """Find the files of the data folder that code names and that are there (where they are not, the code says so)."""
    home = os.environ.get("ILIB_DATA", "")
    named = {name: Path(home, name) for name in sorted(set(FEATURES.findall(code)))}
    there = {name: path for name, path in named.items() if home and path.is_file()}
    return {folder / f"{path.stem}.zip": lambda place, name=name, path=path: _zip({name: path}, place)
            for name, path in there.items()}  # fmt: skip


def _zip(files: Mapping[str, Path], place: Path) -> None:
    """Store files in a zip as they are; the same files make the same zip."""
    temporary = place.with_name(f".{place.name}")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, path in files.items():
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes())
    temporary.replace(place)


def registry_needed(entries: Iterable[Entry], root: Path) -> bool:
    """Whether rows among these load weights that are trained already."""
    tasks = [entry for entry in entries if isinstance(entry, Task)]
    return any(_weights_of(task, root) for task in tasks) and (root / WEIGHTS).is_dir()
