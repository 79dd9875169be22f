"""The norm of bfloat16 pictures: PyTorch's figures and gradients, in the layout that it was given."""

import pytest
import torch
from torch import Tensor, nn

from ilib.networks.norm import InstanceNorm2d

WHOLE = [(2, 24, 32, 32), (3, 5, 33, 35), (1, 16, 7, 1)]


def pictures(shape: tuple[int, ...], dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """Numbers far from mean 0: there the variance loses digits where it is taken in too few of them."""
    x = 3 + 2 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


def layer(channels: int) -> InstanceNorm2d:
    """The layer with weights that are not one and zero."""
    generator, norm = torch.Generator().manual_seed(1), InstanceNorm2d(channels, affine=True)
    nn.init.uniform_(norm.weight, generator=generator), nn.init.normal_(norm.bias, generator=generator)
    return norm


def values_and_slopes(norm: nn.Module, x: Tensor) -> list[Tensor]:
    """What a layer gives for x, and its slopes in x, weight and bias against a fixed g."""
    x = x.detach().requires_grad_()
    y = norm(x)
    g = torch.randn(x.shape, generator=torch.Generator().manual_seed(2)).to(torch.bfloat16)
    return [y.detach(), *torch.autograd.grad(y, [x, norm.weight, norm.bias], g.to(x.dtype))]


@pytest.mark.parametrize("shape", WHOLE)
def test_as_exact_as_torch(shape: tuple[int, ...]) -> None:
    x, norm = pictures(shape), layer(shape[1])
    exact = nn.InstanceNorm2d(shape[1], affine=True).double()
    exact.load_state_dict(norm.state_dict())
    truth = values_and_slopes(exact, x.double())
    for mine, true in zip(values_and_slopes(norm, x), truth, strict=True):
        assert (mine.double() - true).abs().max() <= 0.004 * true.abs().max() + 1e-6  # bfloat16's last place
    exact.weight.data *= 1.1
    assert (values_and_slopes(exact, x.double())[0] - truth[0]).abs().max() > 0.02


def test_keeps_the_layout() -> None:
    y = layer(24)(pictures((2, 24, 32, 32)))
    assert y.is_contiguous(memory_format=torch.channels_last) and y.dtype is torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_other_pictures_are_left_to_torch(dtype: torch.dtype) -> None:
    x, norm = pictures((2, 8, 16, 16), dtype), layer(8).to(dtype)
    plain = nn.InstanceNorm2d(8, affine=True).to(dtype)
    plain.load_state_dict(norm.state_dict())
    for mine, theirs in zip(values_and_slopes(norm, x), values_and_slopes(plain, x), strict=True):
        assert torch.equal(mine, theirs)


def test_channels_first_are_taken_too() -> None:
    x, norm = pictures((2, 8, 16, 16)), layer(8)
    assert torch.equal(norm(x), norm(x.contiguous()))
