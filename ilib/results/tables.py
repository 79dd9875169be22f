"""A table's page: the paper's figures beside ours, what is not run, how we differ, where every figure comes from.

    asked, rows = load_table("gand_1")      the grid and the rows that exist
    overview(asked, rows)                   what there is, and the commands that bring the rest
    at_smoke(asked, rows)                   which figures are no results
    beside(asked, rows), dot_figure(...)    the paper beside ours
    gains_table(asked, rows, "input")       paired differences
    check({claim: True, ...})               claims, and a stop where one does not hold
    why_missing(asked, rows)                rows and columns without a figure of ours
"""

import html
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from .grids import Grid, RowSpec, load_grid
from .profiles import NAMES, check_profile
from .project import GRIDS, RESULTS, project_folder
from .rows import Row, mean_and_sd, read_rows

DIGITS = {"psnr": 2, "ssim": 3}
NAMES_OF_METRICS = {"psnr": "PSNR (dB)", "ssim": "SSIM", "affine_psnr": "PSNR after the best affine fit (dB)",
                    "shift_psnr": "PSNR at the best shift (dB)", "luma_psnr": "PSNR of Y (dB)", "lpips": "LPIPS"}
NOTHING = "–"
HOW_TO_READ = ("A figure of ours is at the largest profile at which the row has one, named in the last column; "
               "profiles test on different pictures, so that lines of different profiles are not compared. After ± "
               "stands the standard deviation over the pictures, or over the seeds where there are several.")
OURS, PAPERS = "#0072B2", "#D55E00"
MARKERS = {  # of our figures, by what their bars are over
    "pictures": ("o", "here, ± over the pictures"),
    "seeds": ("s", "here, ± over the seeds"),
    "": ("o", "here"),
}
DPI = 80  # keeps the picture in a page below 70 kB


class Figures(NamedTuple):
    """A mean, its spread (NaN where there is none) and what the spread is over: "3 seeds" or "100 pictures"."""

    mean: float
    spread: float
    over: str


class Difference(NamedTuple):
    """Mean of a - b over n pictures (and over seeds, where there are several), and how sure it is.

    se: standard error over the pictures, sd / sqrt(n), of each picture's difference averaged over the seeds: what other
    pictures would change; se_seeds: over the seeds, sd / sqrt(seeds), of each seed's difference averaged over the
    pictures: what other seeds would change (NaN for one).  They answer two questions and are not added.
    """

    mean: float
    se: float
    n: int
    se_seeds: float = math.nan
    seeds: int = 1

    def words(self, unit: str = " dB", digits: int = 2) -> str:
        """Return mean ± standard error over the pictures, and where there are several seeds that over them."""
        over_seeds = "" if self.seeds < 2 else f" (over {self.seeds:.0f} seeds ± {self.se_seeds:.{digits}f})"
        return f"{self.mean:+.{digits}f} ± {self.se:.{digits}f}{unit}{over_seeds}"


def load_table(table: str, profile: str = "") -> tuple[Grid, list[Row]]:
    """Load a table's grid and its rows, only those of one profile where it is given.

    ValueError for unknown names and for a grid or a row that is wrong; FileNotFoundError without the repository.
    """
    if profile:
        check_profile(profile)
    root = project_folder()
    rows = read_rows(root / RESULTS / table)
    return load_grid(table, root), [row for row in rows if profile in ("", row.profile)]


def overview(grid: Grid, rows: Sequence[Row]) -> HTML:
    """Say where a table's figures come from, how much of it is there, and which command brings the rest."""
    places = f"{GRIDS}/{grid.table}.yaml, ours from {RESULTS}/{grid.table}"
    printed_ones = any(row.paper for row in grid.rows.values())
    source = _paragraph(f"The paper's figures are read from {places}." if printed_ones else
                        f"No table of a paper has these figures; ours are read from {RESULTS}/{grid.table}.")
    if not grid.profiles:
        return HTML(source.data + _paragraph("No row can be run yet; what each one waits for stands below.").data)
    lines = []
    for profile in grid.profiles:
        jobs = grid.jobs(profile)
        minutes = sum(grid.row(job.row).minutes.get(profile, 0.0) for job in jobs)
        there = len({row.job for row in rows} & set(jobs))
        command = f"make tables PROFILE={profile} TABLE={grid.table}"
        names = dict.fromkeys(grid.data(column, profile)["name"] for column in grid.conditions())
        lines.append((command, ", ".join(names), f"{there} of {len(jobs)}", f"{minutes:.0f}"))
    frame = pd.DataFrame(lines, columns=["command", "pictures", "runs there", "minutes for all"])
    return HTML(source.data + plain_table(frame).data)


def paired_difference(a: Row, b: Row, metric: str = "psnr") -> Difference:
    """Compare two rows picture by picture: the mean of a - b and its standard error, sd / sqrt(n).

    ValueError where the rows were not tested on the same measurements of the same pictures, or have fewer than two.
    """
    return difference_of([(a, b)], metric)


def difference_of(pairs: Sequence[tuple[Row, Row]], metric: str = "psnr") -> Difference:
    """Compare pairs of rows, one for each seed, picture by picture.  ValueError as paired_difference."""
    for a, b in pairs:
        wrong = [name for name, (one, other) in _measurements(a, b).items() if one != other]
        if wrong:
            raise ValueError(f"{a.job} and {b.job} differ in {wrong[0]}: only rows of the same measurements are paired")
        a.mean(metric), b.mean(metric)  # raises where a row has no such metric
        if a.n < 2:
            raise ValueError(f"{a.job} has {a.n} picture: a standard error needs two or more")
    gaps = [[p - q for p, q in zip(a.per_image[metric], b.per_image[metric], strict=True)] for a, b in pairs]
    n, seeds = len(gaps[0]), len(gaps)
    pictures = mean_and_sd([sum(gap) / seeds for gap in zip(*gaps, strict=True)])
    spread = mean_and_sd([sum(gap) / n for gap in gaps])["sd"]
    se_seeds = math.nan if spread is None else spread / math.sqrt(seeds)
    return Difference(pictures["mean"], pictures["sd"] / math.sqrt(n), n, se_seeds, seeds)


def _measurements(a: Row, b: Row) -> dict[str, tuple[object, object]]:
    """Name what two rows must have in common to be compared.  The seed counts where noise was drawn with it."""
    seeds = [row.degradation.get("seed") if row.degradation.get("noise") else None for row in (a, b)]
    degradations = (a.degradation | {"seed": seeds[0]}, b.degradation | {"seed": seeds[1]})
    same = {name: (getattr(a, name), getattr(b, name)) for name in ("table", "column", "data", "n")}
    return same | {"degradation": degradations}


def _pairs(first: Sequence[Row], second: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Pair rows of the same measurements: seed by seed where both have several, else the one with each of the other."""
    alike = [(a, b) for a in first for b in second if all(p == q for p, q in _measurements(a, b).values())]
    several = len(first) > 1 and len(second) > 1
    return [(a, b) for a, b in alike if a.seed == b.seed or not several]


def _partners(seeds: Sequence[Row], rows: Sequence[Row], name: str) -> list[tuple[Row, Row]]:
    """Pair the seeds of one row and column with those of another row, at the same profile where it can be."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.row == name and row.column == seeds[0].column:
            found.setdefault(row.profile, []).append(row)
    order = sorted(found, key=lambda profile: (profile != seeds[0].profile, -NAMES.index(profile)))
    return next((pairs for profile in order if (pairs := _pairs(seeds, found[profile]))), [])


def paired(grid: Grid, rows: Sequence[Row], a: str, b: str, metric: str = "psnr") -> pd.DataFrame:
    """Compare two rows of the grid, a - b, in every column in which both were run on the same measurements.

    A line for each column: column, difference (mean over pictures and seeds), se (over the pictures), n (of them),
    se_seeds, seeds, as `Difference` has them.  Where both rows have several seeds they are paired seed by seed, else
    the one is paired with each of the other (so that se_seeds is that of the row with several).
    """
    grid.row(a), grid.row(b)  # raises for unknown names
    lines = []
    for column, seeds in best_rows(grid, rows, a)[1].items():
        pairs = _partners(seeds, rows, b)
        if pairs:
            lines.append((column, *difference_of(pairs, metric)))
    return pd.DataFrame(lines, columns=["column", "difference", "se", "n", "se_seeds", "seeds"])


def gap(grid: Grid, rows: Sequence[Row], a: str, b: str, column: str = "", metric: str = "psnr",
        profile: str = "cpu") -> Difference | None:  # fmt: skip
    """Compare two rows in one column (the first where none is named) and profile; None where either was not run."""
    column = column or next(iter(grid.columns))
    grid.column(column)  # raises for an unknown name
    there = [row for row in rows if row.profile == profile and row.column == column]
    found = paired(grid, there, a, b, metric)
    return Difference(*found.iloc[0, 1:]) if len(found) else None


def best_rows(grid: Grid, rows: Sequence[Row], name: str) -> tuple[str | None, dict[str, list[Row]]]:
    """Choose the largest profile at which a row has all columns, or else any; smoke last.

    -> (profile, column -> its seeds).
    """
    found: dict[str, dict[str, list[Row]]] = {}
    for row in sorted(rows, key=lambda r: r.seed):
        if row.row == name and row.column in grid.columns:
            found.setdefault(row.profile, {}).setdefault(row.column, []).append(row)
    order = sorted(found, key=lambda p: (p != "smoke", set(found[p]) >= set(grid.conditions(name)), NAMES.index(p)))
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


def printed(grid: Grid, metric: str = "psnr") -> pd.DataFrame:
    """Return the paper's figures: a line for each row of the grid, columns by id; NaN where nothing is printed."""
    figures = {name: {c: f.get(metric, math.nan) for c, f in spec.paper.items()} for name, spec in grid.rows.items()}
    frame = pd.DataFrame.from_dict(figures, orient="index", columns=_shown_columns(grid), dtype=float)
    return frame.reindex(list(grid.rows))  # pandas 2 drops the rows without any figure


def as_printed(grid: Grid, figure: float, metric: str) -> str:
    """Write a figure as the paper prints it: its own decimals, at least the grid's (YAML drops the 0 of 17.90)."""
    decimals = max(grid.decimals.get(metric, DIGITS.get(metric, 3)), len(repr(float(figure)).partition(".")[2]))
    return NOTHING if math.isnan(figure) else f"{figure:.{decimals}f}"


def _is_printed(grid: Grid, column: str) -> bool:
    return any(column in spec.paper for spec in grid.rows.values())


def _shown_columns(grid: Grid) -> list[str]:
    """List what a page shows: the average where the paper prints one, and the grid's columns."""
    return [grid.average] * _is_printed(grid, grid.average) + list(grid.columns)


def _label(grid: Grid, column: str) -> str:
    return grid.average if column == grid.average else grid.columns[column].label


def beside_paper(grid: Grid, rows: Sequence[Row], metric: str = "psnr") -> pd.DataFrame:
    """Set the paper's figures beside ours, one line for each row of the grid and each column (and their average, where
    the paper prints it).

    Columns: row, label, column, paper, ours, spread, over, profile; NaN and None where there is nothing.
    """
    lines = []
    for name, spec in grid.rows.items():
        profile, columns = best_rows(grid, rows, name)
        ours = {column: summarise(seeds, metric) for column, seeds in columns.items()}
        if len(columns) == len(grid.columns):
            ours[grid.average] = average_columns(columns, metric)
        for column in _shown_columns(grid):
            mine = ours.get(column, Figures(math.nan, math.nan, ""))
            papers = spec.paper.get(column, {}).get(metric, math.nan)
            at = profile if column in ours else None
            lines.append((name, spec.label, column, papers, mine.mean, mine.spread, mine.over, at))
    return pd.DataFrame(lines, columns=["row", "label", "column", "paper", "ours", "spread", "over", "profile"])


def gains(grid: Grid, rows: Sequence[Row], against: str = "blurred", metric: str = "psnr") -> pd.DataFrame:
    """Compare every shown row with one row of the grid, picture by picture and column by column, over all its seeds.

    Columns: row, label, column, and those of `paired`, difference being called gain.  A row is left out where nothing
    was measured on the same pictures.
    """
    frames = [paired(grid, rows, name, against, metric).assign(row=name, label=spec.label)
              for name, spec in grid.rows.items() if name != against]  # fmt: skip
    whole = pd.concat(frames, ignore_index=True).rename(columns={"difference": "gain"})
    return whole[["row", "label", "column", "gain", "se", "n", "se_seeds", "seeds"]]


def paper_table(grid: Grid, rows: Sequence[Row], metric: str = "psnr") -> Styler:
    """Lay out `beside_paper` as the table of the page: mean ± spread, with ids that do not change from run to run.

    Without any row the paper's figures stand alone.
    """
    frame = beside_paper(grid, rows, metric)
    lines = [_line(grid, frame[frame["row"] == name], metric, bool(shown_rows(grid, rows))) for name in grid.rows]
    style = pd.DataFrame(lines).style.set_uuid(f"{grid.table}_{metric}").hide(axis="index")
    return style.set_caption(NAMES_OF_METRICS.get(metric, metric))


def _line(grid: Grid, frame: pd.DataFrame, metric: str, any_ours: bool) -> dict[str, str]:
    digits = DIGITS.get(metric, 3)
    cells = {"method": frame["label"].iloc[0]}
    for _, entry in frame.iterrows():
        label, is_printed = _label(grid, entry["column"]), _is_printed(grid, entry["column"])
        if is_printed:
            cells[f"paper, {label}"] = as_printed(grid, entry["paper"], metric)
        if any_ours:
            ours = _mean_and_spread(entry["ours"], entry["spread"], digits)
            ours += f" ({entry['over']})" if entry["over"].endswith("seeds") else ""
            cells[f"ours, {label}" if is_printed else label] = ours
    profiles = [p for p in frame["profile"] if isinstance(p, str)]
    return cells | ({"profile": profiles[0] if profiles else NOTHING} if any_ours else {})


def _mean_and_spread(mean: float, spread: float, digits: int) -> str:
    if math.isnan(mean):
        return NOTHING
    return f"{mean:.{digits}f}" + ("" if math.isnan(spread) else f" ± {spread:.{digits}f}")


def at_smoke(grid: Grid, rows: Sequence[Row]) -> HTML:
    """Name the rows of a page that are there at smoke alone, so that nobody takes their figures for results."""
    shown = shown_rows(grid, rows)
    if not shown:
        return _paragraph("No row has been run: every figure on this page is the paper's.")
    small = [row for row in shown if row.profile == "smoke"]
    larger = [name for name in NAMES if name in {row.profile for row in shown} - {"smoke"}]
    if not small:
        return _paragraph(f"Every figure of ours on this page is at {' or '.join(larger)}.")
    names = ", ".join(dict.fromkeys(grid.row(row.row).label for row in small))
    numbers = sorted({row.n for row in small})
    pictures = f"{numbers[0]}" + f" to {numbers[-1]}" * (len(numbers) > 1) + " picture" + "s" * (numbers[-1] > 1)
    others = f"Those at {' or '.join(larger)} are measured on the pictures named above." if larger else ""
    note = (f"At smoke only: {names}. These figures, here and in the differences further down, come from {pictures} "
            "and, where a network is trained, from a short training. They show that everything runs and say nothing "
            f"about the methods. {others}").strip()  # fmt: skip
    title = '<p class="admonition-title">Not results</p>'
    return HTML(f'<div class="admonition warning">{title}{_paragraph(note).data}</div>')


def beside(grid: Grid, rows: Sequence[Row]) -> HTML:
    """Show the paper beside ours, PSNR and SSIM, and how to read it."""
    has_figures = any(spec.paper for spec in grid.rows.values())
    notes = [HOW_TO_READ] if shown_rows(grid, rows) else ["No row of this table has been run yet."]
    notes += [] if has_figures or grid.paper == "ours" else ["No figure of the paper can be read from its text."]
    pages = [_light(paper_table(grid, rows, metric)) for metric in DIGITS] if has_figures or rows else []
    return HTML(_paragraph(" ".join(notes)).data + "".join(_scrolling(page) for page in pages))


def _light(table: Styler) -> str:
    """Leave out the classes that name row and column of every cell: the ids do so too, and no style asks for them."""
    return re.sub(r' class="[^"]*"', "", table.to_html())


def gains_table(grid: Grid, rows: Sequence[Row], against: str, metric: str = "psnr") -> HTML:
    """Show `gains` with a column for each condition: mean ± its standard error over the pictures.

    Where a row has several seeds, the standard error over them follows; where rows have different profiles, and so
    different pictures, the profile.
    """
    frame = gains(grid, rows, against, metric)
    if frame.empty:
        return _paragraph("No two rows of this table were run on the same measurements yet.")
    unit, digits = " dB" * (metric == "psnr"), DIGITS.get(metric, 3)
    lines = {label: {"method": label} | {_label(grid, column): Difference(*entry).words(unit, digits)
                                         for _, column, *entry in part.iloc[:, 1:].itertuples(index=False)}
                    | {"profile": best_rows(grid, rows, part["row"].iloc[0])[0]}
             for label, part in frame.groupby("label", sort=False)}  # fmt: skip
    whole = pd.DataFrame(lines.values())
    whole["profile"] = whole.pop("profile")  # last
    return plain_table((whole if whole["profile"].nunique() > 1 else whole.drop(columns="profile")).fillna(NOTHING))


def paired_table(grid: Grid, rows: Sequence[Row], a: str, b: str) -> HTML:
    """Show `paired` for PSNR and SSIM, a line for each column; a sentence where the two were not run together yet."""
    lines = []
    for metric in DIGITS:
        unit, digits = " dB" * (metric == "psnr"), DIGITS[metric]
        for column, *entry in paired(grid, rows, a, b, metric).itertuples(index=False):
            gap = Difference(*entry)
            name = NAMES_OF_METRICS.get(metric, metric)
            lines.append((_label(grid, column), name, gap.words(unit, digits), gap.n))
    if not lines:
        return _paragraph(f"{grid.row(a).label} and {grid.row(b).label} were not run on the same measurements yet.")
    title = f"{grid.row(a).label} less {grid.row(b).label}"
    return plain_table(pd.DataFrame(lines, columns=["condition", "figure", title, "pictures"]))


def check(claims: Mapping[str, bool | None]) -> HTML:
    """Show claims, each True or None (its rows are not there yet).  AssertionError that names those that are False."""
    wrong = [claim for claim, holds in claims.items() if holds is not None and not holds]
    if wrong:
        raise AssertionError("this page claims what does not hold: " + "; ".join(wrong))
    states = {claim: "waits for its rows" if holds is None else "holds" for claim, holds in claims.items()}
    return plain_table(pd.DataFrame(states.items(), columns=["claim", "state"]))


def why_missing(grid: Grid, rows: Sequence[Row]) -> HTML:
    """Show the rows without a figure of ours and the columns in which nothing is run, with the reasons."""
    frame = rows_not_run(grid, rows)
    columns = [(f"all, on {column.label}", column.not_run) for column in grid.columns.values() if column.not_run]
    return plain_table(pd.DataFrame([*frame.itertuples(index=False, name=None), *columns], columns=frame.columns))


def rows_not_run(grid: Grid, rows: Sequence[Row]) -> pd.DataFrame:
    """List the rows without a result and why: the grid's reason, or the columns that are still missing."""
    reasons = [(spec.label, _reason(grid, rows, name, spec)) for name, spec in grid.rows.items()]
    return pd.DataFrame([r for r in reasons if r[1]], columns=["method", "why there is no figure of ours"])


def _reason(grid: Grid, rows: Sequence[Row], name: str, spec: RowSpec) -> str | None:
    found = best_rows(grid, rows, name)[1]
    missing = [column for column in grid.conditions(name) if column not in found]
    if found and not missing:
        return None
    return spec.not_run or "; ".join(filter(None, (f"not run yet: {', '.join(missing)}", spec.extra)))


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
    if frame.empty:
        return _paragraph("None.")
    return HTML(frame.to_html(index=False, border=0, justify="left"))


def folded_table(title: str, frame: pd.DataFrame) -> HTML:
    """Show a frame behind a line to click on, wide ones with a scroll bar."""
    return HTML(f"<details><summary>{html.escape(title)}</summary>{_scrolling(plain_table(frame).data)}</details>")


def _scrolling(table: str) -> str:
    return f'<div style="overflow-x:auto">{table}</div>'


def _paragraph(text: str) -> HTML:
    return HTML(f"<p>{html.escape(text)}</p>")


def dot_figure(grid: Grid, rows: Sequence[Row], column: str | None = None) -> Figure:
    """Draw the paper's figures (open) and ours (filled; bars: a standard deviation), a line for each row of the grid.

    column: the one to draw, in every metric; where it is not given, the average if the paper prints one or there is
    one column, else the first metric in every column.
    """
    shown = _shown_columns(grid)
    columns = [column] if column else shown[:1] if shown[0] == grid.average else shown
    metrics = list(DIGITS) if len(columns) == 1 else list(DIGITS)[:1]
    panels = [(metric, place) for place in columns for metric in metrics]
    fig, axes = plt.subplots(1, len(panels), figsize=(8.4, 0.36 * len(grid.rows) + 1.2), dpi=DPI, sharey=True,
                             squeeze=False, layout="constrained")
    for ax, (metric, place) in zip(axes.flat, panels, strict=True):
        frame = beside_paper(grid, rows, metric)
        _dots(ax, frame[frame["column"] == place])
        ax.set_xlabel(NAMES_OF_METRICS[metric] + f", {_label(grid, place)}" * (len(columns) > 1))
    named = {name: dots for ax in axes.flat for dots, name in zip(*ax.get_legend_handles_labels(), strict=True)}
    fig.legend(named.values(), named.keys(), loc="outside upper right", ncols=3, frameon=False)
    plt.close(fig)
    return fig


def _dots(ax: Axes, frame: pd.DataFrame) -> None:
    """Draw one panel: a line for each row, from the top."""
    at = pd.Series(range(len(frame), 0, -1), index=frame.index)
    over = frame["over"].str.extract("(seeds|pictures)$")[0].where(frame["spread"].notna(), "")
    for name, (marker, label) in MARKERS.items():
        mine = frame[frame["ours"].notna() & (over == name)]
        if len(mine):
            bars = mine["spread"] if name else None
            ax.errorbar(mine["ours"], at[mine.index], xerr=bars, fmt=marker, color=OURS, capsize=2, label=label)
    if frame["paper"].notna().any():
        ax.plot(frame["paper"], at, "D", mfc="none", mec=PAPERS, label="paper")
    ax.set_yticks(at, [textwrap.fill(label, 40) for label in frame["label"]], fontsize=9)
    ax.set_ylim(0.4, len(frame) + 0.6)
    ax.grid(axis="x", alpha=0.3)
