"""Time the streams that feed training: `python -m benchmarks.loading` (2 minutes on two cores).

How many pictures of 128 x 128 dead leaves and a folder of JPEG files give in a second of one core, and how long a
training step of the cpu profile waits for its batch while one worker prepares the next.  Writes
results/benchmarks/loading.json.
"""

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ilib import data
from ilib.files import write_text
from ilib.networks import ResNet
from ilib.results.runs import device_name, software_versions

OUTPUT = Path(__file__).parents[1] / "results" / "benchmarks" / "loading.json"
CROP, BATCH = 128, 8
FILES = 60  # JPEG files of the size of bsds500's, 481 x 321


def jpeg_folder(folder: Path) -> Path:
    """Write photographs as JPEG files of 481 x 321 pixels, mirrored and shifted so that no two are the same."""
    photos = data.embedded(None).pixels
    random = np.random.default_rng(0)
    for i in range(FILES):
        p = photos[i % len(photos)]
        picture = Image.fromarray(p.permute(1, 2, 0).numpy()).resize((700, 500))
        left, top = random.integers(0, 219), random.integers(0, 179)
        picture.crop((left, top, left + 481, top + 321)).save(folder / f"{i:03d}.jpg", quality=95)
    return folder


def rate(stream: Iterator[Tensor], batches: int = 10) -> float:
    """Pictures a second of one core's time, which does not depend on what else the machine does."""
    next(stream)
    start = time.process_time()
    for _ in range(batches):
        next(stream)
    return batches * BATCH / (time.process_time() - start)


def waiting(stream: Iterator[Tensor], steps: int) -> dict[str, float]:
    """Train a ResNet of the cpu profile on a stream.  -> milliseconds of a step, and the share of it spent waiting."""
    torch.manual_seed(0)
    network = ResNet(width=24, blocks=6).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters())
    waits, works = [], []
    for _ in range(steps + 2):
        start = time.perf_counter()
        x = next(stream)
        got = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            loss = (network(x.to(memory_format=torch.channels_last)) - x).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        waits.append(got - start)
        works.append(time.perf_counter() - got)
    total = sum(waits[2:]) + sum(works[2:])
    return {"step_ms": round(1e3 * total / steps, 1), "waiting": round(sum(waits[2:]) / total, 4)}


def measure(folder: Path, steps: int) -> dict[str, object]:
    """All figures: name -> value."""
    streams = {
        "dead leaves": lambda workers: data.leaf_stream(CROP, BATCH, workers=workers),
        "JPEG folder": lambda workers: data.folder_stream(folder, CROP, BATCH, workers=workers),
    }
    found: dict[str, object] = {}
    for name, stream in streams.items():
        found[name] = {"pictures_per_core_second": round(rate(stream(0)), 1), **waiting(stream(1), steps)}
        print(name, found[name])
    return found


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = measure(jpeg_folder(Path(folder)), asked.steps)
    about = {"crop": CROP, "batch": BATCH, "threads": torch.get_num_threads(), "device": device_name(torch.zeros(1)),
             "versions": software_versions(), "streams": found}  # fmt: skip
    write_text(asked.output, json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
