"""How close each trained prior comes to pictures that it has not seen: `ILIB_DATA=... python -m benchmarks.ranges`.

Twenty pictures held out of each training, and twenty of those of Table V, projected into the range of the generator
(eq. 13) from eight starts, of which the closest are kept on the way; minutes for each.  Writes
results/calibration/ranges.json, a set at a time; the same command goes on where it was stopped.
"""

import json
from pathlib import Path

from torch import Tensor

from ilib.data import dgp_reference
from ilib.data.pictures import to_float
from ilib.gan.registry import read_registry, weights_folder
from ilib.metrics import psnr
from ilib.priors.load import load_prior
from ilib.priors.plans import plan_of, weights_name
from ilib.priors.products import products_of
from ilib.priors.ranges import Projection, project, range_error
from ilib.results.runs import call_by_name, device_name

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "ranges.json"
N, STEPS = 20, 1500
AUTHORS = {"numbers": "svhn", "faces": "celeba", "shoes": "shoes"}
RATES = {"numbers": 0.01, "faces": 0.001, "shoes": 0.001}  # the paper's


def seen(name: str) -> dict[str, Tensor]:
    """Return pictures held out of a prior's training, and pictures spread over those of Table V."""
    authors = dgp_reference(AUTHORS[name])["original"]
    return {name: to_float(call_by_name(*plan_of(name, "cpu").held_out)[:N]),
            f"{name}, Table V": authors[:: len(authors) // N][:N].float()}  # fmt: skip


def main() -> None:
    content = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.is_file() else {}
    registry = read_registry(weights_folder())
    for name, rate in RATES.items():
        weights = weights_name(name, "cpu")
        if weights not in registry:
            continue
        for label, x in seen(name).items():
            if content.get(label, {}).get("sha256") == registry[weights]["sha256"]:
                continue
            stages = ((0, 8), (STEPS // 20, 4), (3 * STEPS // 20, 2), (STEPS // 4, 1))
            near = project(x, products_of(load_prior(weights)), Projection(STEPS, rate, stages), range(N))
            content[label] = {"pictures": N, "psnr": [round(v, 3) for v in psnr(near.x, x).tolist()],
                              "range_error": [round(v, 3) for v in range_error(x, near.x).tolist()],
                              "sha256": registry[weights]["sha256"], "device": device_name(x)}  # fmt: skip
            OUTPUT.write_text(json.dumps(content) + "\n", encoding="utf-8")
            print(label, sum(content[label]["psnr"]) / N, flush=True)


if __name__ == "__main__":
    main()
