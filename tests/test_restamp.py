"""tools/restamp.py keeps what comes out the same, and nothing else."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from test_results import project  # noqa: F401 (a fixture)

from ilib.results import Job, Row, load_grid, read_row, write_row
from ilib.results.digests import digests
from ilib.results.rows import mean_and_sd
from ilib.results.runs import Cost, measure, method_of, restore, row_of, scores_of

JOB = Job("toy", "wiener", "motion", "cpu", 1)


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = Path(__file__).parents[1] / "tools" / "restamp.py"
    spec = importlib.util.spec_from_file_location("restamp", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def row(project: Path) -> Row:  # noqa: F811
    grid = load_grid("toy")
    trial = measure(grid, JOB.column, JOB.profile, seed=JOB.seed)
    with Cost() as cost:
        estimate = restore(method_of(grid, JOB.row, trial), trial)
    return row_of(grid, JOB, trial, scores_of(estimate.x_hat, trial.x), cost)


def of_old_code(row: Row, code: str = "old") -> Row:
    return replace(row, parameters={**row.parameters, "digest": {**row.parameters["digest"], "code": code}})


def test_row_that_comes_out_the_same_takes_the_digest_of_now(row: Row, project: Path, tool: ModuleType) -> None:  # noqa: F811
    old = of_old_code(row)
    write_row(old, project / JOB.path)
    tool.restamp_rows(project, {JOB: [old.parameters["digest"], None]})
    kept = read_row(project / JOB.path)
    assert kept.parameters["digest"] == digests(load_grid("toy"), JOB, project) != old.parameters["digest"]
    assert replace(kept, parameters=old.parameters) == old


def test_other_figures_stay_stale(row: Row, project: Path, tool: ModuleType) -> None:  # noqa: F811
    psnr = [row.per_image["psnr"][0] + 0.01, *row.per_image["psnr"][1:]]
    per_image = {**row.per_image, "psnr": psnr}
    old = of_old_code(replace(row, per_image=per_image, metrics={k: mean_and_sd(v) for k, v in per_image.items()}))
    write_row(old, project / JOB.path)
    tool.restamp_rows(project, {JOB: [old.parameters["digest"], None]})
    assert read_row(project / JOB.path) == old


@pytest.mark.parametrize("before", [{}, {"code": "older"}, {"settings": "others"}])
def test_row_that_was_stale_before_stays_so(row: Row, project: Path, tool: ModuleType, before: dict[str, str]) -> None:  # noqa: F811
    old = of_old_code(row)
    write_row(old, project / JOB.path)
    known = {JOB: [{**old.parameters["digest"], **before}, None]} if before else {}
    tool.restamp_rows(project, known)
    assert read_row(project / JOB.path) == old
