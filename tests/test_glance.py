"""All tables at a glance, and what tables cost: figures made up here, and the project's own grids."""

import math
import re
from collections.abc import Sequence

import pytest
import yaml
from test_results import TOY
from test_tables import row

from ilib.results import Grid, Row, costs, glance, tables
from ilib.results.grids import parse_grid
from tools import address


@pytest.fixture
def grid() -> Grid:
    return parse_grid("toy", yaml.safe_load(TOY))


@pytest.fixture
def rows() -> list[Row]:
    return [row("blurred", "gaussian", [22.0, 24.0]), row("blurred", "motion", [22.0, 24.0]),
            row("wiener", "gaussian", [21.0, 25.0])]


@pytest.mark.parametrize(("paper", "ours", "word"), [
    (22.86, 23.3, "agrees"), (22.86, 23.36, "agrees"), (22.86, 22.36, "agrees"), (22.86, 23.37, "above"),
    (22.86, 22.35, "below"), (math.nan, 23.0, "ours only"), (22.86, math.nan, "paper only"),
])  # fmt: skip
def test_marks_of_psnr(paper: float, ours: float, word: str) -> None:
    assert glance.mark_of(paper, ours, "psnr").word == word


def test_marks_of_ssim_are_finer_and_nothing_has_none() -> None:
    assert glance.mark_of(0.759, 0.8, "ssim").word == "above"
    assert glance.mark_of(math.nan, math.nan, "psnr") is None


def test_marks_differ_in_more_than_colour() -> None:
    for field in ("word", "sign", "background"):
        assert len({getattr(mark, field) for mark in glance.MARKS.values()}) == len(glance.MARKS)


def test_every_figure_leads_to_its_cell_on_the_tables_page(grid: Grid, rows: Sequence[Row]) -> None:
    """The text of the cell linked to begins with the figure that carries the link."""
    shown = glance.table_at_a_glance(grid, rows).data
    page = "".join(tables.paper_table(grid, rows, metric).to_html() for metric in ("psnr", "ssim"))
    links = re.findall(r'<a href="toy\.html#(\w+)" title="([\w ]+)">([\d.]*|–) (\S)</a>', shown)
    assert {word for _, word, *_ in links} == {"agrees", "below", "ours only", "paper only"}
    for place, word, figure, _ in links:
        (text,) = re.findall(rf'id="{place}"[^>]*>([^<]*)<', page)
        assert text.startswith(figure) if word != "paper only" else text != "–", (place, text, figure)


def test_profile_leads_to_the_record_of_the_run(grid: Grid, rows: Sequence[Row]) -> None:
    shown = glance.table_at_a_glance(grid, rows).data
    assert f"/results/toy/{rows[2].job.name}.json\">smoke</a>" in shown
    assert "/tree/main/results/toy\">smoke</a>" in shown, "an average has no run of its own"


def test_branch_is_that_of_the_configuration() -> None:
    assert {glance.BLOB, glance.TREE} == {f"{kind}/{address.setting()['branch']}" for kind in ("blob", "tree")}


def test_every_printed_table_of_the_papers_is_shown() -> None:
    shown = [grid.table for paper in glance.PAPERS for grid in glance.tables_of(paper)]
    assert {"mbdgan_1", "mbdgan_2", "gand_1", "dgp_5", *(f"physgan_{n}" for n in range(2, 10))} <= set(shown)
    with pytest.raises(ValueError, match="none of the papers"):
        glance.tables_of("other")


def test_costs_add_up_every_run_once(grid: Grid) -> None:
    jobs = grid.jobs("smoke")
    plan = costs.planned(grid, "smoke")
    assert plan.test == pytest.approx(sum(grid.row(job.row).minutes.get("smoke", 0) for job in jobs)) and plan.test > 0


def test_a_training_counts_once_and_where_it_is_done() -> None:
    first, second = (tables.load_table(table)[0] for table in ("mbdgan_1", "mbdgan_2"))
    trained = [spec.train for spec in first.rows.values() if spec.train]
    assert costs.planned(first, "smoke").train == pytest.approx(2 * sum(t.profiles["smoke"].minutes for t in trained))
    assert costs.planned(second, "smoke").train == 0, "its weights are trained by Table I"


def test_measured_counts_the_rows_of_the_profile(grid: Grid, rows: Sequence[Row]) -> None:
    took = costs.measured(grid, rows, "smoke")
    assert took.test == pytest.approx(sum(r.seconds for r in rows) / 60)
    assert costs.measured(grid, [], "smoke") == (0, 0)
    assert costs.finished(grid, rows, "smoke").startswith(f"{len(rows)} of ")


@pytest.mark.parametrize(("minutes", "text"), [(0.5, "30 s"), (12.4, "12 min"), (99, "99 min"), (210, "3.5 h")])
def test_durations(minutes: float, text: str) -> None:
    assert costs.duration(minutes) == text
