"""Passes over rows by the C library: `kernels.c`, `dual_ascent.c`, `column_descent.c`."""

import numpy as np
import numpy.typing as npt

from inklens.linear import deadline
from inklens.linear.kernels import library
from inklens.linear.kernels.backend import ColumnModel, DualAscentState, LossPass
from inklens.linear.kernels.buffers import aligned, empty_scores, lanes, padded, together
from inklens.linear.kernels.by_class import labelled
from inklens.linear.kernels.compiled_simplex import CompiledSimplex
from inklens.linear.kernels.storage import Storage

SCORES, LOSS, HESSIAN, BACK, CURVATURE = range(5)  # modes of a pass, as in `kernels.c`
CHUNK_ROWS = 256  # between two flushes of sums in float64, as there; of sparse rows up to
SPARSE_CHUNK = 8  # times as many as columns
LARGEST_TILE = 256  # rows, by which a chunk may be longer
MAX_THREADS = 64  # each with sums of its own
WIDE = 8192  # columns of dense rows, whose sums fit into a cache

SIMPLEX = CompiledSimplex()

Arrays = dict[str, np.ndarray]  # by their names in `pass_t`


class CompiledPasses:
    """The passes of a `Backend`."""

    def scores(
        self, storage: Storage, coef: np.ndarray, intercept: np.ndarray, out: np.ndarray, n_threads: int = 1
    ) -> None:
        buffer = padded(out, out.dtype)
        W, b = together(coef, intercept, out.dtype)
        _run(storage, SCORES, len(coef), out.dtype, n_threads, {"coef": W, "intercept": b, "scores": buffer})
        if not np.shares_memory(buffer, out):
            out[...] = buffer[:, : len(coef)]

    def loss_pass(
        self,
        storage: Storage,
        coef: np.ndarray,
        intercept: np.ndarray,
        codes: np.ndarray,
        weights: np.ndarray,
        scores_out: np.ndarray | None,
        proba_out: np.ndarray,
        n_threads: int = 1,
    ) -> LossPass:
        dtype = proba_out.dtype
        wanted = {"proba": proba_out} if scores_out is None else {"scores": scores_out, "proba": proba_out}
        arrays = {name: padded(out, dtype) for name, out in wanted.items()}
        W, b = together(coef, intercept, dtype)
        given = {"coef": W, "intercept": b, "codes": codes, "weights": weights}
        result = self._folded(storage, LOSS, len(coef), dtype, n_threads, given | arrays)
        for name, out in wanted.items():
            if not np.shares_memory(arrays[name], out):
                out[...] = arrays[name][:, : len(coef)]
        return result

    def hessian_pass(
        self,
        storage: Storage,
        proba: np.ndarray,
        weights: np.ndarray,
        direction: np.ndarray,
        intercept_direction: np.ndarray,
        n_threads: int = 1,
    ) -> LossPass:
        dtype = proba.dtype
        W, b = together(direction, intercept_direction, dtype)
        arrays = {"coef": W, "intercept": b, "weights": weights, "proba": padded(proba, dtype)}
        return self._folded(storage, HESSIAN, len(direction), dtype, n_threads, arrays)

    def curvature_pass(
        self,
        storage: Storage,
        coef: np.ndarray,
        intercept: np.ndarray,
        weights: np.ndarray,
        direction: np.ndarray,
        intercept_direction: np.ndarray,
        dtype: npt.DTypeLike,
        n_threads: int = 1,
    ) -> LossPass:
        at = dict(zip(("point", "point_intercept"), together(coef, intercept, dtype), strict=True))
        along = dict(zip(("coef", "intercept"), together(direction, intercept_direction, dtype), strict=True))
        return self._folded(storage, CURVATURE, len(coef), dtype, n_threads, {"weights": weights, **at, **along})

    def _folded(
        self,
        storage: Storage,
        mode: int,
        n_classes: int,
        dtype: npt.DTypeLike,
        n_threads: int,
        arrays: Arrays,
    ) -> LossPass:
        """Run a pass over the rows; wide ones leave their residuals to a second one over the columns."""
        if storage.transpose is None and not _is_wide(storage, n_classes, n_threads):
            return _run(storage, mode, n_classes, dtype, n_threads, arrays)
        residual = empty_scores(storage.shape[0], n_classes, dtype)
        found = _run(storage, mode, n_classes, dtype, n_threads, {**arrays, "residual": padded(residual, dtype)})
        return found._replace(gradient=self.transpose_pass(storage, residual, n_threads))

    def transpose_pass(
        self, storage: Storage, residual: np.ndarray, n_threads: int = 1, *, squared: bool = False
    ) -> np.ndarray:
        dtype = residual.dtype
        if storage.transpose is not None:  # X' residual is what scores of the columns are
            columns = storage.transpose
            if squared:
                columns = columns._replace(values=columns.values.astype(dtype) ** 2)
            out = empty_scores(storage.shape[1], residual.shape[1], dtype)
            self.scores(columns, residual.T, np.zeros(residual.shape[1]), out, n_threads)
            return out.T.astype(np.float64)
        given = {"scores": padded(residual, dtype)}
        if not _is_wide(storage, residual.shape[1], n_threads):
            return _run(storage, BACK, residual.shape[1], dtype, n_threads, given, square=squared).gradient
        product = np.empty((residual.shape[1], storage.shape[1]))
        for first in range(0, storage.shape[1], WIDE):
            part = slice(first, first + WIDE)
            own = storage._replace(values=storage.values[:, part], shape=storage.values[:, part].shape)
            product[:, part] = _run(own, BACK, len(product), dtype, n_threads, given, square=squared).gradient
        return product

    def residual_pass(
        self, storage: Storage, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray, n_threads: int = 1
    ) -> np.ndarray:
        n_classes = proba.shape[1]
        if storage.transpose is not None or _is_wide(storage, n_classes, n_threads):
            return self.transpose_pass(storage, SIMPLEX.residual(proba, codes, weights), n_threads)
        given = {"proba": padded(proba, proba.dtype), "codes": codes, "weights": weights}
        return _run(storage, BACK, n_classes, proba.dtype, n_threads, given).gradient

    def class_pass(
        self,
        storage: Storage,
        codes: np.ndarray | None,
        weights: np.ndarray,
        n_classes: int,
        n_threads: int = 1,
        *,
        squared: bool = False,
    ) -> np.ndarray:
        weights = np.require(weights, np.float64, ["C", "A"])
        if storage.transpose is not None or _is_wide(storage, n_classes, n_threads):
            return self.transpose_pass(storage, labelled(weights, codes, n_classes), n_threads, squared=squared)
        given = {"weights": weights} if codes is None else {"codes": codes, "weights": weights}
        return _run(storage, BACK, n_classes, np.float64, n_threads, given, square=squared).gradient

    def n_added(self, storage: Storage) -> int:
        n_samples, n_features = storage.shape
        if storage.transpose is not None:
            return n_samples
        chunk = CHUNK_ROWS if storage.indptr is None else max(CHUNK_ROWS, SPARSE_CHUNK * n_features)
        return min(n_samples, chunk + LARGEST_TILE + n_samples // chunk + MAX_THREADS)

    def row_squares(self, storage: Storage, unit: np.ndarray, out: np.ndarray) -> None:
        library.run("dual_squares", library.describe(storage), unit, out, needs="one row")


class CompiledVisitor:
    """A `RowVisitor`."""

    def lanes(self, n_classes: int) -> int:
        return library.call("dual_lanes", n_classes)

    def epoch(
        self,
        storage: Storage,
        order: np.ndarray,
        unit: np.ndarray,
        weights: np.ndarray,
        squares: np.ndarray,
        leverage: np.ndarray,
        n_classes: int,
        state: DualAscentState,
    ) -> None:
        library.run(
            "dual_epoch", library.describe(storage), order, unit, weights, squares, n_classes, state.W, state.proba,
            state.centre, state.offset, leverage, deadline.remaining(), needs="one row of dual ascent",
        )  # fmt: skip


class CompiledColumns:
    """A `ColumnVisitor`."""

    def lanes(self, n_classes: int) -> int:
        return lanes(n_classes)

    def descend(self, model: ColumnModel, tolerance: float, max_sweeps: int, most_read: float) -> int:
        rows, starts = model.columns.csr
        n_read = np.zeros(1, dtype=np.int64)
        library.run(
            "column_descent", len(model.proba), len(model.coef), model.n_classes, model.proba.shape[1],
            model.first_class, model.is_grouped, starts, rows, model.columns.values, model.proba, model.weights,
            model.products, model.slope, model.coef, model.l1, model.l2, model.curvature, model.is_known,
            float(model.damping), model.intercept_slope, model.intercept_inverse, model.intercept_step,
            float(tolerance), max_sweeps, float(most_read), n_read, deadline.remaining(), needs="the columns in use",
        )  # fmt: skip
        return int(n_read[0])


def _is_wide(storage: Storage, n_classes: int, n_threads: int) -> bool:
    """Tell whether sums over dense rows would take more room than the rows: then they are made some columns at a time.

    With sparse ones, and with many rows, that would cost more than it saves.
    """
    n_samples, n_features = storage.shape
    if storage.indptr is not None or n_features <= WIDE:
        return False
    sums: int = library.workspace_bytes(n_features, lanes(n_classes)) * n_threads
    return bool(sums > n_samples * n_features * storage.values.itemsize)


def _run(
    storage: Storage,
    mode: int,
    n_classes: int,
    dtype: npt.DTypeLike,
    n_threads: int,
    arrays: Arrays,
    *,
    square: bool = False,
) -> LossPass:
    """Run a compiled pass; arrays are already padded, in `dtype` and contiguous."""
    n_features = storage.shape[1]
    width = lanes(n_classes)
    gradient = sums = workspace = None
    loss = np.zeros(1)
    if mode != SCORES:
        n_features = 0 if "residual" in arrays else n_features
        gradient, sums = np.empty((n_features, width)), np.empty(width)
        size = library.workspace_bytes(n_features, width)
        workspace = aligned((size * n_threads,), np.uint8)
    job = library.CPass(mode, n_classes, width, n_threads, square)
    for name, array in arrays.items():
        setattr(job, name, library.pointer(array))
    job.gradient, job.class_sums, job.loss = library.pointer(gradient), library.pointer(sums), library.pointer(loss)
    job.workspace = library.pointer(workspace)
    name = "pass_f32" if dtype == np.float32 else "pass_f64"
    library.run(name, library.describe(storage), job, needs="the sums of a pass over the rows")
    if gradient is None or sums is None:
        return LossPass(0.0, np.empty((n_classes, 0)), np.empty(n_classes))
    return LossPass(float(loss[0]), gradient[:, :n_classes].T, sums[:n_classes])
