"""Batch norm in inference mode is an affine map of each channel: fold it into the layer before it."""

import copy

import torch
from torch import Tensor, nn


def folded(network: nn.Module) -> nn.Module:
    """Return a copy in inference mode whose batch norms are part of the linear maps before them; the same function.

    W' = s W, b' = s (b - m) + beta with s = gamma / sqrt(v + eps), m and v the running mean and variance.
    ValueError where a batch norm does not follow a linear map.
    """
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for part in network.modules():
        if isinstance(part, nn.Sequential):
            _fold_sequence(part)
    left = [name for name, part in network.named_modules() if isinstance(part, nn.BatchNorm2d)]
    if left:
        raise ValueError(f"the batch norms {', '.join(left)} do not follow a linear map in a Sequential")
    return network


def _fold_sequence(sequence: nn.Sequential) -> None:
    """Fold each batch norm of a sequence, and put nothing in its place."""
    linear: nn.Module | None = None
    for i, part in enumerate(sequence):
        if isinstance(part, nn.BatchNorm2d) and linear is not None:
            _fold(linear, part)
            sequence[i] = nn.Identity()
        elif not isinstance(part, nn.Unflatten | nn.Identity):
            linear = part if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) else None


def _fold(linear: nn.Module, norm: nn.BatchNorm2d) -> None:
    """Multiply the layer's outputs by s and shift them."""
    s = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shift = norm.bias - s * norm.running_mean
    if isinstance(linear, nn.Linear):  # followed by Unflatten: a channel is a run of rows
        each = linear.out_features // len(s)
        s, shift = s.repeat_interleave(each), shift.repeat_interleave(each)
    axis = 1 if isinstance(linear, nn.ConvTranspose2d) else 0
    bias = torch.zeros_like(shift) if linear.bias is None else linear.bias
    linear.weight = nn.Parameter(linear.weight * _along(s, axis, linear.weight.ndim), requires_grad=False)
    linear.bias = nn.Parameter(s * bias + shift, requires_grad=False)


def _along(s: Tensor, axis: int, ndim: int) -> Tensor:
    return s.reshape([-1 if d == axis else 1 for d in range(ndim)])
