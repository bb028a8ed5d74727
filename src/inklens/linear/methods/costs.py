"""What parts of engines cost, in seconds of one thread: the one place that engines ask before they choose.

A choice needs ratios only, so the rates are constants: measured with one thread on an AMD EPYC core with AVX-512
(`python benchmarks/rates.py` measures them again). Where a count of steps cannot be known beforehand, a dearer part
is bought when what was spent without it would have paid for it, which is never worse than twice the best choice
(Karlin et al. 1988, Algorithmica 3, "ski rental").
"""

import math

from inklens.linear.kernels.buffers import lanes
from inklens.linear.problem.problem import Problem

DENSE_PASS = 30e9  # multiply-adds per second of passes over dense rows, in float32
SPARSE_PASS = 18e9  # and over sparse ones (pixels; half of that where columns are scattered)
SOFTMAX = 1.0e9  # exponentials per second
CALL = 6e-5  # seconds of a pass over no rows: what Python takes
PRODUCT_CALL = 2.5e-4  # and of a step of conjugate gradients
ROUND_CALL = 1.5e-3  # and of a round of proximal Newton
ROUND_PASSES, ROUND_ROW = 4.0, 2e-7  # of a round that ends in a dual value; seconds of a row, whose entropy it takes
DENSE_GRAM = 38e9  # multiply-adds per second of X' diag(h) X, one triangle, by BLAS in float32
SPARSE_GRAM = 5e9  # by the kernel that sums 16 classes at once
GRAM_LANES = 16
FEW_VALUES, FEW_LANES, FEW_BYTES = 32, 4, 16 << 20  # of rows that it takes one by one (`are_few` in `newton.c`)
FEW_ENTRY = 1.5e-9  # seconds of an entry of these for so many classes
GRAM_ENTRY = 2.5e-9  # seconds of an entry of the rows, for each dense matrix: it is multiplied by h, and written
PAIR_GRAM = 40e9  # multiply-adds per second of the kernel that sums edges (`pair_hessian.c`), in float32
PAIR_ROW, PAIR, PAIR_EDGE = 1.5e-7, 5e-9, 1.5e-9  # seconds of a row there, of each pair and each edge in it
DENSE_EDGE_GRAM = 15e9  # of sums over rows for each pair of classes, in float64
SPARSE_EDGES = 4e-9, 2e-10  # seconds of an entry of those of sparse rows, and of each pair of classes in it
SPARSE_EDGE = 2e-9  # and of an entry where there is one pair
EDGE = 3e-9  # seconds of a row for each pair of classes
VISIT = 1e-9  # seconds of a value and lane in coordinate descent by columns (`column_descent.c`)
FAR_VISIT, FAR_LANE = 4e-8, 2e-9  # more for a value, and a lane, where its row is in no cache
NEAR_BYTES, FAR_BYTES = 2 << 20, 14 << 20  # of all rows, up to which they are, and from which none is
CLASS_SWEEPS, CLASS_CALL, TURN_CALL = 20, 5e-5, 1e-3  # sweeps over a block, seconds of Python for each, of a turn
GROUP_VISIT, GROUP_ENTRY = 2e-5, 1e-9  # seconds of a group's visit in Python, and of each gradient that it moves
EXACT_ENTRY = 2e-9, 5e-9  # seconds of an entry of dense rows, and of sparse ones, in a pass in float64, beyond float32
EXACT_ROW = 2.5e-8  # seconds of a row in a pass in float64, beyond one in float32
FACTOR = 45e9  # of Cholesky factors in float32
FACTOR_FLOAT64 = 15e9
FACES = 1.5  # factors of all pairs that a quadratic with thresholds takes: 0.5 to 1.8 on six tables
ENTRY = 8e-9  # seconds of an entry of a matrix that is new: fresh memory, and what is added to it


def pass_seconds(problem: Problem) -> float:
    """Return the seconds of one pass in float32: a loss with its gradient, or a product with the Hessian."""
    rate = SPARSE_PASS if problem.rows.is_sparse else DENSE_PASS
    work = 2.0 * problem.rows.cost(problem.n_classes)
    return CALL + work / rate + problem.rows.n_samples * lanes(problem.n_classes) / SOFTMAX / 4.0


def exact_pass_seconds(problem: Problem) -> float:
    """Return the seconds of one pass in float64, where memory is what takes time."""
    return pass_seconds(problem) + EXACT_ENTRY[problem.rows.is_sparse] * problem.rows.n_nonzeros


def product_seconds(problem: Problem) -> float:
    """Return the seconds of one step of conjugate gradients."""
    return PRODUCT_CALL + pass_seconds(problem)


def round_seconds(problem: Problem) -> float:
    """Return the seconds of a round beside its model: a loss, a product with the Hessian, and a belief in the gap."""
    return ROUND_PASSES * pass_seconds(problem) + ROUND_ROW * problem.rows.n_samples


def gram_seconds(problem: Problem, n_rows: float, n_columns: int, n_matrices: int, *, dense: bool = False) -> float:
    """Return the seconds of X' diag(h_k) X over some rows and columns, for so many h; `dense`, of a dense copy."""
    if problem.rows.is_sparse and not dense:
        n_values, n_lanes = problem.rows.density * n_columns, -(-n_matrices // FEW_LANES)
        n_sums = -(-n_matrices // GRAM_LANES) * GRAM_LANES
        room = 2.0 * n_columns**2 * n_lanes * FEW_LANES
        is_few = n_matrices <= GRAM_LANES and n_values <= FEW_VALUES and room <= FEW_BYTES
        each = n_lanes * FEW_ENTRY if is_few else n_sums / SPARSE_GRAM
        found = n_rows * n_values**2 / 2.0 * each
    else:
        found = n_rows * n_columns * n_matrices * (n_columns / 2.0 / DENSE_GRAM + GRAM_ENTRY)
    return found + ENTRY * n_columns**2 * n_matrices


def factor_seconds(n_columns: int, n_matrices: int) -> float:
    """Return the seconds of Cholesky factors."""
    return n_columns**3 / 3.0 * n_matrices / FACTOR


def direct_seconds(problem: Problem) -> float:
    """Return the seconds of a Newton step by a factor of the whole Hessian, in float64, and of its pass."""
    rows, n_classes, size = problem.rows, problem.n_classes, problem.rows.n_features + 1
    n_pairs, n_unknowns = n_classes * (n_classes - 1) // 2, (n_classes - 1) * size
    if rows.is_sparse:
        entry, pair = SPARSE_EDGES if n_pairs > 1 else (SPARSE_EDGE, 0.0)
        sums = rows.n_samples * (rows.density * size) ** 2 / 2.0 * (entry + pair * n_pairs)
        sums += ENTRY * n_pairs * size**2
    else:
        sums = n_pairs * rows.n_samples * (size * (size + 24.0) / 2.0 / DENSE_EDGE_GRAM + EDGE)
    factor = n_unknowns**3 / 3.0 / FACTOR_FLOAT64 + n_unknowns**2 * ENTRY
    return float(2.0 * pass_seconds(problem) + rows.n_samples * EXACT_ROW + sums + factor)


def whole_step_seconds(problem: Problem, n_pairs: int) -> float:
    """Return the seconds of such a step under thresholds: its quadratic takes some factors of faces more."""
    face = n_pairs**3 / 3.0 / FACTOR_FLOAT64 + 2.0 * n_pairs**2 * ENTRY
    return direct_seconds(problem) + FACES * face


def metric_seconds(problem: Problem, n_rows: float, n_columns: int, n_matrices: int) -> float:
    """Return the seconds of a preconditioner that is made of so many Gram matrices and their factors."""
    return gram_seconds(problem, n_rows, n_columns, n_matrices) + factor_seconds(n_columns, n_matrices)


def edge_seconds(problem: Problem, n_pairs: int) -> float:
    """Return the seconds of a Hessian over pairs by the kernel that sums the edges between classes, all of them."""
    found = PAIR_ROW + PAIR * n_pairs + 0.5 * n_pairs**2 * math.sqrt(problem.rows.density) / PAIR_GRAM
    return problem.rows.n_samples * (found + PAIR_EDGE * problem.n_classes**2)


def some_edges_seconds(problem: Problem, n_pairs: int, n_edges: float) -> float:
    """Return the seconds of such a Hessian of `n_edges` only, each between two classes; every row is looked at."""
    between = 2.0 * n_pairs / problem.n_classes
    edge = PAIR * between + 0.5 * between**2 * math.sqrt(problem.rows.density) / PAIR_GRAM
    return problem.rows.n_samples * (PAIR_ROW + PAIR_EDGE * problem.n_classes**2) + n_edges * edge


def sweep_seconds(n_pairs: int, n_sweeps: int, n_face: int) -> float:
    """Return the seconds of sweeps over a Hessian over pairs, and of two factors of a face."""
    return (n_sweeps * n_pairs**2 + n_face**3 / 1.5) / PAIR_GRAM


def visit_seconds(problem: Problem) -> float:
    """Return the seconds of a value in a sweep by columns: its row's probabilities and products, read and written."""
    width = lanes(problem.n_classes)
    beyond = 8.0 * problem.rows.n_samples * width - NEAR_BYTES
    far = min(1.0, max(0.0, beyond / (FAR_BYTES - NEAR_BYTES)))
    return VISIT * width + far * (FAR_VISIT + FAR_LANE * width)


def column_step_seconds(problem: Problem, n_values: int, n_sweeps: float) -> float:
    """Return the seconds of such a step by columns of so many values together."""
    return n_values * n_sweeps * visit_seconds(problem)


def drawn_class_sums_seconds(problem: Problem, n_rows: float) -> float:
    """Return the seconds of the blocks within the classes of such a step by classes, from dense rows that are drawn."""
    n_rows = min(n_rows, problem.rows.n_samples)
    return gram_seconds(problem, n_rows, int(problem.free.sum()), problem.n_classes, dense=True)


def class_sums_seconds(problem: Problem) -> float:
    """Return the seconds of the same from all rows, which are sparse."""
    return gram_seconds(problem, problem.rows.n_samples, int(problem.free.sum()), problem.n_classes)


def class_turns_seconds(problem: Problem, n_products: float, n_turns: float) -> float:
    """Return the seconds of a step by classes beside its sums: turns of sweeps, factors and products.

    Under groups the sweeps of a turn visit one feature after the other.
    """
    n_columns, n_classes = int(problem.free.sum()), problem.n_classes
    turn = (
        TURN_CALL
        + n_classes * (CLASS_SWEEPS * n_columns**2 / PAIR_GRAM + CLASS_CALL)
        + factor_seconds(n_columns, n_classes)
    )
    if problem.penalty.is_grouped:
        turn += CLASS_SWEEPS * n_columns * (GROUP_VISIT + GROUP_ENTRY * n_columns * n_classes)
    return n_turns * turn + n_products * product_seconds(problem)


def row_space_seconds(problem: Problem) -> float:
    """Return the seconds of X X' and its Cholesky factor, in float64."""
    n, p = problem.rows.shape
    return (n**2 * p / 2.0 + n**3 / 3.0) / FACTOR_FLOAT64 + n * p * 2e-9
