"""ODCNN, the generator of GAN-D: deconvolution by long one-dimensional filters (Xu et al., 2014; GAN-D, Fig. 1).

An inverse filter is long, 121 pixels a side here.  As a sum of few products of a column and a row it becomes two
layers, 1 x 121 and 121 x 1; a 16 x 16 layer, a 1 x 1 layer and a transposed 8 x 8 layer then clean up.  GAN-D fills in
zeros beyond the border, so that the picture keeps its size; the original lets it shrink.

A filter of even side has no middle.  Ours is at (h // 2, w // 2), as everywhere in ilib: the 16 x 16 layer reaches 8
pixels up and 7 down, the transposed 8 x 8 layer mirrors its own, and the two together reach equally far to both sides.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fft import irfft, irfft2, rfft, rfft2
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

from ..classical import gradient_power
from ..errors import check_input
from ..kernels import DTYPE, delta, disk
from ..operators import CircularConvolution, LinearOperator

STARTS = ("svd", "random")
DIAMETER, GAIN = 7, 1.3  # of GAN-D's camera, whose linear part the network starts by inverting
RATIO = 0.1  # power of all that disturbs y over that of the picture's gradient, in the inverse that it starts from
CALM = 300  # inputs of a filter above which its weights move less in a step


def convolve_directly(x: Tensor, weight: Tensor) -> Tensor:
    """Correlate x with filters, zeros beyond the border.  x (B, I, H, W), weight (O, I, h, w) -> (B, O, H, W)."""
    h, w = weight.shape[-2:]
    return F.conv2d(F.pad(x, (w // 2, w - 1 - w // 2, h // 2, h - 1 - h // 2)), weight)


def convolve_by_fft(x: Tensor, weight: Tensor) -> Tensor:
    """The same by real FFTs, along one axis only where the filters have one; in float32 at least."""
    x, weight = (t.to(torch.promote_types(t.dtype, torch.float32)) for t in (x, weight))
    if weight.shape[-1] == 1 < weight.shape[-2]:
        return convolve_by_fft(x.mT, weight.mT).mT
    (h, w), (H, W) = weight.shape[-2:], x.shape[-2:]
    across = _fast(W + w // 2)
    if h == 1:
        transfer = rfft(_at_origin(weight[:, :, 0], across, -1)).conj()
        return irfft(torch.einsum("bihf,oif->bohf", rfft(x, across), transfer), across)[..., :W]
    size = (_fast(H + h // 2), across)
    transfer = rfft2(_at_origin(_at_origin(weight, size[0], -2), size[1], -1)).conj()
    return irfft2(torch.einsum("bigf,oigf->bogf", rfft2(x, size), transfer), size)[..., :H, :W]


def _fast(n: int) -> int:
    """Round up to a length whose FFT is fast: a multiple of 8."""
    return -(-n // 8) * 8


def _at_origin(weight: Tensor, size: int, dim: int) -> Tensor:
    """Fill up with zeros to a size along dim and move the middle, index n // 2, to 0."""
    n = weight.shape[dim]
    zeros = (0, size - n) if dim == -1 else (0, 0, 0, size - n)
    return F.pad(weight, zeros).roll(-(n // 2), dim)


class Times(nn.Module):
    """Hold a weight as scale times what the optimiser sees: a step of Adam then moves the weight by scale x lr."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, v: Tensor) -> Tensor:
        return self.scale * v

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight / self.scale


def calm(layer: nn.Module, inputs: int) -> None:
    """Divide the steps of a layer's weight by inputs / CALM, inputs: how many numbers one of its filters adds up.

    Adam moves every weight by lr, in the same direction where the inputs have the same sign, as those behind a ReLU:
    in a sum of 9728 numbers, of a 16 x 16 layer, that is another filter after one step.
    """
    if inputs > CALM:
        register_parametrization(layer, "weight", Times(CALM / inputs))


class Filters(nn.Module):
    """A layer of filters of any size, zeros beyond the border: x (B, inner, H, W) -> (B, outer, H, W).

    On the CPU by FFT, on a GPU directly (benchmarks/separable.py).
    """

    def __init__(self, inner: int, outer: int, height: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outer, inner, height, width))
        self.bias = nn.Parameter(torch.zeros(outer))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        calm(self, inner * height * width)

    def forward(self, x: Tensor) -> Tensor:
        return (convolve_directly if x.is_cuda else convolve_by_fft)(x, self.weight) + self.bias[:, None, None]


class ODCNN(nn.Module):
    """G: 1 x taps (width), taps x 1 (width), 16 x 16 (width), 1 x 1 (features), 8 x 8 transposed to channels.

    y (B, channels, H, W) -> the same shape; a ReLU follows every layer but the last; A and sigma are not looked at.
    taps: odd; start: "svd", as the Wiener inverse of the disk (start_from), or "random".  The paper's size is the
    default.  ValueError for pictures of another number of channels, or a width below two for each channel.
    """

    def __init__(self, taps: int = 121, width: int = 38, features: int = 512, start: str = "svd",
                 channels: int = 3) -> None:  # fmt: skip
        super().__init__()
        if start not in STARTS:
            raise ValueError(f"start is {start!r}; choose one of {', '.join(STARTS)}")
        if taps < 1 or taps % 2 == 0 or channels < 1 or min(width, features) < 2 * channels:
            raise ValueError(f"taps {taps}, width {width}, features {features}, channels {channels}: pass an odd "
                             "number of taps, and width and features of at least two for each channel")
        self.channels = channels
        self.rows = Filters(channels, width, 1, taps)  # (B, width, H, W), as all that follows up to `points`
        self.columns = Filters(width, width, taps, 1)
        self.mix = Filters(width, width, 16, 16)
        self.points = nn.Conv2d(width, features, 1)  # (B, features, H, W)
        self.rebuild = nn.ConvTranspose2d(features, channels, 8)  # (B, channels, H + 7, W + 7), cropped below
        for layer in (self.points, self.rebuild):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu"), nn.init.zeros_(layer.bias)
        nn.init.normal_(self.rebuild.weight, std=0.1 / math.sqrt(64 * features))
        calm(self.rebuild, 64 * features)
        if start == "svd":
            with torch.device("cpu"):
                start_from(self, wiener_kernel(disk(DIAMETER), RATIO, taps) / GAIN)

    def forward(self, y: Tensor, A: LinearOperator | None = None, sigma: Tensor | None = None) -> Tensor:
        check_input(y, self.channels, 16)
        h = F.relu(self.columns(F.relu(self.rows(y))))
        h = F.relu(self.points(F.relu(self.mix(h))))
        return self.rebuild(h)[..., 4:-3, 4:-3]


def wiener_kernel(kernel: Tensor, ratio: float, taps: int) -> Tensor:
    """Return the filter conj(h) / (|h|^2 + ratio |D|^2) of a blur, cut to its middle.  kernel (h, w) -> (taps, taps).

    D the difference of neighbours, so that ratio is the power of the noise over that of the picture's gradient.
    """
    size = 4 * max(taps, *kernel.shape)
    impulse = delta(size)[None, None].to(kernel)
    filtered = CircularConvolution(kernel).wiener(impulse, ratio * gradient_power(size, size, impulse))[0, 0]
    first = size // 2 - taps // 2
    return filtered[first : first + taps, first : first + taps]


def separate(kernel: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Write a kernel as the sum of `rank` products of columns and rows that is nearest to it, by SVD (Xu et al., 4.1).

    kernel (n, m) -> columns (rank, n), rows (rank, m), kernel ~ columns^T rows.
    """
    u, s, vh = torch.linalg.svd(kernel.to(DTYPE), full_matrices=False)
    root = s[:rank].sqrt()
    return (u[:, :rank] * root).T, vh[:rank] * root[:, None]


@torch.no_grad()
def start_from(net: ODCNN, kernel: Tensor) -> None:
    """Set the weights so that the network convolves each channel with a kernel (taps, taps), to the rank that fits.

    A ReLU lets a signal of both signs pass as a pair, relu(a) - relu(-a) = a: two features for each term and channel.
    Features left over, and those that start without a path to the picture, keep their random weights.
    """
    width, colours = net.rows.weight.shape[:2]
    rank = width // (2 * colours)
    columns, rows = (part.flip(-1).to(net.rows.weight) for part in separate(kernel, rank))  # layers correlate
    layers = (net.rows, net.columns, net.mix, net.points, net.rebuild)
    rows_, columns_, mix, points, rebuild = weights = [layer.weight.clone() for layer in layers]
    used = 2 * rank * colours
    for weight, new in zip(weights, (used, used, colours, colours, len(rebuild)), strict=True):
        weight[:new] = 0
    for c in range(colours):
        for j in range(rank):
            plus = 2 * (c * rank + j)
            for sign, feature in ((1, plus), (-1, plus + 1)):
                rows_[feature, c, 0] = sign * rows[j]
                columns_[feature, plus, :, 0] = sign * columns[j]
                columns_[feature, plus + 1, :, 0] = -sign * columns[j]
                mix[c, feature, 8, 8] = sign
        points[c, c] = 1
        rebuild[c, c, 4, 4] = 1
    for layer, weight in zip(layers, weights, strict=True):
        layer.weight = weight if is_parametrized(layer) else nn.Parameter(weight)
