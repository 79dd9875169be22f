"""Street-number crops like SVHN's: a digit between its neighbours, any font and colours, out of focus, 32 x 32.

Every batch is drawn at once: digits are looked up in a small atlas of masks and placed by one resampling.
"""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .pages import faces
from .pictures import Pictures, check_n

CELL = 64  # pixels of a mask's side in the atlas; a digit is 40 of them high
PLATE = 0.35  # share of crops with the edge of a plate beside the digits


@cache
def atlas(system: bool = False) -> Tensor:
    """Masks of the digits in every font.  -> float32 (fonts * 10, 1, CELL, CELL), 1 inside, font by font.

    system: with the fonts of this machine besides those of matplotlib.
    """
    files = [style for face in faces(system) for style in (face.regular, face.bold) if style]
    return torch.from_numpy(np.stack([_mask(file, str(d)) for file in files for d in range(10)])[:, None])


def _mask(file: str, text: str) -> np.ndarray:
    """One character, 40 pixels high, in the middle of its cell."""
    font = ImageFont.truetype(file, 60)
    left, top, right, bottom = font.getbbox(text)
    drawn = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(drawn).text((-left, -top), text, fill=255, font=font)
    width = min(max(round(drawn.width * 40 / drawn.height), 4), CELL - 4)
    cell = Image.new("L", (CELL, CELL))
    cell.paste(drawn.resize((width, 40), Image.Resampling.BICUBIC), ((CELL - width) // 2, (CELL - 40) // 2))
    return np.asarray(cell, dtype=np.float32) / 255


def street_numbers(n: int, seed: int = 0, size: int = 32, system: bool = False) -> Pictures:
    """Draw crops of house numbers, the middle digit as label.  -> Pictures with x (n, 3, size, size).

    Picture i depends on seed and i alone.  system: with the fonts of this machine; without, the same everywhere with
    the same matplotlib.
    """
    check_n(n)
    if size < 16:
        raise ValueError(f"A digit needs at least 16 pixels, got a size of {size}.")
    drawn = [_drawing(np.random.default_rng([seed, i])) for i in range(n)]
    value = {key: torch.from_numpy(np.stack([d[key] for d in drawn])) for key in drawn[0]}
    ink = _ink(value, size, atlas(system))
    x = _paint(value, ink, size)
    noise = torch.stack([torch.from_numpy(np.random.default_rng([seed, i, 1]).standard_normal((3, size, size)))
                         for i in range(n)])  # fmt: skip
    x = (x + value["noise"][:, None, None, None] * noise).clamp(0, 1)
    labels = tuple(value["digits"][:, 1].tolist())
    return Pictures((x * 255).round().to(torch.uint8), tuple(f"{i:06d}" for i in range(n)), "numbers", labels)


def _drawing(random: np.random.Generator) -> dict[str, np.ndarray]:
    """What is drawn at random for one crop; colours follow SVHN's spread of brightness and contrast."""
    back = random.normal(0.46, 0.2)
    step = np.sign(random.normal()) * (0.1 + abs(random.normal(0, 0.28)))
    step = -step if not -0.05 < back + step < 1.05 else step
    tint = random.normal(0, 0.03, 3) + random.normal(0, 0.02, (3, 3))
    return {
        "digits": random.integers(0, 10, 3),
        "font": np.array(random.random()),
        "beside": (random.random(2) < 0.7).astype(np.float64),  # whether there is a neighbour left and right
        "height": np.array(random.uniform(0.6, 0.95)),  # of the crop's side
        "aspect": np.array(random.uniform(0.75, 1.15)),
        "pitch": np.array(random.uniform(0.5, 0.8)),  # from digit to digit, in heights
        "place": random.normal(0, 0.05, 2),
        "angle": np.array(random.normal(0, 0.06)),
        "shear": np.array(random.normal(0, 0.1)),
        "colours": np.clip(np.stack([[back] * 3, [back + step] * 3, [random.normal(0.46, 0.25)] * 3]) + tint, 0, 1),
        "plate": np.array([random.random() < PLATE, random.uniform(0.75, 1.0), random.choice([-1, 1])]),
        "light": random.normal(0, 0.08, 2),
        "blur": np.array(0.5 + random.exponential(0.6)),
        "noise": np.array(random.exponential(0.006)),
    }


def _ink(value: dict[str, Tensor], size: int, masks: Tensor) -> Tensor:
    """How much of each pixel the digits cover.  -> (n, 1, size, size)."""
    fonts = (value["font"] * (len(masks) // 10)).long()
    glyphs = masks[10 * fonts[:, None] + value["digits"]].double()  # (n, 3, 1, CELL, CELL)
    step = (2 * torch.arange(size, dtype=torch.float64) + 1) / size - 1
    y, x = torch.meshgrid(step, step, indexing="ij")
    c, s = (f(value["angle"])[:, None, None] for f in (torch.cos, torch.sin))
    x, y = x - value["place"][:, 0, None, None], y - value["place"][:, 1, None, None]
    x, y = c * x + s * y + value["shear"][:, None, None] * y, c * y - s * x
    scale = (CELL / 40) * value["height"][:, None, None]  # a digit fills 40 of the CELL pixels
    covered = torch.zeros(len(fonts), 1, size, size, dtype=torch.float64)
    for k in range(3):
        shift = (k - 1) * 2 * value["pitch"] * value["height"] * value["aspect"]
        grid = torch.stack([(x - shift[:, None, None]) / (scale * value["aspect"][:, None, None]), y / scale], -1)
        glyph = F.grid_sample(glyphs[:, k], grid, align_corners=False)
        shown = torch.ones(len(fonts)) if k == 1 else value["beside"][:, k // 2]
        covered = torch.maximum(covered, shown[:, None, None, None] * glyph)
    return covered


def _paint(value: dict[str, Tensor], ink: Tensor, size: int) -> Tensor:
    """Colours, the plate's edge, light from one side, and the blur.  -> (n, 3, size, size) in [0, 1]."""
    step = (2 * torch.arange(size, dtype=torch.float64) + 1) / size - 1
    back, front, wall = (value["colours"][:, k, :, None, None] for k in range(3))
    on, edge, side = (value["plate"][:, k, None, None, None].double() for k in range(3))
    outside = on * (side * step > edge).double()  # a plate ends left or right of the digits
    x = back + ink * (front - back)
    x = x + outside * (wall - x)
    light = value["light"][:, 0, None, None] * step[:, None] + value["light"][:, 1, None, None] * step
    return _blur(x * (1 + light[:, None]), value["blur"] * size / 32).clamp(0, 1)


def _blur(x: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with a width of its own for each picture, borders repeated.  x (n, C, S, S), sigma (n,)."""
    reach = 6
    t = torch.arange(-reach, reach + 1, dtype=x.dtype)
    k = torch.exp(-0.5 * (t / sigma[:, None]) ** 2)
    k = (k / k.sum(1, keepdim=True)).repeat_interleave(x.shape[1], 0)  # one kernel per picture and channel
    flat = F.pad(x.reshape(1, -1, *x.shape[-2:]), (reach,) * 4, mode="replicate")
    flat = F.conv2d(flat, k[:, None, :, None], groups=len(k))
    return F.conv2d(flat, k[:, None, None, :], groups=len(k)).reshape(x.shape)
