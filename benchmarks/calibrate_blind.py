"""Choose the constants of ilib.blind and ilib.dehaze: `python -m benchmarks.calibrate_blind` (ten minutes; ILIB_DATA).

Blind deblurring is tried on training photographs (bsds500/train) and on drawn pages, blurred by drawn kernels; dehazing
on the training scenes of the haze triples.  None of the pictures that are reported on is looked at.  Writes
results/calibration/blind.json.
"""

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from ilib import blind, dehaze, kernels
from ilib.data import haze_triples, load
from ilib.metrics import psnr, shift_error, shift_psnr
from ilib.operators import Blur, CircularBlur
from ilib.physics import same_size

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "blind.json"
PHOTOGRAPHS, PAGES, SIZE = 8, 6, 31
Scene = tuple[Tensor, Tensor, Tensor]  # x, kernels, y
TRIED = {
    "L0 gradient": (blind.L0_GRADIENT, {"decay": (1.05, 1.1, 1.2), "gamma": (0.3, 2.0, 10.0), "growth": (2.0, 4.0)}),
    "L0 intensity and gradient": (blind.L0_TEXT, {"lam": (4e-3, 4e-2), "least": (1e-4, 1e-3)}),
    "L0 intensity and gradient, photographs": (blind.L0_INTENSITY, {"lam": (1e-3, 4e-3, 4e-2)}),
    "L0 dark channel": (blind.DARK_CHANNEL, {"lam": (1e-3, 4e-3)}),
}


def noisy(x: Tensor, kernel: Tensor, noise: float) -> Scene:
    """Blur, keep what no border reaches, add noise; crop x alike."""
    y, r = Blur(kernel, "valid")(x), kernel.shape[-1] // 2
    y = y + noise * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    return x[..., r:-r, r:-r], kernel, y


def photographs(n: int = PHOTOGRAPHS) -> Scene:
    """Grey training photographs shaken by drawn paths of 12 to 28 pixels; noise 0.005."""
    pictures = load("bsds500/train", size=255 + 30)
    x = pictures.x[:: len(pictures) // n][:n].mean(1, keepdim=True)
    length = torch.linspace(12, 28, n)
    return noisy(x, kernels.motion(31, n, 11, length=length, anxiety=0.02).float(), 0.005)


def pages(n: int = PAGES) -> Scene:
    """Drawn pages, out of focus and shaken; noise 0.01."""
    x = load("text_pages/train", size=240, n=n).x
    shake = kernels.motion(21, n, 3, length=torch.linspace(6, 16, n), anxiety=0.02)
    focus = same_size([kernels.disk(1.5 + 0.8 * i) for i in range(n)])
    both = CircularBlur(focus)(same_size(list(shake), 41)[:, None])[:, 0]
    return noisy(x, both.float(), 0.01)


def score(settings: blind.Settings, scene: Scene, text: bool) -> dict[str, float]:
    """Return the geometric mean of the error ratios on photographs, or the mean PSNR on pages."""
    x, kernel, y = scene
    start = time.perf_counter()
    found = blind.blind_deblur(y, SIZE, settings)
    seconds = round((time.perf_counter() - start) / len(y), 1)
    if text:
        return {"psnr": round(float(shift_psnr(found.x.clamp(0, 1), x, 8).mean()), 2), "seconds": seconds}
    ratio = shift_error(found.x, x) / shift_error(blind.deconvolved(y, kernel, settings.noise), x)
    return {"ratio": round(float(ratio.log().mean().exp()), 2), "seconds": seconds}


def haze_rows() -> list[dict[str, float]]:
    """Return the mean PSNR of the dark-channel prior on training scenes for each share of haze removed."""
    scenes = haze_triples("train")
    rows = []
    for omega in (0.8, 0.85, 0.9, 0.95):
        out = dehaze.dark_channel_prior(scenes.hazy.x, omega=omega).x.clamp(0, 1)
        rows.append({"omega": omega, "psnr": round(float(psnr(out, scenes.clear.x).mean()), 2)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=TRIED, action="append", help="only these, the other rows stay as they are")
    chosen = parser.parse_args().method or list(TRIED)
    before = json.loads(OUTPUT.read_text())["rows"] if OUTPUT.exists() else []
    rows, scenes = [row for row in before if row["method"] not in chosen], {True: pages(), False: photographs()}
    for name in chosen:
        settings, constants = TRIED[name]
        text = name == "L0 intensity and gradient"
        for constant, value in [(c, v) for c, values in constants.items() for v in values]:
            row = {"method": name, "constant": constant, "value": value}
            rows.append(row | score(replace(settings, **{constant: value}), scenes[text], text))
            print(rows[-1], flush=True)
    content = {
        "photographs": f"bsds500/train, {PHOTOGRAPHS}, drawn shakes of 12 to 28 pixels, noise 0.005",
        "pages": f"text_pages/train, {PAGES}, disk and drawn shake, noise 0.01",
        "used": {name: asdict(settings) for name, (settings, _) in TRIED.items()},
        "rows": rows,
        "haze": haze_rows(),
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
