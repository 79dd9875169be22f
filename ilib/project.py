"""The project's folder: the one that holds notebooks/tables, results and data/weights."""

from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

GRIDS = "notebooks/tables"


def repository_address() -> str:
    """Return the address of the project's repository, as its package states it."""
    try:
        urls = metadata("ilib").get_all("Project-URL") or []
    except PackageNotFoundError:
        urls = []
    return next((url.split(", ")[1] for url in urls if url.startswith("Repository, ")), "the project's repository")


def project_folder(start: str | Path = ".") -> Path:
    """Find the folder that holds notebooks/tables: start, one of its parents, or the one that holds ilib.

    FileNotFoundError where there is none, as on Colab before the repository is cloned.
    """
    here = Path(start).resolve()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[1]):
        if (folder / GRIDS).is_dir():
            return folder
    raise FileNotFoundError(
        f"no folder {GRIDS} here or above: only the package is installed. Tables and trained weights need the "
        f"repository: git clone --depth 1 {repository_address()}, then change into its folder"
    )
