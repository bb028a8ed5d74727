"""Rows that stay in their file: the same numbers as in memory, in memory that does not grow with them."""

import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from inklens import SoftmaxRegression
from inklens.errors import DataError
from inklens.linear.driver import solve
from inklens.linear.methods import direct, newton, prox_newton
from inklens.linear.methods.line_search import search
from inklens.linear.methods.points import Point, Step
from inklens.linear.problem.penalties import ElasticNet, penalty_of
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates, screening
from inklens.linear.proofs.dual import linearised
from inklens.linear.rows import layouts, mapped
from inklens.linear.rows import rows as blocks
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows

PENALTIES = {
    "l2": penalty_of(0.0),
    "l1": penalty_of(1.0),
    "elastic net": penalty_of(0.5),
    "group": penalty_of(0.8, group=True),
    "none": ElasticNet(0.0, 0.0),
}


@pytest.fixture
def small_blocks(monkeypatch):
    """Stream any file, some rows at a time."""
    monkeypatch.setattr(layouts, "PACK_UP_TO", 0)
    monkeypatch.setattr(layouts, "MOST_STREAMED", 70)


@pytest.fixture
def file(tmp_path, small_blocks):
    """Return a function that writes an array and maps it."""

    def write(X: np.ndarray, mode: str = "r") -> np.memmap:
        np.save(tmp_path / "X.npy", X)
        return np.load(tmp_path / "X.npy", mmap_mode=mode)

    return write


def matrix(kind, seed=0, n_samples=500, n_features=9):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 256, (n_samples, n_features)) * (rng.random((n_samples, n_features)) < 0.5)
    return X.astype(kind) if kind == np.uint8 else (X - 40.0).astype(kind)


def case(X, n_classes=3, seed=1):
    """Return coefficients, and labels that depend on the rows, with noise."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(n_classes, X.shape[1])) / 100.0
    codes = (X @ W.T + rng.gumbel(size=(len(X), n_classes))).argmax(axis=1).astype(np.int32)
    return W, rng.normal(size=n_classes), codes, rng.uniform(0.5, 2.0, len(X))


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_product_is_that_of_rows_in_memory(file, kind, dtype):
    X = matrix(kind)
    W, b, codes, weights = case(X)
    here, there = Rows.of(X, scale=0.25), Rows.of(file(X), scale=0.25)
    assert len(there.blocks) == 8
    assert here.holds(3)
    assert not there.holds(3)
    near = {"rtol": 2e-5, "atol": 1e-2} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-9}
    one, other = (rows.loss_and_gradient(W, b, codes, weights, dtype=dtype) for rows in (here, there))
    assert other.proba.held is None
    for a, b_ in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b_, **near)
    for name in ("low", "high", "constant", "n_nonzeros"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))
    for a, b_ in zip(
        *(rows.hessian_product(at.proba, weights, W, b) for rows, at in ((here, one), (there, other))), strict=True
    ):
        np.testing.assert_allclose(a, b_, **near)
    for absolute in (False, True):
        first, second = (rows.absolute() if absolute else rows for rows in (here, there))
        np.testing.assert_allclose(first.scores(W, b, dtype=dtype), second.scores(W, b, dtype=dtype), **near)
        np.testing.assert_allclose(first.column_sums(weights), second.column_sums(weights), rtol=1e-12)
        np.testing.assert_array_equal(first.high, second.high)
        assert (second.low <= first.low).all()  # of |X| the least is not known without another reading
    shift, scale = here.low, 1.0 + here.high
    for a, b_ in zip(*(rows.standardised(shift, scale).parts() for rows in (here, there)), strict=False):
        np.testing.assert_allclose(a[0].exact.matrix[:70], b_[0].exact.matrix, rtol=1e-12)


def test_float64_pixels_in_a_file_stay_there(file, monkeypatch):
    """In memory they would be read as bytes; of a file that copy would grow with the rows."""
    monkeypatch.setattr(layouts, "BYTES_FROM", 0)
    X = matrix(np.uint8) / 255.0
    assert Rows.of(X).blocks[0].exact.values.dtype == np.uint8
    assert all(block.is_streamed for block in Rows.of(file(X)).blocks)


@pytest.mark.parametrize("n_taken", [7, 450])
def test_rows_that_are_taken_are_those_rows(file, monkeypatch, n_taken):
    monkeypatch.setattr(blocks, "SUBSAMPLE_ROWS", 100)  # more rows than that stay in the file
    X = matrix(np.float32)
    rows = Rows.of(file(X))
    chosen = np.sort(np.random.default_rng(0).choice(len(X), n_taken, replace=False))
    half = np.arange(0, n_taken, 2)
    for taken, expected in (
        (rows.take(chosen), X[chosen]),
        (rows.absolute().take(chosen), np.abs(X[chosen])),
        (rows.take(chosen).absolute(), np.abs(X[chosen])),
    ):
        np.testing.assert_array_equal(taken.take(half).dense(), expected[half])
        assert taken.holds(3) == (n_taken == 7)
        np.testing.assert_array_equal(taken.dense(), expected)
        np.testing.assert_array_equal(taken.high, expected.max(axis=0))
        assert taken.n_nonzeros == np.count_nonzero(expected)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_fits_end_at_the_optimum_of_the_rows_in_memory(file, name, kind):
    X = matrix(kind)
    _, _, codes, weights = case(X)
    streamed = Problem(Rows.of(file(X), scale=1 / 255), codes, weights, 3, PENALTIES[name])
    held = replace(streamed, rows=Rows.of(X, scale=1 / 255))
    found, exact = solve(streamed, tol=1e-7), solve(held, tol=1e-9)
    assert found.status == "certified"
    assert found.lower_bound <= exact.objective
    assert exact.lower_bound <= found.objective <= exact.objective * (1.0 + 2e-7)
    if name in ("l1", "group"):
        zeros = screening.certified_zeros(streamed, found.objective, found.dual)
        assert zeros.any() <= (exact.coef == 0.0).any()
        assert (exact.coef[zeros] == 0.0).all()


@pytest.mark.parametrize("name", ["l2", "none"])
def test_few_rows_stand_for_all_while_solving_and_all_are_fitted(file, monkeypatch, name):
    """Some columns have ink in one row only, which the few miss; without a penalty they would have no optimum."""
    monkeypatch.setattr(blocks, "SUBSAMPLE_ROWS", 100)
    monkeypatch.setattr(direct, "suits", lambda problem: False)
    X = matrix(np.uint8, n_samples=1000, n_features=30)
    if name == "l2":
        X[:, :5] = 0
        X[np.arange(5) * 200, np.arange(5)] = 255
    _, _, codes, weights = case(X, n_classes=4)
    streamed = Problem(Rows.of(file(X), scale=1 / 255), codes, weights, 4, PENALTIES[name])
    found = solve(streamed, tol=1e-6)
    exact = solve(replace(streamed, rows=Rows.of(X, scale=1 / 255)), tol=1e-8)
    assert found.status == "certified"
    assert found.objective <= exact.objective * (1.0 + 1e-6)
    if name == "l2":
        np.testing.assert_allclose(found.coef, exact.coef, atol=2e-3)


def test_a_share_that_is_tried_costs_a_pass_and_is_the_one_of_rows_in_memory(file):
    X = matrix(np.uint8)
    _, _, codes, weights = case(X)
    streamed = Problem(Rows.of(file(X), scale=1 / 255), codes, weights, 3, PENALTIES["l2"])
    found = []
    for problem in (streamed, replace(streamed, rows=Rows.of(X, scale=1 / 255))):
        point = Point.of(problem, np.zeros((3, X.shape[1])), np.zeros(3), np.float64)
        gradient = point.gradient(problem.penalty)
        step = Step.along(-gradient, gradient, 0)
        whole = step.from_point(problem, point, np.float64)
        before = problem.rows.n_passes
        end, share = search(problem, problem.penalty, point, step, whole, sufficient_share=1e-4, dtype=np.float64)
        found.append((share, end.coef, problem.rows.n_passes - before))
    (share, coef, n_passes), (expected, exact, _) = found
    assert 0.0 < share == expected < 1.0
    np.testing.assert_allclose(coef, exact, rtol=1e-12)
    assert n_passes == -np.log2(share)


def test_a_fit_to_few_rows_ends_before_it_is_about_these_alone(file, monkeypatch):
    """Of labels that have nothing to do with the rows, few rows learn what is wrong of all."""
    monkeypatch.setattr(blocks, "SUBSAMPLE_ROWS", 100)
    X = matrix(np.uint8, n_samples=1000, n_features=30)
    codes = np.random.default_rng(1).integers(0, 4, len(X)).astype(np.int32)
    problem = Problem(Rows.of(file(X), scale=1 / 255), codes, np.ones(len(X)), 4, PENALTIES["l2"])

    def objective(coef, intercept):
        return problem.evaluate(coef, intercept).loss + problem.penalty.value(coef)

    *_, start = newton._rehearsed(problem)
    learned = solve(problem.subsample, tol=1e-3)
    assert objective(start.coef, start.intercept) < objective(learned.coef, learned.intercept)
    assert solve(problem, tol=1e-6).status == "certified"


@pytest.mark.parametrize("name", ["l2", "l1"])
def test_certificates_are_those_of_the_rows_in_memory(file, name):
    X = matrix(np.float64)
    W, b, codes, weights = case(X)
    streamed = Problem(Rows.of(file(X)), codes, weights, 3, PENALTIES[name])
    held = replace(streamed, rows=Rows.of(X))
    one, other = (certificates.certify(problem, W, b) for problem in (streamed, held))
    assert one.objective == pytest.approx(other.objective, rel=1e-12)
    assert one.lower_bound == pytest.approx(other.lower_bound, rel=1e-8)


@pytest.mark.parametrize("kind", ["int16", ">f8", ">i4", "bool", "float16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_numbers_in_any_order_stay_in_their_file(file, kind, order):
    X = np.asarray(matrix(np.uint8) > 100 if kind == "bool" else matrix(np.float32) / 2, dtype=kind, order=order)
    codes = case(X.astype(float))[2]
    rows = Rows.of(file(X))
    assert len(rows.blocks) == 8
    np.testing.assert_array_equal(rows.dense(dtype=np.float64), X.astype(float))
    found = SoftmaxRegression(tol=1e-7).fit(file(X[::2, 1:]), codes[::2])
    exact = SoftmaxRegression(tol=1e-7).fit(X[::2, 1:].astype(float), codes[::2])
    assert found.objective_ == pytest.approx(exact.objective_, rel=1e-6)


def test_separation_is_proven_of_rows_in_a_file(file):
    X = matrix(np.float64)
    codes = (X[:, 0] > 30.0).astype(np.int32)
    X[:, 0] += 20.0 * codes
    rows, coef = Rows.of(file(X)), np.zeros((2, 9))
    coef[1, 0], intercept = 1.0, np.array([0.0, -40.0])
    proof = certificates.separation(rows, codes, coef, intercept)
    assert proof.margin == pytest.approx(certificates.separation(Rows.of(X), codes, coef, intercept).margin)
    assert certificates.separation(rows, 1 - codes, coef, intercept) is None
    found = solve(Problem(rows, codes, np.ones(len(X)), 2, PENALTIES["none"]))
    assert found.separated


def test_hostile_columns_are_conditioned_on_the_way(file):
    X = matrix(np.float64)
    X[:, 0] *= 1e6
    X[:, 1] = 1e5 + X[:, 1] / 1000.0
    codes = case(matrix(np.float64))[2]
    streamed = Problem(Rows.of(file(X)), codes, np.ones(len(X)), 3, PENALTIES["l2"])
    found, exact = solve(streamed, tol=1e-6), solve(replace(streamed, rows=Rows.of(X)), tol=1e-6)
    assert found.objective == pytest.approx(exact.objective, rel=2e-6)


@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_many_rows_in_memory_are_split_and_not_held(monkeypatch, layout):
    monkeypatch.setattr(layouts, "MOST_ROWS", 70)
    monkeypatch.setattr(blocks, "HELD", 1000)
    X = matrix(np.uint8)
    _, _, codes, weights = case(X)
    rows = Rows.of(sparse.csr_matrix(X) if layout == "csr" else X, scale=1 / 255)
    assert len(rows.blocks) == 8
    assert not rows.holds(3)
    np.testing.assert_allclose(rows.dense(dtype=np.float64), X / 255)
    found = solve(Problem(rows, codes, weights, 3, PENALTIES["l1"]), tol=1e-6)
    monkeypatch.undo()
    exact = solve(Problem(Rows.of(X, scale=1 / 255), codes, weights, 3, PENALTIES["l1"]), tol=1e-6)
    assert found.objective == pytest.approx(exact.objective, rel=2e-6)


@pytest.mark.parametrize("name", PENALTIES)
def test_scores_that_are_made_again_change_no_point(monkeypatch, name):
    """Of rows in several blocks whose probabilities are held: the same fits, and steps that are cut as well."""
    X = matrix(np.float64)
    _, _, codes, weights = case(X)
    ends = []
    for most in (1 << 24, 0):
        monkeypatch.setattr(blocks, "KEPT_SCORES", most)
        problem = Problem(Rows.of([X[:70], X[70:71], X[71:]]), codes, weights, 3, PENALTIES[name])
        found = solve(problem, tol=1e-7)
        assert found.status.value == "certified"
        W, b = found.coef, found.intercept
        start, end = (Point.of(problem, share * W, b, np.float64) for share in (0.0, 1.0))
        assert (start.at.scores.held is None) == (most == 0)
        assert start.at.proba.held is not None
        np.testing.assert_allclose(np.asarray(end.at.scores), X @ W.T + b, atol=1e-9)
        along = linearised(start.at, end.at)
        assert along.held is not None
        far = Step(30.0 * W, 0.0 * b, 0.0, 30.0 * float(np.vdot(start.at.gradient, W)))
        whole = far.from_point(problem, start, np.float64)
        cut, share = search(problem, problem.penalty, start, far, whole, sufficient_share=1e-4, dtype=np.float64)
        assert 0.0 < share < 1.0
        ends.append((W, np.asarray(along), cut.coef, np.array(share)))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def test_the_estimator_reads_a_file_leaves_out_rows_and_predicts(file):
    X = matrix(np.uint8)
    _, _, codes, weights = case(X)
    weights[::3] = 0.0
    mapped_rows = file(X)
    found = SoftmaxRegression(tol=1e-7).fit(Rows.of(mapped_rows, scale=1 / 255), codes, weights)
    kept = weights > 0.0
    exact = SoftmaxRegression(tol=1e-7).fit(X[kept] / 255, codes[kept], weights[kept])
    assert found.objective_ == pytest.approx(exact.objective_, rel=1e-6)
    assert SoftmaxRegression().fit(mapped_rows, codes).predict(mapped_rows).shape == codes.shape


def test_the_row_that_is_wrong_is_named(file):
    X = matrix(np.float64)
    X[333, 4] = np.nan
    with pytest.raises(DataError, match="NaN in row 333, column 4"):
        Rows.of(file(X))


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_pages_given_back_are_read_again(tmp_path, mode):
    X = np.arange(3 * 4096, dtype=np.uint8).reshape(3, 4096)
    X.tofile(tmp_path / "X")
    found = np.memmap(tmp_path / "X", np.uint8, mode, shape=X.shape)
    if mode != "r":
        found[1, 5] = X[1, 5] = 99
    for part in (found, found[1:], found[::2, 3:], np.asarray(found)[1]):
        assert mapped.is_mapped(part)
        mapped.release(part)
        np.testing.assert_array_equal(found, X)


def test_the_next_block_is_asked_for_before_one_is_read(file, monkeypatch):
    X = matrix(np.uint8)
    W, b, codes, weights = case(X)
    rows, asked = Rows.of(file(X)), []
    row_of = {row.tobytes(): i for i, row in enumerate(X)}
    monkeypatch.setattr(mapped, "ask_for", lambda values: asked.append(row_of[values[0].tobytes()]))
    starts = [part.start for part in rows.slices]
    at = rows.loss_and_gradient(W, b, codes, weights)
    assert asked == [*starts[1:], 0]
    asked.clear()
    for _ in at.proba.readings():
        pass
    assert asked == [*starts[1:], 0]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the system tells which pages are resident elsewhere in other ways")
def test_pages_of_the_file_do_not_stay_after_a_reading(file, monkeypatch):
    """But for those beside a block that the system maps along with it, 2 MB at a time where it holds them so."""
    monkeypatch.setattr(layouts, "MOST_STREAMED", 64_000)
    X = np.tile(matrix(np.uint8, n_samples=64_000, n_features=64), (12, 1))
    W, b, codes, weights = case(X)
    mapping = file(X)
    rows = Rows.of(mapping)
    at = rows.loss_and_gradient(W, b, codes, weights)
    rows.hessian_product(at.proba, weights, W, b)
    for _ in at.proba.readings():
        pass
    assert _resident(mapping.filename) <= X.nbytes / 1024 / 4
    assert int(mapping.max()) == X.max()
    assert _resident(mapping.filename) >= X.nbytes / 1024


def _resident(path) -> int:
    """Return how many kB of a mapped file count as this process's memory."""
    found, inside = [], False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name = line.split()[0]
        if not name.endswith(":"):
            inside = line.endswith(str(path))
        elif inside and name == "Rss:":
            found.append(int(line.split()[1]))
    assert found
    return sum(found)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_row_arrays_are_the_same_held_or_made_again(seed, sizes):
    x = np.random.default_rng(seed).normal(size=(sum(sizes), 3))
    edges = np.cumsum([0, *sizes])
    parts = [slice(*ends) for ends in pairwise(edges)]
    held, made = RowArray.of(x, parts), RowArray(parts, lambda i, _: x[parts[i]].copy(), 3, x.dtype)
    place = np.arange(len(x))
    for array in (held, made):
        both = RowArray.combine(lambda a, b, k: a * b + k[:, None], array, held, place)
        assert both.shape == x.shape
        np.testing.assert_array_equal(np.asarray(both), x * x + place[:, None])
        np.testing.assert_array_equal(np.concatenate([both.block(i) for i in range(len(parts))]), np.asarray(both))
        kept = RowArray.combine(lambda a, b, k: a * b + k[:, None], array, held, place, is_held=True)
        np.testing.assert_array_equal(kept.held, x * x + place[:, None])
    assert made.held is None
    assert held.held is x


MEMORY = """
import sys
import numpy as np
from inklens.linear.methods import prox_newton
from inklens.linear.rows import layouts, rows
from inklens.linear.rows.rows import Rows
from inklens.linear.problem.penalties import penalty_of
from inklens.linear.problem.problem import Problem
from inklens.linear.driver import solve
layouts.PACK_UP_TO = 1 << 20
rows.SUBSAMPLE_ROWS = prox_newton.SUBSAMPLE_ROWS = 5_000
X = np.memmap(sys.argv[1], np.uint8, "r").reshape(-1, 50)[: int(sys.argv[2])]
codes = np.arange(len(X), dtype=np.int32) % 10
def most():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
before = most()
problem = Problem(Rows.of(X, scale=1 / 255), codes, np.ones(len(X)), 10, penalty_of(float(sys.argv[3])))
solution = solve(problem, tol=1e-2)
print(most() - before, solution.status)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the resident size is counted differently elsewhere")
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_memory_does_not_grow_with_the_rows(tmp_path, l1_ratio):
    """Beside label and weight, 12 bytes a row; four times the rows are 6 MB of file and 50 MB of scores more."""
    rng = np.random.default_rng(0)
    codes = np.arange(10_000) % 10
    ink = rng.random((10_000, 50)) < 0.1 + 0.2 * (np.arange(50) % 10 == codes[:, None])
    part = (rng.integers(1, 256, ink.shape) * ink).astype(np.uint8)
    with (tmp_path / "X").open("wb") as out:
        for turn in range(16):  # the same rows, their inner columns moved on, so that no part repeats another
            out.write(np.roll(part, 6 * turn, axis=1).tobytes())
    # What is freed goes back at once: what the allocator would keep for later differs by 80 MB from run to run.
    environment, grown = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}, []
    for n_samples in (40_000, 160_000):  # of both, 20,000 may stand for all
        command = [sys.executable, "-c", MEMORY, str(tmp_path / "X"), str(n_samples), str(l1_ratio)]
        found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
        assert found[1] == "certified"
        grown.append(int(found[0]) / 1024)
    assert grown[1] <= grown[0] + 8.0, grown


@pytest.mark.slow
def test_very_many_rows_of_a_file_start_on_those_that_stand_for_all(file, monkeypatch):
    monkeypatch.setattr("inklens.linear.driver.METHODS", (prox_newton.PROXIMAL_NEWTON,))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5_000, 8))
    codes = (X @ rng.normal(size=(8, 3)) + rng.gumbel(size=(5_000, 3))).argmax(axis=1)
    problem = Problem(Rows.of(file(X)), codes, np.ones(5_000), 3, ElasticNet(1.0, 0.0))
    whole = solve(problem, tol=1e-5)
    monkeypatch.setattr(blocks, "SUBSAMPLE_ROWS", 600)
    some = solve(problem, tol=1e-5)
    assert some.gap <= 1e-5
    first, first_of_whole = (found.history[0][2] / whole.objective - 1.0 for found in (some, whole))
    assert first < 1e-2 < first_of_whole
