"""Sweeps over rows with trained weights: tested with the base table's, or trained anew at each point."""

import re
from pathlib import Path

import pytest
from test_results import project, up_to_date  # noqa: F401 (a fixture)
from test_results_runs import ROOT, plan, planned, snakemake, workflow  # noqa: F401 (a fixture)
from test_sweeps import sweep
from test_training import DOLL, GRID, JOB, ROW, toy, trainable, trained  # noqa: F401 (a fixture)
from test_training import sweep as trainable_workflow  # noqa: F401 (a fixture)

from ilib.gan.registry import WEIGHTS
from ilib.gan.weights import load_weights
from ilib.results import Job, load_grid
from ilib.results.digests import settings_of, training_digests, training_settings
from ilib.results.queue import trainings_of, wanted_tasks, why_wanted
from ilib.results.sweeps import Sweep, cut_evenly, load_sweep, sweep_ids
from ilib.results.trained import needed_training, why_untrained, with_weights
from ilib.results.training import main, plan_training

BASE = "base: toy\nrows: [cnn]\ncolumns: [motion]\nprofiles: [smoke]\n"


def load(folder: Path, vary: str, more: str = "", name: str = "s") -> Sweep:
    sweep(folder, f"{BASE}{more}vary: {vary}\n", name)
    return load_sweep(name)


def point(table: str) -> Job:
    return JOB._replace(table=table)


@pytest.mark.parametrize(
    ("vary", "table"),
    [("{noise: [0, 0.01]}", "s_0p01"), ("{data.n: [1, 2]}", "s_1"), ("{kernel.length: [6]}", "s_6")],
)
def test_whatever_is_varied_is_tested_with_the_bases_weights(trainable: Path, vary: str, table: str) -> None:  # noqa: F811
    load(trainable, vary)
    grid, base = load_grid(table), load_grid("toy")
    assert grid.trained_by(point(table)) == (base, JOB)
    assert with_weights(grid, point(table)).row("cnn").parameters == {"weights": JOB.weights}
    changed, plain = settings_of(grid, point(table)), settings_of(base, JOB)
    assert len([name for name in plain if plain[name] != changed[name]]) == 1, "train is as it was"
    assert why_untrained(grid, point(table), trainable) == "missing"
    trained(trainable)
    assert why_untrained(grid, point(table), trainable) is None
    up_to_date(trainable, point(table))
    assert why_wanted(load_grid(table), point(table), trainable) is None
    toy("steps: 20", "steps: 21")
    assert why_wanted(load_grid(table), point(table), trainable) == "stale: settings changed"


def test_one_training_for_all_noise_levels(trainable: Path) -> None:  # noqa: F811
    load(trainable, "{noise: [0, 0.01, 0.02]}")
    tasks = wanted_tasks("smoke", trainable, ["s"])
    assert [task.job.table for task in tasks] == ["s_0", "s_0p01", "s_0p02"]
    assert [training.job for training in trainings_of(tasks)] == [JOB]


@pytest.mark.parametrize(
    ("vary", "table", "changed"),
    [
        ("{train.settings.steps: [10, 40]}", "s_40", {"settings": {"steps": 40}}),
        ("{train.settings.betas: [[0.5, 0.999], [0, 0.9]]}", "s_0p5_0p999", {"settings": {"betas": [0.5, 0.999]}}),
        ("{train.network.width: [2, 4]}", "s_2", {"network": {"width": 2}}),
        ("{train.settings.steps: [10], train.network.width: [2, 8]}", "s_8",
         {"settings": {"steps": 10}, "network": {"width": 8}}),
        ("{train.settings.steps: [10], train.network.width: [2]}", "s_10",
         {"settings": {"steps": 10}, "network": {"width": 2}}),
    ],
)  # fmt: skip
def test_point_trains_its_own(trainable: Path, vary: str, table: str, changed: dict) -> None:  # noqa: F811
    load(trainable, vary)
    grid, plain = load_grid(table), training_settings(load_grid("toy"), JOB)
    assert grid.trained_by(point(table)) == (grid, point(table))
    settings = {k: v for k, v in plain["settings"].items()} | changed.get("settings", {})
    network = [plain["network"][0], plain["network"][1] | changed.get("network", {})]
    assert training_settings(grid, point(table)) == plain | {"settings": settings, "network": network}
    trained(trainable)
    needs = needed_training(grid, point(table), trainable)
    assert (needs.job, needs.why) == (point(table), "missing")
    assert needs.minutes == pytest.approx(0.1 * settings["steps"] / 20), "minutes go with the steps"


def test_point_that_repeats_the_base_takes_its_weights(trainable: Path) -> None:  # noqa: F811
    found = load(trainable, "{train.network.width: [2, 4]}")
    assert {t: found.grid(t).trained_by(point(t))[1].table for t in found.points()} == {"s_2": "s_2", "s_4": "toy"}
    found = load(trainable, "{train.network.width: [2, 4], noise: [0, 0.1]}")
    assert {found.grid(t).trained_by(point(t))[1].table for t in found.points()} == set(found.points())
    assert training_settings(found.grid("s_4_0p1"), point("s_4_0p1"))["noise"] == 0.1, "with all that is varied"


def test_a_recipes_parameter_is_varied(trainable: Path) -> None:  # noqa: F811
    with pytest.raises(ValueError, match="'weight' is no parameter of ilib.gan.recipes.cnn.CNN; choose one of none"):
        load(trainable, "{train.recipe.weight: [0, 0.5]}")
    recipe = "ilib.gan.recipes.mbd_gan.MBDGAN"
    toy("ilib.gan.recipes.cnn.CNN", recipe)
    load(trainable, "{train.recipe.weight: [0, 0.5], train.recipe.R: [{l1: 1}]}")
    settings = training_settings(load_grid("s_0p5"), point("s_0p5"))
    assert settings["recipe"] == [recipe, {"weight": 0.5, "R": {"l1": 1}}]
    assert plan_training(load_grid("s_0p5"), point("s_0p5")).recipe.weight == 0.5


def test_rows_that_are_trained_are_taken(trainable: Path) -> None:  # noqa: F811
    sweep(trainable, "base: toy\nvary: {train.settings.steps: [10, 30]}", "s")
    assert load_sweep("s").rows == ("cnn",)
    assert load_sweep("s").profiles == ("smoke", "cpu")


def test_profiles_of_a_sweep(trainable: Path) -> None:  # noqa: F811
    found = load(trainable, "{train.settings.steps: [10, 30]}")
    with pytest.raises(ValueError, match="'cpu' is no profile of s_10; choose one of smoke"):
        found.jobs("cpu")
    assert wanted_tasks("cpu", trainable, ["s"]) == []


@pytest.mark.parametrize(
    ("vary", "more", "message"),
    [
        ("{train.settings.stps: [1, 2]}", "", r"'stps' is no setting of a training \(did you mean steps\?\)"),
        ("{train.settings.seed: [1, 2]}", "", "'seed' is no setting of a training"),
        ("{train.network.widht: [1, 2]}", "", r"'widht' is no parameter of ilib.networks.ResNet \(did you mean width"),
        ("{train.recipe.generator: [1, 2]}", "", "'generator' is no parameter of ilib.gan.recipes.mbd_gan.MBDGAN"),
        ("{train.recipe.wieght: [1, 2]}", "", r"'wieght' is no parameter of .*MBDGAN \(did you mean weight\?\)"),
        ("{train.recpe.weight: [1, 2]}", "", r"setting that can be varied \(did you mean train.recipe.weight\?\)"),
        ("{method.weights: [a, b]}", "", "'weights' is no parameter of ilib.gan.restore.generator"),
        ("{train.settings.steps: [10, 0]}", "", "steps is 0; it must be a whole number, 1 or more"),
        ("{train.settings.lr: [fast, 1]}", "", "lr is 'fast'; it must be a number"),
        ("{train.data.n: [2, 4]}", "", "train.data.n needs the size of embedded/train: add `sizes: {embedded/train: N"),
        ("{train.data.n: [2, 9]}", "sizes: {embedded/train: 5}\n", "is 9, but embedded/train hold 5 pictures"),
        ("{train.data.n: [1, 2]}", "sizes: {embedded/train: 5}\n", "train.data.n is 1, and 1 of these are held out"),
        ("{train.data.n: [few, 2]}", "sizes: {embedded/train: 5}\n", "train.data.n is 'few'; it must be a whole"),
        ("{train.data.n: [2, 3]}", "sizes: {embedded/train: five}\n", "sizes: embedded/train is 'five'"),
        ("{noise: [0, 1]}", "sizes: 5\n", "sizes is 5; it must be a block"),
    ],
)
def test_typo_is_named(trainable: Path, vary: str, more: str, message: str) -> None:  # noqa: F811
    toy("ilib.gan.recipes.cnn.CNN", "ilib.gan.recipes.mbd_gan.MBDGAN")
    with pytest.raises((ValueError, TypeError), match=f"s.yaml: .*{message}"):
        load(trainable, vary, more)


def test_row_that_is_not_trained_here(trainable: Path) -> None:  # noqa: F811
    sweep(trainable, "base: toy\nrows: [wiener]\nvary: {train.settings.steps: [10, 30]}", "s")
    with pytest.raises(ValueError, match="'wiener' is no row of toy that can be run; choose one of cnn"):
        load_sweep("s")
    Path("notebooks/tables/doll.yaml").write_text(DOLL)
    sweep(trainable, "base: doll\nvary: {train.settings.steps: [10, 30]}", "s")
    with pytest.raises(ValueError, match="vary: no row of doll is trained there; start from toy, whose weights it"):
        load_sweep("s")
    sweep(trainable, "base: doll\nrows: [cnn]\nvary: {noise: [0, 0.1]}", "s")
    assert load_sweep("s").grid("s_0").trained_by(point("s_0"))[1] == JOB, "a sweep of a table that shares"
    Path("notebooks/tables/toy.yaml").write_text(GRID.replace(ROW, ""))
    Path("notebooks/tables/doll.yaml").unlink()
    sweep(trainable, "base: toy\nvary: {train.settings.steps: [10, 30]}", "s")
    with pytest.raises(ValueError, match="no row of toy is trained, so that nothing under train. can be varied"):
        load_sweep("s")


# ---- how many pictures


@pytest.mark.parametrize(
    ("n", "taken"), [(1, [1, 0, 0]), (3, [2, 1, 0]), (6, [4, 2, 0]), (60, [39, 20, 1]), (600, [390, 200, 10])]
)
def test_sets_are_cut_evenly(n: int, taken: list[int]) -> None:
    blocks = ({"name": "a", "how": None}, {"name": "b"}, {"name": "dead_leaves", "n": 10})
    found = {block["name"]: block for block in cut_evenly(blocks, n, {"a": 390, "b": 200})}
    assert found == {b["name"]: b | {"n": k} for b, k in zip(blocks, taken, strict=True) if k}


def test_more_pictures_contain_the_fewer() -> None:
    sizes = {"a": 6, "b": 6, "c": 2}
    blocks = tuple({"name": name} for name in sizes)
    counts = [{b["name"]: b["n"] for b in cut_evenly(blocks, n, sizes)} for n in range(1, 15)]
    assert all(few.get(s, 0) <= many.get(s, 0) for few, many in zip(counts, counts[1:], strict=False) for s in sizes)
    assert counts[-1] == sizes


def test_train_on_few_pictures(trainable: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """From the YAML to weights that were trained on three pictures, and the row that wants them."""
    load(trainable, "{train.data.n: [3, 4]}", "sizes: {embedded/train: 5}\n")
    job = point("s_3")
    assert main([*job[:4]]) == 0, capsys.readouterr().err
    entry = load_weights(job.weights, trainable / WEIGHTS)[1]
    assert [(block["name"], block["n"], block["pictures"]) for block in entry["data"]] == [("embedded/train", 3, 3)]
    assert entry["digest"] == training_digests(load_grid("s_3"), job)
    assert [training.job.table for training in trainings_of(wanted_tasks("smoke", trainable, ["s"]))] == ["s_4"]
    load(trainable, "{train.data.n: [3, 40]}", "sizes: {embedded/train: 50}\n")
    with pytest.raises(ValueError, match="embedded/train holds 5 pictures here, and the grid asks for 40"):
        plan_training(load_grid("s_40"), point("s_40"))


# ---- Snakemake


@snakemake
def test_plan_of_trained_sweeps(trainable_workflow: Path) -> None:  # noqa: F811
    load(trainable_workflow, "{noise: [0, 0.01, 0.02]}", name="noise")
    status, printed = plan(trainable_workflow, "-n", "noise")
    assert status == 0, printed
    assert f"data/weights/{JOB.weights}.safetensors" in printed
    assert re.search(r"weights +1\n", printed) and re.search(r"row +3\n", printed), "trained once"
    load(trainable_workflow, "{train.settings.steps: [10, 20, 30]}", name="steps")
    names = {f"data/weights/{point(t).weights}.safetensors" for t in ("steps_10", "toy", "steps_30")}
    assert {Path(name).stem for name in names} <= planned(trainable_workflow, "steps")


@pytest.mark.parametrize("name", sweep_ids(ROOT))
def test_every_training_of_the_projects_sweeps_can_be_planned(name: str) -> None:
    """Also where a table trains once for all columns and the sweep tests on others than the one that it names."""
    sweep = load_sweep(name, ROOT)
    for profile in sweep.profiles:
        for table in sweep.points():
            grid = sweep.grid(table)
            for job in grid.jobs(profile):
                if grid.rows[job.row].train is not None:
                    base, its = grid.trained_by(job)
                    assert training_settings(base, its)["settings"]
                    assert base.trained_by(its) == (base, its), "the one that trains is found at once"
