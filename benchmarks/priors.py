"""Time Algorithm 1 against a loop over pictures and restarts: `python -m benchmarks.priors` (some minutes, two cores).

Ours: (pictures x restarts) as one batch in chunks, gradients by real FFTs in closed form, each generator run once an
iteration, batch norm folded, the generator of pictures in bfloat16 (and once more in float32; and, where its layers
allow it, as matrix products).  Theirs, written as the
text has it: one picture and one restart at a time, float32, complex FFTs, automatic differentiation of the whole
objective once for each of the two latent vectors, batch norm in inference mode.  The two take turns, so that both see
the same machine; what is reported is the best round of each.  Speed does not depend on the weights: they are random.
Writes results/benchmarks/priors.json.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.fft import fft2

from ilib.networks import DCGAN, BlurDecoder, NumberDecoder, folded
from ilib.priors.algorithm_1 import Descent, alternate
from ilib.priors.aligned import on_canvas
from ilib.priors.latent import Generators, draws, in_chunks, normalised
from ilib.priors.load import halved
from ilib.priors.products import products_of
from ilib.results.runs import device_name, software_versions

OUTPUT = Path(__file__).parents[1] / "results" / "benchmarks" / "priors.json"
NETWORKS: dict[str, Callable[[], nn.Module]] = {"svhn": NumberDecoder, "celeba": DCGAN}
PICTURES, RESTARTS = 4, 10


def loss(y: Tensor, x: Tensor, k: Tensor) -> Tensor:
    """Return the data term of eq. 7 by complex FFTs."""
    height, width = y.shape[-2:]
    k = on_canvas(k, height, width).roll((-(height // 2), -(width // 2)), (-2, -1))
    return (fft2(y) - fft2(x) * fft2(k)[:, None]).abs().square().sum()


def theirs(y: Tensor, G: Generators, how: Descent, steps: range, restarts: int) -> None:
    """Descend picture by picture, restart by restart."""
    for i in range(len(y)):
        for r in range(restarts):
            z = {name: draws([i], restarts, n, j)[:, r].to(y) for j, (name, n) in enumerate(G.latents().items())}
            for t in steps:
                for name in ("z_k", "z_i"):
                    z = z | {name: stepped(y[i : i + 1], z, name, G, how.rate_at(t))}


def stepped(y: Tensor, z: dict[str, Tensor], name: str, G: Generators, rate: float) -> Tensor:
    """Return one latent vector after its step, by automatic differentiation."""
    free = z[name].clone().requires_grad_()
    now = z | {name: free}
    total = loss(y, G.picture(now["z_i"]), G.kernel(now["z_k"])) + 0.01 * free.square().sum()
    return z[name] - rate * normalised(torch.autograd.grad(total, free)[0])


def ours(y: Tensor, G: Generators, how: Descent, steps: range, restarts: int) -> None:
    """Descend with all runs side by side."""
    start = {name: draws(range(len(y)), restarts, n, j).to(y) for j, (name, n) in enumerate(G.latents().items())}
    in_chunks(lambda who, part: alternate(y[who], part, G, how, steps), start, how.chunk)


def rate_of(call: Callable[..., None], y: Tensor, G: Generators, how: Descent, work: tuple[int, int]) -> float:
    """Return picture-restart-iterations per second.  work: iterations and restarts."""
    iterations, restarts = work
    begun = time.perf_counter()
    call(y, G, how, range(iterations), restarts)
    return len(y) * restarts * iterations / (time.perf_counter() - begun)


def contenders(name: str, chunk: int) -> dict[str, Callable[[], float]]:
    """Return what is timed for one network: name -> a round."""
    torch.manual_seed(0)
    picture, kernel = NETWORKS[name]().eval().requires_grad_(False), BlurDecoder().requires_grad_(False)
    with torch.no_grad():
        y = picture(torch.randn(PICTURES, picture.latent))
    plain, fold, how = Generators(picture, kernel), Generators(folded(picture), kernel), Descent(chunk=chunk)
    half = Generators(halved(folded(picture)), kernel)
    few, many = (40, 1), (4, RESTARTS)
    calls = {
        "sequential float32": lambda: rate_of(theirs, y[:1], plain, how, few),
        "batched float32": lambda: rate_of(ours, y, fold, how, many),
        "batched bfloat16": lambda: rate_of(ours, y, half, how, many),
    }
    products = products_of(fold.picture)
    if products is not fold.picture:
        both = Generators(halved(products), kernel)
        calls["batched bfloat16, products"] = lambda: rate_of(ours, y, both, how, many)
    return calls


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chunk", type=int, default=20)
    asked = parser.parse_args()
    content: dict[str, object] = {"schema": 1, "rounds": asked.rounds, "threads": torch.get_num_threads(),
                                  "pictures": PICTURES, "restarts": RESTARTS, "chunk": asked.chunk,
                                  "device": device_name(torch.empty(0)), "versions": software_versions()}  # fmt: skip
    for name in NETWORKS:
        calls = contenders(name, asked.chunk)
        found = {contender: max(rounds) for contender, rounds in _rounds(calls, asked.rounds).items()}
        ratio = max(found.values()) / found["sequential float32"]
        content[name] = {"iterations_per_second": {k: round(v, 1) for k, v in found.items()}, "ratio": round(ratio, 2)}
        print(name, content[name], flush=True)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _rounds(calls: dict[str, Callable[[], float]], n: int) -> dict[str, list[float]]:
    """Run all in turn, the other way round every other time."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(n + 1):
        for name in list(calls)[:: 1 if i % 2 else -1]:
            rate = calls[name]()
            if i:  # the first round warms up
                found[name].append(rate)
    return found


if __name__ == "__main__":
    main()
