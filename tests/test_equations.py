"""The index of equations: a tag names an equation that its paper numbers, and none loses the cell that checks it."""

import re
from pathlib import Path

import nbformat
import pytest

from tools import equations
from tools.equations import PAPERS, TAG, Check, cell_id, missing

ROOT = Path(__file__).resolve().parents[1]
FOUND = equations.all_checks()
# What no cell checks yet. Numbers may leave this list when their chapter lands; none may come back or be added.
WITHOUT_A_CELL: dict[str, set[int]] = {"mbdgan": set(), "gand": set(), "physgan": set(), "dgp": set()}


@pytest.mark.parametrize("paper", PAPERS)
def test_no_equation_loses_its_cell(paper: str) -> None:
    lost = set(missing(FOUND)[paper]) - WITHOUT_A_CELL[paper]
    assert not lost, f"equations {sorted(lost)} of {PAPERS[paper].name} have no cell with a tag and an assert any more"


@pytest.mark.parametrize("paper", ["mbdgan", "dgp"])
def test_paper_is_complete(paper: str) -> None:
    assert missing(FOUND)[paper] == []


def test_every_tag_names_a_numbered_equation() -> None:
    tags = {TAG.fullmatch(tag).groups() for tag in FOUND}
    wrong = [(paper, n) for paper, n in tags if paper not in PAPERS or not 1 <= int(n) <= PAPERS[paper].equations]
    assert wrong == []


def test_papers_stand_in_the_references() -> None:
    keys = re.findall(r"^@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text(), re.MULTILINE)
    assert {paper.cite for paper in PAPERS.values()} <= set(keys)


def test_checks_are_found_with_section_place_and_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    tagged = {"tags": ["eq-mbdgan-2"]}
    notebook = nbformat.v4.new_notebook(cells=[
        text("# Chapter\n\n## One\n\n$$\na = b\n$$ (eq-mbdgan-2)"), cell("assert 1", metadata=tagged),
        cell("print(1)", metadata=tagged), text("## Two"), cell("assert 2", metadata=tagged),
        cell("assert 3", metadata={"tags": ["eq-mbdgan-3", "hide-input"]}),
    ])  # fmt: skip
    nbformat.write(notebook, tmp_path / "chapter.ipynb")
    monkeypatch.setattr(equations, "ROOT", tmp_path)
    assert list(equations.checks_of("chapter")) == [
        Check("eq-mbdgan-2", "chapter", "One", 0, True),
        Check("eq-mbdgan-2", "chapter", "Two", 2, True),
        Check("eq-mbdgan-3", "chapter", "Two", 0, False),
    ]


def test_ids_of_cells_differ() -> None:
    first = "check-eq-dgp-1"
    assert [cell_id("eq-dgp-1", place) for place in range(3)] == [first, f"{first}-b", f"{first}-c"]
