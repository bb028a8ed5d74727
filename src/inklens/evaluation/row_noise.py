"""Random numbers that belong to rows: row i gets the same ones wherever it lies, and whoever asks for which others."""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

PHILOX_WORDS = 4  # 64-bit numbers that one step of its counter gives
UNIT = 2.0**-52  # between two uniform numbers, which lie in the middle of their cells: never 0, never 1


def normal_rows(first: int, shape: tuple[int, ...], *, seed: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return standard normal numbers of the rows from `first` on, (n_rows, n_columns).

    A counter-based generator (Philox) is put at the row's place, and each of its numbers becomes one by the inverse of
    the normal distribution.

    >>> rows = normal_rows(0, (10, 3), seed=(0, 1))
    >>> bool((normal_rows(7, (3, 3), seed=(0, 1)) == rows[7:]).all())
    True
    """
    n_rows, n_columns = shape
    steps, skipped = divmod(first * n_columns, PHILOX_WORDS)
    generator = np.random.Philox(key=np.array(seed, dtype=np.uint64)).advance(steps)
    words = generator.random_raw(skipped + n_rows * n_columns)[skipped:]
    uniform = (words >> np.uint64(12)) * UNIT + UNIT / 2.0
    return np.asarray(ndtri(uniform).reshape(shape))
