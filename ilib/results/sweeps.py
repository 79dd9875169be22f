"""Sweeps: one table's grid again and again with one setting (or two) changed, asked for by five lines of YAML.

    base: mbdgan_1             # the table whose rows are run again: notebooks/tables/mbdgan_1.yaml
    rows: [wiener, tv, hl]     # which of its rows; left out: all that can be run (and trained, where train. is varied)
    columns: [motion]          # which of its columns; left out: all that can be run
    profiles: [smoke, cpu]     # which of its profiles; left out: all
    metrics: [psnr, lpips]     # what is measured; left out: what the table measures
    vary:
      noise: [0, 0.01, 0.02]   # noise, bits, data.size, kernel.NAME, method.NAME or train...., and the values

Each value is a table of its own: `noise_motion.yaml` with the value 0.01 is the table noise_motion_0p01, and its rows
are results/noise_motion_0p01/ROW--COLUMN--PROFILE--sSEED.json, of the same form as all others.

A row with trained weights is tested with those of the base table, whatever is varied, unless its name begins with
`train.`: then each point trains its own, with all that is varied (a point that only repeats the base's own values
takes the base's weights).  `train.data.n` is the number of training pictures over all sets together, the same share
of each set, from its beginning; a set that has no `n` in the grid needs its size, as `sizes: {cid22: 191}`.
"""

import ast
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from ..gan.settings import Settings, settings_from
from .digests import resolve, source_of
from .grids import (
    AVERAGE,
    Grid,
    SameAs,
    TrainProfile,
    TrainSpec,
    _check_keys,
    _choose,
    _is_count,
    _mapping,
    _metrics,
    _profile,
    load_grid,
    read_yaml,
    table_ids,
)
from .project import GRIDS, SWEEPS, project_folder
from .rows import Job, Row, check_identifier, read_row

SETTINGS = ("noise", "bits", "data.name", "data.size", "data.how", "data.n", "kernel.NAME", "method.NAME",
            "train.recipe.NAME", "train.settings.NAME", "train.network.NAME", "train.data.n")  # fmt: skip
OWN = {"noise": ("noise", "variance"), "bits": ("bits",)}  # what a column's maker may call its own
TOLD = ("self", "y", "A", "weights", "generator")  # parameters that the run gives, not the grid
Point = dict[str, Any]  # setting -> value


@dataclass(frozen=True)
class Sweep:
    """A base table, which of its rows, columns and profiles are run, and the values of each setting that is varied.

    sizes: set -> its pictures, for train.data.n; metrics: what is measured (none given: what the table measures).
    """

    name: str
    base: Grid
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    profiles: tuple[str, ...]
    vary: dict[str, list[Any]]
    sizes: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)

    def points(self) -> dict[str, Point]:
        """Return every combination of values under the id of its table, as noise_motion_0p01.

        Settings with one value are no part of the id, unless none has more.
        """
        return self._points

    @cached_property
    def _points(self) -> dict[str, Point]:
        every = [dict(zip(self.vary, values, strict=True)) for values in itertools.product(*self.vary.values())]
        named = [name for name, values in self.vary.items() if len(values) > 1] or list(self.vary)[:1]
        return {"_".join([self.name, *(word_of(point[name]) for name in named)]): point for point in every}

    def grid(self, table: str) -> Grid:
        """Return the grid of one point; ValueError that names the points."""
        point = _choose(self.points(), table, f"point of the sweep {self.name}")
        return changed_grid(self, table, point)

    def jobs(self, profile: str) -> list[Job]:
        """List the runs of all points at a profile."""
        return [job for table in self.points() for job in self.grid(table).jobs(profile)]

    def jobs_here(self, profile: str) -> list[Job]:
        """List the runs of all points at a profile for which all that they need is installed here."""
        return [job for table in self.points() for job in self.grid(table).jobs_here(profile)]


def word_of(value: Any) -> str:
    """Write a value as part of a table's id: 0.01 -> 0p01, 1e-05 -> 1em05, bsds500/val -> bsds500_val."""
    text = f"{value:g}" if isinstance(value, float) else str(value).lower()
    text = text.replace(".", "p").replace("-", "m").replace("+", "")
    return re.sub(r"[^a-z0-9]+", "_", text).strip("_")


def changed_grid(sweep: Sweep, table: str, point: Point) -> Grid:
    """Return the base table's grid at one point: the chosen rows and columns, no figures of the paper."""
    base, label = sweep.base, ", ".join(f"{name} {value}" for name, value in point.items())
    plain, kernel, method, data = (_part(point, kind) for kind in ("", "kernel", "method", "data"))
    rows = {n: replace(base.rows[n], parameters=base.rows[n].parameters | method, paper={},
                       train=_train_at(sweep, n, point)) for n in sweep.rows}  # fmt: skip
    fewer = {"n": data["n"]} if "n" in data else {}  # a column with pictures of its own has so many of them, too
    columns = {n: replace(base.columns[n], parameters=base.columns[n].parameters | kernel,
                          data={p: own | fewer for p, own in base.columns[n].data.items()})
               for n in sweep.columns}  # fmt: skip
    profiles = {n: replace(p, data=p.data | data, **plain) for n, p in base.profiles.items() if n in sweep.profiles}
    return replace(base, table=table, title=f"{base.title}: {label}", rows=rows, columns=columns, profiles=profiles,
                   metrics=sweep.metrics or base.metrics, differences={}, average=AVERAGE,
                   others=base.others | {base.table: base})  # fmt: skip


def _part(point: Point, kind: str) -> Point:
    """Return what a point sets of one kind, as kernel or train.recipe, under the names that come after it."""
    split = {name: name.rpartition(".") for name in point}
    return {split[name][2]: value for name, value in point.items() if split[name][0] == kind}


def _train_at(sweep: Sweep, row: str, point: Point) -> TrainSpec | SameAs | None:
    """Return how a row's weights are made at a point: anew where that is varied, else the base table's are taken."""
    spec, varied = sweep.base.rows[row].train, [name for name in point if name.startswith("train.")]
    if not isinstance(spec, TrainSpec):
        return spec
    kept = {name: given for name, given in spec.profiles.items() if name in sweep.profiles}
    profiles = {name: _given_at(sweep, given, point) for name, given in kept.items()} if varied else kept
    if profiles == kept and len(varied) in (0, len(point)):
        return SameAs(sweep.base.table, row)
    column = spec.column and (spec.column if spec.column in sweep.columns else sweep.columns[0])  # one camera for all
    return replace(spec, profiles=profiles, column=column)


def _given_at(sweep: Sweep, given: TrainProfile, point: Point) -> TrainProfile:
    """Return what a profile's training is given at a point.  ValueError and TypeError for a value out of range."""
    recipe, network, data = (_part(point, f"train.{kind}") for kind in ("recipe", "network", "data"))
    changed = given.settings | _part(point, "train.settings")
    now, before = settings_from(changed), settings_from(given.settings)
    blocks = cut_evenly(given.data, data["n"], sweep.sizes) if data else given.data
    if data and data["n"] <= now.held_out:
        raise ValueError(f"train.data.n is {data['n']}, and {now.held_out} of these are held out: give more of them")
    return replace(given, settings=changed, data=blocks, minutes=given.minutes * now.steps / before.steps,
                   recipe=given.recipe | recipe, network=given.network | network)  # fmt: skip


def cut_evenly(blocks: Iterable[dict[str, Any]], n: int, sizes: dict[str, int]) -> tuple[dict[str, Any], ...]:
    """Cut sets down to n pictures over all of them, each by the same share (Sainte-Laguë: more in all is more of each).

    ValueError where the size of a set is not known, or where they hold fewer than n.
    """
    if not _is_count(n, 1):
        raise TypeError(f"train.data.n is {n!r}; it must be a whole number, 1 or more")
    blocks = list(blocks)
    unknown = [b["name"] for b in blocks if "n" not in b and b["name"] not in sizes]
    if unknown:
        raise ValueError(f"train.data.n needs the size of {', '.join(unknown)}: add `sizes: {{{unknown[0]}: NUMBER}}`, "
                         "the number of its pictures, to the sweep")
    have = [b.get("n", sizes.get(b["name"], 0)) for b in blocks]
    if n > sum(have):
        raise ValueError(f"train.data.n is {n}, but {', '.join(b['name'] for b in blocks)} hold {sum(have)} pictures")
    taken = [0] * len(blocks)
    for _ in range(n):
        most = max(range(len(blocks)), key=lambda i: have[i] / (2 * taken[i] + 1) if taken[i] < have[i] else 0)
        taken[most] += 1
    return tuple(block | {"n": k} for block, k in zip(blocks, taken, strict=True) if k)


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
    _check_keys("the sweep", content, ("base", "vary"), ("rows", "columns", "profiles", "sizes", "metrics"))
    _choose(dict.fromkeys(table_ids(root)), content["base"], "table")
    if name in table_ids(root):
        raise ValueError(f"{name} is the name of a table; give the sweep another")
    base, vary = load_grid(content["base"], root), _vary(content["vary"])
    columns = _chosen("columns", content, base.conditions(), base.table)
    rows = _chosen("rows", content, _rows_for(base, vary, columns), base.table)
    profiles = _chosen("profiles", content, base.profiles, base.table)
    metrics = _metrics(content.get("metrics", base.metrics))
    sweep = Sweep(name, base, rows, columns, profiles, vary, _sizes(content.get("sizes", {})), metrics)
    _check_points(sweep)
    return sweep


def _rows_for(base: Grid, vary: Iterable[str], columns: Iterable[str]) -> list[str]:
    """List the rows that a sweep may run: with a column there, and where training is varied those trained here."""
    there = [name for name in base.runs() if set(base.conditions(name)) & set(columns)]
    if not any(name.startswith("train.") for name in vary):
        return there
    rows = [name for name in there if isinstance(base.rows[name].train, TrainSpec)]
    if not rows:
        others = sorted({row.train.table for row in base.rows.values() if isinstance(row.train, SameAs)})
        raise ValueError(f"vary: no row of {base.table} is trained" + (f" there; start from {', '.join(others)}, whose "
                         "weights it uses" if others else ", so that nothing under train. can be varied"))
    return rows


def _sizes(block: Any) -> dict[str, int]:
    for name, size in _mapping("sizes", block).items():
        if not _is_count(size, 1):
            raise TypeError(f"sizes: {name} is {size!r}; it must be a number of pictures, 1 or more")
    return block


def _chosen(what: str, content: dict[str, Any], options: Iterable[str], table: str) -> tuple[str, ...]:
    names = content.get(what, list(options))
    if not isinstance(names, list) or not names:
        raise TypeError(f"{what} is {names!r}; it must be a list of names, as [{', '.join(options)}]")
    for name in names:
        _choose(dict.fromkeys(options), name, f"{what[:-1]} of {table} that can be run")
    return tuple(names)


def _vary(block: Any) -> dict[str, list[Any]]:
    for name, values in _mapping("vary", block).items():
        last = name.rpartition(".")[2] if "." in str(name) else "NAME"
        options = [setting.replace("NAME", last) for setting in SETTINGS]
        _choose(dict.fromkeys(options), name, "setting that can be varied")
        if not isinstance(values, list) or not values:
            raise TypeError(f"vary: {name} is {values!r}; it must be a list of values, as [0, 0.01, 0.02]")
    if not block:
        raise ValueError(f"vary is empty; give at least one of {', '.join(SETTINGS)} and its values")
    return block


def _check_points(sweep: Sweep) -> None:
    """Raise where two values share a name, or where the profile, a kernel or a method would not accept one of them."""
    _check_parameters(sweep)
    _check_read(sweep)
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
    """Raise ValueError where a kernel, a method, a recipe or a network has no such parameter; read off its source."""
    rows, columns = [sweep.base.rows[n] for n in sweep.rows], [sweep.base.columns[n] for n in sweep.columns]
    trained = [row.train for row in rows if isinstance(row.train, TrainSpec)]
    makers = {"kernel": [column.made_by[1] for column in columns if column.made_by],
              "method": [row.method for row in rows],
              "train.recipe": [train.recipe for train in trained],
              "train.network": [train.network for train in trained]}  # fmt: skip
    for kind, _, name in (setting.rpartition(".") for setting in sweep.vary):
        for maker in makers.get(kind, []):
            allowed = _parameters_of(str(maker))
            if allowed is not None:
                _choose(dict.fromkeys(allowed), name, f"parameter of {maker}")
        if kind == "train.settings":
            _choose(dict.fromkeys(f.name for f in fields(Settings) if f.name != "seed"), name, "setting of a training")


def _check_read(sweep: Sweep) -> None:
    """Raise ValueError where several values would all give the same: a column has its own noise, bits or pictures.

    One value may stand: the columns that do not read it stay as they are.
    """
    columns = {name: sweep.base.columns[name] for name in sweep.columns}
    own = {"": [name for name, column in columns.items() if column.kernel is None],
           "data": [name for name, column in columns.items() if set(column.data) & set(sweep.profiles)]}  # fmt: skip
    for setting in [name for name, values in sweep.vary.items() if len(values) > 1 and name != "data.n"]:
        kind = setting.rpartition(".")[0]
        if names := own.get(kind):
            told = [_parameters_of(column.made_by[1]) or [] for name in names if (column := columns[name]).made_by]
            same = [name for name in OWN.get(setting, ()) if all(name in allowed for allowed in told)]
            raise ValueError(f"vary: the columns {', '.join(names)} of {sweep.base.table} have their own "
                             f"{'pictures' if kind else setting}; "
                             + (f"vary kernel.{same[0]}" if same else "choose other columns"))  # fmt: skip


def _parameters_of(name: str) -> list[str] | None:
    """Name the parameters of a function or class of ilib that a grid may give; None where they cannot be read."""
    module, _, definition = (resolve(name) or "").rpartition(".")
    found = [node for node in ast.parse(source_of(module) or "").body if getattr(node, "name", "") == definition]
    for node in found:
        inner = [part for part in getattr(node, "body", []) if getattr(part, "name", "") == "__init__"]
        for function in inner if isinstance(node, ast.ClassDef) else found:
            return [a.arg for a in (*function.args.args, *function.args.kwonlyargs) if a.arg not in TOLD]
        if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
            return [part.target.id for part in node.body if isinstance(part, ast.AnnAssign)]
        bases = [base.id for base in getattr(node, "bases", []) if isinstance(base, ast.Name)]
        return next((names for base in bases if (names := _parameters_of(f"{module}.{base}")) is not None), None)
    return None


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
