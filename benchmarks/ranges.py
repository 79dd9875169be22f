"""How close each trained prior comes to pictures that it has not seen: `ILIB_DATA=... python -m benchmarks.ranges`.

Twenty pictures held out of each training, and twenty of those of Table V, projected into the range of the generator
(eq. 13) from eight starts, of which the closest are kept on the way; minutes for each.  Those of Table V's shoes by
Adam as well: plain descent does not end at the closest pictures there.  Writes results/calibration/ranges.json, a set
at a time; the same command goes on where it was stopped.
"""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from ilib.data import dgp_reference
from ilib.data.pictures import to_float
from ilib.gan.registry import read_registry, weights_folder
from ilib.metrics import psnr
from ilib.priors.adam import adam_step, remembered
from ilib.priors.latent import Stages, State, draws, staged
from ilib.priors.likely import Likely
from ilib.priors.load import load_prior
from ilib.priors.plans import plan_of, weights_name
from ilib.priors.products import products_of
from ilib.priors.ranges import Projection, project, range_error
from ilib.results.runs import call_by_name, device_name

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "ranges.json"
N, STEPS, ADAM_STEPS = 20, 1500, 800
ADAM = ", by Adam"
AUTHORS = {"numbers": "svhn", "faces": "celeba", "shoes": "shoes"}
RATES = {"numbers": 0.01, "faces": 0.001, "shoes": 0.001}  # the paper's


def seen(name: str) -> dict[str, Tensor]:
    """Return pictures held out of a prior's training, and pictures spread over those of Table V."""
    authors = dgp_reference(AUTHORS[name])["original"]
    of_table = authors[:: len(authors) // N][:N].float()
    pictures = {name: to_float(call_by_name(*plan_of(name, "cpu").held_out)[:N]), f"{name}, Table V": of_table}
    return pictures | ({f"{name}, Table V{ADAM}": of_table} if name == "shoes" else {})


@torch.no_grad()
def closest_by_adam(x: Tensor, G: nn.Module, steps: int) -> Tensor:
    """Find the pictures in the range of G that are closest to x (B, C, H, W), from the same starts, by Adam."""
    how = Likely(steps, stages_of(steps))

    def misfit(who: Tensor, part: State) -> State:
        return {"misfit": (G(part["z"]) - x[who]).square().flatten(1).sum(1)}

    def move(who: Tensor, part: State, some: range) -> State:
        for t in some:
            part = adam_step(part, lambda z: misfit(who, z)["misfit"], ("z",), t, how.rate_at(t), how.betas)
        return part

    start = {"z": draws(range(len(x)), how.stages[0][1], G.latent, 0).to(x)}
    return G(staged(remembered(start, ("z",)), move, misfit, how.stages, how)["z"])


def stages_of(steps: int) -> Stages:
    """Keep the closest half after 5 % of the steps, a quarter after 15 %, one after 25 %."""
    return ((0, 8), (steps // 20, 4), (3 * steps // 20, 2), (steps // 4, 1))


def main() -> None:
    content = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.is_file() else {}
    registry = read_registry(weights_folder())
    for name, rate in RATES.items():
        weights = weights_name(name, "cpu")
        if weights not in registry:
            continue
        G = products_of(load_prior(weights))
        for label, x in seen(name).items():
            if content.get(label, {}).get("sha256") == registry[weights]["sha256"]:
                continue
            if label.endswith(ADAM):
                near = closest_by_adam(x, G, ADAM_STEPS)
            else:
                near = project(x, G, Projection(STEPS, rate, stages_of(STEPS)), range(N)).x
            content[label] = {"pictures": N, "psnr": [round(v, 3) for v in psnr(near, x).tolist()],
                              "range_error": [round(v, 3) for v in range_error(x, near).tolist()],
                              "sha256": registry[weights]["sha256"], "device": device_name(x)}  # fmt: skip
            OUTPUT.write_text(json.dumps(content) + "\n", encoding="utf-8")
            print(label, sum(content[label]["psnr"]) / N, flush=True)


if __name__ == "__main__":
    main()
