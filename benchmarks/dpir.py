"""Measure as DPIR's released code does: `python -m benchmarks.dpir` (ten minutes on one core; needs ILIB_DATA).

The protocol is read off the authors' script (github.com/cszn/DPIR, main_dpir_deblur.py; Zhang et al., 2021): Levin's
eight kernels, periodic convolution of the 8-bit picture into 8 bits again (cut off, not rounded), white noise of 2.55,
7.65 or 12.75 grey levels from NumPy's generator with the seed 0, not rounded and not clipped; the estimate rounded to
8 bits, PSNR over the whole picture.  Of the three pictures of its test set Butterfly is here, as a picture of Set5;
grey, which is what the script does as it stands, and in colour.  Writes results/benchmarks/dpir.json, which a chapter
reads.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.ndimage
import torch
from torch import Tensor

from ilib.classical import blurred, hyper_laplacian, wiener
from ilib.data import levin09_kernels, load
from ilib.deblur import unrolled_network
from ilib.metrics import psnr
from ilib.operators import CircularBlur
from ilib.plug_and_play import CNN_WEIGHT, falling, plug_and_play

from .dncnn import OURS_IN_COLOUR, grey, in_colour

OUTPUT = Path(__file__).parents[1] / "results" / "benchmarks" / "dpir.json"
PICTURE, LEVELS = "butterfly", (2.55, 7.65, 12.75)  # grey levels
Method = Callable[..., Tensor]  # (y, A, noise) -> x_hat


def plugged_in(y: Tensor, A: CircularBlur, noise: float) -> Tensor:
    """Plug and play with the book's denoiser, on grey pictures too.  (B, 1 or 3, H, W) -> the same."""
    D = OURS_IN_COLOUR if y.shape[1] == 3 else in_colour(OURS_IN_COLOUR)
    return plug_and_play(y, A, D, falling(noise), noise=noise, weight=CNN_WEIGHT)


METHODS: dict[str, Method] = {"blurred": lambda y, A, noise: blurred(y, A), "Wiener": wiener, "HL": hyper_laplacian,
                              "plug and play": plugged_in, "unrolled": unrolled_network}  # fmt: skip


def butterfly() -> Tensor:
    """Return the picture in 8 bits.  -> (3, 256, 256) uint8; ValueError where Set5 has no such picture."""
    pictures = load("set5", how=None)
    found = [i for i, name in enumerate(pictures.names) if PICTURE in name]
    if not found:
        raise ValueError(f"set5 holds no {PICTURE}; it holds {', '.join(pictures.names)}")
    return pictures.pixels[found[0]]


def seen(pixels: Tensor, kernel: Tensor, noise: float) -> Tensor:
    """Blur and add noise as the script does.  pixels (C, H, W) uint8, kernel (h, w), noise in grey levels -> float."""
    picture = pixels.permute(1, 2, 0).numpy()  # the script's order of axes, and so of the noise
    soft = scipy.ndimage.convolve(picture, kernel.double().numpy()[..., None], mode="wrap")
    y = soft / np.float32(255) + np.random.RandomState(0).normal(0, noise / 255, soft.shape)
    return torch.from_numpy(y.astype(np.float32)).permute(2, 0, 1)


def figure(method: Method, pixels: Tensor, kernel: Tensor, noise: float) -> float:
    """Return the PSNR (dB) of one restored picture (C, H, W) uint8."""
    y = seen(pixels, kernel, noise)[None]
    x_hat = method(y, CircularBlur(kernel.float()), noise=noise / 255)
    return round(float(psnr((x_hat.clamp(0, 1) * 255).round() / 255, pixels[None] / 255)), 2)


def main() -> None:
    colour = butterfly()
    looks = {"grey": (grey(colour[None].double())[0]).round().byte(), "colour": colour}
    rows = []
    for look, pixels in looks.items():
        for noise in LEVELS:
            for name, method in METHODS.items():
                each = [figure(method, pixels, k, noise) for k in levin09_kernels()]
                rows.append({"look": look, "noise": noise, "method": name, "psnr": each})
                print(rows[-1], flush=True)
    OUTPUT.write_text(json.dumps({"picture": f"set5/{PICTURE}", "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
