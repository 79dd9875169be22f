"""Live widgets: the sliders of a figure move over every value, where a kernel is there to draw what they ask for.

In Colab, JupyterLab and Jupyter Notebook `show.sliders` returns these; a page that is built, and a notebook that is
executed without anybody before it, gets precomputed frames.
"""

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

STEPS = 100  # of a slider over decimal numbers
LOGARITHMIC = 30  # from this ratio of its ends on, a slider is logarithmic


def wanted() -> bool:
    """Say whether a reader sits before the kernel and ipywidgets is installed.

    Jupyter's server names the session (JPY_SESSION_NAME) for notebooks that are opened; nbconvert, papermill and nbval
    do not.
    """
    return ("google.colab" in sys.modules or "JPY_SESSION_NAME" in os.environ) and find_spec("ipywidgets") is not None


def control(values: Sequence[object]) -> Any:
    """Make the slider of an axis: over all numbers between the ends, or over the values where they are no numbers."""
    import ipywidgets

    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values) or len(set(numbers)) < 2:
        return ipywidgets.SelectionSlider(options=[(str(value), value) for value in values], continuous_update=False)
    low, high, first = min(numbers), max(numbers), numbers[0]
    if all(isinstance(value, int) for value in numbers):
        return ipywidgets.IntSlider(first, low, high, continuous_update=False)
    if low > 0 and high / low >= LOGARITHMIC:
        low, high = math.log10(low), math.log10(high)
        return ipywidgets.FloatLogSlider(first, min=low, max=high, step=(high - low) / STEPS, continuous_update=False)
    return ipywidgets.FloatSlider(first, min=low, max=high, step=(high - low) / STEPS, continuous_update=False)


def widgets(axes: Mapping[str, Sequence[object]], draw: Callable[..., Any]) -> Any:
    """Put a slider for each axis above what draw(*values) returns, drawn anew whenever one is moved."""
    import ipywidgets

    controls = {name: control(values) for name, values in axes.items()}
    for name, slider in controls.items():
        slider.description = name
        slider.style = {"description_width": "initial"}
    return ipywidgets.interactive(lambda **given: draw(*(given[name] for name in axes)), **controls)
