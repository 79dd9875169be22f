"""PSNR of Algorithm 1 against its iterations: `ILIB_DATA=... python -m benchmarks.schedules` (an hour of a core).

House numbers held out of the prior's training, blurred here, with the paper's settings and ten restarts: all of them
are followed to the end, in the paper's iterations and in a third of them, so that it can be read off what any schedule
that drops restarts would have kept.  Writes results/calibration/schedules.json, a few pictures at a time; the same
command goes on where it was stopped.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.likely import held_out, rounded
from ilib.metrics import psnr
from ilib.priors.algorithm_1 import Descent, alternate, misfit
from ilib.priors.latent import Generators, State, draws, in_chunks
from ilib.priors.load import halved, load_prior
from ilib.priors.methods import CHUNK, RESTARTS, STEPS, stages_of
from ilib.priors.plans import weights_name
from ilib.priors.products import products_of
from ilib.results.runs import device_name

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "schedules.json"
FAMILY, TOGETHER, SHARES = "svhn", 3, {"the paper's iterations": 1, "a third of them": 3}
MARKS = (0.02, 0.03, 0.05, 0.08, 0.11, 0.15, 0.2, 0.25, 0.35, 0.5, 0.65, 0.8, 1.0)  # of the way; the stages' too


def followed(y: Tensor, x: Tensor, seeds: list[int], steps: int) -> dict[str, list[list[list[float]]]]:
    """Run all restarts and look at them at every mark.  -> misfit and PSNR in dB, picture by restart by mark."""
    prior, kernel = (load_prior(weights_name(name, "cpu")) for name in ("numbers", "blur"))
    G = Generators(products_of(prior), kernel)
    fast = Generators(halved(G.picture), kernel)
    how = Descent(steps, stages_of(steps, False), decay=1000 * steps / STEPS[FAMILY], chunk=CHUNK, bf16=True)
    state: State = {name: draws(seeds, RESTARTS, length, i) for i, (name, length) in enumerate(G.latents().items())}
    seen: list[State] = []
    marks = [round(share * steps) for share in MARKS]

    def move(steps: range) -> State:
        return in_chunks(lambda who, part: alternate(y[who], part, fast, how, steps), state, CHUNK)

    @torch.no_grad()
    def look(who: Tensor, part: State) -> State:
        picture = G.picture(part["z_i"])
        return {"misfit": misfit(y[who], picture, G.kernel(part["z_k"])), "psnr": psnr(picture, x[who])}

    for first, last in zip([0, *marks], marks, strict=False):
        state = move(range(first, last))
        seen.append(in_chunks(look, state, CHUNK))
    whole = {name: torch.stack([one[name] for one in seen], dim=2) for name in ("misfit", "psnr")}
    return {name: [[rounded(run, digits) for run in picture] for picture in whole[name]]
            for name, digits in (("misfit", 7), ("psnr", 2))}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pictures", type=int, default=6)
    asked = parser.parse_args()
    content = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.is_file() else {}
    content = {"marks": list(MARKS), "restarts": RESTARTS, "steps": {}, "runs": {},
               "device": device_name(torch.empty(0))} | content  # fmt: skip
    pairs = held_out(FAMILY)
    for first in range(0, asked.pictures, TOGETHER):
        who = list(range(first, min(first + TOGETHER, asked.pictures)))
        for name, share in reversed(SHARES.items()):
            runs = content["runs"].setdefault(name, {"misfit": [], "psnr": []})
            content["steps"][name] = steps = STEPS[FAMILY] // share
            if len(runs["psnr"]) >= who[-1] + 1:
                continue
            for key, values in followed(pairs.y[who], pairs.pictures.x[who], who, steps).items():
                runs[key] += values
            OUTPUT.write_text(json.dumps(content) + "\n", encoding="utf-8")
            print(name, who, flush=True)


if __name__ == "__main__":
    main()
