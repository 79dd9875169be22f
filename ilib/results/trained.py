"""Which weights the rows of a grid need, which of them are missing or stale, and the command that trains them."""

from dataclasses import dataclass, replace
from pathlib import Path

from ..gan.registry import WEIGHTS, read_registry
from .digests import train_block, training_digests, training_settings
from .grids import Grid, load_grid
from .project import LOGS, TRAIN
from .rows import Job


@dataclass(frozen=True)
class Training:
    """One training that is wanted: of which run, why ("missing", "stale: ..."), and the minutes to expect."""

    job: Job
    why: str
    minutes: float


def weights_path(job: Job) -> Path:
    """Return where the weights that a run trains lie, relative to the project's folder."""
    return Path(WEIGHTS) / f"{job.weights}.safetensors"


def with_weights(grid: Grid, job: Job) -> Grid:
    """Tell the row's method which weights to load; the same grid for a row that is not trained."""
    row = grid.row(job.row)
    if row.train is None:
        return grid
    told = replace(row, parameters={**row.parameters, "weights": grid.trained_by(job)[1].weights})
    return replace(grid, rows={**grid.rows, job.row: told})


def weights_of(grid: Grid, job: Job, root: Path) -> tuple[dict[str, str] | None, float]:
    """Return what a row keeps of its weights: name and sha256 (None where it has none), and the seconds of training."""
    if grid.row(job.row).train is None:
        return None, 0.0
    name = grid.trained_by(job)[1].weights
    entry = read_registry(root / WEIGHTS)[name]
    return {"name": name, "sha256": entry["sha256"]}, float(entry["seconds"])


def why_untrained(grid: Grid, job: Job, root: Path) -> str | None:
    """Say why the weights of a run should be trained: "missing", "stale: ..."; None where they are up to date or none
    are needed.  Settings and code are compared through the digests in the registry, not through dates."""
    if grid.row(job.row).train is None:
        return None
    grid, job = grid.trained_by(job)
    entry = read_registry(root / WEIGHTS).get(job.weights)
    if entry is None or not (root / weights_path(job)).is_file():
        return "missing"
    now = training_digests(grid, job)
    changed = [name for name in now if entry["digest"].get(name) != now[name]]
    return f"stale: {' and '.join(changed)} changed" if changed else None


def needed_training(grid: Grid, job: Job, root: Path) -> Training | None:
    """Return the training that a run waits for; None where its weights are up to date, or it needs none."""
    why = why_untrained(grid, job, root)
    if why is None:
        return None
    grid, job = grid.trained_by(job)
    return Training(job, why, train_block(grid, job)[1].minutes)


def training_log(job: Job) -> str:
    """Return where the executed notebook of a training goes, relative to the project's folder."""
    return f"{LOGS}/{job.table}/{job.name}.train.ipynb"


def training_command(job: Job) -> str:
    """Return the command that trains one run's weights, to be given in the project's folder."""
    words = " ".join(f"-p {name} {value}" for name, value in zip(job._fields, job, strict=True))
    return f"python -m papermill {TRAIN} {training_log(job)} {words} -p output {weights_path(job).as_posix()}"


def training_inputs(job: Job, root: Path) -> dict[str, object]:
    """Return what a training depends on, as readable JSON: its settings and the digests."""
    grid = load_grid(job.table, root)
    return {"settings": training_settings(grid, job), "digest": training_digests(grid, job)}
