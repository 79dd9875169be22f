"""What a method costs: numbers learnt, minutes and seconds, against the registry, the weights and the rows."""

from dataclasses import replace

import pytest

from ilib.gan.registry import read_registry, weights_folder
from ilib.gan.weights import load_weights
from ilib.results import Row, load_grid, read_rows
from ilib.results.costs import methods, methods_table, numbers_in
from ilib.results.grids import Grid
from ilib.results.project import project_folder


@pytest.fixture(scope="module")
def grid() -> Grid:
    return load_grid("grand")


@pytest.fixture(scope="module")
def smoke() -> list[Row]:
    return [row for row in read_rows(project_folder() / "results" / "grand") if row.profile == "smoke"]


def test_numbers_are_those_of_the_weights() -> None:
    name = "grand--unrolled--levin--smoke--s0"
    held = sum(tensor.numel() for tensor in load_weights(name)[0].state_dict().values())
    assert numbers_in(read_registry(weights_folder())[name]) == held > 1000


def test_a_line_for_each_method_that_was_run(grid: Grid, smoke: list[Row]) -> None:
    found = methods(grid, smoke).set_index("label")
    assert set(found.index) == {grid.rows[name].label for name in {row.row for row in smoke}}
    entry = read_registry(weights_folder())["grand--unrolled--levin--smoke--s0"]
    line, alone = found.loc[grid.rows["unrolled"].label], [row for row in smoke if row.row == "unrolled"]
    assert line["training"] == pytest.approx(entry["seconds"] / 60)
    assert line["seconds"] == pytest.approx(sum(row.seconds / row.n for row in alone) / len(alone))
    assert (line["profile"], found.loc["Wiener", "parameters"], found.loc["Wiener", "training"]) == ("smoke", 0, 0)
    assert found.loc["EPLL", "parameters"] > 500_000  # 200 Gaussians of 64 pixels


def test_seconds_are_those_of_one_picture(grid: Grid, smoke: list[Row]) -> None:
    wiener = [replace(row, seconds=8.0, n=4) for row in smoke if row.row == "wiener"]
    assert methods(grid, wiener)["seconds"].tolist() == [2.0]


def test_the_page_shows_nothing_for_what_is_not_learnt(grid: Grid, smoke: list[Row]) -> None:
    html = methods_table(grid, [row for row in smoke if row.row in ("wiener", "unrolled")]).data
    assert html.count("<tr") == 3 and html.count(">–<") == 2
