"""Rows that need a package outside ilib's dependencies: listed, queued and run only where it is installed."""

import importlib.util
import json
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from test_results import TOY, make_row, project  # noqa: F401 (a fixture)

from ilib.results import Job, load_grid
from ilib.results.carried import registry_needed
from ilib.results.grids import parse_grid, read_yaml
from ilib.results.queue import Task, wanted_tasks
from ilib.results.slots import with_data
from ilib.results.tables import rows_not_run

ROW = "  bm3d: {label: BM3D, method: ilib.bm3d.bm3d_deblurring, package: bm3d, minutes: {smoke: 0.4}}\n"
HERE = importlib.util.find_spec


@pytest.fixture
def grid_with_bm3d(project: Path) -> Path:  # noqa: F811
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace("  mbdgan:", f"{ROW}  mbdgan:"))
    return project


def pretend(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    spec = ModuleSpec("bm3d", None) if installed else None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec if name == "bm3d" else HERE(name))


@pytest.mark.parametrize("installed", [True, False])
def test_queued_only_where_it_is_installed(
    grid_with_bm3d: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    pretend(monkeypatch, installed)
    grid = load_grid("toy")
    assert [job.column for job in grid.jobs("smoke") if job.row == "bm3d"] == ["gaussian", "motion"]
    assert ("bm3d" in {job.row for job in grid.jobs_here("smoke")}) == installed
    assert ("bm3d" in {task.job.row for task in wanted_tasks("smoke", grid_with_bm3d)}) == installed
    assert {"blurred", "wiener"} <= {task.job.row for task in wanted_tasks("smoke", grid_with_bm3d)}


def test_the_table_says_what_is_missing(grid_with_bm3d: Path) -> None:
    grid = load_grid("toy")
    reasons = dict(rows_not_run(grid, [make_row(row="bm3d")]).to_numpy().tolist())
    assert reasons["BM3D"] == "not run yet: motion; needs the package bm3d: pip install 'ilib[bm3d]'"
    both = [make_row(row="bm3d", column=column) for column in ("gaussian", "motion")]
    assert "BM3D" not in set(rows_not_run(grid, both)["method"])
    assert reasons["Wiener"] == "not run yet: gaussian, motion"


def test_no_slot_carries_it(grid_with_bm3d: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, True)
    ready, _, waiting = with_data(wanted_tasks("smoke", grid_with_bm3d), grid_with_bm3d, tmp_path / "pictures")
    assert {task.job.row for task in ready} == {"blurred", "wiener"}
    assert {task.job.row: why for task, why in waiting.items()} == {
        "bm3d": "needs the package bm3d: pip install 'ilib[bm3d]'"}  # fmt: skip


def test_a_slot_carries_weights_that_a_parameter_names(project: Path) -> None:  # noqa: F811
    (project / "notebooks/tables/toy.yaml").write_text(
        TOY.replace("ilib.classical.wiener,", "ilib.epll.epll, parameters: {prior: patches},"))  # fmt: skip
    entry = dict.fromkeys(("sha256", "bytes", "network", "arguments", "data", "settings", "steps", "digest", "seconds"))
    (project / "data/weights").mkdir(parents=True)
    (project / "data/weights/registry.json").write_text(json.dumps(
        {"schema": 1, "weights": {"patches": entry, "other": entry}}))  # fmt: skip
    tasks = [Task(Job("toy", row, "motion", "smoke", 0), "missing", 1.0, False) for row in ("wiener", "blurred")]
    assert registry_needed(tasks, project) and not registry_needed(tasks[1:], project)


def test_package_is_for_a_row_that_is_run(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(TOY.replace("not_run: it is not trained yet", "not_run: later, package: bm3d"))
    with pytest.raises(ValueError, match="package is for a row that is run"):
        read_yaml(tmp_path / "toy.yaml", lambda content: parse_grid("toy", content))
