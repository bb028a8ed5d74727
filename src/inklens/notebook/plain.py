"""What stands in for the widgets where anywidget is not installed: live pages without a way back to Python."""

import numpy as np

from inklens.datasets import Split
from inklens.linear.path import SoftmaxPath
from inklens.notebook import models
from inklens.notebook.models import Rows
from inklens.reader import DigitReader
from inklens.tasks.paths import PathRun
from inklens.web.live import LivePage
from inklens.web.page import document

INSTALL = "nothing comes back to Python from here; for that, run: pip install 'inklens[notebook]'"


class PlainFace:
    """A live page, under one line that says what is missing.

    Parameters
    ----------
    model : bytes
        As `inklens.web.payload.web_model` makes it.
    language : {"en", "de"}
    view : str
        Key of the view that is open at first.
    frame : array (rows, cols), optional
        What lies on the pad at first, ink from 0 to 1.
    """

    def __init__(self, model: bytes, language: str, view: str, frame: np.ndarray | None = None) -> None:
        page = document(model, language=language, kind="output", opens=view, frame=frame)
        self.page = LivePage(page, type(self).__name__)

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {INSTALL}"

    def _repr_html_(self) -> str:
        return f"<p>{type(self).__name__}: {INSTALL}</p>{self.page._repr_html_()}"


class DrawDigit(PlainFace):
    """A pad to draw on."""

    def __init__(self, reader: DigitReader, *, frame: np.ndarray | None = None, language: str = "en") -> None:
        super().__init__(models.model_alone(reader), language, "draw", frame)


class Flip(PlainFace):
    """The least change of ink that makes the model answer another class."""

    def __init__(
        self,
        reader: DigitReader,
        frame: np.ndarray | None = None,
        *,
        target: str | None = None,
        language: str = "en",
    ) -> None:
        super().__init__(models.model_alone(reader), language, "fool", frame)


class CSlider(PlainFace):
    """A slider over the points of a path."""

    def __init__(self, path: SoftmaxPath | PathRun, split: Split | None = None, *, language: str = "en") -> None:
        super().__init__(models.model_with_path(path, split)[2], language, "penalty")


class Confusion(PlainFace):
    """A confusion matrix whose cells open their images."""

    def __init__(self, reader: DigitReader, rows: Rows, *, language: str = "en") -> None:
        super().__init__(models.model_with_rows(reader, rows), language, "judge")
