"""Fits that grow round by round, and so can stop when their time is over with what they have so far.

Each gives the very model that one call of ``fit`` with as many rounds gives.
"""

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)

from inklens.siblings.recipes import Classifier

RESERVE = 0.85  # of the time left that the next rounds are planned to take
FIRST_STEPS = 3  # rounds of the second call at most: its time tells what a round costs
LEAST_SHARE = 0.2  # of a call's time that its rounds are believed to take at least

GROWING: dict[type, str] = {  # the parameter that counts the rounds of a model that can go on from where it is
    RandomForestClassifier: "n_estimators",
    ExtraTreesClassifier: "n_estimators",
    BaggingClassifier: "n_estimators",
    HistGradientBoostingClassifier: "max_iter",
}


class Rounds(Protocol):
    """What a fit in rounds tells."""

    def __call__(self, done: int, total: int, /) -> None:
        """Tell how many rounds are done, of how many."""


class StoppableAdaBoost(AdaBoostClassifier):
    """AdaBoost that ends its rounds at a deadline."""

    def until(self, deadline: float, tell: Rounds) -> None:
        """Set when to stop, by ``time.perf_counter``."""
        self._deadline, self._tell = deadline, tell

    def _boost(
        self, iboost: int, X: object, y: object, sample_weight: object, random_state: object
    ) -> tuple[np.ndarray | None, float | None, float | None]:
        if iboost and time.perf_counter() > self._deadline:
            return None, None, None
        self._tell(iboost, self.n_estimators)
        return super()._boost(iboost, X, y, sample_weight, random_state)


def fit_in_rounds(
    model: Classifier, X: np.ndarray, y: np.ndarray, *, deadline: float, tell: Rounds
) -> tuple[Classifier, int | None, int | None]:
    """Fit until all rounds are done or the deadline is over.

    Parameters
    ----------
    model : Classifier
        Not yet fitted.
    X : array (n_samples, n_features)
    y : array (n_samples,)
    deadline : float
        In seconds of ``time.perf_counter``; one round at least is always done.
    tell : callable
        Is told the rounds done and their number.

    Returns
    -------
    model, done, total
        The rounds are None for a model that has none; such a one ends when it ends.
    """
    if type(model) is AdaBoostClassifier:
        return _adaboost(model, X, y, deadline, tell)
    rounds = GROWING.get(type(model))
    if rounds is None:
        model.fit(X, y)
        return model, None, None
    return _warm(model, X, y, rounds, deadline, tell)


def _adaboost(
    model: AdaBoostClassifier, X: np.ndarray, y: np.ndarray, deadline: float, tell: Rounds
) -> tuple[Classifier, int, int]:
    stoppable = StoppableAdaBoost(**model.get_params(deep=False))
    stoppable.until(deadline, tell)
    stoppable.fit(X, y)
    model.__dict__.update(
        {name: value for name, value in vars(stoppable).items() if name not in ("_deadline", "_tell")}
    )
    done = len(stoppable.estimators_)
    ended = time.perf_counter() <= deadline or done == stoppable.n_estimators
    return model, done, done if ended else stoppable.n_estimators


def _warm(
    model: Classifier, X: np.ndarray, y: np.ndarray, rounds: str, deadline: float, tell: Rounds
) -> tuple[Classifier, int, int]:
    """Grow by as many rounds at a time as should fit into the time left, the first one alone."""
    total = int(getattr(model, rounds))
    costs: list[tuple[int, float]] = []  # rounds of each call of fit, and its seconds
    done, more = 0, 1
    tell(done, total)
    while more:
        begun = time.perf_counter()
        model.set_params(**{rounds: done + more, "warm_start": True})  # type: ignore[attr-defined]
        model.fit(X, y)
        costs.append((more, time.perf_counter() - begun))
        done += more
        tell(done, total)
        more = min(total - done, rounds_that_fit(costs, deadline - time.perf_counter()))
    model.set_params(warm_start=False)  # type: ignore[attr-defined]
    return model, done, total


def rounds_that_fit(costs: Sequence[tuple[int, float]], room: float) -> int:
    """Return how many rounds a next call should do, where each call costs something fixed, and something a round.

    >>> rounds_that_fit([(1, 3.0)], 7.0), rounds_that_fit([(1, 3.0)], 4.0), rounds_that_fit([(1, 3.0)], 1.0)
    (1, 1, 0)
    >>> rounds_that_fit([(1, 3.0), (2, 4.0)], 20.0)
    15
    """
    room = RESERVE * max(0.0, room)
    rounds, seconds = costs[-1]
    if len(costs) == 1:  # the fixed part is not known yet
        return min(int(room / seconds), FIRST_STEPS)
    before = costs[-2]
    each = (seconds - before[1]) / (rounds - before[0]) if rounds > before[0] else 0.0
    each = min(max(each, LEAST_SHARE * seconds / rounds), seconds / rounds)
    fixed = seconds - each * rounds
    return max(int((room - fixed) / each), 0)
