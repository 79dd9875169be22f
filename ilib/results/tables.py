"""A table's page: the paper's figures beside ours, what is not run, how we differ, where every figure comes from."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from .grids import AVERAGE, Grid, RowSpec
from .profiles import NAMES
from .rows import Row, mean_and_sd

DIGITS = {"psnr": 2, "ssim": 3}
NAMES_OF_METRICS = {"psnr": "PSNR (dB)", "ssim": "SSIM"}
NOTHING = "–"
OURS, PAPERS = "#0072B2", "#D55E00"


class Figures(NamedTuple):
    """A mean, its spread (NaN where there is none) and what the spread is over: "3 seeds" or "100 pictures"."""

    mean: float
    spread: float
    over: str


class Difference(NamedTuple):
    """Mean of a - b over n pictures, and the standard error of that mean."""

    mean: float
    se: float
    n: int


def paired_difference(a: Row, b: Row, metric: str = "psnr") -> Difference:
    """Compare two rows picture by picture: the mean of a - b and its standard error, sd / sqrt(n).

    ValueError where the rows were not tested on the same measurements of the same pictures, or have fewer than two.
    """
    for name in ("table", "column", "data", "degradation", "n"):
        if getattr(a, name) != getattr(b, name):
            raise ValueError(f"{a.job} and {b.job} differ in {name}: only rows of the same measurements are paired")
    a.mean(metric), b.mean(metric)  # raises where a row has no such metric
    if a.n < 2:
        raise ValueError(f"{a.job} has {a.n} picture: a standard error needs two or more")
    gaps = [p - q for p, q in zip(a.per_image[metric], b.per_image[metric], strict=True)]
    stated = mean_and_sd(gaps)
    return Difference(stated["mean"], stated["sd"] / math.sqrt(a.n), a.n)


def best_rows(grid: Grid, rows: Sequence[Row], name: str) -> tuple[str | None, dict[str, list[Row]]]:
    """Choose the largest profile at which a row has all columns, or else any.  -> (profile, column -> its seeds)."""
    found: dict[str, dict[str, list[Row]]] = {}
    for row in sorted(rows, key=lambda r: r.seed):
        if row.row == name and row.column in grid.columns:
            found.setdefault(row.profile, {}).setdefault(row.column, []).append(row)
    order = sorted(found, key=lambda p: (len(found[p]) == len(grid.columns), NAMES.index(p)))
    return (order[-1], found[order[-1]]) if order else (None, {})


def summarise(seeds: Sequence[Row], metric: str) -> Figures:
    """Return mean and spread of one row and column: over seeds where there are several, else over pictures."""
    if len(seeds) > 1:
        return _figures([row.mean(metric) for row in seeds], "seeds")
    return _figures(seeds[0].per_image[metric], "pictures")


def average_columns(columns: Mapping[str, Sequence[Row]], metric: str) -> Figures:
    """Average over the columns as the papers do: seed by seed, or picture by picture where there is one seed.

    The spread is NaN where the columns have different pictures.
    """
    by_seed = [{row.seed: row for row in seeds} for seeds in columns.values()]
    common = sorted(set.intersection(*(set(seeds) for seeds in by_seed)))
    if not common:
        means = [summarise(seeds, metric).mean for seeds in columns.values()]
        return Figures(sum(means) / len(means), math.nan, "columns")
    if len(common) > 1:
        return _figures([sum(s[seed].mean(metric) for s in by_seed) / len(by_seed) for seed in common], "seeds")
    rows = [seeds[common[0]] for seeds in by_seed]
    if len({row.data.get("sha256") for row in rows}) > 1 or len({row.n for row in rows}) > 1:
        return Figures(sum(row.mean(metric) for row in rows) / len(rows), math.nan, "columns")
    return _figures([sum(f) / len(f) for f in zip(*(row.per_image[metric] for row in rows), strict=True)], "pictures")


def _figures(values: Sequence[float], over: str) -> Figures:
    stated = mean_and_sd(list(values))
    return Figures(stated["mean"], math.nan if stated["sd"] is None else stated["sd"], f"{len(values)} {over}")


def beside_paper(grid: Grid, rows: Sequence[Row], metric: str = "psnr") -> pd.DataFrame:
    """Set the paper's figures beside ours, one line for each row of the grid and each column and their average.

    Columns: row, label, column, paper, ours, spread, over, profile; NaN and None where there is nothing.
    """
    lines = []
    for name, spec in grid.rows.items():
        profile, columns = best_rows(grid, rows, name)
        ours = {column: summarise(seeds, metric) for column, seeds in columns.items()}
        if len(columns) == len(grid.columns):
            ours[AVERAGE] = average_columns(columns, metric)
        for column in (AVERAGE, *grid.columns):
            mine = ours.get(column, Figures(math.nan, math.nan, ""))
            papers = spec.paper.get(column, {}).get(metric, math.nan)
            at = profile if column in ours else None
            lines.append((name, spec.label, column, papers, mine.mean, mine.spread, mine.over, at))
    return pd.DataFrame(lines, columns=["row", "label", "column", "paper", "ours", "spread", "over", "profile"])


def gains(grid: Grid, rows: Sequence[Row], against: str = "blurred", metric: str = "psnr") -> pd.DataFrame:
    """Compare every shown row with one row of the grid, picture by picture and column by column, at the first seed.

    Columns: row, label, column, gain, se, n.  A row is left out where nothing was measured on the same pictures.
    """
    lines = []
    for row in shown_rows(grid, rows):
        pairs = [other for other in rows if other.row == against and other.column == row.column
                 and other.seed == row.seed and (other.data, other.degradation) == (row.data, row.degradation)]
        if pairs and row.row != against and row.seed == min(grid.profile(row.profile).seeds):
            lines.append((row.row, grid.row(row.row).label, row.column, *paired_difference(row, pairs[0], metric)))
    return pd.DataFrame(lines, columns=["row", "label", "column", "gain", "se", "n"])


def paper_table(grid: Grid, rows: Sequence[Row], metric: str = "psnr") -> Styler:
    """Lay out `beside_paper` as the table of the page: mean ± spread, with ids that do not change from run to run."""
    frame = beside_paper(grid, rows, metric)
    lines = [_line(grid, frame[frame["row"] == name], metric) for name in grid.rows]
    style = pd.DataFrame(lines).style.set_uuid(f"{grid.table}_{metric}").hide(axis="index")
    return style.set_caption(NAMES_OF_METRICS.get(metric, metric))


def _line(grid: Grid, frame: pd.DataFrame, metric: str) -> dict[str, str]:
    digits = DIGITS.get(metric, 3)
    cells = {"method": frame["label"].iloc[0]}
    for _, entry in frame.iterrows():
        label = AVERAGE if entry["column"] == AVERAGE else grid.columns[entry["column"]].label
        printed = any(entry["column"] in spec.paper for spec in grid.rows.values())
        if printed:
            cells[f"paper, {label}"] = _mean_and_spread(entry["paper"], math.nan, digits)
        cells[f"ours, {label}" if printed else label] = _mean_and_spread(entry["ours"], entry["spread"], digits)
    profiles = [p for p in frame["profile"] if isinstance(p, str)]
    return cells | {"profile": profiles[0] if profiles else NOTHING}


def _mean_and_spread(mean: float, spread: float, digits: int) -> str:
    if math.isnan(mean):
        return NOTHING
    return f"{mean:.{digits}f}" + ("" if math.isnan(spread) else f" ± {spread:.{digits}f}")


def rows_not_run(grid: Grid, rows: Sequence[Row]) -> pd.DataFrame:
    """List the rows without a result and why: the grid's reason, or the columns that are still missing."""
    reasons = [(spec.label, _reason(grid, rows, name, spec)) for name, spec in grid.rows.items()]
    return pd.DataFrame([r for r in reasons if r[1]], columns=["method", "why there is no figure of ours"])


def _reason(grid: Grid, rows: Sequence[Row], name: str, spec: RowSpec) -> str | None:
    missing = [column for column in grid.columns if column not in best_rows(grid, rows, name)[1]]
    if not missing:
        return None
    return spec.not_run or f"not run yet: {', '.join(missing)}"


def protocol_differences(grid: Grid) -> pd.DataFrame:
    """List how our protocol differs from the paper's."""
    return pd.DataFrame([(what, *pair) for what, pair in grid.differences.items()], columns=["", "paper", "here"])


def shown_rows(grid: Grid, rows: Sequence[Row]) -> list[Row]:
    """List the rows that the page's figures come from, in the grid's order."""
    return [row for name in grid.rows for seeds in best_rows(grid, rows, name)[1].values() for row in seeds]


def provenance(grid: Grid, rows: Sequence[Row]) -> pd.DataFrame:
    """List where each figure comes from: data and its checksum, commit, date, device, cost, parameters."""
    lines = [
        {
            "run": row.job.name, "n": row.n, "data": _words(row.data),
            "sha256": str(row.data.get("sha256", NOTHING))[:12], "degradation": _words(row.degradation),
            "parameters": _words(row.parameters), "device": row.device, "seconds": f"{row.seconds:.1f}",
            "peak memory (MB)": f"{row.peak_memory_mb:.0f}", "date": row.date[:10],
            "commit": NOTHING if row.commit is None else row.commit[:8] + row.commit[40:],
            "versions": _words(row.versions),
        }
        for row in shown_rows(grid, rows)
    ]  # fmt: skip
    return pd.DataFrame(lines)


def _words(settings: Mapping[str, object]) -> str:
    """Write settings in one line, nested ones in brackets, checksums left out."""
    parts = {k: f"({_words(v)})" if isinstance(v, Mapping) else v for k, v in settings.items()}
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in parts.items()
                     if k not in ("sha256", "digest") and v != "()")


def plain_table(frame: pd.DataFrame) -> HTML:
    """Show a frame of texts as a plain table."""
    return HTML(frame.to_html(index=False, border=0, justify="left"))


def folded_table(title: str, frame: pd.DataFrame) -> HTML:
    """Show a frame behind a line to click on, wide ones with a scroll bar."""
    table = frame.to_html(index=False, border=0, justify="left")
    return HTML(f'<details><summary>{html.escape(title)}</summary><div style="overflow-x:auto">{table}</div></details>')


def dot_figure(grid: Grid, rows: Sequence[Row], column: str = AVERAGE) -> Figure:
    """Draw the paper's figures (open) and ours (filled, with their spread), a line for each row of the grid."""
    size = (4.2 * len(DIGITS), 0.36 * len(grid.rows) + 1.2)
    fig, axes = plt.subplots(1, len(DIGITS), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for ax, metric in zip(axes[0], DIGITS, strict=True):
        frame = beside_paper(grid, rows, metric)
        frame = frame[frame["column"] == column]
        place = range(len(frame), 0, -1)
        ax.errorbar(frame["ours"], place, xerr=frame["spread"], fmt="o", color=OURS, capsize=2, label="here")
        ax.plot(frame["paper"], place, "D", mfc="none", mec=PAPERS, label="paper")
        ax.set_yticks(list(place), frame["label"])
        ax.set_xlabel(NAMES_OF_METRICS.get(metric, metric))
        ax.grid(axis="x", alpha=0.3)
    fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    plt.close(fig)
    return fig

