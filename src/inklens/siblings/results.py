"""What one sibling's run leaves: times, size, answers, and how it decided the chosen digits. All of it is JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from inklens.evaluation import Comparison, Proportion, proportion
from inklens.siblings.digits import Digit


@dataclass(frozen=True)
class Seconds:
    """By the clock, and by the processor, for the same work."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Mark:
    """A pixel that a model asked about."""

    row: int
    col: int
    text: str


@dataclass(frozen=True)
class Voter:
    """A training row that took part in a decision: its number, its label, and what it adds."""

    row: int
    label: str
    adds: float
    text: str


@dataclass(frozen=True)
class Decision:
    """How one model decided one digit.

    Parameters
    ----------
    said, against : str
        Its answer, and the class that the answer is compared with.
    scores : dict
        What each class had, in the model's own unit.
    unit : str
        Which that is.
    margin : float
        Score of the answer less that of the other class.
    sentences : tuple of str
        The decision in words.
    pixels : list of list of float, or None
        What each pixel adds to the margin, (rows, cols).
    offset : float
        What of the margin no pixel and no voter adds.
    additive : bool
        Whether pixels, or voters where there are no pixels, sum with the offset to the margin.
    marks : tuple of Mark
        Pixels that were asked.
    voters : tuple of Voter
        Training rows, the strongest first.
    others : float
        What voters that are not listed add.
    """

    said: str
    against: str
    scores: Mapping[str, float]
    unit: str
    margin: float
    sentences: tuple[str, ...]
    pixels: list[list[float]] | None = None
    offset: float = 0.0
    additive: bool = True
    marks: tuple[Mark, ...] = ()
    voters: tuple[Voter, ...] = ()
    others: float = 0.0

    @property
    def summed(self) -> float:
        """The margin as the sum of its parts."""
        parts = np.sum(self.pixels) if self.pixels is not None else sum(v.adds for v in self.voters) + self.others
        return float(parts + self.offset)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Decision":
        """Return a decision as it was written."""
        parts = dict(document)
        parts["marks"] = tuple(Mark(**mark) for mark in document["marks"])
        parts["voters"] = tuple(Voter(**voter) for voter in document["voters"])
        parts["sentences"] = tuple(document["sentences"])
        return cls(**parts)


@dataclass(frozen=True)
class Outcome:
    """What one model did.

    Parameters
    ----------
    key, title, code : str
        Its short name, its name for people, and the expression that builds it.
    fit, predict, predict_proba : Seconds or None
        Times; of the latter two for all test rows, the median of a few runs. None where it did not get so far, or does
        not give probabilities.
    size_bytes : int or None
        Of the fitted model, pickled.
    answers : list of str or None
        To every test row.
    rounds : tuple (done, of how many) or None
    stopped : str or None
        In words, why its fit ended early.
    failed : str or None
        In words, why there is no answer.
    notes : tuple of str
        What it warned of.
    digits : tuple of Digit
        The test rows that it was asked about.
    decisions : tuple of Decision
        How it decided them.
    importances : list of list of float or None
        How much each pixel mattered over all, (rows, cols); sums to 1.
    coef, intercept : lists or None
        Of a linear model on the scaled rows, (n_classes, n_features) and (n_classes,).
    objective : float or None
        Of a softmax regression under the penalty that all of them share here.
    lower_bound : float or None
        Proven: no weights have a smaller objective.
    measured : str
        When, as an ISO date.
    """

    key: str
    title: str
    code: str
    fit: Seconds | None = None
    predict: Seconds | None = None
    predict_proba: Seconds | None = None
    size_bytes: int | None = None
    answers: list[str] | None = None
    rounds: tuple[int, int] | None = None
    stopped: str | None = None
    failed: str | None = None
    notes: tuple[str, ...] = ()
    digits: tuple[Digit, ...] = ()
    decisions: tuple[Decision, ...] = ()
    importances: list[list[float]] | None = None
    coef: list[list[float]] | None = None
    intercept: list[float] | None = None
    objective: float | None = None
    lower_bound: float | None = None
    measured: str = ""
    cached: bool = field(default=False, compare=False)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Outcome":
        """Return an outcome as `to_json` wrote it."""
        parts = dict(document)
        for name in ("fit", "predict", "predict_proba"):
            parts[name] = None if parts[name] is None else Seconds(**parts[name])
        parts["rounds"] = None if parts["rounds"] is None else tuple(parts["rounds"])
        parts["notes"] = tuple(parts["notes"])
        parts["digits"] = tuple(Digit(**digit) for digit in parts["digits"])
        parts["decisions"] = tuple(map(Decision.from_json, parts["decisions"]))
        return cls(**parts)

    def to_json(self) -> dict[str, object]:
        """Return everything as plain numbers, texts and lists."""
        return asdict(self)


@dataclass(frozen=True)
class Standing:
    """A model judged on the test rows, alone and beside ours.

    Parameters
    ----------
    outcome : Outcome
    accuracy : Proportion
        With Wilson's interval.
    beside_ours : Comparison or None
        This model as A, ours as B; None for ours itself.
    p_adjusted : float or None
        McNemar's p-value after Holm's correction for as many tests as there are models beside ours.
    """

    outcome: Outcome
    accuracy: Proportion
    beside_ours: Comparison | None = None
    p_adjusted: float | None = None

    @property
    def verdict(self) -> str:
        """Return "better", "worse", or "not told apart" (by these rows), beside ours."""
        if self.beside_ours is None or self.p_adjusted is None or self.p_adjusted >= 0.05:
            return "" if self.beside_ours is None else "not told apart"
        return "better" if self.beside_ours.difference.value > 0 else "worse"


def standings(outcomes: Sequence[Outcome], y_true: np.ndarray, ours: str) -> list[Standing]:
    """Judge all that have answers, the most accurate first.

    Examples
    --------
    >>> y = np.array(list("0101"))
    >>> a, b = (Outcome(key, key, key, answers=list(said)) for key, said in (("a", "0101"), ("b", "0111")))
    >>> [(s.outcome.key, s.accuracy.value, s.verdict) for s in standings([b, a], y, "a")]
    [('a', 1.0, ''), ('b', 0.75, 'not told apart')]
    """
    answered = [outcome for outcome in outcomes if outcome.answers is not None]
    by_key = {outcome.key: np.asarray(outcome.answers) for outcome in answered}
    beside = {
        key: Comparison.from_predictions(y_true, said, by_key[ours])
        for key, said in by_key.items()
        if ours in by_key and key != ours
    }
    adjusted = dict(zip(beside, holm([c.p_value for c in beside.values()]), strict=True))
    found = [
        Standing(
            outcome,
            proportion(int((by_key[outcome.key] == y_true).sum()), len(y_true)),
            beside.get(outcome.key),
            adjusted.get(outcome.key),
        )
        for outcome in answered
    ]
    return sorted(found, key=lambda standing: -standing.accuracy.value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values after Holm's (1979) correction: p_(i) times the number of tests not yet passed, never falling.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    raised = np.asarray(p_values, dtype=float)[order] * (len(p_values) - np.arange(len(p_values)))
    result = np.empty(len(p_values))
    result[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return [float(p) for p in result]
