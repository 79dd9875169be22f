"""Grids: the YAML beside a table's page, with the paper's figures and the parameters of every run."""

import difflib
import importlib.util
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml

from ..gan.settings import settings_from
from .profiles import NAMES, check_profile
from .project import GRIDS, project_folder
from .rows import Job, check_identifier

MAKERS = ("kernel", "camera", "pairs")
METRICS = {"psnr": "psnr", "ssim": "ssim"}  # of a table that names none: what the row calls it -> how it is scored
SCORES = {"lpips": "ilib.networks.lpips.lpips"} | {
    name: f"ilib.metrics.{name}" for name in ("psnr", "ssim", "affine_psnr", "shift_psnr", "luma_psnr", "luma_ssim")}
PHOTOGRAPHS = "ilib.gan.sources.Photographs"
AVERAGE = "average"  # what the mean over the columns is called where the grid gives it no other name
Figures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class TrainProfile:
    """What a profile's training is given: arguments of network, recipe and source, settings, pictures.

    settings: fields of ilib.gan.settings; data: sets as the loaders of ilib.data take them (whole pictures unless told
    otherwise), or dead_leaves; minutes: what one column takes.
    """

    settings: dict[str, Any]
    data: tuple[dict[str, Any], ...]
    minutes: float
    network: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainSpec:
    """How the weights of a row are made: dotted names of a network and a recipe, and what each profile gives them.

    source: where batches come from, a callable (pictures, camera, **given) -> ilib.gan.sources.Source; camera is the
    column's, None where it holds recorded pairs; column: the one that trains for all columns, where they differ in
    their test pictures alone or the source draws cameras of its own (None: each column trains its own).
    """

    network: str
    recipe: str
    profiles: dict[str, TrainProfile]
    source: str = PHOTOGRAPHS
    column: str | None = None


@dataclass(frozen=True)
class SameAs:
    """Weights that another table trains, in its run of the same profile and seed; there by the name row.

    column: the column that they were trained for there; the same as here where none is named.
    """

    table: str
    row: str
    column: str = ""


@dataclass(frozen=True)
class RowSpec:
    """One method: the paper's figures per column (or average), and how to run it, or why it is not run.

    method: dotted name of a callable (y, A, **parameters) -> x_hat; minutes: profile -> what one column takes;
    train: how its weights are made, or which table trains them (`train: {same_as: TABLE, row: ROW, column: COLUMN}`,
    row and column where they have other names there), None for a method without; the method is told their name as
    `weights`; seeds: profile -> seeds in place of the profile's; package: one that the method calls and ilib does not
    depend on, an extra of ilib; columns: the only ones that the row is run in, for a network trained for one blur
    (empty: all).
    """

    label: str
    paper: Figures = field(default_factory=dict)
    method: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    minutes: dict[str, float] = field(default_factory=dict)
    not_run: str | None = None
    train: TrainSpec | SameAs | None = None
    seeds: dict[str, tuple[int, ...]] = field(default_factory=dict)
    package: str | None = None
    columns: tuple[str, ...] = ()

    @property
    def extra(self) -> str:
        """Say which package the row needs and how to install it; empty where it needs none."""
        return f"needs the package {self.package}: pip install 'ilib[{self.package}]'" if self.package else ""

    def is_runnable(self) -> bool:
        """Whether all that the row needs is installed here."""
        return self.package is None or importlib.util.find_spec(self.package) is not None


@dataclass(frozen=True)
class ColumnSpec:
    """One condition or data set: the dotted name of what makes it and what that is given, or why it is not run.

    One of: kernel, a blur kernel's maker (periodic borders, the profile's noise and bits); camera, the maker of any
    other camera (ilib.gan.sources.Camera); pairs, a function (**data, **parameters) -> ilib.results.runs.Pairs,
    recorded measurements with their pictures.  None of them only where nothing is run in this column yet.  data:
    profile -> what is tested on there, in place of the profile's data.
    """

    label: str
    kernel: str | None = None
    camera: str | None = None
    pairs: str | None = None
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    not_run: str | None = None

    @property
    def made_by(self) -> tuple[str, str] | None:
        """What makes the condition: ("kernel", "camera" or "pairs", dotted name)."""
        found = [(kind, name) for kind in MAKERS if (name := getattr(self, kind))]
        return found[0] if found else None


@dataclass(frozen=True)
class ProfileSpec:
    """What a run of a profile tests on.

    data: name, size, how, n as the loaders of ilib.data take them; noise: standard deviation in picture units;
    bits: the camera's depth or None; chunk: pictures handed to a method at once.
    """

    data: dict[str, Any]
    noise: float = 0.0
    bits: int | None = 8
    seeds: tuple[int, ...] = (0,)
    chunk: int = 10


@dataclass(frozen=True)
class Grid:
    """One table of a paper: its figures, its rows and columns, what a run is given, and how we differ.

    profiles: empty where no row can be run yet; average: what the paper calls the mean over the columns;
    decimals: metric -> with how many the paper prints it, where that is not 2 for PSNR and 3 for SSIM; metrics: what
    each picture is scored by; others: the tables whose weights rows here use.
    """

    table: str
    title: str
    paper: str
    number: str
    rows: dict[str, RowSpec]
    columns: dict[str, ColumnSpec]
    profiles: dict[str, ProfileSpec]
    differences: dict[str, tuple[str, str]]
    average: str = AVERAGE
    decimals: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=METRICS.copy)
    others: dict[str, "Grid"] = field(default_factory=dict)

    def row(self, name: str) -> RowSpec:
        """Return a row; ValueError that names those that exist."""
        return _choose(self.rows, name, f"row of {self.table}")

    def column(self, name: str) -> ColumnSpec:
        """Return a column; ValueError that names those that exist."""
        return _choose(self.columns, name, f"column of {self.table}")

    def profile(self, name: str) -> ProfileSpec:
        """Return the settings of a profile; ValueError that names those of this grid."""
        check_profile(name)
        if not self.profiles:
            raise ValueError(f"no row of {self.table} can be run yet; its page says what each row waits for")
        return _choose(self.profiles, name, f"profile of {self.table}")

    def runs(self) -> list[str]:
        """List the rows that can be run."""
        return [name for name, row in self.rows.items() if row.not_run is None]

    def conditions(self, row: str = "") -> list[str]:
        """List the columns that can be run, by one row where it is named."""
        allowed = self.row(row).columns if row else ()
        return [name for name, column in self.columns.items()
                if column.made_by and column.not_run is None and (not allowed or name in allowed)]  # fmt: skip

    def data(self, column: str, profile: str) -> dict[str, Any]:
        """Return what a column is tested on at a profile: its own data, or the profile's."""
        return self.column(column).data.get(profile, self.profile(profile).data)

    def seeds(self, row: str, profile: str) -> tuple[int, ...]:
        """Return the seeds of a row at a profile: its own, or the profile's."""
        return self.row(row).seeds.get(profile, self.profile(profile).seeds)

    def jobs(self, profile: str) -> list[Job]:
        """List the runs of a profile: every row and every column that is run, every seed."""
        self.profile(profile)  # raises where it is none of this grid's
        return [Job(self.table, row, column, profile, seed) for row in self.runs() for column in self.conditions(row)
                for seed in self.seeds(row, profile)]  # fmt: skip

    def jobs_here(self, profile: str) -> list[Job]:
        """List the runs of a profile for which all that they need is installed here."""
        return [job for job in self.jobs(profile) if self.row(job.row).is_runnable()]

    def trained_by(self, job: Job) -> tuple["Grid", Job]:
        """Return the run that trains the weights of a job, with its grid: itself unless its row says same_as."""
        train = self.row(job.row).train
        if isinstance(train, TrainSpec) and train.column:
            return self, job._replace(column=train.column)
        if not isinstance(train, SameAs):
            return self, job
        there = job._replace(table=train.table, row=train.row, column=train.column or job.column)
        return self.others[train.table].trained_by(there)

    def check(self, job: Job) -> None:
        """Raise ValueError unless the job is one of this grid's, saying what is allowed."""
        if self.row(job.row).not_run is not None:
            raise ValueError(f"row {job.row} of {self.table} is not run: {self.rows[job.row].not_run}; choose one of "
                             f"{', '.join(self.runs())}")
        self.profile(job.profile)
        if self.column(job.column).not_run is not None:
            raise ValueError(f"column {job.column} of {self.table} is not run: {self.columns[job.column].not_run}; "
                             f"choose one of {', '.join(self.conditions())}")
        there = self.conditions(job.row)
        if job.column not in there:
            raise ValueError(f"row {job.row} of {self.table} is run in {', '.join(there)} alone, not in {job.column}")


def _choose(options: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in options:
        near = difflib.get_close_matches(str(name), options, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ValueError(f"{name!r} is no {what}{hint}; choose one of {', '.join(options) or 'none'}")
    return options[name]


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key written twice, where YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {str(key) for key in keys if keys.count(key) > 1}
        if twice:
            raise ValueError(f"line {node.start_mark.line + 1}: {', '.join(sorted(twice))} stands twice in one block")
        return super().construct_mapping(node, deep)


def table_ids(root: Path | None = None) -> list[str]:
    """List the ids of the tables that have a grid."""
    return sorted(path.stem for path in ((root or project_folder()) / GRIDS).glob("*.yaml"))


def load_grid(table: str, root: str | Path | None = None) -> Grid:
    """Load and check the grid of a table.  ValueError that names the file, what is wrong and what is allowed.

    table: its id, or that of a point of a sweep; root: the project's folder, found from the working directory where
    it is not given.
    """
    from .sweeps import sweep_of

    root = Path(root) if root is not None else project_folder()
    sweep = None if table in table_ids(root) else sweep_of(table, root)
    if sweep is not None:
        return sweep.grid(table)
    return _read_grid(table, root, lambda content: with_others(parse_grid(table, content), root))


def _read_grid(table: str, root: Path, parse: Callable[[Any], Grid]) -> Grid:
    _choose(dict.fromkeys(table_ids(root)), table, "table")
    return read_yaml(root / GRIDS / f"{table}.yaml", parse)


def with_others(grid: Grid, root: Path) -> Grid:
    """Add the tables whose weights rows of a grid use.  ValueError where these do not train all that is asked for."""
    shared = {name: row.train for name, row in grid.rows.items() if isinstance(row.train, SameAs)}
    tables = {train.table for train in shared.values()} - {grid.table}
    others = {table: _read_grid(table, root, partial(parse_grid, table)) for table in sorted(tables)}
    for name, train in shared.items():
        _check_shared(f"rows: {name}: train", grid, name, {**others, grid.table: grid}[train.table])
    return replace(grid, others={**others, grid.table: grid} if shared else {})


def _check_shared(where: str, grid: Grid, name: str, other: Grid) -> None:
    """Raise ValueError unless another table trains a row's weights at each of its profiles, columns and seeds."""
    row, column = grid.rows[name].train.row, grid.rows[name].train.column
    spec = _choose(other.rows, row, f"row of {other.table} (named by {where})").train
    if spec is None:
        trained = [key for key, value in other.rows.items() if isinstance(value.train, TrainSpec)]
        raise ValueError(f"{where}: row {row} of {other.table} is not trained; choose one of "
                         f"{', '.join(trained) or 'none'}")
    if isinstance(spec, SameAs):
        raise ValueError(f"{where}: {other.table} trains no weights for {row} but uses those of {spec.row} of "
                         f"{spec.table}; name the row that trains them")
    columns = [column] if column else grid.conditions(name)
    for what, here, there in (("profile", grid.profiles, other.profiles), ("column", columns, other.conditions(row))):
        missing = [key for key in here if key not in there]
        if missing:
            raise ValueError(f"{where}: {other.table} trains no {what} {', '.join(missing)}, which this table runs; it "
                             f"has {', '.join(there)}")
    for profile in grid.profiles:
        seeds = other.seeds(row, profile)
        missing = [seed for seed in grid.seeds(name, profile) if seed not in seeds]
        if missing:
            raise ValueError(f"{where}: {other.table} trains no seed {', '.join(map(str, missing))} at {profile}, "
                             f"which this table runs; it has {', '.join(map(str, seeds))}")


def read_yaml(path: Path, parse: Callable[[Any], Any]) -> Any:
    """Read a YAML file and parse its content; a file that has not changed is read once.

    ValueError that names the file and what is wrong.
    """
    try:
        return parse(_content(path, path.stat().st_mtime_ns))
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise ValueError(f"{path.name}: {error}") from error


@cache
def _content(path: Path, changed: int) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), _Loader)


def parse_grid(table: str, content: Any) -> Grid:
    """Build a grid from the content of its YAML.  ValueError and TypeError name the place and what is allowed."""
    check_identifier(table, "the table's id")
    optional = ("profiles", "differences", "average", "decimals", "metrics")
    _check_keys("the grid", content, ("title", "paper", "number", "rows", "columns"), optional)
    columns, average = _each(content["columns"], "columns", _column), content.get("average", AVERAGE)
    check_identifier(average, "average")
    if average in columns:
        raise ValueError(f"{average} is no column to run: it stands for the mean over them in a row's paper block")
    profiles = _each(content["profiles"], "profiles", _profile) if "profiles" in content else {}
    _check_names("profiles", profiles, NAMES)
    rows = _each(content["rows"], "rows", lambda where, block: _row(where, block, (*columns, average), profiles))
    _check_runnable(rows, columns, profiles)
    differences = _each(content.get("differences", {}), "differences", _difference, names=False)
    texts = {name: _text(f"the grid: {name}", content[name]) for name in ("title", "paper", "number")}
    blocks = {"rows": rows, "columns": columns, "profiles": profiles, "differences": differences}
    return Grid(table, **texts, **blocks, average=average, decimals=_decimals(content.get("decimals", {})),
                metrics=_metrics(content.get("metrics", list(METRICS))))


def _check_runnable(rows: dict[str, RowSpec], columns: dict[str, ColumnSpec], profiles: Iterable[str]) -> None:
    """Raise ValueError where a row is to be run and the grid does not say on what, or at a profile without settings."""
    for name, row in rows.items():
        _check_names(f"rows: {name}: minutes", row.minutes, profiles)
        _check_names(f"rows: {name}: seeds", row.seeds, profiles)
        _check_names(f"rows: {name}: columns", row.columns, [c for c, spec in columns.items() if spec.not_run is None])
        _check_trained(f"rows: {name}: train: profiles", row.train, list(profiles))
        _check_one_column(f"rows: {name}: train: column", row.train, columns)
    to_run = [name for name, row in rows.items() if row.method]
    if to_run and not profiles:
        raise ValueError(f"the grid has no profiles; it needs them to run {to_run[0]}")
    for name, column in columns.items():
        _check_names(f"columns: {name}: data", column.data, profiles)
        if to_run and not column.made_by and column.not_run is None:
            raise ValueError(f"columns: {name} has no kernel, camera or pairs; it needs one to run {to_run[0]}, or "
                             "not_run (the reason why nothing is run there)")


def _check_trained(where: str, train: TrainSpec | SameAs | None, profiles: list[str]) -> None:
    """Raise ValueError where a row that needs training has a profile of the grid left out, or one that is not its."""
    if isinstance(train, TrainSpec):
        _check_names(where, train.profiles, profiles)
        missing = [name for name in profiles if name not in train.profiles]
        if missing:
            raise ValueError(f"{where} has no {', '.join(missing)}; the grid runs every row at {', '.join(profiles)}")


def _check_one_column(where: str, train: TrainSpec | SameAs | None, columns: dict[str, ColumnSpec]) -> None:
    """Raise ValueError where one column is to train for all, their cameras differ and the source takes the column's."""
    if isinstance(train, TrainSpec) and train.column:
        chosen = _choose(columns, train.column, f"column (named by {where})")
        if train.source != PHOTOGRAPHS:
            return
        other = [name for name, column in columns.items() if column.not_run is None
                 and (column.made_by, column.parameters) != (chosen.made_by, chosen.parameters)]  # fmt: skip
        if other:
            raise ValueError(f"{where}: {', '.join(other)} has another camera than {train.column}: train there too")


ROW_WORDS = ("paper", "method", "parameters", "minutes", "not_run", "train", "seeds", "package", "columns")


def _row(where: str, block: Any, places: Iterable[str], profiles: Iterable[str]) -> RowSpec:
    _check_keys(where, block, ("label",), ROW_WORDS)
    if ("method" in block) == ("not_run" in block):
        raise ValueError(f"{where}: give either method (a row to run) or not_run (the reason why it is not)")
    paper = _mapping(f"{where}: paper", block.get("paper", {}))
    _check_names(f"{where}: paper", paper, places)
    for column, figures in paper.items():
        _numbers(f"{where}: paper: {column}", figures)
    if "method" in block:
        _dotted(f"{where}: method", block["method"])
    _text(f"{where}: label", block["label"]), _text(f"{where}: not_run", block.get("not_run", "-"))
    _text(f"{where}: package", block.get("package", "-"))
    _numbers(f"{where}: minutes", block.get("minutes", {}))
    _mapping(f"{where}: parameters", block.get("parameters", {}))
    for name in ("train", "seeds", "package", "columns"):
        if name in block and "method" not in block:
            raise ValueError(f"{where}: {name} is for a row that is run; give method in place of not_run")
    train = _train(f"{where}: train", block["train"], where.rpartition(": ")[2]) if "train" in block else None
    seeds = _seeds_of_row(f"{where}: seeds", block.get("seeds", {}), profiles)
    columns = block.get("columns", [])
    if "columns" in block and (not isinstance(columns, list) or not columns):
        raise TypeError(f"{where}: columns is {columns!r}; it must be a list of columns, as [motion]")
    return RowSpec(**{**block, "train": train, "seeds": seeds, "columns": tuple(columns)})


def _seeds_of_row(where: str, block: Any, profiles: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Parse a list of seeds, for every profile, or a block of them."""
    by_profile = dict.fromkeys(profiles, block) if isinstance(block, list) else _mapping(where, block)
    return {profile: _seeds(where, seeds) for profile, seeds in by_profile.items()}


def _seeds(where: str, seeds: Any) -> tuple[int, ...]:
    counts = isinstance(seeds, list) and all(_is_count(seed, 0) for seed in seeds)
    if not counts or not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"{where} is {seeds!r}; pass a list of different whole numbers, as [0, 1, 2]")
    return tuple(seeds)


def _train(where: str, block: Any, row: str) -> TrainSpec | SameAs:
    if isinstance(block, dict) and "same_as" in block:
        _check_keys(where, block, ("same_as",), ("row", "column"))
        return SameAs(_text(f"{where}: same_as", block["same_as"]), _text(f"{where}: row", block.get("row", row)),
                      _text(f"{where}: column", block["column"]) if "column" in block else "")  # fmt: skip
    _check_keys(where, block, ("network", "recipe", "profiles"), ("source", "column"))
    for name in ("network", "recipe", *(("source",) if "source" in block else ())):
        _dotted(f"{where}: {name}", block[name])
    return TrainSpec(**{**block, "profiles": _each(block["profiles"], f"{where}: profiles", _train_profile)})


def _train_profile(where: str, block: Any) -> TrainProfile:
    _check_keys(where, block, ("settings", "data", "minutes"), ("network", "recipe", "source"))
    _numbers(where, {"minutes": block["minutes"]})
    for name in ("network", "recipe", "source", "settings"):
        _mapping(f"{where}: {name}", block.get(name, {}))
    try:
        settings_from(block["settings"])
    except (ValueError, TypeError) as error:
        raise type(error)(f"{where}: {error}") from error
    if not isinstance(block["data"], list) or not block["data"]:
        raise TypeError(f"{where}: data is {block['data']!r}; it must be a list of sets, as [{{name: bsds500/train}}]")
    for data in block["data"]:
        _check_keys(f"{where}: data", data, ("name",), ("size", "how", "n", "seed"))
    return TrainProfile(**{**block, "data": tuple(block["data"])})


def _column(where: str, block: Any) -> ColumnSpec:
    _check_keys(where, block, ("label",), (*MAKERS, "parameters", "not_run", "data"))
    _text(f"{where}: label", block["label"]), _text(f"{where}: not_run", block.get("not_run", "-"))
    makers = [kind for kind in MAKERS if kind in block]
    if len(makers) > 1:
        raise ValueError(f"{where} has {' and '.join(makers)}; give one of {', '.join(MAKERS)}")
    for kind in makers:
        _dotted(f"{where}: {kind}", block[kind])
    _mapping(f"{where}: parameters", block.get("parameters", {}))
    _each(block.get("data", {}), f"{where}: data", _tested, names=False)
    return ColumnSpec(**block)


def _profile(where: str, block: Any) -> ProfileSpec:
    _check_keys(where, block, ("data",), ("noise", "bits", "seeds", "chunk"))
    _tested(f"{where}: data", block["data"])
    _numbers(where, {key: block[key] for key in ("noise", "chunk") if key in block})
    bits = block.get("bits", 8)
    if bits is not None and not _is_count(bits, 1):
        raise ValueError(f"{where}: bits is {bits!r}; pass a whole number of bits, or null for real numbers")
    return ProfileSpec(**{**block, "seeds": _seeds(f"{where}: seeds", block.get("seeds", [0]))})


def _tested(where: str, block: Any) -> dict[str, Any]:
    _check_keys(where, block, ("name",), ("size", "how", "n"))
    return block


def _difference(where: str, block: Any) -> tuple[str, str]:
    _check_keys(where, block, ("paper", "here"), ())
    return _text(f"{where}: paper", block["paper"]), _text(f"{where}: here", block["here"])


def _decimals(block: Any) -> dict[str, int]:
    for metric, decimals in _mapping("decimals", block).items():
        if not _is_count(decimals, 0):
            raise TypeError(f"decimals: {metric} is {decimals!r}; it must be a whole number, 0 or more")
    return block


def _metrics(names: Any) -> dict[str, str]:
    """Read the names of metrics, or what the table calls them and how each is scored: {psnr: luma_psnr}."""
    scores = dict.fromkeys(names) if isinstance(names, list) else names
    if not isinstance(scores, dict) or not scores or not all(isinstance(name, str) for name in scores):
        raise TypeError(f"metrics is {names!r}; it must be a list of names, as {list(METRICS)}")
    for name, score in scores.items():
        _choose(SCORES, name if score is None else score, "metric")
    return {name: name if score is None else score for name, score in scores.items()}


def _each(blocks: Any, where: str, parse: Callable[[str, Any], Any], names: bool = True) -> dict[str, Any]:
    """Parse every block of a mapping, told where it stands; its keys are identifiers unless names is False."""
    if names and not blocks:
        raise ValueError(f"{where} is empty; give at least one")
    for name in _mapping(where, blocks):
        if names:
            check_identifier(name, f"a name under {where}")
    return {name: parse(f"{where}: {name}", block) for name, block in blocks.items()}


def _mapping(where: str, block: Any) -> dict[str, Any]:
    if not isinstance(block, dict):
        raise TypeError(f"{where} is {block!r}; it must be a block of `name: value` lines")
    return block


def _check_keys(where: str, block: Any, required: Iterable[str], optional: Iterable[str]) -> None:
    required, optional = list(required), list(optional)
    _check_names(where, _mapping(where, block), [*required, *optional])
    missing = [key for key in required if key not in block]
    if missing:
        raise ValueError(f"{where} has no {', '.join(missing)}; it needs {', '.join(required)}"
                         + (f", and may have {', '.join(optional)}" if optional else ""))


def _check_names(where: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    for name in given:
        _choose(dict.fromkeys(allowed), name, f"key allowed under {where}")


def _numbers(where: str, block: Any) -> None:
    for name, value in _mapping(where, block).items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise TypeError(f"{where}: {name} is {value!r}; it must be a number, 0 or more")


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f"{where} is {value!r}; it must be a text")
    return value


def _dotted(where: str, value: Any) -> None:
    if not isinstance(value, str) or not value.startswith("ilib.") or not value.replace(".", "_").isidentifier():
        raise ValueError(f"{where} is {value!r}; it must be a dotted name in ilib, as ilib.classical.wiener")


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
