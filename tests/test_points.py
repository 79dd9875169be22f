"""Sweeps as pages show them: points with their seeds, beside the point that they are held against."""

from dataclasses import replace
from pathlib import Path

import pytest
from test_results import make_row, project  # noqa: F401 (a fixture)
from test_sweeps import sweep

from ilib.results import write_row
from ilib.results.points import against, points_table, rows_at
from ilib.results.rows import Row, mean_and_sd


def row_at(table: str, seed: int, psnr: list[float], **changes: object) -> Row:
    per_image = {"psnr": psnr, "ssim": [0.5, 0.6, 0.7]}
    return make_row(table=table, column="motion", seed=seed, per_image=per_image,
                    metrics={name: mean_and_sd(figures) for name, figures in per_image.items()}, **changes)  # fmt: skip


def test_differences_are_taken_seed_by_seed() -> None:
    reference = [row_at("noise_0", 0, [20.0, 21, 22]), row_at("noise_0", 1, [30.0, 31, 32])]
    rows = [row_at("noise_0p01", 0, [21.0, 22, 23]), row_at("noise_0p01", 1, [33.0, 34, 35])]
    found = against(rows, reference)
    assert (found.mean, found.se, found.seeds, round(found.se_seeds, 4)) == (2, 0, 2, 1)
    assert against(rows[:1], reference).mean == 1, "a point of one seed is held against that seed"
    with pytest.raises(ValueError, match="differ in data"):
        against([replace(rows[0], data={"name": "kodak24"})], reference)


def test_table_of_points(project: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    sweep(project)
    assert rows_at("noise", "noise", "smoke") == {}
    reference = row_at("noise_0", 0, [20.0, 21, 22])
    for row in (reference, row_at("noise_0p01", 0, [19.0, 20, 21])):
        path = project / row.job.path
        path.parent.mkdir(parents=True, exist_ok=True)
        write_row(row, path)
    assert rows_at("noise", "noise", "smoke")[0] == [reference]
    page = points_table("noise", "noise", [reference], "smoke").data
    assert capsys.readouterr().out == "2 of 2 points have been run\n"
    assert "-1.00 ± 0.00" in page and "21.00" in page and "0.600" in page
