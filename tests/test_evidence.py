"""The evidence of a kernel: its Jacobian in the Fourier domain, where it is exact, its row of Table V."""

from pathlib import Path

import pytest
import torch
from test_table_v import short as short
from torch import Tensor, nn

from ilib.operators import CircularConvolution, otf
from ilib.priors import ours
from ilib.priors.codes import load_drawn
from ilib.priors.evidence import Evidence, powers
from ilib.priors.inputs import blurred
from ilib.priors.latent import Generators, draws
from ilib.priors.likely import Likely, likeliest, objective
from ilib.priors.methods import task_of
from ilib.priors.sets import motion_kernels


class Curved(nn.Module):
    """A small smooth generator of any size."""

    def __init__(self, shape: tuple[int, int, int], latent: int = 5, bend: float = 1.0) -> None:
        super().__init__()
        self.latent, self.shape, self.bend = latent, shape, bend
        self.W = nn.Parameter(torch.randn(latent, shape[0] * shape[1] * shape[2], dtype=torch.float64))

    def forward(self, u: Tensor) -> Tensor:
        v = u @ self.W
        return (v + self.bend * v.sin()).unflatten(1, self.shape)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 7, 9), (2, 6, 7), (1, 5, 1)])
def test_powers_are_those_of_the_blurred_jacobian(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    G, u, k = Curved(shape), torch.randn(2, 5, dtype=torch.float64), torch.rand(1, 5, 1, dtype=torch.float64)
    B, K = powers(G, u), otf(k, *shape[1:])[0, 0]
    ours_ = (K.abs().square()[..., None, None] * B).sum((0, 1))
    by_autograd = torch.zeros(5, 5, dtype=torch.float64)
    for one in u:
        J = torch.autograd.functional.jacobian(lambda v: CircularConvolution(k)(G(v[None]))[0].flatten(), one)
        by_autograd += J.T @ J / len(u)
    assert torch.allclose(ours_, by_autograd)


def test_it_is_exact_where_pictures_are_gaussian() -> None:
    """y = k * (W u) + noise of variance c is Gaussian: its likelihood by the covariance, and by the evidence."""
    torch.manual_seed(1)
    c, G, k = 0.01, Curved((1, 6, 6), bend=0.0), torch.rand(2, 3, 3, dtype=torch.float64)
    y, evidence = torch.randn(1, 1, 6, 6, dtype=torch.float64), Evidence(G, c)
    left = []
    for n, one in enumerate(k):
        A = torch.stack([CircularConvolution(one[None])(G(e[None])).flatten() for e in torch.eye(5).double()], 1)
        gaussian = torch.distributions.MultivariateNormal(
            torch.zeros(36).double(), A @ A.T + c * torch.eye(36, dtype=torch.float64))  # fmt: skip
        u = torch.linalg.solve(A.T @ A + c * torch.eye(5).double(), A.T @ y.flatten())
        least = (y.flatten() - A @ u).square().sum() + c * u.square().sum()
        whole = least + evidence(otf(k[n : n + 1], 6, 6))[0]
        left.append(-2 * c * gaussian.log_prob(y.flatten()) - whole)
    assert torch.allclose(left[0], left[1]), "they differ by a constant"
    assert torch.allclose(left[0], 36 * c * torch.tensor(2 * torch.pi * c).double().log(), atol=1e-6)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return Evidence(load_drawn("numbers", "smoke"), 0.003, 0.5)


def test_small_kernels_leave_most_to_read(evidence: Evidence) -> None:
    lengths = [motion_kernels(20, 3, (n, n)) for n in (5, 15, 28)]
    point = torch.zeros(1, 28, 28)
    point[0, 14, 14] = 1
    read = [float(evidence(otf(k, 32, 32)).mean()) for k in (point, *lengths)]
    assert read == sorted(read, reverse=True) and read[-1] > 0
    whole = Evidence(load_drawn("numbers", "smoke"), 0.003)(otf(point, 32, 32))
    assert torch.allclose(2 * evidence(otf(point, 32, 32)), whole)


def test_it_enters_the_objective_and_the_search(evidence: Evidence) -> None:
    G = Generators(load_drawn("numbers", "smoke"), load_drawn("unit_blur", "smoke"))
    y, how = blurred("svhn/smoke", n=2).y, Likely(40, ((0, 3), (10, 1)), weight=0.003)
    state = {name: draws([0, 1], 1, length, i)[:, 0] for i, (name, length) in enumerate(G.latents().items())}
    added = objective(y, state, G, how, evidence) - objective(y, state, G, how)
    assert torch.allclose(added, evidence(otf(G.kernel(state["z_k"]), 32, 32)), rtol=1e-3)
    plain, with_it = likeliest(y, G, how, [0, 1]), likeliest(y, G, how, [0, 1], evidence=evidence)
    read = [evidence(otf(found.kernel, 32, 32)).mean() for found in (plain, with_it)]
    assert read[1] < read[0], "kernels that leave less to read"


def test_its_row(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "MOTIONS", 60), monkeypatch.setattr(ours, "FEWER", 10)
    pairs = blurred("svhn/smoke", n=2)
    x_hat, kernel = ours.evident(pairs.y, pairs.A)
    assert x_hat.shape == pairs.y.shape and kernel.shape == (2, 28, 28) and len(list(short.iterdir())) == 1
    assert torch.equal(ours.evident(pairs.y, pairs.A)[0], x_hat), "what was found is kept"
    faces = blurred("celeba/smoke", n=1)
    with pytest.raises(ValueError, match="no encoder"):
        ours.evident(faces.y, faces.A)


def test_the_best_class_is_taken(monkeypatch: pytest.MonkeyPatch, evidence: Evidence) -> None:
    """Alone as in company, and by its own measure hardly worse than without classes."""
    monkeypatch.setattr(ours, "MOTIONS", 60)
    pairs, how = blurred("svhn/smoke", n=2), Likely(20, ((0, 3), (5, 1)), weight=0.003)
    task = task_of(pairs.A)
    G = ours.generators_of(task, torch.device("cpu"))
    found = ours.sized(pairs.y, G, task, how, evidence)
    alone = ours.sized(pairs.y[1:], G, task_of(pairs.A[1:]), how, evidence)
    assert (found.x_hat[1] - alone.x_hat[0]).abs().max() < 0.02
    monkeypatch.setattr(ours, "CLASSES", 1)
    together = ours.sized(pairs.y, G, task, how, evidence)
    L = [objective(pairs.y, {"z_i": f.z_i, "z_k": f.z_k}, G, how, evidence) for f in (found, together)]
    assert L[0].sum() < L[1].sum() + 0.05
