"""The generator: sizes, the skip, the layout counted by hand, and errors that say what to do."""

import pytest
import torch

from ilib.networks import ResNet, UNet


def parameters_by_hand(w: int, blocks: int) -> int:
    """c7s1-w, d2w, d4w, blocks, u2w, uw, c7s1-3: weights of each convolution, scale and shift of each norm."""
    first = 3 * w * 49 + 2 * w
    down = w * 2 * w * 9 + 4 * w + 2 * w * 4 * w * 9 + 8 * w
    residual = blocks * 2 * ((4 * w) ** 2 * 9 + 8 * w)
    up = 4 * w * 2 * w * 9 + 4 * w + 2 * w * w * 9 + 2 * w
    return first + down + residual + up + w * 3 * 49 + 3


@pytest.mark.parametrize(("width", "blocks"), [(64, 9), (8, 2)])
def test_parameters_counted_by_hand(width: int, blocks: int) -> None:
    with torch.device("meta"):
        net = ResNet(width, blocks)
    assert sum(p.numel() for p in net.parameters()) == parameters_by_hand(width, blocks)
    assert parameters_by_hand(64, 9) == 11_383_427


@pytest.mark.parametrize("size", [(8, 8), (32, 48), (33, 32), (34, 35), (9, 61)])
def test_output_is_as_large_as_the_input(size: tuple[int, int]) -> None:
    net = randomised(ResNet(4, 1))
    y = torch.rand(2, 3, *size)
    assert net(y).shape == y.shape
    assert not torch.equal(net(y), y)


def randomised(net: ResNet) -> ResNet:
    """Give the last layer weights, as training does."""
    torch.nn.init.normal_(net.G[-1].weight, std=0.1)
    return net


def test_starts_as_the_identity() -> None:
    y = torch.rand(2, 3, 17, 20)
    assert torch.equal(ResNet(4, 2)(y), y)


def test_gradients_reach_every_weight() -> None:
    net = randomised(ResNet(4, 2))
    y = torch.rand(2, 3, 16, 16, requires_grad=True)
    net(y).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())
    assert y.grad is not None and y.grad.abs().min() > 0, "through the skip"


def test_pictures_of_a_batch_do_not_mix() -> None:
    """Instance norm looks at one picture at a time: batches may be cut into parts."""
    net = randomised(ResNet(4, 2))
    y = torch.rand(3, 3, 16, 16)
    assert (net(y) - torch.cat([net(one[None]) for one in y])).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.rand(1, 1, 16, 16), "y has 1 channels but the network takes 3: give grey pictures three equal"),
        (torch.rand(1, 4, 16, 16), "y has 4 channels but the network takes 3$"),
        (torch.rand(1, 3, 6, 16), r"y is \(6, 16\) pixels; the network takes sides of 8 or more"),
        (torch.rand(3, 16, 16), r"pass \(B, C, H, W\)"),
    ],
)
def test_wrong_pictures_are_refused(y: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ResNet(4, 1)(y)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="pass 1 or more"):
        ResNet(width=0)


def test_a_veil_changes_what_the_unet_adds_but_not_what_the_resnet_adds() -> None:
    """Instance norm takes a y + b for y; the U-Net, which has none, does not."""
    torch.manual_seed(0)
    y = torch.rand(2, 3, 32, 40)
    veiled = 0.4 * y + 0.6
    resnet, unet = randomised(ResNet(4, 1)), UNet(4)
    torch.nn.init.normal_(unet.tail.weight, std=0.1)
    assert (resnet.G(veiled) - resnet.G(y)).abs().max() < 1e-2 * resnet.G(y).abs().max()
    added, before = unet(veiled) - veiled, unet(y) - y
    assert (added - before).abs().max() > 0.1 * before.abs().max()


def test_the_unet_takes_any_size_and_is_told_nothing() -> None:
    net, y = UNet(4), torch.rand(2, 3, 17, 20)
    assert torch.equal(net(y), y)
    torch.nn.init.normal_(net.tail.weight, std=0.1)
    assert net(y).shape == y.shape and not torch.equal(net(y), y)
    assert torch.equal(net(y), net(y, None, torch.full((2, 1, 1, 1), 0.3)))
    with pytest.raises(ValueError, match="channels"):
        net(y[:, :1])
