"""Tables as numbers: one type for all columns, of those that kernels read."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from inklens.errors import DataError
from inklens.linear.arrays import Array
from inklens.linear.kernels.storage import VALUE_TYPES


def number_type(dtypes: Sequence[npt.DTypeLike]) -> npt.DTypeLike:
    """Return the type that holds the columns of a table, of those that kernels read."""
    plain = []
    for dtype in dtypes:
        if not isinstance(dtype, np.dtype):  # a pandas extension: numbers that may be missing, or none
            return np.float64
        plain.append(np.dtype(np.uint8) if dtype == np.bool_ else dtype)
    return plain[0] if len(set(plain)) == 1 and plain[0] in VALUE_TYPES else np.float64


def numbers_of(frame: Array, dtype: npt.DTypeLike | None) -> np.ndarray:
    """Return a table's values, (n_rows, n_columns).

    Raises
    ------
    DataError
        A column that does not hold numbers.
    """
    try:
        return np.asarray(frame.to_numpy(dtype=dtype, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise DataError(f"expected columns of numbers, got {frame.dtypes.astype(str).tolist()}: {error}") from error
