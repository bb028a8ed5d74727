"""Rows of probabilities by the C library: `simplex.c`."""

import numpy as np

from inklens.linear.kernels import library


class CompiledSimplex:
    """What a `Backend` does with rows of probabilities."""

    def flows(self, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        (n, n_classes), p = proba.shape, _by_rows(proba)
        some, flow = np.empty((2, n_classes, n_classes))
        library.call(_name("flows", p), n, n_classes, p, _stride(p), codes, weights, some, flow)
        return flow

    def residual(self, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        p = _by_rows(proba)
        out = np.empty(proba.shape, p.dtype)
        library.call(_name("residual", p), *proba.shape, p, _stride(p), codes, weights, out)
        return out

    def entropies(
        self, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray, scales: np.ndarray
    ) -> tuple[np.ndarray, float]:
        p, sums, largest = _by_rows(proba), np.empty(len(scales)), np.empty(1)
        given = p, _stride(p), codes, weights, len(scales), scales, sums, largest
        library.call(_name("entropies", p), *proba.shape, *given)
        return sums, float(largest[0])

    def moved(self, proba: np.ndarray, along: np.ndarray) -> np.ndarray:
        p, v = _by_rows(proba), _by_rows(along.astype(proba.dtype, copy=False))
        out = np.empty(proba.shape, p.dtype)
        library.call(_name("moved", p), *proba.shape, p, _stride(p), v, _stride(v), out)
        return out


def _name(function: str, proba: np.ndarray) -> str:
    return f"{function}_{'f32' if proba.dtype == np.float32 else 'f64'}"


def _by_rows(values: np.ndarray) -> np.ndarray:
    """Return the array with the classes of a row one after the other."""
    return values if values.strides[1] == values.itemsize else np.ascontiguousarray(values)


def _stride(values: np.ndarray) -> int:
    return values.strides[0] // values.itemsize
