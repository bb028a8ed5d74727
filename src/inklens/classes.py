"""Labels as class numbers, and class numbers dealt into folds.

Shapes: labels and codes (n_samples,), classes (n_classes,).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from inklens.errors import DataError

DISCRETE = "biuUS"  # kinds of labels that can be nothing but classes
ALIKE = (("biuf", "numbers"), ("U", "texts"), ("S", "bytes"), ("M", "dates"), ("m", "durations"))
MOST_NAMED, MOST_CLASSES = 5, 12  # labels and classes that an error names
MOST_SHOWN = 40  # characters of one that is no label
NO_LABEL = "no label"
MISSING = ("NoneType", "NAType", "NaTType")  # None, and those of pandas
COMPARED = ("a truth value", "a number", "a text", "bytes")  # kinds whose values say whether an array holds them
NEVER_MISSING = {str, int, bool, bytes}  # types of labels, of which one tells of all
KINDS = (  # of labels; a truth value is a whole number to Python, so it comes first
    ("a truth value", (bool, np.bool_)),
    ("a number", (int, float, np.integer, np.floating)),
    ("a text", (str,)),
    ("bytes", (bytes,)),
    ("a date", (np.datetime64,)),
)


def of_one_kind(labels: npt.ArrayLike | None) -> npt.ArrayLike | None:
    """Return labels; Python objects, of which NumPy would make one class where two were meant, as an array of one kind.

    A list with 1 and "1" is an array of texts to NumPy, with one class, and a missing label in it a class called "nan".

    Raises
    ------
    DataError
        Objects of several kinds, none of a kind that a label may have, missing ones, or not one for each row.

    Examples
    --------
    >>> of_one_kind(np.array([3, 1], dtype=object)), of_one_kind(["b", "a"])
    (array([3, 1]), array(['b', 'a'], dtype='<U1'))
    >>> of_one_kind([1, 3, "1"])
    Traceback (most recent call last):
    ...
    inklens.errors.DataError: labels are of several kinds: row 0 has a number (1), row 2 has a text ('1'); ...
    """
    dtype = getattr(labels, "dtype", None)
    if labels is None or (isinstance(dtype, np.dtype) and dtype.kind not in "OT"):
        return labels
    if not isinstance(labels, list | tuple) and (array := np.asarray(labels)).ndim and array.dtype.kind not in "OT":
        return array  # of a library whose types are its own, and who may not give the same twice
    objects: Sequence[object] = labels if isinstance(labels, list | tuple) else _listed(labels)
    if not len(objects):
        return labels
    first: dict[str, int] = {}
    types = set(map(type, objects))
    for row, value in enumerate(objects[:1] if len(types) == 1 and types <= NEVER_MISSING else objects):
        first.setdefault(_kind(value), row)
    shown = [f"row {row} has {kind} ({repr(objects[row])[:MOST_SHOWN]})" for kind, row in first.items()]
    if NO_LABEL in first:
        raise DataError(f"{shown[list(first).index(NO_LABEL)]}; give it one, or leave rows without a label out")
    if len(first) > 1:
        raise DataError(f"labels are of several kinds: {', '.join(shown)}; give one kind: [str(label) for label in y]")
    try:
        array = np.asarray(objects)
    except ValueError:  # lists of different lengths
        array = np.asarray(None)
    if array.dtype.kind == "O" or (array.ndim > 1 and array.shape[1:] != (1,)):
        raise DataError(f"{', '.join(shown)}: expected a text or a number of at most 64 bits for each row")
    if next(iter(first)) in COMPARED:
        _require_same(objects, array.ravel().tolist())
    return array


def _require_same(objects: Sequence[object], held: list[object]) -> None:
    """Refuse labels that an array cannot hold as they are, and in which two may be one.

    NumPy leaves out zero characters at the end of a text, and makes float64 of a list with a fraction in it.
    """
    if held != list(objects):
        row = next(row for row, (given, kept) in enumerate(zip(objects, held, strict=True)) if given != kept)
        raise DataError(
            f"row {row} has {_kind(objects[row])} ({repr(objects[row])[:MOST_SHOWN]}) that would be kept as "
            f"{held[row]!r}, and could not be told apart from it; give texts that do not end in a zero character, or "
            "whole numbers alone"
        )


def labels_of(y: npt.ArrayLike | None, n_rows: int) -> np.ndarray:
    """Return a label for each row, (n_rows,), or (n_rows, 1) where they are a column.

    Raises
    ------
    DataError
        As `of_one_kind`; another shape or number, numbers that are no classes, or records.

    Examples
    --------
    >>> labels_of(["b", "a"], 2)
    array(['b', 'a'], dtype='<U1')
    >>> labels_of(np.eye(2), 2)
    Traceback (most recent call last):
    ...
    inklens.errors.DataError: X has 2 rows and y is an array of shape (2, 2); for columns of 0 and 1, one a class, ...
    """
    if y is None:
        raise DataError(f"a fit requires y to be passed, but the target y is None; give {n_rows} labels")
    if hasattr(y, "toarray"):
        raise DataError("labels are a sparse matrix, expected a dense array; give y.toarray().ravel()")
    if np.ma.is_masked(y):
        text = "y is a masked array, and what lies under its mask would be used; give y.filled(...), or fewer rows"
        raise DataError(text)
    labels = np.asarray(of_one_kind(y))
    if labels.shape not in ((n_rows,), (n_rows, 1)):
        one = labels.ndim == 1 or labels.shape[1:] == (1,)
        what = f"{len(labels)} labels" if one else f"is an array of shape {labels.shape}"
        remedy = "; for columns of 0 and 1, one a class, give y.argmax(axis=1)" if labels.ndim == 2 and not one else ""
        said = f"X has {n_rows} rows and y {what}{remedy or '; give one label for each row'}"
        raise DataError(said + (" (Found input variables with inconsistent numbers of samples)" if one else ""))
    if labels.dtype.kind == "V":
        raise DataError(f"labels are records of {labels.dtype}; give the column of them that holds the classes")
    if labels.dtype.kind not in DISCRETE:
        check_discrete(labels.ravel())
    return labels


def _listed(labels: npt.ArrayLike) -> list[object]:
    array = np.asarray(labels)
    if not array.ndim:
        raise DataError(f"expected a label for each row, got one object of type {type(labels).__name__}; give a list")
    return list(array.tolist())


def require_alike(labels: np.ndarray, others: np.ndarray) -> None:
    """Refuse labels none of which can be equal to the others, since they are of another kind.

    >>> require_alike(np.array([1, 2]), np.array([True, False]))
    >>> require_alike(np.array([1, 2]), np.array(["1", "2"]))
    Traceback (most recent call last):
    ...
    inklens.errors.DataError: expected labels that are texts, as the model's ('1'), got numbers (1); give the kind ...
    """
    kinds = [next((name for kinds, name in ALIKE if array.dtype.kind in kinds), None) for array in (others, labels)]
    if len(labels) and None not in kinds and kinds[0] != kinds[1]:
        raise DataError(
            f"expected labels that are {kinds[0]}, as the model's ({others.tolist()[0]!r}), got {kinds[1]} "
            f"({labels.tolist()[0]!r}); give the kind that it was fitted to"
        )


def check_discrete(labels: np.ndarray) -> None:
    """Refuse numbers that are no classes: with fractions, infinite, none, or complex.

    Raises
    ------
    DataError
        With scikit-learn's reason.
    """
    from sklearn.utils.multiclass import check_classification_targets

    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        row = int(np.flatnonzero(~np.isfinite(labels))[0])
        raise DataError(f"the label of row {row} is NaN or infinity; leave this row out, or give it a label")
    try:
        with np.errstate(invalid="ignore"):  # numbers beyond 64 bits
            check_classification_targets(labels)
    except (TypeError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{reason}. Classes are texts or whole numbers; give a label of these for each row") from error


def _kind(value: object) -> str:
    """Return what kind of label an object is, in words; an array or a list, which may be a row of one, is none."""
    if type(value).__name__ in MISSING or (isinstance(value, float | np.floating) and value != value):
        return NO_LABEL
    kinds = (name for name, types in KINDS if isinstance(value, types))
    return next(kinds, f"an object of type {type(value).__name__}")


def encode_names(labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return the place of each label among the names of classes; 3.0, which a table with a gap makes of 3, is "3".

    Raises
    ------
    DataError
        Labels that are no class.

    Examples
    --------
    >>> encode_names(np.array([3.0, 7.0]), ("3", "7")), encode_names(np.array([1.0]), ("0.0", "1.0"))
    (array([0, 1], dtype=int32), array([1], dtype=int32))
    """
    texts = labels.astype(str)
    if labels.dtype.kind == "f" and not np.isin(texts, names).all():
        texts = np.char.mod("%.0f", labels)  # whole, or `labels_of` would have refused them
    return encode(texts, names)


def encode(labels: np.ndarray, classes: np.ndarray | Sequence[str]) -> np.ndarray:
    """Return the place of each label among the classes, int32; the classes may stand in any order.

    Raises
    ------
    DataError
        Labels that are no class.

    Examples
    --------
    >>> encode(np.array(["7", "3", "7"]), ("7", "3"))
    array([0, 1, 0], dtype=int32)
    """
    labels, classes = np.asarray(labels), np.asarray(classes)
    order = np.argsort(classes, kind="stable")
    place = np.minimum(np.searchsorted(classes, labels, sorter=order), len(classes) - 1)
    codes = order[place].astype(np.int32)
    unknown = classes[codes] != labels
    if unknown.any():
        names = np.unique(labels[unknown])
        shown = ", ".join(repr(str(name)) for name in names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
        known = ", ".join(map(str, classes[:MOST_CLASSES])) + (", ..." if len(classes) > MOST_CLASSES else "")
        raise DataError(
            f"{int(unknown.sum())} labels are none of the model's classes: {shown} (row {int(unknown.argmax())} is the "
            f"first); the classes are {known}; leave these rows out, or fit a model that knows "
            "their classes"
        )
    return codes


def stratified_folds(codes: np.ndarray, n_folds: int, rng: np.random.RandomState | np.random.Generator) -> np.ndarray:
    """Deal each class's rows into folds in turn, (n_samples,); -1 for a class with one row, which is never held out.

    >>> stratified_folds(np.array([0, 0, 0, 0, 1, 1, 2]), 2, np.random.RandomState(0)).tolist()
    [1, 0, 0, 1, 0, 1, -1]
    """
    fold_of = np.full(len(codes), -1)
    turn = 0
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        if len(members) > 1:
            fold_of[rng.permutation(members)] = (turn + np.arange(len(members))) % n_folds
            turn += len(members)
    return fold_of
