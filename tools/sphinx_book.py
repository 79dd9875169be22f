"""What the build of the book adds to Jupyter Book: generated pages, links to cells, lighter scripts.

    ```{equation-index}
    ```                     every numbered equation of the papers, with the cell that checks it
    ```{run-times}
    ```                     how long each notebook took when it was last executed
    ```{before-and-after} PAGE TAG
    ```                     the HTML output of the cell with that tag, of another page's notebook

_config.yml names this module under sphinx: local_extensions.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from .equations import PAPERS, TAG, Paper, all_checks, cell_id
from .notebooks import ROOT, last_run, read, title_of, toc_pages

ICON = re.compile(r'(?:"([a-z0-9-]+)"|([a-z0-9]+)):\[\d+,\d+,\[[^\]]*\],"[0-9a-f]+",(?:"[^"]*"|\[[^\]]*\])\],?')
Entry = nodes.Node | str


def table(head: Sequence[str], rows: Iterable[Sequence[Sequence[Entry]]]) -> nodes.table:
    """Build a table of docutils; an entry is a list of words and links."""
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", _row([[name] for name in head]))
    group += nodes.tbody("", *[_row(row) for row in rows])
    return nodes.table("", group, classes=["generated"])


def _row(entries: Sequence[Sequence[Entry]]) -> nodes.row:
    made = [[nodes.Text(part) if isinstance(part, str) else part for part in entry] for entry in entries]
    return nodes.row("", *[nodes.entry("", nodes.paragraph("", "", *parts)) for parts in made])


class Generated(SphinxDirective, ABC):
    """A directive whose content is computed from the notebooks, anew in every build."""

    def link(self, text: str, page: str, anchor: str = "") -> nodes.reference:
        """Link to a page of the book, and to a place on it."""
        uri = self.env.app.builder.get_relative_uri(self.env.docname, page) + (f"#{anchor}" if anchor else "")
        return nodes.reference("", text, refuri=uri, internal=True)

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return list(self.content_nodes())

    @abstractmethod
    def content_nodes(self) -> Iterator[nodes.Node]:
        """Make what stands in the directive's place."""


class EquationIndex(Generated):
    """A section for each paper, a line for each of its numbered equations."""

    def content_nodes(self) -> Iterator[nodes.Node]:
        found = all_checks()
        for key, paper in PAPERS.items():
            section = nodes.section(ids=[f"equations-{key}"], names=[f"equations-{key}"])
            section += nodes.title("", paper.name)
            checked = sum(f"eq-{key}-{n}" in found for n in range(1, paper.equations + 1))
            section += nodes.paragraph("", f"{checked} of {paper.equations} numbered equations are checked by a cell.")
            lines = [self.line(paper, f"eq-{key}-{n}", n, found) for n in range(1, paper.equations + 1)]
            section += table(["equation", "stands in", "checked by"], lines)
            yield section

    def line(self, paper: Paper, tag: str, n: int, found: dict) -> list[list[Entry]]:
        """One equation: its number in the paper, where the book prints it, the cells that check it."""
        checks = found.get(tag, [])
        if not checks:
            return [[f"({n})"], ["–"], ["no cell yet"]]
        printed = [check for check in checks if check.labelled][:1]
        place = [self.link(title_of(c.page), c.page, f"equation-{tag}") for c in printed] or ["–"]
        cells: list[Entry] = []
        for check in checks:
            cells += [", "] * bool(cells) + [self.link(check.heading, check.page, check.anchor)]
        return [[f"({n})"], place, cells]


class RunTimes(Generated):
    """A line for each notebook of the book with the wall time of its last execution."""

    def content_nodes(self) -> Iterator[nodes.Node]:
        pages = [page for page in toc_pages() if (ROOT / f"{page}.ipynb").is_file()]
        runs = {page: last_run(page) for page in pages}
        timed = [run for run in runs.values() if run]
        seconds = sum(run["seconds"] for run in timed)
        yield nodes.paragraph("", f"{len(timed)} of {len(pages)} notebooks have been timed; together they took "
                                  f"{seconds / 60:.1f} minutes.")
        yield table(["notebook", "seconds", "date", "machine"], map(self.line, pages, runs.values()))

    def line(self, page: str, run: dict[str, Any]) -> list[list[Entry]]:
        figures = [f"{run['seconds']:.0f}", run["date"], run["machine"]] if run else ["not timed yet", "–", "–"]
        return [[self.link(title_of(page), page)], *[[figure] for figure in figures]]


class BeforeAndAfter(SphinxDirective):
    """Show here what a tagged cell of a notebook shows there."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        page, tag = self.arguments
        path = ROOT / f"{page}.ipynb"
        self.env.note_dependency(str(path))
        cells = [cell for cell in read(path).cells if tag in cell.metadata.get("tags", [])]
        found = [output.data["text/html"] for cell in cells for output in cell.outputs if "text/html" in output.data]
        if not found:
            raise self.error(f"no cell of {page} with the tag {tag} has an output of HTML; execute the notebook")
        return [nodes.raw("", found[0], format="html")]


def name_tagged_cells(app: Sphinx, doctree: nodes.document) -> None:
    """Give every cell with the tag of an equation an id to link to."""
    seen: dict[str, int] = {}
    for cell in doctree.findall(nodes.container):
        for name in (c.removeprefix("tag_") for c in cell["classes"] if c.startswith("tag_")):
            if TAG.fullmatch(name):
                cell["ids"].append(cell_id(name, seen.get(name, 0)))
                seen[name] = seen.get(name, 0) + 1


def only_scripts_in_use(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document) -> None:
    """Drop Thebe, which the book does not use and which stands twice, an error, and MathJax where no formula stands."""
    has_formulas = app.env.get_domain("math").data["has_equations"].get(page, False)
    idle = ("THEBE_JS_URL", "sphinx-thebe") + (() if has_formulas else ("mathjax", "window.MathJax"))
    context["script_files"] = [script for script in context.get("script_files", [])
                               if not any(word in _text_of(script) for word in idle)]  # fmt: skip


def _text_of(script: Any) -> str:
    """Return address and source of a script."""
    return f"{getattr(script, 'filename', script)} {getattr(script, 'attributes', {}).get('body', '')}"


def keep_used_icons(app: Sphinx, error: Exception | None) -> None:
    """Leave in the theme's 1.5 MB of icons those that a page or a script of the book names."""
    out = Path(app.outdir)
    icons = out / "_static" / "scripts" / "fontawesome.js"
    if error or not icons.is_file():
        return
    texts = [*out.rglob("*.html"), *(path for path in out.rglob("_static/**/*.js") if path != icons)]
    used = {name for path in texts for name in re.findall(r"fa-([a-z0-9-]+)", path.read_text(encoding="utf-8"))}
    script = icons.read_text(encoding="utf-8")
    icons.write_text(ICON.sub(lambda m: m[0] if (m[1] or m[2]) in used else "", script), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("equation-index", EquationIndex)
    app.add_directive("run-times", RunTimes)
    app.add_directive("before-and-after", BeforeAndAfter)
    app.connect("doctree-read", name_tagged_cells)
    app.connect("html-page-context", only_scripts_in_use, priority=900)
    app.connect("build-finished", keep_used_icons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
