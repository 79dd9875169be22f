"""Columns of tables: recorded pairs where they are found, drawn ones at smoke; the blurs of the grand table."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..data import levin09_kernels, load, rain_pairs, text_pairs
from ..data.pictures import Pictures, refit, to_float
from ..data.scenes import haze_of
from ..degrade import Measurement
from ..gan.tasks import Rainy, Shaken, Shrunk
from ..kernels import disk, gaussian, motion
from ..operators import CircularBlur, LinearOperator
from ..physics import BlurEach, Haze, Rain
from .runs import Pairs

TEXT = "text"  # the real pairs of Hradis et al.
RECORDED_NOISE = 0.018  # what the fitted kernels leave over in the real text pairs, a median


def _given(x: Tensor, noise: float) -> Tensor:
    return torch.full((len(x), 1, 1, 1), noise)


def _measured(pictures: Pictures, camera: Shaken | Shrunk | Rainy, noise: float, seed: int) -> Pairs:
    y, A, sigma = camera.measure(pictures.x, _given(pictures.x, noise), seed)
    return Pairs(pictures, y, A, float(sigma.mean()))


def text(name: str, size: int = 200, n: int | None = None, noise: float = 0.02, seed: int = 0) -> Pairs:
    """Blurred text: the real pairs for the name "text", any other set shaken by ilib's camera.

    noise: of drawn pairs; the real ones have their own, and kernels that were fitted to them.
    """
    if name != TEXT:
        return _measured(load(name, size=size, n=n), Shaken(), noise, seed)
    pairs = text_pairs(n)
    return Pairs(pairs.sharp, pairs.blurred.x, BlurEach(pairs.kernels), RECORDED_NOISE)


def noisy_text(name: str, size: int = 200, n: int | None = None, seed: int = 0) -> Pairs:
    """Text with a chosen noise, the last part of the name: "text/0.02" or "text_pages/test/0.02".

    "text" stands for the sharp pictures of the real pairs with the kernels fitted to them, clipped, not rounded.
    ValueError where the last part is no number.
    """
    family, _, last = name.rpartition("/")
    try:
        noise = float(last)
    except ValueError:
        raise ValueError(f"{name!r} does not end in a noise level; pass for example text/0.02") from None
    if family != TEXT:
        return text(family, size, n, noise, seed)
    pairs = text_pairs(n)
    x = pairs.sharp.x
    w = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    A = BlurEach(pairs.kernels)
    return Pairs(pairs.sharp, (A(x) + noise * w).clamp(0, 1), A, noise)


def haze(name: str, size: int | None = None, n: int | None = None) -> Pairs:
    """Hazy scenes as `ilib.data.haze_of` names them; A is the veil that was put over them."""
    scenes = haze_of(name, size, n)
    return Pairs(scenes.clear, scenes.hazy.x, Haze(scenes.transmission, scenes.airlight))


def shrunk(name: str, scale: int = 4, size: int | None = None) -> Pairs:
    """One picture, as "set5/baby", whole but for what scale does not divide, shrunk and enlarged again (bicubic).

    size: its middle alone.  ValueError that lists the pictures of the set where there is none of the name.
    """
    family, _, wanted = name.rpartition("/")
    pictures = load(family, size=size, how="centre" if size else None)
    found = [i for i, known in enumerate(pictures.names) if known.rpartition("/")[2] == wanted]
    if not found:
        raise ValueError(f"{family} holds no picture {wanted!r}; it holds {', '.join(pictures.names)}")
    pixels = pictures.pixels[found[0]]
    h, w = (n // scale * scale for n in pixels.shape[-2:])
    chosen = Pictures(pixels[None, :, :h, :w], (pictures.names[found[0]],), pictures.source)
    return _measured(chosen, Shrunk(scale), 0.0, 0)


def rain(name: str, size: int = 256, n: int | None = None, seed: int = 0) -> Pairs:
    """Rain: the recorded pairs for the name "rain", cut to their middles; any other set with drawn streaks."""
    if name != "rain":
        return _measured(load(name, size=size, n=n), Rainy(), 0.0, seed)
    both = [refit(p, size, "centre") for p in rain_pairs()]
    clean, wet = (Pictures(p.pixels[:n], p.names[:n], p.source) for p in both)
    A: LinearOperator = Rain((to_float(wet.pixels) - to_float(clean.pixels)).clamp(min=0))
    return Pairs(clean, wet.x, A)


def levin_or_drawn(name: str) -> Tensor:
    """Return Levin's eight shakes; for embedded pictures, which do without data, eight drawn ones.  -> (8, 27, 27)."""
    return motion(27, 8, seed=9, length=24.0, anxiety=0.03) if name.startswith("embedded") else levin09_kernels()


BLURS: dict[str, Callable[[str], Tensor]] = {
    "gaussian": lambda name: gaussian(50**0.5),  # MBD-GAN's
    "disk": lambda name: disk(7),  # GAN-D's
    "motion": lambda name: motion(27, length=24.0, anxiety=0.05, seed=1)[0],  # as in Table I of MBD-GAN
    "levin": levin_or_drawn,
}


def blurred(name: str, blur: str, size: int = 256, n: int | None = None, noise: float = 0.01, seed: int = 0) -> Pairs:
    """Pictures behind one blur of the papers, periodic borders, with noise, rounded to 8 bits.

    blur: "gaussian" (MBD-GAN, variance 50), "disk" (GAN-D, diameter 7), "motion" (MBD-GAN) or "levin" (eight shakes,
    one after the other).  ValueError for any other.
    """
    if blur not in BLURS:
        raise ValueError(f"blur is {blur!r}; choose one of {', '.join(BLURS)}")
    pictures, k = load(name, size=size, n=n), BLURS[blur](name)
    A = CircularBlur((k if k.ndim == 2 else k[torch.arange(len(pictures)) % len(k)]).float())
    camera = Measurement(A, noise, 8, seed)
    return Pairs(pictures, camera(pictures.x), A, camera.sigma)


def pages(name: str, size: int = 200, n: int | None = None, noise: float = 0.01, seed: int = 0) -> Pairs:
    """Pages of text behind eight shakes, one after the other, as `blurred` has photographs behind them.

    name: "text" for the sharp pictures of the real pairs of Hradis et al. (size is not looked at) behind Levin's
    shakes; any other set of pages behind drawn ones, which do without data.
    """
    real = name == TEXT
    pictures = text_pairs(n).sharp if real else load(name, size=size, n=n)
    k = levin09_kernels() if real else levin_or_drawn("embedded")
    A = CircularBlur(k[torch.arange(len(pictures)) % len(k)].float())
    camera = Measurement(A, noise, 8, seed)
    return Pairs(pictures, camera(pictures.x), A, camera.sigma)
