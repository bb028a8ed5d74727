"""How good is a model: accuracy, per-class counts, confusion, and the same in words.

Shapes: y_true, y_pred (n_samples,) labels; confusion (n_classes, n_classes), row = true class, column = prediction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from inklens.classes import encode_names, labels_of
from inklens.errors import DataError
from inklens.evaluation.intervals import CONFIDENCE, Proportion, proportion
from inklens.reprs import Card, Shown, listed


class Classifier(Protocol):
    """What answers with a label for each row."""

    @property
    def classes_(self) -> np.ndarray:
        """(n_classes,)."""

    def predict(self, X: np.ndarray, /) -> np.ndarray:
        """Return one label per row."""


def confusion_matrix(y_true: np.ndarray, y_pred: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Count samples of each true class (row) by predicted class (column), int64 (n_classes, n_classes).

    Raises
    ------
    DataError
        A label is not among `classes`, or the lengths differ.

    Examples
    --------
    >>> confusion_matrix(np.array(["a", "b", "b"]), np.array(["a", "a", "b"]), ["a", "b"])
    array([[1, 0],
           [1, 1]])
    """
    if hasattr(y_true, "__len__") and len(y_true) != len(y_pred):
        raise DataError(f"{len(y_true)} true labels but {len(y_pred)} predictions; give one prediction per sample")
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    names = [str(label) for label in classes]
    given = labels_of(y_true, len(y_pred)), labels_of(y_pred, len(y_pred))
    np.add.at(counts, tuple(encode_names(labels.ravel(), names) for labels in given), 1)
    return counts


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Shown):
    """All that follows from a confusion matrix.

    Parameters
    ----------
    confusion : int array (n_classes, n_classes)
        Row = true class, column = prediction.
    classes : sequence of str
        Names of rows and columns.

    Examples
    --------
    >>> scores = Evaluation(np.array([[8, 2], [0, 10]]), ["cat", "dog"])
    >>> scores.accuracy, scores.false_negatives.tolist(), scores.recall.tolist()
    (0.9, [2, 0], [0.8, 1.0])
    """

    confusion: npt.NDArray[np.int64]
    classes: Sequence[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(str(label) for label in self.classes))

    @classmethod
    def from_estimator(cls, estimator: Classifier, X: np.ndarray, y: np.ndarray) -> "Evaluation":
        """Let a fitted classifier, or a reader, predict X, and count its answers against y."""
        return cls.from_predictions(y, estimator.predict(X), [str(label) for label in estimator.classes_])

    @classmethod
    def from_predictions(cls, y_true: np.ndarray, y_pred: np.ndarray, classes: Sequence[str]) -> "Evaluation":
        """Count true against predicted labels."""
        return cls(confusion_matrix(y_true, y_pred, classes), classes)

    @property
    def n_samples(self) -> int:
        """Number of samples judged."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Proportion of right answers; NaN without samples."""
        return float(np.trace(self.confusion) / self.n_samples) if self.n_samples else float("nan")

    def accuracy_interval(self, confidence: float = CONFIDENCE) -> Proportion:
        """Return the accuracy with its Wilson interval."""
        return proportion(int(np.trace(self.confusion)), self.n_samples, confidence=confidence)

    @cached_property
    def true_positives(self) -> npt.NDArray[np.int64]:
        """Samples of class k predicted as k, (n_classes,)."""
        return np.diag(self.confusion)

    @cached_property
    def false_positives(self) -> npt.NDArray[np.int64]:
        """Samples of other classes predicted as k, (n_classes,)."""
        return np.asarray(self.confusion.sum(axis=0) - self.true_positives)

    @cached_property
    def false_negatives(self) -> npt.NDArray[np.int64]:
        """Samples of class k predicted as another, (n_classes,)."""
        return np.asarray(self.confusion.sum(axis=1) - self.true_positives)

    @cached_property
    def true_negatives(self) -> npt.NDArray[np.int64]:
        """Samples of other classes predicted as any class but k, (n_classes,)."""
        return self.n_samples - self.true_positives - self.false_positives - self.false_negatives

    @cached_property
    def normalised(self) -> npt.NDArray[np.float64]:
        """Confusion with rows that sum to 1 (0 for a class without samples), (n_classes, n_classes)."""
        return _ratio(self.confusion, self.confusion.sum(axis=1, keepdims=True))

    @cached_property
    def recall(self) -> npt.NDArray[np.float64]:
        """TP / (TP + FN): accuracy within each true class, (n_classes,)."""
        return _ratio(self.true_positives, self.confusion.sum(axis=1))

    @cached_property
    def precision(self) -> npt.NDArray[np.float64]:
        """TP / (TP + FP): proportion of right answers among the answers k, (n_classes,)."""
        return _ratio(self.true_positives, self.confusion.sum(axis=0))

    def easiest(self, count: int = 3) -> list[str]:
        """Return the classes with the highest recall, best first."""
        return self._by_recall()[:count]

    def hardest(self, count: int = 3) -> list[str]:
        """Return the classes with the lowest recall, worst first."""
        return self._by_recall()[::-1][:count]

    def frequent_confusions(self, count: int = 5) -> list[tuple[str, str, int]]:
        """Return (true class, predicted class, how often), most frequent first."""
        wrong = self.confusion - np.diag(self.true_positives)
        order = np.argsort(-wrong, axis=None, kind="stable")[:count]
        pairs = [np.unravel_index(i, wrong.shape) for i in order]
        return [(self.classes[t], self.classes[p], int(wrong[t, p])) for t, p in pairs if wrong[t, p] > 0]

    def in_words(self) -> list[str]:
        """Say which classes are easy, which hard, and what is taken for what."""
        recall = dict(zip(self.classes, self.recall, strict=True))
        right = int(self.true_positives.sum())
        total = f"{right:,} of {self.n_samples:,} right: accuracy {self.accuracy:.4f}{self._interval()}."

        def named(classes: list[str]) -> str:
            return join(f"{c} ({recall[c]:.0%} right)" for c in classes)

        if len(self.classes) < 3:  # no superlatives of one
            sentences = [total, f"Class by class: {named(self._by_recall())}."]
        else:
            count = min(3, len(self.classes) // 2)
            sentences = [total, f"Easiest: {named(self.easiest(count))}.", f"Hardest: {named(self.hardest(count))}."]
        confusions = [
            f"{t} taken for {p} ({n} times)" if n > 1 else f"{t} taken for {p} (once)"
            for t, p, n in self.frequent_confusions()
        ]
        lead = "Most frequent confusions" if len(self.classes) > 2 else "Confusions"
        return [*sentences, f"{lead}: {join(confusions)}." if confusions else "No mistakes at all."]

    def to_json(self) -> dict[str, object]:
        """Return everything as plain numbers and strings."""
        counts = {
            "tp": self.true_positives,
            "tn": self.true_negatives,
            "fp": self.false_positives,
            "fn": self.false_negatives,
            "recall": self.recall,
            "precision": self.precision,
        }
        return {
            "n_samples": self.n_samples,
            "accuracy": self.accuracy,
            "accuracy_interval": self.accuracy_interval().to_json(),
            "classes": list(self.classes),
            "per_class": {
                c: {name: values[k].item() for name, values in counts.items()} for k, c in enumerate(self.classes)
            },
            "confusion": self.confusion.tolist(),
            "confusion_normalised": self.normalised.round(4).tolist(),
            "in_words": self.in_words(),
        }

    def _card(self) -> Card:
        right, found = int(self.true_positives.sum()), self.accuracy_interval()
        confusions = [f"{true} taken for {answer} ({count})" for true, answer, count in self.frequent_confusions()]
        facts: dict[str, object] = {
            "accuracy": f"{self.accuracy:.4f}, {right:,} of {self.n_samples:,} right",
            "interval": f"{found.low:.4f} to {found.high:.4f} (95%)",
            "right of each": listed([f"{c} {r:.0%}" for c, r in zip(self.classes, self.recall, strict=True)]),
            "confusions": listed(confusions) or "none",
        }
        return Card(f"Evaluation: {self.n_samples:,} images, {len(self.classes)} classes", facts)

    def _interval(self) -> str:
        found = self.accuracy_interval()
        return f" (95% interval {found.low:.4f} to {found.high:.4f})" if self.n_samples else ""

    def _by_recall(self) -> list[str]:
        present = np.flatnonzero(self.confusion.sum(axis=1))
        return [self.classes[k] for k in present[np.argsort(-self.recall[present], kind="stable")]]


def most_confident_mistakes(y_true: np.ndarray, y_pred: np.ndarray, proba: np.ndarray) -> np.ndarray:
    """Return the rows that are wrong, the most confident mistake first.

    >>> proba = np.array([[0.4, 0.6], [0.1, 0.9], [0.0, 1.0]])
    >>> most_confident_mistakes(np.array(["a", "a", "b"]), np.array(["b", "b", "b"]), proba)
    array([1, 0])
    """
    wrong = np.flatnonzero(np.asarray(y_true) != np.asarray(y_pred))
    return wrong[np.argsort(-proba[wrong].max(axis=1), kind="stable")]


def _ratio(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)


def join(parts: Iterable[str], word: str = "and") -> str:
    """Join words as in a sentence.

    >>> join(["4", "7", "9"], "or")
    '4, 7 or 9'
    """
    *first, last = parts
    return f"{', '.join(first)} {word} {last}" if first else last
