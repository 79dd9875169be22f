"""Choose the first and the last beta of ilib.epll on training photographs: `python -m benchmarks.calibrate_epll`.

Writes results/calibration/epll.json: the mean PSNR in dB for each value, kernel and noise level, the other constant as
it is in use, from which a test reads that both are the best of those tried.  Needs ILIB_DATA; five minutes of one core.
"""

import json
from itertools import product
from pathlib import Path

import torch

from ilib import epll
from ilib.data import load
from ilib.degrade import Measurement
from ilib.metrics import psnr
from ilib.operators import CircularBlur

from .calibrate import DATA, KERNELS, NOISE

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "epll.json"
COUNT, SIZE = 3, 128
TRIED = {"FIRST": (5.0, 10.0, 25.0), "LAST": (0.1, 0.5, 2.0)}


def main() -> None:
    pictures = load(DATA, size=SIZE)
    x = pictures.x[:: len(pictures) // COUNT][:COUNT]
    rows, known = [], {}
    for (name, kernel), noise in product(KERNELS.items(), NOISE):
        m = Measurement(CircularBlur(kernel), noise)
        y = m(x)
        for constant, values in TRIED.items():
            for value in values:
                told = {"first": epll.FIRST, "last": epll.LAST} | {constant.lower(): value}
                key = (name, noise, *told.values())
                if key not in known:
                    estimate = epll.epll(y, m.operator, noise=m.sigma, **told).clamp(0, 1)
                    known[key] = round(float(psnr(estimate, x).mean()), 2)
                rows.append({"constant": constant, "value": value, "kernel": name, "noise": noise, "psnr": known[key]})
            print(name, noise, constant, [row["psnr"] for row in rows[-len(values) :]], flush=True)
    content = {"data": DATA, "n": COUNT, "size": SIZE, "rows": rows}
    OUTPUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
