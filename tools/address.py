"""Write the repository's address, set once as repository.url in _config.yml, wherever else it must stand.

    python tools/address.py            rewrite README.md, CITATION.cff, pyproject.toml, the pages and the notebooks
    python tools/address.py --check    only say what differs; exit 1 where something does
"""

import json
import re
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
HOSTS = r"(https://github\.com/|https://colab\.research\.google\.com/github/)"


def slug(url: str) -> str:
    """Return owner/name of an address.  Raises ValueError where it is not a repository on GitHub."""
    match = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+)", url)
    if match is None:
        raise ValueError(f"repository.url must be https://github.com/OWNER/NAME without a slash at the end, not {url}")
    return match[1]


def setting() -> dict[str, str]:
    """Return the url and the branch that _config.yml sets."""
    repository = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
    return {"url": repository["url"], "branch": repository["branch"]}


def written() -> str:
    """Return the address that the last run wrote: the one in pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]


def readdress(text: str, old: str, new: str, branch: str) -> str:
    """Point every GitHub and Colab link to the repository `old` (owner/name) to `new` and to the branch."""
    text = re.sub(rf"{HOSTS}{re.escape(old)}(?![\w-])", lambda match: match[1] + new, text)
    return re.sub(rf"({HOSTS}{re.escape(new)}/(?:blob|tree)/)[^/\s)\"]+", lambda match: match[1] + branch, text)


def readdress_notebook(text: str, old: str, new: str, branch: str) -> str:
    """As readdress, in the sources of a notebook's cells and in the HTML that they show."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        lines = cell["source"] if isinstance(cell["source"], list) else [cell["source"]]
        cell["source"] = [readdress(line, old, new, branch) for line in lines]
        for data in (output.get("data", {}) for output in cell.get("outputs", [])):
            shown = data.get("text/html", [])
            data |= {"text/html": [readdress(line, old, new, branch) for line in shown]} if shown else {}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def places() -> list[Path]:
    """List the files in which the address stands."""
    texts = [ROOT / name for name in ("README.md", "CITATION.cff", "CHANGELOG.md", "pyproject.toml")]
    return texts + sorted((ROOT / "book").glob("*.md")) + sorted((ROOT / "notebooks").rglob("*.ipynb"))


def changed() -> dict[Path, str]:
    """Return the files in which the address differs from the setting, each with the text that it should have."""
    old, new, branch = slug(written()), slug(setting()["url"]), setting()["branch"]
    wanted = {}
    for path in places():
        text = path.read_text(encoding="utf-8")
        if readdress(text, old, new, branch) != text:
            wanted[path] = (readdress_notebook if path.suffix == ".ipynb" else readdress)(text, old, new, branch)
    return wanted


def main() -> int:
    check = "--check" in sys.argv[1:]
    wanted = changed()
    for path, text in wanted.items():
        print(f"{path.relative_to(ROOT)}: {'differs' if check else 'rewritten'}")
        if not check:
            path.write_text(text, encoding="utf-8")
    return int(check and bool(wanted))


if __name__ == "__main__":
    sys.exit(main())
