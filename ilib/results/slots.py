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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ilib

from ..files import write_text
from ..gan.registry import FILE as REGISTRY
from ..gan.registry import WEIGHTS, read_registry
from .digests import train_block
from .grids import load_grid, read_yaml
from .project import COMMIT, EVALUATE, GRIDS, SWEEPS, TRAIN
from .queue import Task, in_order, log_path, trainings_of
from .trained import Training, training_log, weights_path

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
    """The tasks of one script, with the trainings that they wait for, and the minutes to expect."""

    name: str
    tasks: list[Task] = field(default_factory=list)

    @property
    def minutes(self) -> float:
        return START + sum(map(minutes_of, self.tasks)) + sum(t.minutes for t in trainings_of(self.tasks))


def minutes_of(task: Task) -> float:
    """Return the minutes that the grid expects for a task itself, one where it does not say."""
    return UNKNOWN if task.minutes is None else task.minutes


def slots_of(tasks: Iterable[Task], minutes: float = MINUTES) -> tuple[list[Slot], dict[Task, str]]:
    """Fill slots in order of value, each task into the first that has room; one too long for any stands alone.

    -> the slots, and the tasks that have to wait: weights are trained in one slot alone, and the rows that use them and
    do not fit there come when it is imported.
    """
    slots: list[Slot] = []
    waiting: dict[Task, str] = {}
    for task in tasks:
        home = next((slot for slot in slots if task.needs and task.needs in trainings_of(slot.tasks)), None)
        room = [slot for slot in ([home] if home else slots) if _has_room(slot, task, minutes)]
        if home and not room:
            waiting[task] = f"{home.name} trains its weights and is full; import that first"
            continue
        if not room:
            slots.append(Slot(f"slot_{len(slots) + 1}"))
            room = slots[-1:]
        room[0].tasks.append(task)
    return slots, waiting


def _has_room(slot: Slot, task: Task, minutes: float) -> bool:
    return Slot("", [*slot.tasks, task]).minutes <= minutes


def steps_of(slot: Slot) -> list[dict[str, Any]]:
    """Return what a slot runs: the rows of its tasks, and before the first row that waits for a training the training.

    Each step: notebook, parameters, minutes, log, and the file that says it is done.
    """
    return [_row_step(entry) if isinstance(entry, Task) else _training_step(entry) for entry in in_order(slot.tasks)]


def _row_step(task: Task) -> dict[str, Any]:
    path = task.job.path.as_posix()
    return {"name": f"{task.job.table}/{task.job.name}", "notebook": EVALUATE, "log": log_path(task.job),
            "parameters": task.job._asdict() | {"output": path}, "minutes": minutes_of(task), "done": path}  # fmt: skip


def _training_step(training: Training) -> dict[str, Any]:
    job, weights = training.job, weights_path(training.job).as_posix()
    return {"name": weights, "notebook": TRAIN, "log": training_log(job), "minutes": training.minutes, "done": weights,
            "parameters": job._asdict() | {"output": weights}}  # fmt: skip


def data_of(task: Task, root: Path) -> list[dict[str, Any]]:
    """Return what a task and the training that it waits for load, as the words of `ilib.data.load`."""
    tested = [load_grid(task.job.table, root).profile(task.job.profile).data]
    if task.needs is None:
        return tested
    blocks = train_block(load_grid(task.needs.job.table, root), task.needs.job)[1].data
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

    tasks = list(tasks)
    states = pack_pictures(tasks, root, folder)
    why = {task: "; ".join(filter(None, (package_of(task, root), *(states[packed_path(folder, words)]
                                                                 for words in data_of(task, root)))))
           for task in tasks}  # fmt: skip
    return [task for task in tasks if not why[task]], {task: reason for task, reason in why.items() if reason}


def package_of(task: Task, root: Path) -> str:
    """Say which package a task needs that no slot carries; empty where it needs none."""
    return load_grid(task.job.table, root).row(task.job.row).extra


def write_slots(slots: Iterable[Slot], root: Path, folder: Path, minutes: float = MINUTES) -> list[Path]:
    """Write the script of each slot.  ValueError where all that must travel is too large."""
    from .runs import commit_of  # loads PyTorch

    commit, paths = commit_of(root) or "", []
    for slot in slots:
        path = folder / f"{slot.name}.py"
        project = base64.b64encode(zipped_project(root, slot, commit)).decode()
        steps = "\n".join(f"    {step['name']}: {step['minutes']:g} min" for step in steps_of(slot))
        write_text(path, SCRIPT.format(name=slot.name, minutes=slot.minutes, count=len(steps_of(slot)), steps=steps,
                                       file=path.name, slot_minutes=minutes, project=textwrap.fill(project, 100)))
        paths.append(path)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > LARGEST:
        raise ValueError(f"{folder} holds {size / 2**20:.0f} MiB, and {LARGEST // 2**20} may travel: choose fewer "
                         "tables (--table), or give the data of the grid's profile a smaller n or size")
    return paths


def zipped_project(root: Path, slot: Slot, commit: str) -> bytes:
    """Zip what a slot needs: ilib, the notebooks that run, the grids and sweeps as JSON, weights, the steps."""
    about = {"name": slot.name, "commit": commit, "ilib": ilib.__version__, "steps": steps_of(slot)}
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
    """List the weights that a slot's rows load (their own, or those that a parameter names) and that it does not train
    itself, and their registry."""
    grids = [(load_grid(task.job.table, root), task) for task in slot.tasks]
    pairs = [grid.trained_by(task.job) for grid, task in grids if task.needs is None]
    wanted = {root / weights_path(job) for grid, job in pairs if grid.row(job.row).train}
    named = {str(value) for grid, task in grids for value in grid.row(task.job.row).parameters.values()}
    wanted |= {root / WEIGHTS / f"{name}.safetensors" for name in read_registry(root / WEIGHTS) if name in named}
    return [*sorted(wanted), root / WEIGHTS / REGISTRY] if wanted else []


def stripped(notebook: Path) -> str:
    """Return a notebook without its outputs."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    return json.dumps(content)
