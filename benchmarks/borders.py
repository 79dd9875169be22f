"""What lies beyond the border of a photograph: `ILIB_DATA=... python -m benchmarks.borders` (minutes).

Training photographs behind drawn shakes and a disk, their borders cut off as a camera's are: taken as periodic,
continued smoothly, and found with the picture, in several numbers of rounds, from several noises.  The right kernel,
and one that is a tenth too large.  Writes results/calibration/borders.json, from which ilib.classical takes
FILLS and FIRST.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ilib import classical, kernels
from ilib.data import load
from ilib.degrade import Measurement, quantisation_noise
from ilib.metrics import psnr
from ilib.operators import Blur, CircularBlur

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "borders.json"
N, SIDE, NOISES = 4, 192, (0.0, 0.01)
METHODS = {"wiener": classical.wiener, "tv": classical.tv}
TRIED = [(fills, first) for first in (1.0, 9.0, 27.0) for fills in (4, 16, 64)]
Kernels = Callable[[float], Tensor]


def shakes(scale: float) -> Tensor:
    return kernels.motion(23, N, seed=5, length=15 * scale, anxiety=0.03).float()


def disks(scale: float) -> Tensor:
    return torch.nn.functional.pad(kernels.disk(7 * scale).float(), (1, 1, 1, 1))


def figures(made: Kernels, noise: float, told: float) -> dict[str, dict[str, float]]:
    """Return the mean PSNR of each method behind kernels made at scale 1, told them at another, for each border."""
    x = load("bsds500/train", size=SIDE, n=N).x
    y = Measurement(Blur(made(1.0), "valid"), noise, 8, 3)(x)
    cut = (SIDE - y.shape[-1]) // 2
    truth, sigma = x[..., cut:-cut, cut:-cut], max(noise, quantisation_noise(8))
    A, found = CircularBlur(made(told), normalise=True), {}
    for name, plain in METHODS.items():
        method = partial(plain, noise=sigma)
        estimates = {"periodic": method(y, A), "continued": classical.with_borders(method)(y, A)}
        for fills, first in TRIED:
            x_hat = method(classical.beyond(y, A, noise=sigma, fills=fills, first=first), A)
            estimates[f"found, {fills} rounds, from noise x {first:g}"] = x_hat[..., : y.shape[-2], : y.shape[-1]]
        mean = {border: float(psnr(x_hat.clamp(0, 1), truth).mean()) for border, x_hat in estimates.items()}
        found[name] = {border: round(value, 2) for border, value in mean.items()}
    return found


def main() -> None:
    rows = []
    for label, made in {"shakes of 15 pixels": shakes, "a disk of 7 pixels": disks}.items():
        for noise in NOISES:
            for told in (1.0, 1.1):
                rows.append({"kernels": label, "noise": noise, "told": told, "psnr": figures(made, noise, told)})
                print(json.dumps(rows[-1]), flush=True)
    content = {"photographs": f"bsds500/train, {N} of {SIDE} x {SIDE} pixels, 8 bits", "rows": rows}
    OUTPUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
