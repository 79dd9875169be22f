"""From the grid's train block to weights and the row that uses them: typos, digests, registry, papermill, Snakemake."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_results import TOY, make_row, project, up_to_date  # noqa: F401 (a fixture)
from test_results_runs import papermill, plan, planned, run, snakemake, workflow  # noqa: F401 (a fixture)

from ilib.gan import restore
from ilib.gan.registry import WEIGHTS, curve_of, read_registry
from ilib.gan.train import Session, train
from ilib.gan.weights import build_network, load_weights, save_weights
from ilib.kernels import delta, gaussian
from ilib.networks import ResNet
from ilib.operators import Blur, CircularBlur, CircularConvolution
from ilib.results import Grid, Job, load_grid, read_row
from ilib.results.__main__ import main as queue
from ilib.results.digests import digests, settings_of, training_code, training_digests
from ilib.results.grids import TrainSpec, table_ids
from ilib.results.project import TRAIN
from ilib.results.queue import trainings_of, wanted_tasks, why_wanted
from ilib.results.trained import Training, weights_path, why_untrained, with_weights
from ilib.results.training import keep_weights, main, pictures_of, plan_training

ROOT = Path(__file__).resolve().parents[1]
JOB = Job("toy", "cnn", "motion", "smoke")
ROW = """
  cnn:
    label: a network
    method: ilib.gan.restore.generator
    train:
      network: ilib.networks.ResNet
      recipe: ilib.gan.recipes.cnn.CNN
      profiles:
        smoke: {network: &net {width: 4, blocks: 1}, settings: &set {steps: 20, batch: 2, crop: 16, held_out: 1,
          checkpoint_every: 0}, data: &data [{name: embedded/train, how: centre, size: 32}], minutes: 0.1}
        cpu: {network: *net, settings: *set, data: *data, minutes: 2}
"""
GRID = TOY.replace("\nprofiles:", ROW + "\nprofiles:")


@pytest.fixture
def trainable(project: Path) -> Path:  # noqa: F811
    """The toy project with a row that is trained."""
    (project / "notebooks/tables/toy.yaml").write_text(GRID)
    shutil.copy(ROOT / TRAIN, project / TRAIN)
    return project


def toy(old: str = "", new: str = "") -> Grid:
    """Load the toy grid, one text in it replaced."""
    assert old in GRID
    Path("notebooks/tables/toy.yaml").write_text(GRID.replace(old, new, 1))
    return load_grid("toy")


# ---- the train block


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("recipe:", "recipee:", "rows: cnn: train.*did you mean recipe"),
        ("network: ilib.networks.ResNet", "network: torch.nn.Linear", "must be a dotted name in ilib"),
        ("steps: 20", "step: 20", "profiles: smoke: settings: step is unknown; choose among steps"),
        ("crop: 16", "crop: big", "crop is 'big'; it must be a whole number"),
        ("minutes: 0.1", "minutes: soon", "minutes is 'soon'; it must be a number"),
        ("data: &data [{name: embedded/train, how", "data: &data [{nam: embedded/train, how", "did you mean name"),
        ("data: &data [{name: embedded/train, how: centre, size: 32}]", "data: &data embedded/train", "a list of sets"),
        ("        cpu: {network: *net", "        gpu: {network: *net", "'gpu' is no key.*choose one of smoke, cpu"),
        ("        cpu: {network: *net, settings: *set, data: *data, minutes: 2}", "", "has no cpu; the grid runs"),
        ("method: ilib.gan.restore.generator", "not_run: later", "train is for a row that is run"),
    ],
)
def test_typo_in_a_train_block_is_named(trainable: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"(?s)toy.yaml: .*{message}"):
        toy(old, new)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("width: 4", "widht: 4", "ilib.networks.ResNet cannot be built with.*widht"),
        ("ilib.networks.ResNet", "ilib.networks.ResNot", "ilib.networks.ResNot cannot be built.*ResNot"),
        ("recipes.cnn.CNN", "recipes.cnn.CMM", "ilib.gan.recipes.cnn.CMM, which does not exist"),
        ("minutes: 0.1}", "recipe: {weight: 1}, minutes: 0.1}", "cnn.CNN cannot be given {'weight': 1}"),
        ("embedded/train, how", "embedded/best, how", "best"),
    ],
)
def test_name_that_does_not_exist_stops_the_training(trainable: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_training(toy(old, new), JOB)


@pytest.mark.parametrize("units", [True, False])
def test_bfloat16_only_where_it_pays(trainable: Path, monkeypatch: pytest.MonkeyPatch, units: bool) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"amx_bf16": units}, raising=False)
    assert not plan_training(load_grid("toy"), JOB).settings.bf16, "where the grid does not ask for it, never"
    asked = toy("checkpoint_every: 0}", "checkpoint_every: 0, bf16: true}")
    assert plan_training(asked, JOB).settings.bf16 == units


def test_data_that_is_absent_stops_the_training(trainable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ILIB_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="Set ILIB_DATA"):
        plan_training(toy("embedded/train, how: centre, size: 32", "bsds500/train"), JOB)


def test_row_that_is_not_trained(trainable: Path) -> None:
    with pytest.raises(ValueError, match="row wiener of toy is not trained; choose one of cnn"):
        plan_training(load_grid("toy"), JOB._replace(row="wiener"))


@pytest.mark.parametrize("table", table_ids(ROOT))
def test_train_blocks_of_the_book_can_be_built(table: str) -> None:
    grid = load_grid(table, ROOT)
    for block in (grid.row(name).train for name in grid.runs()):
        for given in block.profiles.values() if isinstance(block, TrainSpec) else ():
            with torch.device("meta"):
                build_network(block.network, given.network)


def test_pictures_to_train_on() -> None:
    assert {tuple(p.shape) for p in pictures_of({"name": "embedded/train"}).pixels} != {(3, 256, 256)}, "whole"
    leaves = pictures_of({"name": "dead_leaves", "n": 2, "size": 16, "seed": 3})
    assert leaves.pixels.shape == (2, 3, 16, 16)
    assert leaves.sha256 == pictures_of({"name": "dead_leaves", "n": 2, "size": 16, "seed": 3}).sha256


# ---- weights and their registry


ENTRY = {"network": "ilib.networks.ResNet", "arguments": {"width": 4, "blocks": 1}, "data": [], "settings": {},
         "steps": 1, "digest": {}, "seconds": 1.0}  # fmt: skip


def test_weights_come_back_in_half_precision(tmp_path: Path) -> None:
    net = ResNet(4, 1)
    torch.nn.init.normal_(net.G[-1].weight)
    kept = save_weights("a", net, ENTRY, tmp_path)
    loaded, entry = load_weights("a", tmp_path)
    assert entry == kept
    assert entry["bytes"] == (tmp_path / "a.safetensors").stat().st_size
    for a, b in zip(net.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(a.detach().half().float(), b)
        assert not b.requires_grad


def test_missing_weights_say_what_trains_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no weights t--r--c--smoke--s0; train.*`snakemake data/weights/t--r"):
        load_weights("t--r--c--smoke--s0", tmp_path)


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    save_weights("a", ResNet(4, 1), ENTRY, tmp_path)
    path = tmp_path / "a.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="a.safetensors is not the file that the registry names"):
        load_weights("a", tmp_path)


def test_weights_out_of_range_are_not_saved(tmp_path: Path) -> None:
    net = ResNet(4, 1)
    torch.nn.init.constant_(net.G[-1].weight, 1e6)
    with pytest.raises(OverflowError, match="range of float16: nothing is saved"):
        save_weights("a", net, ENTRY, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "message"), [("{", "is no JSON"), ('{"schema": 7}', "another schema than 1"),
    ('{"schema": 1, "weights": {"a": {"sha256": ""}}}', "a has no bytes, network")])  # fmt: skip
def test_broken_registry_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "registry.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_registry(tmp_path)


WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from ilib.gan.registry import add_entries
entry = dict.fromkeys(("sha256", "bytes", "network", "arguments", "data", "settings", "steps", "digest", "seconds"))
for i in range(20):
    add_entries({f"{sys.argv[1]}{i}": entry}, Path(sys.argv[2]))
"""


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name, str(tmp_path)], cwd=ROOT) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(read_registry(tmp_path)) == 60


def test_generator_restores_a_batch(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    net = ResNet(4, 1)
    torch.nn.init.normal_(net.G[-1].weight, std=0.1)
    save_weights("b", net, ENTRY, project / WEIGHTS)
    y = torch.rand(3, 3, 17, 24)
    x_hat = restore.generator(y, None, weights="b")
    expected = load_weights("b")[0](y)
    assert x_hat.dtype == torch.float32
    assert (x_hat - expected).abs().max() < 1e-5
    assert (x_hat - torch.cat([restore.generator(one[None], None, weights="b") for one in y])).abs().max() < 1e-5
    with pytest.raises(FileNotFoundError, match="no weights c"):
        restore.generator(y, None, weights="c")


def test_generator_with_borders_continues_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network sees a larger picture and a periodic blur; what comes back has the size of y."""
    seen = {}

    def shown(y: torch.Tensor, A: object, **given: object) -> torch.Tensor:
        seen.update(y=y, A=A, **given)
        return y

    monkeypatch.setattr(restore, "generator", shown)
    y = torch.rand(2, 3, 20, 24)
    k = gaussian(1.0, 5)
    assert torch.equal(restore.generator_with_borders(y, Blur(k, "reflect"), weights="b", noise=0.1), y)
    assert seen["y"].shape[-2] > 20 and seen["y"].shape[-1] > 24 and (seen["weights"], seen["noise"]) == ("b", 0.1)
    assert isinstance(seen["A"], CircularConvolution) and torch.equal(seen["A"].kernel, k)


# ---- staleness


def trained(folder: Path, job: Job = JOB) -> None:
    """Put weights for a job there that keep the digests of now."""
    entry = ENTRY | {"digest": training_digests(load_grid("toy"), job)}
    save_weights(job.weights, ResNet(4, 1), entry, folder / WEIGHTS)


@pytest.mark.parametrize(
    ("old", "new", "stale"),
    [
        ("steps: 20", "steps: 21", "stale: settings changed"),
        ("width: 4", "width: 5", "stale: settings changed"),
        ("how: centre, size: 32", "how: centre, size: 33", "stale: settings changed"),
        ("length: 7", "length: 6", "stale: settings changed"),
        ("checkpoint_every: 0", "checkpoint_every: 5", None),
        ("minutes: 0.1", "minutes: 0.2", None),
        ("label: a network", "label: the network", None),
        ("sigma: 2.0", "sigma: 2.5", None),  # of another column
    ],
)
def test_change_in_a_train_block(trainable: Path, old: str, new: str, stale: str | None) -> None:
    assert why_untrained(load_grid("toy"), JOB, trainable) == "missing"
    trained(trainable)
    up_to_date(trainable, JOB)
    assert why_untrained(load_grid("toy"), JOB, trainable) is None
    assert why_wanted(load_grid("toy"), JOB, trainable) is None
    assert why_untrained(toy(old, new), JOB, trainable) == stale
    assert why_wanted(load_grid("toy"), JOB, trainable) == stale, "the row with them"


def test_other_weights_make_the_row_stale(trainable: Path) -> None:
    trained(trainable)
    up_to_date(trainable, JOB)
    net = ResNet(4, 1)
    torch.nn.init.ones_(net.G[-1].weight)
    save_weights(JOB.weights, net, ENTRY, trainable / WEIGHTS)
    assert why_wanted(load_grid("toy"), JOB, trainable) == "stale: weights changed"


def test_code_that_training_reaches(trainable: Path) -> None:
    found = set(training_code(load_grid("toy"), JOB))
    assert {"ilib.gan.train.train", "ilib.gan.train._Run", "ilib.gan.recipes.cnn.CNN", "ilib.networks.resnet.ResNet",
            "ilib.data.pictures.crops", "ilib.degrade.add_noise", "ilib.gan.settings.Settings"} <= found  # fmt: skip
    outside = ("ilib.gan.progress", "ilib.gan.checkpoints", "ilib.data.folders", "ilib.classical", "ilib.errors")
    assert not any(name.startswith(outside) for name in found)


def test_rows_without_training_are_as_they_were(trainable: Path) -> None:
    """Nothing of training is in the digests of a classical row."""
    grid, job = load_grid("toy"), Job("toy", "wiener", "motion", "smoke")
    assert set(digests(grid, job, trainable)) == {"settings", "code"}
    assert "train" not in settings_of(grid, job)
    assert with_weights(grid, job) is grid
    assert with_weights(grid, JOB).row("cnn").parameters == {"weights": "toy--cnn--motion--smoke--s0"}
    assert digests(with_weights(grid, JOB), JOB, trainable) == digests(grid, JOB, trainable)


def test_queue_lists_trainings(trainable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def wanted(profile: str) -> list[Training]:
        return trainings_of(wanted_tasks(profile, trainable))

    assert [t.job.column for t in wanted("smoke")] == ["gaussian", "motion"]
    assert [(t.why, t.minutes) for t in wanted("cpu")] == [("missing", 2)] * 4
    trained(trainable)
    assert [t.job.column for t in wanted("smoke")] == ["gaussian"]
    up_to_date(trainable, JOB)
    (trainable / weights_path(JOB)).unlink()
    assert [t.job.column for t in wanted("smoke")] == ["gaussian"], "its row is up to date"
    assert queue(["queue"]) == 0
    printed = capsys.readouterr().out
    assert "6 rows and 2 trainings, 1.2 minutes one after another" in printed
    asked = "toy: cnn, gaussian, smoke, seed 0: missing"
    assert printed.index(f"training of {asked}") < printed.index(TRAIN) < printed.index(f". {asked}")


def test_row_with_stale_weights_is_stale(trainable: Path) -> None:
    """A row that was computed with the weights of an earlier grid and keeps the digests of this one."""
    trained(trainable)
    toy("steps: 20", "steps: 21")
    up_to_date(trainable, JOB)
    assert why_wanted(load_grid("toy"), JOB, trainable) == "stale: its weights are"
    trained(trainable)
    up_to_date(trainable, JOB)
    assert why_wanted(load_grid("toy"), JOB, trainable) is None


# ---- weights that another table trains


DOLL = GRID.replace("A toy", "A doll").replace("embedded/test, size: 48", "embedded/test, size: 40")
DOLL = DOLL[: DOLL.index("    train:")] + "    train: {same_as: toy}\n" + DOLL[DOLL.index("\nprofiles:\n") :]
SHARED = JOB._replace(table="doll")


def doll(old: str = "", new: str = "") -> Grid:
    """Load a grid whose network is toy's, one text in it replaced."""
    assert old in DOLL
    Path("notebooks/tables/doll.yaml").write_text(DOLL.replace(old, new, 1))
    return load_grid("doll")


def test_weights_of_another_table(trainable: Path) -> None:
    grid = doll()
    assert grid.trained_by(SHARED) == (load_grid("toy"), JOB)
    assert with_weights(grid, SHARED).row("cnn").parameters == {"weights": JOB.weights}
    assert training_digests(grid, SHARED) == training_digests(load_grid("toy"), JOB)
    assert training_code(grid, SHARED) == training_code(load_grid("toy"), JOB)
    assert settings_of(grid, SHARED)["train"] == settings_of(load_grid("toy"), JOB)["train"]
    assert settings_of(grid, SHARED)["data"] == {"name": "embedded/test", "size": 40, "n": 2}
    tasks = [task for task in wanted_tasks("smoke", trainable) if task.job.row == "cnn"]
    assert [task.job[:3:2] for task in tasks] == [(t, c) for t in ("doll", "toy") for c in ("gaussian", "motion")]
    assert [training.job[:3:2] for training in trainings_of(tasks)] == [("toy", "gaussian"), ("toy", "motion")]
    trained(trainable)
    entry = read_registry(trainable / WEIGHTS)[JOB.weights]
    assert why_untrained(grid, SHARED, trainable) is None
    assert digests(grid, SHARED, trainable)["weights"] == entry["sha256"]
    up_to_date(trainable, SHARED)
    toy("steps: 20", "steps: 21")
    assert why_wanted(load_grid("doll"), SHARED, trainable) == "stale: settings changed", "toy's settings"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("same_as: toy", "same_as: toi", r"doll.yaml: 'toi' is no table \(did you mean toy\?\)"),
        ("same_as: toy", "same_like: toy", "doll.yaml: 'same_like' is no key allowed"),
        ("same_as: toy", "same_as: toy, network: x", "'network' is no key allowed under rows: cnn: train"),
        ("same_as: toy", "same_as: 3", "rows: cnn: train: same_as is 3; it must be a text"),
        ("same_as: toy", "same_as: toy, row: cmn", r"'cmn' is no row of toy .*\(did you mean cnn\?\)"),
        ("same_as: toy", "same_as: toy, row: wiener", "row wiener of toy is not trained; choose one of cnn"),
        ("same_as: toy", "same_as: toy, column: shake", "toy trains no column shake, which this table runs"),
        ("same_as: toy", "same_as: doll", "doll trains no weights for cnn but uses those of cnn of doll; name the row"),
        ("\n  motion:", "\n  shake:", "toy trains no column shake, which this table runs; it has gaussian, motion"),
        ("\n  cpu:", "\n  gpu:", "toy trains no profile gpu, which this table runs; it has smoke, cpu"),
        ("seeds: [0, 1]", "seeds: [0, 2]", r"toy trains no seed 2 at cpu, which this table runs; it has 0, 1"),
        ("same_as: toy}", "same_as: toy}\n    seeds: {smoke: [0, 3]}", "toy trains no seed 3 at smoke"),
    ],
)
def test_wrong_reference_to_weights_is_named(trainable: Path, old: str, new: str, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        doll(old, new)


def test_weights_of_one_column_for_all(trainable: Path) -> None:
    grid = doll("same_as: toy", "same_as: toy, column: motion")
    for column in grid.conditions():
        assert grid.trained_by(SHARED._replace(column=column)) == (load_grid("toy"), JOB), "JOB is that of motion"


def test_chain_of_references_is_refused(trainable: Path) -> None:
    doll()
    Path("notebooks/tables/third.yaml").write_text(DOLL.replace("same_as: toy", "same_as: doll"))
    with pytest.raises(ValueError, match="third.yaml: rows: cnn: train: doll trains no.*uses those of cnn of toy"):
        load_grid("third")


def test_two_rows_of_a_table_share_weights(trainable: Path) -> None:
    again = "  again: {label: again, method: ilib.gan.restore.generator, train: {same_as: toy, row: cnn}}\nprofiles:\n"
    grid = toy("profiles:\n  smoke: {data", again + "  smoke: {data")
    assert grid.trained_by(JOB._replace(row="again"))[1] == JOB


def test_weights_are_trained_where_they_belong(trainable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doll()
    assert main([*SHARED[:4]]) == 1
    assert f"trained there: snakemake data/weights/{JOB.weights}.safetensors" in capsys.readouterr().err


# ---- training from the command line, papermill and Snakemake


def test_command_trains_and_says_what_is_wrong(trainable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*JOB[:4]]
    assert main([*words, "--minutes", "0"]) == 1
    assert "stopped at step 10; give the same command again" in capsys.readouterr().err
    checkpoint = trainable / "checkpoints" / f"{JOB.weights}.pt"
    assert checkpoint.exists()
    assert main(words) == 0
    assert not checkpoint.exists(), "the weights are kept"
    entry = load_weights(JOB.weights)[1]
    assert (entry["steps"], entry["data"][0]["name"], entry["data"][0]["pictures"]) == (20, "embedded/train", 5)
    assert why_untrained(load_grid("toy"), JOB, trainable) is None
    assert main(["toy", "wiener", "motion", "smoke"]) == 1
    assert "is not trained" in capsys.readouterr().err


def test_papermill_trains_then_evaluates(trainable: Path) -> None:
    done = papermill_train(trainable, **JOB._asdict(), output=weights_path(JOB))
    assert done.returncode == 0, done.stderr
    done = papermill(trainable, **JOB._asdict(), output=JOB.path)
    assert done.returncode == 0, done.stderr
    row = read_row(trainable / JOB.path)
    entry = read_registry(trainable / WEIGHTS)[JOB.weights]
    doll()
    done = papermill(trainable, **SHARED._asdict(), output=SHARED.path)
    assert done.returncode == 0, done.stderr
    shared = read_row(trainable / SHARED.path)
    assert (shared.weights, shared.train_seconds) == (row.weights, row.train_seconds)
    assert (shared.data["size"], why_wanted(load_grid("doll"), SHARED, trainable)) == (40, None)
    steps, curve = curve_of(entry)
    assert (steps[0], steps[-1], curve[-1]) == (0, entry["steps"], round(entry["psnr_held_out"], 2))
    assert row.weights == {"name": JOB.weights, "sha256": entry["sha256"]}
    assert row.train_seconds == entry["seconds"] > 0
    assert why_wanted(load_grid("toy"), JOB, trainable) is None
    assert str(trainable) not in (trainable / WEIGHTS / "registry.json").read_text(), "no path of this machine"


def test_a_blank_page_restored_exactly_is_left_out_of_the_curve() -> None:
    assert curve_of({"psnr_by_step": "0:15.78 500:inf 1000:16.75"}) == ([0, 1000], [15.78, 16.75])


def papermill_train(folder: Path, **parameters: object) -> subprocess.CompletedProcess[str]:
    words = [word for name, value in parameters.items() for word in ("-p", name, str(value))]
    return run([sys.executable, "-m", "papermill", "--no-progress-bar", TRAIN, "log.ipynb", *words], folder)


def test_weights_of_a_trial_are_not_kept(trainable: Path) -> None:
    grid, place = load_grid("toy"), trainable / weights_path(JOB)
    plan = plan_training(grid, JOB, steps=5)
    trial = train(plan.recipe, plan.source, plan.settings, Session(progress=False))
    with pytest.raises(ValueError, match="stopped at step 5: only a training that is done as the grid says"):
        keep_weights(grid, plan, trial, place)
    with pytest.raises(ValueError, match="belong in toy--cnn--motion--smoke--s0.safetensors, not in other"):
        keep_weights(grid, plan, replace(trial, step=20), trainable / "other.safetensors")
    assert not (trainable / WEIGHTS).exists()


def test_help_of_the_training_notebook() -> None:
    printed = run([sys.executable, "-m", "papermill", "--help-notebook", TRAIN], ROOT).stdout
    for name in ("table: str", "row: str", "profile: str", "seed: int", "output: str", "checkpoint: str", "steps: int"):
        assert name in printed


@pytest.fixture
def sweep(workflow: Path) -> Path:  # noqa: F811
    """The toy project with a row that is trained, and the Snakefile."""
    (workflow / "notebooks/tables/toy.yaml").write_text(GRID)
    shutil.copy(ROOT / TRAIN, workflow / TRAIN)
    return workflow


@snakemake
def test_plan_trains_what_a_row_needs(sweep: Path) -> None:
    row, weights = JOB.name, JOB.weights
    assert planned(sweep, str(JOB.path)) == {row, weights}
    trained(sweep)
    assert planned(sweep, str(JOB.path)) == {row}
    up_to_date(sweep, JOB)
    assert planned(sweep, str(JOB.path)) == set()
    os.utime(sweep / weights_path(JOB))
    assert planned(sweep, str(JOB.path)) == set(), "dates do not matter"
    toy("steps: 20", "steps: 30")
    assert planned(sweep, str(JOB.path)) == {row, weights}
    status, printed = plan(sweep, "-n", str(weights_path(JOB._replace(row="wiener"))))
    assert status != 0
    assert "row wiener of toy is not trained; choose one of cnn" in printed


@snakemake
def test_plan_trains_what_rows_share_once(sweep: Path) -> None:
    doll()
    assert planned(sweep, str(JOB.path), str(SHARED.path)) == {JOB.name, JOB.weights}, "rows of both have one name"
    status, printed = plan(sweep, "-n", str(SHARED.path), str(JOB.path))
    assert status == 0
    assert re.search(r"weights +1\n", printed) and re.search(r"row +2\n", printed)
    assert "training of toy: cnn, motion, smoke, seed 0: about 0.1 min" in printed
    trained(sweep)
    assert planned(sweep, str(SHARED.path)) == {SHARED.name}
    up_to_date(sweep, SHARED)
    assert planned(sweep, str(SHARED.path)) == set()


@snakemake
def test_killed_training_is_finished_by_the_next_run(sweep: Path) -> None:
    toy("steps: 20", "steps: 200")
    words = [sys.executable, "-m", "snakemake", "--cores", "1", str(weights_path(JOB))]
    process = subprocess.Popen(words, cwd=sweep, start_new_session=True, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(ROOT)})  # fmt: skip
    checkpoint = sweep / "checkpoints" / f"{JOB.weights}.pt"
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (sweep / weights_path(JOB)).exists()
    reached = torch.load(checkpoint)["state"]["step"]
    assert 0 < reached < 200
    assert plan(sweep, "--unlock")[0] == 0
    status, printed = plan(sweep, str(weights_path(JOB)))
    assert status == 0, printed
    assert load_weights(JOB.weights, sweep / WEIGHTS)[1]["steps"] == 200
    log = json.loads((sweep / f"results/logs/toy/{JOB.name}.train.ipynb").read_text())
    steps = [int(n) for n in re.findall(r"(\d+)/200", json.dumps(log))]
    assert min(steps) >= reached, "it went on from the checkpoint"


# ---- what is committed


def what_it_makes(network: torch.nn.Module, name: str) -> list[torch.Tensor]:
    """Call a network on what its kind takes."""
    if name.endswith("Encoder"):
        return list(network(torch.rand(1, 28, 28) if "Blur" in name else torch.rand(1, 3, 32, 32)))
    if hasattr(network, "latent"):
        return [network(torch.randn(1, network.latent))]
    side = getattr(network, "side", 40)
    y, A, sigma = torch.rand(1, 3, side, side), CircularBlur(delta(3).float()), torch.full((1, 1, 1, 1), 0.01)
    return [network(y) if name.startswith("ilib.patch_prior") else network(y, A, sigma)]


def test_weights_of_the_book_are_those_of_the_registry() -> None:
    """Each file is registered, whole, small and built from data whose terms are named; nothing is registered twice."""
    entries, files = read_registry(ROOT / WEIGHTS), {p.stem: p for p in (ROOT / WEIGHTS).glob("*.safetensors")}
    assert files.keys() <= entries.keys()
    for name, path in files.items():
        network, entry = load_weights(name, ROOT / WEIGHTS)  # checks the sha256
        assert path.stat().st_size == entry["bytes"]
        assert all(set(data) >= {"name", "sha256", "terms"} for data in entry["data"])
        assert all(part.isfinite().all() for part in what_it_makes(network, entry["network"]))
        assert "smoke" not in name or entry["bytes"] < 1_000_000
    assert files
