"""Look at the built book: `pytest tests/book_check.py` after `make book` (it is no part of `make test`)."""

import re
from functools import cache
from pathlib import Path

import pytest

from tools import address
from tools.equations import all_checks
from tools.notebooks import toc_pages

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
PAGES = toc_pages()
NOTEBOOK_PAGES = [page for page in PAGES if (ROOT / f"{page}.ipynb").is_file()]
TRACEBACK = re.compile(r"Traceback \(most recent call last\)|class=\"[^\"]*output traceback|<span[^>]*>Traceback")


def html(page: str) -> str:
    return (HTML / f"{page}.html").read_text(encoding="utf-8")


@cache
def anchors(path: Path) -> set[str]:
    """Collect the ids of a built page."""
    return set(re.findall(r"\bid=\"([^\"]+)\"", path.read_text(encoding="utf-8")))


def test_entry_page_leads_into_the_book() -> None:
    assert f"{PAGES[0]}.html" in (HTML / "index.html").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_page_is_built_without_a_traceback(page: str) -> None:
    assert not TRACEBACK.search(html(page))


@pytest.mark.parametrize("page", NOTEBOOK_PAGES)
def test_notebook_page_shows_outputs(page: str) -> None:
    assert 'class="cell_output docutils container"' in html(page)


@pytest.mark.parametrize("page", NOTEBOOK_PAGES)
def test_colab_button_opens_the_notebook(page: str) -> None:
    setting = address.setting()
    link = f"github/{address.slug(setting['url'])}/blob/{setting['branch']}/{page}.ipynb"
    assert f"https://colab.research.google.com/{link}" in html(page)


@pytest.mark.parametrize("page", PAGES)
def test_no_reference_is_left_unresolved(page: str) -> None:
    """Sphinx leaves {role}`text` or a bare eq- label in the page where MyST did not understand it."""
    article = re.sub(r"<(pre|code|script)\b.*?</\1>", "", html(page), flags=re.DOTALL)
    assert re.findall(r"\{(?:eq|ref|cite|numref|doc|prf:ref)[:\w]*\}", article) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_picture_says_in_words_what_it_shows(page: str) -> None:
    """Sphinx writes a picture's path where it has no alternative text."""
    assert re.findall(r"<img\b(?![^>]*\balt=\"(?!\.\./)[^\"]+\")[^>]*>", html(page)) == []


@pytest.mark.parametrize("page", PAGES)
def test_pictures_and_pages_linked_to_exist(page: str) -> None:
    here = (HTML / f"{page}.html").parent
    links = re.findall(r"<(?:img|a|link|script)\b[^>]*?\b(?:src|href)=\"([^\"#?]+)", html(page))
    local = {link for link in links if not re.match(r"(?:[a-z]+:|//)", link)}
    assert [link for link in sorted(local) if not (here / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_places_linked_to_exist(page: str) -> None:
    """Every link to a place on a page of the book finds it there."""
    here = HTML / f"{page}.html"
    links = re.findall(r"<a\b[^>]*?\bhref=\"([^\"#?:]*)#([^\"]+)\"", html(page))
    assert [f"{path}#{place}" for path, place in sorted(set(links))
            if place not in anchors((here.parent / path).resolve() if path else here)] == []


def test_every_equation_leads_to_the_cell_that_checks_it() -> None:
    places = {f"{check.page}.html#{check.anchor}" for checks in all_checks().values() for check in checks}
    assert places and all(f"../{place}" in html("book/equations") for place in places)


def test_no_page_loads_what_the_book_does_not_use() -> None:
    assert [page for page in PAGES if "THEBE_JS_URL" in html(page)] == []
    assert "tex-mml-chtml" not in html(PAGES[0])
    assert (HTML / "_static" / "scripts" / "fontawesome.js").stat().st_size < 200_000
