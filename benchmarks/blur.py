"""Time circular blur against the bare FFT pair and its peers: `python -m benchmarks.blur` (4 minutes on two cores).

Every contender of a case runs once a round, in a new order each time, so that all see the same machine; what is
reported is the least of its times over the least of the bare pair's, since other work only ever adds.  Writes
results/benchmarks/blur.json, which a page of the book shows.  deepinv takes part where it can be imported.
"""

import argparse
import functools
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.fft
import scipy.signal
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fft import irfft2, rfft2
from torch.profiler import profile

from ilib import kernels
from ilib.operators import CircularBlur
from ilib.results.runs import device_name, software_versions

OUTPUT = Path(__file__).parents[1] / "results" / "benchmarks" / "blur.json"
SHAPES = ((8, 3, 256, 256), (1, 3, 720, 1280))
SIZES = (3, 5, 9, 15, 31, 61)
Call = Callable[[], object]


def conv2d(x: Tensor, kernel: Tensor) -> Tensor:
    """Convolve directly with periodic borders, as PyTorch has it: pad by hand, one group per channel."""
    h, w = kernel.shape
    padded = F.pad(x, (w - 1 - w // 2, w // 2, h - 1 - h // 2, h // 2), mode="circular")
    channels = x.shape[1]
    return F.conv2d(padded, kernel.flip(0, 1).expand(channels, 1, h, w), groups=channels)


def scipy_fft(x: np.ndarray, transfer: np.ndarray) -> np.ndarray:
    """Multiply by a cached transfer function between scipy's real FFTs, on as many threads as torch has."""
    threads = torch.get_num_threads()
    return scipy.fft.irfft2(scipy.fft.rfft2(x, workers=threads) * transfer, s=x.shape[-2:], workers=threads)


def scipy_fftconvolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Wrap the border by hand and call scipy.signal.fftconvolve."""
    h, w = kernel.shape
    pad = ((0, 0), (0, 0), (h - 1 - h // 2, h // 2), (w - 1 - w // 2, w // 2))
    return scipy.signal.fftconvolve(np.pad(x, pad, mode="wrap"), kernel[None, None], mode="valid", axes=(-2, -1))


def deepinv_blur(shape: tuple[int, ...], kernel: Tensor) -> Callable[[Tensor], Tensor] | None:
    """Return deepinv's BlurFFT, or None where it cannot be imported."""
    try:
        _stand_in_for_torchvision()
        from deepinv.physics import BlurFFT
    except (ImportError, RuntimeError):
        return None
    return BlurFFT(img_size=shape[1:], filter=kernel[None, None])


@functools.cache
def _stand_in_for_torchvision() -> None:
    """Declare the two operators without which torchvision, which deepinv imports, stops on a CPU build of torch."""
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def contenders(shape: tuple[int, ...], size: int) -> dict[str, Call]:
    """Return what is timed for one picture shape and one kernel size, each checked against the operator."""
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    kernel = kernels.gaussian(size / 6, size).float()
    many = kernel.expand(shape[0], size, size).contiguous()
    A = CircularBlur(kernel)
    array, weights, transfer = x.numpy(), kernel.numpy(), A.otf(*shape[-2:]).numpy()
    calls: dict[str, Call] = {
        "bare FFT pair": lambda: irfft2(rfft2(x), s=shape[-2:]),
        "A(x)": lambda: A(x),
        "A.adjoint(y)": lambda: A.adjoint(x),
        "new kernel, one for all": lambda: CircularBlur(kernel)(x),
        "new kernel per picture": lambda: CircularBlur(many)(x),
        "scipy.fft, kept OTF": lambda: scipy_fft(array, transfer),
        "scipy.signal.fftconvolve": lambda: scipy_fftconvolve(array, weights),
        "torch conv2d, circular": lambda: conv2d(x, kernel),
    }
    peer = deepinv_blur(shape, kernel)
    if peer is not None:
        calls["deepinv BlurFFT"] = lambda: peer(x)
    for name, call in calls.items():
        gap = float(np.abs(np.asarray(call()) - np.asarray(A(x))).max())
        if name not in ("bare FFT pair", "A.adjoint(y)") and gap > 1e-4:
            raise AssertionError(f"{name} differs from A(x) by {gap:.2g}: the comparison is not of the same work")
    return calls


def seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratios(calls: dict[str, Call], rounds: int) -> tuple[dict[str, float], float]:
    """Return each call's least time over the first one's, and that one's in seconds.

    Every round runs all calls in a new order, since what ran before leaves caches and memory in another state; calls
    that take twenty times as long as the first run in three rounds only.
    """
    base, *_ = calls
    limit = 20 * min(seconds(calls[base]) for _ in range(3))
    slow = {name for name, call in calls.items() if seconds(call) > limit}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    shuffle = random.Random(0)
    for r in range(rounds):
        names = [name for name in calls if name not in slow or r < 3]
        for name in shuffle.sample(names, len(names)):
            taken[name].append(seconds(calls[name]))
    least = {name: min(values) for name, values in taken.items()}
    return {name: round(value / least[base], 2) for name, value in least.items()}, least[base]


def peak_bytes(call: Call) -> int:
    """Return the most memory, in bytes, that torch held beyond its start while the call ran."""
    call()
    with profile(profile_memory=True) as trace:
        call()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        trace.export_chrome_trace(str(file))
        events = json.loads(file.read_text())["traceEvents"]
    memory = sorted((e["ts"], e["args"]["Bytes"]) for e in events if e.get("name") == "[memory]")
    return int(np.cumsum([0] + [size for _, size in memory]).max())


def measure(shape: tuple[int, ...], size: int, rounds: int) -> dict[str, object]:
    """Return one case: ratios to the bare pair, milliseconds of the pair, and memory in units of the picture."""
    calls = contenders(shape, size)
    picture = 4 * int(np.prod(shape))
    names = ("bare FFT pair", "A(x)", "new kernel per picture")
    memory = {name: round(peak_bytes(calls[name]) / picture, 2) for name in names}
    memory["one OTF per kernel"] = round(shape[0] * shape[2] * (shape[3] // 2 + 1) * 8 / picture, 2)
    ratio, bare = ratios(calls, rounds)
    return {
        "shape": list(shape),
        "kernel": size,
        "bare_ms": round(1e3 * bare, 2),
        "ratio": ratio,
        "peak_memory_in_pictures": memory,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=41, help="rounds per case")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the JSON goes")
    options = parser.parse_args()
    cases = []
    for shape in SHAPES:
        for size in SIZES:
            cases.append(measure(shape, size, options.rounds))
            print(shape, f"kernel {size}:", cases[-1]["ratio"], cases[-1]["peak_memory_in_pictures"], flush=True)
    content = {
        "device": device_name(torch.zeros(1)),
        "threads": torch.get_num_threads(),
        "rounds": options.rounds,
        "versions": software_versions(),
        "cases": cases,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
