"""Two classes as scikit-learn has them, in every form that a fit may take; float32; classes without weight; folds."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, make_scorer
from sklearn.model_selection import GroupKFold, KFold
from sklearn.preprocessing import scale

from inklens import DigitReader, SoftmaxRegression, SoftmaxRegressionCV
from inklens.evaluation import curvature, stability
from inklens.linear.problem.build import make_problem
from inklens.linear.rows.rows import Rows
from inklens.model.records import FitRecord

PENALTIES = [{"C": 0.3}, {"C": 0.3, "l1_ratio": 1.0}, {"C": 0.3, "l1_ratio": 0.4}, {"l1_ratio": 1.0, "group": True}]


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X)[:200, :8], np.array(["benign", "malignant"])[y[:200]]


def binary_objective(model, X, y):
    """Return C sum log(1 + exp(-z)) + penalty of the one row, written out anew."""
    sign = np.where(y == model.classes_[1], 1.0, -1.0)
    w = model.coef_[0].astype(float)
    loss = np.logaddexp(0.0, -sign * (X @ w + float(model.intercept_[0]))).sum()
    return model.C * loss + model.l1_ratio * np.abs(w).sum() + (1.0 - model.l1_ratio) / 2.0 * (w @ w)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_objective_and_bound_are_those_of_the_one_row(cancer, penalty):
    X, y = cancer
    model = SoftmaxRegression(**penalty, tol=1e-9).fit(X, y)
    assert model.coef_.shape == (1, 8)
    assert model.intercept_.shape == (1,)
    assert model.decision_function(X).shape == (len(X),)
    assert model.objective_ == pytest.approx(binary_objective(model, X, y), rel=1e-12)
    sign = np.where(y == "malignant", 1.0, -1.0)

    def split(v):  # w = u - v with both at least 0 makes L1 smooth
        w = v[:8] - v[8:16]
        z = sign * (X @ w + v[16])
        pull = -model.C * sign / (1.0 + np.exp(z))
        slope = X.T @ pull + (1 - model.l1_ratio) * w
        value = model.C * np.logaddexp(0, -z).sum() + model.l1_ratio * v[:16].sum() + (1 - model.l1_ratio) / 2 * (w @ w)
        return value, np.r_[slope + model.l1_ratio, -slope + model.l1_ratio, pull.sum()]

    limits = [(0, None)] * 16 + [(None, None)]
    best = minimize(split, np.zeros(17), jac=True, method="L-BFGS-B", bounds=limits, options={"ftol": 1e-15})
    assert model.lower_bound_ <= best.fun
    assert model.objective_ == pytest.approx(best.fun, rel=1e-6)


def test_two_maps_at_half_of_c_are_the_one_row(cancer):
    X, y = cancer
    one = SoftmaxRegression(C=0.4, tol=1e-10).fit(X, y)
    two = SoftmaxRegression(C=0.2, binary="softmax", tol=1e-10).fit(X, y)
    theirs = LogisticRegression(C=0.4, tol=1e-8).fit(X, y)
    np.testing.assert_allclose(np.diff(two.coef_, axis=0), one.coef_, atol=1e-4)
    np.testing.assert_allclose(theirs.coef_, one.coef_, atol=1e-4)
    np.testing.assert_allclose(one.predict_proba(X), theirs.predict_proba(X), atol=1e-4)
    assert (one.predict(X) == theirs.predict(X)).all()


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csc_matrix])
def test_float32_keeps_its_promise_for_the_rounded_numbers(cancer, kind):
    X, y = kind(cancer[0].astype(np.float32)), cancer[1]
    model = SoftmaxRegression(C=0.5, tol=1e-6).fit(X, y)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    exact = cancer[0].astype(np.float32).astype(float)
    assert model.objective_ == pytest.approx(binary_objective(model, exact, y), rel=1e-13)
    assert model.dual_gap_ <= 1e-6


def test_float32_that_cannot_hold_the_promise_stays_float64():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(200, 1)) * 1e-3 + 1e6).astype(np.float32)
    X = np.hstack([X, (rng.normal(size=(200, 1)) + 1e5).astype(np.float32)])
    model = SoftmaxRegression(tol=1e-8).fit(X, (X[:, 1] > 1e5).astype(int))
    assert model.status_ == "certified"
    assert model.dual_gap_ <= 1e-8
    assert model.coef_.dtype == np.float64


def test_sparsify_and_pickle(cancer):
    X, y = cancer
    model = SoftmaxRegression(C=0.05, l1_ratio=1.0).fit(X, y)
    proba = model.predict_proba(X)
    thin = pickle.loads(pickle.dumps(model)).sparsify()
    assert sparse.issparse(thin.coef_)
    for rows in (X, sparse.csr_array(X)):
        np.testing.assert_allclose(thin.predict_proba(rows), proba, atol=1e-12)
    assert thin.named_coefficients() == model.named_coefficients()
    np.testing.assert_array_equal(thin.densify().coef_, model.coef_)


def test_a_class_without_weight_is_said():
    X, y = load_iris(return_X_y=True)
    with pytest.warns(UserWarning, match=r"classes \[2\] have weight 0"):
        by_class = SoftmaxRegression(class_weight={0: 1, 1: 2, 2: 0}).fit(X, y)
    with pytest.warns(UserWarning, match=r"classes \[2\] have weight 0"):
        by_rows = SoftmaxRegression().fit(X, y, sample_weight=np.array([1.0, 2.0, 0.0])[y])
    np.testing.assert_array_equal(by_class.classes_, [0, 1])
    np.testing.assert_array_equal(by_class.coef_, by_rows.coef_)


@pytest.mark.parametrize("penalty", PENALTIES[:3])
def test_the_record_proves_the_same_problem(cancer, penalty):
    """What a model file says of a one-row fit gives the fit's own objective, for maps."""
    X, y = cancer
    model = SoftmaxRegression(**penalty).fit(X, y)
    reader = DigitReader.from_estimator(model, image_shape=(2, 4))
    record = FitRecord.from_json(FitRecord.of_estimator(model).to_json())
    assert record.binary == "logistic"
    problem = record.problem(Rows.of(X), (y == "malignant").astype(int), 2)
    at = problem.evaluate(reader.coef, reader.intercept, dtype=np.float64)
    assert at.loss + problem.penalty.value(reader.coef) == pytest.approx(model.objective_, rel=1e-12)
    assert FitRecord.from_json({"C": 1.0, "l1_ratio": 0.0}).binary == "softmax"  # of older files


def test_how_sure_speaks_of_the_same_model(cancer):
    X, y = cancer
    one = SoftmaxRegression(C=0.4, tol=1e-8).fit(X, y)
    two = SoftmaxRegression(C=0.2, binary="softmax", tol=1e-8).fit(X, y)
    found, same = curvature(one, X, y), curvature(two, X, y)
    np.testing.assert_allclose(found.posterior, same.posterior, rtol=1e-3)
    assert found.prior == pytest.approx(same.prior)
    assert stability(one, X, y, n_refits=4).mean.shape == (2, 8)


def test_single_penalty_is_that_of_the_difference():
    rng = np.random.default_rng(3)
    w = rng.normal(size=5)
    problem = make_problem(Rows.of(np.eye(5)), np.arange(5) % 2, np.ones(5), 2, l1_ratio=0.3, single=True)
    W = np.vstack([-w / 2, w / 2])
    assert problem.penalty.value(W) == pytest.approx(0.3 * np.abs(w).sum() + 0.35 * (w @ w))
    assert problem.penalty.value(W + rng.normal(size=5)) >= problem.penalty.value(W)


# ---- cross-validation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scoring", ["roc_auc", "f1", "neg_brier_score", "accuracy", "neg_log_loss", "callable", None])
def test_every_scorer_is_that_of_separate_fits(cancer, scoring):
    X, y = cancer[0], (cancer[1] == "benign").astype(int)
    scorer = get_scorer("accuracy" if scoring is None else "roc_auc" if scoring == "callable" else scoring)
    asked = (lambda model, X, y: scorer(model, X, y)) if scoring == "callable" else scoring
    folds = list(KFold(3).split(X))
    search = SoftmaxRegressionCV(Cs=[0.1, 1.0], l1_ratios=(0.0, 1.0), cv=folds, scoring=asked, path_tol=1e-8).fit(X, y)
    assert search.coefs_paths_.shape == (3, 2, 2, 1, 9)
    alone = SoftmaxRegression(C=1.0, tol=1e-8).fit(X[folds[1][0]], y[folds[1][0]])
    assert search.scores_[1, 0, 1] == pytest.approx(scorer(alone, X[folds[1][1]], y[folds[1][1]]), abs=1e-3)
    np.testing.assert_allclose(search.coefs_paths_[1, 0, 1, :, :-1], alone.coef_, atol=1e-3)
    assert search.score(X, y) == pytest.approx(scorer(search, X, y))


def test_a_fold_that_lacks_a_class_never_predicts_it():
    X, y = load_iris(return_X_y=True)
    search = SoftmaxRegressionCV(Cs=[0.1, 1.0], l1_ratios=(0.0,), cv=KFold(3), scoring="accuracy").fit(X, y)
    assert (search.scores_ == 0.0).all()  # the classes lie one after another
    alone = SoftmaxRegression(C=0.1, binary="softmax", tol=1e-8).fit(X[50:], y[50:])
    np.testing.assert_allclose(search.coefs_paths_[0, 0, 0, 1:, :-1], alone.coef_, atol=1e-2)
    by_loss = clone(search).set_params(scoring="neg_log_loss").fit(X, y)
    np.testing.assert_allclose(by_loss.scores_, np.log(np.finfo(float).eps))


def test_groups_weights_and_no_refit(cancer):
    X, y = cancer
    groups = np.arange(len(y)) % 4
    search = SoftmaxRegressionCV(Cs=[0.1], l1_ratios=(0.0,), cv=GroupKFold(4), refit=False).fit(X, y, groups=groups)
    assert search.scores_.shape == (4, 1, 1)
    np.testing.assert_allclose(search.coef_, search.coefs_paths_[:, 0, 0, :, :-1].mean(axis=0))
    assert not hasattr(search, "dual_gap_")
    with pytest.raises(ValueError, match="enable_metadata_routing"):
        search.fit(X, y, nonsense=groups)
    plain = make_scorer(lambda y, answers, sample_weight=None: np.average(y == answers, weights=sample_weight))
    weights = np.where(y == "benign", 3.0, 1.0)
    asked = {"Cs": [0.1], "l1_ratios": (0.0,), "cv": 3}
    ours = SoftmaxRegressionCV(**asked, scoring="accuracy").fit(X, y, sample_weight=weights)
    theirs = SoftmaxRegressionCV(**asked, scoring=plain).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(ours.scores_, theirs.scores_)
