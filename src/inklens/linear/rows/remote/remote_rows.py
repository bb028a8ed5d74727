"""`RemoteRows`: the face of `Rows`, answered by the shards on workers."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt
from scipy import sparse

from inklens import cluster
from inklens.errors import ClusterError
from inklens.linear.kernels.by_class import labelled
from inklens.linear.kernels.choice import residuals
from inklens.linear.kernels.storage import Storage
from inklens.linear.rows.layouts import dense_storage, make_block, sparse_storage
from inklens.linear.rows.remote.recipes import (
    Absolute,
    ArrayRecipe,
    Combined,
    Dense,
    EdgeGrams,
    Given,
    HessianProduct,
    Inspect,
    Known,
    LossPass,
    PairHessian,
    PartOf,
    Recipe,
    RowSquares,
    RowsRecipe,
    Scores,
    Standardised,
    Stored,
    Taken,
    Total,
    TransposeProduct,
    Values,
    Whole,
)
from inklens.linear.rows.remote.shards import Shards, Traffic
from inklens.linear.rows.row_arrays import CACHED_ENTRIES, Joins, Made, RowArray, Tree, within
from inklens.linear.rows.rows import SUBSAMPLE_ROWS, AnyBlock, Evaluation, Rows

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
MOST_GIVEN = 8  # arrays of this process that are remembered to be with the shards
QUICK_RATIO = 10.0  # of rows to those that stand for all: a step with all of fewer takes less than one with some
WEIGHT_ACCURACY = 1e-12  # relative, to which the weights that a pass has read add up to what they should


class Progressing(Protocol):
    """What a fit tells of itself."""

    n_passes: float
    seconds: float
    objective: float
    lower_bound: float


class RemoteArray(RowArray):
    """Numbers for each row, which stay with the rows: a recipe, and the rows that it belongs to."""

    def __init__(self, rows: "RemoteRows", recipe: ArrayRecipe, n_columns: int, dtype: npt.DTypeLike) -> None:
        self.rows, self.recipe, self.parts = rows, recipe, rows.slices
        self.shape = rows.n_samples, n_columns
        self.dtype = np.empty(0, dtype).dtype

    def _combined(
        self, function: Callable[..., np.ndarray], *others: RowArray | np.ndarray, is_held: bool = False
    ) -> RowArray:
        recipe = Combined(self.rows.shards.name("combined"), function, self._recipes(others))
        return RemoteArray(self.rows, self.rows.kept(recipe), self.shape[1], self.dtype)

    def _totalled(self, function: Callable[..., Tree], *others: RowArray | np.ndarray, by: Joins) -> Tree:
        return self.rows.total(Total(function, self._recipes(others), by), by)

    def _recipes(self, others: Sequence[RowArray | np.ndarray]) -> tuple[ArrayRecipe, ...]:
        return self.recipe, *(self.rows.recipe_of(other) for other in others)

    @property
    def n_readings(self) -> int:
        """Number of readings that a total is added up from, at most: those of all shards, held or not."""
        at_once = max(1, CACHED_ENTRIES // max(1, self.shape[1]))
        return len(self) // at_once + 2 * len(self.parts)

    def block(self, i: int, known: Made | None = None) -> np.ndarray:
        """Return the rows of shard i."""
        return np.asarray(self)[self.parts[i]]

    def readings(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the rows of each shard, after all have come here."""
        yield from zip(self.parts, self.rows.shards.each(Values(self.recipe)), strict=True)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """Return the whole."""
        return np.array(np.concatenate([rows for _, rows in self.readings()]), dtype=dtype, copy=copy or None)


class RemoteRows(Rows):
    """A data matrix whose rows live on workers.

    Build it with `Rows.of`, or with `on_workers` where the cluster is to be named.
    """

    def __init__(self, shards: Shards, recipe: RowsRecipe, sizes: Sequence[int], n_threads: int) -> None:
        super().__init__([], 1.0, n_threads)
        self.shards, self.recipe, self.sizes = shards, recipe, list(sizes)
        self._sent: dict[int, tuple[np.ndarray, Given]] = {}  # by identity of what was sent

    @classmethod
    def on_workers(
        cls, X: object, *, client: "Client | None" = None, scale: float = 1.0, n_threads: int = 1
    ) -> "RemoteRows":
        """Let workers read data; see `Rows.of`.

        Parameters
        ----------
        X : dask Array or DataFrame, list of delayed parts, list of paths or addresses
        client : distributed.Client or None
            The cluster; None is Dask's current one, or this process where there is none.
        scale : float
            The matrix meant is ``X * scale``.
        n_threads : int
            Of this process, which solves small systems.

        Raises
        ------
        DataError
            Parts that are no rows of numbers, or of different width.
        ClusterError
            Workers that run something else, have too little memory, or are lost.
        """
        shards = Shards.of(X, client, scale)
        return cls(shards, Whole(), [known.n_samples for known in shards.known], n_threads)

    @property
    def names(self) -> list[str] | None:
        """Names of the columns, where the data have some."""
        return self.shards.names

    @property
    def client(self) -> "Client":
        """Who computes on the workers."""
        return self.shards.client

    @property
    def traffic(self) -> Traffic:
        """What has gone over the network so far."""
        return self.shards.traffic

    def progress(self, solution: "Progressing") -> str:
        """Return in one line how a fit of these rows is getting on, for a callback to show.

        Passes over the rows and how many rows a second that makes, objective and bound, what went over the network, and
        the link to the cluster's dashboard, if it has one.
        """
        rate = self.n_samples * solution.n_passes / max(solution.seconds, 1e-9)
        line = (
            f"{solution.n_passes:.0f} passes, {rate:,.0f} rows/s, objective {solution.objective:.6g}, "
            f"bound {solution.lower_bound:.6g}, {self.traffic.n_rounds} rounds, {self.traffic.n_bytes / 1e6:,.0f} MB"
        )
        if self.traffic.n_lost:
            line += f", {self.traffic.n_lost} workers lost"
        return f"{line} ({self._dashboard})" if self._dashboard else line

    @cached_property
    def _dashboard(self) -> str | None:
        return cluster.dashboard(self.client)

    def close(self) -> None:
        """Give the workers' memory back; these rows cannot be used any more."""
        self.shards.close()

    # ---- shape and contents ------------------------------------------------------------------------------------------

    @cached_property
    def _known(self) -> list[Known]:
        if isinstance(self.recipe, Whole):
            return self.shards.known
        return [Known(*cast(Sequence[Any], found)) for found in self.shards.each(Inspect(self.recipe))]

    @property
    def n_samples(self) -> int:
        """Number of rows over all shards."""
        return sum(self.sizes)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self.shards.known[0].n_features

    @cached_property
    def n_nonzeros(self) -> int:
        """Number of entries that are not zero."""
        return sum(known.n_nonzeros for known in self._known)

    @property
    def is_sparse(self) -> bool:
        """Whether the passes skip zeros."""
        return all(known.is_sparse for known in self._known)

    @property
    def takes_rounds(self) -> bool:
        """Steps are taken here, of sums that come from there."""
        return False

    @property
    def visitor(self) -> None:
        """Nothing visits rows that are not here one at a time."""
        return

    @property
    def column_visitor(self) -> None:
        """Nothing visits columns of rows that are not here."""
        return

    @cached_property
    def slices(self) -> list[slice]:
        """The rows of each shard."""
        edges = np.cumsum([0, *self.sizes]).tolist()
        return [slice(*ends) for ends in pairwise(edges)]

    def holds(self, n_classes: int) -> bool:
        """Tell that scores and probabilities are not here."""
        return False

    @property
    def reads_quickly(self) -> bool:
        """Whether to read all rows costs no more than to fit some in their place; the same on any cluster."""
        return self.n_samples <= QUICK_RATIO * SUBSAMPLE_ROWS

    @property
    def row_bytes(self) -> int:
        """Bytes that a row takes as it is stored, at most."""
        return max(known.row_bytes for known in self._known)

    # Not those of `Rows`: until Python 3.12 a cached property locks all objects of its class, and shards ask for these
    # while the driver waits for them, in the same process where that is its own worker.

    @cached_property
    def low(self) -> np.ndarray:
        """Smallest value of each column, (n_features,)."""
        filled = [known for known in self._known if known.n_samples] or self._known
        return np.asarray(np.min([known.low for known in filled], axis=0))

    @cached_property
    def high(self) -> np.ndarray:
        """Largest value of each column, (n_features,)."""
        filled = [known for known in self._known if known.n_samples] or self._known
        return np.asarray(np.max([known.high for known in filled], axis=0))

    @cached_property
    def _absolute(self) -> Rows:
        if (self.low >= 0.0).all():
            return self
        return self._made(lambda name: Absolute(name, self.recipe))

    # ---- what shards have, and what of it ----------------------------------------------------------------------------

    def kept(self, recipe: T) -> T:
        """Return a recipe; shards forget what they made of it when nobody holds it any more."""
        weakref.finalize(recipe, self.shards.forget, cast(Recipe[object], recipe).name).atexit = False
        return recipe

    def recipe_of(self, values: RowArray | np.ndarray) -> ArrayRecipe:
        """Return the recipe of an array of these rows; one of this process is sent to the shards, once."""
        if isinstance(values, RemoteArray):
            return values.recipe
        return self._given(np.asarray(values))

    def _given(self, values: np.ndarray) -> Given:
        there = self._sent.pop(id(values), None)
        if there is None:
            given = self.kept(Given(self.shards.name("given")))
            self.shards.give(given.name, [values[part] for part in self.slices])
            there = values, given
        self._sent[id(values)] = there  # as the last
        if len(self._sent) > MOST_GIVEN:
            del self._sent[next(iter(self._sent))]
        return there[1]

    def array(self, values: np.ndarray) -> RemoteArray:
        """Return numbers for each row as an array where the rows are."""
        n_columns = values.shape[1] if values.ndim > 1 else 1
        return RemoteArray(self, self._given(values), n_columns, values.dtype)

    def total(self, operation: "object", by: Joins = np.add) -> Tree:
        """Return the sum of the shards' answers, and count the passes that they took."""
        answer = self.shards.total(operation, by)  # type: ignore[arg-type]
        self.n_passes += self.shards.taken_passes()
        return answer

    def each(self, operation: "object") -> list[Tree]:
        """Return each shard's answer."""
        answers = self.shards.each(operation)  # type: ignore[arg-type]
        self.n_passes += self.shards.taken_passes()
        return answers

    def _made(self, recipe: Callable[[str], RowsRecipe], sizes: Sequence[int] | None = None) -> "RemoteRows":
        """Return rows that are made of these by a recipe, which gets its name."""
        made = self.kept(recipe(self.shards.name("rows")))
        return RemoteRows(self.shards, made, self.sizes if sizes is None else sizes, self.n_threads)

    # ---- products with the rows --------------------------------------------------------------------------------------

    def scores(
        self, coef: np.ndarray, intercept: np.ndarray | None = None, *, dtype: npt.DTypeLike = np.float32
    ) -> np.ndarray:
        """Return X W' + b, (n_samples, n_classes), here; half a pass."""
        return np.asarray(self.row_scores(coef, np.zeros(len(coef)) if intercept is None else intercept, dtype=dtype))

    def row_scores(
        self,
        coef: np.ndarray,
        intercept: np.ndarray,
        *,
        dtype: npt.DTypeLike = np.float32,
        is_held: bool | None = None,  # here nothing is
    ) -> RowArray:
        """Return X W' + b, where the rows are."""
        recipe = self.kept(Scores(self.shards.name("scores"), self.recipe, coef, intercept, dtype))
        return RemoteArray(self, recipe, len(coef), dtype)

    def loss_and_gradient(
        self,
        coef: np.ndarray,
        intercept: np.ndarray,
        codes: np.ndarray,
        weights: np.ndarray,
        *,
        dtype: npt.DTypeLike = np.float32,
        keeps_scores: bool = True,  # there they are
    ) -> Evaluation:
        """Return loss and gradient sum_i c_i (p_i - y_i) x_i'; scores and probabilities stay; one pass.

        Raises
        ------
        ClusterError
            The weights of the rows that were read do not add up to those of all.
        """
        given = self._given(codes), self._given(weights)
        recipe = self.kept(LossPass(self.shards.name("pass"), self.recipe, coef, intercept, *given, dtype))
        loss, gradient, sums, weight = cast(tuple[Any, ...], self.total(recipe))
        expected = float(weights.sum())
        if not abs(weight - expected) <= WEIGHT_ACCURACY * expected:
            raise ClusterError(
                f"a pass has read rows that weigh {weight:.15g}, and all weigh {expected:.15g}: rows were lost or "
                "counted twice"
            )
        parts = (self.kept(PartOf(self.shards.name(part), recipe, part)) for part in ("scores", "proba"))
        kept = (RemoteArray(self, part, len(coef), dtype) for part in parts)
        return Evaluation(float(loss), np.array(gradient), np.array(sums), *kept)

    def hessian_product(
        self,
        proba: RowArray | np.ndarray,
        weights: np.ndarray,
        direction: np.ndarray,
        intercept_direction: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the loss's Hessian times a direction, (n_classes, n_features) and (n_classes,); one pass."""
        given = self.recipe_of(proba), self._given(weights)
        product, sums = cast(
            tuple[Any, ...], self.total(HessianProduct(self.recipe, *given, direction, intercept_direction))
        )
        return np.array(product), np.array(sums)

    def transpose_product(self, residual: RowArray | np.ndarray, *, squared: bool = False) -> np.ndarray:
        """Return residual' X, (n_columns, n_features), in the type of `residual`; half a pass."""
        return np.array(self.total(TransposeProduct(self.recipe, self.recipe_of(residual), squared)))

    def residual_product(self, proba: RowArray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return sum_i c_i (y_i - p_i) x_i', (n_classes, n_features), in the type of `proba`; half a pass."""
        return self.transpose_product(RowArray.combine(residuals, proba, codes, weights))

    def sums_by_class(self, codes: np.ndarray, weights: np.ndarray, n_classes: int) -> np.ndarray:
        """Return sum_i c_i x_i over the rows of each class, (n_classes, n_features), in float64; half a pass."""
        of_class = partial(labelled, n_classes=n_classes)
        return self.transpose_product(RowArray.combine(of_class, self.array(weights), codes))

    @property
    def n_added(self) -> int:
        """How many additions a sum over rows passes through, at most: those of a shard, and those of the tree."""
        return max(known.n_added for known in self._known) + self.shards.n_shards.bit_length()

    def edge_grams(self, proba: RowArray | np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return sum_i c_i p_ik p_il [x_i 1][x_i 1]' for classes k < l, (n_pairs, n_features + 1, n_features + 1)."""
        return np.array(self.total(EdgeGrams(self.recipe, self.recipe_of(proba), self._given(weights))))

    def column_sums(self, weights: np.ndarray) -> np.ndarray:
        """Return sum_i w_i x_ij, (n_features,), in float64."""
        return self.transpose_product(RowArray.combine(as_column, self.array(weights))).ravel()

    def column_squares(self, weights: np.ndarray) -> np.ndarray:
        """Return sum_i w_i x_ij^2, (n_features,), in float64."""
        return self.transpose_product(RowArray.combine(as_column, self.array(weights)), squared=True).ravel()

    def row_squares(self, unit: np.ndarray) -> np.ndarray:
        """Return sum_j (unit_j x_ij / scale)^2, (n_samples,), `unit` in float32."""
        return np.concatenate(cast(list[np.ndarray], self.each(RowSquares(self.recipe, unit))))

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
        """Return the Hessian over pairs, (n_pairs, n_pairs) float32, summed along the shards' tree."""
        given = self.recipe_of(proba), self._given(weights)
        operation = PairHessian(self.recipe, *given, classes, features, sampling_threshold, seed)
        return np.array(self.total(operation))

    # ---- parts of the matrix -----------------------------------------------------------------------------------------

    def dense(
        self, columns: np.ndarray | None = None, rows: np.ndarray | None = None, dtype: npt.DTypeLike = np.float32
    ) -> np.ndarray:
        """Return some columns of some rows (sorted indices), here, (n_rows, n_columns)."""
        found = self.each(Dense(self.recipe, self.slices, columns, rows, np.dtype(dtype)))
        return np.concatenate(cast(list[np.ndarray], found))

    def standardised(self, shift: np.ndarray, scale: np.ndarray) -> Rows:
        """Return (X - shift) / scale by columns, where the rows are."""
        return self._made(lambda name: Standardised(name, self.recipe, shift, scale))

    def take(self, rows: np.ndarray) -> Rows:
        """Return some rows (sorted indices): few come here, many stay where they are."""
        if len(rows) > self.n_brought:
            return self.chosen(rows)
        stored = cast(list[tuple[np.ndarray, float]], self.each(Stored(self.recipe, self.slices, rows)))
        scales = {scale for _, scale in stored}
        if len(scales) > 1:
            stored = [(values * scale, 1.0) for values, scale in stored]
        whole = np.concatenate([values for values, _ in stored])
        return Rows([make_block(dense_storage(whole), self.n_threads)], stored[0][1], self.n_threads)

    def chosen(self, rows: np.ndarray) -> Rows:
        """Return some rows (sorted indices), however few, where they are."""
        chosen = [within(rows, part) for part in self.slices]
        given = self.kept(Given(self.shards.name("chosen")))
        self.shards.give(given.name, chosen)
        return self._made(lambda name: Taken(name, self.recipe, given, len(rows)), [len(some) for some in chosen])

    def csr(self, columns: np.ndarray, rows: np.ndarray | None = None, dtype: npt.DTypeLike = np.float32) -> Storage:
        """Return some columns of some rows as scaled CSR, here."""
        return sparse_storage(sparse.csr_array(self.dense(columns, rows, dtype)))

    def parts(self) -> Iterator[tuple[AnyBlock, slice]]:
        """Raise: no blocks are here."""
        raise TypeError("the blocks of rows on workers are not here")


def as_column(values: np.ndarray) -> np.ndarray:
    """Return numbers as a column of float64."""
    return np.ascontiguousarray(values.astype(np.float64).reshape(-1, 1))
