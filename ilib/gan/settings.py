"""How a run trains: one number a line, each with what it does."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Settings:
    """The settings of the loop; a batch is a function of (seed, step) alone, so a resumed run goes on as it would have.

    ValueError or TypeError for a value out of range, naming the field.
    """

    steps: int = 1000  # updates of each network
    batch: int = 8  # crops a step, over all processes
    crop: int = 128  # pixels: the side of a crop
    lr: float = 1e-4  # Adam's step (MBD-GAN, section IV-B)
    betas: tuple[float, float] = (0.9, 0.999)  # Adam's memories; GANs take (0.5, 0.999) or (0, 0.9)
    decay: float = 0.5  # share of the steps, at the end, over which lr falls linearly to 0
    accumulate: int = 1  # parts that a batch is cut into where memory is short; the sum of their gradients is the same
    bf16: bool = False  # compute in bfloat16; weights, optimiser and losses stay float32
    channels_last: bool = False  # lay pictures out with channels innermost: faster in bf16
    held_out: int = 4  # pictures kept out of training, whose central crops give the PSNR shown
    evaluate_every: int = 100  # steps between two such figures
    checkpoint_every: float = 60.0  # seconds between two checkpoints
    noises: tuple[float, ...] = ()  # noise levels, one drawn for each crop; none given: the camera's
    compile: bool = False  # compile the generator: half a minute at the start, faster steps on a GPU
    seed: int = 0  # of the initial weights, the crops and the noise

    def __post_init__(self) -> None:
        for field in ("steps", "batch", "crop", "accumulate", "held_out", "evaluate_every"):
            _check_count(field, getattr(self, field), 1)
        _check_count("seed", self.seed, 0)
        for field, least, most in (("lr", 0, 1), ("decay", 0, 1), ("checkpoint_every", 0, math.inf)):
            _check_number(field, getattr(self, field), least, most)
        for field in ("bf16", "channels_last", "compile"):
            if not isinstance(getattr(self, field), bool):
                raise TypeError(f"{field} is {getattr(self, field)!r}; it must be true or false")
        _check_betas(self.betas)
        _check_noises(self.noises)
        if self.batch % self.accumulate:
            raise ValueError(f"accumulate is {self.accumulate}, which does not divide the batch of {self.batch}")

    def rate(self, step: int) -> float:
        """Return Adam's step at a step of the run: constant, then linear to 0."""
        left = (self.steps - step) / self.steps
        return self.lr * (min(1.0, left / self.decay) if self.decay else 1.0)


def settings_from(block: Mapping[str, Any], seed: int = 0) -> Settings:
    """Build settings from a grid's block; ValueError for an unknown field names those that exist."""
    allowed = [field.name for field in fields(Settings) if field.name != "seed"]
    unknown = [name for name in block if name not in allowed]
    if unknown:
        raise ValueError(f"settings: {', '.join(map(str, unknown))} is unknown; choose among {', '.join(allowed)}")
    lists = {name: tuple(value) for name, value in block.items() if isinstance(value, list)}  # YAML has no tuples
    return Settings(**{**block, **lists, "seed": seed})


def _check_count(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} is {value!r}; it must be a whole number, {least} or more")


def _check_number(name: str, value: Any, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}; it must be a number between {least:g} and {most:g}")


def _check_noises(noises: Any) -> None:
    if not isinstance(noises, tuple):
        raise TypeError(f"noises is {noises!r}; it must be a list of standard deviations, as [0, 0.01, 0.05]")
    for noise in noises:
        _check_number("noises", noise, 0, 1)


def _check_betas(betas: Any) -> None:
    if not isinstance(betas, tuple) or len(betas) != 2:
        raise ValueError(f"betas is {betas!r}; it must be two numbers, as [0.9, 0.999]")
    for beta in betas:
        _check_number("betas", beta, 0, 1 - 1e-9)
