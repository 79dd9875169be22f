"""The losses of adversarial training, each as its equation reads."""

from collections.abc import Callable

import torch
from torch import Tensor

Critic = Callable[[Tensor], Tensor]


def perceptual_loss(features: Callable[[Tensor], Tensor], x_hat: Tensor, x: Tensor) -> Tensor:
    """PL(x, x_hat) = 1/(WH) sum (VGG(x_hat) - VGG(x))^2, summed over features (MBD-GAN, eq. 15).

    x_hat, x (B, 3, H, W) in [0, 1] -> the mean over the batch; W and H are those of the feature maps.
    """
    with torch.no_grad():
        target = features(x)
    return (features(x_hat) - target).float().square().sum(1).mean()


def mean_of_patches(critic: Critic, x: Tensor) -> Tensor:
    """D(x) of eq. 16: the critic's figure for each picture, the mean over its patches.  (B, C, H, W) -> (B,)."""
    return critic(x).float().mean((1, 2, 3))


def gradient_penalty(critic: Critic, x: Tensor) -> Tensor:
    """(||grad_x D(x)||_2 - 1)^2, the mean over pictures (MBD-GAN, eq. 16; Gulrajani et al., eq. 3).  x (B, C, H, W).

    The norm is over all pixels and channels of a picture.
    """
    x = x.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(mean_of_patches(critic, x).sum(), x, create_graph=True)
    return (gradient.float().flatten(1).norm(dim=1) - 1).square().mean()


def between(a: Tensor, b: Tensor, u: Tensor) -> Tensor:
    """A point on the line from a to b for each picture: a + u (b - a).  (B, C, H, W) twice, u (B, 1, 1, 1) -> same."""
    return a + u * (b - a)


def pixel_loss(a: Tensor, b: Tensor) -> Tensor:
    """Mean of |a - b| over pictures, channels and pixels (physics-based GAN, eqs. 8 to 10).  (B, C, H, W) twice.

    Twice that of pictures in [0, 1]: the paper's lie in [-1, 1], as the generator's tanh says, and its weights of 50
    and 10 are meant for those.
    """
    return 2 * (a - b).abs().mean()


def taken_for_real(on_fake: Tensor) -> Tensor:
    """(D(G(y)) - 1)^2, the generator's side of eq. 11 as least squares (Mao et al., 2017): the mean over patches."""
    return (on_fake.float() - 1).square().mean()


def told_apart(on_real: Tensor, on_fake: Tensor) -> Tensor:
    """1/2 ((D(x) - 1)^2 + D(G(y))^2), the critic's side of eq. 11 as least squares: the mean over patches.

    A critic that always says 1/2 has 1/4; one that has won has 0.
    """
    return 0.5 * ((on_real.float() - 1).square().mean() + on_fake.float().square().mean())
