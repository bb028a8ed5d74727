"""Rows on Dask workers: the same model as on one machine, the same bits on any cluster, and after any loss.

Rows of the robustness table: X1 to X10.
"""

import os
import signal
import threading
import time

import numpy as np
import pytest

from inklens import SoftmaxRegression, SoftmaxRegressionCV, cluster, softmax_path
from inklens.errors import ClusterError, DataError, ParameterError
from inklens.linear.driver import FitLost, solve
from inklens.linear.problem.build import make_problem
from inklens.linear.rows.remote import shards, tree
from inklens.linear.rows.remote.remote_rows import RemoteRows
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")
pd = pytest.importorskip("pandas")

N, P, K = 900, 12, 3


def made(n=N, p=P, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 256, (n, p)).astype(np.uint8)
    X[rng.random((n, p)) < 0.6] = 0
    scores = X @ rng.normal(size=(p, K)) / 100 + rng.gumbel(size=(n, K))
    return X, scores.argmax(axis=1).astype(np.int32), rng.uniform(0.5, 2.0, n)


X, Y, WEIGHTS = made()


@pytest.fixture(scope="module")
def client():
    """Two processes on the loopback interface, for the whole file."""
    with cluster.opened("local:2") as opened, opened.as_current():
        yield opened


@pytest.fixture(scope="module")
def inside():
    """A cluster of this process alone: the same code, with no process to start."""
    own = cluster.InProcess()
    with own.client.as_current():
        yield own.client
    own.close()


def remote(client, X=X, chunk=130):
    return RemoteRows.on_workers(da.from_array(X, chunks=(chunk, -1)), client=client)


PENALTIES = {
    "l2": ({}, 1e-4),
    "l1": ({"l1_ratio": 1.0}, 1e-2),
    "elastic net": ({"l1_ratio": 0.5}, 1e-3),
    "group": ({"l1_ratio": 1.0, "group": True}, 1e-2),
    "none": ({}, np.inf),
}


# ---- the face of rows ------------------------------------------------------------------------------------------------


def test_products_are_those_of_the_same_rows_here(inside):
    far, near = remote(inside), Rows.of(X, n_threads=1)
    rng = np.random.default_rng(1)
    W, b, D, d = rng.normal(size=(K, P)) / 100, rng.normal(size=K), rng.normal(size=(K, P)), rng.normal(size=K)
    assert far.shape == near.shape
    assert (far.n_nonzeros, far.is_sparse) == (near.n_nonzeros, near.is_sparse)
    np.testing.assert_array_equal([far.low, far.high], [near.low, near.high])
    at, there = (rows.loss_and_gradient(W, b, Y, WEIGHTS, dtype=np.float64) for rows in (near, far))
    np.testing.assert_allclose(there.loss, at.loss, rtol=1e-13)
    np.testing.assert_allclose(there.gradient, at.gradient, rtol=1e-11)
    np.testing.assert_allclose(np.asarray(there.proba), np.asarray(at.proba), rtol=1e-12)
    for found, expected in zip(
        far.hessian_product(there.proba, WEIGHTS, D, d), near.hessian_product(at.proba, WEIGHTS, D, d), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_allclose(far.column_squares(WEIGHTS), near.column_squares(WEIGHTS), rtol=1e-13)
    np.testing.assert_allclose(far.column_deviations(WEIGHTS), near.column_deviations(WEIGHTS), rtol=1e-9)
    unit = rng.random(P).astype(np.float32)
    np.testing.assert_allclose(far.row_squares(unit), near.row_squares(unit), rtol=1e-6)
    some = np.array([0, 5, 129, 130, 131, 700, 899])
    np.testing.assert_array_equal(far.dense(np.array([1, 4]), some), near.dense(np.array([1, 4]), some))
    np.testing.assert_array_equal(far.take(some).dense(), near.take(some).dense())
    pairs = np.array([0, 0, 1, 2]), np.array([1, P, 3, 2])
    np.testing.assert_allclose(
        far.pair_hessian(there.proba, WEIGHTS, *pairs), near.pair_hessian(at.proba, WEIGHTS, *pairs), rtol=1e-5
    )
    shift, scale = rng.normal(size=P), np.full(P, 4.0)
    moved = [rows.standardised(shift, scale).absolute().column_sums(WEIGHTS) for rows in (far, near)]
    np.testing.assert_allclose(*moved, rtol=1e-12)
    far.close()


def test_functions_of_rows_go_to_the_rows(inside):
    far = remote(inside)
    a, b = (np.random.default_rng(seed).normal(size=(N, K)) for seed in (1, 2))
    both = RowArray.combine(np.subtract, far.array(a), b)
    np.testing.assert_array_equal(np.asarray(both), a - b)
    assert RowArray.total(np.max, both, by=np.maximum) == (a - b).max()
    np.testing.assert_allclose(RowArray.total(np.vdot, both, far.array(a)), np.vdot(a - b, a), rtol=1e-13)
    far.close()
    with pytest.raises(ClusterError, match="given back"):
        np.asarray(both)


@pytest.mark.parametrize("n_shards", range(1, 18))
def test_the_tree_adds_every_shard_once_in_one_order(n_shards):
    """Strings show the order: it is the same whoever comes first, and however shards are grouped before."""
    rng = np.random.default_rng(n_shards)

    def joined(order, groups):
        whole = {}
        for group in groups:
            part = {}
            for shard in (s for s in order if s in group):
                tree.add(part, (0, shard), (float(2**shard),), n_shards)
            for node, value in part.items():
                assert sum(2.0**s for s in tree.shards_of(node, n_shards)) == value[0]
                tree.add(whole, node, value, n_shards)
        return whole

    for _ in range(5):
        order = rng.permutation(n_shards)
        cut = int(rng.integers(0, n_shards + 1))
        found = joined(order, [set(range(cut)), set(range(cut, n_shards))])
        assert found == {tree.root(n_shards): (float(2**n_shards - 1),)}


# ---- fits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PENALTIES)
def test_fits_are_those_of_one_machine(client, name):
    settings, C = PENALTIES[name]
    here = SoftmaxRegression(C=C, tol=1e-8, **settings).fit(X, Y, WEIGHTS)
    far = SoftmaxRegression(C=C, tol=1e-8, **settings)
    far.fit(da.from_array(X, chunks=(200, 5)), da.from_array(Y, chunks=170), da.from_array(WEIGHTS, chunks=400))
    assert far.status_ == here.status_ == "certified"
    assert here.lower_bound_ <= far.objective_ * (1 + 1e-12)
    assert far.lower_bound_ <= here.objective_ * (1 + 1e-12)
    np.testing.assert_allclose(far.coef_, here.coef_, atol=2e-4 * np.abs(here.coef_).max())
