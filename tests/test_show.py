"""ilib.show: figures hold what they were given; the sliders are valid HTML that moves in a real browser."""

import base64
import html.parser
import io
import json
import re
import shutil
import subprocess

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from ilib import show

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=4000",
         "--dump-dom"]
VOID = {"img", "input", "br", "meta"}


class Tags(html.parser.HTMLParser):
    """Collects every tag with its attributes and raises on one that is not closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.found if found == tag]


def data_of(source: str) -> dict:
    """What the script holds, with all frames: the first is the picture that stands there without a script."""
    data = json.loads(re.search(r"const d = (\{.*\});", source).group(1))
    return data | {"frames": [Tags(source).of("img")[0]["src"], *data["rest"]]}


def pictures(n: int, size: int = 8) -> list[torch.Tensor]:
    return list(torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0)))


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))))


def test_frames_are_valid_html_with_a_slider_a_button_and_names_for_both():
    tags = Tags(show.frames(pictures(3), ["a", "b", "c"], "Dual ascent").data)
    (slider,), (image,) = tags.of("input"), tags.of("img")
    assert (slider["min"], slider["max"], slider["step"]) == ("0", "2", "1")
    assert slider["aria-label"] == image["alt"] == "Dual ascent"
    assert len(tags.of("button")) == 1
    assert {label["for"] for label in tags.of("label")} == {slider["id"]}


def test_two_calls_give_the_same_bytes_and_names_keep_ids_apart():
    first, again = (show.frames(pictures(3), "abc", "one").data for _ in range(2))
    other = show.frames(pictures(3), "abc", "two").data
    assert first == again
    ids = [{tag["id"] for _, tag in Tags(source).found if "id" in tag} for source in (first, other)]
    assert ids[0] and not ids[0] & ids[1]


def test_a_figure_drawn_twice_gives_the_same_bytes():
    one, two = (show.frames([show.curves({"a": [1, 2, 3]}, "x", "y")], ["0"], "f").data for _ in range(2))
    assert one == two


def test_small_pictures_are_embedded_exactly_and_enlarged():
    x = pictures(2)
    embedded = [pixels(uri) for uri in data_of(show.frames(x, "ab", "n").data)["frames"]]
    for picture, array in zip(x, embedded, strict=True):
        assert array.shape == (256, 256, 3)
        assert np.array_equal(array[::32, ::32], (255 * picture).round().byte().permute(1, 2, 0).numpy())


def test_frames_stay_small():
    figure, ax = plt.subplots()
    ax.imshow(np.add.outer(np.arange(200), np.arange(200)))
    smooth = torch.linspace(0, 1, 256).expand(3, 256, 256) ** torch.tensor([1, 2, 3]).view(3, 1, 1)
    for uri in data_of(show.frames([figure, smooth], "ab", "n").data)["frames"]:
        assert len(uri) < 4 / 3 * show.FRAME_BYTES + 100


def test_sliders_hold_every_combination_in_the_order_of_their_values():
    def render(a, b):
        return torch.full((1, 2, 2), (20 * a + 2 * b) / 255)

    source = show.sliders({"a": [0, 1, 2], "b": [3.0, 0.5]}, render, "n").data
    data = data_of(source)
    assert data["texts"] == [["0", "1", "2"], ["3", "0.5"]]
    assert [int(pixels(uri)[0, 0]) for uri in data["frames"]] == [6, 1, 26, 21, 46, 41]
    tags = Tags(source)
    assert [slider["max"] for slider in tags.of("input")] == ["2", "1"]
    assert [slider["aria-label"] for slider in tags.of("input")] == ["a", "b"]
    assert tags.of("button") == []


def test_compare_is_valid_html_with_texts_for_both_pictures_and_the_slider():
    before, after = pictures(2, 32)
    source = show.compare(before, after, ("blurred", "restored"), "A face").data
    tags = Tags(source)
    (slider,), images = tags.of("input"), tags.of("img")
    assert [image["alt"] for image in images] == ["A face: restored", "A face: blurred"]
    assert (slider["min"], slider["max"], slider["value"]) == ("0", "100", "50")
    assert slider["aria-label"] == "Edge between blurred and restored"
    shown = [Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))) for image in images]
    for image, picture in zip(shown, (after, before), strict=True):
        assert np.abs(np.asarray(image).mean((0, 1)) / 255 - picture.mean((1, 2)).numpy()).max() < 0.02
    assert source == show.compare(before, after, ("blurred", "restored"), "A face").data


def test_labels_of_compare_cannot_break_out_of_the_page():
    before, after = pictures(2)
    Tags(show.compare(before, after, ('</div>"', "<b>"), '</script>"n').data)


def test_labels_cannot_break_out_of_the_page():
    source = show.frames(pictures(2), ["</script><b>", '"x" & <y>'], "<i>name</i>").data
    tags = Tags(source)
    assert not tags.of("b") and not tags.of("i") and source.count("</script>") == 1
    assert data_of(source)["texts"] == [["</script><b>", '"x" & <y>']]


@pytest.mark.parametrize("call, error", [
    (lambda: show.frames(pictures(2), ["a"], "n"), "one label per frame"),
    (lambda: show.frames([], [], "n"), "at least one frame"),
    (lambda: show.compare(torch.rand(3, 8, 8), torch.rand(3, 9, 8), ("a", "b"), "n"), "cut them to one size"),
    (lambda: show.compare(*pictures(2), ("a", "b"), "?"), "a name with letters"),
    (lambda: show.frames(pictures(1), "a", "!?"), "a name"),
    (lambda: show.sliders({}, lambda: None, "n"), "one or two axes"),
    (lambda: show.sliders(dict.fromkeys("abc", [1]), lambda *_: None, "n"), "one or two axes"),
    (lambda: show.sliders({"a": []}, lambda a: None, "n"), "at least one frame"),
    (lambda: show.grid([]), "at least one picture"),
    (lambda: show.grid(pictures(2), ["one title"]), "a title each"),
    (lambda: show.grid([torch.rand(1, 3, 8, 8)]), "one of a batch"),
    (lambda: show.grid([torch.full((4, 4), torch.nan)]), "finite"),
    (lambda: show.grid(pictures(1), zoom=(4, 4, 5)), "leaves the picture"),
    (lambda: show.curves({}, "x", "y"), "at least one curve"),
    (lambda: show.curves({"a": ([1, 2], [1, 2, 3])}, "x", "y"), "one length"),
    (lambda: show.curves({"a": (1, 2, 3)}, "x", "y"), "a tuple is"),
])
def test_bad_values_get_an_error_that_says_what_to_do(call, error):
    with pytest.raises(ValueError, match=error):
        call()


@pytest.mark.parametrize("picture", ["a path", torch.zeros(4, 4, dtype=torch.uint8)])
def test_bad_types_get_an_error_that_says_what_to_do(picture):
    with pytest.raises(TypeError, match="a picture"):
        show.grid([picture])


def test_grid_draws_each_picture_with_its_title_and_its_crop():
    x = [torch.rand(1, 12, 16), torch.rand(12, 16), torch.rand(3, 12, 16) + 1]
    figure = show.grid(x, ["a", "b", "c"], columns=2, zoom=(2, 3, 5))
    drawn = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in drawn if ax.get_title()] == ["a", "b", "c"]
    arrays = {ax.get_title(): ax.images[0].get_array() for ax in drawn if ax.get_title()}
    assert np.allclose(arrays["a"], x[0][0]) and np.allclose(arrays["b"], x[1])
    assert arrays["c"].max() == 1
    crops = [ax.images[0].get_array() for ax in drawn if not ax.get_title()]
    assert len(crops) == 3 and np.allclose(crops[0], x[0][0, 2:7, 3:8])
    assert [len(ax.patches) for ax in drawn if ax.get_title()] == [1, 1, 1]


def test_figures_are_closed_so_that_a_notebook_shows_them_once():
    before = plt.get_fignums()
    show.grid(pictures(1))
    show.curves({"a": [1, 2]}, "x", "y")
    show.frames([plt.figure()], "a", "n")
    assert plt.get_fignums() == before


def test_curves_draw_what_they_were_given():
    y = torch.tensor([3.0, 2.0, 1.0], requires_grad=True)
    figure = show.curves({"gap": y, "rate": ([1, 10], [2, 4])}, "iteration", "value", logx=True, logy=True)
    (ax,) = figure.axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert lines == {"gap": [[0, 3], [1, 2], [2, 1]], "rate": [[1, 2], [10, 4]]}
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_xlabel()) == ("log", "log", "iteration")
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == 2


MOVE = """<div id="said"></div><script>
const said = [];
function note(root) {
  const image = root.querySelector('img');
  said.push([image.src.length, image.src.slice(-40), image.alt,
             Array.from(root.querySelectorAll('output')).map(o => o.textContent)]);
}
const roots = Array.from(document.querySelectorAll('.ilib-frames'));
function move(root, k, value) {
  const input = root.querySelectorAll('input')[k];
  input.value = value;
  input.dispatchEvent(new Event('input'));
}
move(roots[0], 0, 2); move(roots[2], 0, 1); move(roots[2], 1, 1);
roots.forEach(note);
roots[1].querySelector('button').click();
setTimeout(function () {
  note(roots[1]);
  document.getElementById('said').textContent = JSON.stringify(said);
}, 1500);
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_sliders_move_in_a_browser_and_figures_do_not_interfere(tmp_path):
    twice = show.frames(pictures(3), ["u", "v", "w"], "film", interval=100).data
    values = {"a": [0, 1], "b": [2, 3]}
    plane = show.sliders(values, lambda a, b: torch.full((1, 2, 2), a / 2 + b / 8), "plane").data
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><body>{twice}{twice}{plane}{MOVE}</body>")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    moved, untouched, both, played = json.loads(re.search(r'<div id="said">(.*?)</div>', dom).group(1))
    film, planes = data_of(twice)["frames"], data_of(plane)["frames"]
    assert moved == [len(film[2]), film[2][-40:], "film: w", ["w"]]
    assert untouched == [len(film[0]), film[0][-40:], "film: u", ["u"]]
    assert both == [len(planes[3]), planes[3][-40:], "plane: a = 1, b = 3", ["1", "3"]]
    assert played == [len(film[2]), film[2][-40:], "film: w", ["w"]]
