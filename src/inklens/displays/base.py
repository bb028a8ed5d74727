"""What all displays share: numbers kept, drawn without pyplot, described in words, saved whole."""

import html
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inklens.displays.estimators import ImageShape, LinearWeights
from inklens.displays.scene import Hover, Reading, Scene, any_script
from inklens.displays.style import default_style
from inklens.errors import DataError, ParameterError
from inklens.linear.softmax import per_class
from inklens.model.linear_model import square_shape
from inklens.storage import check_ending, write_bytes

WIDE = 9.0  # inches; a column on a desk screen or across a printed page
NARROW = 3.4  # inches; a phone held upright, 360 CSS pixels less its margins
PNG_DOTS_PER_INCH = 200
SCALE_QUANTILE = 0.99  # share of non-zero values that the default colour scale covers
SPARSE_QUANTILE = 0.95  # where most values are zero: a lone pixel needs a stronger colour than a shape to be told


class Display(ABC):
    """Numbers that can be drawn.

    ``plot`` draws on new or given axes, sets ``figure_`` and ``ax_`` and returns the display.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        Its figure, not registered with pyplot.
    """

    ax_: Axes
    figure_: Figure
    _hovers: Sequence[Hover] = ()
    _readings: Sequence[Reading | None] = ()

    @property
    @abstractmethod
    def alt(self) -> str:
        """What the figure shows, in words for a reader who does not see it."""

    @abstractmethod
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw."""

    @property
    def readings(self) -> Sequence[Reading | None]:
        """What the pixels of each picture in the drawn figure stand for, in the order of the pictures."""
        return self._readings

    @property
    def n_hovers(self) -> int:
        """Number of pixels and bars in the drawn figure that have words of their own."""
        return len(self._hovers)

    def to_svg(self, *, hover: bool = True) -> str:
        """Return the figure as SVG text on white, the same for the same numbers.

        With `hover`, the values of single pixels show where the pointer rests, in displays that have such.
        """
        buffer = io.BytesIO()
        self._write(buffer, "svg", metadata={"Date": None, "Creator": None, "Title": self.alt})
        text = buffer.getvalue().decode()
        return text.replace("</svg>", f"{_hover_layer(self._hovers)}</svg>") if hover and self._hovers else text

    def to_png(self, *, dpi: float = PNG_DOTS_PER_INCH) -> bytes:
        """Return the figure as a PNG file."""
        buffer = io.BytesIO()
        self._write(buffer, "png", dpi=dpi, metadata={"Software": None, "Description": self.alt})
        return buffer.getvalue()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure as one whole file, SVG or PNG by its suffix; plots first if that is still to do.

        Raises
        ------
        ParameterError
            Another suffix.
        OutputError
            The file cannot be written.
        """
        path = Path(path)
        check_ending(path)
        write_bytes(path, self.to_png() if path.suffix.lower() == ".png" else self.to_svg().encode())
        return path

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def _write(
        self,
        buffer: io.BytesIO,
        kind: str,
        *,
        metadata: dict[str, str | None],
        dpi: float | Literal["figure"] = "figure",
    ) -> None:
        if not hasattr(self, "figure_"):
            self.plot()
        with default_style(), any_script():
            self.figure_.savefig(buffer, format=kind, metadata=metadata, dpi=dpi)

    def _finish(self, scene: Scene) -> Self:
        scene.finish()
        self.ax_, self.figure_, self._hovers = scene.ax, scene.figure, scene.hovers
        self._readings = scene.readings
        return self


def _hover_layer(hovers: Sequence[Hover]) -> str:
    """Return see-through rectangles with titles, which browsers show as tooltips."""
    parts = [
        f'<rect x="{h.x:.1f}" y="{h.y:.1f}" width="{h.width:.1f}" height="{h.height:.1f}">'
        f"<title>{html.escape(h.text)}</title></rect>"
        for h in hovers
    ]
    return f'<g class="values" fill="none" pointer-events="all">{"".join(parts)}</g>\n'


def class_weights(estimator: LinearWeights) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return coefficients (n_classes, n_features), intercepts (n_classes,) and class names of a linear classifier.

    A two-class model with one row w, as scikit-learn's, is the softmax of -w/2 and w/2.
    """
    coef, intercept = np.atleast_2d(estimator.coef_), np.atleast_1d(estimator.intercept_)
    names = [str(name) for name in estimator.classes_]
    if len(coef) == 1 and len(names) == 2:
        coef, intercept = per_class(coef, intercept)
    return coef, intercept, names


def class_numbers(y: Sequence[object] | np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    """Return the place of each label among the names.

    >>> class_numbers([10, 2], ["2", "10"]).tolist()
    [1, 0]
    """
    number = {name: k for k, name in enumerate(class_names)}
    labels = [str(label) for label in np.asarray(y).tolist()]
    unknown = sorted(set(labels) - number.keys())
    if unknown:
        raise DataError(
            f"labels {unknown[:5]} are not among the classes {list(class_names)[:20]}; give labels of these"
        )
    return np.array([number[label] for label in labels], dtype=int)


def as_maps(rows: np.ndarray, image_shape: ImageShape = None, *, like: object = None) -> np.ndarray:
    """Return rows of pixels (n, rows * cols) as pictures (n, rows, cols).

    The shape is the given one, or that of a data set, split or reader given in its place; else that of `like`, a
    model that may know one; else a square.

    >>> as_maps(np.zeros((3, 784))).shape, as_maps(np.zeros(6), (2, 3)).shape
    ((3, 28, 28), (2, 3))
    """
    rows = np.asarray(rows)
    n_rows, n_cols = _shape_of(image_shape) or _shape_of(like) or square_shape(rows.shape[-1])
    if rows.shape[-1] != n_rows * n_cols:
        raise DataError(f"{rows.shape[-1]} values do not make a picture of {n_rows} x {n_cols} pixels")
    return rows.reshape(*rows.shape[:-1], n_rows, n_cols)


def _shape_of(thing: object) -> tuple[int, int] | None:
    """Return rows and columns as given, or as a data set, a split or a reader knows them; None for all else."""
    shape = getattr(thing, "image_shape", thing)
    return (int(shape[0]), int(shape[1])) if isinstance(shape, tuple | list) else None


def symmetric_scale(*values: np.ndarray, scale: float | None = None) -> float:
    """Return a given scale after a check, or one that all but the few largest values stay within.

    Single pixels far above all others would bleach the rest of the map.
    """
    if scale is not None:
        if not scale > 0:
            raise ParameterError(f"expected a colour scale above 0, got {scale}")
        return scale
    return max((_covering(v) for v in values if np.any(v)), default=1.0)


def _covering(values: np.ndarray) -> float:
    """Return the size that the wanted share of the non-zero values stays within."""
    used = values != 0
    share = SCALE_QUANTILE if used.mean() > 0.5 else SPARSE_QUANTILE
    return float(np.quantile(np.abs(values[used]), share))
