"""Where the batches of a training come from: photographs and a camera, or anything else that draws a Batch."""

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..data.pictures import Pictures, crops, to_float
from ..files import sha256_of
from ..operators import LinearOperator
from .batch import Batch
from .settings import Settings

FLAT = 1 / 255  # standard deviation of a crop that is called flat: one grey level
Measured = tuple[Tensor, LinearOperator | None, Tensor]  # y, A, sigma (B, 1, 1, 1)


class Camera(Protocol):
    """What blurs and spoils pictures, a frozen dataclass."""

    noise: float  # standard deviation in picture units, where the settings give no levels of their own

    def measure(self, x: Tensor, noise: Tensor, seed: int) -> Measured:
        """Measure x (B, C, H, W) with noise (B, 1, 1, 1) in place of its own, drawn on the device of x.

        -> y (B, C, H, W), A, and the standard deviation of all that was added to A x (B, 1, 1, 1).
        """
        ...

    def to(self, device: torch.device) -> "Camera":
        """Return the same camera, its tensors on a device."""
        ...


class Source(Protocol):
    """Where batches come from."""

    def draw(self, settings: Settings, t: int) -> Batch:
        """Draw batch t, a function of (settings.seed, t) alone; ValueError where the settings do not fit the data."""
        ...

    def held_out(self, settings: Settings) -> Batch | None:
        """Return what the PSNR is taken on, which is not trained on; None where there is no such thing."""
        ...

    def to(self, device: torch.device) -> "Source":
        """Return the same source, its batches on a device."""
        ...

    def identity(self) -> dict[str, Any]:
        """Return what makes it this source, as JSON can hold it: a checkpoint of another is refused."""
        ...


@dataclass(frozen=True)
class Photographs:
    """Random crops of photographs, measured by a camera; some of the photographs are held out."""

    pictures: Pictures
    camera: Camera
    device: torch.device = torch.device("cpu")

    def draw(self, settings: Settings, t: int) -> Batch:
        """Draw batch t on the device, in the layout that the settings ask for."""
        pictures, _ = split_held_out(self.pictures, settings.held_out)
        seeds = [int(s) for s in np.random.SeedSequence([settings.seed, t]).generate_state(3)]
        x = _sent(crops(pictures, settings.crop, settings.batch, seeds[0]), self.device)
        order = torch.randint(2**31, (settings.batch,), generator=torch.Generator().manual_seed(seeds[2]))
        noise = _sent(noise_levels(self.camera, settings, order), self.device)
        batch = without_flat(measured(x, self.camera, noise, seeds[1]))
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        return replace(batch, x=batch.x.contiguous(memory_format=layout), y=batch.y.contiguous(memory_format=layout))

    def held_out(self, settings: Settings) -> Batch:
        """Return the middles of the pictures held out, one noise level after the other; ValueError where any picture,
        held out or not, is smaller than the crops."""
        crops(self.pictures, settings.crop, 1)
        x = central_crops(split_held_out(self.pictures, settings.held_out)[1], settings.crop).to(self.device)
        noise = noise_levels(self.camera, settings, torch.arange(len(x))).to(self.device)
        return measured(x, self.camera, noise, settings.seed)

    def to(self, device: torch.device) -> "Photographs":
        """Return the same source, its batches on a device."""
        return replace(self, camera=self.camera.to(device), device=device)

    def identity(self) -> dict[str, Any]:
        """Return the checksums of the pictures and of the camera's kernel, and its other fields but for the seed."""
        found: dict[str, Any] = {"pictures": self.pictures.sha256}
        for name in (f.name for f in fields(self.camera) if f.name != "seed"):
            value = getattr(self.camera, name)
            kernel = getattr(value, "kernel", None)
            found |= {name: value} if kernel is None else {"kernel": sha256_of(kernel.cpu().numpy().tobytes())}
        return found


@dataclass(frozen=True)
class Pages(Photographs):
    """The same of printed pages, whose crops are never mirrored: mirrored letters are none."""

    def draw(self, settings: Settings, t: int) -> Batch:
        """Draw batch t on the device, in the layout that the settings ask for."""
        pages, _ = split_held_out(self.pictures, settings.held_out)
        places, seed, chosen = (int(s) for s in np.random.SeedSequence([settings.seed, t]).generate_state(3))
        x = _sent(crops(pages, settings.crop, settings.batch, places, flips=False), self.device)
        order = torch.randint(2**31, (settings.batch,), generator=torch.Generator().manual_seed(chosen))
        noise = _sent(noise_levels(self.camera, settings, order), self.device)
        batch = without_flat(measured(x, self.camera, noise, seed))
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        return replace(batch, x=batch.x.contiguous(memory_format=layout), y=batch.y.contiguous(memory_format=layout))


@lru_cache(maxsize=2)
def split_held_out(pictures: Pictures, n: int) -> tuple[Pictures, Pictures]:
    """Keep n pictures out of training, evenly spaced over the set.  -> (to train on, held out)."""
    if n >= len(pictures):
        raise ValueError(f"{n} pictures are to be held out of {len(pictures)}; give more of them or a smaller held_out")
    out = {int((i + 0.5) * len(pictures) / n) for i in range(n)}
    both = [[i for i in range(len(pictures)) if (i in out) is held] for held in (False, True)]
    first, second = ([pictures.pixels[i] for i in chosen] for chosen in both)
    names = [tuple(pictures.names[i] for i in chosen) for chosen in both]
    return replace(pictures, pixels=first, names=names[0], labels=()), replace(
        pictures, pixels=second, names=names[1], labels=())  # fmt: skip


def central_crops(pictures: Pictures, size: int) -> Tensor:
    """Cut the middle out of every picture.  -> float32 (N, 3, size, size)."""
    corners = [((p.shape[-2] - size) // 2, (p.shape[-1] - size) // 2) for p in pictures.pixels]
    cut = [p[:, i : i + size, j : j + size] for p, (i, j) in zip(pictures.pixels, corners, strict=True)]
    return to_float(torch.stack(cut))


def measured(x: Tensor, camera: Camera, noise: Tensor, seed: int) -> Batch:
    """Measure crops with noise (B, 1, 1, 1) in place of the camera's own."""
    y, A, sigma = camera.measure(x, noise, seed)
    u = _sent(torch.rand(len(x), 1, 1, 1, generator=torch.Generator().manual_seed(seed + 1)), x.device)
    return Batch(x, y, A, sigma, u)


def without_flat(batch: Batch) -> Batch:
    """Put other crops of the batch in the place of those that are flat to the camera, as far as there are others.

    The instance norms of a flat picture multiply the gradient by 1 / sqrt(eps), layer after layer, until it overflows.
    """
    place = torch.arange(len(batch.y), device=batch.y.device)
    flat = batch.y.flatten(1).std(1) < FLAT
    others = flat.to(torch.uint8).argsort(stable=True)[place % (~flat).sum().clamp(min=1)]
    return batch[torch.where(flat, others, place)]


def noise_levels(camera: Camera, settings: Settings, order: Tensor) -> Tensor:
    """Choose among the settings' noise levels, the camera's where they give none.  order (B,) -> (B, 1, 1, 1)."""
    levels = torch.tensor(settings.noises or (camera.noise,))
    return levels[order % len(levels)].reshape(-1, 1, 1, 1)


def _sent(x: Tensor, device: torch.device) -> Tensor:
    """Send to a device without waiting for what it is busy with."""
    return x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x.to(device)
