"""Four physics models behind the one operator interface: blur, haze, super-resolution, rain (physics-based GAN, eq. 1).

Each has H(x) and H.adjoint(y) on (B, C, H, W).  Haze and rain add something that does not depend on x; their adjoint is
that of the linear part, which is what gradients need: the gradient of 1/2 ||H(x) - y||^2 is H.adjoint(H(x) - y) for all
four.  Blur is ilib.operators.CircularBlur, or BlurEach, with one kernel per picture; `same_size` prepares such a batch.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import check_batch, check_finite, check_kernel
from .operators import Blur, LinearOperator

CUBIC = -0.5  # the parameter of Keys' cubic, as MATLAB's imresize has it


def same_size(kernels: Sequence[Tensor], size: int | None = None) -> Tensor:
    """Bring kernels of any sizes, even ones too, to one odd size by zeros; the blur does not change.

    kernels: (h_i, w_i) each, with the centre at (h_i // 2, w_i // 2) -> (B, n, n), the centre at (n // 2, n // 2).
    n is the smallest odd size that holds all of them, or `size`.  ValueError where that is even or too small.
    """
    if len(kernels) == 0:
        raise ValueError("there is no kernel to bring to one size: pass at least one")
    for kernel in kernels:
        check_kernel(kernel)
        if kernel.ndim != 2:
            raise ValueError(f"a kernel has the shape {tuple(kernel.shape)}; pass a list of (h, w), e.g. list(kernels)")
    needed = 2 * max(n // 2 for kernel in kernels for n in kernel.shape) + 1
    size = needed if size is None else size
    if size % 2 == 0 or size < needed:
        raise ValueError(f"size is {size}; these kernels need an odd size of {needed} or more")
    return torch.stack([F.pad(kernel, _margins(kernel, size)) for kernel in kernels])


def _margins(kernel: Tensor, size: int) -> tuple[int, int, int, int]:
    """Return the zeros left, right, top and bottom that move the centre n // 2 of each side to size // 2."""
    before = [size // 2 - n // 2 for n in kernel.shape]
    after = [size - n - b for n, b in zip(kernel.shape, before, strict=True)]
    return before[1], after[1], before[0], after[0]


class Scaling(LinearOperator):
    """Multiply pixel by pixel: y = t x, its own adjoint.  t (B or 1, C or 1, H, W) or (1, 1, 1, 1)."""

    def __init__(self, t: Tensor) -> None:
        check_batch(t, "t")
        check_finite(t, "t")
        self.t, self.dtype, self.device = t, t.dtype, t.device

    def to(self, like: Tensor) -> "Scaling":
        """Return the same operator on the device and in the precision of a tensor."""
        return type(self)(self.t.to(like))

    def __call__(self, x: Tensor) -> Tensor:
        """Multiply: t x.  (B, C, H, W) -> (B, C, H, W)."""
        check_batch(x)
        if x.dtype != self.dtype or x.device != self.device:
            raise TypeError(f"picture {x.dtype} on {x.device}, model {self.dtype} on {self.device}: use H.to(x)")
        _check_fits(self.t, x)
        return self.t * x

    def adjoint(self, y: Tensor) -> Tensor:
        """Multiply by the same t.  (B, C, H, W) -> (B, C, H, W)."""
        return self(y)


def _check_fits(t: Tensor, x: Tensor) -> None:
    if any(n not in (1, m) for n, m in zip(t.shape, x.shape, strict=True)):
        raise ValueError(f"the model is {tuple(t.shape)} but the pictures {tuple(x.shape)}: pass one map per picture")


class AffineOperator(LinearOperator):
    """H(x) = L x + c: `linear` is L, `offset` is c, and the adjoint, the dense matrix and gradients are L's."""

    def __init__(self, linear: LinearOperator, offset: Tensor) -> None:
        self.linear, self.offset = linear, offset

    def __call__(self, x: Tensor) -> Tensor:
        """Apply H.  (B, C, H, W) -> (B, C, H, W)."""
        y = self.linear(x)
        _check_fits(self.offset, y)
        return y + self.offset

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply L^T, the adjoint of the linear part.  (B, C, H, W) -> (B, C, H, W)."""
        return self.linear.adjoint(y)

    def dense(self, height: int, width: int) -> Tensor:
        """Return the matrix of the linear part.  -> (H W, H W), for small sizes only."""
        return self.linear.dense(height, width)


def _chosen(values: Tensor, chosen: slice | Tensor) -> Tensor:
    """Choose pictures where each has values of its own; the same values where they are common to all."""
    return values[chosen] if len(values) > 1 else values


class BlurEach(Blur):
    """A Blur with a kernel for each picture, (B, h, w), that can be cut with its batch; ValueError for other shapes."""

    def __init__(self, kernels: Tensor, border: str = "reflect") -> None:
        super().__init__(kernels, border)
        if kernels.ndim != 3:
            raise ValueError(f"the kernels have the shape {tuple(kernels.shape)}; pass (B, h, w), or use Blur for one")

    def to(self, like: Tensor) -> "BlurEach":
        """Return the same operator on the device and in the precision of a tensor."""
        return type(self)(self.inner.kernel.to(like), self.border)

    def __getitem__(self, chosen: slice | Tensor) -> "BlurEach":
        """Return the operator of some pictures of a batch."""
        return type(self)(_chosen(self.inner.kernel, chosen), self.border)


class Haze(AffineOperator):
    """Koschmieder's veil: y = x t + A (1 - t) (physics-based GAN, section 4).

    t (B, 1, H, W): the transmission; airlight A in [0, 1]: a number, (B,) one per picture, or (B, C) one per channel;
    one colour for all pictures is (1, C), not (C,).
    ValueError for a transmission outside [0, 1], and where the airlight is missing or outside [0, 1].
    """

    def __init__(self, t: Tensor, airlight: Tensor | float | None = None) -> None:
        check_batch(t, "t")
        _check_unit(t, "the transmission t", "t = exp(-beta depth) with beta and depth >= 0")
        self.t, self.airlight = t, _airlight(airlight, t)
        _check_unit(self.airlight, "the airlight", "divide 8-bit values by 255")
        super().__init__(Scaling(t), self.airlight * (1 - t))

    def to(self, like: Tensor) -> "Haze":
        """Return the same operator on the device and in the precision of a tensor."""
        return type(self)(self.t.to(like), self.airlight.flatten(1).to(like))

    def __getitem__(self, chosen: slice | Tensor) -> "Haze":
        """Return the operator of some pictures of a batch."""
        return type(self)(_chosen(self.t, chosen), _chosen(self.airlight, chosen).flatten(1))

    def invert(self, y: Tensor, floor: float = 0.1) -> Tensor:
        """Remove the veil: (y - A) / max(t, floor) + A (He et al., 2009, eq. 22).  (B, C, H, W) -> the same, unclipped.

        floor bounds how much noise is amplified where hardly any light comes through; ValueError unless in (0, 1].
        """
        check_batch(y, "y")
        if not 0 < floor <= 1:
            raise ValueError(f"floor is {floor}; pass a smallest transmission in (0, 1]")
        _check_fits(self.offset, y)
        return (y - self.airlight) / self.t.clamp(min=floor) + self.airlight


def _check_unit(values: Tensor, name: str, hint: str) -> None:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # NaN fails as well
        raise ValueError(f"{name} ranges over [{low:.3g}, {high:.3g}] but must lie in [0, 1]: {hint}")


def _airlight(airlight: Tensor | float | None, t: Tensor) -> Tensor:
    """Return the airlight as (B or 1, C or 1, 1, 1)."""
    if airlight is None:
        raise ValueError("the airlight is missing: pass Haze(t, A) with A in [0, 1], a number, (B,) or (B, C)")
    a = torch.as_tensor(airlight, dtype=t.dtype, device=t.device)
    if a.shape == (3,) and len(t) == 1:
        raise ValueError("the airlight is (3,) for one map: pass one colour as (1, 3), or three maps")
    if a.ndim > 2 or (a.ndim > 0 and len(a) not in (1, len(t)) and len(t) != 1):
        raise ValueError(f"the airlight is {tuple(a.shape)} for {len(t)} map(s): pass a number, (B,) or (B, C)")
    return a.reshape(-1, 1, 1, 1) if a.ndim < 2 else a[:, :, None, None]


class Rain(AffineOperator):
    """Streaks of light added to the picture: y = x + r (physics-based GAN, section 5.6).

    streaks r (B, 1 or C, H, W), not negative.  Nothing is clipped: a camera's clipping is degrade.saturate.
    """

    def __init__(self, streaks: Tensor) -> None:
        check_batch(streaks, "streaks")
        check_finite(streaks, "streaks")
        if (streaks < 0).any():
            raise ValueError(f"streaks go down to {float(streaks.min()):.3g}; rain adds light, so none may be negative")
        super().__init__(Scaling(streaks.new_ones(1, 1, 1, 1)), streaks)

    def to(self, like: Tensor) -> "Rain":
        """Return the same operator on the device and in the precision of a tensor."""
        return type(self)(self.offset.to(like))

    def __getitem__(self, chosen: slice | Tensor) -> "Rain":
        """Return the operator of some pictures of a batch."""
        return type(self)(_chosen(self.offset, chosen))

    def invert(self, y: Tensor) -> Tensor:
        """Take the streaks away: y - r.  (B, C, H, W) -> (B, C, H, W); ValueError where r does not fit y."""
        check_batch(y, "y")
        _check_fits(self.offset, y)
        return y - self.offset


def cubic(u: Tensor) -> Tensor:
    """Return Keys' cubic interpolation kernel (Keys, 1981), 0 beyond a distance of 2.  Any shape -> the same."""
    u, a = u.abs(), CUBIC
    near = ((a + 2) * u - (a + 3)) * u**2 + 1
    far = a * (((u - 5) * u + 8) * u - 4)
    return torch.where(u <= 1, near, torch.where(u < 2, far, 0))


def bicubic_matrix(n: int, scale: float) -> Tensor:
    """Return the matrix that resizes n samples by a factor, bicubic as MATLAB's imresize.  -> (round(n scale), n).

    Output i looks at input (i + 1/2) / scale - 1/2.  Below 1 the cubic is widened by 1 / scale, which is the
    antialiasing; samples beyond the border are the mirrored ones; each row sums to 1.
    """
    m, stretch = round(n * scale), min(scale, 1.0)
    centre = (torch.arange(m, dtype=torch.float64)[:, None] + 0.5) / scale - 0.5
    reach = math.ceil(2 / stretch) + 1
    index = centre.floor().long() + torch.arange(-reach, reach + 1)
    weight = cubic((centre - index) * stretch)
    mirrored = index.remainder(2 * n)
    mirrored = torch.where(mirrored < n, mirrored, 2 * n - 1 - mirrored)
    matrix = torch.zeros(m, n, dtype=torch.float64).scatter_add_(1, mirrored, weight)
    return matrix / matrix.sum(1, keepdim=True)


class _Bicubic(LinearOperator):
    """y = R x C^T with one small matrix per side, built once per picture size."""

    dtype, device = torch.float64, torch.device("cpu")  # of dense(): the matrices follow the picture otherwise

    def __init__(self, scale: int) -> None:
        if isinstance(scale, bool) or not isinstance(scale, int) or scale < 1:
            raise ValueError(f"scale is {scale!r}; pass a whole number of 1 or more, as 4 for x4")
        self.scale = scale
        self._kept: dict[tuple[int, torch.dtype, torch.device], Tensor] = {}

    def to(self, like: Tensor) -> LinearOperator:
        """Return the operator itself: it follows the device and the precision of each picture."""
        return self

    def _check_divides(self, x: Tensor) -> None:
        check_batch(x)
        if any(n % self.scale for n in x.shape[-2:]):
            h, w = (n - n % self.scale for n in x.shape[-2:])
            raise ValueError(f"x{self.scale} does not divide {tuple(x.shape[-2:])}: crop, x[..., :{h}, :{w}]")

    def _matrix(self, n: int, like: Tensor, factor: float) -> Tensor:
        key = (n, like.dtype, like.device)
        if key not in self._kept:
            self._kept[key] = bicubic_matrix(n, factor).to(like)
        return self._kept[key]


class BicubicDown(_Bicubic):
    """Shrink by a whole factor with MATLAB's antialiased bicubic filter (physics-based GAN, section 4).

    (B, C, H, W) -> (B, C, H / scale, W / scale); ValueError where scale does not divide the picture.
    """

    def __call__(self, x: Tensor) -> Tensor:
        """Shrink.  (B, C, H, W) -> (B, C, H / scale, W / scale)."""
        self._check_divides(x)
        rows, columns = (self._matrix(n, x, 1 / self.scale) for n in x.shape[-2:])
        return rows @ x @ columns.T

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the transposed matrices.  (B, C, h, w) -> (B, C, h scale, w scale)."""
        check_batch(y, "y")
        rows, columns = (self._matrix(n * self.scale, y, 1 / self.scale) for n in y.shape[-2:])
        return rows.T @ y @ columns


class BicubicUp(_Bicubic):
    """Enlarge by a whole factor with the bicubic filter.  (B, C, H, W) -> (B, C, H scale, W scale)."""

    def __call__(self, x: Tensor) -> Tensor:
        """Enlarge.  (B, C, H, W) -> (B, C, H scale, W scale)."""
        check_batch(x)
        rows, columns = (self._matrix(n, x, self.scale) for n in x.shape[-2:])
        return rows @ x @ columns.T

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the transposed matrices.  (B, C, H, W) -> (B, C, H / scale, W / scale)."""
        self._check_divides(y)
        rows, columns = (self._matrix(n // self.scale, y, self.scale) for n in y.shape[-2:])
        return rows.T @ y @ columns


class Product(LinearOperator):
    """One operator after another: Product(B, A)(x) = B(A(x)), e.g. BicubicUp after BicubicDown keeps the size."""

    def __init__(self, outer: LinearOperator, inner: LinearOperator) -> None:
        self.outer, self.inner = outer, inner
        self.dtype, self.device = inner.dtype, inner.device

    def to(self, like: Tensor) -> "Product":
        """Return the same operator on the device and in the precision of a tensor."""
        return type(self)(self.outer.to(like), self.inner.to(like))

    def __call__(self, x: Tensor) -> Tensor:
        """Apply both.  (B, C, H, W) -> what the outer one gives."""
        return self.outer(self.inner(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply both adjoints, the outer one's first.  -> what the inner one takes."""
        return self.inner.adjoint(self.outer.adjoint(y))
