"""How far to believe a kernel found in a small photograph: `ILIB_DATA=... python -m benchmarks.doubt` (minutes).

Training photographs of several sizes behind drawn shakes: kernels are looked for in a window of some part of the
picture, and the last step assumes more and more noise.  Writes results/calibration/doubt.json, from which the constants
of ilib.blind.cautious are taken: the best mean over the sizes.
"""

import json
from pathlib import Path

import torch

from ilib import blind, kernels
from ilib.data import load
from ilib.degrade import Measurement
from ilib.metrics import shift_psnr
from ilib.operators import CircularBlur

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "doubt.json"
N, LONGEST, NOISES, SIDES = 12, 27, (0.005, 0.02), (64, 128, 192, 256, 320)
SHARES, DOUBTS = (7, 9, 12), (0.01, 0.02, 0.03, 0.04)


def gains_at(side: int, share: int) -> list[float]:
    """Return the mean gain in dB over y, at the best shift, for each noise that is assumed at least."""
    x = load("bsds500/train", size=side, n=N).x
    k = kernels.motion(LONGEST, N, seed=5, length=torch.linspace(6, 24, N), anxiety=0.03).float()
    gains = torch.zeros(len(DOUBTS))
    for noise in NOISES:
        y = Measurement(CircularBlur(k), noise, 8, 3)(x)
        kernel = blind.find_kernel(y, blind.window(y, LONGEST, share), blind.L0_GRADIENT)
        for i, least in enumerate(DOUBTS):
            x_hat = blind.deconvolved(y, kernel, max(noise, least)).clamp(0, 1)
            gains[i] += (shift_psnr(x_hat, x) - shift_psnr(y, x)).mean() / len(NOISES)
    return [round(float(gain), 3) for gain in gains]


def main() -> None:
    rows = []
    for share in SHARES:
        for side in SIDES:
            rows.append({"share": share, "side": side, "gains": gains_at(side, share)})
            print(rows[-1], flush=True)
    content = {"photographs": f"bsds500/train, {N}, drawn shakes of 6 to 24 pixels", "noises": NOISES, "doubts": DOUBTS}
    OUTPUT.write_text(json.dumps(content | {"rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
