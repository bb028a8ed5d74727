"""Matrix products on the calling thread alone, without telling BLAS anything that others would notice.

A second thread has nothing to do at the sizes of the photo path, but OpenBLAS lets it spin: on two busy cores a photo
took four times as long. Its number of threads is the whole process's, so it is left alone; pieces below the size from
which OpenBLAS shares a product out (``interface/gemm.c``, ``interface/gemv.c``) stay on the thread that asks for them.
"""

import numpy as np

SHARED_PRODUCT = 1 << 18  # multiply-adds beyond which a product of matrices is shared out
SHARED_VECTOR = 1 << 15  # and of a matrix with a vector


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ``a @ b``, a (m, k) and b (k, n) or (k,), in pieces that no second thread gets a part of.

    >>> a, b = np.ones((3, 100_000)), np.ones((100_000, 2))
    >>> product(a, b).tolist()
    [[100000.0, 100000.0], [100000.0, 100000.0], [100000.0, 100000.0]]
    """
    (m, k), n = a.shape, b.shape[1] if b.ndim == 2 else 1
    most = SHARED_PRODUCT if b.ndim == 2 else SHARED_VECTOR
    if m * k * n <= most:
        return np.asarray(a @ b)
    rows, inner = most // max(1, k * n), max(1, most // max(1, m * n))
    if rows:
        return np.concatenate([a[start : start + rows] @ b for start in range(0, m, rows)])
    if inner > 1 or m == 1:
        pieces = (slice(start, start + inner) for start in range(0, k, inner))
        return np.asarray(sum(a[:, piece] @ b[piece] for piece in pieces))
    return np.concatenate([product(a[row : row + 1], b) for row in range(m)])
