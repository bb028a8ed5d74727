"""Which matrix steps of proximal Newton take: the Hessian over the working set, summed anew or kept while it serves."""

from typing import NamedTuple

import numpy as np

from inklens.linear.methods import costs, sampling, subproblem
from inklens.linear.methods.grams import Grams
from inklens.linear.methods.points import Point
from inklens.linear.methods.quadratic import Surrogate
from inklens.linear.methods.working_sets import WorkingSet
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.row_arrays import RowArray

KEPT_VIOLATION = 0.35  # a model whose step left this share of the KKT violation serves for another
SPARED_ROUNDS = 2.0  # by a model that is made anew
MATRIX_SWEEPS = 60  # over a matrix, in a round


class Round(NamedTuple):
    """Where a round begins."""

    point: Point
    penalty: Penalty  # `factor` times the one that is asked for
    factor: float
    violation: float  # of the KKT conditions, in thresholds
    damping: float  # of the model, in units of its own curvature

    @property
    def is_far(self) -> bool:
        """Whether the penalty is not yet the one that is asked for."""
        return self.factor > 1.0


class Matrices:
    """The models of one problem's rounds, one at a time."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.grams = problem, Grams.of(problem)
        self.kept: Surrogate | None = None

    def serving(self, at: Round) -> Surrogate | None:
        """Return the last model if it serves in this round, else nothing: its memory is wanted for the next."""
        if self.kept is not None:
            self.kept = self.kept._replace(kkt_violation=at.violation) if self._serves(self.kept, at) else None
        return self.kept

    def _serves(self, surrogate: Surrogate, at: Round) -> bool:
        """Tell whether the last step did well, and nothing outside the working set wants to move.

        Steps of an old model leave a share of the violation, those of a new one its square: one that costs no more than
        SPARED_ROUNDS is made anew.
        """
        if surrogate.is_damped or at.factor != surrogate.factor:
            return False
        if surrogate.seconds <= SPARED_ROUNDS * costs.round_seconds(self.problem):
            return False
        if not 0.0 < at.violation <= KEPT_VIOLATION * surrogate.kkt_violation:
            return False
        if surrogate.is_partial:  # the violation is that of all coefficients, and they take turns
            return False
        point, penalty = at.point, at.penalty
        ratio = np.where(penalty.support(point.coef), 0.0, penalty.threshold_ratio(-point.at.gradient))
        ratio[surrogate.pairs] = 0.0
        return float(ratio.max(initial=0.0)) <= 1.0

    def made(self, at: Round, working: WorkingSet, seed: int) -> Surrogate:
        """Return the model over a working set, which is kept."""
        problem, pairs, proba = self.problem, working.pairs, at.point.at.proba
        summing, grams = sampling.hessian_seconds(problem, len(pairs.classes)), self.grams
        if grams is not None and grams.seconds(pairs.features) > summing:
            grams = None
        threshold = 0.0
        if grams is None:
            threshold = sampling.sampling_threshold(problem, proba, len(pairs.classes), at.violation, is_far=at.is_far)
        model = subproblem.newton_model(
            problem.rows, proba, problem.weights, pairs,
            fit_intercept=problem.fit_intercept, sampling_threshold=threshold, seed=seed,
            intercept_damping=at.damping, grams=grams,
        )  # fmt: skip
        curvature = restore_diagonal(problem, at.point, model) if threshold > 0.0 else None
        model.hessian.ravel()[:: len(model.diagonal) + 1] += (at.damping * model.diagonal).astype(np.float32)
        seconds = summing if grams is None else grams.seconds(pairs.features)
        seconds += costs.factor_seconds(len(pairs.classes), 1)
        self.kept = Surrogate(
            pairs, model, at.factor, at.violation, at.damping > 0.0, curvature, working.is_partial, seconds
        )
        return self.kept

    def forget(self) -> None:
        """Let the next round have a model of its own."""
        self.kept = None


def restore_diagonal(problem: Problem, point: Point, model: subproblem.Model) -> np.ndarray:
    """Raise the diagonal to what it is without sampling: a rare pixel whose rows were dropped must not run away.

    Returns the true diagonal over all coefficients.
    """
    curvature = RowArray.combine(sampling.spread, point.at.proba, problem.weights)
    exact = problem.rows.transpose_product(curvature, squared=True)
    moving = ~model.is_intercept
    lost = exact[model.pairs.classes[moving], model.pairs.features[moving]] - model.diagonal[moving]
    model.hessian.ravel()[:: len(moving) + 1][moving] += np.maximum(lost, 0.0).astype(np.float32)
    return exact


def matrix_seconds(problem: Problem, n_pairs: int, n_face: int) -> float:
    """Return about how long a matrix over `n_pairs` coefficients takes to sum, sweep over and factor on a face."""
    return sampling.hessian_seconds(problem, n_pairs) + costs.sweep_seconds(n_pairs, MATRIX_SWEEPS, n_face)
