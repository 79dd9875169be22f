"""Slots of a borrowed machine: what is missing, cut into scripts of ten minutes that need Python and PyTorch alone.

    slots/gpu/slot_1.py         the code, the grids and the steps, in one file
    slots/gpu/pictures/*.npz    the pictures that the steps load, packed

Copy the folder to the machine and run `python slots/gpu/slot_1.py --out FOLDER`; what comes back in FOLDER is merged by
`python -m ilib.results import FOLDER`.
"""

import base64
import io
import json
import textwrap
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ilib

from ..files import write_text
from .digests import train_block
from .grids import load_grid, read_yaml
from .project import COMMIT, EVALUATE, GRIDS, SWEEPS, TRAIN
from .queue import Task, log_path
from .trained import training_log, weights_path, why_untrained

MINUTES = 10.0  # of one slot
START = 0.75  # of which the machine's Python needs for unpacking and loading PyTorch
UNKNOWN = 1.0  # minutes taken for a step whose grid does not say
LARGEST = 60 * 2**20  # bytes of scripts and pictures together
PACKAGE = Path(__file__).resolve().parents[1]

SCRIPT = '''\
"""{name}: {minutes:.1f} minutes expected, {count} steps. Needs Python 3.11 or later, PyTorch and NumPy.

    python {file} --out FOLDER

{steps}

Beside it lie the folder pictures/ and, where networks are trained or loaded and the machine lacks them, wheels/ with
those of safetensors, accelerate, tqdm and what they need (pip download).
Merge what FOLDER then holds with: python -m ilib.results import FOLDER
"""

import argparse, base64, io, os, sys, tempfile, zipfile
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", default=os.environ.get("OUT", "out"), help="output folder; default: $OUT, else ./out")
parser.add_argument("--pictures", default=Path(__file__).resolve().parent / "pictures", help="packed pictures")
parser.add_argument("--resume", help="what an earlier run of this script left; default: the output folder")
parser.add_argument("--minutes", type=float, default={slot_minutes}, help="no step is started that would not fit")
PROJECT = """
{project}
"""
if __name__ == "__main__":
    asked = parser.parse_args()
    out, pictures = Path(asked.out).resolve(), Path(asked.pictures).resolve()
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(io.BytesIO(base64.b64decode(PROJECT))).extractall(folder)
        for wheel in sorted(Path(__file__).resolve().parent.glob("wheels/*.whl")):
            zipfile.ZipFile(wheel).extractall(Path(folder, "site"))
        sys.path.append(str(Path(folder, "site")))
        sys.path.insert(0, folder)
        from bare import run_slot

        sys.exit(run_slot(folder, out, pictures, Path(asked.resume or out).resolve(), asked.minutes))
'''


@dataclass
class Slot:
    """The tasks of one script, and the minutes to expect."""

    name: str
    tasks: list[Task] = field(default_factory=list)

    @property
    def minutes(self) -> float:
        return START + sum(minutes_of(task) for task in self.tasks)


def minutes_of(task: Task) -> float:
    """Return the minutes that the grid expects for a task, one where it does not say."""
    return UNKNOWN if task.minutes is None else task.minutes


def slots_of(tasks: Iterable[Task], minutes: float = MINUTES) -> list[Slot]:
    """Fill slots in order of value, each task into the first that has room; one too long for any stands alone."""
    slots: list[Slot] = []
    for task in tasks:
        room = [slot for slot in slots if slot.minutes + minutes_of(task) <= minutes]
        if not room:
            slots.append(Slot(f"slot_{len(slots) + 1}"))
            room = slots[-1:]
        room[0].tasks.append(task)
    return slots


def steps_of(task: Task, root: Path) -> list[dict[str, Any]]:
    """Return what a slot runs for a task: the training of its weights where they are missing or stale, then the row.

    Each step: notebook, parameters, minutes, log, and the file that says it is done.
    """
    grid = load_grid(task.job.table, root)
    row = {"name": f"{task.job.table}/{task.job.name}", "notebook": EVALUATE, "log": log_path(task.job),
           "parameters": task.job._asdict() | {"output": task.job.path.as_posix()},
           "minutes": minutes_of(task), "done": task.job.path.as_posix()}  # fmt: skip
    if why_untrained(grid, task.job, root) is None:
        return [row]
    weights, minutes = weights_path(task.job).as_posix(), train_block(grid, task.job)[1].minutes
    training = {"name": weights, "notebook": TRAIN, "log": training_log(task.job), "minutes": minutes, "done": weights,
                "parameters": task.job._asdict() | {"output": weights}}  # fmt: skip
    return [training, row | {"minutes": max(0.0, minutes_of(task) - minutes)}]


def with_training(task: Task, root: Path) -> Task:
    """Add the minutes of the training that a task needs first."""
    grid = load_grid(task.job.table, root)
    if why_untrained(grid, task.job, root) is None:
        return task
    return replace(task, minutes=minutes_of(task) + train_block(grid, task.job)[1].minutes)


def data_of(task: Task, root: Path) -> list[dict[str, Any]]:
    """Return what a task loads, as the words of `ilib.data.load`."""
    grid = load_grid(task.job.table, root)
    tested = [grid.profile(task.job.profile).data]
    if why_untrained(grid, task.job, root) is None:
        return tested
    blocks = train_block(grid, task.job)[1].data
    return tested + [{"how": None, **block} for block in blocks if block["name"] != "dead_leaves"]


def pack_pictures(tasks: Iterable[Task], root: Path, folder: Path) -> dict[Path, str]:
    """Pack what some tasks load.  -> the file of each set -> "" or why it could not be packed."""
    from ..data import load  # loads PyTorch
    from ..data.packed import packed_path, write_packed

    states: dict[Path, str] = {}
    for words in (words for task in tasks for words in data_of(task, root)):
        path = packed_path(folder, words)
        if path in states:
            continue
        try:
            size = write_packed(load(**words), folder, words).stat().st_size
            states[path] = ""
            if size > LARGEST:
                path.unlink()
                states[path] = f"{words['name']}: {size / 2**20:.0f} MiB packed are too many; give it an n or a size"
        except FileNotFoundError as error:
            states[path] = str(error)
    return states


def with_data(tasks: Iterable[Task], root: Path, folder: Path) -> tuple[list[Task], dict[Task, str]]:
    """Pack the pictures of tasks.  -> the tasks whose pictures are there, and why the others have to wait."""
    from ..data.packed import packed_path

    tasks = [with_training(task, root) for task in tasks]
    states = pack_pictures(tasks, root, folder)
    why = {task: "; ".join(filter(None, (states[packed_path(folder, words)] for words in data_of(task, root))))
           for task in tasks}  # fmt: skip
    return [task for task in tasks if not why[task]], {task: reason for task, reason in why.items() if reason}


def write_slots(slots: Iterable[Slot], root: Path, folder: Path, minutes: float = MINUTES) -> list[Path]:
    """Write the script of each slot.  ValueError where all that must travel is too large."""
    from .runs import commit_of  # loads PyTorch

    commit, paths = commit_of(root) or "", []
    for slot in slots:
        path = folder / f"{slot.name}.py"
        project = base64.b64encode(zipped_project(root, slot, commit)).decode()
        steps = "\n".join(f"    {task.job}: {minutes_of(task):g} min" for task in slot.tasks)
        write_text(path, SCRIPT.format(name=slot.name, minutes=slot.minutes, count=len(slot.tasks), steps=steps,
                                       file=path.name, slot_minutes=minutes, project=textwrap.fill(project, 100)))
        paths.append(path)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > LARGEST:
        raise ValueError(f"{folder} holds {size / 2**20:.0f} MiB, and {LARGEST // 2**20} may travel: choose fewer "
                         "tables (--table), or give the data of the grid's profile a smaller n or size")
    return paths


def zipped_project(root: Path, slot: Slot, commit: str) -> bytes:
    """Zip what a slot needs: ilib, the notebooks that run, the grids and sweeps as JSON, weights, the steps."""
    steps = [step for task in slot.tasks for step in steps_of(task, root)]
    about = {"name": slot.name, "commit": commit, "ilib": ilib.__version__, "steps": steps}
    bare = (PACKAGE / "results/bare.py").read_text("utf-8")  # apart: ilib cannot be imported before its stand-ins
    files = {COMMIT: commit, "slot.json": json.dumps(about, indent=1), "bare.py": bare}
    files |= {f"ilib/{p.relative_to(PACKAGE).as_posix()}": p.read_text("utf-8") for p in sorted(PACKAGE.rglob("*.py"))}
    files |= {p.relative_to(root).as_posix(): stripped(p) for p in sorted((root / EVALUATE).parent.glob("*.ipynb"))}
    for yaml in (path for part in (GRIDS, SWEEPS) for path in sorted((root / part).glob("*.yaml"))):
        files[yaml.relative_to(root).as_posix()] = json.dumps(read_yaml(yaml, lambda content: content))
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        for path in weights_of(slot, root):
            archive.write(path, path.relative_to(root).as_posix())
    return memory.getvalue()


def weights_of(slot: Slot, root: Path) -> list[Path]:
    """List the trained weights that the rows of a slot may load, and their registry, as far as they are there."""
    folder = root / "data/weights"
    wanted = [folder / f"{task.job.table}--{task.job.name}.safetensors" for task in slot.tasks]
    found = [path for path in wanted if path.is_file()]
    return [*found, folder / "registry.json"] if found else []


def stripped(notebook: Path) -> str:
    """Return a notebook without its outputs."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    return json.dumps(content)
