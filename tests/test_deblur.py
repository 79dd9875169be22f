"""Deblurring a reader's own picture: kernels from text, tiles without seams, files with colour and EXIF kept."""

import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ilib import deblur as own
from ilib.classical import hyper_laplacian, with_unknown_borders
from ilib.data import load
from ilib.degrade import add_noise
from ilib.kernels import disk, gaussian
from ilib.metrics import psnr, shift_psnr
from ilib.operators import Blur, CircularBlur
from ilib.tiles import ramp, restore_in_tiles, windows

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("n", "side", "overlap"), [(10, 512, 64), (512, 512, 64), (513, 512, 64), (4000, 512, 100)])
def test_windows_cover_every_pixel_with_the_overlap(n: int, side: int, overlap: int) -> None:
    found = windows(n, side, overlap)
    assert found[0][0] == 0 and found[-1][1] == n
    assert all(b - a == min(side, n) for a, b in found)
    assert all(before[1] - after[0] >= overlap for before, after in zip(found, found[1:], strict=False))


def test_windows_need_tiles_larger_than_the_overlap() -> None:
    with pytest.raises(ValueError, match="overlap of 64"):
        windows(1000, 64, 64)


def test_every_pixel_has_weight_and_none_near_an_inner_edge() -> None:
    n, reach, overlap, total = 1000, 10, 40, torch.zeros(1000)
    for window in windows(n, 200, overlap):
        weight = ramp(n, window, reach, overlap)
        total[slice(*window)] += weight
        assert window[0] == 0 or not weight[:reach].any()
        assert window[1] == n or not weight[-reach:].any()
    assert total.min() > 0.99 / 2


def blurred_photograph(size: int, kernel: torch.Tensor, noise: float = 0.01) -> tuple[torch.Tensor, torch.Tensor]:
    x = load("embedded/test", size=size, n=1).x
    return x, add_noise(Blur(kernel.float(), "reflect")(x), noise).clamp(0, 1)


def test_tiles_leave_no_seams() -> None:
    """Tile by tile is as good as the whole at once, and where tiles meet no step is left beyond those elsewhere."""
    x, y = blurred_photograph(256, disk(7))
    A = CircularBlur(disk(7).float())
    method = partial(hyper_laplacian, noise=0.01)
    whole = with_unknown_borders(method, noise=0.01)(y, A)
    tiled = restore_in_tiles(method, y, A, noise=0.01, side=100)
    assert float(psnr(tiled, whole)) > 45
    assert float((psnr(tiled, x) - psnr(whole, x)).abs()) < 0.05
    gap = (tiled - whole).abs().mean((0, 1))[28:-28, 28:-28]  # the outer border is continued towards another edge
    assert float(gap.mean(1).max()) < 2 / 255 and float(gap.mean(0).max()) < 2 / 255


def test_a_small_picture_is_one_tile() -> None:
    _, y = blurred_photograph(64, disk(3))
    A, method = CircularBlur(disk(3).float()), partial(hyper_laplacian, noise=0.01)
    whole = with_unknown_borders(method, noise=0.01)(y, A)
    assert torch.allclose(restore_in_tiles(method, y, A, noise=0.01), whole, atol=1e-6)


def test_kernels_from_text(tmp_path: Path) -> None:
    assert torch.equal(own.kernel_of("disk:7"), disk(7))
    assert torch.equal(own.kernel_of("gaussian:2.5"), gaussian(2.5))
    assert own.kernel_of("blind:31") is None and own.kernel_of("text:31") is None
    drawn = np.zeros((5, 7), np.uint8)
    drawn[2, 1:6] = 255
    Image.fromarray(drawn).save(tmp_path / "kernel.png")
    k = own.kernel_of(str(tmp_path / "kernel.png"))
    assert k.shape == (5, 7) and torch.allclose(k[2, 1:6], torch.full((5,), 0.2).double())


@pytest.mark.parametrize("text", ["disk", "disk:0", "disk:-1", "line:5", "line:0:0", "blind:x", "no.png"])
def test_kernels_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        own.kernel_of(text)


@pytest.mark.parametrize("text", ["gaussian:abc", "disk:", "disk:a", "line:5:x", "gaussian:1:2"])
def test_what_is_no_number_is_told_the_forms(text: str) -> None:
    with pytest.raises(ValueError, match=f"kernel '{text}' is neither gaussian:SIGMA"):
        own.kernel_of(text)


def test_a_black_picture_is_no_kernel(tmp_path: Path) -> None:
    Image.new("L", (5, 5)).save(tmp_path / "black.png")
    with pytest.raises(ValueError, match="black"):
        own.kernel_of(str(tmp_path / "black.png"))


@pytest.mark.parametrize(("angle", "moved"), [(0, (0, 1)), (90, (-1, 0)), (45, (-1, 1))])
def test_a_line_runs_the_way_its_angle_says(angle: float, moved: tuple[int, int]) -> None:
    """Its mean is the middle; its second moments lie along (rows downwards, columns to the right)."""
    k = own.straight(15, angle)
    at = torch.arange(len(k), dtype=k.dtype) - len(k) // 2
    rows, columns = (k.sum(1) * at).sum(), (k.sum(0) * at).sum()
    assert abs(rows) < 1e-6 and abs(columns) < 1e-6 and abs(float(k.sum()) - 1) < 1e-9
    spread = torch.stack([(k.sum(1) * at**2).sum(), (k.sum(0) * at**2).sum(), (k * at[:, None] * at).sum()])
    aim = torch.tensor([moved[0] ** 2, moved[1] ** 2, moved[0] * moved[1]], dtype=k.dtype)
    assert torch.allclose(spread / spread[:2].sum(), aim / aim[:2].sum(), atol=0.02)


@pytest.mark.parametrize("sigma", [0.01, 0.03])
def test_noise_is_estimated_from_a_blurred_photograph(sigma: float) -> None:
    _, y = blurred_photograph(256, gaussian(2.0), sigma)
    assert own.noise_of(y) == pytest.approx(sigma, rel=0.15)


def test_the_noise_is_at_least_that_of_rounding() -> None:
    assert own.noise_of(torch.full((1, 3, 32, 32), 0.5)) == pytest.approx(1 / 255 / 12**0.5)


@pytest.mark.parametrize("method", ["wiener", "hl", "tv", "rl", "unrolled"])
def test_every_method_gains(method: str) -> None:
    x, y = blurred_photograph(128, disk(7))
    assert float(psnr(own.deblur_photograph(y, "disk:7", method), x)) > float(psnr(y, x)) + 1
    grey = own.deblur_photograph(y[:, :1].contiguous(), "disk:7", method)
    assert grey.shape == (1, 1, 128, 128) and float(psnr(grey, x[:, :1])) > float(psnr(y[:, :1], x[:, :1])) + 1


@pytest.mark.parametrize("kernel", ["disk:5", "blind:11"])
def test_any_precision_is_taken(kernel: str) -> None:
    _, y = blurred_photograph(144, disk(5))
    double, single = (own.deblur_photograph(p, kernel, "unrolled") for p in (y.double(), y))
    assert double.dtype == torch.float32 and torch.equal(double, single)


def test_no_kernel_is_read_off_pictures_with_nan() -> None:
    with pytest.raises(ValueError, match="NaN"):
        own.estimate(torch.full((1, 3, 64, 64), float("nan")), 11, own.PRIORS["blind"])


@pytest.mark.parametrize("shape", [(1, 4, 64, 64), (1, 2, 64, 64), (2, 3, 64, 64)])
@pytest.mark.parametrize("kernel", ["disk:5", "blind:11"])
def test_only_one_grey_or_colour_photograph_is_taken(shape: tuple[int, ...], kernel: str) -> None:
    with pytest.raises(ValueError, match=r"y has shape .*pass one photograph, grey or RGB"):
        own.deblur_photograph(torch.rand(shape), kernel, "unrolled")


def test_the_unrolled_network_is_ahead_of_the_default() -> None:
    x, y = blurred_photograph(256, disk(7), 0.01)
    ours, plain = (float(psnr(own.deblur_photograph(y, "disk:7", name), x)) for name in ("unrolled", "hl"))
    assert ours > plain + 0.5


def test_a_blind_kernel_is_found_and_used() -> None:
    """The estimate is nearer to the truth than a single point is."""
    x, y = blurred_photograph(256, own.straight(11, 0), 0.002)
    k, true = own.estimate(y, 17, own.PRIORS["blind"]), own.straight(11, 0).float()
    true = torch.nn.functional.pad(true, ((17 - true.shape[1]) // 2,) * 2 + ((17 - true.shape[0]) // 2,) * 2)
    cosine = float((k * true).sum() / k.norm() / true.norm())
    assert cosine > 0.7
    restored = own.deblur_photograph(y, "blind:17")
    assert restored.shape == y.shape and restored.isfinite().all()


def test_blind_and_unrolled_find_the_kernel_in_turns() -> None:
    """The network sharpens the kernel that it is then told: above HL, and far above itself, with the first kernel."""
    x, y = blurred_photograph(256, own.straight(9, 30), 0.005)
    first = CircularBlur(own.estimate(y, 15, own.PRIORS["blind"]), normalise=True)
    once = own.unrolled_network(y, first, noise=0.01).clamp(0, 1)
    by_hl, by_turns = (own.deblur_photograph(y, "blind:15", method) for method in ("hl", "unrolled"))
    assert float(shift_psnr(by_turns, x)) > float(shift_psnr(by_hl, x)) + 0.2
    assert float(shift_psnr(by_turns, x)) > float(shift_psnr(once, x)) + 3
    grey = own.deblur_photograph(y.mean(1, keepdim=True), "blind:15", "unrolled")
    assert grey.shape == (1, 1, 256, 256) and grey.isfinite().all()


@pytest.mark.parametrize(("kernel", "warned"), [("blind:11", False), ("blind:13", True), ("text:13", False)])
def test_a_window_too_large_for_a_small_photograph_is_said(kernel: str, warned: bool) -> None:
    """A twelfth of the side is what the training photographs allow; text has its own prior, which needs no caution."""
    _, y = blurred_photograph(144, own.straight(5, 0), 0.002)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        own.deblur_photograph(y, kernel)
    hints = [str(w.message) for w in said if "often found wrong" in str(w.message)]
    assert bool(hints) is warned and all("144 x 144 pixels; take 11" in hint for hint in hints)


@pytest.mark.parametrize(("kernel", "method", "message"), [
    ("disk:7", "magic", "unknown"), ("disk:99", "hl", "half of"), ("blind:16", "hl", "odd"), ("blind:63", "hl", "odd"),
])  # fmt: skip
def test_what_cannot_be_done_is_said(kernel: str, method: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        own.deblur_photograph(torch.rand(1, 3, 64, 64), kernel, method)


def test_the_largest_blind_kernel_is_half_of_the_part_it_is_read_off() -> None:
    with pytest.raises(ValueError, match="from 3 to half of the 512 x 512 pixels"):
        own.deblur_photograph(torch.rand(1, 1, 700, 600), "blind:259")


# ---- files


def test_what_is_written_is_clipped_and_checked(tmp_path: Path) -> None:
    x = torch.tensor([-0.2, 0.0, 0.5, 1.2]).reshape(1, 1, 2, 2)
    own.write(tmp_path / "x.png", x, {})
    assert torch.equal(own.read(tmp_path / "x.png")[0] * 255, torch.tensor([0.0, 0, 128, 255]).reshape(1, 1, 2, 2))
    for wrong, message in ((x / 0, "NaN"), (x.expand(2, -1, -1, -1), "one photograph"), (x[0], r"\(B, C, H, W\)")):
        with pytest.raises(ValueError, match=message):
            own.write(tmp_path / "wrong.png", wrong, {})
    assert not (tmp_path / "wrong.png").exists()


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ilib.deblur", *map(str, words)], cwd=ROOT, capture_output=True,
                          text=True)  # fmt: skip


def test_the_command_keeps_colour_exif_and_turns_the_picture(tmp_path: Path) -> None:
    x, y = blurred_photograph(128, disk(7), 0.005)
    picture = Image.fromarray((y[0, :, :96] * 255).round().byte().permute(1, 2, 0).numpy())
    exif = picture.getexif()
    exif[0x0112], exif[0x010F] = 6, "a camera"  # orientation: turn clockwise; the maker
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "in.png", exif=exif, icc_profile=b"a profile")
    done = command(tmp_path / "in.png", tmp_path / "out.png", "--kernel", "disk:7")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as out:
        assert out.size == (128, 96) and out.mode == "RGB"
        assert out.getexif().get(0x010F) == "a camera" and out.getexif().get(0x0112, 1) == 1
        assert out.info["icc_profile"] == b"a profile"
        restored = own.read(tmp_path / "out.png")[0]
    assert float(psnr(restored, x[..., :96, :])) > float(psnr(y[..., :96, :], x[..., :96, :])) + 1
    assert {p.name for p in tmp_path.iterdir()} == {"in.png", "out.png"}


def test_a_grey_picture_stays_grey(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8)).save(tmp_path / "in.png")
    own.main([str(tmp_path / "in.png"), str(tmp_path / "out.jpg"), "--kernel", "gaussian:1"])
    with Image.open(tmp_path / "out.jpg") as out:
        assert out.mode == "L" and out.size == (50, 40)


@pytest.mark.parametrize(("content", "name", "message"), [
    (b"no picture", "out.png", "cannot be read"), (None, "out.png", "No such file"), (b"", "out.xyz", "ending"),
])  # fmt: skip
def test_the_command_says_what_is_wrong(tmp_path: Path, content: bytes | None, name: str, message: str) -> None:
    if content is not None:
        (tmp_path / "in.png").write_bytes(content)
    with pytest.raises(SystemExit, match=message):
        own.main([str(tmp_path / "in.png"), str(tmp_path / name), "--kernel", "disk:3"])
    assert not (tmp_path / name).exists()


def test_a_picture_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "in.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    with pytest.raises(SystemExit, match="cannot be read"):
        own.main([str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--kernel", "disk:3"])


def test_an_interrupted_run_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "in.png")
    (tmp_path / "out.png").write_bytes(b"old")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(own, "restore_in_tiles", interrupted)
    with pytest.raises(KeyboardInterrupt):
        own.main([str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--kernel", "disk:3"])
    assert (tmp_path / "out.png").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2


def test_the_unrolled_network_allows_for_one_noise_in_three_equal_channels() -> None:
    x = load("embedded/test", size=128).x.mean(1, keepdim=True)
    A = CircularBlur(disk(7).float())
    y = add_noise(A(x), 0.02)
    plain = own.unrolled_network(y.expand(-1, 3, -1, -1), A, noise=0.02).mean(1, keepdim=True)
    assert psnr(own.unrolled_network(y, A, noise=0.02), x).mean() > psnr(plain, x).mean() + 0.2
