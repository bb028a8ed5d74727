"""Reading and laying rows out by the C library: `packing.c`."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import sparse

from inklens.linear.kernels import library
from inklens.linear.kernels.storage import VALUE_TYPES, Inspection, Panels, Storage

PANEL = 256  # rows, as in `kernels.h`
ROWS_PER_THREAD = 256  # at least; fewer are read before a thread has started
WIDE_BELOW = 0.03  # share of non-zeros below which columns are too short to be cut into panels of rows
QUADS_BELOW = 0.75  # entries of four columns per entry of two up to which they are the quicker way (images: 0.63)


class CompiledPacking:
    """How a `Backend` lays rows out."""

    def inspect(self, storage: Storage, n_threads: int = 1) -> Inspection | None:
        if storage.indices is not None:
            return _inspected(storage, storage.indices)
        values, (n_samples, n_features) = storage.values, storage.shape
        extremes = np.empty((n_threads, 2, n_features))
        row_nonzeros = np.zeros(n_samples, dtype=np.int64)

        def read(start: int, stop: int, thread: int) -> int:
            scratch = np.empty((2, n_features))
            part = values[start:stop]
            return library.call(
                "inspect", part, VALUE_TYPES[values.dtype], len(part), n_features, _stride(values),
                extremes[thread, 0], extremes[thread, 1], scratch, row_nonzeros[start:stop],
            )  # fmt: skip

        first_bad_rows = _shared(read, n_samples, n_threads)
        if max(first_bad_rows) >= 0:
            return None
        used = extremes[: len(first_bad_rows)]
        return Inspection(used[:, 0].min(axis=0), used[:, 1].max(axis=0), int(row_nonzeros.sum()))

    def pack(self, storage: Storage, n_threads: int = 1) -> tuple[Storage, bool]:
        values, (n_samples, n_features) = storage.values, storage.shape
        indptr = np.zeros(n_samples + 1, dtype=np.int64)
        np.cumsum(np.count_nonzero(values, axis=1), out=indptr[1:])
        narrow = n_features <= 1 << 16
        indices = np.empty(indptr[-1], dtype=np.uint16 if narrow else np.int32)
        data = np.empty(indptr[-1], dtype=np.uint8 if values.dtype == np.uint8 else np.float32)

        def write(start: int, stop: int, thread: int) -> int:
            part = values[start:stop]
            return library.call(
                "pack", part, VALUE_TYPES[values.dtype], len(part), n_features, _stride(values),
                int(indptr[start]), indices, int(narrow), data,
            )  # fmt: skip

        lossless = all(_shared(write, n_samples, n_threads))
        return Storage(data, indices, indptr, storage.shape, storage.backend), lossless

    def to_bytes(self, values: np.ndarray, unit: float, error: float, n_threads: int = 1) -> np.ndarray | None:
        out = np.empty(values.shape, dtype=np.uint8)
        if values.strides[1] != values.itemsize or values.strides[0] % values.itemsize or not values.flags.aligned:
            values = np.require(values, requirements=["C", "A"])
        unit_pointed_at, error_pointed_at = np.array([unit]), np.array([error])

        def write(start: int, stop: int, thread: int) -> int:
            part = values[start:stop]
            return library.call(
                "to_bytes", part, *part.shape, _stride(values), unit_pointed_at, error_pointed_at, out[start:stop]
            )

        return out if all(_shared(write, len(values), n_threads)) else None

    def with_columns(self, storage: Storage, inspection: Inspection) -> Storage:
        n_samples, n_features = storage.shape
        if storage.indices is None or n_samples < PANEL:
            return storage
        if inspection.n_nonzeros < WIDE_BELOW * n_samples * n_features:
            turned = sparse.csr_array(storage.matrix).tocsc()
            narrow = np.uint16 if n_samples <= 1 << 16 else np.int32
            rows, starts = turned.indices.astype(narrow), turned.indptr.astype(np.int64)
            columns = Storage(turned.data, rows, starts, (n_features, n_samples), storage.backend)
            return storage._replace(transpose=columns)
        pairs, quads = (_panel_starts(storage, n_columns) for n_columns in (2, 4))
        n_columns, starts = (4, quads) if quads[-1, -1] < QUADS_BELOW * pairs[-1, -1] else (2, pairs)
        values = np.zeros((starts[-1, -1], n_columns), storage.values.dtype)
        rows = np.empty(len(values), dtype=np.uint8)
        _make_panels(storage, storage.values.itemsize, n_columns, starts, values, rows)
        return storage._replace(panels=Panels(values, rows, starts))


def _inspected(storage: Storage, columns: np.ndarray) -> Inspection | None:
    values, p = storage.values, storage.shape[1]
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return None
    low, high, counts = np.empty(p), np.empty(p), np.empty(p, dtype=np.int64)
    library.call(
        "extremes", values, VALUE_TYPES[values.dtype], columns, columns.itemsize, len(values), *storage.shape, low,
        high, counts,
    )  # fmt: skip
    return Inspection(low, high, len(values))


def _panel_starts(storage: Storage, n_columns: int) -> np.ndarray:
    """Return where the entries of each group of columns start in each panel; the last number is their count."""
    starts = np.empty((-(-storage.shape[0] // PANEL), -(-storage.shape[1] // n_columns) + 1), dtype=np.int64)
    _make_panels(storage, 0, n_columns, starts, *np.empty((2, 0), dtype=np.uint8))
    return starts


def _make_panels(storage: Storage, itemsize: int, n_columns: int, *out: np.ndarray) -> None:
    indices, indptr = storage.csr
    library.run(
        "make_panels", storage.values, itemsize, indices, indices.itemsize, indptr, *storage.shape, n_columns, *out,
        needs="the rows by columns",
    )  # fmt: skip


def _stride(values: np.ndarray) -> int:
    return values.strides[0] // values.itemsize


def _shared(work: Callable[[int, int, int], int], n_samples: int, n_threads: int) -> Sequence[int]:
    """Run `work(start, stop, thread)` over equal shares of the rows."""
    n_threads = max(1, min(n_threads, n_samples // ROWS_PER_THREAD))
    edges = [n_samples * thread // n_threads for thread in range(n_threads + 1)]
    if n_threads == 1:
        return [work(0, n_samples, 0)]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(work, edges[:-1], edges[1:], range(n_threads)))
