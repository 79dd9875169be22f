"""Where each method is the best choice, from the figures of a table and of its noise sweep.

    gains(rows, "grand_blind_noise", "kernel.noise", "psnr")    of a table's methods over its blurred pictures
    firsts(grid, figures)                                       a line for each column: who comes first, and how
    choices(grid, figures)                                      a line for each method: where it comes first
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from .grids import Grid
from .rows import Row
from .sweeps import Sweep, load_sweep, read_sweep

NOWHERE = "nowhere"


def gains(rows: Iterable[Row], name: str, setting: str, metric: str, profile: str = "cpu") -> pd.DataFrame:
    """Return the mean gains over the row `blurred`, picture by picture, at the points of a sweep and of its table.

    rows: of the table, the sweep's pictures the first of its own; setting: the one that is varied, as kernel.noise
    -> (column, row) x value of the setting, NaN where a point was not run.
    """
    sweep = load_sweep(name)
    found = {(row.column, row.row, point[setting]): row.per_image[metric]
             for point, row in read_sweep(name, profile=profile)}  # fmt: skip
    found |= {(row.column, row.row, _own(sweep, row, setting)): row.per_image[metric] for row in rows
              if row.profile == profile and row.row in sweep.rows and row.column in sweep.columns}  # fmt: skip
    few = min(sweep.vary.get("data.n", [None]), default=None)
    means = {key: pd.Series(scores[:few]).sub(found[key[0], "blurred", key[2]][:few]).mean()
             for key, scores in found.items() if key[1] != "blurred"}  # fmt: skip
    return pd.Series(means).unstack().sort_index(axis="columns")


def _own(sweep: Sweep, row: Row, setting: str) -> Any:
    """Return the value of a setting in the table itself."""
    kind, _, name = setting.rpartition(".")
    data = sweep.base.data(row.column, row.profile)
    return data[name] if kind == "data" else sweep.base.column(row.column).parameters[name]


def firsts(grid: Grid, figures: pd.DataFrame) -> pd.DataFrame:
    """Return for each column and value of a setting the highest of `gains`, and whose it is, in words.

    figures: (column, row) x value -> dB; the columns are those of the grid, in its order.
    """
    lines = {}
    for column in (c for c in grid.columns if c in figures.index.get_level_values(0)):
        there = figures.loc[column].dropna(axis="columns", how="all")
        lines[grid.column(column).label] = {value: f"{there[value].max():+.2f}, {grid.row(there[value].idxmax()).label}"
                                            for value in there}  # fmt: skip
    return pd.DataFrame.from_dict(lines, orient="index", columns=list(figures)).fillna("")


def choices(grid: Grid, figures: pd.DataFrame) -> pd.DataFrame:
    """Say for each method where it comes first of all, where first of those that are trained, or not, as it is, and
    where it lacks least.

    figures: (column, row) x noise level -> PSNR in dB, NaN where a method was not run.
    """
    columns, rows = (figures.index.get_level_values(i) for i in (0, 1))
    trained = rows.map({name: grid.row(name).train is not None for name in set(rows)})
    behind = figures.groupby(columns).transform("max") - figures
    of_kind = figures.groupby([columns, trained]).transform("max") - figures
    levels = figures.groupby(columns).count().gt(0).sum(axis="columns")
    lines = []
    for name in (name for name in grid.runs() if name in rows):
        own, kind = (lack.xs(name, level=1) for lack in (behind, of_kind))
        column, level = own.stack().idxmin()
        near = f"{own[level][column]:.2f} dB, {_place(grid, column, [level], levels[column])}"
        lines.append({
            "method": grid.row(name).label,
            "best of all": _places(grid, own, levels),
            "best with training" if grid.row(name).train else "best without": _places(grid, kind, levels),
            "least behind the best": near if own[level][column] > 0 else "",
        })  # fmt: skip
    order = ["method", "best of all", "best with training", "best without", "least behind the best"]
    return pd.DataFrame(lines, columns=order).fillna("")


def _places(grid: Grid, behind: pd.DataFrame, levels: pd.Series) -> str:
    """Name the columns and levels where nothing is missing to the first."""
    won = {column: [level for level, lack in there.items() if lack == 0] for column, there in behind.iterrows()}
    return "; ".join(_place(grid, column, at, levels[column]) for column, at in won.items() if at) or NOWHERE


def _place(grid: Grid, column: str, won: list[float], levels: int) -> str:
    """Write a column with some of its levels, as "motion (1 %, 2 %)", and without them where it has one alone."""
    said = "every level" if len(won) == levels else ", ".join(f"{100 * level:g} %" for level in won)
    return grid.column(column).label + (f" ({said})" if levels > 1 else "")
