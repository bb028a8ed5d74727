"""Files of rows, here or at an address: their heads tell how many rows there are, and a run of them is read alone.

Local ``.npy`` files are mapped. Of others only the bytes asked for are read, where the address allows that; what is
compressed as a whole (``.gz``) is read whole. Addresses are opened by fsspec, so whatever it knows will do.
"""

import gzip
import io
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol

import numpy as np

from inklens.addresses import opened, path_of, read_bytes, size_of
from inklens.errors import DataError, InklensError, MissingPackageError, require
from inklens.linear.arrays import Array
from inklens.linear.rows.elsewhere import file_kind
from inklens.linear.rows.remote.tables import number_type, numbers_of

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

HEAD_BYTES = 1 << 12  # in which the shape of an array is found
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}  # third byte of the magic
MOST_DIMENSIONS = 8  # of an IDX file
GZIP = b"\x1f\x8b"


class RowFile(Protocol):
    """What is known of a file before its rows are read."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, rows: slice) -> Array:
        """Read some rows."""


def open_rows(path: str) -> RowFile:
    """Return a file or address of rows as something that can be sliced: ``.npy``, IDX, Parquet or Zarr.

    Raises
    ------
    DataError
        A file that is none of these, is damaged, or cannot be read; slices raise it, too.
    MissingPackageError
        A package is needed to open this address, or this kind of file.
    """
    with _named(path):
        match file_kind(path):
            case ".zarr":
                return ZarrRows(path)
            case ".parquet":
                return ParquetRows(path)
            case ".npy":
                return _npy(path)
            case _:
                return _idx(path)


def read_rows(path: str) -> Array:
    """Return all rows of a file or address."""
    return open_rows(path)[:]


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Say of which file an error is."""
    try:
        yield
    except (InklensError, MemoryError):
        raise
    except ImportError as error:  # fsspec knows what it lacks for a protocol
        raise MissingPackageError(f"cannot open {path!r}: {error}") from error
    except Exception as error:  # each of fsspec's file systems has errors of its own
        _refuse(path, error)


def _refuse(path: str, why: object) -> NoReturn:
    raise DataError(f"cannot read rows from {path!r}: {why}") from why if isinstance(why, Exception) else None


# ---- kinds of files --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PackedRows:
    """Rows of one size that follow each other, uncompressed, in a file that is not mapped."""

    path: str
    start: int  # byte of the first row
    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Read some rows."""
        first, last, _ = rows.indices(len(self))
        row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        with _named(self.path):
            content = read_bytes(self.path, self.start + first * row_bytes, self.start + last * row_bytes)
            if len(content) != (last - first) * row_bytes:
                _refuse(self.path, f"rows {first} to {last - 1} are cut off; was it written to the end?")
            return np.frombuffer(content, self.dtype).reshape(last - first, *self.shape[1:])


class ParquetRows:
    """A table; of its groups of rows those are read that are asked for."""

    def __init__(self, path: str) -> None:
        self.path = path
        with self._table() as table:
            sizes = [table.metadata.row_group(group).num_rows for group in range(table.num_row_groups)]
        self.edges = np.cumsum([0, *sizes])

    def __len__(self) -> int:
        return int(self.edges[-1])

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Read some rows, as numbers of one type."""
        first, last, _ = rows.indices(len(self))
        groups = np.flatnonzero((self.edges[:-1] < last) & (self.edges[1:] > first)).tolist()
        before = int(self.edges[groups[0]]) if groups else 0
        with _named(self.path), self._table() as table:
            frame = table.read_row_groups(groups).slice(first - before, last - first).to_pandas()
        return numbers_of(frame, number_type(list(frame.dtypes)))

    @contextmanager
    def _table(self) -> "Iterator[ParquetFile]":
        opens = require("pyarrow.parquet", extra="parquet").ParquetFile
        with opened(self.path) as file:
            try:
                table = opens(file)
            except ValueError:  # a server that does not know ranges, or a damaged file
                table = opens(io.BytesIO(read_bytes(self.path)))
            yield table


class ZarrRows:
    """An array in chunks; those are read that are asked for."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.array: Array = require("zarr", extra="zarr").open(path, mode="r")
        if not hasattr(self.array, "shape"):
            _refuse(path, "expected an array, got a group; name one of its arrays")

    def __len__(self) -> int:
        return int(self.array.shape[0])

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Read some rows."""
        with _named(self.path):
            return np.asarray(self.array[rows])


def _npy(path: str) -> RowFile:
    if (local := path_of(path)) is not None:
        return np.lib.format.open_memmap(local, mode="r")
    head = io.BytesIO(read_bytes(path, 0, HEAD_BYTES))
    version = np.lib.format.read_magic(head)
    reads = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_by_columns, dtype = reads(head)
    if is_by_columns or dtype.hasobject or not shape:
        return np.asarray(np.load(io.BytesIO(read_bytes(path)), allow_pickle=False))
    return PackedRows(path, head.tell(), shape, dtype)


def _idx(path: str) -> RowFile:
    """Return pictures of an IDX file as rows of pixels."""
    head, size = read_bytes(path, 0, HEAD_BYTES), size_of(path)
    content = gzip.decompress(read_bytes(path)) if head[:2] == GZIP else None
    if content is not None:
        head, size = content[:HEAD_BYTES], len(content)
    shape, dtype = _idx_shape(head)
    start, row_shape = 4 + 4 * len(shape), ((math.prod(shape[1:]),) if len(shape) > 1 else ())
    if size is not None and size - start != math.prod(shape) * dtype.itemsize:
        _refuse(path, f"the IDX file says shape {shape}, and has {size - start} bytes of values")
    if content is not None:
        return np.frombuffer(content, dtype, offset=start).reshape(shape[0], *row_shape)
    return PackedRows(path, start, (shape[0], *row_shape), dtype)


def _idx_shape(head: bytes) -> tuple[tuple[int, ...], np.dtype]:
    """Return what the head of an IDX file says."""
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX_TYPES:
        raise ValueError("expected a file that ends in .npy, .parquet or .zarr, or an IDX file")
    n_dimensions = head[3]
    start = 4 + 4 * n_dimensions
    if not 1 <= n_dimensions <= MOST_DIMENSIONS or len(head) < start:
        raise ValueError(f"expected an IDX file of 1 to {MOST_DIMENSIONS} dimensions, got {n_dimensions}")
    return struct.unpack(f">{n_dimensions}I", head[4:start]), np.dtype(IDX_TYPES[head[2]])
