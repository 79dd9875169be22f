"""Execute the book's notebooks in place, or strip from them what differs from run to run.

    python tools/notebooks.py execute              all: notebooks/runs first, then the pages of _toc.yml
    python tools/notebooks.py execute A.ipynb      only these
    python tools/notebooks.py strip A.ipynb        keep outputs and counts, drop the metadata of a run
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[1]
# One thread each: the last digits of a sum depend on the number of threads, and pytest --nbval uses one.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
RUN = "last_run"  # the key of a notebook's metadata that note_run writes
RUN_METADATA = "metadata.papermill cell.metadata.papermill cell.metadata.execution metadata.language_info.version"


def toc_pages(toc: Path = ROOT / "_toc.yml") -> list[str]:
    """List the pages of the table of contents, in reading order, without suffix."""
    book = yaml.safe_load(toc.read_text())
    return [book["root"]] + [chapter["file"] for part in book["parts"] for chapter in part["chapters"]]


def book_notebooks() -> list[Path]:
    """List the notebooks that make up the book: those papermill drives first, then the pages."""
    pages = [ROOT / f"{page}.ipynb" for page in toc_pages()]
    return sorted((ROOT / "notebooks" / "runs").glob("*.ipynb")) + [page for page in pages if page.exists()]


def strip(notebook: Path) -> None:
    """Drop the metadata of a run from a notebook; outputs, counts and widget states stay."""
    command = ["nbstripout", "--keep-output", "--keep-count", "--keep-metadata-keys", "metadata.widgets"]
    subprocess.run([sys.executable, "-m", *command, "--extra-keys", RUN_METADATA, str(notebook)], check=True)


def read(notebook: Path) -> nbformat.NotebookNode:
    """Read a notebook as it is."""
    return nbformat.read(notebook, as_version=nbformat.NO_CONVERT)


def note_run(notebook: Path, seconds: float) -> None:
    """Write into a notebook's metadata how long it took, when, and on what."""
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    content = read(notebook)
    content.metadata[RUN] = {"seconds": round(seconds, 1), "date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine}
    nbformat.write(content, notebook)


def last_run(page: str) -> dict[str, Any]:
    """Return what note_run wrote into the notebook of a page; empty where it has not been timed."""
    return read(ROOT / f"{page}.ipynb").metadata.get(RUN, {})


def title_of(page: str) -> str:
    """Return the first heading of a notebook, without its markup."""
    cells = read(ROOT / f"{page}.ipynb").cells
    heading = re.search(r"^# (.+)$", cells[0].source, re.MULTILINE)
    return re.sub(r"[*`$]", "", heading[1]) if heading else page


def execute(notebook: Path) -> str | None:
    """Run a notebook in place from top to bottom; return the end of its error where it fails."""
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", str(notebook)]
    # The stored outputs are those of a reader without data sets, so that they come out the same anywhere.
    environment = {k: v for k, v in os.environ.items() if k != "ILIB_DATA"} | ONE_THREAD
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        return f"{notebook.name} failed:\n{done.stderr[-3000:]}"
    strip(notebook)
    note_run(notebook, time.perf_counter() - start)
    print(f"executed {notebook.relative_to(ROOT)}", flush=True)
    return None


def execute_all(notebooks: list[Path]) -> int:
    """Run notebooks two at a time; return 1 where one failed, after all had their turn."""
    runs = [path for path in notebooks if path.parent.name == "runs"]
    pages = [path for path in notebooks if path not in runs]
    with ThreadPoolExecutor(2) as pool:
        errors = [error for group in (runs, pages) for error in pool.map(execute, group) if error]
    print("\n".join(errors), file=sys.stderr)
    return int(bool(errors))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["execute", "strip"])
    parser.add_argument("notebooks", nargs="*", type=lambda path: Path(path).resolve(), help="default: all")
    asked = parser.parse_args()
    notebooks = asked.notebooks or book_notebooks()
    if asked.action == "execute":
        return execute_all(notebooks)
    for notebook in notebooks:
        strip(notebook)
    return 0


if __name__ == "__main__":
    sys.exit(main())
