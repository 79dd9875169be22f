"""Rendered text of print quality: cuttings of pages with paragraphs, headings, lists, formulas, tables and captions.

Fonts: Computer Modern, STIX (a Times), DejaVu, which ship with matplotlib, and the text fonts of the machine where it
has any.  What is written is drawn at random from common words: it looks like text and says nothing.
"""

import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .pictures import check_n

FINE = 2  # drawn this much finer than the result, then averaged
WORDS = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an which "
    "you were their one all we can her has there been if more when will would who so no out up into them then she "
    "may some about time than its only could other new also these two first any like such our over even most "
    "after where under between each both result method model image data set value case function system problem "
    "point number form part figure section table given using used show let be defined following number theorem "
    "proof lemma measure error estimate noise blur kernel filter signal linear matrix vector space bounded finite "
    "large small sample random process order term high low field state work paper author study group algorithm "
    "network parameter training test experiment observation approach however therefore moreover because while "
    "although different similar several important possible general particular second third final similarly "
    "respectively consider assume obtain compute describe provide require contain reduce increase compare apply "
    "depend converge minimise maximise approximate "
)
FORMULAS = (
    r"$y = A x + \varepsilon$", r"$\hat{x} = \arg\min_x \|Ax - y\|^2 + \lambda R(x)$",
    r"$\int_0^1 f(t)\, dt = \frac{1}{2}$", r"$p(x|y) \propto p(y|x)\, p(x)$", r"$\nabla L(\theta) = 0$",
    r"$\frac{\partial u}{\partial t} = \alpha \Delta u$", r"$E = m c^2$", r"$x_{k+1} = x_k - \tau \nabla f(x_k)$",
    r"$\sqrt{a^2 + b^2} \geq \frac{|a + b|}{2}$", r"$G_k \subset \mathcal{X}_n$",
    r"$\log \frac{p}{1 - p} = \beta_0 + \beta_1 z$", r"$\lim_{n \to \infty} \frac{s_n}{n} = \mu$",
    r"$\delta_{ij} = \langle e_i, e_j \rangle$",
)  # fmt: skip
OURS = (  # regular, bold, italic, and the fonts of formulas
    ("cmr10", "cmb10", "cmti10", "cm"),
    ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "stix"),
    ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "dejavuserif"),
    ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "dejavusans"),
    ("cmss10", "cmss10", "cmss10", "cm"),
    ("cmtt10", "cmtt10", "cmtt10", "cm"),
)


@dataclass(frozen=True)
class Face:
    """The files of one family: regular, bold, italic (regular where there is none), and the fonts of its formulas."""

    regular: str
    bold: str
    italic: str
    math: str


@dataclass(frozen=True)
class Page:
    """What pages look like; lengths in pixels of the result.

    em: size of the type; turn: standard deviation of the rotation in degrees; ink: how dark the type is, at least (1:
    black); system: use the fonts of the machine too; without, the same matplotlib draws the same everywhere.
    """

    em: tuple[float, float] = (14.0, 30.0)
    turn: float = 0.7
    ink: float = 0.85
    system: bool = True

    def __post_init__(self) -> None:
        if not 6 <= self.em[0] <= self.em[1]:
            raise ValueError(f"em is the range of type sizes in pixels, from 6 up; got {self.em}.")
        if self.turn < 0 or not 0 < self.ink <= 1:
            raise ValueError(f"turn must not be negative and ink lie in (0, 1], got {self.turn} and {self.ink}.")


@cache
def faces(system: bool = True) -> tuple[Face, ...]:
    """The families to set text in: matplotlib's, and the machine's where wanted."""
    import matplotlib  # takes 0.3 s to import, which most runs can spare

    ttf = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    there = {file.stem for file in ttf.glob("*.ttf")}  # before 3.11 matplotlib has no italics of Computer Modern
    found = [Face(*(str(ttf / f"{name if name in there else names[0]}.ttf") for name in names), math)
             for *names, math in OURS]  # fmt: skip
    return tuple(found + (_of_machine() if system else []))


def _of_machine() -> list[Face]:
    """Families of the machine that have all letters in regular, bold and italic, and are none of matplotlib's."""
    from matplotlib.font_manager import findSystemFonts, get_font

    families: dict[str, dict[str, str]] = {}
    for file in sorted(findSystemFonts()):
        try:
            font = get_font(file)
        except (OSError, RuntimeError, ValueError):  # broken files, and kinds that FreeType does not read
            continue
        letters = font.get_charmap()
        if not font.family_name.startswith(("DejaVu", "STIX")) and all(
            ord(c) in letters for c in string.printable[:94]
        ):
            families.setdefault(font.family_name, {})[font.style_name] = file
    whole = [f for f in families.values() if {"Regular", "Bold"} <= set(f)]
    return [Face(f["Regular"], f["Bold"], f.get("Italic", f["Regular"]), "stix") for f in whole]


def text_pages(n: int, size: int = 256, seed: int = 0, page: Page | None = None) -> Tensor:
    """Draw cuttings of printed pages.  -> float32 (n, 3, size, size) in [0, 1], three equal channels.

    Picture i depends on seed and i alone (and on the machine's fonts, unless page.system is False).  ValueError for
    sizes below 32.
    """
    check_n(n)
    page = page or Page()
    if size < 32:
        raise ValueError(f"A cutting of a page needs at least 32 pixels, got {size}.")
    drawn = [_cutting(size, np.random.default_rng([seed, i]), page) for i in range(n)]
    return torch.from_numpy(np.stack(drawn))[:, None].expand(-1, 3, -1, -1).contiguous()


def _cutting(size: int, random: np.random.Generator, page: Page) -> np.ndarray:
    """One cutting (size, size): a page set with margins to spare, turned, cut and averaged."""
    side = FINE * size
    room = side + 2 * int(0.1 * side)
    sheet = _Sheet(room, random, page)
    while sheet.y < room:
        sheet.block()
    turned = sheet.image
    angle = random.normal(0, page.turn) if page.turn else 0.0
    if abs(angle) > 0.05:
        turned = turned.rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
    edge = (room - side) // 2
    fine = np.asarray(turned.crop((edge, edge, edge + side, edge + side)), dtype=np.float32) / 255
    ink = random.uniform(page.ink, 1)
    return 1 - ink * (1 - fine.reshape(size, FINE, size, FINE).mean((1, 3)))


class _Sheet:
    """A page in the making: its picture, its style, and the height that is written down to."""

    def __init__(self, side: int, random: np.random.Generator, page: Page) -> None:
        self.image = Image.new("L", (side, side), 255)
        self.draw = ImageDraw.Draw(self.image)
        self.side, self.random = side, random
        self.face = faces(page.system)[_weighted(random, len(faces(page.system)))]
        self.em = FINE * random.uniform(*page.em)
        self.leading = self.em * random.uniform(1.12, 1.6)
        self.left = random.uniform(-2 * self.em, 0) if random.random() < 0.6 else random.uniform(0, side / 2)
        self.width = self.em * random.uniform(16, 34)  # of a column, which often ends outside
        self.y = random.uniform(-2, 1.5) * self.leading
        self.kinds: list[Callable[[], None]] = [
            self.paragraph,
            self.heading,
            self.formula,
            self.item,
            self.table,
            self.rule,
        ]

    def block(self) -> None:
        """Write one block, mostly paragraphs."""
        kind = self.random.choice(len(self.kinds), p=(0.6, 0.12, 0.12, 0.08, 0.05, 0.03))
        self.kinds[kind]()
        self.y += self.leading * self.random.choice([0.0, 0.4, 1.0], p=(0.6, 0.25, 0.15))

    def paragraph(self) -> None:
        italic = self.random.random() < 0.12
        font = _font(self.face.italic if italic else self.face.regular, self.em)
        indent = self.em if self.random.random() < 0.4 else 0.0
        for i in range(int(self.random.integers(2, 9))):
            self.line(font, indent if i == 0 else 0.0)

    def heading(self) -> None:
        em = self.em * self.random.uniform(1.0, 1.5)
        number = ".".join(str(k) for k in self.random.integers(1, 9, self.random.integers(1, 4)))
        text = f"{number}  {_phrase(self.random, int(self.random.integers(1, 4))).title()}"
        self.write(self.left, text, _font(self.face.bold, em))
        self.y += 1.3 * em

    def formula(self) -> None:
        drawn = _formula(FORMULAS[self.random.integers(len(FORMULAS))], round(self.em), self.face.math)
        x = self.left + max(self.width - drawn.width, 0) * self.random.uniform(0.05, 0.5)
        self.image.paste(0, (round(x), round(self.y)), drawn)
        number = f"({self.random.integers(1, 40)})"
        self.write(self.left + self.width - 2 * self.em, number, _font(self.face.regular, self.em), drawn.height / 2)
        self.y += drawn.height + 0.4 * self.leading

    def item(self) -> None:
        r, font = 0.17 * self.em, _font(self.face.regular, self.em)
        x, y = self.left + self.em, self.y + 0.62 * self.em
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=0)
        for _ in range(int(self.random.integers(1, 4))):
            self.line(font, 2 * self.em)

    def table(self) -> None:
        font, rows, columns = _font(self.face.regular, self.em), self.random.integers(2, 7), self.random.integers(2, 6)
        pitch, step = self.em * self.random.uniform(3.5, 6), 1.4 * self.em
        lined, top, thick = self.random.random() < 0.5, self.y, max(round(0.05 * self.em), 1)
        for _ in range(rows):
            for c in range(columns):
                self.write(self.left + c * pitch + 0.4 * self.em, _number(self.random), font)
            self.y += step
            self.draw.line((self.left, self.y, self.left + columns * pitch, self.y), 0, thick if lined else 0)
        for c in range(columns + 1) if lined else ():
            self.draw.line((self.left + c * pitch, top, self.left + c * pitch, self.y), 0, thick)

    def rule(self) -> None:
        self.draw.line((self.left, self.y, self.left + self.width, self.y), 0, max(round(0.06 * self.em), 1))
        self.y += 0.5 * self.leading

    def line(self, font: ImageFont.FreeTypeFont, indent: float = 0.0) -> None:
        """One line, justified: words until the column is full, the rest of it shared by the spaces."""
        words, wide, space = [], [], 0.25 * self.em
        while sum(wide) + space * len(wide) < self.width - indent:
            words.append(_word(self.random))
            wide.append(font.getlength(words[-1]))
        if len(words) > 2:
            words, wide = words[:-1], wide[:-1]
        gap = (self.width - indent - sum(wide)) / max(len(words) - 1, 1)
        x = self.left + indent
        for word, w in zip(words, wide, strict=True):
            self.write(x, word, font)
            x += w + min(gap, 2.5 * space)
        self.y += self.leading

    def write(self, x: float, text: str, font: ImageFont.FreeTypeFont, down: float = 0.0) -> None:
        if x < self.side:
            self.draw.text((x, self.y + down), text, fill=0, font=font, anchor="lm" if down else "la")


def _weighted(random: np.random.Generator, count: int) -> int:
    """A family: Computer Modern and STIX, in which most papers are set, more often than the others."""
    weights = np.array([4.0, 4.0, 1.5, 1.0, 0.5, 0.5] + [1.0] * (count - 6))
    return int(random.choice(count, p=weights / weights.sum()))


@cache
def _font(file: str, em: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, round(em))


@cache
def _formula(text: str, em: int, family: str) -> Image.Image:
    """A formula as a mask, white where there is ink, its type em pixels high."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser

    prop = FontProperties(size=em, math_fontfamily=family)
    drawn = np.asarray(MathTextParser("agg").parse(text, dpi=72, prop=prop).image)
    return Image.fromarray(drawn.astype(np.uint8))


@cache
def _words() -> list[str]:
    return WORDS.split()


def _word(random: np.random.Generator) -> str:
    """A word, the frequent ones first in the list more often; now and then a number, a citation, a stop."""
    u = random.random()
    if u < 0.05:
        return _number(random)
    if u < 0.08:
        return f"[{random.integers(1, 60)}]"
    word = _words()[int(len(_words()) * random.random() ** 1.7)]
    word = word.capitalize() if random.random() < 0.05 else word
    return word + random.choice(["", ",", ".", ";", "-"], p=(0.84, 0.08, 0.06, 0.01, 0.01))


def _phrase(random: np.random.Generator, words: int) -> str:
    return " ".join(_words()[random.integers(len(_words()))] for _ in range(words))


def _number(random: np.random.Generator) -> str:
    places = int(random.integers(0, 5))
    return f"{random.exponential(10 ** random.integers(0, 4)):.{places}f}"
