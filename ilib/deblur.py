"""Deblur a picture of your own: `python -m ilib.deblur blurred.jpg sharp.png --kernel disk:7 --method hl`.

The kernel is known (gaussian:SIGMA, disk:DIAMETER, line:LENGTH:ANGLE or a picture of it), or is estimated from the
photograph (blind:SIZE) or from a picture of text (text:SIZE); with --method unrolled, that of a photograph is found
again and again as the network's picture of its busiest part gets sharper.  Any size: the picture is restored tile by
tile.  Colour, the ICC profile and EXIF data are kept; the picture is turned upright, transparency laid on white, and
the file written with 8 bits a channel.
"""

import argparse
import io
import math
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm.auto import tqdm

from .blind import DARK_CHANNEL, L0_TEXT, Settings, find_kernel, noise_of, window
from .classical import hyper_laplacian, richardson_lucy, tv, wiener
from .data.pictures import GREY, to_float, to_rgb, to_tensor
from .epll import epll
from .errors import check_measurement
from .files import write_bytes
from .gan.restore import generator
from .gan.turns import FROM_A_CLASSICAL_KERNEL, refined
from .kernels import disk, gaussian, normalise, rasterise
from .operators import CircularBlur, CircularConvolution
from .tiles import restore_in_tiles

UNROLLED = "grand--unfolded--levin--cpu--s0"  # the unrolled network with the best figures on photographs


def unrolled_network(y: Tensor, A: CircularConvolution, *, noise: float) -> Tensor:
    """Restore by the unrolled network of the grand table, grey pictures as three equal colours.  -> like y.

    It is told sqrt(3) times the noise of a grey picture: it expects channels whose noise differs, and averages out.
    """
    if y.shape[1] == 3:
        return generator(y, A, weights=UNROLLED, noise=noise)
    grey = generator(y.expand(-1, 3, -1, -1), A, weights=UNROLLED, noise=math.sqrt(3) * noise)
    return grey.mean(1, keepdim=True)


METHODS = {"wiener": wiener, "hl": hyper_laplacian, "tv": tv, "rl": richardson_lucy, "epll": epll,
           "unrolled": unrolled_network}  # fmt: skip
PRIORS = {"blind": DARK_CHANNEL, "text": L0_TEXT}
SEEN = 512  # pixels along the part of the picture from which a kernel is estimated
NATURAL = ("RGB", "L", "LA", "RGBA", "P", "1")  # modes whose ICC profile still fits after to_rgb


def straight(length: float, angle: float) -> Tensor:
    """Return the kernel of a straight motion.  length in pixels, angle in degrees against the horizontal -> (n, n).

    ValueError for a length that is not greater than 0.
    """
    if not 0 < length < math.inf:
        raise ValueError(f"length is {length}; pass a number of pixels greater than 0")
    size = 2 * math.ceil(length / 2) + 1
    t = torch.linspace(-length / 2, length / 2, 32 * size, dtype=torch.float64)
    turn = math.radians(angle)
    path = torch.complex(-t * math.sin(turn), t * math.cos(turn))  # rows run downwards
    return rasterise(path[None] + complex(size // 2, size // 2), size)[0]


def kernel_picture(path: str) -> Tensor:
    """Read a kernel drawn as a picture, bright where the light went.  -> (h, w), sum 1.  ValueError for a black one."""
    grey = to_float(to_tensor(to_rgb(Image.open(path)))).mean(0).double()
    if not grey.any():
        raise ValueError(f"{path} is black: a kernel's picture is bright where the light went")
    return normalise(grey)


Drawn = tuple[Callable[..., Tensor], int]  # a function, and how many numbers it takes
DRAWN: dict[str, Drawn] = {"gaussian": (gaussian, 1), "disk": (disk, 1), "line": (straight, 2)}


def _numbers(words: list[str]) -> list[float]:
    """Read numbers; none at all where a word is no number."""
    try:
        return [float(word) for word in words]
    except ValueError:
        return []


def kernel_of(text: str) -> Tensor | None:
    """Make the kernel that a text asks for, as "disk:7"; None for "blind:SIZE" and "text:SIZE".

    ValueError for anything else that is no picture's path.
    """
    name, *values = text.split(":")
    if name in PRIORS and len(values) == 1 and values[0].isdecimal():
        return None
    numbers = _numbers(values)
    if name in DRAWN and len(numbers) == DRAWN[name][1]:
        return DRAWN[name][0](*numbers)
    if Path(text).is_file():
        return kernel_picture(text)
    raise ValueError(f"kernel {text!r} is neither gaussian:SIGMA, disk:DIAMETER, line:LENGTH:ANGLE, blind:SIZE, "
                     "text:SIZE nor the path of a picture")  # fmt: skip


def _check_photograph(x: Tensor, name: str) -> None:
    """Raise unless x is one finite photograph (1, 1 or 3, H, W), scaled like [0, 1]."""
    check_measurement(x, name)
    if len(x) != 1 or x.shape[1] not in (1, 3):
        raise ValueError(f"{name} has shape {tuple(x.shape)}; pass one photograph, grey or RGB: (1, 1 or 3, H, W)")


def busiest(y: Tensor, side: int = SEEN) -> Tensor:
    """Return the square of at most side pixels whose differences are largest, of a half-overlapping grid.

    y (B, C, H, W) -> (B, C, h, w), the same part of all: that where the first picture has the largest differences.
    """
    h, w = (min(side, n) for n in y.shape[-2:])
    energy = (y.diff(dim=-1)[..., :-1, :] ** 2 + y.diff(dim=-2)[..., :-1] ** 2).mean(1, keepdim=True)[:1]
    sums = torch.nn.functional.avg_pool2d(energy, (h - 1, w - 1), (max(h // 2, 1), max(w // 2, 1)))[0, 0]
    i, j = divmod(int(sums.argmax()), sums.shape[-1])
    top, left = i * max(h // 2, 1), j * max(w // 2, 1)
    return y[..., top : top + h, left : left + w]


def estimate(y: Tensor, size: int, settings: Settings) -> Tensor:
    """Estimate one kernel of a photograph from its busiest part.  y (1, 1 or 3, H, W) -> (size, size).

    ValueError for more than one picture, NaN, and a size that is even, below 3 or above half of that part; warns of one
    that `ilib.blind.window` calls large for a small photograph.
    """
    _check_photograph(y, "y")
    part = busiest(y)
    if size % 2 == 0 or not 3 <= size <= min(part.shape[-2:]) // 2:
        raise ValueError(f"size is {size}; pass an odd kernel size from 3 to half of the {part.shape[-2]} x "
                         f"{part.shape[-1]} pixels that the kernel is read off")
    if settings is DARK_CHANNEL and size > (safe := window(part, size)):
        warnings.warn(f"a kernel of {size} pixels is often found wrong in {part.shape[-2]} x {part.shape[-1]} pixels; "
                      f"take {safe} if the blur fits into it", stacklevel=2)  # fmt: skip
    return find_kernel(part, size, settings)[0]


def deblur_photograph(
    y: Tensor, kernel: str, method: str = "hl", noise: float | None = None, progress: Callable = iter
) -> Tensor:
    """Deblur a photograph of any size.  y (1, 1 or 3, H, W) in [0, 1] -> the same in float32, clipped to [0, 1].

    kernel: see `kernel_of`; method: one of METHODS; noise: its standard deviation, estimated where it is None (where
    the kernel is estimated too, at least what the method was calibrated with).  ValueError for another shape, an
    unknown method or kernel, or a kernel that is larger than half of the picture.
    """
    _check_photograph(y, "y")
    if method not in METHODS:
        raise ValueError(f"method {method!r} is unknown; choose one of {', '.join(METHODS)}")
    y = y.float()  # as the network's weights
    k, prior = kernel_of(kernel), PRIORS.get(kernel.split(":")[0])
    sigma = noise_of(y) if noise is None else noise
    if k is None and prior is not None:
        k, least = estimate(y, int(kernel.split(":")[1]), prior), prior.noise
        if METHODS[method] is unrolled_network and prior is DARK_CHANNEL:
            k = refined(busiest(y).expand(-1, 3, -1, -1), k[None], UNROLLED).kernel[0]
            least = FROM_A_CLASSICAL_KERNEL[-1].noise
        sigma = max(sigma, least) if noise is None else noise
    A = CircularBlur(k.to(y), normalise=True)
    if max(A.kernel.shape[-2:]) > min(y.shape[-2:]) // 2:
        raise ValueError(f"the kernel has {tuple(A.kernel.shape[-2:])} pixels, the picture {tuple(y.shape[-2:])}: "
                         "a kernel has to fit into half of the picture")  # fmt: skip
    restored = restore_in_tiles(partial(METHODS[method], noise=sigma), y, A, noise=sigma, progress=progress)
    return restored.clamp(0, 1)


def read(path: Path) -> tuple[Tensor, dict[str, object]]:
    """Read a picture upright.  -> (1, 3 or 1, H, W) in [0, 1], and what goes into the new file beside the pixels.

    Transparency is laid on white.  FileNotFoundError where there is no file; ValueError where it is no whole picture.
    """
    try:
        with Image.open(path) as picture:
            kept: dict[str, object] = {"exif": ImageOps.exif_transpose(picture).getexif().tobytes()}
            if picture.mode in NATURAL and picture.info.get("icc_profile"):
                kept["icc_profile"] = picture.info["icc_profile"]
            pixels = to_float(to_tensor(to_rgb(picture)))
            return (pixels[:1] if picture.mode in GREY else pixels)[None], kept
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError) as error:  # Pillow's words for files that are cut off or no pictures
        raise ValueError(f"{path.name} cannot be read as a picture: {error}") from error


def write(path: Path, x: Tensor, kept: dict[str, object]) -> None:
    """Write a picture with 8 bits a channel, whole or not at all, in the format of its ending.

    x (1, 3 or 1, H, W) in [0, 1], clipped where it leaves that.  ValueError for NaN, another shape or ending.
    """
    _check_photograph(x, "x")
    pixels = (x[0].detach().cpu().clamp(0, 1) * 255).round().byte()
    array = pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).contiguous().numpy()
    encoded = io.BytesIO()
    Image.fromarray(array).save(encoded, format_of(path), quality=95, **kept)
    write_bytes(path, encoded.getvalue())


def format_of(path: Path) -> str:
    """Return Pillow's name of the format that a file's ending stands for.  ValueError where it writes none."""
    name = Image.registered_extensions().get(path.suffix.lower())
    if name not in Image.SAVE:
        raise ValueError(f"{path.name}: Pillow writes no pictures of the ending {path.suffix!r}; try .png or .jpg")
    return name


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m ilib.deblur", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("blurred", type=Path)
    parser.add_argument("restored", type=Path, help="where the restored picture goes; its ending chooses the format")
    parser.add_argument("--kernel", required=True, help="gaussian:SIGMA, disk:DIAMETER, line:LENGTH:ANGLE (pixels, "
                        "degrees), a picture's path, blind:SIZE or text:SIZE (odd, pixels)")  # fmt: skip
    parser.add_argument("--method", default="hl", choices=METHODS, help="default: %(default)s")
    parser.add_argument("--noise", type=float, help="standard deviation in [0, 1]; estimated where it is not given")
    asked = parser.parse_args(words)
    try:
        format_of(asked.restored)
        y, kept = read(asked.blurred)
        x_hat = deblur_photograph(y, asked.kernel, asked.method, asked.noise, partial(tqdm, unit="tile"))
        write(asked.restored, x_hat, kept)
    except (ValueError, OSError) as error:
        sys.exit(f"ilib.deblur: {error}")
    print(f"{asked.restored}: {y.shape[-1]}x{y.shape[-2]} pixels, {asked.method}, {asked.kernel}")


if __name__ == "__main__":
    main()
