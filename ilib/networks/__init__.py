"""Networks: plain PyTorch modules, one family a file.

    resnet    encoder, residual blocks, decoder and a skip over all of them (MBD-GAN, Fig. 2)
"""

from .resnet import ResNet as ResNet
