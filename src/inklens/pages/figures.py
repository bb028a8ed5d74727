"""Figures inside a page: SVG that follows the page's theme, in one arrangement for a desk and one for a phone."""

import base64
import copy
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from inklens.displays import NARROW, WIDE, ConfusionMatrixDisplay, Display
from inklens.displays.palettes import INK, LINE, MUTED
from inklens.storage import write_text

# The three neutral colours become the page's own, so that words are read on light and dark paper alike.
_THEMED = {INK: "currentColor", MUTED: "var(--muted)", LINE: "var(--line)"}
_STYLE_ELEMENT = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_TITLE = re.compile(r"<title>.*?</title>", re.DOTALL)  # the first is the figure's, the others are values
_PAPER = re.compile(r'<g id="patch_1">.*?</g>', re.DOTALL)
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
        beside, below = self._wide_svg, copy.copy(self.display).plot(width=NARROW, **self.options).to_svg(hover=False)
        wide, narrow = (
            inline_svg(svg, prefix=f"{self.name}-{arrangement}-", label=self.display.alt)
            for arrangement, svg in (("w", beside), ("n", below))
        )
        return Markup(
            f'<figure id="figure-{self.name}">'
            f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'
            f"<figcaption>{html.escape(self.caption)}</figcaption></figure>"
        )

    def save(self, folder: Path) -> None:
        """Write NAME.svg and NAME.png."""
        write_text(folder / f"{self.name}.svg", self._wide_svg)
        self._wide.save(folder / f"{self.name}.png")

    @cached_property
    def _wide(self) -> Display:
        """The desk's arrangement, drawn once for the page and the files."""
        return copy.copy(self.display).plot(width=self.width, **self.options)

    @cached_property
    def _wide_svg(self) -> str:
        return self._wide.to_svg()


def confusion_figures(counts: np.ndarray, class_names: Sequence[str]) -> list[ReportFigure]:
    """Return the confusion matrix in counts and in shares of each row."""
    return [
        ReportFigure(
            "confusion-counts",
            ConfusionMatrixDisplay(counts, class_names=class_names),
            "How many images of each row's class were read as each column's class. Empty cells are zero.",
            width=6.5,
        ),
        ReportFigure(
            "confusion-shares",
            ConfusionMatrixDisplay(counts, class_names=class_names, normalize="true"),
            "The same as shares of each row, so the diagonal is the accuracy within a class.",
            width=6.5,
        ),
    ]


def inline_svg(text: str, *, prefix: str, label: str) -> str:
    """Return a display's SVG as an svg element on no paper, with its own ids, the page's colours and a label."""
    text = text[text.index("<svg") :]
    for pattern in (_STYLE_ELEMENT, _METADATA):
        text = pattern.sub("", text)
    text = _TITLE.sub("", text, count=1)
    text = _PAPER.sub("", text, count=1)
    used = {name for _, name in _REFERENCE.findall(text)}
    text = _ID.sub(lambda match: f' id="{prefix}{match[1]}"' if match[1] in used else "", text)
    text = _REFERENCE.sub(lambda match: f"{match[1]}{prefix}{match[2]}", text)
    text = _PNG.sub(lambda match: f'href="data:image/png;base64,{_compact(match[1])}"', text)
    for colour, themed in _THEMED.items():
        text = text.replace(colour, themed)
    text = re.sub(r'(<svg[^>]*?) width="([\d.]+)pt" height="[\d.]+pt"', r'\1 style="max-width:\2pt"', text, count=1)
    return text.replace("<svg ", f'<svg role="img" aria-label="{html.escape(label, quote=True)}" ', 1)


@lru_cache(maxsize=4096)  # a map stands in both arrangements, and in several figures
def _compact(png: str) -> str:
    """Store a picture of at most 256 colours with a palette: half the size, the same pixels."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    codes = pixels.reshape(-1, 3) @ np.array([1 << 16, 1 << 8, 1])
    colours, places = np.unique(codes, return_inverse=True)
    if len(colours) > 256:
        return png
    small = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8))
    small.putpalette(np.stack([colours >> 16, colours >> 8, colours], axis=1).astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    small.save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
