"""LPIPS: against a second way of computing it, with drawn weights; and with the published ones where they are."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import correlate

from ilib.data import load
from ilib.kernels import gaussian
from ilib.networks import lpips as module
from ilib.networks.lpips import FILE, LAYERS, MEAN, SCALE, lpips
from ilib.operators import CircularBlur

SIZES = ((8, 3, 11), (10, 8, 5), (12, 10, 3), (9, 12, 3), (9, 9, 3))  # out, in, taps: AlexNet, narrowed


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    random, weights = np.random.default_rng(5), {}
    for i, (outer, inner, n) in enumerate(SIZES):
        weights[f"conv{i + 1}.weight"] = random.standard_normal((outer, inner, n, n)).astype(np.float32) / n
        weights[f"conv{i + 1}.bias"] = random.standard_normal(outer).astype(np.float32)
        weights[f"lin{i}.weight"] = random.random(outer).astype(np.float32)
    path = tmp_path / FILE
    path.parent.mkdir()
    np.savez(path, **weights)
    monkeypatch.setenv("ILIB_DATA", str(tmp_path))
    return weights


def features(x: np.ndarray, weights: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The five layers of one picture (3, H, W), by scipy's correlation and loops over the pooled pixels."""
    h, found = (2 * x - 1 - np.array(MEAN)[:, None, None]) / np.array(SCALE)[:, None, None], []
    for i, (stride, padding) in enumerate(LAYERS):
        if i in (1, 2):
            down, across = ((n - 3) // 2 + 1 for n in h.shape[1:])
            h = np.array([[[c[2 * a : 2 * a + 3, 2 * b : 2 * b + 3].max() for b in range(across)] for a in range(down)]
                          for c in h])  # fmt: skip
        h = np.pad(h, ((0, 0), (padding, padding), (padding, padding)))
        kernels, bias = weights[f"conv{i + 1}.weight"].astype(float), weights[f"conv{i + 1}.bias"]
        h = np.stack([np.maximum(correlate(h, k, mode="valid")[0, ::stride, ::stride] + b, 0)
                      for k, b in zip(kernels, bias, strict=True)])  # fmt: skip
        found.append(h)
    return found


def test_agrees_with_a_second_computation(drawn: dict[str, np.ndarray]) -> None:
    a, b = torch.rand(2, 2, 3, 48, 41, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for i in range(2):
        total = 0.0
        for n, pair in enumerate(zip(features(a[i].numpy(), drawn), features(b[i].numpy(), drawn), strict=True)):
            u, v = (h / (np.sqrt((h**2).sum(0)) + 1e-10) for h in pair)
            total += ((u - v) ** 2 * drawn[f"lin{n}.weight"][:, None, None]).sum(0).mean()
        assert float(lpips(a, b)[i]) == pytest.approx(total, rel=1e-5)
    assert lpips(a, a).tolist() == [0, 0]


def test_bad_input(drawn: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(1, 3, 48, 48)
    with pytest.raises(ValueError, match="3 channels and 35 pixels"):
        lpips(x[:, :1], x[:, :1])
    with pytest.raises(ValueError, match="3 channels and 35 pixels"):
        lpips(x[..., :30], x[..., :30])
    monkeypatch.delenv("ILIB_DATA")
    with pytest.raises(FileNotFoundError, match="leave lpips out"):
        lpips(x, x)


@pytest.mark.skipif(not (Path(os.environ.get("ILIB_DATA", "")) / FILE).is_file(), reason="LPIPS's weights are not here")
def test_grows_with_blur_and_sees_what_psnr_does_not() -> None:
    module._weights.cache_clear()
    x = load("embedded/test", size=128).pixels.float() / 255
    distances = [float(lpips(CircularBlur(gaussian(s).float())(x), x).mean()) for s in (0.5, 1, 2, 4)]
    assert distances == sorted(distances) and distances[0] > 0
