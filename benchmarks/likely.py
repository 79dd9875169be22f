"""Which part of the likeliest codes buys how much: `ILIB_DATA=... python -m benchmarks.likely` (half an hour).

Twenty pictures held out of each training, blurred here; ten restarts, dropped on the way, one thing changed at a time.
Nothing of Table V is looked at; its rows have the settings of the best of their kind here.  Writes
results/calibration/likely.json, a trial at a time; the same command goes on where it was stopped.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ilib.data import load
from ilib.data.pictures import Pictures
from ilib.metrics import psnr
from ilib.priors.algorithm_1 import Descent, Found, algorithm_1
from ilib.priors.aligned import centred, kernel_correlation
from ilib.priors.codes import load_drawn
from ilib.priors.evidence import Evidence
from ilib.priors.inputs import NOISE, SIDES, Trajectories
from ilib.priors.latent import Generators, State
from ilib.priors.likely import Likely, likeliest, objective
from ilib.priors.load import load_prior
from ilib.priors.methods import PRIORS, Task, stages_of
from ilib.priors.ours import CANDIDATES, SLOWER, code_of, sized, sweep
from ilib.priors.plans import weights_name
from ilib.priors.products import products_of
from ilib.results.runs import Pairs, device_name

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
    start: str = "random"  # "sweep": the likeliest of many kernels; "classes": of motion kernels, in classes of size;
    #                        "truth": the codes of the sharp picture and kernel
    share: float = 0.0  # of the kernel's evidence

    def found(self, pairs: Pairs, task: Task) -> tuple[Found, Tensor]:
        """Run it.  -> what is found, its objective (B,)."""
        load_one: Callable[[str, str], torch.nn.Module] = load_drawn if self.drawn else _plain
        G = Generators(products_of(load_one(PRIORS[task.family], "cpu")), load_one(self.kernels, "cpu"))
        stages, y = stages_of(self.steps, True), pairs.y
        likely = Likely(self.steps, stages, weight=self.weight, bf16=True)
        evidence = Evidence(G.picture, self.weight, self.share) if self.share else None
        if self.start == "classes":
            found = sized(y, G, task, replace(likely, rate=likely.rate / SLOWER), evidence)
        elif self.adam:
            start, how = self._start(pairs, task, G, likely, evidence)
            found = likeliest(y, G, how, task.seeds, start, evidence)
        else:
            weight = self.weight * y[0, 0].numel()
            how = Descent(self.steps, stages, decay=self.steps / 6, gamma=weight, lam=weight, bf16=True)
            found = algorithm_1(y, G, how, task.seeds)
        return found, objective(y, {"z_i": found.z_i, "z_k": found.z_k}, G, likely)

    def _start(
        self, pairs: Pairs, task: Task, G: Generators, how: Likely, evidence: Evidence | None
    ) -> tuple[State | None, Likely]:
        slower = replace(how, rate=how.rate / SLOWER)
        if self.start == "truth":
            seen = (("z_i", PRIORS[task.family], pairs.pictures.x), ("z_k", self.kernels, pairs.A.kernel))
            codes = {name: code_of(x, plan, "cpu", task.seeds)[:, None] for name, plan, x in seen}
            return codes, replace(slower, stages=((0, 1),))
        if self.start == "sweep":
            z_k = torch.randn(CANDIDATES, G.kernel.latent, generator=torch.Generator().manual_seed(0))
            return sweep(pairs.y, G, task, slower, z_k, evidence), slower
        return None, how


def _plain(name: str, profile: str) -> torch.nn.Module:
    return load_prior(weights_name(name, profile))


TRIALS = {
    "svhn": {
        "Algorithm 1": Trial(0.01 / 32**2, adam=False, drawn=False, kernels="blur"),
        "kernels of sum one, weight 0.001": Trial(0.001, adam=False, drawn=False),
        "the same, by Adam": Trial(0.001, drawn=False),
        "and z drawn where the codes lie": Trial(0.001),
        "and weight 0.01": Trial(0.01),
        "weight 0.01, z from N(0, I)": Trial(0.01, drawn=False),
        "weight 0.003, from a sweep of kernels": Trial(0.003, start="sweep"),
        "weight 0.003, started at the truth": Trial(0.003, start="truth"),
        "from a sweep, half the evidence": Trial(0.003, start="sweep", share=0.5),
        "from motion kernels in classes, half the evidence": Trial(0.003, 300, start="classes", share=0.5),
        "from motion kernels in classes, the whole evidence": Trial(0.003, 300, start="classes", share=1.0),
    },
    "celeba": {
        "Algorithm 1": Trial(0.01 / 64**2, adam=False, drawn=False, kernels="blur"),
        "by Adam, kernels of sum one, weight 0.1": Trial(0.1),
    },
}  # fmt: skip


def held_out(family: str, n: int = N) -> Pairs:
    """Blur pictures spread over the ones held out: neighbours among the house numbers are crops of one house."""
    every = load(f"{family}/val", size=SIDES[family])
    chosen = slice(0, n * (len(every) // n), len(every) // n)
    pictures = Pictures(every.pixels[chosen], every.names[chosen], every.source)
    y, A, _ = Trajectories().measure(pictures.x, torch.full((n, 1, 1, 1), NOISE), SEED)
    return Pairs(pictures, y, A, NOISE)


def rounded(values: Tensor, digits: int) -> list[float]:
    """Return the values as JSON has them."""
    return [round(value, digits) for value in values.tolist()]


def main() -> None:
    content = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.is_file() else {}
    for family, trials in TRIALS.items():
        pairs = held_out(family)
        done = content.setdefault(family, {"pictures": N, "blurred": rounded(psnr(pairs.y, pairs.pictures.x), 2),
                                           "device": device_name(pairs.y), "trials": {}})["trials"]  # fmt: skip
        for name, trial in trials.items():
            if name in done:
                continue
            begun = time.process_time()
            found, L = trial.found(pairs, Task(family, "cpu", list(range(N))))
            seconds, x = round(time.process_time() - begun), pairs.pictures.x
            done[name] = {"psnr": rounded(psnr(found.x_hat, x), 2), "misfit": rounded(found.misfit, 7),
                          "psnr_centred": rounded(psnr(centred(found.x_hat, found.kernel)[0], x), 2),
                          "kernel_correlation": rounded(kernel_correlation(found.kernel, pairs.A.kernel), 3),
                          "objective": rounded(L, 4), "cpu_seconds": seconds}  # fmt: skip
            OUTPUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            print(family, name, sum(done[name]["psnr"]) / N, flush=True)


if __name__ == "__main__":
    main()
