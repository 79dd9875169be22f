"""All tables on one page: the paper's figures beside ours, marked by how far they agree.

    summary(tables_of(paper))       a line for each table: how many figures, how many agree
    table_at_a_glance(grid, rows)   one table, every figure a link
"""

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import NamedTuple

import pandas as pd
from IPython.display import HTML

from ..project import repository_address
from .grids import Grid, load_grid, table_ids
from .project import EVALUATE, RESULTS
from .rows import Row
from .tables import (
    DIGITS,
    NAMES_OF_METRICS,
    NOTHING,
    as_printed,
    beside_paper,
    best_rows,
    load_table,
    plain_table,
    shown_rows,
)

PAPERS = {"mbdgan": "MBD-GAN", "gand": "GAN-D", "physgan": "Physics-based GAN", "dgp": "Deep generative priors"}
NEAR = {"psnr": 0.5, "ssim": 0.02}  # a figure of ours this close to the paper's agrees with it
BLOB, TREE = "blob/main", "tree/main"  # of the repository, on the branch that _config.yml names


class Mark(NamedTuple):
    """How a figure of ours stands to the paper's: a word, the sign and the colours that show it."""

    word: str
    sign: str
    background: str


MARKS = {mark.word: mark for mark in (
    Mark("agrees", "≈", "#cfe8d5"),
    Mark("above", "▲", "#d3e3f5"),
    Mark("below", "▼", "#fbdcc4"),
    Mark("ours only", "○", "#eeeeee"),
    Mark("paper only", "·", "#ffffff"),
)}  # fmt: skip
STYLE = "".join([
    "<style>.glance{border-collapse:collapse;font-size:.85em}.glance :is(td,th){padding:.2em .5em;text-align:left;",
    "border-bottom:1px solid #bbb}.glance td span{display:block;white-space:nowrap}",
    ".glance td[data-mark]{color:#111}.glance td[data-mark] a{color:#111;text-decoration:underline}",
    *(f'.glance td[data-mark="{mark.word}"]{{background:{mark.background}}}' for mark in MARKS.values()),
    "</style>",
])  # fmt: skip


def tables_of(paper: str) -> list[Grid]:
    """List the grids of a paper's printed tables: those in which some figure of the paper stands."""
    if paper not in PAPERS:
        raise ValueError(f"{paper!r} is none of the papers; choose one of {', '.join(PAPERS)}")
    grids = (load_grid(table) for table in table_ids())
    return [grid for grid in grids if grid.paper == paper and any(spec.paper for spec in grid.rows.values())]


def mark_of(paper: float, ours: float, metric: str) -> Mark | None:
    """Say how a figure of ours stands to the paper's, in dB or in SSIM; None where there is neither."""
    if math.isnan(ours):
        return None if math.isnan(paper) else MARKS["paper only"]
    if math.isnan(paper):
        return MARKS["ours only"]
    gap = round(ours - paper, 6)
    return MARKS["agrees" if abs(gap) <= NEAR[metric] else "above" if gap > 0 else "below"]


def figures(grid: Grid, rows: Sequence[Row], metric: str) -> pd.DataFrame:
    """Add to `tables.beside_paper` the mark of every cell, a word, empty where nothing stands."""
    frame = beside_paper(grid, rows, metric)
    marks = [mark_of(paper, ours, metric) for paper, ours in zip(frame["paper"], frame["ours"], strict=True)]
    return frame.assign(mark=[mark.word if mark else "" for mark in marks])


def summary(grids: Iterable[Grid]) -> HTML:
    """Count over both metrics, for each table, the figures that the paper prints and how ours stand to them."""
    lines = []
    for grid in grids:
        rows = load_table(grid.table)[1]
        marks = pd.concat([figures(grid, rows, metric) for metric in DIGITS])["mark"].value_counts()
        counted = {f"{mark.sign} {mark.word}": int(marks.get(mark.word, 0)) for mark in MARKS.values()}
        lines.append({"table": f"{grid.number}: {grid.title}"} | counted)
    return plain_table(pd.DataFrame(lines))


def legend() -> HTML:
    """Explain the marks, each in its colour."""
    words = {"agrees": "ours within {psnr} dB, or {ssim} of SSIM, of the paper's".format(**NEAR),
             "above": "ours is higher by more than that", "below": "ours is lower by more than that",
             "ours only": "the paper prints no such figure", "paper only": "not run here, or not yet"}  # fmt: skip
    lines = "".join(f'<tr><td data-mark="{mark.word}">{mark.sign} {mark.word}</td><td>{words[mark.word]}</td></tr>'
                    for mark in MARKS.values())  # fmt: skip
    head = '<tr><th scope="col">mark</th><th scope="col">meaning</th></tr>'
    return HTML(f'{STYLE}<table class="glance"><thead>{head}</thead><tbody>{lines}</tbody></table>')


def table_at_a_glance(grid: Grid, rows: Sequence[Row]) -> HTML:
    """Show one table: a line for each method, the paper's figure under ours.

    A figure of ours leads to its cell on the table's page, the profile's name to the record of the run.
    """
    sheets = [Sheet(grid, tuple(rows), metric) for metric in DIGITS]
    head = "".join(f'<th scope="col">{html.escape(title)}</th>' for sheet in sheets for title in sheet.titles())
    lines = "\n".join(f'<tr><th scope="row">{html.escape(spec.label)}</th>'
                    + "".join(sheet.line(name) for sheet in sheets) + "</tr>"
                    for name, spec in grid.rows.items())  # fmt: skip
    return HTML(f'{STYLE}<p>{_links(grid)}</p><div style="overflow-x:auto"><table class="glance"><thead><tr>'
                f'<th scope="col">method</th>{head}</tr></thead><tbody>{lines}</tbody></table></div>')  # fmt: skip


def _links(grid: Grid) -> str:
    run = f"{repository_address()}/{BLOB}/{EVALUATE}"
    return (f'<a href="{grid.table}.html">{html.escape(grid.number)}: {html.escape(grid.title)}</a> '
            f'(the runs behind the figures are of <a href="{run}">{PurePosixPath(EVALUATE).name}</a>)')  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """The figures of one table in one metric, as cells that link to where they come from."""

    grid: Grid
    rows: tuple[Row, ...]
    metric: str

    @cached_property
    def frame(self) -> pd.DataFrame:
        return figures(self.grid, self.rows, self.metric).set_index(["row", "column"])

    @cached_property
    def columns(self) -> list[str]:
        """The columns in which something stands."""
        marked = (self.frame["mark"] != "").groupby(level="column", sort=False).any()
        return list(marked[marked].index)

    def titles(self) -> list[str]:
        """Name the columns: PSNR, Gaussian."""
        labels = {self.grid.average: self.grid.average} | {c: spec.label for c, spec in self.grid.columns.items()}
        return [f"{NAMES_OF_METRICS[self.metric].partition(' ')[0]}, {labels[column]}" for column in self.columns]

    def line(self, name: str) -> str:
        """Write the cells of one method."""
        return "".join(self.cell(name, column) for column in self.columns)

    def cell(self, name: str, column: str) -> str:
        """Write one cell: ours with its mark, the profile, the paper's."""
        entry = self.frame.loc[(name, column)]
        if not entry["mark"]:
            return f"<td>{NOTHING}</td>"
        mark, ours, run = MARKS[entry["mark"]], NOTHING, ""
        if not math.isnan(entry["ours"]):
            ours = f"{entry['ours']:.{DIGITS[self.metric]}f}"
            run = f' <a href="{self.record(name, column)}">{entry["profile"]}</a>'
        page = f"{self.grid.table}.html#{self.place(name, column)}"
        return (f'<td data-mark="{mark.word}"><span><a href="{page}" title="{mark.word}">{ours} {mark.sign}</a>{run}'
                f"</span><span>paper {as_printed(self.grid, entry['paper'], self.metric)}</span></td>")  # fmt: skip

    def place(self, name: str, column: str) -> str:
        """Name the cell of `tables.paper_table` in which a figure stands; the paper's where there is none of ours."""
        printed = [any(c in spec.paper for spec in self.grid.rows.values()) for c in self._every_column]
        run = bool(shown_rows(self.grid, self.rows))
        n = self._every_column.index(column)
        before = 1 + sum(printed[:n]) + n * run  # the method's name, and what stands to the left
        ours = run and not math.isnan(self.frame.loc[(name, column), "ours"])
        r = list(self.grid.rows).index(name)
        return f"T_{self.grid.table}_{self.metric}_row{r}_col{before + (printed[n] and ours)}"

    @property
    def _every_column(self) -> list[str]:
        return list(dict.fromkeys(self.frame.index.get_level_values("column")))

    def record(self, name: str, column: str) -> str:
        """Return the address of a run's record; for an average over runs, of the folder that holds them."""
        seeds = best_rows(self.grid, self.rows, name)[1].get(column)
        place = f"{BLOB}/{seeds[0].job.path.as_posix()}" if seeds else f"{TREE}/{RESULTS}/{self.grid.table}"
        return f"{repository_address()}/{place}"


def pages(paper: str) -> HTML:
    """Show all tables of a paper, one after the other."""
    return HTML("\n".join(table_at_a_glance(grid, load_table(grid.table)[1]).data for grid in tables_of(paper)))
