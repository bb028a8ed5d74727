"""What is asked of a model about one digit: its answer beside one other class."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inklens.siblings.recipes import Classifier


@dataclass(frozen=True, eq=False)
class Asked:
    """A fitted model, a digit, and the two classes that are compared.

    Parameters
    ----------
    model : Classifier
    x : array (n_features,)
        The digit as the model is fed.
    ink : array (rows, cols)
        The same as a picture in [0, 1].
    X, y : array (n_samples, n_features), (n_samples,)
        The rows that the model was fitted on.
    said, against : str
        Its answer, and the other class; not the same.
    """

    model: Classifier
    x: np.ndarray
    ink: np.ndarray
    X: np.ndarray
    y: np.ndarray
    said: str
    against: str

    @cached_property
    def classes(self) -> list[str]:
        """Names in the order of the model's own arrays."""
        return [str(name) for name in self.model.classes_]

    @property
    def pair(self) -> tuple[int, int]:
        """Places of the two classes."""
        return self.classes.index(self.said), self.classes.index(self.against)

    def between(self, scores: np.ndarray) -> float:
        """Return the score of the answer less that of the other class, (n_classes,) in."""
        i, j = self.pair
        return float(scores[i] - scores[j])

    def by_class(self, scores: np.ndarray) -> dict[str, float]:
        """Name the scores."""
        return dict(zip(self.classes, map(float, scores), strict=True))

    def picture(self, values: np.ndarray) -> list[list[float]]:
        """Return one value for each pixel as rows of the picture."""
        rows: list[list[float]] = np.reshape(values, self.ink.shape).tolist()
        return rows

    def place(self, feature: int) -> tuple[int, int]:
        """Return row and column of a pixel."""
        row, col = divmod(int(feature), self.ink.shape[1])
        return row, col


def signed(value: float, digits: int = 3) -> str:
    """Write a number with its sign and three digits, or as many as wanted.

    >>> signed(158.013), signed(-0.0312)
    ('+158', '−0.0312')
    """
    text = f"{value:+.{digits}g}" if abs(value) < 1000 else f"{value:+,.0f}"
    return text.replace("-", "−")


def class_scores(decision: np.ndarray) -> np.ndarray:
    """Return one score for each class: of two classes, scikit-learn gives only the second's lead.

    >>> class_scores(np.array([3.0])).tolist()
    [[-1.5, 1.5]]
    """
    return decision if decision.ndim == 2 else np.stack([-decision / 2, decision / 2], axis=1)
