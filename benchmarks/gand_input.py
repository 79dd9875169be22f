"""Tabulate how GAN-D's degradation may be read: `python -m benchmarks.gand_input` (two minutes; needs ILIB_DATA).

The text leaves open what lies beyond the border, which filter resizes, how the disk falls on pixels, and on what PSNR
is taken.  Each reading changes one thing of ilib.cameras.GanDCamera; the input row of the paper's Table 1 is the
yardstick.  Writes results/calibration/gand_input.json, which chapter 5 shows.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ilib.cameras import GanDCamera
from ilib.data import load
from ilib.data.pictures import to_float, to_tensor
from ilib.degrade import jpeg, saturate
from ilib.kernels import disk, normalise
from ilib.metrics import affine_psnr, psnr, ssim
from ilib.operators import Blur

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "gand_input.json"
SETS = {"set5": "set5", "set14": "set14", "bsd100": "bsds500/val"}
PAPER = {"set5": 17.15, "set14": 16.70, "bsd100": 16.99}
SIZE = 128
Pair = tuple[Tensor, Tensor]  # y, x
CAMERA = GanDCamera()


def resized(pictures: list[Tensor], how: Image.Resampling = Image.Resampling.BICUBIC) -> Tensor:
    """Resize float pictures (3, H, W) to 128 x 128.  -> (N, 3, 128, 128)."""
    images = [Image.fromarray((p * 255).round().byte().permute(1, 2, 0).numpy()) for p in pictures]
    return to_float(torch.stack([to_tensor(image.resize((SIZE, SIZE), how)) for image in images]))


def seen(x: Tensor, camera: GanDCamera = CAMERA) -> Tensor:
    """What a camera gives of x."""
    return camera.measure(x, torch.full((len(x), 1, 1, 1), camera.noise), 0)[0]


def step_by_step(x: Tensor, kernel: Tensor, noise_first: bool = False, gain_first: bool = False) -> Tensor:
    """The same chain with another kernel, or in another order."""
    A, w = Blur(kernel.to(x), CAMERA.border), torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    if gain_first:
        return jpeg((A(saturate(x, CAMERA.gain)) + CAMERA.noise * w).clamp(0, 1), CAMERA.quality)
    if noise_first:
        return jpeg(saturate(A(x) + CAMERA.noise * w, CAMERA.gain), CAMERA.quality)
    return jpeg((saturate(A(x), CAMERA.gain) + CAMERA.noise * w).clamp(0, 1), CAMERA.quality)


def whole_pixels(diameter: int = 7) -> Tensor:
    """A disk whose pixels count whole where their centre lies inside."""
    t = torch.arange(diameter, dtype=torch.float64) - diameter // 2
    return normalise((t[:, None] ** 2 + t**2 <= (diameter / 2) ** 2).double())


def luma(x: Tensor) -> Tensor:
    """The luma of BT.601 in its 219 levels, on which super-resolution papers take PSNR.  -> (N, 1, H, W)."""
    return torch.einsum("bchw,c->bhw", x, x.new_tensor([65.481, 128.553, 24.966]) / 255)[:, None]


def degraded_before(pictures: list[Tensor]) -> Pair:
    """Degrade at full size, then resize both."""
    return resized([seen(p[None])[0] for p in pictures]), resized(pictures)


def on_resized(change: Callable[[Tensor], Tensor], how: Image.Resampling = Image.Resampling.BICUBIC) -> Callable:
    def reading(pictures: list[Tensor]) -> Pair:
        x = resized(pictures, how)
        return change(x), x

    return reading


def on_luma(pictures: list[Tensor]) -> Pair:
    x = resized(pictures)
    return luma(seen(x)), luma(x)


def centre(pictures: list[Tensor]) -> Pair:
    """The central 128 x 128 pixels in place of the whole picture."""
    corners = [((p.shape[-2] - SIZE) // 2, (p.shape[-1] - SIZE) // 2) for p in pictures]
    x = torch.stack([p[:, i : i + SIZE, j : j + SIZE] for p, (i, j) in zip(pictures, corners, strict=True)])
    return seen(x), x


READINGS: dict[str, Callable[[list[Tensor]], Pair]] = {
    "as in the tables": on_resized(seen),
    "border reflected": on_resized(lambda x: seen(x, GanDCamera(border="reflect"))),
    "border replicated": on_resized(lambda x: seen(x, GanDCamera(border="replicate"))),
    "border circular": on_resized(lambda x: seen(x, GanDCamera(border="circular"))),
    "disk of whole pixels": on_resized(lambda x: step_by_step(x, whole_pixels())),
    "disk of radius 3 on 7 pixels": on_resized(lambda x: step_by_step(x, disk(6, 7))),
    "disk of radius 7": on_resized(lambda x: seen(x, GanDCamera(diameter=14))),
    "noise before the gain": on_resized(lambda x: step_by_step(x, disk(7), noise_first=True)),
    "gain before the blur": on_resized(lambda x: step_by_step(x, disk(7), gain_first=True)),
    "resized without a filter": on_resized(seen, Image.Resampling.NEAREST),
    "resized bilinearly": on_resized(seen, Image.Resampling.BILINEAR),
    "resized with Lanczos's filter": on_resized(seen, Image.Resampling.LANCZOS),
    "resized after the degradation": degraded_before,
    "the central pixels, not resized": centre,
    "figures on the luma": on_luma,
}


def figures(y: Tensor, x: Tensor) -> dict[str, float]:
    """Mean PSNR, SSIM and affine PSNR, and the PSNR of the mean square error over all pictures."""
    means = {f.__name__: round(float(f(y, x).mean()), 3) for f in (psnr, ssim, affine_psnr)}
    return means | {"psnr_of_mean": round(float(-10 * np.log10(float((y - x).double().square().mean()))), 3)}


def main() -> None:
    pictures = {name: [p / 1 for p in load(source, how=None).x] for name, source in SETS.items()}
    rows = []
    for name, reading in READINGS.items():
        found = {key: figures(*reading(value)) for key, value in pictures.items()}
        gaps = {key: round(found[key]["psnr"] - PAPER[key], 3) for key in found}
        rows.append({"reading": name, "figures": found, "worst": max(map(abs, gaps.values()))})
        print(f"{name:32}", gaps, {key: f["ssim"] for key, f in found.items()},
              {key: f["psnr_of_mean"] for key, f in found.items()}, flush=True)  # fmt: skip
    content = {"paper": PAPER, "size": SIZE, "n": {key: len(value) for key, value in pictures.items()}, "rows": rows}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
