"""Raw tables: standardised penalties, factors per column, signs and offsets, each against SciPy's optimum."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from inklens import SoftmaxRegression, SoftmaxRegressionCV, softmax_path
from inklens.errors import DataError
from inklens.linear.driver import solve
from inklens.linear.kernels.choice import REFERENCE, numpy_backend
from inklens.linear.problem.build import make_problem
from inklens.linear.problem.penalties import ElasticNet
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates
from inklens.linear.proofs.dual import DualPoint
from inklens.linear.proofs.screening import certified_zeros
from inklens.linear.rows.rows import Rows
from inklens.reader import DigitReader
from inklens.tasks.models import fit
from inklens.tasks.verification import verify

N, P, K, C = 120, 5, 3, 0.3
FACTORS = np.array([1.0, 0.0, 0.5, np.inf, 3.0])
OFFSET = 2.0 * np.sin(np.arange(N * K)).reshape(N, K)
ASKED = {
    "standardize": {"standardize": True},
    "factors": {"penalty_factor": [1.0, 2.0, 0.5, 0.1, 3.0]},
    "costless and left out": {"penalty_factor": FACTORS},
    "positive": {"positive": True},
    "positive, costless": {"positive": True, "penalty_factor": FACTORS},
    "offset": {"offset": OFFSET},
    "all": {"standardize": True, "penalty_factor": FACTORS, "positive": True, "offset": OFFSET},
}


def table(seed=0, n_classes=K):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, P)) * [1.0, 0.3, 4.0, 1.0, 2.0] + [0.0, 1.0, 2.0, 0.0, 0.0]
    return X, (X @ rng.normal(size=(P, n_classes)) + rng.gumbel(size=(N, n_classes))).argmax(axis=1)


def optimum(X, y, l1_ratio, *, standardize=False, penalty_factor=None, positive=False, offset=0.0, weights=None):
    """Return the least objective and its coefficients, W = U - V with U, V >= 0, by L-BFGS-B."""
    n_features, n_classes = X.shape[1], y.max() + 1
    factors = np.ones(n_features) if penalty_factor is None else np.asarray(penalty_factor, dtype=float)
    weights = np.ones(len(y)) if weights is None else weights
    size = np.ones(n_features)
    if standardize:
        size = np.sqrt(np.average((X - np.average(X, axis=0, weights=weights)) ** 2, axis=0, weights=weights))
    used = np.isfinite(factors)
    factors = np.where(used, factors, 0.0)
    l1, l2 = l1_ratio * factors * size, (1 - l1_ratio) * factors * size**2
    Y, c = np.eye(n_classes)[y], C * weights[:, None]
    half = n_classes * n_features

    def value(t):
        U, V = t[:half].reshape(n_classes, -1), t[half : 2 * half].reshape(n_classes, -1)
        z = X @ (U - V).T + t[2 * half :] + offset
        R = c * (softmax(z, axis=1) - Y)
        slope = R.T @ X + l2 * (U - V)
        found = -(c * Y * log_softmax(z, axis=1)).sum() + (l1 * (U + V)).sum() + 0.5 * (l2 * (U - V) ** 2).sum()
        return found, np.concatenate([(slope + l1).ravel(), (l1 - slope).ravel(), R.sum(axis=0)])

    most = np.where(used, np.inf, 0.0)
    bounds = [(0.0, b) for b in np.tile(most, n_classes)] + [
        (0.0, 0.0 if positive else b) for b in np.tile(most, n_classes)
    ]
    t = np.zeros(2 * half + n_classes)
    for _ in range(3):
        t = minimize(
            value, t, jac=True, method="L-BFGS-B", bounds=bounds + [(None, None)] * n_classes,
            options={"maxiter": 5000, "maxfun": 20000, "ftol": 1e-16, "gtol": 1e-10, "maxcor": 30},
        ).x  # fmt: skip
    return value(t)[0], (t[:half] - t[half : 2 * half]).reshape(n_classes, n_features)


def problem_of(X, y, l1_ratio, weights=None, **asked):
    weights = np.ones(len(y)) if weights is None else weights
    return make_problem(Rows.of(X, n_threads=1), y, weights, y.max() + 1, C=C, l1_ratio=l1_ratio, **asked)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_the_optimum_is_scipys_and_the_bound_lies_below_it(asked, l1_ratio):
    X, y = table()
    weights = np.random.default_rng(1).uniform(0.5, 2.0, N)
    least, _ = optimum(X, y, l1_ratio, weights=weights, **asked)
    solution = solve(problem_of(X, y, l1_ratio, weights, **asked), tol=1e-7)
    assert solution.status == "certified"
    assert least * (1 - 1e-7) <= solution.objective <= least * (1 + 2e-7)
    assert solution.lower_bound <= least
    if asked.get("positive"):
        assert solution.coef.min() >= 0.0
    if "penalty_factor" in asked:
        left_out = np.isinf(asked["penalty_factor"])
        assert not solution.coef[:, left_out].any()


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_bounds_from_any_point_lie_below_the_optimum(asked, l1_ratio):
    """Far from the optimum as well, with a direction and without; unpenalised columns are held near their optimum."""
    X, y = table(3)
    least, best = optimum(X, y, l1_ratio, **asked)
    problem, rng = problem_of(X, y, l1_ratio, **asked), np.random.default_rng(0)
    points = [best + spread * rng.normal(size=best.shape) * problem.free for spread in (0.0, 0.03, 0.3, 3.0)]
    points.append(best * (np.arange(P) != 1))  # the costless column unused, though its residuals pull
    for coef in map(problem.penalty.feasible, points):
        direction = DualPoint(coef, np.zeros(K), 0.1 * rng.normal(size=best.shape) * problem.free, np.zeros(K))
        for dual in (None, direction):
            found = certificates.certify(problem, coef, np.zeros(K), dual)
            assert found.lower_bound <= least <= found.objective * (1 + 1e-9)
            again = certificates.lower_bound(
                X * problem.free, problem.codes, problem.weights, problem.near(coef).penalty, found.dual,
                offset=problem.offset,
            )  # fmt: skip
            assert again == pytest.approx(found.lower_bound, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("signs", [None, np.array([[1.0], [-1.0]])])
def test_conjugates_of_costless_coefficients_are_those_of_a_ball(signs):
    """Fenchel and Young: <G, W> <= g(W) + g*(G) in sum |w_j| / reach_j <= 1, with equality somewhere."""
    rng, reach = np.random.default_rng(0), np.array([1.0, 3.0, 0.5])
    penalty = ElasticNet(np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.0, 0.0]), signs).within(reach)
    for _ in range(200):
        G = 2.0 * rng.normal(size=(2, 3))
        W = penalty.feasible(rng.normal(size=(2, 3)))
        W[:, 1:] /= max(1.0, (np.abs(W[:, 1:]) / reach[1:]).sum())
        lead = penalty.value(W) + penalty.conjugate(G) - np.vdot(G, W)
        assert lead >= -1e-12
        pull = np.abs(G) if signs is None else np.maximum(signs * G, 0.0)
        best = np.zeros((2, 3))
        best[:, 0] = np.maximum(pull[:, 0] - 1.0, 0.0) / 0.5
        at = np.unravel_index((pull * reach)[:, 1:].argmax(), (2, 2))
        best[at[0], at[1] + 1] = reach[at[1] + 1] * (pull[at[0], at[1] + 1] > 0.0)
        best *= np.sign(G)
        assert penalty.value(best) + penalty.conjugate(G) == pytest.approx(np.vdot(G, best), abs=1e-12)


def test_coefficients_that_are_proven_to_be_zero_are():
    for asked in ASKED.values():
        X, y = table(4)
        _, best = optimum(X, y, 1.0, **asked)
        problem = problem_of(X, y, 1.0, **asked)
        solution = solve(problem, tol=1e-8)
        zeros = certified_zeros(problem, solution.objective, solution.dual)
        assert not (zeros & (np.abs(best) > 1e-4)).any()


@pytest.mark.parametrize(
    "asked", [{"penalty_factor": [0.0, np.inf] + 48 * [1.0]}, {"positive": True}, {"offset": True}]
)
def test_tables_too_large_for_a_dense_hessian_are_certified_in_a_few_rounds(asked):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 50))
    y = (X @ rng.normal(0.0, 0.2, (50, 4)) + rng.gumbel(size=(6000, 4))).argmax(axis=1)
    offset = {"offset": rng.normal(size=(6000, 4))} if "offset" in asked else {}
    for l1_ratio in (0.0, 1.0):
        model = SoftmaxRegression(l1_ratio=l1_ratio, tol=1e-5, max_iter=20, n_jobs=1)
        model.set_params(**{name: value for name, value in asked.items() if name != "offset"}).fit(X, y, **offset)
        assert model.status_ == "certified"


# ---- standardize -----------------------------------------------------------------------------------------------------


def hostile(n=600, seed=0):
    """Return a table as databases have them, with labels: seconds and nanoseconds since 1970, incomes, tiny units."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 6))
    X = np.column_stack(
        [
            1.6e9 + 3e7 * Z[:, 0],
            np.exp(10 + Z[:, 1]),
            1.7e18 + 1e15 * Z[:, 2],
            1e-12 * Z[:, 3],
            40 + 12 * Z[:, 4],
            Z[:, 5],
        ]
    )
    return X, (StandardScaler().fit_transform(X) @ rng.normal(size=(6, 3)) + rng.gumbel(size=(n, 3))).argmax(axis=1)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_standardize_is_scaling_by_hand(l1_ratio):
    X, y = hostile()
    scaler = StandardScaler().fit(X)
    by_hand = SoftmaxRegression(l1_ratio=l1_ratio, tol=1e-9, n_jobs=1).fit(scaler.transform(X), y)
    model = SoftmaxRegression(l1_ratio=l1_ratio, tol=1e-9, standardize=True, n_jobs=1).fit(X, y)
    assert model.status_ == by_hand.status_ == "certified"
    assert model.objective_ == pytest.approx(by_hand.objective_, rel=3e-9)
    np.testing.assert_allclose(model.predict_proba(X), by_hand.predict_proba(scaler.transform(X)), atol=3e-5)
    if l1_ratio == 0.0:
        np.testing.assert_allclose(model.coef_ * scaler.scale_, by_hand.coef_, atol=1e-6)


def test_a_refused_column_is_told_the_remedy_that_works():
    X, y = hostile()
    with pytest.raises(DataError, match="standardize=True"):
        SoftmaxRegression(l1_ratio=1.0).fit(X, y)


def test_weights_count_rows_in_deviations():
    X, y = table(5)
    counts = np.random.default_rng(0).integers(1, 4, N)
    twice = SoftmaxRegression(standardize=True, tol=1e-9).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    weighted = SoftmaxRegression(standardize=True, tol=1e-9).fit(X, y, sample_weight=counts)
    np.testing.assert_allclose(weighted.coef_, twice.coef_, atol=1e-5)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, lambda X: Rows.of(X.astype(np.uint8), scale=0.5)])
def test_deviations_are_those_of_numpy(form):
    rng = np.random.default_rng(0)
    X, weights = rng.integers(0, 4, (50, 3)) * 1.0, rng.uniform(0.1, 2.0, 50)
    X[:, 2] = 3.0
    rows = form(X)
    rows, scale = (rows, 0.5) if isinstance(rows, Rows) else (Rows.of(rows), 1.0)
    expected = np.sqrt(np.average((X - np.average(X, axis=0, weights=weights)) ** 2, axis=0, weights=weights)) * scale
    found = rows.column_deviations(weights)
    np.testing.assert_allclose(found[:2], expected[:2], rtol=1e-12)
    assert found[2] == 0.0


def test_deviations_around_a_large_mean_are_exact():
    x = np.arange(100.0)
    assert Rows.of(1.7e15 + x[:, None]).column_deviations(np.ones(100))[0] == pytest.approx(x.std(), rel=1e-12)


def test_sparse_rows_stay_sparse():
    rng = np.random.default_rng(0)
    X = sparse.random_array((300, 40), density=0.1, rng=rng, format="csr") * np.geomspace(1e-3, 1e3, 40)
    y = rng.integers(0, 3, 300)
    problem = make_problem(Rows.of(X.tocsr()), y, np.ones(300), 3, l1_ratio=1.0, standardize=True)
    assert problem.rows.is_sparse
    assert problem.rows.n_nonzeros == X.nnz
    dense = SoftmaxRegression(l1_ratio=1.0, standardize=True, tol=1e-7).fit(X.toarray(), y)
    assert solve(problem, tol=1e-7).objective == pytest.approx(dense.objective_, rel=2e-7)


def test_paths_and_cross_validation_standardize_as_fits_do():
    X, y = hostile(200)
    Z = StandardScaler().fit_transform(X)
    raw, scaled = softmax_path(X, y, Cs=5, standardize=True), softmax_path(Z, y, Cs=5)
    np.testing.assert_allclose(raw.Cs, scaled.Cs, rtol=1e-9)
    np.testing.assert_allclose(raw.objectives, scaled.objectives, rtol=2e-3)
    both = (SoftmaxRegressionCV(Cs=4, cv=3, standardize=flag, n_jobs=1) for flag in (True, False))
    found, by_hand = (model.fit(data, y) for model, data in zip(both, (X, Z), strict=True))
    np.testing.assert_allclose(found.scores_, by_hand.scores_, atol=3e-3)
    assert found.C_ == pytest.approx(by_hand.C_)


def test_a_model_file_keeps_how_its_penalty_measured(tmp_path):
    out = tmp_path / "model.inklens"
    fitted = fit("embedded", train=200, test=100, C=0.1, l1_ratio=1.0, tol=1e-3, standardize=True, out=out)
    reader = DigitReader.load(out)
    assert reader.require_fit_record().standardize
    assert verify(reader).holds
    assert "standardised" in dict(map(tuple, fitted.in_words()))["penalty"]
    header = {**reader.provenance, "fit": {**reader.provenance["fit"], "standardize": False}}
    assert not verify(replace(reader, provenance=header)).holds


# ---- factors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("l1_ratio", "power"), [(1.0, 1.0), (0.0, 0.5)])
def test_factors_are_scales_of_columns(l1_ratio, power):
    X, y = table(6)
    factors = np.array([0.2, 1.0, 3.0, 0.7, 5.0])
    model = SoftmaxRegression(l1_ratio=l1_ratio, penalty_factor=factors, tol=1e-9).fit(X, y)
    scaled = SoftmaxRegression(l1_ratio=l1_ratio, tol=1e-9).fit(X / factors**power, y)
    assert model.objective_ == pytest.approx(scaled.objective_, rel=3e-9)
    np.testing.assert_allclose(model.predict_proba(X), scaled.predict_proba(X / factors**power), atol=3e-5)


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_a_column_left_out_is_as_if_it_were_not_there(l1_ratio):
    X, y = table(7)
    X[:, 3] *= 1e20  # and is not looked at
    model = SoftmaxRegression(l1_ratio=l1_ratio, penalty_factor=FACTORS, tol=1e-8).fit(X, y)
    without = SoftmaxRegression(l1_ratio=l1_ratio, penalty_factor=[*FACTORS[:3], 3.0], tol=1e-8)
    assert model.objective_ == pytest.approx(without.fit(np.delete(X, 3, axis=1), y).objective_, rel=2e-8)
    assert not model.coef_[:, 3].any()


def test_unpenalised_columns_are_in_use_along_a_whole_path():
    X, y = table(8)
    path = softmax_path(X, y, Cs=6, penalty_factor=[1.0, 0.0, 1.0, 1.0, 1.0])
    assert (path.gaps <= 1e-3).all()
    assert path.in_use[0].tolist() == [False, True, False, False, False]


# ---- signs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_two_classes_have_one_positive_row(l1_ratio):
    X, y = table(9, n_classes=2)
    signs = 2.0 * y - 1.0

    def value(t):
        z = signs * (X @ t[:P] + t[P])
        slope = -signs / (1.0 + np.exp(z))
        penalty = l1_ratio * t[:P].sum() + 0.5 * (1 - l1_ratio) * t[:P] @ t[:P]
        pull = X.T @ slope + l1_ratio + (1 - l1_ratio) * t[:P]
        return np.logaddexp(0.0, -z).sum() + penalty, np.append(pull, slope.sum())

    found = minimize(
        value, np.zeros(P + 1), jac=True, method="L-BFGS-B", bounds=[(0, None)] * P + [(None, None)],
        options={"ftol": 1e-15, "gtol": 1e-10},
    )  # fmt: skip
    model = SoftmaxRegression(l1_ratio=l1_ratio, positive=True, tol=1e-9).fit(X, y)
    assert model.objective_ == pytest.approx(found.fun, rel=1e-8)
    np.testing.assert_allclose(model.coef_[0], found.x[:P], atol=1e-4)


@pytest.mark.parametrize("backend", [REFERENCE, numpy_backend()], ids=["reference", "compiled"])
def test_descent_keeps_signs(backend):
    rng = np.random.default_rng(0)
    root = rng.normal(size=(30, 20))
    H = (root.T @ root / 30).astype(np.float32)
    gradient, side, l1 = rng.normal(size=20), np.sign(rng.normal(size=20)) * (np.arange(20) % 3 > 0), np.full(20, 0.1)
    l1[::4] = 0.0
    w, g = np.zeros(20), gradient.copy()
    backend.gram_descent(
        H, g, w, l1, np.full(20, 0.1), tolerance=1e-9, max_sweeps=500, unit=np.full(20, 0.1), side=side
    )
    assert (w * side >= 0.0).all()
    slope = gradient + H @ w + 0.1 * w
    pull = np.where(slope * side > 0.0, 0.0, np.abs(slope))
    assert np.abs(slope + l1 * np.sign(w))[w != 0.0].max() < 1e-6
    assert (pull <= l1 + 1e-6)[w == 0.0].all()


# ---- offsets ---------------------------------------------------------------------------------------------------------


def test_an_offset_along_costless_columns_is_taken_back_by_their_coefficients():
    X, y = table(10)
    shift = np.random.default_rng(0).normal(size=(K, 2))
    factors = [0.0, 0.0, 1.0, 1.0, 1.0]
    plain, moved = (SoftmaxRegression(penalty_factor=factors, tol=1e-9) for _ in range(2))
    plain.fit(X, y)
    moved.fit(X, y, offset=X[:, :2] @ shift.T + [1.0, 2.0, 3.0])
    assert moved.objective_ == pytest.approx(plain.objective_, rel=1e-8)
    change = moved.coef_ - plain.coef_
    np.testing.assert_allclose(change[:, 2:], 0.0, atol=1e-4)
    np.testing.assert_allclose(change[:, :2] - change[:, :2].mean(axis=0), -(shift - shift.mean(axis=0)), atol=1e-4)


def test_offsets_follow_their_rows():
    X, y = table(11)
    weights = np.arange(N) % 3 * 1.0
    kept = weights > 0.0
    some = SoftmaxRegression(tol=1e-9).fit(X, y, weights, offset=OFFSET)
    alone = SoftmaxRegression(tol=1e-9).fit(X[kept], y[kept], weights[kept], offset=OFFSET[kept])
    np.testing.assert_allclose(some.coef_, alone.coef_, atol=1e-6)
    blocks = Rows.of([X[:50], X[50:]])
    np.testing.assert_allclose(
        SoftmaxRegression(tol=1e-9).fit(blocks, y, weights, offset=OFFSET).coef_, some.coef_, atol=1e-5
    )


def test_offsets_stay_with_the_rows_that_are_chosen():
    X, y = table(14)
    chosen = np.array([3, 10, 50, 119])
    part = problem_of(X, y, 0.0, offset=OFFSET).over(chosen)
    np.testing.assert_array_equal(part.offset, OFFSET[chosen])


def test_gradients_with_offsets_are_difference_quotients():
    X, y = table(12)
    problem: Problem = problem_of(X, y, 0.0, offset=OFFSET)
    rng = np.random.default_rng(0)
    coef, direction = rng.normal(size=(2, K, P))
    loss = [problem.evaluate(coef + t * direction, np.ones(K), dtype=np.float64).loss for t in (-1e-5, 1e-5)]
    at = problem.evaluate(coef, np.ones(K), dtype=np.float64)
    assert np.vdot(at.gradient, direction) == pytest.approx((loss[1] - loss[0]) / 2e-5, rel=1e-7)
    half = problem.evaluate(coef, np.ones(K))
    np.testing.assert_allclose(half.gradient, at.gradient, atol=1e-4)


# ---- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "fitted_with", "words"),
    [
        ({"penalty_factor": [1.0, 2.0]}, {}, "each of the 5 columns"),
        ({"penalty_factor": [1.0, -1.0, 1.0, 1.0, 1.0]}, {}, "at least 0"),
        ({"penalty_factor": [np.nan] * P}, {}, "at least 0"),
        ({"penalty_factor": [np.inf] * P}, {}, "leave one in"),
        ({"penalty_factor": FACTORS, "group": True, "l1_ratio": 1.0}, {}, "group"),
        ({"positive": True, "group": True, "l1_ratio": 1.0}, {}, "group"),
        ({"positive": True, "C": np.inf}, {}, "finite C"),
        ({"C": np.inf}, {"offset": OFFSET}, "finite C"),
        ({}, {"offset": OFFSET[:, :2]}, "120 rows and 3 classes"),
        ({}, {"offset": OFFSET[:7]}, "each of the 120 rows"),
        ({}, {"offset": np.where(OFFSET > 1, np.nan, OFFSET)}, "NaN or infinity"),
    ],
)
def test_what_cannot_be_is_refused(parameters, fitted_with, words):
    with pytest.raises(DataError, match=words):
        SoftmaxRegression(**parameters).fit(*table(), **fitted_with)


def test_stopped_fits_have_a_bound_too():
    X, y = table(13)
    with pytest.warns(ConvergenceWarning):
        model = SoftmaxRegression(l1_ratio=1.0, penalty_factor=FACTORS, positive=True, tol=0.0, max_iter=4, C=C).fit(
            X, y
        )
    least, _ = optimum(X, y, 1.0, penalty_factor=FACTORS, positive=True)
    assert 0.0 < model.lower_bound_ <= least
