"""Run a notebook with papermill, as `python -m papermill` does, with less time around it.

    python tools/run.py NOTEBOOK LOG -p NAME VALUE [-p NAME VALUE ...]

Two things that cost 1.5 s a run are left out: a grammar of web addresses that jsonschema builds where it is installed
and no notebook needs, and the wait for a kernel to say goodbye after its last cell.
"""

import argparse
import ast
import sys

sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # jsonschema does without it


def value_of(text: str) -> object:
    """Read a number, True, False or None; anything else is a text (as papermill's command line does)."""
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
    return value if isinstance(value, int | float | None) else text


def main() -> int:
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import execute_notebook
    from papermill.inspection import inspect_notebook

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook")
    parser.add_argument("log", help="where the executed notebook goes")
    parser.add_argument("-p", nargs=2, action="append", default=[], dest="parameters", metavar=("NAME", "VALUE"))
    asked = parser.parse_args()
    parameters = {name: value_of(text) for name, text in asked.parameters}
    known = inspect_notebook(asked.notebook)
    unknown = [name for name in parameters if name not in known]
    if unknown:
        print(f"{asked.notebook} has no parameter {', '.join(unknown)}; it has {', '.join(known)}", file=sys.stderr)
        return 2
    try:
        execute_notebook(asked.notebook, asked.log, parameters, progress_bar=False, shutdown_kernel="immediate")
    except PapermillExecutionError as error:
        print(f"{asked.notebook} stopped at cell {error.exec_count}: {error.ename}: {error.evalue}\n"
              f"The whole story stands in {asked.log}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
