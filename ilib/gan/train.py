"""The training loop: measured crops in, trained networks and their history out; it may be killed at any moment.

    recipe = CNN(lambda: ResNet(width=16, blocks=3))
    source = Photographs(pictures, Measurement(CircularBlur(kernel)))
    trained = train(recipe, source, Settings(steps=300))
    x_hat = trained.networks["generator"](y)

One process or several (`accelerate launch`), the same batches: every process draws the whole batch and keeps its part.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from ..metrics import psnr
from .batch import Batch
from .checkpoints import load_checkpoint, save_checkpoint
from .progress import Progress
from .settings import Settings
from .sources import Source

LOOK = 10  # steps between two looks at the losses: a look waits for the device
CHUNK = 16  # held-out pictures restored at once
FREE = ("checkpoint_every", "evaluate_every", "compile")  # settings that do not change the weights
History = dict[str, list[Any]]  # term -> one figure a step; "psnr" -> pairs (step, dB)


class Diverged(RuntimeError):
    """A loss or a weight is NaN or infinite; the last good checkpoint is kept."""


class Recipe(Protocol):
    """What is trained: in every step each network has its turn, in the order in which `networks` names them."""

    def networks(self) -> dict[str, nn.Module]:
        """Build the networks anew; the one called "generator" maps (y, A, sigma) to x_hat."""
        ...

    def losses(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the terms whose sum the network named turn minimises; the others are fixed meanwhile.

        Term names differ between turns; each term is a mean over the batch.
        """
        ...


@dataclass(frozen=True)
class Session:
    """How a run is carried out, which does not change its result.

    checkpoint: the file to resume from and to write to; identity: what else makes it this run (data, architecture);
    limit: seconds after which to stop with a checkpoint; progress: draw a bar.
    """

    checkpoint: Path | None = None
    identity: dict[str, Any] = field(default_factory=dict)
    limit: float = math.inf
    progress: bool = True


@dataclass(frozen=True)
class Trained:
    """The networks after a number of steps, every loss and held-out PSNR on the way, the seconds spent on it.

    main: False in the processes that only help, which write nothing and know no PSNR.
    """

    networks: dict[str, nn.Module]
    history: History
    step: int
    seconds: float
    finished: bool
    main: bool = True


def train(recipe: Recipe, source: Source, settings: Settings, session: Session | None = None) -> Trained:
    """Train the networks of a recipe on the batches of a source; resume where a checkpoint lies.

    Diverged for a loss that is not finite; ValueError for crops that do not fit the pictures or the kernel, for a
    batch that does not split evenly, and for a checkpoint of another run.
    """
    run = _Run(recipe, source, settings, session or Session())
    with Progress(settings.steps, run.t, run.session.progress and run.is_main) as bar:
        run.evaluate()
        while run.t < settings.steps and not run.stopped:
            run.step()
            if run.t % LOOK == 0 or run.t % settings.evaluate_every == 0 or run.t == settings.steps:
                run.look()
                run.evaluate()
                bar.show(run.t, **run.latest())
                run.keep()
    return run.result()


def _accelerator(settings: Settings) -> Accelerator:
    """Choose device, precision and processes; settings of an earlier run in this process are forgotten."""
    AcceleratorState._reset_state()
    return Accelerator(
        cpu=not torch.cuda.is_available(),
        mixed_precision="bf16" if settings.bf16 else "no",
        gradient_accumulation_steps=settings.accumulate,
    )


class _Run:
    """The state of a run: networks, optimisers, step, history."""

    def __init__(self, recipe: Recipe, source: Source, settings: Settings, session: Session) -> None:
        self.recipe, self.settings, self.session = recipe, settings, session
        self.accelerator = _accelerator(settings)
        self._check_parts()
        self.source = source.to(self.accelerator.device)
        self.identity = {k: v for k, v in asdict(settings).items() if k not in FREE}
        self.identity |= source.identity() | session.identity
        self.held_out = self.source.held_out(settings)
        self.source.draw(settings, 0)  # raises where the crops do not fit, before anything is built
        self._build()

    def _check_parts(self) -> None:
        parts = self.accelerator.num_processes * self.settings.accumulate
        if self.settings.batch % parts:
            raise ValueError(f"a batch of {self.settings.batch} does not split into {parts} equal parts "
                             f"({self.accelerator.num_processes} processes, accumulate {self.settings.accumulate})")

    def _build(self) -> None:
        """Build networks and optimisers from the seed, or as the checkpoint has them."""
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.seed)
            self.networks = self.recipe.networks()
        self.identity["sizes"] = {k: sum(p.numel() for p in net.parameters()) for k, net in self.networks.items()}
        device, layout = self.accelerator.device, self.settings.channels_last
        for net in self.networks.values():
            net.to(device, memory_format=torch.channels_last if layout else torch.preserve_format)
        betas = tuple(map(float, self.settings.betas))  # Adam takes two of a kind
        make = {name: torch.optim.Adam(net.parameters(), lr=self.settings.lr, betas=betas)
                for name, net in self.networks.items()}  # fmt: skip
        self.t, self.spent, self.history = 0, 0.0, {"psnr": []}
        self._resume(make)
        if self.settings.compile:
            self.networks["generator"].compile()
        self.prepared = {name: self.accelerator.prepare(net) for name, net in self.networks.items()}
        self.optimisers = {name: self.accelerator.prepare(optimiser) for name, optimiser in make.items()}
        self.pending: list[dict[str, Tensor]] = []
        self.stopped, self.begun, self.kept = False, time.monotonic(), time.monotonic()

    def _resume(self, optimisers: dict[str, torch.optim.Adam]) -> None:
        state = load_checkpoint(self.session.checkpoint, self.identity) if self.session.checkpoint else None
        if state is not None:
            for name, net in self.networks.items():
                net.load_state_dict(state["networks"][name])
                optimisers[name].load_state_dict(state["optimisers"][name])
            self.t, self.spent, self.history = state["step"], state["seconds"], state["history"]
        self.saved = self.t
        self.accelerator.wait_for_everyone()

    @property
    def is_main(self) -> bool:
        return self.accelerator.is_main_process

    @property
    def seconds(self) -> float:
        return self.spent + time.monotonic() - self.begun

    def step(self) -> None:
        """Draw the batch of this step and give each network its turn."""
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        share = self.settings.batch // (processes * self.settings.accumulate)
        parts = self.source.draw(self.settings, self.t).split(share)
        terms: dict[str, Tensor] = {}
        for turn in self.networks:
            terms |= self._turn(turn, parts[rank::processes])
        self.pending.append(terms)
        self.t += 1

    def _turn(self, turn: str, parts: list[Batch]) -> dict[str, Tensor]:
        """Update one network, the others held fixed.  -> its terms, the mean over the parts."""
        for name, net in self.networks.items():
            net.requires_grad_(name == turn)
        networks, optimiser = self.networks | {turn: self.prepared[turn]}, self.optimisers[turn]
        for group in optimiser.param_groups:
            group["lr"] = self.settings.rate(self.t)
        found: list[dict[str, Tensor]] = []
        for part in parts:
            with self.accelerator.accumulate(self.prepared[turn]):
                with self.accelerator.autocast():
                    terms = self.recipe.losses(turn, networks, part)
                self.accelerator.backward(sum(terms.values()))  # divided by the number of parts
                optimiser.step()
                optimiser.zero_grad()
            found.append({name: term.detach() for name, term in terms.items()})
        return {name: torch.stack([terms[name] for terms in found]).mean() for name in found[0]}

    def look(self) -> None:
        """Read the losses since the last look, over all processes; Diverged where one is not finite."""
        if self.pending:
            names = list(self.pending[0])
            values = torch.stack([torch.stack([terms[name].float() for name in names]) for terms in self.pending])
            first = self.t - len(self.pending)
            for step, figures in enumerate(self.accelerator.reduce(values, "mean").tolist(), first + 1):
                for name, figure in zip(names, figures, strict=True):
                    self._check(f"the term {name} is {figure}", math.isfinite(figure), step)
                    self.history.setdefault(name, []).append(figure)
            self.pending = []
        over = torch.tensor(float(time.monotonic() - self.begun > self.session.limit), device=self.accelerator.device)
        self.stopped = float(self.accelerator.reduce(over, "sum")) > 0

    def _check(self, what: str, good: bool, step: int) -> None:
        if not good:
            at = f"; the checkpoint of step {self.saved} is kept" if self.session.checkpoint and self.saved else ""
            raise Diverged(f"step {step}: {what}; training stops{at}. Lower lr, or look at the pictures it is given")

    @torch.no_grad()
    def evaluate(self) -> None:
        """Take the PSNR on the held-out crops where it is due."""
        due = self.t % self.settings.evaluate_every == 0 or self.t == self.settings.steps
        known = self.history["psnr"] and self.history["psnr"][-1][0] == self.t
        if due and not known and self.is_main and self.held_out is not None:
            net = self.networks["generator"]
            parts = self.held_out.split(CHUNK)
            x_hat = torch.cat([net(part.y, part.A, part.sigma).float().clamp(0, 1) for part in parts])
            self._check("the generator's pictures hold NaN or infinity", bool(x_hat.isfinite().all()), self.t)
            self.history["psnr"].append([self.t, float(psnr(x_hat, self.held_out.x).mean())])

    def latest(self) -> dict[str, float]:
        """Return the newest figure of every term, and the newest PSNR."""
        figures = {name: values[-1] for name, values in self.history.items() if name != "psnr" and values}
        return figures | ({"psnr": self.history["psnr"][-1][1]} if self.history["psnr"] else {})

    def keep(self) -> None:
        """Write a checkpoint where it is due: now and then, at the end, and when time is up."""
        due = time.monotonic() - self.kept >= self.settings.checkpoint_every
        if self.session.checkpoint and self.is_main and (due or self.stopped or self.t == self.settings.steps):
            for name, net in self.networks.items():
                good = all(bool(p.isfinite().all()) for p in net.parameters())
                self._check(f"the weights of the {name} hold NaN or infinity", good, self.t)
            save_checkpoint(self.session.checkpoint, self._state(), self.identity)
            self.kept, self.saved = time.monotonic(), self.t

    def _state(self) -> dict[str, Any]:
        return {
            "networks": {name: net.state_dict() for name, net in self.networks.items()},
            "optimisers": {name: optimiser.optimizer.state_dict() for name, optimiser in self.optimisers.items()},
            "step": self.t, "seconds": self.seconds, "history": self.history,
        }  # fmt: skip

    def result(self) -> Trained:
        networks = {name: self.accelerator.unwrap_model(net, keep_fp32_wrapper=False).requires_grad_(True)
                    for name, net in self.networks.items()}  # fmt: skip
        return Trained(networks, self.history, self.t, self.seconds, self.t >= self.settings.steps, self.is_main)
