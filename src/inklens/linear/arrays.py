"""Arrays of other libraries: torch, CuPy, JAX and whatever else follows the array API standard.

They are recognised without importing their library, stay on their device, and are computed with through their own
namespace (``xp``). NumPy arrays and SciPy's sparse matrices pass through the same functions.

Python array API standard 2024.12, https://data-apis.org/array-api.
"""

import sys
from collections.abc import Iterator
from numbers import Real
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from inklens.errors import DataError, ParameterError
from inklens.names import beyond_unicode, is_number

# NumPy's array, SciPy's sparse matrix, or what follows the array API standard. Nothing that all of these share is worth
# a Protocol: operators return the library's own type, and functions are asked of `namespace`.
Array: TypeAlias = Any

CHUNK = 1 << 24  # entries that are converted to the type of a pass, and summed in it, at a time: 64 MB of float32
NO_NUMBERS = "MmV"  # kinds of NumPy's types that it makes numbers of: dates, durations, records and bytes
TEXT_KINDS = "OUT"  # that may hold text
LONGEST_SHOWN = 40  # characters of a text that an error quotes
PROCESSOR = 1  # DLPack's number of the device whose memory is this process's (kDLCPU)


class NoNumbersError(DataError, TypeError):
    """Objects where numbers belong: for these scikit-learn's contract asks for a TypeError."""


def is_foreign(X: object) -> bool:
    """Tell whether X is an array of another library.

    >>> is_foreign(np.zeros(3)), is_foreign([1.0]), is_foreign(sparse.eye_array(2))
    (False, False, False)
    """
    if isinstance(X, np.ndarray | np.generic) or sparse.issparse(X):
        return False
    torch = sys.modules.get("torch")
    return hasattr(X, "__array_namespace__") or (torch is not None and isinstance(X, torch.Tensor))


def namespace(x: Array) -> ModuleType:
    """Return the module whose functions take `x`: NumPy, or the array API of its library."""
    if not is_foreign(x):
        return np
    import array_api_compat

    return array_api_compat.array_namespace(x)


def require_real(X: Array) -> Array:
    """Return a foreign matrix without gradients to follow; raise where it is not dense and real."""
    if getattr(X, "requires_grad", False):
        X = X.detach()
    layout = str(getattr(X, "layout", "torch.strided"))
    if layout != "torch.strided":
        raise DataError(f"expected a dense tensor, got one of layout {layout}; give X.to_dense(), or a SciPy matrix")
    if namespace(X).isdtype(X.dtype, "complex floating"):
        raise DataError(f"Complex data not supported: expected real numbers, got {X.dtype}")
    return X


def require_numbers(X: Array) -> Array:
    """Return X; raise where NumPy would make numbers of it that nobody meant.

    >>> require_numbers(np.ma.masked_array([[1.0, 2.0]], [[False, True]]))
    Traceback (most recent call last):
    ...
    inklens.errors.DataError: X is a masked array, and what lies under its mask would be used; give X.filled(...), ...
    """
    require_plain(X=X)
    kind = X.dtype.kind if isinstance(X, np.ndarray) else ""
    if kind and kind in NO_NUMBERS:
        raise DataError(
            f"X has to hold numbers, got {X.dtype}; give an array of numbers, as X.astype(float) if it is one"
        )
    if kind == "c":
        raise DataError(f"Complex data not supported: expected real numbers, got {X.dtype}; give X.real, say")
    return X


def no_numbers(X: object, error: Exception) -> str:
    """Return what a table holds that no numbers can be made of: its first text, or what NumPy said.

    >>> no_numbers(np.array([[1.0, "2"], [3.0, "red"]], dtype=object), ValueError())
    "expected numbers, and column 1 (counted from 0) holds text, 'red' in row 1; make numbers of it, as with ...
    """
    try:
        values = np.asarray(X)
    except (TypeError, ValueError):
        return str(error)
    if values.dtype.kind not in TEXT_KINDS:
        return str(error)
    names = getattr(X, "columns", None)
    for j, column in enumerate(values.T if values.ndim == 2 else ()):
        for i, value in enumerate(column):
            if isinstance(value, str) and not is_number(value):
                which = f"column {j} (counted from 0)" if names is None else f"column {str(list(names)[j])!r}"
                shown = str(value) if len(value) <= LONGEST_SHOWN else value[:LONGEST_SHOWN] + "..."
                return (
                    f"expected numbers, and {which} holds text, {shown!r} in row {i}; make numbers of it, as with "
                    "sklearn.preprocessing.OneHotEncoder"
                )
    return str(error)


def as_array(X: object) -> np.ndarray:
    """Return what NumPy makes of X; raise where its rows have no common length, or hold no numbers."""
    require_plain(X=X)
    try:
        array = np.asarray(X)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"expected rows of numbers, all of one length: {error}") from error
    return np.asarray(require_numbers(array))


def in_float64(X: np.ndarray) -> np.ndarray:
    """Return numbers of any type as float64, without a copy where they are; raise where an entry is none."""
    try:
        return X.astype(np.float64, copy=False)
    except ValueError as error:
        raise DataError(no_numbers(X, error)) from error
    except (TypeError, OverflowError) as error:
        raise DataError(f"expected numbers, got {X.dtype} with an entry that is none: {error}") from error


def real_numbers(values: object, *, name: str, expected: str) -> np.ndarray:
    """Return a copy of numbers as float64; raise, by their name, where there are none.

    >>> real_numbers([1, 2], name="sample_weight", expected="a number for each row")
    array([1., 2.])
    >>> real_numbers(["a"], name="sample_weight", expected="a number for each row")
    Traceback (most recent call last):
    ...
    inklens.errors.DataError: expected a number for each row as sample_weight: could not convert string to float: ...
    """
    require_plain(**{name: values})
    if sparse.issparse(values):
        raise DataError(f"expected {expected} as {name}, got a sparse matrix; give {name}.toarray().ravel()")
    try:
        array = to_numpy(values)
        if array.dtype.kind in NO_NUMBERS + "c":
            raise TypeError(f"these are {array.dtype}")
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"expected {expected} as {name}: {error}") from error


def require_number(value: object, *, name: str, expected: str) -> None:
    """Raise where a setting is no real number."""
    if not isinstance(value, Real):
        raise ParameterError(f"expected {expected} as {name}, got {value!r:.60}")


def checked_weights(weights: object, n_rows: int) -> np.ndarray:
    """Return a weight for each row, (n_rows,) float64 and the caller's own: finite, none negative, and not all 0."""
    expected = f"a number of at least 0 for each of {n_rows} rows"
    found = np.ones(n_rows) if weights is None else real_numbers(weights, name="sample_weight", expected=expected)
    if found.ndim == 0:
        found = np.full(n_rows, found)
    if found.shape != (n_rows,):
        what = f"{len(found)} of them" if found.ndim == 1 else f"an array of shape {found.shape}"
        raise DataError(f"expected {expected} as sample_weight, got {what}; give a flat array of that length")
    wrong = ~(np.isfinite(found) & (found >= 0.0))
    if wrong.any():
        row = int(wrong.argmax())
        name = "NaN" if np.isnan(found[row]) else "infinity" if found[row] > 0.0 else f"{found[row]:g}"
        raise DataError(f"expected {expected} as sample_weight, got {name} in row {row}; 0 leaves a row out")
    if not found.any():
        raise DataError("Sample weights must contain at least one non-zero number; leave out the rows of weight 0 only")
    return found


def require_plain(**arrays: object) -> None:
    """Raise for a masked array, by its name, whose masked values NumPy would take; and for text beyond Unicode."""
    for name, array in arrays.items():
        if isinstance(array, np.ndarray) and (bad := beyond_unicode(array)).any():
            raise DataError(f"{name} has characters that are none, first in row {bad.argmax()}; read it again as text")
        if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
            raise DataError(
                f"{name} is a masked array, and what lies under its mask would be used; "
                f"give {name}.filled(...), or fewer rows"
            )


def require_float64(X: Array) -> None:
    """Raise where proofs cannot be computed on the array's device."""
    xp = namespace(X)
    try:
        holds = like(X, np.zeros(1), np.float64).dtype == xp.float64
    except (TypeError, ValueError, RuntimeError):
        holds = False
    if not holds:
        raise DataError(
            f"certificates need float64, which {xp.__name__} does not compute with on this device; "
            "enable it there (JAX: jax_enable_x64), or give a NumPy array"
        )


def is_in_memory(X: Array) -> bool:
    """Tell whether NumPy can look at the array's memory."""
    try:
        return bool(X.__dlpack_device__()[0] == PROCESSOR)
    except (AttributeError, TypeError, ValueError, BufferError, RuntimeError):
        return False


def to_numpy(x: Array) -> np.ndarray:
    """Return the values as a NumPy array in this process's memory, without a copy where they are there already."""
    if not is_foreign(x):
        return np.asarray(x)
    import array_api_compat

    if getattr(x, "requires_grad", False):
        x = x.detach()
    try:
        x = array_api_compat.to_device(x, "cpu")
    except ValueError:  # a library whose devices have other names
        x = array_api_compat.to_device(x, namespace(x).__array_namespace_info__().default_device())
    return np.asarray(x)


def like(x: Array, values: Array, dtype: npt.DTypeLike) -> Array:
    """Return values in that type, in the library and on the device of `x`; they are NumPy's, or there already."""
    if is_foreign(values):
        return cast(values, dtype)
    values = np.ascontiguousarray(values, dtype=dtype)
    if not is_foreign(x):
        return values
    import array_api_compat

    if not values.flags.writeable:
        values = values.copy()
    return namespace(x).asarray(values, device=array_api_compat.device(x))


def ones(x: Array, shape: tuple[int, ...]) -> Array:
    """Return ones in the type, in the library and on the device of `x`."""
    if not is_foreign(x):
        return np.ones(shape, x.dtype)
    import array_api_compat

    return namespace(x).ones(shape, dtype=x.dtype, device=array_api_compat.device(x))


def cast(x: Array, dtype: npt.DTypeLike) -> Array:
    """Return x in one of NumPy's types, without a copy where it has it."""
    if not is_foreign(x):
        return x.astype(dtype, copy=False)
    xp = namespace(x)
    return xp.astype(x, getattr(xp, np.dtype(dtype).name), copy=False)


def dtype_of(x: Array) -> np.dtype:
    """Return the type of real numbers of an array: float32, or float64."""
    return np.dtype(np.float64 if x.dtype == namespace(x).float64 else np.float32)


def take(x: Array, indices: Array, axis: int) -> Array:
    """Return some rows (axis 0) or columns (axis 1) of a matrix."""
    if is_foreign(x):
        return namespace(x).take(x, like(x, indices, np.int64), axis=axis)
    return x[indices] if axis == 0 else x[:, indices]


def chunks(rows: Array, width: int | None = None) -> Iterator[slice]:
    """Yield slices over the rows such that `width` entries of each (all of them) make up at most CHUNK."""
    n_samples, n_features = rows.shape
    step = max(1, CHUNK // max(1, width or n_features))
    if sparse.issparse(rows) and width is None:
        step = max(1, n_samples)
    for start in range(0, max(1, n_samples), step):
        yield slice(start, min(start + step, n_samples))


def is_matrix(X: Array) -> bool:
    """Tell whether an object holds rows and columns: a sparse matrix, or an array of any library with two axes."""
    return sparse.issparse(X) or ((isinstance(X, np.ndarray) or is_foreign(X)) and X.ndim == 2)
