"""Table V: its measurements, its methods that go on after a stop, decoders as products, starts by an encoder."""

import json
import statistics
from pathlib import Path

import pytest
import torch
from test_results import ROOT
from torch import Tensor

from ilib.data import dgp_reference
from ilib.gan.registry import WEIGHTS, read_registry
from ilib.networks import DCGAN, NumberDecoder
from ilib.operators import CircularBlur
from ilib.priors import algorithm_1 as one
from ilib.priors import methods
from ilib.priors.encoded import algorithm_1_from, encoded_starts
from ilib.priors.inputs import NOISE, SIDES, Trajectories, Untold, blurred, blurred_faces, shaken
from ilib.priors.latent import Generators, cost
from ilib.priors.load import halved, load_prior
from ilib.priors.products import Products, products_of
from ilib.priors.sets import motion_kernels
from ilib.results import columns, load_grid

CALIBRATION = ROOT / "results" / "calibration"


def has_reference() -> bool:
    try:
        return bool(dgp_reference("svhn"))
    except FileNotFoundError:
        return False


# ---- measurements


@pytest.mark.parametrize("family", SIDES)
def test_drawn_measurements(family: str) -> None:
    pairs = blurred(f"{family}/smoke", n=3)
    x, side = pairs.pictures.x, SIDES[family]
    assert pairs.y.shape == (3, 3, side, side)
    assert torch.equal(pairs.y, blurred(f"{family}/smoke", n=3).y)
    error = pairs.y - pairs.A(x)
    assert 0.008 < float(error.std()) < 0.0105, "noise of 1 %, clipped"
    assert not torch.equal(pairs.A.kernel[0], pairs.A.kernel[1])


@pytest.mark.skipif(not has_reference(), reason="the authors' test pictures are not here")
@pytest.mark.parametrize("family", SIDES)
def test_authors_kernels_explain_their_blurred_pictures(family: str) -> None:
    """True convolution, centred: a kernel one pixel off, or flipped, leaves more than twice the noise."""
    pairs = blurred(f"{family}/cpu", n=20)
    x = pairs.pictures.x

    def left(kernel: Tensor) -> float:
        return float((pairs.y - CircularBlur(kernel)(x)).std())

    assert left(pairs.A.kernel) < 1.05 * NOISE
    for other in (pairs.A.kernel.roll(1, -1), pairs.A.kernel.roll(1, -2), pairs.A.kernel.flip(-2, -1)):
        assert left(other) > 2 * NOISE


def test_operator_carries_name_and_numbers() -> None:
    A = Untold(motion_kernels(5), "svhn/smoke")
    assert (A[2:4].numbers, A[2:4].name, len(A[2:4].kernel)) == ([2, 3], "svhn/smoke", 2)
    assert A[2:4][1:].numbers == [3], "a block of a block"
    assert A[torch.tensor([4, 0])].to(torch.zeros(1, dtype=torch.float64)).numbers == [4, 0]
    assert torch.equal(A[3:4].kernel[0], A.kernel[3])


@pytest.mark.parametrize(("name", "says"), [("svnh/cpu", "pass one of svhn, celeba, shoes"), ("svhn", "unknown"),
                                            ("svhn/big", "'big' is unknown")])  # fmt: skip
def test_wrong_names(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        blurred(name)


def test_without_the_authors_pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ILIB_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="ILIB_DATA"):
        blurred("svhn/cpu")


def test_camera_draws_a_kernel_for_each_picture() -> None:
    camera, x = Trajectories(), torch.rand(3, 3, 32, 32)
    y, A, sigma = camera.measure(x, torch.zeros(3, 1, 1, 1), 5)
    assert torch.allclose(y, A(x), atol=0.51 / 255) and A.kernel.shape == (3, 28, 28)
    assert torch.equal(camera.measure(x, sigma, 5)[0], y) and not torch.equal(camera.measure(x, sigma, 6)[0], y)
    assert shaken(blurred("svhn/smoke").pictures, None).camera == camera


# ---- decoders as products


@pytest.mark.parametrize("width", [2, 4])
def test_products_are_the_decoder(width: int) -> None:
    torch.manual_seed(width)
    from ilib.networks import folded

    G = NumberDecoder(7, width)
    G(torch.randn(40, 7))  # norms that have seen something
    G = folded(G.eval())
    P, z = products_of(G), torch.randn(3, 7).requires_grad_()
    assert isinstance(P, Products) and P.latent == 7
    assert torch.allclose(P(z), G(z), atol=1e-5)
    g = torch.randn(3, 3, 32, 32)
    by_both = [torch.autograd.grad(net(z), z, g)[0] for net in (P, G)]
    assert torch.allclose(*by_both, atol=1e-5)
    assert (halved(P)(z.bfloat16()).float() - G(z)).abs().max() < 0.05


def test_others_stay_as_they_are() -> None:
    for G in (DCGAN(5, 2), NumberDecoder(7, 2)):  # convolutions that overlap; norms that are not folded
        assert products_of(G) is G


def test_faces_of_the_grand_table() -> None:
    """The same measurement as any other method's, and priors by the set that A names."""
    plain, pairs = columns.blurred("embedded/test", "levin", 64, 2), blurred_faces("embedded/test", n=2)
    assert torch.equal(pairs.y, plain.y) and torch.equal(pairs.A.kernel, plain.A.kernel)
    assert methods.task_of(pairs.A[1:]) == methods.Task("celeba", "smoke", [1])


# ---- methods


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A hundred iterations at smoke, and a project of its own to keep blocks in."""
    monkeypatch.setattr(methods, "STEPS", dict.fromkeys(SIDES, 400))
    monkeypatch.setattr(methods, "CHECKPOINTS", str(tmp_path / "kept"))
    return tmp_path / "kept" / "blocks"


def test_method_is_the_algorithm(short: Path) -> None:
    pairs = blurred("svhn/smoke", n=2)
    x_hat, kernel = methods.algorithm_1(pairs.y, pairs.A, dropped=True, weight=0.001, bf16=False)
    G = Generators(load_prior("prior--numbers--smoke--s0"), load_prior("prior--blur--smoke--s0"))
    how = one.Descent(20, ((0, 10), (1, 5), (3, 2), (5, 1)), decay=50, gamma=1.024, lam=1.024)
    found = one.algorithm_1(pairs.y, G, how, [0, 1])
    assert torch.allclose(x_hat, found.x_hat, atol=1e-3) and torch.allclose(kernel, found.kernel, atol=1e-3)


def test_blocks_are_kept(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that stops in its second block goes on there; other settings are other blocks."""
    pairs, solve, calls = blurred("svhn/smoke", n=3), one.algorithm_1, []

    def counted(y: Tensor, *rest: object) -> one.Found:
        calls.append(len(y))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return solve(y, *rest)

    counted.__name__ = "algorithm_1"
    monkeypatch.setattr(methods.one, "algorithm_1", counted)

    def run(**given: object) -> list[Tensor]:
        return [methods.algorithm_1(pairs.y[cut], pairs.A[cut], dropped=True, **given)[0]
                for cut in (slice(0, 2), slice(2, 3))]  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        run()
    first = run()
    assert calls == [2, 1, 1] and len(list(short.iterdir())) == 2
    assert all(torch.equal(a, b) for a, b in zip(first, run(), strict=True)) and len(calls) == 3
    run(weight=0.5)
    assert len(calls) == 5


def test_picture_has_its_result_in_any_block(short: Path) -> None:
    pairs = blurred("svhn/smoke", n=3)
    whole = methods.algorithm_1(pairs.y, pairs.A, dropped=True, bf16=False)[0]
    alone = methods.algorithm_1(pairs.y[2:], pairs.A[2:], dropped=True, bf16=False)[0]
    assert torch.allclose(whole[2:], alone, atol=1e-3)


def test_algorithm_2_as_a_method(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "FREE_STEPS", 400)
    pairs = blurred("svhn/smoke", n=1)
    x_hat, kernel = methods.algorithm_2(pairs.y, pairs.A, dropped=True)
    assert x_hat.shape == pairs.y.shape and kernel.shape == (1, 28, 28)
    assert float(x_hat.min()) >= 0 and float(x_hat.max()) <= 1


def test_operator_that_names_no_set() -> None:
    with pytest.raises(TypeError, match="by the set that A names"):
        methods.algorithm_1(torch.rand(1, 3, 32, 32), CircularBlur(motion_kernels(1)))


def test_dropping_costs_a_fifth() -> None:
    for steps in methods.STEPS.values():
        assert cost(methods.stages_of(steps, True), steps) < 0.2 * cost(methods.stages_of(steps, False), steps)


@pytest.mark.parametrize(("side", "size"), [(32, 3), (60, 5), (64, 5)])
def test_dark_channel_fits_the_picture(side: int, size: int) -> None:
    x_hat, kernel = methods.dark_channel(blurred("celeba/smoke", n=1).y[..., :side, :side], None)
    assert x_hat.shape[-1] == side and kernel.shape == (1, size, size)


# ---- starts by an encoder


def test_encoded_starts() -> None:
    class Encoder(torch.nn.Module):
        def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
            return y.flatten(1)[:, :6], y.flatten(1)[:, :6]

    y = torch.rand(2, 3, 32, 32)
    z = encoded_starts(y, Encoder(), 4, [0, 1], spread=0.1)
    assert z.shape == (2, 4, 6) and torch.equal(z[:, 0], y.flatten(1)[:, :6])
    assert 0.03 < float((z[:, 1:] - z[:, :1]).std()) < 0.2
    G = Generators(NumberDecoder(6, 2).eval().requires_grad_(False), load_prior("prior--blur--smoke--s0"))
    start = {"z_i": z[:, :1], "z_k": torch.zeros(2, 1, G.kernel.latent)}
    found = algorithm_1_from(y, G, start, one.Descent(1, ((0, 1),), rate=1e-6))
    assert torch.allclose(found.z_i, z[:, 0], atol=1e-4), "it starts there"
    with pytest.raises(ValueError, match="2 pictures and 10 restarts"):
        algorithm_1_from(y, G, start)


# ---- the figures on the page


def test_authors_results_have_the_mean_that_the_paper_prints() -> None:
    sets, paper = json.loads((CALIBRATION / "authors.json").read_text())["sets"], load_grid("dgp_5", ROOT).rows
    compared = [(name, row, figures["psnr"]) for name, made in sets.items() for row, figures in made.items()
                if row in paper and paper[row].paper]  # fmt: skip
    assert len(compared) == 8
    for name, row, values in compared:
        column = f"{name}_range" if row == "range" else name
        assert statistics.mean(values) == pytest.approx(paper[row].paper[column]["psnr"], abs=0.011), (name, row)


def test_kernels_were_estimated_with_the_priors_of_now() -> None:
    """The rows' digests do not hold the checksums of the priors: the file of their kernels does."""
    registry = read_registry(ROOT / WEIGHTS)
    found = json.loads((CALIBRATION / "kernels.json").read_text())
    rows = [path.stem for path in (ROOT / "results" / "dgp_5").glob("*.json")
            if path.stem.startswith(("algorithm", "likely", "network"))]
    assert sorted(found) == sorted(rows)
    for name, entry in found.items():
        assert all(0 <= v <= 1.0001 for v in entry["per_image"])
        for weights, sha256 in entry["weights"].items():
            assert registry[weights]["sha256"] == sha256, f"{name}: run python -m benchmarks.kernels again"
