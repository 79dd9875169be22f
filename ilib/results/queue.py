"""What is missing or stale, in order of value, with the command that brings it and the minutes to expect."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .digests import digest_of, digests, settings_of
from .grids import Grid, load_grid, table_ids
from .project import EVALUATE, LOGS
from .rows import Job, Row, read_row
from .sweeps import load_sweep, sweep_ids
from .trained import Training, needed_training, why_untrained


@dataclass(frozen=True)
class Task:
    """One run that is wanted: why, and how long it should take (None where the grid does not say).

    needs: the training that it waits for, which several tasks may share; None where there is none to wait for.
    """

    job: Job
    why: str
    minutes: float | None
    in_paper: bool
    needs: Training | None = None

    @property
    def value(self) -> tuple[bool, bool, float, Job]:
        """What to sort by: missing before stale, rows that the paper prints before ours, the quick ones first."""
        minutes = (self.minutes or 0.0) + (self.needs.minutes if self.needs else 0.0)
        return (self.why != "missing", not self.in_paper, minutes, self.job)


def why_wanted(grid: Grid, job: Job, root: Path) -> str | None:
    """Say why a row should be run: "missing", "stale: ..."; None where it is up to date.

    The code and the settings are compared through the digests that the row keeps, not through dates, so that a fresh
    clone has nothing to do.  ValueError for a row that cannot be read.
    """
    path = root / job.path
    if not path.exists():
        return "missing"
    kept, now = read_row(path).parameters.get("digest", {}), digests(grid, job, root)
    changed = [name for name in now if kept.get(name) != now[name]]
    if changed:
        return f"stale: {' and '.join(changed)} changed"
    untrained = why_untrained(grid, job, root)  # that the file alone is missing does not matter: it may be too large
    return "stale: its weights are" if untrained and untrained != "missing" else None


def data_changed(row: Row, words: dict[str, Any]) -> bool:
    """Load the pictures that a row's grid names and compare their sha256; False where they are not on this machine."""
    from ..data import load  # loads PyTorch
    from .runs import pairs_of

    recorded = row.degradation.get("pairs")
    try:
        now = pairs_of(recorded, words, row.degradation["parameters"]).pictures if recorded else load(**words)
        return now.sha256 != row.data["sha256"]
    except FileNotFoundError:
        return False


def grids_of(name: str, root: Path) -> list[Grid]:
    """Return the grid of a table, or those of all points of a sweep."""
    if name in sweep_ids(root):
        sweep = load_sweep(name, root)
        return [sweep.grid(table) for table in sweep.points()]
    return [load_grid(name, root)]


def wanted_tasks(
    profile: str, root: Path, chosen: Iterable[str] | None = None, look_at_data: bool = False
) -> list[Task]:
    """List what is missing or stale at a profile in all grids that have it (or in the chosen tables and sweeps).

    Rows that need a package which is not installed are left out: the tables say which.
    """
    grids = [grid for name in (table_ids(root) if chosen is None else chosen) for grid in grids_of(name, root)]
    jobs = [(grid, job) for grid in grids if profile in grid.profiles for job in grid.jobs_here(profile)]
    changed: dict[str, bool] = {}  # by what is loaded, so that a set is loaded once
    tasks = []
    for grid, job in jobs:
        why = why_wanted(grid, job, root)
        if why is None and look_at_data:
            row, words = read_row(root / job.path), grid.data(job.column, job.profile)
            key = digest_of([row.data, row.degradation.get("pairs")])
            changed[key] = changed[key] if key in changed else data_changed(row, words)
            why = "stale: data changed" if changed[key] else None
        if why is not None:
            spec = grid.row(job.row)
            tasks.append(Task(job, why, spec.minutes.get(job.profile), bool(spec.paper),
                              needed_training(grid, job, root)))  # fmt: skip
    return sorted(tasks, key=lambda task: task.value)


def in_order(tasks: Iterable[Task]) -> list[Task | Training]:
    """List tasks with the trainings that they wait for, each once, before the first task that does."""
    pairs = ((task.needs, task) for task in tasks)
    return list(dict.fromkeys(entry for pair in pairs for entry in pair if entry is not None))


def trainings_of(tasks: Iterable[Task]) -> list[Training]:
    """List the trainings that tasks wait for, each once, in the tasks' order."""
    return [entry for entry in in_order(tasks) if isinstance(entry, Training)]


def papermill_command(job: Job) -> str:
    """Return the command that runs one job, to be given in the project's folder."""
    words = " ".join(f"-p {name} {value}" for name, value in zip(job._fields, job, strict=True))
    return f"python -m papermill {EVALUATE} {log_path(job)} {words} -p output {job.path.as_posix()}"


def log_path(job: Job) -> str:
    """Return where the executed notebook of a run goes, relative to the project's folder."""
    return f"{LOGS}/{job.table}/{job.name}.ipynb"


def inputs_of(job: Job, root: Path) -> dict[str, object]:
    """Return what a run depends on, as readable JSON: its settings and the digests."""
    grid = load_grid(job.table, root)
    return {"settings": settings_of(grid, job), "digest": digests(grid, job, root)}
