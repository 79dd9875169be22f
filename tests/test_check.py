"""`python -m ilib.check` says what belongs into a bug report."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import ilib
from ilib import check


def test_import_is_cheap() -> None:
    code = "import ilib, sys; print([m for m in ('torch', 'numpy', 'matplotlib') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_report_as_a_command(tmp_path: Path) -> None:
    (tmp_path / "set5").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "set5" / "baby.png")
    environment = {"ILIB_DATA": str(tmp_path), "PYTHONPATH": str(Path(ilib.__file__).parents[1])}
    printed = subprocess.check_output([sys.executable, "-m", "ilib.check"], text=True, env=environment)
    lines = dict(line.split(maxsplit=1) for line in printed.splitlines())
    assert lines["ilib"] == ilib.__version__
    assert lines["torch"] == torch.__version__
    assert lines["data"] == "embedded, set5"
    assert {"device", "threads", "weights", "results"} <= set(lines)


def test_report_without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ILIB_DATA", raising=False)
    assert "not set" in check.report()["data"]
    assert "not a folder" in check.data_sets("no-such-folder")


def test_results_are_counted_per_profile(tmp_path: Path) -> None:
    (tmp_path / "results" / "mbdgan_1").mkdir(parents=True)
    for name in ("hl--motion--smoke--s0", "tv--motion--smoke--s0", "tv--motion--cpu--s0", "notes"):
        (tmp_path / "results" / "mbdgan_1" / f"{name}.json").touch()
    assert check.results(tmp_path) == "cpu: 1, smoke: 2"
    assert check.weights(tmp_path) == "none"


def test_costs_on_the_device_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "device", lambda: "cpu")
    lines = check.costs_here("04_mbd_gan", "mbdgan_1").splitlines()
    assert lines[0].startswith("device: cpu")
    assert re.search(r"PROFILE=cpu TABLE=mbdgan_1: [\d.]+ h of training", lines[-1])
    monkeypatch.setattr(check, "device", lambda: "cuda (Tesla T4)")
    assert re.search("PROFILE=gpu .* on an H200, by estimate .* on a T4", check.costs_here("04_mbd_gan", "mbdgan_1"))
    with pytest.raises(ValueError, match="no_table"):
        check.costs_here("04_mbd_gan", "no_table")
