"""Columns of a grid that name a camera or recorded pairs, data of their own, and the metrics of a grid."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from test_results import TOY, project  # noqa: F401 (a fixture)
from torch import Tensor

import ilib.degrade
from ilib.data import load
from ilib.gan.sources import Photographs
from ilib.kernels import gaussian
from ilib.metrics import luma_psnr
from ilib.operators import CircularBlur
from ilib.results import Job, load_grid
from ilib.results.digests import digests, settings_of, training_settings
from ilib.results.queue import wanted_tasks
from ilib.results.runs import Cost, Pairs, measure, method_of, restore, row_of, scores_of
from ilib.results.training import plan_training

CAMERA = """{label: dark, camera: ilib.degrade.dark, parameters: {gain: 0.5},
    data: {cpu: {name: embedded/test, size: 32}}}"""
PAIRS = "{label: recorded, pairs: ilib.degrade.recorded, parameters: {level: 0.25}}"
TRAIN = """
    method: ilib.gan.restore.generator
    train:
      network: ilib.networks.ResNet
      recipe: ilib.gan.recipes.cnn.CNN
      source: ilib.gan.sources.Photographs
      profiles:
        smoke: {network: {width: 4, blocks: 1}, settings: {steps: 20, batch: 2, crop: 16, held_out: 1},
          data: [{name: embedded/train, size: 48}], minutes: 1}
        cpu: {network: {width: 4, blocks: 1}, settings: {steps: 20, batch: 2, crop: 16, held_out: 1},
          data: [{name: embedded/train, size: 48}], minutes: 1}
"""


@dataclass(frozen=True)
class Dark:
    """A camera that takes light away and adds noise."""

    gain: float
    noise: float = 0.01

    def measure(self, x: Tensor, noise: Tensor, seed: int) -> tuple[Tensor, None, Tensor]:
        w = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
        return self.gain * x + noise * w, None, noise

    def to(self, device: torch.device) -> "Dark":
        return self


def recorded(name: str, size: int, n: int, level: float) -> Pairs:
    pictures = load(name, size=size, n=n)
    kernels = torch.stack([gaussian(s, 9).float() for s in (1.0, 2.0)])[:n]
    A = CircularBlur(kernels)
    return Pairs(pictures, level + A(pictures.x), A, 0.125)


@pytest.fixture
def columns(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    monkeypatch.setattr(ilib.degrade, "dark", Dark, raising=False)
    monkeypatch.setattr(ilib.degrade, "recorded", recorded, raising=False)
    changed = TOY.replace("rows:\n", f"  dark: {CAMERA}\n  pairs: {PAIRS}\nmetrics: [psnr, affine_psnr]\nrows:\n", 1)
    changed = changed.replace("profiles:\n  smoke", "  cnn:\n    label: CNN" + TRAIN + "profiles:\n  smoke")
    (project / "notebooks/tables/toy.yaml").write_text(changed)
    return project


def test_camera_measures_what_the_column_tests_on(columns: Path) -> None:
    grid = load_grid("toy")
    smoke, cpu = (measure(grid, "dark", profile, seed=3) for profile in ("smoke", "cpu"))
    assert smoke.x.shape[-1] == 48 and cpu.x.shape[-1] == 32
    y, _, _ = Dark(0.5).measure(smoke.x, torch.tensor(0.01), 3)
    assert torch.equal(smoke.y, y) and smoke.A is None and smoke.sigma == pytest.approx(0.01)
    assert settings_of(grid, Job("toy", "wiener", "dark", "cpu"))["data"] == {"name": "embedded/test", "size": 32}


def test_camera_is_trained_with(columns: Path) -> None:
    grid, job = load_grid("toy"), Job("toy", "cnn", "dark", "smoke")
    plan = plan_training(grid, job)
    assert isinstance(plan.source, Photographs) and plan.source.camera == Dark(0.5)
    batch = plan.source.draw(plan.settings, 0)
    assert float((batch.y - 0.5 * batch.x).std()) == pytest.approx(0.01, rel=0.3)
    assert training_settings(grid, job)["camera"] == ["ilib.degrade.dark", {"gain": 0.5}]
    assert plan.source.identity() == {"pictures": plan.source.pictures.sha256, "gain": 0.5, "noise": 0.01}


def test_recorded_pairs_with_a_kernel_each(columns: Path) -> None:
    grid, job = load_grid("toy"), Job("toy", "wiener", "pairs", "smoke")
    trial = measure(grid, "pairs", "smoke")
    assert trial.sigma == 0.125 and len(trial.A.kernel) == 2
    whole = restore(method_of(grid, "wiener", trial), trial)
    alone = restore(method_of(grid, "wiener", trial), type(trial)(**{**vars(trial), "chunk": 1}))
    assert torch.allclose(whole.x_hat, alone.x_hat, atol=1e-5), "each picture goes with its own kernel"
    figures = scores_of(whole.x_hat, trial.x, grid.metrics)
    assert list(figures) == ["psnr", "affine_psnr"] and all(a < b for a, b in zip(*figures.values(), strict=True))
    with Cost() as cost:
        pass
    row = row_of(grid, job, trial, figures, cost)
    assert row.degradation == {"pairs": "ilib.degrade.recorded", "parameters": {"level": 0.25}, "noise": 0.125}
    assert row.data["sha256"] == trial.pictures.sha256


def test_method_may_return_kernels(columns: Path) -> None:
    trial = measure(load_grid("toy"), "pairs", "smoke")
    found = restore(lambda y, A: (y, A.kernel), type(trial)(**{**vars(trial), "chunk": 1}))
    assert torch.equal(found.kernel, trial.A.kernel)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("camera: ilib.degrade.dark", "camera: ilib.degrade.dark, kernel: ilib.kernels.delta", "kernel and camera"),
        ("data: {cpu:", "data: {big:", "'big' is no key allowed under columns: dark: data"),
        ("{name: embedded/test, size: 32}", "{size: 32}", "columns: dark: data: cpu has no name"),
        ("[psnr, affine_psnr]", "[psnr, 3]", "metrics is .*must be a list of names"),
        ("camera: ilib.degrade.dark", "camera: dark", "must be a dotted name in ilib"),
        ("source: ilib.gan.sources.Photographs", "source: photographs", "must be a dotted name in ilib"),
    ],
)
def test_wrong_columns_are_named(columns: Path, old: str, new: str, message: str) -> None:
    path = columns / "notebooks/tables/toy.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        load_grid("toy")


def test_one_column_trains_for_all(columns: Path) -> None:
    path = columns / "notebooks/tables/toy.yaml"
    other = CAMERA.replace("label: dark", "label: the same").replace("embedded/test", "embedded/train")
    text = path.read_text().replace("  pairs:", f"  again: {other}\n  pairs:", 1).replace("label: gaussian", "label: g")
    text = text.replace("label: Gaussian,", "label: Gaussian, not_run: why,").replace(
        "label: motion,", "label: motion, not_run: why,").replace("label: recorded,", "label: recorded, not_run: why,")
    path.write_text(text.replace("      recipe: ilib", "      column: dark\n      recipe: ilib", 1))
    grid = load_grid("toy")
    assert grid.trained_by(Job("toy", "cnn", "again", "cpu"))[1] == Job("toy", "cnn", "dark", "cpu")
    assert settings_of(grid, Job("toy", "cnn", "again", "cpu"))["train"]["camera"][0] == "ilib.degrade.dark"
    path.write_text(path.read_text().replace("label: motion, not_run: why,", "label: motion,"))
    with pytest.raises(ValueError, match="train: column: motion has another camera than dark"):
        load_grid("toy")


def test_unknown_metric_and_parameters_are_named(columns: Path) -> None:
    path = columns / "notebooks/tables/toy.yaml"
    text = path.read_text().replace("gain: 0.5", "gian: 0.5")
    path.write_text(text)
    grid = load_grid("toy")
    with pytest.raises(ValueError, match="has no parameter gian; it has gain, noise"):
        measure(grid, "dark", "smoke")
    trial = measure(grid, "pairs", "smoke")
    with pytest.raises(ValueError, match="metric beauty is unknown; choose among .*psnr"):
        scores_of(trial.y, trial.x, {"psnr": "beauty"})
    path.write_text(text.replace("[psnr, affine_psnr]", "[psnr, beauty]"))
    with pytest.raises(ValueError, match="'beauty' is no metric; choose one of .*psnr"):
        load_grid("toy")
    path.write_text(text.replace("[psnr, affine_psnr]", "psnr"))
    with pytest.raises(ValueError, match="must be a list of names"):
        load_grid("toy")


def test_a_table_may_give_a_metric_its_own_reading(columns: Path) -> None:
    """Super-resolution scores the Y channel without its border, and calls that PSNR."""
    path, job = columns / "notebooks/tables/toy.yaml", Job("toy", "wiener", "pairs", "smoke")
    before = digests(load_grid("toy"), job, columns)
    path.write_text(path.read_text().replace("[psnr, affine_psnr]", "{psnr: luma_psnr, affine_psnr: affine_psnr}"))
    grid = load_grid("toy")
    trial, after = measure(grid, "pairs", "smoke"), digests(grid, job, columns)
    figures = scores_of(trial.y, trial.x, grid.metrics)
    assert figures["psnr"] == [round(float(f), 5) for f in luma_psnr(trial.y, trial.x)]
    assert before["settings"] != after["settings"] and before["code"] != after["code"]


def test_the_queue_loads_recorded_pairs_as_the_grid_names_them() -> None:
    tasks = wanted_tasks("smoke", Path(__file__).parents[1], ["physgan_7"], look_at_data=True)
    assert "stale: data changed" not in {task.why for task in tasks}
