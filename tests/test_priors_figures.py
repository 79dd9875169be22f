"""Figures 8, 11, 12, 14 and 15: pictures blurred anew, other priors, Algorithm 3 as a row."""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_results import ROOT

from ilib.data import load
from ilib.gan.registry import WEIGHTS, read_registry
from ilib.gan.weights import load_weights
from ilib.priors import algorithm_1 as one
from ilib.priors import methods, untrained, varied
from ilib.priors.algorithm_1 import misfit
from ilib.priors.algorithm_3 import Untrained
from ilib.priors.inputs import blurred
from ilib.priors.load import load_prior
from ilib.priors.plans import LATENTS, PLANS
from ilib.results import load_grid
from ilib.results.rows import read_rows
from ilib.results.sweeps import load_sweep, read_sweep

SWEEPS = ("dgp_noise", "dgp_restarts", "dgp_length", "dgp_length_faces", "dgp_latent")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Twenty iterations at smoke, and a project of its own to keep blocks in."""
    for module in (methods, varied):
        monkeypatch.setattr(module, "STEPS", dict.fromkeys(methods.STEPS, 1200))
    monkeypatch.setattr(methods, "CHECKPOINTS", str(tmp_path / "kept"))


# ---- pictures blurred anew


def test_noise_and_length_are_what_is_asked_for() -> None:
    calm, loud = (varied.blurred_anew("svhn/smoke", 3, noise=noise) for noise in (0.0, 0.1))
    assert (calm.y - calm.A(calm.pictures.x)).abs().max() < 0.51 / 255 + 1e-6
    assert 0.08 < float((loud.y - loud.A(loud.pictures.x)).std()) < 0.102, "noise of 10 %, partly clipped"
    assert torch.equal(calm.A.kernel, blurred("svhn/smoke", 3).A.kernel)
    near, far = (float(varied.blurred_anew("svhn/smoke", 3, length=n).A.kernel.amax((1, 2)).mean()) for n in (5, 28))
    assert near > far, "a longer path spreads the same sum"
    with pytest.raises(ValueError, match="length is 40; the prior knows paths of 5 to 28"):
        varied.blurred_anew("svhn/smoke", 3, length=40)


def test_range_images_lie_in_the_range() -> None:
    pairs = varied.blurred_anew("svhn/smoke", 2, in_range=True)
    encoder = load_weights("encoder--numbers--smoke--s0")[0].eval()
    with torch.no_grad():
        made = load_prior("prior--numbers--smoke--s0")(encoder(blurred("svhn/smoke", 2).pictures.x)[0])
    assert (pairs.pictures.x - made).abs().max() < 0.51 / 255 + 1e-6, "8 bits"
    assert (pairs.y - pairs.A(made)).square().mean().sqrt() < 0.011
    with pytest.raises(ValueError, match="prior of celeba has no encoder"):
        varied.blurred_anew("celeba/smoke", 2, in_range=True)


# ---- other priors, fewer restarts


def test_length_of_z_chooses_the_prior(short: None) -> None:
    pairs = varied.blurred_anew("svhn/smoke", 1)
    task = varied.Lengthened("svhn", "smoke", [0], 30)
    assert task.weights("blur") == ["prior--numbers_30--smoke--s0", "prior--blur--smoke--s0"]
    assert replace(task, latent=0).weights("blur") == methods.task_of(pairs.A).weights("blur")
    found = {latent: varied.restarted(pairs.y, pairs.A, restarts=1, latent=latent)[0] for latent in (0, 10, 30)}
    assert not torch.equal(found[10], found[30]) and not torch.equal(found[0], found[10])
    with pytest.raises(FileNotFoundError, match="numbers_11"):
        varied.restarted(pairs.y, pairs.A, latent=11)


def test_more_restarts_contain_the_fewer(short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, solve, runs = varied.blurred_anew("svhn/smoke", 2), one.algorithm_1, []
    monkeypatch.setattr(one, "algorithm_1", lambda *given: runs.append(given[2:]) or solve(*given))
    found = {n: varied.restarted(pairs.y, pairs.A, restarts=n) for n in (1, 3, 2)}
    assert len(runs) == 3 and all(how.stages == ((0, 1),) for how, _ in runs), "the third sum takes what is kept"
    assert len({seed for _, seeds in runs for seed in seeds}) == 6, "every start is another"
    left = {n: misfit(pairs.y, *each) for n, each in found.items()}
    assert (left[3] <= left[2]).all() and (left[2] <= left[1]).all()


def test_plans_of_the_lengths() -> None:
    for latent in LATENTS:
        for plan in PLANS[f"numbers_{latent}"].values():
            assert plan.prior[1]["latent"] == plan.partner[1]["latent"] == latent
    assert load_sweep("dgp_latent", ROOT).vary["method.latent"] == list(LATENTS)


# ---- Algorithm 3 on photographs


def test_photographs_with_a_shake_each() -> None:
    pairs = untrained.photographs("embedded/test", 2, 64)
    assert torch.equal(pairs.pictures.x, load("embedded/test", size=64, n=2).x)
    assert not torch.equal(pairs.A.kernel[0], pairs.A.kernel[1])
    assert float((pairs.y - pairs.A(pairs.pictures.x)).std()) < 0.011


def test_algorithm_3_picture_by_picture(short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(untrained.SETTINGS, 64, Untrained(first=2, steps=2, width=2))
    y, solve, calls = untrained.photographs("embedded/test", 2, 64).y, untrained.fitted, []
    monkeypatch.setattr(untrained, "fitted", lambda *given: calls.append(given) or solve(*given))
    with torch.no_grad():  # as a table calls its methods
        x_hat, kernel = untrained.algorithm_3(y, None)
        assert x_hat.shape == y.shape and kernel.shape == (2, 28, 28) and len(calls) == 2
        again, _ = untrained.algorithm_3(y[1:], None)
    assert torch.equal(again, x_hat[1:]) and len(calls) == 2, "kept, each by itself"
    with pytest.raises(ValueError, match="settings for sides 64, 256"):
        untrained.algorithm_3(y[..., :32, :32], None)


# ---- rows


def test_rows_are_younger_than_their_priors() -> None:
    """The digests of these rows do not hold the checksums of the priors; their dates tell."""
    priors = {name: entry["date"] for name, entry in read_registry(ROOT / WEIGHTS).items() if "prior--" in name}
    named = inspect.signature(varied.restarted).parameters["kernels"].default
    rows = [row for name in SWEEPS for p in ("smoke", "cpu") for _, row in read_sweep(name, ROOT, p)]
    rows += [row for table in ("dgp_figures", "dgp_fig15") for row in read_rows(ROOT / "results" / table)]
    used = [row for row in rows if row.row.startswith("algorithm")]
    assert used
    for row in used:
        kernels = row.parameters["arguments"].get("kernels", named)
        at = "cpu" if row.table == "dgp_fig15" else row.profile
        assert row.date > priors[f"prior--{kernels}--{at}--s0"], f"{row.job}: run it again"


def test_figures_have_every_row_at_smoke() -> None:
    for table in ("dgp_figures", "dgp_fig15"):
        found = {row.job for row in read_rows(ROOT / "results" / table) if row.profile == "smoke"}
        assert found == set(load_grid(table, ROOT).jobs("smoke")), f"make tables TABLE={table}"
