"""Time a step of MBD-GAN against the loop of the published CycleGAN-type codes: `python -m benchmarks.training` (a few
minutes on two cores).

All train the same networks with the same losses.  Theirs, as published: one crop a step, float32, channels first, the
critic on each sample by itself, plain optimisers.  Ours: the library's loop in bf16, channels last, at a batch of 8, in
one process that has all threads, and shared by two processes of one thread each (`accelerate launch`).  Each round is a
run of its own, one contender after the other, so that all see the same machine and each has its own peak of memory;
what is reported is the best round of each, since other work only ever takes away.  Writes
results/benchmarks/training.json.
"""

import argparse
import json
import os
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
KINDS = {"convolutions": ("convolution",), "copies and changes of layout": ("aten::copy_",),
         "normalisation": ("batch_norm",), "reflection padding": ("reflection_pad",)}  # fmt: skip


def setting() -> tuple[MBDGAN, Measurement]:
    """Return what both train: the recipe, and the camera."""
    camera = Measurement(CircularBlur(motion(27, length=24, anxiety=0.05, seed=1).float()))
    return MBDGAN(partial(ResNet, **GENERATOR), **RECIPE), camera


def ours(steps: int, settings: Settings = OURS) -> float:
    """Train with the library's loop.  -> seconds."""
    recipe, camera = setting()
    pictures, settings = load("embedded/train", size=256), Settings(**{**vars(settings), "steps": steps})
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


FIRST = Settings(**{**vars(OURS), "channels_last": False})
CONTENDERS = {"ours": (ours, OURS), "ours, channels first": (partial(ours, settings=FIRST), FIRST),
              "ours, two processes": (ours, OURS), "theirs": (theirs, THEIRS)}  # fmt: skip
LAUNCH = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
          "--mixed_precision", "no", "--dynamo_backend=no")  # --multi_gpu: its word for several processes  # fmt: skip


def one_round(name: str) -> dict[str, float]:
    """Train a contender in this process.  -> crops per second, peak memory in MB beyond what the imports take."""
    call, settings = CONTENDERS[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    short, long = call(WARM), call(WARM + settings.steps)  # building and warming up are in both
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    peak *= int(os.environ.get("WORLD_SIZE", 1))  # each process has a copy of the networks and its share of the crops
    return {"crops_per_second": settings.steps * settings.batch / (long - short), "peak_memory_mb": peak}


def shares() -> dict[str, float]:
    """Return what each kind of operation takes of a step of ours in one process: kind -> share of the time."""
    ours(WARM)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        ours(2 * WARM)
    time_of = {event.key: event.self_cpu_time_total for event in profile.key_averages()}
    whole = sum(time_of.values())
    found = {kind: sum(t for name, t in time_of.items() if any(part in name for part in parts)) / whole
             for kind, parts in KINDS.items()}  # fmt: skip
    return {kind: round(share, 3) for kind, share in {**found, "all others": 1 - sum(found.values())}.items()}


def launched(name: str) -> dict[str, float]:
    """Run a round of a contender from outside.  -> what one_round found in the (first) process."""
    several = name.endswith("two processes")
    words = [sys.executable, "-m", *(LAUNCH if several else ()), *(["-m"] if several else [])]
    more = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"} if several else {}
    done = subprocess.run([*words, "benchmarks.training", "--only", name], env=os.environ | more, check=True,
                          capture_output=True, text=True)  # fmt: skip
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=CONTENDERS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        found_here = one_round(asked.only)
        if os.environ.get("RANK", "0") == "0":
            print(json.dumps(found_here))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for i in range(asked.rounds):
        for name in list(CONTENDERS)[:: 1 if i % 2 else -1]:
            found[name].append(launched(name))
            print(name, found[name][-1], flush=True)
    best = {name: {"crops_per_second": round(max(r["crops_per_second"] for r in rounds), 2),
                   "peak_memory_mb": round(min(r["peak_memory_mb"] for r in rounds)),
                   "batch": CONTENDERS[name][1].batch} for name, rounds in found.items()}  # fmt: skip
    ratios = {name: round(best[name]["crops_per_second"] / best["theirs"]["crops_per_second"], 2)
              for name in best if name != "theirs"}  # fmt: skip
    content = {"schema": 1, "rounds": asked.rounds, "threads": torch.get_num_threads(), "generator": GENERATOR,
               "recipe": RECIPE, "crop": OURS.crop, "contenders": best, "ratios": ratios, "shares": shares(),
               "device": device_name(torch.empty(0)), "versions": software_versions()}  # fmt: skip
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(", ".join(f"{name}: {ratio:.2f} times as many crops a second" for name, ratio in ratios.items()))


if __name__ == "__main__":
    main()
