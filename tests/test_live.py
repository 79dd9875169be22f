"""Sliders that are live where a reader has the notebook open, and frames everywhere else."""

import sys
from types import ModuleType

import pytest
import torch
from IPython.display import HTML
from matplotlib.figure import Figure

from ilib import live, show


def shade(level: float, kind: str = "plain") -> torch.Tensor:
    return torch.full((1, 4, 4), level if kind == "plain" else 1 - level)


AXES = {"level": [0.25, 0.5, 1.0], "kind": ["plain", "inverse"]}


def test_frames_where_nobody_sits_before_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert not live.wanted()
    assert isinstance(show.sliders(AXES, shade, "shades"), HTML)


@pytest.mark.parametrize("where", ["jupyter", "colab"])
def test_live_where_a_reader_has_the_notebook_open(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ipywidgets = pytest.importorskip("ipywidgets")
    if where == "jupyter":
        monkeypatch.setenv("JPY_SESSION_NAME", "notebook.ipynb")
    else:
        monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    drawn: list[tuple[float, str]] = []

    def render(level: float, kind: str) -> torch.Tensor:
        drawn.append((level, kind))
        return shade(level, kind)

    box = show.sliders(AXES, render, "shades")
    assert len(drawn) <= 1, "the first picture at most, no frames"
    level, kind = (child for child in box.children if not isinstance(child, ipywidgets.Output))
    assert (level.min, level.max, level.value, level.description) == (0.25, 1, 0.25, "level")
    assert [label for label, _ in kind.options] == AXES["kind"]
    level.value = 0.4
    box.update()
    assert drawn[-1] == (0.4, "plain"), "a value that no frame has"
    assert isinstance(box.result, Figure)


def test_each_kind_of_axis_has_its_slider() -> None:
    ipywidgets = pytest.importorskip("ipywidgets")
    kinds = {ipywidgets.IntSlider: [0, 1, 5], ipywidgets.FloatSlider: [0.0, 0.5],
             ipywidgets.FloatLogSlider: [0.001, 1.0], ipywidgets.SelectionSlider: [True, False]}  # fmt: skip
    for kind, values in kinds.items():
        slider = live.control(values)
        assert type(slider) is kind and slider.value == values[0]


def test_an_axis_without_values_is_named() -> None:
    with pytest.raises(ValueError, match="at least one frame for every axis"):
        show.sliders({"level": []}, shade, "shades")
