# Every table by one command, from the project's folder:
#
#     snakemake mbdgan_1 --config profile=cpu        run what is missing or stale, then rebuild the page
#     snakemake mbdgan_1 --config profile=cpu -n     only say what would run, with the minutes to expect
#     snakemake noise_motion --config profile=smoke  the same for a sweep, notebooks/sweeps/noise_motion.yaml
#
# One job is one row: papermill runs notebooks/runs/evaluate.ipynb, whose last cell writes the JSON (the output); the
# executed notebook is the job's log, results/logs/TABLE/ROW--COLUMN--PROFILE--sSEED.ipynb.  Whether a row is stale is
# decided by the digests that it keeps (ilib/results/digests.py), not by dates, so that a fresh clone, a new comment or
# re-stored outputs start nothing: the job's input, *.inputs.json, lists what the row depends on and is dated before the
# row where the row is up to date, and now where it is not.  profiles/default/config.yaml makes dates the only trigger.
# Weights that a row needs are trained first, in the same way, by notebooks/runs/train.ipynb:
# data/weights/TABLE--ROW--COLUMN--PROFILE--sSEED.safetensors; their digests stand in the registry beside them.
# Words after --config are settings, so that the table comes first.
# After a kill -9, `snakemake --unlock` (make unlock) and the same command again run what is missing; a training that
# was killed goes on from its checkpoint.

import difflib
import json
import os
import shlex
import sys
from functools import cache
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT))

from ilib.gan.registry import WEIGHTS, read_registry
from ilib.results import Job, load_grid
from ilib.results.digests import train_block
from ilib.results.grids import table_ids
from ilib.results.profiles import check_profile
from ilib.results.queue import inputs_of, why_wanted
from ilib.results.rows import write_text
from ilib.results.trained import training_inputs, weights_path, why_untrained
from ilib.results.sweeps import load_sweep, sweep_ids

PROFILE = config.get("profile", "smoke")
TABLES = table_ids(ROOT)
SWEEPS = sweep_ids(ROOT)
PYTHON = shlex.quote(sys.executable)
ONE_THREAD = "OMP_NUM_THREADS={threads} MKL_NUM_THREADS={threads} OPENBLAS_NUM_THREADS={threads}"


@cache
def grid_of(table):
    return load_grid(table, ROOT)


def job_of(wildcards):
    job = Job(wildcards.table, wildcards.row, wildcards.column, wildcards.profile, int(wildcards.seed))
    grid_of(job.table).check(job)
    return job


def dated(file, made, content, why):
    """Write what a file depends on; date it before the file where that is up to date, now where it is not."""
    write_text(ROOT / file, json.dumps(content, indent=1) + "\n")
    if why is None:
        os.utime(ROOT / file, ((ROOT / made).stat().st_mtime - 1,) * 2)
    return file


def inputs_file(wildcards):
    job = job_of(wildcards)
    why = why_wanted(grid_of(job.table), job, ROOT)
    return dated(f"results/logs/{job.table}/{job.name}.inputs.json", job.path, inputs_of(job, ROOT), why)


def weights_inputs_file(wildcards):
    job = job_of(wildcards)
    train_block(grid_of(job.table), job)  # names the rows that are trained where this is none
    why = why_untrained(grid_of(job.table), job, ROOT)
    return dated(f"results/logs/{job.table}/{job.name}.train.inputs.json", weights_path(job),
                 training_inputs(job, ROOT), why)  # fmt: skip


def weights_of_row(wildcards):
    """The weights that a row needs, its own or another table's; none where it is up to date, so that their date and absence do not matter."""
    job = job_of(wildcards)
    grid = grid_of(job.table)
    needed = grid.row(job.row).train and why_wanted(grid, job, ROOT)
    return weights_path(grid.trained_by(job)[1]).as_posix() if needed else []


def no_such_table(wildcards):
    sweeps = f"; or one of the sweeps {', '.join(SWEEPS)}" if SWEEPS else ""
    known = f"{', '.join(TABLES)}, or all of them: all{sweeps}"
    raise ValueError(f"there is no table {wildcards.unknown!r}; choose one of {known}")


def no_such_weights(wildcards):
    near = difflib.get_close_matches(wildcards.name, read_registry(ROOT / WEIGHTS), 1, 0.3)
    raise ValueError(f"there are no weights {wildcards.name!r}" + (f"; did you mean {near[0]}?" if near else "")
                     + " Names are TABLE--ROW--COLUMN--PROFILE--sSEED")


def expected(wildcards):
    """The minutes that the grid expects, as the plan shows them."""
    told = grid_of(wildcards.table).row(wildcards.row).minutes.get(wildcards.profile)
    return "minutes not known" if told is None else f"about {told:g} min"


def minutes(wildcards):
    """The minutes that the grid expects, with room for a slower machine: what a cluster is asked for."""
    told = grid_of(wildcards.table).row(wildcards.row).minutes.get(wildcards.profile, 30)
    return 10 + int(3 * told)


def training(wildcards):
    """What the grid gives the training of a row."""
    return train_block(grid_of(wildcards.table), job_of(wildcards))[1]


def training_minutes(wildcards):
    return 10 + int(3 * training(wildcards).minutes)


def training_threads(wildcards):
    """One at smoke, so that the columns train side by side and to the same digits everywhere; two above."""
    return 1 if wildcards.profile == "smoke" else 2


def rows_of(wildcards):
    if not grid_of(wildcards.table).profiles:
        return []  # a table whose rows all wait: only its page is rebuilt
    grid_of(wildcards.table).profile(wildcards.profile)  # names the allowed ones where this is none
    return [job.path.as_posix() for job in grid_of(wildcards.table).jobs_here(wildcards.profile)]


try:
    check_profile(PROFILE)
except ValueError as error:
    raise WorkflowError(str(error))


wildcard_constraints:
    table=r"\w+",
    row=r"[a-z0-9_]+",
    column=r"[a-z0-9_]+",
    profile=r"[a-z]+",
    seed=r"\d+",
    unknown=r"\w+",


localrules:
    all,
    page,


rule all:
    input:
        [f"results/logs/{table}.{PROFILE}.page" for table in TABLES if PROFILE in grid_of(table).profiles],


for table in TABLES:

    rule:
        name:
            table
        localrule: True
        input:
            f"results/logs/{table}.{PROFILE}.page",


for sweep in SWEEPS:

    rule:
        name:
            sweep
        localrule: True
        input:
            lambda wildcards, sweep=sweep: [job.path.as_posix() for job in load_sweep(sweep, ROOT).jobs_here(PROFILE)],


rule row:
    input:
        inputs_file,
        weights_of_row,
    output:
        update("results/{table}/{row}--{column}--{profile}--s{seed}.json"),
    log:
        "results/logs/{table}/{row}--{column}--{profile}--s{seed}.ipynb",
    message:
        "{wildcards.table}: {wildcards.row}, {wildcards.column}, {wildcards.profile}, seed {wildcards.seed}: {params.expected}"
    params:
        expected=expected,
    threads: 1
    resources:
        mem_mb=4000,
        runtime=minutes,
    shell:
        ONE_THREAD + " " + PYTHON + " tools/run.py"
        " notebooks/runs/evaluate.ipynb {log} -p table {wildcards.table} -p row {wildcards.row}"
        " -p column {wildcards.column} -p profile {wildcards.profile} -p seed {wildcards.seed} -p output {output}"


rule weights:
    input:
        weights_inputs_file,
    output:
        update("data/weights/{table}--{row}--{column}--{profile}--s{seed}.safetensors"),
    log:
        "results/logs/{table}/{row}--{column}--{profile}--s{seed}.train.ipynb",
    message:
        "training of {wildcards.table}: {wildcards.row}, {wildcards.column}, {wildcards.profile}, seed {wildcards.seed}: "
        "about {params.minutes:g} min"
    params:
        minutes=lambda wildcards: training(wildcards).minutes,
    threads: training_threads
    resources:
        mem_mb=8000,
        runtime=training_minutes,
    shell:
        ONE_THREAD + " " + PYTHON + " tools/run.py"
        " notebooks/runs/train.ipynb {log} -p table {wildcards.table} -p row {wildcards.row}"
        " -p column {wildcards.column} -p profile {wildcards.profile} -p seed {wildcards.seed} -p output {output}"


rule prior:
    output:
        update("data/weights/{part}--{plan}--{profile}--s{seed}.safetensors"),
    wildcard_constraints:
        part="prior|encoder",
        plan=r"\w+",
    message:
        "training of the prior {wildcards.plan}, {wildcards.profile}, seed {wildcards.seed}"
    threads: training_threads
    resources:
        mem_mb=8000,
        runtime=240,
    shell:
        ONE_THREAD + " " + PYTHON + " -m ilib.priors.training {wildcards.plan} {wildcards.profile} --seed {wildcards.seed}"


rule codes:
    output:
        update("data/weights/codes--{plan}--{profile}--s{seed}.safetensors"),
    wildcard_constraints:
        plan=r"\w+",
    shell:
        PYTHON + " -m ilib.priors.codes {wildcards.plan} {wildcards.profile} --seed {wildcards.seed}"


rule unknown_weights:  # a name that has not the form of any ends here, and is told the nearest that there is
    input:
        no_such_weights,
    output:
        "data/weights/{name}.safetensors",
    wildcard_constraints:
        name=r"(?!.+--.+--s\d+\.)[^/]+",  # where the lookahead looks, .safetensors follows


rule page:
    input:
        rows_of,
    output:
        touch("results/logs/{table}.{profile}.page"),
    params:
        notebook="notebooks/tables/{table}.ipynb",
    shell:
        PYTHON + " tools/notebooks.py execute {params.notebook}"


rule unknown_table:  # a target that is neither a rule nor a row ends here, and is told what there is
    input:
        no_such_table,
    output:
        "{unknown}",
