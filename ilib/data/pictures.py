"""Pictures: what every loader returns, and the decoding, cropping and resizing that all of them share."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")  # modes of Pillow without colour
HOWS = ("centre", "resize", None)


@dataclass(frozen=True, eq=False)
class Pictures:
    """Colour pictures with their names, held as uint8 and given out as float32 in [0, 1].

    pixels: uint8 (N, 3, H, W), or a list of N tensors (3, H_i, W_i) where the sizes differ.
    names: one per picture, as "astronaut" or "val/101085".  source: the text that `load` takes for this set.
    labels: what is in each picture, where the set says so (a digit, a kind of shoe), else ().
    """

    pixels: Tensor | list[Tensor]
    names: tuple[str, ...]
    source: str
    labels: tuple[int | str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.pixels) != len(self.names):
            raise ValueError(
                f"Pictures needs one name per picture, got {len(self.pixels)} pictures and {len(self.names)} names."
            )

    @cached_property
    def x(self) -> Tensor | list[Tensor]:
        """All of them as float32 in [0, 1]: (N, 3, H, W), or a list of (3, H_i, W_i) where sizes differ."""
        if isinstance(self.pixels, Tensor):
            return to_float(self.pixels)
        return [to_float(p) for p in self.pixels]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over the shapes and the 8-bit pixels, in order: what a results row records as its data."""
        digest = hashlib.sha256()
        for p in self.pixels:
            digest.update(str(tuple(p.shape)).encode() + p.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Tensor:
        """Picture i as float32 (3, H, W) in [0, 1]."""
        return to_float(self.pixels[i])

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))


def joined(sets: Sequence[Pictures], n: int | None = None) -> Pictures:
    """Several sets as one, the first n pictures of it where n is given; a list of pixels where sizes differ."""
    pixels = [picture for pictures in sets for picture in pictures.pixels][:n]
    names = tuple(f"{pictures.source}/{name}" for pictures in sets for name in pictures.names)[:n]
    return Pictures(stack(pixels), names, "+".join(pictures.source for pictures in sets))


def to_float(pixels: Tensor) -> Tensor:
    """uint8 0..255 -> float32 in [0, 1]; any shape."""
    return pixels.to(torch.float32) / 255


def to_tensor(picture: Image.Image) -> Tensor:
    """An RGB picture of Pillow -> uint8 (3, H, W)."""
    return torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy())


def to_rgb(picture: Image.Image, grey: str = "convert") -> Image.Image:
    """Upright 8-bit RGB: EXIF rotation applied, 16 bit scaled to 8, transparency laid on white, grey tripled.

    grey: "convert" gives three equal channels, "refuse" raises ValueError for a picture without colours.
    """
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in GREY:
        if grey == "refuse":
            raise ValueError("it is grey; pass grey='convert' for three equal channels")
        if picture.mode not in ("1", "L", "LA", "La"):
            picture = Image.fromarray(_eight_bits(np.asarray(picture)))
    if picture.has_transparency_data:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    return picture.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """16-bit (or float in [0, 1]) grey -> uint8."""
    scale = 255.0 if values.dtype.kind == "f" and values.max() <= 1 else 255.0 / 65535.0
    return np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)


def centre_crop(picture: Image.Image, size: int) -> Image.Image:
    """The central size x size pixels; ValueError where the picture is smaller than that."""
    w, h = picture.size
    if min(h, w) < size:
        raise ValueError(f"it has {h}x{w} pixels; ask for a size up to {min(h, w)}, or how='resize'")
    top, left = (h - size) // 2, (w - size) // 2
    return picture.crop((left, top, left + size, top + size))


def resize(picture: Image.Image, size: int) -> Image.Image:
    """The whole picture to size x size with Pillow's antialiased bicubic filter (MBD-GAN, section IV-D)."""
    return picture.resize((size, size), Image.Resampling.BICUBIC)


def fit(picture: Image.Image, size: int, how: str | None) -> Image.Image:
    """A central crop ("centre"), the whole picture resized ("resize"), or the picture as it is (None)."""
    if how is None:
        return picture
    return centre_crop(picture, size) if how == "centre" else resize(picture, size)


def check_how(size: int, how: str | None, grey: str = "convert") -> None:
    """Raise ValueError unless size, how and grey are ones that the loaders know."""
    if how not in HOWS:
        raise ValueError(f"how must be one of {HOWS}, got {how!r}.")
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"size must be a positive whole number of pixels, got {size!r}.")
    if grey not in ("convert", "refuse"):
        raise ValueError(f"grey must be 'convert' (three equal channels) or 'refuse', got {grey!r}.")


def check_n(n: int | None) -> None:
    """Raise ValueError unless n is None or a positive whole number."""
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
        raise ValueError(f"n counts pictures: pass a positive whole number, or None for all; got {n!r}.")


def stack(pixels: list[Tensor]) -> Tensor | list[Tensor]:
    """One tensor (N, ...) where all shapes agree, otherwise the list."""
    return torch.stack(pixels) if len({p.shape for p in pixels}) == 1 else pixels


def refit(pictures: Pictures, size: int, how: str | None) -> Pictures:
    """The same pictures, each cropped or resized to size x size as `fit` does."""
    if how is None:
        return pictures
    images = [Image.fromarray(p.permute(1, 2, 0).numpy()) for p in pictures.pixels]
    return replace(pictures, pixels=stack([to_tensor(fit(i, size, how)) for i in images]))


def crop_stream(pictures: Pictures, size: int, n: int, seed: int = 0, flips: bool = True) -> Iterator[Tensor]:
    """Endless batches of random crops: picture, place and flip uniform.  -> float32 (n, 3, size, size).

    The same seed gives the same batches.  flips: mirror each crop left to right with probability 1/2.
    ValueError where a picture is smaller than the crop.
    """
    check_how(size, "centre")
    check_n(n)
    small = [k for k, p in zip(pictures.names, pictures.pixels, strict=True) if min(p.shape[-2:]) < size]
    if small:
        raise ValueError(
            f"Crops of {size}x{size} do not fit into {len(small)} picture(s) of {pictures.source!r} "
            f"({', '.join(small[:5])}): ask for smaller crops, or load with how=None or a larger size."
        )
    return _batches(pictures.pixels, size, n, flips, torch.Generator().manual_seed(seed))


def _batches(
    pixels: Tensor | list[Tensor], size: int, n: int, flips: bool, random: torch.Generator
) -> Iterator[Tensor]:
    """What `crop_stream` gives out; apart, so that its checks run at the call."""
    while True:
        yield to_float(torch.stack([_one_crop(pixels, size, flips, random) for _ in range(n)]))


def _one_crop(pixels: Tensor | list[Tensor], size: int, flips: bool, random: torch.Generator) -> Tensor:
    """One random crop, uint8 (3, size, size)."""
    i, a, b, flip = torch.randint(2**31, (4,), generator=random).tolist()
    picture = pixels[i % len(pixels)]
    h, w = picture.shape[-2:]
    top, left = a % (h - size + 1), b % (w - size + 1)
    crop = picture[:, top : top + size, left : left + size]
    return crop.flip(-1) if flips and flip % 2 else crop


def crops(pictures: Pictures, size: int, n: int, seed: int = 0, flips: bool = True) -> Tensor:
    """The first batch of `crop_stream`: n random crops.  -> float32 (n, 3, size, size)."""
    return next(crop_stream(pictures, size, n, seed, flips))
