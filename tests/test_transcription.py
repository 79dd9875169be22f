"""The figures of the papers: what the grids hold is the list that two people transcribed apart from each other.

transcription.csv holds every figure of the papers' result tables with the digits that are printed; the two
transcriptions were compared figure by figure before it was written.
"""

import csv
from pathlib import Path

import pytest

from ilib.results import load_grid, tables
from ilib.results.grids import table_ids

ROOT = Path(__file__).resolve().parents[1]
Place = tuple[str, str, str, str]  # table, row, column, metric


def transcribed() -> dict[Place, str]:
    """Read the agreed list: place -> the figure as it is printed."""
    with (ROOT / "tests" / "transcription.csv").open(newline="") as file:
        lines = [(line["table"], line["row"], line["column"], line["metric"], line["value"])
                 for line in csv.DictReader(file)]
    found = {tuple(place): value for *place, value in lines}
    assert len(found) == len(lines), "a figure stands twice in the list"
    return found


def in_the_grids() -> dict[Place, float]:
    """Collect the paper's figures of every grid."""
    rows = [(table, name, spec) for table in table_ids(ROOT) for name, spec in load_grid(table, ROOT).rows.items()]
    return {(table, name, column, metric): figure for table, name, spec in rows
            for column, figures in spec.paper.items() for metric, figure in figures.items()}


def test_every_figure_of_the_papers_is_in_a_grid_and_none_besides() -> None:
    figures, printed = in_the_grids(), {place: float(value) for place, value in transcribed().items()}
    assert {place: value for place, value in printed.items() if figures.get(place) != value} == {}, "not in the grids"
    assert set(figures) - set(printed) == set(), "not in the list"


@pytest.mark.parametrize("table", sorted({table for table, *_ in transcribed()}))
def test_pages_show_the_digits_that_are_printed(table: str) -> None:
    grid = load_grid(table, ROOT)
    wrong = {place: value for place, value in transcribed().items()
             if place[0] == table and tables.as_printed(grid, float(value), place[3]) != value}
    assert wrong == {}, "set the grid's decimals"
