"""The workflows of GitHub Actions call what is here: make targets and scripts, which do what the workflows count on."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from tools import colab

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def load(path: Path) -> dict[str, Any]:
    """Read a workflow; the key `on` is True to YAML 1.1."""
    content = yaml.safe_load(path.read_text())
    return content | {"on": content.pop(True)}


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in load(path)["jobs"].values() for step in job["steps"]]


def test_there_are_three() -> None:
    assert [path.stem for path in WORKFLOWS] == ["colab", "pages", "tests"]


@every_workflow
def test_every_job_is_limited(path: Path) -> None:
    """In what it may do, and in its time."""
    workflow = load(path)
    assert workflow["permissions"]["contents"] == "read"
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())


@every_workflow
def test_actions_are_of_github_itself_and_have_a_version(path: Path) -> None:
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert used and [use for use in used if not re.fullmatch(r"actions/[\w-]+@v\d+", use)] == []


@every_workflow
def test_commands_exist(path: Path) -> None:
    """Each command is a target of make, a script of the project, or a word of the shell."""
    lines = [line for step in steps(path) for line in step.get("run", "").splitlines() if line.strip()]
    assert lines
    for line in lines:
        words = line.split()
        if words[0] == "make":
            assert words[1] in TARGETS, line
        elif words[0] in ("python", ".venv/bin/python"):
            assert all((ROOT / word).is_file() for word in words if word.endswith(".py")), line
        elif words[0].startswith(".ci/"):
            assert (ROOT / words[0]).stat().st_mode & stat.S_IXUSR, line
        else:
            assert words[0] in ("set", "touch"), line


def test_every_python_that_is_supported_is_tested() -> None:
    jobs = load(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]
    whole = [step["with"]["python-version"] for step in jobs["whole"]["steps"] if "with" in step]
    assert sorted(whole + jobs["pythons"]["strategy"]["matrix"]["python"]) == ["3.11", "3.12", "3.13"]


def test_colab_runs_weekly_and_reports() -> None:
    workflow = load(ROOT / ".github" / "workflows" / "colab.yml")
    (when,) = workflow["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", when["cron"])
    assert workflow["permissions"]["issues"] == "write"
    (report,) = [step for step in steps(ROOT / ".github" / "workflows" / "colab.yml") if step.get("if") == "failure()"]
    assert ".ci/open_issue" in report["run"] and "GH_TOKEN" in report["env"]


def test_actionlint_has_no_objection() -> None:
    actionlint = shutil.which("actionlint")
    if actionlint is None:
        pytest.skip("actionlint is not installed")
    done = subprocess.run([actionlint, *map(str, WORKFLOWS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("listed", "said"), [("", "issue create --title It fails"), ("7", "issue comment 7")])
def test_open_issue_opens_one_or_adds_to_it(tmp_path: Path, listed: str, said: str) -> None:
    """With a gh that writes down what it is asked."""
    gh, calls, log = tmp_path / "gh", tmp_path / "calls", tmp_path / "log"
    gh.write_text(f'#!/bin/sh\nif [ "$2" = list ]; then echo "{listed}"; exit; fi\necho "$@" >>{calls}\n'
                  f'for f; do :; done; cat "$f" >>{calls}\n')  # fmt: skip
    gh.chmod(0o755)
    log.write_text("\n".join(f"line {n}" for n in range(100)))
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "RUN_URL": "https://example.org/run"}
    subprocess.run([ROOT / ".ci" / "open_issue", "It fails", log], check=True, env=environment)
    asked = calls.read_text()
    assert asked.startswith(said)
    assert "https://example.org/run" in asked and "line 99" in asked and "line 39\n" not in asked


# ---- Colab's versions


FREEZE = """\
# generated
IPython==7.34.0
Pillow==11.3.0
matplotlib==3.10.0
numpy==2.1.3
scikit-image==0.25.2
sympy==1.14
torch @ https://example.org/whl/cu128/torch-2.11.0%2Bcu128-cp313-cp313-linux_x86_64.whl
ipywidgets==7.7.1
"""


def test_constraints_are_what_the_book_uses() -> None:
    assert colab.constraints(FREEZE) == {
        "ipython": "7.34.0", "ipywidgets": "7.7.1", "matplotlib": "3.10.0", "numpy": "2.1.3", "pillow": "11.3.0",
        "scikit-image": "0.25.2", "torch": "2.11.0",
    }  # fmt: skip


def test_another_text_is_refused() -> None:
    with pytest.raises(ValueError, match="ipython, matplotlib, torch is not in it"):
        colab.constraints("numpy==2.1.3\n<html>")


def test_written_constraints_name_source_and_date() -> None:
    written = colab.text(colab.constraints(FREEZE), "somewhere")
    assert "# Source: somewhere\n" in written and re.search(r"# Taken: \d{4}-\d\d-\d\d", written)
    assert "numpy==2.1.3\n" in written


def test_committed_constraints_are_dated_and_allowed_by_the_package() -> None:
    """Colab's versions satisfy what ilib asks for, so that its first cell replaces nothing there."""
    text = colab.CONSTRAINTS.read_text()
    for words in (r"^# Source: https://", r"^# Taken: \d{4}-\d\d"):
        assert re.search(words, text, re.MULTILINE)
    theirs = {r.name: str(r.specifier).removeprefix("==").removesuffix(".*")
              for line in text.splitlines() if not line.startswith("#") for r in [Requirement(line)]}  # fmt: skip
    assert {"torch", "numpy", "ipython", "ipywidgets", "matplotlib", "pandas"} <= set(theirs)
    project = (ROOT / "pyproject.toml").read_text()
    for name, version in theirs.items():
        (ours,) = re.findall(rf'^    "({re.escape(name)}[<>=!~][^"]*)"', project, re.MULTILINE)[:1]
        assert Requirement(ours).specifier.contains(Version(version)), ours
