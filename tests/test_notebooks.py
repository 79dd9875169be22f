"""What holds for every notebook: run once in order, small, clean, self-contained, and nothing of ilib defined again."""

import ast
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tools import address

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
CHAPTERS = [path for path in NOTEBOOKS if path.parent.name == "notebooks"]
RUNS = [path for path in NOTEBOOKS if path.parent.name == "runs"]
# what the chapters written so far must check
EQUATIONS = {"mbdgan": range(1, 17), "gand": range(1, 4), "dgp": range(1, 15), "physgan": range(1, 13)}
COLAB_CELL = """\
# On Colab this installs ilib; elsewhere it does nothing.
import importlib.util, subprocess, sys
if importlib.util.find_spec("ilib") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "ilib @ git+{url}"], check=True)"""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@cache
def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code" and cell.source.strip()]


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def texts(path: Path) -> str:
    """Join sources and outputs of a notebook, inline pictures left out."""
    outputs = [str(out) for cell in code_cells(path) for out in cell.outputs]
    text = "\n".join([cell.source for cell in read(path).cells] + outputs)
    return re.sub(r"[A-Za-z0-9+/=\\n]{200,}", "", text)


def definitions(tree: ast.Module) -> set[str]:
    """Collect the public functions, classes and variables that a module or a cell defines at its top level."""
    named = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assigned = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    targets = [target for node in assigned for target in getattr(node, "targets", [getattr(node, "target", None)])]
    names = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)
             and isinstance(name.ctx, ast.Store)}
    return {name for name in named | names if not name.startswith("_")}


@cache
def names_of_ilib() -> dict[str, str]:
    """Map every public name of ilib to its module: what a module defines, what a package takes into its __init__."""
    modules = [path for path in (ROOT / "ilib").glob("*.py") if path.stem not in ("__init__", "check")]
    names = {name: path.stem for path in modules for name in definitions(ast.parse(path.read_text()))}
    for package in (ROOT / "ilib").glob("*/__init__.py"):
        taken = [node for node in ast.parse(package.read_text()).body if isinstance(node, ast.ImportFrom)]
        names |= {alias.asname or alias.name: package.parent.name for node in taken for alias in node.names}
    return names


def test_there_are_notebooks() -> None:
    assert CHAPTERS


@every_notebook
def test_is_valid_and_small(path: Path) -> None:
    nbformat.validate(read(path))
    assert path.stat().st_size < 1_000_000, "over 1 MB: fewer or smaller figures"


@every_notebook
def test_was_run_once_from_top_to_bottom(path: Path) -> None:
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1)), "run `python tools/notebooks.py execute` on it"


@every_notebook
def test_holds_no_error_and_no_warning(path: Path) -> None:
    """What a cell says on stderr is a warning, unless it draws a progress bar and is not compared."""
    quiet = [cell for cell in code_cells(path) if "nbval-ignore-output" not in tags(cell)]
    warned = [cell.source for cell in quiet if any(o.get("name") == "stderr" for o in cell.outputs)]
    failed = [cell.source for cell in code_cells(path) if any(o.output_type == "error" for o in cell.outputs)]
    assert (failed, warned) == ([], [])


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_starts_with_the_colab_cell(path: Path) -> None:
    first = code_cells(path)[0]
    assert first.source == COLAB_CELL.format(url=address.setting()["url"])
    assert {"colab", "remove-output"} <= set(tags(first))


@every_notebook
def test_parameters_cell(path: Path) -> None:
    """Chapters and runs have one cell that papermill can set; a table's page has nothing to set."""
    found = sum("parameters" in tags(cell) for cell in read(path).cells)
    assert found == 1 if path in CHAPTERS + RUNS else found <= 1


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks/tables").glob("*.ipynb")), ids=lambda path: path.stem)
def test_code_of_a_table_page_is_folded(path: Path) -> None:
    """Whoever reads a table's page wants the table; the code is a click away."""
    shown = [cell.source for cell in code_cells(path) if not {"hide-input", "colab", "parameters"} & set(tags(cell))]
    assert shown == []


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path not in RUNS], ids=lambda path: path.stem)
def test_every_figure_says_in_words_what_it_shows(path: Path) -> None:
    """For readers who cannot see it: the alternative text, which MyST-NB takes from the cell's metadata."""
    kinds = [(cell, [kind for out in cell.outputs for kind in out.get("data", {})]) for cell in code_cells(path)]
    figures = [cell for cell, found in kinds if any(kind.startswith("image/") for kind in found)]
    words = [cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "") for cell in figures]
    assert [cell.source for cell, alt in zip(figures, words, strict=True) if not 60 <= len(alt) <= 300] == []


@every_notebook
def test_defines_nothing_that_ilib_defines(path: Path) -> None:
    source = [re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.MULTILINE) for cell in code_cells(path)]
    defined = set().union(*(definitions(ast.parse(text)) for text in source))
    again = {name: names_of_ilib()[name] for name in defined & set(names_of_ilib())}
    assert not again, "import these from ilib, or give the variable another name"


@every_notebook
def test_names_no_path_of_a_machine(path: Path) -> None:
    assert re.findall(r"(?<![\w.])/(?:work|tmp|home|root|Users|mnt|content)/\S*", texts(path)) == []


@pytest.mark.parametrize("paper", EQUATIONS)
def test_every_numbered_equation_is_checked(paper: str) -> None:
    """A cell that asserts numbered equation N of a paper carries the tag eq-PAPER-N."""
    checks = [cell for path in CHAPTERS for cell in code_cells(path) if "assert" in cell.source]
    checked = {tag for cell in checks for tag in tags(cell)}
    assert {f"eq-{paper}-{n}" for n in EQUATIONS[paper]} <= checked


def test_definitions_sees_every_kind() -> None:
    cell = "def f(): g = 1\nclass C: pass\na, (b, *c) = 1, (2, 3)\nd: int = 4\n_e = 5\nh[i] = 6\nj.k = 7"
    assert definitions(ast.parse(cell)) == {"f", "C", "a", "b", "c", "d"}
