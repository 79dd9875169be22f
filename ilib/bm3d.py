"""BM3D deblurring: the maintained stand-in for IDD-BM3D (Danielyan, Katkovnik and Egiazarian, 2012).

IDD-BM3D alternates deconvolution and BM3D frames until they agree; its code is Matlab's and is no longer kept.  What
is kept is the deblurring of the package bm3d (Makinen, Azzari and Foi, 2020): regularised inversion, BM3D that knows
the spectrum of what noise became, then the same once more with the first estimate as the pilot of a Wiener inversion.

The package may be used for non-commercial purposes only, so that ilib does not depend on it: pip install "ilib[bm3d]".
"""

from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .classical import check_told
from .operators import CircularConvolution


def package() -> ModuleType:
    """Import the package bm3d.  ImportError that names the command where it is absent."""
    try:
        if not hasattr(np, "trapz"):
            np.trapz = np.trapezoid  # bm4d 4.2.5 calls it by the name that NumPy 2.4 has dropped
        import bm3d
    except ImportError as error:
        raise ImportError('the row IDD-BM3D needs the package bm3d, whose licence is non-commercial; install it with '
                          'pip install "ilib[bm3d]"') from error  # fmt: skip
    return bm3d


def odd(kernel: Tensor) -> Tensor:
    """Give a kernel odd sides by zeros after it, so that its centre is its middle.  (h, w) -> (h', w')."""
    h, w = kernel.shape
    return F.pad(kernel, (0, 1 - w % 2, 0, 1 - h % 2))


def bm3d_deblurring(y: Tensor, A: CircularConvolution, *, noise: float) -> Tensor:
    """Deblur by the package bm3d, one channel after the other, on the CPU in one thread.  (B, C, H, W) -> same.

    It wants the noise as one number, the blur as an array of odd sides and a picture as (M, N, 1), and takes borders as
    periodic where it inverts.  ImportError without the package; ValueError for a noise of 0.
    """
    check_told(y, A, noise)
    bm3d = package()
    profile = bm3d.BM3DProfile()
    profile.num_threads = 1  # several add up in another order in every run
    kernels = A.kernel.expand(len(y), *A.kernel.shape[-2:])
    pictures = [_one(bm3d, profile, picture, odd(k), noise) for picture, k in zip(y, kernels, strict=True)]
    return torch.stack(pictures).to(y)


def _one(bm3d: ModuleType, profile: Any, y: Tensor, kernel: Tensor, noise: float) -> Tensor:
    psf = kernel.double().cpu().numpy()
    channels = [bm3d.bm3d_deblurring(c[..., None], noise, psf, profile) for c in y.double().cpu().numpy()]
    return torch.from_numpy(np.stack([c.reshape(y.shape[-2:]) for c in channels]))
