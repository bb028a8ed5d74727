"""Rows as blocks: arrays, CSR matrices and memory-mapped files behind one set of products.

`Rows` is the only place that knows how the data lie in memory. Every sum over rows is a sum over blocks, and the loss
over blocks is the loss.

Of rows that stay in a file, or whose scores would take more than HELD bytes, nothing is kept but sums: scores and
probabilities are computed again by those who read them (`row_arrays.py`).

Shapes: coef (n_classes, n_features), intercept (n_classes,), codes and weights (n_samples,), scores and proba
(n_samples, n_classes). `dtype` is the type of a pass: float32, summed in float64 over chunks of rows, or float64
throughout, which is what certificates use.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from inklens.errors import DataError
from inklens.linear import arrays, deadline, memory
from inklens.linear.arrays import Array
from inklens.linear.blas import default_threads
from inklens.linear.kernels.backend import ColumnVisitor, LossPass, PairColumns, RowVisitor
from inklens.linear.kernels.buffers import Spare, empty_scores, lanes
from inklens.linear.kernels.choice import numpy_backend
from inklens.linear.kernels.storage import DENSE, Inspection, Storage, in_one_piece, of_columns, select, single, take
from inklens.linear.rows.elsewhere import is_elsewhere
from inklens.linear.rows.layouts import (
    Block,
    StreamedBlock,
    bytes_of,
    dense_storage,
    extremes,
    inspect,
    is_subnormal,
    make_block,
    make_blocks,
    sparse_storage,
    widened,
)
from inklens.linear.rows.mapped import require_whole
from inklens.linear.rows.row_arrays import Made, RowArray, within
from inklens.linear.softmax import softmax

if TYPE_CHECKING:
    from distributed import Client

HELD = 1 << 27  # bytes of an array of scores in float64 up to which scores are held
KEPT_SCORES = 1 << 24  # of a pass's scores; more are made again where they are read: fresh memory costs as much
HELD_SHARE = 1 / 16  # of the memory that a fit may take: it looks at a dozen such arrays
SUBSAMPLE_ROWS = 20_000  # that stand for all where scores are not held
LARGER = 4  # times as many stand for all where those are too few, if they fit HELD
DRAWN = 1.1  # times as many as are wanted may be drawn by chance
LEAST_SUBSAMPLE_ROWS = 1_000  # where rows are so long that fewer would fit HELD
THREAD_WORK = 2_000_000  # multiply-adds below which a second thread costs more than it saves

NEGLIGIBLE_OPENNESS = 0.02  # 1 - p_max of a row, in units of the sampling threshold, below which its edges are left out
CANCELLED = 1e-6  # of a column's mean square: a variance below has lost too many digits in the difference

NOTHING = np.zeros(())  # a sum takes shape and memory order of the first array that is added to it

AnyBlock: TypeAlias = Block | StreamedBlock


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

    blocks: list[AnyBlock]
    scale: float = 1.0
    n_threads: int = 1
    n_passes: float = field(default=0.0, init=False)
    n_together: int = field(default=0, init=False)  # with all shards that these are one of, which decides what is held
    _spare: Spare = field(default_factory=Spare, init=False, repr=False)
    _spare_parts: Spare = field(default_factory=Spare, init=False, repr=False)  # of a block's rows

    @classmethod
    def of(cls, X: Array, *, scale: float = 1.0, n_threads: int | None = None) -> "Rows":
        """Return the rows of an array, a sparse matrix, a memory map, or of a list of these stacked on each other.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, list of either, or data that live elsewhere
            uint8 and float32 are used as they are, other numbers as float64; float64 pixels that are whole multiples of
            one unit (X / 255) as what they were before. Never written to. A memory-mapped file
            beyond 128 MB stays there: it is read anew in every pass, and memory does not grow with its rows.
            Dask arrays and tables, lists of delayed parts, and lists of files (``.npy``, IDX, Parquet, Zarr; paths or
            addresses) are read by Dask workers, and stay there (`remote/`).
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
        if is_elsewhere(X):
            from inklens.linear.rows.remote.remote_rows import RemoteRows

            return RemoteRows.on_workers(X, scale=scale, n_threads=n_threads)
        parts = list(X) if isinstance(X, list | tuple) and X and arrays.is_matrix(X[0]) else [X]
        for part in parts:
            require_whole(part)
        whole = bytes_of(X, n_threads)
        if whole is not None:
            return cls(make_blocks(whole[0], n_threads), float(scale) * whole[1], n_threads)
        blocks: list[AnyBlock] = []
        for number, part in enumerate(parts):
            blocks += make_blocks(part, n_threads, first_row=sum(block.n_samples for block in blocks))
            if blocks[-1].shape[1] != blocks[0].shape[1]:
                raise DataError(
                    f"all blocks must have the same number of columns: the first has {blocks[0].shape[1]}, "
                    f"block {number} has {blocks[-1].shape[1]}"
                )
        if all(not isinstance(block, StreamedBlock) and block.exact.is_foreign for block in blocks):
            from inklens.linear.rows.on_device import DeviceRows

            cls = DeviceRows
        if is_subnormal(*extremes(blocks)):  # in float64 such columns are numbers as any other
            blocks = [widened(block) for block in blocks]
        return cls(blocks, float(scale), n_threads)

    @property
    def names(self) -> list[str] | None:
        """Names of the columns, where the data that live elsewhere have some."""
        return None

    @property
    def client(self) -> "Client | None":
        """Who computes on the workers that hold the rows; None where they are here."""
        return None

    def close(self) -> None:
        """Give back what is held elsewhere: nothing, for rows in this process."""

    # ---- shape and contents ------------------------------------------------------------------------------------------

    @cached_property
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

    @cached_property
    def is_sparse(self) -> bool:
        """Whether the passes skip zeros."""
        return all(
            block.skip_zeros if isinstance(block, StreamedBlock) else block.laid.layout != DENSE
            for block in self.blocks
        )

    @property
    def visitor(self) -> RowVisitor | None:
        """What visits the rows one at a time; None where some block's backend does not."""
        visitors = [block.laid.backend.visitor for block in self.blocks]
        return visitors[0] if all(visitors) else None

    @property
    def column_visitor(self) -> ColumnVisitor | None:
        """What visits the columns one at a time; None where some block's backend does not."""
        visitors = [block.laid.backend.column_visitor for block in self.blocks]
        return visitors[0] if all(visitors) else None

    @property
    def takes_rounds(self) -> bool:
        """Whether rounds of Newton's method go together in one call (`at_once.py`): in one piece of memory."""
        return self.in_one_piece is not None

    @cached_property
    def in_one_piece(self) -> Storage | None:
        """The rows for passes in float64 as one block, without a copy; None where they are not one piece of memory."""
        if any(block.is_streamed or block.file is not None or not block.laid.backend.rounds for block in self.blocks):
            return None
        storages = [block.storage(np.float64) for block in self.blocks]
        return storages[0] if len(storages) == 1 else in_one_piece(storages)

    @cached_property
    def slices(self) -> list[slice]:
        """The rows of each block."""
        edges = np.cumsum([0, *(block.n_samples for block in self.blocks)]).tolist()
        return [slice(*ends) for ends in pairwise(edges)]

    def holds(self, n_classes: int) -> bool:
        """Tell whether scores and probabilities are kept in memory."""
        if any(block.is_streamed for block in self.blocks):
            return False
        n_bytes = max(self.n_samples, self.n_together) * lanes(n_classes) * 8
        is_whole = len(self.blocks) == 1 and not self.n_together
        return is_whole or n_bytes <= memory.share(HELD_SHARE, HELD)

    @property
    def reads_quickly(self) -> bool:
        """Whether rows that are not held are so few that to read all costs no more than to fit some in their place."""
        return False

    @property
    def _scaled_extremes(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest values as stored, times scale, which may be negative."""
        low, high = extremes(self.blocks)
        return low * self.scale, high * self.scale

    @cached_property
    def low(self) -> np.ndarray:
        """Smallest value of each column, (n_features,)."""
        return np.asarray(np.minimum(*self._scaled_extremes))

    @cached_property
    def high(self) -> np.ndarray:
        """Largest value of each column, (n_features,)."""
        return np.asarray(np.maximum(*self._scaled_extremes))

    @cached_property
    def constant(self) -> np.ndarray:
        """Mask of the columns with one value only, (n_features,)."""
        return np.asarray(self.low == self.high)

    @cached_property
    def _absolute(self) -> "Rows":
        if (self.low >= 0.0).all():
            return self
        blocks: list[AnyBlock] = []
        for block in self.blocks:
            if isinstance(block, StreamedBlock):
                low, high, n_nonzeros = block.inspection
                least = np.where(low * high > 0.0, np.minimum(abs(low), abs(high)), 0.0)
                blocks.append(block.changed(np.abs, Inspection(least, np.maximum(-low, high), n_nonzeros)))
                continue
            exact = block.exact._replace(values=abs(block.exact.values))
            blocks.append(Block(exact, None, inspect(exact, self.n_threads)))
        return replace(self, blocks=blocks, scale=abs(self.scale))

    def absolute(self) -> "Rows":
        """Return the rows of |X|, which bound rounding errors; the rows themselves where nothing is negative."""
        return self._absolute

    def cost(self, n_classes: int) -> float:
        """Return the multiply-adds of one half of a pass."""
        size = self.n_nonzeros if self.is_sparse else self.n_samples * self.n_features
        return float(size) * lanes(n_classes)

    # ---- products with the rows --------------------------------------------------------------------------------------

    def scores(
        self, coef: np.ndarray, intercept: np.ndarray | None = None, *, dtype: npt.DTypeLike = np.float32
    ) -> np.ndarray:
        """Return z_i = W x_i + b, (n_samples, n_classes); half a pass."""
        intercept = np.zeros(len(coef)) if intercept is None else intercept
        out = empty_scores(self.n_samples, len(coef), dtype, self._spare)
        for block, part in self.parts():
            self._write_scores(block, coef, intercept, out[part])
        return out

    def row_scores(
        self,
        coef: np.ndarray,
        intercept: np.ndarray,
        *,
        dtype: npt.DTypeLike = np.float32,
        is_held: bool | None = None,
    ) -> RowArray:
        """Return the scores, held or to be computed when they are read; half a pass for each reading.

        By default they are held where there is room (`holds`).
        """
        if self.holds(len(coef)) if is_held is None else is_held:
            return RowArray.of(self.scores(coef, intercept, dtype=dtype), self.slices, self._spare)

        def make(i: int, _: Made) -> np.ndarray:
            block = self.blocks[i]
            if block.file is not None:
                block.file.check()
            self._block_after(i).ask_for()
            out = self._room(len(coef), dtype, is_whole=len(self.blocks) == 1)[: block.n_samples]
            self._write_scores(block, coef, intercept, out)
            block.release()
            return out

        made = RowArray(self.slices, make, len(coef), dtype)
        made.spare = self._spare
        return made

    def _write_scores(self, block: AnyBlock, coef: np.ndarray, intercept: np.ndarray, out: np.ndarray) -> None:
        storage = block.storage(out.dtype)
        storage.backend.scores(storage, coef * self.scale, intercept, out, self.threads(len(coef)))
        self.n_passes += 0.5 * block.n_samples / max(1, self.n_samples)

    def loss_and_gradient(
        self,
        coef: np.ndarray,
        intercept: np.ndarray,
        codes: np.ndarray,
        weights: np.ndarray,
        *,
        dtype: npt.DTypeLike = np.float32,
        keeps_scores: bool = True,
    ) -> Evaluation:
        """Return loss and gradient sum_i c_i (p_i - y_i) x_i' with the scores and probabilities; one pass.

        Scores that are not kept, as too large ones never are, are made again when they are read.
        """
        n_classes, is_held = len(coef), self.holds(len(coef))
        n_bytes = self.n_samples * lanes(n_classes) * np.dtype(dtype).itemsize
        keeps_scores = keeps_scores and is_held and (len(self.blocks) == 1 or n_bytes <= KEPT_SCORES)
        scores = self._room(n_classes, dtype, is_whole=True) if keeps_scores else None
        proba = self._room(n_classes, dtype, is_whole=is_held)
        gradient = NOTHING
        loss, sums = 0.0, np.zeros(n_classes)
        for (block, part), own, c in zip(self.parts(), self.of_rows(codes), self.of_rows(weights), strict=True):
            own_rows = slice(0, block.n_samples)
            storage = block.storage(dtype)
            found = storage.backend.loss_pass(
                storage,
                coef * self.scale,
                intercept,
                own,
                c,
                None if scores is None else scores[part],
                proba[part if is_held else own_rows],
                self.threads(n_classes),
            )
            loss, sums = loss + found.loss, sums + found.class_sums
            gradient = gradient + found.gradient
        self.n_passes += 1.0
        self._require_finite(loss, gradient)
        if scores is None:
            z = self.row_scores(coef, intercept, dtype=dtype, is_held=False)
        else:
            z = RowArray.of(scores, self.slices, self._spare)
        if is_held:
            p = RowArray.of(proba, self.slices, self._spare)
        else:
            p = RowArray.combine(softmax, z)
            p.point = coef, intercept
        return Evaluation(loss, gradient * self.scale, sums, z, p)

    def _room(self, n_classes: int, dtype: npt.DTypeLike, *, is_whole: bool) -> np.ndarray:
        """Return room for numbers of all rows, or of any one block's."""
        if is_whole:
            return empty_scores(self.n_samples, n_classes, dtype, self._spare)
        return empty_scores(max(block.n_samples for block in self.blocks), n_classes, dtype, self._spare_parts)

    def hessian_product(
        self,
        proba: RowArray | np.ndarray,
        weights: np.ndarray,
        direction: np.ndarray,
        intercept_direction: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the loss's Hessian times a direction, (n_classes, n_features) and (n_classes,); one pass.

        The pass has the type of `proba`. A softmax that is not held is made again where it is needed, in the kernel.
        """
        product, sums = NOTHING, np.zeros(len(direction))
        for found in self._curved(proba, weights, direction * self.scale, intercept_direction):
            product, sums = product + found.gradient, sums + found.class_sums
        self.n_passes += 1.0
        return product * self.scale, sums

    def _curved(
        self,
        proba: RowArray | np.ndarray,
        weights: np.ndarray,
        direction: np.ndarray,
        intercept_direction: np.ndarray,
    ) -> Iterator[LossPass]:
        """Yield each block's share of a product with the Hessian."""
        dtype, threads = proba.dtype, self.threads(len(direction))
        point = None if isinstance(proba, np.ndarray) else proba.point
        if point is None:
            for (block, _, p), c in zip(self.parts_with(proba), self.of_rows(weights), strict=True):
                storage = block.storage(dtype)
                yield storage.backend.hessian_pass(storage, p, c, direction, intercept_direction, threads)
            return
        coef, intercept = point[0] * self.scale, point[1]
        for (block, _), c in zip(self.parts(), self.of_rows(weights), strict=True):
            storage = block.storage(dtype)
            yield storage.backend.curvature_pass(
                storage, coef, intercept, c, direction, intercept_direction, dtype, threads
            )
        self.n_passes += 0.5

    def transpose_product(self, residual: RowArray | np.ndarray, *, squared: bool = False) -> np.ndarray:
        """Return residual' X, (n_classes, n_features), in the type of `residual`; half a pass.

        With `squared`, every entry of X is squared first.
        """
        product = NOTHING
        for block, _, own in self.parts_with(residual):
            storage, threads = block.storage(residual.dtype), self.threads(residual.shape[1])
            found = storage.backend.transpose_pass(storage, own, threads, squared=squared)
            product = product + found
        self.n_passes += 0.5
        return product * (self.scale**2 if squared else self.scale)

    def edge_grams(self, proba: RowArray | np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return sum_i c_i p_ik p_il [x_i 1][x_i 1]' for classes k < l, (n_pairs, n_features + 1, n_features + 1)."""
        n_pairs = proba.shape[1] * (proba.shape[1] - 1) // 2
        work = self.n_nonzeros**2 / max(1, self.n_samples) * n_pairs
        n_threads = int(min(self.n_threads, 1 + work // THREAD_WORK))
        grams = NOTHING
        for (block, _, p), c in zip(self.parts_with(proba), self.of_rows(weights), strict=True):
            storage = block.storage(np.float64)
            grams = grams + storage.backend.edge_grams(storage, arrays.cast(p, np.float64), c, n_threads)
        self.n_passes += 1.0
        unit = np.append(np.full(self.n_features, self.scale), 1.0)
        return grams if self.scale == 1.0 else grams * unit * unit[:, None]

    def residual_product(self, proba: RowArray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return sum_i c_i (y_i - p_i) x_i', (n_classes, n_features), in the type of `proba`; half a pass."""
        product, threads = NOTHING, self.threads(proba.shape[1])
        parts = zip(self.parts_with(proba), self.of_rows(codes), self.of_rows(weights), strict=True)
        for (block, _, p), own, c in parts:
            storage = block.storage(proba.dtype)
            product = product + storage.backend.residual_pass(storage, p, own, c, threads)
        self.n_passes += 0.5
        return product * self.scale

    def sums_by_class(self, codes: np.ndarray, weights: np.ndarray, n_classes: int) -> np.ndarray:
        """Return sum_i c_i x_i over the rows of each class, (n_classes, n_features), in float64; half a pass."""
        return self._summed(codes, weights, n_classes, squared=False)

    def _summed(self, codes: np.ndarray | None, weights: np.ndarray, n_classes: int, *, squared: bool) -> np.ndarray:
        labels = [None] * len(self.blocks) if codes is None else self.of_rows(codes)
        sums, threads = NOTHING, self.threads(n_classes)
        for (block, _), own, c in zip(self.parts(), labels, self.of_rows(weights), strict=True):
            storage = block.storage(np.float64)
            sums = sums + storage.backend.class_pass(storage, own, c, n_classes, threads, squared=squared)
        self.n_passes += 0.5
        return sums * (self.scale**2 if squared else self.scale)

    @property
    def n_added(self) -> int:
        """How many additions a sum over rows in `transpose_product` passes through in float64, at most."""
        of_blocks = (
            block.n_samples if block.is_streamed else block.exact.backend.n_added(block.storage(np.float64))
            for block in self.blocks
        )
        return max(of_blocks, default=0) + len(self.blocks)

    def column_sums(self, weights: np.ndarray) -> np.ndarray:
        """Return sum_i w_i x_ij, (n_features,), in float64."""
        return self._summed(None, weights.astype(np.float64, copy=False), 1, squared=False).ravel()

    def column_squares(self, weights: np.ndarray) -> np.ndarray:
        """Return sum_i w_i x_ij^2, (n_features,), in float64."""
        return self._summed(None, weights.astype(np.float64, copy=False), 1, squared=True).ravel()

    @np.errstate(under="ignore")
    def column_deviations(self, weights: np.ndarray) -> np.ndarray:
        """Return each column's standard deviation sqrt(sum_i w_i (x_ij - mean_j)^2 / sum_i w_i), (n_features,).

        Two sums tell it, and of columns that vary little around a large mean, where these cancel, a second reading.
        """
        total = float(weights.sum())
        means, squares = self.column_sums(weights) / total, self.column_squares(weights) / total
        variances = squares - means**2
        for column in np.flatnonzero((variances < CANCELLED * squares) & ~self.constant):
            x = self.dense(np.array([column]), dtype=np.float64)[:, 0] - means[column]
            variances[column] = (weights @ (x * x) - (weights @ x) ** 2 / total) / total
        return np.asarray(np.where(self.constant, 0.0, np.sqrt(np.maximum(variances, 0.0))))

    def row_squares(self, unit: np.ndarray) -> np.ndarray:
        """Return sum_j (unit_j x_ij / scale)^2, (n_samples,), `unit` in float32."""
        squares = np.empty(self.n_samples)
        for block, part in self.parts():
            block.fast.backend.row_squares(block.fast, unit, squares[part])
        return squares

    # ---- parts of the matrix -----------------------------------------------------------------------------------------

    def dense(
        self, columns: np.ndarray | None = None, rows: np.ndarray | None = None, dtype: npt.DTypeLike = np.float32
    ) -> np.ndarray:
        """Return some columns of some rows (sorted indices) as a scaled array of its own, (n_rows, n_columns)."""
        pieces = []
        for block, part in self.parts():
            inside = None if rows is None else within(rows, part)
            pieces.append(arrays.to_numpy(select(block.storage(dtype), inside, columns, dtype)))
        stacked = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return np.asarray(np.multiply(stacked, self.scale, dtype=dtype))

    def standardised(self, shift: np.ndarray, scale: np.ndarray) -> "Rows":
        """Return (X - shift) / scale by columns, as a copy of rows in memory; shifted columns have no zeros.

        float32 rows stay float32 where that loses nothing: `shift` is a number of float32 near those of
        its column (Sterbenz), `scale` a power of two.
        """
        is_exact = bool((shift == shift.astype(np.float32)).all() and (np.frexp(scale)[0] == 0.5).all())
        blocks: list[AnyBlock] = []
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
            stays = is_exact and self.scale == 1.0 and single(exact) is exact and not exact.is_foreign
            dtype = np.float32 if stays else np.float64
            values = arrays.cast(exact.values, dtype) * self.scale
            at = slice(None) if exact.indices is None else exact.indices
            m, s = (arrays.like(values, by_column[at], dtype) for by_column in (shift, scale))
            exact = exact._replace(values=(values - m) / s)
            blocks.append(Block(exact, None, inspection))
        return replace(self, blocks=blocks, scale=1.0)

    def take(self, rows: np.ndarray) -> "Rows":
        """Return some rows (sorted indices) as `Rows` of the same layout; many rows of a file stay there."""
        if all(block.is_streamed for block in self.blocks) and len(rows) <= self.n_brought:
            gathered = np.concatenate([block.exact.values[within(rows, part)] for block, part in self.parts()])
            return Rows([make_block(dense_storage(gathered), self.n_threads)], self.scale, self.n_threads)
        blocks: list[AnyBlock] = []
        for block, part in self.parts():
            inside = within(rows, part)
            if not len(inside) and self.blocks[1:]:
                continue
            if isinstance(block, StreamedBlock):
                blocks.append(block.take(inside))
            else:
                exact = take(block.exact, inside)
                packed = block.packed
                if packed is not None:
                    packed = exact if packed is block.exact else take(packed, inside)
                blocks.append(Block(exact, packed, inspect(exact, self.n_threads)))
        return replace(self, blocks=blocks)

    def chosen(self, rows: np.ndarray) -> "Rows":
        """Return some rows (sorted indices) as `take` does, and where they are, too, where others hold them."""
        return self.take(rows)

    def csr(self, columns: np.ndarray, rows: np.ndarray | None = None, dtype: npt.DTypeLike = np.float32) -> Storage:
        """Return some columns (ascending) of some rows (sorted indices) as scaled CSR with int32 columns."""
        values: list[np.ndarray] = []
        indices: list[np.ndarray] = []
        sizes: list[np.ndarray] = []
        for block, part in self.parts():
            storage = block.storage(dtype)
            if storage.indices is None:
                dense = storage.values if rows is None else storage.values[within(rows, part)]
                storage = sparse_storage(sparse.csr_array(dense))
            elif rows is not None:
                storage = take(storage, within(rows, part))
            storage = of_columns(storage, columns)
            place, starts = storage.csr
            values.append(np.multiply(storage.values, self.scale, dtype=dtype))
            indices.append(place)
            sizes.append(np.diff(starts))
        indptr = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
        shape = len(indptr) - 1, len(columns)
        return Storage(np.concatenate(values), np.concatenate(indices), indptr, shape, numpy_backend())

    def transposed(self) -> Storage:
        """Return the scaled columns one after the other, as CSR in float32 with int32 row numbers."""
        found = self.csr(np.arange(self.n_features)).matrix.tocsc()
        indptr = found.indptr.astype(np.int64)
        return Storage(
            found.data, found.indices.astype(np.int32, copy=False), indptr, self.shape[::-1], numpy_backend()
        )

    def add_class_grams(
        self, columns: np.ndarray, rows: np.ndarray | None, curvature: np.ndarray, out: np.ndarray
    ) -> None:
        """Add [X 1]' diag(h_k) [X 1] over some columns and rows to the lower triangles of `out`, one for each class.

        `curvature` h (n_rows, n_classes) float32 belongs to the rows taken; out is (n_classes, q + 1, q + 1) float32 or
        larger.
        """
        if self.is_sparse and not any(block.laid.is_foreign for block in self.blocks):
            X = self.csr(columns, rows)
            X.backend.class_grams(X, curvature, out, self.n_threads)
            return
        first = 0
        for block, part in self.parts():
            inside = None if rows is None else within(rows, part)
            values = select(block.fast, inside, columns, np.float32) * self.scale
            X = Storage(values, None, None, tuple(values.shape), block.laid.backend)
            X.backend.class_grams(X, curvature[first : first + X.shape[0]], out, self.n_threads)
            first += X.shape[0]

    def pair_hessian(
        self,
        proba: RowArray | np.ndarray,
        weights: np.ndarray,
        classes: np.ndarray,
        features: np.ndarray,
        *,
        sampling_threshold: float = 0.0,
        seed: int = 0,
    ) -> np.ndarray:
        """Return sum_i c_i x_ij x_il p_ik (1[k = m] - p_im) over pairs (j, k), (l, m), in float32.

        Pairs are some features with classes in ascending order; feature n_features is all ones. Edges, a row's weight
        c_i p_ik p_il between two classes, lighter than `sampling_threshold` are sampled.
        """
        hessian = np.zeros((len(classes), len(classes)), dtype=np.float32)
        if not self.n_samples:  # a shard that a fold has nothing of
            return hessian
        used, place = np.unique(np.append(features, self.n_features), return_inverse=True)
        columns = PairColumns(used, place[:-1].astype(np.int32), classes, proba.shape[1])
        largest_weight = max(weights.max(), np.finfo(float).tiny)
        least_open = float(NEGLIGIBLE_OPENNESS * sampling_threshold / largest_weight)
        for number, ((block, _, p), c) in enumerate(zip(self.parts_with(proba), self.of_rows(weights), strict=True)):
            xp = arrays.namespace(p)
            chosen = xp.nonzero((1.0 - xp.max(p, axis=1) > least_open) & (c > 0.0))[0]
            block.fast.backend.pair_hessian(
                block.fast,
                chosen,
                columns,
                arrays.take(p, chosen, 0),
                arrays.take(c, chosen, 0),
                hessian,
                scale=self.scale,
                sampling_threshold=sampling_threshold,
                seed=seed + number,
                n_threads=self.n_threads,
            )
        return hessian

    @cached_property
    def subsample(self) -> tuple[np.ndarray, "Rows"]:
        """Some rows, drawn evenly, and what they hold, in memory."""
        return self.drawn(self.n_subsample)

    def drawn(self, n_rows: int) -> tuple[np.ndarray, "Rows"]:
        """Return so many rows, drawn evenly, and what they hold."""
        drawn = np.random.default_rng(0).choice(self.n_samples, n_rows, replace=False, shuffle=False)
        drawn.sort()
        return drawn, self.take(drawn)

    @property
    def n_subsample(self) -> int:
        """Number of rows that may stand for all."""
        fit = max(LEAST_SUBSAMPLE_ROWS, HELD // (8 * max(1, self.n_features)))
        return min(SUBSAMPLE_ROWS, fit, self.n_samples)

    @property
    def n_larger_subsample(self) -> int:
        """Number of rows that may stand for all where fewer are too few."""
        fit = max(self.n_subsample, HELD // max(1, self.row_bytes))
        return min(LARGER * self.n_subsample, fit, self.n_samples)

    @property
    def n_brought(self) -> int:
        """Number of rows up to which those that are taken are held in this process, wherever the others are."""
        return max(2 * self.n_subsample, int(DRAWN * self.n_larger_subsample))

    @property
    def row_bytes(self) -> int:
        """Bytes that a row takes as it is stored, at most."""
        return int(arrays.dtype_of(self.blocks[0].exact.values).itemsize) * self.n_features

    def parts(self) -> Iterator[tuple[AnyBlock, slice]]:
        """Yield the blocks, each with the place of its rows; raise `OutOfTime` between two when the time is over."""
        for i, (block, part) in enumerate(zip(self.blocks, self.slices, strict=True)):
            deadline.check()
            if block.file is not None:
                block.file.check()
            self._block_after(i).ask_for()
            yield block, part
            block.release()

    def _block_after(self, i: int) -> AnyBlock:
        """Return the block that is read after block i; after the last one comes the next pass."""
        return self.blocks[(i + 1) % len(self.blocks)]

    def of_rows(self, values: np.ndarray) -> Sequence[Array]:
        """Return labels or weights by blocks, where the rows of these are."""
        return [values[part] for part in self.slices]

    def array(self, values: np.ndarray) -> RowArray:
        """Return numbers for each row as an array where the rows are."""
        return RowArray.of(values, self.slices)

    def parts_with(self, values: RowArray | np.ndarray) -> Iterator[tuple[AnyBlock, slice, Array]]:
        """Yield the blocks as `parts` does, each with its rows of an array."""
        row_array = values if isinstance(values, RowArray) else self.array(values)
        for i, (block, part) in enumerate(self.parts()):
            yield block, part, row_array.block(i)

    def _require_finite(self, loss: float, gradient: np.ndarray) -> None:
        """Raise where sums are not finite as values no longer are: somebody has written into them since the check."""
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(float(loss) + float(np.sum(gradient))):
                return
        for block, part in self.parts():
            try:
                inspect(block.exact, self.n_threads, part.start)
            except DataError as error:
                raise DataError(f"the rows were changed while they were read: {error}") from error

    def threads(self, n_classes: int) -> int:
        """Return the number of threads that the amount of work deserves."""
        return int(min(self.n_threads, 1 + self.cost(n_classes) // THREAD_WORK))
