"""Networks: plain PyTorch modules, one family a file.

    resnet      encoder, residual blocks, decoder and a skip over all of them (MBD-GAN, Fig. 2)
    patchgan    the critic, one figure for every 70 x 70 patch (MBD-GAN, Fig. 3)
    vgg         features for the perceptual loss (MBD-GAN, eq. 15)
    fcnn        deconvolutions guided by gradients that six layers have denoised (Zhang et al., 2017)
    srn         one encoder-decoder at three scales, an LSTM between them (Tao et al., 2018)
    odcnn       deconvolution by a column and a row of 121 taps, begun at the Wiener inverse (Xu et al., 2014)
    gand_critic a shortened VGG that tells restored pictures from photographs (GAN-D, Fig. 1)

A generator is called as G(y, A, sigma) -> x_hat: what the camera saw (B, C, H, W), its operator, and the standard
deviation of the noise (B, 1, 1, 1); one that is blind to A and sigma does not look at them.
"""

from .fcnn import FCNN as FCNN
from .gand_critic import GanDCritic as GanDCritic
from .odcnn import ODCNN as ODCNN
from .patchgan import PatchGAN as PatchGAN
from .resnet import ResNet as ResNet
from .srn import SRN as SRN
from .vgg import VGG as VGG
