"""What is there and what is missing: `python -m ilib.results list` and `python -m ilib.results queue --profile cpu`."""

import argparse
import sys
from pathlib import Path

from .grids import load_grid, table_ids
from .profiles import NAMES, PROFILES
from .project import RESULTS, project_folder
from .queue import Task, papermill_command, wanted_tasks, why_wanted
from .rows import read_rows


def _minutes(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"


def print_queue(profile: str, chosen: list[str] | None, root: Path) -> None:
    """Print what is wanted at a profile, most valuable first."""
    tasks: list[Task] = wanted_tasks(profile, root, chosen, look_at_data=True)
    if not tasks:
        print(f"{profile}: nothing is missing or stale.")
        return
    total = sum(task.minutes or 0.0 for task in tasks)
    print(f"{profile} ({PROFILES[profile]}): {len(tasks)} rows, {_minutes(round(total, 1))} minutes one after another.")
    for table in dict.fromkeys(task.job.table for task in tasks):
        print(f"All of {table}: make tables PROFILE={profile} TABLE={table}")
    for number, task in enumerate(tasks, 1):
        print(f"\n{number}. {task.job}: {task.why}, {_minutes(task.minutes)} min\n   {papermill_command(task.job)}")


def print_list(root: Path) -> None:
    """Print the rows that exist, table by table, and the rows that are not run."""
    for table in table_ids(root):
        loaded = load_grid(table, root)
        print(f"{table}: {loaded.title} ({loaded.number})")
        for row in read_rows(root / RESULTS / table):
            figures = ", ".join(f"{name} {row.mean(name):.3f}" for name in row.metrics)
            known = row.job in loaded.jobs(row.profile) if row.profile in loaded.profiles else False
            state = (why_wanted(loaded, row.job, root) or "up to date") if known else "no longer in the grid"
            print(f"  {row.job.name}: {figures}, n = {row.n}, {state}")
        for name, spec in loaded.rows.items():
            if spec.not_run is not None:
                print(f"  {name}: not run: {spec.not_run}")


def _arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ilib.results", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="print the rows that exist and the state of each")
    queue = commands.add_parser("queue", help="print what is missing or stale, most valuable first")
    queue.add_argument("--profile", choices=NAMES, default="smoke")
    queue.add_argument("--table", action="append", help="only this table; may be given again; default: all")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Run a command; return 1 and print one line where the grid, a row or the folder is wrong."""
    asked = _arguments(words)
    try:
        root = project_folder()
        print_list(root) if asked.command == "list" else print_queue(asked.profile, asked.table, root)
    except (ValueError, TypeError, FileNotFoundError) as error:
        print(f"ilib.results: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
