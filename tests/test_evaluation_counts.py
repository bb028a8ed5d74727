"""Evaluation against scikit-learn and against its own definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from inklens.errors import DataError
from inklens.evaluation import Evaluation, confusion_matrix, most_confident_mistakes

CLASSES = ("0", "1", "T-shirt/top")
LABELS = st.lists(st.sampled_from(CLASSES), min_size=1, max_size=60)


@given(st.data())
def test_counts_agree_with_scikit_learn(data):
    y_true = np.array(data.draw(LABELS))
    y_pred = np.array(data.draw(st.lists(st.sampled_from(CLASSES), min_size=len(y_true), max_size=len(y_true))))
    scores = Evaluation.from_predictions(y_true, y_pred, CLASSES)
    assert np.array_equal(scores.confusion, metrics.confusion_matrix(y_true, y_pred, labels=list(CLASSES)))
    assert scores.accuracy == pytest.approx(metrics.accuracy_score(y_true, y_pred))
    per_class = metrics.multilabel_confusion_matrix(y_true, y_pred, labels=list(CLASSES))
    ours = np.array([[scores.true_negatives, scores.false_positives], [scores.false_negatives, scores.true_positives]])
    assert np.array_equal(per_class, ours.transpose(2, 0, 1))
    options = {"labels": list(CLASSES), "average": None, "zero_division": 0}
    assert np.allclose(scores.recall, metrics.recall_score(y_true, y_pred, **options))
    assert np.allclose(scores.precision, metrics.precision_score(y_true, y_pred, **options))


def test_words_name_the_extremes_and_nothing_that_did_not_happen():
    scores = Evaluation(np.array([[9, 1, 0], [0, 10, 0], [0, 5, 5]]), CLASSES)
    easy, hard, confused = scores.in_words()[1:]
    assert "1 (100% right)" in easy
    assert "T-shirt/top (50% right)" in hard
    assert "T-shirt/top taken for 1 (5 times)" in confused
    assert "0 taken for 1 (once)" in confused
    assert "taken for 0" not in confused


def test_no_mistakes_are_said_to_be_none():
    assert Evaluation(np.eye(2, dtype=int), ("a", "b")).in_words()[-1] == "No mistakes at all."


def test_a_class_without_samples_is_neither_easy_nor_hard():
    scores = Evaluation(np.array([[5, 0], [0, 0]]), ("seen", "unseen"))
    assert scores.hardest() == scores.easiest() == ["seen"]
    assert np.isfinite(scores.normalised).all()


def test_unknown_labels_are_refused_by_name():
    with pytest.raises(DataError, match="zebra"):
        confusion_matrix(np.array(["zebra"]), np.array(["0"]), CLASSES)


def test_lengths_must_agree():
    with pytest.raises(DataError, match="1 true labels but 2"):
        confusion_matrix(np.array(["0"]), np.array(["0", "1"]), CLASSES)


@given(st.integers(0, 2**32 - 1))
def test_mistakes_come_most_confident_first(seed):
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(3), size=40)
    y_true, y_pred = rng.integers(0, 3, 40), proba.argmax(axis=1)
    order = most_confident_mistakes(y_true, y_pred, proba)
    assert set(order) == set(np.flatnonzero(y_true != y_pred))
    assert np.all(np.diff(proba[order].max(axis=1)) <= 0)
