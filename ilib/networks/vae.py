"""Variational autoencoders of blur kernels and of house numbers (Asim et al., 2020, Table IV).

An encoder gives the mean and the log-variance of q(z | x), each (B, latent); a decoder maps z to a kernel (B, 28, 28)
or to a picture (B, 3, 32, 32) in [0, 1], and is, once trained, a prior by itself.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

OUTPUTS = {"relu": F.relu, "softplus": F.softplus}
KERNEL_SIDE = 28  # pixels
UNIT = 0.05  # a typical entry of a kernel that sums to 1: what the blur decoder's last layer counts in


def check_latent(z: Tensor, latent: int) -> None:
    """Raise unless z is a floating-point tensor (B, latent)."""
    if not isinstance(z, Tensor) or not z.is_floating_point():
        raise TypeError("z must be a floating-point tensor (B, latent)")
    if z.ndim != 2 or z.shape[1] != latent:
        raise ValueError(f"z has shape {tuple(z.shape)}; this generator takes (B, {latent})")


def widened(x: Tensor) -> Tensor:
    """Return a tensor in float32 where it is in less."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


class BlurEncoder(nn.Module):
    """Twice a 2x2 convolution to 20 features, ReLU and 2x2 max-pooling.

    k (B, 28, 28) -> mean, log-variance (B, latent).
    """

    def __init__(self, latent: int = 50) -> None:
        super().__init__()
        self.f = nn.Sequential(
            nn.Conv2d(1, 20, 2), nn.ReLU(), nn.MaxPool2d(2),  # (B, 20, 13, 13)
            nn.Conv2d(20, 20, 2), nn.ReLU(), nn.MaxPool2d(2),  # (B, 20, 6, 6)
            nn.Flatten(), nn.Linear(720, 2 * latent))  # fmt: skip

    def forward(self, k: Tensor) -> tuple[Tensor, Tensor]:
        if k.shape[1:] != (KERNEL_SIDE, KERNEL_SIDE):
            raise ValueError(f"the kernels are {tuple(k.shape)}; the encoder takes (B, {KERNEL_SIDE}, {KERNEL_SIDE})")
        return self.f(k[:, None] / UNIT).chunk(2, 1)


class BlurDecoder(nn.Module):
    """Linear to 6x6x20, twice (upsample, 2x2 transposed convolution), a last 2x2 one.  z (B, latent) -> (B, 28, 28).

    output: what keeps the kernel non-negative, "relu" (the paper) or "softplus", whose gradient never dies.  The sum is
    whatever comes out: nothing is normalised.
    """

    def __init__(self, latent: int = 50, output: str = "softplus") -> None:
        super().__init__()
        if output not in OUTPUTS:
            raise ValueError(f"output {output!r} is unknown; choose one of {', '.join(OUTPUTS)}")
        self.latent, self.output = latent, output
        self.f = nn.Sequential(
            nn.Linear(latent, 720), nn.ReLU(), nn.Unflatten(1, (20, 6, 6)),
            nn.Upsample(scale_factor=2), nn.ConvTranspose2d(20, 20, 2), nn.ReLU(),  # (B, 20, 13, 13)
            nn.Upsample(scale_factor=2), nn.ConvTranspose2d(20, 20, 2), nn.ReLU(),  # (B, 20, 27, 27)
            nn.ConvTranspose2d(20, 1, 2))  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        check_latent(z, self.latent)
        return UNIT * OUTPUTS[self.output](widened(self.f(z)[:, 0]))


class UnitBlurDecoder(nn.Module):
    """BlurDecoder's layers with a softmax over all pixels at the end: every kernel is non-negative and sums to 1.

    z (B, latent) -> (B, 28, 28).  Not in the paper: no factor is left that kernel and picture could share.
    """

    def __init__(self, latent: int = 50) -> None:
        super().__init__()
        self.latent, self.f = latent, BlurDecoder(latent).f

    def forward(self, z: Tensor) -> Tensor:
        check_latent(z, self.latent)
        return widened(self.f(z)).flatten(1).softmax(1).reshape(-1, KERNEL_SIDE, KERNEL_SIDE)


class NumberEncoder(nn.Module):
    """Three 2x2 convolutions of stride 2 with batch norm.  x (B, 3, 32, 32) -> mean, log-variance (B, latent)."""

    def __init__(self, latent: int = 100, width: int = 128) -> None:
        super().__init__()
        w = width
        self.f = nn.Sequential(
            nn.Conv2d(3, w, 2, 2), nn.BatchNorm2d(w), nn.ReLU(),  # (B, w, 16, 16)
            nn.Conv2d(w, 2 * w, 2, 2), nn.BatchNorm2d(2 * w), nn.ReLU(),  # (B, 2w, 8, 8)
            nn.Conv2d(2 * w, 4 * w, 2, 2), nn.BatchNorm2d(4 * w), nn.ReLU(),  # (B, 4w, 4, 4)
            nn.Flatten(), nn.Linear(64 * w, 2 * latent))  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.shape[1:] != (3, 32, 32):
            raise ValueError(f"the pictures are {tuple(x.shape)}; the encoder takes (B, 3, 32, 32)")
        return self.f(2 * x - 1).chunk(2, 1)


class NumberDecoder(nn.Module):
    """Linear to 4x4x512, three 2x2 transposed convolutions of stride 2, 1x1 to colours, sigmoid.

    z (B, latent) -> (B, 3, 32, 32) in [0, 1].  width: features of the last layer but one (128 in the paper).
    """

    def __init__(self, latent: int = 100, width: int = 128) -> None:
        super().__init__()
        self.latent, w = latent, width
        self.f = nn.Sequential(
            nn.Linear(latent, 64 * w), nn.Unflatten(1, (4 * w, 4, 4)),
            nn.ConvTranspose2d(4 * w, 4 * w, 2, 2), nn.BatchNorm2d(4 * w), nn.ReLU(),  # (B, 4w, 8, 8)
            nn.ConvTranspose2d(4 * w, 2 * w, 2, 2), nn.BatchNorm2d(2 * w), nn.ReLU(),  # (B, 2w, 16, 16)
            nn.ConvTranspose2d(2 * w, w, 2, 2), nn.BatchNorm2d(w), nn.ReLU(),  # (B, w, 32, 32)
            nn.ConvTranspose2d(w, 3, 1))  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        check_latent(z, self.latent)
        return torch.sigmoid(widened(self.f(z)))


class Codes(nn.Module):
    """Where the codes of a training set lie: u from N(0, I) -> z = mean + root u from N(mean, root^2).

    u (B, latent) -> the same.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("root", torch.eye(latent))

    def forward(self, u: Tensor) -> Tensor:
        check_latent(u, self.latent)
        return self.mean + u @ self.root.T

    def inverse(self, z: Tensor) -> Tensor:
        """Return the u of a code.  (B, latent) -> the same."""
        check_latent(z, self.latent)
        return torch.linalg.solve(self.root, (z - self.mean).T).T


class VAE(nn.Module):
    """An encoder and a decoder.  x (B, ...), e (B, latent) from N(0, I) -> G(z), mean, log-variance.

    z = mean + e exp(log-variance / 2) is a draw from q(z | x) through which gradients flow.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor, e: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = (widened(part) for part in self.encoder(x))
        return self.decoder(mean + e * (log_variance / 2).exp()), mean, log_variance


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, diag exp(log_variance)) || N(0, I)) of each row.  (B, latent) twice -> (B,)."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
