"""Sweeps as pages show them: each point with its figures, and how it differs from the point that it is held against."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from IPython.display import HTML

from .rows import Row, mean_and_sd
from .sweeps import load_sweep, read_sweep
from .tables import DIGITS, NAMES_OF_METRICS, NOTHING, Difference, difference_of, plain_table


def rows_at(name: str, setting: str, profile: str = "cpu") -> dict[Any, list[Row]]:
    """Read the rows of a sweep: value of a setting (what recipes are given, as text) -> its seeds, in order."""
    found: dict[Any, list[Row]] = {}
    for point, row in read_sweep(name, profile=profile):
        value = point[setting]
        found.setdefault(str(value) if isinstance(value, dict) else value, []).append(row)
    return {value: sorted(rows, key=lambda row: row.seed) for value, rows in found.items()}


def against(rows: Sequence[Row], reference: Sequence[Row], metric: str = "psnr") -> Difference:
    """Return rows less reference, picture by picture, over the seeds that both have (else over all pairs).

    ValueError where they were not tested on the same measurements.
    """
    alike = [replace(row, table=reference[0].table) for row in rows]
    both = {row.seed for row in rows} & {row.seed for row in reference}
    return difference_of([(a, b) for a in alike for b in reference if a.seed == b.seed or not both], metric)


def points_table(name: str, setting: str, reference: Sequence[Row] = (), profile: str = "cpu",
                 metrics: Iterable[str] = tuple(DIGITS)) -> HTML:  # fmt: skip
    """Show the points of a sweep that were run: mean (± over seeds), and the difference in PSNR from the reference."""
    found, lines = rows_at(name, setting, profile), []
    for value, rows in found.items():
        line = {setting.rpartition(".")[2]: str(value), "seeds": str(len(rows))}
        for metric in metrics:
            stated, digits = mean_and_sd([row.mean(metric) for row in rows]), 2 if "psnr" in metric else 3
            spread = "" if stated["sd"] is None else f" ± {stated['sd']:.{digits}f}"
            line[NAMES_OF_METRICS[metric]] = f"{stated['mean']:.{digits}f}{spread}"
        lines.append(line | ({"difference (dB)": _difference(rows, reference)} if reference else {}))
    wanted = len(load_sweep(name).points())
    left = "; make queue PROFILE=cpu lists the others" if len(found) < wanted else ""
    print(f"{len(found)} of {wanted} points have been run{left}")
    return plain_table(pd.DataFrame(lines)) if lines else HTML("<p>No point has been run yet.</p>")


def _difference(rows: Sequence[Row], reference: Sequence[Row]) -> str:
    if rows[0].table == reference[0].table:
        return NOTHING
    found = against(rows, reference)
    seeds = f" (over {found.seeds} seeds ± {found.se_seeds:.2f})" if found.seeds > 1 else ""
    return f"{found.mean:+.2f} ± {found.se:.2f}{seeds}"
