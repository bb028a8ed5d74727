"""The zoo of benchmarks: its jobs, its referee, how peers are asked, and what is told of them."""

import doctest
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import check_grad, minimize
from scipy.special import log_softmax

from inklens.linear import Problem, Rows, solve
from inklens.linear.driver import METHODS
from inklens.linear.problem.penalties import ElasticNet

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import _peers as packages  # isort: skip
import _referee as referee  # isort: skip
import _zoo_jobs as zoo  # isort: skip
import _zoo_report as report  # isort: skip
import _zoo_runs as runs  # isort: skip

BENCHMARKS = Path(zoo.__file__).parent
PENALTIES = ("none", "l2", "l1", "elasticnet", "group")


# ---- jobs ------------------------------------------------------------------------------------------------------------


def test_examples_hold():
    assert doctest.testmod(zoo).failed == 0
    assert doctest.testmod(report).failed == 0


def test_every_kind_has_shapes_seeds_and_penalties_and_half_of_it_is_unseen():
    everything = zoo.jobs()
    assert len({job.name for job in everything}) == len(everything)
    assert {job.C for job in everything} == {1e-4, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e4, np.inf}
    for kind, recipe in zoo.KINDS.items():
        own = [job for job in everything if job.kind == kind]
        assert len(recipe.shapes) >= 4
        assert {job.seed for job in own} == {0, 1, 2}
        assert 2 * sum(job.is_unseen for job in own) == len(own)
        for unseen in (False, True):
            assert {job.penalty for job in own if job.is_unseen == unseen} == set(PENALTIES)
        assert all(math.isinf(job.C) == (job.penalty == "none") for job in own)
    assert not any(job.is_unseen for job in zoo.jobs(seen_only=True) + zoo.jobs(quick=True))
    assert len(zoo.jobs(quick=True)) == 2 * len(zoo.KINDS) == 42


@pytest.mark.parametrize("kind", zoo.KINDS)
def test_a_table_is_what_its_shape_says_and_comes_again_from_its_seed(kind):
    job = zoo.jobs(kinds=[kind], quick=True)[0]
    table = job.data()
    zoo.made.cache_clear()
    again, other = job.data(), replace(job, seed=1).data()
    assert (again.X != table.X).sum() == 0
    assert np.array_equal(table.y, again.y)
    assert table.X.shape == (job.shape.n_samples, job.shape.n_features)
    assert np.isfinite(table.X.data if sparse.issparse(table.X) else table.X).all()
    assert np.unique(table.y).tolist() == list(range(job.shape.n_classes))
    assert (other.X != table.X).sum() > 0


def test_kinds_are_what_they_are_called():
    made = {kind: zoo.jobs(kinds=[kind], quick=True)[0].data() for kind in zoo.KINDS}
    spread = np.ptp(made["ranges"].X, axis=0)
    assert spread.max() / spread.min() > 1e5
    for kind in ("images", "images raw", "embeddings"):
        assert (made[kind].X != 0).all()
    assert made["images raw"].X.dtype == np.uint8
    assert made["embeddings"].X.dtype == np.float32
    assert made["embeddings"].X.shape[1] == 768
    weights = made["weighted"].weights
    assert weights is not None
    assert 5.0 < np.log10(weights.max() / weights.min()) <= 6.0
    in_use = np.bincount(made["hashed text"].X.indices, minlength=made["hashed text"].X.shape[1]) > 0
    assert 0.001 < in_use.mean() < 1.0 / 32.0
    half = made["collinear"].X.shape[1] // 2
    twins = [np.corrcoef(made["collinear"].X[:, j], made["collinear"].X[:, half + j])[0, 1] for j in range(half)]
    assert min(twins) > 0.999
    rare = np.bincount(made["imbalanced"].y)
    assert rare.max() / rare.min() > 1000
    lengths = np.sqrt(made["text"].X.multiply(made["text"].X).sum(axis=1))
    assert np.allclose(lengths, 1.0)
    assert (made["counts"].X.max(axis=0) > 20 * np.quantile(made["counts"].X, 0.95, axis=0)).mean() > 0.5
    assert np.allclose(made["splines"].X[:, :12].sum(axis=1), 1.0)


# ---- referee ---------------------------------------------------------------------------------------------------------


def tiny(n_classes, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3))
    y = (X @ rng.normal(size=(3, n_classes)) + rng.gumbel(size=(40, n_classes))).argmax(axis=1)
    return X, y, rng.uniform(0.5, 2.0, 40)


def by_scipy(X, y, weights, penalty, C):
    """Minimise by SciPy what is written here anew, with W = U - V for kinks and a little smoothing for groups."""
    n, p, K = *X.shape, int(y.max()) + 1
    l1, l2 = {"none": (0, 0), "l2": (0, 1), "l1": (1, 0), "elasticnet": (0.5, 0.5), "group": (0, 0)}[penalty]

    def value(v):
        U, V, b = v[: p * K].reshape(K, p), v[p * K : 2 * p * K].reshape(K, p), v[2 * p * K :]
        W = U - V
        logs = log_softmax(X @ W.T + b, axis=1)
        residual = weights[:, None] * (np.exp(logs) - np.eye(K)[y]) * C
        norms = np.sqrt((W**2).sum(axis=0) + 1e-14)
        shrink = l2 * W + (W / norms if penalty == "group" else 0.0)
        G = residual.T @ X + shrink
        total = -C * (weights @ logs[np.arange(n), y]) + l1 * (U + V).sum() + 0.5 * l2 * (W**2).sum()
        total += norms.sum() if penalty == "group" else 0.0
        return total, np.concatenate([(G + l1).ravel(), (l1 - G).ravel(), residual.sum(axis=0)])

    start = np.full(2 * p * K + K, 0.1)
    start[: p * K] = np.random.default_rng(1).uniform(0.2, 1.0, p * K)
    assert check_grad(lambda v: value(v)[0], lambda v: value(v)[1], start) < 1e-4
    bounds = [(0.0, None)] * (2 * p * K) + [(None, None)] * K
    options = {"maxiter": 5000, "maxfun": 50_000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(value, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    W = (found.x[: p * K] - found.x[p * K : 2 * p * K]).reshape(K, p)
    return found.fun, W, found.x[2 * p * K :]


@pytest.fixture
def benchopt_objective(monkeypatch):
    """Return the class of benchmarks/benchopt/objective.py; benchopt itself need not be there."""
    monkeypatch.setitem(sys.modules, "benchopt", SimpleNamespace(BaseObjective=object))
    monkeypatch.syspath_prepend(str(BENCHMARKS / "benchopt"))
    space: dict = {}
    exec((BENCHMARKS / "benchopt" / "objective.py").read_text(), space)
    return space["Objective"]


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_objective_in_benchopts_form_is_scipys_at_its_optimum(penalty, benchopt_objective):
    X, y, weights = tiny(3)
    C = 1.0 if penalty == "none" else 0.3
    fun, W, b = by_scipy(X, y, weights, penalty, C)
    judge = benchopt_objective()
    judge.penalty, judge.C = penalty, C
    judge.set_data(X, y, weights)
    told = judge.evaluate_result(W, b)
    assert told["value"] == pytest.approx(fun, rel=1e-5)
    assert told["gauge"] == pytest.approx(0.0, abs=1e-3)
    rng = np.random.default_rng(2)
    for _ in range(20):
        nearby = judge.evaluate_result(W + 0.05 * rng.normal(size=W.shape), b + 0.05 * rng.normal(size=3))
        assert nearby["value"] > told["value"] - 1e-6
    zeros = judge.evaluate_result(**judge.get_one_result())
    assert zeros["value"] == pytest.approx(C * weights.sum() * math.log(3))


@pytest.mark.parametrize("penalty", PENALTIES[1:])
def test_another_gauge_leaves_the_loss_and_is_found_out(penalty):
    X, y, _ = tiny(3)
    fun, W, b = by_scipy(X, y, np.ones(40), penalty, 1.0)
    shifted, loss = W - W[:1], {"penalty": "none"}  # the first class held at 0
    assert referee.objective(shifted, b, X, y, **loss) == pytest.approx(referee.objective(W, b, X, y, **loss))
    more = referee.objective(shifted, b, X, y, penalty=penalty) - fun
    assert more > 1e-2
    assert referee.gauge_excess(shifted, penalty=penalty) == pytest.approx(more, rel=1e-3)


# ---- peers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_peers_and_ours_are_asked_for_one_problem(penalty, n_classes):
    X, y, weights = tiny(n_classes, seed=3)
    order = {"penalty": penalty, "C": 1.0 if penalty == "none" else 0.3, "weights": weights, "tol": 1e-8,
             "max_iter": 20_000}  # fmt: skip
    peers = {"none": ["lbfgs", "newton_cholesky"], "l2": ["lbfgs", "newton_cholesky"], "group": []}.get(
        penalty, ["saga"]
    )
    reached = {}
    for name in ["inklens", *peers]:
        coef, intercept, *_ = getattr(packages, name)(X, y, order)()
        coef, intercept = packages.a_row_a_class(coef, intercept)
        assert coef.shape == (n_classes, 3)
        assert referee.gauge_excess(coef, penalty=penalty) == pytest.approx(0.0, abs=1e-4)
        reached[name] = referee.objective(coef, intercept, X, y, penalty=penalty, C=order["C"], weights=weights)
    fun, _, _ = by_scipy(X, y, weights, penalty, order["C"])
    assert reached == pytest.approx(dict.fromkeys(reached, fun), rel=1e-5)


def test_a_group_of_two_classes_costs_what_one_vector_is_asked_to_pay():
    w = np.array([[0.3, -2.0, 0.0]])
    coef, _ = packages.a_row_a_class(w, np.zeros(1))
    C, share = packages.strengths({"penalty": "group", "C": 0.7}, np.array([0, 1]))
    loss = 5.0  # of C_ loss + r |w|, C loss + penalty is the same up to a factor
    mine, theirs = 0.7 * loss + referee._penalty(coef, "group"), C * loss + share * np.abs(w).sum()
    assert theirs / mine == pytest.approx(math.sqrt(2.0))


def test_an_engine_can_be_named_and_reaches_the_same_optimum():
    X, y, weights = tiny(3)
    problem = Problem(Rows.of(X), y, weights, 3, ElasticNet(l1=1.0, l2=0.0))
    named = [method for method in METHODS if method.name in runs.engines_for("l1")]
    assert len(named) >= 2
    found = [solve(problem, tol=1e-6, method=method) for method in named]
    assert [solution.method for solution in found] == [method.name for method in named]
    assert all(solution.gap <= 1e-6 for solution in found)


# ---- runs ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setitem(runs.THREADS, "lbfgs", (1,))
    job = zoo.jobs(kinds=["shipped"], quick=True)[0]
    with runs.Servers() as servers:
        yield runs.Bench(job, tmp_path, servers, sys.executable, runs.Limits(20.0))


@pytest.mark.slow
def test_fits_run_in_processes_and_are_judged(bench):
    ours = bench.ours()
    assert (ours.outcome, ours.is_decided, ours.engine) == (runs.REACHED, True, "newton")
    assert 0.0 <= ours.gap <= 1e-4
    assert ours.seconds < 20.0
    assert ours.memory is None or ours.memory >= 0
    peer = bench.peer("lbfgs", ours.objective * 1.0001, best=1.0)
    assert peer.outcome == runs.REACHED
    assert peer.objective <= ours.objective * 1.0001
    short = bench.peer_fit("lbfgs", {"tol": 10.0}, 1, 20.0, target=ours.objective)
    assert (short.outcome, short.is_decided) == (runs.SHORT, False)
    assert bench.peer_fit("saga", {"tol": 0.0}, 1, 0.3, target=0.0).outcome == runs.LATE
    assert "KeyError" in bench.peer_fit("no such", {"tol": 0.0}, 1, 20.0, target=0.0).outcome


def test_a_run_goes_on_where_it_ended(tmp_path, monkeypatch):
    monkeypatch.setitem(runs.PEERS, "l2", ("lbfgs",))
    job = zoo.jobs(kinds=["shipped"], quick=True)[0]
    fits = {
        name: runs.Fit(job.name, name, runs.REACHED, 60.0, seconds, 11.0 + seconds / 1e5)
        for name, seconds in (("inklens", 1.0), ("lbfgs", 2.0), ("saga", 3.0))
    }
    log = runs.Log(tmp_path / "zoo.jsonl")
    for fit in (replace(fits["lbfgs"], seconds=9.0), *fits.values()):
        log.add(fit)
    with log.file.open("a") as stream:
        stream.write(json.dumps({"job": job.name})[:-3])  # killed while it wrote
    again = runs.Log(log.file)
    assert again.of(job) == fits
    runs.run(job, again, None, "python", runs.Limits(), engines=False)  # nothing is missing: no server is asked
    assert runs.is_stale(replace(fits["lbfgs"], objective=12.0), fits["inklens"])
    again.forget(["inklens"])
    assert set(again.of(job)) == {"lbfgs", "saga"}


# ---- report ----------------------------------------------------------------------------------------------------------


def row(ours, *, engines=(), penalty="l1", **peers):
    """Return a row of our seconds (None: not certified in 60) and those of peers (None: late at 30)."""
    job = replace(zoo.jobs(kinds=["shipped"], quick=True)[1], penalty=penalty)
    fits = {"inklens": runs.Fit(job.name, "inklens", runs.REACHED if ours else runs.STOPPED, 60.0, ours or 50.0, 5.0,
                                 memory=10**8, gap=1e-5, bound=4.0, engine="first", commit="abc")}  # fmt: skip
    for name, seconds in [*peers.items(), *((f"inklens/{name}", seconds) for name, seconds in engines)]:
        outcome = runs.REACHED if seconds else runs.LATE
        fits[name] = runs.Fit(job.name, name, outcome, 30.0, seconds, 5.0 if seconds else None, memory=10**9)
    return report.Row(job, fits)


def test_ratios_count_failures_against_who_failed():
    assert row(2.0, cyanure=6.0, saga=3.0).ratio == 1.5
    assert row(2.0, cyanure=None, saga=3.0).ratio == 1.5
    assert row(2.0, cyanure=None).ratio == 15.0
    assert row(None, cyanure=6.0).ratio == 0.1
    assert row(2.0).ratio is None
    assert row(2.0, cyanure=1.0).is_slow
    assert not row(2.0, cyanure=None).is_slow
    assert not row(0.04, cyanure=0.001).is_slow
    assert row(2.0, engines=[("second", 1.0), ("third", None)]).second_engine == ("second", 0.5, False)
    assert not row(2.0, engines=[("second", 1.0)]).is_well_chosen
    assert row(2.0, engines=[("second", 1.7)]).is_well_chosen
    assert row(2.0, engines=[("second", None)]).is_well_chosen


def at(tol, seconds, *, bound=4.9995, name=None):
    """Return our fit to another tolerance."""
    name = name or f"inklens tol {tol:g}"
    return {name: runs.Fit("", name, runs.REACHED if tol else runs.STOPPED, 60.0, seconds, 6.0 if not tol else 5.0,
                           setting={"tol": tol}, bound=bound)}  # fmt: skip


def test_laws_over_tolerances_and_early_bounds_can_fail():
    plain = row(2.0)
    plain.fits["inklens"] = replace(plain.ours, setting={"tol": 1e-4}, bound=4.9995)

    def with_fits(*fits):
        return report.Row(plain.job, plain.fits | {name: fit for more in fits for name, fit in more.items()})

    assert with_fits(at(1e-1, 1.0), at(1e-8, 3.0)).is_monotone
    assert with_fits(at(1e-1, 2.5), at(1e-8, 2.0)).is_monotone  # noise
    assert not with_fits(at(1e-1, 3.0), at(1e-8, 4.0)).is_monotone
    assert not with_fits(at(1e-8, 1.0)).is_monotone
    stopped = runs.LAWS[-1].name
    assert with_fits(at(0.0, 1.0, bound=-3.0, name=stopped)).has_early_bound  # 9 where 1 is true
    assert not with_fits(at(0.0, 1.0, bound=-5.0, name=stopped)).has_early_bound
    assert with_fits(at(1e-4, 0.5, bound=-5.0, name=stopped)).has_early_bound  # done before


def test_the_report_names_what_falls_short(tmp_path):
    rows = [row(2.0, cyanure=6.0, saga=None), row(None, glmnet=6.0), row(1.0, penalty="l2", lbfgs=0.5)]
    told = report.body(rows, "zoo.png")
    assert "a peer was faster (1)" in told
    assert "not certified (1)" in told
    assert "| 66.7 % |" in told
    assert f"{math.sqrt(3.0 * 0.1):.2g} (" in told  # geometric mean of the two with L1
    report.figure(rows, tmp_path / "zoo.png")
    assert (tmp_path / "zoo.png").stat().st_size > 1000


def test_a_profile_counts_jobs_within_a_factor_of_the_best():
    rng = np.random.default_rng(0)
    times = np.where(rng.random((30, 4)) < 0.2, np.inf, rng.lognormal(size=(30, 4)))
    times[:, 0] = rng.lognormal(size=30)  # of each job some solver is done
    factors, shares = report.profile(times)
    for factor, share in zip(factors, shares, strict=True):
        for solver in range(4):
            solved = [times[job, solver] <= factor * (1 + 1e-12) * times[job].min() for job in range(30)]
            assert share[solver] == pytest.approx(np.mean(solved))
    assert shares[0].sum() == pytest.approx(1.0)  # one is the fastest, and none ties here
    assert (np.diff(shares, axis=0) >= 0.0).all()
