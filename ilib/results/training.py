"""Train the weights of a row as its grid says.

    python -m ilib.results.training mbdgan_1 cnn motion smoke
    accelerate launch --num_processes 2 -m ilib.results.training mbdgan_1 cnn motion gpu

The second form trains on several devices; notebooks/runs/train.ipynb does the same on one, as a report.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..data import Pictures, dead_leaves, load
from ..data.pictures import joined
from ..data.terms import terms_of
from ..gan.registry import Entry, curve_in_words
from ..gan.settings import Settings, settings_from
from ..gan.sources import Source
from ..gan.train import Recipe, Session, Trained, train
from ..gan.weights import build_network, save_weights
from .digests import train_block, training_digests, training_settings
from .grids import Grid, load_grid
from .project import CHECKPOINTS, project_folder
from .rows import Job
from .runs import camera_of, commit_of, device_name, find_function, software_versions
from .trained import weights_path


@dataclass(frozen=True)
class Plan:
    """What a training is given: a recipe, the pictures and the source that makes batches of them, settings; and its
    grid's job."""

    job: Job
    recipe: Recipe
    sets: tuple[Pictures, ...]
    source: Source
    settings: Settings


def plan_training(grid: Grid, job: Job, steps: int = 0) -> Plan:
    """Prepare a training as the grid says, but in float32 where bfloat16 does not pay.

    steps: this many in place of the grid's (0: the grid's).
    FileNotFoundError where a set is not found; ValueError for unknown names, settings and parameters.
    """
    _, given = train_block(grid, job)
    settings = settings_from({**given.settings, **({"steps": steps} if steps else {})}, job.seed)
    settings = replace(settings, bf16=settings.bf16 and bf16_pays())
    sets = tuple(pictures_of(block) for block in given.data)
    for block, pictures in zip(given.data, sets, strict=True):
        if block.get("n", 0) > len(pictures):
            raise ValueError(f"{block['name']} holds {len(pictures)} pictures here, and the grid asks for {block['n']}")
    return Plan(job, recipe_of(grid, job), sets, source_of(grid, job, joined(sets)), settings)


def bf16_pays() -> bool:
    """Whether bfloat16 is faster here than float32: on GPUs, and on processors with matrix units for it."""
    return torch.cuda.is_available() or bool(getattr(torch.cpu, "get_capabilities", dict)().get("amx_bf16"))


def source_of(grid: Grid, job: Job, pictures: Pictures) -> Source:
    """Build where the batches of a training come from: pictures, and the camera of the column."""
    (spec, given), profile = train_block(grid, job), grid.profile(job.profile)
    camera = camera_of(grid.column(job.column), profile.noise, profile.bits)
    try:
        return find_function(spec.source)(pictures, camera, **given.source)
    except TypeError as error:
        raise ValueError(f"the source {spec.source} cannot be given {given.source}: {error}") from error


def recipe_of(grid: Grid, job: Job) -> Recipe:
    """Build the recipe of a training: the network as its generator, and what the profile gives the recipe."""
    spec, given = train_block(grid, job)
    build_network(spec.network, given.network)  # raises where the arguments are wrong
    try:
        return find_function(spec.recipe)(partial(build_network, spec.network, given.network), **given.recipe)
    except TypeError as error:
        raise ValueError(f"the recipe {spec.recipe} cannot be given {given.recipe}: {error}") from error


def pictures_of(block: dict[str, Any]) -> Pictures:
    """Load a set to train on, whole pictures unless the block says how; dead_leaves takes n, size and seed."""
    if block["name"] != "dead_leaves":
        return load(**{"how": None, **block})
    options = {"n": 64, "size": 128, "seed": 0} | {k: v for k, v in block.items() if k != "name"}
    pixels = (dead_leaves(**options) * 255).round().to(torch.uint8)
    return Pictures(pixels, tuple(f"leaves {i}" for i in range(len(pixels))), "dead_leaves")


def checkpoint_of(job: Job, root: Path) -> Path:
    """Return where the checkpoint of a training lies."""
    return root / CHECKPOINTS / f"{job.weights}.pt"


def entry_of(grid: Grid, plan: Plan, trained: Trained, device: str) -> Entry:
    """Put together what the registry keeps of a training."""
    (spec, given), job = train_block(grid, plan.job), plan.job
    data = [{**block, "pictures": len(p), "sha256": p.sha256, "terms": terms_of(block["name"])}
            for block, p in zip(given.data, plan.sets, strict=True)]  # fmt: skip
    return {
        "network": spec.network, "arguments": given.network, "recipe": [spec.recipe, given.recipe], "data": data,
        "settings": training_settings(grid, job), "steps": trained.step, "psnr_held_out": round(_last_psnr(trained), 3),
        "psnr_by_step": curve_in_words(trained.history["psnr"]),
        "precision": "bfloat16" if plan.settings.bf16 else "float32",
        "digest": training_digests(grid, job), "seconds": round(trained.seconds, 1), "device": device,
        "versions": software_versions(), "commit": commit_of(project_folder()),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }  # fmt: skip


def _last_psnr(trained: Trained) -> float:
    return float(trained.history["psnr"][-1][1]) if trained.history["psnr"] else float("nan")


def identity_of(grid: Grid, job: Job) -> dict[str, Any]:
    """Return what makes a checkpoint this training's, next to its settings and pictures."""
    return {"weights": job.weights, "digest": training_digests(grid, job)}


def keep_weights(grid: Grid, plan: Plan, trained: Trained, output: Path, checkpoint: Path | None = None) -> Entry:
    """Save the generator of a finished training, then delete its checkpoint.  ValueError where it is not finished."""
    if not trained.finished or trained.step != settings_from(train_block(grid, plan.job)[1].settings).steps:
        raise ValueError(f"{plan.job} stopped at step {trained.step}: only a training that is done as the grid says "
                         "leaves weights; run it again to go on from its checkpoint")
    if output.name != weights_path(plan.job).name:
        raise ValueError(f"the weights of {plan.job} belong in {weights_path(plan.job).name}, not in {output.name}")
    network = trained.networks["generator"]
    device = device_name(next(network.parameters()))
    entry = save_weights(plan.job.weights, network, entry_of(grid, plan, trained, device), output.parent)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return entry


def train_job(job: Job, output: Path | None = None, minutes: float = float("inf")) -> Trained:
    """Train one run's weights and keep them; resume where a checkpoint lies; stop with one after some minutes."""
    root = project_folder()
    grid = load_grid(job.table, root)
    plan, checkpoint = plan_training(grid, job), checkpoint_of(job, root)
    session = Session(checkpoint, identity_of(grid, job), limit=60 * minutes)
    trained = train(plan.recipe, plan.source, plan.settings, session)
    if trained.finished and trained.main:
        keep_weights(grid, plan, trained, output or root / weights_path(job), checkpoint)
    return trained


def main(words: list[str] | None = None) -> int:
    """Run one training; return 1 where it is not finished or cannot be run, and say why in one line."""
    parser = argparse.ArgumentParser(prog="python -m ilib.results.training", description=(__doc__ or "").split("\n")[0])
    for name in ("table", "row", "column", "profile"):
        parser.add_argument(name)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="the weights' file; default: in data/weights")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop with a checkpoint after this time")
    asked = parser.parse_args(words)
    job = Job(asked.table, asked.row, asked.column, asked.profile, asked.seed)
    try:
        trained = train_job(job, asked.output, asked.minutes)
    except (ValueError, TypeError, FileNotFoundError, RuntimeError) as error:
        print(f"ilib.results.training: {error}", file=sys.stderr)
        return 1
    if not trained.finished:
        print(f"{job}: stopped at step {trained.step}; give the same command again to go on", file=sys.stderr)
    return 0 if trained.finished else 1


if __name__ == "__main__":
    sys.exit(main())
