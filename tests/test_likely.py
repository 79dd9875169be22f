"""The likeliest codes: Adam, where codes lie, the search, and its rows of Table V."""

from pathlib import Path

import pytest
import torch
from test_table_v import short as short
from torch import nn

from ilib.data import load
from ilib.gan.weights import load_weights
from ilib.metrics import psnr
from ilib.networks import NumberDecoder, folded
from ilib.networks.vae import Codes
from ilib.operators import CircularBlur
from ilib.priors import ours
from ilib.priors.adam import adam_step, remembered
from ilib.priors.aligned import centred, centroid, kernel_correlation, moved, rolled
from ilib.priors.codes import codes_of, drawn_from, fitted, keep_codes, load_drawn, main
from ilib.priors.inputs import blurred
from ilib.priors.latent import Generators
from ilib.priors.likely import Likely, likeliest, objective
from ilib.priors.load import load_prior
from ilib.priors.methods import task_of
from ilib.priors.ours import kernel_between
from ilib.priors.sets import motion_kernels

SHORT = Likely(steps=40, stages=((0, 4), (10, 2), (20, 1)))


@pytest.fixture(scope="module")
def G() -> Generators:
    return Generators(load_drawn("numbers", "smoke"), load_drawn("unit_blur", "smoke"))


@pytest.fixture(scope="module")
def y(G: Generators) -> torch.Tensor:
    draw = torch.Generator().manual_seed(3)
    x, k = (g(torch.randn(3, g.latent, generator=draw)) for g in (G.picture, G.kernel))
    return CircularBlur(k / k.sum((1, 2), keepdim=True))(x) + 0.01 * torch.randn(x.shape, generator=draw)


# ---- Adam


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.8, 0.9)])
def test_adam_is_that_of_torch(betas: tuple[float, float]) -> None:
    a, start = torch.rand(5, 7), torch.randn(5, 7)
    z = nn.Parameter(start.clone())
    theirs = torch.optim.Adam([z], 0.1, betas=betas)
    state = remembered({"z": start, "other": torch.ones(5)}, ["z"])
    for t in range(20):
        theirs.zero_grad()
        (a * z.square() + z.cos()).sum().backward()
        theirs.step()
        state = adam_step(state, lambda s: (a * s["z"].square() + s["z"].cos()).sum(1), ["z"], t, 0.1, betas)
    assert torch.allclose(state["z"], z.detach(), atol=1e-5) and torch.equal(state["other"], torch.ones(5))


# ---- codes


def test_fitted_codes_have_the_moments_of_what_was_encoded() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 3, generator=draw).double()
    W, m, v = torch.randn(6, 3, generator=draw).double(), torch.arange(6.0).double(), 0.1
    codes = fitted(x, lambda part: (part @ W.T + m, torch.full((len(part), 6), v).double().log()))
    assert torch.allclose(codes.mean.double(), m + x.mean(0) @ W.T, atol=1e-4)
    assert torch.allclose((codes.root @ codes.root.T).double(), W @ torch.cov(x.T) @ W.T + v * torch.eye(6), atol=1e-3)
    with pytest.raises(ValueError, match="5 pictures say nothing"):
        fitted(x[:5], lambda part: (part @ W.T, part @ W.T))


def test_drawn_from_moves_the_first_layer() -> None:
    torch.manual_seed(0)
    G, codes = folded(NumberDecoder(7, 2).eval()), Codes(7)
    codes.mean.copy_(torch.randn(7)), codes.root.copy_(torch.randn(7, 7))
    u = torch.randn(4, 7)
    assert torch.allclose(drawn_from(G, codes)(u), G(codes(u)), atol=1e-5)
    assert torch.allclose(codes.inverse(codes(u)), u, atol=1e-3)
    with pytest.raises(ValueError, match="belong to another generator"):
        drawn_from(folded(NumberDecoder(5, 2).eval()), codes)
    with pytest.raises(ValueError, match="takes"):
        codes(torch.randn(4, 5))


def test_draws_are_as_varied_as_the_training_set() -> None:
    """Contrast of house numbers: draws from where the codes lie have it, draws from N(0, I) do not."""
    u, x = torch.randn(200, 100, generator=torch.Generator().manual_seed(1)), load("numbers/train", n=200).x

    def spread(made: torch.Tensor) -> float:
        return float(made.flatten(1).mean(1).std())

    plain, moved = (spread(g(u)) for g in (load_prior("prior--numbers--smoke--s0"), load_drawn("numbers", "smoke")))
    assert abs(moved - spread(x)) < abs(plain - spread(x))
    assert abs(moved / spread(x) - 1) < 0.35


def test_a_prior_without_an_encoder_is_as_it_is() -> None:
    z = torch.randn(2, 100)
    assert torch.equal(load_drawn("faces", "smoke")(z), load_prior("prior--faces--smoke--s0")(z))
    with pytest.raises(FileNotFoundError, match="codes--faces--smoke"):
        codes_of("faces", "smoke")


def test_codes_are_fitted_again_as_they_are_kept() -> None:
    kept, entry = load_weights("codes--unit_blur--smoke--s0")
    encoder = load_weights("encoder--unit_blur--smoke--s0")[0]
    again = fitted(motion_kernels(5000, 0), encoder)
    assert torch.allclose(again.mean, kept.mean, atol=2e-2) and torch.allclose(again.root, kept.root, atol=2e-2)
    assert entry["arguments"] == {"latent": 50} and entry["data"][0]["name"] == "motion_kernels"


def test_codes_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FileNotFoundError, match="no weights encoder--numbers--smoke"):
        keep_codes("numbers", "smoke", folder=tmp_path)
    assert main(["faces", "smoke"]) == 1 and "encoder--faces" in capsys.readouterr().err


# ---- the search


def test_objective_by_hand(G: Generators, y: torch.Tensor) -> None:
    state = {"z_i": torch.randn(3, 100), "z_k": torch.randn(3, 50)}
    r = CircularBlur(G.kernel(state["z_k"]))(G.picture(state["z_i"])) - y
    by_hand = r.square().sum((1, 2, 3)) + 0.01 * (state["z_i"].square().sum(1) + state["z_k"].square().sum(1))
    assert torch.allclose(objective(y, state, G, SHORT), by_hand, rtol=1e-4)


def test_company_changes_nothing(G: Generators, y: torch.Tensor) -> None:
    together, alone = likeliest(y, G, SHORT, [5, 6, 7]), likeliest(y[1:2], G, SHORT, [6])
    assert (together.x_hat[1] - alone.x_hat[0]).abs().max() < 0.02
    assert together.restart[1] == alone.restart[0]


def test_it_explains_y_better_the_longer_it_looks(G: Generators, y: torch.Tensor) -> None:
    first, longer = likeliest(y, G, SHORT), likeliest(y, G, Likely(steps=200, stages=((0, 4), (40, 1))))
    assert (longer.misfit < first.misfit).all() and longer.misfit.max() < 6e-4  # the noise: 1e-4
    assert torch.allclose(longer.kernel.sum((1, 2)), torch.ones(3), atol=1e-4)


def test_weight_keeps_the_codes_short(G: Generators, y: torch.Tensor) -> None:
    light, heavy = (likeliest(y, G, Likely(40, SHORT.stages, weight=w)) for w in (1e-4, 1.0))
    assert (heavy.z_i.square().sum(1) < light.z_i.square().sum(1)).all() and (heavy.misfit > light.misfit).all()


def test_wrong_starts(G: Generators, y: torch.Tensor) -> None:
    start = {"z_i": torch.zeros(3, 2, 100), "z_k": torch.zeros(3, 2, 50)}
    with pytest.raises(ValueError, match="3 pictures and 4 restarts"):
        likeliest(y, G, SHORT, start=start)
    with pytest.raises(ValueError, match="2 seeds for 3 pictures"):
        likeliest(y, G, SHORT, [1, 2])
    with pytest.raises(ValueError, match="the prior makes"):
        likeliest(y[..., :28], G, SHORT)


# ---- the shift that picture and kernel share


def test_centred_undoes_a_common_shift() -> None:
    k = motion_kernels(3, 4)
    x = CircularBlur(motion_kernels(1, 9))(torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert centroid(k).abs().max() < 0.3
    shift = torch.tensor([[2, -1], [0, 3], [-2, -2]])
    x_hat, k_hat = centred(rolled(x, shift), rolled(k, -shift))
    assert centroid(k_hat).abs().max() < 0.15
    exact, _ = centred(x, k)
    assert (x_hat - exact).abs().max() < 1e-4, "where it was before does not matter"
    y, again = CircularBlur(k)(x), CircularBlur(k_hat)(x_hat)
    assert (again - y).square().mean().sqrt() < 0.01


def test_moved_by_whole_pixels_is_rolled() -> None:
    x, shift = torch.rand(2, 3, 8, 9), torch.tensor([[1, -2], [3, 0]])
    assert torch.allclose(moved(x, shift.float()), rolled(x, shift), atol=1e-5)
    half = torch.full((2, 2), 0.5)
    smooth = CircularBlur(torch.ones(3, 3) / 9)(x)
    assert torch.allclose(moved(moved(smooth, half), half), rolled(smooth, torch.ones(2, 2, dtype=int)), atol=0.1)


# ---- the rows


def test_kernel_between_a_picture_and_its_blurred_one() -> None:
    x, k = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)), motion_kernels(3, 4)
    found = kernel_between(x, CircularBlur(k)(x))
    assert found.shape == k.shape and torch.allclose(found.sum((1, 2)), torch.ones(3)) and float(found.min()) >= 0
    assert kernel_correlation(found, k).min() > 0.95


@pytest.mark.parametrize("family", ["svhn", "celeba"])
def test_rows_keep_what_they_found(short: Path, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an encoder for z_i, and without."""
    monkeypatch.setattr(ours, "FREE_STEPS", 2000)
    pairs, given = blurred(f"{family}/smoke", n=2), {"weights": "dgp_5--cnn--svhn--smoke--s0"}
    rows = [(ours.likely, {}), (ours.started, given), (ours.freed, given)]
    found = [row(pairs.y, pairs.A, **more) for row, more in rows]
    assert len(list(short.iterdir())) == 3
    for (row, more), (x_hat, kernel) in zip(rows, found, strict=True):
        assert x_hat.shape == pairs.y.shape and kernel.shape == (2, 28, 28)
        assert torch.equal(row(pairs.y, pairs.A, **more)[0], x_hat), "what was found is kept"
    assert not torch.equal(found[0][0], found[1][0])


def test_starts_by_a_network() -> None:
    """What goes in is what the prior makes of the start: a picture in the range and a kernel in the other's."""
    pairs = blurred("svhn/smoke", n=2)
    task, G = task_of(pairs.A), ours.generators_of(task_of(pairs.A), torch.device("cpu"))
    x, k = (g(torch.randn(2, g.latent, generator=torch.Generator().manual_seed(2))) for g in (G.picture, G.kernel))
    state = ours.starts(x, CircularBlur(k)(x), task, 3)
    assert state["z_i"].shape == (2, 3, 100) and state["z_k"].shape == (2, 3, 50)
    assert psnr(G.picture(state["z_i"][:, 0]), x).min() > psnr(G.picture(torch.zeros(2, 100)), x).max()
    assert kernel_correlation(G.kernel(state["z_k"][:, 0]), k).min() > 0.6


def test_sweep_takes_the_likeliest_kernels(monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    monkeypatch.setattr(ours, "CANDIDATES", 60), monkeypatch.setattr(ours, "AT_ONCE", 25)
    pairs = blurred("svhn/smoke", n=2)
    task, G = task_of(pairs.A), ours.generators_of(task_of(pairs.A), torch.device("cpu"))
    z_k = torch.randn(60, 50, generator=torch.Generator().manual_seed(0))
    few = ours.sweep(pairs.y, G, task, Likely(10, ((0, 3),)), z_k)
    assert few["z_i"].shape == (2, 3, 100) and few["z_k"].shape == (2, 3, 50)
    whole = ours.sweep(pairs.y, G, task, Likely(10, ((0, 60),)), z_k)
    for state, R in ((few, 3), (whole, 60)):
        runs = [{name: z[:, r] for name, z in state.items()} for r in range(R)]
        L = torch.stack([objective(pairs.y, run, G, Likely()) for run in runs], 1)
        assert (L.diff(dim=1) >= -1e-4).all(), "the likeliest first"
    assert torch.equal(whole["z_k"][:, :3], few["z_k"])
    halves = ours.sweep(pairs.y, G, task, Likely(10, ((0, 30),)), z_k, classes=2)
    assert halves["z_k"].shape == (4, 30, 50)
    assert torch.equal(halves["z_k"][0].sort(0).values, z_k[:30].sort(0).values), "each class keeps to its own"
    monkeypatch.setattr(ours, "FEWER", 20)
    assert ours.swept(pairs.y, pairs.A)[0].shape == pairs.y.shape


def test_rows_that_cannot_be() -> None:
    faces = blurred("celeba/smoke", n=1)
    with pytest.raises(ValueError, match="no encoder"):
        ours.swept(faces.y, faces.A)
    with pytest.raises(TypeError, match="set that A names"):
        ours.likely(faces.y, CircularBlur(faces.A.kernel))
    with pytest.raises(FileNotFoundError, match="no weights dgp_5--nothing"):
        ours.started(faces.y, faces.A, weights="dgp_5--nothing--svhn--smoke--s0")
