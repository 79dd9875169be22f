"""Compare the kernels that rows of Table V estimate with the true ones: `python -m benchmarks.kernels PROFILE`.

Rows that are there are run again, those that are named or of the columns named where any are; blocks of pictures that
are kept in checkpoints/blocks are not computed again, so that this takes seconds where the rows were made.  Adds to
results/calibration/kernels.json, row by row: the largest cosine over all shifts for each picture, and the checksums of
the priors.
"""

import argparse
import json
from pathlib import Path

from ilib.gan.registry import WEIGHTS, read_registry
from ilib.priors.aligned import kernel_correlation
from ilib.priors.methods import task_of
from ilib.priors.ours import weights_of
from ilib.results import Job, load_grid
from ilib.results.project import project_folder
from ilib.results.runs import measure, method_of, restore
from ilib.results.trained import with_weights

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "kernels.json"
TABLE, ESTIMATED = "dgp_5", ("algorithm", "likely", "network")  # how the names of rows with kernels begin


def estimates(job: Job) -> dict[str, object]:
    """Return the likeness of each kernel that a row estimates, and what its priors are."""
    grid = with_weights(load_grid(job.table), job)
    trial = measure(grid, job.column, job.profile, seed=job.seed)
    likeness = kernel_correlation(restore(method_of(grid, job.row, trial), trial).kernel, trial.A.kernel)
    registry = read_registry(project_folder() / WEIGHTS)
    row, task = grid.row(job.row), task_of(trial.A)
    is_ours = row.method.startswith("ilib.priors.ours.")
    names = weights_of(task) if is_ours else task.weights(row.parameters.get("kernels", "blur"))
    names = [row.parameters["weights"]] if job.row.startswith("network") else names
    return {"per_image": [round(v, 4) for v in likeness.tolist()],
            "weights": {name: registry[name]["sha256"] for name in names}}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("profile")
    parser.add_argument("only", nargs="*", help="rows or columns; all where none are named")
    asked = parser.parse_args()
    content = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.is_file() else {}
    for job in load_grid(TABLE).jobs(asked.profile):
        is_asked = job.row.startswith(ESTIMATED) and (not asked.only or {job.row, job.column} & set(asked.only))
        if is_asked and (project_folder() / job.path).is_file():
            content[job.name] = estimates(job)
            OUTPUT.write_text(json.dumps(content) + "\n", encoding="utf-8")
            print(job.name, sorted(content[job.name]["per_image"])[len(content[job.name]["per_image"]) // 2])


if __name__ == "__main__":
    main()
