"""Matrices laid out for the kernels: checked at the border, packed where that is quicker.

A `Block` is some of the rows of a data matrix, in a layout that a pass can read without asking where it came from.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from inklens.errors import DataError
from inklens.linear import arrays
from inklens.linear.kernels import compiled as kernels
from inklens.linear.kernels import reference as twin
from inklens.linear.kernels.compiled import Storage
from inklens.linear.rows import mapped

SPARSE_BELOW = 0.4  # share of non-zeros below which one multiply-add per non-zero beats dense rows (measured: 0.35-0.5)
WIDE_BELOW = 0.03  # share of non-zeros below which columns are too short to be cut into panels of rows
QUADS_BELOW = 0.75  # entries of four columns per entry of two up to which they are the quicker way (images: 0.63)
SHARE_MEMORY = kernels.active() != "numpy"  # arrays of other libraries in this memory are read by compiled passes, too
PACK_UP_TO = 1 << 27  # bytes of a memory-mapped file beyond which rows stay there and are read anew in every pass
BYTES_FROM = 1 << 20  # float64 values from which it pays to look whether they are bytes
ROUNDED = 4.0 * 2.0**-53  # relative difference between n / 255 and n * (1 / 255), or the like
MOST_ROWS = 1 << 17  # of a block in memory
MOST_STREAMED = 1 << 15  # rows of a block that stays in its file,
MOST_BYTES = 1 << 26  # and what these take


class Inspection(NamedTuple):
    """What one reading of a block tells."""

    low: np.ndarray  # (n_features,) smallest value of each column
    high: np.ndarray
    n_nonzeros: int


NOTHING_KNOWN = Inspection(np.empty(0), np.empty(0), 0)


@dataclass(frozen=True, eq=False)
class Block:
    """Some of the rows: `exact` holds the values as given, `fast` the same as float32 or uint8 (or is `exact`)."""

    exact: Storage
    fast: Storage
    inspection: Inspection

    is_streamed = False

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_features)."""
        return self.exact.shape

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.shape[0]

    def release(self) -> None:
        """Nothing needs to be given back."""

    @cached_property
    def _exact(self) -> Storage:
        return with_columns(self.exact, self.inspection)

    @cached_property
    def _fast(self) -> Storage:
        if self.fast is self.exact:
            return self._exact
        columns = self._exact.transpose
        if columns is None:
            return with_columns(self.fast, self.inspection)
        return self.fast._replace(transpose=single(columns))

    def storage(self, dtype: Any) -> Storage:
        """Return the rows to use in a pass of that type; sparse ones are laid out by columns as well."""
        return self._fast if np.dtype(dtype) == np.float32 else self._exact


@dataclass(frozen=True, eq=False)
class StreamedBlock:
    """Some rows of a memory-mapped file, looked at through `change` whenever they are read."""

    source: np.ndarray
    shape: tuple[int, int]  # after the change
    skip_zeros: bool
    change: Callable[[np.ndarray], np.ndarray] | None = None  # None: the kernels read them as they are
    inspection: Inspection = NOTHING_KNOWN

    is_streamed = True

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.shape[0]

    @property
    def exact(self) -> Storage:
        """The rows as they are read now."""
        values = self.source if self.change is None else self.change(self.source)
        return Storage(values, None, None, self.shape, skip_zeros=self.skip_zeros)

    fast = exact

    def storage(self, dtype: Any) -> Storage:
        """Return the rows for a pass of any type."""
        return self.exact

    def release(self) -> None:
        """Give the pages back that the reading has brought into memory."""
        mapped.release(self.source)

    def changed(self, change: Callable[[np.ndarray], np.ndarray], inspection: Inspection) -> "StreamedBlock":
        """Return the rows with one more change of their values."""
        first = self.change
        both = change if first is None else lambda values: change(first(values))
        return replace(self, inspection=inspection, change=both)

    def take(self, rows: np.ndarray) -> "StreamedBlock":
        """Return some rows (sorted indices)."""
        taken = replace(self.changed(lambda values: values[rows], self.inspection), shape=(len(rows), self.shape[1]))
        return replace(taken, inspection=inspect(taken.exact))


def bytes_of(X: Any, n_threads: int = 1) -> tuple[np.ndarray, float] | None:
    """Return float64 pixels as whole multiples, 0 to 255, of one unit, and the unit; None where they are none.

    X / 255 is n / 255 rounded. n times the unit differs from it by no more than ROUNDED, relatively, which proofs count
    as rounding (`certificates.py`). Bytes take an eighth of the memory, and of the time of a pass in float64.
    """
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.size < BYTES_FROM or X.dtype != np.float64 or stays(X):
        return None
    values = np.asarray(X)
    some = values[:: max(1, len(values) // 64)]
    for unit in (1.0, 1.0 / 255.0, float(some.max()) / 255.0):
        if unit > 0.0 and _as_bytes(some, unit, 1) is not None:
            found = _as_bytes(values, unit, n_threads)
            if found is not None:
                return found, unit
    return None


def stays(X: Any) -> bool:
    """Tell whether rows stay in the file that they are mapped from."""
    return mapped.is_mapped(X) and X.ndim == 2 and X.nbytes > PACK_UP_TO


def _as_bytes(values: np.ndarray, unit: float, n_threads: int) -> np.ndarray | None:
    out = np.empty(values.shape, dtype=np.uint8)
    if values.strides[1] != values.itemsize or values.strides[0] % values.itemsize or not values.flags.aligned:
        values = np.ascontiguousarray(values)
    size, error = np.array([unit]), np.array([ROUNDED])

    def write(start: int, stop: int, thread: int) -> int:
        part = values[start:stop]
        if kernels.active() == "numpy":
            whole = np.clip(np.nan_to_num(np.rint(part / unit)), 0.0, 255.0)
            out[start:stop] = whole
            return bool((np.abs(whole * unit - part) <= ROUNDED * part).all())
        return kernels.call("to_bytes", part, *part.shape, _stride(values), size, error, out[start:stop])

    return out if all(_shared(write, len(values), n_threads)) else None


def make_blocks(X: Any, n_threads: int = 1, first_row: int = 0) -> list[Block | StreamedBlock]:
    """Check one matrix, and lay it out for the kernels."""
    if stays(X):
        return _streamed(X, n_threads, first_row)
    exact = sparse_storage(X) if sparse.issparse(X) else dense_storage(X)
    n_samples = exact.shape[0]
    edges = [*range(0, n_samples, MOST_ROWS), n_samples] if n_samples else [0, 0]
    return [make_block(_between(exact, *ends), n_threads, first_row + ends[0]) for ends in pairwise(edges)]


def _streamed(X: np.ndarray, n_threads: int, first_row: int) -> list[Block | StreamedBlock]:
    """Read every row once; the blocks share what is known of the columns."""
    n_samples, n_features = X.shape
    step = max(1, min(MOST_STREAMED, MOST_BYTES // max(1, n_features * X.itemsize)))
    read = dense_storage(X[:1]).values
    as_it_is = np.shares_memory(read, X) and read.dtype == X.dtype
    low, high = np.full(n_features, np.inf), np.full(n_features, -np.inf)
    blocks = []
    for start in range(0, n_samples, step):
        rows = X[start : start + step]
        block = StreamedBlock(rows, rows.shape, False, None if as_it_is else lambda part: dense_storage(part).values)
        found = inspect(block.exact, n_threads, first_row + start)
        np.minimum(low, found.low, out=low)
        np.maximum(high, found.high, out=high)
        blocks.append(replace(block, inspection=Inspection(low, high, found.n_nonzeros)))
        block.release()
    n_nonzeros = sum(block.inspection.n_nonzeros for block in blocks)
    return [replace(block, skip_zeros=n_nonzeros < SPARSE_BELOW * n_samples * n_features) for block in blocks]


def make_block(exact: Storage, n_threads: int = 1, first_row: int = 0) -> Block:
    """Check rows in memory, and pack them where that is quicker."""
    inspection = inspect(exact, n_threads, first_row)
    if exact.is_foreign or exact.indices is not None:
        return Block(exact, single(exact), inspection)
    if not inspection.n_nonzeros < SPARSE_BELOW * exact.shape[0] * exact.shape[1]:
        return Block(exact, single(exact), inspection)
    packed, lossless = pack(exact, inspection, n_threads)
    return Block(packed if lossless else exact._replace(skip_zeros=True), packed, inspection)


def _between(storage: Storage, start: int, stop: int) -> Storage:
    """Return consecutive rows; no values are copied."""
    if (start, stop) == (0, storage.shape[0]):
        return storage
    shape = stop - start, storage.shape[1]
    if storage.indices is None or storage.indptr is None:
        return storage._replace(values=storage.values[start:stop, :], shape=shape)
    entries = slice(storage.indptr[start], storage.indptr[stop])
    indptr = storage.indptr[start : stop + 1] - entries.start
    return Storage(storage.values[entries], storage.indices[entries], indptr, shape)


def dense_storage(X: Any) -> Storage:
    """Return an array as the kernels, or for another library's their twin, read it."""
    X = X if arrays.is_foreign(X) else np.asarray(X)
    if X.ndim != 2:
        raise DataError(f"expected a two-dimensional array of rows and columns, got {X.ndim} dimension(s)")
    if arrays.is_foreign(X):
        X = _number_type(arrays.require_real(X))
        if not (SHARE_MEMORY and arrays.is_in_memory(X)):
            arrays.require_float64(X)
            return Storage(X, None, None, tuple(X.shape))
        X = arrays.to_numpy(X)
    if X.dtype not in kernels.VALUE_TYPES or not X.dtype.isnative:
        X = _native(X)
    itemsize = X.itemsize
    if (X.shape[1] > 1 and X.strides[1] != itemsize) or X.strides[0] % itemsize or not X.flags.aligned:
        X = np.ascontiguousarray(X)
    return Storage(X, None, None, X.shape)


def _number_type(X: Any) -> Any:
    """Return another library's numbers as uint8, float32 or float64."""
    xp = arrays.namespace(X)
    if X.dtype in (xp.uint8, xp.float32, xp.float64):
        return X
    if xp.isdtype(X.dtype, "bool"):
        return xp.astype(X, xp.uint8)
    return xp.astype(X, xp.float32 if xp.isdtype(X.dtype, "real floating") else xp.float64)


def _native(X: np.ndarray) -> np.ndarray:
    """Return numbers of any kind as uint8, float32 or float64 of this machine."""
    if X.dtype == np.bool_:
        return X.view(np.uint8) if X.dtype.itemsize == 1 else X.astype(np.uint8)
    if X.dtype.kind == "f" and X.dtype.itemsize <= 4:
        return X.astype(np.float32)
    try:
        return X.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"expected numbers, got {X.dtype} with an entry that is none: {error}") from error


def sparse_storage(X: Any) -> Storage:
    X = X.tocsr()
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    values = X.data
    if values.dtype not in kernels.VALUE_TYPES or not values.dtype.isnative:
        values = _native(values)
    if not values.all():  # explicit zeros
        X = sparse.csr_array((values, X.indices, X.indptr), shape=X.shape, copy=True)
        X.eliminate_zeros()
        values = X.data
    small = np.uint16 if X.shape[1] <= 1 << 16 else np.int32
    indices = np.ascontiguousarray(X.indices, dtype=small)
    return Storage(np.ascontiguousarray(values), indices, np.ascontiguousarray(X.indptr, dtype=np.int64), X.shape)


def single(storage: Storage) -> Storage:
    """Return the rows with float64 values as float32, or the rows themselves."""
    values = storage.values
    if values.dtype != arrays.namespace(values).float64:
        return storage
    with np.errstate(over="ignore"):
        return storage._replace(values=arrays.cast(values, np.float32))


def take(storage: Storage, rows: np.ndarray) -> Storage:
    if storage.indices is None or storage.indptr is None:
        return storage._replace(values=arrays.take(storage.values, rows, 0), shape=(len(rows), storage.shape[1]))
    sizes = np.diff(storage.indptr)[rows]
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    entries = np.arange(indptr[-1]) + np.repeat(storage.indptr[rows] - indptr[:-1], sizes)
    return Storage(storage.values[entries], storage.indices[entries], indptr, (len(rows), storage.shape[1]))


def select(storage: Storage, rows: np.ndarray | None, columns: np.ndarray | None, dtype: Any) -> Any:
    """Return some columns of some rows as a dense array, where the rows are."""
    matrix = storage.matrix
    matrix = matrix if rows is None else arrays.take(matrix, rows, 0)
    matrix = arrays.cast(matrix if columns is None else arrays.take(matrix, columns, 1), dtype)
    return matrix.toarray() if sparse.issparse(matrix) else matrix


def with_ones(X: Any) -> Any:
    """Return [X 1]."""
    ones = arrays.like(X, np.ones((X.shape[0], 1)), np.float32)
    return arrays.namespace(X).concat([X, ones], axis=1)


def with_columns(storage: Storage, inspection: Inspection) -> Storage:
    """Return sparse rows with their entries by columns as well, for the way back of a pass; others as they are."""
    n_samples, n_features = storage.shape
    if storage.indices is None or storage.indptr is None or kernels.active() == "numpy" or n_samples < kernels.PANEL:
        return storage
    if inspection.n_nonzeros < WIDE_BELOW * n_samples * n_features:
        turned = sparse.csr_array(storage.matrix).tocsc()
        narrow = np.uint16 if n_samples <= 1 << 16 else np.int32
        rows, starts = turned.indices.astype(narrow), turned.indptr.astype(np.int64)
        return storage._replace(transpose=Storage(turned.data, rows, starts, (n_features, n_samples)))
    pairs, quads = (_panel_starts(storage, n_columns) for n_columns in (2, 4))
    n_columns, starts = (4, quads) if quads[-1, -1] < QUADS_BELOW * pairs[-1, -1] else (2, pairs)
    values = np.zeros((starts[-1, -1], n_columns), storage.values.dtype)
    rows = np.empty(len(values), dtype=np.uint8)
    _make_panels(storage, storage.values.itemsize, n_columns, starts, values, rows)
    return storage._replace(panels=kernels.Panels(values, rows, starts))


def _panel_starts(storage: Storage, n_columns: int) -> np.ndarray:
    """Return where the entries of each group of columns start in each panel; the last number is their count."""
    starts = np.empty((-(-storage.shape[0] // kernels.PANEL), -(-storage.shape[1] // n_columns) + 1), dtype=np.int64)
    _make_panels(storage, 0, n_columns, starts, *np.empty((2, 0), dtype=np.uint8))
    return starts


def _make_panels(storage: Storage, itemsize: int, n_columns: int, *out: np.ndarray) -> None:
    indices, indptr = storage.indices, storage.indptr
    assert indices is not None and indptr is not None  # noqa: PT018 (for the type checker)
    kernels.call(
        "make_panels", storage.values, itemsize, indices, indices.itemsize, indptr, *storage.shape, n_columns, *out
    )


def inspect(storage: Storage, n_threads: int = 1, first_row: int = 0) -> Inspection:
    """Read every value once; raise where one is not finite."""
    values, (n_samples, n_features) = storage.values, storage.shape
    if 0 in storage.shape:
        return Inspection(np.zeros(n_features), np.zeros(n_features), 0)
    if storage.is_foreign:
        if not twin.is_finite(values):
            _require_finite(storage, first_row)
        return Inspection(*twin.extremes(values))
    if storage.indices is not None:
        _require_finite(storage, first_row)
        return Inspection(*_extremes(storage, storage.indices), len(values))
    if kernels.active() == "numpy":
        _require_finite(storage, first_row)
        low, high = values.min(axis=0), values.max(axis=0)
        return Inspection(low.astype(np.float64), high.astype(np.float64), int(np.count_nonzero(values)))
    sides = np.empty((n_threads, 2, n_features))
    row_nonzeros = np.zeros(n_samples, dtype=np.int64)

    def read(start: int, stop: int, thread: int) -> int:
        scratch = np.empty((2, n_features))
        part = values[start:stop]
        return kernels.call(
            "inspect", part, kernels.VALUE_TYPES[values.dtype], len(part), n_features, _stride(values),
            sides[thread, 0], sides[thread, 1], scratch, row_nonzeros[start:stop],
        )  # fmt: skip

    bad = _shared(read, n_samples, n_threads)
    if max(bad) >= 0:
        _require_finite(storage, first_row)
    used = sides[: len(bad)]
    return Inspection(used[:, 0].min(axis=0), used[:, 1].max(axis=0), int(row_nonzeros.sum()))


def _extremes(storage: Storage, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return smallest and largest value of each column of sparse rows, (n_features,) each."""
    n_samples, n_features = storage.shape
    values, counts = storage.values.astype(np.float64, copy=False), np.bincount(columns, minlength=n_features)
    low, high = np.full(n_features, np.inf), np.full(n_features, -np.inf)
    np.minimum.at(low, columns, values)
    np.maximum.at(high, columns, values)
    holed = counts < n_samples
    low[holed], high[holed] = np.minimum(low[holed], 0.0), np.maximum(high[holed], 0.0)
    return low, high


def pack(storage: Storage, inspection: Inspection, n_threads: int = 1) -> tuple[Storage, bool]:
    """Return dense rows as CSR, uint8 or float32, and whether no value changed."""
    values, (n_samples, n_features) = storage.values, storage.shape
    if kernels.active() == "numpy":
        matrix = sparse.csr_array(values)
        packed = single(sparse_storage(matrix))
        return packed, values.dtype != np.float64 or bool((packed.values == matrix.data).all())
    indptr = np.zeros(n_samples + 1, dtype=np.int64)
    np.cumsum(np.count_nonzero(values, axis=1), out=indptr[1:])
    narrow = n_features <= 1 << 16
    indices = np.empty(indptr[-1], dtype=np.uint16 if narrow else np.int32)
    data = np.empty(indptr[-1], dtype=np.uint8 if values.dtype == np.uint8 else np.float32)

    def write(start: int, stop: int, thread: int) -> int:
        part = values[start:stop]
        return kernels.call(
            "pack", part, kernels.VALUE_TYPES[values.dtype], len(part), n_features, _stride(values),
            int(indptr[start]), indices, int(narrow), data,
        )  # fmt: skip

    lossless = all(_shared(write, n_samples, n_threads))
    return Storage(data, indices, indptr, storage.shape), lossless


def _stride(values: np.ndarray) -> int:
    return values.strides[0] // values.itemsize


def _shared(work: Callable[[int, int, int], int], n_samples: int, n_threads: int) -> Sequence[int]:
    """Run `work(start, stop, thread)` over equal shares of the rows."""
    n_threads = max(1, min(n_threads, n_samples // 256))
    edges = [n_samples * thread // n_threads for thread in range(n_threads + 1)]
    if n_threads == 1:
        return [work(0, n_samples, 0)]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(work, edges[:-1], edges[1:], range(n_threads)))


def _require_finite(storage: Storage, first_row: int) -> None:
    values = arrays.to_numpy(storage.values)
    if values.dtype.kind != "f":
        return
    chunk = 1 << 20 if values.ndim == 1 else max(1, (1 << 20) // max(1, values.shape[1]))
    for start in range(0, len(values), chunk):
        wrong = ~np.isfinite(values[start : start + chunk])
        if not wrong.any():
            continue
        where = np.argwhere(wrong)[0]
        entry = start + int(where[0])
        value = values[(entry, *where[1:])]
        if storage.indices is not None and storage.indptr is not None:
            row = int(np.searchsorted(storage.indptr, entry, side="right")) - 1
            column = int(storage.indices[entry])
        else:
            row, column = entry, int(where[1])
        name = "NaN" if np.isnan(value) else "infinity"
        raise DataError(
            f"X contains {name} in row {first_row + row}, column {column} (both counted from 0); "
            "remove such rows or fill in the missing values first"
        )
