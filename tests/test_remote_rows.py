"""Rows on Dask workers: the same model as on one machine, the same bits on any cluster, and after any loss.

Rows of the robustness table: X1 to X10.
"""

import asyncio
import os
import signal
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inklens import SoftmaxRegression, SoftmaxRegressionCV, cluster, softmax_path
from inklens.errors import ClusterError, DataError, ParameterError
from inklens.linear import driver
from inklens.linear.driver import FitLost, solve
from inklens.linear.problem.build import make_problem
from inklens.linear.rows.remote import keeper, remote_rows, shards, sources, tree
from inklens.linear.rows.remote.remote_rows import RemoteRows
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows

dask = pytest.importorskip("dask")
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
    "l2": ({}, 1e-4, 1e-8),
    "l1": ({"l1_ratio": 1.0}, 1e-2, 1e-8),
    "elastic net": ({"l1_ratio": 0.5}, 1e-3, 1e-8),
    "group": ({"l1_ratio": 1.0, "group": True}, 1e-2, 1e-8),
    "none": ({}, np.inf, 1e-5),
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
    moved = [rows.standardised(np.zeros(P), np.full(P, -4.0)).absolute().column_sums(WEIGHTS) for rows in (far, near)]
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
    settings, C, tol = PENALTIES[name]
    here = SoftmaxRegression(C=C, tol=tol, **settings).fit(X, Y, WEIGHTS)
    far = SoftmaxRegression(C=C, tol=tol, **settings)
    far.fit(da.from_array(X, chunks=(200, 5)), da.from_array(Y, chunks=170), da.from_array(WEIGHTS, chunks=400))
    assert far.status_ == here.status_ == "certified"
    assert here.lower_bound_ <= far.objective_ * (1 + 1e-12)
    assert far.lower_bound_ <= here.objective_ * (1 + 1e-12)
    np.testing.assert_allclose(far.coef_, here.coef_, atol=2e-4 * np.abs(here.coef_).max())


def fitted(rows, callback=None, start=None, **settings):
    tol = settings.pop("tol", 1e-4)
    problem = make_problem(rows, Y, WEIGHTS, K, C=settings.pop("C", 1e-2), **{"l1_ratio": 1.0, **settings})
    return solve(problem, tol=tol, callback=callback, start=start)


def bits(solution):
    return solution.coef.tobytes() + solution.intercept.tobytes()


@pytest.fixture(scope="module")
def unbroken(inside):
    rows = remote(inside)
    yield {name: bits(fitted(rows, **settings)) for name, settings in BROKEN.items()}
    rows.close()


BROKEN = {"l2": {"l1_ratio": 0.0, "C": 1e-4}, "l1": {}}


@pytest.mark.parametrize("n_workers", [2, 4])
def test_bits_do_not_depend_on_the_cluster(n_workers, unbroken):
    own = cluster.InProcess(n_workers)
    rows = remote(own.client)
    assert {name: bits(fitted(rows, **settings)) for name, settings in BROKEN.items()} == unbroken
    rows.close()
    own.close()


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [10, N])
def test_many_rows_make_more_shards_than_few_and_the_same_bits_on_any_cluster(chunk, monkeypatch):
    """However they were cut before; every worker has some, and no row is lost: passes check the sum of weights."""
    size = 30
    monkeypatch.setattr(sources, "ROWS_A_SHARD", size)
    found = set()
    for n_workers in (1, 5):
        own = cluster.InProcess(n_workers)
        rows = remote(own.client, chunk=chunk)
        assert rows.shards.n_shards == N // size
        assert rows.sizes == [size] * (N // size)
        assert all(len(place.shards) == N // size // n_workers for place in rows.shards._places.values())
        solution = fitted(rows, **BROKEN["l2"], tol=1e-2)
        found.add(bits(solution))
        rows.close()
        own.close()
    near = fitted(Rows.of(X, n_threads=1), **BROKEN["l2"], tol=1e-2)
    assert len(found) == 1
    assert max(solution.lower_bound, near.lower_bound) <= min(solution.objective, near.objective) * (1 + 1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=400))
def test_shards_are_all_rows_in_order_and_no_more_than_they_may_be(sizes):
    groups = sources.grouped(len(sizes), sizes)
    assert [i for group in groups for i in range(group.start, group.stop)] == list(range(len(sizes)))
    assert len(groups) <= sources.n_shards(sum(sizes), len(sizes)) <= sources.MOST_SHARDS
    cut = [b - a for size in sizes for a, b in sources.pieces(size, len(sizes), sources.fewest(sizes))]
    assert sum(cut) == sum(sizes)
    assert len(cut) >= sources.fewest(sizes) or min(sizes) < sources.fewest(sizes)


@pytest.mark.parametrize("ratio", [0.0, remote_rows.QUICK_RATIO])
def test_systems_with_all_rows_and_with_some_lead_to_one_optimum(inside, ratio, monkeypatch):
    monkeypatch.setattr(remote_rows, "QUICK_RATIO", ratio)
    far, near = (fitted(rows, tol=1e-6, **BROKEN["l2"]) for rows in (remote(inside), Rows.of(X, n_threads=1)))
    assert far.gap <= 1e-6
    assert far.lower_bound <= near.objective * (1 + 1e-12)
    assert near.lower_bound <= far.objective * (1 + 1e-12)


@pytest.mark.parametrize(("name", "most"), [("l2", 60), ("l1", 80)])
def test_a_fit_takes_few_rounds(inside, name, most):
    settings, C, _ = PENALTIES[name]
    rows = remote(inside)
    before = rows.traffic.n_rounds
    assert fitted(rows, C=C, tol=1e-3, **{"l1_ratio": 0.0, **settings}).gap <= 1e-3
    assert rows.traffic.n_rounds - before <= most
    rows.close()


def test_predictions_are_lazy_and_the_same(inside):
    model = SoftmaxRegression(C=1e-4).fit(X, Y)
    lazy = da.from_array(X, chunks=(400, -1))
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        found = getattr(model, name)(lazy)
        assert isinstance(found, da.Array)
        expected = getattr(model, name)(X)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_array_equal(found.compute(), expected)
    assert model.score(lazy, da.from_array(Y, chunks=100)) == model.score(X, Y)


@pytest.mark.slow
def test_a_table_keeps_the_names_of_its_columns(inside, tmp_path):
    frame = pd.DataFrame(X, columns=[f"pixel {j}" for j in range(P)]).assign(label=np.array(["a", "b", "c"])[Y])
    dd = pytest.importorskip("dask.dataframe")
    frame.iloc[:400].to_parquet(tmp_path / "0.parquet")
    frame.iloc[400:].to_parquet(tmp_path / "1.parquet")
    table = dd.read_parquet(tmp_path)
    far = SoftmaxRegression(C=1e-4, tol=1e-8).fit(table.drop(columns="label"), table["label"])
    here = SoftmaxRegression(C=1e-4, tol=1e-8).fit(frame.drop(columns="label"), frame["label"])
    assert far.feature_names_in_.tolist() == here.feature_names_in_.tolist()
    assert far.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(far.coef_, here.coef_, atol=1e-4 * np.abs(here.coef_).max())
    answers = far.predict(table.drop(columns="label")).compute()
    np.testing.assert_array_equal(answers, far.predict(frame.drop(columns="label")))
    with pytest.raises(ValueError, match="feature names"):
        far.predict(table.drop(columns="label").rename(columns={"pixel 0": "other"})).compute()


def test_files_are_read_by_workers(inside, tmp_path):
    import struct

    paths = [str(tmp_path / name) for name in ("a.npy", "b-ubyte", "c.parquet")]
    np.save(paths[0], X[:300])
    (tmp_path / "b-ubyte").write_bytes(struct.pack(">HBBII", 0, 8, 2, 300, P) + X[300:600].tobytes())
    pd.DataFrame(X[600:], columns=[str(j) for j in range(P)]).to_parquet(paths[2])
    rows = Rows.of(paths)
    np.testing.assert_array_equal(rows.dense(), X)
    rows.close()
    np.save(tmp_path / "y.npy", Y)
    model = SoftmaxRegression(C=1e-4).fit(paths, [str(tmp_path / "y.npy")])
    assert model.status_ == "certified"
    np.testing.assert_array_equal(model.predict(paths).compute(), model.predict(X))
    (tmp_path / "b-ubyte").write_bytes(b"not one")
    with pytest.raises(DataError, match="IDX"):
        Rows.of(paths)
    with pytest.raises(DataError, match="cannot read rows"):
        Rows.of([str(tmp_path / "none.npy")])


@pytest.mark.slow
def test_paths_and_cross_validation(inside):
    lazy = da.from_array(X, chunks=(300, -1))
    far, here = (softmax_path(x, y, Cs=4, C=1e-2, tol=1e-6) for x, y in ((lazy, da.from_array(Y)), (X, Y)))
    assert (far.gaps <= 1e-6).all()
    np.testing.assert_allclose(far.objectives, here.objectives, rtol=2e-6)
    assert (far.n_nonzeros[0], here.n_nonzeros[0]) == (0, 0)
    search = {"Cs": 3, "C_max": 1e-3, "cv": 3, "path_tol": 1e-5}
    far, here = (SoftmaxRegressionCV(**search).fit(x, Y) for x in (lazy, X))
    np.testing.assert_allclose(far.scores_, here.scores_, atol=0.01)
    assert far.C_ == pytest.approx(here.C_)


# ---- X5, X6: parts of any shape --------------------------------------------------------------------------------------


def test_uneven_parts_equal_one_machine(inside):
    order = np.argsort(Y, kind="stable")  # so that parts have one class
    x, y = X[order], Y[order]
    sizes = [0, 1, 400, 0, 3, 495, 1]
    edges = np.cumsum([0, *sizes])
    dask = pytest.importorskip("dask")
    parts = [dask.delayed(x[a:b]) for a, b in pairwise(edges)]
    far = SoftmaxRegression(C=1e-4, tol=1e-8).fit(parts, y)
    here = SoftmaxRegression(C=1e-4, tol=1e-8).fit(x, y)
    np.testing.assert_allclose(far.coef_, here.coef_, atol=1e-4 * np.abs(here.coef_).max())


def test_weightless_rows_are_left_out(inside):
    weights = np.where(np.arange(N) % 3 == 0, 0.0, WEIGHTS)
    kept = weights > 0.0
    far = SoftmaxRegression(C=1e-4, tol=1e-8).fit(da.from_array(X), Y, weights)
    here = SoftmaxRegression(C=1e-4, tol=1e-8).fit(X[kept], Y[kept], weights[kept])
    np.testing.assert_allclose(far.coef_, here.coef_, atol=1e-4 * np.abs(here.coef_).max())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: (da.from_array(np.where(np.arange(P) == 3, np.nan, X * 1.0)), Y), "NaN in row 0, column 3"),
        (lambda: (da.from_array(X), Y[:-1]), "X has 900 rows and y 899 labels"),
        (lambda: (da.from_array(X[:0]), Y[:0]), "0 sample"),
        (lambda: (da.from_array(X), np.zeros(N)), "one class"),
        (lambda: (da.from_array(X[:, 0]), Y), "two-dimensional"),
        (lambda: (da.from_array(np.full((9, 2), "x")), Y[:9]), "expected numbers"),
    ],
)
def test_bad_data_say_what_is_wrong(inside, data, message):
    x, y = data()
    model = SoftmaxRegression()
    with pytest.raises(DataError, match=message):
        model.fit(x, y)
    assert not hasattr(model, "coef_")


def test_an_answer_that_comes_twice_is_noticed(inside, monkeypatch):
    rows = remote(inside)
    answer = shards.Shards._answer

    def twice(self, address, mine, call, kind):
        found = answer(self, address, mine, call, kind)
        again = {(0, number): 1.0 for number in range(self.n_shards)}
        found.sums = {**found.sums, **again}
        return found

    monkeypatch.setattr(shards.Shards, "_answer", twice)
    with pytest.raises(ClusterError, match="twice"):
        rows.column_sums(WEIGHTS)
    rows.close()


def test_lost_weight_is_noticed(inside, monkeypatch):
    from inklens.linear.rows.remote.recipes import LossPass

    rows = remote(inside)
    whole = LossPass.__call__
    monkeypatch.setattr(
        LossPass, "__call__", lambda self, shard: (*whole(self, shard)[:3], 0.9 * whole(self, shard)[3])
    )
    with pytest.raises(ClusterError, match="lost or counted twice"):
        rows.loss_and_gradient(np.zeros((K, P)), np.zeros(K), Y, WEIGHTS)
    rows.close()


# ---- X1, X2, X7, X10: losses -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_keeper_that_is_gone_when_rows_are_read_is_made_again(monkeypatch):
    """As where a worker has lost touch with the scheduler for a while, and comes back without what it kept."""
    own, submitted, n_calls = cluster.InProcess(2), shards.Shards._submitted, [0]

    def forgotten(self, number, address):
        n_calls[0] += 1
        if n_calls[0] == 1:
            keeper.SHELVES.pop((address, self.session))
        return submitted(self, number, address)

    monkeypatch.setattr(shards.Shards, "_submitted", forgotten)
    rows = remote(own.client)
    np.testing.assert_array_equal(rows.dense(), X)
    assert rows.traffic.n_lost > 0
    rows.close()
    own.close()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["_check", "_place", "_submitted"])
def test_a_worker_that_leaves_while_rows_are_read_is_lost_once(moment, monkeypatch):
    """What it alone was to do would wait for ever; it is noticed once, and not anew for each of its shards."""
    own, before, gone = cluster.InProcess(3), getattr(shards.Shards, moment), []

    def leaves(self, *asked):
        if not gone:
            address = asked[-1] if isinstance(asked[-1], str) else asked[-1][0]
            gone.append(next(worker for worker in own.cluster.workers.values() if worker.address == address))
            own.cluster.sync(gone[0].close)
        return before(self, *asked)

    monkeypatch.setattr(shards.Shards, moment, leaves)
    monkeypatch.setattr(cluster, "CHECK_SECONDS", 5.0)  # which it need not have taken
    monkeypatch.setattr(shards, "START_SECONDS", 5.0)
    rows = remote(own.client)
    assert gone
    assert rows.traffic.n_lost == 1
    np.testing.assert_array_equal(rows.dense(), X)
    rows.close()
    own.close()


@pytest.mark.slow
def test_a_busy_worker_is_waited_for_longer_each_time_that_it_seems_lost(inside, monkeypatch):
    known = keeper.known

    async def slowly(self):
        await asyncio.sleep(0.5)
        return True

    def late(rows):
        time.sleep(1.5 if (rows.dense()[0] == X[0]).all() else 0.0)
        return known(rows)

    monkeypatch.setattr(keeper.Keeper, "ping", slowly)
    monkeypatch.setattr(keeper, "known", late)
    for name, value in {"PING_SECONDS": 0.25, "LEAST_DEADLINE": 0.2, "CHANCE_SECONDS": 0.0, "MOST_LOSSES": 3}.items():
        monkeypatch.setattr(shards, name, value)
    rows = remote(inside)
    np.testing.assert_array_equal(rows.dense(), X)
    rows.close()


def test_who_is_there_reads_lost_shards_until_it_has_twice_its_share(inside):
    """A new worker has to start first, and the rows wait for it; many losses are not to leave all rows to one."""
    rows = remote(inside)
    [there] = rows.shards._places
    assert rows.shards._reader({"new": 0, there: 0}) == there
    assert rows.shards._reader({"new": 0, there: N - 1}) == there
    assert rows.shards._reader({"new": 0, "newer": 0, there: N - 1}) == "new"
    assert rows.shards._reader({"new": 10, "newer": 0}) == "newer"
    rows.close()


@pytest.mark.parametrize("name", BROKEN)
def test_a_worker_lost_at_any_round_changes_no_bit(name, unbroken, monkeypatch):
    own = cluster.InProcess(3)
    call, rounds = shards.Shards._call, [0]

    def fails(self, address, *asked):
        rounds[0] += 1
        return None if rounds[0] == lost_at else call(self, address, *asked)

    monkeypatch.setattr(shards.Shards, "_call", fails)
    rows, lost_at = remote(own.client), -1
    assert bits(fitted(rows, **BROKEN[name])) == unbroken[name]
    n_calls = rounds[0]
    for lost_at in np.linspace(1, n_calls // 3 - 2, 3).astype(int):  # the others may hold all shards by then
        rounds[0] = 0
        rows.shards._late.clear()
        assert bits(fitted(rows, **BROKEN[name])) == unbroken[name], f"lost at call {lost_at} of {n_calls}"
    assert rows.traffic.n_lost == 3
    rows.close()
    own.close()


def pids(client):
    return client.run(os.getpid)


@pytest.mark.slow
def test_a_stopped_worker_is_given_up(client, unbroken, monkeypatch):
    monkeypatch.setattr(shards, "LEAST_DEADLINE", 1.0)
    monkeypatch.setattr(shards, "PING_SECONDS", 0.5)
    rows = remote(client)
    pid = next(iter(pids(client).values()))
    stopped = []

    def stop(solution):
        if not stopped:
            os.kill(pid, signal.SIGSTOP)
            stopped.append(time.monotonic())

    try:
        assert bits(fitted(rows, stop)) == unbroken["l1"]
        assert rows.traffic.n_lost >= 1  # on a busy machine, one that is late looks the same
    finally:
        os.kill(pid, signal.SIGCONT)
    rows.close()


@pytest.mark.slow
def test_without_a_scheduler_the_best_point_is_kept(monkeypatch):
    monkeypatch.setattr(shards, "SCHEDULER_SECONDS", 0.5)
    lazy = da.from_array(X, chunks=(300, -1))
    own = cluster.InProcess(2)
    settings = {"C": 1e-2, "l1_ratio": 1.0, "tol": 1e-6, "warm_start": True}
    model, began = SoftmaxRegression(**settings), []

    def gone(solution):
        if solution.n_iter == 3:
            began.append(time.monotonic())
            own.cluster.sync(own.cluster.scheduler.close)

    with own.client.as_current(), pytest.raises(FitLost, match=r"scheduler|workers"):
        model.fit(lazy, Y, WEIGHTS, callback=gone)
    assert time.monotonic() - began[0] < 30.0
    assert model.coef_.any()
    assert model.status_ == "stopped"
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):  # the cluster looks for its scheduler once more
        own.close()
    assert own.cluster.status.name == "closed"
    again = model.fit(lazy, Y, WEIGHTS)
    assert again.status_ == "certified"
    here = SoftmaxRegression(**settings).fit(X, Y, WEIGHTS)
    assert again.objective_ == pytest.approx(here.objective_, rel=1e-6)


def test_clusters_may_grow_and_shrink(unbroken):
    own = cluster.InProcess(1)
    rows = remote(own.client)

    def scale(solution):
        own.cluster.scale({1: 3, 3: 1}.get(solution.n_iter, 2))

    assert bits(fitted(rows, scale)) == unbroken["l1"]
    rows.close()
    own.close()


def test_memory_that_is_too_small_is_said(inside, monkeypatch):
    from inklens.linear.rows.remote.recipes import TransposeProduct

    def too_small(self, shard):
        raise MemoryError

    monkeypatch.setattr(TransposeProduct, "__call__", too_small)
    rows = remote(inside)
    with pytest.raises(ClusterError, match="too little memory"):
        rows.column_sums(WEIGHTS)
    rows.close()


@pytest.mark.slow
def test_shards_that_end_every_worker_end_the_fit(monkeypatch):
    own = cluster.InProcess(2)
    rows = remote(own.client)
    monkeypatch.setattr(shards.Shards, "_call", lambda *asked: None)
    monkeypatch.setattr(shards, "CHANCE_SECONDS", 0.0)
    with pytest.raises(ClusterError, match="too little memory"):
        rows.column_sums(WEIGHTS)
    rows.close()
    own.close()


# ---- X3, X4, X8: what is opened, and who is trusted ------------------------------------------------------------------


def test_nothing_but_loopback_is_listened_to(client):
    psutil = pytest.importorskip("psutil")

    def listens():
        return [c.laddr.ip for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN]

    found = [*listens(), *(ip for ips in client.run(listens).values() for ip in ips)]
    assert found
    assert set(found) == {"127.0.0.1"}


@pytest.mark.slow
def test_what_is_set_for_workers_is_not_set_here(monkeypatch):
    """One thread for each of them would leave the driver with one as well."""
    for name in ("OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    given_up = dask.config.get("distributed.deploy.lost-worker-timeout")
    started = {"distributed.worker.multiprocessing-method": "spawn"}  # as elsewhere; other tests fork theirs
    with dask.config.set(started), cluster.opened("local:1") as opened:
        assert dict(os.environ) == before
        lasts = dask.utils.parse_timedelta(dask.config.get("distributed.deploy.lost-worker-timeout"))
        assert lasts > shards.WORKER_SECONDS  # or one that starts slowly is given up while it is waited for
        assert list(opened.run(os.getenv, "MALLOC_TRIM_THRESHOLD_").values()) == [str(64 << 20)]
    assert dask.config.get("distributed.deploy.lost-worker-timeout") == given_up


def test_the_network_has_to_be_encrypted():
    with pytest.raises(ParameterError, match="without encryption"), cluster.opened("tcp://192.0.2.1:8786"):
        pass
    with pytest.raises(ParameterError, match="expected 'local'"), cluster.opened("nonsense"):
        pass


def test_other_versions_are_refused(client, monkeypatch):
    monkeypatch.setattr(cluster.metadata, "version", lambda package: "1.0")  # of this process alone
    with pytest.raises(ClusterError, match=r"numpy .* \(here 1.0\)"):
        cluster.check(client)


def test_nobody_at_an_address_is_said(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    with pytest.raises(ClusterError, match="no Dask scheduler answers"), cluster.opened("tcp://127.0.0.1:9"):
        pass


def test_workers_that_cannot_be_started_are_said(monkeypatch):
    def fails(**settings):
        raise RuntimeError("Cluster failed to start: no processes left\nand more")

    monkeypatch.setattr(distributed, "LocalCluster", fails)
    with pytest.raises(ClusterError, match=r"3 workers could not be started .*no processes left\); ask for fewer"):
        cluster.opened("local:3").__enter__()


def test_a_cluster_lost_during_the_last_proof_leaves_the_point(inside, monkeypatch):
    rows, finish = remote(inside), driver._Run.finish
    lost = []

    def gone(run):
        if not lost:
            lost.append(run)
            raise ClusterError("the workers are gone")
        return finish(run)

    monkeypatch.setattr(driver._Run, "finish", gone)
    with pytest.raises(FitLost, match="gone") as raised:
        fitted(rows)
    assert raised.value.solution.coef.any()
    rows.close()


@pytest.mark.slow
def test_a_killed_worker_changes_no_bit(client, unbroken):
    rows = remote(client)
    victims = list(pids(client).values())

    def kill(solution):
        if victims:
            os.kill(victims.pop(), signal.SIGKILL)
            victims.clear()

    assert bits(fitted(rows, kill)) == unbroken["l1"]
    assert rows.traffic.n_lost == 1
    rows.close()  # the last of this cluster: its nanny takes seconds for another worker
