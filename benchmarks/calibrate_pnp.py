"""Choose the constants of ilib.plug_and_play on training photographs: `python -m benchmarks.calibrate_pnp cnn`.

Writes results/calibration/pnp.json: the mean PSNR in dB for each prior, weight, strength, kernel and noise level, from
which a test reads that those in use are the best of those tried.  The priors are those named (tv, dct, gmm, cnn), or
all.  Needs ILIB_DATA, and weights of the denoiser for cnn; some minutes of one core.
"""

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

import torch

from ilib.data import load
from ilib.degrade import Measurement
from ilib.gan.weights import weights_folder
from ilib.metrics import psnr
from ilib.operators import CircularBlur
from ilib.plug_and_play import Prior, cnn_denoise, dct_denoise, falling, gmm_denoise, plug_and_play, tv_denoise

from .calibrate import DATA, KERNELS

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "pnp.json"
COUNT, SIZE = 2, 96
LEVELS = (0.01, 0.05)
WEIGHTS = "grand--pnp--levin--cpu--s0"
Trial = tuple[str, float, float, Prior]  # the prior's name, weight, strength (0 where it has none), D


def trials() -> Iterator[Trial]:
    """Give out what is tried."""
    for strength, weight in product((0.05, 0.1, 0.2), (0.3, 1.0)):
        yield "tv", weight, strength, partial(tv_denoise, strength=strength)
    for threshold, weight in product((0.7, 1.0, 1.5), (0.3, 1.0)):
        yield "dct", weight, threshold, partial(dct_denoise, threshold=threshold)
    for weight in (0.3, 1.0, 3.0):
        yield "gmm", weight, 0.0, gmm_denoise
    if (weights_folder() / f"{WEIGHTS}.safetensors").is_file():
        for weight in (0.1, 0.23, 0.5, 1.0):  # 0.23 is DPIR's
            yield "cnn", weight, 0.0, partial(cnn_denoise, weights=WEIGHTS)


def measurements() -> Iterator[tuple[str, float, Callable[[Prior, float], float]]]:
    """Give out kernel, noise, and what maps a prior and a weight to the mean PSNR."""
    pictures = load(DATA, size=SIZE)
    x = pictures.x[:: len(pictures) // COUNT][:COUNT]
    for (name, kernel), noise in product(KERNELS.items(), LEVELS):
        m = Measurement(CircularBlur(kernel), noise)
        yield name, noise, partial(score, x, m(x), m)


def score(x: torch.Tensor, y: torch.Tensor, m: Measurement, D: Prior, weight: float) -> float:
    """Restore, and return the mean PSNR."""
    estimate = plug_and_play(y, m.operator, D, falling(m.sigma), noise=m.sigma, weight=weight)
    return round(float(psnr(estimate.clamp(0, 1), x).mean()), 2)


def main(names: list[str]) -> None:
    kept = json.loads(OUTPUT.read_text())["rows"] if OUTPUT.exists() else []
    rows = [row for row in kept if names and row["prior"] not in names]
    wanted = [trial for trial in trials() if not names or trial[0] in names]
    for kernel, noise, figure in measurements():
        for name, weight, strength, D in wanted:
            rows.append({"prior": name, "weight": weight, "strength": strength, "kernel": kernel, "noise": noise,
                         "psnr": figure(D, weight)})  # fmt: skip
            print(rows[-1], flush=True)
    OUTPUT.write_text(json.dumps({"data": DATA, "n": COUNT, "size": SIZE, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
