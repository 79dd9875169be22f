"""Slots: packed pictures, a script that runs with PyTorch and NumPy alone, and the import of what it leaves behind."""

import contextlib
import hashlib
import importlib.metadata
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_results import TOY, make_row, project, up_to_date  # noqa: F401 (a fixture)
from test_training import GRID as TRAINED_GRID

import ilib
from ilib.data import Pictures, load
from ilib.data.packed import packed_path, write_packed
from ilib.gan.registry import read_registry
from ilib.metrics import ssim
from ilib.results import Job, load_grid, read_row
from ilib.results.__main__ import main
from ilib.results.bare import bundle, run_notebook, structural_similarity, take_up
from ilib.results.carried import carry, needs_of
from ilib.results.digests import digests
from ilib.results.merge import merge
from ilib.results.project import EVALUATE, TRAIN
from ilib.results.queue import Task, wanted_tasks
from ilib.results.slots import START, Slot, packages_of, slots_of, steps_of, with_data
from ilib.results.trained import Training, weights_path

ROOT = Path(__file__).resolve().parents[1]
ABSENT = ("yaml", "PIL", "skimage", "scipy", "matplotlib", "pandas", "IPython", "papermill", "pooch", "tqdm")
JOB = Job("toy", "wiener", "motion", "smoke")


# ---- packed pictures


@pytest.mark.parametrize(
    "words", [{"name": "embedded/test", "size": 48, "n": 2}, {"name": "embedded/train", "how": None}]
)
def test_packed_pictures_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: dict) -> None:
    pictures = load(**words)
    write_packed(pictures, tmp_path, words)
    monkeypatch.setenv("ILIB_PACKED", str(tmp_path))
    monkeypatch.setattr("ilib.data.sets.read", None)  # what decodes files
    again = load(**words)
    assert (again.sha256, again.names, again.source) == (pictures.sha256, pictures.names, pictures.source)
    assert isinstance(again.pixels, torch.Tensor) == isinstance(pictures.pixels, torch.Tensor)


def test_packed_labels_and_other_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ILIB_PACKED", str(tmp_path))
    pixels = torch.randint(256, (3, 3, 5, 7), dtype=torch.uint8)
    write_packed(Pictures(pixels, ("a", "b", "c"), "svhn/test", (3, 1, 4)), tmp_path, {"name": "svhn/test", "n": 3})
    assert load("svhn/test", n=3).labels == (3, 1, 4)
    assert torch.equal(load("svhn/test", n=3, how="centre").pixels, pixels), "defaults make no difference"
    with pytest.raises(FileNotFoundError, match="ILIB_DATA"):
        load("svhn/test", n=2, root=tmp_path)


# ---- what stands in for packages


def test_ssim_without_scikit_image_is_the_same() -> None:
    x = load("embedded/test", size=64, n=2).x
    x_hat = (x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    pairs = zip(x_hat.double().numpy(), x.double().numpy(), strict=True)
    found = [structural_similarity(a, b, data_range=1, sigma=1.5) for a, b in pairs]
    assert np.allclose(found, ssim(x_hat, x), rtol=0, atol=1e-9)


def notebook(*cells: tuple[str, str]) -> str:
    cells = [{"cell_type": "code", "source": source, "metadata": {"tags": [tag]}} for tag, source in cells]
    return json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}})


def test_notebook_runs_as_a_script(tmp_path: Path) -> None:
    path, log, out = tmp_path / "a.ipynb", tmp_path / "logs/a.ipynb", tmp_path / "out"
    cells = [("injected-parameters", "1 / 0"), ("parameters", "n: int = 1\nout: str = ''"), ("report", "import no")]
    cells += [("", "print('n is', n)"), ("", "open(out, 'w').write(str(n + 1))")]
    path.write_text(notebook(*cells))
    run_notebook(str(path), {"n": 41, "out": str(out)}, log)
    assert out.read_text() == "42"
    printed = ["".join(o["text"] for o in cell["outputs"]) for cell in json.loads(log.read_text())["cells"]]
    assert printed[2:4] == [
        "not shown on this machine: ModuleNotFoundError: No module named 'no'\n",
        "n is 41\n",
    ]
    with pytest.raises(ValueError, match="no parameter m"):
        run_notebook(str(path), {"m": 1})


def test_failing_cell_stops_the_script(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text(notebook(("", "1 / 0")))
    with pytest.raises(ZeroDivisionError):
        run_notebook(str(tmp_path / "a.ipynb"), {})


# ---- slots


def test_slots_are_filled_in_order_of_value() -> None:
    tasks = [
        Task(Job("toy", "wiener", "motion", "gpu", s), "missing", m, True) for s, m in enumerate([5, 5, 3, 20, 0.5])
    ]
    slots, waiting = slots_of(tasks, 10)
    assert waiting == {}
    assert [[task.job.seed for task in slot.entries] for slot in slots] == [[0, 2, 4], [1], [3]]
    assert [slot.name for slot in slots] == ["slot_1", "slot_2", "slot_3"]


def test_slot_runs_with_torch_and_numpy_alone(
    project: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From the queue to the merged rows, on a machine on which the packages of ABSENT cannot be imported.

    One row fails there: it is named, and the others come back.
    """
    broken = "  broken: {label: broken, method: ilib.classical.winer, minutes: {smoke: 1}}\nprofiles:"
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace("profiles:", broken))
    assert main(["queue", "--profile", "smoke", "--slots"]) == 0
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    script = project / "slots/smoke/slot_1.py"
    argv = [str(script), "--out", str(out)]
    bare = f"import runpy, sys; sys.modules.update(dict.fromkeys({ABSENT!r})); sys.argv = {argv!r}"
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "ILIB_DATA")}
    words = [sys.executable, "-P", "-c", f"{bare}; runpy.run_path(sys.argv[0], run_name='__main__')"]
    done = subprocess.run(words, cwd=elsewhere, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert done.stdout.count(": done in") == 4, done.stderr
    assert done.stdout.count(": failed in") == 2
    assert [file.name for file in out.iterdir()] == ["slot_1.6.1of1.tar.gz"], "one file, renewed after every step"
    again = subprocess.run(words, cwd=elsewhere, env=environment, capture_output=True, text=True)
    assert again.stdout.count("finished in an earlier run") == 4
    assert main(["import", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "failed on the machine: toy/broken--motion--smoke--s0: ValueError: the grid names" in printed
    assert {task.job.row for task in wanted_tasks("smoke", project, look_at_data=True)} == {"broken"}
    assert read_row(project / JOB.path).mean("psnr") > 20
    assert main(["import", str(out)]) == 0


def test_slots_without_data_and_too_large(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,  # noqa: F811
                                          capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.delenv("ILIB_DATA", raising=False)
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace("embedded/train", "bsds500/val"))
    ready, _, waiting = with_data(wanted_tasks("cpu", project), project, tmp_path / "p")
    assert not ready
    assert all("Set ILIB_DATA" in why for why in waiting.values())
    assert main(["pack", "--profile", "smoke"]) == 0
    path = packed_path(project / "slots/smoke/data", load_grid("toy").profile("smoke").data)
    assert path.is_file()
    assert path.name in capsys.readouterr().out
    monkeypatch.setattr("ilib.results.carried.LARGEST", 1000)
    ready, _, waiting = with_data(wanted_tasks("smoke", project), project, tmp_path / "slots")
    assert not ready
    assert all("may travel: give the data of the grid's profile a smaller n or size" in why for why in waiting.values())


def test_slots_are_filled_up_to_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that two entries share counts once; a training leaves its row behind rather than be too large."""
    monkeypatch.setattr("ilib.results.slots.LARGEST", 100)
    monkeypatch.setattr("ilib.results.slots.SCRIPT_SIZE", 10)
    small, large, other = (tmp_path / name for name in ("small", "large", "other"))
    for path, size in ((small, 40), (large, 80), (other, 50)):
        path.write_bytes(bytes(size))
    training = Training(Job("toy", "cnn", "motion", "gpu"), "missing", 3.0)
    row = Task(training.job, "missing", 1.0, True, training)
    first, second, third = (Task(Job("toy", "tv", "motion", "gpu", s), "missing", 0.5, True) for s in range(3))
    files = {first: [small], second: [other], third: [small], training: [large], row: [small]}
    slots, waiting = slots_of([first, second, third, row], 10, files)
    assert [slot.entries for slot in slots] == [[first, second, third], [training]]
    assert slots[0].size == 90
    assert waiting == {row: "slot_2 trains its weights and has no room for it; import that first"}
    files[row] = [large]
    assert [slot.entries for slot in slots_of([first, row], 10, files)[0]] == [[first], [training, row]]


# ---- photographs and features travel as the files that they came in


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data sets: six photographs of three sizes, one of them broken; features in weights/."""
    home = tmp_path / "sets"
    for i in range(6):
        split = home / "bsds500" / ("train" if i < 4 else "test")
        split.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(256, size=(40 + i % 3, 44, 3), dtype=np.uint8)
        Image.fromarray(noise).save(split / f"{i}.jpg")
    (home / "bsds500/train/1.jpg").write_bytes(b"no picture")
    (home / "weights").mkdir()
    (home / "weights/vgg16_conv1_1-conv4_1_f16.npz").write_bytes(b"features")
    monkeypatch.setenv("ILIB_DATA", str(home))
    return home


WHOLE = "{name: bsds500/train+test}, {name: bsds500/train, n: 2}, {name: dead_leaves, n: 4, size: 32}"
TRAINED = TRAINED_GRID.replace("{name: embedded/train, how: centre, size: 32}", WHOLE)


@pytest.mark.filterwarnings("ignore:.*undecodable file")
def test_photographs_travel_as_files(project: Path, photographs: Path, tmp_path: Path,  # noqa: F811
                                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    (project / "notebooks/tables/toy.yaml").write_text(TRAINED)
    training = Training(Job("toy", "cnn", "motion", "smoke"), "missing", 1.0)
    paths, why = carry([training], project, tmp_path / "data")[training]
    assert why == ""
    assert [path.name.partition("-")[0] for path in paths] == ["bsds500_train_test", "bsds500_train"]
    blocks = [{"name": "bsds500/train+test", "how": None}, {"name": "bsds500/train", "how": None, "n": 2}]
    before = [load(**words) for words in blocks]
    for path, pictures, words in zip(paths, before, blocks, strict=True):
        assert len(zipfile.ZipFile(path).namelist()) == len(pictures) == words.get("n", 5)
        zipfile.ZipFile(path).extractall(tmp_path / path.stem)
        monkeypatch.setenv("ILIB_DATA", str(tmp_path / path.stem))
        again = load(**words)
        assert (again.sha256, again.names, again.source) == (pictures.sha256, pictures.names, pictures.source)
    monkeypatch.setenv("ILIB_DATA", str(photographs / "bsds500"))
    carry([training], project, tmp_path / "again")
    assert (tmp_path / "again" / paths[0].name).read_bytes() == paths[0].read_bytes(), "ILIB_DATA may be a set's folder"


@pytest.mark.filterwarnings("ignore:.*undecodable file")
def test_what_travels(project: Path, photographs: Path, tmp_path: Path) -> None:  # noqa: F811
    """Cut pictures as pixels; features where the recipe's code names them; trained weights of rows."""
    (project / "notebooks/tables/toy.yaml").write_text(TRAINED.replace("recipes.cnn.CNN", "recipes.mbd_gan.MBDGAN"))
    training = Training(Job("toy", "cnn", "motion", "smoke"), "missing", 1.0)
    task = Task(training.job, "missing", 1.0, True, training)
    assert [path.suffix for path in needs_of(task, project, tmp_path)] == [".npz"]
    trained = [path.name for path in needs_of(replace(task, needs=None), project, tmp_path)]
    assert trained[1:] == [f"{task.job.weights}.safetensors"]
    (project / "data/weights").mkdir(parents=True)
    (project / weights_path(task.job)).write_bytes(b"weights")
    found = carry([training, replace(task, needs=None)], project, tmp_path / "data")
    assert zipfile.ZipFile(found[training][0][-1]).read("weights/vgg16_conv1_1-conv4_1_f16.npz") == b"features"
    slot = Slot("slot_1", [*found], {path for paths, _ in found.values() for path in paths})
    assert packages_of(slot) == "accelerate safetensors psutil packaging tqdm pillow"
    assert packages_of(Slot("slot_1", [task])) == ""
    os.environ.pop("ILIB_DATA")
    assert "Set ILIB_DATA" in carry([training], project, tmp_path / "none")[training][1]


def wheel(name: str, folder: Path) -> None:
    """Zip what an installed distribution holds, as its wheel does."""
    with zipfile.ZipFile(folder / f"{name}-0-py3-none-any.whl", "w") as archive:
        for file in importlib.metadata.files(name) or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                archive.write(file.locate(), file.as_posix())


def bare_site(folder: Path) -> Path:
    """Link PyTorch, NumPy and what they need, and nothing else, into a folder of packages."""
    folder.mkdir()
    names, waiting = set(), ["torch", "numpy"]
    while waiting:
        name = waiting.pop()
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            if name not in names:
                names.add(name)
                needs = importlib.metadata.requires(name) or []
                waiting += [re.match(r"[\w.-]+", need)[0] for need in needs if "extra ==" not in need]
                tops = {file.parts[0] for file in importlib.metadata.files(name) or () if file.parts[0] != ".."}
                for top in tops - {"__pycache__"}:
                    place = Path(importlib.metadata.distribution(name).locate_file(top))
                    if not (folder / top).exists() and place.exists():
                        (folder / top).symlink_to(place)
    return folder


@pytest.mark.filterwarnings("ignore:.*undecodable file")
def test_training_goes_on_in_the_next_run(project: Path, photographs: Path, tmp_path: Path,  # noqa: F811
                                          capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """On a machine with Python, PyTorch, NumPy and the wheels that are carried: a training longer than its slot."""
    text = TRAINED.replace("steps: 20", "steps: 300").replace("held_out: 1", "held_out: 1, evaluate_every: 300")
    for row in ("blurred", "wiener, minutes: {smoke: 0.5}"):
        text = text.replace(f"method: ilib.classical.{row}", "not_run: later")
    (project / "notebooks/tables/toy.yaml").write_text(text)
    shutil.copy(ROOT / TRAIN, project / TRAIN)
    (project / "slots/smoke/wheels").mkdir(parents=True)
    for name in ("accelerate", "safetensors", "psutil", "packaging", "tqdm", "pillow"):
        wheel(name, project / "slots/smoke/wheels")
    assert main(["queue", "--profile", "smoke", "--slots"]) == 0
    printed = capsys.readouterr().out
    assert "training of toy: cnn, motion, smoke, seed 0: missing, 0.1 min" in printed
    assert "wheels in slots/smoke/wheels: accelerate safetensors psutil packaging tqdm pillow" in printed
    there, out = tmp_path / "there", tmp_path / "there/out"
    shutil.copytree(project / "slots/smoke", there)
    site = bare_site(tmp_path / "site")
    start = f"import runpy, sys; sys.path.append({str(site)!r}); sys.argv = sys.argv[1:]"

    def run(minutes: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-I", "-S", "-c", f"{start}; runpy.run_path(sys.argv[0], run_name='__main__')",
                 str(there / "slot_1.py"), "--out", str(out), "--minutes", minutes]  # fmt: skip
        return subprocess.run(words, cwd=there, env={"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)

    job = Job("toy", "cnn", "gaussian", "smoke")
    first = run("0.51")
    assert first.returncode == 0, first.stderr
    assert f"{weights_path(job)}: stopped with a checkpoint, run this script again to go on" in first.stdout
    assert f"toy/{job.name}: its weights are not trained yet, it stays in the queue" in first.stdout
    merged = merge(out, project)
    assert [name for name in merged.taken if "/logs/" not in name] == [f"checkpoints/{job.weights}.pt"]
    reached = torch.load(project / f"checkpoints/{job.weights}.pt")["state"]["step"]
    assert 0 < reached < 300
    second = run("10")
    assert second.returncode == 0, second.stderr
    assert second.stdout.count(": done in") == 4
    assert main(["import", str(out)]) == 0
    row = read_row(project / job.path)
    entry = read_registry(project / "data/weights")[job.weights]
    assert (row.weights["sha256"], entry["steps"]) == (entry["sha256"], 300)
    assert entry["data"][0]["sha256"] == load("bsds500/train+test", how=None).sha256, "the same pixels"
    assert wanted_tasks("smoke", project) == []
    (there / "data" / packed_path("", load_grid("toy").profile("smoke").data).name).unlink()
    lacking = run("10")
    assert lacking.returncode == 1
    assert "copy what the slot names beside its script" in lacking.stderr


def test_checkpoint_too_large_to_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies beside the archive, where another run on the same machine finds it, and goes when it is not needed."""
    monkeypatch.setattr("ilib.results.bare.PART", 1000)
    there, out, again = (tmp_path / name for name in ("there", "out", "again"))
    checkpoint = there / "checkpoints/long.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(os.urandom(9000))
    slot = {"name": "slot_1", "commit": "", "ilib": ilib.__version__, "errors": {}, "given": {}}
    bundle(there, out, slot)
    again.mkdir()
    take_up(again, out, "slot_1")
    assert (again / "checkpoints/long.pt").read_bytes() == checkpoint.read_bytes()
    checkpoint.unlink()
    bundle(there, out, slot)
    assert [path.name for path in out.iterdir()] == ["slot_1.2.1of1.tar.gz"]


# ---- import


def row_now(folder: Path, job: Job = JOB, **changes: object) -> bytes:
    """The JSON of a row that this project would have written."""
    parameters = {"digest": digests(load_grid(job.table, folder), job, folder)}
    fields = {"versions": {"ilib": ilib.__version__}, "parameters": parameters}
    return json.dumps(asdict(make_row(**(job._asdict() | fields | changes)))).encode()


def archive(
    folder: Path, files: dict[str, bytes], sums: dict[str, str] | None = None, name: str = "slot_1.1.1of1"
) -> Path:
    """Write an archive as a slot does; sums in place of the true ones."""
    true = {key: hashlib.sha256(content).hexdigest() for key, content in files.items()}
    manifest = {"name": "slot_1", "files": true | (sums or {}), "errors": {}}
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as tar:
        for key, content in {"manifest.json": json.dumps(manifest).encode(), **files}.items():
            about = tarfile.TarInfo(key)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return folder


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted((folder / "results").rglob("*")) if p.is_file()
    }


def test_import_is_idempotent(project: Path, tmp_path: Path) -> None:  # noqa: F811
    back = archive(tmp_path / "back", {JOB.path.as_posix(): row_now(project), "data/weights/a.safetensors": b"weights"})
    first = merge(back, project)
    assert (len(first.taken), first.there, first.refused) == (2, [], {})
    assert (project / "data/weights/a.safetensors").read_bytes() == b"weights"
    before = snapshot(project)
    assert merge(back, project).there == first.taken
    assert snapshot(project) == before


@pytest.mark.parametrize(
    ("path", "changes", "message"),
    [
        (JOB.path, {"schema": 2}, "schema is 2 but this version of ilib reads 1"),
        (JOB.path, {"versions": {"ilib": "0.0.1"}}, "ilib 0.0.1 wrote it and this is"),
        (
            JOB.path,
            {"parameters": {"digest": {"settings": "0"}}},
            "settings and code changed since its slot was written",
        ),
        (JOB.path, {"seed": 1}, "its content belongs in results/toy/wiener--motion--smoke--s1.json"),
        (JOB._replace(seed=1).path, {"seed": 1}, "seed 1 is none of the grid's"),
        (JOB._replace(row="mbdgan").path, {"row": "mbdgan"}, "is not run: it is not trained yet"),
        (JOB.path, {"n": 4}, "must be a list of n = 4 numbers"),
        (JOB.path, {"weights": {"name": "w", "sha256": "0" * 64}}, "its weights w came neither with it nor are they"),
        (Path("results/toi") / JOB.path.name, {"table": "toi"}, "did you mean toy"),
        (Path("Makefile"), {}, "this is no place for a slot to write to"),
        (Path("results/../x/") / JOB.path.name, {}, "this is no place for a slot to write to"),
    ],
)
def test_import_refuses_and_says_why(project: Path, tmp_path: Path, path: Path, changes: dict, message: str) -> None:  # noqa: F811
    content = json.loads(row_now(project)) | changes
    good = JOB._replace(column="gaussian")
    files = {path.as_posix(): json.dumps(content).encode(), good.path.as_posix(): row_now(project, good)}
    merged = merge(archive(tmp_path / "back", files), project)
    assert list(merged.refused) == [path.as_posix()]
    assert message in merged.refused[path.as_posix()]
    assert merged.taken == [good.path.as_posix()], "the others are taken"
    assert not (project / JOB.path).exists()


def test_import_refuses_what_was_changed_on_the_way(project: Path, tmp_path: Path) -> None:  # noqa: F811
    name = JOB.path.as_posix()
    merged = merge(
        archive(tmp_path / "back", {name: row_now(project)}, {name: "0" * 64, "results/toy/gone": "1"}), project
    )
    assert "changed or damaged" in merged.refused[name]
    assert "is not in the archive" in merged.refused["results/toy/gone"]


def test_import_of_a_damaged_or_incomplete_archive(project: Path, tmp_path: Path) -> None:  # noqa: F811
    back = archive(tmp_path / "back", {JOB.path.as_posix(): row_now(project)})
    (back / "slot_2.1.1of1.tar.gz").write_bytes((back / "slot_1.1.1of1.tar.gz").read_bytes()[:-40])
    (back / "slot_3.1.1of2.tar.gz").write_bytes(b"")
    merged = merge(back, project)
    assert "it does not unpack" in merged.refused["slot_2"]
    assert "1 of its 2 parts are here" in merged.refused["slot_3"]
    assert merged.taken == [JOB.path.as_posix()]
    with pytest.raises(FileNotFoundError, match="holds no archive of a slot"):
        merge(project / "notebooks", project)


def test_import_keeps_a_row_that_is_up_to_date(project: Path, tmp_path: Path) -> None:  # noqa: F811
    kept = up_to_date(project, JOB)
    back = archive(tmp_path / "back", {JOB.path.as_posix(): row_now(project, date="2026-02-02T00:00:00Z")})
    merged = merge(back, project)
    assert "is there and up to date; remove it to take this one" in merged.refused[JOB.path.as_posix()]
    assert read_row(project / JOB.path) == kept
    text = (project / JOB.path).read_text()
    (project / JOB.path).write_text(text.replace(kept.parameters["digest"]["code"], "0" * 16))
    assert merge(back, project).taken == [JOB.path.as_posix()], "a stale row is replaced"


def test_weights_in_use_are_not_replaced(project: Path, tmp_path: Path) -> None:  # noqa: F811
    old = project / "data/weights/a.safetensors"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    weights = {"name": "a", "sha256": hashlib.sha256(b"old").hexdigest()}
    (project / JOB.path).parent.mkdir(parents=True)
    (project / JOB.path).write_bytes(row_now(project, weights=weights))
    merged = merge(archive(tmp_path / "back", {"data/weights/a.safetensors": b"new"}), project)
    assert f"{JOB.path.name} was made with them" in merged.refused["data/weights/a.safetensors"]
    assert old.read_bytes() == b"old"


def test_registries_are_joined(project: Path, tmp_path: Path) -> None:  # noqa: F811
    registry = project / "data/weights/registry.json"
    registry.parent.mkdir(parents=True)
    registry.write_text(json.dumps({"schema": 1, "weights": {"old": {"sha256": "0"}}}))
    sums = {name: {"sha256": hashlib.sha256(name.encode()).hexdigest()} for name in ("new", "not_brought")}
    brought = json.dumps({"schema": 1, "weights": sums}).encode()
    merge(
        archive(tmp_path / "back", {"data/weights/new.safetensors": b"new", "data/weights/registry.json": brought}),
        project,
    )
    assert list(json.loads(registry.read_text())["weights"]) == ["new", "old"]


def test_large_output_is_cut_into_parts(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr("ilib.results.bare.PART", 2000)
    there, out = tmp_path / "there", tmp_path / "out"
    for name, content in {JOB.path: row_now(project), Path("data/weights/a.safetensors"): os.urandom(3000),
                          Path("checkpoints/late.pt"): os.urandom(9000)}.items():  # fmt: skip
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(content)
    slot = {"name": "slot_1", "commit": "", "ilib": ilib.__version__, "errors": {}, "given": {}}
    bundle(there, out, slot)
    parts = bundle(there, out, slot)
    assert len(parts) > 1
    assert sorted(path for path in out.iterdir() if path.is_file()) == sorted(parts), "the archive before is gone"
    assert all(part.stat().st_size <= 2000 for part in parts)
    assert sorted(merge(out, project).taken) == ["data/weights/a.safetensors", JOB.path.as_posix()], (
        "checkpoints go first"
    )


def test_killed_import_is_finished_by_the_next(project: Path, tmp_path: Path) -> None:  # noqa: F811
    """SIGKILL in the middle: what is there is whole, the rerun brings the rest and leaves nothing behind."""
    (project / "notebooks/tables/toy.yaml").write_text(TOY.replace("seeds: [0, 1]", f"seeds: {list(range(200))}"))
    jobs = [job for job in load_grid("toy").jobs("cpu") if (job.row, job.column) == ("wiener", "motion")]
    back = archive(tmp_path / "back", {job.path.as_posix(): row_now(project, job) for job in jobs})
    folder, words = project / "results/toy", [sys.executable, "-m", "ilib.results", "import", str(back)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(words, cwd=project, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None and len(list(folder.glob("*.json"))) < 10:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    there = sorted(folder.glob("*.json"))
    assert 10 <= len(there) < len(jobs), "the kill came in the middle"
    assert len([read_row(path) for path in there]) == len(there)
    (folder / f".{jobs[-1].path.name}.abc.tmp").write_text("{")  # as a kill in the middle of a write leaves it
    before = snapshot(project)
    merged = merge(back, project)
    assert (len(merged.taken), len(merged.there)) == (len(jobs) - len(there), len(there))
    assert {path: before[path] for path in map(str, there)}.items() <= snapshot(project).items(), (
        "nothing is written again"
    )
    assert sorted(p.name for p in folder.iterdir()) == sorted(job.path.name for job in jobs)


def test_training_comes_before_its_row() -> None:
    """Weights that are missing are trained in the slot of their row, on pictures that are packed with it."""
    job = Job("mbdgan_1", "cnn", "motion", "gpu")
    task = Task(job, "missing", 0.5, True, Training(job, "missing", 8.0))
    slot = slots_of([task])[0][0]
    training, row = steps_of(slot)
    assert (training["notebook"], row["notebook"]) == ("notebooks/runs/train.ipynb", EVALUATE)
    assert training["done"] == training["parameters"]["output"] == f"data/weights/{job.weights}.safetensors"
    assert (training["minutes"], row["minutes"], slot.minutes) == (8, 0.5, START + 8.5)
    assert row["needs"] == training["done"]
    named = [path.name for path in needs_of(task.needs, ROOT, Path())]
    assert any(name.startswith("cid22-") for name in named)
    assert not any("safetensors" in name for name in named), "old ones would end the training before it begins"


def test_weights_are_trained_in_one_slot() -> None:
    """Rows that share weights stay with their training; those that do not fit there wait for its import."""
    training = Training(Job("toy", "cnn", "motion", "gpu"), "missing", 6.0)
    rows = [Task(Job("toy", "cnn", "motion", "gpu", s), "missing", 1.5, True, training) for s in range(3)]
    other = Task(Job("toy", "wiener", "motion", "gpu"), "missing", 1.0, True)
    slots, waiting = slots_of([*rows, other], 10)
    assert [slot.entries for slot in slots] == [[training, *rows[:2]], [other]]
    assert waiting == {rows[2]: "slot_1 trains its weights and has no room for it; import that first"}
    assert [step["done"] for step in steps_of(slots[0])] == [
        weights_path(training.job).as_posix(), *(task.job.path.as_posix() for task in rows[:2])]  # fmt: skip
