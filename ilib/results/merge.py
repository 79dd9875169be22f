"""Merge what slots have left behind into results/, data/weights and checkpoints/, each file checked before it is taken.

A file is taken when its sha256 is the one that the slot wrote down, when its place is one that a slot may fill, and,
for a row, when this project would have written the same: schema, version of ilib, a run of the grid, digests of now,
weights.
"""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ilib

from ..files import write_bytes
from .digests import digests
from .grids import load_grid
from .queue import why_wanted
from .rows import FILE_NAME, Row, parse_row, read_row

PART = re.compile(r"(?P<slot>\w+)\.(?P<turn>\d+)\.(?P<i>\d+)of(?P<count>\d+)\.tar\.gz")
REGISTRY = "data/weights/registry.json"
ROW = re.compile(rf"results/\w+/{FILE_NAME.pattern}")
PLACES = (ROW, re.compile(r"data/weights/[\w.-]+"), re.compile(r"results/logs/\w+/[\w.-]+\.ipynb"),
          re.compile(r"checkpoints/[\w./-]+"))  # fmt: skip


@dataclass
class Merged:
    """What became of each file: taken, there already (the same bytes), or refused and why."""

    taken: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)  # steps that stopped on the machine


def merge(folder: str | Path, root: Path) -> Merged:
    """Merge the archives of a folder into the project; what is wrong is left out and named.

    FileNotFoundError where the folder holds no archive of a slot.
    """
    folder, merged = Path(folder), Merged()
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; name the one that holds what came back from the slots")
    archives = archives_in(folder)
    if not archives:
        raise FileNotFoundError(f"{folder} holds no archive of a slot (SLOT.TURN.1of1.tar.gz)")
    for name, parts in archives.items():
        try:
            manifest, files = unpack(name, parts)
        except ValueError as error:
            merged.refused[name] = str(error)
            continue
        merged.failed |= manifest["errors"]
        _merge_files(manifest, files, root, merged)
    return merged


def archives_in(folder: Path) -> dict[str, list[Path]]:
    """Find the parts of each slot's newest archive, in order; below the folder too."""
    found: dict[str, dict[int, list[Path]]] = {}
    for path in sorted(folder.rglob("*.tar.gz")):
        match = PART.fullmatch(path.name)
        if match:
            found.setdefault(match["slot"], {}).setdefault(int(match["turn"]), []).append(path)
    newest = {slot: turns[max(turns)] for slot, turns in found.items()}
    return {slot: sorted(parts, key=_number) for slot, parts in newest.items()}


def _number(part: Path) -> int:
    match = PART.fullmatch(part.name)
    return int(match["i"]) if match else 0


def unpack(name: str, parts: list[Path]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Join an archive's parts and read it into memory.  ValueError where a part is missing or damaged."""
    count = int(parts[0].name.split("of")[-1].split(".")[0])
    if len(parts) != count:
        raise ValueError(f"{len(parts)} of its {count} parts are here; fetch the others")
    try:
        with tarfile.open(fileobj=io.BytesIO(b"".join(p.read_bytes() for p in parts)), mode="r:gz") as archive:
            files = {m.name: f.read() for m in archive.getmembers() if (f := archive.extractfile(m)) is not None}
        manifest = json.loads(files.pop("manifest.json"))
        ok = all(isinstance(manifest.get(key), dict) for key in ("files", "errors"))
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError) as error:
        raise ValueError(f"it does not unpack ({type(error).__name__}: {error}); fetch it again") from error
    if not ok:
        raise ValueError("its manifest.json lacks files or errors; it is not the archive of a slot")
    return manifest, files


def _merge_files(manifest: dict[str, Any], files: dict[str, bytes], root: Path, merged: Merged) -> None:
    """Take weights before the rows that name them, so that a kill never leaves a row without its weights."""
    sums = manifest["files"]
    lost = sums.keys() - files.keys()
    merged.refused |= dict.fromkeys(lost, "it stands in manifest.json and is not in the archive")
    taken: dict[str, str] = {}
    for name in sorted(files, key=lambda name: (ROW.fullmatch(name) is not None, name == REGISTRY, name)):
        try:
            _check_file(name, files[name], sums)
            if name == REGISTRY:
                files[name] = joined_registry(files[name], root, taken)
            if ROW.fullmatch(name):
                check_row(name, files[name], root, taken)
            elif name.startswith("data/weights/"):
                _check_weights(name, files, root)
        except (ValueError, TypeError) as error:
            merged.refused[name] = str(error)
            continue
        taken[name] = sums[name]
        same = (root / name).is_file() and (root / name).read_bytes() == files[name]
        (merged.there if same else merged.taken).append(name)
        clear_leftovers(root / name)
        if not same:
            write_bytes(root / name, files[name])


def clear_leftovers(path: Path) -> None:
    """Remove the neighbours under which an import that was killed was writing this file."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        leftover.unlink(missing_ok=True)


def _check_file(name: str, content: bytes, sums: dict[str, str]) -> None:
    if name not in sums:
        raise ValueError("manifest.json does not name it")
    if hashlib.sha256(content).hexdigest() != sums[name]:
        raise ValueError(f"its sha256 is not {sums[name][:12]}... as in manifest.json: it was changed or damaged")
    if ".." in name.split("/") or not any(place.fullmatch(name) for place in PLACES):
        raise ValueError("this is no place for a slot to write to; rows, data/weights, results/logs, checkpoints are")


def check_row(name: str, content: bytes, root: Path, taken: dict[str, str]) -> Row:
    """Check that this project would have written a row.  taken: weights that came with it -> sha256.

    ValueError and TypeError name what differs and what to do.
    """
    row = parse_row(content.decode("utf-8", "replace"))
    if row.job.path.as_posix() != name:
        raise ValueError(f"its content belongs in {row.job.path.as_posix()}")
    if row.versions.get("ilib") != ilib.__version__:
        raise ValueError(f"ilib {row.versions.get('ilib')} wrote it and this is {ilib.__version__}: run it again")
    grid = load_grid(row.table, root)
    if row.job not in grid.jobs(row.profile):
        grid.check(row.job)
        seeds = ", ".join(map(str, grid.seeds(row.row, row.profile)))
        raise ValueError(f"seed {row.seed} is none of the grid's; choose one of {seeds}")
    now, kept = digests(grid, row.job, root), row.parameters.get("digest", {})
    changed = [key for key in now if kept.get(key) != now[key]]
    if changed:
        raise ValueError(f"{' and '.join(changed)} changed since its slot was written: write slots anew and run them")
    if row.weights is not None and row.weights.get("sha256") not in {*taken.values(), *_sums_of_weights(root)}:
        raise ValueError(f"its weights {row.weights.get('name')} came neither with it nor are they in data/weights")
    _check_other(row, content, root)
    return row


def _check_other(row: Row, content: bytes, root: Path) -> None:
    """Refuse a row that would replace another one that is up to date."""
    path = root / row.job.path
    if not path.is_file() or path.read_bytes() == content:
        return
    try:
        up_to_date = why_wanted(load_grid(row.table, root), row.job, root) is None
    except ValueError:  # it cannot be read: the new one is better
        return
    if up_to_date:
        raise ValueError(f"a row of {read_row(path).date} is there and up to date; remove it to take this one")


def _check_weights(name: str, files: dict[str, bytes], root: Path) -> None:
    """Refuse weights that would replace others which rows of the project name."""
    path = root / name
    if not path.is_file() or path.read_bytes() == files[name] or path.suffix == ".json":
        return
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    users = [p.name for p in _rows_in(root) if old in p.read_text(encoding="utf-8")]
    staying = [user for user in users if not any(key.endswith(f"/{user}") for key in files)]
    if staying:
        raise ValueError(f"others of that name are there and {staying[0]} was made with them: remove them first")


def joined_registry(content: bytes, root: Path, taken: dict[str, str]) -> bytes:
    """Return the project's registry of weights with the entries of those that were taken."""
    path = root / REGISTRY
    brought, here = json.loads(content), json.loads(path.read_bytes()) if path.is_file() else {"weights": {}}
    if not isinstance(brought, dict) or brought.get("schema") != here.get("schema", brought.get("schema")):
        raise ValueError(f"its schema is not {here.get('schema')}, that of the project's registry: train again")
    entries = {name: entry for name, entry in brought["weights"].items()
               if taken.get(f"data/weights/{name}.safetensors") == entry.get("sha256")}  # fmt: skip
    every = dict(sorted({**here["weights"], **entries}.items()))
    text = json.dumps({"schema": brought["schema"], "weights": every}, indent=1, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def _rows_in(root: Path) -> Iterable[Path]:
    return sorted(p for p in (root / "results").glob("*/*.json") if FILE_NAME.fullmatch(p.name))


def _sums_of_weights(root: Path) -> set[str]:
    paths = (root / "data/weights").glob("*.safetensors")
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
