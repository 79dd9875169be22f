"""Colab's versions of what the book uses: renew .ci/colab.txt from Colab's own list.

    python tools/colab.py renew          fetch the list (needs the network)
    python tools/colab.py renew FILE     take it from a file: what `!pip freeze` prints in Colab
"""

import re
import sys
import tomllib
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / ".ci" / "colab.txt"
FREEZE = "https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.txt"
LINE = re.compile(r"([\w.-]+)(?:==| @ \S*/[\w.]+?-)(\d[\w.]*)")
ALSO = {"ipywidgets"}  # not required by ilib, but what Colab draws progress bars with


def wanted() -> set[str]:
    """Name the packages that ilib requires, and those that Colab's notebooks run on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {canonical(re.match(r"[\w.-]+", line)[0]) for line in project["dependencies"]} | ALSO


def canonical(name: str) -> str:
    """Write a package's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def constraints(freeze: str) -> dict[str, str]:
    """Take from the output of pip freeze the versions of what the book uses, without what marks a CUDA build.

    ValueError where the text names none of them, or not all that matter.
    """
    found = {canonical(match[1]): match[2] for line in freeze.splitlines() if (match := LINE.match(line))}
    chosen = {name: found[name] for name in sorted(wanted() & set(found))}
    missing = {"torch", "numpy", "ipython", "matplotlib"} - set(chosen)
    if missing:
        raise ValueError(f"this is no list of Colab's packages: {', '.join(sorted(missing))} is not in it")
    return chosen


def text(chosen: dict[str, str], source: str) -> str:
    """Write the file of constraints, with its source and its date."""
    head = ["What Google Colab ships of the packages that the book uses: constraints for `make colab`, which runs",
            "every notebook under them.", f"Source: {source}",
            f"Taken: {datetime.now(UTC):%Y-%m-%d}, by python tools/colab.py renew"]  # fmt: skip
    lines = [f"# {line}" for line in head] + [f"{name}=={version}" for name, version in chosen.items()]
    return "\n".join(lines) + "\n"


def main() -> int:
    if sys.argv[1:2] != ["renew"] or len(sys.argv) > 3:
        print(__doc__, file=sys.stderr)
        return 2
    if len(sys.argv) == 3:
        freeze, source = Path(sys.argv[2]).read_text(encoding="utf-8"), "pip freeze in Colab"
    else:
        with urllib.request.urlopen(FREEZE, timeout=60) as answer:
            freeze, source = answer.read().decode(), FREEZE
    CONSTRAINTS.write_text(text(constraints(freeze), source), encoding="utf-8")
    print(f"wrote {CONSTRAINTS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
