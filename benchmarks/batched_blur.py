"""Time the blur of a batch with a different kernel per picture: `python -m benchmarks.batched_blur` (one minute).

Published training code blurs sample by sample and channel by channel: reflection padding, then conv2d with a 31 x 31
kernel.  Here the batch is one batched FFT.  Every contender runs once a round in a new order, and its least time is
reported.  Writes results/benchmarks/batched_blur.json, which a chapter reads.
"""

import argparse
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.blur import Call, ratios
from ilib import kernels
from ilib.operators import Blur, CircularBlur
from ilib.results.runs import device_name, software_versions

OUTPUT = Path(__file__).parents[1] / "results" / "benchmarks" / "batched_blur.json"
BATCH, CHANNELS, SIZE, KERNEL = 16, 3, 128, 31


def published_loop(x: Tensor, kernel: Tensor) -> Tensor:
    """Blur as published training code does: one conv2d per sample and channel.  kernel (B, h, w) odd -> like x."""
    margin = kernel.shape[-1] // 2
    rows = []
    for picture, k in zip(x, kernel.flip(-2, -1), strict=True):  # flipped: conv2d correlates
        padded = F.pad(picture[None], (margin,) * 4, mode="reflect")
        rows.append(torch.cat([F.conv2d(padded[:, c : c + 1], k[None, None]) for c in range(x.shape[1])], 1))
    return torch.cat(rows)


def grouped_conv2d(x: Tensor, kernel: Tensor) -> Tensor:
    """Blur the batch by one conv2d with a group per sample and channel."""
    margin, (b, c, h, w) = kernel.shape[-1] // 2, x.shape
    padded = F.pad(x, (margin,) * 4, mode="reflect").reshape(1, b * c, h + 2 * margin, w + 2 * margin)
    weight = kernel.flip(-2, -1)[:, None].repeat_interleave(c, 0)
    return F.conv2d(padded, weight, groups=b * c).reshape(x.shape)


def contenders(batch: int = BATCH) -> dict[str, Call]:
    """Return what is timed; what has reflecting borders is checked against the loop."""
    x = torch.rand(batch, CHANNELS, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    kernel = kernels.motion(KERNEL, batch, 0, length=25.0, anxiety=0.05).float()
    kept, reflecting = CircularBlur(kernel), Blur(kernel, "reflect")
    calls: dict[str, Call] = {
        "batched FFT, new kernels": lambda: CircularBlur(kernel)(x),
        "batched FFT, kept OTF": lambda: kept(x),
        "batched FFT, reflecting border": lambda: reflecting(x),
        "conv2d, one group per sample and channel": lambda: grouped_conv2d(x, kernel),
        "loop over samples and channels": lambda: published_loop(x, kernel),
    }
    expected, m = published_loop(x, kernel), KERNEL // 2
    for name, call in calls.items():
        gap = (call() - expected)[..., m:-m, m:-m].abs().max()  # borders differ, the inside may not
        if gap > 1e-4:
            raise AssertionError(f"{name} differs from the loop by {float(gap):.2g}: not the same work")
    return calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=41, help="rounds")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the JSON goes")
    options = parser.parse_args()
    ratio, base = ratios(contenders(), options.rounds)
    content = {
        "device": device_name(torch.zeros(1)),
        "threads": torch.get_num_threads(),
        "rounds": options.rounds,
        "versions": software_versions(),
        "shape": [BATCH, CHANNELS, SIZE, SIZE],
        "kernel": KERNEL,
        "batched_ms": round(1e3 * base, 2),
        "ratio": ratio,
    }
    print(json.dumps(content, indent=1))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
