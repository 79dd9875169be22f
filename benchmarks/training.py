"""Time a step of MBD-GAN against the loop of the published CycleGAN-type codes: `python -m benchmarks.training` (a few
minutes on two cores).

Both train the same networks with the same losses.  Theirs, as published: one crop a step, float32, channels first, the
critic on each sample by itself, plain optimisers.  Ours: the library's loop at the settings of the cpu profile.  Each
round is a process of its own, the two in turn, so that both see the same machine and each has its own peak of memory;
what is reported is the best round of each, since other work only ever takes away.  Writes
results/benchmarks/training.json.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import torch
from torch import nn

from ilib.data import load
from ilib.degrade import Measurement
from ilib.gan.recipes.mbd_gan import MBDGAN
from ilib.gan.settings import Settings
from ilib.gan.sources import Photographs
from ilib.gan.train import Session, train
from ilib.kernels import motion
from ilib.networks import ResNet
from ilib.operators import CircularBlur
from ilib.results.runs import device_name, software_versions

OUTPUT = Path(__file__).parents[1] / "results" / "benchmarks" / "training.json"
GENERATOR = {"width": 24, "blocks": 6}  # of mbdgan_1 at the cpu profile
RECIPE = {"R": {"l1": 1.0, "random": 1e-3}, "weight": 1e-3, "ndf": 16, "window": 64}  # random features cost the same
OURS = Settings(steps=24, batch=8, crop=128, lr=5e-4, bf16=True, channels_last=True, held_out=1, evaluate_every=10**6)
THEIRS = Settings(steps=96, batch=1, crop=128, lr=5e-4, held_out=1)
WARM = 3  # steps before the clock starts


def setting() -> tuple[MBDGAN, Measurement]:
    """Return what both train: the recipe, and the camera."""
    camera = Measurement(CircularBlur(motion(27, length=24, anxiety=0.05, seed=1).float()))
    return MBDGAN(partial(ResNet, **GENERATOR), **RECIPE), camera


def ours(steps: int) -> float:
    """Train with the library's loop.  -> seconds."""
    recipe, camera = setting()
    pictures, settings = load("embedded/train", size=256), Settings(**{**vars(OURS), "steps": steps})
    begun = time.perf_counter()
    train(recipe, Photographs(pictures, camera), settings, Session(progress=False))
    return time.perf_counter() - begun


def theirs(steps: int) -> float:
    """Train as the published codes do: one sample, the critic's step, the generator's step.  -> seconds."""
    recipe, camera = setting()
    source, networks = Photographs(load("embedded/train", size=256), camera), recipe.networks()
    adam = {name: torch.optim.Adam(net.parameters(), THEIRS.lr, betas=(0.5, 0.999)) for name, net in networks.items()}
    begun = time.perf_counter()
    for t in range(steps):
        batch = source.draw(THEIRS, t)
        x_hat = networks["generator"](batch.y)
        _step(adam["critic"], networks, "critic", recipe.critic_losses(networks["critic"], batch, x_hat))
        _step(adam["generator"], networks, "generator", recipe.generator_losses(networks["critic"], batch, x_hat))
    return time.perf_counter() - begun


def _step(adam: torch.optim.Adam, networks: dict[str, nn.Module], turn: str, terms: dict[str, torch.Tensor]) -> None:
    for name, net in networks.items():
        net.requires_grad_(name == turn)
    adam.zero_grad()
    sum(terms.values()).backward()
    adam.step()
    for net in networks.values():
        net.requires_grad_(True)


CONTENDERS = {"ours": (ours, OURS), "theirs": (theirs, THEIRS)}


def one_round(name: str) -> dict[str, float]:
    """Train a contender in this process.  -> crops per second, peak memory in MB beyond what the imports take."""
    call, settings = CONTENDERS[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    short, long = call(WARM), call(WARM + settings.steps)  # building and warming up are in both
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"crops_per_second": settings.steps * settings.batch / (long - short), "peak_memory_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=CONTENDERS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        print(json.dumps(one_round(asked.only)))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for i in range(asked.rounds):
        for name in list(CONTENDERS)[:: 1 if i % 2 else -1]:
            words = [sys.executable, "-m", "benchmarks.training", "--only", name]
            found[name].append(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
            print(name, found[name][-1], flush=True)
    best = {name: {"crops_per_second": round(max(r["crops_per_second"] for r in rounds), 2),
                   "peak_memory_mb": round(min(r["peak_memory_mb"] for r in rounds)),
                   "batch": CONTENDERS[name][1].batch} for name, rounds in found.items()}  # fmt: skip
    ratio = best["ours"]["crops_per_second"] / best["theirs"]["crops_per_second"]
    content = {"schema": 1, "rounds": asked.rounds, "threads": torch.get_num_threads(), "generator": GENERATOR,
               "recipe": RECIPE, "crop": OURS.crop, "contenders": best, "ratio": round(ratio, 2),
               "device": device_name(torch.empty(0)), "versions": software_versions()}  # fmt: skip
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"ours takes {ratio:.2f} times as many crops a second")


if __name__ == "__main__":
    main()
