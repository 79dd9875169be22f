"""Rows: the JSON that a finished run leaves behind, written whole or not at all, and checked when it is read."""

import json
import math
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from ..files import write_text as write_text
from .profiles import check_profile
from .project import RESULTS

SCHEMA = 1
IDENTIFIER = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
FILE_NAME = re.compile(r"(\w+)--(\w+)--(\w+)--s(\d+)\.json")
AGREEMENT = 1e-3  # between a mean or spread and the figures per picture, which are rounded

Stated = dict[str, dict[str, float | None]]


class Job(NamedTuple):
    """The place of one run: results/<table>/<row>--<column>--<profile>--s<seed>.json."""

    table: str
    row: str
    column: str
    profile: str
    seed: int = 0

    @property
    def name(self) -> str:
        return f"{self.row}--{self.column}--{self.profile}--s{self.seed}"

    @property
    def path(self) -> Path:
        """The row's file, relative to the project's folder."""
        return Path(RESULTS) / self.table / f"{self.name}.json"

    @property
    def weights(self) -> str:
        """The name of the weights that the run trains, where it does: data/weights/<name>.safetensors."""
        return f"{self.table}--{self.name}"

    def __str__(self) -> str:
        return f"{self.table}: {self.row}, {self.column}, {self.profile}, seed {self.seed}"


@dataclass(frozen=True)
class Row:
    """One finished run.

    metrics: name -> mean and sd (sample standard deviation, null for one picture) over the n pictures, of which
    per_image holds the figures; data and degradation: what the loaders and ilib.degrade were told, with the sha256
    of the pixels; weights: name and sha256 of trained weights, or None; parameters: all that the run was given,
    with the digest of its settings and code; seconds and train_seconds: wall time of the method and of its training.
    """

    table: str
    row: str
    column: str
    profile: str
    seed: int
    n: int
    metrics: Stated
    per_image: dict[str, list[float]]
    data: dict[str, Any]
    degradation: dict[str, Any]
    weights: dict[str, str] | None
    parameters: dict[str, Any]
    device: str
    seconds: float
    train_seconds: float
    peak_memory_mb: float
    versions: dict[str, str]
    commit: str | None
    date: str
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        check_row(self)

    @property
    def job(self) -> Job:
        return Job(self.table, self.row, self.column, self.profile, self.seed)

    def mean(self, metric: str) -> float:
        """Return a metric's mean over the pictures; ValueError for a metric that the row does not have."""
        if metric not in self.metrics:
            raise ValueError(f"the row {self.job} has no {metric!r}; it has {', '.join(self.metrics)}")
        return float(self.metrics[metric]["mean"])


TYPES: dict[str, tuple[type, ...]] = {
    "table": (str,), "row": (str,), "column": (str,), "profile": (str,), "seed": (int,), "n": (int,),
    "metrics": (dict,), "per_image": (dict,), "data": (dict,), "degradation": (dict,),
    "weights": (dict, type(None)), "parameters": (dict,), "device": (str,), "seconds": (int, float),
    "train_seconds": (int, float), "peak_memory_mb": (int, float), "versions": (dict,),
    "commit": (str, type(None)), "date": (str,), "schema": (int,),
}  # fmt: skip


def check_row(row: Row) -> None:
    """Raise TypeError or ValueError where a field has another type, a figure is not finite, or figures disagree."""
    for name, types in TYPES.items():
        value = getattr(row, name)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            allowed = " or ".join("null" if t is type(None) else t.__name__ for t in types)
            raise TypeError(f"{name} is {value!r}; it must be {allowed}")
    _check_schema(row.schema)
    check_profile(row.profile)
    for name in ("table", "row", "column"):
        check_identifier(getattr(row, name), name)
    for name in ("seconds", "train_seconds", "peak_memory_mb"):
        if not 0 <= getattr(row, name) < math.inf:
            raise ValueError(f"{name} is {getattr(row, name)}; it must be a finite number, 0 or more")
    if row.seed < 0 or row.n < 1:
        raise ValueError(f"seed is {row.seed} and n {row.n}; seed must be 0 or more, n at least 1")
    _check_figures(row)


def _check_schema(schema: object) -> None:
    if schema != SCHEMA:
        raise ValueError(f"schema is {schema!r} but this version of ilib reads {SCHEMA}: run the row again, or use the "
                         "ilib that wrote it")


def check_identifier(text: str, name: str) -> None:
    """Raise ValueError unless the text can be part of a row's file name: small letters, digits, single _."""
    if not isinstance(text, str) or not IDENTIFIER.fullmatch(text):
        raise ValueError(f"{name} is {text!r}; it must be small letters and digits joined by single underscores")


def _check_figures(row: Row) -> None:
    if not row.metrics or row.metrics.keys() != row.per_image.keys():
        raise ValueError(f"metrics has {sorted(row.metrics)} and per_image {sorted(row.per_image)}; they must have the "
                         "same names, at least one")
    for name, figures in row.per_image.items():
        if not isinstance(figures, list) or len(figures) != row.n:
            raise ValueError(f"per_image {name} must be a list of n = {row.n} numbers")
        if not all(isinstance(f, int | float) and math.isfinite(f) for f in figures):
            raise ValueError(f"per_image {name} holds something that is not a finite number: every picture needs a "
                             "figure, so find out why the method or the metric failed there")
        stated, computed = row.metrics[name], mean_and_sd(figures)
        if not isinstance(stated, dict) or stated.keys() != computed.keys():
            raise ValueError(f"metrics {name} is {stated!r}; it must have mean and sd")
        if not all(_agree(stated[key], computed[key]) for key in computed):
            raise ValueError(f"metrics {name} is {stated} but per_image gives {computed}")


def _agree(a: object, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return isinstance(a, int | float) and abs(a - b) <= AGREEMENT  # NaN fails


def mean_and_sd(figures: list[float]) -> dict[str, float | None]:
    """Return mean and sample standard deviation (None for one figure), rounded to five decimals."""
    n = len(figures)
    mean = math.fsum(figures) / n
    sd = math.sqrt(math.fsum((f - mean) ** 2 for f in figures) / (n - 1)) if n > 1 else None
    return {"mean": round(mean, 5), "sd": None if sd is None else round(sd, 5)}


def write_row(row: Row, path: str | Path) -> Path:
    """Write a row as JSON, whole or not at all.  ValueError where the file's name is not the row's."""
    path = Path(path)
    _check_place(row, path)
    write_text(path, json.dumps(asdict(row), indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    return path


def _check_place(row: Row, path: Path) -> None:
    if (path.parent.resolve().name, path.name) != (row.table, row.job.path.name):
        raise ValueError(f"the file is {path.parent.name}/{path.name} but its content belongs in "
                         f"{row.table}/{row.job.path.name}: a row was renamed or copied by hand")


def read_row(path: str | Path) -> Row:
    """Read and check one row.  ValueError that names the file and what is wrong; FileNotFoundError."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no row {path}; `python -m ilib.results list` shows those that exist")
    try:
        row = parse_row(path.read_text(encoding="utf-8"))
        _check_place(row, path)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
    return row


def parse_row(text: str) -> Row:
    """Build a row from its JSON and check it.  ValueError and TypeError name what is wrong."""

    def refuse(constant: str) -> None:
        raise ValueError(f"it holds {constant}, which is no number in JSON")

    content = json.loads(text, parse_constant=refuse)
    if not isinstance(content, dict):
        raise ValueError("it must hold one JSON object")
    _check_schema(content.get("schema"))
    names = {field.name for field in fields(Row)}
    missing, unknown = sorted(names - content.keys()), sorted(content.keys() - names)
    if missing or unknown:
        raise ValueError(f"missing: {', '.join(missing) or 'nothing'}; unknown: {', '.join(unknown) or 'nothing'}; "
                         f"a row has exactly {', '.join(sorted(names))}")
    return Row(**content)


def read_rows(folder: str | Path) -> list[Row]:
    """Read all rows of one table's folder, sorted by file name; none where the folder does not exist.

    ValueError for a file that is not named like a row, or whose content is wrong.
    """
    paths = sorted(Path(folder).glob("*.json"))
    for path in paths:
        if not FILE_NAME.fullmatch(path.name):
            raise ValueError(f"{path}: a row's file is named ROW--COLUMN--PROFILE--sSEED.json")
    return [read_row(path) for path in paths]
