"""Rows of probabilities by the C library: `simplex.c`."""

import numpy as np

from inklens.linear.kernels import library


class CompiledSimplex:
    """What a `Backend` does with rows of probabilities."""

    def flows(
        self, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray, mix: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        (n, n_classes), p = proba.shape, _by_rows(proba)
        sums = np.empty(2 * n_classes + 1)
        out = None if mix is None else np.empty((n, n_classes), p.dtype)
        mix = None if mix is None else np.ascontiguousarray(mix, dtype=np.float64)
        library.call(_name("flows", p), n, n_classes, p, _stride(p), codes, weights, mix, out, sums)
        return sums[:n_classes], sums[n_classes:-1], float(sums[-1]), proba if out is None else out

    def residual(self, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        p = _by_rows(proba)
        out = np.empty(proba.shape, p.dtype)
        library.call(_name("residual", p), *proba.shape, p, _stride(p), codes, weights, out)
        return out

    def entropy(self, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray, scale: float) -> float:
        p, found = _by_rows(proba), np.empty(1)
        library.call(_name("entropy", p), *proba.shape, p, _stride(p), codes, weights, float(scale), found)
        return float(found[0])

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
