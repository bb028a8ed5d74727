"""Evidence: the signed contributions that, with the intercept, are the raw prediction.

    z_k = b_k + sum_j w_kj x_j

Shapes: frame (rows, cols), contributions (n_classes, rows, cols), z, probabilities, intercept (n_classes,).
"""

from dataclasses import dataclass

import numpy as np

from inklens.linear.softmax import softmax


@dataclass(frozen=True, eq=False)
class Evidence:
    """Why a model answered what it answered.

    Parameters
    ----------
    frame : array (rows, cols)
        The picture that the classifier saw, ink = 1.
    classes : tuple of str
        Class names, in the order of all arrays here.
    coef : array (n_classes, rows, cols)
        The model's weights as maps.
    intercept : array (n_classes,)
        The model's intercepts b_k.

    Examples
    --------
    >>> frame = np.array([[1.0, 0.5]])
    >>> why = Evidence(frame, ("a", "b"), coef=np.array([[[2.0, 0.0]], [[0.0, 4.0]]]), intercept=np.array([1.0, 0.0]))
    >>> why.contributions.tolist(), why.z.tolist(), why.label
    ([[[2.0, 0.0]], [[0.0, 2.0]]], [3.0, 2.0], 'a')
    >>> float(why.between("a", "b").sum()) + 1.0  # with the difference of intercepts: the log-odds
    1.0
    """

    frame: np.ndarray
    classes: tuple[str, ...]
    coef: np.ndarray
    intercept: np.ndarray

    @property
    def contributions(self) -> np.ndarray:
        """Products x * w_k for every class; their sum over pixels plus b_k is z_k."""
        return self.coef * self.frame

    @property
    def z(self) -> np.ndarray:
        """Raw predictions."""
        return self.contributions.sum(axis=(1, 2)) + self.intercept

    @property
    def probabilities(self) -> np.ndarray:
        """Softmax of `z`."""
        return softmax(self.z[None])[0]

    @property
    def label(self) -> str:
        """The class with the largest z."""
        return self.classes[int(self.z.argmax())]

    def between(self, a: str, b: str) -> np.ndarray:
        """Return x * (w_a - w_b), whose sum plus b_a - b_b is log p_a / p_b.

        Independent of the softmax gauge: adding one vector to all w_k changes nothing here.
        """
        i, j = self.classes.index(a), self.classes.index(b)
        return (self.coef[i] - self.coef[j]) * self.frame

    def to_json(self) -> dict:
        """Return the document of ``inklens explain --json`` without the file name."""
        per_class = dict(zip(self.classes, range(len(self.classes)), strict=True))
        return {
            "label": self.label,
            "z": {c: float(self.z[k]) for c, k in per_class.items()},
            "probabilities": {c: float(self.probabilities[k]) for c, k in per_class.items()},
            "intercept": {c: float(self.intercept[k]) for c, k in per_class.items()},
            "contributions": {c: self.contributions[k].tolist() for c, k in per_class.items()},
        }


def explain(reader, photo_or_frame) -> Evidence:
    """Return the evidence for one picture.

    Parameters
    ----------
    reader : DigitReader
        The model.
    photo_or_frame : path, bytes, picture, or float array of the model's image shape in [0, 1]
        An array of the model's shape is taken as a frame (ink = 1); anything else is normalised first.
    """
    frame = reader.frame(photo_or_frame)
    maps = reader.coef.reshape(len(reader.classes), *frame.shape)
    return Evidence(frame, reader.classes, maps, reader.intercept)
