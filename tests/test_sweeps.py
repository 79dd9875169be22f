"""Sweeps: five lines of YAML, the grids they stand for, and Snakemake on them, killed and on a cluster."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import nbformat
import pytest
from test_results import TOY, make_row, project, up_to_date  # noqa: F401 (a fixture)
from test_results_runs import ENVIRONMENT, ROOT, plan, planned, run, snakemake, workflow  # noqa: F401 (a fixture)

from ilib.results import Job, load_grid, read_row, write_row
from ilib.results.__main__ import main
from ilib.results.digests import settings_of
from ilib.results.queue import wanted_tasks
from ilib.results.sweeps import load_sweep, read_sweep, sweep_ids, word_of
from tools.tables import with_targets_last

NOISE = """
base: toy
rows: [wiener]
columns: [motion]
vary:
  noise: [0, 0.01]
"""


def sweep(folder: Path, text: str = NOISE, name: str = "noise") -> None:
    (folder / "notebooks/sweeps").mkdir(parents=True, exist_ok=True)
    (folder / f"notebooks/sweeps/{name}.yaml").write_text(text)


# ---- the YAML and its grids


def test_points_are_tables_of_their_own(project: Path) -> None:  # noqa: F811
    sweep(project)
    found = load_sweep("noise")
    assert found.points() == {"noise_0": {"noise": 0}, "noise_0p01": {"noise": 0.01}}
    assert found.jobs("smoke") == [Job(t, "wiener", "motion", "smoke") for t in ("noise_0", "noise_0p01")]
    job = Job("noise_0p01", "wiener", "motion", "smoke")
    base = settings_of(load_grid("toy"), job._replace(table="toy"))
    assert settings_of(load_grid("noise_0p01"), job) == base | {"noise": 0.01}
    assert load_grid("noise_0p01").title == "A toy: noise 0.01"
    assert sweep_ids(project) == ["noise"]


@pytest.mark.parametrize(
    ("vary", "table", "changed"),
    [
        ("kernel.length: [5, 6]", "s_6", {"kernel": ["ilib.kernels.motion", {"size": 9, "length": 6, "seed": 3}]}),
        ("method.noise: [0.5]", "s_0p5", {"method": ["ilib.classical.wiener", {"noise": 0.5}]}),
        ("data.n: [1, 2]", "s_1", {"data": {"name": "embedded/test", "size": 48, "n": 1}}),
        ("bits: [null, 4]", "s_none", {"bits": None}),
        ("{noise: [0.1], bits: [4, 6]}", "s_6", {"noise": 0.1, "bits": 6}),
    ],
)
def test_what_can_be_varied(project: Path, vary: str, table: str, changed: dict) -> None:  # noqa: F811
    sweep(project, f"base: toy\nrows: [wiener]\ncolumns: [motion]\nvary:\n  {vary}\n", "s")
    job = Job(table, "wiener", "motion", "smoke")
    base = settings_of(load_grid("toy"), job._replace(table="toy"))
    assert settings_of(load_grid(table), job) == base | changed


def test_number_of_pictures_is_that_of_every_column(project: Path) -> None:  # noqa: F811
    line = "  own: {label: own, kernel: ilib.kernels.delta, data: {smoke: {name: embedded/test, size: 32}}}"
    own = TOY.replace("columns:\n", f"columns:\n{line}\n")
    (project / "notebooks/tables/toy.yaml").write_text(own)
    sweep(project, "base: toy\nvary: {data.n: [1]}", "s")
    grid = load_grid("s_1")
    assert grid.data("own", "smoke") == {"name": "embedded/test", "size": 32, "n": 1}
    assert grid.data("motion", "smoke")["n"] == 1


def test_rows_and_columns_left_out_are_all_that_run(project: Path) -> None:  # noqa: F811
    sweep(project, "base: toy\nvary: {noise: [0]}")
    assert (load_sweep("noise").rows, load_sweep("noise").columns) == (("blurred", "wiener"), ("gaussian", "motion"))


def test_row_without_a_column_of_the_sweep_is_left_out(project: Path) -> None:  # noqa: F811
    limited = TOY.replace("label: Wiener,", "label: Wiener, columns: [motion],")
    (project / "notebooks/tables/toy.yaml").write_text(limited)
    sweep(project, "base: toy\nvary: {noise: [0, 0.01]}", "both")
    sweep(project, "base: toy\ncolumns: [gaussian]\nvary: {noise: [0, 0.01]}", "one")
    assert {job.column for job in load_sweep("both").jobs("smoke") if job.row == "wiener"} == {"motion"}
    assert load_sweep("one").rows == ("blurred",)


def test_words_of_values() -> None:
    assert [word_of(v) for v in (0, 0.01, 1e-5, -2, "bsds500/val", None)] == [
        "0",
        "0p01",
        "1em05",
        "m2",
        "bsds500_val",
        "none",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("base: toy", "base: toi", r"'toi' is no table \(did you mean toy\?\); choose one of toy"),
        ("base:", "bas:", r"'bas' is no key allowed under the sweep \(did you mean base\?\)"),
        ("base: toy\n", "", "the sweep has no base; it needs base, vary, and may have rows, columns"),
        ("[wiener]", "[winer]", r"'winer' is no row of toy that can be run \(did you mean wiener\?\)"),
        ("[wiener]", "[mbdgan]", "'mbdgan' is no row of toy that can be run; choose one of blurred, wiener"),
        ("[wiener]", "wiener", "rows is 'wiener'; it must be a list of names, as"),
        ("[motion]", "[motoin]", "did you mean motion"),
        (
            "noise:",
            "nois:",
            r"'nois' is no setting that can be varied \(did you mean noise\?\); choose one of noise, bits",
        ),
        ("[0, 0.01]", "0.01", "vary: noise is 0.01; it must be a list of values"),
        ("[0, 0.01]", "[0, -1]", "noise is -1; it must be a number, 0 or more"),
        ("[0, 0.01]", "[0, a lot]", "noise is 'a lot'; it must be a number"),
        ("[0, 0.01]", "[0.01, 0.01]", "two values of vary are the same"),
        ("noise: [0, 0.01]", "data.how: [centre, middle, MIDDLE]", "two values of vary are the same"),
        ("noise:", "kernle.length:", r"'kernle.length' is no setting .*\(did you mean kernel.length\?\)"),
        ("noise:", "kernel.lenght:", r"'lenght' is no parameter of ilib.kernels.motion \(did you mean length\?\)"),
        ("noise:", "method.powr:", "did you mean power"),
        ("noise: [0, 0.01]", "bits: [2.5]", "bits is 2.5; pass a whole number"),
        ("  noise: [0, 0.01]", "  noise: [0]\n  noise: [1]", "line 6: noise stands twice"),
    ],
)
def test_typo_is_named(project: Path, old: str, new: str, message: str) -> None:  # noqa: F811
    assert old in NOISE
    sweep(project, NOISE.replace(old, new, 1))
    with pytest.raises(ValueError, match=f"noise.yaml: .*{message}"):
        load_sweep("noise")


@pytest.mark.parametrize(
    ("maker", "vary", "message"),
    [
        ("camera: ilib.cameras.GanDCamera", "noise: [0, 0.01]", "toy have their own noise; vary kernel.variance"),
        ("pairs: ilib.results.columns.blurred", "noise: [0, 0.01]", "own noise; vary kernel.noise"),
        ("pairs: ilib.results.columns.blurred", "bits: [8, 6]", "own bits; choose other columns"),
        ("kernel: ilib.kernels.delta", "data.size: [32, 48]", "own of toy have their own pictures; choose other"),
        ("camera: ilib.gan.tasks.Shaken", "noise: [0, 0.01]", "own noise; vary kernel.noise"),
        ("kernel: ilib.kernels.delta", "noise: [0, 0.01]", ""),
        ("camera: ilib.cameras.GanDCamera", "bits: [null]", ""),
    ],
)
def test_values_that_no_column_reads_are_refused(project: Path, maker: str, vary: str, message: str) -> None:  # noqa: F811
    line = f"  own: {{label: own, {maker}, data: {{smoke: {{name: embedded/test, size: 32}}}}}}"
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace("columns:\n", f"columns:\n{line}\n"))
    sweep(project, f"base: toy\nvary: {{{vary}}}", "s")
    if message:
        with pytest.raises(ValueError, match=f"s.yaml: vary: the columns .*{message}"):
            load_sweep("s")
    else:
        assert load_sweep("s").columns == ("own", "gaussian", "motion")


def test_unknown_names(project: Path) -> None:  # noqa: F811
    sweep(project)
    with pytest.raises(ValueError, match=r"'nois' is no sweep \(did you mean noise\?\); choose one of noise"):
        load_sweep("nois")
    with pytest.raises(
        ValueError, match="'noise_0p02' is no point of the sweep noise .*choose one of noise_0, noise_0p01"
    ):
        load_grid("noise_0p02")
    sweep(project, name="toy")
    with pytest.raises(ValueError, match="toy is the name of a table; give the sweep another"):
        load_sweep("toy")


def test_read_sweep_and_queue(project: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    sweep(project)
    assert [task.job.table for task in wanted_tasks("smoke", project, ["noise"])] == ["noise_0", "noise_0p01"]
    row = up_to_date(project, Job("noise_0p01", "wiener", "motion", "smoke"))
    assert read_sweep("noise", project) == [({"noise": 0.01}, row)]
    assert main(["queue", "--table", "noise"]) == 0
    assert "noise_0: wiener, motion, smoke, seed 0: missing" in capsys.readouterr().out
    assert main(["queue"]) == 0
    assert capsys.readouterr().out.endswith("Sweeps are listed where they are named: --table noise\n")
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace("length: 7", "length: 6"))
    assert len(wanted_tasks("smoke", project, ["noise"])) == 2, "a changed base makes its points stale"


# ---- Snakemake

RUN_HERE = f"""
import sys, time
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from pathlib import Path
from ilib.results import Job
from test_results import up_to_date
words = dict(zip(sys.argv[4::3], sys.argv[5::3]))
time.sleep(WAIT)
up_to_date(Path.cwd(), Job(words["table"], words["row"], words["column"], words["profile"], int(words["seed"])))
"""  # in place of the notebook, whose PyTorch and kernel take seconds: it writes the row with the digests of now


@pytest.fixture
def eight(workflow: Path) -> list[Job]:  # noqa: F811
    """A sweep of eight tiny rows in the toy project."""
    sweep(workflow, "base: toy\nrows: [blurred]\ncolumns: [gaussian]\nvary: {noise: [0, 1, 2, 3, 4, 5, 6, 7]}")
    (workflow / "tools/run.py").write_text(RUN_HERE.replace("WAIT", "0.2"))
    shutil.copy(ROOT / "tools/tables.py", workflow / "tools/tables.py")
    return load_sweep("noise", workflow).jobs("smoke")


def stamps(folder: Path, jobs: list[Job]) -> dict[Job, tuple[bytes, int]]:
    paths = {job: folder / job.path for job in jobs}
    return {job: (path.read_bytes(), path.stat().st_mtime_ns) for job, path in paths.items() if path.exists()}


@snakemake
def test_killed_sweep_is_finished_by_the_next(workflow: Path, eight: list[Job]) -> None:  # noqa: F811
    """SIGKILL in the middle: what is there is whole, the lock is explained, the rerun runs what was missing."""
    assert planned(workflow, "noise") == {Path(job.path).stem for job in eight}
    words = [sys.executable, "tools/tables.py", "--cores", "2", "--", "noise"]
    process = subprocess.Popen(words, cwd=workflow, env=ENVIRONMENT, start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    while process.poll() is None and len(stamps(workflow, eight)) < 3:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = stamps(workflow, eight)
    assert 3 <= len(before) < 8, "the kill came in the middle"
    for job in before:
        assert read_row(workflow / job.path).job == job
    locked = run(words, workflow)
    assert locked.returncode != 0
    assert re.fullmatch(r"Why it stopped: A run that was killed has left its lock\. .*make unlock.*\n", locked.stderr)
    assert "LockException" not in locked.stdout
    assert plan(workflow, "--unlock")[0] == 0
    done = run(words, workflow)
    assert done.returncode == 0, done.stderr
    assert {job for job in eight if f"{job}: " in done.stdout + done.stderr} == set(eight) - set(before)
    after = stamps(workflow, eight)
    assert set(after) == set(eight)
    assert {job: after[job] for job in before} == before, "nothing finished is computed again"
    left = list((workflow / "results").rglob("*.tmp"))  # by a writer that was killed before its rename
    assert all(path.name.startswith(".") for path in left), "hidden, so that nothing reads it"


@snakemake
def test_plan_names_the_minutes(workflow: Path) -> None:  # noqa: F811
    status, printed = plan(workflow, "-n", "toy")
    assert status == 0
    assert "toy: wiener, motion, smoke, seed 0: about 0.5 min" in printed
    assert "toy: blurred, motion, smoke, seed 0: minutes not known" in printed


@snakemake
def test_same_row_twice_is_the_same_but_for_times(workflow: Path) -> None:  # noqa: F811
    shutil.copy(ROOT / "tools/run.py", workflow / "tools/run.py")
    job, rows = Job("toy", "wiener", "motion", "smoke"), []
    for _ in range(2):
        words = [word for name, value in job._asdict().items() for word in ("-p", name, str(value))]
        done = run([sys.executable, "tools/run.py", "notebooks/runs/evaluate.ipynb", "log.ipynb", *words,
                    "-p", "output", str(job.path)], workflow)  # fmt: skip
        assert done.returncode == 0, done.stderr
        rows.append({k: v for k, v in asdict(read_row(workflow / job.path)).items()
                     if k not in ("seconds", "peak_memory_mb", "date")})  # fmt: skip
        (workflow / job.path).unlink()
    assert rows[0] == rows[1]


def test_run_says_what_went_wrong_in_a_line(project: Path) -> None:  # noqa: F811
    done = run([sys.executable, str(ROOT / "tools/run.py"), "notebooks/runs/evaluate.ipynb", "log.ipynb",
                "-p", "table", "toy", "-p", "row", "winer"], project)  # fmt: skip
    assert done.returncode == 1
    assert "did you mean wiener?" in done.stderr
    assert "The whole story stands in log.ipynb" in done.stderr


def test_unknown_parameter_of_a_notebook() -> None:
    done = run([sys.executable, "tools/run.py", "notebooks/runs/evaluate.ipynb", "log.ipynb", "-p", "rwo", "tv"], ROOT)
    assert done.returncode == 2
    assert "has no parameter rwo; it has table, row, column, profile, seed, output" in done.stderr


@snakemake
@pytest.mark.parametrize(
    ("change", "target", "reason"),
    [
        (("rows:", "rws:"), "toy", "toy.yaml: 'rws' is no key allowed under the grid (did you mean rows?)"),
        (("", ""), "toi", "there is no table 'toi'; choose one of toy, or all of them: all"),
        (("", ""), "results/toy/winer--motion--smoke--s0.json", "'winer' is no row of toy (did you mean wiener?)"),
        (("", ""), "toy", "wiener--gaussian--smoke--s0.json: schema is 2 but this version of ilib reads 1"),
    ],
)
def test_plan_ends_with_the_reason(
    workflow: Path,  # noqa: F811
    change: tuple[str, str],
    target: str,
    reason: str,
) -> None:
    up_to_date(workflow, Job("toy", "wiener", "gaussian", "smoke"))
    if "schema" in reason:
        path = workflow / "results/toy/wiener--gaussian--smoke--s0.json"
        path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    (workflow / "notebooks/tables/toy.yaml").write_text(TOY.replace(*change, 1))
    done = run([sys.executable, str(ROOT / "tools/tables.py"), "-n", "--cores", "1", "--", target], workflow)
    assert done.returncode != 0
    assert done.stderr.startswith("Why it stopped: ")
    assert reason in done.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("--config profile=cpu mbdgan_1", "--config profile=cpu -- mbdgan_1"),
        ("-n --config profile=cpu mbdgan_1 gand_1 --cores 2", "-n --config profile=cpu --cores 2 -- mbdgan_1 gand_1"),
        ("--cores 2 --config profile=cpu -- mbdgan_1", "--cores 2 --config profile=cpu -- mbdgan_1"),
        ("mbdgan_1 -C profile=cpu -n", "mbdgan_1 -C profile=cpu -n"),
        ("mbdgan_1 --config profile=cpu gand_1", "mbdgan_1 --config profile=cpu -- gand_1"),
    ],
)
def test_target_after_the_settings(given: str, read: str) -> None:
    assert with_targets_last(given.split()) == read.split()


@snakemake
def test_command_as_one_would_write_it(workflow: Path) -> None:  # noqa: F811
    words = [sys.executable, str(ROOT / "tools/tables.py"), "-n", "--config", "profile=cpu", "toy"]
    done = run(words, workflow)
    assert done.returncode == 0, done.stderr
    assert re.search(r"row +8\b", done.stdout), "rows of cpu, two seeds each"


@snakemake
def test_plan_of_a_thousand_rows_by_snakemake(workflow: Path) -> None:  # noqa: F811
    (workflow / "notebooks/tables/toy.yaml").write_text(TOY.replace("seeds: [0, 1]", f"seeds: {list(range(250))}"))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    status, printed = plan(workflow, "-n", "toy", "--config", "profile=cpu")
    assert status == 0
    assert re.search(r"row +1000\b", printed)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 15, "seconds, not counting other processes"


PAGE = """
from ilib.results import read_rows
from ilib.results.project import project_folder
rows = read_rows(project_folder() / "results/toy")
assert len(rows) == 4
print(len(rows), "rows")
"""


# ---- SLURM (opt-in: pytest -m slurm; tools/slurm_one_node.sh sets it up)


def until(happened: object, seconds: float = 90) -> None:
    """Wait until a callable returns something true."""
    end = time.monotonic() + seconds
    while not happened():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.3)


def slurm(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.slurm
@snakemake
def test_grid_runs_through_slurm_and_survives_scancel(workflow: Path, eight: list[Job]) -> None:  # noqa: F811
    """A job is cancelled: its row is not there, the others are; the same command again brings it, and the table."""
    assert shutil.which("sinfo"), "run tools/slurm_one_node.sh first"
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PAGE)])
    nbformat.write(page, workflow / "notebooks/tables/toy.ipynb")
    every = load_grid("toy", workflow).jobs("smoke")
    quick = (workflow / "tools/run.py").read_text()
    (workflow / "tools/run.py").write_text(RUN_HERE.replace("WAIT", "20"))
    shutil.copytree(ROOT / "profiles/slurm", workflow / "profiles/slurm")
    words = [sys.executable, "tools/tables.py", "--profile", "profiles/slurm"]
    targets = [str(job.path) for job in every]
    process = subprocess.Popen([*words, "--", *targets], cwd=workflow, env=ENVIRONMENT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    until(lambda: "R" in slurm("squeue", "-h", "-o", "%t").split())
    running = slurm("squeue", "-h", "-t", "R", "-o", "%A").split()
    (workflow / "tools/run.py").write_text(quick)  # those that start from now on are quick
    slurm("scancel", running[0])
    printed, _ = process.communicate(timeout=300)
    there = stamps(workflow, every)
    assert process.returncode != 0, printed
    assert 0 < len(there) < len(every), printed
    again = run([*words, "--", "toy"], workflow)
    assert again.returncode == 0, again.stdout + again.stderr
    after = stamps(workflow, every)
    assert set(after) == set(every)
    assert {job: after[job] for job in there} == there
    assert "4 rows" in (workflow / "notebooks/tables/toy.ipynb").read_text()
    for job in every:
        assert read_row(workflow / job.path).job == job


@pytest.mark.parametrize("name", sweep_ids(ROOT))
def test_committed_sweep_has_every_row(name: str) -> None:
    sweep = load_sweep(name, ROOT)
    if "smoke" in sweep.profiles:
        assert [row.job for _, row in read_sweep(name, ROOT)] == sweep.jobs("smoke"), f"make tables TABLE={name}"


def test_row_of_a_sweep_is_like_any_other(tmp_path: Path) -> None:
    row = make_row(table="noise_0p01")
    assert read_row(write_row(row, tmp_path / row.job.path)) == row


def test_sweep_of_a_thousand_points_is_quick(project: Path) -> None:  # noqa: F811
    sweep(project, NOISE.replace("[0, 0.01]", str(list(range(1000)))))
    start = time.perf_counter()
    assert sum(len(load_grid(table).jobs("smoke")) for table in load_sweep("noise").points()) == 1000
    assert time.perf_counter() - start < 10
