"""`DeviceRows`: rows that are arrays of another library, perhaps on a graphics card, with all that a fit asks of them.

Scores, probabilities and dual points are made and stay where the rows are. Labels and weights go there once,
coefficients in every pass, and what comes back are sums.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import cast

import numpy as np
import numpy.typing as npt

from inklens.linear import arrays
from inklens.linear.arrays import Array
from inklens.linear.kernels.reference import evaluated, scored, summed
from inklens.linear.rows.drawing import threshold_of
from inklens.linear.rows.row_arrays import Joins, Made, RowArray, Tree, merged, within
from inklens.linear.rows.rows import Evaluation, Rows

GOLDEN_RATIO = (math.sqrt(5.0) - 1.0) / 2.0
MOST_GIVEN = 8  # arrays of this process that are remembered to be with the rows


class DeviceArray(RowArray):
    """Numbers for each row, by blocks, each where the rows of its block are."""

    def __init__(self, rows: "DeviceRows", blocks: Sequence[Array]) -> None:
        self.rows, self.blocks, self.parts = rows, blocks, rows.slices
        self.shape = rows.n_samples, blocks[0].shape[1] if blocks[0].ndim > 1 else 1
        self.dtype = arrays.dtype_of(blocks[0])

    def _combined(
        self, function: Callable[..., Array], *others: RowArray | np.ndarray, is_held: bool = False
    ) -> RowArray:
        return DeviceArray(self.rows, [function(*blocks) for blocks in self._with_blocks(others)])

    def _totalled(self, function: Callable[..., Tree], *others: RowArray | np.ndarray, by: Joins) -> Tree:
        totals = (brought(function(*blocks)) for blocks in self._with_blocks(others))
        return reduce(lambda a, b: merged(a, b, by), totals)

    def _with_blocks(self, others: Sequence[RowArray | np.ndarray]) -> Iterator[tuple[Array, ...]]:
        by_blocks = (
            other.blocks if isinstance(other, DeviceArray) else self.rows.of_rows(np.asarray(other)) for other in others
        )
        return zip(self.blocks, *by_blocks, strict=True)

    def block(self, i: int, known: Made | None = None) -> Array:
        """Return the rows of block i."""
        return self.blocks[i]

    def sample(self, n_wanted: int) -> tuple[np.ndarray | None, np.ndarray]:
        """Return about so many rows drawn by their numbers here, >= 0, and their weights; None for all rows.

        What decides for a row is not a random number, which would have to be sent, but the next of an even sequence.
        """
        if n_wanted >= len(self):
            return None, np.ones(len(self), dtype=np.float32)

        def beside_certain(threshold: float) -> tuple[int, float]:
            n_certain, rest = cast(tuple[float, float], RowArray.total(partial(split, threshold=threshold), self))
            return int(n_certain), rest

        threshold = threshold_of(n_wanted, beside_certain(np.inf)[1], beside_certain)
        rows, weights = [], []
        for part, importance in zip(self.parts, self.blocks, strict=True):
            drawn, weight = map(arrays.to_numpy, picked(importance, threshold))
            rows.append(part.start + drawn)
            weights.append(weight)
        return np.concatenate(rows), np.concatenate(weights)

    @property
    def n_readings(self) -> int:
        """Number of readings that a total is added up from: the blocks."""
        return len(self.blocks)

    def readings(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the rows of each block, here."""
        for part, block in zip(self.parts, self.blocks, strict=True):
            yield part, arrays.to_numpy(block)


@dataclass(eq=False)
class DeviceRows(Rows):
    """A data matrix whose blocks are arrays of other libraries.

    Build it with `Rows.of`.
    """

    _given: dict[int, tuple[np.ndarray, list[Array]]] = field(default_factory=dict, init=False, repr=False)

    def holds(self, n_classes: int) -> bool:
        """Tell whether rows are so few that scores and probabilities may come here: as many as stand for all."""
        return self.n_samples <= 2 * self.n_subsample

    @property
    def n_larger_subsample(self) -> int:
        """No more than stand for all elsewhere: scores of more would stay on the device (`holds`)."""
        return self.n_subsample

    def of_rows(self, values: np.ndarray) -> Sequence[Array]:
        """Return labels or weights by blocks, where the rows of these are; they are sent there once."""
        there = self._given.pop(id(values), None)
        if there is None:
            blocks = zip(self.blocks, self.slices, strict=True)
            there = values, [arrays.like(block.exact.values, values[part], values.dtype) for block, part in blocks]
        self._given[id(values)] = there  # as the last
        if len(self._given) > MOST_GIVEN:
            del self._given[next(iter(self._given))]
        return there[1]

    def array(self, values: np.ndarray) -> RowArray:
        """Return numbers for each row as an array where the rows are."""
        return DeviceArray(self, self.of_rows(values))

    def take(self, rows: np.ndarray) -> Rows:
        """Return some rows (sorted indices): few come here, as few bytes do anywhere, many stay where they are."""
        inside = [within(rows, part) for part in self.slices]
        taken = [
            arrays.take(block.exact.values, some, 0)
            for block, some in zip(self.blocks, inside, strict=True)
            if len(some) or len(self.blocks) == 1
        ]
        return Rows.of(taken, scale=self.scale, n_threads=self.n_threads)

    def row_scores(
        self,
        coef: np.ndarray,
        intercept: np.ndarray,
        *,
        dtype: npt.DTypeLike = np.float32,
        is_held: bool | None = None,  # there all are
    ) -> RowArray:
        """Return the scores, where the rows are; half a pass."""
        found = []
        for block, _ in self.parts():
            chunks = scored(block.storage(dtype).values, coef * self.scale, intercept, dtype)
            found.append(stacked(z for _, _, z in chunks))
        self.n_passes += 0.5
        return DeviceArray(self, found)

    def loss_and_gradient(
        self,
        coef: np.ndarray,
        intercept: np.ndarray,
        codes: np.ndarray,
        weights: np.ndarray,
        *,
        dtype: npt.DTypeLike = np.float32,
        keeps_scores: bool = True,  # there all are
    ) -> Evaluation:
        """Return loss and gradient sum_i c_i (p_i - y_i) x_i'; scores and probabilities stay; one pass."""
        scores, proba, sums = [], [], []
        for (block, _), own, c in zip(self.parts(), self.of_rows(codes), self.of_rows(weights), strict=True):
            rows = block.storage(dtype).values
            found = list(evaluated(rows, coef * self.scale, intercept, own, c, dtype))
            scores.append(stacked(z for _, z, _, _ in found))
            proba.append(stacked(p for _, _, p, _ in found))
            sums.append(summed(chunk_sums for *_, chunk_sums in found))
        self.n_passes += 1.0
        loss, gradient, class_sums = (np.sum(of_blocks, axis=0) for of_blocks in zip(*sums, strict=True))
        self._require_finite(loss, gradient)
        kept = DeviceArray(self, scores), DeviceArray(self, proba)
        return Evaluation(float(loss), gradient * self.scale, class_sums, *kept)


def stacked(chunks: Iterable[Array]) -> Array:
    """Return consecutive rows as one array, where they are."""
    pieces = list(chunks)
    return pieces[0] if len(pieces) == 1 else arrays.namespace(pieces[0]).concat(pieces)


def split(importance: Array, *, threshold: float) -> tuple[Array, Array]:
    """Return how many rows reach a threshold, and what all others weigh."""
    xp = arrays.namespace(importance)
    certain, importance = importance >= threshold, arrays.cast(importance, np.float64)
    n_certain = xp.sum(arrays.cast(certain, np.float64))
    return n_certain, xp.sum(xp.where(certain, xp.zeros_like(importance), importance))


def picked(importance: Array, threshold: float) -> tuple[Array, Array]:
    """Return some rows, each with probability min(1, importance / threshold), and one over these as float32.

    The multiples of the golden ratio, modulo 1, fill the interval more evenly than random numbers, and no period of the
    rows is in step with them (Weyl 1916, Math. Ann. 77).
    """
    xp = arrays.namespace(importance)
    probability = xp.clip(arrays.cast(importance, np.float64) / threshold, 0.0, 1.0)
    multiples = xp.cumulative_sum(xp.full_like(probability, GOLDEN_RATIO))
    rows = xp.nonzero(multiples - xp.floor(multiples) < probability)[0]
    return rows, arrays.cast(1.0 / arrays.take(probability, rows, 0), np.float32)


def brought(total: Tree) -> Tree:
    """Return sums that lie on a device as this process's own."""
    if isinstance(total, tuple):
        return tuple(map(brought, total))
    found = arrays.to_numpy(total)
    return found if found.ndim else float(found)
