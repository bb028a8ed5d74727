"""Hostile and odd numbers: the right answer, or one clear error; never a silent wrong one.

`ROWS` tells which tests answer for which row of the robustness table.
"""

import sys
import warnings
from importlib import import_module

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from inklens import SoftmaxRegression, softmax_path
from inklens.errors import ScaleWarning
from inklens.linear.driver import FitInterrupted
from inklens.linear.rows.layouts import dense_storage, make_block
from inklens.linear.rows.rows import Rows

PENALTIES = {"l2": {}, "l1": {"l1_ratio": 1.0}, "net": {"l1_ratio": 0.5}, "group": {"l1_ratio": 1.0, "group": True}}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16.0, y, random_state=0, train_size=600, test_size=600)


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 5))
    return X, (X @ rng.normal(size=(5, 3)) + rng.gumbel(size=(120, 3))).argmax(axis=1)


def same_model(a, b, rtol=1e-6):
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=rtol, atol=rtol * np.abs(b.coef_).max())
    np.testing.assert_allclose(a.intercept_, b.intercept_, rtol=rtol, atol=rtol * (1 + np.abs(b.intercept_).max()))


# ---- N1, N5: refused, and the estimator is as before -----------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_input_is_named_and_changes_nothing(blobs, bad):
    X, y = blobs
    model = SoftmaxRegression().fit(X, y)
    before = model.coef_.copy()
    broken = X.copy()
    broken[17, 3] = bad
    for given in (broken, sparse.csr_array(broken)):
        with pytest.raises(ValueError, match="row 17, column 3"):
            model.fit(given, y)
    with pytest.raises(ValueError, match=r"NaN|infin"):
        model.fit(X, y, sample_weight=np.where(np.arange(120) == 5, bad, 1.0))
    with pytest.raises(ValueError, match=r"NaN|infin|Unknown label"):
        model.fit(X, np.where(np.arange(120) == 5, bad, y))
    np.testing.assert_array_equal(model.coef_, before)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((3, 2)), [1, 1, 1], "one class"),
        (np.zeros((1, 2)), [1], "one class|1 sample"),
        (np.zeros((0, 2)), [], "0 sample"),
        (np.zeros((3, 0)), [0, 1, 0], "0 feature"),
    ],
)
def test_nothing_to_learn_from(X, y, message):
    with pytest.raises(ValueError, match=message):
        SoftmaxRegression().fit(X, y)


# ---- N2, N3: hostile scales ------------------------------------------------------------------------------------------


def accuracy_or_error(X, y, Xt, yt, **parameters):
    try:
        with warnings.catch_warnings():  # a gap that rounding keeps open is reported, not hidden
            warnings.simplefilter("ignore", ConvergenceWarning)
            return SoftmaxRegression(time_budget=10.0, **parameters).fit(X, y).score(Xt, yt)
    except ValueError as error:
        if "rescale" not in str(error):
            raise
        return None


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("factor", [1e3, 1e6, 1e9, 1e100, 1e307])
def test_one_hostile_column(digits, penalty, factor):
    X, Xt, y, yt = digits
    scale = np.ones(64)
    scale[20] = factor
    plain = SoftmaxRegression(tol=1e-3, **PENALTIES[penalty]).fit(X, y).score(Xt, yt)
    found = accuracy_or_error(X * scale, y, Xt * scale, yt, tol=1e-3, **PENALTIES[penalty])
    assert (found is None) == (factor > (1e12 if penalty == "l2" else 1e7))
    if found is not None:
        assert found >= plain - 0.015  # without its penalty that column may decide a few of 600 rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factor", [1e30, 1e37, 1e-30, 1e-38])
def test_all_values_hostile(digits, dtype, factor):
    X, Xt, y, yt = (a.astype(dtype) * dtype(factor) if a.ndim == 2 else a for a in digits)
    assert accuracy_or_error(X, y, Xt, yt) is None


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_all_values_large_or_small_agree_with_a_scaled_penalty(digits, factor):
    """(X f, C / f^2) and (X, C) are the same problem with coefficients W / f."""
    X, Xt, y, yt = digits
    plain = SoftmaxRegression(tol=1e-7).fit(X, y)
    scaled = SoftmaxRegression(tol=1e-7, C=1.0 / factor**2).fit(X * factor, y)
    np.testing.assert_allclose(scaled.coef_ * factor, plain.coef_, rtol=1e-2, atol=1e-3 * np.abs(plain.coef_).max())
    assert scaled.score(Xt * factor, yt) == pytest.approx(plain.score(Xt, yt), abs=0.005)


def test_all_tiny_is_refused(digits):
    X, Xt, y, yt = digits
    assert accuracy_or_error(X * 1e-300, y, Xt * 1e-300, yt) is None


@pytest.mark.parametrize("offset", [1e3, 1e5])
def test_columns_far_from_zero(blobs, offset):
    """A shift of a column is the intercept's business: scores stay the same."""
    X, y = blobs
    plain = SoftmaxRegression(tol=1e-6).fit(X, y)
    shifted = SoftmaxRegression(tol=1e-6).fit(X + offset, y)
    assert shifted.status_ == "certified"
    np.testing.assert_allclose(shifted.predict_proba(X + offset), plain.predict_proba(X), atol=2e-3)


@pytest.fixture(scope="module")
def told_by_one_column():
    """Noise, and a column that tells two classes apart."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500)
    return np.column_stack([rng.normal(size=500), y + 0.25 * rng.normal(size=500)]), y


@pytest.mark.parametrize("offset", [0.0, 7.0, -40.0])
@pytest.mark.parametrize("exponent", [0, -1, -2, -3, -4, -7, -13, -30, -100, -300])
@pytest.mark.parametrize("penalty", [*PENALTIES, "none"])
def test_one_tiny_column_is_used_or_named(told_by_one_column, penalty, exponent, offset):
    """Whatever the unit and zero of the column that matters: its classes are told apart, or a warning says why not."""
    X, y = told_by_one_column
    X = (X + np.array([0.0, offset])) * [1.0, 10.0**exponent]
    parameters = {"C": np.inf} if penalty == "none" else PENALTIES[penalty]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = SoftmaxRegression(**parameters, binary="softmax").fit(X, y)
    is_named = [(w.category, str(w.message)[:8]) for w in caught] == [(ScaleWarning, "column 1")]
    assert is_named or caught == []
    assert is_named or model.score(X, y) >= 0.95
    if exponent == 0 or penalty == "none":
        assert not is_named


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix, np.asfortranarray])
@pytest.mark.parametrize(
    ("dtype", "exponent"), [("f4", -32), ("f4", -38), ("f4", -43), ("f8", -43), ("f8", -310), ("f8", -322)]
)
@pytest.mark.parametrize("fit", ["plain", "standardize", "path", "none"])
def test_a_column_of_subnormal_numbers_is_used_or_named(told_by_one_column, fit, dtype, exponent, layout):
    """Kernels take such numbers for 0: in float32 below 1e-38, in float64 below 1e-308, with columns of zeros, too."""
    X, y = told_by_one_column
    tiny = np.round(256 * X[:, 1]) * 10.0 ** (exponent + 300) / 256 * 1e-300
    X = np.column_stack([X[:, 0], tiny, np.zeros((len(y), 3))])
    X = X.astype("f4").astype(dtype) if exponent > -300 else X  # float64 numbers may be those of float32, too
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if fit == "path":
                assert softmax_path(layout(X), y, Cs=2, standardize=True).coefs[-1][:, 1].any() or caught
                return
            parameters = {"C": np.inf} if fit == "none" else {"standardize": fit == "standardize"}
            model = SoftmaxRegression(**parameters).fit(layout(X), y)
        except ValueError as error:  # no float64 holds its coefficient
            assert str(error).startswith("column 1 ")  # noqa: PT017
            assert exponent < -300
            return
    named = [(w.category, str(w.message)[:8]) for w in caught] == [(ScaleWarning, "column 1")]
    assert named if exponent < -300 or fit == "plain" else not caught
    assert named or model.score(layout(X), y) >= 0.95


def test_nothing_is_packed_into_numbers_that_kernels_take_for_0():
    X = np.zeros((50, 10))
    X[::7, 3] = np.float32(1e-40)
    assert make_block(dense_storage(X)).exact.values.dtype == np.float64


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_a_path_that_leaves_a_tiny_column_unused_says_so(told_by_one_column, l1_ratio):
    X, y = told_by_one_column
    with pytest.warns(ScaleWarning, match=r"^column 1 .*StandardScaler") as caught:
        softmax_path(X * [1.0, 1e-6], y, Cs=3, l1_ratio=l1_ratio)
    assert len(caught) == 1
    softmax_path(X * [1.0, 1e-6], y, Cs=3, l1_ratio=l1_ratio, standardize=True)  # warnings are errors here


@pytest.mark.parametrize("offset", [0.0, 7.0, -40.0])
@pytest.mark.parametrize("factor", [1e-2, 1e-30])
def test_a_tiny_column_of_noise_is_no_reason_to_warn(told_by_one_column, factor, offset):
    X, y = told_by_one_column
    SoftmaxRegression().fit((X + np.array([offset, 0.0])) * [factor, 1.0], y)  # warnings are errors here


def test_a_single_tiny_value_without_a_penalty():
    """One row can leave its 29 fellows: infimum 29 entropies at 14 : 15, whatever the unit."""
    y = np.array([0] * 15 + [1] * 15)
    infimum = -14 * np.log(14 / 29) - 15 * np.log(15 / 29)
    for value in (1.0, 1e-20, 1e-300):
        X = np.zeros((30, 2))
        X[3] = value
        with pytest.warns(ConvergenceWarning, match="separable in part"):
            model = SoftmaxRegression(C=np.inf).fit(X, y)
        assert model.lower_bound_ <= infimum * (1 + 1e-12)
        assert model.objective_ <= infimum * (1 + 1e-4)


# ---- N4, N6, N7, N8 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [*PENALTIES, "none"])
def test_constant_zero_and_duplicate_columns(blobs, penalty):
    X, y = blobs
    parameters = {"C": np.inf} if penalty == "none" else PENALTIES[penalty]
    parameters = {**parameters, "tol": 1e-11}  # of the gap: coefficients are known to its root
    wide = np.column_stack([np.full(120, 7.0), X, np.zeros(120)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 1e-11 is near what rounding lets us prove
        plain, padded = SoftmaxRegression(**parameters).fit(X, y), SoftmaxRegression(**parameters).fit(wide, y)
        doubled = SoftmaxRegression(**parameters).fit(np.column_stack([X, X[:, 0]]), y)
    assert not padded.coef_[:, [0, -1]].any()
    np.testing.assert_allclose(padded.coef_[:, 1:-1], plain.coef_, rtol=1e-5, atol=1e-6)
    assert np.isfinite(doubled.coef_).all()


def test_duplicate_rows_with_conflicting_labels():
    X = np.repeat([[0.0, 1.0], [1.0, 0.0]], 10, axis=0)
    y = np.array([0] * 3 + [1] * 7 + [1] * 8 + [2] * 2)
    model = SoftmaxRegression(C=1e6, tol=1e-7).fit(X, y)
    np.testing.assert_allclose(model.predict_proba([[0.0, 1.0]])[0], [0.3, 0.7, 0.0], atol=2e-3)
    np.testing.assert_allclose(model.predict_proba([[1.0, 0.0]])[0], [0.0, 0.8, 0.2], atol=2e-3)


def test_more_columns_than_rows():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 300)), rng.integers(0, 3, 20)
    assert SoftmaxRegression(tol=1e-6).fit(X, y).status_ == "certified"


def test_separable_without_penalty_warns_and_is_finite():
    X, y = np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
    with pytest.warns(ConvergenceWarning, match="separable"):
        model = SoftmaxRegression(C=np.inf).fit(X, y)
    assert model.status_ == "separated"
    assert model.separated_
    assert model.mle_exists_ is False
    assert model.margin_ > 0.0
    assert np.isfinite(model.coef_).all()


def test_enormous_scores_give_probabilities():
    X, y = np.array([[-1.0], [1.0]] * 5), np.array([0, 1] * 5)
    model = SoftmaxRegression().fit(X, y)
    with np.errstate(all="raise", under="ignore"):
        proba = model.predict_proba(np.array([[1e5], [-1e5], [0.0]]))
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, atol=1e-12)
    assert model.predict_log_proba(np.array([[1e5]])).min() < -1e4


# ---- N9 to N11, N14, N16: the same data in other clothes -------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES)
def test_sparse_equals_dense(digits, penalty):
    X, _, y, _ = digits
    X, y = X[:300], y[:300]
    fits = [
        SoftmaxRegression(tol=1e-7, **PENALTIES[penalty]).fit(given, y)
        for given in (X, sparse.csr_matrix(X), sparse.csc_array(X), [X[:100], X[100:300]])
    ]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.objective_, fits[0].objective_, rtol=2e-7)
        np.testing.assert_allclose(fit.coef_, fits[0].coef_, atol=2e-3 * np.abs(fits[0].coef_).max())


def test_integers_beyond_53_bits(blobs):
    """int64 near 2^62 is the float64 that NumPy makes of it: refused as too large, fitted where it is small."""
    X, y = blobs
    whole = np.round(X * 1000.0).astype(np.int64)
    same_model(SoftmaxRegression(tol=1e-8).fit(whole, y), SoftmaxRegression(tol=1e-8).fit(whole.astype(float), y))
    with pytest.raises(ValueError, match=r"column \d.*reaches 4\.61e\+18.*rescale"):
        SoftmaxRegression().fit(whole + 2**62, y)


def test_bytes_and_their_scaled_floats_are_the_same_problem(digits):
    X, _, y, _ = digits
    pixels = np.round(X * 16).astype(np.uint8)
    a = SoftmaxRegression(tol=1e-7).fit(Rows.of(pixels, scale=1 / 16), y)
    b = SoftmaxRegression(tol=1e-7).fit(X, y)
    np.testing.assert_allclose(a.objective_, b.objective_, rtol=2e-7)
    np.testing.assert_allclose(a.predict_proba(Rows.of(pixels, scale=1 / 16)), b.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_weights_zero_and_two_are_rows_left_out_and_repeated(blobs, penalty):
    X, y = blobs
    weights = np.random.default_rng(0).integers(0, 3, len(y))
    by_weight = SoftmaxRegression(tol=1e-8, **PENALTIES[penalty]).fit(X, y, sample_weight=weights)
    repeated = np.repeat(X, weights, axis=0), np.repeat(y, weights)
    by_rows = SoftmaxRegression(tol=1e-8, **PENALTIES[penalty]).fit(*repeated)
    np.testing.assert_allclose(by_weight.objective_, by_rows.objective_, rtol=1e-8)
    np.testing.assert_allclose(by_weight.coef_, by_rows.coef_, atol=1e-4)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_same_fit_again_and_on_other_threads(digits, penalty):
    X, _, y, _ = digits
    fits = [SoftmaxRegression(tol=1e-5, n_jobs=n, **PENALTIES[penalty]).fit(X, y) for n in (1, 1, 2, 4)]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    for fit in fits[2:]:  # the promise is the objective; coefficients agree where the objective is curved
        np.testing.assert_allclose(fit.objective_, fits[0].objective_, rtol=1e-5)
        np.testing.assert_allclose(fit.predict_proba(X), fits[0].predict_proba(X), atol=0.02)


def test_order_of_rows_and_names_of_classes_do_not_matter(digits):
    X, Xt, y, _ = digits
    plain = SoftmaxRegression(tol=1e-7).fit(X, y)
    order = np.random.default_rng(0).permutation(len(y))
    renamed = SoftmaxRegression(tol=1e-7).fit(X[order], 9 - y[order])
    np.testing.assert_array_equal(renamed.predict(Xt), 9 - plain.predict(Xt))
    np.testing.assert_allclose(renamed.predict_proba(Xt)[:, ::-1], plain.predict_proba(Xt), atol=1e-3)
    np.testing.assert_allclose(plain.predict_proba(Xt[:5]), plain.predict_proba(Xt)[:5], atol=1e-12)


# ---- N13, N15: limits and interruptions ------------------------------------------------------------------------------


def test_one_warning_when_a_limit_comes_first(digits):
    X, _, y, _ = digits
    with pytest.warns(ConvergenceWarning, match="gap") as caught:
        model = SoftmaxRegression(tol=1e-12, max_iter=2).fit(X, y)
    assert len(caught) == 1
    assert not model.converged_
    assert model.gradient_norm_ > 0.0
    assert model.lower_bound_ <= model.objective_


def test_interrupted_fit_stores_the_best_point_and_says_so(digits):
    X, _, y, _ = digits

    def interrupt(solution):
        if solution.n_iter == 2:
            raise KeyboardInterrupt

    model = SoftmaxRegression(tol=1e-9)
    with pytest.raises(FitInterrupted):
        model.fit(X, y, callback=interrupt)
    assert model.status_ == "stopped"
    assert model.predict_proba(X).shape == (len(y), 10)
    assert model.lower_bound_ <= model.objective_


def test_exception_in_a_callback_leaves_the_estimator_as_it_was(digits):
    X, _, y, _ = digits
    model = SoftmaxRegression().fit(X, y)
    before = dict(vars(model))

    def fail(solution):
        raise RuntimeError("from the callback")

    narrow = X[:, :30]
    for refit in (
        lambda: model.fit(X, y, callback=fail),
        lambda: model.fit(narrow, y, callback=fail),
        lambda: model.fit(Rows.of(narrow), y, callback=fail),
        lambda: model.fit(narrow, y, sample_weight=-np.ones(len(y))),
        lambda: model.fit(narrow * 1e200, y),
        lambda: model.fit(narrow, np.zeros(len(y))),
    ):
        with pytest.raises((RuntimeError, ValueError)):
            refit()
        assert vars(model).keys() == before.keys()
        assert all(vars(model)[name] is value for name, value in before.items())
    assert model.predict(X[:3]).shape == (3,)


def test_callbacks_of_scikit_learn(digits):
    callback = pytest.importorskip("sklearn.callback")
    X, _, y, _ = digits
    seen = []

    class Recorder:
        def setup(self, estimator, context):
            seen.append("setup")

        def on_fit_task_begin(self, estimator, context, **data):
            seen.append(context.task_name)

        def on_fit_task_end(self, estimator, context, **data):
            seen.append(f"end {context.task_name}")

        def teardown(self, estimator, context):
            seen.append("teardown")

    assert isinstance(Recorder(), callback.FitCallback)
    SoftmaxRegression().set_callbacks(Recorder()).fit(X, y)
    assert seen[:2] == ["setup", "fit"]
    assert seen[-2:] == ["end fit", "teardown"]
    assert seen.count("step") == seen.count("end step") >= 1


# ---- which test answers for which row --------------------------------------------------------------------------------

ROWS = {
    "N1 NaN and infinity are named": "test_non_finite_input_is_named_and_changes_nothing",
    "N2 one hostile column": "test_one_hostile_column",
    "N3 all values hostile": "test_all_values_hostile test_all_values_large_or_small_agree_with_a_scaled_penalty "
    "test_all_tiny_is_refused",
    "N4 constant, zero and duplicate columns": "test_constant_zero_and_duplicate_columns",
    "N5 nothing to learn from": "test_nothing_to_learn_from",
    "N6 n < p, conflicting labels": "test_more_columns_than_rows test_duplicate_rows_with_conflicting_labels",
    "N7 separable, no penalty": "test_separable_without_penalty_warns_and_is_finite",
    "N8 enormous scores": "test_enormous_scores_give_probabilities",
    "N9 layouts and types": "test_linear_kernels:test_every_layout_gives_the_same_pass "
    "test_linear_kernels:test_input_is_never_written_to test_linear_kernels:test_memory_map_read_only "
    "test_integers_beyond_53_bits",
    "N10 sparse forms": "test_sparse_equals_dense test_linear_kernels:test_every_layout_gives_the_same_pass",
    "N11 weights 0 and 2": "test_weights_zero_and_two_are_rows_left_out_and_repeated",
    "N12 estimator contract": "test_linear_estimator:test_estimator_contract",
    "N13 not converged": "test_one_warning_when_a_limit_comes_first",
    "N14 the same again": "test_same_fit_again_and_on_other_threads",
    "N15 interruption": "test_interrupted_fit_stores_the_best_point_and_says_so "
    "test_exception_in_a_callback_leaves_the_estimator_as_it_was",
    "N16 order and names": "test_order_of_rows_and_names_of_classes_do_not_matter",
}


def test_every_row_has_its_tests():
    assert [row.partition(" ")[0] for row in ROWS] == [f"N{number}" for number in range(1, 17)]
    for tests in ROWS.values():
        for test in tests.split():
            module, _, name = test.rpartition(":")
            assert hasattr(import_module(module) if module else sys.modules[__name__], name), test


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, ">i4"])
def test_labels_of_any_integer_type_mean_the_same(dtype):
    from inklens.linear.problem.penalties import ElasticNet
    from inklens.linear.problem.problem import Problem
    from inklens.linear.rows.rows import Rows

    rng = np.random.default_rng(0)
    X, codes = Rows.of(rng.random((300, 5))), rng.integers(0, 3, 300)
    coef, intercept = rng.normal(size=(3, 5)), np.zeros(3)
    losses = [
        Problem(X, codes.astype(kind), np.ones(300, dtype=np.float32), 3, ElasticNet(0.0, 1.0)).evaluate(
            coef, intercept
        )
        for kind in (np.int32, dtype)
    ]
    assert losses[0].loss == losses[1].loss
