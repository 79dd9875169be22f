"""DCGAN: pictures from a hundred numbers, and the critic that tells them from photographs (Radford et al., 2016)."""

import torch
from torch import Tensor, nn

from ..errors import check_batch
from .vae import check_latent, widened

SIZES = (32, 64, 128, 256)


def widths(width: int, size: int) -> list[int]:
    """Return the features of the layers from 4 x 4 upwards: doubled at every halving of the side, eightfold at most."""
    if size not in SIZES or width < 1:
        raise ValueError(f"size {size}, width {width}: pass one of {SIZES} and a width of 1 or more")
    layers = SIZES.index(size) + 3
    return [width * min(8, 2**i) for i in reversed(range(layers))]


class DCGAN(nn.Module):
    """G: linear to 4x4, then 5x5 transposed convolutions of stride 2, batch norm and ReLU between them, tanh.

    z (B, latent) -> (B, channels, size, size), tanh mapped to [0, 1].  width: features before the last layer (64).
    """

    def __init__(self, latent: int = 100, width: int = 64, size: int = 64, channels: int = 3) -> None:
        super().__init__()
        self.latent, features = latent, [*widths(width, size), channels]
        layers: list[nn.Module] = [nn.Linear(latent, 16 * features[0]), nn.Unflatten(1, (features[0], 4, 4))]
        for a, b in zip(features, features[1:], strict=False):
            layers += [nn.BatchNorm2d(a), nn.ReLU(), nn.ConvTranspose2d(a, b, 5, 2, 2, output_padding=1)]
        self.f = nn.Sequential(*layers)
        _initialise(self)

    def forward(self, z: Tensor) -> Tensor:
        check_latent(z, self.latent)
        return (widened(self.f(z)).tanh() + 1) / 2


class DCGANCritic(nn.Module):
    """D: 5x5 convolutions of stride 2, leaky ReLU, batch norm in all but the first, a linear layer.

    x (B, channels, size, size) in [0, 1] -> (B,): the logarithm of the odds that x is a photograph.
    """

    def __init__(self, width: int = 64, size: int = 64, channels: int = 3) -> None:
        super().__init__()
        self.shape = (channels, size, size)
        outer = widths(width, size)[::-1]
        layers: list[nn.Module] = [nn.Conv2d(channels, outer[0], 5, 2, 2), nn.LeakyReLU(0.2)]
        for a, b in zip(outer, outer[1:], strict=False):
            layers += [nn.Conv2d(a, b, 5, 2, 2), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
        self.f = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * outer[-1], 1))
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        check_batch(x)
        if x.shape[1:] != self.shape:
            raise ValueError(f"the pictures are {tuple(x.shape[1:])}; the critic takes {self.shape}")
        return widened(self.f(2 * x - 1)[:, 0])


def _initialise(network: nn.Module) -> None:
    """Draw weights from N(0, 0.02^2), as DCGAN does; scales of the norms from N(1, 0.02^2), biases 0."""
    for part in network.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(part.weight, std=0.02), nn.init.zeros_(part.bias)
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1, 0.02)


def log_odds_losses(real: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
    """Return -E log D(x) and -E log(1 - D(G(z))) for D = sigmoid(log-odds): what the critic minimises.  (B,) each."""
    return nn.functional.softplus(-real).mean(), nn.functional.softplus(made).mean()


def non_saturating(made: Tensor) -> Tensor:
    """Return -E log D(G(z)), which the generator minimises in place of E log(1 - D(G(z))): the same fixed point, and a
    gradient that does not vanish where the critic wins (Goodfellow et al., 2014, section 3)."""
    return nn.functional.softplus(-made).mean()


def with_mean_of(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Move the averaged weights towards a network's, in place: a <- keep a + (1 - keep) w, buffers as well."""
    with torch.no_grad():
        for a, w in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            a.copy_(torch.lerp(w, a, keep) if a.is_floating_point() else w)
