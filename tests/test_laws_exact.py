"""Certificates where rounding decides, judged in exact or 80-digit arithmetic.

A few rows of weight up to 1e12: the optimum is known to 40 digits, and what float64 proves about it must be true in
every last digit. On ordinary random problems the slack of a certificate is far below what any float64 judge can see.
"""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import mpmath
import numpy as np
import pytest
from mpmath import mp

from inklens.linear.driver import solve
from inklens.linear.kernels.choice import numpy_backend
from inklens.linear.problem.penalties import ElasticNet, GroupLasso
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates, unpenalised
from inklens.linear.proofs.certificates import certify, dual_bound
from inklens.linear.proofs.dual import DualPoint
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows

mp.dps = 80
SEEDS = range(12)
PENALTIES = {
    "l2": ElasticNet(0.0, 1.0),
    "l1": ElasticNet(1.0, 0.0),
    "elastic net": ElasticNet(0.5, 0.5),
    "group": GroupLasso(1.0, 0.0),
    "group with ridge": GroupLasso(0.5, 0.5),
    "none": ElasticNet(0.0, 0.0),
}


# ---- the judge: the same problem with 80 digits ----------------------------------------------------------------------


def exact(array):
    return np.vectorize(lambda value: mpmath.mpf(float(value)), otypes=[object])(np.asarray(array))


def exact_softmax(z):
    largest = max(z)
    e = [mpmath.exp(value - largest) for value in z]
    total = sum(e)
    return np.array([value / total for value in e], dtype=object)


def exact_objective(X, codes, weights, penalty, W, b):
    """Loss plus penalty of float64 coefficients, with 80 digits."""
    X, c, W, b = (exact(part) for part in (X, weights, W, b))
    loss = mpmath.mpf(0)
    for x, own, weight in zip(X, codes, c, strict=True):
        z = W @ x + b
        loss += weight * (mpmath.log(sum(mpmath.exp(value - max(z)) for value in z)) + max(z) - z[own])
    return loss + exact_penalty(penalty, W)


def exact_penalty(penalty, W):
    ridge = mpmath.mpf(float(penalty.l2)) / 2 * (W**2).sum()
    if penalty.is_grouped:
        return ridge + mpmath.mpf(float(penalty.group)) * sum(mpmath.sqrt((column**2).sum()) for column in W.T)
    return ridge + mpmath.mpf(float(penalty.l1)) * np.abs(W).sum()


def exact_optimum(X, codes, weights, penalty, W, b, fit_intercept=True):
    """(optimum, W, b) with 40 digits, by Newton over what is not zero at (W, b); optimality of the zeros is checked."""
    X, c, W, b = (exact(part) for part in (X, weights, W, b))
    (K, p), threshold, l2 = W.shape, mpmath.mpf(float(penalty.l1)), mpmath.mpf(float(penalty.l2))
    moving = np.array([[bool(value) or penalty.is_smooth for value in row] for row in W])
    if penalty.is_grouped:
        moving[:] = moving.any(axis=0)
    places = [(k, j) for k in range(K) for j in range(p) if moving[k, j]]
    places += [(k, p) for k in range(K)] * fit_intercept
    signs = np.array([[int(mpmath.sign(value)) for value in row] for row in W])
    X1 = np.column_stack([X, exact(np.ones(len(X)))])
    V = np.column_stack([W, b * int(fit_intercept)])

    def slope_at(V):
        proba = np.array([exact_softmax(V @ x) for x in X1])
        residual = proba.copy()
        residual[np.arange(len(codes)), codes] -= 1
        return proba, (residual * c[:, None]).T @ X1

    for _ in range(60):
        proba, slope = slope_at(V)
        H, g = mpmath.matrix(len(places)), mpmath.matrix(len(places), 1)
        curvature = {
            (k, m): (X1 * (proba[:, k] * (int(k == m) - proba[:, m]) * c)[:, None]).T @ X1
            for k in range(K)
            for m in range(k + 1)
        }
        for a, (k, i) in enumerate(places):
            g[a] = slope[k, i]
            for d, (m, j) in enumerate(places):
                H[a, d] = curvature[max(k, m), min(k, m)][i, j]
            if i == p:
                continue
            g[a] += l2 * V[k, i]
            H[a, a] += l2
            if penalty.is_grouped:
                norm = mpmath.sqrt((V[:, i] ** 2).sum())
                g[a] += threshold * V[k, i] / norm
                for d, (m, j) in enumerate(places):
                    if i == j:
                        H[a, d] += threshold * (int(k == m) / norm - V[k, i] * V[m, i] / norm**3)
            else:
                g[a] += threshold * int(signs[k, i])
        size = max(abs(value) for value in H)
        for a in range(len(places)):
            H[a, a] += size * mpmath.mpf(10) ** -25  # where the objective is flat, its slope is 0 and so is the step
        step = mpmath.lu_solve(H, -g)
        for a, (k, i) in enumerate(places):
            V[k, i] += step[a]
        if max(abs(value) for value in step) < mpmath.mpf(10) ** -40 * (1 + max(abs(value) for value in V.ravel())):
            break
    else:
        pytest.fail("the judge did not converge")
    W, b = V[:, :p], V[:, p]
    _, slope = slope_at(V)
    least = mpmath.mpf(10) ** -30 * c.sum()
    for j in range(p):
        if penalty.is_grouped and not moving[0, j]:
            assert mpmath.sqrt((slope[:, j] ** 2).sum()) <= threshold + least, "the judge holds a feature at zero"
        for k in range(K):
            if not penalty.is_grouped and not moving[k, j]:
                assert abs(slope[k, j]) <= threshold + least, "the judge holds a coefficient at zero"
            elif not (penalty.is_smooth or penalty.is_grouped):
                assert mpmath.sign(W[k, j]) == signs[k, j], "the judge lost a sign"
    loss = mpmath.mpf(0)
    for x, own, weight in zip(X1, codes, c, strict=True):
        z = V @ x
        loss += weight * (mpmath.log(sum(mpmath.exp(value - max(z)) for value in z)) + max(z) - z[own])
    return loss + exact_penalty(penalty, W), W, b


# ---- the problems ----------------------------------------------------------------------------------------------------


class Case:
    """Seven rows (21 without a penalty), and the optimum of their problem."""

    def __init__(self, seed, name, kind):
        rng = np.random.default_rng(seed)
        K, p, n = int(rng.integers(2, 4)), 2, 7
        self.codes = np.r_[np.arange(K), rng.integers(0, K, n - K)].astype(np.int32)
        raw = rng.normal(size=(n, p)) + 0.7 * rng.normal(size=(K, p))[self.codes]
        if name == "none":  # every class on both sides of every other
            raw = np.concatenate([raw, -raw, raw])
            self.codes = np.concatenate([self.codes, self.codes, (self.codes + 1) % K]).astype(np.int32)
        heavy = 10.0 ** rng.uniform(0, 12)
        self.weights = rng.uniform(0.1, 1.0, len(raw)) * heavy
        # the penalty weighs about as much as the loss, so that there is something to shrink
        self.penalty = PENALTIES[name].scaled(heavy * (0.3 if name != "l1" else 0.2))
        if kind == "bytes":
            pixels = np.clip(np.round(80.0 + 60.0 * raw), 0, 255).astype(np.uint8)
            self.rows = Rows.of(pixels, scale=1 / 255)
            self.X = pixels / 255.0
        else:
            self.X = raw.astype(kind)
            self.rows = Rows.of(self.X)
            self.X = self.X.astype(np.float64)
        self.problem = Problem(self.rows, self.codes, self.weights, K, self.penalty)
        self.solution = solve(self.problem, tol=1e-9, max_iter=300)
        self.optimum, self.W, self.b = exact_optimum(
            self.X, self.codes, self.weights, self.penalty, self.solution.coef, self.solution.intercept
        )

    @property
    def rounded(self):
        """The optimum's coefficients in float64; the bound there is the optimum up to the rounding of the bound."""
        return self.W.astype(float), self.b.astype(float)


@cache
def case(seed, name, kind):
    return Case(seed, name, kind)


KINDS = ["float64", "float32", "bytes"]
penalised = pytest.mark.parametrize("name", [name for name in PENALTIES if name != "none"])


# ---- the laws --------------------------------------------------------------------------------------------------------


def exact_entropy(proba, codes, weights, scale):
    """Of (1 - s) y + s p, p told by its numbers of the other classes, with 80 digits."""
    total = mpmath.mpf(0)
    for p, own, weight in zip(proba, codes, weights, strict=True):
        q = [mpmath.mpf(scale) * mpmath.mpf(float(value)) for k, value in enumerate(p) if k != own]
        given = sum(q)
        rest = (1 - given) * mpmath.log1p(-given) if given < 1 else mpmath.mpf(0)
        total -= mpmath.mpf(float(weight)) * (sum(value * mpmath.log(value) for value in q if value > 0) + rest)
    return total


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 3, 5, 13, 40, 700])
def test_entropies_are_exact_to_rounding(n_classes, dtype):
    """Of any number of classes and rows: sure rows and even ones, zeros, numbers close to 1 and next to nothing."""
    rng, backend = np.random.default_rng(n_classes), numpy_backend()
    n_rows, scales = (3 if n_classes == 700 else 37), np.array([1.0, 0.7, 1e-3, 0.0])
    proba = rng.dirichlet(np.full(n_classes, 0.3), n_rows)
    codes, weights = rng.integers(0, n_classes, n_rows).astype(np.int32), rng.uniform(0.5, 2.0, n_rows)
    others = (codes + 1) % n_classes
    for row, gives in enumerate(
        (1e-3, 1e-9, 1e-17, 1e-30, 0.25, 0.2929, 0.4999, 0.7072, 1.0 - 1e-6, 1.0)[: n_rows - 1]
    ):
        proba[row] = 0.0
        proba[row, others[row]] = gives
    if dtype == np.float64:
        proba[0, others[0]] = 1e-300
    proba = proba.astype(dtype)
    proba[proba < np.finfo(dtype).tiny] = 0.0
    for part in (slice(n_rows), *(slice(row, row + 1) for row in range(min(n_rows, 12)))):
        some = proba[part], codes[part], weights[part]
        for found, scale in zip(backend.entropies(*some, scales, None)[0], scales, strict=True):
            expected = exact_entropy(*some, scale)
            assert abs(mpmath.mpf(float(found)) - expected) <= 4 * (n_classes + len(some[0]) + 10) * 2.0**-53 * expected


@penalised
@pytest.mark.parametrize("kind", KINDS)
def test_no_bound_passes_the_true_optimum_by_even_one_digit(name, kind):
    for seed in SEEDS:
        found = case(seed, name, kind)
        problem, solution, (W, b) = found.problem, found.solution, found.rounded
        at_optimum = certify(problem, W, b)
        assert at_optimum.lower_bound <= found.optimum
        assert solution.lower_bound <= found.optimum
        again = certificates.lower_bound(found.X, found.codes, found.weights, found.penalty, DualPoint(W, b))
        assert again <= found.optimum
        # and it is no loose bound: rounding costs little
        assert at_optimum.lower_bound >= found.optimum * (1 - mpmath.mpf("1e-11"))


@penalised
def test_without_an_intercept_the_rounding_of_sums_alone_is_counted(name):
    """Nothing is balanced then: of a saved model, which has no slack for scores either, nothing else holds it down."""
    for seed in SEEDS:
        found = case(seed, name, "float64")
        problem = replace(found.problem, fit_intercept=False)
        start = solve(problem, tol=1e-9, max_iter=300)
        optimum, W, _ = exact_optimum(
            found.X, found.codes, found.weights, found.penalty, start.coef, start.intercept, fit_intercept=False
        )
        W, b = W.astype(float), np.zeros(len(W))
        assert certify(problem, W, b).lower_bound <= optimum
        saved = found.X, found.codes, found.weights, found.penalty, DualPoint(W, b)
        assert certificates.lower_bound(*saved, fit_intercept=False) <= optimum


@penalised
def test_the_objective_is_exact_up_to_rounding_and_the_gap_covers_it(name):
    for seed in SEEDS:
        found = case(seed, name, "float64")
        solution = found.solution
        truth = exact_objective(found.X, found.codes, found.weights, found.penalty, solution.coef, solution.intercept)
        assert abs(solution.objective - truth) <= mpmath.mpf("1e-14") * truth
        assert truth - found.optimum <= mpmath.mpf(solution.objective) - mpmath.mpf(solution.lower_bound)


def test_the_gap_of_coefficients_that_cancel_covers_the_rounding_of_their_scores():
    """Scores that are small differences of products of 1e11 make the objective read too low, by more than the bound."""
    too_low = 0
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        first = rng.normal(size=12)
        X = np.column_stack([first, 1e-11 * rng.normal(size=12) - first])
        codes, weights = np.tile([0, 1], 6).astype(np.int32), rng.uniform(0.5, 1.0, 12) * 1e12
        problem = Problem(Rows.of(X), codes, weights, 2, ElasticNet(0.0, 0.1))
        near = solve(problem, tol=1e-9, max_iter=40)
        far = near.coef + 1e11 * rng.normal(size=(2, 1))
        found = certify(problem, far, near.intercept, near.dual)
        truth, below = (
            exact_objective(X, codes, weights, problem.penalty, W, near.intercept) for W in (far, near.coef)
        )
        too_low += truth - below > mpmath.mpf(found.objective) - mpmath.mpf(near.objective)
        assert truth - below <= mpmath.mpf(found.objective) - mpmath.mpf(found.lower_bound)
    assert too_low


@pytest.mark.parametrize("lead", [0.0, 4.0, 8.0, 12.0])
def test_the_rounding_of_a_loss_is_within_its_bound_however_sure_the_rows_are(lead):
    """Scores are differences of products of 1e11, off by 1e-6 and more; a row that is sure adds as much less."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        first, codes = rng.normal(size=12), np.tile([0, 1], 6).astype(np.int32)
        X = np.column_stack([first, 1e-11 * (lead * (2 * codes - 1) + rng.normal(size=12)) - first])
        problem = Problem(Rows.of(X), codes, rng.uniform(0.5, 1.0, 12), 2, ElasticNet(0.0, 1.0))
        W, b = 1e11 * rng.uniform(0.5, 1.0, (1, 2)) * np.array([[-0.5], [0.5]]), rng.normal(size=2)
        W[:, 1] = W[:, 0]
        at = problem.evaluate(W, b, dtype=np.float64)
        truth = exact_objective(X, codes, problem.weights, ElasticNet(0.0, 0.0), W, b)
        bound = certificates.loss_rounding(problem, W, b, at)
        assert abs(at.loss - truth) <= bound
        assert bound <= 1e-2 * truth + 1e-13  # and so it says something


@penalised
def test_rows_that_are_nearly_sure_cost_the_proof_nothing(name):
    """Classes far apart, a penalty that is a billionth of the weights: sums of residuals of 1e-9, not of weights."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        codes = np.tile(np.arange(2 + seed % 2), 4).astype(np.int32)
        X = rng.normal(size=(len(codes), 2)) + 8.0 * np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]])[codes]
        weights = rng.uniform(0.5, 1.0, len(codes)) * 10.0 ** rng.uniform(7, 9)
        problem = Problem(Rows.of(X), codes, weights, int(codes.max()) + 1, PENALTIES[name])
        solution = solve(problem, tol=1e-6)
        assert solution.n_iter < 500
        optimum, W, b = exact_optimum(X, codes, weights, problem.penalty, solution.coef, solution.intercept)
        W, b = W.astype(float), b.astype(float)
        for bound in (
            solution.lower_bound,
            certify(problem, W, b).lower_bound,
            certificates.lower_bound(X, codes, weights, problem.penalty, DualPoint(W, b)),
        ):
            assert optimum * (1 - mpmath.mpf("2e-6")) <= bound <= optimum
        truth = exact_objective(X, codes, weights, problem.penalty, solution.coef, solution.intercept)
        assert truth - optimum <= mpmath.mpf(solution.objective) - mpmath.mpf(solution.lower_bound)


@penalised
def test_misplaced_probability_is_counted(name):
    """A dual point whose class sums are wrong by a known share: unheeded, its value passes the optimum."""
    passed = 0
    for seed in SEEDS:
        found = case(seed, name, "float64")
        K = len(found.b)
        X1 = np.column_stack([found.X, np.ones(len(found.X))])
        proba = _softmax(X1 @ np.column_stack(found.rounded).T)
        for k in range(K):
            share = 1e-6
            tilted = proba * (1 - share) + share * np.eye(K)[k]
            sums, wanted = found.weights @ tilted, np.bincount(found.codes, found.weights)
            leak = float(np.max(np.abs(sums - wanted) / sums)) * (1 + 1e-9) + 1e-15
            G = ((np.eye(K)[found.codes] - tilted) * found.weights[:, None]).T @ found.X
            magnitudes = np.abs(found.X).T @ found.weights
            arguments = found.penalty, RowArray.of(tilted), found.codes, found.weights, G, magnitudes
            assert dual_bound(*arguments, leak) <= found.optimum
            passed += dual_bound(*arguments, 0.0) > found.optimum
    assert passed  # so that the share is what keeps the bound down


def _softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_the_share_that_balancing_leaves_misplaced_is_bounded_exactly():
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        n, K = int(rng.integers(5, 40)), int(rng.integers(2, 5))
        codes = np.r_[np.arange(K), rng.integers(0, K, n - K)]
        weights = 10.0 ** rng.uniform(-12, 12, n)
        proba, leak = certificates.balanced(RowArray.of(_softmax(3.0 * rng.normal(size=(n, K)))), codes, weights)
        P, c = [[Fraction(float(value)) for value in row] for row in np.asarray(proba)], [*map(Fraction, weights)]
        for row, own in zip(P, codes, strict=True):
            row[own] = 1 - sum(value for k, value in enumerate(row) if k != own)
        for k in range(K):
            present = sum(weight * row[k] for weight, row in zip(c, P, strict=True))
            wanted = sum(weight for weight, own in zip(c, codes, strict=True) if own == k)
            if leak < 1.0:
                assert abs(present - wanted) <= Fraction(leak) * present


@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_the_margin_of_a_separation_is_never_above_the_exact_one(kind):
    told = above = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        n, p, K = 6, 3, int(rng.integers(2, 4))
        X = (rng.normal(size=(n, p)) * 10.0 ** rng.uniform(-3, 6, p)).astype(kind)
        W = rng.normal(size=(K, p)) * 10.0 ** rng.uniform(-6, 3, p)
        b = 10.0 * rng.normal(size=K)
        z = X.astype(np.float64) @ W.T + b
        codes = z.argmax(axis=1).astype(np.int32)
        others = z.copy()
        others[np.arange(n), codes] = -np.inf
        # two scores of one row are brought so close that their lead is no more than rounding, and a little
        row = int(rng.integers(n))
        second = int(others[row].argmax())
        b[second] += (z[row, codes[row]] - others[row, second]) * (1.0 - 10.0 ** rng.uniform(-14, -2))
        exact_z = [
            [sum((Fraction(float(w)) * Fraction(float(v)) for w, v in zip(row, x, strict=True)), Fraction(float(c)))
             for row, c in zip(W, b, strict=True)]
            for x in X
        ]  # fmt: skip
        margin = min(
            z[own] - max(v for k, v in enumerate(z) if k != own) for z, own in zip(exact_z, codes, strict=True)
        )
        found = certificates.separation(Rows.of(X), codes, W, b)
        if found is not None:
            told += 1
            assert Fraction(found.margin) <= margin
            computed = X.astype(np.float64) @ W.T + b
            own = computed[np.arange(n), codes]
            computed[np.arange(n), codes] = -np.inf
            above += Fraction(float((own - computed.max(axis=1)).min())) > margin
    assert told >= 20
    assert above  # the margin as float64 computes it is sometimes too large


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_penalty_an_existing_optimum_is_never_passed(kind):
    existing = 0
    for seed in SEEDS:
        found = case(seed, "none", kind)
        proba = found.problem.evaluate(*found.rounded, dtype=np.float64).proba
        bound, exists = unpenalised.bound(found.problem, found.rounded[0], [proba])
        existing += exists is True
        assert bound <= found.optimum
        assert found.solution.lower_bound <= found.optimum
        radius = 2.0 * float(np.abs(found.rounded[0]).sum())  # the optimum lies inside
        around = unpenalised.norm_bounded(found.problem, proba, radius)
        assert around <= found.optimum
        assert bound >= found.optimum * (1 - mpmath.mpf("1e-9"))
    assert existing == len(SEEDS)
