"""One run from the grid to the row: the set-up, papermill on the notebook, Snakemake's plan and what a kill leaves."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from test_results import TOY, project, up_to_date  # noqa: F401 (a fixture)

from ilib.data import load
from ilib.degrade import quantisation_noise, quantise
from ilib.gan.weights import training_command
from ilib.metrics import psnr
from ilib.results import Job, load_grid, read_row, write_row
from ilib.results.digests import digests
from ilib.results.project import EVALUATE
from ilib.results.queue import wanted_tasks
from ilib.results.runs import Cost, measure, method_of, restore, row_of, scores_of

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "ILIB_DATA"} | {
    "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "JUPYTER_PLATFORM_DIRS": "1"}  # fmt: skip


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)


# ---- the set-up


def test_measure_is_the_grids_measurement(project: Path) -> None:  # noqa: F811
    trial = measure(load_grid("toy"), "gaussian", "smoke")
    x = load("embedded/test", size=48, n=2).x
    assert torch.equal(trial.x, x)
    assert torch.equal(trial.y, quantise(trial.A(x)))
    assert trial.sigma == quantisation_noise(8)
    assert (trial.y * 255 - (trial.y * 255).round()).abs().max() < 1e-4
    assert trial.A.kernel.shape[-2:] == (9, 9)


def test_measure_at_another_noise_and_seed(project: Path) -> None:  # noqa: F811
    grid = load_grid("toy")
    noisy, again, other = (measure(grid, "motion", "smoke", noise=0.05, seed=s) for s in (0, 0, 1))
    assert torch.equal(noisy.y, again.y)
    assert not torch.equal(noisy.y, other.y)
    assert noisy.sigma == pytest.approx((0.05**2 + quantisation_noise(8) ** 2) ** 0.5)
    assert float((noisy.y - noisy.A(noisy.x)).std()) == pytest.approx(0.05, rel=0.1)


def test_method_is_told_the_noise(project: Path) -> None:  # noqa: F811
    grid = load_grid("toy")
    trial = measure(grid, "gaussian", "smoke", noise=0.02)
    method = method_of(grid, "wiener", trial)
    assert method.keywords == {"noise": trial.sigma}
    assert method_of(grid, "blurred", trial).keywords == {}
    with pytest.raises(ValueError, match="mbdgan of toy is not run: it is not trained yet"):
        method_of(grid, "mbdgan", trial)


def test_chunks_do_not_change_the_estimate(project: Path) -> None:  # noqa: F811
    grid = load_grid("toy")
    trial = measure(grid, "motion", "cpu")
    method = method_of(grid, "wiener", trial)
    x_hat = restore(method, trial).x_hat
    one_by_one = torch.cat([method(y[None], trial.A) for y in trial.y]).clamp(0, 1)
    assert x_hat.shape == trial.x.shape
    assert (x_hat - one_by_one).abs().max() < 1e-5
    figures = scores_of(x_hat, trial.x, chunk=2)
    assert figures["psnr"] == pytest.approx(psnr(x_hat, trial.x).tolist(), abs=1e-5)
    assert sorted(figures) == ["psnr", "ssim"]


def test_estimate_with_nan_leaves_no_row(project: Path) -> None:  # noqa: F811
    trial = measure(load_grid("toy"), "gaussian", "smoke")
    with pytest.raises(RuntimeError, match="no row is written"):
        restore(lambda y, A: y * float("nan"), trial)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{label: Wiener,", "{label: Wiener, parameters: {nois: 1},", "has no parameter nois; it has noise"),
        ("ilib.classical.wiener", "ilib.classical.winer", "names ilib.classical.winer, which does not exist"),
        ("ilib.kernels.gaussian", "ilib.kernel.gaussian", "names ilib.kernel.gaussian, which does not exist"),
        ("{sigma: 2.0, size: 9}", "{sigma: 2.0, width: 9}", "has no parameter width; it has sigma, size"),
        ("embedded/test", "embedded/best", "best"),
    ],
)
def test_bad_grid_entry_stops_the_run(project: Path, old: str, new: str, message: str) -> None:  # noqa: F811
    assert old in TOY
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace(old, new, 1))
    grid = load_grid("toy")
    with pytest.raises(ValueError, match=message):
        method_of(grid, "wiener", measure(grid, "gaussian", "smoke"))


def test_data_that_is_absent(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.delenv("ILIB_DATA", raising=False)
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace("embedded/train", "bsds500/val"))
    with pytest.raises(FileNotFoundError, match="ILIB_DATA"):
        measure(load_grid("toy"), "gaussian", "cpu")


def test_same_run_gives_the_same_row_but_for_the_cost(project: Path) -> None:  # noqa: F811
    grid, job = load_grid("toy"), Job("toy", "wiener", "motion", "cpu", 1)
    rows = []
    for _ in range(2):
        trial = measure(grid, job.column, job.profile, seed=job.seed)
        with Cost() as cost:
            x_hat = restore(method_of(grid, job.row, trial), trial).x_hat
        rows.append(row_of(grid, job, trial, scores_of(x_hat, trial.x), cost))
    same = [{k: v for k, v in vars(r).items() if k not in ("seconds", "peak_memory_mb", "date")} for r in rows]
    assert same[0] == same[1]
    assert rows[0].data == {"name": "embedded/train", "size": 48, "n": 5, "sha256": trial.pictures.sha256}
    assert rows[0].degradation["seed"] == 1
    assert rows[0].parameters["digest"] == digests(grid, job, project)
    assert write_row(rows[0], project / job.path).exists()


# ---- papermill


def papermill(folder: Path, **parameters: object) -> subprocess.CompletedProcess[str]:
    words = [word for name, value in parameters.items() for word in ("-p", name, str(value))]
    return run([sys.executable, "-m", "papermill", "--no-progress-bar", EVALUATE, "log.ipynb", *words], folder)


def test_papermill_writes_the_row(project: Path) -> None:  # noqa: F811
    job = Job("toy", "wiener", "gaussian", "smoke", 0)
    done = papermill(project, **job._asdict(), output=job.path)
    assert done.returncode == 0, done.stderr
    row = read_row(project / job.path)
    assert row.n == 2
    assert row.mean("psnr") > 20
    assert {job.row for job in (t.job for t in wanted_tasks("smoke", project))} == {"blurred", "wiener"}
    assert job not in [task.job for task in wanted_tasks("smoke", project, look_at_data=True)]
    for folder in (project, ROOT):
        assert str(folder) not in (project / job.path).read_text(), "no path of this machine"
    log = json.loads((project / "log.ipynb").read_text())
    shown = [kind for cell in log["cells"] for out in cell.get("outputs", []) for kind in out.get("data", {})]
    assert any(kind.startswith("image/") for kind in shown), "the log shows pictures"


def test_papermill_stops_at_an_unknown_row(project: Path) -> None:  # noqa: F811
    done = papermill(project, table="toy", row="winer", output="results/toy/winer--gaussian--smoke--s0.json")
    assert done.returncode != 0
    assert "did you mean wiener?" in done.stderr
    assert not (project / "results").exists()


def test_help_of_the_notebook() -> None:
    printed = run([sys.executable, "-m", "papermill", "--help-notebook", EVALUATE], ROOT).stdout
    for name in ("table: str", "row: str", "column: str", "profile: str", "seed: int", "output: str"):
        assert name in printed


# ---- Snakemake

snakemake = pytest.mark.skipif(shutil.which("snakemake", path=str(Path(sys.executable).parent)) is None,
                               reason="snakemake is not installed")  # fmt: skip


@pytest.fixture
def workflow(project: Path) -> Path:  # noqa: F811
    """The toy project with the Snakefile, its profile and a page."""
    for name in ("Snakefile", "profiles/default/config.yaml", "tools/notebooks.py", "tools/run.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, project / name)
    shutil.copy(ROOT / "notebooks/tables/mbdgan_1.ipynb", project / "notebooks/tables/toy.ipynb")
    return project


def plan(folder: Path, *words: str) -> tuple[int, str]:
    """Run Snakemake; return its status and all that it prints."""
    done = run([sys.executable, "-m", "snakemake", "--cores", "1", *words], folder)
    return done.returncode, done.stdout + done.stderr


def planned(folder: Path, *targets: str) -> set[str]:
    """Return the names of what would be made for some targets."""
    status, printed = plan(folder, "-n", "--summary", *targets)
    assert status == 0, printed
    lines = [line.split("\t") for line in printed.splitlines() if line.startswith(("results/", "data/"))]
    return {Path(words[0]).stem for words in lines if words[-1].strip() != "no update"}


@snakemake
def test_plan_lists_the_missing_and_the_stale(workflow: Path) -> None:
    every = {job.name: str(job.path) for job in load_grid("toy").jobs("smoke")}
    assert planned(workflow, *every.values()) == set(every), "rows asked for by name"
    fresh, stale = Job("toy", "wiener", "motion", "smoke"), Job("toy", "blurred", "motion", "smoke")
    up_to_date(workflow, fresh)
    up_to_date(workflow, stale)
    text = (workflow / "notebooks/tables/toy.yaml").read_text()
    changed = text.replace("method: ilib.classical.blurred", "parameters: {power: 1}, method: ilib.classical.wiener")
    (workflow / "notebooks/tables/toy.yaml").write_text(changed)
    assert planned(workflow, "toy") == set(every) - {fresh.name} | {"toy.smoke"}


@snakemake
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("toi",), "there is no table 'toi'; choose one of toy, or all of them: all"),
        (("data/weights/toy--wiener.safetensors",), "there are no weights 'toy--wiener'"),
        (("toy", "--config", "profile=paper"), "'paper' is no profile of toy; choose one of smoke, cpu"),
    ],
)
def test_wrong_target_is_told_what_there_is(workflow: Path, words: tuple[str, ...], message: str) -> None:
    status, printed = plan(workflow, "-n", *words)
    assert status != 0
    assert message in printed


@snakemake
@pytest.mark.parametrize(("part", "module"), [("prior", "training"), ("encoder", "training"), ("codes", "codes")])
def test_command_for_missing_prior_makes_it(workflow: Path, part: str, module: str) -> None:
    command = training_command(f"{part}--blur--smoke--s0").split()
    assert command[0] == "snakemake"
    status, printed = plan(workflow, "-n", *command[1:])
    assert status == 0, printed
    assert f"-m ilib.priors.{module} blur smoke --seed 0" in printed


@snakemake
def test_killed_run_leaves_no_row_and_the_next_finishes(workflow: Path) -> None:
    job = Job("toy", "blurred", "gaussian", "smoke")
    earlier = up_to_date(workflow, Job("toy", "wiener", "motion", "smoke"))
    words = [sys.executable, "-m", "snakemake", "--cores", "1", str(job.path)]
    process = subprocess.Popen(words, cwd=workflow, env=ENVIRONMENT, start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    log = workflow / f"results/logs/toy/{job.name}.ipynb"
    while not log.exists() and process.poll() is None:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (workflow / job.path).exists()
    assert plan(workflow, "--unlock")[0] == 0
    status, printed = plan(workflow, str(job.path))
    assert status == 0, printed
    assert read_row(workflow / job.path).n == 2
    assert read_row(workflow / earlier.job.path) == earlier
