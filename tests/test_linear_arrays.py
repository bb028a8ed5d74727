"""Arrays of other libraries: the reference on the array API is the compiled pass, and a fit on it the fit on NumPy.

array-api-strict allows what the standard promises and nothing else, and has a device that NumPy cannot look into; torch
and JAX are tested where they are installed.
"""

import subprocess
import sys

import array_api_strict
import numpy as np
import pytest
from scipy import sparse

from inklens.errors import DataError
from inklens.linear import arrays
from inklens.linear.estimators import SoftmaxRegression
from inklens.linear.kernels import library
from inklens.linear.kernels.backend import PairColumns
from inklens.linear.kernels.choice import REFERENCE
from inklens.linear.model_selection import SoftmaxRegressionCV
from inklens.linear.path import softmax_path
from inklens.linear.rows import layouts
from inklens.linear.rows.layouts import dense_storage, make_block, sparse_storage
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import softmax

try:
    import torch
except ImportError:
    torch = None
try:
    import jax

    jax.config.update("jax_enable_x64", True)
except ImportError:
    jax = None

MAKERS = {
    "strict": array_api_strict.asarray,
    "device": lambda X: array_api_strict.asarray(np.array(X), device=array_api_strict.Device("device1")),
    "torch": pytest.param(
        lambda X: torch.asarray(np.array(X)), marks=pytest.mark.skipif(torch is None, reason="no torch")
    ),
    "jax": pytest.param(lambda X: jax.numpy.asarray(X), marks=pytest.mark.skipif(jax is None, reason="no JAX")),
}


@pytest.fixture(params=["reference", "shared memory"], autouse=True)
def path(request, monkeypatch):
    """The reference as on any device, and compiled passes over the same memory where there is one."""
    monkeypatch.setattr(layouts, "SHARE_MEMORY", request.param == "shared memory" and library.active() != "numpy")
    monkeypatch.setattr(layouts, "BROUGHT_BELOW", 0)
    return request.param


LIBRARIES = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
PENALTIES = [
    {"C": 0.1},
    {"C": 0.1, "l1_ratio": 1.0},
    {"C": 0.1, "l1_ratio": 0.5},
    {"C": 0.1, "l1_ratio": 1.0, "group": True},
    {"C": 0.1, "l1_ratio": 1.0, "fit_intercept": False, "class_weight": "balanced"},
]


def problem(n_samples=120, n_features=9, n_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    X = (rng.integers(0, 4, (n_samples, n_features)) * rng.integers(0, 2, (n_samples, n_features))).astype(np.uint8)
    coef, intercept = rng.normal(size=(n_classes, n_features)), rng.normal(size=n_classes)
    codes = (X @ coef.T + 3.0 * rng.normal(size=(n_samples, n_classes))).argmax(axis=1).astype(np.int32)
    return X, coef, intercept, codes, rng.random(n_samples) + 0.5


@LIBRARIES
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int16, np.bool_])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_product_is_that_of_the_numpy_rows(make, kind, dtype, monkeypatch):
    monkeypatch.setattr(arrays, "CHUNK", 200)  # several chunks
    X, coef, intercept, codes, weights = problem()
    X = X.astype(kind)
    here, there = Rows.of(X, scale=0.5), Rows.of(make(X), scale=0.5)
    rtol = 2e-5 if dtype == np.float32 else 1e-12
    near = {"rtol": rtol, "atol": 50 * rtol}
    a, b = (rows.loss_and_gradient(coef, intercept, codes, weights, dtype=dtype) for rows in (here, there))
    assert abs(a.loss - b.loss) <= rtol * a.loss
    for one, other in zip(a[1:], b[1:], strict=True):
        assert type(np.asarray(other)) is np.ndarray
        np.testing.assert_allclose(one, other, **near)
    for one, other in zip(
        *(rows.hessian_product(a.proba, weights, coef, intercept) for rows in (here, there)), strict=True
    ):
        np.testing.assert_allclose(one, other, **near)
    for squared in (False, True):
        one, other = (rows.transpose_product(a.proba, squared=squared) for rows in (here, there))
        np.testing.assert_allclose(one, other, **near)
    np.testing.assert_allclose(here.scores(coef, intercept), there.scores(coef, intercept), rtol=2e-5, atol=1e-4)
    np.testing.assert_array_equal(here.low, there.low)
    np.testing.assert_array_equal(here.high, there.high)
    assert here.n_nonzeros == there.n_nonzeros
    chosen, columns = np.array([3, 4, 77]), np.array([0, 5])
    np.testing.assert_allclose(here.dense(columns, chosen), there.dense(columns, chosen))
    np.testing.assert_allclose(here.take(chosen).dense(), there.take(chosen).dense())
    shift, scale = np.zeros(9), np.exp2(np.arange(9.0))
    np.testing.assert_allclose(
        here.standardised(shift, scale).dense(dtype=np.float64),
        there.standardised(shift, scale).dense(dtype=np.float64),
    )


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_reference_is_the_compiled_pass(layout, dtype):
    if library.active() == "numpy":
        pytest.skip("no compiled kernels")
    X, coef, intercept, codes, weights = problem()
    X = layout(X.astype(float))
    rtol = 2e-5 if dtype == np.float32 else 1e-12
    compiled = Rows.of(X).loss_and_gradient(coef, intercept, codes, weights, dtype=dtype)
    scores, proba = np.empty((2, X.shape[0], len(coef)), dtype)
    storage = sparse_storage(X) if sparse.issparse(X) else dense_storage(X)
    found = REFERENCE.loss_pass(storage, coef, intercept, codes, weights, scores, proba)
    assert abs(found.loss - compiled.loss) <= rtol * compiled.loss
    np.testing.assert_allclose(found.gradient, compiled.gradient, rtol=rtol, atol=50 * rtol)
    np.testing.assert_allclose(proba, compiled.proba, rtol=10 * rtol, atol=rtol)
    along = Rows.of(X).hessian_product(proba, weights, coef, intercept)[0]
    np.testing.assert_allclose(
        REFERENCE.hessian_pass(storage, proba, weights, coef, intercept).gradient, along, rtol=rtol, atol=50 * rtol
    )


@LIBRARIES
def test_gradient_and_curvature_are_derivatives(make):
    X, coef, intercept, codes, weights = problem(n_classes=3)
    rows, rng, step = Rows.of(make(X.astype(float))), np.random.default_rng(1), 1e-5
    codes = codes % 3
    direction, change = rng.normal(size=coef.shape), rng.normal(size=3)

    def at(t):
        return rows.loss_and_gradient(coef + t * direction, intercept + t * change, codes, weights, dtype=np.float64)

    here, before, after = at(0.0), at(-step), at(step)
    slope = (here.gradient * direction).sum() + here.intercept_gradient @ change
    assert (after.loss - before.loss) / (2 * step) == pytest.approx(slope, rel=1e-7)
    curved, sums = rows.hessian_product(here.proba, weights, direction, change)
    np.testing.assert_allclose((after.gradient - before.gradient) / (2 * step), curved, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        (after.intercept_gradient - before.intercept_gradient) / (2 * step), sums, rtol=1e-6, atol=1e-6
    )


@LIBRARIES
def test_second_derivatives_as_matrices(make, monkeypatch):
    monkeypatch.setattr(arrays, "CHUNK", 500)
    X, coef, _, _, weights = problem()
    proba, x = softmax(X @ coef.T), np.column_stack([X, np.ones(len(X))])
    grams = np.zeros((proba.shape[1], 4, 5), dtype=np.float32)  # larger than it needs to be
    curvature = np.vstack([proba, proba]).astype(np.float32)
    Rows.of([make(X), X]).add_class_grams(np.array([1, 4]), None, curvature, grams)
    for k, gram in enumerate(grams[:, :3, :3]):
        chosen = x[:, [1, 4, 9]]
        np.testing.assert_allclose(np.tril(gram), np.tril(2.0 * chosen.T @ (chosen * proba[:, [k]])), rtol=1e-4)
    classes, features = np.array([0, 0, 1, 3]), np.array([2, 9, 2, 5])
    spread = x[:, features] * proba[:, classes]
    wanted = -(spread.T @ (spread * weights[:, None]))
    same = classes[:, None] == classes
    wanted += same * (x[:, features].T @ (spread * weights[:, None]))
    used, place = np.unique(features, return_inverse=True)
    found = np.zeros((4, 4), dtype=np.float32)
    storage = dense_storage(make(X))
    REFERENCE.pair_hessian(storage, np.arange(len(X)), PairColumns(used, place, classes, 4), proba, weights, found)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


@LIBRARIES
@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
def test_same_optimum_with_its_certificate(make, penalty):
    X, _, _, codes, weights = problem(n_samples=200)
    y = np.array(["a", "b", "c", "d"])[codes]
    here = SoftmaxRegression(tol=1e-8, **penalty).fit(X, y, sample_weight=weights)
    there = SoftmaxRegression(tol=1e-8, **penalty).fit(make(X), y, sample_weight=weights)
    assert there.status_ == "certified"
    assert max(here.lower_bound_, there.lower_bound_) <= min(here.objective_, there.objective_)
    assert there.objective_ == pytest.approx(here.objective_, rel=2e-8)
    assert type(there.coef_) is np.ndarray


@LIBRARIES
def test_answers_come_in_the_library_of_the_question(make):
    X, _, _, codes, _ = problem()
    model = SoftmaxRegression().fit(make(X.astype(np.float32)), make(codes))
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        wanted, found = (getattr(model, method)(given) for given in (X, make(X)))
        assert type(found) is type(make(X))
        np.testing.assert_allclose(arrays.to_numpy(found), wanted, rtol=1e-12)
    np.testing.assert_array_equal(model.predict(make(X)), model.predict(X))
    assert model.score(make(X), codes) == model.score(X, codes)


@LIBRARIES
def test_paths_selection_and_blocks(make):
    X, _, _, codes, _ = problem()
    here, there = (softmax_path(given, codes, Cs=5, C=0.5) for given in (X, make(X)))
    assert (there.gaps <= 1e-3).all()
    np.testing.assert_allclose(here.objectives, there.objectives, rtol=2e-3)
    mixed = SoftmaxRegression(tol=1e-7).fit([make(X[:50]), X[50:]], codes)
    assert mixed.objective_ == pytest.approx(SoftmaxRegression(tol=1e-7).fit(X, codes).objective_, rel=2e-7)
    chosen = SoftmaxRegressionCV(Cs=3, cv=2).fit(make(X), codes)
    here = SoftmaxRegressionCV(Cs=3, cv=2).fit(X, codes)
    assert pytest.approx(here.C_) == chosen.C_
    assert chosen.score(make(X), codes) == pytest.approx(here.score(X, codes), rel=1e-3)


@LIBRARIES
def test_separated_without_a_penalty(make):
    X, _, _, codes, _ = problem(n_samples=12, n_features=30)
    with pytest.warns(UserWarning, match="separable"):
        model = SoftmaxRegression(C=np.inf).fit(make(X), codes)
    assert model.separated_
    assert model.score(X, codes) == 1.0


@LIBRARIES
def test_hostile_values(make):
    X, _, _, codes, _ = problem()
    X = X.astype(float)
    model = SoftmaxRegression().fit(make(X), codes)
    spoilt = X.copy()
    spoilt[7, 3] = np.nan
    for use in (lambda X: SoftmaxRegression().fit(X, codes), model.predict_proba):
        with pytest.raises(DataError, match="NaN in row 7, column 3"):
            use(make(spoilt))
    with pytest.raises(ValueError, match="features"):
        model.predict(make(X[:, :4]))
    with pytest.raises(DataError, match="two-dimensional"):
        SoftmaxRegression().fit(make(X[:, 0]), codes)
    with pytest.raises(DataError, match="real numbers"):
        SoftmaxRegression().fit(make(X + 1j), codes)
    with pytest.raises(DataError, match="one label for each row"):
        SoftmaxRegression().fit(make(X), codes[:-1])
    for empty in (X[:0], X[:, :0]):
        with pytest.raises(ValueError, match="a minimum of 1 is required"):
            SoftmaxRegression().fit(make(empty), codes[: len(empty)])
    np.testing.assert_array_equal(make_block(dense_storage(make(X * 1e10))).inspection.high, (X * 1e10).max(axis=0))


def test_memory_is_shared_not_copied(path):
    X = np.random.default_rng(0).random((50, 4))
    for make in (torch.asarray if torch else array_api_strict.asarray, array_api_strict.asarray):
        given = make(X)
        values = make_block(dense_storage(given)).exact.values
        assert isinstance(values, np.ndarray) == (path == "shared memory" and library.active() != "numpy")
        if isinstance(values, np.ndarray):
            assert np.shares_memory(values, arrays.to_numpy(given))


def test_a_device_without_float64_is_refused(monkeypatch):
    monkeypatch.setattr(layouts, "SHARE_MEMORY", False)
    with array_api_strict.ArrayAPIStrictFlags():
        X = array_api_strict.asarray(np.ones((4, 2), np.float32), device=array_api_strict.Device("no_float64"))
        with pytest.raises(DataError, match="float64"):
            SoftmaxRegression().fit(X, [0, 1, 0, 1])


@pytest.mark.skipif(torch is None, reason="no torch")
def test_torch_kinds():
    X, _, _, codes, _ = problem()
    wanted = SoftmaxRegression().fit(X, codes).objective_
    for kind in (torch.float16, torch.bfloat16, torch.int64):
        assert SoftmaxRegression().fit(torch.asarray(X).to(kind), codes).objective_ == pytest.approx(wanted, rel=1e-4)
    tracked = torch.asarray(X.astype(np.float32)).requires_grad_()
    assert SoftmaxRegression().fit(tracked, codes).objective_ == pytest.approx(wanted, rel=1e-4)
    with pytest.raises(DataError, match="to_dense"):
        SoftmaxRegression().fit(torch.asarray(X).to_sparse(), codes)


@pytest.mark.slow
def test_no_library_is_imported_for_numpy_rows():
    code = (
        "import sys, numpy as np; from inklens.linear.estimators import SoftmaxRegression as S;"
        "S().fit(np.eye(4), [0, 1, 0, 1]).predict_proba(np.eye(4));"
        "assert not {'torch', 'cupy', 'jax', 'array_api_compat'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
