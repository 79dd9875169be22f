"""Networks: plain PyTorch modules, one family a file.

    resnet    encoder, residual blocks, decoder and a skip over all of them (MBD-GAN, Fig. 2)
    fcnn      deconvolutions guided by gradients that six layers have denoised (Zhang et al., 2017)
    srn       one encoder-decoder at three scales, an LSTM between them (Tao et al., 2018)
"""

from .fcnn import FCNN as FCNN
from .resnet import ResNet as ResNet
from .srn import SRN as SRN
