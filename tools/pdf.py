"""Print the offline copy of the book to _build/book.pdf: every page, in reading order, with an outline.

    python -m tools.pdf        after `make offline`; needs Chromium and the extra ilib[browser]

A link to another page leads to the published book.  A slider stands at its first frame.
"""

import shutil
import sys
from io import BytesIO
from mimetypes import guess_type
from pathlib import Path
from urllib.parse import urlsplit

from . import address
from .notebooks import ROOT, toc_pages
from .offline import OFFLINE

PDF = ROOT / "_build" / "book.pdf"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PAPER = {"format": "A4", "print_background": True, "scale": 0.8,
         "margin": {"top": "15mm", "bottom": "15mm", "left": "12mm", "right": "12mm"}}  # fmt: skip


def published() -> str:
    """Return where GitHub Pages puts the book: https://OWNER.github.io/NAME."""
    owner, name = address.slug(address.setting()["url"]).split("/")
    return f"https://{owner.replace('_', '-')}.github.io/{name}"


def chromium() -> str:
    """Find Chromium.  FileNotFoundError where there is none."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise FileNotFoundError("printing the book needs Chromium (Debian and Ubuntu: sudo apt-get install chromium)")
    return found


def file_of(url: str, base: str) -> Path:
    """Return the file of the offline copy that a published address stands for."""
    return OFFLINE / urlsplit(url).path.removeprefix(urlsplit(base).path).lstrip("/")


def main() -> int:
    from playwright.sync_api import sync_playwright
    from pypdf import PdfReader, PdfWriter

    if not OFFLINE.is_dir():
        print("there is no offline copy of the book: run `make offline` first", file=sys.stderr)
        return 1
    base, book = published(), PdfWriter()

    def serve(route: object) -> None:
        """Answer from the files: nothing is fetched."""
        file = file_of(route.request.url, base) if route.request.url.startswith(base) else OFFLINE / "none"
        kind = guess_type(file.name)[0] or "application/octet-stream"
        route.fulfill(body=file.read_bytes(), content_type=kind) if file.is_file() else route.abort()

    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        tab = browser.new_page()
        tab.route("**/*", serve)
        for page in toc_pages():
            tab.goto(f"{base}/{page}.html", wait_until="networkidle")
            sheets = PdfReader(BytesIO(tab.pdf(**PAPER)))
            book.append(sheets, outline_item=tab.locator("h1").first.inner_text().rstrip("#"), import_outline=False)
        browser.close()
    book.write(PDF)
    print(f"{len(book.pages)} sheets in {PDF.relative_to(ROOT)}, {PDF.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
