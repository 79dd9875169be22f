"""Networks: plain PyTorch modules, one family a file.

    resnet      encoder, residual blocks, decoder and a skip over all of them (MBD-GAN, Fig. 2)
    patchgan    the critic, one figure for every 70 x 70 patch (MBD-GAN, Fig. 3)
    vgg         features for the perceptual loss (MBD-GAN, eq. 15)

A generator is called as G(y, A, sigma) -> x_hat: what the camera saw (B, C, H, W), its operator, and the standard
deviation of the noise (B, 1, 1, 1); one that is blind to A and sigma does not look at them.
"""

from .patchgan import PatchGAN as PatchGAN
from .resnet import ResNet as ResNet
from .vgg import VGG as VGG
