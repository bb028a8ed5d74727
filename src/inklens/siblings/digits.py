"""The test rows that all models are asked about: those that our softmax regression misreads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Digit:
    """A test row that every model is asked about.

    Parameters
    ----------
    row : int
    true : str
        Its label.
    rival : str
        Another class: what our softmax regression says of it, or, where that is right, nearly says.
    """

    row: int
    true: str
    rival: str


def choose_digits(scores: np.ndarray, y_true: np.ndarray, classes: Sequence[str], *, most: int = 3) -> list[Digit]:
    """Return digits that a model misreads, from the one it is surest of to the closest call.

    Where it misreads fewer, those follow that it nearly misreads.

    Parameters
    ----------
    scores : array (n_samples, n_classes)
    y_true : str array (n_samples,)
    classes : sequence of str

    Examples
    --------
    >>> choose_digits(np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array(["a", "b", "b"]), ["a", "b"], most=2)
    [Digit(row=1, true='b', rival='a'), Digit(row=2, true='b', rival='a')]
    """
    own = np.array([list(classes).index(str(label)) for label in y_true])
    each = np.arange(len(own))
    others = scores.copy()
    others[each, own] = -np.inf
    rival = others.argmax(axis=1)
    lead = scores[each, own] - others[each, rival]
    order = np.argsort(lead, kind="stable")
    wrong = order[lead[order] < 0]
    chosen = order[:most]
    if len(wrong) > most:
        chosen = wrong[np.rint(np.linspace(0, len(wrong) - 1, most)).astype(int)]
    return [Digit(int(row), str(y_true[row]), str(classes[rival[row]])) for row in chosen]
