"""Find which cell of which chapter checks each numbered equation of the papers, by the cells' tags.

    python -m tools.equations            the numbered equations, and those that no cell checks yet

A cell that asserts equation N of a paper carries the tag eq-PAPER-N.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from .notebooks import ROOT, read, toc_pages

TAG = re.compile(r"eq-([a-z]+)-(\d+)")
LABEL = re.compile(r"(?:^:label:\s*|^\$\$\s*\()(eq-[a-z]+-\d+)\)?\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Paper:
    """A paper: what the book calls it, its key in references.bib, and how many equations it numbers."""

    name: str
    cite: str
    equations: int


PAPERS = {
    "mbdgan": Paper("MBD-GAN", "song2021mbdgan", 16),
    "gand": Paper("GAN-D", "lee2017gand", 3),
    "physgan": Paper("Physics-based GAN", "pan2021physics", 12),
    "dgp": Paper("Deep generative priors", "asim2020blind", 14),
}


@dataclass(frozen=True)
class Check:
    """One cell that checks an equation: its page, the heading that it stands under, and its place among such cells.

    place: 0 for the first cell of the page with this tag; labelled: whether the equation itself stands on the page.
    """

    tag: str
    page: str
    heading: str
    place: int
    labelled: bool

    @property
    def anchor(self) -> str:
        """The id that the cell has in the built page."""
        return cell_id(self.tag, self.place)


def cell_id(tag: str, place: int) -> str:
    """Name the cell that carries a tag for links to it: check-eq-mbdgan-9, check-eq-mbdgan-9-b, ..."""
    return f"check-{tag}" + (f"-{chr(ord('a') + place)}" if place else "")


def checks_of(page: str) -> Iterator[Check]:
    """List the cells of one notebook that assert a numbered equation."""
    cells = read(ROOT / f"{page}.ipynb").cells
    labels = {label for cell in cells if cell.cell_type == "markdown" for label in LABEL.findall(cell.source)}
    heading, seen = "", dict[str, int]()
    for cell in cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE)
            heading = headings[-1] if headings else heading
            continue
        for tag in filter(TAG.fullmatch, cell.metadata.get("tags", [])):
            if "assert" in cell.source:
                yield Check(tag, page, heading, seen.get(tag, 0), tag in labels)
            seen[tag] = seen.get(tag, 0) + 1


def all_checks() -> dict[str, list[Check]]:
    """Map every tag to the cells that carry it, in the book's order."""
    found: dict[str, list[Check]] = {}
    for page in toc_pages():
        if (ROOT / f"{page}.ipynb").is_file():
            for check in checks_of(page):
                found.setdefault(check.tag, []).append(check)
    return found


def missing(found: dict[str, list[Check]]) -> dict[str, list[int]]:
    """List for every paper the numbered equations that no cell checks."""
    return {key: [n for n in range(1, paper.equations + 1) if f"eq-{key}-{n}" not in found]
            for key, paper in PAPERS.items()}  # fmt: skip


def main() -> int:
    found = all_checks()
    for key, numbers in missing(found).items():
        paper = PAPERS[key]
        without = f"; no cell yet: {', '.join(map(str, numbers))}" if numbers else ""
        print(f"{paper.name}: {paper.equations - len(numbers)} of {paper.equations}{without}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
