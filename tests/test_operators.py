"""Operators: adjoints, the dense matrix, eigenvalues, gradients, borders, batches, bad input."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ilib.kernels import delta, gaussian, motion
from ilib.operators import Blur, CircularBlur, CircularConvolution, LinearOperator, dot_test, otf

SIZES = [(8, 8), (9, 7), (16, 31), (64, 48), (37, 53)]
KERNELS = [(1, 1), (3, 3), (4, 4), (5, 2), (7, 6)]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-13}


def random_kernel(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    k = torch.rand(shape, generator=generator, dtype=dtype) + 0.01
    return k / k.sum((-2, -1), keepdim=True)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("size", "kernel", "batch"), list(itertools.product(SIZES, KERNELS, [None, 1, 3])))
def test_adjoint(size, kernel, batch, dtype):
    shape = kernel if batch is None else (batch, *kernel)
    k, n = random_kernel(shape, dtype), batch or 2
    x, y = torch.randn(n, 3, *size, dtype=dtype), torch.randn(n, 3, *size, dtype=dtype)
    assert dot_test(CircularBlur(k), x, y) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("border", Blur.BORDERS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_adjoint_of_every_border(border, kernel, dtype):
    A = Blur(random_kernel(kernel, dtype), border)
    x = torch.randn(2, 3, 21, 18, dtype=dtype)
    assert dot_test(A, x, torch.randn_like(A(x))) < TOLERANCE[dtype]


def test_dot_test_sees_a_wrong_adjoint():
    class Wrong(CircularBlur):
        def adjoint(self, y):
            return self(y)

    k = random_kernel((3, 4))
    x = torch.randn(1, 1, 9, 9, dtype=torch.float64)
    assert dot_test(Wrong(k), x, torch.randn_like(x)) > 1e-4


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_convolution_is_the_sum_that_defines_it(height, width, data):
    h, w = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    k = torch.randn(h, w, dtype=torch.float64)
    x = torch.randn(1, 1, height, width, dtype=torch.float64)
    rows, columns = torch.arange(height), torch.arange(width)
    y = torch.zeros_like(x)
    for i, j in itertools.product(range(h), range(w)):
        y += k[i, j] * x[..., (rows - i + h // 2) % height, :][..., (columns - j + w // 2) % width]
    torch.testing.assert_close(CircularConvolution(k)(x), y)


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 20), st.integers(4, 20), st.floats(-3, 3), st.integers(-5, 5), st.integers(-5, 5))
def test_linear_shift_equivariant_and_mean_preserving(height, width, a, down, right):
    A = CircularBlur(random_kernel((3, 4)))
    x, z = torch.randn(2, 1, 2, height, width, dtype=torch.float64)
    torch.testing.assert_close(A(a * x + z), a * A(x) + A(z))
    torch.testing.assert_close(A(x.roll((down, right), (-2, -1))), A(x).roll((down, right), (-2, -1)))
    torch.testing.assert_close(A(x).mean((-2, -1)), x.mean((-2, -1)))


SMALL = list(itertools.product([(8, 8), (5, 7), (6, 4)], [(3, 3), (4, 2), (1, 3)]))


@pytest.mark.parametrize(("size", "kernel"), SMALL)
def test_dense_is_the_fft_and_its_eigenvalues_the_dft(size, kernel):
    A = CircularBlur(random_kernel(kernel))
    matrix, x = A.dense(*size), torch.randn(1, 1, *size, dtype=torch.float64)
    torch.testing.assert_close((matrix @ x.flatten()).reshape(x.shape), A(x))
    torch.testing.assert_close((matrix.T @ x.flatten()).reshape(x.shape), A.adjoint(x))
    padded = torch.zeros(size, dtype=torch.float64)
    padded[: kernel[0], : kernel[1]] = A.kernel
    dft = torch.fft.fft2(padded.roll((-(kernel[0] // 2), -(kernel[1] // 2)), (0, 1)))
    eigenvalues = torch.linalg.eigvals(matrix)
    gaps = (eigenvalues[:, None] - dft.flatten()).abs()
    assert gaps.min(0).values.max() < 1e-7 and gaps.min(1).values.max() < 1e-7
    torch.testing.assert_close(A.otf(*size)[0, 0], dft[:, : size[1] // 2 + 1])
    pinv = torch.linalg.pinv(matrix, rtol=1e-10)
    torch.testing.assert_close((pinv @ x.flatten()).reshape(x.shape), A.pseudo_inverse(x, 1e-10), atol=1e-6, rtol=1e-6)


def test_pseudo_inverse_wiener_and_prox_solve_their_problems():
    k = torch.tensor([[0.5, 0.5]], dtype=torch.float64)  # kills the highest frequency of an even width
    A = CircularBlur(k)
    x, v = torch.randn(2, 2, 3, 6, 8, dtype=torch.float64)
    torch.testing.assert_close(A(A.pseudo_inverse(A(x))), A(x))
    assert (A.pseudo_inverse(A(x)) - x).abs().max() > 0.01  # what A removed does not come back
    y, rho = torch.randn_like(x), 0.3
    p = A.prox(v, y, rho)
    torch.testing.assert_close(A.adjoint(A(p) - y) + rho * (p - v), torch.zeros_like(p), atol=1e-12, rtol=0)
    torch.testing.assert_close(A.wiener(y, rho), A.prox(torch.zeros_like(y), y, rho))


@pytest.mark.parametrize("one_per_picture", [False, True])
def test_gradients_by_finite_differences(one_per_picture):
    x = torch.randn(2, 1, 5, 6, dtype=torch.float64, requires_grad=True)
    shape = (2, 3, 4) if one_per_picture else (3, 4)
    k = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    y, v = torch.randn_like(x), torch.randn_like(x)
    assert torch.autograd.gradcheck(lambda x, k: CircularConvolution(k)(x), (x, k))
    assert torch.autograd.gradcheck(lambda x, k: CircularConvolution(k).adjoint(x), (x, k))
    assert torch.autograd.gradcheck(lambda x, k: CircularConvolution(k).wiener(x, 0.1), (x, k))
    assert torch.autograd.gradcheck(lambda v, k: CircularConvolution(k).prox(v, y, 0.5), (v.requires_grad_(), k))


def test_gradient_of_the_data_term_is_the_adjoint_and_repeats():
    A, y = CircularBlur(random_kernel((5, 5))), torch.rand(1, 3, 12, 13, dtype=torch.float64)
    x = torch.rand_like(y, requires_grad=True)
    for _ in range(2):  # the kept transfer function must not hold a freed graph
        (g,) = torch.autograd.grad(0.5 * (A(x) - y).square().sum(), x)
        torch.testing.assert_close(g, A.adjoint(A(x.detach()) - y))


def test_a_kernel_that_learns_is_never_stale():
    k = random_kernel((3, 3)).requires_grad_()
    A, x = CircularConvolution(k), torch.randn(1, 1, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        before = A(x)
        k.mul_(2)
        torch.testing.assert_close(A(x), 2 * before)


def test_one_kernel_per_picture_is_a_loop_over_pictures():
    k, x = motion(9, 4, seed=1, length=8).float(), torch.rand(4, 3, 20, 33)
    together = CircularBlur(k)(x)
    for i in range(4):
        torch.testing.assert_close(together[i : i + 1], CircularBlur(k[i])(x[i : i + 1]))


@pytest.mark.parametrize(
    ("border", "mode"), [("circular", "wrap"), ("reflect", "mirror"), ("replicate", "nearest"), ("zero", "constant")]
)
@pytest.mark.parametrize("kernel", [(3, 5), (7, 7)])
def test_borders_against_scipy(border, mode, kernel):
    k, x = random_kernel(kernel), torch.rand(1, 1, 15, 17, dtype=torch.float64)
    expected = scipy.ndimage.convolve(x[0, 0].numpy(), k.numpy(), mode=mode)
    np.testing.assert_allclose(Blur(k, border)(x)[0, 0].numpy(), expected, atol=1e-14)


def test_valid_is_the_part_that_no_border_reaches():
    k, x = random_kernel((4, 5)), torch.rand(1, 1, 15, 17, dtype=torch.float64)
    left, right, top, bottom = Blur(k, "zero").margins()
    full = Blur(k, "zero")(x)[..., top : 15 - bottom, left : 17 - right]
    torch.testing.assert_close(Blur(k, "valid")(x), full)
    assert full.shape[-2:] == (12, 13)


def test_delta_is_the_identity():
    for size in (1, 2, 3, 4):
        x = torch.rand(1, 2, 7, 8, dtype=torch.float64)
        torch.testing.assert_close(CircularBlur(delta(size))(x), x)


def test_float64_agrees_with_float32():
    k, x = gaussian(2.0), torch.rand(2, 3, 40, 41, dtype=torch.float64)
    single = CircularBlur(k).to(x.float())(x.float())
    torch.testing.assert_close(single.double(), CircularBlur(k)(x), atol=1e-6, rtol=0)


def test_the_transfer_function_is_computed_once(monkeypatch):
    import ilib.operators as operators

    calls, true_otf = [], operators.otf
    monkeypatch.setattr(operators, "otf", lambda *a: calls.append(a) or true_otf(*a))
    A, x = CircularBlur(gaussian(1.0)), torch.rand(1, 1, 16, 16, dtype=torch.float64)
    A(x), A.adjoint(x), A.wiener(x, 0.1)
    assert len(calls) == 1
    A(torch.rand(1, 1, 16, 18, dtype=torch.float64))
    assert len(calls) == 2


GOOD = torch.full((3, 3), 1 / 9)
BAD_KERNELS = [
    (torch.ones(3, 3), ValueError, "sums to 9"),
    (torch.full((3, 3), float("nan")), ValueError, "NaN"),
    (torch.tensor([[2.0, -1.0]]), ValueError, "negative"),
    (torch.ones(3, 3, dtype=torch.int64), TypeError, "floating"),
    (torch.ones(2, 1, 3, 3), ValueError, "shape"),
    (torch.ones(3), ValueError, "shape"),
    (np.ones((3, 3)), TypeError, "tensor"),
]


@pytest.mark.parametrize(("kernel", "error", "words"), BAD_KERNELS)
def test_bad_kernels(kernel, error, words):
    with pytest.raises(error, match=words):
        CircularBlur(kernel)


BAD_PICTURES = [
    (torch.rand(8, 8), ValueError, "B, C, H, W"),
    (torch.rand(1, 1, 2, 8), ValueError, "kernel is 3x3 but the picture 2x8"),
    ((torch.rand(1, 1, 8, 8) * 255).byte(), TypeError, "floating point"),
    (torch.rand(1, 1, 8, 8).double(), TypeError, "float64"),
    (torch.rand(1, 1, 0, 8), ValueError, "no pixel"),
    (torch.full((2, 1, 8, 8), float("nan")), ValueError, "NaN"),
    (np.ones((1, 1, 8, 8)), TypeError, "tensor"),
]


@pytest.mark.parametrize(("x", "error", "words"), BAD_PICTURES)
def test_bad_pictures(x, error, words):
    with pytest.raises(error, match=words):
        CircularBlur(GOOD)(x)


def test_more_bad_calls():
    x = torch.rand(3, 1, 8, 8)
    assert CircularBlur(torch.ones(3, 3), normalise=True)(x).shape == x.shape
    with pytest.raises(ValueError, match="cannot be normalised"):
        CircularBlur(torch.zeros(3, 3), normalise=True)
    with pytest.raises(ValueError, match="2 kernels for 3 pictures"):
        CircularBlur(GOOD.expand(2, 3, 3))(x)
    with pytest.raises(ValueError, match="y holds NaN"):
        CircularBlur(torch.ones(1, 1)).prox(torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), float("nan")), 1.0)
    with pytest.raises(ValueError, match="rho"):
        CircularBlur(GOOD).prox(x, x, 0)
    with pytest.raises(ValueError, match="border 'mirror' is unknown"):
        Blur(GOOD, "mirror")
    with pytest.raises(ValueError, match="wider than"):
        Blur(gaussian(2.0).float(), "reflect")(x)
    with pytest.raises(ValueError, match="dense"):
        CircularBlur(GOOD).dense(256, 256)
    with pytest.raises(TypeError, match="does not define"):
        LinearOperator()(x)
    with pytest.raises(ValueError, match="larger than|kernel is 3x3"):
        otf(GOOD, 2, 2)
