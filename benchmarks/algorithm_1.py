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

from ilib.data.pictures import Pictures
from ilib.gan.weights import load_weights
from ilib.metrics import psnr
from ilib.priors.algorithm_1 import Descent, Found, algorithm_1
from ilib.priors.aligned import aligned, kernel_correlation
from ilib.priors.encoded import algorithm_1_from, encoded_starts
from ilib.priors.inputs import blurred
from ilib.priors.latent import Generators, State, cost, draws
from ilib.priors.load import load_prior
from ilib.priors.products import products_of
from ilib.priors.ranges import Projection, project
from ilib.results.runs import Pairs, device_name, software_versions

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "algorithm_1.json"
CHOSEN = slice(0, 100, 10)
PIXELS = 32 * 32  # a sum over frequencies is so many sums over pixels
PICTURES, ENCODER = "prior--numbers--cpu--s0", "encoder--numbers--cpu--s0"


@dataclass(frozen=True)
class Trial:
    """What one trial is given.  weight: of both latent vectors, against the sum over pixels."""

    kernels: str = "blur"
    weight: float = 0.01 / PIXELS  # the paper's, once its sum over frequencies is one over pixels
    steps: int = 2000
    start: str = "random"  # "encoder": z_i at the guess for y; "truth": both at the guesses for x and for k
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
    "the same, started at the truth": Trial(start="truth", restarts=1, steps=600),
    "kernels of sum one": Trial(kernels="unit_blur"),
    "kernels of sum one, started at the truth": Trial(kernels="unit_blur", start="truth", restarts=1, steps=600),
    "kernels of sum one, weight 0.001": Trial(kernels="unit_blur", weight=0.001),
    "kernels of sum one, weight 0.001, three times the iterations": Trial(
        kernels="unit_blur", weight=0.001, steps=6000),
    "kernels of sum one, weight 0.01": Trial(kernels="unit_blur", weight=0.01),
    "weight 0.01, started at the truth": Trial(kernels="unit_blur", weight=0.01, start="truth", restarts=1, steps=600),
    "weight 0.001, started by the encoder": Trial(kernels="unit_blur", weight=0.001, start="encoder"),
}


def solved(trial: Trial, pairs: Pairs) -> Found:
    """Run one trial.  pairs: its pictures alone."""
    G = Generators(products_of(load_prior(PICTURES)), load_prior(f"prior--{trial.kernels}--cpu--s0"))
    y, seeds = pairs.y, pairs.A.numbers
    if trial.start == "random":
        return algorithm_1(y, G, trial.descent(), seeds)
    return algorithm_1_from(y, G, starts_of(trial, pairs), trial.descent())


def starts_of(trial: Trial, pairs: Pairs) -> State:
    """Return starts by the encoders that were trained with the priors."""
    R, seeds = trial.restarts, pairs.A.numbers
    E_I, E_K = (load_weights(name)[0].eval() for name in (ENCODER, f"encoder--{trial.kernels}--cpu--s0"))
    if trial.start == "truth":
        x, k = pairs.pictures.x, pairs.A.kernel
        return {"z_i": encoded_starts(x, E_I, R, seeds), "z_k": encoded_starts(k, E_K, R, seeds)}
    return {"z_i": encoded_starts(pairs.y, E_I, R, seeds), "z_k": draws(seeds, R, 50, 1)}


def figures_of(found: Found, x: Tensor, k: Tensor) -> dict[str, Any]:
    """Return means over the pictures, and of each its PSNR, mean square residual and the squared lengths of z."""
    values = psnr(found.x_hat, x)
    return {
        "psnr": round(float(values.mean()), 2),
        "below_18": int((values < 18).sum()),
        "psnr_aligned": round(float(psnr(aligned(found.x_hat, found.kernel, x)[0], x).mean()), 2),
        "kernel_correlation": round(float(kernel_correlation(found.kernel, k).median()), 3),
        "kernel_sum": [round(float(f(found.kernel.sum((1, 2)))), 2) for f in (torch.min, torch.max)],
        "residual": round(float(found.misfit.sqrt().mean()), 4),
        "per_image": [round(float(v), 2) for v in values],
        "misfits": [round(float(v), 7) for v in found.misfit],
        "lengths": [[round(float(v), 2) for v in z.square().sum(1)] for z in (found.z_i, found.z_k)],
    }


def range_figures(x: Tensor) -> dict[str, Any]:
    """Return how close the generator of pictures comes to the sharp pictures: by its encoder, and by descent."""
    G, encoder = products_of(load_prior(PICTURES)), load_weights(ENCODER)[0].eval()
    with torch.no_grad():
        encoded = psnr(G(encoder(x)[0]), x)
    near = project(x, G, Projection(steps=1500, stages=((0, 4), (100, 1))))
    return {"encoder": round(float(encoded.mean()), 2), "descent": round(float(psnr(near.x, x).mean()), 2)}


def main() -> None:
    content = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.is_file() else {}
    pairs = blurred("svhn/cpu")
    pixels = pairs.pictures.pixels[CHOSEN]
    pictures = Pictures(pixels, pairs.pictures.names[CHOSEN], pairs.pictures.source)
    pairs = Pairs(pictures, pairs.y[CHOSEN], pairs.A[CHOSEN], pairs.sigma)
    x, y = pictures.x, pairs.y
    content |= {"schema": 1, "pictures": pairs.A.numbers, "blurred": round(float(psnr(y, x).mean()), 2),
                "device": device_name(x), "versions": software_versions()}  # fmt: skip
    content.setdefault("range", range_figures(x))
    trials = content.setdefault("trials", {})
    for name, trial in TRIALS.items():
        if name in trials:
            continue
        begun, how = time.process_time(), trial.descent()
        found = solved(trial, pairs)
        seconds = round(time.process_time() - begun)
        trials[name] = {"iterations": cost(how.stages, how.steps), "steps": trial.steps, "cpu_seconds": seconds,
                        **figures_of(found, x, pairs.A.kernel)}  # fmt: skip
        print(name, {key: value for key, value in trials[name].items() if not isinstance(value, list)}, flush=True)
        OUTPUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
