"""What Table V is measured on: the authors' own blurred pictures, or, at the profile smoke, numbers drawn and blurred.

A set is named together with the profile whose priors are used on it: svhn/cpu, celeba/gpu, shoes/smoke.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..data import dgp_reference, load
from ..data.pictures import Pictures
from ..degrade import quantise
from ..gan.sources import Photographs
from ..operators import CircularBlur
from ..results import columns
from ..results.profiles import check_profile
from ..results.runs import Pairs
from .sets import motion_kernels

SIDES = {"svhn": 32, "celeba": 64, "shoes": 64}  # pixels
NOISE = 0.01  # standard deviation
DRAWN = ("smoke", 4, 2)  # the profile whose pictures are drawn here, how many there are, the seed of their kernels


class Untold(CircularBlur):
    """Circular blurs of some pictures, which a blind method does not look at, and what it is told in their place.

    kernel (N, 28, 28); name: of the set, as svhn/cpu; numbers: of the pictures in it, which seed their restarts.
    """

    def __init__(self, kernel: Tensor, name: str, numbers: Sequence[int] | None = None) -> None:
        super().__init__(kernel)
        self.name, self.numbers = name, list(range(len(kernel)) if numbers is None else numbers)

    def to(self, like: Tensor) -> "Untold":
        """Return the same blurs on the device and in the precision of a tensor."""
        return Untold(self.kernel.to(like), self.name, self.numbers)

    def __getitem__(self, chosen: slice | Tensor) -> "Untold":
        """Return the blurs of some of the pictures."""
        return Untold(self.kernel[chosen], self.name, torch.tensor(self.numbers)[chosen].tolist())


@dataclass(frozen=True)
class Trajectories:
    """A camera that shakes: a circular blur along a random path for each picture, noise, 8 bits (section V-A)."""

    noise: float = NOISE

    def measure(self, x: Tensor, noise: Tensor, seed: int) -> tuple[Tensor, CircularBlur, Tensor]:
        """Blur x (B, C, H, W) by a kernel for each picture, with noise (B, 1, 1, 1).  -> (y, A, sigma)."""
        A = CircularBlur(motion_kernels(len(x), seed).to(x))
        w = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed + 1))
        return quantise(A(x) + noise.to(x) * w.to(x)), A, noise.to(x)

    def to(self, device: torch.device) -> "Trajectories":
        """Return the same camera: it draws on the CPU and measures on the device of x."""
        return self


def shaken(pictures: Pictures, camera: None) -> Photographs:
    """Crops seen by Trajectories(): a grid's source, whose column holds recorded pairs."""
    return Photographs(pictures, Trajectories())


def named(name: str) -> tuple[str, str]:
    """Split svhn/cpu into the set and the profile.  ValueError where it is not of this form."""
    family, _, profile = name.partition("/")
    if family not in SIDES:
        raise ValueError(f"{name!r} names no set of Table V: pass one of {', '.join(SIDES)} and a profile, as svhn/cpu")
    check_profile(profile)
    return family, profile


def blurred(name: str, n: int | None = None) -> Pairs:
    """Blurred pictures of a set with their sharp ones and kernels, the first n where n is given.  name: as svhn/cpu.

    At the profile smoke they are numbers drawn and blurred here, else the authors' own measurements.  ValueError for an
    unknown name; FileNotFoundError where the authors' pictures are not found.
    """
    family, profile = named(name)
    if profile == DRAWN[0]:
        pictures = load("numbers/test", size=SIDES[family], n=n or DRAWN[1])
        y, A, _ = Trajectories().measure(pictures.x, torch.full((len(pictures), 1, 1, 1), NOISE), DRAWN[2])
        return Pairs(pictures, y, Untold(A.kernel, name), NOISE)
    given = dgp_reference(family)
    x, y = given["original"][:n], given["alg1_y_from_test"][:n]
    pictures = Pictures((255 * x).round().to(torch.uint8), tuple(f"{family} {i}" for i in range(len(x))), family)
    return Pairs(pictures, y, Untold(given["kernels"][: len(x)], name), NOISE)


def blurred_faces(name: str, size: int = 64, n: int | None = None, blur: str = "levin", noise: float = NOISE) -> Pairs:
    """`ilib.results.columns.blurred`, told to be faces: Algorithms 1 and 2 take the priors of CelebA.

    Embedded pictures, which are no faces, are given the priors of the profile smoke, all others those of cpu.
    """
    pairs = columns.blurred(name, blur, size, n, noise)
    profile = DRAWN[0] if name.startswith("embedded") else "cpu"
    return replace(pairs, A=Untold(pairs.A.kernel, f"celeba/{profile}"))
