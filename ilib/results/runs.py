"""One run of a table: the measurement that a grid asks for, the method, its figures, and the row to keep.

    grid = load_grid("mbdgan_1")
    trial = measure(grid, "gaussian", "smoke")
    x_hat = restore(method_of(grid, "wiener", trial), trial)
    scores_of(x_hat, trial.x)
"""

import importlib
import inspect
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ilib

from ..data import Pictures, load
from ..degrade import Measurement
from ..metrics import psnr, ssim
from ..operators import CircularBlur
from .digests import digests
from .grids import Grid
from .project import COMMIT, project_folder
from .rows import Job, Row, mean_and_sd
from .trained import weights_of

Method = Callable[[Tensor, CircularBlur], Tensor]
METRICS = {"psnr": psnr, "ssim": ssim}


@dataclass(frozen=True)
class Trial:
    """A set of pictures and what the camera saw of them: y = measurement(x), for a known operator A.

    x and y are (N, C, H, W) on one device; chunk is the number of pictures that a method gets at once.
    """

    pictures: Pictures
    x: Tensor
    y: Tensor
    A: CircularBlur
    measurement: Measurement
    chunk: int


def measure(
    grid: Grid, column: str, profile: str, *, noise: float | None = None, seed: int = 0, device: str | None = None
) -> Trial:
    """Load the pictures of a grid's profile and blur them as a column asks.  -> Trial.

    noise: standard deviation in picture units in place of the profile's; device: the best one where it is not given.
    FileNotFoundError where the data set is not found; ValueError for unknown names.
    """
    spec, condition = grid.profile(profile), grid.column(column)
    pictures = load(**spec.data)
    if not isinstance(pictures.x, Tensor):
        raise ValueError(f"the pictures of {spec.data['name']} differ in size; give the data a size and how: centre")
    x = pictures.x.to(device or best_device())
    kernel = call_by_name(condition.kernel, condition.parameters).to(x)
    A = CircularBlur(kernel)
    measurement = Measurement(A, spec.noise if noise is None else noise, spec.bits, seed)
    return Trial(pictures, x, measurement(x), A, measurement, spec.chunk)


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
    told = {"noise": trial.measurement.sigma} if "noise" in inspect.signature(function).parameters else {}
    return told | spec.parameters


def restore(method: Method, trial: Trial) -> Tensor:
    """Restore the measurement chunk by chunk.  -> x_hat (N, C, H, W); RuntimeError where it is not finite."""
    with torch.no_grad():
        x_hat = torch.cat([method(part, trial.A) for part in trial.y.split(trial.chunk)])
    if not torch.isfinite(x_hat).all():
        raise RuntimeError("the estimate holds NaN or infinity: no row is written")
    return x_hat.clamp(0, 1)


def scores_of(x_hat: Tensor, x: Tensor, chunk: int = 10) -> dict[str, list[float]]:
    """Return PSNR (dB) and SSIM of each picture, to five decimals.  (N, C, H, W) twice -> metric -> N figures."""
    pairs = list(zip(x_hat.split(chunk), x.split(chunk), strict=True))
    return {name: [round(float(f), 5) for a, b in pairs for f in metric(a, b)] for name, metric in METRICS.items()}


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
    root, profile = project_folder(), grid.profile(job.profile)
    column = grid.column(job.column)
    parameters = {"method": grid.row(job.row).method, "arguments": arguments_of(grid, job.row, trial),
                  "chunk": trial.chunk, "digest": digests(grid, job, root)}  # fmt: skip
    weights, train_seconds = weights_of(grid, job, root)
    return Row(
        *job, n=len(trial.x), per_image=figures, metrics={name: mean_and_sd(f) for name, f in figures.items()},
        data={**profile.data, "n": len(trial.x), "sha256": trial.pictures.sha256},
        degradation={"kernel": column.kernel, "parameters": column.parameters, "border": "circular",
                     "noise": trial.measurement.noise, "bits": trial.measurement.bits, "seed": trial.measurement.seed},
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
