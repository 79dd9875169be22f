"""Sweeps: one table's grid again and again with one setting (or two) changed, asked for by five lines of YAML.

    base: mbdgan_1             # the table whose rows are run again: notebooks/tables/mbdgan_1.yaml
    rows: [wiener, tv, hl]     # which of its rows; left out: all that can be run
    columns: [motion]          # which of its columns; left out: all that can be run
    vary:
      noise: [0, 0.01, 0.02]   # noise, bits, data.size, kernel.NAME or method.NAME, and the values

Each value is a table of its own: `noise_motion.yaml` with the value 0.01 is the table noise_motion_0p01, and its rows
are results/noise_motion_0p01/ROW--COLUMN--PROFILE--sSEED.json, of the same form as all others.
"""

import ast
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from .digests import source_of
from .grids import AVERAGE, Grid, _check_keys, _choose, _mapping, _profile, load_grid, read_yaml, table_ids
from .project import GRIDS, SWEEPS, project_folder
from .rows import Job, Row, check_identifier, read_row

SETTINGS = ("noise", "bits", "data.name", "data.size", "data.how", "data.n", "kernel.NAME", "method.NAME")
Point = dict[str, Any]  # setting -> value


@dataclass(frozen=True)
class Sweep:
    """A base table, which of its rows and columns are run, and the values of each setting that is varied."""

    name: str
    base: Grid
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    vary: dict[str, list[Any]]

    def points(self) -> dict[str, Point]:
        """Return every combination of values under the id of its table, as noise_motion_0p01."""
        return self._points

    @cached_property
    def _points(self) -> dict[str, Point]:
        every = [dict(zip(self.vary, values, strict=True)) for values in itertools.product(*self.vary.values())]
        return {"_".join([self.name, *map(word_of, point.values())]): point for point in every}

    def grid(self, table: str) -> Grid:
        """Return the grid of one point; ValueError that names the points."""
        point = _choose(self.points(), table, f"point of the sweep {self.name}")
        return changed_grid(self, table, point)

    def jobs(self, profile: str) -> list[Job]:
        """List the runs of all points at a profile."""
        return [job for table in self.points() for job in self.grid(table).jobs(profile)]


def word_of(value: Any) -> str:
    """Write a value as part of a table's id: 0.01 -> 0p01, 1e-05 -> 1em05, bsds500/val -> bsds500_val."""
    text = f"{value:g}" if isinstance(value, float) else str(value).lower()
    text = text.replace(".", "p").replace("-", "m").replace("+", "")
    return re.sub(r"[^a-z0-9]+", "_", text).strip("_")


def changed_grid(sweep: Sweep, table: str, point: Point) -> Grid:
    """Return the base table's grid at one point: the chosen rows and columns, no figures of the paper."""
    base, label = sweep.base, ", ".join(f"{name} {value}" for name, value in point.items())
    kernel, method, profile = ({n.partition(".")[2]: v for n, v in point.items() if n.startswith(f"{kind}.")}
                               for kind in ("kernel", "method", "data"))  # fmt: skip
    plain = {name: value for name, value in point.items() if "." not in name}
    rows = {n: replace(base.rows[n], parameters=base.rows[n].parameters | method, paper={}) for n in sweep.rows}
    columns = {n: replace(base.columns[n], parameters=base.columns[n].parameters | kernel) for n in sweep.columns}
    profiles = {n: replace(p, data=p.data | profile, **plain) for n, p in base.profiles.items()}
    return replace(base, table=table, title=f"{base.title}: {label}", rows=rows, columns=columns, profiles=profiles,
                   differences={}, average=AVERAGE)


def sweep_ids(root: Path | None = None) -> list[str]:
    """List the names of the sweeps."""
    return sorted(path.stem for path in ((root or project_folder()) / SWEEPS).glob("*.yaml"))


def load_sweep(name: str, root: str | Path | None = None) -> Sweep:
    """Load and check a sweep.  ValueError that names the file, what is wrong and what is allowed."""
    root = Path(root) if root is not None else project_folder()
    files = [path for part in (SWEEPS, GRIDS) for path in sorted((root / part).glob("*.yaml"))]
    return _loaded(name, root, tuple((path, path.stat().st_mtime_ns) for path in files))


@cache
def _loaded(name: str, root: Path, files: tuple[tuple[Path, int], ...]) -> Sweep:
    """Load a sweep once for as long as no grid and no sweep changes, since each of its points asks for it."""
    _choose(dict.fromkeys(sweep_ids(root)), name, "sweep")
    return read_yaml(root / SWEEPS / f"{name}.yaml", partial(parse_sweep, name, root=root))


def parse_sweep(name: str, content: Any, root: Path) -> Sweep:
    """Build a sweep from the content of its YAML.  ValueError and TypeError name the place and what is allowed."""
    check_identifier(name, "the sweep's name")
    _check_keys("the sweep", content, ("base", "vary"), ("rows", "columns"))
    _choose(dict.fromkeys(table_ids(root)), content["base"], "table")
    if name in table_ids(root):
        raise ValueError(f"{name} is the name of a table; give the sweep another")
    base = load_grid(content["base"], root)
    rows = _chosen("rows", content, base.runs(), base.table)
    columns = _chosen("columns", content, base.conditions(), base.table)
    sweep = Sweep(name, base, rows, columns, _vary(content["vary"]))
    _check_points(sweep)
    return sweep


def _chosen(what: str, content: dict[str, Any], options: Iterable[str], table: str) -> tuple[str, ...]:
    names = content.get(what, list(options))
    if not isinstance(names, list) or not names:
        raise TypeError(f"{what} is {names!r}; it must be a list of names, as [{', '.join(options)}]")
    for name in names:
        _choose(dict.fromkeys(options), name, f"{what[:-1]} of {table} that can be run")
    return tuple(names)


def _vary(block: Any) -> dict[str, list[Any]]:
    for name, values in _mapping("vary", block).items():
        rest = str(name).partition(".")[2] or "NAME"
        options = [f"{kind}.{rest}" if kind in ("kernel", "method") else f"{kind}.{key}" if key else kind
                   for kind, _, key in (setting.partition(".") for setting in SETTINGS)]  # fmt: skip
        _choose(dict.fromkeys(options), name, "setting that can be varied")
        if not isinstance(values, list) or not values:
            raise TypeError(f"vary: {name} is {values!r}; it must be a list of values, as [0, 0.01, 0.02]")
    if not block:
        raise ValueError(f"vary is empty; give at least one of {', '.join(SETTINGS)} and its values")
    return block


def _check_points(sweep: Sweep) -> None:
    """Raise where two values share a name, or where the profile, a kernel or a method would not accept one of them."""
    _check_parameters(sweep)
    counts = [len(values) for values in sweep.vary.values()]
    ids = list(itertools.chain.from_iterable(map(word_of, values) for values in sweep.vary.values()))
    if len(sweep.points()) < _product(counts) or "" in ids:
        raise ValueError("two values of vary are the same, or one has no letter and no digit; each is part of a name")
    for table, point in sweep.points().items():
        check_identifier(table, "the id of a point")
        for name, spec in sweep.grid(table).profiles.items():
            settings = {"data": spec.data, "noise": spec.noise, "bits": spec.bits}
            _profile(f"vary: {point}: profile {name}", settings)


def _check_parameters(sweep: Sweep) -> None:
    """Raise ValueError where a kernel or a method has no such parameter; read off its source."""
    makers = {"kernel": [sweep.base.columns[n].kernel for n in sweep.columns],
              "method": [sweep.base.rows[n].method for n in sweep.rows]}  # fmt: skip
    for kind, _, name in (setting.partition(".") for setting in sweep.vary):
        for maker in makers.get(kind, []):
            allowed = _parameters_of(str(maker))
            if allowed:
                _choose(dict.fromkeys(allowed), name, f"parameter of {maker}")


def _parameters_of(name: str) -> list[str]:
    """Name the parameters of a function of ilib, y and A left out; none where its module does not define it."""
    module, _, definition = name.rpartition(".")
    for node in ast.parse(source_of(module) or "").body:
        if isinstance(node, ast.FunctionDef) and node.name == definition:
            return [a.arg for a in (*node.args.args, *node.args.kwonlyargs) if a.arg not in ("y", "A")]
    return []


def _product(counts: Iterable[int]) -> int:
    total = 1
    for count in counts:
        total *= count
    return total


def sweep_of(table: str, root: Path) -> Sweep | None:
    """Return the sweep of which a table is (or, by its name, should be) a point; None where there is none."""
    near = [load_sweep(name, root) for name in sweep_ids(root) if table.startswith(f"{name}_")]
    return next((sweep for sweep in near if table in sweep.points()), near[-1] if near else None)


def read_sweep(name: str, root: str | Path | None = None, profile: str = "smoke") -> list[tuple[Point, Row]]:
    """Read the rows of a sweep that exist at a profile, each with the values of its point."""
    root = Path(root) if root is not None else project_folder()
    sweep = load_sweep(name, root)
    pairs = [(point, job) for table, point in sweep.points().items() for job in sweep.grid(table).jobs(profile)]
    return [(point, read_row(root / job.path)) for point, job in pairs if (root / job.path).is_file()]
