"""From labelled rows to a problem that float64 can solve."""

import numpy as np

from inklens.errors import DataError
from inklens.linear.problem.penalties import ElasticNet, penalty_of
from inklens.linear.problem.problem import Problem, check_strength
from inklens.linear.rows.rows import Rows

MAX_VALUE = 1e12  # of a value: beyond, products of columns leave what float32 curvature and float64 proofs can hold
MAX_VALUE_UNDER_L1 = (
    1e7  # under a penalty with thresholds: a column's threshold falls with its scale, into the rounding
)
MIN_VALUE = 1e-10  # of the largest value under a penalty: below, any coefficient that matters costs more than it gains


def make_problem(
    rows: Rows,
    codes: np.ndarray,
    weights: np.ndarray,
    n_classes: int,
    *,
    C: float = 1.0,
    l1_ratio: float = 0.0,
    group: bool = False,
    single: bool = False,
    fit_intercept: bool = True,
) -> Problem:
    """Return the problem whose objective is C * loss + penalty; without a penalty (C infinite) the loss alone.

    With `single`, and two classes, the penalty is that of their one vector w; see `penalty_of`.

    Raises
    ------
    DataError
        Strength, weights or values so large or small that no coefficient could be found.
    """
    unpenalised = bool(np.isinf(C))
    check_strength(C, weights)
    smooth = unpenalised or l1_ratio == 0.0
    _check_magnitudes(rows, MAX_VALUE if smooth else MAX_VALUE_UNDER_L1, 0.0 if unpenalised else MIN_VALUE)
    return Problem(
        rows=rows,
        codes=codes,
        weights=weights if unpenalised else C * weights,
        n_classes=n_classes,
        penalty=ElasticNet(0.0, 0.0) if unpenalised else penalty_of(l1_ratio, group=group, single=single),
        fit_intercept=fit_intercept,
    )


def _check_magnitudes(rows: Rows, upper: float, lower: float) -> None:
    """Refuse values whose coefficients no floating-point number could hold with sense."""
    size = np.maximum(np.abs(rows.low), np.abs(rows.high))
    if not len(size):
        return
    worst = int(size.argmax())
    largest = float(size[worst])
    remedy = "rescale the columns first, for example with sklearn.preprocessing.StandardScaler"
    if largest > upper:
        raise DataError(
            f"column {worst} (counted from 0) reaches {largest:.3g}, and values beyond {upper:.0e} cannot be fitted "
            f"reliably with this penalty; {remedy}"
        )
    if 0.0 < largest < lower:
        raise DataError(
            f"the largest value in X is {largest:.3g}: coefficients that could use such small values are penalised "
            f"away, and every row would get the same probabilities; {remedy}"
        )
