"""Choose the first and the last beta of ilib.epll on training photographs: `python -m benchmarks.calibrate_epll`.

Writes results/calibration/epll.json: the mean PSNR in dB for each pair, kernel and noise level, from which a test reads
that the pair in use is the best of those tried.  Needs ILIB_DATA; five minutes of one core.
"""

import json
from itertools import product
from pathlib import Path

import torch

from ilib.data import load
from ilib.degrade import Measurement
from ilib.epll import epll
from ilib.metrics import psnr
from ilib.operators import CircularBlur

from .calibrate import DATA, KERNELS, NOISE

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "epll.json"
COUNT, SIZE = 2, 128
FIRST, LAST = (2.0, 5.0, 15.0, 50.0), (0.1, 0.5, 2.0)


def main() -> None:
    pictures = load(DATA, size=SIZE)
    x = pictures.x[:: len(pictures) // COUNT][:COUNT]
    rows = []
    for (name, kernel), noise in product(KERNELS.items(), NOISE):
        m = Measurement(CircularBlur(kernel), noise)
        y = m(x)
        for first, last in product(FIRST, LAST):
            estimate = epll(y, m.operator, noise=m.sigma, first=first, last=last).clamp(0, 1)
            mean = round(float(psnr(estimate, x).mean()), 2)
            rows.append({"first": first, "last": last, "kernel": name, "noise": noise, "psnr": mean})
            print(rows[-1], flush=True)
    OUTPUT.write_text(json.dumps({"data": DATA, "n": COUNT, "size": SIZE, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
