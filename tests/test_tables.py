"""The page of a table: the paper beside ours, from a grid and rows made up here."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import yaml
from test_results import ROOT, TOY, WAITING, make_row, project  # noqa: F401 (a fixture)

from ilib.results import Grid, Row, load_grid, tables, write_row
from ilib.results.grids import AVERAGE, parse_grid, table_ids
from ilib.results.rows import mean_and_sd


def row(name: str, column: str, psnr: Sequence[float], profile: str = "smoke", **changes: object) -> Row:
    per_image = {"psnr": list(psnr), "ssim": [p / 40 for p in psnr]}
    metrics = {metric: mean_and_sd(figures) for metric, figures in per_image.items()}
    place = {"row": name, "column": column, "profile": profile, "n": len(psnr)}
    return make_row(**place, per_image=per_image, metrics=metrics, **changes)


@pytest.fixture
def grid() -> Grid:
    return parse_grid("toy", yaml.safe_load(TOY))


@pytest.fixture
def rows() -> list[Row]:
    return [
        row("blurred", "gaussian", [20.0, 22.0]),
        row("blurred", "motion", [18.0, 24.0]),
        row("wiener", "gaussian", [21.0, 25.0]),
        row("wiener", "motion", [28.0, 30.0]),
    ]


def test_printed_has_every_row_of_the_grid(grid: Grid) -> None:
    """Rows without any figure too, which pandas 2 leaves out by itself."""
    assert list(tables.printed(grid).index) == list(grid.rows)


def test_at_smoke_names_the_rows_that_are_no_results(grid: Grid, rows: list[Row]) -> None:
    larger = [row("wiener", column, [21.0, 25.0, 27.0], profile="cpu") for column in ("gaussian", "motion")]
    said = tables.at_smoke(grid, rows + larger).data
    assert "Not results" in said and "At smoke only: blurred." in said and "2 pictures" in said and "at cpu" in said
    assert "Wiener" in tables.at_smoke(grid, rows).data
    assert tables.at_smoke(grid, larger).data == "<p>Every figure of ours on this page is at cpu.</p>"
    assert "No row has been run" in tables.at_smoke(grid, []).data


def entry(frame: pd.DataFrame, name: str, column: str) -> pd.Series:
    return frame[(frame["row"] == name) & (frame["column"] == column)].iloc[0]


def test_paper_beside_ours(grid: Grid, rows: list[Row]) -> None:
    frame = tables.beside_paper(grid, rows)
    assert len(frame) == 3 * 3
    blurred = entry(frame, "blurred", AVERAGE)
    assert (blurred["paper"], blurred["ours"]) == (22.86, 21.0)
    assert (blurred["over"], blurred["profile"]) == ("2 pictures", "smoke")
    assert blurred["spread"] == pytest.approx(abs(19.0 - 23.0) / math.sqrt(2), abs=1e-5), "picture by picture"
    assert math.isnan(entry(frame, "blurred", "motion")["paper"])
    assert entry(frame, "wiener", "motion")["ours"] == 29.0
    gan = entry(frame, "mbdgan", AVERAGE)
    assert gan["paper"] == 31.74
    assert pd.isna(gan["profile"])
    assert math.isnan(gan["ours"])
    assert entry(tables.beside_paper(grid, rows, "ssim"), "mbdgan", AVERAGE)["paper"] == 0.953


def test_spread_over_seeds_where_there_are_several(grid: Grid) -> None:
    rows = [row("wiener", c, [20.0 + s, 24.0 + s], "cpu", seed=s) for c in grid.columns for s in (0, 1)]
    frame = tables.beside_paper(grid, rows)
    for column in (*grid.columns, AVERAGE):
        found = entry(frame, "wiener", column)
        assert (found["ours"], found["over"]) == (22.5, "2 seeds")
        assert found["spread"] == pytest.approx(math.sqrt(0.5), abs=1e-5)


def test_one_seed_and_three_in_one_table(grid: Grid) -> None:
    """A classical row of one seed stands beside a learned row of three; after each ± stands what it is over."""
    rows = [row("blurred", c, [20.0, 24.0]) for c in grid.columns]
    rows += [row("mbdgan", c, [30.0 + s, 34.0 + s], seed=s) for c in grid.columns for s in (0, 1, 2)]
    frame = tables.beside_paper(grid, rows)
    for column in (*grid.columns, AVERAGE):
        one, three = entry(frame, "blurred", column), entry(frame, "mbdgan", column)
        assert (one["ours"], one["over"]) == (22.0, "2 pictures")
        assert one["spread"] == pytest.approx(math.sqrt(8), abs=1e-5)
        assert (three["ours"], three["spread"], three["over"]) == (33.0, 1.0, "3 seeds")
    page = tables.paper_table(grid, rows).to_html()
    assert ">22.00 ± 2.83<" in page
    assert ">33.00 ± 1.00 (3 seeds)<" in page


def test_paired_over_seeds(grid: Grid) -> None:
    """Two learned rows of three seeds: the standard errors over pictures and over seeds, computed by hand."""
    first = [row("mbdgan", "motion", [30.0 + s, 34.0 + 3 * s], seed=s) for s in (0, 1, 2)]
    second = [row("wiener", "motion", [29.0, 30.0 + s], seed=s) for s in (2, 0, 1)]
    found = tables.paired(grid, [*first, *second], "mbdgan", "wiener").iloc[0]
    # seed by seed: (1, 4), (2, 6), (3, 8); by picture 2 and 6; by seed 2.5, 4, 5.5
    assert (found["column"], found["difference"], found["n"], found["seeds"]) == ("motion", 4.0, 2, 3)
    assert found["se"] == pytest.approx(math.sqrt(8) / math.sqrt(2), abs=1e-5)
    assert found["se_seeds"] == pytest.approx(1.5 / math.sqrt(3), abs=1e-5)
    back = tables.paired(grid, [*first, *second], "wiener", "mbdgan").iloc[0]
    assert (back["difference"], back["se_seeds"]) == (-4.0, found["se_seeds"])
    with pytest.raises(ValueError, match="'wienr' is no row of toy"):
        tables.paired(grid, first, "mbdgan", "wienr")


def test_paired_with_a_row_of_one_seed(grid: Grid) -> None:
    """Without noise a seed changes no measurement, so that one seed is compared with each of three; with noise not."""
    three = [row("mbdgan", "motion", [30.0 + s, 34.0 + s], seed=s, degradation={"noise": 0, "seed": s})
             for s in (0, 1, 2)]  # fmt: skip
    one = [row("blurred", "motion", [20.0, 20.0], degradation={"noise": 0, "seed": 0})]
    found = tables.paired(grid, three + one, "mbdgan", "blurred").iloc[0]
    assert (found["difference"], found["seeds"], found["n"]) == (13.0, 3, 2)
    assert found["se_seeds"] == pytest.approx(1 / math.sqrt(3), abs=1e-5)
    assert tables.paired(grid, three + one, "blurred", "mbdgan")["difference"].tolist() == [-13.0]
    other = row("blurred", "gaussian", [20.0, 20.0], seed=1)
    assert len(tables.paired(grid, [*three, *one, other], "mbdgan", "blurred")) == 1, "the other column does not count"
    assert tables.paired(grid, [*three, *one, other], "mbdgan", "blurred")["seeds"].tolist() == [3]
    noisy = [replace(r, degradation={"noise": 0.01, "seed": r.seed}) for r in three + one]
    found = tables.paired(grid, noisy, "mbdgan", "blurred").iloc[0]
    assert (found["difference"], found["seeds"]) == (12.0, 1), "the same noise alone is compared"
    assert math.isnan(found["se_seeds"])
    assert "+13.00 ± 2.00 dB (over 3 seeds ± 0.58)" in tables.gains_table(grid, three + one, "blurred").data
    assert "+12.00 ± 2.00 dB<" in tables.gains_table(grid, noisy, "blurred").data


def test_gap_of_one_column_and_profile(grid: Grid) -> None:
    rows = [row(name, "motion", [level + s, level + 3 * s], "cpu", seed=s)
            for name, level in (("mbdgan", 30.0), ("wiener", 29.0)) for s in (0, 1)]  # fmt: skip
    found = tables.gap(grid, rows, "mbdgan", "wiener", "motion")
    assert found == (1.0, 0.0, 2, 0.0, 2)
    for other in ({"column": "gaussian"}, {"profile": "smoke"}):
        assert tables.gap(grid, rows, "mbdgan", "wiener", **{"column": "motion"} | other) is None
    assert tables.gap(grid, rows, "mbdgan", "wiener") is None, "the first column is another"
    assert tables.gap(grid, rows, "mbdgan", "blurred", "motion") is None
    with pytest.raises(ValueError, match="'motoin' is no column of toy"):
        tables.gap(grid, rows, "mbdgan", "wiener", "motoin")


def test_paired_at_the_same_profile_first(grid: Grid) -> None:
    rows = [row("mbdgan", "motion", [30.0, 32.0], p) for p in ("smoke", "cpu")]
    rows += [row("blurred", "motion", [20.0 + k, 22.0 + k], p) for k, p in enumerate(("smoke", "cpu"))]
    assert tables.paired(grid, rows, "mbdgan", "blurred")["difference"].tolist() == [9.0]
    assert tables.paired(grid, rows[:3], "mbdgan", "blurred")["difference"].tolist() == [10.0], "the same measurements"
    assert tables.paired(grid, rows[:2], "mbdgan", "blurred").empty


def test_largest_complete_profile_is_shown(grid: Grid, rows: list[Row]) -> None:
    """But no complete smoke above a figure that is a result."""
    half = [row("wiener", "motion", [31.0, 33.0], "gpu")]
    assert tables.best_rows(grid, rows + half, "wiener")[0] == "gpu"
    whole = [row("wiener", column, [21.0, 22.0], "cpu") for column in grid.columns]
    assert tables.best_rows(grid, rows + half + whole, "wiener")[0] == "cpu"
    half.append(row("wiener", "gaussian", [21.0, 22.0], "gpu"))
    assert tables.best_rows(grid, rows + half + whole, "wiener")[0] == "gpu"
    assert tables.best_rows(grid, rows, "mbdgan") == (None, {})


def test_average_needs_every_column(grid: Grid, rows: list[Row]) -> None:
    frame = tables.beside_paper(grid, rows[:3])
    assert entry(frame, "wiener", "gaussian")["ours"] == 23.0
    assert math.isnan(entry(frame, "wiener", AVERAGE)["ours"])


def test_average_over_different_pictures_has_no_spread(grid: Grid) -> None:
    other = {"name": "embedded/train", "size": 48, "n": 2, "sha256": "1" * 64}
    rows = [row("wiener", "gaussian", [20.0, 22.0]), row("wiener", "motion", [24.0, 26.0], data=other)]
    found = tables.average_columns({r.column: [r] for r in rows}, "psnr")
    assert (found.mean, found.over) == (23.0, "columns")
    assert math.isnan(found.spread)


def test_page_table_is_the_same_every_time(grid: Grid, rows: list[Row]) -> None:
    page = tables.paper_table(grid, rows).to_html()
    assert page == tables.paper_table(grid, rows).to_html()
    assert 'id="T_toy_psnr"' in page
    for text in ("22.86", "21.00 ± 2.83", "26.00 ± 2.12", "31.74", "paper, average", "ours, average", ">motion<", "–"):
        assert text in page
    assert page.index("ours, average") < page.index(">Gaussian<") < page.index(">motion<")
    assert "paper, motion" not in page, "the toy paper prints averages only"
    assert "nan" not in page.lower().replace("finance", "")
    assert "0.759" in tables.paper_table(grid, rows, "ssim").to_html()


def test_page_without_any_row(grid: Grid) -> None:
    assert "22.86" in tables.paper_table(grid, []).to_html()
    assert list(tables.rows_not_run(grid, [])["method"]) == ["blurred", "Wiener", "MBD-GAN"]
    assert tables.provenance(grid, []).empty
    assert tables.gains(grid, []).empty
    assert len(tables.dot_figure(grid, []).axes) == 2


def test_rows_not_run_and_why(grid: Grid, rows: list[Row]) -> None:
    assert tables.rows_not_run(grid, rows).to_numpy().tolist() == [["MBD-GAN", "it is not trained yet"]]
    assert tables.rows_not_run(grid, rows[:3]).iloc[0].tolist() == ["Wiener", "not run yet: motion"]


def test_provenance(grid: Grid, rows: list[Row]) -> None:
    commit = "0123456789abcdef" * 2 + "01234567+changes"
    frame = tables.provenance(grid, [row("wiener", "motion", [28.0, 30.0], commit=commit), *rows[:2]])
    assert list(frame["run"]) == [f"{n}--smoke--s0" for n in ("blurred--gaussian", "blurred--motion", "wiener--motion")]
    assert list(frame["commit"]) == ["–", "–", "01234567+changes"]
    assert frame["data"].iloc[0] == "name embedded/test, size 48, n 3"
    assert set(frame["sha256"]) == {"0" * 12}
    folded = tables.folded_table("Provenance & more", frame).data
    assert "<details><summary>Provenance &amp; more</summary>" in folded
    assert folded.count("<tr") == 1 + 3


def test_paired_difference(rows: list[Row]) -> None:
    gain = tables.paired_difference(rows[2], rows[0])
    assert gain.mean == 2.0
    assert gain.se == pytest.approx(math.sqrt(2) / math.sqrt(2), abs=1e-5)
    assert gain.n == 2
    assert tables.paired_difference(rows[0], rows[2]).mean == -2.0
    assert tables.paired_difference(rows[2], rows[0], "ssim").mean == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (row("blurred", "motion", [1.0, 2.0]), "differ in column"),
        (row("blurred", "gaussian", [1.0, 2.0, 3.0]), "differ in n"),
        (row("blurred", "gaussian", [1.0, 2.0], data={"name": "x", "sha256": "1"}), "differ in data"),
        (row("blurred", "gaussian", [1.0, 2.0], degradation={"noise": 1}), "differ in degradation"),
    ],
)
def test_only_rows_of_the_same_measurements_are_paired(rows: list[Row], other: Row, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tables.paired_difference(rows[2], other)


def test_paired_difference_needs_two_pictures_and_a_metric_of_both() -> None:
    single = row("wiener", "gaussian", [20.0])
    with pytest.raises(ValueError, match="two or more"):
        tables.paired_difference(single, single)
    with pytest.raises(ValueError, match="has no 'lpips'; it has psnr, ssim"):
        tables.paired_difference(single, single, "lpips")


def test_gains(grid: Grid, rows: list[Row]) -> None:
    frame = tables.gains(grid, rows)
    assert frame[["row", "column", "gain", "n"]].to_numpy().tolist() == [
        ["wiener", "gaussian", 2.0, 2], ["wiener", "motion", 8.0, 2]]  # fmt: skip
    assert tables.gains(grid, rows[2:]).empty, "nothing to compare with"


def test_figure_shows_both(grid: Grid, rows: list[Row]) -> None:
    plt.close("all")  # what other tests left open
    fig = tables.dot_figure(grid, rows)
    psnr, ssim = fig.axes
    assert [label.get_text() for label in psnr.get_yticklabels()] == ["blurred", "Wiener", "MBD-GAN"]
    assert {text.get_text() for text in fig.legends[0].get_texts()} == {"here, ± over the pictures", "paper"}
    assert (psnr.get_xlabel(), ssim.get_xlabel()) == ("PSNR (dB)", "SSIM")
    assert plt.get_fignums() == [], "closed, so that a notebook shows it once"


def test_differences_of_protocol() -> None:
    content = yaml.safe_load(TOY) | {"differences": {"test pictures": {"paper": "theirs", "here": "ours <&>"}}}
    frame = tables.protocol_differences(parse_grid("toy", content))
    assert frame.to_numpy().tolist() == [["test pictures", "theirs", "ours <&>"]]
    assert "ours &lt;&amp;&gt;" in tables.plain_table(frame).data


# ---- what a page calls, one function a section


@pytest.fixture
def waiting() -> Grid:
    return parse_grid("waiting", yaml.safe_load(WAITING))


def test_load_table(project: Path, rows: list[Row]) -> None:  # noqa: F811
    for each in (rows[0], row("wiener", "motion", [28.0, 30.0], "cpu")):
        write_row(each, project / each.job.path)
    grid, found = tables.load_table("toy")
    assert (grid.table, len(found)) == ("toy", 2)
    assert [r.profile for r in tables.load_table("toy", "cpu")[1]] == ["cpu"]
    with pytest.raises(ValueError, match="'toi' is no table"):
        tables.load_table("toi")
    with pytest.raises(ValueError, match="'big' is unknown"):
        tables.load_table("toy", "big")


def test_overview_counts_runs_and_minutes(grid: Grid, waiting: Grid, rows: list[Row]) -> None:
    page = tables.overview(grid, rows[:3]).data
    assert "make tables PROFILE=smoke TABLE=toy" in page
    assert "<td>3 of 4</td>" in page
    assert "<td>0 of 8</td>" in page, "two seeds at cpu"
    assert "<td>1</td>" in page, "wiener's half minute, twice"
    page = tables.overview(waiting, []).data
    assert "No row can be run yet" in page
    assert "make tables" not in page


def test_printed_figures(grid: Grid, waiting: Grid) -> None:
    frame = tables.printed(grid)
    assert list(frame.columns) == [AVERAGE, "gaussian", "motion"]
    assert frame.loc["mbdgan", AVERAGE] == 31.74
    assert frame["motion"].isna().all()
    assert frame.loc["wiener"].isna().all(), "it prints none"
    assert list(tables.printed(waiting, "ssim").columns) == ["all", "set5", "odcnn"]


@pytest.mark.parametrize(("figure", "metric", "text"), [(17.9, "psnr", "17.90"), (24.392, "psnr", "24.392"),
                                                        (0.7, "ssim", "0.70"), (0.838, "ssim", "0.838")])  # fmt: skip
def test_figure_as_it_is_printed(waiting: Grid, figure: float, metric: str, text: str) -> None:
    assert tables.as_printed(waiting, figure, metric) == text


def test_columns_of_their_own(waiting: Grid) -> None:
    """The paper's columns stand beside each other, under the paper's name for the average; no column is empty of us."""
    page = tables.beside(waiting, []).data
    for text in ("paper, all", "paper, Set5", "16.978", "17.10", ">0.70<", "No row of this table has been run yet"):
        assert text in page
    assert "ours" not in page
    assert "paper, ODCNN" not in page, "nothing is printed there"


def test_beside_says_how_to_read_our_figures(grid: Grid, rows: list[Row]) -> None:
    page = tables.beside(grid, rows).data
    assert page.startswith(f"<p>{tables.HOW_TO_READ}</p>")
    assert "T_toy_psnr" in page and "T_toy_ssim" in page
    silent = parse_grid("toy", yaml.safe_load(TOY.replace("paper: {average: {psnr: 22.86, ssim: 0.759}}, ", "")
                                              .replace("paper: {average: {psnr: 31.74, ssim: 0.953}}, ", "")))
    assert "No figure of the paper can be read" in tables.beside(silent, []).data
    assert "<table" not in tables.beside(silent, []).data
    assert list(tables.beside_paper(silent, rows)["column"].unique()) == ["gaussian", "motion"], "no average printed"


def test_gains_table(grid: Grid, rows: list[Row]) -> None:
    page = tables.gains_table(grid, rows, "blurred").data
    assert "<td>+2.00 ± 1.00 dB</td>" in page
    assert "<td>+8.00 ± 2.00 dB</td>" in page
    assert page.index("<th>Gaussian</th>") < page.index("<th>motion</th>")
    assert "<td>–</td>" in tables.gains_table(grid, [*rows[:3], row("mbdgan", "motion", [30.0, 32.0])], "blurred").data
    assert "No two rows" in tables.gains_table(grid, rows[2:], "blurred").data
    fuller = [row(name, column, [20.0, 22.0], "cpu")
              for name in ("blurred", "mbdgan") for column in ("gaussian", "motion")]  # fmt: skip
    mixed = tables.gains_table(grid, [*rows, *fuller], "blurred").data
    assert "<th>profile</th>" in mixed and "<td>smoke</td>" in mixed and "<th>profile</th>" not in page


def test_claims_are_checked() -> None:
    page = tables.check({"water is wet": True, "our rows are better": None}).data
    assert "<td>water is wet</td>\n      <td>holds</td>" in page
    assert "<td>our rows are better</td>\n      <td>waits for its rows</td>" in page
    with pytest.raises(AssertionError, match="claims what does not hold: fire is cold$"):
        tables.check({"water is wet": True, "fire is cold": False})


def test_why_figures_are_missing(grid: Grid, waiting: Grid, rows: list[Row]) -> None:
    page = tables.why_missing(waiting, []).data
    for text in ("<td>input</td>", "<td>no chain</td>", "<td>all, on ODCNN</td>", "<td>no data</td>"):
        assert text in page
    assert "it is not trained yet" in tables.why_missing(grid, rows).data
    imported = [row("mbdgan", c, [30.0, 32.0]) for c in grid.columns]
    assert tables.why_missing(grid, rows + imported).data == "<p>None.</p>"


def test_row_of_a_grid_that_waits_can_be_imported(waiting: Grid) -> None:
    assert tables.rows_not_run(waiting, []).to_numpy().tolist() == [["input", "no chain"]]
    assert tables.rows_not_run(waiting, [row("input", "set5", [17.0, 18.0], table="waiting")]).empty


def test_figure_with_a_panel_for_each_column(grid: Grid) -> None:
    content = yaml.safe_load(TOY.replace("average: {psnr", "motion: {psnr"))
    fig = tables.dot_figure(parse_grid("toy", content), [row("wiener", "motion", [28.0, 30.0])])
    assert [ax.get_xlabel() for ax in fig.axes] == ["PSNR (dB), Gaussian", "PSNR (dB), motion"]
    assert {text.get_text() for text in fig.legends[0].get_texts()} == {"here, ± over the pictures", "paper"}
    assert {text.get_text() for text in tables.dot_figure(grid, []).legends[0].get_texts()} == {"paper"}


@pytest.mark.parametrize("table", [table for table in table_ids(ROOT) if load_grid(table, ROOT).differences])
def test_every_table_of_a_paper_has_a_small_page(table: str) -> None:
    """A grid that names differences from a paper's protocol is a table of that paper."""
    page = ROOT / "notebooks" / "tables" / f"{table}.ipynb"
    assert page.is_file()
    assert page.stat().st_size < 340_000
