"""What a slot does on a machine that has Python, PyTorch and NumPy, and nothing else.

A slot (ilib/results/slots.py) is one script that unpacks a copy of the project and calls `run_slot` here: the code
cells of each notebook run one after another with the run's parameters, as papermill would run them, and all that they
leave behind goes into one archive in the output folder, renewed after every run.
"""

import contextlib
import hashlib
import importlib.util
import io
import json
import os
import shutil
import sys
import tarfile
import threading
import time
import traceback
import types
import zipfile
from pathlib import Path
from typing import Any

SECONDS_TO_SPARE = 30  # at the end of a slot
SECONDS_BETWEEN_ARCHIVES = 60.0
PART = 15 * 2**20  # bytes of one file of the output; eight of 16 MiB come back from a borrowed machine
PARTS = 4
LEFT_BEHIND = ("results/**/*.json", "data/weights/*", "results/logs/**/*.ipynb", "checkpoints/**/*")  # may go: last
UNFINISHED = "not finished"  # how the error of a training begins that stopped with a checkpoint
SECONDS_AROUND_TRAINING = 45  # loading its pictures and packages, saving its weights
NOT_RUN = {"injected-parameters"}  # cells for Colab do nothing elsewhere


class Absent(Exception):
    """Stands for anything that an absent package would define: it may be named, not used."""

    def __init__(self, *_: object, **__: object) -> None:
        raise ModuleNotFoundError(f"{type(self).__module__} is not installed on this machine")


def stand_ins() -> None:
    """Put stand-ins in the place of packages that are absent and whose work the packed project does not need."""
    names = {"SafeLoader": object, "MappingNode": object, "YAMLError": ValueError, "safe_dump": _readable}
    sys.modules["yaml"] = _module("yaml", load=lambda text, _: json.loads(text), **names)
    if importlib.util.find_spec("PIL") is None:
        parts = (f"PIL.{part}" for part in ("Image", "ImageOps", "ImageDraw", "ImageFont"))
        modules = {part.removeprefix("PIL."): _module(part, __getattr__=lambda _: Absent) for part in parts}
        sys.modules["PIL"] = _module("PIL", **modules)
    if importlib.util.find_spec("skimage") is None:
        sys.modules["skimage"] = _module("skimage")
        sys.modules["skimage.metrics"] = _module("skimage.metrics", structural_similarity=structural_similarity)


def _module(name: str, **content: object) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(content, __spec__=None)
    return module


def _readable(content: object, **_: object) -> str:
    return json.dumps(content, indent=1)


def structural_similarity(a: Any, b: Any, *, data_range: float, sigma: float, **_: object) -> float:
    """Compute scikit-image's SSIM with a Gaussian window and population covariance.  (C, H, W) float64 arrays."""
    import torch

    r = int(3.5 * sigma + 0.5)
    w = torch.exp(-0.5 * (torch.arange(-r, r + 1, dtype=torch.float64) / sigma) ** 2)
    w = w / w.sum()

    def mean(u: torch.Tensor) -> torch.Tensor:
        u = torch.nn.functional.conv2d(u[:, None], w.view(1, 1, -1, 1))
        return torch.nn.functional.conv2d(u, w.view(1, 1, 1, -1))[:, 0]

    x, y = torch.from_numpy(a), torch.from_numpy(b)
    m, n = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - m * m, mean(y * y) - n * n, mean(x * y) - m * n
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    ratio = (2 * m * n + c1) * (2 * vxy + c2) / ((m * m + n * n + c1) * (vx + vy + c2))
    return float(ratio.mean((-2, -1)).mean())


def run_notebook(path: str, parameters: dict[str, Any], log: Path | None = None) -> None:
    """Run a notebook's code cells as one script, with parameters, and leave what they printed in a log.

    A cell tagged report may fail (a figure needs matplotlib): the log then says why.  Other errors are raised.
    """
    notebook = json.loads(Path(path).read_text(encoding="utf-8"))
    namespace: dict[str, Any] = {"__name__": "__main__"}
    try:
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"] = _run_cell(cell, namespace, parameters)
    finally:
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(json.dumps(notebook, indent=1), encoding="utf-8")


def _run_cell(cell: dict[str, Any], namespace: dict[str, Any], parameters: dict[str, Any]) -> list[dict[str, Any]]:
    tags = set(cell["metadata"].get("tags", []))
    source, printed = "".join(cell["source"]), io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            if "parameters" in tags:
                exec(source, namespace)
                unknown = sorted(parameters.keys() - namespace.keys())
                if unknown:
                    raise ValueError(f"the notebook has no parameter {', '.join(unknown)}")
                namespace.update(parameters)
            elif not tags & NOT_RUN:
                exec(source, namespace)
        except Exception as error:
            if "report" not in tags:
                raise
            print(f"not shown on this machine: {type(error).__name__}: {error}")
    text = printed.getvalue()
    return [{"output_type": "stream", "name": "stdout", "text": text}] if text else []


def run_slot(folder: str | Path, out: Path, data: Path, resume: Path, minutes: float) -> int:
    """Run the steps of a slot while there is time; leave the archive in `out`.  -> 0, or 1 where a step failed.

    folder: the unpacked project; data: the files carried beside the script; resume: where an earlier run of this slot
    left its archive, if there was one.
    """
    start, project = time.monotonic(), Path(folder)
    os.chdir(project)
    stand_ins()
    slot = json.loads(Path("slot.json").read_text()) | {"errors": {}}
    missing = [name for name in slot["files"] if not (data / name).is_file()]
    if missing:
        print(f"{data} lacks {', '.join(missing)}: copy what the slot names beside its script", file=sys.stderr)
        return 1
    unpack_data(slot["files"], data, project)
    slot["given"] = {path.as_posix(): path.read_bytes() for path in Path("data/weights").glob("*")}  # stay behind
    take_up(project, resume, slot["name"])
    first = True
    for step in slot["steps"]:
        left = minutes - (time.monotonic() - start + SECONDS_TO_SPARE) / 60
        if Path(step["done"]).is_file():
            print(f"{step['name']}: finished in an earlier run", flush=True)
        elif step.get("needs") and not Path(step["needs"]).is_file():
            print(f"{step['name']}: its weights are not trained yet, it stays in the queue", flush=True)
        elif step["minutes"] > left and not first:
            print(f"{step['name']}: no time left ({left:.1f} of {step['minutes']}), it stays in the queue", flush=True)
        else:
            first = False
            with _Keeper(project, out, slot):
                _run_step(step, slot["errors"], left - SECONDS_AROUND_TRAINING / 60)
    return int(bool(slot["errors"]))


def unpack_data(names: list[str], data: Path, project: Path) -> None:
    """Put carried files where the project looks for them: photographs and features, weights; pixels stay packed."""
    os.environ["ILIB_PACKED"] = str(data)
    for name in names:
        if name.endswith(".zip"):
            zipfile.ZipFile(data / name).extractall(project / "carried")
            os.environ["ILIB_DATA"] = str(project / "carried")
        elif name.endswith(".safetensors"):
            (project / "data/weights").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(data / name, project / "data/weights" / name)


def take_up(project: Path, resume: Path, name: str) -> None:
    """Unpack what an earlier run of this slot left behind: finished rows, checkpoints of unfinished training."""
    for path in (resume / f"{name}.checkpoints").glob("*.pt"):
        (project / "checkpoints").mkdir(exist_ok=True)
        shutil.copyfile(path, project / "checkpoints" / path.name)
    content = b"".join(path.read_bytes() for path in sorted(resume.glob(f"{name}.*.tar.gz")))
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            archive.extractall(project, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        if content:
            print(f"what an earlier run left cannot be read, every step runs anew: {error}", flush=True)


def _run_step(step: dict[str, Any], errors: dict[str, str], minutes: float) -> None:
    """Run one step; a training is given some minutes, after which it stops with a checkpoint."""
    start, state = time.monotonic(), "done"
    limit = {"minutes": max(minutes, 0.01)} if step.get("trains") else {}
    try:
        run_notebook(step["notebook"], step["parameters"] | limit, Path(step["log"]))
    except Exception as error:  # rows that need no weights of this step do not depend on it
        state = "failed"
        if limit and str(error).startswith(UNFINISHED):
            state = "stopped with a checkpoint, run this script again to go on,"
        else:
            errors[step["name"]] = f"{type(error).__name__}: {error}"
            traceback.print_exc()
    print(f"{step['name']}: {state} in {time.monotonic() - start:.1f} s", flush=True)


class _Keeper:
    """Renews the archive every minute while a step runs, so that its checkpoints come back, and when it is over."""

    def __init__(self, project: Path, out: Path, slot: dict[str, Any]) -> None:
        self.what = (project, out, slot)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._keep, daemon=True)

    def _keep(self) -> None:
        while not self.over.wait(SECONDS_BETWEEN_ARCHIVES):
            bundle(*self.what)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        bundle(*self.what)


def bundle(project: Path, out: Path, slot: dict[str, Any]) -> list[Path]:
    """Put what the steps have left into one archive, cut into parts that come back; the last archive goes.

    What would make it too large stays out: checkpoints first, which lie beside it then for a run on the same machine.
    """
    paths = [path for pattern in LEFT_BEHIND for path in sorted(project.glob(pattern))]
    files = {path.relative_to(project).as_posix(): path for path in paths if path.is_file() and path.name[0] != "."}
    files = {name: path for name, path in files.items() if slot["given"].get(name) != path.read_bytes()}
    out.mkdir(parents=True, exist_ok=True)
    aside = out / f"{slot['name']}.checkpoints"
    shutil.rmtree(aside, ignore_errors=True)
    while sum(path.stat().st_size for path in files.values()) > PART * PARTS:  # before it is packed, which takes time
        dropped, path = files.popitem()
        size = path.stat().st_size / 2**20
        print(f"{dropped} stays out of the archive: with its {size:.1f} MiB that is too large", flush=True)
        if dropped.startswith("checkpoints/"):
            aside.mkdir(exist_ok=True)
            shutil.copyfile(path, aside / path.name)
    content = _archive(files, slot)
    earlier = sorted(out.glob(f"{slot['name']}.*.tar.gz"))
    turn = 1 + max((int(path.name.split(".")[1]) for path in earlier), default=0)
    count = -(-len(content) // PART)
    written = [out / f"{slot['name']}.{turn}.{i + 1}of{count}.tar.gz" for i in range(count)]
    for i, path in enumerate(written):
        temporary = out / f"{path.name}.tmp"
        temporary.write_bytes(content[i * PART : (i + 1) * PART])
        temporary.replace(path)
    for path in earlier:
        path.unlink()
    return written


def _archive(files: dict[str, Path], slot: dict[str, Any]) -> bytes:
    contents = {name: path.read_bytes() for name, path in files.items()}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    manifest = {key: slot[key] for key in ("name", "commit", "ilib", "errors")} | {"files": sums}
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as archive:
        for name, content in {"manifest.json": json.dumps(manifest, indent=1).encode(), **contents}.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return memory.getvalue()
