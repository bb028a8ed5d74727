"""Matrices laid out for the kernels: checked at the border, packed where that is quicker.

A `Block` is some of the rows of a data matrix, in a layout that a pass can read without asking where it came from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

from inklens.errors import DataError
from inklens.linear import arrays
from inklens.linear.arrays import Array
from inklens.linear.kernels.choice import REFERENCE, backend_of, numpy_backend
from inklens.linear.kernels.storage import VALUE_TYPES, Inspection, Storage, single
from inklens.linear.rows import mapped
from inklens.linear.rows.compressed import checked_csr
from inklens.linear.rows.mapped import MappedFile

SPARSE_BELOW = 0.4  # share of non-zeros below which one multiply-add per non-zero beats dense rows (measured: 0.35-0.5)
SHARE_MEMORY = numpy_backend() is not REFERENCE  # compiled passes also read what other libraries hold in this memory
BROUGHT_BELOW = 1 << 24  # bytes on another device that are copied here: that takes no longer than a pass or two
PACK_UP_TO = 1 << 27  # bytes of a memory-mapped file beyond which rows stay there and are read anew in every pass
BYTES_FROM = 1 << 20  # float64 values from which it pays to look whether they are bytes
ROUNDED = 4.0 * 2.0**-53  # relative difference between n / 255 and n * (1 / 255), or the like
NORMAL = 2.0**-102  # size of a column in float32 from which no last bit is a subnormal number: for kernels these are 0
MOST_ROWS = 1 << 17  # of a block in memory
MOST_STREAMED = 1 << 15  # rows of a block that stays in its file,
MOST_BYTES = 1 << 26  # and what these take


NOTHING_KNOWN = Inspection(np.empty(0), np.empty(0), 0)


@dataclass(frozen=True, eq=False)
class Block:
    """Some of the rows: `exact` holds the values as given, `fast` the same as float32 or uint8 (or is `exact`).

    `packed` are the rows of `fast` in a layout of their own. Where there is none they are made when they are asked for:
    methods in float64 never do.
    """

    exact: Storage
    packed: Storage | None
    inspection: Inspection
    file: MappedFile | None = None  # that the values lie in

    is_streamed = False

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_features)."""
        return self.exact.shape

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.shape[0]

    def ask_for(self) -> None:
        """Nothing needs to be read."""

    def release(self) -> None:
        """Nothing needs to be given back."""

    @cached_property
    def fast(self) -> Storage:
        """The rows for passes in float32."""
        return single(self.exact) if self.packed is None else self.packed

    @property
    def laid(self) -> Storage:
        """The rows in the layout of `fast`, in any type."""
        return self.exact if self.packed is None else self.packed

    @cached_property
    def _exact(self) -> Storage:
        return self.exact.backend.with_columns(self.exact, self.inspection)

    @cached_property
    def _fast(self) -> Storage:
        if self.fast is self.exact:
            return self._exact
        columns = self._exact.transpose
        if columns is None:
            return self.fast.backend.with_columns(self.fast, self.inspection)
        return self.fast._replace(transpose=single(columns))

    def storage(self, dtype: npt.DTypeLike) -> Storage:
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
    file: MappedFile | None = None

    is_streamed = True

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.shape[0]

    @property
    def exact(self) -> Storage:
        """The rows as they are read now."""
        values = self.source if self.change is None else self.change(self.source)
        return Storage(values, None, None, self.shape, backend_of(values), skip_zeros=self.skip_zeros)

    fast = laid = exact

    def storage(self, dtype: npt.DTypeLike) -> Storage:
        """Return the rows for a pass of any type."""
        return self.exact

    def ask_for(self) -> None:
        """Let the system read ahead: these rows are the next, and others are computed with meanwhile."""
        mapped.ask_for(self.source)

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


def bytes_of(X: Array, n_threads: int = 1) -> tuple[np.ndarray, float] | None:
    """Return float64 pixels as whole multiples, 0 to 255, of one unit, and the unit; None where they are none.

    X / 255 is n / 255 rounded. n times the unit differs from it by no more than ROUNDED, relatively, which proofs count
    as rounding (`certificates.py`). Bytes take an eighth of the memory, and of the time of a pass in float64.
    """
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.size < BYTES_FROM or X.dtype != np.float64 or stays(X):
        return None
    values, to_bytes = np.asarray(X), backend_of(X).to_bytes
    some = values[:: max(1, len(values) // 64)]
    for unit in (1.0, 1.0 / 255.0, float(some.max()) / 255.0):
        if unit > 0.0 and to_bytes(some, unit, ROUNDED) is not None:
            found = to_bytes(values, unit, ROUNDED, n_threads)
            if found is not None:
                return found, unit
    return None


def stays(X: Array) -> bool:
    """Tell whether rows stay in the file that they are mapped from."""
    return mapped.is_mapped(X) and X.ndim == 2 and X.nbytes > PACK_UP_TO


def make_blocks(X: Array, n_threads: int = 1, first_row: int = 0) -> list[Block | StreamedBlock]:
    """Check one matrix, and lay it out for the kernels."""
    if stays(X):
        return _streamed(X, n_threads, first_row)
    exact = sparse_storage(X) if sparse.issparse(X) else dense_storage(X)
    n_samples = exact.shape[0]
    step = max(1, n_samples) if exact.is_foreign else MOST_ROWS  # sums come from a device once
    edges = [*range(0, n_samples, step), n_samples] if n_samples else [0, 0]
    file = MappedFile.of(exact.values)
    blocks = [make_block(_between(exact, *ends), n_threads, first_row + ends[0]) for ends in pairwise(edges)]
    return [replace(block, file=file) for block in blocks]


def _streamed(X: np.ndarray, n_threads: int, first_row: int) -> list[Block | StreamedBlock]:
    """Read every row once; the blocks share what is known of the columns."""
    n_samples, n_features = X.shape
    file = MappedFile.of(X)
    step = max(1, min(MOST_STREAMED, MOST_BYTES // max(1, n_features * X.itemsize)))
    read = dense_storage(X[:1]).values
    as_it_is = np.shares_memory(read, X) and read.dtype == X.dtype
    low, high = np.full(n_features, np.inf), np.full(n_features, -np.inf)
    blocks = []
    for start in range(0, n_samples, step):
        rows = X[start : start + step]
        block = StreamedBlock(rows, rows.shape, False, None if as_it_is else lambda part: dense_storage(part).values)
        if file is not None:
            file.check()
        found = inspect(block.exact, n_threads, first_row + start)
        np.minimum(low, found.low, out=low)
        np.maximum(high, found.high, out=high)
        blocks.append(replace(block, inspection=Inspection(low, high, found.n_nonzeros), file=file))
        block.release()
    n_nonzeros = sum(block.inspection.n_nonzeros for block in blocks)
    return [replace(block, skip_zeros=n_nonzeros < SPARSE_BELOW * n_samples * n_features) for block in blocks]


def make_block(exact: Storage, n_threads: int = 1, first_row: int = 0) -> Block:
    """Check rows in memory, and pack them where that is quicker."""
    inspection = inspect(exact, n_threads, first_row)
    if exact.is_foreign or exact.indices is not None:
        return Block(exact, None, inspection)
    if not inspection.n_nonzeros < SPARSE_BELOW * exact.shape[0] * exact.shape[1]:
        return Block(exact, None, inspection)
    packed, lossless = exact.backend.pack(exact, n_threads)
    lossless = lossless and not is_subnormal(inspection.low, inspection.high)
    return Block(packed if lossless else exact._replace(skip_zeros=True), packed, inspection)


def extremes(blocks: Sequence[Block | StreamedBlock]) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and largest value of each column as it is stored, (n_features,)."""
    low = np.min([block.inspection.low for block in blocks], axis=0)
    high = np.max([block.inspection.high for block in blocks], axis=0)
    return np.asarray(low), np.asarray(high)


def is_subnormal(low: np.ndarray, high: np.ndarray) -> bool:
    """Tell whether columns of these extremes are so small that kernels take some of their values in float32 for 0."""
    size = np.maximum(np.abs(low), np.abs(high))
    return bool(((size > 0.0) & (size < NORMAL)).any())


def widened(block: Block | StreamedBlock) -> Block | StreamedBlock:
    """Return rows in float32 as float64, packed no more; all others as they are."""
    if isinstance(block, StreamedBlock):
        return block.changed(lambda values: values.astype(np.float64), block.inspection)
    values = block.exact.values
    if block.exact.is_foreign or values.dtype == np.uint8:
        return block
    return Block(block.exact._replace(values=values.astype(np.float64)), None, block.inspection, block.file)


def _between(storage: Storage, start: int, stop: int) -> Storage:
    """Return consecutive rows; no values are copied."""
    if (start, stop) == (0, storage.shape[0]):
        return storage
    shape = stop - start, storage.shape[1]
    if storage.indices is None or storage.indptr is None:
        return storage._replace(values=storage.values[start:stop, :], shape=shape)
    entries = slice(storage.indptr[start], storage.indptr[stop])
    indptr = storage.indptr[start : stop + 1] - entries.start
    return Storage(storage.values[entries], storage.indices[entries], indptr, shape, storage.backend)


def dense_storage(X: Array) -> Storage:
    """Return an array as the kernels read it."""
    X = X if arrays.is_foreign(X) else arrays.as_array(X)
    if X.ndim != 2:
        raise DataError(f"expected a two-dimensional array of rows and columns, got {X.ndim} dimension(s)")
    if arrays.is_foreign(X):
        X = _number_type(arrays.require_real(X))
        if not is_shared(X) and _n_bytes(X) >= BROUGHT_BELOW:
            arrays.require_float64(X)
            return Storage(X, None, None, tuple(X.shape), REFERENCE)
        X = arrays.to_numpy(X)
    if X.dtype not in VALUE_TYPES or not X.dtype.isnative:
        X = _native(X)
    itemsize = X.itemsize
    if (X.shape[1] > 1 and X.strides[1] != itemsize) or X.strides[0] % itemsize or not X.flags.aligned:
        X = np.require(X, requirements=["C", "A"])
    return Storage(X, None, None, X.shape, backend_of(X))


def is_shared(X: Array) -> bool:
    """Tell whether compiled passes read another library's array in the memory where it lies."""
    return SHARE_MEMORY and arrays.is_in_memory(X)


def _n_bytes(X: Array) -> int:
    """Return the bytes of another library's uint8, float32 or float64."""
    itemsize = 1 if X.dtype == arrays.namespace(X).uint8 else arrays.dtype_of(X).itemsize
    n_rows, n_columns = X.shape
    return int(itemsize * n_rows * n_columns)


def _number_type(X: Array) -> Array:
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
    return arrays.in_float64(X)


def sparse_storage(X: Array) -> Storage:
    """Return a sparse matrix, checked, as the kernels read it."""
    X = checked_csr(X)
    values = arrays.require_numbers(X.data)
    if values.dtype not in VALUE_TYPES or not values.dtype.isnative:
        values = _native(values)
    if not values.all():  # explicit zeros
        X = sparse.csr_array((values, X.indices, X.indptr), shape=X.shape, copy=True)
        X.eliminate_zeros()
        values = X.data
    small = np.uint16 if X.shape[1] <= 1 << 16 else np.int32
    indices = np.array(X.indices, dtype=small)  # copies: nobody else can change what was checked
    indptr = np.array(X.indptr, dtype=np.int64)
    return Storage(np.ascontiguousarray(values), indices, indptr, X.shape, backend_of(values))


def inspect(storage: Storage, n_threads: int = 1, first_row: int = 0) -> Inspection:
    """Read every value once; raise where one is not finite."""
    if 0 in storage.shape:
        return Inspection(np.zeros(storage.shape[1]), np.zeros(storage.shape[1]), 0)
    found = storage.backend.inspect(storage, n_threads)
    if found is None:
        _require_finite(storage, first_row)
        raise AssertionError("a value that is not finite was seen, and not found again")
    return found


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
            f"Input X contains {name} in row {first_row + row}, column {column} (both counted from 0); "
            "remove such rows or fill in the missing values first"
        )
