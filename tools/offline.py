"""Copy the built book to _build/offline with every script beside it: readable, formulas included, without a network.

    python -m tools.offline        after `make book`; npm fetches MathJax once, into _build/vendor
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from .notebooks import ROOT

HTML = ROOT / "_build" / "html"
OFFLINE = ROOT / "_build" / "offline"
VENDOR = ROOT / "_build" / "vendor"
MATHJAX = "mathjax@3.2.2"
CDN = re.compile(r"https://cdn\.jsdelivr\.net/npm/mathjax@3/es5/")
REMOTE = re.compile(r"<(?:script|img|iframe|video|audio)\b[^>]*?\bsrc=\"(?:https?:)?//[^\"]+"
                    r"|<link\b(?=[^>]*\brel=\"(?:stylesheet|preload|icon)\")[^>]*?\bhref=\"(?:https?:)?//[^\"]+")


def fetch_mathjax() -> Path:
    """Have npm put MathJax into _build/vendor unless it is there.  -> the folder of its scripts."""
    scripts = VENDOR / "node_modules" / "mathjax" / "es5"
    if not scripts.is_dir():
        if shutil.which("npm") is None:
            raise FileNotFoundError("npm is needed to fetch MathJax (Debian and Ubuntu: sudo apt-get install npm); the "
                                    "book itself needs it only for an offline copy")
        VENDOR.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-save", "--prefix", str(VENDOR), MATHJAX], check=True)
    return scripts


def localise(page: str, depth: int) -> str:
    """Point a page, `depth` folders below the top, to the scripts beside it."""
    return CDN.sub("../" * depth + "_static/mathjax/", page)


def remote(page: str) -> list[str]:
    """List what a page would still load from elsewhere; links to follow do not count."""
    return REMOTE.findall(page)


def main() -> int:
    if not (HTML / "index.html").is_file():
        print("there is no built book: run `make book` first", file=sys.stderr)
        return 1
    scripts = fetch_mathjax()
    shutil.rmtree(OFFLINE, ignore_errors=True)
    shutil.copytree(HTML, OFFLINE, ignore=shutil.ignore_patterns("*.map"))
    shutil.copytree(scripts, OFFLINE / "_static" / "mathjax")
    left = {}
    for path in OFFLINE.rglob("*.html"):
        place = path.relative_to(OFFLINE)
        if place.parts[0] != "_static":
            path.write_text(localise(path.read_text(encoding="utf-8"), len(place.parts) - 1), encoding="utf-8")
            left |= {place: found} if (found := remote(path.read_text(encoding="utf-8"))) else {}
    for place, found in left.items():
        print(f"{place} still loads {found}", file=sys.stderr)
    print(f"Open {OFFLINE / 'index.html'} in a browser; the folder needs no network.")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
