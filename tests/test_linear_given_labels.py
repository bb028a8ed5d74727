"""Labels and weights that are not what they say: other types than they seem, several at once, none, too few."""

import warnings
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

from inklens import DigitReader, SoftmaxRegression, SoftmaxRegressionCV, softmax_path
from inklens.datasets import Dataset
from inklens.errors import DataError
from inklens.evaluation import Evaluation, curvature, stability
from inklens.explanations import Voters, out_of_fold


def test_labels_whose_characters_are_none_are_refused_at_every_door():
    X, y = np.eye(6, 3), np.array(["a", "b"] * 3)
    lying = y.copy()
    lying.view(np.uint32)[3] = 0x110000
    fitted = SoftmaxRegression().fit(X, y)
    doors = [SoftmaxRegression().fit, partial(softmax_path, Cs=2), SoftmaxRegressionCV(Cs=2, cv=2).fit, fitted.score]
    doors += [lambda X, y: Dataset(X.astype(np.uint8), y, (1, 3), "made")]
    for door in doors:
        with pytest.raises(DataError, match=r"row 3.*characters that are none|characters that are none.*row 3"):
            door(X, lying)
    fitted.classes_ = lying[2:4]
    with pytest.raises(DataError, match="characters that are none"):
        DigitReader.from_estimator(fitted, image_shape=(1, 3))


class Thing:
    """No label to anybody."""


KINDS = {  # of labels: two of each, which NumPy would make one kind with those of another
    "text": ["1", "True"],
    "number": [1, 2],
    "truth": [True, False],
    "bytes": [b"1", b"a"],
    "none": [None, None],
    "nan": [float("nan"), float("nan")],
    "thing": [Thing(), Thing()],
}
ALONE = ("text", "number", "truth")  # what labels may be
ALL_DOORS = {
    "fit": SoftmaxRegression().fit,
    "search": SoftmaxRegressionCV(Cs=2, cv=2).fit,
    "path": partial(softmax_path, Cs=2),
    "score": SoftmaxRegression().fit(np.eye(6, 3), ["a", "b"] * 3).score,
}


@pytest.mark.parametrize(
    "held", [list, tuple, lambda labels: np.array(labels, dtype=object)], ids=["list", "tuple", "array"]
)
@pytest.mark.parametrize("door", ALL_DOORS.values(), ids=ALL_DOORS)
def test_labels_of_several_kinds_are_refused_by_their_rows_and_never_merged(door, held):
    """1 and "1" in one list are one text to NumPy, True and 1 one number, and None or nan a class of that name."""
    for (name, one), (other_name, other) in combinations(KINDS.items(), 2):
        labels = [*one, *one, other[0], one[0]]
        missing = {"none", "nan"} & {name, other_name}
        row = (0 if name in missing else 4) if missing else "0.*row 4"
        with pytest.raises(DataError, match=f"row {row} has {'no label' if missing else ''}"):
            door(np.eye(6, 3), held(labels))
    for name in KINDS.keys() - {*ALONE, "bytes"}:
        with pytest.raises(DataError, match="row 0 has"):
            door(np.eye(6, 3), held(KINDS[name] * 3))


@pytest.mark.parametrize("name", ALONE)
def test_objects_of_one_kind_are_the_labels_that_they_are(name):
    plain = SoftmaxRegression().fit(np.eye(6, 3), np.array(KINDS[name] * 3))
    for held in (KINDS[name] * 3, np.array(KINDS[name] * 3, dtype=object), [[label] for label in KINDS[name] * 3]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataConversionWarning)  # of a column for a row
            found = SoftmaxRegression().fit(np.eye(6, 3), held)
        assert found.classes_.dtype == plain.classes_.dtype
        assert found.classes_.tolist() == plain.classes_.tolist()
        assert (found.coef_ == plain.coef_).all()


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("ababab", "one object of type str"),
        (set("abcdef"), "one object of type set"),
        (3, "one object of type int"),
        ([10**30, 1] * 3, "at most 64 bits"),
        ([(1, 2), (3, 4)] * 3, "row 0 has an object of type tuple"),
        ([[1], [2, 3]] * 3, "row 0 has an object of type list"),
        ([1.0, 1.5] * 3, "Unknown label type.*texts or whole numbers"),
        (np.array([1.0, np.inf] * 3), "infinity"),
        (None, "the target y is None"),
        (np.arange(5), "X has 6 rows and y 5 labels; give one label for each row"),
        (np.arange(7), "X has 6 rows and y 7 labels"),
        ([], "X has 6 rows and y 0 labels"),
        (np.eye(6, 2), r"an array of shape \(6, 2\).*give y.argmax"),
        (np.zeros((6, 1, 1)), r"an array of shape \(6, 1, 1\)"),
        (np.array(1), r"an array of shape \(\)"),
        (np.arange(6) * 1j, "Complex data not supported. Classes are"),
        (np.zeros(6, [("a", int)]), "labels are records"),
        (sparse.csr_array(np.arange(6)[:, None]), "sparse matrix.*give y.toarray"),
        (np.array(["a", None] * 3, np.dtypes.StringDType(na_object=None)), "row 1 has no label"),
        (["a", "a\0"] * 3, "row 1 has a text .*could not be told apart"),
        ([b"a", b"a\0"] * 3, "row 1 has bytes .*could not be told apart"),
        ([2**53 + 1, 2**53, 2.0**52] * 2, "row 0 has a number .*could not be told apart"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("name", ALL_DOORS)
def test_what_is_no_label_for_each_row_is_said(name, labels, words):
    with pytest.raises(DataError, match=words):
        ALL_DOORS[name](np.eye(6, 3), labels)


@pytest.mark.parametrize("name", ["fit", "search", "path"])
def test_an_array_that_is_another_one_each_time_is_looked_at_once(name):
    class Shrinking:
        shape, left = (6,), 6

        def __array__(self, dtype=None, copy=None):
            self.left -= 1
            return np.arange(self.left + 1) % 3

    ALL_DOORS[name](np.eye(6, 3), Shrinking())


@pytest.mark.parametrize("kind", ["Int64", "UInt64"])
def test_large_numbers_of_a_column_that_may_lack_some_stay_apart(kind):
    pandas = pytest.importorskip("pandas")
    y = pandas.Series([2**53, 2**53 + 1] * 3, dtype=kind)
    assert SoftmaxRegression().fit(np.eye(6, 3), y).classes_.tolist() == [2**53, 2**53 + 1]


@pytest.mark.parametrize(
    "weights",
    [
        np.ones(5), np.ones((6, 1)), [[1.0], [1.0, 2.0]], -np.ones(6), np.zeros(6), np.full(6, np.nan), ["a"] * 6, {},
        np.ones(6) * 1j, np.ones(6, "m8[s]"), np.ones(6, [("a", float)]), [10**400] * 6, [None] * 6,
        sparse.csr_array(np.ones((6, 1))), [np.inf, *[1.0] * 5],
    ],
    ids=lambda weights: repr(weights)[:30],
)  # fmt: skip
def test_what_is_no_weight_for_each_row_is_said_at_every_door(weights):
    X, y = np.eye(6, 3), np.arange(6) % 2
    fitted, searched = SoftmaxRegression().fit(X, y), SoftmaxRegressionCV(Cs=2, cv=2)
    judges = (
        partial(Voters, DigitReader(np.eye(2, 3), np.zeros(2), ("0", "1"), (1, 3)), C=1.0),
        partial(out_of_fold, DigitReader(np.eye(2, 3), np.zeros(2), ("0", "1"), (1, 3)), estimator=fitted, folds=2),
    )
    for door in (
        *(SoftmaxRegression().fit, searched.fit, partial(softmax_path, Cs=2), fitted.score),
        *(partial(curvature, fitted), partial(stability, fitted, n_refits=2)),
    ):
        with pytest.raises(DataError, match="weight"):
            door(X, y, sample_weight=weights)
    for judge in judges:
        with pytest.raises(DataError, match="weight"):
            judge(BYTES, y.astype(str), sample_weight=weights)


def test_labels_of_another_kind_than_the_models_are_no_wrong_answers():
    X, numbers = np.eye(6, 3), np.arange(6) % 2
    texts = numbers.astype(str)
    for fitted, other in ((numbers, texts), (texts, numbers)):
        for model in (SoftmaxRegression().fit(X, fitted), SoftmaxRegressionCV(Cs=2, cv=2).fit(X, fitted)):
            with pytest.raises(DataError, match="give the kind that it was fitted to"):
                model.score(X, other)
    reader = DigitReader(np.eye(2, 3), np.zeros(2), ("0", "1"), (1, 3))
    with pytest.raises(DataError, match="y 1 labels"):
        reader.score(X, ["0"])
    for unknown in (["x"] * 6, ["0"] * 5 + ["00"], numbers * 2, numbers.astype(bool), numbers * 1e300, numbers * 0.5):
        for judge in (JUDGED.score, partial(Evaluation.from_estimator, JUDGED)):
            with pytest.raises(DataError, match=r"none of the model's classes|continuous"):
                judge(BYTES, unknown)


def test_a_label_is_the_same_class_in_any_type_that_holds_it():
    """A column of labels in which one is missing is of floats in a table, whichever rows are left."""
    y = np.arange(6) % 2
    asked = JUDGED.score(BYTES, y)
    assert 0.0 < asked < 1.0
    for labels in (y.astype(float), y.astype(np.float16), y.astype(object), y.astype(str), y.astype("S"), list(y)):
        assert JUDGED.score(BYTES, labels) == Evaluation.from_estimator(JUDGED, BYTES, labels).accuracy == asked
    named = replace(JUDGED, classes=("0.0", "1.0"))  # as a model fitted to such a column is
    assert named.score(BYTES, y.astype(float)) == asked


JUDGED = DigitReader(np.eye(2, 3), np.zeros(2), ("0", "1"), (1, 3))
BYTES = np.eye(6, 3, dtype=np.uint8) * 255
JUDGES = {
    "counts": lambda y: Evaluation.from_estimator(JUDGED, BYTES, y),
    "votes": lambda y: Voters(JUDGED, BYTES, y, C=1.0),
    "folds": lambda y: out_of_fold(JUDGED, BYTES / 255, y, estimator=SoftmaxRegression(), folds=2),
    "score": lambda y: JUDGED.score(BYTES, y),
}


@pytest.mark.parametrize(
    "labels",
    [
        None,
        3,
        "01",
        ["0"] * 5,
        ["0", 1] * 3,
        ["0", "1\0"] * 3,
        np.eye(6, 2),
        np.ma.masked_array(["0", "1"] * 3, [1] * 6),
    ],
    ids=["None", "number", "text", "short", "mixed", "zero", "one-hot", "masked"],
)
@pytest.mark.parametrize("name", JUDGES)
def test_whatever_judges_a_model_asks_for_a_label_for_each_row(name, labels):
    with pytest.raises(DataError):
        JUDGES[name](labels)


def test_a_column_of_labels_is_as_many_labels_and_not_their_square():
    y = np.array(["0", "1"] * 3)
    flat, column = (Evaluation.from_estimator(JUDGED, BYTES, labels) for labels in (y, y[:, None]))
    assert np.array_equal(flat.confusion, column.confusion)
    assert column.n_samples == 6
