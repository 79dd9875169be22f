"""Kernel and picture in turns."""

import json

import pytest
import torch
from torch import Tensor

from ilib.blind import Blind
from ilib.classical import hyper_laplacian
from ilib.data import load
from ilib.gan import turns
from ilib.kernels import motion
from ilib.metrics import psnr
from ilib.operators import Blur, CircularBlur
from ilib.priors import ours
from ilib.priors.aligned import kernel_correlation
from ilib.results.project import project_folder


def shaken(side: int = 96) -> tuple[Tensor, Tensor, Tensor]:
    """Two photographs, their shakes of up to 13 pixels, and what is measured with periodic borders."""
    x = load("embedded/test", size=side, n=2).x
    kernel = motion(13, 2, seed=4, length=torch.tensor([6.0, 9.0]), anxiety=0.03).float()
    return x, kernel, CircularBlur(kernel)(x)


def test_the_kernel_of_a_known_picture_is_found() -> None:
    """Without noise and nearly without damping the least squares have the true kernel as their answer."""
    x, kernel, y = shaken()
    found = turns.least_squares_kernel(x, y, 13, 1e-4)
    assert torch.allclose(found.sum((1, 2)), torch.ones(2)) and found.min() >= 0
    assert kernel_correlation(found, kernel).min() > 0.98
    assert found.dtype == torch.float32


def test_it_minimises_what_it_says() -> None:
    """No step along a coordinate that stays non-negative lowers ||D (x * k - y)||^2 + c ||k||^2, before the floor."""
    x, _, y = shaken(48)
    y = y + 0.01 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    x, y, damping = x.double(), y.double(), 0.2
    energy = turns._differences(x, 0).square().sum((0, 2, 3, 4))

    def objective(k: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(k, (0, 48 - 7, 0, 48 - 7)).roll((-3, -3), (-2, -1))
        blurred = torch.fft.irfft2(torch.fft.rfft2(x) * torch.fft.rfft2(padded)[:, None], s=(48, 48))
        misfit = turns._differences(blurred - y, 0).square().sum((0, 2, 3, 4))
        return misfit + damping * energy * k.square().sum((1, 2))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "FLOOR", 0.0)
        patch.setattr(turns, "STEPS", 2000)
        patch.setattr(turns, "floored", lambda k: k)
        k = turns.least_squares_kernel(x, y, 7, damping)
    best = objective(k)
    for i in range(7):
        for j in range(7):
            for step in (1e-3, -1e-3):
                near = k.clone()
                near[:, i, j] = (near[:, i, j] + step).clamp(min=0)
                assert (objective(near) >= best - 1e-6 * best).all(), (i, j, step)


def test_borders_that_are_not_periodic_are_left_out() -> None:
    """Beyond its frame the camera saw something else: with a margin the kernel is better found than without."""
    x, kernel, _ = shaken(128)
    y = Blur(kernel, "reflect")(x)
    inner = (..., slice(16, -16), slice(16, -16))
    kept, lost = (kernel_correlation(turns.least_squares_kernel(x[inner], y[inner], 13, 0.01, margin), kernel)
                  for margin in (6, 0))  # fmt: skip
    assert (kept > lost).all() and kept.min() > 0.95


def test_turns_bring_picture_and_kernel_closer() -> None:
    """From a kernel that is too small, with a classical method in the network's place."""
    x, kernel, y = shaken()
    y = y + 0.005 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    small = motion(7, 2, seed=4, length=torch.tensor([4.0, 5.0]), anxiety=0.03).float()
    wrong = torch.nn.functional.pad(small, (3, 3, 3, 3))

    def restore(y: Tensor, k: Tensor, noise: float) -> Tensor:
        return hyper_laplacian(y, CircularBlur(k), noise=noise)

    first = restore(y, wrong, 0.03).clamp(0, 1)
    found = turns.alternated(y, first, wrong, restore)
    assert kernel_correlation(found.kernel, kernel).mean() > kernel_correlation(wrong, kernel).mean() + 0.02
    assert (psnr(found.x, x) > psnr(first, x) + 0.5).all()


def test_a_turn_that_keeps_the_kernel_only_restores() -> None:
    _, kernel, y = shaken(48)
    told = []
    found = turns.alternated(y, y, kernel, lambda y, k, noise: told.append((k, noise)) or y, (turns.Turn(None, 0.02),))
    assert torch.equal(found.kernel, turns.floored(kernel)) and told[0][1] == 0.02 and torch.equal(found.x, y)


def test_flat_pictures_give_a_kernel() -> None:
    flat, (x, _, _) = torch.full((1, 3, 48, 48), 0.5), shaken(48)
    for a, b in ((flat, flat), (x[:1], flat), (flat, x[:1])):
        k = turns.least_squares_kernel(a, b, 7, 0.1)
        assert k.isfinite().all() and abs(float(k.sum()) - 1) < 1e-5


def test_what_cannot_be_done_is_said() -> None:
    x, _, y = shaken(48)
    with pytest.raises(ValueError, match="do not fit"):
        turns.least_squares_kernel(x, y, 31, 0.1, 10)
    with pytest.raises(ValueError, match="the blur of"):
        turns.least_squares_kernel(x, y[:1], 7, 0.1)
    with pytest.raises(ValueError, match="choose one of"):
        turns.blind_in_turns(y, None, weights="none", prior="magic", size=7)
    with pytest.raises(FileNotFoundError, match="there are no weights"):
        turns.blind_in_turns(y, None, weights="none", prior="l0_gradient", size=3)


def test_the_schedules_are_the_best_of_those_tried() -> None:
    """Over faces and shoes, and on house numbers, on pictures held out (`python -m benchmarks.turns`)."""
    content = json.loads((project_folder() / "results" / "calibration" / "turns.json").read_text(encoding="utf-8"))

    def mean(family: str, name: str) -> float:
        return sum(content[family][name]["psnr"]) / len(content[family][name]["psnr"])

    *tried, easing = list(content["celeba"])[1:]
    best = max(tried, key=lambda name: mean("celeba", name) + mean("shoes", name))
    assert best == "four turns" and ours.TURNS_OF["celeba"] == ours.TURNS_OF["shoes"] == turns.TURNS
    assert len(turns.TURNS) == 4
    for start in ("svhn", "svhn, evidence"):
        assert max(tried, key=lambda name: mean(start, name)) == "kernel as it is"
    assert ours.TURNS_OF["svhn"] == (turns.Turn(None, 0.02),)
    of_network = {name: mean("celeba, network and mirrors", name) + mean("shoes, network and mirrors", name)
                  for name in (*tried, easing)}  # fmt: skip
    thrice = max(tried, key=of_network.get)
    assert thrice == "four turns, each three times" and of_network[easing] > of_network[thrice] - 0.4
    for family in ("celeba", "shoes"):
        cosines = {name: sum(entry["kernel_correlation"]) for name, entry in
                   content[f"{family}, network and mirrors"].items()}  # fmt: skip
        assert cosines[easing] > cosines[thrice]
        assert mean(f"{family}, network and mirrors", easing) > mean(f"{family}, network", easing)
    assert mean("svhn, joined", "joined") > max(mean("svhn, joined", name) for name in content["svhn, joined"]) - 0.2
    assert ours.NETWORK_TURNS[1:] == turns.THRICE and len(turns.THRICE) == 3 * len(turns.TURNS)
    gains = {name: sum(sum(v) for v in content["photographs"][name].values()) for name in tried}
    assert max(gains, key=lambda name: gains[name]) == "three turns"
    assert turns.FROM_A_CLASSICAL_KERNEL[1:] == turns.TURNS[:3]


def test_the_kernel_that_a_network_reads_is_where_turns_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photographs of any size, one after the other, each with its own kernel, in the middle of an odd canvas."""
    begun: list[Tensor] = []

    def refined(y: Tensor, kernel: Tensor, weights: str, schedule: tuple[turns.Turn, ...]) -> Blind:
        begun.append(kernel)
        assert weights == "told" and schedule[0].damping is None
        return Blind(y, kernel)

    class Reads:
        def to(self, device: torch.device) -> "Reads":
            return self

        def kernel(self, y: Tensor) -> Tensor:
            k = torch.zeros(len(y), 28, 28)
            k[:, 14, 14] = 1
            return k

    monkeypatch.setattr(turns, "load_weights", lambda name: (Reads(), {}))
    monkeypatch.setattr(turns, "refined", refined)
    y = torch.rand(3, 3, 70, 80)
    x_hat, kernels = turns.read_in_turns(y, None, weights="reads", told="told")
    assert torch.equal(x_hat, y) and len(begun) == 3
    assert kernels.shape == (3, 27, 27) and (kernels[:, 13, 13] == 1).all()
