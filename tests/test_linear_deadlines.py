"""Deadlines inside long functions: they come back soon after the time is over, and give back what they took."""

import ctypes
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from inklens.linear import deadline
from inklens.linear.kernels import library
from inklens.linear.kernels.backend import DualAscentState
from inklens.linear.kernels.buffers import aligned
from inklens.linear.kernels.choice import REFERENCE, numpy_backend
from inklens.linear.methods.subproblem import Pairs, _alternate, pair_hessian
from inklens.linear.methods.systems import conjugate_gradient
from inklens.linear.rows.layouts import sparse_storage
from inklens.linear.rows.rows import Rows

COMPILED = pytest.mark.skipif(library.active() == "numpy", reason="no compiled kernels")
BUDGET_S = 0.005
FOREVER = 10**12  # sweeps
N_THREADS = 2


def positive_definite(n):
    """An ill-conditioned matrix, on which descent does not end."""
    factor = np.random.default_rng(0).normal(size=(n // 4, n)).astype(np.float32)
    return factor.T @ factor + 1e-3 * np.eye(n, dtype=np.float32)


def gram_descent():
    H, n = positive_definite(400), 400
    g, w, l1, l2 = np.random.default_rng(1).normal(size=n), np.zeros(n), np.full(n, 1e-3), np.zeros(n)
    return lambda: numpy_backend().gram_descent(H, g, w, l1, l2, tolerance=0.0, max_sweeps=FOREVER, n_threads=N_THREADS)


def group_descent(n_classes=4):
    H, n = positive_definite(400), 400
    g, w = np.random.default_rng(1).normal(size=n), np.zeros(n)
    group, l2 = np.full(n // n_classes, 1e-3), np.zeros(n // n_classes)
    return lambda: numpy_backend().group_descent(H, g, w, group, l2, tolerance=0.0, max_sweeps=FOREVER)


def threshold_descent():
    H, n = positive_definite(400).astype(np.float64), 400
    g, w, l1, l2 = np.random.default_rng(1).normal(size=n), np.zeros(n), np.full(n, 1e-3), np.zeros(n)

    def descend():
        while True:  # it ends by itself where it is slow
            numpy_backend().threshold_descent(H, g, w, l1, l2, is_grouped=False, tolerance=-1.0, max_looks=FOREVER)

    return descend


def factor_face():
    H, n = positive_definite(2500), 2500
    return lambda: numpy_backend().factor_face(H, np.arange(n), np.full(n, 1.0), n_threads=N_THREADS)


def solve_many():
    H, n = positive_definite(600), 600
    factor = numpy_backend().factor_face(H, np.arange(n), np.full(n, 1.0))
    return lambda: factor.solve_many(np.ones((n, 3000)), N_THREADS)


def subtract_product():
    H, left = np.zeros((2000, 2000), np.float32), np.ones((2000, 200))
    return lambda: numpy_backend().subtract_product(H, left, left.T, N_THREADS)


def class_grams():
    X = sparse_storage(sparse.random_array((3000, 400), density=0.3, rng=0, format="csr").astype(np.float32))
    curvature, out = np.ones((3000, 64), np.float32), np.zeros((64, 404, 416), np.float32)
    return lambda: X.backend.class_grams(X, curvature, out, N_THREADS)


def factor_blocks():
    A = np.zeros((60, 600, 608), np.float32)
    A[:, np.arange(600), np.arange(600)] = 1.0
    return lambda: numpy_backend().factor_blocks(A, N_THREADS)


def hessian_over_pairs():
    rng = np.random.default_rng(0)
    rows = Rows.of(rng.normal(size=(10_000, 250)).astype(np.float32), n_threads=N_THREADS)
    proba, weights = np.full((10_000, 5), 0.2, dtype=np.float32), np.ones(10_000)
    pairs = Pairs(np.repeat(np.arange(5), 250), np.tile(np.arange(250), 5))
    return lambda: pair_hessian(rows, proba, weights, pairs)


def dual_epoch():
    rows = Rows.of(np.random.default_rng(0).normal(size=(20_000, 100)))
    fast, backend = rows.blocks[0].fast, numpy_backend()
    lanes = backend.visitor.lanes(10)
    W, q, centre, offset = (aligned((n, lanes), np.float32) for n in (100, 20_000, 1, 1))
    for array in (W, q, centre, offset):
        array[:] = 0.0
    q[:, 0] = 1.0
    unit, leverage = np.ones(100, np.float32), np.zeros(1, np.float32)
    weights, squares, order = np.ones(20_000), np.full(20_000, 100.0), np.random.default_rng(0).permutation(20_000)
    state = DualAscentState(W, q, centre, offset)
    return lambda: backend.visitor.epoch(fast, order, unit, weights, squares, leverage, 10, state)


LONG = [
    gram_descent, group_descent, threshold_descent, factor_face, solve_many, subtract_product, class_grams,
    factor_blocks, hessian_over_pairs, dual_epoch,
]  # fmt: skip


@COMPILED
@pytest.mark.parametrize("make", LONG, ids=lambda make: make.__name__)
def test_a_long_function_ends_when_its_time_is_over(make):
    work = make()
    started = time.perf_counter()
    with deadline.scope(BUDGET_S), pytest.raises(deadline.OutOfTime):
        work()
    assert time.perf_counter() - started < 5.0
    with deadline.scope(0.0), pytest.raises(deadline.OutOfTime):
        work()


class Malloc(ctypes.Structure):
    """glibc's `mallinfo2`."""

    NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = tuple((name, ctypes.c_size_t) for name in NAMES.split())


def bytes_in_use():
    found = ctypes.CDLL(None).mallinfo2
    found.restype = Malloc
    return found().uordblks + found().hblkhd


@COMPILED
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="asks glibc what is in use")
@pytest.mark.parametrize(
    "make", [gram_descent, group_descent, threshold_descent, class_grams, hessian_over_pairs, dual_epoch]
)
def test_what_was_taken_is_given_back(make):
    """Memory and threads, after many early ends."""
    work = make()

    def taken():
        return bytes_in_use(), len(list(Path("/proc/self/task").iterdir()))

    def end_early(times):
        for _ in range(times):
            with deadline.scope(0.0), pytest.raises(deadline.OutOfTime):
                work()

    end_early(5)
    memory, threads = taken()
    end_early(200)
    memory_after, threads_after = taken()
    assert memory_after - memory < 5e6  # bytes; the smallest block, 100 kB, would have become 20 MB
    assert threads_after <= threads


def test_results_within_the_time_are_those_without_one():
    work = hessian_over_pairs()
    with deadline.scope(1e6):
        limited = work()
    np.testing.assert_array_equal(limited, work())


def test_passes_look_between_blocks():
    rows = Rows.of([np.ones((50, 3)), np.ones((50, 3))])
    codes, weights = np.zeros(100, dtype=np.int32), np.ones(100)
    with deadline.scope(0.0), pytest.raises(deadline.OutOfTime):
        rows.loss_and_gradient(np.zeros((2, 3)), np.zeros(2), codes, weights)
    seen = []

    def read_slowly():
        for block, _ in rows.parts():
            seen.append(block)
            time.sleep(0.3)

    with pytest.raises(deadline.OutOfTime), deadline.scope(0.2):
        read_slowly()
    assert len(seen) == 1


def test_loops_look_once_a_turn():
    endless = {"is_close": lambda *_: False, "scale": np.inf}
    with deadline.scope(0.0), pytest.raises(deadline.OutOfTime):
        conjugate_gradient(lambda v: v, lambda v: v, np.ones((2, 2)), **endless)
    with deadline.scope(0.0), pytest.raises(deadline.OutOfTime):
        _alternate(lambda sweeps: 1.0, lambda: False, 0.5)
    H, vectors = np.eye(3, dtype=np.float32), [np.ones(3) for _ in range(4)]
    for descend in (REFERENCE.gram_descent, REFERENCE.group_descent):
        with deadline.scope(0.0), pytest.raises(deadline.OutOfTime):
            descend(H, *vectors, tolerance=-1.0, max_sweeps=FOREVER)
