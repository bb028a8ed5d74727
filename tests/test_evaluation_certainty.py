"""Intervals cover, tests are exact, temperatures are optimal, sets keep their promise."""

import itertools
import warnings
from fractions import Fraction

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import xlogy

from inklens.errors import DataError, ParameterError
from inklens.evaluation import (
    Calibration,
    Comparison,
    Conformal,
    Temperature,
    covered,
    mcnemar,
    paired_difference,
    proportion,
)
from inklens.linear.softmax import softmax


def draw_labels(proba, rng):
    """One class per row, by its probabilities."""
    return np.minimum((proba.cumsum(axis=1) < rng.random((len(proba), 1))).sum(axis=1), proba.shape[1] - 1)


def scores(n, n_classes, rng, spread=2.0):
    return spread * rng.normal(size=(n, n_classes))


# ---- proportions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 60])
def test_exact_intervals_cover_every_proportion_and_wilson_covers_on_average(n):
    weights = {}
    for method in ("exact", "wilson"):
        found = [proportion(k, n, method=method) for k in range(n + 1)]
        truths = np.linspace(0.001, 0.999, 400)
        law = stats.binom.pmf(np.arange(n + 1)[:, None], n, truths)
        inside = np.array([[x.low <= p <= x.high for p in truths] for x in found])
        weights[method] = (law * inside).sum(axis=0)
    assert weights["exact"].min() >= 0.95 - 1e-12
    assert weights["wilson"].mean() == pytest.approx(0.95, abs=0.02)


def test_the_exact_interval_is_the_inverted_binomial_test():
    found = proportion(9, 30, method="exact")
    assert stats.binom.sf(8, 30, found.low) == pytest.approx(0.025)
    assert stats.binom.cdf(9, 30, found.high) == pytest.approx(0.025)


def test_proportions_of_nothing_and_wrong_levels():
    nothing = proportion(0, 0)
    assert np.isnan(nothing.value)
    assert (nothing.low, nothing.high) == (0.0, 1.0)
    for confidence in (0.0, 1.0, 95.0):
        with pytest.raises(ParameterError, match="between 0 and 1"):
            proportion(1, 2, confidence=confidence)
    with pytest.raises(ParameterError, match="wilson"):
        proportion(1, 2, method="wald")


# ---- two models ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 0), (5, 0), (3, 4), (10, 2), (8, 8)])
def test_mcnemar_counts_the_coin_flips_that_are_as_uneven(a, b):
    n = a + b
    as_uneven = (
        sum(1 for flips in itertools.product((0, 1), repeat=n) if abs(sum(flips) - n / 2) >= abs(a - n / 2) - 1e-12)
        if n <= 16
        else None
    )
    assert mcnemar(a, b) == pytest.approx(as_uneven / 2**n)
    assert mcnemar(a, b) == mcnemar(b, a)


def restricted_score(only_a, only_b, n, difference):
    """The score statistic with the nuisance share found by maximising the likelihood numerically."""

    def minus_log_likelihood(q):
        return -(xlogy(only_a, q + difference) + xlogy(only_b, q) + xlogy(n - only_a - only_b, 1 - 2 * q - difference))

    low, high = max(0.0, -difference), (1 - difference) / 2
    q = optimize.minimize_scalar(minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
    return (only_a - only_b - n * difference) / np.sqrt(n * (2 * q + difference - difference**2))


@pytest.mark.parametrize(("a", "b", "n"), [(12, 2, 44), (1, 7, 21), (55, 22, 2500), (30, 30, 100), (3, 0, 50)])
def test_the_paired_interval_inverts_the_score_test(a, b, n):
    found = paired_difference(a, b, n)
    assert found.low < found.value < found.high
    critical = stats.norm.ppf(0.975)
    assert restricted_score(a, b, n, found.low) == pytest.approx(critical, abs=1e-4)
    assert restricted_score(a, b, n, found.high) == pytest.approx(-critical, abs=1e-4)
    mirrored = paired_difference(b, a, n)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_the_paired_interval_is_that_of_the_literature():
    """Fagerland, Lydersen and Laake (2014), table 4: airway hyper-responsiveness before and after, n = 21."""
    found = paired_difference(1, 7, 21)
    assert (found.value, found.low, found.high) == pytest.approx((-0.286, -0.517, -0.026), abs=5e-4)


def test_the_paired_interval_covers():
    rng, n, p = np.random.default_rng(0), 120, (0.12, 0.05)
    counts = rng.multinomial(n, (*p, 1 - sum(p)), size=1500)
    hits = [x.low <= p[0] - p[1] <= x.high for x in (paired_difference(a, b, n) for a, b, _ in counts)]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("a", "b", "n"), [(0, 0, 5), (5, 0, 5), (0, 5, 5), (1, 0, 1)])
def test_extreme_counts_give_an_interval_within_reach(a, b, n):
    found = paired_difference(a, b, n)
    assert -1.0 <= found.low <= found.value <= found.high <= 1.0


def test_a_comparison_counts_every_row_once():
    rng = np.random.default_rng(1)
    y, a, b = rng.integers(0, 3, (3, 400)).astype(str)
    found = Comparison.from_predictions(y, a, b)
    assert found.n_both + found.n_neither + len(found.only_a) + len(found.only_b) == 400
    assert found.difference.value == pytest.approx(np.mean(a == y) - np.mean(b == y))
    swapped = Comparison.from_predictions(y, b, a)
    assert swapped.p_value == found.p_value
    assert swapped.difference.value == pytest.approx(-found.difference.value)
    with pytest.raises(DataError, match="400, 400 and 399"):
        Comparison.from_predictions(y, a, b[1:])


def test_words_name_the_better_model_only_where_it_is_decided():
    right = np.ones(100, dtype=bool)
    much, little = right.copy(), right.copy()
    much[:20], little[:2] = False, False
    assert "A is better than B" in " ".join(Comparison(right, much).in_words())
    assert "B is better than A" in " ".join(Comparison(much, right).in_words())
    assert "better than" not in " ".join(Comparison(right, little).in_words())
    assert Comparison(right, right).in_words()[-1] == "Neither is better on these rows."


# ---- calibration -----------------------------------------------------------------------------------------------------


def test_true_probabilities_look_calibrated_and_sharpened_ones_do_not():
    rng = np.random.default_rng(2)
    p_values = []
    for _ in range(20):
        z = scores(500, 4, rng)
        codes = draw_labels(softmax(z), rng)
        p_values.append(Calibration(softmax(z), codes).p_value)
    assert np.mean(np.array(p_values) < 0.1) < 0.35  # a uniform law would give 0.1
    z = scores(4000, 4, rng)
    codes = draw_labels(softmax(z), rng)
    sharp = Calibration(softmax(3 * z), codes)
    assert sharp.p_value < 0.01
    assert sharp.expected_error > 3 * sharp.chance_error
    assert "too sure" in sharp.in_words()[0]


def test_scores_are_those_of_scikit_learn():
    from sklearn.metrics import brier_score_loss, log_loss

    rng = np.random.default_rng(3)
    proba = rng.dirichlet([1.0, 1.0, 1.0], 200)
    codes = draw_labels(proba, rng)
    seen = Calibration(proba, codes)
    assert seen.log_loss == pytest.approx(log_loss(codes, proba))
    assert seen.brier_score == pytest.approx(brier_score_loss(codes, proba, scale_by_half=False))


def test_bins_hold_every_answer_once_and_sum_to_the_error():
    rng = np.random.default_rng(4)
    proba = rng.dirichlet([0.5] * 5, 300)
    proba[0] = [1.0, 0, 0, 0, 0]
    seen = Calibration(proba, draw_labels(proba, rng))
    assert sum(b.n_samples for b in seen.bins) == 300
    assert all(b.low <= b.mean_confidence <= b.high for b in seen.bins)
    assert sum(b.n_samples * abs(b.right.value - b.mean_confidence) for b in seen.bins) / 300 == pytest.approx(
        seen.expected_error
    )


def test_rows_that_do_not_fit_are_refused():
    proba = np.full((3, 2), 0.5)
    for codes in ([0, 1], [], [0, 1, 2], [0, 1, -1]):
        with pytest.raises((DataError, ParameterError)):
            Calibration(proba, np.array(codes, dtype=int))


# ---- temperature -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.2, 1.0, 4.0])
def test_the_temperature_is_the_optimum(factor):
    rng = np.random.default_rng(5)
    z = scores(600, 5, rng)
    codes = draw_labels(softmax(z), rng)
    found = Temperature.fit(factor * z, codes)

    def loss(log_T):
        return Calibration(softmax(factor * z / np.exp(log_T)), codes).log_loss

    best = optimize.minimize_scalar(loss, bounds=(-4, 4), method="bounded", options={"xatol": 1e-9})
    assert np.log(found.value) == pytest.approx(best.x, abs=1e-5)
    assert found.value == pytest.approx(factor, rel=0.15)  # labels follow softmax(z)
    assert (found.proba(factor * z).argmax(axis=1) == z.argmax(axis=1)).all()


def test_the_temperature_is_that_of_scikit_learn():
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.datasets import load_iris
    from sklearn.frozen import FrozenEstimator

    from inklens import SoftmaxRegression

    X, y = load_iris(return_X_y=True)
    model = SoftmaxRegression(C=0.1).fit(X[::2], y[::2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = CalibratedClassifierCV(FrozenEstimator(model), method="temperature").fit(X[1::2], y[1::2])
    found = Temperature.fit(model.decision_function(X[1::2]), y[1::2])
    assert found.proba(model.decision_function(X)) == pytest.approx(peer.predict_proba(X), abs=2e-3)


def test_scores_that_are_all_right_or_all_wrong_end_at_a_stated_limit():
    z, codes = np.eye(3) * 2, np.arange(3)
    assert Temperature.fit(z, codes).value == 0.01
    assert Temperature.fit(z, (codes + 1) % 3).value == 100.0


# ---- sets ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["threshold", "cumulative"])
@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_sets_keep_their_promise_for_a_model_that_is_worth_little(method, coverage):
    """Over many draws of calibration rows the mean coverage is at least what was promised, and not much more."""
    rng = np.random.default_rng(6)
    n, seen = 99, []
    for _ in range(300):
        z = scores(n + 100, 6, rng)
        codes = draw_labels(softmax(0.3 * z), rng)  # the model is far too sure
        proba = softmax(z)
        rule = Conformal.fit(proba[:n], codes[:n], coverage=coverage, method=method)
        seen.append(covered(rule.sets(proba[n:]), codes[n:]))
    error = np.std(seen) / np.sqrt(len(seen))
    assert np.mean(seen) >= coverage - 3 * error
    assert np.mean(seen) <= coverage + 1 / (n + 1) + 3 * error


def test_coverage_over_draws_follows_the_stated_law():
    rng = np.random.default_rng(7)
    n, inside = 200, 0
    z = scores(20_000, 4, rng)
    proba = softmax(z)
    codes = draw_labels(softmax(0.5 * z), rng)
    for _ in range(200):
        chosen = rng.choice(len(z), n, replace=False)
        rule = Conformal.fit(proba[chosen], codes[chosen], coverage=0.8)
        low, high = rule.coverage_range(0.9)
        inside += low <= covered(rule.sets(proba), codes) <= high
    assert inside / 200 == pytest.approx(0.9, abs=0.07)


@pytest.mark.parametrize("method", ["threshold", "cumulative"])
def test_sets_hold_the_answer_grow_with_coverage_and_are_repeatable(method):
    rng = np.random.default_rng(8)
    proba = rng.dirichlet([0.4] * 5, 500)
    codes = draw_labels(proba, rng)
    previous = np.zeros_like(proba, dtype=bool)
    for coverage in (0.3, 0.6, 0.9, 0.99):
        sets = Conformal.fit(proba, codes, coverage=coverage, method=method).sets(proba)
        assert sets[np.arange(500), proba.argmax(axis=1)].all()
        assert (sets >= previous).all()
        assert (sets == Conformal.fit(proba, codes, coverage=coverage, method=method).sets(proba)).all()
        previous = sets


def test_too_few_rows_to_promise_give_every_class():
    proba, codes = np.full((5, 3), 1 / 3), np.zeros(5, dtype=int)
    rule = Conformal.fit(proba, codes, coverage=0.9)
    assert rule.sets(proba).all()
    assert rule.coverage_range() == (1.0, 1.0)
    with pytest.raises(ParameterError, match="coverage"):
        Conformal.fit(proba, codes, coverage=1.0)
    with pytest.raises(ParameterError, match="cumulative"):
        Conformal.fit(proba, codes, method="smallest")


@pytest.mark.parametrize("method", ["threshold", "cumulative"])
@pytest.mark.parametrize(("n", "coverage"), [(20, 0.9), (19, 0.9), (9, 0.8), (39, 0.95), (30, 0.5)])
def test_exactly_the_promised_rows_are_covered_when_each_is_left_out_once(method, n, coverage):
    """Of n + 1 exchangeable rows with distinct scores, ceil((n + 1) coverage) are covered by the rule of the others."""
    rng = np.random.default_rng(n)
    proba = np.sort(rng.dirichlet([1.0] * 4, n + 1), axis=1)
    codes = np.zeros(n + 1, dtype=int)  # the least likely class: never the one that is always in the set
    hits = 0
    for i in range(n + 1):
        rest = np.arange(n + 1) != i
        rule = Conformal.fit(proba[rest], codes[rest], coverage=coverage, method=method)
        hits += int(rule.sets(proba[[i]])[0, 0])
    exact = Fraction(str(coverage)) * (n + 1)
    assert hits == -(-exact.numerator // exact.denominator)  # ceil


def test_a_cumulative_score_is_the_mass_of_the_likelier_classes():
    proba = np.array([[0.5, 0.3, 0.2], [0.1, 0.7, 0.2]])
    for limit, members in ((0.0, [[1, 0, 0], [0, 1, 0]]), (0.5, [[1, 1, 0], [0, 1, 0]]), (0.7, [[1, 1, 0], [0, 1, 1]])):
        assert Conformal(limit, 0.9, 10, "cumulative").sets(proba).astype(int).tolist() == members


@pytest.mark.parametrize(("n", "coverage"), [(20, 0.9), (200, 0.8)])
def test_the_range_of_coverage_inverts_the_law_of_an_order_statistic(n, coverage):
    """The k-th of n uniform scores is below c with the probability that at least k of them are: a binomial tail."""
    rng = np.random.default_rng(0)
    proba = rng.dirichlet([1.0] * 3, n)
    low, high = Conformal.fit(proba, draw_labels(proba, rng), coverage=coverage).coverage_range(0.9)
    exact = Fraction(str(coverage)) * (n + 1)
    k = -(-exact.numerator // exact.denominator)
    assert stats.binom.sf(k - 1, n, low) == pytest.approx(0.05)
    assert stats.binom.sf(k - 1, n, high) == pytest.approx(0.95)


def test_the_p_value_is_never_zero_and_is_one_where_nothing_could_be_better():
    proba = np.tile([0.999, 0.001], (50, 1))
    assert Calibration(proba, np.ones(50, dtype=int)).p_value == 1 / 1001  # all wrong, all sure
    certain = np.tile([1.0, 0.0], (50, 1))
    assert Calibration(certain, np.zeros(50, dtype=int)).p_value == 1.0


def test_what_chance_brings_is_the_error_of_true_probabilities():
    """By simulation with other draws, where half of the answers are sure and half are not."""
    rng = np.random.default_rng(12)
    confidence = np.where(np.arange(400) % 2, 0.99, 0.55)
    proba = np.column_stack([confidence, 1 - confidence])
    seen = Calibration(proba, np.zeros(400, dtype=int))
    errors = []
    for _ in range(2000):
        right = rng.random(400) < confidence
        errors.append(sum(abs((right - confidence)[confidence == c].sum()) for c in (0.55, 0.99)) / 400)
    assert seen.chance_error == pytest.approx(np.mean(errors), rel=0.05)


def test_a_temperature_divides_the_scores():
    z = np.array([[2.0, 0.0]])
    assert Temperature(2.0).proba(z) == pytest.approx(softmax(np.array([[1.0, 0.0]])))


@pytest.mark.parametrize("method", ["wilson", "exact"])
def test_intervals_are_scipy_s(method):
    from scipy.stats import binomtest

    for n_samples in (1, 2, 7, 100, 70_000):
        for count in {0, 1, n_samples // 3, n_samples - 1, n_samples}:
            for confidence in (0.5, 0.95, 0.999):
                found = proportion(count, n_samples, confidence=confidence, method=method)
                wanted = binomtest(count, n_samples).proportion_ci(confidence, method=method)
                np.testing.assert_allclose([found.low, found.high], [wanted.low, wanted.high], rtol=1e-9, atol=1e-12)
