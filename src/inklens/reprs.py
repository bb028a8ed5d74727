"""How objects show themselves: a few lines at a prompt, a small card in a notebook.

A class describes itself once, as a `Card`; `Shown` makes both texts of it. Cards hold no script and load nothing, take
the colours of the page around them (light or dark), and stay small: `MOST_TILES` pictures of at most `MOST_PIXELS` a
side, `MOST_FACTS` lines.
"""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass

import numpy as np

from inklens.colours import DEFAULT, SIGNED, rgb

MOST_TILES = 12  # pictures in a card: ten digits and a little more
MOST_PIXELS = 56  # a side; larger pictures are thinned out, so that a card stays below 60 kB
MOST_FACTS = 12  # lines under the first, so that none prints more than 15
MOST_TEXT = 100  # characters of one line at a prompt
MOST_BARS = 12
TILE_WIDTH, LARGE_TILE_WIDTH = 56, 100  # CSS pixels; a few pictures are shown larger
FEW_TILES = 4
SHADES = 32  # of each sign in a map; few enough to keep the picture small, more than the eye tells apart on a tile

EDGE = "1px solid rgba(128,128,128,.45)"  # is seen on white and on black
MUTED = "opacity:.75"
BAR = "#6e7781"

# frame  (rows, cols)  ink from 0 (paper) to 1, or uint8 to 255
# map    (rows, cols)  signed


@dataclass(frozen=True, eq=False)
class Tile:
    """One small picture with its caption, and what it shows in words."""

    png: bytes
    caption: str
    alt: str


@dataclass(frozen=True, eq=False)
class Card:
    """What an object says of itself.

    Parameters
    ----------
    title : str
        One line.
    facts : mapping of str to object
        Named values, one line each.
    tiles : sequence of Tile
        Pictures; a notebook shows them, a prompt does not.
    note : str
        What the pictures' colours mean, under them.
    bars : mapping of str to float
        Probabilities, drawn as bars.
    """

    title: str
    facts: Mapping[str, object] = field(default_factory=dict)
    tiles: Sequence[Tile] = ()
    note: str = ""
    bars: Mapping[str, float] = field(default_factory=dict)

    def to_text(self) -> str:
        """Return the lines of a prompt.

        >>> print(Card("Split: 3 rows", {"classes": "a, b", "seed": 9}).to_text())
        Split: 3 rows
          classes  a, b
          seed     9
        """
        shown = _limited(self.facts)
        width = max((len(name) for name in shown), default=0)
        lines = [f"  {name:<{width}}  {value}" for name, value in shown.items()]
        return "\n".join(_shortened(line) for line in [self.title, *lines])

    def to_html(self) -> str:
        """Return the card of a notebook: self-contained, escaped, without script."""
        parts = [
            f'<div style="font-weight:600;margin-bottom:4px">{html.escape(self.title)}</div>',
            _tiles_html(self.tiles[:MOST_TILES], len(self.tiles)),
            f'<div style="font-size:.85em;{MUTED}">{html.escape(self.note)}</div>' if self.note and self.tiles else "",
            _bars_html(self.bars),
            _facts_html(_limited(self.facts)),
        ]
        style = f"border:{EDGE};border-radius:6px;padding:8px 12px;max-width:46em;display:inline-block;line-height:1.4"
        return f'<div style="{style}">{"".join(parts)}</div>'


class Shown:
    """An object that shows itself as the card that `_card` returns; by default, its fields."""

    def _card(self) -> Card:
        return Card(type(self).__name__, _fields(self))

    def __repr__(self) -> str:
        return self._card().to_text()

    def _repr_html_(self) -> str:
        return self._card().to_html()


# ------------------------------------------------------------------------------------------------- pictures


def ink_tile(frame: np.ndarray, caption: str, *, alt: str) -> Tile:
    """Return ink in white on black, as the classifier sees it."""
    frame = _thinned(np.asarray(frame))
    full = 255.0 if frame.dtype == np.uint8 else 1.0
    levels = np.rint(np.clip(frame / full, 0.0, 1.0) * (2 * SHADES)).astype(np.uint8)
    return Tile(_png(levels, np.linspace(0, 255, 2 * SHADES + 1).repeat(3).reshape(-1, 3)), caption, alt)


def map_tile(
    values: np.ndarray, caption: str, *, scale: float, alt: str, colours: Sequence[str] = SIGNED[DEFAULT]
) -> Tile:
    """Return signed values in the colours of the figures, full at `scale` and beyond; exact zeros are black."""
    values = _thinned(np.asarray(values, dtype=np.float64))
    unit = np.clip(values / scale, -1.0, 1.0) if scale > 0.0 else np.zeros_like(values)
    levels = (np.rint(unit * SHADES) + SHADES).astype(np.uint8)
    levels[values == 0.0] = 2 * SHADES + 1
    return Tile(_png(levels, np.vstack([signed_colours(2 * SHADES + 1, colours), [[0, 0, 0]]])), caption, alt)


def map_tiles(maps: np.ndarray, names: Sequence[str], *, what: str) -> list[Tile]:
    """Return maps (n_maps, rows, cols) on one scale; an alternative text says what a map shows and how large it is."""
    shown = maps[: MOST_TILES + 1]
    scale = map_scale(shown)
    tiles = [
        map_tile(values, name, scale=scale, alt=f"{what} {name}: from {values.min():.3g} to {values.max():.3g}")
        for values, name in zip(shown, names, strict=False)
    ]
    return tiles + [tiles[-1]] * (len(maps) - len(tiles)) if tiles else []


def map_scale(values: np.ndarray) -> float:
    """Return the size that all but the largest hundredth of the values that are not 0 stay below."""
    used = np.abs(values[values != 0.0])
    return float(np.quantile(used, 0.99)) if used.size else 1.0


MAP_NOTE = "Blue adds to the class, red subtracts, white is near zero, black exactly zero."


def signed_colours(count: int, colours: Sequence[str] = SIGNED[DEFAULT]) -> np.ndarray:
    """Return colours from "subtracts" over white to "adds", (count, 3) from 0 to 255.

    >>> signed_colours(3).astype(int).tolist()
    [[103, 0, 31], [255, 255, 255], [5, 48, 97]]
    """
    anchors = np.array([rgb(colour) for colour in colours])
    at = np.linspace(0.0, len(anchors) - 1.0, count)
    return np.stack([np.interp(at, np.arange(len(anchors)), channel) for channel in anchors.T], axis=1)


def _thinned(picture: np.ndarray) -> np.ndarray:
    """Return every n-th pixel of a large picture."""
    step = -(-max(picture.shape) // MOST_PIXELS)
    return picture[::step, ::step]


def _png(levels: np.ndarray, palette: np.ndarray) -> bytes:
    from PIL import Image

    picture = Image.fromarray(levels)
    picture.putpalette(np.rint(palette).astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


# ------------------------------------------------------------------------------------------------- words


def of_shape(array: np.ndarray) -> str:
    """Return kind and shape of an array.

    >>> of_shape(np.zeros((2, 3)))
    'float64 array (2, 3)'
    """
    return f"{array.dtype} array {array.shape}"


def listed(names: Sequence[object], *, most: int = 12) -> str:
    """Return names in a line, and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """Write how many there are of something.

    >>> counted(1, "row"), counted(1250, "row"), counted(2, "class", "classes")
    ('1 row', '1,250 rows', '2 classes')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def percent(p: float) -> str:
    """Write a probability so that neither 0 nor 1 is claimed for what is only near.

    >>> percent(0.5), percent(0.00001), percent(0.99999)
    ('50.0%', '< 0.1%', '> 99.9%')
    """
    if 0 < p < 0.0005:
        return "< 0.1%"
    return "> 99.9%" if 0.9995 <= p < 1 else f"{p:.1%}"


def most_likely(classes: Sequence[str], proba: Sequence[float] | np.ndarray, *, most: int = 3) -> str:
    """Return the most probable classes with their probabilities.

    >>> most_likely(["4", "9"], [0.25, 0.75])
    '9 75.0%, 4 25.0%'
    """
    order = np.argsort(-np.asarray(proba), kind="stable")[:most]
    return ", ".join(f"{classes[k]} {percent(float(proba[k]))}" for k in order)


def certificate_facts(objective: float, lower_bound: float, gap: float, status: str) -> dict[str, str]:
    """Return what a fit proved, in two lines."""
    if status == "separated":
        return {
            "objective": f"{objective:.6g}",
            "certificate": "separated: no finite optimum exists, and that is proven",
        }
    return {
        "objective": f"{objective:.6g}, proven to be at least {lower_bound:.6g}",
        "certificate": f"{status}, relative gap {gap:.1e}",
    }


def _fields(shown: object) -> dict[str, str]:
    """Return the fields of a dataclass, each in a line."""
    if not is_dataclass(shown):
        return {}
    return {f.name: _value(getattr(shown, f.name)) for f in fields(shown) if f.repr}


def _value(value: object) -> str:
    if isinstance(value, np.ndarray):
        return of_shape(value) if value.size > 8 else " ".join(str(value.tolist()).split())
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple | list) and all(isinstance(entry, str | int | float) for entry in value):
        return listed(value)
    if isinstance(value, tuple | list):
        return f"{len(value)} of {type(value[0]).__name__}"
    if isinstance(value, Mapping):
        return listed([f"{name} {_value(entry)}" for name, entry in list(value.items())], most=6)
    return value._card().title if isinstance(value, Shown) else str(value)


def _limited(facts: Mapping[str, object]) -> dict[str, str]:
    """Return the first lines, each as one line of text."""
    lines = {name: " ".join(str(value).split()) for name, value in facts.items()}
    if len(lines) <= MOST_FACTS:
        return lines
    kept = dict(list(lines.items())[: MOST_FACTS - 1])
    return {**kept, "...": f"{len(lines) - len(kept)} more"}


def _shortened(line: str) -> str:
    return line if len(line) <= MOST_TEXT else f"{line[: MOST_TEXT - 3]}..."


# ------------------------------------------------------------------------------------------------- HTML


def _tiles_html(tiles: Sequence[Tile], count: int) -> str:
    if not tiles:
        return ""
    width = LARGE_TILE_WIDTH if count <= FEW_TILES else TILE_WIDTH
    cells = "".join(
        '<span style="text-align:center;font-size:.85em">'
        f'<img alt="{html.escape(tile.alt)}" title="{html.escape(tile.alt)}" width="{width}" '
        f'src="data:image/png;base64,{base64.b64encode(tile.png).decode()}" '
        f'style="display:block;image-rendering:pixelated;border:{EDGE};margin:0">{html.escape(tile.caption)}</span>'
        for tile in tiles
    )
    more = f'<span style="align-self:center;{MUTED}">and {count - len(tiles)} more</span>' if count > len(tiles) else ""
    return f'<div style="display:flex;flex-wrap:wrap;gap:6px;margin:4px 0">{cells}{more}</div>'


def _bars_html(bars: Mapping[str, float]) -> str:
    if not bars:
        return ""
    likely = sorted(bars, key=lambda name: -bars[name])[:MOST_BARS]
    lines = "".join(
        '<div style="display:flex;align-items:center;gap:6px;font-size:.9em">'
        f'<span style="min-width:2em;max-width:9em;overflow:hidden;text-align:right">{html.escape(name)}</span>'
        '<span style="width:12em;height:.8em;background:rgba(128,128,128,.18)">'
        f'<span style="display:block;height:100%;width:{100.0 * bars[name]:.1f}%;background:{BAR}"></span></span>'
        f"<span>{percent(bars[name])}</span></div>"
        for name in bars
        if name in likely
    )
    return f'<div style="margin:4px 0">{lines}</div>'


def _facts_html(facts: Mapping[str, str]) -> str:
    if not facts:
        return ""
    rows = "".join(
        f'<div style="{MUTED}">{html.escape(name)}</div><div>{html.escape(_shortened_html(value))}</div>'
        for name, value in facts.items()
    )
    return f'<div style="display:grid;grid-template-columns:max-content auto;gap:0 12px;font-size:.9em">{rows}</div>'


def _shortened_html(value: str) -> str:
    return value if len(value) <= 4 * MOST_TEXT else f"{value[: 4 * MOST_TEXT - 3]}..."
