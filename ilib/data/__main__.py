"""Public data sets: `python -m ilib.data list | info NAME | fetch NAME | check`."""

import argparse
import json
import sys
from pathlib import Path

from .fetch import RECEIPT, FetchError, _digest, fetch, fetch_root, places, receipts
from .folders import ENVIRONMENT, data_root
from .registry import Source, registry, source_named
from .sets import all_names, load


def amount(size: int | None) -> str:
    """Write a number of bytes for people."""
    if size is None:
        return "not published"
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def list_sets(root: Path) -> None:
    """Print one line for each set: size, how it is had, whether it is here, what it is."""
    print(f"{'name':<10}{'download':<15}{'access':<8}{'here':<6}what")
    for name, source in registry().items():
        here = "yes" if places(source, root) else "-"
        size = amount(source.size) if source.files else "-"
        print(f"{name:<10}{size:<15}{source.access:<8}{here:<6}{source.title}")
    print(f"\nLooked in {root}. `info NAME` says where a set comes from, on which terms, and what uses it.")


def info(source: Source, root: Path) -> None:
    """Print all that is known of a set."""
    facts = {"home": source.home, "contents": source.contents, "split": source.split, "terms": source.terms,
             "cite": f"{source.cite} in book/references.bib", "used": "; ".join(source.used),
             "load": ", ".join(source.loads + source.functions), "how": source.how}  # fmt: skip
    print(source.title)
    for name, fact in facts.items():
        if fact:
            print(f"  {name:<10}{fact}")
    for file in source.files:
        print(f"  file      {file.url or file.name}\n{'':12}{amount(file.bytes)}, checksum "
              f"{file.checksum or 'not published'}" + (f" ({file.source})" if file.source else ""))  # fmt: skip
    found = places(source, root)
    print("  here      " + (", ".join(f"{k}: {v}" for k, v in found.items()) or f"not found in {root}"))


def check(root: Path) -> list[str]:
    """Say of each set that is here whether it reads, and whether what was fetched is still as it came.  -> problems."""
    problems = []
    for name, source in registry().items():
        found = places(source, root)
        wrong = [*_changed(source, root), *_unreadable(found, root)]
        problems += [f"{name}: {text}" for text in wrong]
        state = "; ".join(wrong) or (", ".join(found) or "not here")
        print(f"{name:<10}{state}")
    return problems


def _changed(source: Source, root: Path) -> list[str]:
    """Files that were fetched as they are and have changed or gone since."""
    folder = root / source.folder
    kept = {k: r for k, r in receipts(folder).items() if not r["unpacked"]}
    gone = [k for k in kept if not (folder / k).is_file()]
    other = [k for k, r in kept.items() if k not in gone and _digest(folder / k, "sha256") != r["sha256"]]
    again = f"; delete it and its entry in {RECEIPT} to fetch it again"
    return [f"{k} is gone{again}" for k in gone] + [f"{k} has changed since it was fetched{again}" for k in other]


def _unreadable(found: dict[str, str], root: Path) -> list[str]:
    """Names for `load` whose first picture does not read."""
    wrong = []
    for name in [n for n in found if n in all_names()]:
        try:
            load(name, how=None, n=1, root=root)
        except (ValueError, OSError, KeyError) as error:
            wrong.append(f"{name} does not read: {error}")
    return wrong


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m ilib.data", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    texts = {"list": "list the sets", "info": "say all about one", "fetch": "download one and lay it out",
             "check": "read a picture of each set that is here"}  # fmt: skip
    for name, text in texts.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--root", help=f"the folder of all sets (default: {ENVIRONMENT}, else data/downloads)")
        if name in ("info", "fetch"):
            command.add_argument("name")
    fetching = commands.choices["fetch"]
    fetching.add_argument("--only", default="*", help="a pattern for the files' names, as val2017.zip")
    fetching.add_argument("--mirror", help="a server to ask first, for MIRROR/FOLDER/FILE (default: ILIB_MIRROR)")
    fetching.add_argument("--keep", action="store_true", help="keep archives after unpacking")
    fetching.add_argument("--quiet", action="store_true", help="no progress bars")
    return top


def run(asked: argparse.Namespace) -> int:
    """Do what was asked; 1 where `check` finds something wrong."""
    root = fetch_root(asked.root)
    if asked.command == "list":
        list_sets(root)
    elif asked.command == "info":
        info(source_named(asked.name), root)
    elif asked.command == "check":
        return int(bool(check(root)))
    else:
        source = source_named(asked.name)
        if source.terms:
            print(f"{source.title}. Terms: {source.terms}.", file=sys.stderr)
        folder = fetch(source, asked.root, asked.only, asked.mirror, asked.keep, None if asked.quiet else _say)
        print(folder)
        if data_root(asked.root) is None:
            print(f"So that the loaders find it: export {ENVIRONMENT}={root}", file=sys.stderr)
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def main(words: list[str] | None = None) -> int:
    """Run a command; return 1 where it fails, and say why in one line."""
    try:
        return run(parser().parse_args(words))
    except (FetchError, ValueError, OSError, json.JSONDecodeError) as error:
        print(f"ilib.data: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
