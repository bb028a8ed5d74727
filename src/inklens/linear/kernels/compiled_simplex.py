"""Rows of probabilities by the C library: `simplex.c`."""

import numpy as np

from inklens.linear.kernels import library
from inklens.linear.kernels.mixing import Mixing


class CompiledSimplex:
    """What a `Backend` does with rows of probabilities."""

    def flows(self, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        (n, n_classes), p = proba.shape, _by_rows(proba)
        some, flow = np.empty((2, n_classes, n_classes))
        library.call(_name("flows", p), n, n_classes, p, _stride(p), *_of_rows(codes, weights), some, flow)
        return flow

    def residual(self, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        p = _by_rows(proba)
        out = np.empty(proba.shape, p.dtype)
        library.call(_name("residual", p), *proba.shape, p, _stride(p), *_of_rows(codes, weights), out)
        return out

    def entropies(
        self, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray, scales: np.ndarray, mixing: Mixing | None
    ) -> tuple[np.ndarray, float]:
        p, sums, largest = _by_rows(proba), np.empty(len(scales)), np.empty(1)
        of_rows = p, _stride(p), *_of_rows(codes, weights), *_moves(mixing)
        needs = "the entropies of some rows"
        library.run(_name("entropies", p), *proba.shape, *of_rows, len(scales), scales, sums, largest, needs=needs)
        return sums, float(largest[0])

    def mixed(self, proba: np.ndarray, mixing: Mixing) -> np.ndarray:
        p = _by_rows(proba)
        out = np.empty(proba.shape, p.dtype)
        library.run(_name("mixed", p), *proba.shape, p, _stride(p), *_moves(mixing), out, needs="some rows")
        return out

    def moved(self, proba: np.ndarray, along: np.ndarray) -> np.ndarray:
        p, v = _by_rows(proba), _by_rows(along.astype(proba.dtype, copy=False))
        out = np.empty(proba.shape, p.dtype)
        library.call(_name("moved", p), *proba.shape, p, _stride(p), v, _stride(v), out)
        return out


def _name(function: str, proba: np.ndarray) -> str:
    return f"{function}_{'f32' if proba.dtype == np.float32 else 'f64'}"


def _moves(mixing: Mixing | None) -> tuple[int, np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Return how many moves a mixing has, and its arrays."""
    if mixing is None:
        return 0, None, None, None
    return len(mixing.taken), mixing.kept, mixing.taken, mixing.given


def _of_rows(codes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and weights in the types that the library reads: a proof must not depend on who made them."""
    return np.require(codes, np.int32, ["C", "A"]), np.require(weights, np.float64, ["C", "A"])


def _by_rows(values: np.ndarray) -> np.ndarray:
    """Return the array with the classes of a row one after the other."""
    return values if values.strides[1] == values.itemsize else np.ascontiguousarray(values)


def _stride(values: np.ndarray) -> int:
    return values.strides[0] // values.itemsize
