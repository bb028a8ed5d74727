"""Sparse matrices checked before compiled code follows their indices.

SciPy keeps the parts of a matrix as plain attributes that anyone may change, and its own compiled code trusts them: an
index out of range reads, or writes, memory that belongs to others.
"""

import os
from itertools import chain
from operator import index

import numpy as np
from scipy import sparse

from inklens.errors import DataError
from inklens.linear.arrays import Array, require_numbers

MOST_INT32 = np.iinfo(np.int32).max  # the kernels count columns in int32
BYTES_A_ROW = 48  # row start, label, weight, scores and probabilities of two classes: the least that a fit holds
BYTES_A_COLUMN = 64  # smallest and largest value, two classes' coefficients, gradient and step
REMEDY = "build the matrix anew, as scipy.sparse.csr_array((values, (rows, columns)), shape=...) from coordinates"


def checked_csr(X: Array) -> sparse.csr_array:
    """Return a sparse matrix of any format as canonical CSR, every index of which lies inside; X stays as it is.

    Duplicates are summed, whatever the flags of X say of them, and entries behind the last row's end left out.

    Raises
    ------
    DataError
        Indices out of range or no whole numbers, row starts that are not ascending, parts whose lengths do not belong
        together, or more rows or columns than any fit can hold.

    >>> X = sparse.csr_array(np.eye(2))
    >>> X.indices[1] = 2**30
    >>> checked_csr(X)
    Traceback (most recent call last):
    ...
    inklens.errors.DataError: a sparse matrix of shape (2, 2) has column index 1073741824; build the matrix anew, ...
    """
    try:
        if X.ndim != 2:
            raise DataError(f"expected a two-dimensional array of rows and columns, got {X.ndim} dimension(s)")
        _check_size((index(X.shape[0]), index(X.shape[1])))
        if X.format not in ("lil", "dok"):
            require_numbers(X.data)
        X = _listed(X)
        if X.format == "coo":
            _check_coordinates(X)
        else:
            _check_compressed(X)
        X = X if X.format == "csr" else X.tocsr(copy=True)
    except DataError:
        raise
    except (ValueError, IndexError, TypeError, AttributeError, RuntimeError, OverflowError) as error:
        raise DataError(f"a sparse matrix contradicts itself ({error}); {REMEDY}") from error
    n_entries = X.indptr[-1]
    parts = (_aligned(part) for part in (X.data[:n_entries], X.indices[:n_entries], X.indptr))
    found = sparse.csr_array(tuple(parts), shape=X.shape)  # made anew, so that it finds its flags itself
    if not found.has_canonical_format:
        found = found.copy()
        found.sum_duplicates()
    return found


def _listed(X: Array) -> Array:
    """Return a matrix in one of SciPy's three other formats as coordinates, none of which its code has followed."""
    if X.format == "dia":
        return _of_diagonals(np.asarray(X.data), np.asarray(X.offsets), X.shape)
    if X.format == "dok":
        entries = dict(X.items())
        coordinates = np.array(list(entries)).reshape(len(entries), -1)
        values = np.array(list(entries.values()), dtype=X.dtype)
        return _coordinates(values, coordinates[:, 0], coordinates[:, 1:].ravel(), X.shape)
    if X.format != "lil":
        return X
    lengths = [len(row) for row in X.rows]
    if [len(row) for row in X.data] != lengths or len(lengths) != X.shape[0]:
        raise DataError(f"the rows of a sparse matrix have columns and values of different number; {REMEDY}")
    columns = np.array(list(chain.from_iterable(X.rows)))
    values = np.array(list(chain.from_iterable(X.data)), dtype=X.dtype)
    return _coordinates(values, np.repeat(np.arange(len(lengths)), lengths), columns, X.shape)


def _of_diagonals(data: np.ndarray, offsets: np.ndarray, shape: tuple[int, int]) -> sparse.coo_array:
    """Return the entries data[k, j] at (j - offsets[k], j) that lie inside."""
    _check_whole(offsets, "offsets of diagonals")
    if data.ndim != 2 or len(data) != len(offsets) or len(np.unique(offsets)) != len(offsets):
        raise DataError(f"a sparse matrix has diagonals and offsets that do not belong together; {REMEDY}")
    n_rows, n_columns = shape
    kept = np.flatnonzero((offsets > -n_rows) & (offsets < n_columns))
    offsets, data = offsets[kept].astype(np.int64), data[kept, :n_columns]
    diagonal, column = data.nonzero()
    row = column - offsets[diagonal]
    inside = (row >= 0) & (row < n_rows)
    diagonal, column, row = diagonal[inside], column[inside], row[inside]
    return _coordinates(data[diagonal, column], row, column, shape)


def _coordinates(values: np.ndarray, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sparse.coo_array:
    whole = [np.zeros(0, np.int64) if part.size == 0 else part for part in (rows, columns)]
    for part, name in zip(whole, ("row", "column"), strict=True):
        _check_whole(part, f"{name} indices")
    for part, size, name in zip(whole, shape, ("row", "column"), strict=True):
        _check_inside(part, size, name, shape)
    return sparse.coo_array((values, tuple(whole)), shape=shape)


def _check_size(shape: tuple[int, int]) -> None:
    """Refuse what no memory holds, before anything as long as a row or a column is made."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 1 << 40
    limits = memory // BYTES_A_ROW, min(MOST_INT32, memory // BYTES_A_COLUMN)
    for size, most, name in zip(shape, limits, ("rows", "columns"), strict=True):
        if size > most:
            raise DataError(
                f"X has {size:,} {name}, and this machine can fit {most:,}; leave the {name} out that hold nothing"
            )


def _check_compressed(X: Array) -> None:
    """Check row starts (or column starts) and indices of CSR, CSC and BSR."""
    data, indices, starts, shape = np.asarray(X.data), np.asarray(X.indices), np.asarray(X.indptr), X.shape
    names = ("column", "row") if X.format == "csc" else ("row", "column")
    n_major, n_minor = shape[::-1] if X.format == "csc" else shape
    if X.format == "bsr":
        if data.ndim != 3 or 0 in data.shape[1:] or n_major % data.shape[1] or n_minor % data.shape[2]:
            raise DataError(f"a BSR matrix of shape {shape} has blocks of {data.shape[1:]}; {REMEDY}")
        n_major, n_minor = n_major // data.shape[1], n_minor // data.shape[2]
    elif data.ndim != 1:
        raise DataError(f"a sparse matrix has values of {data.ndim} dimensions instead of 1; {REMEDY}")
    _check_whole(indices, f"{names[1]} indices")
    _check_whole(starts, f"{names[0]} starts (indptr)")
    if len(starts) != n_major + 1:
        raise DataError(f"a sparse matrix of shape {shape} has {len(starts)} {names[0]} starts (indptr); {REMEDY}")
    if starts[0] != 0 or (starts[1:] < starts[:-1]).any():
        raise DataError(f"the {names[0]} starts (indptr) of a sparse matrix have to ascend from 0; {REMEDY}")
    held = min(len(indices), len(data))
    if starts[-1] > held:
        raise DataError(f"a sparse matrix has {held} entries where its indptr ends at {starts[-1]}; {REMEDY}")
    _check_inside(indices[: starts[-1]], n_minor, names[1], shape)


def _check_coordinates(X: Array) -> None:
    data, coordinates = np.asarray(X.data), [np.asarray(part) for part in X.coords]
    if len(coordinates) != 2 or any(part.shape != data.shape for part in coordinates) or data.ndim != 1:
        raise DataError(f"a sparse matrix has coordinates and values of different number; {REMEDY}")
    for part, size, name in zip(coordinates, X.shape, ("row", "column"), strict=True):
        _check_whole(part, f"{name} indices")
        _check_inside(part, size, name, X.shape)


def _check_whole(values: np.ndarray, what: str) -> None:
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise DataError(f"the {what} of a sparse matrix have to be whole numbers, got {values.dtype}; {REMEDY}")


def _check_inside(indices: np.ndarray, size: int, name: str, shape: tuple[int, int]) -> None:
    if len(indices) and not (indices.min() >= 0 and indices.max() < size):
        wrong = indices[(indices < 0) | (indices >= size)][0]
        raise DataError(f"a sparse matrix of shape {shape} has {name} index {wrong}; {REMEDY}")


def _aligned(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    return values if values.flags.aligned else values.copy()
