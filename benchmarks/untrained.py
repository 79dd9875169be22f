"""Algorithm 3 step by step: `python -m benchmarks.untrained` (half an hour of a core; no data needed).

The first photograph of Figure 15 at `cpu`, with the paper's prior of kernels for as many steps as the row takes and
with kernels of sum 1 for a quarter of the paper's: what the picture, the kernel and the misfit do on the way.  Writes
results/calibration/untrained.json, mark by mark.
"""

import json
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ilib.metrics import psnr
from ilib.priors.algorithm_1 import misfit
from ilib.priors.algorithm_3 import algorithm_3
from ilib.priors.aligned import kernel_correlation
from ilib.priors.load import load_prior
from ilib.priors.plans import weights_name
from ilib.priors.products import products_of
from ilib.priors.untrained import SETTINGS, photographs

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "untrained.json"
STEPS = {"blur": SETTINGS[256].steps, "unit_blur": 5_000}
EVERY = 500


def follow(kernels: str) -> None:
    """Write PSNR (dB), sum and cosine of the kernel, and misfit of the first photograph at every mark."""
    pairs = photographs("embedded/test", n=4)  # as the rows have them: the kernels are drawn for all at once
    x, y, true = pairs.pictures.x[:1], pairs.y[:1], pairs.A.kernel[:1]
    found = {"step": [], "psnr": [], "sum": [], "cosine": [], "misfit": []}

    def watch(t: int, x_hat: Tensor, k: Tensor) -> None:
        if t % EVERY and t != STEPS[kernels] - 1:
            return
        figures = (psnr(x_hat.clamp(0, 1), x), k.sum(), kernel_correlation(k, true), misfit(y, x_hat, k))
        for name, value in zip(found, (t, *(round(float(v), 5) for v in figures)), strict=True):
            found[name].append(value)
        content = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.is_file() else {}
        OUTPUT.write_text(json.dumps(content | {kernels: found}) + "\n", encoding="utf-8")
        print(kernels, {name: values[-1] for name, values in found.items()}, flush=True)

    prior = products_of(load_prior(weights_name(kernels, "cpu")))
    algorithm_3(y, prior, replace(SETTINGS[256], steps=STEPS[kernels]), watch=watch)


if __name__ == "__main__":
    for kernels in STEPS:
        follow(kernels)
