"""The training loop: the batch is a function of (seed, step), a killed run ends as if it had not been killed."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ilib.data import load
from ilib.degrade import Measurement
from ilib.gan.batch import Batch
from ilib.gan.checkpoints import load_checkpoint, save_checkpoint
from ilib.gan.recipes.cnn import CNN
from ilib.gan.settings import Settings, settings_from
from ilib.gan.sources import Photographs, central_crops, measured, noise_levels, split_held_out, without_flat
from ilib.gan.train import Diverged, Session, train
from ilib.kernels import motion
from ilib.networks import ResNet
from ilib.operators import CircularBlur
from tests.training_run import TINY, camera, run, weights_of

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
SHORT = replace(TINY, steps=10)


# ---- settings


def test_rate_is_constant_and_then_falls_to_zero() -> None:
    settings = Settings(steps=100, lr=0.1, decay=0.25)
    assert [settings.rate(t) for t in (0, 75, 100)] == [0.1, 0.1, 0.0]
    assert settings.rate(90) == pytest.approx(0.04)
    assert replace(settings, decay=0).rate(99) == 0.1


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"step": 3}, "step is unknown; choose among steps, batch"),
        ({"seed": 3}, "seed is unknown"),
        ({"steps": 0}, "steps is 0; it must be a whole number, 1 or more"),
        ({"lr": -1}, "lr is -1; it must be a number between 0 and 1"),
        ({"lr": math.nan}, "lr is nan"),
        ({"betas": [0.9]}, "betas is .*two numbers"),
        ({"betas": [0.9, 1.0]}, "betas is 1.0"),
        ({"bf16": 1}, "bf16 is 1; it must be true or false"),
        ({"noises": 0.1}, "noises is 0.1; it must be a list"),
        ({"noises": [0.1, -1]}, "noises is -1"),
        ({"accumulate": 3}, "accumulate is 3, which does not divide the batch of 8"),
    ],
)
def test_wrong_settings_are_named(block: dict[str, object], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        settings_from(block)


# ---- batches


def test_batch_is_a_function_of_seed_and_step() -> None:
    source = Photographs(load("embedded/train", size=32), camera())
    first, again, next_, other = (
        source.draw(replace(TINY, seed=s), t) for s, t in ((0, 7), (0, 7), (0, 8), (1, 7)))  # fmt: skip
    for name in ("x", "y", "u"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(next_, name))
        assert not torch.equal(getattr(first, name), getattr(other, name))
    assert first.x.shape == first.y.shape == (4, 3, 16, 16)
    assert torch.equal(torch.cat([part.y for part in first.split(2)]), first.y)
    rounding = replace(camera(), noise=0.0).sigma
    assert torch.allclose(first.sigma, torch.tensor(camera().noise**2 + rounding**2).sqrt().expand(4, 1, 1, 1))


def test_measured_is_the_cameras_measurement() -> None:
    x = load("embedded/train", size=32).x
    noise = torch.full((len(x), 1, 1, 1), camera().noise)
    assert torch.equal(measured(x, camera(), noise, 5).y, replace(camera(), seed=5)(x))


def test_each_crop_has_its_own_noise_level() -> None:
    settings = replace(TINY, batch=200, noises=(0.0, 0.02, 0.05))
    batch = Photographs(load("embedded/train", size=32), replace(camera(), bits=None)).draw(settings, 0)
    assert {round(float(s), 3) for s in batch.sigma} == set(settings.noises)
    for x, y, sigma in zip(batch.x, batch.y, batch.sigma, strict=True):
        added = (y - camera().operator(x[None])[0]).std()
        assert float(added) == pytest.approx(float(sigma), rel=0.15, abs=1e-6)
    in_turn = noise_levels(camera(), settings, torch.arange(4)).flatten()
    assert torch.equal(in_turn, torch.tensor([0.0, 0.02, 0.05, 0.0]))


def test_flat_crops_give_their_place_to_others() -> None:
    x = load("embedded/train", size=32).x
    x = torch.stack([torch.ones_like(x[0]), x[0], torch.zeros_like(x[0]), x[1]])
    batch = measured(x, replace(camera(), noise=0.0), torch.zeros(4, 1, 1, 1), 0)
    assert torch.equal(without_flat(batch).x, x[[1, 1, 1, 3]])
    assert torch.equal(without_flat(batch).y, batch.y[[1, 1, 1, 3]])
    flat = measured(x[[0, 2]], replace(camera(), noise=0.0), torch.zeros(2, 1, 1, 1), 0)
    assert torch.equal(without_flat(flat).x, x[[0, 0]]), "no other is there"


def test_held_out_pictures_are_not_trained_on() -> None:
    pictures = load("embedded/train", size=32)
    kept, out = split_held_out(pictures, 2)
    assert sorted(kept.names + out.names) == sorted(pictures.names)
    assert len(out) == 2
    assert torch.equal(central_crops(out, 16), torch.stack([p[:, 8:24, 8:24] for p in out]))
    with pytest.raises(ValueError, match="5 pictures are to be held out of 5"):
        split_held_out(pictures, 5)


# ---- training


def test_training_lowers_the_loss() -> None:
    trained = run(replace(TINY, steps=100, crop=32))
    losses = trained.history["l1"]
    assert len(losses) == 100
    assert sum(losses[-20:]) < sum(losses[:20])
    assert [step for step, _ in trained.history["psnr"]] == [0, 20, 40, 60, 80, 100]
    assert trained.finished


def test_same_seed_same_weights() -> None:
    first, again, other = (weights_of(run(replace(SHORT, seed=s))) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("bf16", [False, True])
def test_stopped_and_resumed_is_bitwise_the_same(tmp_path: Path, bf16: bool) -> None:
    settings = replace(TINY, bf16=bf16, channels_last=bf16)
    whole, path = run(settings), tmp_path / "run.pt"
    parts = [train(CNN(partial(ResNet, 4, 1)), Photographs(load("embedded/train", size=32), camera()), settings,
                   Session(path, limit=0, progress=False)) for _ in range(4)]  # fmt: skip
    assert [part.step for part in parts] == [10, 20, 30, 40]
    assert [part.finished for part in parts] == [False, False, False, True]
    assert torch.equal(weights_of(parts[-1]), weights_of(whole))
    assert parts[-1].history == whole.history


def test_killed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.training_run", str(tmp_path / "run.pt"), str(tmp_path / "weights.pt")]
    process = subprocess.Popen(words, cwd=ROOT, env=ENVIRONMENT)
    while not (tmp_path / "run.pt").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was killed before it ended"
    killed_at = torch.load(tmp_path / "run.pt")["state"]["step"]
    assert 0 < killed_at < TINY.steps
    resumed = run(TINY, tmp_path / "run.pt")
    whole = run(TINY)
    assert torch.equal(weights_of(resumed), weights_of(whole))
    assert resumed.history == whole.history


def test_accumulated_gradients_are_those_of_the_batch() -> None:
    whole, parts = (weights_of(run(replace(TINY, steps=4, lr=1e-4, accumulate=n))) for n in (1, 2))
    assert (whole - parts).abs().max() < 1e-6


@pytest.mark.slow
def test_two_processes_train_the_same_weights(tmp_path: Path) -> None:
    """accelerate launch with two CPU processes against one process, up to the order of additions."""
    one, two = (launched(tmp_path / f"{n}.pt", n) for n in (1, 2))
    initial = weights_of(run(replace(TINY, steps=1, lr=0.0)))
    half = weights_of(run(replace(TINY, steps=6, batch=2)))
    moved = float((one - initial).norm())
    assert float((one - two).norm()) < 1e-3 * moved
    assert float((one - half).norm()) > 0.1 * moved, "what a wrong share of the batch would do"


def launched(weights: Path, processes: int) -> Tensor:
    how = ["--num_processes", str(processes), "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend=no"]
    several = ["--multi_gpu"] if processes > 1 else []  # the launcher's word for several processes on any device
    words = [sys.executable, "-m", "accelerate.commands.launch", *several, *how, "-m", "tests.training_run", "none",
             str(weights), "6"]  # fmt: skip
    done = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT | {"ACCELERATE_USE_CPU": "true"}, capture_output=True,
                          text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("training in") == processes, done.stdout
    return torch.load(weights)


# ---- two networks


class Game:
    """A critic that tells sharp from restored, a generator that pleases it: two networks, two optimisers."""

    def networks(self) -> dict[str, nn.Module]:
        critic = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 1, 3))
        return {"critic": critic, "generator": ResNet(4, 1)}

    def losses(self, turn: str, networks: dict[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        x_hat = networks["generator"](batch.y, batch.A, batch.sigma)
        if turn == "critic":
            return {"gap": networks["critic"](x_hat.detach()).mean() - networks["critic"](batch.x).mean()}
        assert not any(p.requires_grad for p in networks["critic"].parameters()), "it is fixed meanwhile"
        return {"l1": (x_hat - batch.x).abs().mean(), "adversarial": -0.01 * networks["critic"](x_hat).mean()}


def test_two_networks_take_turns(tmp_path: Path) -> None:
    source = Photographs(load("embedded/train", size=32), camera())
    whole = train(Game(), source, TINY, Session(progress=False))
    assert set(whole.history) == {"gap", "l1", "adversarial", "psnr"}
    for _ in range(4):
        resumed = train(Game(), source, TINY, Session(tmp_path / "run.pt", limit=0, progress=False))
    for name, net in whole.networks.items():
        for a, b in zip(net.parameters(), resumed.networks[name].parameters(), strict=True):
            assert torch.equal(a, b)
    assert whole.history["gap"][-1] < whole.history["gap"][0]


# ---- what goes wrong


class Breaks(CNN):
    """A recipe whose second term is NaN from the 25th step on."""

    calls = 0

    def losses(self, *arguments: object) -> dict[str, Tensor]:
        self.calls += 1
        terms = super().losses(*arguments)
        return terms | {"extra": terms["l1"] * (math.nan if self.calls >= 25 else 0.0)}


def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    with pytest.raises(Diverged, match="step 25: the term extra is nan.*the checkpoint of step 20 is kept"):
        run(TINY, path, Breaks)
    kept = torch.load(path)["state"]
    assert kept["step"] == 20
    assert all(value.isfinite().all() for value in kept["networks"]["generator"].values())


def test_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    run(SHORT, tmp_path / "run.pt")
    for other, name in ((replace(SHORT, lr=1e-4), "lr"), (replace(SHORT, seed=1), "seed")):
        with pytest.raises(ValueError, match=rf"another run \({name} differ\); go back to its settings, or delete it"):
            run(other, tmp_path / "run.pt")
    pictures, session = load("embedded/train", size=32), Session(tmp_path / "run.pt", progress=False)
    other = Measurement(CircularBlur(motion(9, length=7, seed=4).float()), noise=0.01)
    for recipe, sees, name in ((partial(ResNet, 4, 1), other, "kernel"), (partial(ResNet, 4, 2), camera(), "sizes")):
        with pytest.raises(ValueError, match=rf"another run \({name} differ\)"):
            train(CNN(recipe), Photographs(pictures, sees), SHORT, session)
    assert run(replace(SHORT, evaluate_every=5), tmp_path / "run.pt").finished


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_broken_checkpoint_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "run.pt"
    save_checkpoint(path, {"step": 1}, {})
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(ValueError, match="cannot be read.*delete it to start over"):
        load_checkpoint(path, {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"crop": 48}, "Crops of 48x48 do not fit"), ({"crop": 8}, "the kernel is 9x9 but the picture 8x8"),
     ({"held_out": 9}, "9 pictures are to be held out of 5")],
)  # fmt: skip
def test_wrong_sizes_stop_before_training(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(replace(SHORT, **changes))


def test_small_picture_is_named_even_if_it_is_held_out() -> None:
    pictures = load("embedded/train", size=32)
    small = replace(pictures, pixels=[*pictures.pixels[:2], pictures.pixels[2][:, :12], *pictures.pixels[3:]])
    with pytest.raises(ValueError, match="do not fit into 1 picture.*tissue"):
        train(CNN(partial(ResNet, 4, 1)), Photographs(small, camera()), SHORT, Session(progress=False))


def test_camera_without_noise_or_bits() -> None:
    plain = Measurement(camera().operator, bits=None)
    x = load("embedded/train", size=32).x
    assert torch.equal(measured(x, plain, torch.zeros(len(x), 1, 1, 1), 0).y, plain.operator(x))
