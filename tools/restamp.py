"""Keep rows and weights after the code that they reach was rearranged, where it gives the same numbers as before.

    python tools/restamp.py COMMIT     # the last commit that their digests belong to; ILIB_DATA: the data they name

Weights: the first steps of the training are run with the code of COMMIT and with the code of now; where every weight
of every network is bitwise the same, the registry takes the digest of now.  Rows: the first chunk is restored
again; where the row has just these figures, it takes the digest of now.  Whatever differs, or was stale before, stays
stale.  A change of results is not restamped but run again: this is for names and places.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ilib.gan.registry import WEIGHTS, add_entries, read_registry
from ilib.results import Job, Row, load_grid, read_rows, write_row
from ilib.results.digests import digests, training_digests
from ilib.results.project import RESULTS, project_folder
from ilib.results.runs import measure, method_of, restore, scores_of
from ilib.results.trained import with_weights

STEPS = 12  # past the first look at the losses
TOLERANCE = 1e-3  # dB
FIRST_STEPS = f"""
import hashlib, sys
from ilib.gan.train import Session, train
from ilib.results import Job, load_grid
from ilib.results.training import plan_training
job = Job(*sys.argv[1:5], int(sys.argv[5]))
plan = plan_training(load_grid(job.table), job, {STEPS})
given = [plan.source] if hasattr(plan, "source") else [plan.pictures, plan.camera]
nets = train(plan.recipe, *given, plan.settings, Session(progress=False)).networks
weights = [v.cpu().numpy().tobytes() for net in nets.values() for v in net.state_dict().values()
           if hasattr(v, "cpu")]  # a pool of pictures is no weight
print(hashlib.sha256(b"".join(weights)).hexdigest())
"""
DIGESTS = """
import json, sys
from pathlib import Path
from ilib.results import Job, load_grid
from ilib.results.digests import digests, training_digests
found = {}
for words in json.loads(sys.stdin.read()):
    job = Job(*words)
    try:
        grid = load_grid(job.table)
        found["|".join(map(str, job))] = [digests(grid, job, Path.cwd()),
                                          training_digests(grid, job) if grid.row(job.row).train else None]
    except (ValueError, KeyError):
        pass
print(json.dumps(found))
"""


def run_in(folder: Path, code: str, *words: str, told: str = "") -> str:
    """Run Python code with the ilib of a folder.  -> what it prints."""
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, input=told, capture_output=True, text=True,
                          check=True, env={**os.environ, "PYTHONPATH": str(folder)})  # fmt: skip
    return done.stdout


def digests_in(folder: Path, jobs: list[Job]) -> dict[Job, list[Any]]:
    """Return the digests of rows and of their trainings, as the code in a folder has them."""
    found = json.loads(run_in(folder, DIGESTS, told=json.dumps(jobs)))
    return {job: found[key] for job in jobs if (key := "|".join(map(str, job))) in found}


def same_steps(job: Job, old: Path, now: Path) -> bool:
    """Whether the first steps of a training give the same weights in both folders."""
    words = [str(word) for word in job]
    return run_in(old, FIRST_STEPS, *words) == run_in(now, FIRST_STEPS, *words)


def same_figures(row: Row) -> bool:
    """Whether the first chunk of pictures comes out as the row has it: a smaller batch rounds otherwise."""
    grid = with_weights(load_grid(row.table), row.job)
    profile = grid.profile(row.profile)
    profile = replace(profile, data=_few(grid.data(row.column, row.profile), profile.chunk))
    column = replace(grid.column(row.column), data={})
    few = replace(grid, profiles={row.profile: profile}, columns={row.column: column})
    trial = measure(few, row.column, row.profile, seed=row.seed)
    figures = scores_of(restore(method_of(few, row.row, trial), trial).x_hat, trial.x, grid.metrics)
    return figures.keys() == row.per_image.keys() and all(
        abs(a - b) < TOLERANCE for name in figures for a, b in zip(figures[name], row.per_image[name], strict=False))


def _few(data: dict[str, Any], n: int) -> dict[str, Any]:
    return {**data, "n": min(n, data.get("n") or n)}


def stale_rows(root: Path, before: dict[Job, list[Any]]) -> Iterator[tuple[Row, dict[str, str]]]:
    """Go through the rows whose digest was right before and is not now, but for the code alone."""
    for row in all_rows(root):
        kept, old = row.parameters.get("digest", {}), before.get(row.job, [None])[0]
        now = digests(load_grid(row.table), row.job, root) if old else None
        if old and now != kept == old and {**now, "code": old["code"]} == old:
            yield row, now


def all_rows(root: Path) -> list[Row]:
    return [row for folder in sorted((root / RESULTS).iterdir()) if list(folder.glob("*--s*.json"))
            for row in read_rows(folder)]  # fmt: skip


def restamp_weights(root: Path, old: Path, names: list[str]) -> None:
    """Give weights the digest of now where their first steps are the same."""
    jobs = {name: Job(*(words := name.split("--"))[:4], int(words[4][1:])) for name in names}
    before = digests_in(old, list(jobs.values()))
    for name, job in jobs.items():
        entry, was = read_registry(root / WEIGHTS)[name], before.get(job, [None, None])[1]
        now = training_digests(load_grid(job.table), job) if was else None
        if was and now != entry["digest"] == was and now["settings"] == was["settings"]:
            same = same_steps(job, old, root)
            if same:
                add_entries({name: {**entry, "digest": now}}, root / WEIGHTS)
            print(f"{name}: {'the same' if same else 'differs, stays stale'}", flush=True)


def restamp_rows(root: Path, before: dict[Job, list[Any]]) -> None:
    """Give rows the digest of now where their first pictures come out the same."""
    for row, now in stale_rows(root, before):
        try:
            same = same_figures(row)
        except FileNotFoundError as error:
            print(f"{row.job}: not looked at, {error}", flush=True)
            continue
        if same:
            write_row(replace(row, parameters={**row.parameters, "digest": now}), root / row.job.path)
        print(f"{row.job}: {'the same' if same else 'differs, stays stale'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("commit", help="the last commit that the digests belong to")
    asked, root = parser.parse_args(), project_folder()
    with tempfile.TemporaryDirectory() as place:
        old = Path(place) / "old"
        subprocess.run(["git", "worktree", "add", "-q", "--detach", str(old), asked.commit], cwd=root, check=True)
        try:
            names = [name for name in read_registry(root / WEIGHTS) if name.count("--") == 4]
            before = digests_in(old, [row.job for row in all_rows(root)])
            restamp_weights(root, old, names)
            restamp_rows(root, before)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(old)], cwd=root, check=True)


if __name__ == "__main__":
    main()
