"""How good a model is: confusion between classes, and accuracy and zeros against the strength C."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from inklens.displays.base import WIDE, Display, class_numbers
from inklens.displays.estimators import Classifier, Penalised
from inklens.displays.numbers import counted, percent, share_ticks, times
from inklens.displays.palettes import INK, LINE, MISTAKE, MUTED, TEST, TRAINING, TRUE, text_on
from inklens.displays.scene import BOLD, LEADING, TEXT, Scene, shorten, text_width
from inklens.displays.style import in_default_style
from inklens.errors import ParameterError

if TYPE_CHECKING:
    from inklens.evaluation import Evaluation

LINE_HEIGHT = TEXT * LEADING


class ConfusionMatrixDisplay(Display):
    """Rows are true classes, columns are predictions.

    Parameters
    ----------
    counts : int array (n_classes, n_classes)
        How many images of a row's class got a column's prediction.
    class_names : sequence of str
        One name per class.
    normalize : {None, "true"}
        Show counts, or the share of each row (so that the diagonal is the accuracy per class).

    Examples
    --------
    >>> display = ConfusionMatrixDisplay.from_predictions(["a", "a", "b"], ["a", "b", "b"], normalize="true")
    >>> display.values.tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """

    def __init__(self, counts: np.ndarray, *, class_names: Sequence[str], normalize: str | None = None) -> None:
        if normalize not in (None, "true"):
            raise ParameterError(f"expected normalize=None or 'true', got {normalize!r}")
        self.counts = np.asarray(counts)
        self.class_names = list(class_names)
        self.normalize = normalize

    @classmethod
    def from_predictions(
        cls,
        y_true: Sequence[str] | np.ndarray,
        y_pred: Sequence[str] | np.ndarray,
        *,
        class_names: Sequence[str] | None = None,
        normalize: str | None = None,
    ) -> Self:
        """Count true labels against predicted ones."""
        true, pred = np.asarray(y_true).astype(str), np.asarray(y_pred).astype(str)
        names = list(class_names) if class_names is not None else [str(n) for n in np.union1d(true, pred)]
        counts = np.zeros((len(names), len(names)), dtype=int)
        np.add.at(counts, (class_numbers(true, names), class_numbers(pred, names)), 1)
        return cls(counts, class_names=names, normalize=normalize)

    @classmethod
    def from_estimator(
        cls, estimator: Classifier, X: np.ndarray, y: np.ndarray, *, normalize: str | None = None
    ) -> Self:
        """Predict `X` and count against `y`."""
        names = [str(name) for name in estimator.classes_]
        return cls.from_predictions(y, estimator.predict(X), class_names=names, normalize=normalize)

    @classmethod
    def from_evaluation(cls, evaluation: "Evaluation", *, normalize: str | None = None) -> Self:
        """Take the counts of an `Evaluation`."""
        return cls(evaluation.confusion, class_names=list(evaluation.classes), normalize=normalize)

    @property
    def values(self) -> np.ndarray:
        """What is shown: counts, or shares of each row (0 in a row without images)."""
        if self.normalize is None:
            return self.counts
        return self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)

    @property
    def alt(self) -> str:
        wrong = self.counts - np.diag(np.diag(self.counts))
        order = [k for k in np.argsort(-wrong.ravel(), kind="stable")[:5] if wrong.ravel()[k]]
        pairs = [np.unravel_index(k, wrong.shape) for k in order]
        words = [f"{self.class_names[i]} read as {self.class_names[j]} {times(int(wrong[i, j]))}" for i, j in pairs]
        lead = "Most frequent confusions" if len(self.class_names) > 2 else "Confusions"
        kind = "counts" if self.normalize is None else "shares of each row"
        return (
            f"Confusion matrix, {kind}: {np.trace(self.counts)} of {self.counts.sum()} images right. "
            f"{lead}: {'; '.join(words) or 'none'}."
        )

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = 6.0) -> Self:
        """Draw the matrix; where the cells are too small for numbers, only their colours."""
        scene = Scene(ax, width)
        n = len(self.class_names)
        name_width = min(max(text_width(name, TEXT) for name in self.class_names), scene.width * 0.25) + 6
        left = LINE_HEIGHT + name_width
        cell = min((scene.width - left - 1) / n, 44.0)
        top = self._column_names(scene, left, cell)
        shares = self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        colours = [[_shade(shares[i, j], right=i == j) for j in range(n)] for i in range(n)]
        scene.picture(left, top, n * cell, n * cell, np.array(colours, dtype=np.uint8))
        if cell > TEXT:
            scene.lattice(left, top, n, cell)
        texts = self._texts(cell - 2)
        every = max(1, int(np.ceil(LINE_HEIGHT / cell)))
        for i in range(n):
            middle = top + (i + 0.5) * cell - TEXT * 0.65
            if i % every == 0:
                scene.words(left - 6, middle, shorten(self.class_names[i], name_width - 6), ha="right")
            for j in range(n):
                if self.counts[i, j]:
                    scene.value(left + j * cell, top + i * cell, cell, cell, self._cell_words(i, j))
                if texts is not None and texts[i][j]:
                    x = left + (j + 0.5) * cell
                    scene.words(x, middle, texts[i][j], ha="center", color=text_on(colours[i][j]))
        scene.turned(5, top + n * cell / 2, "true class", color=MUTED)
        return self._finish(scene)

    def _cell_words(self, i: int, j: int) -> str:
        """Say what a cell counts."""
        share = self.counts[i, j] / self.counts[i].sum()
        images = counted(int(self.counts[i, j]), "image")
        return f"{self.class_names[i]} read as {self.class_names[j]}: {images}, {percent(float(share))} of the row"

    def _texts(self, room: float) -> list[list[str]] | None:
        """Return what to write in the cells, without leading zeros where room is short; None if nothing fits."""
        form = "d" if self.normalize is None else ".2f"
        full = [[format(value, form) if value else "" for value in row] for row in self.values.tolist()]
        bare = [[text.removeprefix("0") if text.startswith("0.") else text for text in row] for row in full]
        bare = [[text.replace("1.00", "1.0") for text in row] for row in bare]
        for texts in (full, bare):
            if max(text_width(text) for row in texts for text in row) <= room:
                return texts
        return None

    def _column_names(self, scene: Scene, left: float, cell: float) -> float:
        """Write the predictions above the columns, upright if they fit, else turned."""
        top = scene.words(left, 0, "predicted class", color=MUTED)
        names = [shorten(name, 80) for name in self.class_names]
        longest = max(text_width(name, TEXT) for name in names)
        if longest <= cell - 2:
            for j, name in enumerate(names):
                scene.words(left + (j + 0.5) * cell, top, name, ha="center")
            return top + LINE_HEIGHT
        every = max(1, int(np.ceil(LINE_HEIGHT / cell)))
        for j, name in list(enumerate(names))[::every]:
            x = left + (j + 0.5) * cell
            scene.turned(x, top + longest + 2, name, va="bottom")
        return top + longest + 6


class StrengthDisplay(Display):
    """Zeros and accuracy against the strength C.

    Parameters
    ----------
    C : array (n_strengths,)
        Inverse strengths, ascending; all finite.
    zeros : array (n_strengths,)
        Share of coefficients that are exactly zero.
    train_accuracy, test_accuracy : array (n_strengths,)
        Shares of right answers.
    """

    def __init__(
        self, C: np.ndarray, *, zeros: np.ndarray, train_accuracy: np.ndarray, test_accuracy: np.ndarray
    ) -> None:
        self.C = np.asarray(C, dtype=float)
        self.zeros = np.asarray(zeros, dtype=float)
        self.train_accuracy = np.asarray(train_accuracy, dtype=float)
        self.test_accuracy = np.asarray(test_accuracy, dtype=float)

    @classmethod
    def from_estimators(
        cls,
        estimators: Sequence[Penalised],
        *,
        train: tuple[np.ndarray, np.ndarray],
        test: tuple[np.ndarray, np.ndarray],
    ) -> Self:
        """Score fitted models, each with its own C, on training and test rows (X, y)."""
        ordered = sorted(estimators, key=lambda model: model.C)
        return cls(
            np.array([model.C for model in ordered]),
            zeros=np.array([np.mean(model.coef_ == 0) for model in ordered]),
            train_accuracy=np.array([model.score(*train) for model in ordered]),
            test_accuracy=np.array([model.score(*test) for model in ordered]),
        )

    @property
    def alt(self) -> str:
        points = [
            f"C = {c:g}: {z:.0%} zeros, accuracy {a:.1%} on training and {b:.1%} on test images"
            for c, z, a, b in zip(self.C, self.zeros, self.train_accuracy, self.test_accuracy, strict=True)
        ]
        return f"Zeros and accuracy against C. {'; '.join(points)}."

    @in_default_style
    def plot(self, *, ax: Axes | None = None, width: float = WIDE) -> Self:
        """Draw the two curves, side by side or (on a narrow scene) one above the other."""
        scene = Scene(ax, width)
        beside = scene.width > 420
        panel = scene.width / 2 - 50 if beside else scene.width - 42
        height = 150.0
        zeros = scene.axes(36, LINE_HEIGHT + 6, panel, height, below=36)
        scene.words(0, 0, "coefficients that are exactly zero", weight=BOLD)
        left, top = (scene.width / 2 + 10, 0.0) if beside else (0.0, height + LINE_HEIGHT + 48)
        accuracy = scene.axes(left + 36, top + LINE_HEIGHT + 6, panel, height, below=36)
        scene.words(left, top, "accuracy", weight=BOLD)
        zeros.plot(self.C, self.zeros, marker="o", color=INK)
        accuracy.plot(
            self.C,
            self.train_accuracy,
            marker="s",
            linestyle="--",
            markerfacecolor="none",
            color=TRAINING,
            label="training images",
        )
        accuracy.plot(self.C, self.test_accuracy, marker="o", color=TEST, label="test images")
        legend = accuracy.legend(frameon=False, fontsize=TEXT, labelcolor=INK, loc="best")
        legend.set_in_layout(False)
        for axes in (zeros, accuracy):
            self._style(axes, panel)
        zeros.set(ylim=(-0.03, 1.03), yticks=np.linspace(0, 1, 5))
        accuracy.set_ylim(top=min(accuracy.get_ylim()[1], 1.01))
        share_ticks(zeros, "y", most=6)
        share_ticks(accuracy, "y")
        return self._finish(scene)

    def _style(self, axes: Axes, panel: float) -> None:
        axes.set_xscale("log")
        room = max(1, int(panel // 44))
        ticks = self.C[:: -(-len(self.C) // room)]
        axes.set_xticks(ticks, labels=[f"{c:g}" for c in ticks])
        axes.minorticks_off()
        axes.set_xlabel("C (stronger penalty to the left)", fontsize=TEXT, color=INK)
        axes.grid(axis="y", color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)


def _shade(share: float, *, right: bool) -> tuple[int, int, int]:
    """White for nothing; green on the diagonal, magenta off it (where a tenth already stands out)."""
    full = 255 * np.array(to_rgb(TRUE if right else MISTAKE))
    amount = share if right else min(1.0, (share / 0.2) ** 0.7)
    red, green, blue = np.rint(255 + (full - 255) * amount).astype(int).tolist()
    return red, green, blue
