"""Digests: what a row depends on, so that a change makes it stale and a new comment does not.

Settings: the grid's entries for this row, column and profile, and the seed.  Code: the definitions in ilib that the
method, the kernel, the metrics and the run reach, found by following names from one definition to the next, and the
cells of evaluate.ipynb that compute; without comments, docstrings, checks, blank lines and outputs.  A row with
trained weights adds how they are made (the train block, and the code that training reaches) and their checksum.  Not
followed (OUTSIDE): loaders, because the row holds the sha256 of the pixels themselves; book-keeping.  A check raises
or lets pass, and it let a row that exists pass: a better one makes no row stale.
Not covered: the versions of other packages (the row names Python, torch and ilib), and names that are only put
together while the program runs.
"""

import ast
import hashlib
import io
import json
import re
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ..gan.registry import WEIGHTS, read_registry
from .grids import METRICS, PHOTOGRAPHS, SCORES, ColumnSpec, Grid, SameAs, TrainProfile, TrainSpec
from .project import EVALUATE
from .rows import Job

PACKAGE = Path(__file__).resolve().parents[1]
RUN = tuple(f"ilib.results.runs.{name}" for name in ("measure", "method_of", "restore", "scores_of"))
BOOKS = (*(f"ilib.results.{name}" for name in ("digests", "grids", "profiles", "project", "rows", "trained")),
         "ilib.files", "ilib.project", *(f"ilib.gan.{name}" for name in ("checkpoints", "progress", "registry")))
OUTSIDE = ("ilib.data", "ilib.errors", *BOOKS)
# Training cuts crops, which the checksum of the pictures does not cover; the rest of ilib.data is left out.
OUTSIDE_TRAINING = (*(f"ilib.data.{name}" for name in ("embedded", "folders", "leaves", "sets", "terms")),
                    "ilib.errors", *BOOKS)
TRAINING = ("ilib.gan.train.train", "ilib.results.training.pictures_of", "ilib.results.training.recipe_of",
            "ilib.results.training.source_of")
REPORT_TAG = "report"  # cells of evaluate.ipynb that only show something
TRAINED_TAG = "trained"  # cells of evaluate.ipynb that matter to rows with trained weights alone
CHECK = re.compile(r"_?check(_|$)")  # how functions are called that only raise
LENGTH = 16  # hexadecimal digits: enough to tell versions apart


def settings_of(grid: Grid, job: Job) -> dict[str, Any]:
    """Return what the grid says about one run, as JSON can hold it (labels, minutes and chunks do not matter)."""
    row, column, profile = grid.row(job.row), grid.column(job.column), grid.profile(job.profile)
    settings = {
        "method": [row.method, {k: v for k, v in row.parameters.items() if not (row.train and k == "weights")}],
        **_condition(column),
        "data": grid.data(job.column, job.profile),
        "noise": profile.noise,
        "bits": profile.bits,
        "seed": job.seed,
    }
    plain = all(name == score for name, score in grid.metrics.items())
    scored = {} if grid.metrics == METRICS else {"metrics": list(grid.metrics) if plain else grid.metrics}
    return settings | scored | ({"train": training_settings(grid, job)} if row.train else {})


def _condition(column: ColumnSpec) -> dict[str, Any]:
    """Name what makes a column's condition, and what that is given."""
    kind, name = column.made_by or ("kernel", None)
    return {kind: [name, column.parameters]}


def train_block(grid: Grid, job: Job) -> tuple[TrainSpec, TrainProfile]:
    """Return how the weights of a run are made; ValueError where the row has none, or another table makes them."""
    spec = grid.row(job.row).train
    if isinstance(spec, SameAs):
        raise ValueError(f"row {job.row} of {grid.table} uses the weights of {spec.row} of {spec.table}, which are "
                         f"trained there: snakemake {WEIGHTS}/{grid.trained_by(job)[1].weights}.safetensors")
    if spec is None:
        trained = [name for name, row in grid.rows.items() if isinstance(row.train, TrainSpec)]
        raise ValueError(f"row {job.row} of {grid.table} is not trained; choose one of {', '.join(trained) or 'none'}")
    grid.check(job)
    return spec, spec.profiles[job.profile]


def training_settings(grid: Grid, job: Job) -> dict[str, Any]:
    """Return what the grid says about the training of a run's weights, as JSON can hold it."""
    grid, job = grid.trained_by(job)
    (spec, given), column, profile = train_block(grid, job), grid.column(job.column), grid.profile(job.profile)
    settings = {k: v for k, v in given.settings.items() if k not in ("checkpoint_every", "evaluate_every")}
    return {
        "network": [spec.network, given.network],
        "recipe": [spec.recipe, given.recipe],
        "settings": settings,
        "data": list(given.data),
        **({} if spec.source == PHOTOGRAPHS else {"source": [spec.source, given.source]}),
        **_condition(column),
        "noise": profile.noise,
        "bits": profile.bits,
        "seed": job.seed,
    }


def code_of(grid: Grid, job: Job, root: Path) -> dict[str, str]:
    """Return the definitions and the notebook cells that one run reaches: name -> text without comments."""
    row, path = grid.row(job.row), root / EVALUATE
    network = [train_block(*grid.trained_by(job))[0].network] if row.train else []
    scores = [SCORES[score] for score in grid.metrics.values()]
    starts = (*RUN, *scores, str(row.method), _maker(grid.column(job.column)), *network)
    return _sorted_code(starts) | {EVALUATE: _notebook_code(path, path.stat().st_mtime_ns, row.train is not None)}


def training_code(grid: Grid, job: Job) -> dict[str, str]:
    """Return the definitions that the training of a run's weights reaches: name -> text without comments."""
    grid, job = grid.trained_by(job)
    spec, _ = train_block(grid, job)
    starts = (*TRAINING, spec.network, spec.recipe, spec.source, _maker(grid.column(job.column)))
    return _sorted_code(starts, OUTSIDE_TRAINING)


def _maker(column: ColumnSpec) -> str:
    return column.made_by[1] if column.made_by else ""


@cache
def _sorted_code(starts: tuple[str, ...], outside: tuple[str, ...] = OUTSIDE) -> dict[str, str]:
    return dict(sorted(reached_code(starts, outside).items()))


@cache
def _notebook_code(path: Path, changed: int, trained: bool) -> str:
    return notebook_code(path, trained=trained)


def digest_of(content: Any) -> str:
    """Return the first digits of the SHA-256 of anything that JSON can hold."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def digests(grid: Grid, job: Job, root: Path) -> dict[str, str]:
    """Return what a row keeps under parameters: digest: two digests, and the sha256 of its weights where it has any."""
    code = code_of(grid, job, root)
    if grid.row(job.row).train is None:
        return {"settings": digest_of(settings_of(grid, job)), "code": digest_of(code)}
    both = {"row": code, "training": training_code(grid, job)}
    entry = read_registry(root / WEIGHTS).get(grid.trained_by(job)[1].weights)
    return {"settings": digest_of(settings_of(grid, job)), "code": digest_of(both),
            "weights": entry["sha256"] if entry else "none"}  # fmt: skip


def training_digests(grid: Grid, job: Job) -> dict[str, str]:
    """Return the two digests that trained weights keep in their registry entry."""
    return {"settings": digest_of(training_settings(grid, job)), "code": digest_of(training_code(grid, job))}


def reached_code(starts: Iterable[str], outside: tuple[str, ...] = OUTSIDE) -> dict[str, str]:
    """Follow names through ilib from some definitions.  -> dotted name of each definition reached -> its text."""
    found: dict[str, str] = {}
    waiting = list(starts)
    while waiting:
        name = resolve(waiting.pop())
        if name is None or name in found or name.startswith(outside):
            continue
        module, _, definition = name.rpartition(".")
        text, names = _definitions(module)[definition]
        found[name] = text
        waiting += [followed for used in names if (followed := _imported(module, used)) is not None]
    return found


def resolve(name: str) -> str | None:
    """Return the place of a definition: module.name, re-exports followed; None where ilib does not define it."""
    module, _, definition = name.rpartition(".")
    if source_of(module) is None:
        return None
    if definition in _definitions(module):
        return name
    target = _imports(module).get(definition)
    return resolve(target) if target else None


def _imported(module: str, used: str) -> str | None:
    """Return the full name of a (dotted) name used in a module; None where it comes from elsewhere."""
    first, _, rest = used.partition(".")
    if first in _definitions(module):
        return f"{module}.{first}"
    target = _imports(module).get(first)
    if target is None:
        return None
    return target if source_of(target) is None else f"{target}.{rest.split('.')[0]}"


@cache
def source_of(module: str) -> str | None:
    """Return the source of a module of ilib, which is not imported for that; None for any other module."""
    first, *rest = module.split(".")
    if first != "ilib":
        return None
    path = PACKAGE.joinpath(*rest)
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path.read_text(encoding="utf-8") if path.is_file() else None


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(source_of(module) or "")


@cache
def _imports(module: str) -> dict[str, str]:
    """Map each name that a module imports from ilib to the dotted name of what it stands for."""
    is_package = (PACKAGE.joinpath(*module.split(".")[1:])).is_dir()
    found = {}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom):
            up = node.level - is_package
            parts = module.split(".")[: len(module.split(".")) - up] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            found |= {alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names}
    return {name: target for name, target in found.items() if target.startswith("ilib.")}


@cache
def _definitions(module: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Map each top-level name of a module to its text without comments and to the names that it uses."""
    text = source_of(module) or ""
    bare = without_comments(text).splitlines()
    for check in filter(_is_check, ast.walk(_tree(module))):
        bare[check.lineno - 1 : check.end_lineno] = [""] * (check.end_lineno - check.lineno + 1)
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for node in _tree(module).body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        lines = "\n".join(line for line in bare[first - 1 : node.end_lineno] if line.strip())
        found |= dict.fromkeys(_names_bound(node), (lines, frozenset(_names_used(node))))
    return found


def _names_bound(node: ast.stmt) -> list[str]:
    """List the names that a top-level statement defines, imports left out."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = getattr(node, "targets", []) or ([node.target] if isinstance(node, ast.AnnAssign) else [])
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def _names_used(node: ast.AST) -> set[str]:
    """Collect the names and dotted names in a piece of code, its checks left out."""
    parts = list(_walked(node))
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    return names | {f"{part.value.id}.{part.attr}" for part in parts
                    if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name)}


def _walked(node: ast.AST) -> Iterator[ast.AST]:
    """Go through a piece of code as ast.walk does, but not into its checks."""
    yield node
    for part in ast.iter_child_nodes(node):
        if not _is_check(part):
            yield from _walked(part)


def _is_check(node: ast.AST) -> bool:
    """Whether a statement raises or lets pass, no more: a bare call of check_..., or an if that can only raise."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = node.value.func
        return CHECK.match(getattr(called, "attr", getattr(called, "id", ""))) is not None
    if not isinstance(node, ast.If) or node.orelse or any(isinstance(part, ast.NamedExpr) for part in ast.walk(node)):
        return False
    *before, last = node.body
    return isinstance(last, ast.Raise) and all(isinstance(part, ast.Assign) for part in before)


def without_comments(text: str) -> str:
    """Blank the comments and docstrings of Python source, line by line, and what they leave at the ends of lines."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            for n in range(body[0].lineno - 1, body[0].end_lineno):
                lines[n] = ""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    for row, column in [t.start for t in tokens if t.type == tokenize.COMMENT]:
        lines[row - 1] = lines[row - 1][:column]
    return "\n".join(line.rstrip() for line in lines)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def notebook_code(path: Path, trained: bool = False) -> str:
    """Return the code of a notebook's cells that compute, without comments, outputs and cells tagged report.

    trained: with the cells that matter to rows with trained weights alone.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    codes = ["".join(c["source"]) for c in cells if c["cell_type"] == "code" and _computes(c, trained)]
    return "\n".join(line for code in codes for line in without_comments(code).splitlines() if line.strip())


def _computes(cell: dict[str, Any], trained: bool) -> bool:
    left_out = {REPORT_TAG, "colab", "parameters", "injected-parameters"} | ({TRAINED_TAG} if not trained else set())
    return not left_out & set(cell["metadata"].get("tags", []))
