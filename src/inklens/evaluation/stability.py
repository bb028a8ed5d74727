"""Stability selection: the same sparse fit on many resamples of the rows.

An L1 fit selects coefficients, and on other rows of the same kind it would select others: the proportion of refits in
which a coefficient is not zero tells how far its selection can be trusted.

Shapes: coef and all maps (n_classes, n_features).
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from inklens.classes import stratified_folds
from inklens.errors import DataError, ParameterError
from inklens.evaluation.chance import Law, weak_share
from inklens.evaluation.fitted import FittedEstimator, problem_of
from inklens.linear.blas import default_threads
from inklens.linear.driver import Solution, solve
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.opening import opened
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import per_class
from inklens.progress import Progress
from inklens.reprs import Shown

COUNT_ROUNDING = 1e-9  # of a proportion of refits: 0.9 of 10 refits is 9, whatever the last digit
Draw = tuple[np.ndarray, np.ndarray]  # rows, and how often each counts


@dataclass(frozen=True, eq=False, repr=False)
class Stability(Shown):
    """How often refits on resampled rows select each coefficient, and how much it varies.

    With two classes L1 leaves open how a feature's effect is shared between its two coefficients; `in_use` does not
    depend on that.

    Parameters
    ----------
    coef : array (n_classes, n_features)
        The model whose coefficients are in question.
    positive, negative : array (n_classes, n_features)
        Proportion of refits in which a coefficient is above, and below, zero.
    mean, deviation : array (n_classes, n_features)
        Mean over the refits, and standard deviation.
    in_use : array (n_features,)
        Proportion of refits in which a feature has a coefficient for any class.
    n_candidates : int
        Coefficients that could be chosen: those of features that vary.
    gaps : array (n_refits,)
        Proven (objective - lower bound) / objective of each refit.
    scheme : {"halves", "bootstrap"}
        How rows were drawn.
    seconds : float
        Time for all refits.
    """

    coef: npt.NDArray[np.float64]
    positive: npt.NDArray[np.float64]
    negative: npt.NDArray[np.float64]
    mean: np.ndarray
    deviation: np.ndarray
    in_use: np.ndarray
    n_candidates: int
    gaps: np.ndarray
    scheme: str
    seconds: float = 0.0

    @property
    def n_refits(self) -> int:
        """Number of refits."""
        return len(self.gaps)

    @property
    def frequency(self) -> npt.NDArray[np.float64]:
        """Proportion of refits in which a coefficient is not zero."""
        return self.positive + self.negative

    @property
    def signed(self) -> npt.NDArray[np.float64]:
        """Proportion of refits above zero minus the proportion below it, -1 to 1."""
        return self.positive - self.negative

    @property
    def mean_chosen(self) -> float:
        """Mean number of coefficients that a refit chooses."""
        return float(self.frequency.sum())

    def stable(self, threshold: float = 0.9) -> npt.NDArray[np.bool_]:
        """Return which coefficients are nonzero in at least that proportion of the refits, bool."""
        return self.frequency >= threshold - COUNT_ROUNDING

    def expected_by_chance(self, threshold: float = 0.9, *, law: Law = "r-concave") -> float:
        """Return a bound on how many of the stable coefficients are expected to be weak ones that came up by chance.

        Weak: a fit on half of the rows chooses it no more often than the average candidate. The bound is that of
        `inklens.evaluation.weak_share`, times the number of candidates.

        Raises
        ------
        ParameterError
            The threshold is not above one half, or the rows were not drawn as halves.
        """
        if self.scheme != "halves":
            raise ParameterError(
                "the bound is proven for halves of the rows, not for the bootstrap; use scheme='halves'"
            )
        theta = self.mean_chosen / max(self.n_candidates, 1)
        return weak_share(threshold, theta, self.n_refits // 2, law) * self.n_candidates

    def in_words(self, threshold: float = 0.9) -> list[str]:
        """Say how many coefficients can be relied on."""
        chosen, kept = self.coef != 0.0, self.stable(threshold)
        rows = "halves of the rows" if self.scheme == "halves" else "bootstrap samples of the rows"
        sentences = [
            f"{self.n_refits} refits on {rows}, each proven to within {100 * self.gaps.max():.2g}% of its optimum, "
            f"choose {self.mean_chosen:,.0f} coefficients on average; the model chose {int(chosen.sum()):,}.",
            f"{int(kept.sum()):,} coefficients are stable: at least {threshold:.0%} of the refits choose them "
            f"({int((kept & chosen).sum()):,} of the model's). {int((self.frequency == 0.0).sum()):,} of "
            f"{self.coef.size:,} are in no refit.",
        ]
        if self.scheme == "halves":
            sentences.append(
                f"At most {self.expected_by_chance(threshold):,.1f} of the stable ones are expected by chance alone "
                "(Shah and Samworth's bound)."
            )
        return sentences

    def to_json(self, threshold: float = 0.9) -> dict[str, object]:
        """Return everything as plain numbers."""
        laws: tuple[Law, ...] = ("any", "unimodal", "r-concave") if self.scheme == "halves" else ()
        return {
            "scheme": self.scheme,
            "n_refits": self.n_refits,
            "largest_gap": float(self.gaps.max()),
            "seconds": self.seconds,
            "candidates": self.n_candidates,
            "mean_chosen": self.mean_chosen,
            "threshold": threshold,
            "stable": int(self.stable(threshold).sum()),
            "expected_by_chance": {law: self.expected_by_chance(threshold, law=law) for law in laws},
        }


def stability(
    model: FittedEstimator,
    X: Rows | npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    n_refits: int = 50,
    scheme: Literal["halves", "bootstrap"] = "halves",
    tol: float = 1e-2,
    sample_weight: npt.ArrayLike | None = None,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Stability:
    """Fit the same model again on resampled rows, each refit warm-started from the model and proven to `tol`.

    Rows are drawn class by class, so that every refit keeps the proportions of the classes. Refits run in parallel on
    the cores that the process may use, and the result does not depend on their number. Of rows that workers hold, the
    refits follow each other, each on all workers.

    Parameters
    ----------
    model : SoftmaxRegression
        Fitted, with any penalty.
    X, y, sample_weight
        The rows that it was fitted on, as `SoftmaxRegression.fit` takes them: also `Rows`, and data of Dask's workers,
        which stay there; a refit takes the memory of its part of them.
    n_refits : int
        At least 2; with halves an odd number is rounded up.
    scheme : {"halves", "bootstrap"}
        "halves": complementary pairs of halves of the rows with the model's own C, for the choice of coefficients and
        its error bound. "bootstrap": as many rows as there are, drawn with replacement, for how far each coefficient
        moves.
    tol : float
        Promise on (objective - lower bound) / objective of each refit.

    Raises
    ------
    ParameterError, DataError
        No penalty (then refits may have no optimum), fewer than two refits, a class with a single row.

    References
    ----------
    Meinshausen and Bühlmann (2010), J. R. Stat. Soc. B 72; Shah and Samworth (2013), J. R. Stat. Soc. B 75.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from inklens import SoftmaxRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> found = stability(SoftmaxRegression(C=0.1, l1_ratio=1.0).fit(X, y), X, y, n_refits=10)
    >>> found.n_refits, found.frequency.shape, bool(found.gaps.max() <= 1e-2)
    (10, (3, 4), True)
    """
    if n_refits < 2:
        raise ParameterError(f"stability needs at least 2 refits, got {n_refits}; 50 are a good number")
    n_refits += n_refits % 2 if scheme == "halves" else 0
    with opened(X) as rows:
        problem = problem_of(model, rows, y, sample_weight)
        if not problem.is_penalised:
            raise ParameterError("without a penalty a refit may have no optimum; fit the model with a finite C")
        draws = resamples(problem.codes, n_refits, scheme=scheme, random_state=random_state)
        return _summed(problem, model, draws, n_refits=n_refits, scheme=scheme, tol=tol, progress=progress)


def _summed(
    problem: Problem,
    model: FittedEstimator,
    draws: Iterator[Draw],
    *,
    n_refits: int,
    scheme: str,
    tol: float,
    progress: Progress | None,
) -> Stability:
    """Return what the refits have in common; none of them is kept."""
    began, start = time.perf_counter(), per_class(model.coef_, model.intercept_)
    sums = np.zeros((4, *start[0].shape))
    in_use, gaps = np.zeros(start[0].shape[1]), []
    for solution in _refits(problem, draws, start, tol):
        coef = solution.coef
        sums += np.stack([coef > 0.0, coef < 0.0, coef, coef**2])
        in_use += coef.any(axis=0)
        gaps.append(solution.gap)
        if progress is not None:
            progress(len(gaps), n_refits, "refitting on other rows")
    positive, negative, mean, squares = sums / n_refits
    variance = np.maximum(squares - mean**2, 0.0) * n_refits / (n_refits - 1)
    candidates = problem.n_classes * int(problem.free.sum())
    seconds = time.perf_counter() - began
    return Stability(
        start[0], positive, negative, mean, np.sqrt(variance), in_use / n_refits, candidates, np.array(gaps), scheme,
        seconds,
    )  # fmt: skip


def resamples(codes: np.ndarray, n_refits: int, *, scheme: str = "halves", random_state: int = 0) -> Iterator[Draw]:
    """Yield rows (sorted) and their counts, drawn within each class.

    >>> (first, _), (second, _) = resamples(np.array([0, 0, 0, 1, 1, 1, 1]), 2)
    >>> sorted({*first.tolist(), *second.tolist()}), set(first.tolist()) & set(second.tolist())
    ([0, 1, 2, 3, 4, 5, 6], set())
    """
    if scheme not in ("halves", "bootstrap"):
        raise ParameterError(f"expected scheme 'halves' or 'bootstrap', got {scheme!r}")
    members = [np.flatnonzero(codes == k) for k in range(int(codes.max()) + 1)]
    if min(len(rows) for rows in members) < 2:
        raise DataError("a class has fewer than two rows, so not every resample can hold it; give more rows")
    rng = np.random.default_rng(random_state)
    for _ in range(n_refits if scheme == "bootstrap" else -(-n_refits // 2)):
        if scheme == "bootstrap":
            counts = np.zeros(len(codes))
            for rows in members:
                np.add.at(counts, rng.choice(rows, len(rows)), 1.0)
            yield np.flatnonzero(counts), counts[counts > 0.0]
            continue
        half_of = stratified_folds(codes, 2, rng)
        for half in (0, 1):
            chosen = np.flatnonzero(half_of == half)
            yield chosen, np.ones(len(chosen))


def _refits(
    problem: Problem, draws: Iterator[Draw], start: tuple[np.ndarray, np.ndarray], tol: float
) -> Iterator[Solution]:
    """Yield the fits in the order of the draws; on the way out, whatever the reason, none is left running."""

    def refit(draw: Draw) -> Solution:
        rows, counts = draw
        part = problem.rows.take(rows)
        part = Rows(part.blocks, part.scale, 1) if n_workers > 1 else part
        return solve(problem.over(rows, part, problem.weights[rows] * counts), tol=tol, start=start)

    n_workers = 1 if problem.rows.client else min(problem.rows.n_threads, default_threads())
    if n_workers == 1:
        yield from map(refit, draws)
        return
    pool = ThreadPoolExecutor(n_workers)
    try:
        waiting = [pool.submit(refit, draw) for draw in draws]
        while waiting:
            yield waiting.pop(0).result()
    finally:
        pool.shutdown(cancel_futures=True)
