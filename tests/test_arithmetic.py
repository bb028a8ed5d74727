"""What a program asks NumPy to do about numbers that vanish (`np.seterr`) is nobody's concern: they are 0."""

import warnings

import numpy as np
import pytest

from inklens import DigitReader, SoftmaxRegression, SoftmaxRegressionCV, load_dataset, softmax_path
from inklens.evaluation.calibration import Temperature
from inklens.linear.problem.penalties import ElasticNet
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.certificates import lower_bound
from inklens.linear.proofs.dual import DualPoint
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import log_softmax, loss_of_scores, softmax
from inklens.tasks.verification import _objective


@pytest.fixture(scope="module")
def digits():
    dataset = load_dataset()
    return dataset.X[:150].astype(np.float64), dataset.y[:150]


@pytest.fixture(autouse=True)
def numbers_that_vanish_are_errors():
    with np.errstate(all="raise"):
        yield


@pytest.mark.parametrize("parameters", [{"C": 1e6}, {"C": 1.0, "l1_ratio": 1.0}, {"standardize": True}, {"C": 1e-8}])
def test_fits_and_their_probabilities(digits, parameters):
    X, y = digits
    model = SoftmaxRegression(**parameters).fit(X, y)
    far = 1e3 * X  # scores in the thousands
    np.testing.assert_allclose(model.predict_proba(far).sum(axis=1), 1.0)
    assert model.predict_log_proba(far).min() <= -1e-6
    assert model.score(X, y) >= 0.0


@pytest.mark.parametrize("k", [-300, -170, -40])
def test_fits_of_tiny_columns(digits, k):
    X, y = digits
    columns = X[:, [300, 350, 400, 450]] / 255.0
    columns[:, 0] *= 10.0**k
    for parameters in ({}, {"C": np.inf}, {"l1_ratio": 1.0}, {"standardize": True}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # separable, or too small to be used
            SoftmaxRegression(**parameters).fit(columns, y)


def test_scores_that_are_far_apart():
    z = np.array([[0.0, -740.0], [0.0, -1e4], [-720.0, 0.0]])
    for scores in (z, z.astype(np.float32)):
        np.testing.assert_allclose(softmax(scores), [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], atol=1e-30)
        np.testing.assert_allclose(log_softmax(scores), z)
        assert loss_of_scores(scores, np.array([0, 0, 1]), np.ones(3)) == 0.0


def test_what_is_computed_of_such_scores():
    z = np.random.default_rng(0).normal(scale=8.0, size=(200, 5))
    Temperature.fit(z, z.argmax(axis=1) * (np.arange(200) % 3 > 0))
    dual = DualPoint(np.array([[0.0], [-740.0]]), np.zeros(2))
    assert np.isfinite(lower_bound(np.ones((3, 1)), np.zeros(3, int), np.ones(3), ElasticNet(0.0, 1.0), dual))
    problem = Problem(Rows.of(np.ones((3, 1))), np.zeros(3, int), np.ones(3), 2, ElasticNet(0.0, 1.0))
    assert np.isfinite(_objective(problem, np.ones((3, 1)), dual.coef, dual.intercept)[0])


def test_paths_and_searches(digits):
    X, y = digits
    softmax_path(X / 255.0, y, Cs=3, C=100.0)
    assert np.isfinite(SoftmaxRegressionCV(Cs=[1.0, 1e5], cv=2).fit(X, y).score(X, y))


@pytest.mark.parametrize("number", [0, 2])
def test_reading_and_explaining(number):
    reader, digits = DigitReader.shipped(), load_dataset()
    picture = 255 - digits.images(number)
    (read,) = reader.read(picture)
    assert read.label in reader.classes
    reader.explain(read.frame)
