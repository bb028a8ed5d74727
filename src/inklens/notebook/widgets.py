"""The widgets, where anywidget is installed: traits that Python and the face in the browser both read and set.

Frames travel as float32, row by row. What the browser tells is written into the traits without being told back to it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from anywidget import AnyWidget
from traitlets import Bool, Bytes, Dict, Float, Instance, Int, List, TraitError, Unicode, observe, validate

from inklens.datasets import Split
from inklens.explanations import Flip as LeastFlip
from inklens.linear.path import SoftmaxPath
from inklens.notebook import models
from inklens.notebook.models import Rows
from inklens.reader import DigitReader
from inklens.reprs import listed
from inklens.tasks.paths import PathRun
from inklens.web.page import widget_module

BLANK, BLANK_AGAIN = b"", b"\0"  # both: an empty pad; a trait only tells of what is new


# What the browser may tell, as messages of traits by name; a frame comes as their buffer.
TOLD = ("label", "accepted", "probabilities", "strokes", "_point", "target", "selected")


class Face(AnyWidget):
    """A view of the face with a model.

    Parameters
    ----------
    reader : DigitReader
    model : bytes
        The model with what the view needs, as `inklens.web.payload.web_model` makes it.
    language : {"en", "de"}
    """

    _esm = Unicode().tag(sync=True)
    _model = Bytes().tag(sync=True)
    _title = Unicode().tag(sync=True)
    _language = Unicode("en").tag(sync=True)

    HOST = ""  # the browser's half, below static/

    def __init__(self, reader: DigitReader, model: bytes, *, language: str, **traits: object) -> None:
        self.reader = reader
        self._hears = False
        title = f"{type(self).__name__}: {len(reader.classes)} classes"
        super().__init__(
            _esm=widget_module(self.HOST, language), _model=model, _title=title, _language=language, **traits
        )
        self.on_msg(self._take)

    def _take(self, widget: object, content: dict, buffers: list[memoryview]) -> None:
        """Take what a person did in the browser."""
        told = {
            name: value for name, value in content.get("state", {}).items() if name in TOLD and self.has_trait(name)
        }
        if buffers and self.has_trait("_frame"):
            self._frame = bytes(buffers[0])
        for name, value in told.items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        return self._title


class FramedFace(Face):
    """A view with a pad whose frame Python reads and sets."""

    frame = Instance(np.ndarray, allow_none=True)
    label = Unicode()
    accepted = Bool(False)
    probabilities = Dict()
    _frame = Bytes(BLANK)  # what the browser tells
    _asked = Bytes(BLANK).tag(sync=True)  # what Python asks for

    def __init__(
        self,
        reader: DigitReader,
        model: bytes,
        *,
        frame: np.ndarray | None,
        language: str,
        **traits: object,
    ) -> None:
        super().__init__(reader, model, language=language, **traits)
        with self._hearing():  # a blank pad is a free drawing, and no frame to hold
            self.frame = np.zeros(reader.image_shape)
        if frame is not None:
            self.frame = frame

    @validate("frame")
    def _check_frame(self, proposal: dict) -> np.ndarray:
        value = np.asarray(proposal["value"], dtype=np.float64)
        shape = self.reader.image_shape
        if value.size != shape[0] * shape[1] or not ((value >= 0) & (value <= 1)).all():
            raise TraitError(
                f"expected a frame of {shape[0]} x {shape[1]} numbers from 0 (paper) to 1 (ink), got {value.shape}"
            )
        return value.reshape(shape)

    @observe("frame")
    def _ask(self, change: dict) -> None:
        if self._hears:
            return
        data = change["new"].astype("<f4").tobytes()
        self._asked = BLANK  # so that the same frame is told again
        self._asked = data
        with self._hearing():
            proba = self.reader.predict_proba(change["new"][None])[0]
            self.label = self.reader.classes[int(proba.argmax())] if change["new"].any() else ""
            self.probabilities = dict(zip(self.reader.classes, proba.tolist(), strict=True))

    @observe("_frame")
    def _hear(self, change: dict) -> None:
        with self._hearing():
            self.frame = np.frombuffer(change["new"], "<f4").astype(np.float64)

    @contextmanager
    def _hearing(self) -> Iterator[None]:
        self._hears = True
        try:
            yield
        finally:
            self._hears = False


class DrawDigit(FramedFace):
    """A pad to draw on; what is drawn, and what the model says of it, are traits.

    Parameters
    ----------
    reader : DigitReader
    frame : array (rows, cols), optional
        What lies on the pad at first, ink from 0 to 1.
    language : {"en", "de"}

    Attributes
    ----------
    frame : array (rows, cols)
        What the model sees. Setting it lays it on the pad.
    strokes : list of dict
        Each with ``points`` (x0, y0, x1, y1, ...) and ``width`` in shares of the pad's side, and ``erase``.
    label : str
        The answer; empty on a blank pad, and where the drawing does not look like one digit.
    accepted : bool
        Whether it does.
    probabilities : dict from class to float

    Examples
    --------
    >>> pad = DrawDigit(DigitReader(np.eye(2, 4), np.zeros(2), ("left", "right"), (2, 2)))
    >>> pad.frame = np.array([[1.0, 0.0], [0.0, 0.0]])
    >>> pad.label, round(pad.probabilities["left"], 3)
    ('left', 0.731)
    """

    HOST = "hosts/draw_widget.js"
    strokes = List(Dict())
    label = Unicode()
    accepted = Bool(False)
    probabilities = Dict()

    def __init__(self, reader: DigitReader, *, frame: np.ndarray | None = None, language: str = "en") -> None:
        super().__init__(reader, models.model_alone(reader), frame=frame, language=language)

    def clear(self) -> None:
        """Wipe the pad."""
        self._asked = BLANK_AGAIN if self._asked == BLANK else BLANK
        with self._hearing():
            self.frame = np.zeros(self.reader.image_shape)
            self.label, self.accepted, self.strokes = "", False, []


class Flip(FramedFace):
    """The least change of ink that makes the model answer another class, as ghost ink over a digit.

    Parameters
    ----------
    reader : DigitReader
    frame : array (rows, cols), optional
    target : str, optional
        The class that is asked for; by default the nearest.
    language : {"en", "de"}

    Attributes
    ----------
    frame, label, accepted, probabilities
        As of `DrawDigit`.
    target : str or None

    Notes
    -----
    Its property ``flip`` is what `inklens.flip` finds for frame and target: the same that is shown.

    Examples
    --------
    >>> widget = Flip(DigitReader(np.eye(2, 4), np.zeros(2), ("left", "right"), (2, 2)), np.array([[0.5, 0], [0, 0]]))
    >>> widget.flip.target, round(widget.flip.ink_changed, 3)
    ('right', 0.5)
    """

    label = Unicode()
    accepted = Bool(False)
    probabilities = Dict()
    HOST = "hosts/flip_widget.js"
    target = Unicode(None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        reader: DigitReader,
        frame: np.ndarray | None = None,
        *,
        target: str | None = None,
        language: str = "en",
    ) -> None:
        super().__init__(reader, models.model_alone(reader), frame=frame, target=target, language=language)

    @validate("target")
    def _check_target(self, proposal: dict) -> str | None:
        return _known(proposal["value"], self.reader)

    @property
    def flip(self) -> LeastFlip:
        """The least change, with its proof."""
        return self.reader.flip(self.frame, self.target)


class CSlider(Face):
    """A slider over the points of a path: maps, zeros, accuracies, the answer for a drawing.

    Parameters
    ----------
    path : SoftmaxPath or PathRun
    split : Split, optional
        Rows that the accuracies are counted on, for a path without them.
    language : {"en", "de"}

    Attributes
    ----------
    C : float
        Of the point that is looked at. Setting it moves to the nearest.
    index : int
        Its number in the path.
    reader : DigitReader
        The model at the end of the path.
    """

    HOST = "hosts/c_widget.js"
    C = Float()
    _point = Int(-1).tag(sync=True)

    def __init__(self, path: SoftmaxPath | PathRun, split: Split | None = None, *, language: str = "en") -> None:
        self.run, reader, model = models.model_with_path(path, split)
        last = len(self.run.path) - 1
        super().__init__(reader, model, _point=last, C=float(self.run.path.Cs[last]), language=language)

    @property
    def index(self) -> int:
        """Number of the point in the path; -1 is the last one."""
        return self._point % len(self.run.path)

    @property
    def coef(self) -> np.ndarray:
        """Coefficients of the point, (n_classes, n_features)."""
        return self.run.path.coefs[self.index]

    @property
    def intercept(self) -> np.ndarray:
        """Intercepts of the point, (n_classes,)."""
        return self.run.path.intercepts[self.index]

    @observe("_point")
    def _hear(self, change: dict) -> None:
        self.C = float(self.run.path.Cs[self.index])

    @observe("C")
    def _ask(self, change: dict) -> None:
        Cs = self.run.path.Cs
        if change["new"] > 0.0 and Cs[self.index] != change["new"]:
            self._point = int(np.abs(np.log(Cs / change["new"])).argmin())
            self.C = float(Cs[self._point])


class Confusion(Face):
    """A confusion matrix whose cells open their images.

    Parameters
    ----------
    reader : DigitReader
    rows : Split
        Of which the test half is judged.
    language : {"en", "de"}

    Attributes
    ----------
    selected : list of str
        True class and answer of the cell that is open. Setting it opens another.
    """

    HOST = "hosts/confusion_widget.js"
    selected = List(Unicode()).tag(sync=True)

    def __init__(self, reader: DigitReader, rows: Rows, *, language: str = "en") -> None:
        self.rows = rows
        super().__init__(reader, models.model_with_rows(reader, rows), language=language)

    @validate("selected")
    def _check_selected(self, proposal: dict) -> list[str]:
        names = [str(name) for name in proposal["value"]]
        if len(names) not in (0, 2):
            raise TraitError(f"expected two classes, the true one and the answer, got {names}")
        return [str(_known(name, self.reader)) for name in names]

    @property
    def images(self) -> np.ndarray:
        """The images of the cell that is open, (n_images, rows, cols), as the test half has them."""
        X, y = self.rows.X_test, np.asarray(self.rows.y_test).astype(str)
        frames = X.reshape(-1, *self.reader.image_shape)
        if not self.selected:
            return frames[:0]
        true, answer = self.selected
        mine = np.flatnonzero(y == true)
        return frames[mine[self.reader.predict(frames[mine] / 255.0) == answer]]


def _known(name: str | None, reader: DigitReader) -> str | None:
    if name is not None and name not in reader.classes:
        raise TraitError(f"expected one of the classes {listed(reader.classes)}, got {name!r}")
    return name
