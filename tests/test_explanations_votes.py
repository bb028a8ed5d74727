"""Votes sum to the score, whatever the model; at the optimum nothing remains."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inklens import DigitReader, SoftmaxRegression
from inklens.errors import DataError, ParameterError
from inklens.explanations import Voters

CLASSES = ("a", "b", "c")


def random_rows(seed, n_samples=40, shape=(4, 5)):
    rng = np.random.default_rng(seed)
    X = (rng.integers(0, 256, (n_samples, shape[0] * shape[1])) * (rng.random((n_samples, 1)) < 0.9)).astype(np.uint8)
    y = np.array(CLASSES)[rng.integers(0, 3, n_samples)]
    y[:3] = CLASSES
    return X, y, rng.random(shape) * (rng.random(shape) < 0.7)


@given(st.integers(0, 2**32 - 1))
def test_votes_and_remainder_sum_to_the_score_of_any_model(seed):
    X, y, frame = random_rows(seed)
    rng = np.random.default_rng(seed)
    reader = DigitReader(rng.normal(size=(3, 20)), rng.normal(size=3), CLASSES, (4, 5))
    C, weights = 10.0 ** rng.uniform(-3, 1), rng.random(len(y))
    votes = Voters(reader, X, y, C=C, sample_weight=weights).votes(frame)
    z = reader.raw_prediction(frame[None])[0]
    assert np.allclose(votes.z, z, atol=1e-9)
    for a, b, truth in (("a", None, z[0]), ("b", "c", z[1] - z[2])):
        shares = votes.shares(a, b)
        assert shares["total"] == pytest.approx(truth, abs=1e-9)
        assert shares["for"] + shares["against"] == pytest.approx(votes.of(a, b).sum(), abs=1e-9)
        assert shares["for"] >= 0.0 >= shares["against"]


@pytest.mark.parametrize("C", [0.01, 0.3])
def test_at_the_optimum_nothing_remains(C):
    X, y, frame = random_rows(1)
    weights = np.random.default_rng(0).random(len(y)) + 0.5
    model = SoftmaxRegression(C=C, tol=1e-12).fit(X / 255, y, sample_weight=weights)
    reader = DigitReader(model.coef_, model.intercept_, CLASSES, (4, 5))
    votes = Voters(reader, X, y, C=C, sample_weight=weights).votes(frame)
    assert np.abs(votes.remainder).max() < 1e-4
    assert np.abs(votes.z - votes.intercept).max() > 1e-2


def test_one_row_more_weight_is_one_vote_more():
    X, y, frame = random_rows(2)
    reader = DigitReader(np.zeros((3, 20)), np.zeros(3), CLASSES, (4, 5))
    votes = Voters(reader, X, y, C=1.0).votes(frame)
    expected = (X / 255) @ frame.ravel() * ((y == "a") - 1 / 3)
    assert np.allclose(votes.of("a"), expected)


def test_the_strongest_are_the_strongest_and_on_their_side():
    X, y, frame = random_rows(3)
    rng = np.random.default_rng(3)
    reader = DigitReader(rng.normal(size=(3, 20)), np.zeros(3), CLASSES, (4, 5))
    votes = Voters(reader, X, y, C=1.0).votes(frame)
    pro, con = votes.strongest("a", most=5)
    every = votes.of("a")
    assert every[pro].tolist() == sorted(every, reverse=True)[:5]
    assert every[con].tolist() == sorted(every)[:5]
    pro, con = Voters(reader, X, y, C=1.0).votes(np.zeros((4, 5))).strongest("a")
    assert len(pro) == len(con) == 0


def test_wrong_rows_are_named():
    X, y, _ = random_rows(4)
    reader = DigitReader(np.zeros((3, 20)), np.zeros(3), CLASSES, (4, 5))
    with pytest.raises(DataError, match="uint8"):
        Voters(reader, X / 255, y, C=1.0)
    with pytest.raises(DataError, match="'z'"):
        Voters(reader, X, np.where(y == "a", "z", y), C=1.0)
    for C in (0.0, np.inf, np.nan):
        with pytest.raises(ParameterError, match="L2"):
            Voters(reader, X, y, C=C)
