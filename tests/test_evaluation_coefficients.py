"""How sure coefficients are: against dense inverses, differences, the bootstrap, enumeration and repeated rows."""

import itertools
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

from inklens import SoftmaxRegression
from inklens.errors import DataError, ParameterError
from inklens.evaluation import curvature, stability, weak_share
from inklens.evaluation.chance import tail
from inklens.evaluation.curvature import hessian
from inklens.evaluation.fitted import problem_of
from inklens.evaluation.stability import resamples
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import softmax


def small_problem(n=300, seed=0, strength=1.0):
    """Labels drawn from a softmax model, so that the model is right; column 3 never changes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    X[:, 3] = 0.0
    W = strength * rng.normal(size=(3, 6))
    y = np.array([rng.choice(list("abc"), p=p) for p in softmax(X @ W.T)])
    return X, y


def fitted(X, y, tol=1e-9, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SoftmaxRegression(tol=tol, **options).fit(X, y)


def dense_covariances(model, X, y, weights=None, intercept=True):
    """Both covariances from the textbook: Hessian by differences, gauge projected out, pseudo-inverse."""
    X1 = np.column_stack([X, np.ones(len(X))]) if intercept else X
    s = np.ones(len(y)) if weights is None else weights
    own = model.classes_ == y[:, None]
    C = model.C if np.isfinite(model.C) else 1.0
    K, q = len(model.classes_), X1.shape[1]

    def gradient(v):
        return ((softmax(X1 @ v.reshape(K, q).T) - own) * (C * s)[:, None]).T @ X1

    at = np.column_stack([model.coef_, model.intercept_] if intercept else [model.coef_]).ravel()
    steps = 1e-5 * np.eye(K * q)
    H0 = np.array([(gradient(at + e) - gradient(at - e)).ravel() / 2e-5 for e in steps])
    l2 = np.tile(np.append(np.ones(q - intercept), np.zeros(int(intercept))), K) * np.isfinite(model.C)
    centre = np.kron(np.eye(K) - 1 / K, np.eye(q))
    inverse = np.linalg.pinv(centre @ (H0 + np.diag(l2)) @ centre, rcond=1e-9)
    return C * inverse, C * inverse @ H0 @ inverse


@pytest.mark.parametrize("C", [0.05, 1.0, 30.0, np.inf])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_deviations_are_those_of_the_dense_inverse(C, fit_intercept):
    X, y = small_problem()
    X = np.delete(X, 3, axis=1)
    model = fitted(X, y, C=C, fit_intercept=fit_intercept)
    found = curvature(model, X, y)
    for name, covariance in zip(("posterior", "sampling"), dense_covariances(model, X, y, intercept=fit_intercept)):
        deviations = np.sqrt(np.diag(covariance)).reshape(3, -1)
        assert getattr(found, name) == pytest.approx(deviations[:, :5], rel=1e-4)
        intercepts = deviations[:, 5] if fit_intercept else np.zeros(3)
        assert getattr(found, f"intercept_{name}") == pytest.approx(intercepts, rel=1e-4)


def test_the_hessian_is_the_derivative_of_the_gradient():
    X, y = small_problem()
    model = fitted(X, y, C=2.0)
    problem = problem_of(model, Rows.of(X), y)
    at = problem.evaluate(model.coef_, model.intercept_, dtype=np.float64)
    H, free = hessian(problem, at.proba), np.flatnonzero(problem.free)
    q = len(free) + 1
    for k, j in [(0, 0), (1, 2), (2, 4)]:
        step = np.zeros_like(model.coef_)
        step[k, free[j]] = 1e-6
        ends = [problem.evaluate(model.coef_ + s * step, model.intercept_, dtype=np.float64) for s in (1, -1)]
        column = (ends[0].gradient - ends[1].gradient)[:, free] / 2e-6
        assert H[:, k * q + j].reshape(3, q)[:, :-1] == pytest.approx(column, rel=1e-5, abs=1e-5)


@pytest.mark.slow
def test_draws_agree_with_the_inverse_within_their_stated_error():
    X, y = small_problem()
    model = fitted(X, y, C=1.0)
    exact, drawn = curvature(model, X, y), curvature(model, X, y, n_draws=500)
    assert drawn.relative_error == pytest.approx(1 / np.sqrt(1000))
    live = np.arange(6) != 3
    for name in ("posterior", "sampling"):
        ratio = getattr(drawn, name)[:, live] / getattr(exact, name)[:, live]
        assert np.abs(ratio - 1).max() < 4.5 * drawn.relative_error
        assert ratio.mean() == pytest.approx(1.0, abs=1.5 * drawn.relative_error)


def test_where_the_rows_say_nothing_the_prior_is_left_and_nothing_is_sampled():
    X, y = small_problem()
    found = curvature(fitted(X, y, C=4.0), X, y)
    assert found.posterior[:, 3] == pytest.approx(np.sqrt(4.0 * 2 / 3))
    assert found.prior == pytest.approx(np.sqrt(4.0 * 2 / 3))
    assert (found.sampling[:, 3] == 0.0).all()
    assert (found.known[:, 3] == 0.0).all()
    assert (found.sampling <= found.posterior + 1e-12).all()
    assert 0.0 < found.effective < 2 * 5


def test_effective_coefficients_are_the_trace():
    X, y = small_problem()
    model = fitted(X, y, C=0.3)
    posterior, _ = dense_covariances(model, X, y)
    q = 7
    features = np.arange(3 * q) % q != q - 1
    trace = 2 * 6 - np.trace(posterior[np.ix_(features, features)]) / model.C
    assert curvature(model, X, y).effective == pytest.approx(trace, rel=1e-5)


def test_weights_are_repeated_rows():
    X, y = small_problem(120)
    weights = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    model = fitted(np.repeat(X, weights.astype(int), axis=0), np.repeat(y, weights.astype(int)), C=0.7)
    repeated = curvature(model, np.repeat(X, weights.astype(int), axis=0), np.repeat(y, weights.astype(int)))
    weighted = curvature(model, X, y, sample_weight=weights)
    assert weighted.posterior == pytest.approx(repeated.posterior, rel=1e-9)
    assert weighted.sampling == pytest.approx(repeated.sampling, rel=1e-9)


@pytest.mark.slow
def test_sampling_deviations_are_those_of_the_bootstrap_and_of_new_data():
    X, y = small_problem(1500, strength=0.6)
    model = fitted(X, y, C=0.05)
    live = np.arange(6) != 3
    found = curvature(model, X, y).sampling[:, live]
    boot = stability(model, X, y, n_refits=400, scheme="bootstrap", tol=1e-6).deviation[:, live]
    assert (boot / found).mean() == pytest.approx(1.0, abs=0.06)
    fresh = []
    for seed in range(200):
        rng = np.random.default_rng(1000 + seed)
        p = softmax(X @ model.coef_.T + model.intercept_)
        labels = np.array(list("abc"))[(p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1)]
        fresh.append(fitted(X, labels, tol=1e-6, C=0.05).coef_[:, live])
    assert (np.std(fresh, axis=0) / found).mean() == pytest.approx(1.0, abs=0.06)


def test_what_has_no_curvature_is_said():
    X, y = small_problem(60)
    with pytest.raises(ParameterError, match="kink"):
        curvature(fitted(X, y, C=1.0, l1_ratio=0.5, tol=1e-2), X, y)
    with pytest.raises(ParameterError, match="2 draws"):
        curvature(fitted(X, y, tol=1e-2), X, y, n_draws=1)
    copied = np.column_stack([X, X[:, 0]])
    model = fitted(copied, y, C=np.inf, tol=1e-4)
    with pytest.raises(DataError, match="undetermined"):
        curvature(model, copied, y)


# ---- stability -------------------------------------------------------------------------------------------------------


def test_halves_are_complementary_and_hold_every_class_in_its_share():
    codes = np.repeat([0, 1, 2], [7, 10, 3])
    draws = [rows for rows, _ in resamples(codes, 10)]
    for first, second in zip(draws[::2], draws[1::2], strict=True):
        assert np.array_equal(np.union1d(first, second), np.arange(20))
        assert not np.intersect1d(first, second).size
        for k in range(3):
            counts = [np.sum(codes[rows] == k) for rows in (first, second)]
            assert abs(counts[0] - counts[1]) <= 1
    for rows, counts in resamples(codes, 5, scheme="bootstrap"):
        assert [counts[codes[rows] == k].sum() for k in range(3)] == [7, 10, 3]


@pytest.mark.parametrize(("l1_ratio", "group"), [(1.0, False), (0.5, False), (1.0, True)])
def test_refits_are_fits_of_the_estimator_on_these_rows(l1_ratio, group):
    X, y = small_problem(200)
    model = fitted(X, y, C=0.05, l1_ratio=l1_ratio, group=group)
    found = stability(model, X, y, n_refits=6, tol=1e-8)
    codes = np.searchsorted(model.classes_, y)
    coefs = [fitted(X[rows], y[rows], C=0.05, l1_ratio=l1_ratio, group=group).coef_ for rows, _ in resamples(codes, 6)]
    assert found.mean == pytest.approx(np.mean(coefs, axis=0), abs=1e-4)
    assert found.deviation == pytest.approx(np.std(coefs, axis=0, ddof=1), abs=1e-4)
    frequency = np.mean([np.abs(coef) > 1e-6 for coef in coefs], axis=0)
    assert np.abs(found.frequency - frequency).max() <= 1 / 6 + 1e-12
    assert (found.in_use >= found.frequency.max(axis=0) - 1e-12).all()
    assert found.gaps.max() <= 1e-8


def test_a_bootstrap_refit_is_the_fit_of_the_repeated_rows():
    X, y = small_problem(100)
    model = fitted(X, y, C=0.1, l1_ratio=1.0)
    found = stability(model, X, y, n_refits=2, scheme="bootstrap", tol=1e-8)
    coefs = []
    for rows, counts in resamples(np.searchsorted(model.classes_, y), 2, scheme="bootstrap"):
        repeated = np.repeat(rows, counts.astype(int))
        coefs.append(fitted(X[repeated], y[repeated], C=0.1, l1_ratio=1.0).coef_)
    assert found.mean == pytest.approx(np.mean(coefs, axis=0), abs=1e-4)


def test_columns_that_matter_are_stable_and_noise_is_not():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 40))
    y = np.where(X[:, 0] + 0.3 * rng.normal(size=400) > 0, "yes", "no")
    model = fitted(X, y, C=0.1, l1_ratio=1.0, tol=1e-4)
    found = stability(model, X, y, n_refits=30)
    assert found.in_use[0] == 1.0
    assert found.stable(0.9)[:, 1:].sum() <= found.expected_by_chance(0.9, law="any") + 2
    assert found.n_candidates == 80
    again = stability(model, X, y, n_refits=30)
    assert np.array_equal(found.frequency, again.frequency)


def test_settings_that_cannot_work_are_refused_with_the_way_out():
    X, y = small_problem(60)
    model = fitted(X, y, C=0.1, l1_ratio=1.0, tol=1e-2)
    with pytest.raises(ParameterError, match="at least 2"):
        stability(model, X, y, n_refits=1)
    with pytest.raises(ParameterError, match="halves"):
        stability(model, X, y, scheme="thirds")
    with pytest.raises(ParameterError, match="finite C"):
        stability(fitted(X, y, C=np.inf, tol=1e-2), X, y)
    with pytest.raises(DataError, match="fewer than two rows"):
        list(resamples(np.array([0, 0, 1]), 2))
    with pytest.raises(DataError, match=r"none of the model's classes: 'd'"):
        stability(model, X, np.where(y == "a", "d", y))
    with pytest.raises(DataError, match="6 columns"):
        stability(model, X[:, :5], y)
    with pytest.raises(ParameterError, match="bootstrap"):
        stability(model, X, y, n_refits=2, scheme="bootstrap").expected_by_chance()
    with pytest.raises(ParameterError, match=r"above 0\.5"):
        stability(model, X, y, n_refits=2).expected_by_chance(0.5)


def test_progress_reaches_the_end_and_an_interruption_leaves_no_thread_behind():
    import threading

    X, y = small_problem(200)
    model, said = fitted(X, y, C=0.05, l1_ratio=1.0, tol=1e-3), []
    stability(model, X, y, n_refits=4, progress=lambda *step: said.append(step[:2]))
    assert said == [(1, 4), (2, 4), (3, 4), (4, 4)]

    def stop(done, total, what):
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        stability(model, X, y, n_refits=200, progress=stop)
    assert threading.active_count() == before


# ---- what chance brings ----------------------------------------------------------------------------------------------


def r_concave_laws(n, mean, least, r, rng, count=400):
    """Laws on 0..n with f^r convex and the given mean: convex sequences, steepened until the mean fits."""
    for _ in range(count):
        last = rng.integers(least, n + 1)  # beyond, f is 0 and f^r infinite
        slopes = np.sort(rng.normal(loc=rng.uniform(0, 3), size=last)) if rng.random() < 0.7 else np.ones(last)
        base = np.concatenate([[0.0], np.cumsum(slopes)])
        base -= base.min()

        def law(steepness, base=base):
            values = (1.0 + np.exp(steepness) * base) ** (1.0 / r)
            return values / values.sum()

        def excess(steepness, law=law, last=last):
            return law(steepness) @ np.arange(last + 1) - mean * n

        if excess(-20.0) > 0.0 > excess(20.0):
            yield law(brentq(excess, -20.0, 20.0))


@pytest.mark.parametrize("r", [-0.5, -0.25])
@pytest.mark.parametrize(("mean", "n", "least"), [(0.1, 10, 5), (0.2, 12, 8), (0.05, 20, 6)])
def test_no_r_concave_law_has_a_heavier_tail_than_the_bound(r, mean, n, least):
    bound = tail(mean, least, n, r)
    tails = [law[least:].sum() for law in r_concave_laws(n, mean, least, r, np.random.default_rng(0))]
    assert len(tails) > 100
    assert 0.9 * bound <= max(tails) <= bound * (1 + 1e-6)  # never above, and nearly reached
    assert stats.binom.sf(least - 1, n, mean) <= bound <= mean * n / least  # binomial laws are among them; Markov


def test_assuming_more_never_weakens_a_bound_and_thresholds_strengthen_it():
    for theta, n_pairs in itertools.product((0.02, 0.1, 0.3), (5, 25, 50)):
        for law in ("any", "unimodal", "r-concave"):
            bounds = [weak_share(t, theta, n_pairs, law) for t in (0.6, 0.75, 0.9, 1.0)]
            assert all(b <= a + 1e-12 for a, b in itertools.pairwise(bounds))
            assert all(b <= weak_share(t, theta, n_pairs, "any") + 1e-12 for t, b in zip((0.6, 0.75, 0.9, 1.0), bounds))
    for threshold, law in ((0.5, "any"), (1.1, "any"), (0.9, "normal")):
        with pytest.raises(ParameterError):
            weak_share(threshold, 0.1, 25, law)


def test_bounds_hold_for_coins():
    """Where halves choose weak coefficients like coins, the share that is stable lies below the bound."""
    rng, theta, n_pairs = np.random.default_rng(4), 0.3, 10
    frequency = rng.binomial(2 * n_pairs, theta, 200_000) / (2 * n_pairs)
    for threshold in (0.55, 0.6, 0.7):
        seen = np.mean(frequency >= threshold - 1e-9)
        for law in ("any", "unimodal", "r-concave"):
            assert seen <= weak_share(threshold, theta, n_pairs, law) + 1e-3


def test_models_with_class_weights_are_told_what_to_do():
    X, y = small_problem(60)
    model = fitted(X, y, tol=1e-2)
    clone = SimpleNamespace(**{name: getattr(model, name) for name in ("coef_", "intercept_", "classes_", "C")})
    clone.class_weight = "balanced"
    with pytest.raises(ParameterError, match="sample_weight"):
        problem_of(clone, Rows.of(X), y)


def test_bounds_are_the_numbers_of_the_paper():
    """Pairs of B halves: Markov for both halves of a pair, theta^2, and the r-concave tails of pairs and of fits."""
    for theta, n_pairs, threshold in ((0.1, 25, 0.9), (0.3, 10, 0.75), (0.05, 50, 0.6), (0.2, 7, 0.7)):
        fits = next(k for k in range(2 * n_pairs + 1) if k >= 2 * n_pairs * threshold - 1e-9)
        expected = min(
            theta**2 / (2 * threshold - 1),
            tail(theta**2, fits - n_pairs, n_pairs, -0.5),  # at least so many pairs agree
            tail(theta, fits, 2 * n_pairs, -0.25),
        )
        assert weak_share(threshold, theta, n_pairs) == pytest.approx(expected)
    X, y = small_problem(200)
    model = fitted(X, y, C=0.05, l1_ratio=1.0, tol=1e-3)
    found = stability(model, X, y, n_refits=10)
    theta = found.frequency.sum() / found.n_candidates
    assert found.n_candidates == 3 * 5  # the constant column is none
    assert found.expected_by_chance(0.9) == pytest.approx(15 * weak_share(0.9, theta, 5))


def test_a_bound_for_a_tiny_share_is_no_error():
    """Few refits on many features: the bound that assumes nothing remains."""
    for n_pairs in (1, 2, 25):
        assert 0.0 < weak_share(0.9, 1e-6, n_pairs) <= weak_share(0.9, 1e-6, n_pairs, "any")
