"""ODCNN: its filters by both paths, its symmetry, and that it deconvolves before any training."""

import pytest
import torch

from ilib.data import load
from ilib.degrade import add_noise
from ilib.kernels import disk, gaussian
from ilib.metrics import psnr
from ilib.networks import ODCNN
from ilib.networks.odcnn import (
    CALM,
    GAIN,
    RATIO,
    convolve_by_fft,
    convolve_directly,
    separate,
    start_from,
    wiener_kernel,
)  # fmt: skip
from ilib.operators import Blur


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("side", [(1, 121), (121, 1), (16, 16), (8, 8), (1, 4), (3, 5), (1, 1)])
@pytest.mark.parametrize("size", [(24, 37), (20, 20)])
def test_both_paths_agree_in_value_and_gradient(side, size):
    x, weight = noise(2, 3, *size), noise(4, 3, *side, seed=1)
    found = []
    for path in (convolve_directly, convolve_by_fft):
        x_, weight_ = x.clone().requires_grad_(), weight.clone().requires_grad_()
        z = path(x_, weight_)
        assert z.shape == (2, 4, *size)
        found.append((z, *torch.autograd.grad(z.square().sum(), (x_, weight_))))
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-9 * float(a.detach().abs().max()))


def test_the_middle_of_a_filter_is_the_pixel():
    weight = torch.zeros(1, 1, 16, 16)
    weight[0, 0, 8, 8] = 1
    x = torch.rand(1, 1, 20, 30)
    assert torch.equal(convolve_directly(x, weight), x)
    assert torch.allclose(convolve_by_fft(x, weight), x, atol=1e-6)


def test_even_filters_together_reach_equally_far():
    net = ODCNN(taps=1, width=6, features=8, start="random")
    for p in net.parameters():
        torch.nn.init.uniform_(p, 0.1, 1)
    y = torch.rand(1, 3, 64, 64, requires_grad=True)
    (g,) = torch.autograd.grad(net(y)[0, 0, 32, 32], y)
    seen = g.abs().sum((0, 1, 2)) > 1e-6 * g.abs().sum((0, 1, 2)).max()
    columns = seen.nonzero().flatten().tolist()
    assert columns == list(range(32 - 11, 32 + 12))


def test_svd_is_exact_at_full_rank_and_better_with_every_term():
    kernel = wiener_kernel(disk(7), RATIO, 61)
    errors = []
    for rank in (1, 2, 4, 8, 61):
        columns, rows = separate(kernel, rank)
        errors.append(float((columns.T @ rows - kernel).norm() / kernel.norm()))
    assert all(a >= b for a, b in zip(errors, errors[1:], strict=False)) and errors[-1] < 1e-10 < 0.3 < errors[0]


def test_the_network_applies_the_kernel_it_starts_from():
    kernel = gaussian(1.5, 31)  # of rank 1, no number negative: no ReLU clips
    net = ODCNN(taps=31, width=12, features=8)
    start_from(net, kernel)
    y = torch.rand(2, 3, 40, 40)
    assert torch.allclose(net(y), Blur(kernel.float(), "zero")(y), atol=1e-5)


def test_it_deconvolves_before_any_training():
    x = load("embedded/test", size=128).x
    y = GAIN * add_noise(Blur(disk(7).float(), "zero")(x), 0.01)
    inner = (..., slice(16, -16), slice(16, -16))
    torch.manual_seed(0)
    start, by_chance = ODCNN(features=8)(y).detach(), ODCNN(features=8, start="random")(y).detach()
    gain = psnr(start[inner], x[inner]).mean() - psnr(y[inner] / GAIN, x[inner]).mean()
    assert gain > 1.0
    assert psnr(by_chance[inner], x[inner]).mean() < psnr(y[inner] / GAIN, x[inner]).mean()


def test_every_weight_learns():
    torch.manual_seed(0)
    net = ODCNN(taps=21, width=12, features=16)
    y = torch.rand(2, 3, 32, 32)
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-4)
    for _ in range(2):  # features without a path to the picture have one after the first step
        optimiser.zero_grad()
        (net(y) - y.flip(-1)).square().mean().backward()
        optimiser.step()
    assert all(p.grad.abs().max() > 0 for p in net.parameters())


def test_a_step_moves_the_sums_of_wide_filters_as_those_of_narrow_ones():
    net, rate = ODCNN(taps=15, width=12, features=16), 1e-3
    before = {name: getattr(net, name).weight.detach().clone() for name in ("rows", "mix", "rebuild")}
    optimiser = torch.optim.Adam(net.parameters(), lr=rate)
    (net(torch.rand(1, 3, 32, 32)) - 1).square().mean().backward()
    optimiser.step()
    inputs = {"rows": 3 * 15, "mix": 12 * 256, "rebuild": 16 * 64}
    for name, weight in before.items():
        moved = (getattr(net, name).weight.detach() - weight).abs().max()
        assert float(moved) == pytest.approx(rate * min(1, CALM / inputs[name]), rel=0.05)


def test_weights_come_back_from_a_file(tmp_path):
    net, again = ODCNN(taps=15, width=12, features=16), ODCNN(taps=15, width=12, features=16, start="random")
    torch.save(net.state_dict(), tmp_path / "w.pt")
    again.load_state_dict(torch.load(tmp_path / "w.pt"))
    y = torch.rand(1, 3, 32, 32)
    assert torch.equal(net(y), again(y))


@pytest.mark.parametrize("wrong", [{"start": "wiener"}, {"taps": 120}, {"width": 5}, {"features": 2}])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ODCNN(**wrong)


def test_wrong_pictures():
    with pytest.raises(ValueError, match="channels"):
        ODCNN(taps=3, width=6, features=8)(torch.rand(1, 1, 32, 32))
