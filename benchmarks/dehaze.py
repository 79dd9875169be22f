"""Measure the dark-channel prior on the 40 held-out hazy scenes: `python -m benchmarks.dehaze` (seconds; ILIB_DATA).

Writes results/benchmarks/dehaze.json: PSNR and SSIM of the input, of the prior with the share of haze that was chosen
on the training scenes and with the paper's, and what is left when airlight, or airlight and transmission, are known.
"""

import json
from pathlib import Path

from torch import Tensor

from ilib import dehaze
from ilib.data import haze_triples
from ilib.metrics import psnr, ssim
from ilib.physics import Haze

OUTPUT = Path(__file__).parents[1] / "results" / "benchmarks" / "dehaze.json"
PAPER_OMEGA = 0.95


def with_airlight(y: Tensor, airlight: Tensor) -> Tensor:
    """Remove haze of a known colour (B, 3), the transmission by the prior.  -> like y."""
    t = dehaze.guided_filter(dehaze.estimate_transmission(y, airlight), y.mean(1, keepdim=True)).clamp(0, 1)
    return Haze(t, airlight).invert(y, dehaze.FLOOR)


def main() -> None:
    scenes = haze_triples("test")
    x, y, airlight = scenes.clear.x, scenes.hazy.x, scenes.airlight
    rows = {
        "input": y,
        f"dark channel, omega {dehaze.OMEGA}": dehaze.dark_channel_prior(y).x,
        f"dark channel, omega {PAPER_OMEGA} (paper)": dehaze.dark_channel_prior(y, omega=PAPER_OMEGA).x,
        "dark channel, airlight known": with_airlight(y, airlight[:, None].expand(-1, 3)),
        "airlight and transmission known": Haze(scenes.transmission, airlight).invert(y, 0.02),
    }
    content: dict[str, object] = {"data": "haze/test", "n": len(x)}
    for name, x_hat in rows.items():
        x_hat = x_hat.clamp(0, 1)
        content[name] = {
            "psnr": round(float(psnr(x_hat, x).mean()), 2),
            "psnr_se": round(float(psnr(x_hat, x).std() / len(x) ** 0.5), 2),
            "ssim": round(float(ssim(x_hat, x).mean()), 3),
        }
    print(json.dumps(content, indent=1))
    OUTPUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
