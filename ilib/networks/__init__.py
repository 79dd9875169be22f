"""Networks: plain PyTorch modules, one family a file.

    resnet      encoder, residual blocks, decoder and a skip over all of them (MBD-GAN, Fig. 2)
    direct      the same layers without the skip (physics-based GAN, Table 1)
    unet        the layers of the denoiser, told nothing: no norms, a quarter of the pixels
    generators  the three above by name
    norm        instance norm, in fewer passes for bfloat16 on a processor
    patchgan    the critic, one figure for every 70 x 70 patch (MBD-GAN, Fig. 3)
    vgg         features for the perceptual loss (MBD-GAN, eq. 15)
    fcnn        deconvolutions guided by gradients that six layers have denoised (Zhang et al., 2017)
    srn         one encoder-decoder at three scales, an LSTM between them (Tao et al., 2018)
    vae         autoencoders of blur kernels and of house numbers (Asim et al., 2020, Table IV)
    dcgan       pictures from a hundred numbers, and their critic (Radford et al., 2016)
    fold        batch norm in inference mode, folded into the layers before it
    odcnn       deconvolution by a column and a row of 121 taps, begun at the Wiener inverse (Xu et al., 2014)
    denoiser    a small U-Net that is told the noise level (after DRUNet, Zhang et al., 2021)
    unrolled    half-quadratic splitting in K learned steps, told the blur and the noise
    kernel_net  the kernel from the blurred picture, its spectrum and its autocorrelation
    told        the generator of MBD-GAN, shown the Wiener estimate and A'y beside y
    gand_critic a shortened VGG that tells restored pictures from photographs (GAN-D, Fig. 1)
    lpips       how different two pictures look (Zhang et al., 2018), a measure

A generator is called as G(y, A, sigma) -> x_hat: what the camera saw (B, C, H, W), its operator, and the standard
deviation of the noise (B, 1, 1, 1); one that is blind to A and sigma does not look at them.  A generative prior is
called as G(z): latent vectors (B, latent) -> pictures (B, C, H, W) in [0, 1], or kernels (B, 28, 28).
"""

from .dcgan import DCGAN as DCGAN
from .dcgan import DCGANCritic as DCGANCritic
from .denoiser import Denoiser as Denoiser
from .direct import DirectResNet as DirectResNet
from .fcnn import FCNN as FCNN
from .fold import folded as folded
from .gand_critic import GanDCritic as GanDCritic
from .generators import restorer as restorer
from .kernel_net import KernelNet as KernelNet
from .kernel_net import KernelNetInside as KernelNetInside
from .odcnn import ODCNN as ODCNN
from .patchgan import PatchGAN as PatchGAN
from .resnet import ResNet as ResNet
from .srn import SRN as SRN
from .told import ToldResNet as ToldResNet
from .unet import UNet as UNet
from .unrolled import Unrolled as Unrolled
from .vae import VAE as VAE
from .vae import BlurDecoder as BlurDecoder
from .vae import BlurEncoder as BlurEncoder
from .vae import NumberDecoder as NumberDecoder
from .vae import NumberEncoder as NumberEncoder
from .vae import UnitBlurDecoder as UnitBlurDecoder
from .vgg import VGG as VGG
