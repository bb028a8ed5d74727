"""Is a model calibrated? Of the answers given with probability 90%, nine in ten should be right.

Shapes: proba (n_samples, n_classes), codes (n_samples,) column of each row's true class.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from inklens.errors import DataError, ParameterError
from inklens.evaluation.intervals import Proportion, proportion
from inklens.reprs import Shown

N_BINS = 10
N_SIMULATIONS = 1000  # of a perfectly calibrated model; the p-value is resolved to 0.001
SIMULATION_BLOCK = 100  # simulations held in memory at a time
SMALLEST_TEMPERATURE, LARGEST_TEMPERATURE = 0.01, 100.0  # beyond, softmax is one-hot or uniform
TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class Bin:
    """The answers whose stated probability falls in one interval, and how many of them are right."""

    low: float
    high: float
    n_samples: int
    mean_confidence: float
    right: Proportion

    def to_json(self) -> dict[str, object]:
        """Return plain numbers."""
        return {
            "low": self.low,
            "high": self.high,
            "n_samples": self.n_samples,
            "mean_confidence": self.mean_confidence,
            "right": self.right.to_json(),
        }


@dataclass(frozen=True, eq=False, repr=False)
class Calibration(Shown):
    """The stated probabilities of the answers against the proportion that is right.

    Parameters
    ----------
    proba : array (n_samples, n_classes)
        Probabilities of rows that the model was not fitted on.
    codes : int array (n_samples,)
        Column of the true class.
    n_bins : int
        Bins of equal width from 0 to 1.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017), ICML, for the expected calibration error; Bröcker and Smith (2007), Weather and
    Forecasting 22, for comparing it with its distribution under perfect calibration.

    Examples
    --------
    >>> proba = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    >>> seen = Calibration(proba, np.array([0, 1, 1, 1]))
    >>> round(seen.mean_confidence, 3), seen.accuracy.value, round(seen.expected_error, 3)
    (0.8, 0.75, 0.35)
    """

    proba: np.ndarray
    codes: np.ndarray
    n_bins: int = N_BINS

    def __post_init__(self) -> None:
        check_rows(self.proba, self.codes)

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.codes)

    @cached_property
    def confidence(self) -> npt.NDArray[np.float64]:
        """Probability of each answer, (n_samples,)."""
        return np.asarray(self.proba.max(axis=1), dtype=np.float64)

    @cached_property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each answer is right, (n_samples,)."""
        return np.asarray(self.proba.argmax(axis=1) == self.codes)

    @property
    def accuracy(self) -> Proportion:
        """Proportion of right answers."""
        return proportion(int(self.right.sum()), self.n_samples)

    @property
    def mean_confidence(self) -> float:
        """Proportion of right answers that the model expects."""
        return float(self.confidence.mean())

    @cached_property
    def bins(self) -> list[Bin]:
        """The bins that hold an answer."""
        edges = np.linspace(0.0, 1.0, self.n_bins + 1)
        found = []
        for b in np.unique(self._bin):
            inside = self._bin == b
            right = proportion(int(self.right[inside].sum()), int(inside.sum()))
            mean = float(self.confidence[inside].mean())
            found.append(Bin(float(edges[b]), float(edges[b + 1]), int(inside.sum()), mean, right))
        return found

    @cached_property
    def expected_error(self) -> float:
        """Expected calibration error: the mean over answers of how far right and confidence differ in their bin."""
        return float(self._errors(self.right[None])[0])

    @cached_property
    def chance_error(self) -> float:
        """Mean of that error over simulations of a perfectly calibrated model: what sampling noise alone gives."""
        return float(self._simulated.mean())

    @cached_property
    def p_value(self) -> float:
        """Monte Carlo p-value of perfect calibration: simulations with at least the error seen, which counts as one."""
        return float((1 + np.sum(self._simulated >= self.expected_error)) / (1 + N_SIMULATIONS))

    @property
    def log_loss(self) -> float:
        """Mean of -log P(true class)."""
        return float(-np.log(np.maximum(self.proba[np.arange(self.n_samples), self.codes], TINY)).mean())

    @property
    def brier_score(self) -> float:
        """Mean of sum_k (p_k - [k is true])^2, from 0 to 2; Brier (1950)."""
        own = self.proba[np.arange(self.n_samples), self.codes]
        return float(((self.proba**2).sum(axis=1) - 2.0 * own + 1.0).mean())

    def in_words(self) -> list[str]:
        """Say whether the model is too sure, and by how much."""
        stated, real = self.mean_confidence, self.accuracy
        excess = stated - real.value
        if real.low <= stated <= real.high:
            verdict = "as sure as it should be, on average"
        else:
            verdict = f"{'too sure' if excess > 0 else 'too cautious'} by {abs(excess) * 100:.1f} points"
        sentences = [
            f"It expects {stated:.1%} of its answers to be right, and {real.value:.1%} are: {verdict}.",
            f"Expected calibration error {self.expected_error:.4f}; on so many rows, true probabilities would show "
            f"{self.chance_error:.4f} by chance.",
        ]
        surest = self.bins[-1]
        sentences.append(
            f"Of the {surest.n_samples:,} answers given with {surest.low:.0%} or more, {surest.right.value:.1%} are "
            f"right (95% interval {surest.right.low:.1%} to {surest.right.high:.1%})."
        )
        return sentences

    def to_json(self) -> dict[str, object]:
        """Return everything as plain numbers."""
        return {
            "n_samples": self.n_samples,
            "accuracy": self.accuracy.to_json(),
            "mean_confidence": self.mean_confidence,
            "expected_calibration_error": self.expected_error,
            "expected_calibration_error_by_chance": self.chance_error,
            "p_value": self.p_value,
            "log_loss": self.log_loss,
            "brier_score": self.brier_score,
            "bins": [b.to_json() for b in self.bins],
        }

    @cached_property
    def _bin(self) -> npt.NDArray[np.int64]:
        return np.minimum((self.confidence * self.n_bins).astype(np.int64), self.n_bins - 1)

    @cached_property
    def _simulated(self) -> np.ndarray:
        """Errors of draws in which each answer is right with its stated probability."""
        rng, blocks = np.random.default_rng(0), []
        for start in range(0, N_SIMULATIONS, SIMULATION_BLOCK):
            draws = min(SIMULATION_BLOCK, N_SIMULATIONS - start)
            blocks.append(self._errors(rng.random((draws, self.n_samples)) < self.confidence))
        return np.concatenate(blocks)

    def _errors(self, right: np.ndarray) -> np.ndarray:
        """Return the error of each row of outcomes, (n_draws, n_samples) in, (n_draws,) out."""
        total = np.zeros(len(right))
        for b in np.unique(self._bin):
            inside = self._bin == b
            total += np.abs((right[:, inside] - self.confidence[inside]).sum(axis=1))
        return total / self.n_samples


@dataclass(frozen=True)
class Temperature:
    """Temperature scaling: all scores are divided by one T, so that probabilities are neither over- nor underconfident.

    No answer changes, only how sure it is: T > 1 tones down, T < 1 sharpens.

    Parameters
    ----------
    value : float
        T.
    n_samples : int
        Held-out rows that it was fitted on.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017), ICML, section 4.2.

    Examples
    --------
    >>> z = np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    >>> cooler = Temperature.fit(z, np.array([0, 0, 1, 1]))  # three of four right, so each should say 75 %
    >>> round(cooler.value, 3), cooler.proba(z).max(axis=1).round(3).tolist()
    (3.641, [0.75, 0.75, 0.75, 0.75])
    """

    value: float
    n_samples: int = field(default=0, compare=False)

    @classmethod
    def fit(cls, z: np.ndarray, codes: np.ndarray) -> "Temperature":
        """Minimise the mean of -log P(true class) over T, exactly: the loss is convex in 1 / T.

        Where every answer is right the best T is 0, and where the scores mislead it is infinite; T then ends at 0.01 or
        100.

        Parameters
        ----------
        z : array (n_samples, n_classes)
            Scores of rows that the model was not fitted on.
        codes : int array (n_samples,)
            Column of the true class.
        """
        from scipy.optimize import brentq

        from inklens.linear.softmax import softmax

        z = np.asarray(z, dtype=np.float64)
        check_rows(z, codes)
        own = z[np.arange(len(z)), codes].mean()

        @np.errstate(under="ignore")
        def slope(inverse_temperature: float) -> float:
            """Derivative of the mean loss by 1 / T: mean over rows of E_p[z] - z_true."""
            return float((softmax(inverse_temperature * z) * z).sum(axis=1).mean() - own)

        low, high = 1.0 / LARGEST_TEMPERATURE, 1.0 / SMALLEST_TEMPERATURE
        if slope(low) >= 0.0:
            return cls(LARGEST_TEMPERATURE, len(z))
        if slope(high) <= 0.0:
            return cls(SMALLEST_TEMPERATURE, len(z))
        return cls(1.0 / float(brentq(slope, low, high, xtol=1e-12, rtol=1e-12)), len(z))

    def proba(self, z: np.ndarray) -> np.ndarray:
        """Return softmax(z / T), (n_samples, n_classes)."""
        from inklens.linear.softmax import softmax

        return np.asarray(softmax(np.asarray(z, dtype=np.float64) / self.value))


def check_rows(values: np.ndarray, codes: np.ndarray) -> None:
    """Raise where there are no rows, or where the codes do not fit them."""
    if values.ndim != 2 or len(values) != len(codes) or not len(codes):
        raise DataError(f"expected one row of numbers per label and at least one, got {values.shape} and {len(codes)}")
    if not 0 <= int(np.min(codes)) <= int(np.max(codes)) < values.shape[1]:
        raise ParameterError(f"true classes are columns 0..{values.shape[1] - 1}, got {np.min(codes)}..{np.max(codes)}")
