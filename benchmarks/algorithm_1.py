"""What limits Algorithm 1 on house numbers: `ILIB_DATA=... python -m benchmarks.algorithm_1` (about 25 CPU minutes).

Ten of the authors' hundred blurred inputs, restarts dropped on the way (8, 4, 2, 1), one thing changed at a time: the
kernel prior, the weights of the latent vectors, the number of iterations, the start of z_i.  Beside each, how close the
same generator comes to the sharp picture itself.  Writes results/calibration/algorithm_1.json, a trial at a time; the
same command goes on where it was stopped.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ilib.gan.weights import load_weights
from ilib.metrics import psnr
from ilib.priors.algorithm_1 import Descent, Found, algorithm_1
from ilib.priors.aligned import aligned, kernel_correlation
from ilib.priors.encoded import algorithm_1_from_encoder
from ilib.priors.inputs import blurred
from ilib.priors.latent import Generators, cost
from ilib.priors.load import load_prior
from ilib.priors.products import products_of
from ilib.priors.ranges import Projection, project
from ilib.results.runs import device_name, software_versions

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "algorithm_1.json"
CHOSEN = slice(0, 100, 10)
PIXELS = 32 * 32  # a sum over frequencies is so many sums over pixels
PICTURES = "prior--numbers--cpu--s0"


@dataclass(frozen=True)
class Trial:
    """What one trial is given.  weight: of both latent vectors, against the sum over pixels."""

    kernels: str = "blur"
    weight: float = 0.01 / PIXELS  # the paper's, once its sum over frequencies is one over pixels
    steps: int = 2000
    encoder: bool = False
    restarts: int = 8
    bf16: bool = True

    def descent(self) -> Descent:
        """Return the settings: the rate falls as far as in the paper, in proportion to the steps."""
        steps, R = self.steps, self.restarts
        stages = ((0, R), (steps // 20, R // 2), (3 * steps // 20, R // 4), (steps // 4, 1)) if R > 1 else ((0, 1),)
        weight = self.weight * PIXELS
        return Descent(steps, stages, decay=steps / 6, gamma=weight, lam=weight, chunk=40, bf16=self.bf16)


TRIALS = {
    "the paper's priors and weights": Trial(),
    "kernels of sum one": Trial(kernels="unit_blur"),
    "kernels of sum one, weight 0.001": Trial(kernels="unit_blur", weight=0.001),
    "kernels of sum one, weight 0.01": Trial(kernels="unit_blur", weight=0.01),
    "kernels of sum one, weight 0.001, started by the encoder": Trial(kernels="unit_blur", weight=0.001, encoder=True),
    "kernels of sum one, weight 0.1": Trial(kernels="unit_blur", weight=0.1),
}


def solved(trial: Trial, y: Tensor, seeds: list[int]) -> Found:
    """Run one trial."""
    G = Generators(products_of(load_prior(PICTURES)), load_prior(f"prior--{trial.kernels}--cpu--s0"))
    if trial.encoder:
        encoder = load_weights(PICTURES.replace("prior", "encoder"))[0].eval()
        return algorithm_1_from_encoder(y, G, encoder, trial.descent(), seeds)
    return algorithm_1(y, G, trial.descent(), seeds)


def figures_of(found: Found, x: Tensor, k: Tensor) -> dict[str, Any]:
    """Return means over the pictures, and the PSNR of each."""
    values = psnr(found.x_hat, x)
    return {
        "psnr": round(float(values.mean()), 2),
        "below_18": int((values < 18).sum()),
        "psnr_aligned": round(float(psnr(aligned(found.x_hat, found.kernel, x)[0], x).mean()), 2),
        "kernel_correlation": round(float(kernel_correlation(found.kernel, k).median()), 3),
        "kernel_sum": [round(float(f(found.kernel.sum((1, 2)))), 2) for f in (torch.min, torch.max)],
        "residual": round(float(found.misfit.sqrt().mean()), 4),
        "per_image": [round(float(v), 2) for v in values],
    }


def range_figures(x: Tensor) -> dict[str, Any]:
    """Return how close the generator of pictures comes to the sharp pictures: by its encoder, and by descent."""
    G, encoder = products_of(load_prior(PICTURES)), load_weights(PICTURES.replace("prior", "encoder"))[0].eval()
    with torch.no_grad():
        encoded = psnr(G(encoder(x)[0]), x)
    near = project(x, G, Projection(steps=1500, stages=((0, 4), (100, 1))))
    return {"encoder": round(float(encoded.mean()), 2), "descent": round(float(psnr(near.x, x).mean()), 2)}


def main() -> None:
    content = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.is_file() else {}
    pairs = blurred("svhn/cpu")
    x, y, k = pairs.pictures.x[CHOSEN], pairs.y[CHOSEN], pairs.A.kernel[CHOSEN]
    content |= {"schema": 1, "pictures": pairs.A[CHOSEN].numbers, "blurred": round(float(psnr(y, x).mean()), 2),
                "device": device_name(x), "versions": software_versions()}  # fmt: skip
    content.setdefault("range", range_figures(x))
    trials = content.setdefault("trials", {})
    for name, trial in TRIALS.items():
        if name in trials:
            continue
        begun, how = time.process_time(), trial.descent()
        found = solved(trial, y, pairs.A[CHOSEN].numbers)
        trials[name] = {"iterations": cost(how.stages, how.steps), "steps": trial.steps,
                        **figures_of(found, x, k), "cpu_seconds": round(time.process_time() - begun)}  # fmt: skip
        print(name, {key: value for key, value in trials[name].items() if key != "per_image"}, flush=True)
        OUTPUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
