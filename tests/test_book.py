"""The book's configuration, table of contents, README and versions agree with each other and with the files."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import ilib
from tools.notebooks import toc_pages

ROOT = Path(__file__).resolve().parents[1]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
PAGES = toc_pages()
TARGETS = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_page_exists(page: str) -> None:
    assert [suffix for suffix in (".md", ".ipynb") if (ROOT / f"{page}{suffix}").is_file()], page


def test_every_page_is_in_the_table_of_contents_once() -> None:
    written = {path.with_suffix("") for path in (ROOT / "book").glob("*.md")}
    written |= {path.with_suffix("") for path in (ROOT / "notebooks").rglob("*.ipynb") if path.parent.name != "runs"}
    assert sorted(PAGES) == sorted(str(path.relative_to(ROOT)) for path in written)


def test_settings_that_bite() -> None:
    """Each of these was found by a build that went wrong without it."""
    assert CONFIG["only_build_toc_files"] is True
    assert {"_build", ".*", "**/.*", "README.md"} <= set(CONFIG["exclude_patterns"])
    assert CONFIG["execute"]["execute_notebooks"] == "off", "unquoted, YAML reads off as False"
    assert CONFIG["sphinx"]["recursive_update"] is True, "theme options would wipe the launch buttons"
    assert CONFIG["sphinx"]["config"]["html_theme_options"]["navbar_persistent"] == []
    assert CONFIG["launch_buttons"] == {"colab_url": "https://colab.research.google.com", "thebe": False}


def test_files_that_the_configuration_names_exist() -> None:
    sphinx = CONFIG["sphinx"]["config"]
    styles = [f"{folder}/{css}" for folder in sphinx["html_static_path"] for css in sphinx["html_css_files"]]
    for name in [CONFIG["logo"], CONFIG["html"]["favicon"], *CONFIG["bibtex_bibfiles"], *styles]:
        assert (ROOT / name).is_file(), name


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    changes = re.findall(r"^## \[(\d[\w.]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert ilib.__version__ == project["version"] == str(citation["version"]) == changes[0]


@pytest.mark.parametrize("field", ["cff-version", "message", "title", "authors", "license", "date-released"])
def test_citation_has(field: str) -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())[field]


def test_readme_documents_every_target_and_no_other() -> None:
    documented = re.findall(r"`make ([a-z]+)", (ROOT / "README.md").read_text())
    assert set(documented) == set(TARGETS)


def test_make_alone_prints_the_targets() -> None:
    printed = subprocess.check_output(["make", "--no-print-directory"], cwd=ROOT, text=True)
    assert [target for target in TARGETS if not re.search(rf"^  {target} ", printed, re.MULTILINE)] == []


def make_install(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Run `make install` in a folder that holds only what the target depends on."""
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("pyproject.toml", "requirements.lock"):
        (folder / name).touch()
    command = ["make", "--no-print-directory", "install", f"PYTHON={python}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_make_refuses_an_old_python(tmp_path: Path) -> None:
    old = tmp_path / "old-python"
    pretend = "import sys; sys.version_info = (3, 9); exec(sys.argv[2])"
    old.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{pretend}' \"$@\"\n")
    old.chmod(0o755)
    done = make_install(tmp_path, str(old))
    assert done.returncode != 0 and "is 3.9" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_make_says_when_there_is_no_python(tmp_path: Path) -> None:
    done = make_install(tmp_path, "")
    assert done.returncode != 0 and "none was found" in done.stdout
