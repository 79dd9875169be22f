"""LPIPS: how different two pictures look, by features of AlexNet (Zhang et al., CVPR 2018, version 0.1)."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import check_batch, check_finite

FILE = "weights/lpips_alex_f16.npz"  # below ILIB_DATA
MEAN, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of pictures in [-1, 1]
LAYERS = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))  # stride and padding of the five convolutions
POOLED = (1, 2)  # layers whose input is pooled first
SMALLEST = 35  # pixels: below, nothing is left after the second pooling


def lpips(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return the perceptual distance of pictures in [0, 1], 0 where they are equal.  (B, 3, H, W) twice -> (B,).

    The features of five layers, each of length 1 over its channels; their squared differences, weighted by what people
    judged, averaged over the pixels and summed over the layers.  Colour in RGB.
    FileNotFoundError where the weights are not on this machine; ValueError for other channels or small pictures.
    """
    check_finite(x_hat, "x_hat"), check_finite(x, "x")
    weights, total = _weights(_path()), 0
    for i, (a, b) in enumerate(zip(_features(x_hat, weights), _features(x, weights), strict=True)):
        difference = (_unit(a) - _unit(b)).square()
        total = total + (difference * weights[f"lin{i}.weight"].to(x)[:, None, None]).sum(1).mean((1, 2))
    return total


def _features(x: Tensor, weights: dict[str, Tensor]) -> list[Tensor]:
    """Return what each of the five convolutions of AlexNet sees in pictures (B, 3, H, W), after its rectifier."""
    check_batch(x)
    if x.shape[1] != 3 or min(x.shape[-2:]) < SMALLEST:
        raise ValueError(f"LPIPS takes pictures of 3 channels and {SMALLEST} pixels or more, not {tuple(x.shape)}")
    h, found = (2 * x - 1 - x.new_tensor(MEAN)[:, None, None]) / x.new_tensor(SCALE)[:, None, None], []
    for i, (stride, padding) in enumerate(LAYERS):
        h = F.max_pool2d(h, 3, 2) if i in POOLED else h
        weight, bias = (weights[f"conv{i + 1}.{part}"].to(x) for part in ("weight", "bias"))
        h = F.conv2d(h, weight, bias, stride, padding).relu()
        found.append(h)
    return found


def _unit(h: Tensor) -> Tensor:
    return h / (h.square().sum(1, keepdim=True).sqrt() + 1e-10)


def _path() -> Path:
    folder = os.environ.get("ILIB_DATA")
    path = Path(folder or ".") / FILE
    if not folder or not path.is_file():
        raise FileNotFoundError(f"LPIPS's weights, {FILE}, are looked for below the folder that ILIB_DATA names and "
                                "are not there; set it, or leave lpips out of the table's metrics")
    return path


@cache
def _weights(path: Path) -> dict[str, Tensor]:
    with np.load(path) as file:
        return {name: torch.from_numpy(file[name]).float() for name in file.files}
