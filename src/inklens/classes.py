"""Labels as class numbers, and class numbers dealt into folds.

Shapes: labels and codes (n_samples,), classes (n_classes,).
"""

from collections.abc import Sequence

import numpy as np

from inklens.errors import DataError

MOST_NAMED = 5  # labels that an error names


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
