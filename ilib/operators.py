"""Forward models y = A x of linear imaging: each has A(x) and A.adjoint(y) on (B, C, H, W)."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fft import fft, ifft, irfft, irfft2, rfft, rfft2

from .errors import check_batch, check_blur_kernel, check_finite, check_kernel, check_kernels_for, check_sum
from .kernels import normalise as normalised


def otf(kernel: Tensor, height: int, width: int) -> Tensor:
    """Return the transfer function: the real 2-D DFT of the kernel, its centre (h // 2, w // 2) moved to (0, 0).

    kernel (h, w) or (B, h, w) -> complex (1 or B, 1, H, W // 2 + 1): the eigenvalues of the BCCB matrix.
    ValueError when the kernel is larger than the picture.
    """
    h, w = kernel.shape[-2:]
    if h > height or w > width:
        raise ValueError(f"the kernel is {h}x{w} but the picture {height}x{width}: crop the kernel")
    rows = rfft(_wrap(kernel.reshape(-1, 1, h, w), width, -1))  # h rows are enough: the others are zero
    return fft(_wrap(rows, height, -2), dim=-2)


def _wrap(k: Tensor, size: int, dim: int) -> Tensor:
    """Pad k with zeros to a size along dim and move its centre n // 2 to index 0."""
    n = k.shape[dim]
    zeros = k.new_zeros([size - n if d == dim % k.ndim else m for d, m in enumerate(k.shape)])
    return torch.cat((k.narrow(dim, n // 2, n - n // 2), zeros, k.narrow(dim, 0, n // 2)), dim)


def apply_otf(x: Tensor, transfer: Tensor) -> Tensor:
    """Filter x by a transfer function: F^-1 (transfer . F x).  x (B, C, H, W) -> (B, C, H, W)."""
    check_batch(x)
    spectrum = rfft2(x)
    _check_spectrum(spectrum)
    spectrum = spectrum * transfer if transfer.requires_grad else spectrum.mul_(transfer)
    spectrum = ifft(spectrum, dim=-2)  # irfft2 in two steps: a quarter less memory
    return irfft(spectrum, n=x.shape[-1])


def _check_spectrum(spectrum: Tensor) -> None:
    """Raise for NaN or infinity: one anywhere in a picture shows in its sum, the entry at frequency 0.

    Skipped off the CPU, where reading a number back would stall the queue.
    """
    if spectrum.device.type == "cpu" and not math.isfinite(spectrum[..., 0, 0].real.sum().item()):
        check_finite(spectrum.detach()[..., 0, 0], "the picture")


class LinearOperator:
    """A linear map between pictures: subclasses give __call__ and adjoint on (B, C, H, W)."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply A.  (B, C, H, W) -> what the operator gives.  TypeError where a subclass does not define it."""
        raise TypeError(f"{type(self).__name__} does not define A(x)")

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^T: y like an output of A -> like an input.  TypeError where a subclass does not define it."""
        raise TypeError(f"{type(self).__name__} does not define A.adjoint(y)")

    def __getitem__(self, chosen: slice | Tensor) -> "LinearOperator":
        """Return the operator of some pictures of a batch: the same one, unless each picture has its own."""
        return self

    def dense(self, height: int, width: int) -> Tensor:
        """Return the matrix that acts on a grey picture in row-major order.  -> (M, H W), for small sizes only."""
        if height * width > 4096:
            raise ValueError(f"a dense matrix for {height}x{width} has {(height * width) ** 2} entries: use A(x)")
        units = torch.eye(height * width, dtype=self.dtype, device=self.device)
        return self(units.reshape(-1, 1, height, width)).flatten(1).T


class CircularConvolution(LinearOperator):
    """Convolution with periodic borders, a BCCB matrix: y = F^-1 (F k . F x) (MBD-GAN, section IV-A).

    kernel (h, w) for all pictures or (B, h, w) for one each, any real values; gradients reach picture and kernel.
    The transfer function is kept for the last picture size unless the kernel wants gradients.
    """

    def __init__(self, kernel: Tensor) -> None:
        check_kernel(kernel)
        self.kernel = kernel
        self._kept: Tensor | None = None
        self._size: tuple[int, int] | None = None

    @property
    def dtype(self) -> torch.dtype:
        return self.kernel.dtype

    @property
    def device(self) -> torch.device:
        return self.kernel.device

    def to(self, like: Tensor) -> "CircularConvolution":
        """Return the same operator on the device and in the precision of a tensor."""
        return type(self)(self.kernel.to(like.device, like.dtype))

    def __getitem__(self, chosen: slice | Tensor) -> "CircularConvolution":
        """Return the operator of some pictures of a batch, where each has its kernel."""
        return type(self)(self.kernel[chosen]) if self.kernel.ndim == 3 and len(self.kernel) > 1 else self

    def otf(self, height: int, width: int) -> Tensor:
        """Return the eigenvalues on the half plane of rfft2.  -> complex (1 or B, 1, H, W // 2 + 1)."""
        if self.kernel.requires_grad:
            return otf(self.kernel, height, width)
        if self._kept is None or self._size != (height, width):
            self._kept, self._size = otf(self.kernel, height, width), (height, width)
        return self._kept

    def _filter(self, x: Tensor, function: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        self._check(x)
        transfer = self.otf(*x.shape[-2:])
        return apply_otf(x, transfer if function is None else function(transfer))

    def _check(self, x: Tensor) -> None:
        check_batch(x)
        if x.dtype != self.dtype or x.device != self.device:
            raise TypeError(f"picture {x.dtype} on {x.device}, kernel {self.dtype} on {self.device}: use A.to(x)")
        check_kernels_for(self.kernel, x)

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve: A x.  (B, C, H, W) -> (B, C, H, W)."""
        return self._filter(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Correlate: A^T y, the conjugate transfer function.  (B, C, H, W) -> (B, C, H, W)."""
        return self._filter(y, torch.conj)

    def pseudo_inverse(self, y: Tensor, rcond: float | None = None) -> Tensor:
        """Divide by the eigenvalues above rcond times the largest, drop the others: A^+ y.  (B, C, H, W) -> same.

        rcond defaults to the machine epsilon times the number of pixels, as numpy's pinv has it for a matrix.
        """
        rcond = torch.finfo(y.dtype).eps * y.shape[-2] * y.shape[-1] if rcond is None else rcond

        def invert(transfer: Tensor) -> Tensor:
            magnitude = transfer.abs()
            keep = magnitude > rcond * magnitude.amax((-2, -1), keepdim=True)
            return torch.where(keep, 1 / torch.where(keep, transfer, 1), 0)

        return self._filter(y, invert)

    def wiener(self, y: Tensor, ratio: float | Tensor) -> Tensor:
        """Apply the Wiener filter conj(h) / (|h|^2 + ratio).  (B, C, H, W) -> (B, C, H, W).

        ratio is the power of the noise over that of the picture: a number, or a tensor on rfft2's half plane.
        """
        return self._filter(y, lambda h: h.conj() / (h.abs() ** 2 + ratio))

    def prox(self, v: Tensor, y: Tensor, rho: float) -> Tensor:
        """Minimise 1/2 ||A x - y||^2 + rho/2 ||x - v||^2 over x: (A'A + rho) x = A'y + rho v.  -> (B, C, H, W).

        ValueError for a rho that is not greater than 0, and for NaN.
        """
        if not rho > 0:
            raise ValueError(f"rho is {rho}; the proximal step needs a weight greater than 0")
        self._check(v)
        self._check(y)
        check_sum(v, "v")
        check_sum(y, "y")
        h = self.otf(*v.shape[-2:])
        right = h.conj() * rfft2(y) + rho * rfft2(v)
        return irfft2(right / (h.abs() ** 2 + rho), s=v.shape[-2:])


class CircularBlur(CircularConvolution):
    """Blur with periodic borders: a CircularConvolution whose kernels are non-negative and sum to 1.

    kernel (h, w) or (B, h, w); ValueError where it is not a blur kernel, unless normalise=True divides by the sum.
    """

    def __init__(self, kernel: Tensor, *, normalise: bool = False) -> None:
        kernel = normalised(kernel) if normalise else kernel
        check_blur_kernel(kernel)
        super().__init__(kernel)


class Blur(LinearOperator):
    """Blur with the border that the camera never sees filled in: 'circular', 'reflect', 'replicate' or 'zero'.

    (B, C, H, W) -> (B, C, H, W); 'valid' assumes nothing and keeps the (H - h + 1, W - w + 1) pixels that no border
    reaches.  Padding is followed by circular convolution and a crop, so every border costs one FFT pair.
    kernel (h, w) or (B, h, w), in the precision and on the device of the pictures: Blur(kernel.to(x)).  ValueError for
    an unknown border, a kernel that CircularBlur refuses, and where a border has to reflect more than the picture.
    """

    BORDERS = ("circular", "reflect", "replicate", "zero", "valid")

    def __init__(self, kernel: Tensor, border: str = "reflect", *, normalise: bool = False) -> None:
        if border not in self.BORDERS:
            raise ValueError(f"border {border!r} is unknown; choose one of {', '.join(self.BORDERS)}")
        self.inner, self.border = CircularBlur(kernel, normalise=normalise), border

    @property
    def dtype(self) -> torch.dtype:
        return self.inner.dtype

    @property
    def device(self) -> torch.device:
        return self.inner.device

    def margins(self) -> tuple[int, int, int, int]:
        """Return how many pixels beyond each side the kernel reaches: left, right, top, bottom (as F.pad wants)."""
        h, w = self.inner.kernel.shape[-2:]
        return (w - 1 - w // 2, w // 2, h - 1 - h // 2, h // 2)

    def pad(self, x: Tensor) -> Tensor:
        """Continue the picture beyond its border.  (B, C, H, W) -> (B, C, H + h - 1, W + w - 1)."""
        if self.border == "valid":
            return x
        check_batch(x)
        left, right, top, bottom = self.margins()
        short = max(left, right) >= x.shape[-1] or max(top, bottom) >= x.shape[-2]
        if short and self.border in ("circular", "reflect"):
            raise ValueError(f"a {self.border} border of this kernel is wider than the {tuple(x.shape[-2:])} picture")
        if self.border == "zero":
            return F.pad(x, self.margins())
        return F.pad(x, self.margins(), mode=self.border)

    def __call__(self, x: Tensor) -> Tensor:
        """Blur x and keep the part that is seen.  (B, C, H, W) -> (B, C, H, W), smaller for 'valid'."""
        z = self.inner(self.pad(x))
        left, right, top, bottom = self.margins()
        return z[..., top : z.shape[-2] - bottom, left : z.shape[-1] - right]

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^T: the vector-Jacobian product of the linear map A.  (B, C, H, W) -> (B, C, H, W)."""
        h, w = self.inner.kernel.shape[-2:]
        grow = (h - 1, w - 1) if self.border == "valid" else (0, 0)
        zero = y.new_zeros(*y.shape[:2], y.shape[-2] + grow[0], y.shape[-1] + grow[1])
        return torch.func.vjp(self, zero)[1](y)[0]


def dot_test(A: LinearOperator, x: Tensor, y: Tensor) -> float:
    """Return |<A x, y> - <x, A^T y>| / (||A x|| ||y||): rounding alone when the adjoint is right.

    x like an input of A, y like an output; of an affine A, as Haze and Rain, it is the linear part that is tested.
    """
    A = getattr(A, "linear", A)
    Ax, Aty = A(x).double(), A.adjoint(y).double()
    gap = (Ax * y.double()).sum() - (x.double() * Aty).sum()
    return float(gap.abs() / (Ax.norm() * y.double().norm()))
