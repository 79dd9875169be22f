"""The repository's address is set once, in _config.yml; every other place agrees and every Colab link exists."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tools import address

ROOT = Path(__file__).resolve().parents[1]
SETTING = address.setting()
SLUG = address.slug(SETTING["url"])
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
COLAB = re.compile(r"https://colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)/blob/([^/\s]+)/([^\s)\"\\]+)")


def cells(notebook: Path) -> str:
    return "\n".join("".join(cell["source"]) for cell in json.loads(notebook.read_text())["cells"])


def tracked() -> set[str]:
    """List the files that are, or are about to be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this copy of the project is not a git repository")
    return set(done.stdout.splitlines())


def test_nothing_is_left_to_rewrite() -> None:
    assert [str(path.relative_to(ROOT)) for path in address.changed()] == []


def test_address_stands_where_it_must() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["repository-code"] == SETTING["url"]
    assert address.written() == SETTING["url"]
    assert f"git clone {SETTING['url']}" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_colab_cells_install_from_the_address(notebook: Path) -> None:
    for url in re.findall(r"git\+([^\s\"']+)", cells(notebook)):
        assert url == SETTING["url"]


def test_colab_links_point_to_files_on_the_branch() -> None:
    texts = [path.read_text() for path in address.places() if path.suffix != ".ipynb"] + [cells(n) for n in NOTEBOOKS]
    links = [link for text in texts for link in COLAB.findall(text)]
    assert links, "the README has no Colab link"
    for slug, branch, path in links:
        assert (slug, branch) == (SLUG, SETTING["branch"])
        assert (ROOT / path).is_file(), f"the Colab link to {path} opens nothing"
        assert path in tracked(), f"{path} is not in the repository"


def test_branch_exists() -> None:
    """The branch named is one of this clone's; a clone of a detached commit has none to compare with."""
    command = ["git", "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", "refs/remotes"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    branches = {name.split("/", 1)[-1] for name in done.stdout.split()}
    if not branches:
        pytest.skip("no branches in this copy of the project")
    assert SETTING["branch"] in branches


def test_readdress_moves_every_kind_of_link() -> None:
    before = ("git clone https://github.com/a/book; pip install git+https://github.com/a/book\n"
              "https://colab.research.google.com/github/a/book/blob/main/notebooks/01.ipynb "
              "https://github.com/a/bookshelf https://github.com/other/book")
    after = ("git clone https://github.com/b/c; pip install git+https://github.com/b/c\n"
             "https://colab.research.google.com/github/b/c/blob/trunk/notebooks/01.ipynb "
             "https://github.com/a/bookshelf https://github.com/other/book")
    assert address.readdress(before, "a/book", "b/c", "trunk") == after


def test_an_address_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="OWNER/NAME"):
        address.slug("https://example.org/book/")
