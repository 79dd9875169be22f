"""Show pictures and curves: grids, plots, and sliders over precomputed frames that work without a kernel."""

from __future__ import annotations

import base64
import html
import io
import itertools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike
from PIL import Image

from . import live

Picture = torch.Tensor | np.ndarray
Frame = Picture | Figure

FRAME_BYTES = 25_000  # a drawing over this is encoded as a photograph
PNG = b"\x89PNG"  # the first bytes of such a file
FRAME_SIDE = 256  # pixels: a smaller picture is enlarged to about this, each pixel a square
LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))  # five, for seven colours: no pair comes twice
FEW_POINTS, FEW_LINES = 12, 5  # up to so many points are marked; legends of more lines stand beside the axes
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")  # Okabe and Ito


class Photographs(Figure):
    """A figure that notebooks store as JPEG: photographs take a fifth of the bytes that PNG needs."""

    def _ipython_display_(self) -> None:
        buffer = io.BytesIO()
        self.savefig(buffer, format="jpeg", dpi=100, facecolor="white", pil_kwargs={"quality": 85})
        picture = base64.b64encode(buffer.getvalue()).decode()
        display({"image/jpeg": picture, "text/plain": "<Photographs>"}, raw=True)


def to_array(picture: Picture) -> np.ndarray:
    """Bring a picture to the layout that matplotlib draws, clipped to [0, 1].

    picture (C, H, W) or (H, W), C 1 or 3 -> (H, W) or (H, W, 3).  Raises TypeError for anything but a
    tensor or an array of floats, ValueError for another rank or values that are not finite.
    """
    if not isinstance(picture, torch.Tensor | np.ndarray):
        raise TypeError(f"a picture is a tensor or an array, not {type(picture).__name__}")
    tensor = torch.as_tensor(picture).detach().cpu()
    if not (tensor.is_floating_point() or tensor.dtype == torch.bool):
        raise TypeError(f"a picture has floats in [0, 1], not {tensor.dtype}; divide 8-bit values by 255")
    array = tensor.to(torch.float64).numpy()
    if array.ndim == 3 and array.shape[0] in (1, 3):
        array = array[0] if array.shape[0] == 1 else array.transpose(1, 2, 0)
    elif array.ndim != 2:
        raise ValueError(f"a picture has shape (H, W), (1, H, W) or (3, H, W), not {array.shape}; "
                         "take one of a batch with x[i]")
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError("a picture has pixels, all of them finite: this one is empty or has NaN or inf")
    return array.clip(0, 1)


def grid(pictures: Sequence[Picture], titles: Sequence[str] | None = None, columns: int | None = None,
         zoom: tuple[int, int, int] | None = None, height: float = 2.2) -> Figure:
    """Draw pictures side by side, each with its title and, with `zoom`, an enlarged crop beneath.

    pictures: list of (C, H, W) or (H, W), clipped to [0, 1] for the display only; zoom (top, left, size)
    in pixels; height in inches per row.  Raises ValueError when titles do not match or the crop is outside.
    """
    arrays = [to_array(picture) for picture in pictures]
    titles = [""] * len(arrays) if titles is None else list(titles)
    if not arrays or len(titles) != len(arrays):
        raise ValueError(f"give at least one picture and a title each, not {len(arrays)} and {len(titles)}")
    columns = min(columns or len(arrays), len(arrays))
    tall = 1 if zoom is None else 2  # rows of axes for each row of pictures
    rows = math.ceil(len(arrays) / columns)
    aspect = max(array.shape[1] / array.shape[0] for array in arrays)
    lines = 1 + max(title.count("\n") for title in titles)
    size = (columns * height * max(aspect, 0.6), rows * (height * tall + 0.12 + 0.2 * lines))
    fig, axes = plt.subplots(rows * tall, columns, figsize=size, squeeze=False, layout="constrained",
                             FigureClass=Photographs)
    for ax in axes.flat:
        ax.axis("off")
    for k, (array, title) in enumerate(zip(arrays, titles, strict=True)):
        row, column = divmod(k, columns)
        _draw(axes[row * tall, column], array, title)
        if zoom is not None:
            _draw_zoom(axes[row * tall, column], axes[row * tall + 1, column], array, zoom)
    plt.close(fig)
    return fig


def _draw(ax: Axes, array: np.ndarray, title: str = "") -> None:
    ax.imshow(array, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
    ax.set_title(title, fontsize=9)
    ax.axis("on")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(color="0.75", linewidth=0.5)  # where a white picture ends on a white page


def _draw_zoom(ax: Axes, below: Axes, array: np.ndarray, zoom: tuple[int, int, int]) -> None:
    top, left, size = zoom
    if min(top, left) < 0 or size < 1 or top + size > array.shape[0] or left + size > array.shape[1]:
        raise ValueError(f"zoom (top, left, size) = {zoom} leaves the picture of {array.shape[:2]} pixels")
    ax.add_patch(Rectangle((left - 0.5, top - 0.5), size, size, fill=False, color="#E69F00", linewidth=1.2))
    _draw(below, array[top:top + size, left:left + size])


def curves(lines: Mapping[str, ArrayLike | tuple[ArrayLike, ArrayLike]], xlabel: str, ylabel: str,
           logx: bool = False, logy: bool = False) -> Figure:
    """Draw named curves in one plot, told apart by colour and by line style; points where there are few.

    lines: {name: y} or {name: (x, y)}, each (n,); without x the index from 0 is taken.  Raises ValueError
    when there is none or x and y differ in length.
    """
    if not lines:
        raise ValueError("give at least one curve: {name: y} or {name: (x, y)}")
    fig, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for k, (name, line) in enumerate(lines.items()):
        x, y = _points(name, line)
        colour, dashes = COLOURS[k % len(COLOURS)], LINES[k % len(LINES)]
        ax.plot(x, y, label=name, color=colour, linestyle=dashes, linewidth=1.8,
                marker="o" if len(x) <= FEW_POINTS else "", markersize=4)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set(xscale="log" if logx else "linear", yscale="log" if logy else "linear")
    ax.grid(alpha=0.3)
    if len(lines) > FEW_LINES:
        fig.legend(loc="outside right upper", fontsize=8)
    else:
        ax.legend(fontsize=8)
    plt.close(fig)
    return fig


def _points(name: str, line: ArrayLike | tuple[ArrayLike, ArrayLike]) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(line, tuple) and len(line) != 2:
        raise ValueError(f"curve {name!r}: a tuple is (x, y); give y alone as a list, an array or a tensor")
    y = _array(line[1] if isinstance(line, tuple) else line)
    x = _array(line[0]) if isinstance(line, tuple) else np.arange(y.size)
    if y.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"curve {name!r}: x and y are vectors of one length, not {x.shape} and {y.shape}")
    return x, y


def _array(values: ArrayLike) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values)


def frames(pictures_or_figures: Sequence[Frame], labels: Sequence[str], name: str,
           interval: int = 150) -> HTML:
    """Put a slider and a play button over precomputed frames: for a static page, JupyterLab and Colab.

    One label per frame; `name` titles the figure and gives the ids, so it differs from those of the other
    figures on the page; interval in milliseconds.  Raises ValueError when labels do not match.
    """
    if len(pictures_or_figures) != len(labels):
        raise ValueError(f"give one label per frame: {len(pictures_or_figures)} frames, {len(labels)} labels")
    return _widget({"": [str(label) for label in labels]}, pictures_or_figures, name, interval)


def sliders(axes: Mapping[str, Sequence[object]], render: Callable[..., Frame], name: str) -> object:
    """Put one slider per axis over frames computed beforehand by render(*values), for every combination.

    axes: {axis name: values}, one or two of them; render returns a figure or a picture.  In a notebook that a reader
    has open the sliders are live: they stop at every number between the ends.  ValueError for more axes or an empty
    one.
    """
    if not 1 <= len(axes) <= 2:
        raise ValueError(f"give one or two axes, not {len(axes)}: every combination is precomputed")
    if not all(axes.values()):
        raise ValueError("give at least one frame for every axis")
    if live.wanted():
        return live.widgets(axes, lambda *values: _as_figure(render(*values)))
    pictures = [render(*values) for values in itertools.product(*axes.values())]
    texts = {f"{axis} = ": [_text(value) for value in values] for axis, values in axes.items()}
    return _widget(texts, pictures, name, None)


def _as_figure(frame: Frame) -> Figure:
    return frame if isinstance(frame, Figure) else grid([frame], height=3)


def compare(before: Picture, after: Picture, labels: tuple[str, str], name: str) -> HTML:
    """Lay one picture over another under a slider that moves the edge between them, in a static page too.

    before, after (C, H, W) or (H, W) of one size, labels name the two; the slider takes the keyboard, and the picture
    can be dragged.  Raises ValueError when the sizes differ.
    """
    images = [_picture_image(picture).convert("RGB") for picture in (before, after)]
    if images[0].size != images[1].size:
        raise ValueError(f"the two pictures have {images[0].size} and {images[1].size} pixels (width, height); "
                         "cut them to one size")
    first, second = (f"data:image/jpeg;base64,{base64.b64encode(_file(image, 'JPEG', 85)).decode()}"
                     for image in images)
    width, height = images[0].size
    key, (left, right) = key_of(name), map(html.escape, labels)
    return HTML(_PAIR.format(key=key, name=html.escape(name), before=first, after=second, left=left, right=right,
                             width=width, height=height, style=_PAIR_STYLE,
                             script=_PAIR_SCRIPT.replace("KEY", key)))


def key_of(name: str) -> str:
    """Turn the name of a figure into an id; ValueError where nothing is left of it."""
    key = "ilib-" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if key == "ilib-":
        raise ValueError("give a name with letters or digits in it")
    return key


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _widget(axes: Mapping[str, list[str]], pictures: Sequence[Frame], name: str,
            interval: int | None) -> HTML:
    """Assemble the fragment: image, a slider per {caption: texts}, play button where there is an interval."""
    key = key_of(name)
    if not pictures:
        raise ValueError("give at least one frame for every axis")
    encoded = [_encode(picture) for picture in pictures]
    uris = [f"data:image/{'png' if file[:4] == PNG else 'jpeg'};base64,{base64.b64encode(file).decode()}"
            for file in encoded]
    width, height = Image.open(io.BytesIO(encoded[0])).size
    data = {"name": name, "captions": list(axes), "texts": list(axes.values()), "rest": uris[1:],
            "interval": interval}
    controls = "".join(_control(f"{key}-{k}", caption, texts, name)
                       for k, (caption, texts) in enumerate(axes.items()))
    return HTML(_PAGE.format(
        key=key, name=html.escape(name), first=uris[0], width=width, height=height, style=_STYLE,
        controls=controls, play="" if interval is None else _BUTTON,
        script=_SCRIPT.replace("KEY", key).replace("DATA", json.dumps(data).replace("<", "\\u003c"))))


def _control(key: str, caption: str, texts: list[str], name: str) -> str:
    label, text = html.escape(caption.removesuffix(" = ") or name), html.escape(texts[0])
    return (f'<div class="ilib-row"><input type="range" id="{key}" min="0" max="{len(texts) - 1}" step="1"'
            f' value="0" aria-label="{label}" aria-valuetext="{text}" autocomplete="off">'
            f'<label for="{key}">{html.escape(caption)}<output>{text}</output></label></div>')


def _encode(picture: Frame) -> bytes:
    """Encode a frame: exactly or with a palette where that is small, photographs as JPEG."""
    if isinstance(picture, Figure):
        image = _figure_image(picture)
        drawing = _file(image.quantize(128, dither=Image.Dither.NONE), "PNG")
    else:
        image = _picture_image(picture)
        drawing = _file(image, "PNG")
    if len(drawing) <= FRAME_BYTES and not isinstance(picture, Photographs):
        return drawing
    return min((_file(image, "JPEG"), drawing), key=len)


def _figure_image(figure: Figure) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, facecolor="white")
    plt.close(figure)
    return Image.open(buffer).convert("RGB")


def _picture_image(picture: Picture) -> Image.Image:
    image = Image.fromarray(np.round(255 * to_array(picture)).astype(np.uint8))
    scale = max(1, FRAME_SIDE // max(image.size))
    return image.resize((scale * image.width, scale * image.height), Image.Resampling.NEAREST)


def _file(image: Image.Image, kind: str, quality: int = 75) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, optimize=True, **({"quality": quality} if kind == "JPEG" else {}))
    return buffer.getvalue()


_STYLE = """
.ilib-frames{max-width:100%;color:inherit;font:inherit}
.ilib-frames img{display:block;max-width:100%;height:auto;margin:0}
.ilib-frames .ilib-row{display:flex;flex-wrap:wrap;align-items:center;gap:.2em .8em;margin:.35em 0}
.ilib-frames input{flex:1 1 12em;min-width:8em;max-width:24em;height:1.6em;margin:0;accent-color:#2b7bba}
.ilib-frames button{font:inherit;color:inherit;background:transparent;border:1px solid currentColor;
border-radius:.3em;padding:.1em .9em;cursor:pointer;min-width:5em}
.ilib-frames :is(input,button):focus-visible{outline:2px solid currentColor;outline-offset:2px}
.ilib-frames output{display:inline;padding:0;color:inherit;font-variant-numeric:tabular-nums}
"""

_BUTTON = '<button type="button">Play</button>'

_PAGE = """<div class="ilib-frames" data-ilib="{key}" role="group" aria-label="{name}">
<style>{style}</style>
<img src="{first}" alt="{name}" width="{width}" height="{height}">
{controls}{play}
<script>{script}</script>
</div>"""

# Every figure of this name that is not yet live is wired up: a page may hold it twice, and JupyterLab may
# run the script again. No name is left behind in the page.
_SCRIPT = """
(function () {
  const d = DATA;
  document.querySelectorAll('[data-ilib="KEY"]:not([data-live])').forEach(function (root) {
    root.setAttribute('data-live', '');
    const image = root.querySelector('img'), button = root.querySelector('button');
    const inputs = Array.from(root.querySelectorAll('input'));
    const outputs = Array.from(root.querySelectorAll('output'));
    const frames = [image.src].concat(d.rest);
    let timer = null;
    function show() {
      let index = 0;
      const said = inputs.map(function (input, k) {
        const value = Number(input.value), text = d.texts[k][value];
        index = index * d.texts[k].length + value;
        outputs[k].textContent = text;
        input.setAttribute('aria-valuetext', text);
        return d.captions[k] + text;
      });
      image.src = frames[index];
      image.alt = d.name + ': ' + said.join(', ');
    }
    function pause() {
      clearInterval(timer);
      timer = null;
      if (button) button.textContent = 'Play';
    }
    function step() {
      const input = inputs[0];
      input.value = Number(input.value) + 1;
      show();
      if (input.value === input.max) pause();
    }
    function play() {
      if (inputs[0].value === inputs[0].max) inputs[0].value = 0;
      show();
      button.textContent = 'Pause';
      timer = setInterval(step, d.interval);
    }
    inputs.forEach(function (input) {
      input.addEventListener('input', function () { pause(); show(); });
    });
    if (button) button.addEventListener('click', function () { (timer === null ? play : pause)(); });
    show();
  });
})();
"""

_PAIR_STYLE = """
.ilib-pair{max-width:100%;color:inherit;font:inherit}
.ilib-pair .ilib-pictures{position:relative;max-width:100%;touch-action:pan-y;cursor:ew-resize;overflow:hidden}
.ilib-pair img{display:block;width:100%;height:auto;margin:0;user-select:none}
.ilib-pair img+img{position:absolute;inset:0;clip-path:inset(0 calc(100% - var(--edge)) 0 0)}
.ilib-pair .ilib-edge{position:absolute;top:0;bottom:0;left:var(--edge);width:3px;margin-left:-1.5px;background:#fff;
box-shadow:0 0 4px #000}
.ilib-pair .ilib-name{position:absolute;bottom:.5em;padding:.1em .6em;border-radius:.3em;background:#000c;color:#fff}
.ilib-pair input{display:block;width:100%;height:1.8em;margin:.3em 0 0;accent-color:#2b7bba}
.ilib-pair input:focus-visible{outline:2px solid currentColor;outline-offset:2px}
"""

_PAIR = """<div class="ilib-pair" data-ilib="{key}" role="group" aria-label="{name}" style="--edge:50%;width:{width}px">
<style>{style}</style>
<div class="ilib-pictures">
<img src="{after}" alt="{name}: {right}" width="{width}" height="{height}" draggable="false">
<img src="{before}" alt="{name}: {left}" width="{width}" height="{height}" draggable="false">
<div class="ilib-edge"></div>
<span class="ilib-name" style="left:.5em">{left}</span><span class="ilib-name" style="right:.5em">{right}</span>
</div>
<input type="range" id="{key}-0" min="0" max="100" step="1" value="50" autocomplete="off"
aria-label="Edge between {left} and {right}" aria-valuetext="50 % {left}">
<script>{script}</script>
</div>"""

# The slider sets the edge; a finger or a mouse on the picture sets the slider.
_PAIR_SCRIPT = """
(function () {
  document.querySelectorAll('[data-ilib="KEY"]:not([data-live])').forEach(function (root) {
    root.setAttribute('data-live', '');
    const input = root.querySelector('input'), area = root.querySelector('.ilib-pictures');
    const name = root.querySelector('.ilib-name').textContent;
    function show() {
      root.style.setProperty('--edge', input.value + '%');
      input.setAttribute('aria-valuetext', input.value + ' % ' + name);
    }
    function drag(event) {
      if (event.type === 'pointermove' && !event.buttons) return;
      const box = area.getBoundingClientRect();
      input.value = 100 * (event.clientX - box.left) / box.width;
      show();
    }
    area.addEventListener('pointerdown', drag);
    area.addEventListener('pointermove', drag);
    input.addEventListener('input', show);
    show();
  });
})();
"""
