"""Where shards come from: partitions of Dask collections, delayed values, and files.

Whatever the cluster, the same data are cut into the same shards: sums over them are what fits depend on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse

from inklens.errors import DataError
from inklens.linear.arrays import Array
from inklens.linear.rows.elsewhere import is_dask
from inklens.linear.rows.remote.files import open_rows
from inklens.linear.rows.remote.tables import number_type, numbers_of
from inklens.linear.rows.rows import Rows

if TYPE_CHECKING:
    from dask.delayed import Delayed

SHARDS = 16  # of data up to as many times ROWS_A_SHARD; of fewer parts, one for each
LEAST_SHARDS = 8  # where there are as many rows: shards are what spreads over workers
MOST_SHARDS = 256  # beyond, the driver would add up answers for longer than the shards take for them
ROWS_A_SHARD = 250_000  # of more rows: a round over these takes some ten milliseconds, as adding up 16 answers does
PARTS_A_SHARD = 4  # of Dask, where nothing tells how many rows these have


class Source(Protocol):
    """How a worker reads a shard; it has all that is needed to do so again."""

    def rows(self, parts: Sequence[object]) -> Rows:
        """Return the rows, made of the values of the parts that Dask has computed."""


class Cut(NamedTuple):
    """One shard to be: how it is read, and the Dask values that this takes."""

    source: Source
    parts: "tuple[Delayed, ...]" = ()


class Plan(NamedTuple):
    """How data become shards, and what is known before any is read."""

    cuts: list[Cut]
    names: list[str] | None = None  # of the columns


def plan(X: object) -> Plan:
    """Return how data are cut into shards."""
    if is_dask(X) and hasattr(X, "columns"):
        return _of_frame(X)
    if is_dask(X) and hasattr(X, "chunks"):
        return Plan(_of_array(X))
    parts = [X] if is_dask(X) or isinstance(X, str | Path) else list(X)  # type: ignore[call-overload]
    if is_dask(parts[0]):
        return Plan([Cut(Stack(), tuple(parts[group])) for group in grouped(len(parts))])
    return Plan(_of_files([str(path) for path in parts]))


def n_shards(n_rows: int | None, n_parts: int) -> int:
    """Return how many shards data have at most: the more rows, the more workers may have some, but no more for few.

    It depends on nothing but the data, as bits depend on it. Where rows are not counted before they are read, parts
    tell.

    >>> n_shards(60_000, 1), n_shards(10_000_000, 1), n_shards(None, 100), n_shards(10**10, 1)
    (16, 40, 25, 256)
    """
    wanted = n_parts // PARTS_A_SHARD if n_rows is None else n_rows // ROWS_A_SHARD
    return min(max(SHARDS, wanted), MOST_SHARDS)


def grouped(n: int, sizes: Sequence[int] | None = None) -> list[slice]:
    """Return as many runs of n parts as there are to be shards, of about the same size together.

    >>> grouped(3), len(grouped(100, [10] * 100)), len(grouped(100, [100_000] * 100))
    ([slice(0, 1, None), slice(1, 2, None), slice(2, 3, None)], 16, 40)
    """
    most = n_shards(None if sizes is None else sum(sizes), n)
    if n <= most:
        return [slice(i, i + 1) for i in range(n)]
    ends = np.cumsum(np.ones(n) if sizes is None else np.maximum(sizes, 1e-9))
    wanted = ends[-1] * np.arange(1, most) / most
    edges = np.unique([0, *np.searchsorted(ends, wanted) + 1, n])
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def pieces(n_rows: int, n_parts: int, n_wanted: int) -> list[tuple[int, int]]:
    """Return where a part of so many rows is cut, so that all parts make `n_wanted` or more.

    >>> pieces(10, 4, 8)
    [(0, 5), (5, 10)]
    """
    n_pieces = max(1, min(n_rows, math.ceil(n_wanted / n_parts)))
    edges = np.linspace(0, n_rows, n_pieces + 1).astype(int).tolist()
    return list(pairwise(edges))


def fewest(sizes: Sequence[int]) -> int:
    """Return how many parts of these sizes there have to be at least: larger ones are cut."""
    n = n_shards(sum(sizes), len(sizes))
    return LEAST_SHARDS if n == SHARDS else n


# ---- Dask ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stack:
    """Arrays, sparse matrices or tables on top of each other; tables as numbers of one type."""

    dtype: npt.DTypeLike | None = None

    def rows(self, parts: Sequence[object]) -> Rows:
        """Return the rows of all parts."""
        values = [_values(part, self.dtype) for part in parts]
        filled = [value for value in values if value.shape[0]] or values[:1]
        if len(filled) == 1:
            return Rows.of(filled[0], n_threads=1)
        whole = sparse.vstack(filled, format="csr") if sparse.issparse(filled[0]) else np.concatenate(filled)
        return Rows.of(whole, n_threads=1)


def _values(part: Array, dtype: npt.DTypeLike | None) -> Array:
    if sparse.issparse(part):
        return part
    if hasattr(part, "iloc"):
        return numbers_of(part, dtype)
    values = np.asarray(part)
    if values.ndim != 2:
        raise DataError(f"expected parts with two dimensions, rows and columns, got {values.ndim}")
    return values


def _of_array(X: Array) -> list[Cut]:
    if X.ndim != 2:
        raise DataError(f"expected a two-dimensional array of rows and columns, got {X.ndim} dimension(s)")
    X = X.rechunk({1: -1}) if X.numblocks[1] > 1 else X
    sizes = [0 if math.isnan(size) else int(size) for size in X.chunks[0]]
    is_known = not any(math.isnan(size) for size in X.chunks[0])
    if is_known and len(sizes) < fewest(sizes):
        ends = np.cumsum([0, *sizes]).tolist()
        ranges = [
            (first + a, first + b)
            for first, size in zip(ends[:-1], sizes, strict=True)
            for a, b in pieces(size, len(sizes), fewest(sizes))
        ]
        X = X.rechunk({0: tuple(b - a for a, b in ranges)})
        sizes = [b - a for a, b in ranges]
    parts = X.to_delayed().ravel().tolist()
    return [Cut(Stack(), tuple(parts[group])) for group in grouped(len(parts), sizes if is_known else None)]


def _of_frame(X: Array) -> Plan:
    parts = X.to_delayed()
    source = Stack(number_type(list(X.dtypes)))
    cuts = [Cut(source, tuple(parts[group])) for group in grouped(len(parts))]
    names = list(X.columns)
    return Plan(cuts, names if all(isinstance(name, str) for name in names) else None)


# ---- files -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Files:
    """Some rows of some files, read where the worker is."""

    ranges: tuple[tuple[str, int, int], ...]  # path or address, first row, row behind the last

    def rows(self, parts: Sequence[object]) -> Rows:
        """Return the rows; those of a local array stay in their file where they are many."""
        return Rows.of([open_rows(path)[first:last] for path, first, last in self.ranges], n_threads=1)


def _of_files(paths: list[str]) -> list[Cut]:
    sizes = [len(open_rows(path)) for path in paths]
    flat = [
        (path, a, b)
        for path, size in zip(paths, sizes, strict=True)
        for a, b in pieces(size, len(paths), fewest(sizes))
    ]
    return [Cut(Files(tuple(flat[group]))) for group in grouped(len(flat), [b - a for _, a, b in flat])]
