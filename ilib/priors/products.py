"""A decoder whose transposed convolutions do not overlap, as matrix products: the same function, in half the time.

With as much stride as kernel a pixel makes a tile of its own, so that each layer maps every pixel's features by one
matrix, (N P, C) -> (N P, s s D); only the last step puts the tiles where they lie in the picture.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ..networks.vae import NumberDecoder, check_latent, widened


class Products(nn.Module):
    """NumberDecoder's function by matrix products.  z (B, latent) -> (B, 3, 32, 32) in [0, 1]."""

    def __init__(self, first: nn.Linear, side: int, layers: list[nn.ConvTranspose2d]) -> None:
        super().__init__()
        self.latent, self.side = first.in_features, side
        self.strides, pixels = [layer.stride[0] for layer in layers], side * side
        weights = [_pixels_first(first.weight, pixels), *(_as_matrix(layer.weight) for layer in layers)]
        biases = [_pixels_first(first.bias[:, None], pixels)[:, 0],
                  *(layer.bias.repeat(layer.stride[0] ** 2) for layer in layers)]  # fmt: skip
        self.weights, self.biases = (_fixed(parts) for parts in (weights, biases))

    def forward(self, z: Tensor) -> Tensor:
        check_latent(z, self.latent)
        x = linear(z, self.weights[0], self.biases[0])
        for i, (weight, bias) in enumerate(zip(self.weights[1:], self.biases[1:], strict=True)):
            x = linear((x.relu() if i else x).reshape(-1, weight.shape[1]), weight, bias)
        return torch.sigmoid(widened(self._placed(x, len(z))))

    def _placed(self, x: Tensor, batch: int) -> Tensor:
        """Put tiles within tiles where they lie.  (B side side s s ..., C) -> (B, C, H, W)."""
        sides = [self.side, *self.strides]
        levels = range(len(sides))
        x = x.reshape(batch, *(n for side in sides for n in (side, side)), -1)
        x = x.permute(0, x.ndim - 1, *(1 + 2 * i for i in levels), *(2 + 2 * i for i in levels))
        height = self.side * torch.tensor(self.strides).prod().item()
        return x.reshape(batch, -1, height, height)


def _pixels_first(weight: Tensor, pixels: int) -> Tensor:
    """Order the rows of a linear layer by pixel, then by feature, in place of the other way round."""
    return weight.unflatten(0, (-1, pixels)).transpose(0, 1).flatten(0, 1)


def _as_matrix(weight: Tensor) -> Tensor:
    """Turn a transposed convolution's weight (C, D, s, s) into a matrix (s s D, C)."""
    return weight.permute(2, 3, 1, 0).flatten(0, 2)


def _fixed(parts: list[Tensor]) -> nn.ParameterList:
    return nn.ParameterList([nn.Parameter(part.contiguous(), requires_grad=False) for part in parts])


def products_of(G: nn.Module) -> nn.Module:
    """Return a folded decoder as matrix products where its layers allow it, else the decoder itself.

    G: linear, unflatten, transposed convolutions with as much stride as kernel and ReLUs between them, sigmoid.
    """
    layers = list(getattr(G, "f", []))
    convolutions = [part for part in layers if isinstance(part, nn.ConvTranspose2d)]
    others = [part for part in layers[2:] if not isinstance(part, nn.ConvTranspose2d | nn.Identity | nn.ReLU)]
    apart = all(part.kernel_size == part.stride and part.bias is not None for part in convolutions)
    if not isinstance(G, NumberDecoder) or others or not apart:
        return G
    return Products(layers[0], layers[1].unflattened_size[-1], convolutions)
