"""Proportions with their confidence intervals: an accuracy is an estimate, and says how good an estimate."""

import math
from typing import Literal, NamedTuple

from inklens.errors import ParameterError

CONFIDENCE = 0.95


class Proportion(NamedTuple):
    """An observed proportion, and the interval that holds the true one with the stated confidence."""

    value: float
    low: float
    high: float
    confidence: float = CONFIDENCE

    def __str__(self) -> str:
        return f"{self.value:.2%} ({self.low:.2%} to {self.high:.2%})"

    def to_json(self) -> dict[str, float]:
        """Return plain numbers."""
        return self._asdict()


def proportion(
    count: int,
    n_samples: int,
    *,
    confidence: float = CONFIDENCE,
    method: Literal["wilson", "exact"] = "wilson",
) -> Proportion:
    """Return count / n_samples with its confidence interval.

    Parameters
    ----------
    count, n_samples : int
        Successes and independent samples; the proportion of no samples is NaN, with the interval 0 to 1.
    confidence : float
        In (0, 1).
    method : {"wilson", "exact"}
        Wilson (1927) has the stated coverage on average over the true proportion; Clopper and Pearson (1934) has
        at least that coverage for every true proportion, and is wider.

    References
    ----------
    Brown, Cai, DasGupta (2001), Statistical Science 16, compares them.

    Examples
    --------
    >>> print(proportion(90, 100))
    90.00% (82.56% to 94.48%)
    >>> print(proportion(90, 100, method="exact"))
    90.00% (82.38% to 95.10%)
    """
    from scipy.special import betaincinv, ndtri

    check_level(confidence, "confidence")
    if method not in ("wilson", "exact"):
        raise ParameterError(f"expected method 'wilson' or 'exact', got {method!r}")
    if n_samples == 0:
        return Proportion(float("nan"), 0.0, 1.0, confidence)
    p, tail = count / n_samples, (1.0 - confidence) / 2.0
    if method == "wilson":
        z = float(ndtri(1.0 - tail))
        middle, spread = (
            p + z**2 / (2 * n_samples),
            z * math.sqrt(p * (1.0 - p) / n_samples + (z / (2 * n_samples)) ** 2),
        )
        low, high = ((middle + side * spread) / (1.0 + z**2 / n_samples) for side in (-1.0, 1.0))
    else:  # Clopper and Pearson
        low = betaincinv(count, n_samples - count + 1, tail) if count else 0.0
        high = betaincinv(count + 1, n_samples - count, 1.0 - tail) if count < n_samples else 1.0
    return Proportion(p, float(low) if count else 0.0, float(high) if count < n_samples else 1.0, confidence)


def check_level(level: float, name: str) -> None:
    """Refuse a probability that is not strictly between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise ParameterError(f"{name} is a probability between 0 and 1, got {level:g}; try 0.95")
