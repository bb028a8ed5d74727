"""Stochastic dual coordinate ascent: the first engine for L2 on wide sparse rows.

With dual probabilities q_i the coefficients are W = sum_i c_i (y_i - q_i) x_i' / l2. A visit of row i maximises the dual
over q_i alone: with h_i = c_i |x_i|^2 / l2 and scores z_i the new q_i is softmax(t) at

    t = argmin |t - (z_i + h_i q_i)|^2 / 2 + h_i logsumexp(t).

Rows of few non-zeros and h_i of moderate size hardly disturb each other, and a few epochs go to the optimum as far as
float32 sees it (Shalev-Shwartz and Zhang 2016, Math. Program. 155, section 5). The intercept, which may not be penalised,
is one feature more with the penalty of a proximal step, whose centre moves with each epoch (Rockafellar 1976).

Shapes: W (n_columns, lanes), q (n_samples, lanes), the classes in the lanes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inklens.linear import kernels
from inklens.linear.iterate import Iterate
from inklens.linear.problem import Problem

MOST_COUPLED = 300.0  # mean h_i beyond which rows disturb each other too much
MOST_CLASSES = 256
INTERCEPT_SHARE = 0.3  # of the mean |x_i|^2 that the intercept's feature adds to it
MAX_EPOCHS = 30
UNSEEN = 2  # epochs before the first look
SLOW = 0.5  # an epoch that leaves more than this share of the gap is the last


def suits(problem: Problem) -> bool:
    """Tell whether rows are wide and sparse, and the penalty one number that is large enough beside them."""
    rows, l2 = problem.rows, np.unique(problem.penalty.l2)
    if kernels.active() == "numpy" or not rows.is_wide or len(l2) > 1 or problem.n_classes > MOST_CLASSES:
        return False
    return float(problem.weights @ _squares(problem)) <= MOST_COUPLED * l2[0] * rows.n_samples


def ascend(problem: Problem) -> Iterator[Iterate]:
    """Yield the points after each epoch, as long as an epoch halves the gap; the gap is that of the softmax itself."""
    state, last = _Ascent.of(problem), np.inf
    for epoch in range(MAX_EPOCHS):
        state.visit_all()
        if epoch < UNSEEN:
            continue
        coef, intercept = state.point()
        at = problem.evaluate(coef, intercept)
        objective = at.loss + problem.penalty.value(coef)
        gap = objective - certificates
        yield Iterate(coef, intercept, objective, gap)
        if gap > SLOW * last:
            return
        last = min(gap, last)
