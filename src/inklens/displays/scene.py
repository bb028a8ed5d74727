"""A scene measured in points on which pictures, words and bars are placed from the top down.

All displays lay out on it: they know the width they will be shown at (a page, a phone), wrap their tiles to it,
and keep every word at its real size.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, TypedDict, Unpack

import matplotlib.textpath
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.typing import ColorType

from inklens.displays.palettes import INK, LINE, colour_words, signed_colormap
from inklens.displays.style import FONT
from inklens.quiet import quiet

POINTS_PER_INCH = 72
TEXT = 9.5  # points; the smallest text of any display
TITLE = 11.0
LEADING = 1.35  # distance between baselines, in text sizes
MIN_CAPTION = 62.0  # points that a long class name gets before it is cut
HINTING = 1.02  # glyphs rounded to coarse pixels are this much wider than their outlines
DOUBT = 0.05  # of a line's width: what pairs of letters may take off it, and more
MARGIN = 2.0  # points around everything, so that no glyph is cut at the edge
BOLD = "bold"
STRIPE = "#ffffff"
PAPER = "paper"  # id of the white background in an SVG


class Hover(NamedTuple):
    """A place on the finished scene, in points, and what to say there."""

    x: float
    y: float
    width: float
    height: float
    text: str


class Reading(NamedTuple):
    """What the pixels of a picture stand for, for a page that tells the value under the pointer."""

    what: str
    values: np.ndarray | None = None  # (rows, cols); None: the picture is grey, and its brightness is the value
    words: Sequence[str] = ()  # what the values 0, 1, 2 ... mean, where they are states


Side = Literal["left", "center", "right"]


class TextStyle(TypedDict, total=False):
    """How words look."""

    ha: Side
    weight: str
    color: str


class LineStyle(TypedDict, total=False):
    """How a line looks."""

    color: ColorType
    linewidth: float
    solid_capstyle: Literal["butt", "projecting", "round"]


class Scene:
    """Axes whose data units are points, (0, 0) at the top left.

    Parameters
    ----------
    ax : Axes or None
        Axes to lay out on, whose width is used; None makes a figure as high as what is put on it.
    width : float
        Width in inches of the figure that is made.
    """

    def __init__(self, ax: Axes | None, width: float) -> None:
        self._owns_figure = ax is None
        if ax is None:
            figure = Figure(figsize=(width, 1))
            figure.patch.set_gid(PAPER)
            ax = figure.add_axes((0, 0, 1, 1))
            self.width = width * POINTS_PER_INCH - 2 * MARGIN
        else:
            figure = ax.get_figure(root=True)  # type: ignore[assignment]
            self.width = ax.get_window_extent().width / figure.dpi * POINTS_PER_INCH - 2 * MARGIN
        self.ax = ax
        self.figure = figure
        self.height = 0.0
        self.hovers: list[Hover] = []
        self.readings: list[Reading | None] = []  # one for each picture, in the order of drawing
        ax.set_axis_off()
        ax.set_autoscale_on(False)

    def picture(
        self,
        left: float,
        top: float,
        width: float,
        height: float,
        pixels: np.ndarray,
        *,
        reading: Reading | None = None,
    ) -> None:
        """Place an RGB picture (rows, cols, 3), every pixel a crisp square; a grey one is read as ink."""
        is_grey = min(pixels.shape[:2]) > 1 and bool((pixels == pixels[..., :1]).all())
        self.readings.append(reading or (Reading("ink") if is_grey else None))
        self.ax.imshow(pixels, extent=(left, left + width, top + height, top), interpolation="none", aspect="auto")
        self._reach(top + height)

    def hover(
        self, left: float, top: float, width: float, height: float, texts: dict[tuple[int, int], str], shape: tuple
    ) -> None:
        """Say something of single pixels (row, col) of a picture of that shape, where the pointer rests on them."""
        if self._owns_figure:
            down, right = height / shape[0], width / shape[1]
            for (row, col), text in texts.items():
                x, y = MARGIN + left + col * right, MARGIN + top + row * down
                self.hovers.append(Hover(x, y, right, down, text))

    def value(self, left: float, top: float, width: float, height: float, text: str) -> None:
        """Say the value of a bar where the pointer rests on it."""
        self.hover(left, top, width, height, {(0, 0): text}, (1, 1))

    def words(self, left: float, top: float, text: str, *, size: float = TEXT, **style: Unpack[TextStyle]) -> float:
        """Write lines of text whose first line hangs from `top`; return where the next line would hang."""
        looks: TextStyle = {"ha": "left", "color": INK, **style}
        for number, line in enumerate(text.split("\n")):
            baseline = top + size + number * size * LEADING
            self.ax.text(
                left,
                baseline,
                line,
                size=size,
                va="baseline",
                parse_math=False,
                **looks,
            )
        below = top + len(text.split("\n")) * size * LEADING
        self._reach(below)
        return below

    def turned(self, x: float, y: float, text: str, *, va: str = "center", color: str = INK) -> None:
        """Write a line that reads upward, at `x`, its middle (or with va="bottom" its beginning) at `y`."""
        self.ax.text(x, y, text, size=TEXT, rotation=90, ha="center", va=va, color=color, parse_math=False)

    def paragraph(
        self, top: float, text: str, *, size: float = TEXT, left: float = 0, **style: Unpack[TextStyle]
    ) -> float:
        """Write text wrapped to the scene's width."""
        bold = style.get("weight") == BOLD
        return self.words(left, top, wrap(text, self.width - left, size, bold=bold), size=size, **style)

    def box(
        self,
        left: float,
        top: float,
        width: float,
        height: float,
        *,
        colour: str | None = None,
        edge: str | None = None,
        striped: bool = False,
    ) -> None:
        """Draw a rectangle, filled, outlined or both; stripes tell a colour from another without colour."""
        box = Rectangle((left, top), width, height, facecolor=colour or "none", edgecolor=edge or "none", linewidth=0.8)
        if striped:
            box.set(hatch="/////", edgecolor=STRIPE, linewidth=0)
        self.ax.add_artist(box)  # add_patch would follow the limits, which are set at the end
        self._reach(top + height)

    def rule(self, top: float, *, left: float = 0, right: float | None = None, colour: str = LINE) -> None:
        """Draw a horizontal line."""
        self._path([left, self.width if right is None else right], [top, top], color=colour, linewidth=0.8)

    def line(self, start: tuple[float, float], end: tuple[float, float], *, colour: ColorType, width: float) -> None:
        """Draw a line between two places."""
        self._path([start[0], end[0]], [start[1], end[1]], color=colour, linewidth=width, solid_capstyle="round")

    def lattice(self, left: float, top: float, n: int, cell: float) -> None:
        """Draw the lines of n x n square cells."""
        right, bottom = left + n * cell, top + n * cell
        for step in np.arange(n + 1) * cell:
            self._path([left, right], [top + step] * 2, color=LINE, linewidth=0.8)
            self._path([left + step] * 2, [top, bottom], color=LINE, linewidth=0.8)

    def axes(self, left: float, top: float, width: float, height: float, *, below: float) -> Axes:
        """Return ordinary axes inside the scene, for curves, with room below for tick labels."""
        self._reach(top + height + below)
        inner = self.ax.inset_axes((left, top, width, height), transform=self.ax.transData)
        inner.tick_params(labelsize=TEXT, colors=INK, color=LINE)
        inner.spines[["top", "right"]].set_visible(False)
        inner.spines[["left", "bottom"]].set_color(LINE)
        inner.patch.set_visible(False)
        return inner

    def finish(self) -> None:
        """Give the figure the height that was used."""
        self.ax.set(xlim=(-MARGIN, self.width + MARGIN), ylim=(self.height + MARGIN, -MARGIN))
        self.ax.set_aspect("auto" if self._owns_figure else "equal")
        if self._owns_figure:
            size = np.array([self.width, self.height]) + 2 * MARGIN
            self.figure.set_size_inches(*size / POINTS_PER_INCH)

    def _path(self, x: Sequence[float], y: Sequence[float], **looks: Unpack[LineStyle]) -> None:
        self.ax.add_artist(Line2D(x, y, **looks))

    def _reach(self, bottom: float) -> None:
        self.height = max(self.height, bottom)


@dataclass(frozen=True)
class Grid:
    """Equal tiles in rows, with room for captions that are wider than a tile."""

    columns: int
    rows: int
    tile_width: float
    tile_height: float
    step: float  # from one left edge to the next
    caption: float  # room for words above or below a tile

    def left(self, number: int) -> float:
        """Return the left edge of tile `number`, counted row by row."""
        return number % self.columns * self.step + (self.caption - self.tile_width) / 2

    def row(self, number: int) -> int:
        """Return the row of tile `number`."""
        return number // self.columns


def grid(
    n_tiles: int,
    image_shape: tuple[int, int],
    width: float,
    *,
    captions: Sequence[str] = (),
    smallest: float = 42,
    largest: float = 84,
    gap: float = 6,
) -> Grid:
    """Choose how many equal tiles stand side by side in `width` points.

    Examples
    --------
    >>> grid(10, (28, 28), 648).columns, grid(10, (28, 28), 246).columns
    (10, 5)
    """
    rows, cols = image_shape
    caption = max((text_width(text, bold=True) for text in captions), default=0.0)
    least = max(smallest * min(1, cols / rows), min(caption, MIN_CAPTION))
    fitting = max(1, int((width + gap) // (least + gap)))
    n_rows = -(-n_tiles // fitting)
    columns = -(-n_tiles // n_rows)
    room = (width + gap) / columns - gap
    tile_width = min(room, largest, largest * cols / rows)
    caption = max(tile_width, min(caption, room))
    return Grid(columns, n_rows, tile_width, tile_width * rows / cols, caption + gap, caption)


def any_script() -> AbstractContextManager[None]:
    """Say nothing of characters that the font lacks: the viewer of an SVG has its own fonts."""
    return quiet(message="Glyph .* missing from font")


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = TEXT, *, bold: bool = False) -> float:
    """Return the width of a line in points."""
    font = FontProperties(
        family=FONT, style="normal", variant="normal", weight=BOLD if bold else "normal", stretch="normal", size=size
    )
    with any_script():
        width = matplotlib.textpath.text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
    return HINTING * width


@lru_cache(maxsize=4096)
def _advance(char: str, size: float, *, bold: bool) -> float:
    """Return what a character takes of a line: from one bar before it to the next, less the two alone."""
    return text_width(f"|{char}|", size, bold=bold) - text_width("||", size, bold=bold)


def fits(text: str, width: float, size: float = TEXT, *, bold: bool = False) -> bool:
    """Whether a line takes no more than `width` points.

    It is laid out, which takes long, only where the sum of its characters leaves a doubt: pairs of letters stand closer
    than letters do, and at its ends a line is as wide as its ink.
    """
    rough = sum(_advance(char, size, bold=bold) for char in text)
    doubt = size + DOUBT * rough
    return rough < width if abs(rough - width) > doubt else text_width(text, size, bold=bold) <= width


def shorten(text: str, width: float, size: float = TEXT, *, bold: bool = False) -> str:
    """Cut a line to `width` points, ending in an ellipsis where something is lost.

    >>> shorten("boot", 100), shorten("Ankle boot", 40)
    ('boot', 'Ankle…')
    """
    if fits(text, width, size, bold=bold):
        return text
    while text and not fits(text + "…", width, size, bold=bold):
        text = text[:-1].rstrip()
    return text + "…"


def wrap(text: str, width: float, size: float = TEXT, *, bold: bool = False) -> str:
    """Break text at spaces into lines of `width` points."""
    done: list[str] = []
    for word in text.split():
        if done and fits(f"{done[-1]} {word}", width, size, bold=bold):
            done[-1] += f" {word}"
        else:
            done.append(word)
    return "\n".join(shorten(line, width, size, bold=bold) for line in done)


def number(value: float, form: str = ".2f") -> str:
    """Format a number with a real minus sign.

    >>> number(-0.5)
    '−0.50'
    """
    return format(value, form).replace("-", "−")


def scale_labels(scene: Scene, top: float, width: float, texts: tuple[str, str, str]) -> None:
    """Write what the left end, the middle and the right end of a colour scale mean."""
    sides: tuple[Side, Side, Side] = ("left", "center", "right")
    for place, text, side in zip((0.0, 0.5, 1.0), texts, sides, strict=True):
        scene.words(place * width, top, text, ha=side)


def signed_legend(
    scene: Scene,
    top: float,
    scale: float | None,
    *,
    palette: str,
    adds: str,
    subtracts: str,
    zeros: str | None,
    pale: str = "white",
) -> float:
    """Draw the colour scale with what its ends and its black mean; return where the next line would hang."""
    bar_width, bar_height = min(150.0, scene.width * 0.6), 9.0
    pixels = signed_colormap(palette)(np.linspace(0, 1, 129), bytes=True)[None, :, :3]
    scene.picture(0, top, bar_width, bar_height, pixels)
    scene.box(0, top, bar_width, bar_height, edge=LINE)
    ends = ("full", "full") if scale is None else (f"≤ −{scale:.2g}", f"≥ {scale:.2g}")
    scale_labels(scene, top + bar_height + 1, bar_width, (ends[0], "0", ends[1]))
    colour_adds, colour_subtracts = colour_words(palette)
    sentences = [f"{colour_adds}: {adds}", f"{colour_subtracts}: {subtracts}", f"{pale}: hardly matters"]
    left = bar_width + 14
    if scene.width - left < 200:
        left, top = 0, top + bar_height + TEXT * LEADING + 3
    below = scene.words(left, top - 2, wrap(" · ".join(sentences), scene.width - left))
    if zeros:
        scene.box(left, below + 1, 9, 9, colour="#000000", edge=LINE)
        below = scene.words(left + 14, below - 1, wrap(f"black: {zeros}", scene.width - left - 14))
    return max(below, top + bar_height + TEXT * LEADING)
