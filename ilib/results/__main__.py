"""What is there, what is missing, and how a borrowed machine computes it.

    python -m ilib.results list                          the rows that exist and the state of each
    python -m ilib.results queue --profile cpu           what is missing or stale, most valuable first
    python -m ilib.results queue --profile gpu --slots   write scripts of ten minutes that run it elsewhere
    python -m ilib.results pack --profile gpu            only pack the pictures and weights that it needs
    python -m ilib.results import FOLDER                 merge what these scripts have left in a folder
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .carried import LARGEST, carry
from .grids import load_grid, table_ids
from .merge import merge
from .profiles import NAMES, PROFILES
from .project import RESULTS, project_folder
from .queue import Task, in_order, papermill_command, trainings_of, wanted_tasks, why_wanted
from .rows import read_rows
from .slots import MINUTES, packages_of, slots_of, with_data, write_slots
from .sweeps import sweep_ids
from .trained import Training, training_command


def _minutes(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"


def _count(entries: Sequence[object], word: str) -> str:
    return f"{len(entries)} {word}{'s' if len(entries) != 1 else ''}"


def _line(entry: Task | Training) -> str:
    kind = "training of " if isinstance(entry, Training) else ""
    return f"{kind}{entry.job}: {entry.why}, {_minutes(entry.minutes)} min"


def print_queue(profile: str, chosen: list[str] | None, root: Path) -> None:
    """Print what is wanted at a profile, most valuable first."""
    tasks: list[Task] = wanted_tasks(profile, root, chosen, look_at_data=True)
    if not tasks:
        print(f"{profile}: nothing is missing or stale.")
        return
    trainings = trainings_of(tasks)
    total = sum(task.minutes or 0.0 for task in tasks) + sum(training.minutes for training in trainings)
    counts = _count(tasks, "row") + (f" and {_count(trainings, 'training')}" if trainings else "")
    print(f"{profile} ({PROFILES[profile]}): {counts}, {_minutes(round(total, 1))} minutes one after another.")
    for table in dict.fromkeys(task.job.table for task in tasks):
        print(f"All of {table}: make tables PROFILE={profile} TABLE={table}")
    for number, entry in enumerate(in_order(tasks), 1):
        command = (papermill_command if isinstance(entry, Task) else training_command)(entry.job)
        print(f"\n{number}. {_line(entry)}\n   {command}")
    if chosen is None and sweep_ids(root):
        print(f"\nSweeps are listed where they are named: --table {', --table '.join(sweep_ids(root))}")


def print_slots(profile: str, chosen: list[str] | None, root: Path, folder: Path, minutes: float) -> None:
    """Write the slots that bring what is wanted at a profile, and print what each holds and how to run it."""
    ready, files, waiting = with_data(wanted_tasks(profile, root, chosen, look_at_data=True), root, folder)
    slots, later = slots_of(ready, minutes, files)
    used = {folder / f"{slot.name}.py" for slot in slots}.union(*(slot.files for slot in slots))
    for old in {*folder.glob("slot_*.py"), *folder.glob("data/*")} - used:
        old.unlink()
    for slot, path in zip(slots, write_slots(slots, root, folder, minutes), strict=True):
        again = ": run it again until it is done, it goes on from its checkpoint" if slot.minutes > minutes else ""
        print(f"{slot.name}: {_count(slot.entries, 'step')}, {slot.minutes:.1f} of {minutes:g} minutes{again}")
        print("".join(f"   {_line(entry)}\n" for entry in slot.entries), end="")
        size, packages = (slot.size + path.stat().st_size) / 2**20, packages_of(slot)
        travel = dict.fromkeys(_shown(p.parent if p.suffix == ".whl" else p) for p in (path, *sorted(slot.files)))
        print(f"   copy {size:.1f} MiB: {', '.join(travel)}")
        if slot.size > LARGEST:
            print(f"   more than {LARGEST // 2**20} MiB: take out wheels that the machine does not lack")
        print(f"   needs there, or as wheels in {_shown(folder / 'wheels')}: {packages}\n" if packages else "", end="")
        print(f"   python {_shown(path)} --out FOLDER")
    for task, why in (waiting | later).items():
        print(f"left out: {task.job}: {why}")
    print(f"{profile}: {_count(slots, 'slot')}. Copy a script and its files to the machine, in the same folders, run "
          "one at a time,\nand merge what comes back: python -m ilib.results import FOLDER")


def _shown(path: Path) -> str:
    """Write a path as it is reached from the working directory, where it lies below it."""
    here = Path.cwd().resolve()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)


def print_pack(profile: str, chosen: list[str] | None, root: Path, folder: Path) -> None:
    """Pack what the wanted rows and trainings load, and print where it is."""
    for entry, (paths, why) in carry(in_order(wanted_tasks(profile, root, chosen)), root, folder / "data").items():
        sizes = [f"{_shown(path)} ({path.stat().st_size / 2**20:.1f} MiB)" for path in paths if path.is_file()]
        print(f"{_line(entry)}: " + (f"not packed: {why}" if why else ", ".join(sizes)))


def print_import(folder: Path, root: Path) -> int:
    """Merge what slots have left behind; print what became of each file.  -> 1 where one was refused."""
    merged = merge(folder, root)
    for name in merged.taken:
        print(f"taken: {name}")
    for name, why in merged.refused.items():
        print(f"refused: {name}: {why}")
    for name, why in merged.failed.items():
        print(f"failed on the machine: {name}: {why}")
    print(f"{len(merged.taken)} taken, {len(merged.there)} there already, {len(merged.refused)} refused, "
          f"{len(merged.failed)} steps failed.")
    return int(bool(merged.refused))


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
    parser = argparse.ArgumentParser(prog="python -m ilib.results", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="print the rows that exist and the state of each")
    queue = commands.add_parser("queue", help="print what is missing or stale, most valuable first")
    queue.add_argument("--slots", action="store_true", help="write scripts that run it on a borrowed machine")
    queue.add_argument("--minutes", type=float, default=MINUTES, help="of one slot; default: %(default)s")
    pack = commands.add_parser("pack", help="pack the pictures and weights that missing rows need")
    for command in (queue, pack):
        command.add_argument("--profile", choices=NAMES, default="smoke")
        command.add_argument("--table", action="append", help="only this table or sweep; may be repeated")
        command.add_argument("--folder", type=Path, help="where slots and pictures go; default: slots/PROFILE")
    merging = commands.add_parser("import", help="merge what slots have left in a folder")
    merging.add_argument("folder", type=Path)
    return parser.parse_args(words)


def run(asked: argparse.Namespace, root: Path) -> int:
    """Run the command that was asked for.  -> exit status."""
    if asked.command == "list":
        print_list(root)
    elif asked.command == "import":
        return print_import(asked.folder, root)
    else:
        folder = (asked.folder or root / "slots" / asked.profile).resolve()
        if asked.command == "pack":
            print_pack(asked.profile, asked.table, root, folder)
        elif asked.slots:
            print_slots(asked.profile, asked.table, root, folder, asked.minutes)
        else:
            print_queue(asked.profile, asked.table, root)
    return 0


def main(words: list[str] | None = None) -> int:
    """Run a command; return 1 and print one line where the grid, a row or the folder is wrong."""
    asked = _arguments(words)
    try:
        status = run(asked, project_folder())
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `| head` has read what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, FileNotFoundError) as error:
        print(f"ilib.results: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
