"""Passes over rows: the same numbers from every layout, type, thread count and instruction set; true derivatives."""

import ctypes
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from inklens.errors import DataError
from inklens.linear.driver import solve
from inklens.linear.kernels import compiled_packing, compiled_passes, library
from inklens.linear.kernels.choice import REFERENCE, backend_of, numpy_backend
from inklens.linear.problem.penalties import penalty_of
from inklens.linear.problem.problem import Problem
from inklens.linear.rows import layouts
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import log_softmax
from inklens.tasks import doctor

K = 10


def pixels(seed=0, n_samples=300, n_features=40, density=0.2):
    rng = np.random.default_rng(seed)
    on = rng.random((n_samples, n_features)) < density
    return (on * rng.integers(1, 256, on.shape)).astype(np.uint8)


def case(n_samples, n_features, n_classes=K, seed=1):
    rng = np.random.default_rng(seed)
    coef = rng.normal(size=(n_classes, n_features)) / 100.0
    intercept = rng.normal(size=n_classes)
    codes = rng.integers(0, n_classes, n_samples).astype(np.int32)
    return coef, intercept, codes, rng.random(n_samples) + 0.5


def reference(X, coef, intercept, codes, weights):
    """Loss and gradient as the formula says, in plain float64."""
    z = X.astype(float) @ coef.T + intercept
    top = z.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(z - top).sum(axis=1)) + top[:, 0]
    proba = np.exp(z - log_total[:, None])
    residual = (proba - np.eye(len(coef))[codes]) * weights[:, None]
    loss = float(weights @ (log_total - z[np.arange(len(z)), codes]))
    return loss, residual.T @ X.astype(float), residual.sum(axis=0), proba


LAYOUTS = {
    "uint8": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "float64": lambda X: X.astype(float),
    "float16": lambda X: X.astype(np.float16),
    "int64": lambda X: X.astype(np.int64),
    "object": lambda X: X.astype(object),
    "big-endian": lambda X: X.astype(">f8"),
    "fortran": lambda X: np.asfortranarray(X.astype(float)),
    "strided": lambda X: np.repeat(np.repeat(X.astype(float), 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda X: X.astype(np.float32)[::-1, ::-1].copy()[::-1, ::-1],
    "misaligned": lambda X: _misaligned(X.astype(float)),
    "csr": lambda X: sparse.csr_matrix(X.astype(float)),
    "csc": lambda X: sparse.csc_array(X),
    "coo": lambda X: sparse.coo_matrix(X.astype(np.float32)),
    "unsorted csr": lambda X: _unsorted(X.astype(float)),
    "64-bit csr": lambda X: _wide_indices(X.astype(float)),
    "blocks": lambda X: [X[:100], sparse.csr_array(X[100:130].astype(float)), X[130:].astype(np.float32)],
}


def _misaligned(X):
    buffer = np.empty(X.nbytes + 1, dtype=np.uint8)
    out = buffer[1:].view(X.dtype).reshape(X.shape)
    out[...] = X
    assert not out.flags.aligned
    return out


def _unsorted(X):
    """Duplicates, explicit zeros, columns in falling order."""
    X = sparse.coo_matrix(X)
    row, col, data = (np.concatenate([a, b]) for a, b in ((X.row, X.row), (X.col, X.col), (X.data / 2, X.data / 2)))
    row, col, data = np.append(row, [0, 1]), np.append(col, [3, 4]), np.append(data, [0.0, 0.0])
    order = np.lexsort((-col, row))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=X.shape[0]))])
    return sparse.csr_matrix((data[order], col[order], indptr), shape=X.shape)


def _wide_indices(X):
    X = sparse.csr_array(X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("density", [0.2, 0.9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_layout_gives_the_same_pass(layout, density, dtype):
    X = pixels(density=density)
    given = LAYOUTS[layout](X)
    coef, intercept, codes, weights = case(*X.shape)
    loss, gradient, sums, proba = reference(X, coef, intercept, codes, weights)
    at = Rows.of(given).loss_and_gradient(coef, intercept, codes, weights, dtype=dtype)
    rtol = 3e-5 if dtype == np.float32 else 1e-11
    np.testing.assert_allclose(at.loss, loss, rtol=rtol)
    np.testing.assert_allclose(at.gradient, gradient, rtol=rtol, atol=rtol * np.abs(gradient).max())
    np.testing.assert_allclose(at.intercept_gradient, sums, rtol=rtol, atol=rtol * len(X))
    np.testing.assert_allclose(at.proba, proba, rtol=20 * rtol, atol=rtol)


@pytest.mark.parametrize("layout", ["uint8", "float64", "strided", "csr"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_over_few_rows_by_columns_are_those_of_one_pass(layout, dtype, monkeypatch):
    X = pixels(n_samples=5, n_features=40, density=0.9)
    given = LAYOUTS[layout](X)
    coef, intercept, codes, weights = case(*X.shape)
    direction, along = case(*X.shape, seed=2)[:2]
    found = []
    for wide in (1 << 20, 7):
        monkeypatch.setattr(compiled_passes, "WIDE", wide)
        rows = Rows.of(given)
        at = rows.loss_and_gradient(coef, intercept, codes, weights, dtype=dtype)
        product, sums = rows.hessian_product(at.proba, weights, direction, along)
        squares = rows.transpose_product(at.proba, squared=True)
        found.append([np.float64(at.loss), at.gradient, at.intercept_gradient, product, sums, squares])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-9)


@contextmanager
def other_library(monkeypatch, **changes):
    """Let the library be looked for, and compared, anew."""
    caches = library.choice, library.function, numpy_backend
    before = library.active()
    for name, value in changes.items():
        monkeypatch.setattr(library, name, value)
    for cached in caches:
        cached.cache_clear()
    try:
        yield
    finally:
        monkeypatch.undo()
        for cached in caches:
            cached.cache_clear()
    assert library.active() == before


def assert_numpy_runs(reason):
    """One warning says why and what to do; later calls are silent, and fits still work."""
    with pytest.warns(UserWarning, match=f"NumPy kernels run.*{reason}.*install inklens again"):
        assert library.active() == "numpy"
    assert backend_of(np.zeros(3)).name == "numpy"
    X = pixels()
    at = Rows.of(X).loss_and_gradient(*case(*X.shape), dtype=np.float64)
    assert at.loss == pytest.approx(reference(X, *case(*X.shape))[0], rel=1e-12)


NEEDS_LIBRARY = pytest.mark.skipif(library.active() == "numpy", reason="no compiled kernels")


@NEEDS_LIBRARY
def test_a_struct_of_another_layout_is_noticed(monkeypatch):
    """Each number that library and Python exchange: version, sizes, where fields start."""
    right = library.expected_abi()
    assert len(right) == 2 + 3 + sum(len(s._fields_) for s in (library.CRows, library.CPass, library.CPairJob))
    for place in range(len(right)):
        wrong = [number + (i == place) for i, number in enumerate(right)]
        with other_library(monkeypatch, expected_abi=lambda wrong=wrong: wrong):
            if place in (0, 5, len(right) - 1):
                assert_numpy_runs("built from other sources")
            else:
                with pytest.warns(UserWarning, match="other sources"):
                    assert library.active() == "numpy"


@NEEDS_LIBRARY
def test_a_field_that_only_python_has_is_noticed(monkeypatch):
    class Longer(ctypes.Structure):
        _fields_ = (*library.CPairJob._fields_, ("of_next_year", ctypes.c_int64))

    with other_library(monkeypatch, CPairJob=Longer):
        assert_numpy_runs("built from other sources")


def test_a_library_that_cannot_be_loaded_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("INKLENS_KERNELS", raising=False)
    (tmp_path / "_kernels.so").write_bytes(b"half a file")
    with other_library(monkeypatch, LIBRARY=tmp_path / "_kernels.so"):
        assert_numpy_runs("cannot be loaded")


def test_what_the_compiler_said_is_passed_on(monkeypatch, tmp_path):
    """A set-up without a working compiler is told of once by whoever fits, and by `inklens doctor`."""
    monkeypatch.delenv("INKLENS_KERNELS", raising=False)
    changes = {"LIBRARY": tmp_path / "_kernels.so", "FAILURE": tmp_path / "_kernels.failed"}
    with other_library(monkeypatch, **changes):
        assert_numpy_runs("not built")
    changes["FAILURE"].write_text("cc: packing.c:11: error: unknown function 'malloc'")
    with other_library(monkeypatch, **changes):
        assert_numpy_runs("cc: packing.c:11: error: unknown function 'malloc'")
        kernels = next(finding for finding in doctor.examine() if finding.name == "kernels")
        assert "packing.c:11" in kernels.advice
        assert "NumPy" in kernels.value


def test_numpy_by_choice_is_no_reason_to_warn(monkeypatch):
    with other_library(monkeypatch), monkeypatch.context() as environment:
        environment.setenv("INKLENS_KERNELS", "numpy")
        assert library.active() == "numpy"


@NEEDS_LIBRARY
def test_a_library_of_other_sources_is_not_used(monkeypatch):
    called = {"pass_f32", "pass_f64"}
    for path in Path(library.__file__).parents[1].rglob("*.py"):
        called |= set(re.findall(r"""\b(?:call|run)\(\s*"(\w+)\"""", path.read_text()))
        for name in re.findall(r"""\b_name\("(\w+)\"""", path.read_text()):
            called |= {f"{name}_f32", f"{name}_f64"}
    assert called == set(library.FUNCTIONS), "library.FUNCTIONS lists the compiled functions that are called"
    with other_library(monkeypatch, FUNCTIONS=(*library.FUNCTIONS, "of_next_year")):
        assert_numpy_runs("built from other sources")


def test_input_is_never_written_to():
    X = pixels().astype(float)
    X.setflags(write=False)
    S = sparse.csr_matrix(pixels())
    before = S.data.copy(), S.indices.copy(), S.indptr.copy()
    for matrix in (X, S):
        coef, intercept, codes, weights = case(*X.shape)
        rows = Rows.of(matrix)
        rows.loss_and_gradient(coef, intercept, codes, weights)
        rows.dense(dtype=np.float64)[...] = -1.0
    np.testing.assert_array_equal(X, pixels())
    for kept, now in zip(before, (S.data, S.indices, S.indptr), strict=True):
        np.testing.assert_array_equal(kept, now)


def test_memory_map_read_only(tmp_path):
    X = pixels(n_samples=500)
    X.tofile(tmp_path / "pixels")
    mapped = np.memmap(tmp_path / "pixels", dtype=np.uint8, mode="r", shape=X.shape)
    coef, intercept, codes, weights = case(*X.shape)
    a, b = (Rows.of(x, scale=1 / 255).loss_and_gradient(coef, intercept, codes, weights) for x in (X, mapped))
    assert a.loss == b.loss
    np.testing.assert_array_equal(a.gradient, b.gradient)


def test_memory_map_beyond_the_packing_limit_is_streamed(tmp_path, monkeypatch):
    monkeypatch.setattr("inklens.linear.rows.layouts.PACK_UP_TO", 1000)
    X = pixels(n_samples=500)
    np.save(tmp_path / "X.npy", X)
    rows = Rows.of(np.load(tmp_path / "X.npy", mmap_mode="r"), scale=1 / 255)
    assert rows.blocks[0].fast.indices is None
    coef, intercept, codes, weights = case(*X.shape)
    a = rows.loss_and_gradient(coef, intercept, codes, weights, dtype=np.float64)
    b = Rows.of(X, scale=1 / 255).loss_and_gradient(coef, intercept, codes, weights, dtype=np.float64)
    np.testing.assert_allclose(a.gradient, b.gradient, rtol=1e-12)


@pytest.mark.parametrize("n_classes", [3, 10, 20, 70])
@pytest.mark.parametrize("n_features", [1, 3, 63, 64, 259])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bytes_gathered_on_the_way_are_summed_as_they_lie(n_classes, n_features, dtype):
    """Dense bytes with few non-zeros are read by groups of four columns; any width, a last panel that is not full."""
    X = pixels(n_samples=600, n_features=n_features)
    coef, intercept, codes, weights = case(*X.shape, n_classes=n_classes)
    plain = layouts.dense_storage(X)
    near = {"rtol": 1e-10, "atol": 1e-8} if dtype == np.float64 else {"rtol": 1e-3, "atol": 1e-2 * n_features**0.5}
    scores, proba = np.empty((2, len(X), n_classes), dtype)
    for n_threads in (1, 3):
        found = []
        for storage in (plain, plain._replace(skip_zeros=True)):
            on = storage.backend
            at = on.loss_pass(storage, coef, intercept, codes, weights, scores, proba, n_threads)
            back = on.transpose_pass(storage, proba, n_threads), on.transpose_pass(storage, proba, squared=True)
            found.append([*at, scores.copy(), proba.copy(), *back])
        for one, other in zip(*found, strict=True):
            np.testing.assert_allclose(one, other, **near)


@pytest.mark.parametrize("layout", ["uint8", "float64", "csr", "gathered", "wide", "reference"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_product_that_makes_its_probabilities_is_the_one_that_is_given_them(layout, dtype, monkeypatch):
    X = pixels(n_samples=600, n_features=67)
    coef, intercept, _, weights = case(*X.shape)
    direction, along = case(*X.shape, seed=2)[:2]
    monkeypatch.setattr(compiled_packing, "WIDE_BELOW", 1.0 if layout == "wide" else 0.0)
    if layout in ("gathered", "reference"):
        storage = layouts.dense_storage(X)._replace(skip_zeros=True)
        storage = storage._replace(backend=REFERENCE) if layout == "reference" else storage
    else:
        storage = layouts.make_blocks(X if layout == "wide" else LAYOUTS[layout](X))[0].storage(dtype)
    proba = np.exp(log_softmax(X.astype(float) @ coef.T + intercept)).astype(dtype)
    on, given = storage.backend, (weights, direction, along)
    one = on.hessian_pass(storage, proba, *given)
    other = on.curvature_pass(storage, coef, intercept, *given, dtype)
    size = np.abs(one.gradient).max()
    rtol = 1e-11 if dtype == np.float64 else 2e-5
    np.testing.assert_allclose(other.gradient, one.gradient, rtol=rtol, atol=rtol * size)
    np.testing.assert_allclose(other.class_sums, one.class_sums, rtol=rtol, atol=rtol * np.abs(one.class_sums).max())


@pytest.mark.parametrize("n_classes", [1, 2, 3, 4, 5, 8, 9, 16, 17, 33, 64, 80])
@pytest.mark.parametrize("density", [0.2, 0.9])
def test_any_number_of_classes(n_classes, density):
    X = pixels(density=density, n_samples=77)
    coef, intercept, codes, weights = case(*X.shape, n_classes=n_classes)
    loss, gradient, _, _ = reference(X, coef, intercept, codes, weights)
    at = Rows.of(X).loss_and_gradient(coef, intercept, codes, weights, dtype=np.float64)
    np.testing.assert_allclose(at.loss, loss, rtol=1e-12)
    np.testing.assert_allclose(at.gradient, gradient, rtol=1e-10, atol=1e-10 * max(1.0, np.abs(gradient).max()))


@pytest.mark.parametrize("n_samples", [1, 2, 15, 16, 17, 31, 512, 513, 1025])
def test_any_number_of_rows(n_samples):
    X = pixels(n_samples=n_samples)
    coef, intercept, codes, weights = case(*X.shape)
    _, gradient, _, _ = reference(X, coef, intercept, codes, weights)
    for n_threads in (1, 2, 5):
        rows = Rows.of(X, n_threads=n_threads)
        rows._threads = lambda n_classes, n=n_threads: n
        at = rows.loss_and_gradient(coef, intercept, codes, weights, dtype=np.float64)
        np.testing.assert_allclose(at.gradient, gradient, rtol=1e-10, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.05, 0.3, 1.0]))
def test_derivatives_against_differences(seed, density):
    X = Rows.of(pixels(seed, 40, 12, density), scale=1 / 255)
    coef, intercept, codes, weights = case(40, 12, 4, seed)
    V, v = np.random.default_rng(seed + 1).normal(size=(4, 12)), np.random.default_rng(seed + 2).normal(size=4)
    at = X.loss_and_gradient(coef, intercept, codes, weights, dtype=np.float64)
    h = 1e-5

    def shifted(t):
        return X.loss_and_gradient(coef + t * V, intercept + t * v, codes, weights, dtype=np.float64)

    slope = np.vdot(at.gradient, V) + at.intercept_gradient @ v
    assert slope == pytest.approx((shifted(h).loss - shifted(-h).loss) / (2 * h), rel=1e-6, abs=1e-6)
    HV, Hv = X.hessian_product(at.proba, weights, V, v)
    up, down = shifted(h), shifted(-h)
    np.testing.assert_allclose(HV, (up.gradient - down.gradient) / (2 * h), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(Hv, (up.intercept_gradient - down.intercept_gradient) / (2 * h), rtol=1e-5, atol=1e-6)


def test_same_threads_same_bits_and_other_threads_the_same_digits():
    X = pixels(n_samples=3000, n_features=80)
    coef, intercept, codes, weights = case(*X.shape)
    found = {}
    for n_threads in (1, 2, 4):
        rows = Rows.of(X, n_threads=n_threads)
        rows._threads = lambda n_classes, n=n_threads: n
        once, again = (rows.loss_and_gradient(coef, intercept, codes, weights) for _ in range(2))
        np.testing.assert_array_equal(once.gradient, again.gradient)
        found[n_threads] = once.gradient
    np.testing.assert_allclose(found[2], found[1], rtol=1e-5, atol=1e-6 * np.abs(found[1]).max())
    np.testing.assert_allclose(found[4], found[1], rtol=1e-5, atol=1e-6 * np.abs(found[1]).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_of_ten_thousand(dtype):
    X = np.array([[1.0], [-1.0]])
    at = Rows.of(X).loss_and_gradient(
        np.array([[1e4], [-1e4], [0.0]]), np.zeros(3), np.array([0, 0], np.int32), np.ones(2), dtype=dtype
    )
    assert at.loss == pytest.approx(2e4)
    np.testing.assert_allclose(np.asarray(at.proba).sum(axis=1), 1.0, atol=1e-12)
    assert np.isfinite(at.gradient).all()


@pytest.mark.parametrize("name", ["numpy", "plain", "avx2"])
def test_other_kernels_agree(name):
    """The same pass in a process that is forced to other kernels."""
    script = (
        "import numpy as np; import test_linear_kernels as t; from inklens.linear.kernels import library\n"
        "from inklens.linear.rows import rows as blocks\n"
        "X = t.pixels(); rows = blocks.Rows.of(X); a = rows.loss_and_gradient(*t.case(*X.shape))\n"
        "h = rows.hessian_product(a.proba, t.case(*X.shape)[3], *t.case(*X.shape)[:2])[0]\n"
        "print(library.active(), repr(a.loss), repr(float(np.linalg.norm(a.gradient))), repr(float(np.linalg.norm(h))))"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "INKLENS_KERNELS": name, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    active, *values = done.stdout.split()
    assert active == name or library.active() in ("numpy", "neon", "plain")
    X = pixels()
    rows = Rows.of(X)
    at = rows.loss_and_gradient(*case(*X.shape))
    curved = rows.hessian_product(at.proba, case(*X.shape)[3], *case(*X.shape)[:2])[0]
    expected = at.loss, np.linalg.norm(at.gradient), np.linalg.norm(curved)
    np.testing.assert_allclose([float(v) for v in values], expected, rtol=1e-5)


@pytest.mark.parametrize("n_classes", [3, 10, 20, 40])
@pytest.mark.parametrize("density", [0.01, 0.2])
@pytest.mark.parametrize("n_features", [41, 43, 300])
@pytest.mark.parametrize("n_columns", [2, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_rows_by_columns(n_classes, density, n_features, n_columns, dtype, monkeypatch):
    """Panels of rows, and the transpose of wide rows: the same pass, Hessian, squares and sums as the formula."""
    monkeypatch.setattr(compiled_packing, "QUADS_BELOW", {2: 0.0, 4: np.inf}[n_columns])
    X = pixels(n_samples=700, n_features=n_features, density=density)
    X[:, 5] = 0
    rows = Rows.of(sparse.csr_array(X.astype(float)))
    layout = rows.blocks[0].storage(dtype)
    assert library.active() == "numpy" or (layout.transpose if density < 0.03 else layout.panels) is not None
    assert layout.panels is None or layout.panels.values.shape[1] == n_columns
    coef, intercept, codes, weights = case(*X.shape, n_classes)
    rtol = 3e-5 if dtype == np.float32 else 1e-11
    loss, gradient, _, proba = reference(X, coef, intercept, codes, weights)
    for _ in range(3):  # later passes reuse buffers of earlier ones
        at = rows.loss_and_gradient(coef, intercept, codes, weights, dtype=dtype)
        np.testing.assert_allclose(at.loss, loss, rtol=rtol)
        np.testing.assert_allclose(at.gradient, gradient, rtol=rtol, atol=rtol * np.abs(gradient).max())
        np.testing.assert_allclose(at.proba, proba, rtol=20 * rtol, atol=rtol)
    along = X @ coef.T + intercept
    curved = proba * (along - (proba * along).sum(axis=1, keepdims=True)) * weights[:, None]
    product, class_sums = rows.hessian_product(at.proba, weights, coef, intercept)
    np.testing.assert_allclose(product, curved.T @ X, rtol=0.0, atol=20 * rtol * np.abs(curved.T @ X).max())
    np.testing.assert_allclose(class_sums, curved.sum(axis=0), rtol=0.0, atol=20 * rtol * np.abs(curved).sum())
    squares = rows.transpose_product(curved.astype(dtype), squared=True)
    true = curved.T @ X.astype(float) ** 2
    np.testing.assert_allclose(squares, true, rtol=0.0, atol=rtol * np.abs(true).max())


@NEEDS_LIBRARY
@pytest.mark.parametrize("n_values", [3, 60])  # row by row, and by columns
@pytest.mark.parametrize("n_classes", [1, 4, 5, 9, 17])  # 4, 8 and 16 lanes, and more than fit
@pytest.mark.parametrize("n_threads", [1, 3])
def test_gram_matrices_of_sparse_rows_are_the_sums_of_their_products(n_values, n_classes, n_threads):
    """In exact arithmetic: values and weights are small whole numbers."""
    rng = np.random.default_rng(n_values)
    X = np.zeros((2500, 80))
    np.put_along_axis(X, rng.permuted(np.tile(np.arange(80), (2500, 1)), axis=1)[:, :n_values], 1.0, axis=1)
    X[X > 0.0] = rng.integers(1, 4, np.count_nonzero(X))
    X[7] = 0.0
    weights = rng.integers(0, 3, (2500, n_classes)).astype(np.float32)
    rows = Rows.of(sparse.csr_array(X)).csr(np.arange(80))
    found = np.zeros((n_classes, 84, 96), dtype=np.float32)
    rows.backend.class_grams(rows, weights, found, n_threads)
    ones = np.column_stack([X, np.ones(2500)])
    for gram, own in zip(found, weights.T, strict=True):
        np.testing.assert_array_equal(gram[:81, :81], np.tril(ones.T @ (ones * own[:, None])))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_non_finite_values_are_named(bad, dtype, is_sparse):
    X = pixels().astype(dtype)
    X[123, 7] = bad
    with pytest.raises(DataError, match=r"(NaN|infinity) in row 123, column 7 "):
        Rows.of(sparse.csr_array(X) if is_sparse else X)
    with pytest.raises(DataError, match=r"row 423, column 7 "):
        Rows.of([pixels(), sparse.csr_array(X) if is_sparse else X])


def test_clear_errors_at_the_border():
    with pytest.raises(DataError, match="two-dimensional"):
        Rows.of(np.zeros(3))
    with pytest.raises(DataError, match="numbers"):
        Rows.of(np.array([["a", "b"]], dtype=object))
    with pytest.raises(DataError, match="same number of columns"):
        Rows.of([np.zeros((2, 3)), np.zeros((2, 4))])


def test_parts_of_the_matrix():
    X = pixels()
    given = [X[:100], sparse.csr_array(X[100:].astype(float))]
    rows, columns, chosen = Rows.of(given, scale=1 / 255), np.array([1, 5, 30]), np.array([0, 7, 99, 100, 250])
    true = X / 255
    np.testing.assert_allclose(rows.dense(columns, chosen), true[np.ix_(chosen, columns)], rtol=1e-6)
    np.testing.assert_allclose(rows.take(chosen).dense(dtype=np.float64), true[chosen], rtol=1e-12)
    np.testing.assert_allclose(rows.csr(columns, chosen).matrix.toarray(), true[np.ix_(chosen, columns)], rtol=1e-6)
    w = np.random.default_rng(0).random(len(X))
    np.testing.assert_allclose(rows.column_sums(w), w @ true, rtol=1e-12)
    np.testing.assert_allclose(rows.column_squares(w), w @ true**2, rtol=1e-12)
    np.testing.assert_array_equal(rows.low, true.min(axis=0))
    np.testing.assert_allclose(rows.high, true.max(axis=0))


@pytest.mark.parametrize("unit", [1.0, 1 / 255, 0.037])
@pytest.mark.parametrize("order", ["C", "F"])
def test_pixels_in_float64_are_read_as_the_bytes_that_they_were(monkeypatch, unit, order):
    monkeypatch.setattr(layouts, "BYTES_FROM", 0)
    X = pixels(n_samples=500)
    X[0, 0] = 255
    values = np.asarray(X / 255.0 if unit == 1 / 255 else X * unit, order=order)
    rows = Rows.of(values, scale=0.5)
    assert rows.blocks[0].exact.values.dtype == np.uint8
    np.testing.assert_allclose(rows.dense(dtype=np.float64), values * 0.5, rtol=1.5 * layouts.ROUNDED, atol=0.0)
    coef, intercept, codes, weights = case(*X.shape)
    at = rows.loss_and_gradient(coef, intercept, codes, weights, dtype=np.float64)
    loss, gradient, _, _ = reference(values * 0.5, coef, intercept, codes, weights)
    assert at.loss == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(at.gradient, gradient, rtol=1e-11, atol=1e-11 * np.abs(gradient).max())


def test_a_sample_of_paper_does_not_settle_the_unit(monkeypatch):
    monkeypatch.setattr(layouts, "BYTES_FROM", 0)
    X = np.zeros((640, 5))
    X[5] = 7 / 255  # between the rows that are looked at first
    assert Rows.of(X).blocks[0].exact.values.dtype == np.uint8
    np.testing.assert_allclose(Rows.of(X).dense(dtype=np.float64), X, rtol=layouts.ROUNDED, atol=0.0)


@pytest.mark.parametrize("wrong", [-1 / 255, 256 / 255, 1e-9, 7 / 255 * (1 + 1e-14), 0.5])
def test_one_value_that_is_no_byte_leaves_all_as_they_are(monkeypatch, wrong):
    monkeypatch.setattr(layouts, "BYTES_FROM", 0)
    X = pixels(n_samples=500) / 255.0
    X[0, 0], X[331, 3] = 1.0, wrong
    rows = Rows.of(X)
    np.testing.assert_array_equal(rows.dense(dtype=np.float64), X)
    X[331, 3] = np.nan
    with pytest.raises(DataError, match="NaN in row 331, column 3"):
        Rows.of(X)


def test_the_bound_of_pixels_in_float64_holds_for_the_values_as_given(monkeypatch):
    """Beside plain NumPy on these values: what the bytes lose in rounding is counted."""
    monkeypatch.setattr(layouts, "BYTES_FROM", 0)
    X = pixels(n_samples=300) / 255.0
    _, _, codes, weights = case(*X.shape)
    problem = Problem(Rows.of(X), codes, weights, int(codes.max()) + 1, penalty_of(0.0))
    solution = solve(problem, tol=1e-13)
    z = X @ solution.coef.T + solution.intercept
    exact = -float(weights @ log_softmax(z)[np.arange(300), codes]) + problem.penalty.value(solution.coef)
    assert solution.lower_bound <= exact * (1.0 + 1e-15)
    assert solution.lower_bound >= exact * (1.0 - 1e-9)


@pytest.mark.skipif(library.active() == "numpy", reason="NumPy does as the processor was told")
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_subnormal_numbers_count_as_0_in_kernels_and_nowhere_else(dtype, n_threads):
    """Processors take a hundred cycles for each: a pass over rows that are sure took thirty times as long."""
    X, subnormal = np.ones((700, 2)), np.finfo(dtype).tiny / 8
    rows = Rows.of(X, n_threads=n_threads)
    proba = np.repeat(np.array([[1.0, subnormal]], dtype=dtype), len(X), axis=0)
    far = np.array([[0.0, 0.0], [0.1, 0.1]]) / np.finfo(dtype).tiny
    product, sums = rows.hessian_product(proba, np.ones(len(X)), far, np.zeros(2))
    assert not product.any()
    assert not sums.any()
    normal = np.where(proba < 0.5, np.finfo(dtype).tiny, proba).astype(dtype)
    assert rows.hessian_product(normal, np.ones(len(X)), far, np.zeros(2))[0].any()
    moved = backend_of(proba).moved(proba, np.zeros_like(proba))
    assert not moved[:, 1].any()
    assert (proba[:, 1] * dtype(0.5) > 0.0).all()
