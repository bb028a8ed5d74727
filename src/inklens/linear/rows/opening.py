"""Data as rows for as long as something works on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import numpy.typing as npt
from scipy import sparse

from inklens.linear.arrays import Array
from inklens.linear.rows.rows import Rows

Matrix: TypeAlias = npt.ArrayLike | sparse.sparray | sparse.spmatrix | Rows  # what fits and paths take


@contextmanager
def opened(X: Array) -> Iterator[Rows]:
    """Give data as `Rows`; what they hold elsewhere is given back at the end, unless they were `Rows` before."""
    rows = X if isinstance(X, Rows) else Rows.of(X)
    with given_back(rows, X):
        yield rows


@contextmanager
def given_back(rows: Rows, X: object) -> Iterator[None]:
    """Give back what rows hold elsewhere, unless they are the caller's own."""
    try:
        yield
    finally:
        if rows is not X:
            rows.close()
