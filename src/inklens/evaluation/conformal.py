"""Conformal sets: answers such as "4 or 9" that hold the truth as often as promised, whatever the model is worth.

The promise needs one thing only: that the held-out rows and the new ones come from the same source. It is a promise on
average over rows, not for each kind of row.

Shapes: proba (n_samples, n_classes), codes (n_samples,) column of each row's true class, sets bool (n_samples,
n_classes).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from inklens.errors import ParameterError
from inklens.evaluation.calibration import check_rows
from inklens.evaluation.counts import join
from inklens.evaluation.intervals import check_level

ROUNDING = 1e-12  # of probabilities: scores that differ by less are tied


@dataclass(frozen=True)
class Conformal:
    """A rule that gives every row a set of classes, calibrated on held-out rows to hold the truth with `coverage`.

    With n held-out rows, the rule takes the ceil((n + 1) coverage)-th smallest of their scores as its limit. Then a
    new row's set holds its true class with probability at least `coverage`. Nothing is drawn at random: the same
    picture gets the same set. The most probable class is always in it, so no set is empty; that can only add coverage.

    Parameters
    ----------
    limit : float
        Classes with a score up to this are in the set; infinite where the held-out rows are too few.
    coverage : float
        What is promised, in (0, 1).
    n_samples : int
        Held-out rows behind the promise.
    method : {"threshold", "cumulative"}
        "threshold": the score of a class is 1 - p, which gives the smallest sets on average (Sadinle, Lei, Wasserman
        2019). "cumulative": the sum of the probabilities above its own, which adapts the size to how hard the picture
        is (Romano, Sesia, Candès 2020, with their uniform number fixed at 0 in place of a random one).

    References
    ----------
    Vovk, Gammerman, Shafer (2005), Algorithmic Learning in a Random World; Vovk (2012), ACML, for `coverage_range`;
    Angelopoulos and Bates (2023), Foundations and Trends in Machine Learning 16, for an introduction.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> proba = rng.dirichlet([0.3] * 3, 2000)
    >>> codes = (proba.cumsum(axis=1) < rng.random((2000, 1))).sum(axis=1)
    >>> rule = Conformal.fit(proba[:1000], codes[:1000], coverage=0.9)
    >>> sets = rule.sets(proba[1000:])
    >>> bool(abs(covered(sets, codes[1000:]) - 0.9) < 0.03), set_in_words(sets[9], "abc")
    (True, 'b or c')
    """

    limit: float
    coverage: float
    n_samples: int
    method: Literal["threshold", "cumulative"] = "threshold"

    @classmethod
    def fit(
        cls,
        proba: np.ndarray,
        codes: np.ndarray,
        *,
        coverage: float = 0.95,
        method: Literal["threshold", "cumulative"] = "threshold",
    ) -> "Conformal":
        """Calibrate on probabilities of rows that the model was not fitted on, and their true classes."""
        check_level(coverage, "coverage")
        check_rows(proba, codes)
        scores = np.sort(_scores(proba, method)[np.arange(len(codes)), codes])
        rank = _rank(len(codes), coverage)
        limit = float(scores[rank - 1]) if rank <= len(codes) else np.inf
        return cls(limit, coverage, len(codes), method)

    def sets(self, proba: np.ndarray) -> np.ndarray:
        """Return which classes are in each row's set, bool (n_samples, n_classes)."""
        inside = _scores(proba, self.method) <= self.limit + ROUNDING
        inside[np.arange(len(proba)), proba.argmax(axis=1)] = True
        return inside

    def coverage_range(self, confidence: float = 0.9) -> tuple[float, float]:
        """Return between which values the rule's true coverage lies with `confidence`, over draws of the held-out rows.

        It follows a Beta(k, n + 1 - k) law, k = ceil((n + 1) coverage), where scores do not tie and before empty sets
        are filled; both can only raise it.
        """
        from scipy.stats import beta

        rank = _rank(self.n_samples, self.coverage)
        if rank > self.n_samples:
            return 1.0, 1.0
        low, high = beta.interval(confidence, rank, self.n_samples + 1 - rank)
        return float(low), float(high)


def covered(sets: np.ndarray, codes: np.ndarray) -> float:
    """Return the proportion of rows whose set holds the true class."""
    return float(sets[np.arange(len(codes)), codes].mean())


def set_in_words(members: np.ndarray, classes: Sequence[str]) -> str:
    """Say which classes are in one row's set.

    >>> set_in_words(np.array([True, False, True, True]), "0479")
    '0, 7 or 9'
    """
    return join([str(name) for name, inside in zip(classes, members, strict=True) if inside], "or")


def _rank(n_samples: int, coverage: float) -> int:
    """Return k = ceil((n + 1) coverage): the k-th smallest score is the limit. The 1 stands for the new row itself."""
    return int(np.ceil((n_samples + 1) * coverage - ROUNDING))


def _scores(proba: np.ndarray, method: str) -> npt.NDArray[np.float64]:
    """Return the nonconformity score of each class, (n_samples, n_classes)."""
    if method == "threshold":
        return 1.0 - np.asarray(proba, dtype=np.float64)
    if method != "cumulative":
        raise ParameterError(f"expected method 'threshold' or 'cumulative', got {method!r}")
    order = np.argsort(-proba, axis=1, kind="stable")
    ordered = np.take_along_axis(proba, order, axis=1)
    scores = np.empty(ordered.shape)
    np.put_along_axis(scores, order, ordered.cumsum(axis=1) - ordered, axis=1)
    return scores
