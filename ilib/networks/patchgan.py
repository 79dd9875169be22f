"""The critic of MBD-GAN (Fig. 3): the PatchGAN of Isola et al. (2017), one figure for every 70 x 70 patch."""

from torch import Tensor, nn

from ..errors import check_batch

SMALLEST = 32  # a picture's side: below, the last layers see nothing but their padding


class PatchGAN(nn.Module):
    """D: C64-C128-C256-C512-1, 4 x 4 convolutions, the first three of stride 2, leaky rectifiers of slope 0.2.

    x (B, channels, H, W) -> (B, 1, H', W'), H' = H // 8 - 2: one figure for each patch of 70 x 70 pixels, not squashed,
    as a Wasserstein critic wants it.  width: features of the first layer (ndf, 64).  Instance norm, which looks at one
    picture at a time, so that the gradient penalty of a picture is its own.  ValueError for pictures of another number
    of channels or with a side under 32 pixels.
    """

    def __init__(self, width: int = 64, channels: int = 3) -> None:
        super().__init__()
        if min(width, channels) < 1:
            raise ValueError(f"width {width}, channels {channels}: pass 1 or more")
        self.channels = channels
        self.D = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),  # (B, w, H/2, W/2)
            nn.LeakyReLU(0.2),
            *_layer(width, 2 * width, stride=2),  # (B, 2w, H/4, W/4)
            *_layer(2 * width, 4 * width, stride=2),  # (B, 4w, H/8, W/8)
            *_layer(4 * width, 8 * width, stride=1),  # (B, 8w, H/8 - 1, W/8 - 1)
            nn.Conv2d(8 * width, 1, 4, padding=1),  # (B, 1, H/8 - 2, W/8 - 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        check_batch(x)
        if x.shape[1] != self.channels or min(x.shape[-2:]) < SMALLEST:
            raise ValueError(f"the critic takes {self.channels} channels and sides of {SMALLEST} pixels or more; the "
                             f"picture is {tuple(x.shape[1:])}")
        return self.D(x)


def _layer(inner: int, outer: int, stride: int) -> list[nn.Module]:
    """Ck: convolve, normalise each picture, rectify leakily."""
    return [nn.Conv2d(inner, outer, 4, stride, padding=1, bias=False), nn.InstanceNorm2d(outer, affine=True),
            nn.LeakyReLU(0.2)]  # fmt: skip
