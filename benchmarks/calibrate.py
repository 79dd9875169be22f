"""Choose the constants of ilib.classical on training photographs: `python -m benchmarks.calibrate` (about ten minutes).

Writes results/calibration/classical.json: the mean PSNR in dB over photographs for each constant, kernel and noise
level, from which a test and chapter 3 read that the constants in use are the best of those tried.  Needs ILIB_DATA.
"""

import json
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from ilib import classical, kernels
from ilib.data import load
from ilib.degrade import Measurement
from ilib.metrics import psnr
from ilib.operators import CircularBlur

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "classical.json"
DATA, COUNT = "bsds500/train", 8
NOISE = (0.0, 0.01, 0.05)
KERNELS = {
    "gaussian": kernels.gaussian(50**0.5).float(),
    "motion": kernels.motion(27, 1, 1, length=24, anxiety=0.05)[0].float(),
}
TRIED = {
    "GRADIENT_POWER": (0.005, 0.011, 0.02, 0.04),
    "TV_SCALE": (0.05, 0.1, 0.2, 0.4),
    "HL_SCALE": (0.06, 0.12, 0.25, 0.5),
    "RL_STOP": (0.1, 0.2, 0.4, 0.8),
}


def restore(constant: str, value: float, y: Tensor, A: CircularBlur, noise: float) -> Tensor:
    """Run the method that a constant belongs to, with another value of it."""
    if constant == "GRADIENT_POWER":
        return classical.wiener(y, A, noise=noise, power=value)
    if constant == "TV_SCALE":
        return classical.tv(y, A, noise=noise, scale=value)
    if constant == "HL_SCALE":
        return classical.hyper_laplacian(y, A, noise=noise, scale=value)
    return classical.richardson_lucy(y, A, noise=noise, iterations=classical.stop_after(noise, value))


def main() -> None:
    pictures = load(DATA, size=256)
    x = pictures.x[:: len(pictures) // COUNT][:COUNT]
    power = float(classical.gradient(x).square().sum(0).mean())
    rows = []
    for (name, kernel), noise in product(KERNELS.items(), NOISE):
        m = Measurement(CircularBlur(kernel), noise)
        y = m(x)
        for constant, values in TRIED.items():
            for value in values:
                estimate = restore(constant, value, y, m.operator, m.sigma).clamp(0, 1)
                mean = round(float(psnr(estimate, x).mean()), 2)
                rows.append({"constant": constant, "value": value, "kernel": name, "noise": noise, "psnr": mean})
            print(name, noise, constant, [row["psnr"] for row in rows[-len(values) :]], flush=True)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    content = {"data": DATA, "n": COUNT, "mean_squared_gradient": round(power, 4), "rows": rows}
    OUTPUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
