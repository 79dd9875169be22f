"""Slots of a borrowed machine: what is missing, cut into scripts of ten minutes that need Python and PyTorch alone.

    slots/gpu/slot_1.py    the code, the grids and the steps, in one file
    slots/gpu/data/*       the pictures and the weights that the steps of all slots load
    slots/gpu/wheels/*     packages that the machine lacks, put there by hand

Copy the script and the files that it names to the machine, in the same folders, and run
`python slots/gpu/slot_1.py --out FOLDER`; `python -m ilib.results import FOLDER` merges what comes back in FOLDER.
A training that is longer than its slot stops with a checkpoint in FOLDER, from which the same command goes on.
"""

import base64
import io
import json
import textwrap
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ilib

from ..files import write_text
from ..gan.registry import FILE as REGISTRY
from ..gan.registry import WEIGHTS
from .carried import LARGEST, Entry, carry, registry_needed
from .grids import load_grid, read_yaml
from .project import COMMIT, EVALUATE, GRIDS, SWEEPS, TRAIN
from .queue import Task, in_order, log_path
from .trained import Training, training_log, weights_path

MINUTES = 10.0  # of one slot
START = 0.75  # of which the machine's Python needs for unpacking and loading PyTorch
UNKNOWN = 1.0  # minutes taken for a step whose grid does not say
SCRIPT_SIZE = 2**20  # bytes kept for a script
PACKAGE = Path(__file__).resolve().parents[1]
TRAINING = "accelerate safetensors psutil packaging tqdm"  # what a training needs besides PyTorch and NumPy
DECODING = "pillow"  # what photographs that travel as files need
PACKAGES = ("and needs {0}: where the machine lacks one of these, put its wheel into wheels/ beside it "
            "(pip download --no-deps --only-binary=:all: -d wheels {0}).")  # fmt: skip
Files = dict[Entry, tuple[Path, ...]]

SCRIPT = '''\
"""{name}: {minutes:.1f} minutes expected, {count} steps. Needs Python 3.11 or later, PyTorch and NumPy.

    python {file} --out FOLDER

{steps}

It reads beside it, {size:.1f} MiB:
{files}
{packages}
A training that is longer than the time there is stops with a checkpoint in FOLDER; the same command goes on from it.
Merge what FOLDER then holds with: python -m ilib.results import FOLDER
"""

import argparse, base64, io, os, sys, tempfile, zipfile
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", default=os.environ.get("OUT", "out"), help="output folder; default: $OUT, else ./out")
parser.add_argument("--data", default=Path(__file__).resolve().parent / "data", help="pictures and weights")
parser.add_argument("--resume", help="what an earlier run of this script left; default: the output folder")
parser.add_argument("--minutes", type=float, default={slot_minutes}, help="no step starts that would not fit")
PROJECT = """
{project}
"""
if __name__ == "__main__":
    asked = parser.parse_args()
    out, data = Path(asked.out).resolve(), Path(asked.data).resolve()
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(io.BytesIO(base64.b64decode(PROJECT))).extractall(folder)
        for wheel in sorted(Path(__file__).resolve().parent.glob("wheels/*.whl")):
            zipfile.ZipFile(wheel).extractall(Path(folder, "site"))
        sys.path.append(str(Path(folder, "site")))
        sys.path.insert(0, folder)
        from bare import run_slot

        sys.exit(run_slot(folder, out, data, Path(asked.resume or out).resolve(), asked.minutes))
'''


@dataclass
class Slot:
    """The tasks and trainings of one script, in order, and the files that it needs beside it."""

    name: str
    entries: list[Entry] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)

    @property
    def minutes(self) -> float:
        return START + sum(map(minutes_of, self.entries))

    @property
    def size(self) -> int:
        """The bytes that travel with the script, itself not counted."""
        return sum(path.stat().st_size for path in self.files)

    def takes(self, entries: list[Entry], files: set[Path], minutes: float) -> bool:
        """Whether there is room, in time and in size, for some more."""
        both = Slot("", [*self.entries, *entries], self.files | files)
        return both.minutes <= minutes and both.size <= LARGEST - SCRIPT_SIZE


def minutes_of(entry: Entry) -> float:
    """Return the minutes that the grid expects for a task or a training, one where it does not say."""
    return UNKNOWN if entry.minutes is None else entry.minutes


def slots_of(
    tasks: Iterable[Task], minutes: float = MINUTES, files: Mapping[Entry, Iterable[Path]] | None = None
) -> tuple[list[Slot], dict[Task, str]]:
    """Fill slots in order of value, each entry into the first that has room; one too long for any stands alone.

    files: what each task and training needs beside the script.  -> the slots, and the tasks that have to wait: weights
    are trained in one slot alone, and the rows that use them and do not fit there come when it is imported.
    """
    slots: list[Slot] = []
    waiting: dict[Task, str] = {}
    entries = in_order(tasks)
    for i, entry in enumerate(entries):
        new, trains = set((files or {}).get(entry, ())), isinstance(entry, Training)
        home = None if trains or not entry.needs else next(slot for slot in slots if entry.needs in slot.entries)
        if home and not home.takes([entry], new, minutes):
            waiting[entry] = f"{home.name} trains its weights and has no room for it; import that first"
            continue
        first = entries[i + 1 : i + 2] if trains else []  # the row that the training is for belongs with it
        more = new.union(*((files or {}).get(row, ()) for row in first))
        room = [home] if home else [slot for slot in slots if slot.takes([entry, *first], more, minutes)]
        if not room:
            slots.append(Slot(f"slot_{len(slots) + 1}"))
            room = slots[-1:]
        room[0].entries.append(entry)
        room[0].files |= new
    return slots, waiting


def packages_of(slot: Slot) -> str:
    """Name the packages that a slot needs on the machine besides PyTorch and NumPy, as pip does; "" for none."""
    trains = any(isinstance(entry, Training) for entry in slot.entries)
    loads = any(path.suffix == ".safetensors" for path in slot.files)
    decodes = any(path.suffix == ".zip" for path in slot.files)
    return " ".join(filter(None, (TRAINING if trains else "safetensors" * loads, DECODING * decodes)))


def steps_of(slot: Slot) -> list[dict[str, Any]]:
    """Return what a slot runs, in order: notebook, parameters, minutes, log, and the file that says it is done.

    A training is told when to stop with a checkpoint; a row names the weights that it waits for.
    """
    return [_row_step(entry) if isinstance(entry, Task) else _training_step(entry) for entry in slot.entries]


def _row_step(task: Task) -> dict[str, Any]:
    path = task.job.path.as_posix()
    return {"name": f"{task.job.table}/{task.job.name}", "notebook": EVALUATE, "log": log_path(task.job),
            "parameters": task.job._asdict() | {"output": path}, "minutes": minutes_of(task), "done": path,
            "needs": weights_path(task.needs.job).as_posix() if task.needs else None}  # fmt: skip


def _training_step(training: Training) -> dict[str, Any]:
    job, weights = training.job, weights_path(training.job).as_posix()
    return {"name": weights, "notebook": TRAIN, "log": training_log(job), "minutes": training.minutes, "done": weights,
            "parameters": job._asdict() | {"output": weights}, "trains": True}  # fmt: skip


def with_data(tasks: Iterable[Task], root: Path, folder: Path) -> tuple[list[Task], Files, dict[Task, str]]:
    """Pack what tasks and their trainings need.  -> the tasks for which all is there, the files, why others wait."""
    tasks = list(tasks)
    packed = carry(in_order(tasks), root, folder / "data")
    wheels = tuple(sorted((folder / "wheels").glob("*.whl")))
    lacks = {task: [package_of(task, root), *(packed[entry][1] for entry in (task.needs, task) if entry)]
             for task in tasks}  # fmt: skip
    why = {task: "; ".join(filter(None, lacks[task]))
           for task in tasks}  # fmt: skip
    files = {entry: (*paths, *wheels) for entry, (paths, _) in packed.items()}
    return [task for task in tasks if not why[task]], files, {task: reason for task, reason in why.items() if reason}


def package_of(task: Task, root: Path) -> str:
    """Say which package a task needs that no slot carries; empty where it needs none."""
    return load_grid(task.job.table, root).row(task.job.row).extra


def write_slots(slots: Iterable[Slot], root: Path, folder: Path, minutes: float = MINUTES) -> list[Path]:
    """Write the script of each slot."""
    from .runs import commit_of  # loads PyTorch

    commit, paths = commit_of(root) or "", []
    for slot in slots:
        path = folder / f"{slot.name}.py"
        project = base64.b64encode(zipped_project(root, slot, commit)).decode()
        steps = "\n".join(f"    {step['name']}: {step['minutes']:g} min" for step in steps_of(slot))
        files = "\n".join(f"    {path.parent.name}/{path.name}" for path in sorted(slot.files))
        packages = PACKAGES.format(packages_of(slot)) if packages_of(slot) else ""
        write_text(path, SCRIPT.format(name=slot.name, minutes=slot.minutes, count=len(slot.entries), steps=steps,
                                       file=path.name, slot_minutes=minutes, size=slot.size / 2**20, files=files,
                                       packages=textwrap.fill(packages, 100), project=textwrap.fill(project, 100)))
        paths.append(path)
    return paths


def zipped_project(root: Path, slot: Slot, commit: str) -> bytes:
    """Zip what a slot needs in its script: ilib, the notebooks that run, grids and sweeps as JSON, the steps."""
    about = {"name": slot.name, "commit": commit, "ilib": ilib.__version__, "steps": steps_of(slot),
             "files": sorted(path.name for path in slot.files if path.suffix != ".whl")}  # fmt: skip
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
        if registry_needed(slot.entries, root):
            archive.write(root / WEIGHTS / REGISTRY, f"{WEIGHTS}/{REGISTRY}")
    return memory.getvalue()


def stripped(notebook: Path) -> str:
    """Return a notebook without its outputs."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    return json.dumps(content)
