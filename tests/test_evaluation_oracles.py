"""Numbers of `evaluation` and `label_errors` against packages of others; each test needs its package installed."""

import numpy as np
import pytest

from inklens import SoftmaxRegression
from inklens.evaluation import Calibration, Conformal, curvature, mcnemar, proportion
from inklens.explanations import LabelErrors

COUNTS = [(0, 1), (1, 1), (0, 12), (3, 12), (12, 12), (90, 100), (699, 70_000)]


@pytest.mark.parametrize(("ours", "theirs"), [("wilson", "wilson"), ("exact", "beta")])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_intervals_are_those_of_statsmodels(ours, theirs, confidence):
    proportions = pytest.importorskip("statsmodels.stats.proportion")
    for count, n_samples in COUNTS:
        found = proportion(count, n_samples, confidence=confidence, method=ours)
        expected = proportions.proportion_confint(count, n_samples, alpha=1 - confidence, method=theirs)
        np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("a", "b"), [(1, 0), (5, 0), (3, 4), (10, 2), (8, 8), (120, 80)])
def test_mcnemar_is_that_of_statsmodels(a, b):
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    assert mcnemar(a, b) == pytest.approx(tables.mcnemar([[30, a], [b, 7]], exact=True).pvalue)


def test_deviations_without_a_penalty_are_those_of_statsmodels():
    """With two classes the centred coefficients are half of the logit's, and so are their deviations."""
    api = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = (X @ [1.0, -0.5, 0.0] + 0.3 + rng.logistic(size=400) > 0).astype(int)
    model = SoftmaxRegression(C=np.inf, tol=1e-9).fit(X, y)
    found = curvature(model, X, y)
    logit = api.Logit(y, api.add_constant(X)).fit(disp=False)
    assert 2 * found.coef[1] == pytest.approx(logit.params[1:], abs=1e-4)
    assert 2 * found.sampling[1] == pytest.approx(logit.bse[1:], rel=1e-4)
    assert 2 * found.intercept_sampling[1] == pytest.approx(logit.bse[0], rel=1e-4)


class Table:
    """A classifier whose rows are their own probabilities."""

    def __init__(self, n_classes):
        self.classes_ = np.arange(n_classes)
        self.n_features_in_ = n_classes

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return np.asarray(X)

    def predict(self, X):
        return self.classes_[np.argmax(X, axis=1)]


@pytest.mark.parametrize(("n_samples", "coverage"), [(20, 0.9), (19, 0.9), (57, 0.8), (200, 0.95)])
def test_conformal_sets_are_those_of_mapie(n_samples, coverage):
    mapie = pytest.importorskip("mapie.classification")
    from sklearn.base import BaseEstimator, ClassifierMixin

    classifier = type("Table", (Table, ClassifierMixin, BaseEstimator), {})(4)
    rng = np.random.default_rng(n_samples)
    proba = rng.dirichlet([0.7] * 4, n_samples + 300)
    codes = rng.integers(0, 4, len(proba))
    peer = mapie.SplitConformalClassifier(classifier, confidence_level=coverage, conformity_score="lac", prefit=True)
    peer.conformalize(proba[:n_samples], codes[:n_samples])
    expected = peer.predict_set(proba[n_samples:])[1][:, :, 0]
    expected[np.arange(300), proba[n_samples:].argmax(axis=1)] = True  # ours are never empty
    found = Conformal.fit(proba[:n_samples], codes[:n_samples], coverage=coverage).sets(proba[n_samples:])
    assert np.array_equal(found, expected)


def test_the_expected_calibration_error_is_that_of_mapie():
    metrics = pytest.importorskip("mapie.metrics.calibration")
    rng = np.random.default_rng(3)
    proba = rng.dirichlet([0.6] * 4, 500)
    codes = rng.integers(0, 4, 500)
    seen = Calibration(proba, codes)
    expected = metrics.expected_calibration_error(
        (proba.argmax(axis=1) == codes).astype(int), proba.max(axis=1), num_bins=10, split_strategy="uniform"
    )
    assert seen.expected_error == pytest.approx(expected)


def labelled(seed, n_classes, n_samples=300):
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(n_classes, 0.4), n_samples)
    codes = np.where(rng.random(n_samples) < 0.8, proba.argmax(axis=1), rng.integers(0, n_classes, n_samples))
    return LabelErrors(tuple("abcdef"[:n_classes]), codes, proba)


@pytest.mark.parametrize("seed", range(5))
def test_confident_labels_are_counted_as_cleanlab_does(seed):
    count = pytest.importorskip("cleanlab.count")
    found = labelled(seed, 4)
    assert found.thresholds == pytest.approx(count.get_confident_thresholds(found.codes, found.proba), abs=1e-9)
    joint = count.compute_confident_joint(found.codes, found.proba, calibrate=False)
    assert np.array_equal(found.joint, joint)
    n_issues = count.num_label_issues(found.codes, found.proba, estimation_method="off_diagonal_calibrated")
    assert abs(found.n_estimated - n_issues) <= 1  # it rounds cell by cell


@pytest.mark.parametrize("seed", range(5))
def test_suspects_are_ranked_as_cleanlab_does(seed):
    rank = pytest.importorskip("cleanlab.rank")
    found = labelled(seed, 2)  # with two classes all of its scores rank alike
    for method in ("self_confidence", "normalized_margin"):
        quality = rank.get_label_quality_scores(found.codes, found.proba, method=method)
        assert np.array_equal(np.argsort(-found.log_odds, kind="stable"), np.argsort(quality, kind="stable"))
    found = labelled(seed, 5)
    margin = rank.get_label_quality_scores(found.codes, found.proba, method="normalized_margin")
    assert np.array_equal(found.log_odds > 0.0, margin < 0.5)  # who is behind another class at all
