"""Time ODCNN's layers by both paths, direct and FFT: `python -m benchmarks.separable` (two minutes on one core).

Forward and backward of one layer on a batch, the two in turn, the least wall time of each; and whole training steps of
the network at the paper's size and at the cpu profile's, in crops a second, with the peak memory of a process of its
own.
Writes results/benchmarks/separable.json.
"""

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor

from ilib.networks import ODCNN
from ilib.networks.odcnn import convolve_by_fft, convolve_directly
from ilib.results.runs import device_name, peak_memory_mb, software_versions

OUTPUT = Path(__file__).parents[1] / "results" / "benchmarks" / "separable.json"
LAYERS = ((38, 3, 1, 121), (38, 38, 121, 1), (38, 38, 16, 16))  # out, in, height, width
BATCHES = ((8, 64), (4, 128))  # pictures, their side
NETWORKS = {"paper": {}, "cpu profile": {"taps": 41, "width": 24, "features": 64}}
PATHS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"direct": convolve_directly, "fft": convolve_by_fft}


def seconds(path: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: Tensor) -> float:
    """Time one forward and backward pass."""
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    start = time.perf_counter()
    path(x, weight).square().mean().backward()
    return time.perf_counter() - start


def layer(shape: tuple[int, ...], n: int, side: int, rounds: int) -> dict[str, object]:
    """Return milliseconds a picture by both paths, and how far they differ, relative to the largest number."""
    x, weight = torch.randn(n, shape[1], side, side), 0.05 * torch.randn(shape)
    reference = convolve_directly(x, weight)
    gap = float((convolve_by_fft(x, weight) - reference).abs().max() / reference.abs().max())
    if gap > 1e-4:
        raise AssertionError(f"the paths differ by {gap:.2g}: the comparison is not of the same work")
    taken: dict[str, list[float]] = {name: [] for name in PATHS}
    for _ in range(rounds):
        for name, path in PATHS.items():
            taken[name].append(seconds(path, x, weight))
    milliseconds = {name: round(1e3 * min(values) / n, 2) for name, values in taken.items()}
    return {"weight": list(shape), "batch": n, "side": side, "ms_per_picture": milliseconds, "gap": gap}


def crops_per_second(options: dict[str, int], n: int, side: int, rounds: int) -> tuple[float, float]:
    """Time whole steps of training: forward, backward, Adam.  -> crops a second, the process's peak memory in MB."""
    torch.set_num_threads(1), torch.manual_seed(0)
    net = ODCNN(**options)
    optimiser, y, taken = torch.optim.Adam(net.parameters(), lr=1e-5), torch.rand(n, 3, side, side), []
    for _ in range(rounds):
        start = time.perf_counter()
        (net(y) - y).square().mean().backward()
        optimiser.step(), optimiser.zero_grad()
        taken.append(time.perf_counter() - start)
    return round(n / min(taken), 2), peak_memory_mb()


def alone(*arguments: object) -> tuple[float, float]:
    """Run crops_per_second in a process of its own, whose memory is that of this network alone."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(crops_per_second, *arguments).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.manual_seed(0)
    cases, steps = [], []
    for n, side in BATCHES:  # first, while this process, whose peak its children inherit, is small
        for name, network in NETWORKS.items():
            rate, memory = alone(network, n, side, max(2, options.rounds // 2))
            steps.append({"network": name, "batch": n, "side": side, "crops_per_second": rate,
                          "peak_memory_mb": memory})  # fmt: skip
            print(steps[-1], flush=True)
    for n, side in BATCHES:
        for shape in LAYERS:
            cases.append(layer(shape, n, side, options.rounds))
            print(cases[-1], flush=True)
    content = {"device": device_name(torch.zeros(1)), "versions": software_versions(), "rounds": options.rounds,
               "layers": cases, "steps": steps}  # fmt: skip
    OUTPUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
