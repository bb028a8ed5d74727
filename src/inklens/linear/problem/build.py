"""From labelled rows to a problem that float64 can solve."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from inklens.errors import DataError
from inklens.linear import arrays
from inklens.linear.problem.penalties import LEAST_FACTOR, ElasticNet, Penalty, penalty_of
from inklens.linear.problem.problem import Facts, Problem, check_strength
from inklens.linear.rows.rows import Rows

MAX_VALUE = 1e12  # of a value: beyond, products of columns leave what float32 curvature and float64 proofs can hold
MAX_VALUE_UNDER_L1 = (
    1e7  # under a penalty with thresholds: a column's threshold falls with its scale, into the rounding
)
MAX_VALUE_STANDARDIZED = 1e30  # where the penalty knows the columns' deviations: squares of it are still numbers
MIN_VALUE = 1e-10  # of the largest value under a penalty: below, any coefficient that matters costs more than it gains
EXCLUDED = 1e100  # penalty factor of a column that is left out: no gain is worth it


@dataclass(frozen=True, eq=False)
class Penalizing:
    """What a penalty is asked to be, before the rows are known that it is for.

    Parameters
    ----------
    l1_ratio, group
        As for `SoftmaxRegression`.
    single : bool
        Whether two classes share one vector of coefficients; see `penalty_of`.
    standardize : bool
        Whether a coefficient is penalised times its column's standard deviation, which is the weighted one.
    penalty_factor : array-like (n_features,) or None
        What each column's penalty is multiplied by: 0 is none, infinity leaves the column out.
    positive : bool
        Whether coefficients may not be negative; for two classes, those of the second against the first.
    """

    l1_ratio: float = 0.0
    group: bool = False
    single: bool = False
    standardize: bool = False
    penalty_factor: npt.ArrayLike | None = None
    positive: bool = False

    def penalty(self, rows: Rows, weights: np.ndarray, n_classes: int) -> Penalty:
        """Return the penalty of coefficients of these rows, as a function of coefficients in their units."""
        factors = _checked_factors(self.penalty_factor, rows.n_features)
        if self.group and not self.single and (self.positive or (factors is not None and not factors.all())):
            raise DataError(
                "with group=True a feature's coefficients are thresholded together, which goes with neither "
                "positive=True nor penalty factors of 0; give group=False, or small factors"
            )
        penalty = penalty_of(self.l1_ratio, group=self.group, single=self.single)
        if factors is not None:
            penalty = penalty.times(np.minimum(factors, EXCLUDED))
        if self.positive:
            penalty = penalty.signed(np.array([[-1.0], [1.0]]) if n_classes == 2 else np.ones((n_classes, 1)))
        if self.standardize:
            deviations = rows.column_deviations(weights)
            penalty = penalty.in_units(1.0 / np.where(deviations > 0.0, deviations, 1.0))
        return penalty

    def left_out(self, n_features: int) -> np.ndarray:
        """Return which columns have an infinite penalty factor, (n_features,)."""
        factors = _checked_factors(self.penalty_factor, n_features)
        return np.zeros(n_features, dtype=bool) if factors is None else np.isinf(factors)

    def problem(
        self,
        rows: Rows,
        codes: np.ndarray,
        weights: np.ndarray,
        n_classes: int,
        *,
        C: float = 1.0,
        fit_intercept: bool = True,
        offset: npt.ArrayLike | None = None,
    ) -> Problem:
        """Return the problem whose objective is C * loss + penalty; the loss alone where C is infinite."""
        unpenalised = bool(np.isinf(C))
        fixed = None if offset is None else _checked_offset(offset, rows.n_samples, n_classes)
        if unpenalised and (self.positive or fixed is not None):
            raise DataError("positive=True and offsets need a penalty; give a finite C, such as 1e6, instead of C=inf")
        scaled = weights if unpenalised else C * weights
        penalty = ElasticNet(0.0, 0.0) if unpenalised else self.penalty(rows, weights, n_classes)
        problem = Problem(rows, codes, scaled, n_classes, penalty, fit_intercept, offset=fixed)
        out = self.left_out(rows.n_features)
        if not out.any():
            return problem
        known = Facts(rows, problem.codes, problem.weights, n_classes, fit_intercept, problem.free & ~out)
        return replace(problem, known=known)


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
    standardize: bool = False,
    penalty_factor: npt.ArrayLike | None = None,
    positive: bool = False,
    fit_intercept: bool = True,
    offset: npt.ArrayLike | None = None,
) -> Problem:
    """Return the problem whose objective is C * loss + penalty; without a penalty (C infinite) the loss alone.

    With `single`, and two classes, the penalty is that of their one vector w; see `penalty_of`.

    Raises
    ------
    DataError
        Strength, weights or values so large or small that no coefficient could be found; factors or offsets that do
        not fit.
    """
    asked = Penalizing(l1_ratio, group, single, standardize, penalty_factor, positive)
    check_strength(C, weights)
    check_magnitudes(rows, asked, C)
    return asked.problem(rows, codes, weights, n_classes, C=C, fit_intercept=fit_intercept, offset=offset)


def check_magnitudes(rows: Rows, asked: Penalizing, C: float) -> None:
    """Refuse values whose coefficients no floating-point number could hold with sense."""
    size = np.maximum(np.abs(rows.low), np.abs(rows.high))
    size = np.where(asked.left_out(len(size)) & (size <= MAX_VALUE_STANDARDIZED), 0.0, size)
    if not len(size):
        return
    unpenalised, smooth = bool(np.isinf(C)), asked.l1_ratio == 0.0
    upper, lower = MAX_VALUE if unpenalised or smooth else MAX_VALUE_UNDER_L1, 0.0 if unpenalised else MIN_VALUE
    if asked.standardize and not unpenalised:
        upper, lower = MAX_VALUE_STANDARDIZED, 0.0
    worst = int(size.argmax())
    largest = float(size[worst])
    remedy = "rescale the columns first, for example with sklearn.preprocessing.StandardScaler"
    if not asked.standardize and not unpenalised:
        remedy = "give standardize=True, or " + remedy
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


def _checked_factors(factors: npt.ArrayLike | None, n_features: int) -> np.ndarray | None:
    if factors is None:
        return None
    values = arrays.real_numbers(factors, name="penalty_factor", expected="a number for each column")
    if values.shape != (n_features,) or np.isnan(values).any() or (values < 0.0).any():
        raise DataError(
            f"expected a penalty factor of at least 0 for each of the {n_features} columns (0: no penalty, inf: left "
            f"out), got {values.size} numbers{'' if values.shape == (n_features,) else f' of shape {values.shape}'}"
        )
    if np.isinf(values).all():
        raise DataError("every column has an infinite penalty factor, so none would be used; leave one in")
    return np.where(values < LEAST_FACTOR, 0.0, values)


def _checked_offset(offset: npt.ArrayLike, n_samples: int, n_classes: int) -> np.ndarray:
    values = arrays.real_numbers(offset, name="offset", expected="numbers")
    if n_classes == 2 and values.shape == (n_samples,):  # of the second class against the first, as log odds
        values = np.column_stack([np.zeros(n_samples), values])
    if values.shape != (n_samples, n_classes) or not np.isfinite(values).all():
        raise DataError(
            f"expected a finite offset for each of the {n_samples} rows and {n_classes} classes, got an array of shape "
            f"{values.shape}{'' if np.isfinite(values).all() else ' with NaN or infinity'}"
        )
    return np.ascontiguousarray(values)
