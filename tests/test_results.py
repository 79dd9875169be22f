"""Rows, grids, profiles, digests and the queue: what is written can be read, and what is wrong is named."""

import ast
import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from ilib.results import Grid, Job, Row, load_grid, read_row, read_rows, tables, write_row
from ilib.results import digests as module
from ilib.results.__main__ import main
from ilib.results.digests import digests, notebook_code, reached_code, settings_of, without_comments
from ilib.results.grids import parse_grid, table_ids
from ilib.results.profiles import NAMES, rank
from ilib.results.project import EVALUATE, project_folder
from ilib.results.queue import papermill_command, wanted_tasks, why_wanted
from ilib.results.rows import mean_and_sd, write_text

ROOT = Path(__file__).resolve().parents[1]
PSNR = [20.0, 22.0, 27.0]
SSIM = [0.5, 0.75, 0.625]


def make_row(**changes: object) -> Row:
    fields = {
        "table": "toy", "row": "wiener", "column": "gaussian", "profile": "smoke", "seed": 0, "n": 3,
        "metrics": {"psnr": mean_and_sd(PSNR), "ssim": mean_and_sd(SSIM)}, "per_image": {"psnr": PSNR, "ssim": SSIM},
        "data": {"name": "embedded/test", "size": 48, "n": 3, "sha256": "0" * 64},
        "degradation": {"kernel": "ilib.kernels.gaussian", "noise": 0.0, "bits": 8}, "weights": None,
        "parameters": {"method": "ilib.classical.wiener"}, "device": "cpu", "seconds": 1.5, "train_seconds": 0,
        "peak_memory_mb": 10.0, "versions": {"python": "3.11"}, "commit": None, "date": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return Row(**(fields | changes))


TOY = """
title: A toy
paper: mbdgan
number: Table 0
columns:
  gaussian: {label: Gaussian, kernel: ilib.kernels.gaussian, parameters: {sigma: 2.0, size: 9}}
  motion: {label: motion, kernel: ilib.kernels.motion, parameters: {size: 9, length: 7, seed: 3}}
rows:
  blurred: {label: blurred, paper: {average: {psnr: 22.86, ssim: 0.759}}, method: ilib.classical.blurred}
  wiener: {label: Wiener, method: ilib.classical.wiener, minutes: {smoke: 0.5}}
  mbdgan: {label: MBD-GAN, paper: {average: {psnr: 31.74, ssim: 0.953}}, not_run: it is not trained yet}
profiles:
  smoke: {data: {name: embedded/test, size: 48, n: 2}, noise: 0, bits: 8}
  cpu: {data: {name: embedded/train, size: 48}, noise: 0.01, bits: null, seeds: [0, 1]}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own: one grid, the notebook that evaluates, no rows; the working directory."""
    for name, text in {"notebooks/tables/toy.yaml": TOY, EVALUATE: (ROOT / EVALUATE).read_text()}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def up_to_date(project: Path, job: Job) -> Row:
    """Write a row for a job that keeps the digests of now."""
    row = make_row(**job._asdict(), parameters={"digest": digests(load_grid(job.table, project), job, project)})
    write_row(row, project / job.path)
    return row


# ---- profiles and rows


def test_profiles_are_ordered() -> None:
    assert NAMES == ("smoke", "cpu", "gpu", "paper")
    assert [rank(name) for name in NAMES] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="'big' is unknown.*smoke, cpu, gpu, paper"):
        rank("big")


def test_row_comes_back_as_it_was_written(tmp_path: Path) -> None:
    row = make_row()
    path = write_row(row, tmp_path / row.job.path)
    assert path == tmp_path / "results/toy/wiener--gaussian--smoke--s0.json"
    assert read_row(path) == row
    assert read_rows(path.parent) == [row]
    assert json.loads(path.read_text())["schema"] == 1
    assert read_rows(tmp_path / "results" / "other") == []


def test_json_has_exactly_the_schema() -> None:
    schema = ("table row column profile seed n metrics per_image data degradation weights parameters device seconds "
              "train_seconds peak_memory_mb versions commit date schema")
    assert list(asdict(make_row())) == schema.split()


def test_mean_and_sd() -> None:
    assert mean_and_sd(PSNR) == {"mean": 23.0, "sd": round(13**0.5, 5)}
    assert mean_and_sd([4.0]) == {"mean": 4.0, "sd": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"profile": "big"}, "choose one of smoke"),
        ({"row": "Wiener--x"}, "row is 'Wiener--x'"),
        ({"seed": "0"}, "seed is '0'; it must be int"),
        ({"seed": True}, "seed is True"),
        ({"seconds": float("inf")}, "seconds is inf"),
        ({"weights": "w"}, "dict or null"),
        ({"n": 4}, "list of n = 4"),
        ({"schema": 2}, "schema is 2 but this version of ilib reads 1"),
        ({"per_image": {"psnr": PSNR}}, "must have the same names"),
        ({"per_image": {"psnr": [20.0, float("nan"), 27.0], "ssim": SSIM}}, "not a finite number"),
        ({"per_image": {"psnr": [20.0, None, 27.0], "ssim": SSIM}}, "not a finite number"),
        ({"metrics": {"psnr": {"mean": 24.0, "sd": 3.60555}, "ssim": mean_and_sd(SSIM)}}, "but per_image gives"),
        ({"metrics": {"psnr": {"mean": float("nan"), "sd": 3.60555}, "ssim": mean_and_sd(SSIM)}}, "per_image gives"),
        ({"metrics": {"psnr": {"mean": 23.0}, "ssim": mean_and_sd(SSIM)}}, "must have mean and sd"),
    ],
)
def test_bad_row_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make_row(**changes)


def _drop(text: str) -> str:
    content = json.loads(text)
    del content["device"]
    return json.dumps(content | {"devise": "cpu"})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text[: len(text) // 2], "smoke--s0.json: "),
        (lambda text: text.replace("27.0", "NaN"), "smoke--s0.json: it holds NaN"),
        (lambda text: text.replace('"schema": 1', '"schema": 7'), "schema is 7 but this version of ilib reads 1"),
        (_drop, "missing: device; unknown: devise; a row has exactly"),
        (lambda text: text.replace('"seed": 0', '"seed": 1'), "content belongs in toy/wiener--gaussian--smoke--s1"),
        (lambda text: text.replace('"table": "toy"', '"table": "doll"'), "content belongs in doll/"),
        (lambda text: "[]", "one JSON object"),
    ],
)
def test_bad_file_is_named(tmp_path: Path, spoil: Callable[[str], str], message: str) -> None:
    path = write_row(make_row(), tmp_path / make_row().job.path)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ValueError, match=message):
        read_row(path)


def test_file_that_is_not_named_like_a_row(tmp_path: Path) -> None:
    path = write_row(make_row(), tmp_path / make_row().job.path)
    path.rename(path.with_name("notes.json"))
    with pytest.raises(ValueError, match="notes.json.*ROW--COLUMN--PROFILE--sSEED"):
        read_rows(path.parent)
    with pytest.raises(FileNotFoundError, match="ilib.results list"):
        read_row(path)


def test_row_is_not_written_under_another_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="belongs in toy/wiener--gaussian--smoke--s0.json"):
        write_row(make_row(), tmp_path / "toy" / "wiener--gaussian--smoke--s1.json")
    assert list(tmp_path.rglob("*")) == []


# ---- whole or not at all


def test_failed_write_leaves_the_earlier_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_row(make_row(), tmp_path / make_row().job.path)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_row(make_row(seconds=9.0), path)
    assert read_row(path).seconds == 1.5
    assert [p.name for p in path.parent.iterdir()] == [path.name]


KILLED = """
import os, sys, time
from pathlib import Path
from ilib.results.rows import write_text

def stop(*_):
    print("written", flush=True)
    time.sleep(60)

os.replace = stop  # between the temporary file and the rename
write_text(Path(sys.argv[1]), "new" * 100_000)
"""


def test_killed_write_leaves_nothing_to_read(tmp_path: Path) -> None:
    path = tmp_path / "toy" / make_row().job.path.name
    words = [sys.executable, "-c", KILLED, str(path)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not path.exists()
    assert read_rows(path.parent) == []
    write_row(make_row(), path)
    assert read_rows(path.parent) == [make_row()]


def test_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "a" * 10)
    for letter in "bcd":
        opened = path.open()
        write_text(path, letter * 10)
        assert set(opened.read()) == {chr(ord(letter) - 1)}, "an open reader keeps the file that it opened"
        opened.close()
    assert path.read_text() == "d" * 10


# ---- grids


def test_toy_grid(project: Path) -> None:
    grid = load_grid("toy")
    assert grid.runs() == ["blurred", "wiener"]
    assert grid.jobs("smoke")[1] == Job("toy", "blurred", "motion", "smoke", 0)
    assert [len(grid.jobs(p)) for p in ("smoke", "cpu")] == [4, 8]
    assert grid.profile("cpu").bits is None
    assert grid.profile("cpu").seeds == (0, 1)


@pytest.mark.parametrize(
    ("seeds", "smoke", "cpu"),
    [("[0, 1, 2]", (0, 1, 2), (0, 1, 2)), ("{cpu: [2, 5, 7]}", (0,), (2, 5, 7)), ("{smoke: [1]}", (1,), (0, 1))],
)
def test_row_with_seeds_of_its_own(project: Path, seeds: str, smoke: tuple, cpu: tuple) -> None:
    """A learned row runs once for each of its seeds, the classical ones beside it as the profile says."""
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace("label: Wiener,", f"label: Wiener, seeds: {seeds},"))
    grid = load_grid("toy")
    for profile, own, others in (("smoke", smoke, (0,)), ("cpu", cpu, (0, 1))):
        found = [(job.row, job.seed) for job in grid.jobs(profile) if job.column == "motion"]
        assert found == [("blurred", seed) for seed in others] + [("wiener", seed) for seed in own]
        assert (grid.seeds("wiener", profile), grid.seeds("blurred", profile)) == (own, others)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("label: Wiener,", "label: Wiener, seeds: [0, 0],", "rows: wiener: seeds is .0, 0.; pass a list of different"),
        ("label: Wiener,", "label: Wiener, seeds: {cup: [0]},", r"'cup' is no key .*did you mean cpu"),
        ("label: Wiener,", "label: Wiener, seeds: {cpu: 3},", "seeds is 3; pass a list"),
        ("label: Wiener,", "label: Wiener, seeds: 3,", "rows: wiener: seeds is 3; it must be a block"),
        ("label: MBD-GAN,", "label: MBD-GAN, seeds: [0],", "seeds is for a row that is run; give method"),
    ],
)
def test_typo_in_the_seeds_of_a_row(project: Path, old: str, new: str, message: str) -> None:
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace(old, new))
    with pytest.raises((TypeError, ValueError), match=f"toy.yaml: .*{message}"):
        load_grid("toy")


WAITING = """
title: A table that waits
paper: gand
number: Table 1
decimals: {ssim: 2}
average: all
columns:
  set5: {label: Set5}
  odcnn: {label: ODCNN, not_run: no data}
rows:
  input: {label: input, paper: {set5: {psnr: 17.1, ssim: 0.7}, all: {psnr: 16.978, ssim: 0.838}}, not_run: no chain}
"""


def test_grid_without_anything_to_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table all of whose rows wait needs neither kernels nor profiles, and stops nothing else."""
    (project / "notebooks/tables/waiting.yaml").write_text(WAITING)
    grid = load_grid("waiting")
    assert (grid.profiles, grid.runs(), grid.conditions()) == ({}, [], [])
    assert (grid.average, grid.decimals) == ("all", {"ssim": 2})
    with pytest.raises(ValueError, match="no row of waiting can be run yet"):
        grid.profile("smoke")
    assert {task.job.table for task in wanted_tasks("smoke", project)} == {"toy"}
    assert wanted_tasks("smoke", project, ["waiting"]) == []
    assert main(["list"]) == 0
    assert "input: not run: no chain" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("average: all", "average: set5", "set5 is no column to run"),
        ("average: all", "average: All sets", "average is 'All sets'; it must be small letters"),
        ("average: all", "", "'all' is no key allowed under rows: input: paper.*choose one of set5, odcnn, average"),
        ("ssim: 2}", "ssim: 2.5}", "decimals: ssim is 2.5; it must be a whole number"),
        ("not_run: no data", "not_run: 3", "columns: odcnn: not_run is 3; it must be a text"),
        ("not_run: no chain", "method: ilib.classical.tv", "the grid has no profiles; it needs them to run input"),
    ],
)
def test_typo_in_a_grid_that_waits(old: str, new: str, message: str) -> None:
    assert old in WAITING
    with pytest.raises((ValueError, TypeError), match=message):
        parse_grid("waiting", yaml.safe_load(WAITING.replace(old, new, 1)))


def test_column_that_is_not_run(project: Path) -> None:
    """Its jobs are not asked for; the other column's are."""
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace("{label: motion,", "{label: motion, not_run: why,"))
    grid = load_grid("toy")
    assert grid.conditions() == ["gaussian"]
    assert {job.column for job in grid.jobs("smoke")} == {"gaussian"}
    with pytest.raises(ValueError, match="column motion of toy is not run: why; choose one of gaussian"):
        grid.check(Job("toy", "wiener", "motion", "smoke"))


def test_row_that_is_run_in_some_columns_alone(project: Path) -> None:
    """It has no jobs elsewhere, is whole without them, and waits for those of its columns that are missing."""
    limited = TOY.replace("label: Wiener,", "label: Wiener, columns: [motion],")
    (project / "notebooks/tables/toy.yaml").write_text(limited)
    grid = load_grid("toy")
    assert {job.column for job in grid.jobs("smoke") if job.row == "wiener"} == {"motion"}
    assert {job.column for job in grid.jobs("smoke") if job.row == "blurred"} == {"gaussian", "motion"}
    with pytest.raises(ValueError, match="row wiener of toy is run in motion alone, not in gaussian"):
        grid.check(Job("toy", "wiener", "gaussian", "smoke"))
    small, large = (make_row(column="motion", profile=profile) for profile in ("smoke", "cpu"))
    assert tables.best_rows(grid, [small, large], "wiener") == ("cpu", {"motion": [large]})
    assert "Wiener" not in set(tables.rows_not_run(grid, [small])["method"])
    assert "not run yet: motion" in set(tables.rows_not_run(grid, []).iloc[:, 1])
    figures = tables.beside_paper(grid, [small]).set_index(["row", "column"])["ours"]
    assert figures["wiener", "motion"] == small.mean("psnr") and figures.isna()["wiener", "gaussian"]


@pytest.mark.parametrize("table", table_ids(ROOT))
def test_grid_of_the_book_is_valid_and_runnable(table: str) -> None:
    """Every method, kernel, camera and loader of pairs that a grid names exists and takes what it is given."""
    from ilib.results.runs import call_by_name, check_parameters, find_function

    grid = load_grid(table, ROOT)
    for name in grid.conditions():
        column = grid.column(name)
        if column.made_by[0] == "pairs":
            for profile in grid.profiles:
                taken = inspect.signature(find_function(column.made_by[1]))
                taken.bind(**grid.data(name, profile), **column.parameters)  # TypeError where it is not taken
            continue
        made = call_by_name(column.made_by[1], column.parameters)
        assert float(made.sum()) == pytest.approx(1) if column.kernel else callable(made.measure)
    for name in grid.runs():
        spec = grid.row(name)
        check_parameters(str(spec.method), find_function(str(spec.method)), spec.parameters)
        assert set(spec.minutes) == set(grid.profiles), f"{table}: {name}: minutes"


def test_papers_figures_of_table_1() -> None:
    """Table I of MBD-GAN, line by line as it is printed."""
    printed = {
        "blurred": (22.86, 0.759), "hl": (17.90, 0.459), "idd_bm3d": (21.00, 0.647), "epll": (28.70, 0.877),
        "fcnn": (24.83, 0.775), "srn": (30.10, 0.932), "mbdgan": (31.74, 0.953),
    }  # fmt: skip
    rows = load_grid("mbdgan_1", ROOT).rows
    papers = {name: row.paper["average"] for name, row in rows.items() if row.paper}
    assert {name: (p["psnr"], p["ssim"]) for name, p in papers.items()} == printed
    assert set(rows) - set(printed) == {"wiener", "tv", "rl", "cnn", "deblurgan"}, "ours, or printed in Table II only"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title:", "titel:", r"'titel' is no key allowed under the grid \(did you mean title\?\); choose one of title"),
        ("title: A toy", "", "the grid has no title"),
        ("title: A toy", "title: 3", "the grid: title is 3; it must be a text"),
        ("method: ilib.classical.blurred", "metod: ilib.classical.blurred", "rows: blurred.*did you mean method"),
        (", method: ilib.classical.blurred", "", "rows: blurred: give either method"),
        ("not_run: it is not trained yet", "not_run: no, method: ilib.classical.tv", "rows: mbdgan: give either"),
        ("method: ilib.classical.blurred", "method: os.system", "must be a dotted name in ilib"),
        ("average: {psnr: 22.86", "avarage: {psnr: 22.86", "did you mean average.*gaussian, motion, average"),
        ("psnr: 22.86", "psnr: high", "psnr is 'high'; it must be a number"),
        ("psnr: 22.86", "psnr: .nan", "psnr is nan; it must be a number"),
        ("minutes: {smoke: 0.5}", "minutes: {gpu: 0.5}", "minutes.*choose one of smoke, cpu"),
        ("  cpu:", "  cup:", "did you mean cpu"),
        ("seeds: [0, 1]", "seeds: [0, 0]", "list of different whole numbers"),
        ("bits: 8", "bits: eight", "bits is 'eight'"),
        ("noise: 0.01", "noise: -1", "noise is -1; it must be a number, 0 or more"),
        ("data: {name: embedded/train, size: 48}", "data: embedded/train", "must be a block of `name: value` lines"),
        ("size: 48, n: 2", "sise: 48, n: 2", "did you mean size"),
        ("kernel: ilib.kernels.motion,", "", "columns: motion has no kernel"),
        ("  motion: {label", "  average: {label", "average is no column to run"),
        ("  wiener:", "  blurred:", "blurred stands twice"),
        ("  wiener:", "  Wiener filter:", "'Wiener filter'; it must be small letters"),
        ("label: Wiener,", "label: Wiener, columns: [moton],", "columns.*did you mean motion"),
        ("label: Wiener,", "label: Wiener, columns: motion,", "columns is 'motion'; it must be a list of columns"),
        ("it is not trained yet", "it is not trained yet, columns: [motion]", "columns is for a row that is run"),
        ("rows:", "rows: [", "toy.yaml: "),
    ],
)
def test_typo_in_a_grid_is_named(project: Path, old: str, new: str, message: str) -> None:
    assert old in TOY
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace(old, new, 1))
    with pytest.raises(ValueError, match=f"(?s)toy.yaml.*{message}" if "toy.yaml" not in message else message):
        load_grid("toy")


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (Job("toy", "winer", "gaussian", "smoke"), r"'winer' is no row of toy \(did you mean wiener\?\).*blurred"),
        (Job("toy", "wiener", "gauss", "smoke"), "choose one of gaussian, motion"),
        (Job("toy", "wiener", "gaussian", "big"), "choose one of smoke, cpu, gpu, paper"),
        (Job("toy", "wiener", "gaussian", "paper"), "'paper' is no profile of toy; choose one of smoke, cpu"),
        (Job("toy", "mbdgan", "gaussian", "smoke"), "is not run: it is not trained yet; choose one of blurred, wiener"),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(project: Path, job: Job, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_grid("toy").check(job)


def test_unknown_table(project: Path) -> None:
    with pytest.raises(ValueError, match=r"'toi' is no table \(did you mean toy\?\); choose one of toy"):
        load_grid("toi")


def test_project_folder(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert project_folder(project / "notebooks" / "tables") == project
    assert project_folder(tmp_path_factory.mktemp("elsewhere")) == ROOT, "the folder that holds ilib"


# ---- staleness


def test_missing_then_up_to_date(project: Path) -> None:
    grid, job = load_grid("toy"), Job("toy", "wiener", "gaussian", "smoke")
    assert why_wanted(grid, job, project) == "missing"
    up_to_date(project, job)
    assert why_wanted(grid, job, project) is None


@pytest.mark.parametrize(
    ("old", "new", "stale"),
    [
        ("ilib.classical.wiener", "ilib.classical.tv", "stale: settings and code changed"),
        ("label: Wiener", "label: Wiener, parameters: {power: 0.5}", "stale: settings changed"),
        ("sigma: 2.0", "sigma: 2.5", "stale: settings changed"),
        ("size: 48, n: 2}, noise: 0,", "size: 48, n: 2}, noise: 0.01,", "stale: settings changed"),
        ("n: 2", "n: 1", "stale: settings changed"),
        ("length: 7", "length: 6", None),  # of another column
        ("noise: 0.01", "noise: 0.02", None),  # of another profile
        ("label: Wiener", "label: Wiener (ours)", None),
        ("minutes: {smoke: 0.5}", "minutes: {smoke: 5}", None),
    ],
)
def test_change_in_the_grid(project: Path, old: str, new: str, stale: str | None) -> None:
    job = Job("toy", "wiener", "gaussian", "smoke")
    up_to_date(project, job)
    assert old in TOY
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace(old, new, 1))
    assert why_wanted(load_grid("toy"), job, project) == stale


def _change_cell(notebook: dict, find: str, change: Callable[[dict], None]) -> None:
    for cell in notebook["cells"]:
        if find in "".join(cell["source"]):
            change(cell)
            return
    raise AssertionError(find)


@pytest.mark.parametrize(
    ("find", "change", "stale"),
    [
        ("trial = measure", lambda cell: cell["source"].append("\ntrial = None"), "stale: code changed"),
        ("trial = measure", lambda cell: cell["source"].append("\n# a remark"), None),
        ("trial = measure", lambda cell: cell.update(execution_count=99), None),
        ("show.grid", lambda cell: cell.update(outputs=[]), None),
        ("show.grid", lambda cell: cell["source"].append("\nprint()"), None),
    ],
)
def test_change_in_the_notebook(project: Path, find: str, change: Callable[[dict], None], stale: str | None) -> None:
    job = Job("toy", "wiener", "gaussian", "smoke")
    up_to_date(project, job)
    notebook = json.loads((project / EVALUATE).read_text())
    _change_cell(notebook, find, change)
    (project / EVALUATE).write_text(json.dumps(notebook))
    assert why_wanted(load_grid("toy"), job, project) == stale


def test_row_without_digest_is_stale(project: Path) -> None:
    job = Job("toy", "wiener", "gaussian", "smoke")
    write_row(make_row(), project / job.path)
    assert why_wanted(load_grid("toy"), job, project) == "stale: settings and code changed"


def test_code_reached_is_what_the_run_uses_and_no_more() -> None:
    found = set(reached_code(["ilib.classical.wiener"]))
    assert {"ilib.classical.wiener", "ilib.classical.gradient_power", "ilib.operators.CircularConvolution"} <= found
    assert "ilib.operators.otf" in found, "through the class"
    assert not {"ilib.classical.tv", "ilib.classical.HL_SCALE", "ilib.kernels.motion"} & found
    assert not any(name.startswith(("ilib.data", "ilib.errors")) for name in found)


def test_code_reached_follows_the_run() -> None:
    found = reached_code(["ilib.results.runs.measure", "ilib.results.runs.scores_of"])
    assert {"ilib.degrade.Measurement", "ilib.results.runs.find_function"} <= set(found)
    assert '"""' not in found["ilib.results.runs.measure"]


CHECKED = """
from .errors import check_finite
def helper(x): return x
def f(x, n):
    check_finite(x)
    if helper(n) < 1:
        hint = "more"
        raise ValueError(hint)
    return 2 * x
"""
UNCHECKED = "def f(x, n):\n    return 2 * x"


def test_checks_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the check's own lines nor the definitions that it alone reaches."""
    monkeypatch.setattr(module, "source_of", {"ilib.checked": CHECKED, "ilib.unchecked": UNCHECKED}.get)
    assert reached_code(["ilib.checked.f"]) == {"ilib.checked.f": UNCHECKED}
    assert reached_code(["ilib.unchecked.f"]) == {"ilib.unchecked.f": UNCHECKED}


@pytest.mark.parametrize(
    "line",
    ["x = check(x)", "if n < 1:\n        x = 0", "if n < 1:\n        return x\n        raise ValueError",
     "if n < 1:\n        raise ValueError\n    else:\n        x = 0", "if (n := n - 1) < 1:\n        raise ValueError",
     "checkpoint(x)", "change(x)"],
)  # fmt: skip
def test_what_may_change_a_figure_counts(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"ilib.counts_{abs(hash(line))}"  # a module's text is read once
    monkeypatch.setattr(module, "source_of", {name: f"def f(x, n):\n    {line}\n    return 2 * x"}.get)
    assert line in reached_code([f"{name}.f"])[f"{name}.f"]


def test_checks_change_nothing_that_they_are_given() -> None:
    """A function with the name of a check binds names of its own, and writes into nothing."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "ilib").rglob("*.py")]
    checks = [node for tree in trees for node in ast.walk(tree)
              if isinstance(node, ast.FunctionDef) and module.CHECK.match(node.name)]  # fmt: skip
    assert len(checks) > 40
    for check in checks:
        parts = list(ast.walk(check))
        targets = [t for part in parts for t in getattr(part, "targets", [getattr(part, "target", None)])]
        assert all(isinstance(target, ast.Name | ast.Tuple | None) for target in targets), check.name
        called = [p.func.attr for p in parts if isinstance(p, ast.Call) and isinstance(p.func, ast.Attribute)]
        assert not [name for name in called if name.endswith("_")], check.name


def test_comments_and_docstrings_do_not_count() -> None:
    plain = "def f(x):\n    return '# no comment'"
    noisy = '"""Module."""\n\n\n# first\ndef f(x):  # second\n    """Function."""\n\n'
    noisy += "    return '# no comment'  # third\n"
    lines = [line for line in without_comments(noisy).splitlines() if line]
    assert "\n".join(lines) == plain


def test_notebook_code_leaves_out_what_only_shows() -> None:
    code = notebook_code(ROOT / EVALUATE)
    assert "measure(" in code
    assert "show.grid" not in code
    assert "pip" not in code


def test_settings_do_not_name_the_machine(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job("toy", "wiener", "gaussian", "smoke")
    before = settings_of(load_grid("toy"), job)
    monkeypatch.setenv("ILIB_DATA", str(project))
    assert settings_of(load_grid("toy"), job) == before


# ---- queue and list


def test_queue_in_order_of_value(project: Path) -> None:
    stale = Job("toy", "blurred", "gaussian", "smoke")
    write_row(make_row(**stale._asdict()), project / stale.path)
    up_to_date(project, Job("toy", "wiener", "motion", "smoke"))
    tasks = wanted_tasks("smoke", project)
    assert [(t.job.row, t.job.column, t.why.split(":")[0]) for t in tasks] == [
        ("blurred", "motion", "missing"),  # the paper prints it
        ("wiener", "gaussian", "missing"),
        ("blurred", "gaussian", "stale"),
    ]
    assert [t.minutes for t in tasks] == [None, 0.5, None]


def test_queue_whose_reader_has_gone(project: Path) -> None:
    """`python -m ilib.results queue | head` ends without a word about pipes."""
    words = [sys.executable, "-m", "ilib.results", "queue"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=os.environ | {"PYTHONPATH": str(ROOT)})  # fmt: skip
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0
    process.stderr.close()


def test_queue_prints_commands_and_minutes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queue", "--profile", "smoke"]) == 0
    printed = capsys.readouterr().out
    assert "4 rows, 1 minutes" in printed
    assert "make tables PROFILE=smoke TABLE=toy" in printed
    assert papermill_command(Job("toy", "wiener", "motion", "smoke")) in printed
    assert "toy: wiener, motion, smoke, seed 0: missing, 0.5 min" in printed


def test_queue_sees_changed_data(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for job in load_grid("toy").jobs("smoke"):
        up_to_date(project, job)  # with a checksum of zeros
    assert wanted_tasks("smoke", project) == []
    assert {task.why for task in wanted_tasks("smoke", project, look_at_data=True)} == {"stale: data changed"}


def test_queue_without_anything_to_do(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queue", "--profile", "gpu"]) == 0
    assert capsys.readouterr().out == "gpu: nothing is missing or stale.\n"


def test_list(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    up_to_date(project, Job("toy", "wiener", "motion", "smoke"))
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert "wiener--motion--smoke--s0: psnr 23.000, ssim 0.625, n = 3, up to date" in printed
    assert "mbdgan: not run: it is not trained yet" in printed


def test_error_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace("rows:", "row:"))
    assert main(["list"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("ilib.results: toy.yaml: 'row' is no key allowed under the grid (did you mean rows?)")
    assert printed.count("\n") == 1


def test_command_line_runs() -> None:
    words = [sys.executable, "-m", "ilib.results", "list"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "mbdgan_1: " in done.stdout


def test_plan_of_a_thousand_rows_is_quick(project: Path) -> None:
    content = yaml.safe_load(TOY)
    content["profiles"]["cpu"]["seeds"] = list(range(250))
    grid: Grid = parse_grid("toy", content)
    start = time.perf_counter()
    assert sum(why_wanted(grid, job, project) == "missing" for job in grid.jobs("cpu")) == 1000
    jobs = grid.jobs("cpu")[:100]
    for job in jobs:
        write_row(make_row(**job._asdict(), parameters={"digest": digests(grid, job, project)}), project / job.path)
    assert not any(why_wanted(grid, job, project) for job in jobs)
    assert time.perf_counter() - start < 15


def test_replaced_row_is_checked() -> None:
    with pytest.raises(ValueError, match="per_image"):
        replace(make_row(), n=2)
