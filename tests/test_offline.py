"""The offline copy and the PDF: which addresses are rewritten, what is loaded from elsewhere, what stands for what."""

from pathlib import Path

import pytest

from tools import offline, pdf
from tools.address import setting, slug

MATHJAX = '<script defer="defer" src="https://cdn.jsdelivr.net/npm/mathjax@3/es5/tex-mml-chtml.js"></script>'


@pytest.mark.parametrize(("depth", "up"), [(0, ""), (1, "../"), (2, "../../")])
def test_mathjax_is_taken_from_beside_the_page(depth: int, up: str) -> None:
    page = offline.localise(MATHJAX, depth)
    assert page == f'<script defer="defer" src="{up}_static/mathjax/tex-mml-chtml.js"></script>'
    assert offline.remote(MATHJAX) and not offline.remote(page)


@pytest.mark.parametrize("loaded", [
    '<img alt="" src="https://example.org/a.png">',
    '<script async src="//example.org/a.js">',
    '<link rel="stylesheet" href="https://example.org/a.css">',
    '<link href="http://example.org/a.css" rel="stylesheet"/>',
])  # fmt: skip
def test_what_a_page_loads_from_elsewhere_is_found(loaded: str) -> None:
    assert len(offline.remote(f"<p>{loaded}</p>")) == 1


@pytest.mark.parametrize("kept", [
    '<a href="https://example.org">', '<img src="../_images/a.png">', '<img src="data:image/png;base64,AA//">',
    '<link rel="canonical" href="https://example.org/">', '<script>const a = "https://example.org/a.js"</script>',
])  # fmt: skip
def test_links_and_local_files_are_none(kept: str) -> None:
    assert offline.remote(kept) == []


def test_without_npm_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "VENDOR", tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="npm is needed"):
        offline.fetch_mathjax()


def test_without_chromium_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="needs Chromium"):
        pdf.chromium()


def test_links_in_the_pdf_lead_to_the_published_book() -> None:
    base, name = pdf.published(), slug(setting()["url"]).split("/")[1]
    assert base.startswith("https://") and base.endswith(f".github.io/{name}")
    page = pdf.file_of(f"{base}/notebooks/a.html?v=1#place", base)
    assert page == offline.OFFLINE / "notebooks" / "a.html"
