"""Second derivatives and their systems by the C library: `newton.c`, `pair_hessian.c`, `descent.c`,
`thresholds.c`, `faces.c`.
"""

import ctypes
from typing import NamedTuple

import numpy as np

from inklens.linear import blas, deadline
from inklens.linear.kernels import library, reference
from inklens.linear.kernels.backend import PairColumns
from inklens.linear.kernels.buffers import aligned, padded
from inklens.linear.kernels.storage import Storage

LANES = 16  # weights of a row in `class_grams` come in multiples of so many
LARGEST_GROUP = 160  # coordinates of a block in `descent.c`
BLOCK_OF_H = "a block of the subproblem"


class CompiledFactor(NamedTuple):
    """Cholesky factor in the layout of `faces.c`."""

    factor: np.ndarray

    def solve(self, side: np.ndarray) -> np.ndarray:
        """Return the inverse times a vector, (m,)."""
        solution = np.array(side, dtype=np.float64)
        library.call("solve_factored", len(solution), self.factor, solution)
        return solution

    def solve_many(self, sides: np.ndarray, n_threads: int) -> np.ndarray:
        """Return the inverse times some vectors, (m, n), in float32."""
        lanes = library.call("solve_lanes")
        groups = -(-sides.shape[1] // lanes)
        laid = aligned((groups, len(sides), lanes), np.float32)
        padded = np.zeros((len(sides), groups * lanes))
        padded[:, : sides.shape[1]] = sides
        laid[...] = padded.reshape(len(sides), groups, lanes).swapaxes(0, 1)
        library.call("solve_many", len(sides), self.factor, groups, laid, n_threads, deadline.remaining())
        return laid.swapaxes(0, 1).reshape(padded.shape)[:, : sides.shape[1]].astype(np.float64)


class CompiledMatrices:
    """Matrices of a `Backend`."""

    def edge_grams(self, storage: Storage, proba: np.ndarray, weights: np.ndarray, n_threads: int = 1) -> np.ndarray:
        n_classes, size = proba.shape[1], storage.shape[1] + 1
        n_pairs, tall, stride = n_classes * (n_classes - 1) // 2, -(-size // 4) * 4, -(-size // 16) * 16
        grams, p = np.zeros((n_threads * n_pairs, tall, stride)), padded(proba, np.float64)
        library.run(
            "edge_grams", library.describe(storage), p, weights, n_classes, p.shape[1], grams, tall, stride, n_threads,
            deadline.remaining(), needs="the Hessian",
        )  # fmt: skip
        return grams[:n_pairs, :size, :size]

    def class_grams(self, X: Storage, curvature: np.ndarray, out: np.ndarray, n_threads: int = 1) -> None:
        if X.indices is None:  # dense rows: a matrix product
            with blas.for_work(0.5 * X.shape[0] * X.shape[1] ** 2 * curvature.shape[1], n_threads):
                reference.class_grams(X, curvature, out)
            return
        columns, indptr = X.csr
        columns, values = columns.astype(np.int32, copy=False), X.values.astype(np.float32, copy=False)
        n_samples, n_features = X.shape
        n_classes, size = curvature.shape[1], n_features + 1
        weights = np.zeros((n_samples, -(-n_classes // LANES) * LANES), dtype=np.float32)
        weights[:, :n_classes] = curvature
        # the kernel writes whole matrices one after the other, rows as long as those of `out`, 0 above the diagonal
        grams = np.zeros((n_classes, size, out.shape[2]), dtype=np.float32)
        library.run(
            "class_grams", values, columns, indptr, n_samples, n_features, weights, n_classes, grams, out.shape[2],
            n_threads, deadline.remaining(), needs="rows by columns",
        )  # fmt: skip
        out[:, :size] += grams

    def factor_blocks(self, A: np.ndarray, n_threads: int = 1) -> None:
        library.call("factor_blocks", A, *A.shape, n_threads, deadline.remaining())

    def solve_blocks(self, A: np.ndarray, x: np.ndarray, n_threads: int = 1) -> np.ndarray:
        library.call("solve_blocks", A, x, *A.shape, n_threads)
        return x

    def pair_hessian(
        self,
        storage: Storage,
        chosen: np.ndarray,
        pairs: PairColumns,
        proba: np.ndarray,
        weights: np.ndarray,
        hessian: np.ndarray,
        *,
        scale: float = 1.0,
        sampling_threshold: float = 0.0,
        seed: int = 0,
        n_threads: int = 1,
    ) -> None:
        first = np.searchsorted(pairs.classes, np.arange(pairs.n_classes + 1)).astype(np.int64)
        n_slots = len(pairs.used) - 1  # the slot after those of columns holds ones
        slot = np.full(storage.shape[1] + 1, n_slots, dtype=np.int32)
        slot[pairs.used] = np.arange(len(pairs.used))
        p = np.ascontiguousarray(proba.T, dtype=np.float32)
        c = np.ascontiguousarray(weights, dtype=np.float32)
        rows = library.describe(storage)
        inputs = (chosen, first, pairs.place, p, c)  # kept alive while their addresses are in use
        job = library.CPairJob(
            ctypes.addressof(rows), len(chosen), len(pairs.place), pairs.n_classes, n_threads,
            *map(library.pointer, inputs), scale, sampling_threshold, seed & 0xFFFFFFFF,
            library.pointer(hessian), library.pointer(slot), n_slots, deadline.remaining(),
        )  # fmt: skip
        library.run("pair_hessian", job, needs=f"the Hessian over {len(pairs.place)} coefficients")

    # ---- the quadratic subproblem ------------------------------------------------------------------------------------

    def subtract_product(self, H: np.ndarray, left: np.ndarray, right: np.ndarray, n_threads: int = 1) -> None:
        right = np.ascontiguousarray(right)
        library.call("subtract_product", len(H), len(right), H, left, right, n_threads, deadline.remaining())

    def symmetric_product(self, H: np.ndarray, x: np.ndarray, n_threads: int = 1) -> np.ndarray:
        out = np.empty_like(x)
        library.call("symmetric_product", len(x), H, x, out, n_threads)
        return out

    def gram_descent(
        self,
        H: np.ndarray,
        gradient: np.ndarray,
        w: np.ndarray,
        l1: np.ndarray,
        l2: np.ndarray,
        *,
        tolerance: float,
        max_sweeps: int,
        n_threads: int = 1,
        unit: np.ndarray | None = None,
        side: np.ndarray | None = None,
    ) -> None:
        unit, side = l1 if unit is None else unit, np.zeros(len(w)) if side is None else side
        library.run(
            "gram_descent", len(w), H, gradient, w, l1, l2, unit, side, float(tolerance), max_sweeps, n_threads,
            deadline.remaining(), needs=BLOCK_OF_H,
        )  # fmt: skip

    def group_descent(
        self,
        H: np.ndarray,
        gradient: np.ndarray,
        w: np.ndarray,
        group: np.ndarray,
        l2: np.ndarray,
        *,
        tolerance: float,
        max_sweeps: int,
        n_threads: int = 1,
    ) -> None:
        q = len(group)
        n_classes = len(w) // q
        if n_classes > LARGEST_GROUP:
            reference.group_descent(H, gradient, w, group, l2, tolerance, max_sweeps)
            return
        library.run(
            "group_descent", q, n_classes, H, gradient, w, group, l2, float(tolerance), max_sweeps, n_threads,
            deadline.remaining(), needs=BLOCK_OF_H,
        )  # fmt: skip

    def threshold_descent(
        self,
        H: np.ndarray,
        gradient: np.ndarray,
        w: np.ndarray,
        l1: np.ndarray,
        l2: np.ndarray,
        *,
        is_grouped: bool,
        tolerance: float,
        max_looks: int,
    ) -> float:
        left = np.zeros(1)
        library.run(
            "threshold_descent", len(w) // max(1, len(l1)), len(l1), H, gradient, w, l1, l2, is_grouped,
            float(tolerance), max_looks, left, deadline.remaining(), needs=BLOCK_OF_H,
        )  # fmt: skip
        return float(left[0])

    def factor_face(
        self,
        H: np.ndarray,
        active: np.ndarray,
        ridge: np.ndarray,
        curvature: np.ndarray | None = None,
        n_threads: int = 1,
    ) -> CompiledFactor | None:
        out = aligned((library.call("factor_size", len(active)),), np.float32)
        width = 1 if curvature is None else curvature.shape[2]
        result = library.call(
            "factor_face", len(H), H, len(active), active, ridge, curvature, width, out, n_threads,
            deadline.remaining(),
        )  # fmt: skip
        return None if result == library.INDEFINITE else CompiledFactor(out)
