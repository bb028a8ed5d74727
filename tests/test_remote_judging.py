"""Doubtful labels, stability, deviations and votes of rows on Dask workers: those of the same rows on one machine."""

from itertools import pairwise

import numpy as np
import pytest

from inklens import SoftmaxRegression, cluster
from inklens.errors import DataError
from inklens.evaluation import curvature, stability
from inklens.evaluation.row_noise import normal_rows
from inklens.explanations import LabelErrors, Voters, out_of_fold
from inklens.linear import memory
from inklens.linear.rows import rows as rows_module
from inklens.linear.rows.remote.recipes import Dense, Stored
from inklens.linear.rows.remote.remote_rows import RemoteRows
from inklens.linear.rows.rows import Rows
from inklens.model.linear_model import LinearModel

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
pytest.importorskip("distributed")
pd = pytest.importorskip("pandas")
dd = pytest.importorskip("dask.dataframe")

N, SHAPE, CLASSES = 900, (3, 4), ("a", "b", "c")
P = SHAPE[0] * SHAPE[1]


def made(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 256, (N, P)).astype(np.uint8)
    X[rng.random((N, P)) < 0.5] = 0
    X[:, 5] = 0
    scores = X @ rng.normal(size=(P, 3)) / 80 + rng.gumbel(size=(N, 3))
    return X, np.array(CLASSES)[scores.argmax(axis=1)], rng.uniform(0.5, 2.0, N)


X, Y, WEIGHTS = made()
NAMES = [f"pixel {j}" for j in range(P)]


@pytest.fixture(scope="module", autouse=True)
def client():
    """Two workers in this process, which every fit below finds."""
    own = cluster.InProcess(2)
    with own.client.as_current():
        yield own.client
    own.close()


@pytest.fixture(autouse=True)
def _few_rows_come_here(monkeypatch):
    """A subsample of 40 rows, so that folds and halves of 900 stay where they are."""
    monkeypatch.setattr(rows_module, "SUBSAMPLE_ROWS", 40)


def table():
    return dd.from_pandas(pd.DataFrame(X, columns=NAMES).assign(label=Y, weight=WEIGHTS), npartitions=4)


def delayed_parts():
    return [dask.delayed(X[a : a + 300]) for a in range(0, N, 300)]


def files(folder):
    names = [str(folder / name) for name in ("0.npy", "1.npy")]
    np.save(names[0], X[:500])
    np.save(names[1], X[500:])
    return names


KINDS = {
    "array": lambda folder: (da.from_array(X, chunks=(200, 5)), da.from_array(Y, chunks=170), da.from_array(WEIGHTS)),
    "table": lambda folder: (table()[NAMES], table()["label"], table()["weight"]),
    "parts": lambda folder: (delayed_parts(), Y, WEIGHTS),
    "files": lambda folder: (files(folder), Y, WEIGHTS),
}


@pytest.fixture(params=KINDS)
def far(request, tmp_path):
    return KINDS[request.param](tmp_path)


def half_of_the_kinds(name, values):
    """Give every kind of rows one of two values: what it is read from and how it is judged do not meet."""
    return pytest.mark.parametrize(("far", name), list(zip(KINDS, 2 * values, strict=True)), indirect=["far"])


def reader():
    model = SoftmaxRegression(C=0.5, tol=1e-10).fit(Rows.of(X, scale=1 / 255), Y, WEIGHTS)
    return LinearModel.from_estimator(model, image_shape=SHAPE)


# ---- the same answers ------------------------------------------------------------------------------------------------


def test_doubtful_labels_are_those_of_one_machine(far):
    judge = {"estimator": SoftmaxRegression(C=0.5, tol=1e-10), "folds": 3, "seed": 4}
    here = out_of_fold(reader(), Rows.of(X, scale=1 / 255), Y, sample_weight=WEIGHTS, **judge)
    rows = Rows.of(far[0], scale=1 / 255)
    there = out_of_fold(reader(), rows, far[1], sample_weight=far[2], **judge)
    np.testing.assert_array_equal(there.fold, here.fold)
    np.testing.assert_allclose(there.proba, here.proba, atol=1e-5)
    assert max(there.gaps) <= 1e-10
    codes = np.searchsorted(CLASSES, Y)
    suspects = [LabelErrors(CLASSES, codes, found.proba).suspects.tolist() for found in (here, there)]
    assert suspects[0] == suspects[1] != []
    assert rows.column_sums(WEIGHTS).any()  # the caller's rows are still there
    rows.close()


@half_of_the_kinds("scheme", ["halves", "bootstrap"])
def test_stability_is_that_of_one_machine(far, scheme):
    model = SoftmaxRegression(C=1e-3, l1_ratio=1.0, tol=1e-6).fit(X, Y, WEIGHTS)
    asked = {"n_refits": 2, "scheme": scheme, "tol": 1e-6}
    here = stability(model, X, Y, sample_weight=WEIGHTS, **asked)
    there = stability(model, far[0], far[1], sample_weight=far[2], **asked)
    for part in ("mean", "deviation"):
        expected = getattr(here, part)
        np.testing.assert_allclose(getattr(there, part), expected, atol=1e-3 * np.abs(here.mean).max())
    np.testing.assert_array_equal(there.in_use, here.in_use)
    assert there.gaps.max() <= 1e-6
    assert there.n_candidates == here.n_candidates == 3 * (P - 1)


@half_of_the_kinds("n_draws", [4, None])
def test_deviations_are_those_of_one_machine(far, n_draws):
    model = SoftmaxRegression(C=1e-4, tol=1e-10).fit(X, Y, WEIGHTS)
    here = curvature(model, X, Y, sample_weight=WEIGHTS, n_draws=n_draws)
    there = curvature(model, far[0], far[1], sample_weight=far[2], n_draws=n_draws)
    rtol = 1e-7 if n_draws is None else 1e-2  # solves are exact to a thousandth of their length
    for part in ("posterior", "sampling", "intercept_posterior", "intercept_sampling"):
        np.testing.assert_allclose(getattr(there, part), getattr(here, part), rtol=rtol, atol=1e-12)


def test_votes_are_those_of_one_machine(far):
    model, frame = reader(), np.random.default_rng(3).random(SHAPE)
    here = Voters(model, X, Y, C=0.5, sample_weight=WEIGHTS)
    there = Voters(model, far[0], far[1], C=0.5, sample_weight=far[2])
    for part in ("similarity", "residual_weight", "remainder"):
        expected = getattr(here.votes(frame), part)
        np.testing.assert_allclose(getattr(there.votes(frame), part), expected, rtol=1e-12, atol=1e-12)
    there.close()


def test_a_file_beyond_memory_has_the_same_deviations(tmp_path, monkeypatch):
    from inklens.linear.rows import layouts

    monkeypatch.setattr(layouts, "PACK_UP_TO", 1)
    np.save(tmp_path / "X.npy", X)
    model = SoftmaxRegression(C=1e-4, tol=1e-10).fit(X, Y)
    rows = Rows.of(np.load(tmp_path / "X.npy", mmap_mode="r"))
    assert all(block.is_streamed for block in rows.blocks)
    np.testing.assert_allclose(curvature(model, rows, Y).sampling, curvature(model, X, Y).sampling, rtol=1e-7)


@pytest.mark.slow
def test_parts_that_a_fold_has_nothing_of_are_no_trouble():
    edges = [0, 1, 2, 450, 451, 899, 900]
    parts = [dask.delayed(X[a:b]) for a, b in pairwise(edges)]
    judge = {"estimator": SoftmaxRegression(C=0.5, tol=1e-9), "folds": 3}
    here = out_of_fold(reader(), Rows.of(X, scale=1 / 255), Y, **judge)
    rows = Rows.of(parts, scale=1 / 255)
    np.testing.assert_allclose(out_of_fold(reader(), rows, Y, **judge).proba, here.proba, atol=1e-4)
    model = SoftmaxRegression(C=0.5, l1_ratio=1.0, tol=1e-8).fit(rows, Y)
    assert stability(model, rows, Y, n_refits=2, tol=1e-3).gaps.max() <= 1e-3
    rows.close()


@pytest.mark.slow
def test_rows_that_are_judged_stay_where_they_are(monkeypatch):
    """Where a fold's rows are few they come here to be fitted, and those that it judges never do."""
    asked = []
    take = RemoteRows.take
    monkeypatch.setattr(RemoteRows, "take", lambda self, rows: asked.append(len(rows)) or take(self, rows))
    rows = Rows.of(da.from_array(X, chunks=(200, -1)), scale=1 / 255)
    out_of_fold(reader(), rows, Y, estimator=SoftmaxRegression(C=0.5, tol=1e-3, max_iter=0), folds=10)
    assert min(n for n in asked if n > 80) >= 0.8 * N
    rows.close()


# ---- what comes here -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_matrix_never_comes_here(monkeypatch):
    """Of 900 rows at most two subsamples are sent at once, whatever is asked."""
    come = []
    each = RemoteRows.each

    def seen(self, operation):
        found = each(self, operation)
        if isinstance(operation, Dense | Stored):
            come.append(sum(len(part[0] if isinstance(operation, Stored) else part) for part in found))
        return found

    monkeypatch.setattr(RemoteRows, "each", seen)
    rows, labels = Rows.of(da.from_array(X, chunks=(200, -1)), scale=1 / 255), da.from_array(Y)
    out_of_fold(reader(), rows, labels, estimator=SoftmaxRegression(C=0.5, tol=1e-3), folds=2)
    smooth = SoftmaxRegression(C=0.5, tol=1e-6).fit(rows, labels)
    curvature(smooth, rows, labels)
    curvature(smooth, rows, labels, n_draws=2)
    stability(SoftmaxRegression(C=0.05, l1_ratio=1.0).fit(rows, labels), rows, labels, n_refits=2)
    Voters(reader(), rows, labels, C=0.5).votes(np.zeros(SHAPE))
    assert max(come) <= 80
    rows.close()


def test_numbers_of_all_rows_have_a_limit(monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda: 10_000)
    rows = Rows.of(da.from_array(X, chunks=(200, -1)), scale=1 / 255)
    with pytest.raises(DataError, match="INKLENS_MEMORY_LIMIT"):
        out_of_fold(reader(), rows, Y, estimator=SoftmaxRegression())
    with pytest.raises(DataError, match=r"votes of 900 rows \(3 numbers each\)"):
        Voters(reader(), rows, Y, C=0.5)
    rows.close()


@pytest.mark.parametrize("n_columns", [1, 3, 10])
def test_random_numbers_belong_to_rows(n_columns):
    whole = normal_rows(0, (101, n_columns), seed=(5, 2))
    for first in (0, 1, 2, 7, 50):
        np.testing.assert_array_equal(normal_rows(first, (101 - first, n_columns), seed=(5, 2)), whole[first:])
    assert not np.isin(normal_rows(0, (101, n_columns), seed=(5, 3)), whole).any()


def test_random_numbers_are_normal():
    from scipy import stats

    drawn = normal_rows(3, (20_000, 5), seed=(0, 0))
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 0.01
    assert np.abs(np.corrcoef(drawn.T) - np.eye(5)).max() < 0.03
    assert np.abs(np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1]) < 0.03


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_workers_get_their_memory_back_whatever_happens(monkeypatch):
    closed = []
    monkeypatch.setattr(RemoteRows, "close", lambda self: closed.append(self.shards.close()))
    model, lazy = SoftmaxRegression(C=1e-4).fit(X, Y), da.from_array(X, chunks=(200, -1))
    curvature(model, lazy, Y)
    stability(model, lazy, Y, n_refits=2)
    for fails in (
        lambda: curvature(model, lazy, Y[:-1]),
        lambda: stability(model, lazy, np.full(N, "z"), n_refits=2),
        lambda: Voters(reader(), lazy, Y[1:], C=0.5),
        lambda: out_of_fold(reader(), lazy, Y[1:], estimator=SoftmaxRegression()),
    ):
        with pytest.raises(DataError):
            fails()
    Voters(reader(), lazy, Y, C=0.5).close()
    assert len(closed) == 7


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (lambda: curvature(fitted_table(), table()[NAMES[::-1]], Y), "column 0 is 'pixel 11' where it was 'pixel 0'"),
        (
            lambda: curvature(fitted_table(), table()[NAMES], Y, sample_weight=WEIGHTS[:5]),
            "for each of 900 rows as sample_weight",
        ),
        (lambda: Voters(reader(), da.from_array(X / 255), Y, C=0.5), "uint8, ink from 0 to 255, got float64"),
        (lambda: Voters(reader(), table()[[*NAMES[1:], "weight"]], Y, C=0.5), "got float64, uint8"),
        (lambda: Voters(reader(), [dask.delayed(X * 2.0)], Y, C=0.5), "values from 0 to 510"),
        (lambda: Voters(reader(), [dask.delayed(X / 255)], Y, C=0.5), "values from 0 to 1"),
        (lambda: Voters(reader(), Rows.of(X * 1.0), Y, C=0.5), "ink from 0 to 1, got values from 0 to 255"),
        (lambda: weightless(), "class 'a' has no weight"),
    ],
)
def test_what_does_not_fit_is_said(asked, message):
    with pytest.raises(DataError, match=message):
        asked()


def fitted_table():
    return SoftmaxRegression(C=1e-4).fit(pd.DataFrame(X, columns=NAMES), Y)


def weightless():
    weights = np.where(Y == "a", 0.0, 1.0)
    return out_of_fold(reader(), da.from_array(X / 255), Y, estimator=SoftmaxRegression(), sample_weight=weights)
