"""Measure what the data sets look like, beside what ilib draws: `ILIB_DATA=... python -m benchmarks.data_statistics`.

Writes results/data/statistics.json, which the chapter on data reads: counts, sizes, spectrum, differences, brightness,
contrast, colour, for every set that is found (2 minutes on two cores).
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ilib import data
from ilib.data import statistics
from ilib.files import write_text

OUTPUT = Path(__file__).parents[1] / "results" / "data" / "statistics.json"
SIZE = 256
EDGES = np.linspace(-0.6, 0.6, 61)


def sets() -> dict[str, Callable[[], Tensor]]:
    """What is measured: name -> pictures (N, 3, S, S), each set at its own size or cropped to 256."""
    named = ["embedded/test", "bsds500/train", "bsds500/val", "cid22", "kodak24", "gopro/test", "celeba/test",
             "svhn/train", "shoes/train"]  # fmt: skip
    every: dict[str, Callable[[], Tensor]] = {name: lambda name=name: data.load(name).x for name in named}
    every |= {
        "text": lambda: data.text_pairs().sharp.x,
        "haze, clear": lambda: data.haze_triples().clear.x,
        "haze, hazy": lambda: data.haze_triples().hazy.x,
        "dead leaves": lambda: data.dead_leaves(100, SIZE, 1),
        "text pages": lambda: data.text_pages(100, 200, 1, data.Page(system=False)),
        "street numbers": lambda: data.street_numbers(2000, 1).x,
        "hazy leaves, hazy": lambda: data.hazy_leaves(50, SIZE, 1)[0].hazy.x,
    }
    return every


def measured(x: Tensor) -> dict[str, object]:
    """The figures of one set."""
    cycles, power = statistics.radial_power(x)
    d = statistics.differences(x)
    high = x.shape[-1] // 4
    low = 4 if high > 16 else 2
    counts = torch.histogram(d, torch.from_numpy(EDGES)).hist
    return {
        "pictures": len(x),
        "size": x.shape[-1],
        **{k: round(v, 4) for k, v in statistics.summary(x).items()},
        "slope": round(statistics.spectral_slope(x, low), 3),
        "flat": round(float((d.abs() < 0.5 / 255).double().mean()), 4),
        "power": [float(f"{p:.4g}") for p in power[:: max(1, len(power) // 64)].tolist()],
        "cycles": cycles[:: max(1, len(power) // 64)].tolist(),
        "differences": [float(f"{c:.4g}") for c in (counts / len(d) / (EDGES[1] - EDGES[0])).tolist()],
    }


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    asked = parser.parse_args(words)
    found = {}
    for name, read in sets().items():
        try:
            found[name] = measured(read())
        except FileNotFoundError:
            print(f"{name}: not found, left out")
            continue
        print(f"{name}: slope {found[name]['slope']}, kurtosis {found[name]['kurtosis']}")
    write_text(asked.output, json.dumps({"edges": EDGES.round(4).tolist(), "sets": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
