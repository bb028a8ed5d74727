"""Parameters and weights at the borders of float64: one clear answer, and no stray warning (they are errors here)."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from inklens import SoftmaxRegression, SoftmaxRegressionCV, softmax_path
from inklens.errors import DataError, ScaleWarning

PENALTIES = [{}, {"l1_ratio": 1.0}, {"l1_ratio": 0.5}, {"l1_ratio": 1.0, "group": True}]
X, y = load_iris(return_X_y=True)


def fitted(X, y, sample_weight=None, **parameters):
    """A fit that may stop early but says so, with numbers that a proof can stand on; other warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = SoftmaxRegression(**parameters).fit(X, y, sample_weight=sample_weight)
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.intercept_).all()
    assert np.isfinite(model.objective_)
    if not model.separated_:
        assert 0.0 <= model.lower_bound_ <= model.objective_
        is_proven = model.dual_gap_ <= model.tol and model.mle_exists_ is not False
        assert is_proven == (model.status_ == "certified")
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, atol=1e-12)
    return model


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("C", [1e-22, 1e-12, 1e6, 6e12])
def test_any_strength_that_float64_can_hold(C, penalty):
    model = fitted(X, y, C=C, tol=1e-3, max_iter=500, **penalty)
    assert model.status_ == "certified" or C > 1e6


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize(
    ("C", "remedy"), [(5e-324, "larger C"), (1e-30, "larger C"), (1e30, "C=inf"), (1e300, "C=inf"), (1.7e308, "C=inf")]
)
def test_strengths_beyond_are_refused_with_the_remedy(C, remedy, penalty):
    with pytest.raises(DataError, match=remedy) as refusal:
        SoftmaxRegression(C=C, **penalty).fit(X, y)
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ("C", "tol", "l1_ratio", "time_budget") for value in (np.nan, -1.0, -1e-300, "1", [1.0])]
    + [("C", 0.0), ("C", -np.inf), ("tol", np.inf), ("l1_ratio", 1.0 + 1e-15), ("time_budget", 0.0), ("max_iter", -1)],
)
def test_parameters_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        SoftmaxRegression(**{name: value}).fit(X, y)


@pytest.mark.parametrize("penalty", [*PENALTIES, {"C": np.inf}], ids=str)
@pytest.mark.parametrize("tol", [0.0, 1e-16, 1e-12, 1.0, 1e300])
def test_any_tolerance_ends_and_says_the_truth(tol, penalty):
    model = fitted(X, y, tol=tol, **penalty)
    assert model.n_iter_ < 1000
    assert model.dual_gap_ <= max(tol, 1e-7)
    if tol == 0.0:
        with pytest.warns(ConvergenceWarning, match="in float64|separable in part"):
            SoftmaxRegression(tol=tol, **penalty).fit(X, y)


SHARES = [5e-324, 1e-310, 1e-300, 1e-51, 1e-49, 1e-16, 1e-8, 1.0 - 1e-16]


@pytest.mark.parametrize("l1_ratio", SHARES)
@pytest.mark.parametrize("settings", [{}, {"group": True}, {"standardize": True}, {"C": 1e3}, {"C": np.inf}], ids=str)
def test_the_ends_of_l1_ratio_are_continuous(l1_ratio, settings):
    ends = (l1_ratio, float(round(l1_ratio)))
    model, end = (fitted(X, y, l1_ratio=ratio, tol=1e-6, **settings) for ratio in ends)
    assert model.objective_ == pytest.approx(end.objective_, rel=1e-5)


@pytest.mark.parametrize("penalty", [{}, {"l1_ratio": 1.0}, {"l1_ratio": 0.5}], ids=str)
@pytest.mark.parametrize("factor", [5e-324, 1e-310, 1e-100, 1e-51])
def test_a_penalty_factor_below_any_number_is_none(factor, penalty):
    factors = np.array([1.0, factor, 1.0, 1.0])
    model, free = (fitted(X, y, penalty_factor=each, tol=1e-6, **penalty) for each in (factors, np.floor(factors)))
    assert model.status_ == free.status_ == "certified"
    assert model.objective_ == free.objective_
    with pytest.raises(DataError, match="small factors"):
        SoftmaxRegression(l1_ratio=1.0, group=True, penalty_factor=factors).fit(X, y)


WEIGHTS = {
    "large": np.full(150, 1e9),
    "small": np.full(150, 1e-9),
    "tiny": np.full(150, 1e-22),
    "wide": 10.0 ** np.random.default_rng(0).uniform(-8, 4, 150),
    "widest": 10.0 ** np.random.default_rng(0).uniform(-300, 2, 150),
    "one subnormal": np.append(np.ones(149), 5e-324),
    "one heavy": np.append(np.ones(149), 1e12),
}


@pytest.mark.parametrize("penalty", [*PENALTIES, {"C": np.inf}], ids=str)
@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_of_any_size(name, penalty):
    if name == "tiny" and "C" in penalty:
        with pytest.raises(DataError, match="only their ratios matter"):
            fitted(X, y, WEIGHTS[name], **penalty)
        return
    fitted(X, y, WEIGHTS[name], max_iter=300, tol=1e-3, **penalty)


@pytest.mark.parametrize("C", [1e4, 1e6])
def test_a_weak_ridge_on_fewer_rows_than_columns_is_certified(C):
    rng = np.random.default_rng(0)
    pixels = rng.random((60, 200)) * (rng.random((60, 200)) < 0.3)
    model = SoftmaxRegression(C=C, tol=1e-3).fit(pixels, np.arange(60) % 10)
    assert model.status_ == "certified"
    assert model.score(pixels, np.arange(60) % 10) == 1.0


@pytest.mark.parametrize("factor", [2.0**-60, 2.0**-30, pytest.param(2.0**20, marks=pytest.mark.slow)])
def test_weights_and_strength_are_one_product(factor):
    for penalty in PENALTIES:
        a = fitted(X, y, np.full(150, factor), C=1.0, tol=1e-6, **penalty)
        b = fitted(X, y, C=factor, tol=1e-6, **penalty)
        assert a.objective_ == b.objective_


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_bad_class_weights_are_refused(weight):
    for model in (SoftmaxRegression(class_weight={0: weight}), SoftmaxRegressionCV(class_weight={0: weight})):
        with pytest.raises(DataError, match="at least 0"):
            model.fit(X, y)


def test_paths_and_searches_refuse_the_same():
    for Cs in ([1.0, 1e300], [5e-324, 1.0]):
        with pytest.raises(DataError, match="C times the sum"):
            softmax_path(X, y, Cs=Cs)
    with pytest.raises(DataError, match="C times the sum"):
        SoftmaxRegressionCV(C_max=1e300).fit(X, y)


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    n, p, K = draw(st.integers(2, 40)), draw(st.integers(1, 6)), draw(st.integers(2, 4))
    X = rng.normal(size=(n, p)) * 10.0 ** (draw(st.integers(0, 6)) * rng.uniform(-1, 1, p))
    y = rng.integers(0, K, n)
    y[:2] = [0, 1]
    weights = 10.0 ** (draw(st.integers(0, 8)) * rng.uniform(-1, 1, n))
    C = draw(st.one_of(st.just(np.inf), st.floats(-8, 8).map(lambda e: 10.0**e)))
    return X, y, weights, {"C": C, "fit_intercept": draw(st.booleans()), **draw(st.sampled_from(PENALTIES))}


def check(case):
    X, y, weights, parameters = case
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ScaleWarning)
            fitted(X, y, weights, tol=1e-3, max_iter=150, **parameters)
    except DataError as refusal:
        reason = str(refusal)
    else:
        return
    assert "rescale" in reason or "weights" in reason


@settings(max_examples=40, deadline=None)
@given(problems())
def test_hostile_problems_end_well(case):
    check(case)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(problems())
def test_many_more_hostile_problems_end_well(case):
    check(case)
