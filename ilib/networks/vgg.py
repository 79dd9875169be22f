"""Features for a perceptual loss: VGG from the picture to its third convolution of block three (MBD-GAN, eq. 15)."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import check_batch

MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which VGG was trained on
WIDTHS = ((64, 64), (128, 128), (256, 256, 256))  # features of conv1_1 ... conv3_3; each block but the last is pooled
VGG16 = "weights/vgg16_conv1_1-conv4_1_f16.npz"  # below ILIB_DATA
VGG19 = "hub/checkpoints/vgg19-dcbb9e9d.pth"  # where torchvision puts it, below $TORCH_HOME
KINDS = ("vgg16", "vgg19", "random")
SEED = 19  # of the random features, the same in every run
Layers = Iterable[tuple[Tensor, Tensor]]


class VGG(nn.Module):
    """VGG_P of eq. 15: pictures in [0, 1] to the features after conv3_3 and its rectifier, before the third pooling.

    x (B, 3, H, W) -> (B, 256, H // 4, W // 4).  kind: "vgg16" or "vgg19", trained on ImageNet (up to conv3_3 the layers
    are of the same sizes in both), or "random", the same layers with fixed random weights, which need no file. Their
    use in a perceptual loss is proposed by Liu et al. (Generic Perceptual Loss, CVPR 2021); chapter 4 compares how the
    kinds rank distortions.  Weights are never trained.
    FileNotFoundError where the weights are not on this machine, ValueError for another kind or number of channels.
    """

    def __init__(self, kind: str = "random") -> None:
        super().__init__()
        self.kind = kind
        inner, layers = 3, []
        for block, widths in enumerate(WIDTHS):
            layers += [nn.MaxPool2d(2)] if block else []
            for outer in widths:
                layers += [nn.Conv2d(inner, outer, 3, padding=1), nn.ReLU(inplace=True)]
                inner = outer
        self.layers = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("sd", torch.tensor(SD).reshape(1, 3, 1, 1))
        convolutions = [layer for layer in self.layers if isinstance(layer, nn.Conv2d)]
        with torch.no_grad():
            for layer, (weight, bias) in zip(convolutions, layers_of(kind), strict=True):
                layer.weight.copy_(weight), layer.bias.copy_(bias)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        check_batch(x)
        if x.shape[1] != 3:
            raise ValueError(f"VGG takes 3 channels, not {x.shape[1]}: x.expand(-1, 3, -1, -1) makes them of one")
        return self.layers((x - self.mean) / self.sd)


def layers_of(kind: str) -> Layers:
    """Return weight and bias of conv1_1 ... conv3_3.  ValueError, FileNotFoundError as in VGG."""
    if kind not in KINDS:
        raise ValueError(f"features {kind!r} are unknown; choose one of {', '.join(KINDS)}")
    return {"vgg16": _vgg16, "vgg19": _vgg19, "random": _random}[kind]()


def _vgg16() -> Layers:
    folder = os.environ.get("ILIB_DATA")
    path = Path(folder or ".") / VGG16
    if not folder or not path.is_file():
        raise FileNotFoundError(f"VGG-16's weights, {VGG16}, are looked for below the folder that ILIB_DATA names and "
                                "are not there; set it, or use the features \"random\", which need no file")
    with np.load(path) as file:
        names = [f"conv{block}_{i}" for block, widths in enumerate(WIDTHS, 1) for i in range(1, len(widths) + 1)]
        return [tuple(torch.from_numpy(file[f"{name}.{part}"]).float() for part in ("weight", "bias"))
                for name in names]  # fmt: skip


def _vgg19() -> Layers:
    path = Path(torch.hub.get_dir()).parent / VGG19
    if not path.is_file():
        raise FileNotFoundError(f"VGG-19's weights are looked for where torchvision keeps them ({VGG19} below "
                                "TORCH_HOME) and are not there; `torchvision.models.vgg19(weights='DEFAULT')` fetches "
                                "them, or use the features \"random\", which need no file")
    state = torch.load(path, map_location="cpu", weights_only=True)
    return [(state[f"features.{i}.weight"], state[f"features.{i}.bias"]) for i in (0, 2, 5, 7, 10, 12, 14)]


def _random() -> Layers:
    """Draw weights that keep the size of what they are given (He et al., 2015), the same ones always."""
    random, inner = torch.Generator().manual_seed(SEED), 3
    for outer in (width for widths in WIDTHS for width in widths):
        yield torch.randn(outer, inner, 3, 3, generator=random) * (2 / (9 * inner)) ** 0.5, torch.zeros(outer)
        inner = outer
