"""Which backend runs: the one place that chooses."""

from functools import cache

from inklens.linear import arrays
from inklens.linear.arrays import Array
from inklens.linear.kernels import library
from inklens.linear.kernels.backend import Backend
from inklens.linear.kernels.compiled import Compiled
from inklens.linear.kernels.reference import Reference

REFERENCE = Reference()


@cache
def numpy_backend() -> Backend:
    """Return the backend for NumPy's arrays: the compiled one where the library can be used."""
    return REFERENCE if library.active() == "numpy" else Compiled()


def backend_of(values: Array) -> Backend:
    """Return the backend for rows or matrices with these values: the reference for arrays of other libraries."""
    return REFERENCE if arrays.is_foreign(values) else numpy_backend()


def residuals(p: Array, codes: Array, weights: Array) -> Array:
    """Return c_i (y_i - p_i), (n_rows, n_classes): that of a row's own class is minus the sum of the others."""
    return backend_of(p).residual(p, codes, weights)
