"""Rows of a data matrix as the kernels read them, with the backend that does so."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from inklens.linear import arrays
from inklens.linear.arrays import Array
from inklens.linear.kernels.buffers import address

if TYPE_CHECKING:
    from inklens.linear.kernels.backend import Backend

VALUE_TYPES = {np.dtype(np.uint8): 0, np.dtype(np.float32): 1, np.dtype(np.float64): 2}
DENSE, DENSE_SKIP, CSR16, CSR32 = range(4)  # layouts, as in `kernels.h`


class Inspection(NamedTuple):
    """What one reading of some rows tells."""

    low: np.ndarray  # (n_features,) smallest value of each column
    high: np.ndarray
    n_nonzeros: int


class Panels(NamedTuple):
    """The entries of CSR rows once more, by groups of columns within panels of rows: sums stay in registers.

    Neighbouring pixels tend to have ink together, so that one entry, a row with a value in any column, serves them all.
    """

    values: np.ndarray  # (n_entries, 2 or 4)
    rows: np.ndarray  # (n_entries,) uint8: row within the panel
    starts: np.ndarray  # (n_panels, n_groups + 1) int64: where the entries of a group start


class Storage(NamedTuple):
    """Rows: dense with unit column stride, or CSR with uint16 or int32 columns.

    Dense values may be another library's array. The backend is chosen when the storage is made, and stays.
    """

    values: Array  # (n_samples, n_features), or (n_nonzeros,)
    indices: np.ndarray | None
    indptr: np.ndarray | None
    shape: tuple[int, int]
    backend: "Backend"
    skip_zeros: bool = False
    panels: Panels | None = None  # where folding residuals back by columns is quicker: for tall rows
    transpose: "Storage | None" = None  # and for wide ones

    @property
    def is_foreign(self) -> bool:
        """Whether the values are an array of another library."""
        return not isinstance(self.values, np.ndarray)

    @property
    def matrix(self) -> Array:
        """The same rows as a dense array or SciPy CSR matrix; no values are copied."""
        if self.indices is None:
            return self.values
        return sparse.csr_array((self.values, self.indices.astype(np.int32, copy=False), self.indptr), shape=self.shape)

    @property
    def layout(self) -> int:
        """Number of the layout in `kernels.h`."""
        if self.indices is None:
            return DENSE_SKIP if self.skip_zeros else DENSE
        return CSR16 if self.indices.dtype == np.uint16 else CSR32

    @property
    def csr(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns and row starts of sparse rows."""
        if self.indices is None or self.indptr is None:
            raise TypeError("dense rows have no column numbers")
        return self.indices, self.indptr


def single(storage: Storage) -> Storage:
    """Return the rows with float64 values as float32, or the rows themselves."""
    values = storage.values
    if values.dtype != arrays.namespace(values).float64:
        return storage
    with np.errstate(over="ignore"):
        return storage._replace(values=arrays.cast(values, np.float32))


def in_one_piece(storages: Sequence[Storage]) -> Storage | None:
    """Return dense rows that follow each other in memory as one storage, without a copy; None where they do not.

    >>> from inklens.linear.kernels.reference import Reference
    >>> X = np.arange(6.0).reshape(3, 2)
    >>> halves = [Storage(part, None, None, part.shape, Reference()) for part in (X[:1], X[1:])]
    >>> whole = in_one_piece(halves)
    >>> bool((whole.values == X).all()), in_one_piece(halves[::-1])
    (True, None)
    """
    first = storages[0]
    if any(storage.is_foreign or storage.layout != DENSE for storage in storages):
        return None
    dtype, strides = first.values.dtype, first.values.strides
    if any(storage.values.dtype != dtype or storage.values.strides != strides for storage in storages):
        return None
    for before, after in pairwise(storages):
        if address(after.values) != address(before.values) + before.shape[0] * strides[0]:
            return None
    shape = sum(storage.shape[0] for storage in storages), first.shape[1]
    return first._replace(values=np.lib.stride_tricks.as_strided(first.values, shape, strides), shape=shape)


def take(storage: Storage, rows: np.ndarray) -> Storage:
    """Return some rows."""
    shape = len(rows), storage.shape[1]
    if storage.indices is None or storage.indptr is None:
        return storage._replace(values=arrays.take(storage.values, rows, 0), shape=shape)
    sizes = np.diff(storage.indptr)[rows]
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    entries = np.arange(indptr[-1]) + np.repeat(storage.indptr[rows] - indptr[:-1], sizes)
    return Storage(storage.values[entries], storage.indices[entries], indptr, shape, storage.backend)


def of_columns(storage: Storage, columns: np.ndarray) -> Storage:
    """Return some columns (ascending) of sparse rows, with int32 numbers."""
    used, starts = storage.csr
    place = np.full(storage.shape[1], -1, dtype=np.int32)
    place[columns] = np.arange(len(columns), dtype=np.int32)
    found = place[used]
    kept, shape = found >= 0, (storage.shape[0], len(columns))
    if kept.all():
        return Storage(storage.values, found, starts, shape, storage.backend)
    indptr = np.concatenate([[0], np.cumsum(kept)])[starts]
    return Storage(storage.values[kept], found[kept], indptr, shape, storage.backend)


def select(storage: Storage, rows: np.ndarray | None, columns: np.ndarray | None, dtype: npt.DTypeLike) -> Array:
    """Return some columns of some rows as a dense array, where the rows are."""
    if rows is not None and storage.indices is not None:  # before SciPy widens the column numbers of all rows
        storage, rows = take(storage, rows), None
    matrix = storage.matrix
    matrix = matrix if rows is None else arrays.take(matrix, rows, 0)
    matrix = arrays.cast(matrix if columns is None else arrays.take(matrix, columns, 1), dtype)
    return matrix.toarray() if sparse.issparse(matrix) else matrix


def with_ones(X: Array) -> Array:
    """Return [X 1]."""
    return arrays.namespace(X).concat([X, arrays.ones(X, (X.shape[0], 1))], axis=1)
