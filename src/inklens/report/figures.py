"""Figures inside a page: SVG that follows the page's theme, in one arrangement for a desk and one for a phone."""

import base64
import html
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from inklens.displays import NARROW, WIDE, Display
from inklens.displays.palettes import INK, LINE, MUTED

# The three neutral colours become the page's own, so that words are read on light and dark paper alike.
_THEMED = {INK: "currentColor", MUTED: "var(--muted)", LINE: "var(--line)"}
_STYLE_ELEMENT = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
_METADATA = re.compile(r"<title>.*?</title>|<metadata>.*?</metadata>", re.DOTALL)
_PNG = re.compile(r'href="data:image/png;base64,([^"]*)"')
_ID = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r'(href="#|url\(#)([^")]*)')


@dataclass(frozen=True)
class ReportFigure:
    """A display with the name of its files, its caption and how to plot it.

    Parameters
    ----------
    name : str
        File name without suffix.
    display : Display
        What is drawn.
    caption : str
        Words beneath.
    width : float
        Width in inches on a desk screen.
    options : dict
        Further arguments of ``plot``.
    """

    name: str
    display: Display
    caption: str
    width: float = WIDE
    options: dict[str, Any] = field(default_factory=dict)

    def html(self) -> Markup:
        """Return the figure element; which arrangement is seen is the style sheet's choice."""
        wide = inline_svg(self.display.plot(width=self.width, **self.options), prefix=f"{self.name}-w-")
        narrow = inline_svg(self.display.plot(width=NARROW, **self.options), prefix=f"{self.name}-n-")
        return Markup(
            f'<figure id="figure-{self.name}">'
            f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'
            f"<figcaption>{html.escape(self.caption)}</figcaption></figure>"
        )

    def save(self, folder: Path) -> None:
        """Write NAME.svg and NAME.png."""
        self.display.plot(width=self.width, **self.options)
        for suffix in (".svg", ".png"):
            self.display.save(folder / f"{self.name}{suffix}")


def inline_svg(display: Display, *, prefix: str) -> str:
    """Return a plotted display as an svg element with its own ids, the page's colours and its words as label."""
    text = display.to_svg(transparent=True)
    text = text[text.index("<svg") :]
    for pattern in (_STYLE_ELEMENT, _METADATA):
        text = pattern.sub("", text)
    used = {name for _, name in _REFERENCE.findall(text)}
    text = _ID.sub(lambda match: f' id="{prefix}{match[1]}"' if match[1] in used else "", text)
    text = _REFERENCE.sub(lambda match: f"{match[1]}{prefix}{match[2]}", text)
    text = _PNG.sub(lambda match: f'href="data:image/png;base64,{_compact(match[1])}"', text)
    for colour, themed in _THEMED.items():
        text = text.replace(colour, themed)
    text = re.sub(r'(<svg[^>]*?) width="([\d.]+)pt" height="[\d.]+pt"', r'\1 style="max-width:\2pt"', text, count=1)
    label = html.escape(display.alt, quote=True)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _compact(png: str) -> str:
    """Store a picture of at most 256 colours with a palette: half the size, the same pixels."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    colours, places = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    if len(colours) > 256:
        return png
    small = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8))
    small.putpalette(colours.tobytes())
    buffer = io.BytesIO()
    small.save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
