"""Choose TV's constant for GAN-D's camera on training photographs: `python -m benchmarks.gand_tv` (needs ILIB_DATA).

Nothing is undone before: neither the gain nor the clipping.  Writes results/calibration/gand_tv.json; a minute.
"""

import json
from pathlib import Path

import torch

from ilib.cameras import GanDCamera
from ilib.classical import tv_with_borders
from ilib.data import load
from ilib.metrics import affine_psnr, psnr, ssim

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "gand_tv.json"
DATA, COUNT = "bsds500/train", 16
SCALES = (0.003, 0.006, 0.0125, 0.025, 0.05, 0.1, 0.2)


def main() -> None:
    camera = GanDCamera()
    x = load(DATA, size=128, how="resize", n=COUNT).x
    y, A, _ = camera.measure(x, torch.full((len(x), 1, 1, 1), camera.noise), 0)
    rows = []
    for scale in SCALES:
        x_hat = tv_with_borders(y, A, noise=camera.noise, scale=scale).clamp(0, 1)
        figures = {f.__name__: round(float(f(x_hat, x).mean()), 3) for f in (psnr, ssim, affine_psnr)}
        rows.append({"scale": scale, **figures})
        print(rows[-1], flush=True)
    OUTPUT.write_text(json.dumps({"data": DATA, "n": COUNT, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
