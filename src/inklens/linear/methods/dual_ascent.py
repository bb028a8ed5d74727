"""Stochastic dual coordinate ascent: where an L2 fit starts, and on text most often ends.

With dual probabilities q_i the coefficients are W = sum_i c_i (y_i - q_i) x_i' / l2. A visit of row i maximises the
dual over q_i alone: with its scores z_i and h_i = c_i |x_i|^2 / l2 the new q_i is softmax(t) at

    t = argmin |t - (z_i + h_i q_i)|^2 / 2 + h_i logsumexp(t).

The fewer columns rows share, the less a visit disturbs the others: wide sparse rows are at the optimum, as far as
float32 tells, after a handful of epochs (Shalev-Shwartz and Zhang 2016, Math. Program. 155, section 5). The intercept
is one feature more, under the penalty of a proximal step whose centre moves after each epoch (Rockafellar 1976), so
that in the end it is not penalised.

Shapes: W (n_features, lanes), proba (n_samples, lanes), with the classes in the lanes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inklens.linear import deadline
from inklens.linear.kernels.backend import DualAscentState, RowVisitor
from inklens.linear.kernels.buffers import aligned
from inklens.linear.methods.iterate import Iterate
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.dual import softmax_gap

MAX_CLASSES = 256  # what the kernel has room for
LEVERAGE = 0.3  # share of the mean |x_i|^2 that the intercept's feature adds to it
MAX_EPOCHS = 30
BLIND_EPOCHS = 2  # before the first look at the objective, which costs a pass
SLOW_RATIO = 0.5  # of the gap: an epoch that leaves more of it is the last


def ascend(problem: Problem) -> Iterator[Iterate]:
    """Yield the points after each epoch while epochs halve the gap, which is that of the softmax itself.

    Yields nothing where this method does not suit the problem.
    """
    state, last = _Ascent.of(problem), np.inf
    if state is None:
        return
    nothing = problem.weights.sum() * np.log(problem.n_classes)
    for epoch in range(MAX_EPOCHS):
        deadline.check()
        state.visit_all()
        if epoch < BLIND_EPOCHS:
            continue
        coef, intercept = state.point()
        if not np.isfinite(coef).all():  # values that float32 cannot hold
            return
        at = problem.evaluate(coef, intercept)
        objective, gap = at.loss + problem.penalty.value(coef), softmax_gap(problem.penalty, coef, at.gradient)
        if not objective < nothing:  # no coefficients at all would be better
            continue
        yield Iterate(coef, intercept, objective, gap)
        if gap > SLOW_RATIO * last:
            return
        last = gap


@dataclass
class _Ascent:
    """Coefficients, in the units of their columns, and dual probabilities between two visits."""

    problem: Problem
    visitor: RowVisitor
    unit: np.ndarray  # (n_features,) float32: one over the root of the penalty, 0 for columns that may not move
    squares: np.ndarray  # (n_samples,) |x_i|^2 in these units, and what the intercept's feature adds
    leverage: np.ndarray  # (1,) float32: what it adds
    dual: DualAscentState
    random: np.random.Generator

    @classmethod
    def of(cls, problem: Problem) -> "_Ascent | None":
        """Return the start, W = 0; None where the method does not suit the problem."""
        rows, l2 = problem.rows, np.broadcast_to(problem.penalty.l2, problem.rows.n_features)
        visitor = rows.visitor
        if (
            visitor is None
            or problem.offset is not None
            or problem.n_classes > MAX_CLASSES
            or (l2[problem.free] <= 0.0).any()
        ):
            return None
        unit = np.zeros(rows.n_features, dtype=np.float32)
        unit[problem.free] = rows.scale / np.sqrt(l2[problem.free])
        squares = rows.row_squares(unit)
        coupling = float(problem.weights @ squares)
        if coupling <= 0.0:
            return None
        leverage = LEVERAGE * coupling / problem.weights.sum() if problem.fit_intercept else 0.0
        lanes = visitor.lanes(problem.n_classes)
        W = aligned((rows.n_features, lanes), np.float32)
        proba = aligned((rows.n_samples, lanes), np.float32)
        W[:], proba[:] = 0.0, 0.0
        proba[np.arange(rows.n_samples), problem.codes] = 1.0
        centre, offset = aligned((2, lanes), np.float32)
        centre[:], offset[:] = 0.0, 0.0
        return cls(
            problem, visitor, unit, squares + leverage, np.full(1, leverage, dtype=np.float32),
            DualAscentState(W, proba, centre, offset), np.random.default_rng(0),
        )  # fmt: skip

    def visit_all(self) -> None:
        """Visit each row once, in a new order."""
        dual, problem = self.dual, self.problem
        dual.centre[:] += dual.offset
        for block, part in problem.rows.parts():
            self.visitor.epoch(
                block.fast,
                self.random.permutation(block.n_samples),
                self.unit,
                problem.weights[part],
                self.squares[part],
                self.leverage,
                problem.n_classes,
                dual._replace(proba=dual.proba[part]),
            )
        self.problem.rows.n_passes += 1.0

    def point(self) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients and intercept as the problem has them."""
        n_classes = self.problem.n_classes
        unit = self.unit.astype(np.float64) / self.problem.rows.scale
        return self.dual.W.T[:n_classes] * unit, (self.dual.centre + self.dual.offset)[:n_classes].astype(np.float64)
