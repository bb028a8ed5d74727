"""Figures inside a page: SVG that follows the page's theme, in one arrangement for a desk and one for a phone."""

import copy
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from inklens.displays import NARROW, WIDE, ConfusionMatrixDisplay, Display
from inklens.pages.inline import inline_svg
from inklens.storage import write_text


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
