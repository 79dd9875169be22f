"""A Gaussian mixture over the patches of photographs, and the EM that fits it (Zoran and Weiss, 2011, section 4).

Patches are 8x8 pixels of one colour channel with their mean taken away; every component has the mean 0.  Covariances
are kept by their eigenvectors and eigenvalues, Sigma_k = V_k diag(s_k) V_k', because adding noise of any strength then
costs nothing: Sigma_k + noise^2 I = V_k diag(s_k + noise^2) V_k'.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .data.pictures import Pictures
from .degrade import quantisation_noise
from .errors import check_batch

SIDE = 8  # pixels
FLOOR = quantisation_noise(8) ** 2  # the least variance: that of rounding to 8 bits, which every photograph holds
CHUNK = 4096  # patches at once


class GaussianMixture(nn.Module):
    """sum_k pi_k N(0, Sigma_k) over patches p (N, d), d = side^2, as buffers: log_weights (K,), log_values (K, d) and
    vectors (K, d, d), whose columns are eigenvectors.  It starts with white components of variance 1.
    """

    def __init__(self, components: int = 200, side: int = SIDE) -> None:
        super().__init__()
        if components < 1 or side < 2:
            raise ValueError(f"components {components}, side {side}: pass 1 component and a side of 2 at least")
        self.side, d = side, side**2
        self.register_buffer("log_weights", torch.full((components,), -math.log(components)))
        self.register_buffer("log_values", torch.zeros(components, d))
        self.register_buffer("vectors", torch.eye(d).repeat(components, 1, 1))

    def covariances(self) -> Tensor:
        """Return Sigma_k.  -> (K, d, d)."""
        return (self.vectors * self.log_values.exp()[:, None]) @ self.vectors.mT

    def log_joint(self, p: Tensor, noise: float = 0.0) -> Tensor:
        """Return log pi_k + log N(p; 0, Sigma_k + noise^2 I).  p (N, d) -> (N, K)."""
        variance = self.log_values.exp() + noise**2
        whitener = (self.vectors * variance.rsqrt()[:, None]).permute(1, 0, 2).flatten(1)  # (d, K d)
        constant = self.log_weights - variance.log().sum(1) / 2 - p.shape[1] * math.log(2 * math.pi) / 2
        squares = [(part @ whitener).square_().unflatten(1, variance.shape).sum(2) for part in p.split(256)]
        return constant - torch.cat(squares) / 2

    def log_likelihood(self, p: Tensor, noise: float = 0.0) -> Tensor:
        """Return log p(p + noise), a log-sum-exp over the components.  p (N, d) -> (N,)."""
        return self.log_joint(p, noise).logsumexp(1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean log-likelihood of all overlapping patches, 1 / (H W) of the EPLL (eq. 2) of a picture.

        (B, C, H, W) -> (B, C); patches go on periodically beyond the border.
        """
        check_batch(x)
        p = without_mean(patches(x, self.side))[0]
        mean = torch.stack([self.log_likelihood(q).mean() for q in p.reshape(-1, *p.shape[-2:]).mT])
        return mean.reshape(x.shape[:2])


def patches(x: Tensor, side: int = SIDE) -> Tensor:
    """Cut out the patch at every pixel, periodically.  x (..., H, W) -> (..., side^2, H W)."""
    if min(x.shape[-2:]) < side:
        raise ValueError(f"a picture of {tuple(x.shape[-2:])} pixels holds no patch of {side}x{side}")
    wide = torch.cat((x, x[..., : side - 1, :]), -2)
    wide = torch.cat((wide, wide[..., : side - 1]), -1)
    return wide.unfold(-2, side, 1).unfold(-2, side, 1).flatten(-2).flatten(-3, -2).mT


def overlap_average(p: Tensor, height: int, width: int) -> Tensor:
    """Put patches back where `patches` cut them, and average.  (..., side^2, H W) -> (..., H, W)."""
    side = math.isqrt(p.shape[-2])
    p = p.unflatten(-1, (height, width))
    x = torch.zeros_like(p[..., 0, :, :])
    for i in range(side):
        for j in range(side):
            x += p[..., side * i + j, :, :].roll((i, j), (-2, -1))
    return x / side**2


def without_mean(p: Tensor) -> tuple[Tensor, Tensor]:
    """Take the mean of each patch away.  p (..., d, N) -> the rest, and the means (..., 1, N)."""
    mean = p.mean(-2, keepdim=True)
    return p - mean, mean


@dataclass(frozen=True)
class Statistics:
    """What EM keeps of patches: the mean responsibility n_k (K,), and the mean of r_k p p', S_k (K, d, d)."""

    n: Tensor
    S: Tensor

    def mixed(self, new: "Statistics", rate: float) -> "Statistics":
        """Move towards newer statistics, by all of the way at rate 1."""
        return Statistics(torch.lerp(self.n, new.n, rate), torch.lerp(self.S, new.S, rate))


def expectation(mixture: GaussianMixture, p: Tensor) -> tuple[Statistics, float]:
    """Share patches out among the components.  p (N, d) -> statistics, and the mean log-likelihood."""
    joint = mixture.log_joint(p)
    likelihood = joint.logsumexp(1, keepdim=True)
    r = (joint - likelihood).exp()
    S = torch.stack([(p * weight[:, None]).T @ p for weight in r.T])
    return Statistics(r.mean(0), S / len(p)), float(likelihood.mean())


def maximisation(mixture: GaussianMixture, found: Statistics) -> None:
    """Give every component the weight and the covariance of its share, with variances of FLOOR or more."""
    n = found.n.clamp(min=1e-8)
    values, vectors = torch.linalg.eigh((found.S / n[:, None, None]).double())
    mixture.log_weights.copy_((n / n.sum()).log())
    mixture.log_values.copy_(values.clamp(min=FLOOR).log())
    mixture.vectors.copy_(vectors)


def seeded(mixture: GaussianMixture, p: Tensor, generator: torch.Generator) -> Statistics:
    """Start each component from one patch of its own: half of p p', half of the mean covariance at p's contrast."""
    C = p.T @ p / len(p)
    chosen = p[torch.randperm(len(p), generator=generator)[: len(mixture.log_weights)]]
    contrast = chosen.square().sum(1)[:, None, None] + FLOOR
    S = 0.5 * chosen[:, :, None] * chosen[:, None] + 0.5 * contrast * C / C.trace()
    n = torch.full((len(chosen),), 1 / len(chosen))
    return Statistics(n, S / len(chosen))


def random_patches(pictures: Pictures, n: int, generator: torch.Generator, side: int = SIDE) -> Tensor:
    """Cut n patches at random, as many from each picture, each from one colour channel, its mean away.  -> (n, d)."""
    each = -(-n // len(pictures))
    rows, columns = (offset.flatten() for offset in torch.meshgrid(*[torch.arange(side)] * 2, indexing="ij"))
    found = []
    for picture in pictures.pixels:
        _, h, w = picture.shape
        c, a, b = (torch.randint(2**31, (each, 1), generator=generator) for _ in range(3))
        found.append(picture[c % 3, a % (h - side + 1) + rows, b % (w - side + 1) + columns])
    p = torch.cat(found).float() / 255
    return (p - p.mean(1, keepdim=True))[torch.randperm(len(p), generator=generator)[:n]]


@dataclass(frozen=True)
class Fit:
    """How a mixture is fitted: EM in steps, each with fresh patches, statistics mixed at the rate (t + 1)^-decay."""

    components: int = 200
    steps: int = 400
    patches: int = 20_000  # a step
    decay: float = 0.6  # between 1/2 and 1 the steps converge (Cappe and Moulines, 2009)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.components < 1 or self.steps < 1 or self.patches < self.components:
            raise ValueError(f"components {self.components}, steps {self.steps}, patches {self.patches}: pass one or "
                             "more of each, and as many patches as components or more")
        if not 0.5 < self.decay <= 1:
            raise ValueError(f"decay is {self.decay}; EM by steps converges for rates that fall as t^-decay, decay "
                             "above 1/2 and up to 1")


@torch.no_grad()
def fit(pictures: Pictures, how: Fit) -> Iterator[tuple[GaussianMixture, float]]:
    """Fit a mixture to the patches of pictures, step by step.  -> after each step the mixture, and the mean
    log-likelihood of the patches of that step before it was taken."""
    if len(pictures) == 0:
        raise ValueError("there are no pictures to cut patches from")
    generator = torch.Generator().manual_seed(how.seed)
    mixture = GaussianMixture(how.components)
    kept = seeded(mixture, random_patches(pictures, how.patches, generator), generator)
    maximisation(mixture, kept)
    for t in range(how.steps):
        found, likelihood = expectation(mixture, random_patches(pictures, how.patches, generator))
        kept = kept.mixed(found, (t + 1) ** -how.decay)
        maximisation(mixture, kept)
        yield mixture, likelihood
