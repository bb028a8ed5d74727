"""What the kernels compute, whoever does it: `compiled.py` by the C library, `reference.py` on the array API.

A backend is chosen once per storage (`choice.py`) and knows all primitives over rows and on dense matrices; nothing
else asks which one runs. Coefficients and sums are NumPy arrays; the rows stay where they are, and numbers for each row
may lie there, too.

Shapes: coef (n_classes, n_features), intercept (n_classes,), codes and weights (n_samples,), scores and proba
(n_samples, n_classes), H (n, n) float32 symmetric, vectors over its coordinates (n,) float64.
"""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from inklens.linear.arrays import Array
from inklens.linear.kernels.mixing import Mixing
from inklens.linear.kernels.rounds import NewtonRounds
from inklens.linear.kernels.storage import Inspection, Storage

SUMMED_AT_ONCE = 128  # terms of a sum whose rounding counts; `simplex.c` has the same


class LossPass(NamedTuple):
    """What one fused pass computes."""

    loss: float
    gradient: np.ndarray  # (n_classes, n_features) float64
    class_sums: np.ndarray  # (n_classes,) float64: sum_i c_i (p_i - y_i)


class PairColumns(NamedTuple):
    """The (feature, class) pairs of a Hessian, sorted by class, and the columns of the data that they use."""

    used: np.ndarray  # (n_used,) columns of the data, ascending; number n_features, the column of ones, is the last
    place: np.ndarray  # (n_pairs,) int32: the feature of each pair among those used
    classes: np.ndarray  # (n_pairs,) ascending
    n_classes: int


class FaceFactor(Protocol):
    """Cholesky factor of a Hessian over a face."""

    def solve(self, side: np.ndarray) -> np.ndarray:
        """Return the inverse times a vector, (m,)."""

    def solve_many(self, sides: np.ndarray, n_threads: int) -> np.ndarray:
        """Return the inverse times some vectors, (m, n)."""


class DualAscentState(NamedTuple):
    """What dual ascent changes row by row, see `dual_ascent.py`; all float32 on cache lines."""

    W: np.ndarray  # (n_features, lanes): coefficients in the units of their columns
    proba: np.ndarray  # (n_samples, lanes): dual probabilities
    centre: np.ndarray  # (lanes,): of the intercept's proximal step
    offset: np.ndarray  # (lanes,): of the intercept from there


class ColumnModel(NamedTuple):
    """A proximal Newton model over some columns, and how far it has been minimised (`methods/columns.py`)."""

    columns: Storage  # (n_columns, n_samples): the transpose, CSR in float32 with int32 row numbers
    proba: np.ndarray  # (n_samples, lanes) float32
    weights: np.ndarray  # (n_samples,) float32
    products: np.ndarray  # (n_samples, lanes) float32: c_i (diag p_i - p_i p_i') of the scores that the step adds
    slope: np.ndarray  # (n_columns, lanes): gradient of the loss at the start
    coef: np.ndarray  # (n_columns, lanes): moved
    l1: np.ndarray  # (n_columns,)
    l2: np.ndarray
    curvature: np.ndarray  # (n_columns, n_classes, lanes) float32, where it is known
    is_known: np.ndarray  # (n_columns,) uint8
    intercept_slope: np.ndarray  # (lanes,)
    intercept_inverse: np.ndarray | None  # (n_classes, n_classes) of the intercepts' Hessian; None: they stay
    intercept_step: np.ndarray  # (lanes,)
    n_classes: int
    first_class: int  # whose coefficients move: those of classes before it are held at 0
    is_grouped: bool
    damping: float  # added to each curvature, relatively


class ColumnVisitor(Protocol):
    """Coordinate descent by columns."""

    def lanes(self, n_classes: int) -> int:
        """Return the number of lanes of a `ColumnModel`."""

    def descend(self, model: ColumnModel, tolerance: float, max_sweeps: int, most_read: float) -> int:
        """Minimise the model until no column is more than `tolerance` thresholds away; return how many values it read.

        It ends after the sweep in which that becomes more than `most_read`.
        """


class RowVisitor(Protocol):
    """Dual coordinate ascent, one row after the other (`methods/dual_ascent.py`)."""

    def lanes(self, n_classes: int) -> int:
        """Return the number of lanes of a `DualAscentState`."""

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
        """Maximise the dual over each row's probabilities, in that order."""


class Backend(Protocol):
    """The primitives. Functions that may run long raise `deadline.OutOfTime` when the scope's time is over."""

    @property
    def name(self) -> str:
        """avx512, avx2, neon or plain (compiled for these instructions), or numpy."""

    @property
    def visitor(self) -> RowVisitor | None:
        """What visits rows one at a time; None where that would be slower than passes over all."""

    @property
    def column_visitor(self) -> ColumnVisitor | None:
        """What visits columns one at a time; None where that would be slower than matrices."""

    @property
    def rounds(self) -> NewtonRounds | None:
        """What takes Newton's steps, some in one call; None where nothing does."""

    # ---- passes over rows --------------------------------------------------------------------------------------------

    def scores(
        self, storage: Storage, coef: np.ndarray, intercept: np.ndarray, out: np.ndarray, n_threads: int = 1
    ) -> None:
        """Write z_i = W x_i + b into `out`, in its type."""

    def loss_pass(
        self,
        storage: Storage,
        coef: np.ndarray,
        intercept: np.ndarray,
        codes: Array,
        weights: Array,
        scores_out: np.ndarray | None,
        proba_out: np.ndarray,
        n_threads: int = 1,
    ) -> LossPass:
        """Return loss and gradient sum_i c_i (p_i - y_i) x_i'; write probabilities, and scores if there is room."""

    def hessian_pass(
        self,
        storage: Storage,
        proba: Array,
        weights: Array,
        direction: np.ndarray,
        intercept_direction: np.ndarray,
        n_threads: int = 1,
    ) -> LossPass:
        """Return the loss's Hessian times (direction, intercept_direction), in the type of `proba`."""

    def curvature_pass(
        self,
        storage: Storage,
        coef: np.ndarray,
        intercept: np.ndarray,
        weights: Array,
        direction: np.ndarray,
        intercept_direction: np.ndarray,
        dtype: npt.DTypeLike,
        n_threads: int = 1,
    ) -> LossPass:
        """Return what `hessian_pass` does with the probabilities at (coef, intercept), which nobody needs to hold."""

    def transpose_pass(
        self, storage: Storage, residual: Array, n_threads: int = 1, *, squared: bool = False
    ) -> np.ndarray:
        """Return residual' X, or residual' X^2 (entry by entry), (n_classes, n_features) float64."""

    def residual_pass(
        self, storage: Storage, proba: Array, codes: Array, weights: Array, n_threads: int = 1
    ) -> np.ndarray:
        """Return sum_i c_i (y_i - p_i) x_i', (n_classes, n_features) float64, in the type of `proba`."""

    def class_pass(
        self,
        storage: Storage,
        codes: Array | None,
        weights: Array,
        n_classes: int,
        n_threads: int = 1,
        *,
        squared: bool = False,
    ) -> np.ndarray:
        """Return sum_i c_i x_i, or x_i^2, over the rows of each class, (n_classes, n_features) float64.

        Without codes all rows are of the first one.
        """

    def n_added(self, storage: Storage) -> int:
        """Return how many additions of float64 a sum over rows in these passes goes through, at most."""

    def row_squares(self, storage: Storage, unit: np.ndarray, out: np.ndarray) -> None:
        """Write sum_j (unit_j x_ij)^2, (n_samples,), for float32 `unit` (n_features,)."""

    # ---- rows of probabilities, (n_samples, n_classes) in float32 or float64; a row means what those of other classes
    # tell, its own is 1 less these ------------------------------------------------------------------------------------

    def flows(self, proba: Array, codes: Array, weights: Array) -> Array:
        """Return the weighted probability that rows of each class give to each class, (n_classes, n_classes).

        Summed over SUMMED_AT_ONCE rows at a time, or as many as there are classes: a term passes through no more
        additions than these and the number of such blocks.
        """

    def residual(self, proba: Array, codes: Array, weights: Array) -> Array:
        """Return c_i (y_i - p_i), in the type of `proba`."""

    def entropies(
        self, proba: Array, codes: Array, weights: Array, scales: np.ndarray, mixing: Mixing | None
    ) -> tuple[Array, Array]:
        """Return sum_i c_i H((1 - s) y_i + s q_i) for each scale s, H(p) = -sum_k p_k log p_k, of q_i mixed p_i.

        Also returns the largest probability that a row q_i gives to classes other than its own.
        """

    def mixed(self, proba: Array, mixing: Mixing) -> Array:
        """Return the rows p_i M, in the type of `proba`."""

    def moved(self, proba: Array, along: Array) -> Array:
        """Return p + (diag p - p p') v of each row, clipped to the simplex; a row of which nothing is left stays."""

    # ---- layout ------------------------------------------------------------------------------------------------------

    def inspect(self, storage: Storage, n_threads: int = 1) -> Inspection | None:
        """Read every value once; return None where one is not finite."""

    def pack(self, storage: Storage, n_threads: int = 1) -> tuple[Storage, bool]:
        """Return dense rows as CSR, uint8 or float32, and whether no value changed."""

    def to_bytes(self, values: np.ndarray, unit: float, error: float, n_threads: int = 1) -> np.ndarray | None:
        """Return float64 values as whole multiples, 0 to 255, of `unit`, which they are up to `error`, relatively.

        None where one is none.
        """

    def with_columns(self, storage: Storage, inspection: Inspection) -> Storage:
        """Return sparse rows laid out by columns as well, where that makes passes quicker; others as they are."""

    # ---- second derivatives as matrices ------------------------------------------------------------------------------

    def edge_grams(self, storage: Storage, proba: Array, weights: Array, n_threads: int = 1) -> np.ndarray:
        """Return sum_i c_i p_ik p_il [x_i 1][x_i 1]' for the classes k < l in order, (n_pairs, p + 1, p + 1) float64.

        `proba` is float64. Minus these are the Hessian's blocks of two classes; a class's own is the sum of its pairs'.
        """

    def class_grams(self, X: Storage, curvature: np.ndarray, out: np.ndarray, n_threads: int = 1) -> None:
        """Add [X 1]' diag(h_k) [X 1] for every class k to the lower triangles of `out`, whose rows may be longer.

        `X` holds float32, curvature h >= 0 is (n_samples, n_classes) float32.
        """

    def factor_blocks(self, A: np.ndarray, n_threads: int = 1) -> None:
        """Replace each lower triangle of A (n_blocks, q, stride) by what `solve_blocks` wants: a factor or inverse."""

    def solve_blocks(self, A: np.ndarray, x: np.ndarray, n_threads: int = 1) -> np.ndarray:
        """Return the blocks' inverses times x (n_blocks, q) float32; x may be overwritten."""

    def pair_hessian(
        self,
        storage: Storage,
        chosen: Array,
        pairs: PairColumns,
        proba: Array,
        weights: Array,
        hessian: np.ndarray,
        *,
        scale: float = 1.0,
        sampling_threshold: float = 0.0,
        seed: int = 0,
        n_threads: int = 1,
    ) -> None:
        """Add sum_i c_i x_ij x_il p_ik (1[k = m] - p_im) over pairs (j, k), (l, m) to `hessian`.

        The sum is over the chosen rows, to which `proba` and `weights` belong; x is the data times `scale`.
        """

    # ---- the quadratic subproblem ------------------------------------------------------------------------------------

    def subtract_product(self, H: np.ndarray, left: np.ndarray, right: np.ndarray, n_threads: int = 1) -> None:
        """Subtract left right (n, k) (k, n) from H."""

    def symmetric_product(self, H: np.ndarray, x: np.ndarray, n_threads: int = 1) -> np.ndarray:
        """Return H x."""

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
        """Descend by coordinates on g'(v - w) + (v - w)' H (v - w) / 2 + sum_j l1_j |v_j| + l2_j v_j^2 / 2.

        `gradient` (g at w) and `w` are changed in place. Stops after a sweep in which no coordinate moved its own
        gradient by more than tolerance * unit, which is l1 where it is left out. Coordinates of infinite l1 stay.
        `side` is the sign, 1 or -1, that each v_j may have, 0 for any.
        """

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
        """The same for sum_j group_j |v_j| + l2_j |v_j|^2 / 2, where group j is coordinates j, j + q, j + 2q, ..."""

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
        """Descend on the same functions in float64, H too, where coordinates are few; return the KKT violation left.

        `l1` and `l2` hold one number per feature (q,), the vectors (n_classes * q,) in order of the classes. Ends at a
        violation of `tolerance` in units of l1, or where sweeps are slow, a few for each of `max_looks`.
        """

    def factor_face(
        self,
        H: np.ndarray,
        active: np.ndarray,
        ridge: np.ndarray,
        curvature: np.ndarray | None = None,
        n_threads: int = 1,
    ) -> FaceFactor | None:
        """Factor H over `active` + diag(ridge) - curvature; None where rounding made that indefinite.

        `curvature` (n_classes, n_classes, q) belongs to entries (k q + j, l q + j).
        """
