"""Algorithm 1: gradient descent on the two latent vectors in turn, in the Fourier domain (Asim et al., eqs. 5 to 9).

    L(z_i, z_k) = sum |Y - X K|^2 + gamma ||z_i||^2 + lambda ||z_k||^2

with X, K, Y the unnormalised DFTs of the picture G_I(z_i), of the kernel G_K(z_k) and of y; the sum runs over all n
frequencies and the colours, which is n times the sum over pixels (Parseval).  One iteration moves z_k, then z_i with
the new z_k; gradients are divided by their root mean square; both as in the authors' code.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

from ..operators import otf
from .latent import Generators, Point, Stages, State, draws, normalised, seeds_for, staged
from .load import halved


@dataclass(frozen=True)
class Descent:
    """How Algorithm 1 descends (Table II of the paper, for SVHN)."""

    steps: int = 6000  # 10,000 for faces and shoes
    stages: Stages = ((0, 10),)  # (from step, restarts left): ((0, 10), (300, 5), (900, 2), (1500, 1)) costs a fifth
    rate: float = 0.01  # the first step's length, in root mean square
    decay: float = 1000.0  # steps after which the rate has fallen to 1/e
    gamma: float = 0.01  # weight of ||z_i||^2
    lam: float = 0.01  # weight of ||z_k||^2
    chunk: int = 40  # runs at once
    bf16: bool = False  # compute the generator of pictures in bfloat16; its last picture in float32 all the same

    def rate_at(self, t: int) -> float:
        """Return the step's length at iteration t."""
        return self.rate * math.exp(-t / self.decay)


@dataclass(frozen=True)
class Found:
    """What is found for each picture: x_hat (B, C, H, W), kernel (B, 28, 28), latent vectors, the mean square misfit
    ||y - x_hat * kernel||^2 / (C H W) (B,), and which restart it was (B,)."""

    x_hat: Tensor
    kernel: Tensor
    z_i: Tensor
    z_k: Tensor
    misfit: Tensor
    restart: Tensor


def picture_gradient(r: Tensor, K: Tensor, height: int, width: int) -> Tensor:
    """Return the gradient of sum |r|^2 with respect to the picture, r = X K - Y: 2 n F^-1 [conj(K) r] (eq. 8).

    r (N, C, H, W // 2 + 1), K (N, 1, H, W // 2 + 1) -> (N, C, H, W).
    """
    return 2 * height * width * irfft2(K.conj() * r, s=(height, width))


def kernel_gradient(r: Tensor, X: Tensor, width: int, side: int) -> Tensor:
    """Return the gradient of sum |r|^2 with respect to the kernel: 2 n F^-1 [conj(X) r], summed over colours (eq. 9).

    r, X (N, C, H, W // 2 + 1) -> (N, side, side), cut out where the kernel's canvas lies.
    """
    height = r.shape[-2]
    g = irfft2((X.conj() * r).sum(1), s=(height, width)).roll((side // 2, side // 2), (-2, -1))
    return 2 * height * width * g[:, :side, :side]


def alternate(y: Tensor, state: State, G: Generators, how: Descent, steps: range) -> State:
    """Move runs through some iterations.  y (N, C, H, W); state z_i (N, l), z_k (N, m) -> the same."""
    Y, (h, w), z_i, z_k = rfft2(y), y.shape[-2:], state["z_i"], state["z_k"]
    kernel = Point(G.kernel, z_k)
    for t in steps:
        picture = Point(G.picture, z_i)
        X, K = rfft2(picture.made), otf(kernel.made, h, w)
        g = kernel.pull_back(kernel_gradient(X * K - Y, X, w, kernel.made.shape[-1])) + 2 * how.lam * z_k
        z_k = z_k - how.rate_at(t) * normalised(g)
        kernel = Point(G.kernel, z_k)
        K = otf(kernel.made, h, w)
        g = picture.pull_back(picture_gradient(X * K - Y, K, h, w)) + 2 * how.gamma * z_i
        z_i = z_i - how.rate_at(t) * normalised(g)
    return {"z_i": z_i, "z_k": z_k}


@torch.no_grad()
def misfit(y: Tensor, x: Tensor, kernel: Tensor) -> Tensor:
    """Return the mean of (y - x * k)^2 for each picture.  y, x (N, C, H, W), kernel (N, h, w) -> (N,)."""
    made = irfft2(rfft2(x) * otf(kernel, *y.shape[-2:]), s=y.shape[-2:])
    return (y - made).square().flatten(1).mean(1)


@torch.no_grad()
def algorithm_1(y: Tensor, G: Generators, how: Descent | None = None, seeds: Sequence[int] | None = None) -> Found:
    """Find picture and kernel in the range of two generators (Algorithm 1).

    y (B, C, H, W); seeds: one for each picture, from which its starts are drawn.  The restart that is kept has the
    smallest misfit, without the penalties, at the last iteration.  ValueError where y is not finite, not of the size
    and channels that the generator makes, or where stages and steps do not go together.
    """
    how = how or Descent()
    G.check(y)
    own, fast = seeds_for(y, seeds), Generators(halved(G.picture), G.kernel) if how.bf16 else G
    start = {name: draws(own, how.stages[0][1], length, i).to(y) for i, (name, length) in
             enumerate(G.latents().items())}  # fmt: skip

    def move(who: Tensor, part: State, steps: range) -> State:
        return alternate(y[who], part, fast, how, steps)

    def measure(who: Tensor, part: State) -> State:
        return {"misfit": misfit(y[who], G.picture(part["z_i"]), G.kernel(part["z_k"]))}

    last = staged(start, move, measure, how.stages, how)
    return found(last, G)


def found(last: State, G: Generators) -> Found:
    """Make pictures and kernels of the last state."""
    return Found(G.picture(last["z_i"]), G.kernel(last["z_k"]), last["z_i"], last["z_k"], last["misfit"],
                 last["restart"])  # fmt: skip
