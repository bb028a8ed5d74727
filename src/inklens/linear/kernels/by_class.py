"""Numbers for each row and class, (n_rows, n_classes), on the array API: a row's own class, and the others.

codes are (n_rows,).
"""

import numpy as np

from inklens.linear.arrays import Array, cast, like, namespace


def of_own_class(values: Array, codes: Array) -> Array:
    """Return each row's number for its own class, (n_rows,).

    >>> of_own_class(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 0]))
    array([2., 3.])
    """
    return namespace(values).take_along_axis(values, cast(codes, np.int64)[:, None], axis=1)[:, 0]


def is_own_class(values: Array, codes: Array) -> Array:
    """Return the mask of each row's own class, (n_rows, n_classes).

    >>> is_own_class(np.zeros((2, 2)), np.array([1, 0]))
    array([[False,  True],
           [ True, False]])
    """
    return like(values, codes, np.int64)[:, None] == like(values, np.arange(values.shape[1]), np.int64)[None, :]


def of_others(values: Array, codes: Array) -> Array:
    """Return each row's numbers for the classes that it does not belong to, 0 for its own, (n_rows, n_classes)."""
    xp = namespace(values)
    return xp.where(is_own_class(values, codes), xp.zeros_like(values), values)


def labelled(values: Array, codes: Array | None, n_classes: int) -> Array:
    """Return numbers (n_rows,) in the columns of their rows' classes, 0 in the others, (n_rows, n_classes).

    Without codes all rows are of the first class.

    >>> labelled(np.array([2.0, 3.0]), np.array([1, 0]), 2)
    array([[0., 2.],
           [3., 0.]])
    """
    xp = namespace(values)
    codes = xp.zeros_like(values) if codes is None else codes
    is_own = like(values, codes, np.int64)[:, None] == like(values, np.arange(n_classes), np.int64)[None, :]
    return xp.where(is_own, values[:, None], xp.zeros_like(values[:1])[:, None])


def class_sums(values: Array) -> Array:
    """Return the sums over rows, (n_classes,), in float64."""
    return namespace(values).sum(cast(values, np.float64), axis=0)
