"""Where each method is the best choice: made-up figures of the grand table's methods."""

import math
from pathlib import Path

import pandas as pd
import pytest

from ilib.results import load_grid, read_rows
from ilib.results.choices import choices, firsts, gains

RESULTS = Path(__file__).resolve().parents[1] / "results"
FIGURES = {  # at 1 % and 5 % of noise
    ("levin", "wiener"): (25.0, 20.0),
    ("levin", "epll"): (27.0, math.nan),
    ("levin", "unrolled"): (28.0, 24.0),
    ("levin", "mbdgan"): (27.5, 18.0),
    ("text", "wiener"): (20.0, 15.0),
    ("text", "unrolled"): (19.0, 16.0),
    ("text", "mbdgan"): (14.0, 14.0),
    ("shake", "epll"): (30.0, math.nan),
    ("shake", "unrolled"): (29.0, math.nan),
}


@pytest.fixture
def lines() -> pd.DataFrame:
    figures = pd.DataFrame.from_dict(FIGURES, orient="index", columns=[0.01, 0.05])
    figures.index = pd.MultiIndex.from_tuples(figures.index)
    grid = load_grid("grand")
    return choices(grid, figures).set_index("method").rename(index={row.label: name for name, row in grid.rows.items()})


def test_places_are_those_of_the_highest_figures(lines: pd.DataFrame) -> None:
    of_all = lines["best of all"]
    assert of_all["unrolled"] == "eight shakes (Levin) (every level); text, eight shakes (5 %)"
    assert of_all["wiener"] == "text, eight shakes (1 %)"
    assert of_all["epll"] == "32 real shakes (Levin)"  # one level: none is named
    assert of_all["mbdgan"] == "nowhere"


def test_kinds_are_apart(lines: pd.DataFrame) -> None:
    assert lines.loc["epll", "best without"] == "eight shakes (Levin) (1 %); 32 real shakes (Levin)"
    assert lines.loc["wiener", "best without"] == "eight shakes (Levin) (5 %); text, eight shakes (every level)"
    assert lines.loc["wiener", "best with training"] == lines.loc["unrolled", "best without"] == ""
    everywhere = "eight shakes (Levin) (every level); text, eight shakes (every level); 32 real shakes (Levin)"
    assert lines.loc["unrolled", "best with training"] == everywhere


def test_what_a_method_lacks_least(lines: pd.DataFrame) -> None:
    least = lines["least behind the best"]
    assert least["mbdgan"] == "0.50 dB, eight shakes (Levin) (1 %)"
    assert least["unrolled"] == least["wiener"] == ""  # they are the best somewhere


def test_gains_are_those_of_the_rows() -> None:
    rows = {row.row: row for row in read_rows(RESULTS / "grand_blind") if (row.column, row.profile) == ("levin", "cpu")}
    found = gains(rows.values(), "grand_blind_noise", "kernel.noise", "shift_psnr")
    x_hat, y = (rows[name].per_image["shift_psnr"][:8] for name in ("xu", "blurred"))  # as many as the sweep has
    assert found[0.01]["levin", "xu"] == pytest.approx(sum(x_hat) / 8 - sum(y) / 8)
    noisy = read_rows(RESULTS / "grand_blind_noise_0p05")
    strong = {row.row: row.mean("shift_psnr") for row in noisy if row.column == "disk"}
    assert found[0.05]["disk", "xu"] == pytest.approx(strong["xu"] - strong["blurred"], abs=1e-4)  # rounded
    assert list(found) == [0.005, 0.01, 0.02, 0.05] and ("levin", "blurred") not in found.index


def test_firsts_name_the_highest_of_each_column() -> None:
    figures = pd.DataFrame({0.01: {("levin", "xu"): -1.0, ("levin", "mbdgan"): 0.25, ("faces", "xu"): 1.0}})
    shown = firsts(load_grid("grand_blind"), figures)
    assert shown[0.01].to_dict() == {"photographs, eight shakes": "+0.25, MBD-GAN, trained for many kernels",
                                     "faces, eight shakes": "+1.00, Xu et al. (L0 gradient)"}
