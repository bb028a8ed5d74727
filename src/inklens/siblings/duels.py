"""Support vector machines: for every two classes a duel, decided by the training rows near their border.

f(x) = sum_i alpha_i y_i K(x_i, x) + b        positive: the first class of the two
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.svm import SVC, NuSVC

from inklens.siblings.results import Decision, Voter
from inklens.siblings.rivals import Asked, signed

MOST_VOTERS = 6  # support vectors that are shown on each side


@dataclass(frozen=True, eq=False)
class Duel:
    """The sum that decides between two classes.

    Parameters
    ----------
    rows : int array (n_vectors,)
        Support vectors, as rows of the training data.
    weight : array (n_vectors,)
        alpha_i y_i, positive for the first class.
    similarity : array (n_vectors,)
        K(x_i, x); for a linear kernel <x_i, x>.
    intercept : float
    """

    rows: npt.NDArray[np.intp]
    weight: npt.NDArray[np.float64]
    similarity: npt.NDArray[np.float64]
    intercept: float

    @property
    def votes(self) -> npt.NDArray[np.float64]:
        """alpha_i y_i K(x_i, x), (n_vectors,)."""
        return np.asarray(self.weight * self.similarity)

    @property
    def value(self) -> float:
        """f(x)."""
        return float(self.votes.sum() + self.intercept)

    def strongest(self, most: int) -> npt.NDArray[np.intp]:
        """Return the places of those that push most for, then of those that push most against, strongest first."""
        order = np.argsort(-self.votes, kind="stable")
        pro, con = order[:most], order[::-1][:most]
        return np.concatenate([pro[self.votes[pro] > 0], con[self.votes[con] < 0]])


def duel(model: SVC | NuSVC, x: np.ndarray, first: int, second: int) -> Duel:
    """Return the sum by which a fitted SVC decides x between two of its classes, given by their places."""
    i, j = min(first, second), max(first, second)
    ends = np.concatenate([[0], np.cumsum(model.n_support_)])
    of_i, of_j = np.arange(ends[i], ends[i + 1]), np.arange(ends[j], ends[j + 1])
    both = np.concatenate([of_i, of_j])
    dual = _dense(model.dual_coef_)
    weight = np.concatenate([dual[j - 1, of_i], dual[i, of_j]])  # rows of dual_coef_: the other classes, in order
    pairs = [(a, b) for a in range(len(model.classes_)) for b in range(a + 1, len(model.classes_))]
    intercept = float(model.intercept_[pairs.index((i, j))])
    # of two classes alone, scikit-learn's signs speak for the second
    sign = (1.0 if first < second else -1.0) * (-1.0 if len(model.classes_) == 2 else 1.0)
    similarity = pairwise_kernels(
        _dense(model.support_vectors_)[both],
        x[None],
        metric=model.kernel,
        filter_params=True,
        gamma=model._gamma,
        degree=model.degree,
        coef0=model.coef0,
    )[:, 0]
    return Duel(model.support_[both], sign * weight, similarity, sign * intercept)


def support_vectors(asked: Asked) -> Decision | None:
    """Show the duel between the answer and the other class."""
    model = asked.model
    if not isinstance(model, SVC | NuSVC) or model.kernel not in ("linear", "poly", "rbf", "sigmoid"):
        return None
    found = duel(model, asked.x, *asked.pair)
    shown = found.strongest(MOST_VOTERS)
    voters = tuple(
        Voter(int(found.rows[k]), str(asked.y[found.rows[k]]), float(found.votes[k]), signed(found.votes[k]))
        for k in shown
    )
    votes = found.votes
    return Decision(
        asked.said,
        asked.against,
        duels_won(asked),
        "duels won",
        found.value,
        (
            f"In the duel of {asked.said} with {asked.against}, {len(votes):,} support vectors add "
            f"{signed(votes[votes > 0].sum())} and {signed(votes[votes < 0].sum())}; with {signed(found.intercept)} "
            f"intercept that is {signed(found.value)}.",
        ),
        offset=found.intercept,
        voters=voters,
        others=float(votes.sum() - sum(voter.adds for voter in voters)),
    )


def duels_won(asked: Asked) -> dict[str, float]:
    """Return how many duels each class wins."""
    assert isinstance(asked.model, SVC | NuSVC)
    n = len(asked.classes)
    won = np.zeros(n)
    for a in range(n):
        for b in range(a + 1, n):
            won[a if duel(asked.model, asked.x, a, b).value > 0 else b] += 1
    return asked.by_class(won)


def _dense(values: object) -> npt.NDArray[np.float64]:
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values)
