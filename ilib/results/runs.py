"""One run of a table: the measurement that a grid asks for, the method, its figures, and the row to keep.

    grid = load_grid("mbdgan_1")
    trial = measure(grid, "gaussian", "smoke")
    estimate = restore(method_of(grid, "wiener", trial), trial)
    scores_of(estimate.x_hat, trial.x)
"""

import importlib
import inspect
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

import ilib

from ..data import Pictures, load
from ..degrade import Measurement
from ..operators import CircularBlur, LinearOperator
from .digests import digests
from .grids import METRICS, SCORES, ColumnSpec, Grid
from .project import COMMIT, project_folder
from .rows import Job, Row, mean_and_sd
from .trained import weights_of

Method = Callable[[Tensor, LinearOperator | None], Tensor | tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Pairs:
    """Pictures and recorded measurements of them: y (N, C, H, W), A where it is known, the noise in y."""

    pictures: Pictures
    y: Tensor
    A: LinearOperator | None = None
    sigma: float = 0.0


@dataclass(frozen=True)
class Trial:
    """A set of pictures and what a camera saw of them, y, for an operator A, known to methods that are not blind.

    x and y are (N, C, H, W) on one device; sigma: standard deviation of all that was added to A x; chunk: the number
    of pictures that a method gets at once; degradation: what the row keeps of it.
    """

    pictures: Pictures
    x: Tensor
    y: Tensor
    A: LinearOperator | None
    sigma: float
    chunk: int
    degradation: dict[str, Any]


class Estimate(NamedTuple):
    """What a method makes of y: x_hat (N, C, H, W), and the kernels (N, h, w) where it estimates them."""

    x_hat: Tensor
    kernel: Tensor | None = None


def measure(
    grid: Grid, column: str, profile: str, *, noise: float | None = None, seed: int = 0, device: str | None = None
) -> Trial:
    """Load the pictures of a grid's profile and degrade them as a column asks.  -> Trial.

    noise: standard deviation in picture units in place of the profile's; device: the best one where it is not given.
    FileNotFoundError where the data set is not found; ValueError for unknown names.
    """
    spec, condition, data = grid.profile(profile), grid.column(column), grid.data(column, profile)
    kind, name = condition.made_by or ("kernel", "")
    degradation = {kind: name, "parameters": condition.parameters}
    place = torch.device(device or best_device())
    if kind == "pairs":
        pairs = pairs_of(name, data, condition.parameters)
        x, y = stacked(pairs.pictures, data).to(place), pairs.y.to(place)
        A = pairs.A if pairs.A is None else pairs.A.to(x)
        return Trial(pairs.pictures, x, y, A, pairs.sigma, spec.chunk, degradation | {"noise": pairs.sigma})
    pictures = load(**data)
    x = stacked(pictures, data).to(place)
    camera = camera_of(condition, spec.noise if noise is None else noise, spec.bits, seed).to(place)
    if isinstance(camera, Measurement):
        said = {"border": "circular", "noise": camera.noise, "bits": camera.bits, "seed": seed}
        return Trial(pictures, x, camera(x), camera.operator, camera.sigma, spec.chunk, degradation | said)
    y, A, sigma = camera.measure(x, torch.full((len(x), 1, 1, 1), camera.noise).to(x), seed)
    return Trial(pictures, x, y, A, float(sigma.mean()), spec.chunk,
                 degradation | {"noise": camera.noise, "seed": seed})  # fmt: skip


def pairs_of(name: str, data: dict[str, Any], parameters: dict[str, Any]) -> Pairs:
    """Load recorded measurements and their pictures."""
    return call_by_name(name, {**data, **parameters})


def stacked(pictures: Pictures, data: dict[str, Any]) -> Tensor:
    """Return all pictures as one tensor (N, C, H, W); ValueError where they differ in size."""
    if not isinstance(pictures.x, Tensor):
        raise ValueError(f"the pictures of {data['name']} differ in size; give the data a size and how: centre")
    return pictures.x


def camera_of(condition: ColumnSpec, noise: float, bits: int | None, seed: int = 0) -> Any:
    """Build the camera of a column; None where it holds recorded pairs.

    A column with a kernel has the profile's noise and bits; any other camera has its own, from the column's parameters.
    """
    kind, name = condition.made_by or ("pairs", "")
    if kind == "pairs":
        return None
    made = call_by_name(name, condition.parameters)
    return Measurement(CircularBlur(made.float()), noise, bits, seed) if kind == "kernel" else made


def best_device() -> str:
    """Name the device to compute on: cuda where there is one, else cpu."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def find_function(name: str) -> Callable[..., Any]:
    """Import a dotted name of ilib.  ValueError where the module or the name does not exist."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the grid names {name}, which does not exist: {error}") from error


def check_parameters(name: str, function: Callable[..., Any], parameters: dict[str, Any]) -> None:
    """Raise ValueError where a parameter is not one of the function's, naming those that are."""
    allowed = [p for p in inspect.signature(function).parameters if p not in ("y", "A")]
    wrong = [p for p in parameters if p not in allowed]
    if wrong:
        raise ValueError(f"{name} has no parameter {', '.join(wrong)}; it has {', '.join(allowed) or 'none'}")


def call_by_name(name: str, parameters: dict[str, Any]) -> Any:
    """Call a function of ilib by its dotted name."""
    function = find_function(name)
    check_parameters(name, function, parameters)
    return function(**parameters)


def method_of(grid: Grid, row: str, trial: Trial) -> Method:
    """Return the method of a row with its parameters; one that asks for `noise` is told all that was added to A x."""
    spec = grid.row(row)
    if spec.method is None:
        raise ValueError(f"row {row} of {grid.table} is not run: {spec.not_run}")
    return partial(find_function(spec.method), **arguments_of(grid, row, trial))


def arguments_of(grid: Grid, row: str, trial: Trial) -> dict[str, Any]:
    """Return the parameters that a row's method is given, noise included."""
    spec = grid.row(row)
    function = find_function(str(spec.method))
    check_parameters(str(spec.method), function, spec.parameters)
    told = {"noise": trial.sigma} if "noise" in inspect.signature(function).parameters else {}
    return told | spec.parameters


def restore(method: Method, trial: Trial) -> Estimate:
    """Restore the measurement chunk by chunk; RuntimeError where the estimate is not finite."""
    cuts = [slice(i, i + trial.chunk) for i in range(0, len(trial.y), trial.chunk)]
    with torch.no_grad():
        made = [method(trial.y[cut], None if trial.A is None else trial.A[cut]) for cut in cuts]
    parts = [part if isinstance(part, tuple) else (part,) for part in made]
    x_hat, *kernel = (torch.cat(part) for part in zip(*parts, strict=True))
    if not torch.isfinite(x_hat).all():
        raise RuntimeError("the estimate holds NaN or infinity: no row is written")
    return Estimate(x_hat.clamp(0, 1), *kernel)


def scores_of(x_hat: Tensor, x: Tensor, metrics: Mapping[str, str] = METRICS,
              chunk: int = 10) -> dict[str, list[float]]:  # fmt: skip
    """Return figures of each picture, to five decimals: PSNR (dB), SSIM, or what else is asked for.

    (N, C, H, W) twice, metrics: name -> a name in SCORES -> name -> N figures; ValueError for an unknown one.
    """
    wrong = [name for name in metrics.values() if name not in SCORES]
    if wrong:
        raise ValueError(f"metric {', '.join(wrong)} is unknown; choose among {', '.join(SCORES)}")
    pairs = list(zip(x_hat.split(chunk), x.split(chunk), strict=True))
    scores = {name: find_function(SCORES[score]) for name, score in metrics.items()}
    return {name: [round(float(f), 5) for a, b in pairs for f in score(a, b)] for name, score in scores.items()}


@dataclass
class Cost:
    """Wall time and peak memory of what runs under `with Cost() as cost:`."""

    seconds: float = 0.0

    def __enter__(self) -> "Cost":
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds = round(time.perf_counter() - self._start, 3)
        self.peak_memory_mb = peak_memory_mb()


def peak_memory_mb() -> float:
    """Return the peak memory so far: of the GPU where there is one, else of this process (0 on Windows)."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux kB
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)


def row_of(grid: Grid, job: Job, trial: Trial, figures: dict[str, list[float]], cost: Cost) -> Row:
    """Put together the row that a finished run leaves behind."""
    root = project_folder()
    parameters = {"method": grid.row(job.row).method, "arguments": arguments_of(grid, job.row, trial),
                  "chunk": trial.chunk, "digest": digests(grid, job, root)}  # fmt: skip
    weights, train_seconds = weights_of(grid, job, root)
    return Row(
        *job, n=len(trial.x), per_image=figures, metrics={name: mean_and_sd(f) for name, f in figures.items()},
        data={**grid.data(job.column, job.profile), "n": len(trial.x), "sha256": trial.pictures.sha256},
        degradation=trial.degradation,
        weights=weights, parameters=parameters, device=device_name(trial.x),
        seconds=cost.seconds, train_seconds=train_seconds, peak_memory_mb=cost.peak_memory_mb,
        versions=software_versions(), commit=commit_of(root), date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )  # fmt: skip


def device_name(x: Tensor) -> str:
    """Describe the device of a tensor: the GPU's name, or the processor's kind and the threads used."""
    if x.is_cuda:
        return torch.cuda.get_device_name(x.device)
    threads = torch.get_num_threads()
    return f"cpu ({platform.machine()}, {threads} thread{'s' if threads > 1 else ''})"


def software_versions() -> dict[str, str]:
    """Return the versions of Python, torch and ilib."""
    return {"python": platform.python_version(), "torch": torch.__version__, "ilib": ilib.__version__}


def commit_of(root: Path) -> str | None:
    """Return the project's commit, with "+changes" where code differs from it; None where there is none.

    A copy of the project without git, as a slot makes it, keeps the commit in a file.
    """
    if (root / COMMIT).is_file():
        return (root / COMMIT).read_text().strip() or None
    head = _git(root, "rev-parse", "--verify", "HEAD")
    if not head:
        return None
    return head + ("+changes" if _git(root, "status", "--porcelain", "--", "ilib", "notebooks") else "")


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
