"""What the tables cost: the minutes that the grids plan on each machine, and those that finished rows took.

    costs(grids)                 a line for each table: laptop, T4, H200
    spent(grids)                 what the finished rows took, beside the plan
    methods_table(grid, rows)    a line for each method: numbers learnt, training, seconds a picture
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd
from IPython.display import HTML

from ..gan.registry import Entry, read_registry, weights_folder
from .glance import PAPERS
from .grids import Grid, TrainSpec
from .rows import Job, Row
from .tables import NOTHING, best_rows, load_table, plain_table

# Networks of these sizes wait for memory: TB/s of the NVIDIA data sheets, H200 (SXM) 4.8 and T4 0.32.
T4_PER_H200 = 4.8 / 0.32


class Minutes(NamedTuple):
    """Minutes of training and of testing."""

    train: float
    test: float

    @property
    def both(self) -> float:
        return self.train + self.test


def planned(grid: Grid, profile: str) -> Minutes:
    """Add up what the grid plans for a profile: every run, and every training of the table's own, once.

    Weights that another table trains are that table's cost.  ValueError where the grid has no such profile.
    """
    jobs = grid.jobs(profile)
    trainings = {grid.trained_by(job)[1]: spec for job in jobs
                 if isinstance(spec := grid.row(job.row).train, TrainSpec)}  # fmt: skip
    return Minutes(sum(spec.profiles[profile].minutes for spec in trainings.values()),
                   sum(grid.row(job.row).minutes.get(profile, 0.0) for job in jobs))


def measured(grid: Grid, rows: Sequence[Row], profile: str) -> Minutes:
    """Add up what the finished rows of a profile took; a training counts once, in the table that trains."""
    done = {row.job: row for row in rows if row.profile == profile and row.job in grid.jobs(profile)}
    trained = {row.weights["name"]: row.train_seconds for job, row in done.items()
               if row.weights and isinstance(grid.row(job.row).train, TrainSpec)}  # fmt: skip
    return Minutes(sum(trained.values()) / 60, sum(row.seconds for row in done.values()) / 60)


def finished(grid: Grid, rows: Sequence[Row], profile: str) -> str:
    """Say how many runs of a profile are there, as 12 of 18."""
    jobs: list[Job] = grid.jobs(profile)
    return f"{len({row.job for row in rows} & set(jobs))} of {len(jobs)}"


def duration(minutes: float) -> str:
    """Write minutes so that they read easily: 40 s, 12 min, 3.5 h."""
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def _paper(grid: Grid) -> str:
    return PAPERS.get(grid.paper, "this book")


def costs(grids: Iterable[Grid]) -> HTML:
    """Show what each table costs: two laptop cores at smoke and at cpu, an H200 at gpu, a T4 by estimate."""
    lines = []
    for grid in grids:
        on = {p: duration(planned(grid, p).both) for p in grid.profiles}
        t4 = duration(T4_PER_H200 * planned(grid, "gpu").both) if "gpu" in grid.profiles else NOTHING
        lines.append({"paper": _paper(grid), "table": f"{grid.number}: {grid.title}",
                      "laptop, smoke": on.get("smoke", NOTHING), "laptop, cpu": on.get("cpu", NOTHING),
                      "H200, gpu": on.get("gpu", NOTHING), "T4, gpu": t4})  # fmt: skip
    return plain_table(pd.DataFrame(lines))


def spent(grids: Iterable[Grid]) -> HTML:
    """Show what the finished rows took, beside the plan: a line for each table and profile that has any."""
    lines = []
    for grid in grids:
        rows = load_table(grid.table)[1]
        for profile in dict.fromkeys(row.profile for row in rows if row.profile in grid.profiles):
            took, plan = measured(grid, rows, profile), planned(grid, profile)
            devices = sorted({row.device for row in rows if row.profile == profile})
            lines.append({"paper": _paper(grid), "table": grid.number, "profile": profile,
                          "runs there": finished(grid, rows, profile), "training took": duration(took.train),
                          "testing took": duration(took.test), "planned for all": duration(plan.both),
                          "device": "; ".join(devices)})  # fmt: skip
    return plain_table(pd.DataFrame(lines))


def numbers_in(entry: Entry) -> int:
    """Count the numbers that a registered network holds, without loading its weights."""
    import torch

    from ..gan.weights import build_network  # loads PyTorch

    with torch.device("meta"):
        network = build_network(entry["network"], entry["arguments"])
    return sum(tensor.numel() for tensor in network.state_dict().values())


def learnt_by(row: Row) -> str | None:
    """Name the weights that a finished row used: its own, or a prior that its method was given; None without any."""
    return row.weights["name"] if row.weights else row.parameters["arguments"].get("prior")


def methods(grid: Grid, rows: Sequence[Row]) -> pd.DataFrame:
    """Say what each method costs, at the profile that its line of the page is of.

    Columns: label; parameters (numbers learnt, 0 for none); training, minutes of one training, the mean over seeds;
    seconds, of one picture, the mean over columns and seeds; profile, device.  A row that was not run is left out.
    """
    registry, lines = read_registry(weights_folder()), []
    for name, spec in grid.rows.items():
        profile, columns = best_rows(grid, rows, name)
        runs = [row for seeds in columns.values() for row in seeds]
        learnt = sorted({weights for row in runs if (weights := learnt_by(row)) in registry})
        if runs:
            lines.append({"label": spec.label, "parameters": numbers_in(registry[learnt[0]]) if learnt else 0,
                          "training": sum(registry[w]["seconds"] for w in learnt) / 60 / max(len(learnt), 1),
                          "seconds": sum(row.seconds / row.n for row in runs) / len(runs), "profile": profile,
                          "device": "; ".join(sorted({row.device for row in runs}))})  # fmt: skip
    return pd.DataFrame(lines)


def methods_table(grid: Grid, rows: Sequence[Row]) -> HTML:
    """Show `methods`."""
    frame = methods(grid, rows)
    return plain_table(pd.DataFrame({
        "method": frame["label"],
        "parameters": [f"{n:,}" if n else NOTHING for n in frame["parameters"]],
        "one training": [duration(minutes) if n else NOTHING
                         for minutes, n in zip(frame["training"], frame["parameters"], strict=True)],
        "seconds a picture": [f"{seconds:.2g}" for seconds in frame["seconds"]],
        "profile": frame["profile"], "device": frame["device"],
    }))  # fmt: skip
