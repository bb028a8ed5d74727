"""Two classes in depth: a linear support vector machine, whose decision is a sum over few training rows.

    f(x) = sum_i alpha_i y_i <x_i, x> + b = <w, x> + b,    w = sum_i alpha_i y_i x_i

Only support vectors have alpha_i > 0: the rows within the margin, or on its wrong side. Everything else could be taken
away, and the machine would stay the same.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.svm import SVC

from inklens.siblings.duels import duel
from inklens.siblings.results import Decision, Voter
from inklens.siblings.rivals import signed

MOST_VECTORS = 6  # support vectors that are shown on each side


@dataclass(frozen=True)
class Vector:
    """A support vector in the sum: its training row, its label, alpha_i y_i, <x_i, x> and their product."""

    row: int
    label: str
    weight: float
    similarity: float
    adds: float


@dataclass(frozen=True)
class Duelled:
    """The machine for two classes, and how it decides one test row.

    Parameters
    ----------
    pair : tuple of str
        The first has positive sign.
    row : int
        The test row.
    true : str
    value : float
        f(x), as scikit-learn's ``decision_function`` gives it, positive for the first class.
    vectors : tuple of Vector
        The strongest each way.
    adds, takes, intercept : float
        Sums over all support vectors with positive and with negative products, and b.
    w : list
        Weights (n_features,), positive for the first class.
    support : list of int
        All support vectors, as training rows.
    n_rows : int
        Training rows of the two classes.
    accuracy : float
        On the test rows of the two classes.
    """

    pair: tuple[str, str]
    row: int
    true: str
    value: float
    vectors: tuple[Vector, ...]
    adds: float
    takes: float
    intercept: float
    w: list[float]
    support: list[int]
    n_rows: int
    accuracy: float

    @property
    def said(self) -> str:
        """The class that it answers."""
        return self.pair[0] if self.value > 0 else self.pair[1]

    def decision(self, x: np.ndarray, image_shape: tuple[int, int]) -> Decision:
        """Return the same as a decision about x (n_features,), the test row as it was fed."""
        other = self.pair[1] if self.said == self.pair[0] else self.pair[0]
        sign = 1.0 if self.said == self.pair[0] else -1.0
        pixels: list[list[float]] = (sign * np.array(self.w) * x).reshape(image_shape).tolist()
        voters = tuple(
            Voter(v.row, v.label, sign * v.adds, f"{signed(v.weight, 2)} × {v.similarity:.3g}\n= {signed(v.adds)}")
            for v in self.vectors
        )
        first, second = self.pair
        sentence = (
            f"f(x) = {signed(self.adds)} from support vectors that speak for {first}, {signed(self.takes)} from those "
            f"that speak for {second}, {signed(self.intercept)} intercept = {signed(self.value)}: it says {self.said}."
        )
        votes = {first: self.adds, second: -self.takes}
        return Decision(
            self.said,
            other,
            votes,
            "sum of votes",
            sign * self.value,
            (sentence,),
            pixels=pixels,
            offset=sign * self.intercept,
            voters=voters,
        )

    def to_json(self) -> dict[str, object]:
        """Return everything as plain numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Duelled":
        """Return what `to_json` wrote."""
        vectors = tuple(Vector(**vector) for vector in document["vectors"])
        return cls(**{**document, "pair": tuple(document["pair"]), "vectors": vectors})


def duel_in_depth(
    X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray, *, pair: tuple[str, str], row: int
) -> Duelled:
    """Fit ``SVC(kernel="linear")`` to two classes and take its decision on one test row apart.

    Parameters
    ----------
    X, y, X_test, y_test : arrays
        All rows; those of other classes are left out.
    pair : tuple of str
    row : int
        Test row that is decided.
    """
    among = np.flatnonzero(np.isin(y, pair))
    machine = SVC(kernel="linear").fit(X[among], y[among])
    first, second = ([str(name) for name in machine.classes_].index(name) for name in pair)
    found = duel(machine, X_test[row], first, second)
    shown = found.strongest(MOST_VECTORS)
    votes = found.votes
    vectors = tuple(
        Vector(
            int(among[found.rows[k]]),
            str(y[among[found.rows[k]]]),
            float(found.weight[k]),
            float(found.similarity[k]),
            float(votes[k]),
        )
        for k in shown
    )
    judged = np.flatnonzero(np.isin(y_test, pair))
    return Duelled(
        pair,
        row,
        str(y_test[row]),
        found.value,
        vectors,
        float(votes[votes > 0].sum()),
        float(votes[votes < 0].sum()),
        found.intercept,
        (found.weight @ X[among][found.rows]).tolist(),
        among[found.rows].tolist(),
        len(among),
        float(np.mean(machine.predict(X_test[judged]) == y_test[judged])),
    )
