"""Train a prior as its plan says, and put it into data/weights.

    python -m ilib.priors.training blur smoke        under a minute, on what ilib draws
    python -m ilib.priors.training numbers cpu       SVHN: needs ILIB_DATA

It may be killed at any moment: the same command goes on from the last checkpoint, at most a minute before.
"""

import argparse
import contextlib
import hashlib
import math
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..data.pictures import to_float
from ..data.terms import terms_of
from ..gan.checkpoints import load_checkpoint, save_checkpoint
from ..gan.progress import Progress
from ..gan.registry import Entry
from ..gan.train import Diverged
from ..gan.weights import build_network, save_weights
from ..results.digests import OUTSIDE_TRAINING, digest_of, reached_code
from ..results.project import CHECKPOINTS, project_folder
from ..results.runs import call_by_name, commit_of, device_name, find_function, software_versions
from .codes import keep_codes
from .plans import PLANS, Plan, plan_of, weights_name

LOOK = 20  # steps between two looks at the terms
EVERY = 60.0  # seconds between two checkpoints
WHERE = "cuda" if torch.cuda.is_available() else "cpu"


def batch_of(data: Tensor, plan: Plan, t: int) -> Tensor:
    """Return batch t: a function of the plan's seed and t alone; every picture once an epoch.  float32 (B, ...)."""
    each = len(data) // plan.batch
    epoch, place = divmod(t, each)
    order = torch.randperm(len(data), generator=_random(plan.seed, epoch, 0))
    x = data[order[place * plan.batch : (place + 1) * plan.batch]]
    x = to_float(x) if x.dtype == torch.uint8 else x
    return find_function(plan.augment)(x, _random(plan.seed, t, 1))


def _random(*words: int) -> torch.Generator:
    """Return a generator of random numbers that depends on these words alone."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(words).generate_state(1)[0]))


class Training:
    """A training in its course: the learner, the step, the terms so far."""

    def __init__(self, plan: Plan, data: Tensor, checkpoint: Path | None = None) -> None:
        if len(data) < plan.batch:
            raise ValueError(f"there are {len(data)} pictures to learn from, fewer than a batch of {plan.batch}")
        self.plan, self.data, self.checkpoint = plan, data, checkpoint
        torch.manual_seed(plan.seed)
        networks = [build_network(*built).to(WHERE) for built in (plan.prior, plan.partner)]
        self.learner = find_function(plan.learner)(*networks, plan.lr)
        self.identity = {"settings": plan.settings(), "data": sha256_of_tensor(data)}
        self.t, self.spent, self.kept = 0, 0.0, time.monotonic()
        self.history: list[list[Any]] = []
        self._resume()
        self.begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return self.spent + time.monotonic() - self.begun

    def run(self, limit: float = math.inf, shown: bool = True) -> bool:
        """Train to the end, or for limit seconds.  -> whether it is finished.  Diverged where a term is not finite."""
        with Progress(self.plan.steps, self.t, shown) as bar:
            while self.t < self.plan.steps:
                terms = self._step()
                if self.t % LOOK == 0 or self.t == self.plan.steps:
                    figures = {name: term.item() for name, term in terms.items()}
                    self._look(figures)
                    bar.show(self.t, **figures)
                    late = time.monotonic() - self.begun > limit
                    if late or self.t == self.plan.steps or time.monotonic() - self.kept > EVERY:
                        self.keep()
                    if late:
                        break
        return self.t >= self.plan.steps

    def _step(self) -> dict[str, Tensor]:
        for network in self.learner.networks.values():
            network.train()
        x = batch_of(self.data, self.plan, self.t).to(WHERE)
        left = (1 + math.cos(math.pi * self.t / self.plan.steps)) / 2
        terms = self.learner.step(x, _random(self.plan.seed, self.t, 2), self._cast, left)
        self.t += 1
        return terms

    def _cast(self) -> Any:
        return torch.autocast(WHERE, torch.bfloat16) if self.plan.bf16 else contextlib.nullcontext()

    def _look(self, figures: dict[str, float]) -> None:
        wrong = [name for name, figure in figures.items() if not math.isfinite(figure)]
        if wrong:
            raise Diverged(f"step {self.t}: {', '.join(wrong)} is not finite; the last checkpoint is kept: lower lr")
        self.history.append([self.t, figures])

    def keep(self) -> None:
        """Write a checkpoint."""
        self.kept = time.monotonic()
        if self.checkpoint is not None:
            save_checkpoint(self.checkpoint, {"step": self.t, "seconds": self.seconds, "history": self.history} | {
                kind: {name: part.state_dict() for name, part in getattr(self.learner, kind).items()}
                for kind in ("networks", "optimisers")}, self.identity)  # fmt: skip

    def _resume(self) -> None:
        state = load_checkpoint(self.checkpoint, self.identity) if self.checkpoint else None
        if state is not None:
            self.t, self.spent, self.history = state["step"], state["seconds"], state["history"]
            for kind in ("networks", "optimisers"):
                for name, part in getattr(self.learner, kind).items():
                    part.load_state_dict(state[kind][name])


def sha256_of_tensor(x: Tensor) -> str:
    """Return the SHA-256 of a tensor's shape and values."""
    return hashlib.sha256(str(tuple(x.shape)).encode() + x.contiguous().numpy().tobytes()).hexdigest()


def digests_of(plan: Plan) -> dict[str, str]:
    """Return the digests that tell whether weights are those that today's settings and code would give."""
    starts = ("ilib.priors.training.Training", plan.learner, plan.augment, plan.prior[0], plan.partner[0], plan.data[0])
    code = reached_code(starts, (*OUTSIDE_TRAINING, "ilib.priors.plans", "ilib.results.runs"))
    return {"settings": digest_of(plan.settings()), "code": digest_of(code)}


def entry_of(training: Training, built: tuple[str, dict[str, Any]], figures: dict[str, float]) -> Entry:
    """Put together what the registry keeps of a prior."""
    plan = training.plan
    data = {"name": plan.terms if plan.data[0].endswith("pictures") else plan.data[0].rpartition(".")[2],
            "pictures": len(training.data), "sha256": training.identity["data"], "terms": terms_of(plan.terms)}
    return {
        "network": built[0], "arguments": built[1], "recipe": [plan.learner, {}], "data": [data],
        "settings": plan.settings(), "steps": training.t, **figures, "digest": digests_of(plan),
        "seconds": round(training.seconds, 1), "device": device_name(training.learner.networks["prior"].f[0].weight),
        "versions": software_versions(), "commit": commit_of(project_folder()),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }  # fmt: skip


def reconstruction(training: Training) -> dict[str, float]:
    """Return the mean PSNR (dB) of held-out pictures as the encoder and the decoder give them back; a kernel's peak
    counts as its largest value.  Nothing for a GAN, which has no encoder."""
    if not hasattr(training.learner, "reconstructed"):
        return {}
    x = call_by_name(*training.plan.held_out).to(WHERE)
    x = to_float(x) if x.dtype == torch.uint8 else x
    for network in training.learner.networks.values():
        network.eval()
    error = (training.learner.reconstructed(x) - x).flatten(1).square().mean(1)
    peak = x.flatten(1).amax(1) if x.ndim == 3 else torch.ones_like(error)
    return {"psnr_held_out": round(float((10 * (peak**2 / error).log10()).mean()), 3)}


def keep_weights(training: Training, name: str, profile: str, folder: Path | None = None) -> Entry:
    """Save the prior of a finished training, and the encoder of a VAE, in float16."""
    if hasattr(training.learner, "finish"):
        training.learner.finish(_random(training.plan.seed, training.plan.steps, 3))
    plan, figures = training.plan, reconstruction(training)
    for network in training.learner.networks.values():
        _forget_counts(network)
    if figures:
        save_weights(weights_name(name, profile, plan.seed, "encoder"), training.learner.networks["partner"],
                     entry_of(training, plan.partner, figures), folder)  # fmt: skip
    return save_weights(weights_name(name, profile, plan.seed), training.learner.networks["prior"],
                        entry_of(training, plan.prior, figures), folder)  # fmt: skip


def _forget_counts(network: nn.Module) -> None:
    """Set the norms' counts of batches to 0: nothing uses them, and they may leave float16."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.num_batches_tracked.zero_()


def train_prior(name: str, profile: str, seed: int = 0, minutes: float = math.inf) -> Training:
    """Train a prior of the book and keep it; resume where a checkpoint lies; stop with one after some minutes."""
    plan = plan_of(name, profile, seed)
    checkpoint = project_folder() / CHECKPOINTS / f"{weights_name(name, profile, seed)}.pt"
    training = Training(plan, call_by_name(*plan.data), checkpoint)
    if training.run(60 * minutes):
        entry = keep_weights(training, name, profile)
        if hasattr(training.learner, "reconstructed"):
            keep_codes(name, profile, seed)
        print(f"{weights_name(name, profile, seed)}: {entry['bytes']} bytes, {entry['seconds']} s, "
              f"PSNR on what was held out {entry.get('psnr_held_out', 'not taken')}")
        checkpoint.unlink(missing_ok=True)
    return training


def main(words: list[str] | None = None) -> int:
    """Train one prior; return 1 where it is not finished or cannot be trained, and say why in one line."""
    parser = argparse.ArgumentParser(prog="python -m ilib.priors.training", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("name", choices=PLANS)
    parser.add_argument("profile")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop with a checkpoint after this time")
    asked = parser.parse_args(words)
    try:
        training = train_prior(asked.name, asked.profile, asked.seed, asked.minutes)
    except (ValueError, TypeError, FileNotFoundError, RuntimeError) as error:
        print(f"ilib.priors.training: {error}", file=sys.stderr)
        return 1
    if training.t < training.plan.steps:
        print(f"stopped at step {training.t}; give the same command again to go on", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
