"""Labels as class numbers, and class numbers dealt into folds.

Shapes: labels and codes (n_samples,), classes (n_classes,).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from inklens.errors import DataError

DISCRETE = "biuUS"  # kinds of labels that can be nothing but classes
MOST_NAMED = 5  # labels that an error names
MOST_SHOWN = 40  # characters of one that is no label
NO_LABEL = "no label"
MISSING = ("NoneType", "NAType", "NaTType")  # None, and those of pandas
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
    if labels is None or (isinstance(dtype, np.dtype) and dtype.kind != "O"):
        return labels
    if not isinstance(labels, list | tuple) and (array := np.asarray(labels)).ndim and array.dtype.kind != "O":
        return labels  # of a library whose types are its own
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
    return array


def _listed(labels: npt.ArrayLike) -> list[object]:
    array = np.asarray(labels)
    if not array.ndim:
        raise DataError(f"expected a label for each row, got one object of type {type(labels).__name__}; give a list")
    return list(array.tolist())


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
        check_classification_targets(labels)
    except (TypeError, ValueError) as error:
        raise DataError(f"{error} Classes are texts or whole numbers; give a label of these for each row") from error


def _kind(value: object) -> str:
    """Return what kind of label an object is, in words; an array or a list, which may be a row of one, is none."""
    if type(value).__name__ in MISSING or (isinstance(value, float | np.floating) and value != value):
        return NO_LABEL
    kinds = (name for name, types in KINDS if isinstance(value, types))
    return next(kinds, f"an object of type {type(value).__name__}")


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
        raise DataError(
            f"{int(unknown.sum())} labels are none of the model's classes: {shown} (row {int(unknown.argmax())} is the "
            f"first); the classes are {', '.join(map(str, classes))}; leave these rows out, or fit a model that knows "
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
