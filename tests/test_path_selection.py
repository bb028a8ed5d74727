"""Laws of the path and of cross-validation."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.estimator_checks import parametrize_with_checks

from inklens.classes import stratified_folds
from inklens.errors import DataError
from inklens.linear.estimators import SoftmaxRegression
from inklens.linear.model_selection import SoftmaxRegressionCV
from inklens.linear.path import softmax_path


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:400] / 16.0, y[:400]


@pytest.mark.parametrize(("l1_ratio", "group"), [(1.0, False), (0.5, False), (1.0, True), (0.0, False)])
def test_every_point_is_the_cold_fit(digits, l1_ratio, group):
    X, y = digits
    path = softmax_path(X, y, Cs=7, l1_ratio=l1_ratio, group=group, tol=1e-5)
    assert len(path) == 7
    assert (path.gaps <= 1e-5).all()
    assert path.Cs[-1] == pytest.approx(1.0)
    for C, objective, bound in zip(path.Cs, path.objectives, path.lower_bounds, strict=True):
        cold = SoftmaxRegression(C=C, l1_ratio=l1_ratio, group=group, tol=1e-7).fit(X, y)
        assert bound <= cold.objective_ * (1.0 + 1e-12)
        assert cold.lower_bound_ <= objective * (1.0 + 1e-12)
        assert objective <= cold.objective_ * (1.0 + 1.1e-5)


def two_irises():
    """Two classes that are separable."""
    X, y = load_iris(return_X_y=True)
    return X[y < 2] / X.max(), y[y < 2]


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_separable_classes_are_certified_up_to_any_c(l1_ratio):
    """Where the loss is a billionth of its weights, its rounding is too."""
    path = softmax_path(*two_irises(), Cs=np.geomspace(1e-2, 1e9, 12), l1_ratio=l1_ratio, tol=1e-6)
    assert (path.gaps <= 1e-6).all()


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_a_promise_that_is_not_kept_is_said(l1_ratio):
    """What float64 leaves open is told of, on a path and in cross-validation."""
    X, y = two_irises()
    Cs = [1.0, 1e3, 1e8, 1e9]
    with pytest.warns(ConvergenceWarning, match=r"\d of 4 fits stopped short of tol=1.0e-12, the worst at C="):
        path = softmax_path(X, y, Cs=Cs, l1_ratio=l1_ratio, tol=1e-12)
    assert path.gaps.max() > 1e-12
    with pytest.warns(ConvergenceWarning, match="of 8 fits stopped short of tol=1.0e-12"):
        SoftmaxRegressionCV(Cs=Cs, l1_ratios=[l1_ratio], cv=2, path_tol=1e-12, tol=1e-3).fit(X, y)


def test_the_path_starts_with_nothing_and_the_next_has_something(digits):
    path = softmax_path(*digits, Cs=30)
    assert path.n_nonzeros[0] == 0
    assert path.n_nonzeros[2] > 0
    assert (np.diff(path.Cs) > 0.0).all()
    assert path.objectives[0] == pytest.approx(path.lower_bounds[0], rel=1e-3)


def test_entry_order_is_the_order_of_first_use(digits):
    path = softmax_path(*digits, Cs=15)
    order, used = path.entry_order, path.in_use
    first = [int(np.flatnonzero(used[:, feature])[0]) for feature in order]
    assert first == sorted(first)
    assert set(order) == set(np.flatnonzero(used.any(axis=0)))


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("limit", [1, 5, 20])
def test_at_most_so_many_pixels(digits, limit, group):
    X, y = digits
    path = softmax_path(X, y, Cs=20, max_pixels=limit, group=group)
    assert path.n_features_used[-1] <= limit
    assert (path.n_features_used <= limit).all()
    wider = softmax_path(X, y, Cs=[path.Cs[-1] * 1.25], group=group)
    assert wider.n_features_used[0] >= path.n_features_used[-1]
    if limit > 1:
        assert path.n_features_used[-1] > 0


def test_sparse_rows_weights_and_given_values(digits):
    X, y = digits
    weights = np.random.default_rng(0).integers(1, 3, len(y))
    dense = softmax_path(X, y, Cs=[0.01, 0.1], sample_weight=weights, tol=1e-8)
    other = softmax_path(sparse.csr_array(X.repeat(weights, axis=0)), y.repeat(weights), Cs=[0.1, 0.01], tol=1e-8)
    np.testing.assert_allclose(dense.objectives, other.objectives, rtol=2e-8)
    np.testing.assert_array_equal(dense.Cs, [0.01, 0.1])


def test_callback_sees_each_point_and_can_end_the_path(digits):
    seen = []
    path = softmax_path(*digits, Cs=10, callback=lambda index, C, solution: seen.append(C) or index == 3)
    assert len(path) == 4
    np.testing.assert_array_equal(seen, path.Cs)


@pytest.mark.parametrize(
    "bad",
    [{"Cs": 0}, {"Cs": [1.0, -1.0]}, {"C": np.inf}, {"l1_ratio": 2.0}, {"sample_weight": np.zeros(400)}, {"Cs": []}],
)
def test_bad_requests_are_named(digits, bad):
    with pytest.raises(DataError):
        softmax_path(*digits, **bad)


def test_one_class_has_no_path(digits):
    with pytest.raises(DataError, match="two classes"):
        softmax_path(digits[0], np.zeros(400))


# ---- cross-validation ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@parametrize_with_checks([SoftmaxRegressionCV(Cs=3, cv=2, C_max=1.0, tol=1e-12)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


def test_scores_are_those_of_separate_fits(digits):
    X, y = digits
    splitter = StratifiedKFold(3)
    model = SoftmaxRegressionCV(Cs=[0.02, 0.2], cv=splitter, path_tol=1e-7).fit(X, y)
    for fold, (train, test) in enumerate(splitter.split(X, y)):
        for point, C in enumerate(model.Cs_[0]):
            alone = SoftmaxRegression(C=C, l1_ratio=1.0, tol=1e-7).fit(X[train], y[train])
            score = alone.predict_log_proba(X[test])[np.arange(len(test)), y[test]].mean()
            assert model.scores_[fold, 0, point] == pytest.approx(score, rel=1e-3)


def test_one_standard_error_rule_takes_the_strongest_penalty_within(digits):
    X, y = digits
    best = SoftmaxRegressionCV(Cs=6, cv=3, rule="best", l1_ratios=(0.5, 1.0)).fit(X, y)
    careful = clone(best).set_params(rule="one_se").fit(X, y)
    ratio = [0.5, 1.0].index(best.l1_ratio_)
    means, errors, grid = careful.mean_scores_[ratio], careful.standard_errors_[ratio], careful.Cs_[ratio]
    at_best, at_careful = int(np.flatnonzero(grid == best.C_)[0]), int(np.flatnonzero(grid == careful.C_)[0])
    assert means[at_best] == careful.mean_scores_.max()
    assert at_careful <= at_best
    assert means[at_careful] >= means[at_best] - errors[at_best]
    assert (means[:at_careful] < means[at_best] - errors[at_best]).all()
    assert (careful.path_gaps_ <= 1e-3).all()
    assert careful.dual_gap_ <= 1e-4


def test_folds_are_stratified_and_rare_classes_stay_in_training():
    codes = np.repeat([0, 1, 2, 3], [50, 23, 2, 1])
    fold_of = stratified_folds(codes, 5, np.random.RandomState(0))
    assert fold_of[-1] == -1
    for code in (0, 1):
        sizes = np.bincount(fold_of[codes == code], minlength=5)
        assert sizes.max() - sizes.min() <= 1
    model = SoftmaxRegressionCV(Cs=2, C_max=0.1).fit(np.random.default_rng(0).normal(size=(76, 3)), codes)
    assert model.coef_.shape == (4, 3)


def test_a_failed_search_leaves_the_estimator_as_it_was(digits):
    X, y = digits
    model = SoftmaxRegressionCV(Cs=3, cv=2).fit(X, y)
    before = dict(vars(model))
    for narrow, labels in ((np.full((len(y), 5), np.nan), y), (X[:, :5], np.zeros(len(y)))):
        with pytest.raises(ValueError):
            model.fit(narrow, labels)
        assert vars(model).keys() == before.keys()
        assert all(vars(model)[name] is value for name, value in before.items())
