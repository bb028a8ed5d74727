"""Rows as blocks: arrays, CSR matrices and memory-mapped files behind one set of products.

`Rows` is the only place that knows how the data lie in memory. Every sum over rows is a sum over blocks, and the loss
over blocks is the loss.

Of rows that stay in a file, or whose scores would take more than HELD bytes, nothing is kept but sums: scores and
probabilities are computed again by those who read them (`row_arrays.py`).

Shapes: coef (n_classes, n_features), intercept (n_classes,), codes and weights (n_samples,), scores and proba
(n_samples, n_classes). `dtype` is the type of a pass: float32, summed in float64 over chunks of rows, or float64
throughout, which is what certificates use.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from inklens.errors import DataError
from inklens.linear import arrays
from inklens.linear.kernels import compiled as kernels
from inklens.linear.kernels import reference as twin
from inklens.linear.kernels.compiled import Storage
from inklens.linear.rows.layouts import (
    Block,
    Inspection,
    StreamedBlock,
    bytes_of,
    dense_storage,
    inspect,
    make_block,
    make_blocks,
    select,
    single,
    sparse_storage,
    take,
    with_ones,
)
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.softmax import softmax

HELD = 1 << 27  # bytes of an array of scores in float64 up to which scores are held
PORTRAIT = 20_000  # rows that stand for all where these are not held
THREAD_WORK = 2_000_000  # multiply-adds below which a second thread costs more than it saves


class Evaluation(NamedTuple):
    """Loss, its gradient, scores and probabilities at one point; costs one pass."""

    loss: float
    gradient: np.ndarray  # (n_classes, n_features) float64
    intercept_gradient: np.ndarray  # (n_classes,) float64
    scores: RowArray  # (n_samples, n_classes)
    proba: RowArray  # (n_samples, n_classes)


@dataclass(eq=False)
class Rows:
    """A data matrix as a list of blocks, times `scale`.

    Build it with `Rows.of`.

    >>> rows = Rows.of(np.array([[0, 255], [51, 0]], dtype=np.uint8), scale=1 / 255)
    >>> rows.scores(np.array([[1.0, 10.0]]), np.zeros(1), dtype=np.float64)
    array([[10. ],
           [ 0.2]])
    """

    blocks: list[Block | StreamedBlock]
    scale: float = 1.0
    n_threads: int = 1
    n_passes: float = field(default=0.0, init=False)
    _spare: kernels.Spare = field(default_factory=kernels.Spare, init=False, repr=False)

    @classmethod
    def of(cls, X: Any, *, scale: float = 1.0, n_threads: int | None = None) -> "Rows":
        """Return the rows of an array, a sparse matrix, a memory map, or of a list of these stacked on each other.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, or list of either
            uint8 and float32 are used as they are, other numbers as float64; float64 pixels that are whole multiples of
            one unit (X / 255) as what they were before. Never written to. A memory-mapped file
            beyond 128 MB stays there: it is read anew in every pass, and memory does not grow with its rows.
        scale : float, default=1.0
            The matrix meant is ``X * scale``; uint8 pixels with ``scale=1 / 255`` are never copied to floats.
        n_threads : int or None, default=None
            None is all cores that the process may use.

        Raises
        ------
        DataError
            Not two-dimensional, not numbers, NaN or infinity (row and column are named), blocks of different width.
        """
        n_threads = max(1, min(n_threads or default_threads(), 64))
        parts = list(X) if isinstance(X, list | tuple) and X and is_matrix(X[0]) else [X]
        whole = bytes_of(X, n_threads)
        if whole is not None:
            return cls(make_blocks(whole[0], n_threads), float(scale) * whole[1], n_threads)
        blocks: list[Block | StreamedBlock] = []
        for number, part in enumerate(parts):
            blocks += make_blocks(part, n_threads, first_row=sum(block.n_samples for block in blocks))
            if blocks[-1].shape[1] != blocks[0].shape[1]:
                raise DataError(
                    f"all blocks must have the same number of columns: the first has {blocks[0].shape[1]}, "
                    f"block {number} has {blocks[-1].shape[1]}"
                )
        return cls(blocks, float(scale), n_threads)

    # ---- shape and contents ------------------------------------------------------------------------------------------

    @property
    def n_samples(self) -> int:
        """Number of rows over all blocks."""
        return sum(block.n_samples for block in self.blocks)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self.blocks[0].shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_features)."""
        return self.n_samples, self.n_features

    @cached_property
    def n_nonzeros(self) -> int:
        """Number of entries that are not zero."""
        return sum(block.inspection.n_nonzeros for block in self.blocks)

    @property
    def density(self) -> float:
        """Share of the entries that are not zero."""
        return self.n_nonzeros / max(1, self.n_samples * self.n_features)

    @property
    def is_sparse(self) -> bool:
        """Whether the passes skip zeros."""
        return all(
            block.skip_zeros if isinstance(block, StreamedBlock) else block.fast.layout != kernels.DENSE
            for block in self.blocks
        )

    @cached_property
    def slices(self) -> list[slice]:
        """The rows of each block."""
        edges = np.cumsum([0, *(block.n_samples for block in self.blocks)]).tolist()
        return [slice(*ends) for ends in pairwise(edges)]

    def holds(self, n_classes: int) -> bool:
        """Tell whether scores and probabilities are kept in memory."""
        if any(block.is_streamed for block in self.blocks):
            return False
        return len(self.blocks) == 1 or self.n_samples * kernels.lanes(n_classes) * 8 <= HELD

    @cached_property
    def low(self) -> np.ndarray:
        """Smallest value of each column, (n_features,)."""
        extremes = [block.inspection.low for block in self.blocks], [block.inspection.high for block in self.blocks]
        return np.min([np.min(side, axis=0) * self.scale for side in extremes], axis=0)

    @cached_property
    def high(self) -> np.ndarray:
        """Largest value of each column, (n_features,)."""
        extremes = [block.inspection.low for block in self.blocks], [block.inspection.high for block in self.blocks]
        return np.max([np.max(side, axis=0) * self.scale for side in extremes], axis=0)

    @cached_property
    def constant(self) -> np.ndarray:
        """Mask of the columns with one value only, (n_features,)."""
        return self.low == self.high

    @cached_property
    def _absolute(self) -> "Rows":
        if (self.low >= 0.0).all():
            return self
        blocks: list[Block | StreamedBlock] = []
        for block in self.blocks:
            if isinstance(block, StreamedBlock):
                low, high, n_nonzeros = block.inspection
                least = np.where(low * high > 0.0, np.minimum(abs(low), abs(high)), 0.0)
                blocks.append(block.changed(np.abs, Inspection(least, np.maximum(-low, high), n_nonzeros)))
                continue
            exact = block.exact._replace(values=abs(block.exact.values))
            blocks.append(Block(exact, single(exact), inspect(exact, self.n_threads)))
        return Rows(blocks, abs(self.scale), self.n_threads)

    def absolute(self) -> "Rows":
        """Return the rows of |X|, which bound rounding errors; the rows themselves where nothing is negative."""
        return self._absolute

    def cost(self, n_classes: int) -> float:
        """Return the multiply-adds of one half of a pass."""
        size = self.n_nonzeros if self.is_sparse else self.n_samples * self.n_features
        return float(size) * kernels.lanes(n_classes)

    # ---- products with the rows --------------------------------------------------------------------------------------

    def scores(self, coef: np.ndarray, intercept: np.ndarray | None = None, *, dtype: Any = np.float32) -> np.ndarray:
        """Return z_i = W x_i + b, (n_samples, n_classes); half a pass."""
        intercept = np.zeros(len(coef)) if intercept is None else intercept
        out = kernels.empty_scores(self.n_samples, len(coef), dtype, self._spare)
        for block, part in self.parts():
            self._write_scores(block, coef, intercept, out[part])
        return out

    def row_scores(self, coef: np.ndarray, intercept: np.ndarray, *, dtype: Any = np.float32) -> RowArray:
        """Return the scores, held or to be computed when they are read; half a pass for each reading."""
        if self.holds(len(coef)):
            return RowArray.of(self.scores(coef, intercept, dtype=dtype), self.slices)

        def make(i: int) -> np.ndarray:
            block = self.blocks[i]
            out = kernels.empty_scores(block.n_samples, len(coef), dtype, self._spare)
            self._write_scores(block, coef, intercept, out)
            block.release()
            return out

        return RowArray(self.slices, make, len(coef), dtype)

    def _write_scores(self, block: Block | StreamedBlock, coef: np.ndarray, intercept: np.ndarray, out) -> None:
        kernels.scores(block.storage(out.dtype), coef * self.scale, intercept, out, self._threads(len(coef)))
        self.n_passes += 0.5 * block.n_samples / max(1, self.n_samples)

    def loss_and_gradient(
        self,
        coef: np.ndarray,
        intercept: np.ndarray,
        codes: np.ndarray,
        weights: np.ndarray,
        *,
        dtype: Any = np.float32,
    ) -> Evaluation:
        """Return loss and gradient sum_i c_i (p_i - y_i) x_i' with the scores and probabilities; one pass."""
        n_classes, is_held = len(coef), self.holds(len(coef))
        longest = self.n_samples if is_held else max(block.n_samples for block in self.blocks)
        scores, proba = (kernels.empty_scores(longest, n_classes, dtype, self._spare) for _ in range(2))
        gradient: Any = None
        loss, sums = 0.0, np.zeros(n_classes)
        for block, part in self.parts():
            place = part if is_held else slice(0, block.n_samples)
            found = kernels.loss_pass(
                block.storage(dtype),
                coef * self.scale,
                intercept,
                codes[part],
                weights[part],
                scores[place],
                proba[place],
                self._threads(n_classes),
            )
            loss, sums = loss + found.loss, sums + found.class_sums
            gradient = found.gradient if gradient is None else gradient + found.gradient
        self.n_passes += 1.0
        if is_held:
            kept = RowArray.of(scores, self.slices), RowArray.of(proba, self.slices)
        else:
            again = self.row_scores(coef, intercept, dtype=dtype)
            kept = again, RowArray.combine(lambda _, z: softmax(z), again)
        return Evaluation(loss, gradient * self.scale, sums, *kept)

    def hessian_product(
        self,
        proba: RowArray | np.ndarray,
        weights: np.ndarray,
        direction: np.ndarray,
        intercept_direction: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the loss's Hessian times a direction, (n_classes, n_features) and (n_classes,); one pass.

        The pass has the type of `proba`.
        """
        n_classes = len(direction)
        product: Any = None
        sums = np.zeros(n_classes)
        for block, part, own in self.parts(proba):
            found = kernels.hessian_pass(
                block.storage(proba.dtype),
                own,
                weights[part],
                direction * self.scale,
                intercept_direction,
                self._threads(n_classes),
            )
            product = found.gradient if product is None else product + found.gradient
            sums = sums + found.class_sums
        self.n_passes += 1.0
        return product * self.scale, sums

    def transpose_product(self, residual: RowArray | np.ndarray, *, squared: bool = False) -> np.ndarray:
        """Return residual' X, (n_classes, n_features), in the type of `residual`; half a pass.

        With `squared`, every entry of X is squared first.
        """
        product: Any = None
        for block, _, own in self.parts(residual):
            storage, threads = block.storage(residual.dtype), self._threads(residual.shape[1])
            found = kernels.transpose_pass(storage, own, threads, squared=squared)
            product = found if product is None else product + found
        self.n_passes += 0.5
        return product * (self.scale**2 if squared else self.scale)

    def column_sums(self, weights: np.ndarray) -> np.ndarray:
        """Return sum_i w_i x_ij, (n_features,), in float64."""
        return self.transpose_product(np.ascontiguousarray(weights, dtype=np.float64)[:, None])[0]

    def column_squares(self, weights: np.ndarray) -> np.ndarray:
        """Return sum_i w_i x_ij^2, (n_features,), in float64."""
        return self.transpose_product(np.ascontiguousarray(weights, dtype=np.float64)[:, None], squared=True)[0]

    def row_squares(self, unit: np.ndarray) -> np.ndarray | None:
        """Return sum_j (unit_j x_ij / scale)^2, (n_samples,), `unit` in float32; None without compiled kernels."""
        squares = np.empty(self.n_samples)
        for block, part in self.parts():
            fast = block.fast
            if not fast.is_compiled:
                return None
            if kernels.call("dual_squares", kernels.describe(fast), unit, squares[part]):
                raise MemoryError("no memory for one row")
        return squares

    # ---- parts of the matrix -----------------------------------------------------------------------------------------

    def dense(
        self, columns: np.ndarray | None = None, rows: np.ndarray | None = None, dtype: Any = np.float32
    ) -> np.ndarray:
        """Return some columns of some rows (sorted indices) as a scaled array of its own, (n_rows, n_columns)."""
        pieces = []
        for block, part in self.parts():
            inside = None if rows is None else _within(rows, part)
            pieces.append(arrays.to_numpy(select(block.storage(dtype), inside, columns, dtype)))
        stacked = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return stacked * np.dtype(dtype).type(self.scale)

    def standardised(self, shift: np.ndarray, scale: np.ndarray) -> "Rows":
        """Return (X - shift) / scale by columns, as a copy of rows in memory; shifted columns have no zeros."""
        blocks: list[Block | StreamedBlock] = []
        for block in self.blocks:
            inspection = Inspection(
                (block.inspection.low * self.scale - shift) / scale,
                (block.inspection.high * self.scale - shift) / scale,
                block.inspection.n_nonzeros,
            )
            if isinstance(block, StreamedBlock):
                blocks.append(block.changed(lambda X: (X * self.scale - shift) / scale, inspection))
                continue
            exact = block.exact
            values = arrays.cast(exact.values, np.float64) * self.scale
            at = slice(None) if exact.indices is None else exact.indices
            m, s = (arrays.like(values, by_column[at], np.float64) for by_column in (shift, scale))
            exact = exact._replace(values=(values - m) / s)
            blocks.append(Block(exact, single(exact), inspection))
        return Rows(blocks, 1.0, self.n_threads)

    def take(self, rows: np.ndarray) -> "Rows":
        """Return some rows (sorted indices) as `Rows` of the same layout; many rows of a file stay there."""
        if all(block.is_streamed for block in self.blocks) and len(rows) <= 2 * self.n_portrait:
            gathered = np.concatenate([block.exact.values[_within(rows, part)] for block, part in self.parts()])
            return Rows([make_block(dense_storage(gathered), self.n_threads)], self.scale, self.n_threads)
        blocks: list[Block | StreamedBlock] = []
        for block, part in self.parts():
            inside = _within(rows, part)
            if not len(inside) and self.blocks[1:]:
                continue
            if isinstance(block, StreamedBlock):
                blocks.append(block.take(inside))
            else:
                exact = take(block.exact, inside)
                fast = exact if block.fast is block.exact else take(block.fast, inside)
                blocks.append(Block(exact, fast, inspect(exact, self.n_threads)))
        return Rows(blocks, self.scale, self.n_threads)

    def csr(self, columns: np.ndarray, rows: np.ndarray | None = None) -> Storage:
        """Return some columns (ascending) of some rows (sorted indices) as scaled CSR, float32 with int32 columns."""
        place = np.full(self.n_features, -1, dtype=np.int32)
        place[columns] = np.arange(len(columns), dtype=np.int32)
        values: list[np.ndarray] = []
        indices: list[np.ndarray] = []
        sizes: list[np.ndarray] = []
        for block, part in self.parts():
            storage = block.fast
            if storage.indices is None:
                dense = storage.values if rows is None else storage.values[_within(rows, part)]
                storage = sparse_storage(sparse.csr_array(dense))
            elif rows is not None:
                storage = take(storage, _within(rows, part))
            assert storage.indices is not None and storage.indptr is not None  # noqa: PT018 (for the type checker)
            found, size = place[storage.indices], np.diff(storage.indptr)
            kept = found >= 0
            if not kept.all():
                size = np.diff(np.concatenate([[0], np.cumsum(kept)])[storage.indptr])
                storage, found = storage._replace(values=storage.values[kept]), found[kept]
            values.append(storage.values.astype(np.float32) * np.float32(self.scale))
            indices.append(found)
            sizes.append(size)
        indptr = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
        return Storage(np.concatenate(values), np.concatenate(indices), indptr, (len(indptr) - 1, len(columns)))

    def class_grams(self, columns: np.ndarray, rows: np.ndarray | None, curvature: np.ndarray) -> np.ndarray:
        """Return [X 1]' diag(h_k) [X 1] over some columns and rows, (n_classes, q + 1, q + 1) float32.

        `curvature` h (n_rows, n_classes) float32 belongs to the rows taken.
        """
        grams, first = np.zeros((curvature.shape[1], len(columns) + 1, len(columns) + 1), dtype=np.float32), 0
        for block, part in self.parts():
            inside = None if rows is None else _within(rows, part)
            X = with_ones(select(block.fast, inside, columns, np.float32) * self.scale)
            grams += twin.class_grams(X, curvature[first : first + X.shape[0]])
            first += X.shape[0]
        return grams

    @cached_property
    def portrait(self) -> tuple[np.ndarray, "Rows"]:
        """Some rows, drawn evenly, and what they hold, in memory."""
        drawn = np.random.default_rng(0).choice(self.n_samples, self.n_portrait, replace=False, shuffle=False)
        drawn.sort()
        return drawn, self.take(drawn)

    @property
    def n_portrait(self) -> int:
        """Number of rows that may stand for all."""
        return min(PORTRAIT, max(1000, HELD // (8 * max(1, self.n_features))), self.n_samples)

    def parts(self, *arrays: RowArray | np.ndarray) -> Iterator[tuple[Any, ...]]:
        """Yield the blocks, each with the place of its rows, and these rows of arrays."""
        row_arrays = [x if isinstance(x, RowArray) else RowArray.of(x, self.slices) for x in arrays]
        for i, (block, part) in enumerate(zip(self.blocks, self.slices, strict=True)):
            yield block, part, *(array.block(i) for array in row_arrays)
            block.release()

    def _threads(self, n_classes: int) -> int:
        """Return the number of threads that the amount of work deserves."""
        return int(min(self.n_threads, 1 + self.cost(n_classes) // THREAD_WORK))


def default_threads() -> int:
    """Return the number of cores this process may use; process pools lower it through OMP_NUM_THREADS."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(wanted)) if wanted.isdigit() and int(wanted) > 0 else cores


def _within(rows: np.ndarray, part: slice) -> np.ndarray:
    """Return those of the sorted row numbers that lie in a block, counted from its start."""
    first, last = np.searchsorted(rows, [part.start, part.stop])
    return rows[first:last] - part.start


def is_matrix(X: Any) -> bool:
    return sparse.issparse(X) or ((isinstance(X, np.ndarray) or arrays.is_foreign(X)) and X.ndim == 2)
