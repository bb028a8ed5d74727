"""The probabilities of one image, and the whole calculation that leads to them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.axes import Axes

from inklens.displays.base import WIDE, Display, as_maps, class_weights
from inklens.displays.estimators import Classifier, ImageShape, LinearClassifier, Read
from inklens.displays.numbers import percent
from inklens.displays.palettes import LINE, MUTED, NEITHER, PREDICTED, TRUE, ink_pixels
from inklens.displays.scene import BOLD, LEADING, TEXT, Scene, number, shorten, text_width
from inklens.displays.style import in_default_style
from inklens.errors import DataError

if TYPE_CHECKING:
    from inklens.model.linear_model import LinearModel

LINE_HEIGHT = TEXT * LEADING
SOFTMAX_TOLERANCE = 1e-12  # largest difference allowed between the calculation by hand and predict_proba


class ProbabilityBarsDisplay(Display):
    """One bar per class.

    Parameters
    ----------
    proba : array (n_classes,)
        Probabilities.
    class_names : sequence of str
        One name per class.
    true : str, optional
        The right answer, if it is known.

    Examples
    --------
    >>> ProbabilityBarsDisplay(np.array([0.25, 0.75]), class_names=["no", "yes"]).alt
    'Probabilities: yes 75.0%, no 25.0%.'
    """

    def __init__(self, proba: np.ndarray, *, class_names: Sequence[str], true: str | None = None) -> None:
        self.proba = np.asarray(proba, dtype=float)
        self.class_names = list(class_names)
        self.true = true

    @classmethod
    def from_estimator(cls, estimator: Classifier, x: np.ndarray, *, true: str | None = None) -> Self:
        """Ask a fitted classifier about one row of features."""
        proba = estimator.predict_proba(np.reshape(x, (1, -1)))[0]
        return cls(proba, class_names=[str(name) for name in estimator.classes_], true=true)

    @classmethod
    def from_reading(cls, reading: Read, *, true: str | None = None) -> Self:
        """Take the probabilities of a `Reading`."""
        return cls(np.array(list(reading.probabilities.values())), class_names=list(reading.probabilities), true=true)

    @classmethod
    def from_photo(cls, reader: "LinearModel", photo_or_frame: object, *, true: str | None = None) -> Self:
        """Let a reader see a photo, or a frame as it is."""
        return cls.from_estimator(reader, reader.frame(photo_or_frame), true=true)

    @property
    def alt(self) -> str:
        order = np.argsort(-self.proba, kind="stable")
        words = ", ".join(f"{self.class_names[k]} {percent(self.proba[k])}" for k in order)
        return f"Probabilities: {words}." + (f" The right answer is {self.true}." if self.true is not None else "")

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE / 2) -> Self:
        """Draw one bar to the right per class, coloured predicted, true, neither."""
        scene = Scene(ax, width)
        left = min(max(text_width(name, TEXT) for name in self.class_names), scene.width * 0.35) + 6
        room = scene.width - left - text_width("> 99.9%", TEXT) - 4
        for k, (name, p) in enumerate(zip(self.class_names, self.proba, strict=True)):
            top = k * 16.0
            colour = PREDICTED if k == self.proba.argmax() else TRUE if name == self.true else NEITHER
            scene.words(left - 6, top, shorten(name, left - 6), ha="right")
            scene.box(left, top + 1, room * float(p), 11, colour=colour, striped=colour == TRUE)
            scene.words(left + room * float(p) + 4, top, percent(float(p)))
            scene.value(left, top, room, 13, f"{name}: {percent(float(p))}")
        scene.ax.plot([left, left], [0, 16 * len(self.proba)], color=LINE, linewidth=0.8)
        self._key(scene, 16.0 * len(self.proba) + 4)
        return self._finish(scene)

    def _key(self, scene: Scene, top: float) -> None:
        is_right = self.true == self.class_names[int(self.proba.argmax())]
        entries = [(PREDICTED, "the answer, which is right" if is_right else "the answer")]
        if self.true is not None and not is_right:
            entries.append((TRUE, "the right one"))
        left = 0.0
        for colour, words in entries:
            scene.box(left, top + 2, 9, 9, colour=colour, striped=colour == TRUE)
            scene.words(left + 13, top, words, color=MUTED)
            left += 13 + text_width(words) + 14


class ByHandDisplay(Display):
    """One image's way from pixels to label: z = b + w.x, exponential, softmax, all in numbers.

    Parameters
    ----------
    image : array (rows, cols)
        The image x.
    intercept, products : array (n_classes,)
        b_k and w_k.x.
    proba : array (n_classes,)
        What the model's ``predict_proba`` says.
    class_names : sequence of str
        One name per class.
    true : str, optional
        The right answer.

    Raises
    ------
    DataError
        `proba` is not the softmax of b + w.x to 1e-12.
    """

    def __init__(
        self,
        image: np.ndarray,
        *,
        intercept: np.ndarray,
        products: np.ndarray,
        proba: np.ndarray,
        class_names: Sequence[str],
        true: str | None = None,
    ) -> None:
        self.image = image
        self.intercept = intercept
        self.products = products
        self.proba = proba
        self.class_names = list(class_names)
        self.true = true
        if self.difference > SOFTMAX_TOLERANCE:
            raise DataError(
                f"the model's probabilities differ from the softmax of its scores by {self.difference:.1e}; "
                "give a softmax (multinomial logistic) regression fitted on these features"
            )

    @classmethod
    def from_estimator(
        cls, estimator: LinearClassifier, x: np.ndarray, *, image_shape: ImageShape = None, true: str | None = None
    ) -> Self:
        """Calculate from a fitted softmax regression and one row of features."""
        coef, intercept, names = class_weights(estimator)
        x = np.ravel(x).astype(float)
        return cls(
            as_maps(x, image_shape, like=estimator),
            intercept=intercept,
            products=coef @ x,
            proba=estimator.predict_proba(x[None])[0],
            class_names=names,
            true=true,
        )

    @classmethod
    def from_photo(cls, reader: "LinearModel", photo_or_frame: object, *, true: str | None = None) -> Self:
        """Calculate what a reader on pixels says of a photo, or of a frame as it is."""
        return cls.from_estimator(reader, reader.frame(photo_or_frame), true=true)

    @property
    def scores(self) -> np.ndarray:
        """z_k = b_k + w_k.x."""
        return self.intercept + self.products

    @property
    def exponentials(self) -> np.ndarray:
        """exp(z_k), or exp(z_k - max z) where that would overflow; the softmax is the same."""
        return np.exp(self.scores - (self.scores.max() if self.scores.max() > 300 else 0))

    @property
    def softmax(self) -> np.ndarray:
        """exp(z_k) / sum of exp(z_l)."""
        return self.exponentials / self.exponentials.sum()

    @property
    def difference(self) -> float:
        """Largest absolute difference between the softmax by hand and ``predict_proba``."""
        return float(np.abs(self.softmax - self.proba).max())

    @property
    def label(self) -> str:
        """Name of the class with the highest probability."""
        return self.class_names[int(self.softmax.argmax())]

    @property
    def alt(self) -> str:
        steps = ", ".join(
            f"{name}: z {z:.2f}, probability {p:.4f}"
            for name, z, p in zip(self.class_names, self.scores, self.softmax, strict=True)
        )
        return f"By hand: {steps}. The answer is {self.label}" + (f", the truth {self.true}." if self.true else ".")

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw the image beside (on a narrow scene: above) the table of the calculation."""
        scene = Scene(ax, width)
        beside = scene.width > 420
        side = min(150.0, scene.width / 2)
        rows, cols = self.image.shape
        picture_width, picture_height = side * min(1, cols / rows), side * min(1, rows / cols)
        scene.picture(0, 0, picture_width, picture_height, ink_pixels(self.image))
        truth = f"label: {self.true}" if self.true is not None else "image x"
        below = scene.words(0, picture_height + 3, shorten(truth, side), weight=BOLD)
        left, top = (side + 24, 0.0) if beside else (0.0, below + 8)
        below = self._table(scene, left, top)
        total = f"sum of the exponentials: {_short(float(self.exponentials.sum()))}"
        check = f"largest difference from predict_proba: {self.difference:.0e} (at most 1e-12)"
        for line in (total, f"highest probability: {self.label}", check):
            below = scene.paragraph(below + 2, line, left=left)
        return self._finish(scene)

    def _table(self, scene: Scene, left: float, top: float) -> float:
        shift = " − max" if self.scores.max() > 300 else ""
        heads = ("b", "w·x", "z = b + w·x", f"exp(z{shift})", "softmax")
        if scene.width - left < 420:
            heads = ("b", "w·x", "z", f"exp(z{shift})", "p")
        columns = np.array([0.27, 0.44, 0.62, 0.82, 1.0]) * min(scene.width - left, 460) + left
        scene.words(left, top, "class", color=MUTED)
        for right, head in zip(columns, heads, strict=True):
            scene.words(right, top, head, ha="right", color=MUTED)
        top += LINE_HEIGHT + 2
        scene.rule(top, left=left, right=columns[-1])
        own_line = max(text_width(name, bold=True) for name in self.class_names) > columns[0] - 36 - left
        for k, name in enumerate(self.class_names):
            cells = (
                number(self.intercept[k]),
                number(self.products[k]),
                number(self.scores[k]),
                _short(float(self.exponentials[k])),
                f"{self.softmax[k]:.4f}",
            )
            weight = BOLD if name == self.label else "normal"
            room = (scene.width if own_line else columns[0] - 36) - left
            below = scene.words(left, top + 3, shorten(name, room, bold=True), weight=weight)
            top = below - 3 if own_line else top
            for right, cell in zip(columns, cells, strict=True):
                scene.words(right, top + 3, cell, ha="right", weight=weight)
            top += LINE_HEIGHT + 3
        scene.rule(top + 2, left=left, right=columns[-1])
        return top + 4


def _short(value: float) -> str:
    """Three digits at most, short powers of ten: 0.012, 4.56, 7,890, 1.2e5."""
    if 1000 <= value < 100_000:
        return f"{value:,.0f}"
    if value and not 0.01 <= value < 1000:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}e{number(int(exponent), 'd')}"
    return f"{value:.3g}"
