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

MOST_PLACES = 200  # pixels and bars with words of their own, in a phone's arrangement; of more, pictures tell values


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
        below = copy.copy(self.display).plot(width=NARROW, **self.options)
        wide = inline_svg(
            self._wide_svg, prefix=f"{self.name}-w-", label=self.display.alt, readings=self._wide.readings
        )
        narrow = inline_svg(
            below.to_svg(hover=below.n_hovers <= MOST_PLACES),
            prefix=f"{self.name}-n-",
            label=self.display.alt,
            readings=below.readings,
            again=len(below.readings) == len(self._wide.readings),
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
