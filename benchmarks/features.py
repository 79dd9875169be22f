"""Measure what VGG-16 and random features say of the same distortions: `python -m benchmarks.features` (seconds).

Writes results/calibration/features.json: R of eq. 15 between the embedded test photographs and distorted copies, for
each kind of features, beside the mean squared error.  Chapter 4 reads it.  Needs ILIB_DATA, where VGG-16's weights lie.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from ilib.data import load
from ilib.degrade import add_noise, jpeg
from ilib.gan.losses import perceptual_loss
from ilib.kernels import gaussian
from ilib.networks import VGG
from ilib.operators import CircularBlur

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "features.json"
DATA, SIZE, N, KINDS = "embedded/test", 128, 2, ("random", "vgg16")


def distorted(x: Tensor) -> dict[str, Tensor]:
    """Distort pictures in five ways, each in rising strength.  (B, C, H, W) -> name -> (B, C, H, W)."""
    mean = x.mean((-2, -1), keepdim=True)
    return (
        {f"blur, {s:g} px": CircularBlur(gaussian(s).float())(x) for s in (0.5, 1, 2, 4)}
        | {f"noise, {100 * s:g} %": add_noise(x, s) for s in (0.01, 0.03, 0.1)}
        | {f"shift, {n} px": x.roll(n, -1) for n in (1, 2, 4)}
        | {f"contrast, {100 * c:g} %": mean + c * (x - mean) for c in (0.9, 0.7, 0.5)}
        | {f"JPEG, quality {q}": jpeg(x, q) for q in (80, 20, 5)}
    )


def main() -> None:
    x = load(DATA, size=SIZE, n=N).x
    pictures = distorted(x)
    figures = {kind: {name: float(perceptual_loss(vgg, z, x)) for name, z in pictures.items()}
               for kind, vgg in ((kind, VGG(kind)) for kind in KINDS)}  # fmt: skip
    figures["squared error"] = {name: float((z - x).square().mean()) for name, z in pictures.items()}
    rounded = {kind: {name: float(f"{value:.5g}") for name, value in row.items()} for kind, row in figures.items()}
    OUTPUT.write_text(json.dumps({"data": DATA, "size": SIZE, "n": N, "R": rounded}, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
