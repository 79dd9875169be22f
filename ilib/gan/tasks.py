"""The tasks of the physics-based GAN: what degrades pictures, each with the operator that it applied.

    Shaken(...)        blur by a kernel drawn for each picture, and noise
    Shrunk(4)          a picture four times smaller, enlarged again
    Rainy()            streaks of light
    hazy_scenes(...)   scenes with their transmission and airlight: a source, for haze needs depth

A camera goes with `ilib.gan.sources.Photographs`; all of them give Batch.A, so that a training step need not know which
task it is on.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import rain_streaks
from ..data.pictures import Pictures, check_how, to_float
from ..data.scenes import haze_of
from ..data.sets import Haze as Scenes
from ..degrade import Measurement, quantise
from ..errors import check_noise
from ..kernels import disk, motion
from ..operators import CircularBlur, LinearOperator
from ..physics import BicubicDown, BicubicUp, BlurEach, Haze, Product, Rain
from .batch import Batch
from .settings import Settings
from .sources import Pages, Photographs

Measured = tuple[Tensor, LinearOperator, Tensor]  # y, H, sigma (B, 1, 1, 1)


@dataclass(frozen=True)
class Shaken:
    """y = k_i * x_i + noise, rounded to 8 bits; k_i is a disk or a random walk (physics-based GAN, section 5.1).

    size: of the kernels, odd; diameters, lengths: the ranges of both kinds in pixels, drawn uniformly; disks: the
    share of disks; together: a camera both out of focus and shaken, k_i a disk convolved with a walk, whatever the
    share; noise: standard deviation, where the settings give no levels; border: as Blur takes it.  ValueError for
    kernels that do not fit their size.
    """

    size: int = 25
    diameters: tuple[float, float] = (1.0, 14.0)
    lengths: tuple[float, float] = (2.0, 20.0)
    disks: float = 0.5
    together: bool = False
    noise: float = 0.0
    border: str = "reflect"

    def __post_init__(self) -> None:
        check_noise(self.noise)
        for name in ("diameters", "lengths"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= self.size or self.size % 2 == 0:
                raise ValueError(f"{name} are {(low, high)}; pass two numbers of pixels, the larger one no larger than "
                                 f"the kernels, whose size ({self.size}) is odd")
        if not 0 <= self.disks <= 1:
            raise ValueError(f"disks is {self.disks}; pass a share in [0, 1]")
        reach = self.diameters[1] + self.lengths[1]
        if self.together and reach > self.size:
            raise ValueError(f"A disk and a walk together reach over {reach:g} pixels, kernels over {self.size}: pass "
                             "smaller diameters and lengths, or a larger size")

    def kernels(self, n: int, seed: int) -> Tensor:
        """Draw kernels, which depend on seed and n.  -> (n, size, size) float32."""
        generator = torch.Generator().manual_seed(seed)
        kind, place = torch.rand(2, n, generator=generator, dtype=torch.float64)
        low, high = self.lengths
        k = motion(self.size, n, seed, length=low + place * (high - low), anxiety=0.01)
        low, high = self.diameters
        if self.together:
            focus = torch.stack([disk(float(low + p * (high - low)), self.size) for p in kind])
            return CircularBlur(focus)(k[:, None])[:, 0].clamp(min=0).float()
        for i in (kind < self.disks).nonzero().flatten().tolist():
            k[i] = disk(float(low + place[i] * (high - low)), self.size)
        return k.float()

    def measure(self, x: Tensor, noise: Tensor, seed: int) -> Measured:
        """Blur x (B, C, H, W) by a kernel for each picture, with noise (B, 1, 1, 1).  -> (y, H, sigma)."""
        H = BlurEach(self.kernels(len(x), seed).to(x), self.border)
        w = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed + 1))
        return quantise(H(x) + noise.to(x) * w.to(x)), H, noise.to(x)

    def to(self, device: torch.device) -> "Shaken":
        """Return the same camera: it draws on the CPU and measures on the device of x."""
        return self


@dataclass(frozen=True)
class ShakenRound(Shaken):
    """Shaken with periodic borders, for a network that is told the kernel: A is a circular convolution, one kernel for
    each picture, and sigma counts the rounding."""

    def measure(self, x: Tensor, noise: Tensor, seed: int) -> Measured:
        """Blur x (B, C, H, W) by a kernel for each picture, with noise (B, 1, 1, 1).  -> (y, A, sigma)."""
        A = CircularBlur(self.kernels(len(x), seed).to(x))
        return Measurement(A, 0.0, 8).measure(x, noise, seed + 1)


@dataclass(frozen=True)
class Shrunk:
    """A picture scale times smaller, enlarged again by bicubic interpolation, both rounded to 8 bits (section 5.5)."""

    scale: int = 4
    noise: float = 0.0

    def measure(self, x: Tensor, noise: Tensor, seed: int) -> Measured:
        """Shrink x (B, C, H, W), add noise (B, 1, 1, 1), enlarge.  -> (y, H, sigma); ValueError for odd sides."""
        down, up = BicubicDown(self.scale), BicubicUp(self.scale)
        small = down(x)
        w = torch.randn(small.shape, generator=torch.Generator().manual_seed(seed))
        return quantise(up(quantise(small + noise.to(x) * w.to(x)))), Product(up, down), noise.to(x)

    def to(self, device: torch.device) -> "Shrunk":
        """Return the same camera: its matrices follow the picture."""
        return self


@dataclass(frozen=True)
class Rainy:
    """Streaks of light drawn for each picture: y = x + r, r as much as the camera does not clip (section 5.6)."""

    noise: float = 0.0

    def measure(self, x: Tensor, noise: Tensor, seed: int) -> Measured:
        """Add rain to square pictures x (B, C, S, S) in [0, 1], and noise (B, 1, 1, 1).  -> (y, H, sigma)."""
        streaks = rain_streaks(len(x), x.shape[-1], seed).to(x)
        H = Rain(torch.minimum(streaks.expand_as(x), 1 - x).clamp(min=0))  # what is seen of them
        w = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed + 1))
        return quantise(H(x) + noise.to(x) * w.to(x)), H, noise.to(x)

    def to(self, device: torch.device) -> "Rainy":
        """Return the same camera: it draws on the CPU and measures on the device of x."""
        return self


@dataclass(frozen=True)
class HazyScenes:
    """Random crops of clear scenes behind their own haze, y = x t + A (1 - t); some scenes are held out (a Source)."""

    scenes: Scenes
    device: torch.device = torch.device("cpu")

    def draw(self, settings: Settings, t: int) -> Batch:
        """Draw batch t: scene, place and flip uniform.  ValueError where the crops do not fit the scenes."""
        check_how(settings.crop, "centre")
        random = np.random.default_rng([settings.seed, t])
        kept, _ = self.split(settings.held_out)
        chosen = [int(i) for i in random.choice(kept, settings.batch)]
        sides = [self.scenes.clear.pixels[i].shape[-2:] for i in chosen]
        if min(map(min, sides)) < settings.crop:
            raise ValueError(f"Crops of {settings.crop}x{settings.crop} do not fit scenes of {tuple(min(sides))}: ask "
                             "for smaller crops")
        corners = [(int(random.integers(h - settings.crop + 1)), int(random.integers(w - settings.crop + 1)))
                   for h, w in sides]  # fmt: skip
        return self.batch(settings, chosen, corners, random)

    def held_out(self, settings: Settings) -> Batch:
        """Return the middles of the scenes held out, without noise."""
        _, out = self.split(settings.held_out)
        corners = [tuple((n - settings.crop) // 2 for n in self.scenes.clear.pixels[i].shape[-2:]) for i in out]
        return self.batch(settings, out, corners, None)

    def split(self, n: int) -> tuple[list[int], list[int]]:
        """Keep n scenes out of training, evenly spaced.  -> the numbers of both; ValueError where none is left."""
        count = len(self.scenes.clear)
        if n >= count:
            raise ValueError(f"{n} scenes are to be held out of {count}; give more of them or a smaller held_out")
        out = [int((i + 0.5) * count / n) for i in range(n)]
        return [i for i in range(count) if i not in out], out

    def batch(self, settings: Settings, chosen: list[int], corners: list[tuple[int, ...]],
              random: np.random.Generator | None) -> Batch:  # fmt: skip
        """Cut scenes at their corners and put them behind their haze; flips, noise and u where random is given."""
        cuts = [(..., slice(i, i + settings.crop), slice(j, j + settings.crop)) for i, j in corners]
        flips = random.integers(2, size=len(cuts)) if random is not None else [0] * len(cuts)
        x, veil = (torch.stack([(p[n][cut].flip(-1) if flip else p[n][cut])
                                for n, cut, flip in zip(chosen, cuts, flips, strict=True)])
                   for p in (self.scenes.clear.pixels, self.scenes.transmission))  # fmt: skip
        x, veil, u = to_float(x).to(self.device), veil.to(self.device), torch.zeros(len(x), 1, 1, 1)
        H, noise = Haze(veil, self.scenes.airlight[chosen].to(x)), torch.zeros_like(u)
        w = torch.zeros(x.shape)
        if random is not None:
            noise = torch.tensor(random.choice(settings.noises or (0.0,), len(x)), dtype=torch.float32).reshape(u.shape)
            u = torch.from_numpy(random.random(len(x))).float().reshape(u.shape)
            w = torch.from_numpy(random.standard_normal(x.shape)).float()
        noise, u = noise.to(x), u.to(x)
        return Batch(x, quantise(H(x) + noise * w.to(x)), H, noise, u)

    def to(self, device: torch.device) -> "HazyScenes":
        """Return the same source, its batches on a device."""
        return replace(self, device=device)

    def identity(self) -> dict[str, Any]:
        """Return the checksums of clear and hazy pictures."""
        return {"pictures": self.scenes.clear.sha256, "hazy": self.scenes.hazy.sha256}


def shaken_pictures(pictures: Pictures, camera: None, **options: Any) -> Photographs:
    """Crops shaken by Shaken(**options): a grid's source, whose column holds recorded pairs."""
    return Photographs(pictures, Shaken(**options))


def shaken_pages(pictures: Pictures, camera: None, **options: Any) -> Pages:
    """Crops of pages shaken by ShakenRound(**options), none mirrored: a grid's source, for networks told the kernel."""
    return Pages(pictures, ShakenRound(**options))


def shrunk_pictures(pictures: Pictures, camera: None, **options: Any) -> Photographs:
    """Crops shrunk by Shrunk(**options): a grid's source, whose column holds recorded pairs."""
    return Photographs(pictures, Shrunk(**options))


def rainy_pictures(pictures: Pictures, camera: None, **options: Any) -> Photographs:
    """Crops under streaks that Rainy(**options) draws: a grid's source, whose column holds recorded pairs."""
    return Photographs(pictures, Rainy(**options))


def hazy_scenes(pictures: Pictures, camera: None, *, name: str) -> HazyScenes:
    """Find the haze of clear scenes: a grid's source, whose column holds recorded pairs.

    pictures: what `load(name)` gives, or the first of it; name: haze/train or hazy_leaves/train.  ValueError where the
    two are not the same scenes.
    """
    side = pictures.pixels[0].shape[-1]
    scenes = haze_of(name, size=side, n=len(pictures))
    if scenes.clear.sha256 != pictures.sha256:
        raise ValueError(f"the pictures are {pictures.source!r} and not the clear scenes of {name}: name the same set "
                         "under data and under source, with how: null")
    return HazyScenes(scenes)
