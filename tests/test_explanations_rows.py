"""What rows say of coefficients and of labels, against enumeration and against the numbers that scripts read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inklens import DigitReader, SoftmaxRegression
from inklens.explanations import LabelErrors, identifiability, out_of_fold
from inklens.linear.rows.rows import Rows

SEEDS = st.integers(0, 2**32 - 1)


def loss_at_infinity(X, y, k, j, sign):
    """The log-likelihood's limit as one coefficient goes to +-infinity, against its value at 0: better or not?"""
    ink = X[:, j] - X[:, j].min()  # the intercept takes up the least value
    towards = sign * ink * (np.where(y == k, 1.0, -1.0))  # above 0: the score moves the way that this row wants
    return bool((towards >= 0.0).all() and (towards > 0.0).any())


@given(SEEDS)
def test_json_and_words_say_which_way_a_coefficient_goes(seed):
    """1 stands for down, 2 for up, whatever the constants are called: figures and scripts read the numbers."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 3, (10, 6)) * (rng.random((10, 6)) < 0.4)
    y = np.array(list("abc"))[np.arange(10) % 3]
    found = identifiability(X, y)
    document = found.to_json()
    down = {(k, j) for k in "abc" for j in range(6) if loss_at_infinity(X, y, k, j, -1.0)}
    up = {(k, j) for k in "abc" for j in range(6) if loss_at_infinity(X, y, k, j, 1.0)}
    numbers = {(k, j): state for k, states in document["states"].items() for j, state in enumerate(states)}
    assert {at for at, state in numbers.items() if state == 1} == down
    assert {at for at, state in numbers.items() if state == 2} == up
    assert {at[1] for at, state in numbers.items() if state == 0} == set(np.flatnonzero(np.ptp(X, axis=0) == 0))
    assert (document["sink_for_ever"], document["rise_for_ever"]) == (len(down), len(up))
    said = " ".join(found.in_words())
    if down or up:
        assert f"{len(down)} could fall without end" in said
        assert f"{len(up)} could rise without end" in said


def test_down_and_up_are_where_a_fit_without_a_penalty_goes():
    """Ink of "a" alone in pixel 0, of all but "a" in pixel 1: the fit runs up for the first and down for the second."""
    rng = np.random.default_rng(0)
    X = np.column_stack([np.zeros(60), np.zeros(60), rng.random(60)])
    y = np.array(list("abc"))[np.arange(60) % 3]
    X[y == "a", 0] = rng.random(20)
    X[y != "a", 1] = rng.random(40)
    found = identifiability(X, y).to_json()["states"]["a"]
    assert found == [2, 1, 3]
    coefs = [SoftmaxRegression(C=C, tol=1e-6).fit(X, y).coef_[0] for C in (10.0, 1e4)]
    assert coefs[1][0] > coefs[0][0] > 0.0 > coefs[0][1] > coefs[1][1]


@given(SEEDS)
def test_the_rank_is_that_of_the_centred_rows_at_any_scale(seed):
    """Copies of orthogonal columns, and one copy with a thousandth of a further direction."""
    rng = np.random.default_rng(seed)
    rank, n_pixels = int(rng.integers(1, 5)), 7
    columns = rng.normal(size=(30, rank + 1))
    directions = np.linalg.qr(columns - columns.mean(axis=0))[0]
    X = directions[:, np.append(np.arange(rank), rng.integers(0, rank, n_pixels - rank))]
    X[:, -1] += 1e-3 * directions[:, rank]
    X = X * 10.0 ** rng.uniform(-3, 3, n_pixels) + rng.normal(size=n_pixels)
    assert identifiability(X, np.arange(30) % 2).rank == rank + 1


def test_each_row_is_judged_and_explained_by_the_model_that_did_not_see_it():
    """A pixel that only one row has: a model that saw the row gives it weight, one that did not gives it none."""
    rng = np.random.default_rng(1)
    y = np.array(list("ab"))[np.arange(12) % 2]
    X = np.hstack([np.eye(12), rng.random((12, 4))])
    reader = DigitReader(np.zeros((2, 16)), np.zeros(2), ("a", "b"), (4, 4))
    judged = out_of_fold(reader, Rows.of(X), y, estimator=SoftmaxRegression(C=1.0, tol=1e-8), folds=3)
    assert sorted(np.unique(judged.fold)) == [0, 1, 2]
    for row in range(12):
        why = judged.explain(row, X[row].reshape(4, 4))
        assert np.abs(why.between("a", "b").ravel()[row]) < 1e-6
        assert np.abs(why.probabilities - judged.proba[row]).max() < 1e-9
        other = judged.models[(judged.fold[row] + 1) % 3]
        assert abs(other.coef[0, row]) > 1e-3
    assert not reader.coef.any()  # the model itself is left as it was


def test_the_model_of_a_fold_is_the_fit_of_the_other_rows_with_their_weights():
    rng = np.random.default_rng(2)
    X, y, weights = rng.random((60, 4)), rng.choice(list("ab"), 60), rng.integers(0, 4, 60).astype(float)
    reader = DigitReader(np.zeros((2, 4)), np.zeros(2), ("a", "b"), (2, 2))
    estimator = SoftmaxRegression(C=1.0, tol=1e-10)
    judged = out_of_fold(reader, X, y, estimator=estimator, sample_weight=weights, folds=3)
    for number, model in enumerate(judged.models):
        seen = judged.fold != number
        again = np.repeat(np.flatnonzero(seen), weights[seen].astype(int))
        expected = SoftmaxRegression(C=1.0, tol=1e-10).fit(X[again], y[again]).predict_proba(X[~seen])
        assert np.abs(model.predict_proba(X[~seen]) - expected).max() < 1e-4
        assert np.abs(judged.proba[~seen] - expected).max() < 1e-4


def test_a_row_at_its_threshold_is_confident_and_errors_are_scaled_to_all_rows():
    """By hand, after eq. 1 to 3 of Northcutt, Jiang and Chuang."""
    proba = np.array(
        [[0.5, 0.5], [0.5, 0.5], [0.25, 0.75], [0.75, 0.25], [0.25, 0.75], [0.25, 0.75], [0.0, 1.0], [0.5, 0.5]]
    )
    found = LabelErrors(("a", "b"), np.array([0, 0, 0, 0, 1, 1, 1, 1]), proba)
    assert found.thresholds.tolist() == [0.5, 0.75]
    assert found.confident.tolist() == [0, 0, 1, 0, 1, 1, 1, 0]  # those at their threshold too
    assert found.joint.tolist() == [[3, 1], [1, 3]]
    assert found.n_estimated == 2
    assert found.suspects.tolist() == [2]  # the rows at even odds are no suspects
    unsure = LabelErrors(("a", "b"), np.zeros(4, dtype=int), np.array([[0.6, 0.4]] * 3 + [[0.0, 1.0]]))
    assert unsure.confident.tolist() == [0, 0, 0, 1]
    assert (unsure.n_estimated, unsure.suspects.tolist()) == (1, [3])


@given(SEEDS)
def test_a_class_of_few_confident_rows_is_scaled_up(seed):
    """Rows below every threshold take the error rate of the confident rows of their class."""
    rng = np.random.default_rng(seed)
    n_wrong, n_right, n_between = (int(n) for n in rng.integers(1, 8, 3))
    # class 0: right rows at 0.9, wrong ones at 0.0 (0.9 for class 1), rows between that reach no threshold
    proba = np.concatenate(
        [
            np.tile([0.9, 0.05, 0.05], (n_right + 8, 1)),
            np.tile([0.0, 0.95, 0.05], (n_wrong, 1)),
            np.tile([0.01, 0.3, 0.69], (n_between, 1)),
            np.tile([0.1, 0.8, 0.1], (9, 1)),
            np.tile([0.1, 0.1, 0.8], (9, 1)),
        ]
    )
    codes = np.repeat([0, 1, 2], [n_right + 8 + n_wrong + n_between, 9, 9])
    found = LabelErrors(("a", "b", "c"), codes, proba)
    assert (found.confident[: n_right + 8] == 0).all()
    rate = n_wrong / (n_wrong + n_right + 8)
    assert abs(found.n_estimated - rate * (n_right + 8 + n_wrong + n_between)) <= 0.5 + 1e-9


def test_a_probability_of_one_suggests_another_class():
    found = LabelErrors(("a", "b"), np.array([0, 1]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert found.suggested.tolist() == [1, 0]
    assert (found.log_odds < -700).all()
    assert len(found.suspects) == found.n_estimated == 0


def test_labels_of_no_class_are_refused_by_name():
    from inklens.errors import DataError

    reader = DigitReader(np.zeros((2, 4)), np.zeros(2), ("a", "b"), (2, 2))
    with pytest.raises(DataError, match="'B'"):
        out_of_fold(reader, Rows.of(np.eye(4)), np.array(list("aaBB")), estimator=SoftmaxRegression())


@pytest.mark.parametrize(
    "penalty", [{}, {"l1_ratio": 1.0}, {"l1_ratio": 0.5}, {"l1_ratio": 1.0, "group": True}], ids=str
)
def test_a_warm_start_leaves_nothing_of_rows_that_are_gone(penalty):
    """A column that is constant in the new rows has no gradient; its old weight must go, and the promise be kept."""
    rng = np.random.default_rng(2)
    X, y = np.hstack([np.eye(12), rng.random((12, 4))]), np.arange(12) % 2
    warm = SoftmaxRegression(C=3.0, tol=1e-6, warm_start=True, **penalty).fit(X, y)
    warm.fit(X[3:], y[3:])
    cold = SoftmaxRegression(C=3.0, tol=1e-6, **penalty).fit(X[3:], y[3:])
    assert warm.dual_gap_ <= 1e-6
    assert not warm.coef_[:, :3].any()
    assert warm.objective_ == pytest.approx(cold.objective_, rel=1e-5)
