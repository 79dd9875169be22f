"""Training of priors: batches by seed and step, resuming after SIGKILL, what is kept of it, and clear refusals."""

import copy
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ilib.gan.checkpoints import load_checkpoint
from ilib.gan.registry import WEIGHTS, read_registry
from ilib.gan.train import Diverged
from ilib.gan.weights import load_weights
from ilib.priors import training as module
from ilib.priors.augment import mirrored, moved_or_inverted
from ilib.priors.learners import GANLearner, VAELearner
from ilib.priors.load import load_prior
from ilib.priors.plans import PLANS, Plan, plan_of, weights_name
from ilib.priors.sets import motion_kernels
from ilib.priors.training import Training, batch_of, digests_of, keep_weights

ROOT = Path(__file__).resolve().parents[1]
KERNELS = motion_kernels(64)
REGISTERED = [name for name in read_registry(ROOT / WEIGHTS) if name.startswith(("prior--", "encoder--"))]


def tiny(steps: int = 6) -> Plan:
    """A plan of seconds."""
    return replace(plan_of("blur", "smoke"), steps=steps, batch=16,
                   held_out=("ilib.priors.sets.motion_kernels", {"n": 5, "seed": 1}))  # fmt: skip


def weights(training: Training) -> list[torch.Tensor]:
    return [p.detach().clone() for net in training.learner.networks.values() for p in net.parameters()]


def test_every_picture_comes_once_an_epoch() -> None:
    plan, data = tiny(), torch.arange(64.0)[:, None, None].expand(64, 28, 28)
    epoch = torch.cat([batch_of(data, plan, t)[:, 0, 0] for t in range(4)])
    assert sorted(epoch.tolist()) == list(range(64))
    assert torch.equal(batch_of(data, plan, 5), batch_of(data, plan, 5))
    assert not torch.equal(batch_of(data, plan, 0), batch_of(data, plan, 4)), "another epoch, another order"


def test_augmentation() -> None:
    x, g = torch.rand(40, 3, 32, 32), torch.Generator().manual_seed(0)
    flipped = (mirrored(x, g) == x.flip(-1)).flatten(1).all(1)
    assert 5 < flipped.sum() < 35
    moved = moved_or_inverted(x, g)
    assert moved.shape == x.shape
    inside = torch.stack([x[:, :, 2 + i : 30 + i, 2 + j : 30 + j] for i in range(-2, 3) for j in range(-2, 3)])
    either = torch.minimum((inside - moved[..., 2:30, 2:30]).abs().amax((2, 3, 4)),
                           (1 - inside - moved[..., 2:30, 2:30]).abs().amax((2, 3, 4)))  # fmt: skip
    assert (either.amin(0) < 1e-6).all(), "each is one of the moves, upright or inverted"


def test_interrupted_training_ends_as_the_whole_one(tmp_path: Path) -> None:
    whole, part = Training(tiny(60), KERNELS), Training(tiny(60), KERNELS, tmp_path / "c.pt")
    assert whole.run(shown=False)
    assert not part.run(limit=0.0, shown=False) and 0 < part.t < 60
    again = Training(tiny(60), KERNELS, tmp_path / "c.pt")
    assert again.t == part.t and again.run(shown=False)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(again), strict=True))
    assert [t for t, _ in again.history] == [20, 40, 60]


def test_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    Training(tiny(20), KERNELS, tmp_path / "c.pt").run(shown=False)
    with pytest.raises(ValueError, match="belongs to another run"):
        Training(tiny(21), KERNELS, tmp_path / "c.pt")


def test_learns() -> None:
    training = Training(tiny(120), KERNELS)
    training.run(shown=False)
    first, last = training.history[0][1], training.history[-1][1]
    assert last["misfit"] + last["kl"] < first["misfit"] + first["kl"] - 100


def test_both_players_move_and_the_average_follows() -> None:
    plan = replace(plan_of("faces", "smoke"), batch=8)
    training = Training(plan, torch.randint(0, 255, (16, 3, 64, 64), dtype=torch.uint8))
    assert isinstance(training.learner, GANLearner)
    before = weights(training)
    training._step()
    moved = [(a - b).abs().max() for a, b in zip(before, weights(training), strict=True)]
    assert all(change > 0 for change in moved)
    assert all(p.requires_grad for p in training.learner.D.parameters())


def test_norms_of_the_average_are_its_own() -> None:
    """After a training the averaged generator makes with kept statistics what it makes with those of a batch."""
    training = Training(replace(plan_of("faces", "smoke"), batch=8, steps=3),
                        torch.randint(0, 255, (16, 3, 64, 64), dtype=torch.uint8))  # fmt: skip
    training.run(shown=False)
    prior, z = training.learner.networks["prior"], torch.randn(500, 100)

    def apart() -> float:
        with torch.no_grad():
            return float((prior.eval()(z) - copy.deepcopy(prior).train()(z)).abs().max())

    before = apart()
    training.learner.finish(torch.Generator().manual_seed(0))
    assert apart() < 0.02 < before
    assert all(norm.momentum == 0.1 for norm in prior.modules() if isinstance(norm, torch.nn.BatchNorm2d))


def test_not_finite_stops(tmp_path: Path) -> None:
    training = Training(tiny(20), torch.full((64, 28, 28), float("nan")), tmp_path / "c.pt")
    with pytest.raises(Diverged, match="misfit, kl is not finite"):
        training.run(shown=False)
    assert not (tmp_path / "c.pt").exists()


def test_weights_kept_are_those_trained(tmp_path: Path) -> None:
    training = Training(tiny(20), KERNELS)
    training.run(shown=False)
    entry = keep_weights(training, "blur", "smoke", tmp_path)
    z = torch.randn(3, 50)
    loaded = load_prior(weights_name("blur", "smoke"), tmp_path)
    assert (loaded(z) - training.learner.networks["prior"].eval()(z)).abs().max() < 1e-3
    assert entry["steps"] == 20 and entry["psnr_held_out"] > 5 and entry["digest"] == digests_of(tiny(20))
    assert load_weights(weights_name("blur", "smoke", part="encoder"), tmp_path)[1]["network"].endswith("BlurEncoder")


def test_plans_build_what_they_name() -> None:
    for profiles in PLANS.values():
        for plan in profiles.values():
            with torch.device("meta"):
                prior = module.build_network(*plan.prior)
                module.build_network(*plan.partner)
            assert prior.latent == plan.prior[1]["latent"]
            assert issubclass(module.find_function(plan.learner), VAELearner | GANLearner)
            module.find_function(plan.augment), module.find_function(plan.data[0])
            assert plan.data != plan.held_out
    with pytest.raises(ValueError, match="choose one of blur"):
        plan_of("cats", "cpu")
    with pytest.raises(ValueError, match="no profile"):
        plan_of("blur", "tiny")


def test_too_few_pictures() -> None:
    with pytest.raises(ValueError, match="fewer than a batch"):
        Training(tiny(), KERNELS[:3])


def test_resumes_after_sigkill(tmp_path: Path) -> None:
    """A process that checkpoints at every look is killed; the next one goes on from where it was."""
    path, script = tmp_path / "c.pt", "; ".join([
        "import sys, pathlib, ilib.priors.training as m", "from tests.test_priors_training import KERNELS, tiny",
        "m.EVERY = 0.0", "m.Training(tiny(100_000), KERNELS, pathlib.Path(sys.argv[1])).run(shown=False)"])  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], cwd=ROOT, env=env)
    until = time.monotonic() + 60
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    plan = tiny(100_000)
    resumed = Training(plan, KERNELS, path)
    assert 0 < resumed.t < 100_000 and resumed.t % module.LOOK == 0
    state = load_checkpoint(path, resumed.identity)
    assert state is not None and state["step"] == resumed.t


def test_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ILIB_DATA", raising=False)
    assert module.main(["blur", "tiny"]) == 1
    assert "no profile 'tiny'" in capsys.readouterr().err
    monkeypatch.setenv("ILIB_DATA", "nowhere")
    assert module.main(["faces", "cpu"]) == 1
    assert "celeba" in capsys.readouterr().err


@pytest.mark.parametrize("name", REGISTERED)
def test_registered_priors_are_those_of_todays_code(name: str) -> None:
    """Otherwise train them again: python -m ilib.priors.training NAME PROFILE."""
    _, prior, profile, seed = name.split("--")
    entry, plan = read_registry(ROOT / WEIGHTS)[name], plan_of(prior, profile, int(seed[1:]))
    assert entry["digest"] == digests_of(plan), f"python -m ilib.priors.training {prior} {profile}"
    assert entry["steps"] == plan.steps
