"""The referee: objectives in plain float64 from the coefficients alone, with SciPy and no solver's code."""

import numpy as np
from scipy.special import logsumexp

ROWS_AT_ONCE = 5000


def objective(coef, intercept, X, y, *, penalty, C=1.0, weights=None, scale=1.0) -> float:
    """Return C * sum_i s_i loss_i + penalty, where each class has its row of coefficients.

    ``coef`` (n_classes, n_features) counts as given: adding one vector to all rows leaves the loss as it is, and
    changes the penalty. X (n_samples, n_features) is dense or CSR, each value times `scale`; y holds class numbers;
    ``penalty`` is none (C is 1 then), l2, l1, elasticnet (half and half) or group (the norm of each column of `coef`).
    """
    coef, intercept = np.asarray(coef, dtype=np.float64), np.asarray(intercept, dtype=np.float64)
    weights = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    total = 0.0
    for start in range(0, len(y), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        z = np.asarray(X[part].astype(np.float64) @ coef.T) * scale + intercept
        own = np.arange(len(z)), y[part]
        z -= z[own][:, None]
        z[own] = -np.inf
        total += float(weights[part] @ np.logaddexp(0.0, logsumexp(z, axis=1)))  # a small loss keeps its digits
    return total if penalty == "none" else C * total + _penalty(coef, penalty)


def _penalty(coef, penalty) -> float:
    l1, l2 = float(np.abs(coef).sum()), float((coef * coef).sum()) / 2.0
    if penalty == "group":
        return float(np.sqrt((coef * coef).sum(axis=0)).sum())
    return {"l1": l1, "l2": l2, "elasticnet": (l1 + l2) / 2.0}[penalty]


def gauge_excess(coef, *, penalty) -> float:
    """Return how much of the penalty goes away when the best vector is taken off all rows of coefficients.

    The loss does not change by that, so at an optimum it is 0: more says that a solver returned another gauge (one
    class held at 0, for example), or minimised another penalty.
    """
    if penalty == "none":
        return 0.0
    coef = np.asarray(coef, dtype=np.float64)
    centres = {"l1": np.median, "l2": np.mean, "group": np.mean}
    if penalty in centres:
        return _penalty(coef, penalty) - _penalty(coef - centres[penalty](coef, axis=0), penalty)
    low, high = (
        coef.min(axis=0),
        coef.max(axis=0),
    )  # elastic net: its slope in the shift rises, so it is halved down to 0
    for _ in range(60):
        middle = (low + high) / 2.0
        falls = np.sign(coef - middle).sum(axis=0) + (coef - middle).sum(axis=0) > 0.0
        low, high = np.where(falls, middle, low), np.where(falls, high, middle)
    return _penalty(coef, penalty) - min(_penalty(coef - (low + high) / 2.0, penalty), _penalty(coef, penalty))
