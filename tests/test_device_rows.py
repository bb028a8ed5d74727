"""Rows on another device: what crosses between it and this process in a pass is coefficients and sums.

array-api-strict's second device is one that NumPy cannot look into, and its arrays refuse to be mixed with others.
"""

from collections.abc import Callable
from functools import partial

import array_api_strict
import numpy as np
import pytest

from inklens.datasets import load_dataset
from inklens.linear.estimators import SoftmaxRegression
from inklens.linear.methods import prox_newton
from inklens.linear.problem.penalties import penalty_of
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates, dual
from inklens.linear.rows import layouts, rows
from inklens.linear.rows.on_device import DeviceRows
from inklens.linear.rows.rows import Rows

DEVICE = array_api_strict.Device("device1")
N_FEATURES, N_CLASSES = 7, 3


class Crossings:
    """Bytes that go to the device, and that come from it."""

    def __init__(self) -> None:
        self.sent = self.fetched = 0

    def of(self, work: Callable[[], object]) -> int:
        """Return the bytes of both ways that some work takes."""
        before = self.sent + self.fetched
        work()
        return self.sent + self.fetched - before


@pytest.fixture
def crossings(monkeypatch):
    """A count at the only two doors: `asarray` with a device, and `to_device`."""
    counted, asarray, to_device = Crossings(), array_api_strict.asarray, type(array_api_strict.zeros(1)).to_device

    def counting_asarray(values, *args, **options):
        found = asarray(values, *args, **options)
        if found.device == DEVICE:
            counted.sent += values.nbytes
        return found

    def counting_to_device(self, device, /, stream=None):
        found = to_device(self, device, stream=stream)
        if self.device == DEVICE:
            counted.fetched += np.asarray(found).nbytes
        return found

    monkeypatch.setattr(layouts, "BROUGHT_BELOW", 0)
    monkeypatch.setattr(layouts, "SHARE_MEMORY", False)
    monkeypatch.setattr(array_api_strict, "asarray", counting_asarray)
    monkeypatch.setattr(type(array_api_strict.zeros(1)), "to_device", counting_to_device)
    return counted


def problem(n_times=1, n_samples=150, **penalty):
    """A problem with every row so many times, of so much less weight: all have one optimum, and one way to it."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 6, (n_samples, N_FEATURES)).astype(np.uint8)
    codes = (X @ rng.normal(size=(N_FEATURES, N_CLASSES)) + 2.0 * rng.normal(size=(n_samples, N_CLASSES))).argmax(
        axis=1
    )
    there = array_api_strict.asarray(np.tile(X, (n_times, 1)), device=DEVICE)
    weights = np.full(n_times * n_samples, 1.0 / n_times)
    return Problem(Rows.of(there), np.tile(codes, n_times), weights, N_CLASSES, penalty_of(1.0, **penalty))


def works(problem):
    """What a fit does again and again, by name."""
    rng = np.random.default_rng(1)
    coef, intercept = rng.normal(size=(N_CLASSES, N_FEATURES)), rng.normal(size=N_CLASSES)
    at, next_to = (problem.evaluate(shift + coef, intercept) for shift in (0.0, 0.1))
    point = dual.DualPoint(coef, intercept, 0.01 * coef, 0.01 * intercept)
    classes, features = np.repeat(np.arange(N_CLASSES), N_FEATURES), np.tile(np.arange(N_FEATURES), N_CLASSES)
    return {
        "a pass": lambda: problem.evaluate(coef, intercept),
        "a proof": lambda: certificates.certify(problem, coef, intercept, point),
        "a product with the Hessian": lambda: problem.rows.hessian_product(at.proba, problem.weights, coef, intercept),
        "a try along a line": lambda: problem.loss_between(at.scores, next_to.scores, 0.5),
        "a linearised dual point": lambda: dual.dual_value(problem, dual.linearised(at, next_to)),
        "a Hessian over pairs": lambda: problem.rows.pair_hessian(at.proba, problem.weights, classes, features),
        "sums of the direct engine": lambda: problem.rows.edge_grams(at.proba, problem.weights),
        "separation": lambda: certificates.separation(problem.rows, problem.codes, coef, intercept),
    }


def test_what_crosses_in_a_pass_does_not_grow_with_the_rows(crossings):
    few, many = works(problem()), works(problem(8))
    for name, work in few.items():
        work()  # labels and weights go there once
        many[name]()
        assert crossings.of(work) == crossings.of(many[name]) > 0, name


@pytest.mark.parametrize("penalty", [{"l1_ratio": 0.0}, {"l1_ratio": 1.0}, {"l1_ratio": 1.0, "group": True}], ids=str)
def test_a_fit_sends_labels_and_weights_once(crossings, monkeypatch, penalty):
    monkeypatch.setattr(rows, "SUBSAMPLE_ROWS", 60)  # as many for 150 rows as for 1,200
    monkeypatch.setattr(prox_newton, "SUBSAMPLE_RATIO", 100)  # no start on some of 1,200 where 150 have none
    n_bytes, n_passes = [], []
    for n_times in (1, 8):
        given, model = problem(n_times), SoftmaxRegression(tol=1e-6, **penalty)
        n_bytes.append(crossings.of(partial(model.fit, given.rows, given.codes, sample_weight=given.weights)))
        n_passes.append(model.n_passes_)
        assert model.status_ == "certified"
    assert n_passes[0] == n_passes[1] > 10
    codes, weights, as_column = 4, 8, 8
    assert n_bytes[1] - n_bytes[0] <= (codes + weights + as_column) * (1200 - 150)


@pytest.mark.slow
@pytest.mark.parametrize("penalty", [{"l1_ratio": 0.0}, {"l1_ratio": 1.0}], ids=str)
def test_a_fit_starts_from_rows_that_stand_for_all(crossings, monkeypatch, penalty):
    monkeypatch.setattr(rows, "SUBSAMPLE_ROWS", 100)
    digits = load_dataset("embedded")
    X, y = np.array(digits.X)[:600, 200:560], digits.y[:600]
    there = array_api_strict.asarray(X, device=DEVICE)
    given, here = (SoftmaxRegression(C=1e-5, tol=1e-4, **penalty).fit(of, y) for of in (there, X))
    assert given.status_ == "certified"
    assert given.objective_ == pytest.approx(here.objective_, rel=2e-4)


def test_tensors_stacked_on_each_other_are_one_matrix(crossings):
    whole = problem(4).rows
    values = whole.blocks[0].exact.values
    rows = Rows.of([values[:100, :], values[100:350, :], values[350:, :]])
    assert isinstance(rows, DeviceRows)
    assert len(rows.blocks) == 3
    given = problem(4)
    coef, intercept = np.eye(N_CLASSES, N_FEATURES), np.arange(N_CLASSES) / 10.0
    a, b = (of.loss_and_gradient(coef, intercept, given.codes, given.weights, dtype=np.float64) for of in (whole, rows))
    assert a.loss == pytest.approx(b.loss, rel=1e-13)
    np.testing.assert_allclose(a.gradient, b.gradient, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(np.asarray(a.proba), np.asarray(b.proba))
    flows = (dual.flows(at.proba, given.codes, given.weights) for at in (a, b))
    np.testing.assert_allclose(*flows, rtol=1e-13)


def test_a_sample_stands_for_all_rows(crossings):
    """Weights of the rows drawn estimate any sum over all, and what weighs most is always there."""
    rng = np.random.default_rng(3)
    importance = rng.exponential(size=4000) ** 3
    rows = Rows.of(array_api_strict.asarray(rng.random((4000, 2)), device=DEVICE))
    drawn, weights = rows.array(importance).sample(800)
    assert 0.9 * 800 <= len(drawn) <= 1.1 * 800
    assert set(np.argsort(importance)[-50:]) <= set(drawn)
    assert weights.min() >= 1.0
    for values in (importance, importance * np.arange(4000), np.ones(4000) * importance * (np.arange(4000) % 7 == 0)):
        assert weights @ values[drawn] == pytest.approx(values.sum(), rel=0.05)
    assert rows.array(importance).sample(4000)[0] is None


def test_few_bytes_are_brought_here(crossings, monkeypatch):
    X = np.random.default_rng(0).random((40, 3))
    monkeypatch.setattr(layouts, "BROUGHT_BELOW", X.nbytes + 1)
    few, more = (Rows.of(array_api_strict.asarray(np.tile(X, (n, 1)), device=DEVICE)) for n in (1, 2))
    assert not isinstance(few, DeviceRows)
    assert isinstance(more, DeviceRows)
    np.testing.assert_array_equal(few.dense(dtype=np.float64), X)
