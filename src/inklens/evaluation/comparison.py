"""Two models on the same rows: who is right where the other is wrong, and could that be chance?

Shapes: y_true, pred_a, pred_b (n_samples,) labels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inklens.errors import DataError
from inklens.evaluation.intervals import CONFIDENCE, Proportion, check_level, proportion
from inklens.reprs import Shown

SIGNIFICANCE_LEVEL = 0.05  # p-value below which the difference is called more than chance
LARGEST_DIFFERENCE = 1.0 - 1e-12  # end of the bracket; at 1 the restricted variance is 0
IMPOSSIBLE_SCORE = 1e9  # standard errors; stands for infinity where a difference is impossible


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown):
    """Two models judged on the same rows.

    Only rows on which exactly one model is right tell them apart; that pairing is what makes small differences visible.

    Parameters
    ----------
    right_a, right_b : bool array (n_samples,)
        Whether each model is right.
    confidence : float
        Of the intervals.

    Examples
    --------
    >>> a, b = np.array([1, 1, 1, 1, 1, 1, 0, 0], bool), np.array([1, 0, 0, 0, 0, 0, 0, 1], bool)
    >>> found = Comparison(a, b)
    >>> found.only_a.tolist(), found.only_b.tolist(), found.p_value
    ([1, 2, 3, 4, 5], [7], 0.21875)
    """

    right_a: np.ndarray
    right_b: np.ndarray
    confidence: float = CONFIDENCE

    @classmethod
    def from_predictions(
        cls, y_true: np.ndarray, pred_a: np.ndarray, pred_b: np.ndarray, *, confidence: float = CONFIDENCE
    ) -> "Comparison":
        """Compare labels.

        Raises
        ------
        DataError
            The lengths differ, or there is no row.
        """
        lengths = {len(y_true), len(pred_a), len(pred_b)}
        if len(lengths) > 1 or not len(y_true):
            raise DataError(
                f"expected one label and two predictions for every row, got {len(y_true)}, {len(pred_a)} and "
                f"{len(pred_b)}; let both models answer the same rows"
            )
        y_true = np.asarray(y_true)
        return cls(y_true == np.asarray(pred_a), y_true == np.asarray(pred_b), confidence)

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.right_a)

    @property
    def accuracies(self) -> tuple[Proportion, Proportion]:
        """Accuracy of a and of b, each with its interval."""
        a, b = (
            proportion(int(right.sum()), self.n_samples, confidence=self.confidence)
            for right in (self.right_a, self.right_b)
        )
        return a, b

    @property
    def only_a(self) -> np.ndarray:
        """Rows that a gets right and b wrong."""
        return np.flatnonzero(self.right_a & ~self.right_b)

    @property
    def only_b(self) -> np.ndarray:
        """Rows that b gets right and a wrong."""
        return np.flatnonzero(self.right_b & ~self.right_a)

    @property
    def n_both(self) -> int:
        """Rows that both get right."""
        return int((self.right_a & self.right_b).sum())

    @property
    def n_neither(self) -> int:
        """Rows that both get wrong."""
        return int((~self.right_a & ~self.right_b).sum())

    @property
    def difference(self) -> Proportion:
        """Accuracy of a minus accuracy of b, with the interval of `paired_difference`."""
        return paired_difference(len(self.only_a), len(self.only_b), self.n_samples, confidence=self.confidence)

    @property
    def p_value(self) -> float:
        """Exact two-sided McNemar test: the chance of so uneven a split if both models were equally good."""
        return mcnemar(len(self.only_a), len(self.only_b))

    @property
    def is_decided(self) -> bool:
        """Whether the difference is more than chance would bring (p below 0.05)."""
        return self.p_value < SIGNIFICANCE_LEVEL

    def in_words(self, name_a: str = "A", name_b: str = "B") -> list[str]:
        """Say who is better, by how much, and how sure that is."""
        return list(self._sentences(name_a, name_b))

    def _sentences(self, name_a: str, name_b: str) -> Iterator[str]:
        a, b = len(self.only_a), len(self.only_b)
        n = f"{self.n_samples:,}"
        yield (
            f"Both right on {self.n_both:,} of {n} rows, both wrong on {self.n_neither:,}; only {name_a} is right on "
            f"{a:,}, only {name_b} on {b:,}."
        )
        if a == b:
            yield "Neither is better on these rows."
            return
        better, worse = (name_a, name_b) if a > b else (name_b, name_a)
        d = self.difference
        low, high = sorted((abs(d.low), abs(d.high))) if d.low * d.high > 0.0 else (0.0, max(-d.low, d.high))
        if self.is_decided:
            yield (
                f"{better} is better than {worse} by {abs(d.value):.2%} of the rows; with {self.confidence:.0%} "
                f"confidence the true difference lies between {low:.2%} and {high:.2%}."
            )
        yield (
            f"If both were equally good, a split of {a + b:,} {'row' if a + b == 1 else 'rows'} as uneven as "
            f"{max(a, b):,} to {min(a, b):,} would "
            f"come by chance with probability {self.p_value:.2g} (exact McNemar test)"
            + (": more than chance." if self.is_decided else f": these rows do not tell {name_a} from {name_b}.")
        )

    def to_json(self) -> dict[str, object]:
        """Return everything as plain numbers."""
        a, b = self.accuracies
        return {
            "n_samples": self.n_samples,
            "accuracy": {"a": a.to_json(), "b": b.to_json()},
            "difference": self.difference.to_json(),
            "both_right": self.n_both,
            "only_a_right": len(self.only_a),
            "only_b_right": len(self.only_b),
            "both_wrong": self.n_neither,
            "mcnemar_p": self.p_value,
        }


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p-value of McNemar's test.

    Under equal accuracy each of the rows that tell the models apart falls to either side like a fair coin.

    References
    ----------
    McNemar (1947), Psychometrika 12.

    Examples
    --------
    >>> mcnemar(5, 0), mcnemar(3, 3), mcnemar(0, 0)
    (0.0625, 1.0, 1.0)
    """
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def paired_difference(only_a: int, only_b: int, n_samples: int, *, confidence: float = CONFIDENCE) -> Proportion:
    """Return (only_a - only_b) / n_samples with Tango's score interval.

    The interval holds the differences that the score test does not reject; at 0 that test is McNemar's.

    References
    ----------
    Tango (1998), Statistics in Medicine 17, equations 7 and 8; recommended by Fagerland, Lydersen, Laake (2014),
    Statistics in Medicine 33.

    Examples
    --------
    >>> d = paired_difference(12, 2, 44)
    >>> round(d.value, 4), round(d.low, 3), round(d.high, 3)
    (0.2273, 0.069, 0.386)
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    check_level(confidence, "confidence")
    critical = float(norm.isf(0.5 - confidence / 2.0))
    value = (only_a - only_b) / n_samples

    def score(difference: float) -> float:
        """The score statistic of H0: true difference = `difference`, with the nuisance q at its restricted MLE."""
        linear = -only_a - only_b + (2 * n_samples - only_a + only_b) * difference
        constant = -only_b * difference * (1.0 - difference)
        q = (np.sqrt(max(linear**2 - 8.0 * n_samples * constant, 0.0)) - linear) / (4.0 * n_samples)
        variance = n_samples * (2.0 * q + difference * (1.0 - difference))
        excess = only_a - only_b - n_samples * difference
        return float(excess / np.sqrt(variance) if variance > 0.0 else np.sign(excess) * IMPOSSIBLE_SCORE)

    least, most = -LARGEST_DIFFERENCE, LARGEST_DIFFERENCE
    low = brentq(lambda d: score(d) - critical, least, value) if score(least) > critical else -1.0
    high = brentq(lambda d: score(d) + critical, value, most) if score(most) < -critical else 1.0
    return Proportion(value, float(low), float(high), confidence)
