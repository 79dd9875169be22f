"""The built book in headless Chromium: `make browser` (opt-in: it needs Chromium, npm and the extra ilib[browser]).

The offline copy is looked at, so that nothing depends on a network: what a page asks of another machine is a failure.
"""

import http.server
import re
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from test_show import CHROMIUM

from tools.notebooks import toc_pages
from tools.offline import OFFLINE

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra: pip install -e '.[browser]'")

WIDTHS = {"desktop": 1280, "phone": 390}
PAGES = toc_pages()
LOOKED_AT = [PAGES[0], "notebooks/04_mbd_gan", "notebooks/tables/mbdgan_1", "notebooks/tables/at_a_glance",
             "notebooks/front_page", "book/equations"]  # by axe
FIRST_PAGE, ANY_PAGE = 1.5e6, 4e6  # bytes, all that a page loads
OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"
SIGHT = """root => { const image = root.querySelector('img');
    return [image.src.length, image.src.slice(-80), image.alt, root.style.getPropertyValue('--edge'),
            ...Array.from(root.querySelectorAll('input'), i => i.getAttribute('aria-valuetext'))].join('|'); }"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that does not write a log."""

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    if not OFFLINE.is_dir():
        pytest.skip("there is no offline copy of the book: run `make offline`")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=OFFLINE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[object]:
    with playwright.sync_playwright() as tool:
        program = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield program
        program.close()


class Visit:
    """One page, open in the browser: what went wrong while it loaded, and how many bytes came."""

    def __init__(self, browser: object, address: str, page: str, width: int = 1280) -> None:
        self.faults: list[str] = []
        self.size = 0
        self.tab = browser.new_page(viewport={"width": width, "height": 900})
        self.tab.on("console", lambda said: said.type == "error" and self.faults.append(f"console: {said.text}"))
        self.tab.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.tab.on("requestfailed", lambda request: self.faults.append(f"not loaded: {request.url[:100]}"))
        self.tab.on("response", partial(self.note, address))
        self.tab.goto(f"{address}/{page}", wait_until="load")
        self.tab.wait_for_load_state("networkidle")

    def note(self, address: str, response: object) -> None:
        if response.url.startswith("data:"):
            return
        if not response.url.startswith(address) or response.status >= 400:
            self.faults.append(f"{response.status}: {response.url[:100]}")
        file = OFFLINE / re.sub(r"[?#].*", "", response.url.removeprefix(f"{address}/"))
        self.size += file.stat().st_size if file.is_file() else 0

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *error: object) -> None:
        self.tab.close()


@pytest.mark.parametrize("page", PAGES)
def test_page_loads_whole(browser: object, address: str, page: str) -> None:
    """No error on the console, no missing file, nothing from elsewhere, formulas set, nothing wider than the window."""
    with Visit(browser, address, f"{page}.html") as visit:
        formulas = visit.tab.locator(".bd-article .math").count()
        visit.tab.wait_for_function(f"document.querySelectorAll('mjx-container').length >= {formulas}")
        assert visit.tab.locator("mjx-merror").count() == 0
        for width in WIDTHS.values():
            visit.tab.set_viewport_size({"width": width, "height": 900})
            assert visit.tab.evaluate(OVERFLOW) <= 0, f"wider than {width} pixels"
        assert visit.faults == []
        assert visit.size < (FIRST_PAGE if page == PAGES[0] else ANY_PAGE)


def pages_with(words: str) -> list[str]:
    """List the built pages that have these words; empty where there is no built book."""
    found = [page for page in PAGES if (OFFLINE / f"{page}.html").is_file()]
    return [page for page in found if words in (OFFLINE / f"{page}.html").read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", pages_with('data-ilib="') or [PAGES[0]])
def test_sliders_move_pictures_by_keyboard(browser: object, address: str, page: str) -> None:
    """Every slider of the page: an arrow key changes what is seen, what is said of it, and the picture's text."""
    with Visit(browser, address, f"{page}.html") as visit:
        figures = visit.tab.locator("[data-ilib]:visible")
        assert figures.count() > 0
        for root in figures.all():
            assert root.get_attribute("aria-label")
            for slider in root.locator("input").all():
                before = root.evaluate(SIGHT)
                slider.focus()
                visit.tab.keyboard.press("ArrowRight")
                assert root.evaluate(SIGHT) != before, root.get_attribute("data-ilib")


@pytest.mark.parametrize("page", pages_with(">Play</button>"))
def test_play_button_runs_and_stops(browser: object, address: str, page: str) -> None:
    with Visit(browser, address, f"{page}.html") as visit:
        root = visit.tab.locator("[data-ilib]:has(button)").first
        button, before = root.locator("button"), root.evaluate(SIGHT)
        button.focus()
        visit.tab.keyboard.press("Enter")
        assert button.inner_text() == "Pause"
        visit.tab.wait_for_timeout(900)
        assert root.evaluate(SIGHT) != before
        if button.inner_text() == "Pause":  # it stops by itself behind the last frame
            visit.tab.keyboard.press("Enter")
        assert button.inner_text() == "Play"


@pytest.mark.parametrize("page", pages_with("data-chooser="))
def test_answers_choose_what_is_shown(browser: object, address: str, page: str) -> None:
    with Visit(browser, address, f"{page}.html", WIDTHS["phone"]) as visit:
        root, seen = visit.tab.locator("[data-chooser]"), set()
        for select in root.locator("select").all():
            select.focus()
            visit.tab.keyboard.press("ArrowDown")
            shown = root.locator("section:visible")
            assert shown.count() == 1
            seen.add(shown.get_attribute("data-answers"))
        assert len(seen) == root.locator("select").count()


def test_first_picture_can_be_dragged(browser: object, address: str) -> None:
    with Visit(browser, address, f"{PAGES[0]}.html", WIDTHS["phone"]) as visit:
        root = visit.tab.locator(".ilib-pair")
        box = root.locator(".ilib-pictures").bounding_box()
        visit.tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
        visit.tab.mouse.down()
        visit.tab.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 40)
        visit.tab.mouse.up()
        assert 75 <= int(root.locator("input").input_value()) <= 85


def test_first_page_shows_the_pictures_before_any_text(browser: object, address: str) -> None:
    with Visit(browser, address, f"{PAGES[0]}.html") as visit:
        top = visit.tab.locator(".ilib-pair").bounding_box()["y"]
        text = visit.tab.locator(".bd-article > section > p").first.bounding_box()["y"]
        assert top < text and top < 400
        assert visit.tab.locator(".doors a").count() == 4


def test_search_finds_wiener(browser: object, address: str) -> None:
    with Visit(browser, address, "search.html?q=Wiener") as visit:
        visit.tab.wait_for_selector("#search-results li a")
        found = visit.tab.locator("#search-results li a").evaluate_all("links => links.map(link => link.href)")
        assert any("03_classical_deconvolution" in link for link in found)
        assert visit.faults == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", LOOKED_AT)
def test_no_serious_fault_of_accessibility(browser: object, address: str, page: str, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with Visit(browser, address, f"{page}.html") as visit:
        visit.tab.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        visit.tab.wait_for_timeout(300)
        violations = Axe().run(visit.tab).response["violations"]
        serious = [v for v in violations if v["impact"] in ("serious", "critical")]
        assert {v["id"]: [node["html"][:120] for node in v["nodes"]][:5] for v in serious} == {}
