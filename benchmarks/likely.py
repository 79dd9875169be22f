"""Which part of the likeliest codes buys how much: `ILIB_DATA=... python -m benchmarks.likely` (about 15 CPU minutes).

Twenty pictures held out of each training, blurred here; ten restarts, dropped on the way, one thing changed at a time.
Nothing of Table V is looked at: its rows take what is best here.  Writes results/calibration/likely.json, a trial at a
time; the same command goes on where it was stopped.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ilib.data import load
from ilib.metrics import psnr
from ilib.priors.algorithm_1 import Descent, Found, algorithm_1
from ilib.priors.aligned import centred, kernel_correlation
from ilib.priors.codes import load_drawn
from ilib.priors.inputs import NOISE, SIDES, Trajectories
from ilib.priors.latent import Generators
from ilib.priors.likely import Likely, likeliest
from ilib.priors.load import load_prior
from ilib.priors.methods import PRIORS, stages_of
from ilib.priors.plans import weights_name
from ilib.priors.products import products_of
from ilib.results.runs import device_name

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "likely.json"
N, SEED = 20, 77


@dataclass(frozen=True)
class Trial:
    """What one trial is given.  weight: of the codes, against the sum over pixels."""

    weight: float
    steps: int = 600
    adam: bool = True  # both codes together by Adam; else Algorithm 1
    drawn: bool = True  # z drawn where the codes of the training sets lie
    kernels: str = "unit_blur"
    centred: bool = False  # the kernel at the end, and the picture with it

    def found(self, y: Tensor, family: str) -> Found:
        """Run it on blurred pictures y (B, C, H, W)."""
        load_one: Callable[[str, str], torch.nn.Module] = load_drawn if self.drawn else _plain
        G = Generators(products_of(load_one(PRIORS[family], "cpu")), load_one(self.kernels, "cpu"))
        stages, weight = stages_of(self.steps, True), self.weight * y[0, 0].numel()
        if self.adam:
            found = likeliest(y, G, Likely(self.steps, stages, weight=self.weight, bf16=True), range(len(y)))
            x_hat, kernel = centred(found.x_hat, found.kernel)
            return replace(found, x_hat=x_hat, kernel=kernel) if self.centred else found
        how = Descent(self.steps, stages, decay=self.steps / 6, gamma=weight, lam=weight, bf16=True)
        return algorithm_1(y, G, how, range(len(y)))


def _plain(name: str, profile: str) -> torch.nn.Module:
    return load_prior(weights_name(name, profile))


TRIALS = {
    "svhn": {
        "Algorithm 1": Trial(0.01 / 32**2, adam=False, drawn=False, kernels="blur"),
        "kernels of sum one, weight 0.001": Trial(0.001, adam=False, drawn=False),
        "the same, z drawn where the codes lie": Trial(0.001, adam=False),
        "the same, by Adam in place of that": Trial(0.001, drawn=False),
        "both": Trial(0.001),
        "both, weight 0.01": Trial(0.01),
        "both, weight 0.01, kernels centred": Trial(0.01, centred=True),
        "both, weight 0.03": Trial(0.03),
        "both, weight 0.01, 1,500 iterations": Trial(0.01, steps=1500),
    },
    "celeba": {
        "Algorithm 1": Trial(0.01 / 64**2, adam=False, drawn=False, kernels="blur"),
        "by Adam, kernels of sum one, weight 0.01": Trial(0.01),
        "weight 0.1": Trial(0.1),
        "weight 0.1, kernels centred": Trial(0.1, centred=True),
        "weight 0.3": Trial(0.3),
    },
}  # fmt: skip


def main() -> None:
    content = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.is_file() else {}
    for family, trials in TRIALS.items():
        x = load(f"{family}/val", n=N, size=SIDES[family]).x
        y, A, _ = Trajectories().measure(x, torch.full((N, 1, 1, 1), NOISE), SEED)
        done = content.setdefault(family, {"pictures": N, "blurred": [round(v, 2) for v in psnr(y, x).tolist()],
                                           "device": device_name(x), "trials": {}})["trials"]  # fmt: skip
        for name, trial in trials.items():
            if name in done:
                continue
            begun = time.process_time()
            found = trial.found(y, family)
            seconds, likeness = round(time.process_time() - begun), kernel_correlation(found.kernel, A.kernel)
            done[name] = {"psnr": [round(v, 2) for v in psnr(found.x_hat, x).tolist()],
                          "kernel_correlation": [round(v, 3) for v in likeness.tolist()],
                          "misfit": [round(v, 7) for v in found.misfit.tolist()], "cpu_seconds": seconds}  # fmt: skip
            OUTPUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            print(family, name, sum(done[name]["psnr"]) / N, flush=True)


if __name__ == "__main__":
    main()
