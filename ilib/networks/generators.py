"""One name for the generators that the rows of the physics-based GAN are trained with, so that a profile can choose."""

from torch import nn

from .direct import DirectResNet
from .resnet import ResNet
from .unet import UNet

KINDS = {"direct": DirectResNet, "resnet": ResNet, "unet": UNet}


def restorer(kind: str = "direct", **arguments: int) -> nn.Module:
    """Build a generator: "direct" is the paper's (Table 1), "resnet" the same layers with a skip from y.

    "unet" is a quicker one without norms.  arguments: those of the network; a short training starts better at
    x_hat = y.  ValueError for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(KINDS)}")
    return KINDS[kind](**arguments)
