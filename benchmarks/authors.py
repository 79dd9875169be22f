"""Score what Asim et al. published, picture by picture: `ILIB_DATA=... python -m benchmarks.authors` (ten seconds).

Their blurred inputs, their estimates by Algorithms 1 and 2, their range images and the estimates from blurred range
images (these against the range image), with the correlation of their kernels with the true ones.  The pictures are
theirs and stay where they are; the figures are facts.  Writes results/calibration/authors.json.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from ilib.data import dgp_reference
from ilib.metrics import psnr, ssim
from ilib.priors.aligned import kernel_correlation
from ilib.priors.inputs import SIDES

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "authors.json"
SOURCE = "the test material that Asim et al. (2020) published with their code, 8 bits"
SCORED = {"blurred": ("alg1_y_from_test", "original"), "algorithm_1": ("alg1_x_hat_from_test", "original"),
          "algorithm_2": ("alg2_x_hat_from_test", "original"), "range_image": ("range_image", "original"),
          "range": ("alg1_x_hat_from_range", "range_image")}  # fmt: skip
KERNELS = {"algorithm_1": "alg1_w_hat_from_test_maxnorm", "algorithm_2": "alg2_w_hat_from_test_maxnorm"}


def scores(found: dict[str, Tensor]) -> dict[str, dict[str, list[float]]]:
    """Return PSNR (dB) and SSIM of each picture for each of the authors' results, and of each kernel its likeness."""
    made: dict[str, dict[str, list[float]]] = {}
    for name, (estimate, truth) in SCORED.items():
        if estimate in found:
            pair = found[estimate], found[truth]
            made[name] = {"psnr": _rounded(psnr(*pair), 3), "ssim": _rounded(ssim(*pair), 4)}
    for name, kernel in KERNELS.items():
        if kernel in found:
            k = found["kernels"][: len(found[kernel])]
            made[name]["kernel_correlation"] = _rounded(kernel_correlation(found[kernel], k), 4)
    return made


def _rounded(values: Tensor, digits: int) -> list[float]:
    return [round(v, digits) for v in values.double().tolist()]


def main() -> None:
    content = {"schema": 1, "source": SOURCE, "sets": {name: scores(dgp_reference(name)) for name in SIDES}}
    OUTPUT.write_text(json.dumps(content) + "\n", encoding="utf-8")
    for name, made in content["sets"].items():
        print(name, {key: round(float(torch.tensor(v["psnr"]).mean()), 2) for key, v in made.items()})


if __name__ == "__main__":
    main()
