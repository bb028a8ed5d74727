"""Passes over the rows of a data matrix: compiled (`kernels.c`), or by their twin on the array API (`twin.py`).

The twin is reference and fallback, and what runs on arrays of other libraries. Which of the two runs on NumPy's is
decided once, when this module is loaded. Set ``INKLENS_KERNELS=numpy`` (or ``plain``, ``avx2``, ...) before the first
import to force one.

Shapes: coef (n_classes, n_features), intercept (n_classes,), codes and weights (n_samples,), scores and proba
(n_samples, n_classes).
"""

import ctypes
import math
import os
from collections import deque
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from inklens.linear.kernels import reference as twin
from inklens.linear.kernels.reference import LossPass

VALUE_TYPES = {np.dtype(np.uint8): 0, np.dtype(np.float32): 1, np.dtype(np.float64): 2}
DENSE, DENSE_SKIP, CSR16, CSR32 = range(4)
SCORES, LOSS, HESSIAN, BACK = range(4)
FUNCTIONS = (  # that the package calls: a library that lacks one was built from other sources
    "pass_f32", "pass_f64", "workspace_bytes", "inspect", "pack", "to_bytes", "make_panels", "class_grams",
    "factor_blocks", "solve_blocks", "pair_hessian", "subtract_product", "symmetric_product", "gram_descent",
    "group_descent", "factor_size", "factor_face", "solve_factored", "solve_lanes", "solve_many", "dual_lanes",
    "dual_squares", "dual_epoch",
)  # fmt: skip
PANEL = 256  # rows, as in `kernels.h`


class Panels(NamedTuple):
    """The entries of CSR rows once more, by groups of columns within panels of PANEL rows: sums stay in registers.

    Neighbouring pixels tend to have ink together, so that one entry, a row with a value in any column, serves them all.
    """

    values: np.ndarray  # (n_entries, 2 or 4)
    rows: np.ndarray  # (n_entries,) uint8: row within the panel
    starts: np.ndarray  # (n_panels, n_groups + 1) int64: where the entries of a group start


class Storage(NamedTuple):
    """Rows as the kernels read them: dense with unit column stride, or CSR with uint16 or int32 columns.

    Dense values may be another library's array, which only the twin reads.
    """

    values: Any  # (n_samples, n_features), or (n_nonzeros,)
    indices: np.ndarray | None
    indptr: np.ndarray | None
    shape: tuple[int, int]
    skip_zeros: bool = False
    panels: Panels | None = None  # where folding residuals back by columns is quicker: for tall rows
    transpose: "Storage | None" = None  # and for wide ones

    @property
    def is_foreign(self) -> bool:
        """Whether the values are an array of another library."""
        return not isinstance(self.values, np.ndarray)

    @property
    def is_compiled(self) -> bool:
        """Whether compiled passes can read the rows."""
        return active() != "numpy" and not self.is_foreign

    @property
    def matrix(self) -> Any:
        """The same rows as a dense array or SciPy CSR matrix; no values are copied."""
        if self.indices is None:
            return self.values
        return sparse.csr_array((self.values, self.indices.astype(np.int32, copy=False), self.indptr), shape=self.shape)

    @property
    def layout(self) -> int:
        """Number of the layout in `kernels.c`."""
        if self.indices is None:
            return DENSE_SKIP if self.skip_zeros else DENSE
        return CSR16 if self.indices.dtype == np.uint16 else CSR32


# ---- which kernels run -----------------------------------------------------------------------------------------------


@cache
def library() -> ctypes.CDLL | None:
    """Return the compiled kernels, or None where they were not built."""
    file = Path(__file__).with_name("_kernels.so")
    if os.environ.get("INKLENS_KERNELS") == "numpy" or not file.exists():
        return None
    try:
        found = ctypes.CDLL(str(file))
        found.inklens_isa.restype = ctypes.c_char_p
    except (OSError, AttributeError):  # another machine's library, or an older one
        return None
    return found


@cache
def active() -> str:
    """Return the name of the kernels in use: avx512, avx2, neon, plain or numpy.

    >>> active() in {"avx512", "avx2", "neon", "plain", "numpy"}
    True
    """
    found = library()
    if found is None:
        return "numpy"
    wanted = os.environ.get("INKLENS_KERNELS") or found.inklens_isa().decode()
    order = ["avx512", "avx2", "neon", "plain"]
    candidates = order[order.index(wanted) :] if wanted in order else ["plain"]
    for name in candidates:
        if all(hasattr(found, f"{function}_{name}") for function in FUNCTIONS):
            return name
    return "numpy"


@cache
def function(name: str, argtypes: tuple = (), restype: Any = ctypes.c_int) -> Any:
    """Return the compiled function `name` of the instruction set in use, or None under NumPy."""
    if active() == "numpy":
        return None
    found = getattr(library(), f"{name}_{active()}")
    found.argtypes, found.restype = argtypes, restype
    return found


def pointer(array: np.ndarray | None) -> int | None:
    """Return the address of the first element."""
    return None if array is None else array.ctypes.data


def call(name: str, *arguments: Any) -> int:
    """Call a compiled function that takes arrays, rows and integers, and returns an integer."""
    types = tuple(
        ctypes.c_int64 if isinstance(argument, int | np.integer) else ctypes.c_void_p for argument in arguments
    )
    values = [_as_c(argument) for argument in arguments]
    return function(name, types, ctypes.c_int64)(*values)


def _as_c(argument: Any) -> Any:
    if argument is None or isinstance(argument, np.ndarray):
        return pointer(argument)
    return ctypes.addressof(argument) if isinstance(argument, ctypes.Structure) else int(argument)


def lanes(n_classes: int) -> int:
    """Return the padded number of classes: 4, 8 or a multiple of 16.

    >>> [lanes(k) for k in (2, 5, 10, 16, 20)]
    [4, 8, 16, 16, 32]
    """
    if n_classes <= 8:
        return 4 if n_classes <= 4 else 8
    return -(-n_classes // 16) * 16


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an uninitialised array that starts on a cache line: a row of 16 floats then is one line, not two."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = np.empty(size + 64, dtype=np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + size].view(dtype).reshape(shape)


def pad(values: np.ndarray, dtype: Any) -> np.ndarray:
    """Return (..., n_classes) as a C-contiguous (..., lanes) array, zeros in the spare lanes."""
    padded = aligned((*values.shape[:-1], lanes(values.shape[-1])), dtype)
    padded[..., values.shape[-1] :] = 0.0
    padded[..., : values.shape[-1]] = values
    return padded


def unpad(array: np.ndarray) -> np.ndarray | None:
    """Return the (n_samples, lanes) buffer behind a view made by `empty_scores`, or None for any other array."""
    base = array.base
    if (
        isinstance(base, np.ndarray)
        and base.ndim == 2
        and base.dtype == array.dtype
        and base.flags.c_contiguous
        and base.shape[1] == lanes(array.shape[1])
        and array.strides == base.strides
        and (array.ctypes.data - base.ctypes.data) % base.strides[0] == 0
    ):
        first = (array.ctypes.data - base.ctypes.data) // base.strides[0]
        return base[first : first + len(array)]
    return None


def padded(array: np.ndarray, dtype: Any) -> np.ndarray:
    """Return `array` with its spare lanes, without a copy where it already lies in such a buffer."""
    if array.dtype == dtype:
        found = unpad(array)
        if found is not None:
            return found
    return pad(array, dtype)


def empty_scores(n_samples: int, n_classes: int, dtype: Any, spare: "Spare | None" = None) -> np.ndarray:
    """Return an uninitialised (n_samples, n_classes) view of a buffer with padded rows, if possible a spare one."""
    shape = n_samples, lanes(n_classes)
    buffer = np.empty(shape, dtype) if spare is None else spare.take(shape, dtype)
    return buffer[:, :n_classes]


class Spare:
    """Buffers that earlier passes have finished with: fresh memory costs a tenth of a pass, in page faults."""

    def __init__(self) -> None:
        self.free: deque[np.ndarray] = deque(maxlen=4)

    def take(self, shape: tuple[int, int], dtype: Any) -> np.ndarray:
        """Return a buffer, which comes back when the last array that looks at it has gone."""
        for _ in range(len(self.free)):
            try:
                memory = self.free.popleft()
            except IndexError:  # another thread was quicker
                break
            if memory.shape == shape and memory.dtype == dtype:
                return np.asarray(_Lease(memory, self.free))
        return np.asarray(_Lease(aligned(shape, dtype), self.free))


class _Lease:
    """Memory that arrays hold on to, and that is handed back after them."""

    def __init__(self, memory: np.ndarray, free: deque) -> None:
        self.memory, self.free = memory, free
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        self.free.append(self.memory)


# ---- one pass --------------------------------------------------------------------------------------------------------


class _Rows(ctypes.Structure):
    _fields_ = (
        ("n_rows", ctypes.c_int64),
        ("n_features", ctypes.c_int64),
        ("layout", ctypes.c_int32),
        ("value_type", ctypes.c_int32),
        ("values", ctypes.c_void_p),
        ("row_stride", ctypes.c_int64),
        ("indices", ctypes.c_void_p),
        ("indptr", ctypes.c_void_p),
        *((name, ctypes.c_void_p) for name in ("panel_values", "panel_rows", "panel_starts")),
        ("panel_columns", ctypes.c_int64),
    )


class _Pass(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("mode", "n_classes", "lanes", "n_threads", "square")),
        *((name, ctypes.c_void_p) for name in ("coef", "intercept", "codes", "weights", "scores", "proba")),
        *((name, ctypes.c_void_p) for name in ("residual", "gradient", "class_sums", "loss")),
        ("workspace", ctypes.c_void_p),
    )


def describe(storage: Storage) -> _Rows:
    """Return the C description of rows; the arrays must outlive it."""
    stride = storage.values.strides[0] // storage.values.itemsize if storage.indices is None else 0
    return _Rows(
        *storage.shape,
        storage.layout,
        VALUE_TYPES[storage.values.dtype],
        pointer(storage.values),
        stride,
        pointer(storage.indices),
        pointer(storage.indptr),
        *(() if storage.panels is None else (*map(pointer, storage.panels), storage.panels.values.shape[1])),
    )


def _run(storage: Storage, mode: int, n_classes: int, dtype: Any, n_threads: int, **arrays: Any) -> LossPass:
    """Run a compiled pass; arrays are already padded, in `dtype` and contiguous."""
    n_features = storage.shape[1]
    width = lanes(n_classes)
    gradient = sums = workspace = None
    loss = np.zeros(1)
    if mode != SCORES:
        n_features = 0 if "residual" in arrays else n_features
        gradient, sums = np.empty((n_features, width)), np.empty(width)
        size = function("workspace_bytes", (ctypes.c_int64, ctypes.c_int32), ctypes.c_int64)(n_features, width)
        workspace = aligned((size * n_threads,), np.uint8)
    job = _Pass(mode, n_classes, width, n_threads, arrays.pop("square", 0))
    for name, array in arrays.items():
        setattr(job, name, pointer(array))
    job.gradient, job.class_sums, job.loss = pointer(gradient), pointer(sums), pointer(loss)
    job.workspace = pointer(workspace)
    name = "pass_f32" if dtype == np.float32 else "pass_f64"
    rows = describe(storage)
    failed = function(name, (ctypes.c_void_p, ctypes.c_void_p))(ctypes.byref(rows), ctypes.byref(job))
    if failed:
        raise MemoryError("a pass over the rows found no memory for its sums")
    if gradient is None or sums is None:
        return LossPass(0.0, np.empty((n_classes, 0)), np.empty(n_classes))
    return LossPass(float(loss[0]), gradient[:, :n_classes].T, sums[:n_classes])


def scores(storage: Storage, coef: np.ndarray, intercept: np.ndarray, out: np.ndarray, n_threads: int = 1) -> None:
    """Write z_i = W x_i + b into `out`, in its type."""
    if not storage.is_compiled:
        twin.scores(storage.matrix, coef, intercept, out)
        return
    buffer = padded(out, out.dtype)
    W, b = padded(coef.T, out.dtype), pad(intercept, out.dtype)
    _run(storage, SCORES, len(coef), out.dtype, n_threads, coef=W, intercept=b, scores=buffer)
    if not np.shares_memory(buffer, out):
        out[...] = buffer[:, : len(coef)]


def loss_pass(
    storage: Storage,
    coef: np.ndarray,
    intercept: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
    scores_out: np.ndarray,
    proba_out: np.ndarray,
    n_threads: int = 1,
) -> LossPass:
    """Return loss and gradient sum_i c_i (p_i - y_i) x_i'; write scores and probabilities, in their type."""
    dtype = proba_out.dtype
    if not storage.is_compiled:
        return twin.loss_pass(storage.matrix, coef, intercept, codes, weights, scores_out, proba_out)
    arrays = {"scores": padded(scores_out, dtype), "proba": padded(proba_out, dtype)}
    W, b = pad(coef.T, dtype), pad(intercept, dtype)
    given = {"coef": W, "intercept": b, "codes": codes, "weights": weights}
    result = _folded(storage, LOSS, len(coef), dtype, n_threads, **given, **arrays)
    for name, out in (("scores", scores_out), ("proba", proba_out)):
        if not np.shares_memory(arrays[name], out):
            out[...] = arrays[name][:, : len(coef)]
    return result


def hessian_pass(
    storage: Storage,
    proba: np.ndarray,
    weights: np.ndarray,
    direction: np.ndarray,
    intercept_direction: np.ndarray,
    n_threads: int = 1,
) -> LossPass:
    """Return the loss's Hessian times (direction, intercept_direction), in the type of `proba`."""
    dtype = proba.dtype
    if not storage.is_compiled:
        return twin.hessian_pass(storage.matrix, proba, weights, direction, intercept_direction)
    W, b = pad(direction.T, dtype), pad(intercept_direction, dtype)
    arrays = {"coef": W, "intercept": b, "weights": weights, "proba": padded(proba, dtype)}
    return _folded(storage, HESSIAN, len(direction), dtype, n_threads, **arrays)


def _folded(storage: Storage, mode: int, n_classes: int, dtype: Any, n_threads: int, **arrays: Any) -> LossPass:
    """Run a pass over the rows; wide ones leave their residuals to a second one over the columns."""
    if storage.transpose is None:
        return _run(storage, mode, n_classes, dtype, n_threads, **arrays)
    residual = empty_scores(storage.shape[0], n_classes, dtype)
    found = _run(storage, mode, n_classes, dtype, n_threads, residual=residual.base, **arrays)
    return found._replace(gradient=transpose_pass(storage, residual, n_threads))


def transpose_pass(storage: Storage, residual: np.ndarray, n_threads: int = 1, *, squared: bool = False) -> np.ndarray:
    """Return residual' X, or residual' X^2 (entry by entry), (n_classes, n_features) float64."""
    dtype = residual.dtype
    if not storage.is_compiled:
        return twin.transpose_pass(storage.matrix, residual, squared=squared)
    if storage.transpose is not None:  # X' residual is what scores of the columns are
        columns = storage.transpose
        if squared:
            columns = columns._replace(values=columns.values.astype(dtype) ** 2)
        out = empty_scores(storage.shape[1], residual.shape[1], dtype)
        scores(columns, residual.T, np.zeros(residual.shape[1]), out, n_threads)
        return out.T.astype(np.float64)
    buffer = padded(residual, dtype)
    return _run(storage, BACK, residual.shape[1], dtype, n_threads, scores=buffer, square=int(squared)).gradient


# ---- softmax of stored scores: no pass over the data -----------------------------------------------------------------


def loss_of_scores(z: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> float:
    """Return sum_i c_i [logsumexp(z_i) - z_i,yi]."""
    largest = z.max(axis=1, keepdims=True)
    own = z[np.arange(len(z)), codes] - largest[:, 0]
    total = np.exp(z - largest).sum(axis=1).astype(np.float64)
    return float(weights @ (np.log(total) - own))
