"""Say what runs here: `python -m ilib.check` prints what a bug report needs; costs_here, what a chapter costs."""

import json
import os
import platform
import sys
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import ilib

from .data import available
from .project import project_folder
from .results import load_grid
from .results.costs import T4_PER_H200, duration, planned

PACKAGES = [
    "numpy", "scipy", "scikit-image", "matplotlib", "pandas", "ipython",
    "accelerate", "jupyter-book", "papermill", "snakemake",
]


def installed(package: str) -> str:
    """Return the installed version of a package, or "not installed"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def device() -> str:
    """Name the device that PyTorch would compute on."""
    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()})"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def data_sets(root: str | None) -> str:
    """List the data sets that the loaders find in the folder that ILIB_DATA names."""
    if not root:
        return "embedded (ILIB_DATA is not set)"
    if not Path(root).expanduser().is_dir():
        return f"embedded (ILIB_DATA is {root}, which is not a folder)"
    return ", ".join(name for name, place in available(root).items() if place)


def weights(root: Path) -> str:
    """List the trained weights found under the project's data/weights."""
    return ", ".join(sorted(path.stem for path in (root / "data" / "weights").glob("*.safetensors"))) or "none"


def results(root: Path) -> str:
    """Count the finished table rows per profile; a row's file is named ROW--COLUMN--PROFILE--sSEED.json."""
    names = (path.stem.split("--") for path in (root / "results").glob("*/*.json"))
    counts = Counter(parts[2] for parts in names if len(parts) == 4)
    return ", ".join(f"{profile}: {n}" for profile, n in sorted(counts.items())) or "none"


def report() -> dict[str, str]:
    """Collect what a bug report needs, one line each."""
    root = Path(ilib.__file__).resolve().parents[1]
    facts = {"ilib": ilib.__version__, "python": sys.version.split()[0], "system": platform.platform()}
    facts |= {"torch": torch.__version__} | {package: installed(package) for package in PACKAGES}
    facts |= {"device": device(), "threads": f"{torch.get_num_threads()} of {os.cpu_count()} processors"}
    return facts | {"data": data_sets(os.environ.get("ILIB_DATA")), "weights": weights(root), "results": results(root)}


def costs_here(chapter: str, *tables: str) -> str:
    """Say which device was found, and what a chapter and the tables that it feeds cost on it.

    chapter: the name of its notebook, tables: their ids.  Without the repository, the device alone.
    """
    lines = [f"device: {device()}, {torch.get_num_threads()} of {os.cpu_count()} processors"]
    try:
        grids = [load_grid(table) for table in tables]
        run = json.loads((project_folder() / "notebooks" / f"{chapter}.ipynb").read_text(encoding="utf-8"))["metadata"]
    except FileNotFoundError:
        return lines[0]
    if seconds := run.get("last_run", {}).get("seconds"):
        lines.append(f"this chapter as it is stored: {duration(seconds / 60)} on one thread of a laptop")
    profile = "gpu" if device().startswith("cuda") else "cpu"
    for grid in (grid for grid in grids if profile in grid.profiles):
        minutes = planned(grid, profile)
        all_of_it, on_t4 = duration(minutes.both), duration(T4_PER_H200 * minutes.both)
        cost = {"cpu": f"{duration(minutes.train)} of training and {duration(minutes.test)} of testing on two cores",
                "gpu": f"{all_of_it} on an H200, by estimate {on_t4} on a T4"}
        lines.append(f"{grid.table}, make tables PROFILE={profile} TABLE={grid.table}: {cost[profile]}")
    return "\n".join(lines)


def main() -> None:
    for name, value in report().items():
        print(f"{name:<14}{value}")


if __name__ == "__main__":
    main()
