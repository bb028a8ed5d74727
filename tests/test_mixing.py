"""What moves probability between classes: as a matrix, in rows, in sums over rows, and what rounding makes of it."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from mpmath import mp
from scipy import sparse

from inklens.linear.kernels.choice import numpy_backend
from inklens.linear.kernels.mixing import MOST_MOVES, Mixing
from inklens.linear.kernels.reference import Reference
from inklens.linear.problem.penalties import ElasticNet
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates
from inklens.linear.proofs.dual import balanced_gradient
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows

mp.dps = 80  # of the whole process: as in `test_laws_exact.py`
BACKENDS = {"compiled": numpy_backend(), "reference": Reference()}


def drawn(rng, n_classes, n_moves, size=1.0):
    """Return moves of random shares, up to `size`; no class both gives and gets in one."""
    mix = Mixing.none(n_classes)
    for _ in range(n_moves):
        gives = rng.random(n_classes) < 0.5
        gives[0], gives[-1] = True, False
        share = np.where(gives, size * rng.random(n_classes), 0.0)
        given = np.where(gives, 0.0, rng.random(n_classes) + 1e-3)
        mix = mix.then(Mixing.move(share, given / given.sum()))
    return mix


def matrix_of(mix):
    """The matrix of these floats, exactly, (n_classes, n_classes) of fractions; rows add up to 1 as they are meant."""
    K = len(mix.kept)
    M = np.array(
        [
            [sum((Fraction(t[k]) * Fraction(g[m]) for t, g in zip(mix.taken, mix.given, strict=True)), Fraction(0))
             for m in range(K)]
            for k in range(K)
        ]
    )  # fmt: skip
    for k in range(K):
        M[k, k] += Fraction(mix.kept[k])
    return M


def exactly(values):
    return np.vectorize(lambda value: Fraction(float(value)), otypes=[object])(np.asarray(values))


@pytest.mark.parametrize("n_moves", range(MOST_MOVES + 1))
def test_rows_of_the_matrix_add_up_to_one_and_a_product_is_the_matrices_product(n_moves):
    rng = np.random.default_rng(n_moves)
    for n_classes in (2, 3, 10):
        one, other = (drawn(rng, n_classes, n) for n in (n_moves, MOST_MOVES - n_moves))
        identity = np.eye(n_classes)
        whole = one.then(other)
        np.testing.assert_allclose(whole.of(identity).sum(axis=1), 1.0, rtol=1e-14)
        np.testing.assert_allclose(whole.of(identity), one.of(identity) @ other.of(identity), rtol=1e-14, atol=1e-300)
        np.testing.assert_allclose(whole.lost, 1.0 - whole.kept, rtol=1e-12)
        got = whole.of(identity) - np.diag(whole.kept)
        assert whole.lost.max() <= whole.moved
        assert got.max() <= whole.moved * (1.0 + 1e-12)


def test_what_moves_is_known_relatively_however_little_it_is():
    share, given = np.array([1e-30, 0.0, 0.0]), np.array([0.0, 0.25, 0.75])
    twice = Mixing.move(share, given).then(Mixing.move(share, given))
    np.testing.assert_allclose(twice.of(np.eye(3))[0, 1:], [0.5e-30, 1.5e-30], rtol=1e-15)
    sums = np.array([[8.0, 4.0], [1.0, 1.0], [1.0, 1.0]])
    np.testing.assert_allclose(twice.of_sums(np.zeros((3, 2)), sums)[0], [16e-30, 8e-30], rtol=1e-15)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 3, 10, 40, 700])
def test_mixed_rows_and_their_entropies_are_exact_to_rounding(backend, dtype, n_classes):
    rng, kernels = np.random.default_rng(n_classes), BACKENDS[backend]
    n_rows = 2 if n_classes == 700 else 19
    proba = rng.dirichlet(np.full(n_classes, 0.3), n_rows).astype(dtype)
    codes, weights = rng.integers(0, n_classes, n_rows).astype(np.int32), rng.uniform(0.5, 2.0, n_rows)
    mix = drawn(rng, n_classes, MOST_MOVES, size=0.2)
    kept, taken, given = (mpf(of) for of in (mix.kept, mix.taken, mix.given))
    q = mpf(proba) * kept + (mpf(proba) @ taken.T) @ given
    eps = float(np.finfo(dtype).eps)
    found = np.asarray(kernels.mixed(proba, mix))
    assert found.dtype == dtype
    assert np.abs(mpf(found) / q - 1).max() <= (4 + n_classes) * eps
    scales = np.array([1.0, 0.3])
    sums, largest = kernels.entropies(proba, codes, weights, scales, mix)
    for entropy, scale in zip(sums, scales, strict=True):
        expected = sum(w * entropy_of(row, own, scale) for row, own, w in zip(q, codes, weights, strict=True))
        assert abs(entropy - expected) <= 4 * (2 * n_classes + n_rows + 10) * 2.0**-53 * expected
    others = max(sum(value for k, value in enumerate(row) if k != own) for row, own in zip(q, codes, strict=True))
    assert abs(largest - others) <= 2 * n_classes * 2.0**-53


def mpf(values):
    return np.vectorize(lambda value: mpmath.mpf(float(value)), otypes=[object])(np.asarray(values))


def entropy_of(q, own, scale):
    others = [scale * value for k, value in enumerate(q) if k != own]
    rest = 1 - sum(others)
    return -sum(value * mpmath.log(value) for value in [*others, rest] if value > 0)


def test_more_moves_than_the_kernel_takes_are_refused():
    mix = drawn(np.random.default_rng(0), 3, MOST_MOVES + 1)
    for call in (
        lambda: numpy_backend().mixed(np.full((2, 3), 1 / 3), mix),
        lambda: numpy_backend().entropies(
            np.full((2, 3), 1 / 3), np.zeros(2, dtype=np.int32), np.ones(2), np.ones(1), mix
        ),
    ):
        with pytest.raises(ValueError, match="does not take these arguments"):
            call()


def table(rng, kind, n_rows, n_features):
    X = rng.normal(size=(n_rows, n_features))
    if kind == "sparse":
        return sparse.csr_array(X * (rng.random(X.shape) < 0.2))
    if kind == "wide":
        return sparse.random_array((n_rows, 9_000), density=0.002, rng=rng, format="csr")
    return (np.abs(X) * 80).astype(np.uint8) if kind == "bytes" else X.astype(kind)


@pytest.mark.parametrize("kind", ["float64", "float32", "bytes", "sparse", "wide"])
@pytest.mark.parametrize("n_classes", [1, 2, 5, 17])
def test_sums_by_class_are_those_of_the_labels(kind, n_classes):
    rng = np.random.default_rng(n_classes)
    X = table(rng, kind, 700, 23)
    rows = Rows.of(X, scale=1 / 255 if kind == "bytes" else 1.0)
    codes, weights = rng.integers(0, n_classes, 700).astype(np.int32), rng.uniform(0.5, 2.0, 700)
    whole = X.toarray() if sparse.issparse(X) else X.astype(float) * rows.scale
    expected = (np.eye(n_classes)[codes] * weights[:, None]).T @ whole
    np.testing.assert_allclose(rows.sums_by_class(codes, weights, n_classes), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(rows.column_sums(weights), expected.sum(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(rows.column_squares(weights), weights @ whole**2, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["float64", "float32", "bytes", "sparse", "wide"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_residuals_that_nobody_holds_give_the_product_of_those_that_are_held(kind, dtype):
    rng = np.random.default_rng(3)
    X = table(rng, kind, 700, 23)
    rows = Rows.of(X, scale=1 / 255 if kind == "bytes" else 1.0)
    codes, weights = rng.integers(0, 5, 700).astype(np.int32), rng.uniform(0.5, 2.0, 700)
    proba = rng.dirichlet(np.full(5, 0.3), 700)
    whole = X.toarray() if sparse.issparse(X) else X.astype(float) * rows.scale
    expected = ((np.eye(5)[codes] - proba) * weights[:, None]).T @ whole
    found = rows.residual_product(RowArray.of(proba.astype(dtype)), codes, weights)
    close = 1e-11 if dtype == np.float64 else 2e-5
    np.testing.assert_allclose(found, expected, rtol=close, atol=close * np.abs(expected).max())


@pytest.mark.parametrize("lead", [0.0, 3.0, 30.0])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_the_gradient_of_a_balanced_point_is_within_its_rounding_exactly(n_classes, lead):
    """Near the optimum and far from it, of sure rows and of others, over weights of twelve decades."""
    tight = 0.0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        n, p = int(rng.integers(2 * n_classes, 40)), 3
        codes = np.r_[np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)].astype(np.int32)
        X = rng.normal(size=(n, p)) + lead * np.eye(n_classes, p)[codes]
        weights = 10.0 ** rng.uniform(-6, 6, n)
        problem = Problem(Rows.of(X), codes, weights, n_classes, ElasticNet(0.0, 1.0))
        W, b = rng.normal(size=(n_classes, p)) + 0.5 * lead * np.eye(n_classes, p), rng.normal(size=n_classes)
        at = problem.evaluate(W, b, dtype=np.float64)
        mix, leak = certificates.balance_of(at.proba, codes, weights)
        q = of_meaning(exactly(at.proba), codes).dot(matrix_of(mix))
        q = of_meaning(q, codes)
        y = exactly(np.eye(n_classes)[codes])
        expected = ((y - q) * exactly(weights)[:, None]).T.dot(exactly(X))
        largest = float(max(1 - row[own] for row, own in zip(q, codes, strict=True)))
        shift = certificates.value_rounding(at.proba, largest, 0.0, problem.rows.n_added, mix.moved)[1]
        allowed = shift * np.abs(X).T @ weights
        for known in (-at.gradient, None):
            found = balanced_gradient(problem, at.proba, mix, known)
            error = np.abs((exactly(found) - expected).astype(float))
            assert (error <= allowed).all()
            tight = max(tight, float((error / allowed).max()))
        assert 0.0 <= leak < 1.0
    assert tight > 1e-4  # and so the bound says something


def of_meaning(proba, codes):
    """Rows whose own class has what the others leave."""
    proba = proba.copy()
    for row, own in zip(proba, codes, strict=True):
        row[own] = 1 - sum(value for k, value in enumerate(row) if k != own)
    return proba
