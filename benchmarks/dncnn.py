"""Plug in a denoiser that others trained: `python -m benchmarks.dncnn` (ten minutes on one core; needs ILIB_DATA).

DnCNN (Zhang et al., 2017), told the noise level, as KAIR has it, with 6 and with 17 layers, against the book's own
denoiser: the same grey pictures, the same eight shakes of Levin, the same steps of ilib.plug_and_play.  DnCNN takes one
grey channel.  The book's network takes three, whose noise was independent when it was trained: it is given the grey
picture three times over and sqrt(3) times the level, since the mean of three independent channels would have a third of
the variance, and the mean of its three channels is taken.  Every prior has the same weight, the one that was chosen for
the book's network, which is measured in colour as well.
Writes results/benchmarks/dncnn.json, which a chapter reads.  The weights are a third party's and not part of the book.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ilib.classical import hyper_laplacian
from ilib.data import levin09_kernels, load
from ilib.data.folders import data_root
from ilib.degrade import Measurement, add_noise
from ilib.errors import check_batch
from ilib.metrics import psnr
from ilib.operators import CircularBlur
from ilib.plug_and_play import CNN_WEIGHT, Prior, cnn_denoise, falling, plug_and_play

OUTPUT = Path(__file__).parents[1] / "results" / "benchmarks" / "dncnn.json"
FILES = {"DnCNN, 6 layers": "weights/dncnn6N_bnfolded_f32.npz", "DnCNN, 17 layers": "weights/dncnn17N_bnfolded_f32.npz"}
OURS, WEIGHTS = "the book's denoiser", "grand--pnp--levin--cpu--s0"
OURS_IN_COLOUR = partial(cnn_denoise, weights=WEIGHTS)
DATA, SIZE, NOISE = "kodak24", 192, 0.01  # of the column levin of the grand table
LEVELS = (0.02, 0.05, 0.1)  # at which the denoisers are compared as denoisers
BT601 = (0.299, 0.587, 0.114)


def grey(x: Tensor) -> Tensor:
    """Return the weighted mean of red, green and blue (BT.601).  (B, 3, H, W) -> (B, 1, H, W)."""
    return (x * x.new_tensor(BT601)[:, None, None]).sum(1, keepdim=True)


class DnCNN:
    """Noise by a chain of convolutions, taken away from the picture.  (x (B, 1, H, W), level s) -> like x.

    Convolutions alone, batch norm folded, periodic borders; the level is a second channel.  path: an npz of
    conv0.weight, conv1.weight, conv1.bias, ...  FileNotFoundError where there is none; ValueError for colour.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}: the weights of DnCNN are KAIR's and do not come with "
                                    "the book; set ILIB_DATA to a folder that holds them below weights/")
        with np.load(path) as file:
            tensors = {name: torch.from_numpy(file[name]).float() for name in file.files}
        layers = range(sum(name.endswith("weight") for name in tensors))
        self.layers = [(tensors[f"conv{i}.weight"], tensors.get(f"conv{i}.bias")) for i in layers]

    @torch.no_grad()
    def __call__(self, x: Tensor, s: float) -> Tensor:
        check_batch(x)
        if x.shape[1] != 1:
            raise ValueError(f"x has {x.shape[1]} channels; this DnCNN takes grey pictures (B, 1, H, W)")
        h = torch.cat((x.float(), torch.full_like(x, s, dtype=torch.float32)), 1)
        for i, (weight, bias) in enumerate(self.layers):
            h = F.conv2d(F.pad(h, (1, 1, 1, 1), mode="circular"), weight, bias)
            h = h.relu() if i < len(self.layers) - 1 else h
        return x - h[:, :1]


def in_colour(D: Prior) -> Prior:
    """Give a denoiser of colour pictures a grey one three times over, and take the mean.  -> one of grey pictures.

    It is told sqrt(3) times the level: it expects a mean of channels with independent noise.
    """
    return lambda x, s: D(x.expand(-1, 3, -1, -1), 3**0.5 * s).mean(1, keepdim=True)


def priors(home: Path) -> dict[str, Prior]:
    """Return the denoisers to compare, all of grey pictures; FileNotFoundError where weights are missing."""
    others: dict[str, Prior] = {name: DnCNN(home / file) for name, file in FILES.items()}
    return {OURS: in_colour(OURS_IN_COLOUR)} | others


def as_denoiser(D: Prior, x: Tensor) -> dict[str, float]:
    """Return the mean PSNR (dB) at every noise level."""
    return {f"{s:g}": mean_psnr(D(add_noise(x, s, seed=0), s), x) for s in LEVELS}


def mean_psnr(x_hat: Tensor, x: Tensor) -> float:
    return round(float(psnr(x_hat.clamp(0, 1), x).mean()), 2)


def timed(restore: Callable[[], Tensor], x: Tensor) -> dict[str, object]:
    """Return the PSNR (dB) of every picture, their mean, and the seconds of one picture."""
    start = time.perf_counter()
    x_hat = restore()
    seconds = (time.perf_counter() - start) / len(x)
    each = [round(float(p), 2) for p in psnr(x_hat.clamp(0, 1), x)]
    return {"psnr": round(sum(each) / len(each), 2), "each": each, "seconds": round(seconds, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=8, help="photographs, the first of the set; a shake each in turn")
    n = parser.parse_args().n
    found = priors(data_root() or Path())
    colour, k = load(DATA, size=SIZE, n=n).x, levin09_kernels().float()
    camera = Measurement(CircularBlur(k[torch.arange(n) % len(k)]), NOISE, 8, seed=0)
    x, A, sigma = grey(colour), camera.operator, camera.sigma
    y = camera(x)
    rows = {"blurred": timed(lambda: y, x), "HL": timed(lambda: hyper_laplacian(y, A, noise=sigma), x)}
    tried = [(name, D, x) for name, D in found.items()] + [(f"{OURS}, in colour", OURS_IN_COLOUR, colour)]
    for name, D, z in tried:
        steps = partial(plug_and_play, camera(z), A, D, falling(sigma), noise=sigma, weight=CNN_WEIGHT)
        rows[name] = timed(steps, z) | {"denoiser": as_denoiser(D, z)}
        print(name, rows[name], flush=True)
    said = {"data": DATA, "n": n, "size": SIZE, "noise": NOISE, "weight": CNN_WEIGHT, "weights": WEIGHTS}
    OUTPUT.write_text(json.dumps(said | {"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
