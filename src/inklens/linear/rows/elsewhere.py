"""Data that this process does not hold: how they are told from others, without importing what they are of."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from inklens import cluster
from inklens.errors import DataError, require
from inklens.linear import memory

if TYPE_CHECKING:
    from dask.array import Array
    from distributed import Client

T = TypeVar("T")
BROUGHT_SHARE = 1 / 3  # of the memory limit: who looks at numbers of all rows makes two more arrays of their size
FILE_KINDS = (".npy", ".parquet", ".zarr", ".idx", ".idx.gz", "-ubyte", "-ubyte.gz")


def is_elsewhere(X: object) -> bool:
    """Tell whether data are read by workers: a Dask collection, delayed parts, or names of files.

    >>> is_elsewhere(["part-0.npy", "https://example.org/part-1.npy"]), is_elsewhere([[0.0, 1.0]])
    (True, False)
    """
    if is_dask(X) or is_file(X):
        return True
    return isinstance(X, list | tuple) and len(X) > 0 and (all(map(is_dask, X)) or all(map(is_file, X)))


def is_file(x: object) -> bool:
    """Tell whether something is the name or address of a file of rows."""
    return isinstance(x, str | Path) and file_kind(str(x)) is not None


def file_kind(name: str) -> str | None:
    """Return the ending that tells what a file or address holds; None where there is none of those that are known.

    >>> file_kind("part-0.npy"), file_kind("https://example.org/1.npy?key=x"), file_kind("zip://1.npy::s3://all/1.zip")
    ('.npy', '.npy', '.npy')
    """
    links = [link.partition("?")[0] for link in name.split("::")] if "://" in name else [name]
    return next((kind for link in links for kind in FILE_KINDS if link.endswith(kind)), None)


def is_dask(x: object) -> bool:
    """Tell whether something is a Dask collection or delayed value."""
    return "dask" in sys.modules and hasattr(type(x), "__dask_graph__")


def brought(values: T, client: "Client | None" = None) -> T | np.ndarray:
    """Return labels, weights or predictions as an array of this process; what is one already is returned as it is.

    Parameters
    ----------
    values : dask Array, Series or DataFrame, list of delayed parts, names of files, or anything else
    client : distributed.Client or None
        Who computes them; None is Dask's current one, or this process.
    """
    if not is_elsewhere(values):
        return values
    if is_file(values) or (isinstance(values, list | tuple) and is_file(values[0])):
        from inklens.linear.rows.remote.files import read_rows

        names = values if isinstance(values, list | tuple) else [values]
        return np.concatenate([np.asarray(read_rows(str(name))) for name in names])
    parts = list(values) if isinstance(values, list | tuple) else [values]
    client = client or cluster.current_client()
    if client is not None:
        found = [future.result() for future in client.compute(parts)]
    else:
        found = require("dask", extra="dask").compute(*parts, scheduler="threads")
    arrays = [np.asarray(part) for part in found]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def require_room(shape: tuple[int, int], what: str) -> None:
    """Raise unless numbers of all rows, float64, may come to this process.

    Parameters
    ----------
    shape : (int, int)
        Rows, and numbers of each.
    what : str
        The numbers' name, in the plural.

    Raises
    ------
    DataError
        They would take more than BROUGHT_SHARE of the memory that a computation may take.

    >>> require_room((1_000_000_000, 10), "probabilities")
    Traceback (most recent call last):
    ...
    inklens.errors.DataError: the probabilities of 1,000,000,000 rows (10 numbers each) take 80,000 MB here, and ...
    """
    n_bytes, most = 8 * math.prod(shape), int(BROUGHT_SHARE * memory.limit())
    if n_bytes > most:
        raise DataError(
            f"the {what} of {shape[0]:,} rows ({shape[1]} numbers each) take {n_bytes / 1e6:,.0f} MB here, and may "
            f"take {most / 1e6:,.0f}; give a part of the rows, or raise the limit with {memory.VARIABLE}"
        )


def by_parts(
    function: "Callable[[Array], np.ndarray]", X: "Array", n_columns: int | None, dtype: npt.DTypeLike
) -> "Array":
    """Return a lazy Dask array of `function(part)` for the parts of X, (n_rows, n_columns), or (n_rows,) for None.

    Parameters
    ----------
    function : callable
        From the rows of a part to as many rows.
    X : what `is_elsewhere` knows
    n_columns : int or None
    dtype : dtype
        Of the result.
    """
    dask_array, dask = (require(name, extra="dask") for name in ("dask.array", "dask"))
    if hasattr(X, "chunks"):
        X = X.rechunk({1: -1}) if X.numblocks[1] > 1 else X
        parts, sizes = X.to_delayed().ravel().tolist(), X.chunks[0]
    elif hasattr(X, "to_delayed"):
        parts = X.to_delayed()
        sizes = (np.nan,) * len(parts)
    else:
        from inklens.linear.rows.remote.files import read_rows

        parts = list(X) if isinstance(X, list | tuple) else [X]
        parts = [dask.delayed(read_rows)(str(part)) if is_file(part) else part for part in parts]
        sizes = (np.nan,) * len(parts)
    tail = () if n_columns is None else (n_columns,)
    task = dask.delayed(function)
    return dask_array.concatenate(
        [
            dask_array.from_delayed(task(part), shape=(size, *tail), dtype=dtype)
            for part, size in zip(parts, sizes, strict=True)
        ],
        allow_unknown_chunksizes=True,
    )
