"""The evidence of a kernel: how likely it makes y with the picture integrated out, by Laplace's approximation.

Chosen together with the picture, a small kernel and a blurred picture win wherever the prior of pictures can make the
blurred one (Levin et al., 2009).  With the code u of the picture integrated out instead,

    -2 c log p(y | k) = min_u { ||y - k * G(u)||^2 + c ||u||^2 } + c log det(I + J' K' K J / c) + const.,

K the blur by k, J the Jacobian of G at the minimum.  The last term counts what y can tell of u: a small kernel leaves
more to read, and pays for it.
"""

import torch
from torch import Tensor, nn
from torch.fft import rfft2
from torch.func import jvp

REFERENCES = 8  # codes at which the Jacobian is taken


def powers(G: nn.Module, codes: Tensor) -> Tensor:
    """Return B, with J' K' K J = sum over frequencies of |K_f|^2 B_f for a blur K; its mean over codes.

    G: (N, l) -> (N, C, H, W); codes (n, l) -> (H, W // 2 + 1, l, l).
    """
    length, parts = codes.shape[1], []
    for u in codes:
        J = jvp(G, (u.expand(length, -1).contiguous(),), (torch.eye(length).to(u),))[1]
        F = rfft2(J, norm="ortho").permute(2, 3, 0, 1)
        parts.append((F @ F.mH).real)
    W = J.shape[-1]
    mirrored = 2 - (2 * torch.arange(W // 2 + 1) % W == 0).to(codes)  # a real picture's spectrum is there twice
    return mirrored[:, None, None] * torch.stack(parts).mean(0)


class Evidence:
    """c log det(I + J' K' K J / c) for any kernel, J at codes drawn from N(0, I) in place of the minimum."""

    def __init__(self, G: nn.Module, weight: float, share: float = 1.0) -> None:
        """G: the prior of pictures; weight: c; share: of the whole term, as J is not that at the minimum."""
        codes = torch.randn(REFERENCES, G.latent, generator=torch.Generator().manual_seed(0))
        self.weight, self.share = weight, share
        self.power = powers(G, codes.to(next(G.parameters()))).flatten(0, 1)

    def __call__(self, K: Tensor) -> Tensor:
        """Return it for transfer functions (N, 1, H, W // 2 + 1) -> (N,)."""
        length = self.power.shape[-1]
        read = (K.abs().square().flatten(1) @ self.power.flatten(1)).unflatten(1, (length, length))
        eye = torch.eye(length).to(read)
        return self.share * self.weight * torch.linalg.slogdet(eye + read / self.weight).logabsdet
