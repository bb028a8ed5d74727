"""Data that this process does not hold: how they are told from others, without importing what they are of."""

import sys
from pathlib import Path

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
    return isinstance(x, str | Path) and str(x).endswith(FILE_KINDS)


def is_dask(x: object) -> bool:
    """Tell whether something is a Dask collection or delayed value."""
    return "dask" in sys.modules and hasattr(type(x), "__dask_graph__")
