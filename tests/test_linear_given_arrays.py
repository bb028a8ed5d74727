"""Arrays that are not what they say, change while they are read, or are written to by those who only may look."""

import os
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from inklens import DigitReader, SoftmaxRegression, SoftmaxRegressionCV, load_dataset, softmax_path
from inklens.datasets import Dataset
from inklens.errors import DataError, ParameterError
from inklens.explanations import robustness
from inklens.linear import estimators, path
from inklens.linear.blas import default_threads
from inklens.linear.driver import Solution
from inklens.linear.rows import layouts
from inklens.linear.rows.compressed import checked_csr
from inklens.linear.rows.rows import Rows

RNG = np.random.default_rng(0)
DENSE = RNG.normal(size=(30, 6)) * (RNG.random((30, 6)) < 0.5)
y = np.arange(30) % 3
FITTED = SoftmaxRegression().fit(DENSE, y)
FORMATS = ("csr", "csc", "bsr", "coo", "dia", "lil", "dok")
COMPRESSED = ("csr", "csc", "bsr")


def parts_of(X):
    return X.coords if X.format == "coo" else (X.indices, X.indptr)


# ---- sparse matrices -------------------------------------------------------------------------------------------------


@st.composite
def lying(draw):
    """A sparse matrix, one part of which was changed behind SciPy's back."""
    X = getattr(sparse, f"{draw(st.sampled_from([*COMPRESSED, 'coo']))}_{draw(st.sampled_from(['array', 'matrix']))}")(
        DENSE
    )
    names = ("row", "col") if X.format == "coo" else ("indices", "indptr")
    name = draw(st.sampled_from((*names, "data", "shape")))
    if name == "shape":
        X._shape = draw(st.sampled_from([(30, 2**33), (2**33, 6), (10**6, 6), (30, 2), (29, 6), (30, 0), (0, 6)]))
        return X
    part = getattr(X, name)
    kind = draw(st.sampled_from(["entry", "short", "long", "type", "square"]))
    if kind == "entry" and name != "data":
        part = part.astype(np.int64)
        value = draw(st.one_of(st.integers(-5, 40), st.sampled_from([2**30, 2**31, -(2**31), 2**62, -(2**62)])))
        part[draw(st.integers(0, len(part) - 1))] = value
    elif kind == "short":
        part = part[: draw(st.integers(0, len(part) - 1))]
    elif kind == "long":
        part = np.concatenate([part, part[-1:], part[-1:]])
    elif kind == "type":
        part = part.astype(draw(st.sampled_from([np.float64, np.uint64, object, np.int8, "S3"])))
    elif kind == "square":
        part = part[None]
    setattr(X, name, part)
    return X


@settings(max_examples=150, deadline=None)
@given(lying())
def test_a_sparse_matrix_that_lies_is_refused_or_its_indices_lie_inside(X):
    """Where it is not refused, all its entries are within its shape: compiled code may follow them."""
    try:
        found = checked_csr(X)
    except DataError:
        return
    assert found.has_canonical_format
    assert len(found.indptr) == found.shape[0] + 1
    assert len(found.indices) == len(found.data) == found.indptr[-1]
    assert not len(found.indices) or (0 <= found.indices.min() and found.indices.max() < found.shape[1])


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("index", [2**30, -3])
def test_no_door_follows_an_index_out_of_the_matrix(kind, index):
    X = getattr(sparse, f"{kind}_array")(DENSE)
    X.indices[5] = index
    for use in (
        lambda: SoftmaxRegression().fit(X, y),
        lambda: SoftmaxRegression().fit([X, X], [*y, *y]),
        lambda: SoftmaxRegressionCV().fit(X, y),
        lambda: softmax_path(X, y),
        lambda: FITTED.predict_proba(X),
        lambda: FITTED.decision_function(X),
        lambda: Rows.of(X),
    ):
        with pytest.raises(DataError, match=f"index {index}"):
            use()


@st.composite
def lying_lists(draw):
    """A matrix of diagonals, lists or a dictionary, changed likewise; and what its parts say, or None."""
    kind = draw(st.sampled_from(["dia", "lil", "dok"]))
    X = getattr(sparse, f"{kind}_array")(DENSE[:7, :5])
    number = draw(st.integers(-9, 9))
    if kind == "dia":
        change = draw(st.sampled_from(["fewer", "more", "far", "twice", "short", "wide"]))
        if change in ("fewer", "more"):
            X.offsets = X.offsets[:-1] if change == "fewer" else np.append(X.offsets, number + 20)
            return X, None
        if change in ("far", "twice"):
            X.offsets = X.offsets.astype(np.int64)
            X.offsets[draw(st.integers(0, len(X.offsets) - 1))] = number if change == "twice" else 2**32 + number
        else:
            X.data = X.data[:, :3] if change == "short" else np.hstack([X.data, X.data])
        if len(set(X.offsets.tolist())) < len(X.offsets):
            return X, None
        found = {}
        for offset, diagonal in zip(X.offsets.tolist(), X.data.tolist(), strict=True):
            found |= {(j - offset, j): value for j, value in enumerate(diagonal[:5]) if 0 <= j - offset < 7}
        return X, found
    if kind == "dok":
        X._dict[number, 1] = 2.0
        return X, dict(X._dict) if 0 <= number < 7 else None
    row = draw(st.integers(0, 6))
    change = draw(st.sampled_from(["column", "value", "values", "row"]))
    if change == "row":
        X.rows, X.data = X.rows[:row], X.data[:row]
        return X, None
    if change == "values":  # as many in all, in other rows
        X.data = np.roll(X.data, number)
    else:
        (X.rows if change == "column" else X.data)[row] = [number] * len(X.rows[row])
    alike = all(len(columns) == len(values) for columns, values in zip(X.rows, X.data, strict=True))
    if not alike or (change == "column" and X.rows[row] and not 0 <= number < 5):
        return X, None
    pairs = [
        ((i, j), value)
        for i, (columns, values) in enumerate(zip(X.rows, X.data, strict=True))
        for j, value in zip(columns, values, strict=True)
    ]
    return X, {place: sum(value for other, value in pairs if other == place) for place, _ in pairs}


@settings(max_examples=150, deadline=None)
@given(lying_lists())
def test_a_matrix_of_diagonals_or_lists_is_what_its_parts_say_or_refused(X_and_said):
    """SciPy trusts the parts of these formats as well: fewer offsets than diagonals wrote past the end of an array."""
    X, said = X_and_said
    if said is None:
        with pytest.raises(DataError, match="sparse matrix"):
            checked_csr(X)
        return
    expected = np.zeros((7, 5))
    for place, value in said.items():
        expected[place] = value
    assert np.array_equal(checked_csr(X).toarray(), expected)


@pytest.mark.parametrize("shape", [("30", 6), (30.0, 6.0), (-30, 6), (30,), None], ids=str)
def test_a_shape_that_is_none_is_refused(shape):
    X = sparse.csr_array(DENSE)
    X._shape = shape
    with pytest.raises(DataError):
        checked_csr(X)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_the_dense_matrix(kind):
    X = getattr(sparse, f"{kind}_array")(DENSE)
    before = X.copy()
    assert np.array_equal(checked_csr(X).toarray(), DENSE)
    np.testing.assert_allclose(FITTED.predict_proba(X), FITTED.predict_proba(DENSE), atol=1e-14)
    assert (X != before).nnz == 0


def test_flags_and_what_lies_behind_the_end_are_not_believed():
    rows, columns, values = np.array([0, 0, 1, 2]), np.array([1, 1, 0, 2]), np.array([1.0, 2.0, 3.0, 4.0])
    expected = np.array([[0, 3.0, 0], [3.0, 0, 0], [0, 0, 4.0]])
    coo = sparse.coo_array((values, (rows, columns)), shape=(3, 3))
    csr = sparse.csr_array((values, columns, np.array([0, 2, 3, 4])), shape=(3, 3))
    for X in (coo, csr):
        X.has_canonical_format = True
        found = checked_csr(X)
        assert found.nnz == 3
        assert np.array_equal(found.toarray(), expected)
    csr.data, csr.indices = np.append(values, np.nan), np.append(columns, 10**9)
    assert np.array_equal(checked_csr(csr).toarray(), expected)
    assert np.isfinite(SoftmaxRegression().fit(csr, [0, 1, 0]).coef_).all()


@pytest.mark.parametrize("n_columns", [2**31, 2**33, 2**62])
def test_more_columns_than_any_fit_can_hold_are_named(n_columns):
    X = sparse.csr_array((2, n_columns))
    with pytest.raises(DataError, match=f"{n_columns:,} columns"):
        SoftmaxRegression().fit(X, [0, 1])


# ---- dense arrays ----------------------------------------------------------------------------------------------------


def misaligned(values):
    values = np.asarray(values)
    memory = np.zeros(values.nbytes + 1, np.uint8)[1:].view(values.dtype).reshape(values.shape)
    memory[...] = values
    assert not memory.flags.aligned
    return memory


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_arrays_off_their_alignment_are_the_same_arrays(dtype):
    X, weights = DENSE.astype(dtype), RNG.random(30)
    for values in (X, sparse.csr_array(X)):
        given = misaligned(X)
        if sparse.issparse(values):
            given = sparse.csr_array(values)
            given.data, given.indptr = misaligned(given.data), misaligned(given.indptr)
        a = SoftmaxRegression().fit(values, y, weights)
        b = SoftmaxRegression().fit(given, misaligned(y), misaligned(weights))
        assert np.array_equal(a.coef_, b.coef_)
        np.testing.assert_array_equal(a.predict_proba(values), b.predict_proba(given))
    assert all(block.exact.values.flags.aligned for block in Rows.of(misaligned(X)).blocks)


def test_pixels_off_their_alignment_are_bytes_all_the_same():
    pixels = RNG.integers(0, 256, (1200, 900)) / 255
    (block,) = Rows.of(misaligned(pixels)).blocks
    assert block.exact.values.dtype == np.uint8


# ---- callbacks -------------------------------------------------------------------------------------------------------


def spoil(value):
    """Write into everything that can be reached from a value."""
    if isinstance(value, np.ndarray):
        value.fill(np.nan if value.dtype.kind == "f" else 1)
    elif isinstance(value, list):
        value.clear()
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            spoil(getattr(value, name))
            try:
                setattr(value, name, "spoilt")
            except AttributeError:  # frozen
                continue
    elif isinstance(value, tuple):
        for part in value:
            spoil(part)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"l1_ratio": 1.0}, {"l1_ratio": 1.0, "group": True}, {"l1_ratio": 0.5}, {"C": np.inf}, {"C": 1e4}],
    ids=str,
)
@pytest.mark.parametrize("scale", [1.0, 10.0 ** np.arange(-6, 6, 2)], ids=["alike", "columns of all sizes"])
def test_what_a_callback_writes_changes_nothing(parameters, scale):
    weights = np.ones(30)
    seen = []

    def callback(solution):
        seen.append(solution.coef)
        spoil(solution)
        weights.fill(np.nan)

    alone = SoftmaxRegression(tol=1e-8, **parameters).fit(DENSE * scale, y)
    watched = SoftmaxRegression(tol=1e-8, **parameters).fit(DENSE * scale, y, weights, callback=callback)
    assert len(seen) == len({id(coef) for coef in seen}) > 0
    assert watched.status_ == alone.status_
    assert watched.objective_ == pytest.approx(alone.objective_, rel=3e-8)
    assert np.isfinite(watched.coef_).all()
    assert len(watched.history_) >= watched.n_iter_ >= len(seen)


def test_what_a_callback_of_a_path_writes_changes_nothing():
    alone = softmax_path(DENSE, y, Cs=6)
    watched = softmax_path(DENSE, y, Cs=6, callback=lambda index, C, solution: spoil(solution))
    assert np.array_equal(alone.coefs, watched.coefs)
    assert np.array_equal(alone.lower_bounds, watched.lower_bounds)


class Undecided:
    """What is neither true nor false."""

    def __bool__(self):
        raise RuntimeError

    def __repr__(self):
        return "undecided"


@pytest.mark.parametrize("answer", [np.zeros(3), Undecided(), 12, "", np.zeros(1, bool), [True], 0, 1.0], ids=repr)
def test_what_a_callback_returns_is_true_false_or_the_one_error(answer):
    model = SoftmaxRegression(C=10.0).fit(DENSE, y)
    before = dict(vars(model))
    for door in (partial(model.set_params(tol=1e-10).fit, DENSE, y), partial(softmax_path, DENSE, y, Cs=2)):
        with pytest.raises(ParameterError, match=r"True .stop., False or nothing from a callback"):
            door(callback=lambda *_: answer)
    assert vars(model) == {**before, "tol": 1e-10}
    assert len(softmax_path(DENSE, y, Cs=4, callback=lambda index, C, solution: np.bool_(index == 1)).Cs) == 2


# ---- rows that change while they are read ----------------------------------------------------------------------------

EVERY = [{}, {"l1_ratio": 1.0}, {"l1_ratio": 1.0, "group": True}, {"C": np.inf}, {"C": 1e4}]
NOISE, labels = RNG.normal(size=(600, 8)), RNG.integers(0, 3, 600)


@pytest.fixture(params=["held", "streamed"])
def on_disk(request, tmp_path, monkeypatch):
    if request.param == "streamed":
        monkeypatch.setattr(layouts, "PACK_UP_TO", 1000)
    NOISE.tofile(tmp_path / "X")
    return tmp_path / "X"


def write_nan(path):
    with path.open("r+b") as file:
        file.seek(8 * 100)
        file.write(np.array([np.nan]).tobytes())


def write_other(path):
    with path.open("r+b") as file:
        file.write(np.ones(1000).tobytes())


@pytest.mark.parametrize("parameters", EVERY, ids=str)
@pytest.mark.parametrize("change", [write_nan, write_other, lambda path: os.truncate(path, 0)])
def test_a_file_that_changes_while_it_is_mapped_is_an_error(on_disk, change, parameters):
    mapped = np.memmap(on_disk, np.float64, "r", shape=NOISE.shape)
    with pytest.raises(DataError, match="was changed while its rows were read"):
        SoftmaxRegression(tol=1e-12, **parameters).fit(mapped, labels, callback=lambda _: change(on_disk))


def test_a_file_that_another_took_the_place_of_stays_what_it_was(on_disk, tmp_path):
    def replaced(_):
        np.zeros(10).tofile(tmp_path / "new")
        (tmp_path / "new").replace(on_disk)

    mapped = np.memmap(on_disk, np.float64, "r+", shape=NOISE.shape)
    mapped[0] = NOISE[0]  # before the fit one may write
    model = SoftmaxRegression(tol=1e-6).fit(mapped, labels, callback=replaced)
    np.testing.assert_allclose(model.coef_, SoftmaxRegression(tol=1e-6).fit(NOISE, labels).coef_, atol=1e-2)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_file_that_is_gone_under_its_name_is_what_it_was_when_it_was_mapped(on_disk, mode):
    """A temporary file is often removed as soon as it is mapped."""
    wanted = SoftmaxRegression(tol=1e-6).fit(NOISE, labels).coef_
    mapped = np.memmap(on_disk, np.float64, mode, shape=NOISE.shape)
    for gone in (lambda: on_disk.rename(on_disk.with_name("other")), on_disk.with_name("other").unlink):
        gone()
        found = SoftmaxRegression(tol=1e-6).fit(mapped, labels).coef_
        np.testing.assert_allclose(found, wanted, atol=1e-2)


@pytest.mark.skipif(os.name == "nt", reason="what is mapped cannot be cut there")
@pytest.mark.parametrize("offset", [0, 8 * 8, 8 * 8 * 520])
def test_a_file_that_was_cut_before_the_fit_is_an_error_and_no_signal(on_disk, offset):
    whole = np.memmap(on_disk, np.float64, "r", offset=offset, shape=(70, 8))
    fitted = SoftmaxRegression(tol=0.1).fit(whole, labels[:70])
    os.truncate(on_disk, 8 * 8 * 70 + offset)
    fitted.fit(whole, labels[:70])
    os.truncate(on_disk, 8 * 8 * 70 + offset - 1)
    for view in (whole, whole[:10], np.asarray(whole), [whole[:40], whole[40:]]):
        n_rows = 70 if isinstance(view, list) else len(view)
        with pytest.raises(DataError, match="is shorter than when its rows were mapped"):
            Rows.of(view)
        with pytest.raises(DataError, match="is shorter than when its rows were mapped"):
            softmax_path(view, labels[:n_rows], Cs=2)
    for door in (SoftmaxRegression().fit, fitted.score, SoftmaxRegressionCV(Cs=2, cv=2).fit):
        with pytest.raises(DataError, match="is shorter than when its rows were mapped"):
            door(whole, labels[:70])
    for ask in (fitted.predict_proba, DigitReader(np.eye(2, 8), np.zeros(2), ("0", "1"), (2, 4)).predict):
        with pytest.raises(DataError, match="is shorter than when its rows were mapped"):
            ask(whole)


@pytest.mark.parametrize("parameters", EVERY, ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # on the way to the next pass, infinities meet each other
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_that_are_no_longer_finite_end_the_fit(parameters, value, dtype):
    X = NOISE.astype(dtype)
    before = SoftmaxRegression(tol=1e-12, **parameters)
    with pytest.raises(DataError, match=r"changed while they were read.*row 7, column 3"):
        before.fit(X, labels, callback=lambda _: X.__setitem__((7, 3), value))
    assert not hasattr(before, "coef_")


@pytest.mark.parametrize("parameters", [{"l1_ratio": 1.0}, {"l1_ratio": 0.5, "group": True}], ids=str)
def test_one_pixel_that_is_no_number_any_more_ends_the_fit(parameters):
    """A column that is almost always 0, whose NaN reaches the dual point before any coefficient."""
    digits = load_dataset("embedded")
    X, y = digits.X[::25] / 255.0, digits.y[::25]
    with pytest.raises(DataError, match="changed while they were read"):
        SoftmaxRegression(tol=1e-6, **parameters).fit(X, y, callback=lambda _: X.__setitem__((0, 0), np.nan))


def test_no_gap_is_proven_of_numbers_that_are_none():
    assert Solution(np.zeros(1), np.zeros(1), np.nan).gap == np.inf
    assert Solution(np.zeros(1), np.zeros(1), 1.0, np.nan).gap == np.inf


def test_column_numbers_are_the_fits_own():
    X = sparse.csr_array((np.ones(8), (np.arange(8), np.arange(0, 80_000, 10_000))), shape=(8, 80_000))
    SoftmaxRegression(C=10.0, tol=1e-6).fit(X, np.arange(8) % 2, callback=lambda _: X.indices.fill(2**30))


def sparse_with(values):
    X = sparse.csr_array(np.eye(6, 3))
    X.data = values
    return X


NO_NUMBERS = {
    "masked": np.ma.masked_array(np.eye(6, 3), np.eye(6, 3) > 0),
    "dates": np.zeros((6, 3), "M8[s]"),
    "durations": np.zeros((6, 3), "m8[s]"),
    "records": np.zeros((6, 3), [("a", float)]),
    "bytes": np.zeros((6, 3), "V4"),
    "complex": np.eye(6, 3) + 1j,
    "words": np.full((6, 3), "word"),
    "huge": np.full((6, 3), 10**400),
    "objects": np.full((6, 3), {}),
    "ragged": [[1.0, 2.0, 3.0]] * 5 + [[1.0]],
    "sparse dates": sparse_with(np.ones(3, "M8[s]")),
    "sparse complex": sparse_with(np.ones(3) * 1j),
    "sparse masked": sparse_with(np.ma.masked_array(np.ones(3), [True, False, False])),
}


@pytest.mark.parametrize("name", NO_NUMBERS)
def test_what_only_looks_like_numbers_is_refused_at_every_door(name):
    X, y = NO_NUMBERS[name], np.arange(6) % 2
    model = SoftmaxRegression().fit(np.eye(6, 3), y)
    reader = DigitReader(np.eye(2, 3), np.zeros(2), ("0", "1"), (1, 3))
    doors = [lambda X: SoftmaxRegression().fit(X, y), lambda X: softmax_path(X, y, Cs=2), Rows.of, model.predict]
    doors += [lambda X: SoftmaxRegressionCV(Cs=2, cv=2).fit(X, y), model.decision_function, lambda X: model.score(X, y)]
    for door in doors if name.startswith("sparse") else [*doors, reader.predict_proba, lambda X: reader.score(X, y)]:
        with pytest.raises(DataError):
            door(X)


TEXTS = {
    "objects": (np.array([[1.0, "3"], [2.0, "red"]] * 3, dtype=object), "column 1 .counted from 0.", 1),
    "strings": (np.array([["1.0", "red"], ["2", "3"]] * 3), "column 1 .counted from 0.", 0),
    "a list": ([[1.0, "red"]] * 6, "column 1 .counted from 0.", 0),
    "a frame": (pd.DataFrame({"n": range(6), "colour": ["7", "red"] * 3}), "column 'colour'", 1),
    "categories": (pd.DataFrame({"n": range(6), "colour": pd.Categorical(["red", "blue"] * 3)}), "column 'colour'", 0),
    "long": (np.array([[1.0, "red" * 500]] * 6, dtype=object), "column 1 .counted from 0.", 0),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_told_by_its_column_and_row(name):
    X, which, row = TEXTS[name]
    y = np.arange(6) % 2
    with pytest.raises(DataError, match=f"{which} holds text, 'red.*' in row {row}; .*OneHotEncoder") as refusal:
        SoftmaxRegression().fit(X, y)
    assert len(str(refusal.value)) < 200
    for door in (Rows.of, lambda X: softmax_path(X, y, Cs=2), lambda X: SoftmaxRegressionCV(Cs=2, cv=2).fit(X, y)):
        with pytest.raises(DataError, match="holds text, 'red"):
            door(X)


@pytest.mark.parametrize("weights", [{"a": 1.0}, {0: "heavy"}], ids=str)
def test_class_weights_of_no_class_or_no_number_are_told(weights):
    for model in (SoftmaxRegression(class_weight=weights), SoftmaxRegressionCV(Cs=2, cv=2, class_weight=weights)):
        with pytest.raises(DataError, match=r"class_weight has to give a number .*(are not in class_weight|'heavy')"):
            model.fit(np.eye(6, 3), np.arange(6) % 2)


@pytest.mark.parametrize("name", ["y", "sample_weight", "offset"])
def test_what_lies_under_a_mask_is_used_nowhere(name):
    given = {"y": np.arange(6) % 2, "sample_weight": np.arange(6.0), "offset": np.arange(12.0).reshape(6, 2)}
    X, masked = np.eye(6, 3), np.ma.masked_array(given[name], mask=given[name] == 1)
    given = {"y": given["y"], name: masked}
    doors = [SoftmaxRegression().fit, partial(softmax_path, Cs=2)]
    for door in doors if name == "offset" else [*doors, SoftmaxRegressionCV(Cs=2, cv=2).fit]:
        with pytest.raises(DataError, match=f"{name} is a masked array"):
            door(X, **given)


@pytest.mark.parametrize("cv", [[1, 2], [([0], [1], [2])], [(["a"], [0])], [([0, 99], [1])], [([0.5], [1])]], ids=str)
def test_folds_that_are_none_are_said(cv):
    with pytest.raises(DataError, match="of cv"):
        SoftmaxRegressionCV(Cs=2, cv=cv).fit(np.eye(6, 3), np.arange(6) % 2)


@pytest.mark.parametrize("name", ["C", "l1_ratio", "tol", "max_pixels", "n_jobs", "callback"])
def test_settings_of_a_path_that_are_of_another_type_are_said(name):
    for wrong in ("1", [1.0, 2.0], {}):
        with pytest.raises(ParameterError, match=f"as {name}, got"):
            softmax_path(np.eye(6, 3), np.arange(6) % 2, Cs=2, **{name: wrong})


@pytest.mark.parametrize("name", ["offset", "penalty_factor"])
def test_what_is_no_number_is_told_in_one_short_line_however_long_it_is(name):
    X, y, words = np.ones((10_000, 1)), np.arange(10_000) % 2, ["word"] * 10_000
    fits = {
        "offset": partial(SoftmaxRegression().fit, offset=words),
        "penalty_factor": SoftmaxRegression(penalty_factor=words).fit,
    }
    with pytest.raises(DataError, match=f"as {name}: .*word") as refusal:
        fits[name](X, y)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("features", ["pixels", "upright", "strokes"])
def test_no_frames_have_no_answers_and_nothing_is_said_of_them(features):
    """An empty selection of frames is as usual in a notebook as one frame."""
    n_features = 784 if features != "strokes" else DigitReader.shipped().coef.shape[1]
    reader = DigitReader(np.ones((3, n_features)), np.zeros(3), ("a", "b", "c"), (28, 28), features)
    for none in (np.zeros((0, 28, 28)), np.zeros((0, 784), np.uint8)):
        assert reader.transform(none).shape == (0, n_features)
        assert reader.raw_prediction(none).shape == reader.predict_proba(none).shape == (0, 3)
        assert reader.predict(none).shape == (0,)
        with pytest.raises(DataError, match="no frames"):
            reader.score(none, np.array([], str))
        if features == "pixels":
            radii = robustness(reader, none)
            assert all(part.shape == (0,) for kind in (radii.boxed, radii.free) for part in kind.values())
            with pytest.raises(DataError, match="no frame"):
                radii.quantiles()


def test_threads_of_a_path_are_counted_as_those_of_a_fit():
    """scikit-learn's -1 is all cores; as a number of threads it would be one, without a word."""
    given = []

    class Seen(Rows):
        @classmethod
        def of(cls, X, **settings):
            given.append(settings["n_threads"])
            return Rows.of(X, **settings)

    X, y = np.eye(6, 3), np.arange(6) % 2
    cores = default_threads()
    for n_jobs, wanted in ((None, None), (-1, cores), (-2, max(1, cores - 1)), (-1000, 1), (2, 2)):
        for module in (estimators, path):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(module, "Rows", Seen)
                SoftmaxRegression(n_jobs=n_jobs).fit(X, y) if module is estimators else path.softmax_path(
                    X, y, Cs=2, n_jobs=n_jobs
                )
            assert given.pop() == wanted
    for door in (SoftmaxRegression(n_jobs=0).fit, partial(softmax_path, n_jobs=0)):
        with pytest.raises(ParameterError, match="n_jobs, got 0"):
            door(X, y)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("ask", ["raw_prediction", "predict_proba", "predict"])
def test_a_frame_that_holds_no_number_is_no_class(ask, bad):
    reader, frames = DigitReader(np.eye(2, 9), np.zeros(2), ("a", "b"), (3, 3)), np.full((4, 3, 3), 0.5)
    assert len(getattr(reader, ask)(frames)) == 4
    frames[2, 0, 1] = bad
    with pytest.raises(DataError, match="frame 2 holds NaN or infinity"):
        getattr(reader, ask)(frames)


def test_lists_in_the_place_of_arrays_are_said():
    for X, y in (([[0]], np.array(["a"])), (np.zeros((1, 1), np.uint8), ["a"])):
        with pytest.raises(DataError, match="expected NumPy arrays, got"):
            Dataset(X, y, (1, 1), "made")


@pytest.mark.parametrize("labels", [np.array(["a", None], dtype=object), np.array([1.0, np.nan])], ids=["None", "nan"])
def test_a_missing_label_of_a_data_set_is_no_class(labels):
    with pytest.raises(DataError, match="row 1 has no label"):
        Dataset(np.zeros((2, 4), np.uint8), labels, (2, 2), "made")


@pytest.mark.parametrize("power", [-308, -227, -170, 150, 200, 307])
@pytest.mark.parametrize("settings", [{"C": np.inf}, {"l1_ratio": 1.0}, {"C": 1e4}], ids=str)
@pytest.mark.filterwarnings("ignore")
def test_a_column_of_any_size_ends_in_a_fit_or_in_the_one_error(power, settings):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4))
    y = (X[:, 1] + 0.5 * rng.normal(size=120) > 0) + 2 * (X[:, 3] > 1)
    X[:, 1] *= 10.0**power
    try:
        model = SoftmaxRegression(**settings, tol=1e-2, time_budget=5).fit(X, y)
    except DataError:
        return
    assert np.isfinite(model.coef_).all()
