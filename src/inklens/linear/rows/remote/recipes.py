"""What travels to the shards: recipes of rows and of numbers for each row, and what is asked of them.

A recipe has a name, under which a shard keeps what it made; a shard that was read anew makes it again, with the same
bits. Shapes are those of `rows.py`, of the rows of one shard.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from inklens.linear import arrays
from inklens.linear.kernels.choice import REFERENCE, numpy_backend
from inklens.linear.kernels.storage import select
from inklens.linear.rows.row_arrays import Joins, RowArray, Tree, within
from inklens.linear.rows.rows import Evaluation, Rows

T_co = TypeVar("T_co", covariant=True)
SEEDS_A_SHARD = 1 << 20  # so that no two blocks of rows are sampled alike


class Recipe(Protocol[T_co]):
    """How a shard makes something that it then keeps."""

    @property
    def name(self) -> str:
        """Under which it is kept; unique within a session."""

    def make(self, shard: "Shard") -> T_co:
        """Return what the recipe stands for, of the rows of one shard."""


RowsRecipe: TypeAlias = Recipe[Rows]
ArrayRecipe: TypeAlias = Recipe[RowArray]


class Shard:
    """A run of rows, with what was made of it."""

    def __init__(self, number: int, rows: Rows) -> None:
        self.number, self.rows = number, rows
        self.made: dict[str, Rows | RowArray | Evaluation] = {}

    def get(self, recipe: Recipe[T_co]) -> T_co:
        """Return what a recipe stands for, made now if it is not there."""
        if recipe.name not in self.made:
            self.made[recipe.name] = recipe.make(self)  # type: ignore[assignment]
        return self.made[recipe.name]  # type: ignore[return-value]

    def give(self, name: str, values: np.ndarray) -> None:
        """Keep an array that came from the driver."""
        self.made[name] = RowArray.of(values)

    def forget(self, names: list[str]) -> None:
        """Let go of what nobody asks for any more."""
        for name in names:
            self.made.pop(name, None)

    @property
    def n_passes(self) -> float:
        """Passes over the rows so far, in any coordinates."""
        others = (made for made in self.made.values() if isinstance(made, Rows) and made is not self.rows)
        return self.rows.n_passes + sum(rows.n_passes for rows in others)


# ---- rows ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Whole:
    """The rows as they were read."""

    name: str = "rows"

    def make(self, shard: Shard) -> Rows:
        """Return the shard's rows."""
        return shard.rows


@dataclass(frozen=True, eq=False)
class Standardised:
    """(X - shift) / scale by columns."""

    name: str
    of: RowsRecipe
    shift: np.ndarray
    scale: np.ndarray

    def make(self, shard: Shard) -> Rows:
        """Return a copy of the rows in other coordinates."""
        before = shard.get(self.of)
        return _together(before.standardised(self.shift, self.scale), before.n_together)


@dataclass(frozen=True, eq=False)
class Absolute:
    """|X|."""

    name: str
    of: RowsRecipe

    def make(self, shard: Shard) -> Rows:
        """Return the rows of |X|."""
        before = shard.get(self.of)
        return _together(before.absolute(), before.n_together)


@dataclass(frozen=True, eq=False)
class Taken:
    """Some of the rows, by numbers within the shard (sorted)."""

    name: str
    of: RowsRecipe
    chosen: "Given"
    n_together: int  # rows over all shards

    def make(self, shard: Shard) -> Rows:
        """Return some rows, in the same layout."""
        chosen = np.asarray(shard.get(self.chosen).held)
        return _together(shard.get(self.of).take(chosen), self.n_together)


def _together(rows: Rows, n_rows: int) -> Rows:
    """Return rows as one of the shards of so many."""
    rows.n_together = n_rows
    return rows


# ---- numbers for each row --------------------------------------------------------------------------------------------


class NotGivenError(LookupError):
    """A shard lacks an array that the driver had sent to it."""


@dataclass(frozen=True, eq=False)
class Given:
    """An array that the driver has, and sent to each shard by its rows."""

    name: str

    def make(self, shard: Shard) -> RowArray:
        """Raise: it should be there."""
        raise NotGivenError(f"shard {shard.number} has no {self.name}")


@dataclass(frozen=True, eq=False)
class Scores:
    """W x_i + b."""

    name: str
    rows: RowsRecipe
    coef: np.ndarray
    intercept: np.ndarray
    dtype: npt.DTypeLike

    def make(self, shard: Shard) -> RowArray:
        """Return the scores, held or to be made when they are read."""
        return shard.get(self.rows).row_scores(self.coef, self.intercept, dtype=self.dtype)


@dataclass(frozen=True, eq=False)
class Combined:
    """A function of the rows of some arrays."""

    name: str
    function: Callable[..., np.ndarray]
    of: tuple[ArrayRecipe, ...]

    def make(self, shard: Shard) -> RowArray:
        """Return the array, held or to be made when it is read."""
        return RowArray.combine(self.function, *(shard.get(recipe) for recipe in self.of))


@dataclass(frozen=True, eq=False)
class LossPass:
    """Loss, gradient and class sums, with scores and probabilities that stay; as an operation, the sum of the first."""

    name: str
    rows: RowsRecipe
    coef: np.ndarray
    intercept: np.ndarray
    codes: Given
    weights: Given
    dtype: npt.DTypeLike

    def make(self, shard: Shard) -> Evaluation:
        """Return the evaluation of the shard's rows."""
        codes, weights = (np.asarray(shard.get(given).held) for given in (self.codes, self.weights))
        rows = shard.get(self.rows)
        return rows.loss_and_gradient(self.coef, self.intercept, codes, weights, dtype=self.dtype)

    def __call__(self, shard: Shard) -> Tree:
        """Return loss, gradient, class sums and the weight of the rows that were read."""
        found = shard.get(self)
        weight = float(np.asarray(shard.get(self.weights).held).sum())
        return found.loss, found.gradient, found.intercept_gradient, weight


@dataclass(frozen=True, eq=False)
class PartOf:
    """Scores or probabilities of a loss pass."""

    name: str
    of: LossPass
    part: str

    def make(self, shard: Shard) -> RowArray:
        """Return the array that the pass left."""
        found = shard.get(self.of)
        return found.scores if self.part == "scores" else found.proba


# ---- operations ------------------------------------------------------------------------------------------------------


class Operation(Protocol):
    """What is asked of every shard."""

    def __call__(self, shard: Shard) -> Tree:
        """Return the answer of one shard."""


@dataclass(frozen=True, eq=False)
class Total:
    """The sum of a function of rows."""

    function: Callable[..., Tree]
    of: tuple[ArrayRecipe, ...]
    by: Joins

    def __call__(self, shard: Shard) -> Tree:
        """Return the shard's sum."""
        return RowArray.total(self.function, *(shard.get(recipe) for recipe in self.of), by=self.by)


@dataclass(frozen=True, eq=False)
class HessianProduct:
    """The loss's Hessian times a direction."""

    rows: RowsRecipe
    proba: ArrayRecipe
    weights: Given
    direction: np.ndarray
    intercept_direction: np.ndarray

    def __call__(self, shard: Shard) -> Tree:
        """Return the product, (n_classes, n_features) and (n_classes,)."""
        weights = np.asarray(shard.get(self.weights).held)
        proba, rows = shard.get(self.proba), shard.get(self.rows)
        return rows.hessian_product(proba, weights, self.direction, self.intercept_direction)


@dataclass(frozen=True, eq=False)
class TransposeProduct:
    """residual' X."""

    rows: RowsRecipe
    residual: ArrayRecipe
    squared: bool

    def __call__(self, shard: Shard) -> Tree:
        """Return the product, (n_columns of the residual, n_features)."""
        return shard.get(self.rows).transpose_product(shard.get(self.residual), squared=self.squared)


@dataclass(frozen=True, eq=False)
class PairHessian:
    """The Hessian over pairs of classes and features."""

    rows: RowsRecipe
    proba: ArrayRecipe
    weights: Given
    classes: np.ndarray
    features: np.ndarray
    sampling_threshold: float
    seed: int

    def __call__(self, shard: Shard) -> Tree:
        """Return the shard's part, (n_pairs, n_pairs) float32."""
        return shard.get(self.rows).pair_hessian(
            shard.get(self.proba),
            np.asarray(shard.get(self.weights).held),
            self.classes,
            self.features,
            sampling_threshold=self.sampling_threshold,
            seed=self.seed + SEEDS_A_SHARD * shard.number,
        )


@dataclass(frozen=True, eq=False)
class EdgeGrams:
    """The sums of the direct engine, for each pair of classes."""

    rows: RowsRecipe
    proba: ArrayRecipe
    weights: Given

    def __call__(self, shard: Shard) -> Tree:
        """Return the shard's part, (n_pairs, n_features + 1, n_features + 1)."""
        weights = np.asarray(shard.get(self.weights).held)
        return shard.get(self.rows).edge_grams(shard.get(self.proba), weights)


@dataclass(frozen=True, eq=False)
class Values:
    """The rows of an array themselves."""

    of: ArrayRecipe

    def __call__(self, shard: Shard) -> Tree:
        """Return the array."""
        return np.asarray(shard.get(self.of))


@dataclass(frozen=True, eq=False)
class RowSquares:
    """sum_j (unit_j x_ij / scale)^2."""

    rows: RowsRecipe
    unit: np.ndarray

    def __call__(self, shard: Shard) -> Tree:
        """Return the numbers of the shard's rows."""
        rows = shard.get(self.rows)
        return rows.row_squares(self.unit * np.float32(rows.scale))


@dataclass(frozen=True, eq=False)
class Dense:
    """Some columns of some rows, as float values."""

    rows: RowsRecipe
    slices: list[slice]  # of the shards
    columns: np.ndarray | None
    chosen: np.ndarray | None
    dtype: npt.DTypeLike

    def __call__(self, shard: Shard) -> Tree:
        """Return what lies in this shard, (n_rows, n_columns)."""
        inside = None if self.chosen is None else within(self.chosen, self.slices[shard.number])
        return shard.get(self.rows).dense(self.columns, inside, self.dtype)


@dataclass(frozen=True, eq=False)
class Stored:
    """Some rows as they are stored, a dense array or CSR, with what they are to be multiplied by."""

    rows: RowsRecipe
    slices: list[slice]
    chosen: np.ndarray

    def __call__(self, shard: Shard) -> Tree:
        """Return what lies in this shard."""
        rows, chosen = shard.get(self.rows), within(self.chosen, self.slices[shard.number])
        pieces = [
            arrays.to_numpy(select(block.exact, within(chosen, part), None, block.exact.values.dtype))
            for block, part in rows.parts()
        ]
        return np.concatenate(pieces), float(rows.scale)


class Known(NamedTuple):
    """What is known of a shard's rows."""

    n_samples: int
    n_features: int
    low: np.ndarray  # scaled
    high: np.ndarray
    n_nonzeros: int
    is_sparse: bool
    n_added: int
    row_bytes: int
    kernels: str


@dataclass(frozen=True, eq=False)
class Inspect:
    """What is known of the rows."""

    rows: RowsRecipe

    def __call__(self, shard: Shard) -> Tree:
        """Return the shard's part."""
        return known(shard.get(self.rows))  # type: ignore[return-value]


def known(rows: Rows) -> Known:
    """Return what is known of some rows."""
    kernels = "reference" if numpy_backend() is REFERENCE else "compiled"
    return Known(
        *rows.shape, rows.low, rows.high, rows.n_nonzeros, rows.is_sparse, rows.n_added, rows.row_bytes, kernels
    )
