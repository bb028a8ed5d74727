"""The C library: found, compared with what Python expects of it, and called.

It is used where it was built, can be loaded and agrees with this module (`inklens_abi` in `abi.c`); else a warning says
why not, once, with what the compiler said, and the reference does its work. ``INKLENS_KERNELS=numpy`` (or ``plain``,
``avx2``, ...) in the environment before the first import forces one.
"""

import ctypes
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from inklens.linear import deadline
from inklens.linear.kernels.buffers import address
from inklens.linear.kernels.storage import VALUE_TYPES, Storage

LIBRARY = Path(os.environ.get("INKLENS_LIBRARY") or Path(__file__).with_name("_kernels.so"))  # another: for sanitizers
FAILURE = Path(__file__).with_name("_kernels.failed")  # what scripts/build_kernels.py tried, where no compiler worked
REMEDY = (
    "with a C compiler (Debian: apt install gcc) install inklens again from its sources "
    "(pip install --force-reinstall --no-deps --no-binary inklens inklens; in a clone: make test)"
)
ABI_VERSION = 7  # as in `abi.c`; counts changes of the functions' arguments and results
NO_MEMORY, INDEFINITE, OUT_OF_TIME = 1, 2, -9  # results, as in `kernels.h`
FUNCTIONS = (  # that the package calls: a library that lacks one was built from other sources
    "pass_f32", "pass_f64", "workspace_bytes", "inspect", "extremes", "pack", "to_bytes", "make_panels", "edge_grams",
    "class_grams", "factor_blocks", "solve_blocks", "pair_hessian", "subtract_product", "symmetric_product",
    "gram_descent", "group_descent", "threshold_descent", "factor_size", "factor_face", "solve_factored",
    "solve_lanes", "solve_many", "dual_lanes", "dual_squares", "dual_epoch", "column_descent", "flows_f32",
    "flows_f64", "residual_f32", "residual_f64", "entropies_f32", "entropies_f64", "mixed_f32", "mixed_f64",
    "moved_f32", "moved_f64", "newton_rounds", "thresholded_rounds",
)  # fmt: skip

CFunction = Callable[..., int]
CValue = ctypes.c_void_p | ctypes.c_double | ctypes.c_int64
REALS = (float, np.floating)
Argument = np.ndarray | ctypes.Structure | float | np.number | None  # int is a float to the type checker


class CRows(ctypes.Structure):
    """rows_t of `kernels.h`."""

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


class CPass(ctypes.Structure):
    """pass_t of `kernels.h`."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("mode", "n_classes", "lanes", "n_threads", "square")),
        *((name, ctypes.c_void_p) for name in ("coef", "intercept", "point", "point_intercept")),
        *((name, ctypes.c_void_p) for name in ("codes", "weights", "scores", "proba")),
        *((name, ctypes.c_void_p) for name in ("residual", "gradient", "class_sums", "loss")),
        ("workspace", ctypes.c_void_p),
    )


class CPairJob(ctypes.Structure):
    """pair_job_t of `kernels.h`."""

    _fields_ = (
        ("rows", ctypes.c_void_p),
        ("n_rows", ctypes.c_int64),
        ("n_pairs", ctypes.c_int64),
        ("n_classes", ctypes.c_int32),
        ("n_threads", ctypes.c_int32),
        *((name, ctypes.c_void_p) for name in ("chosen", "first", "feature", "proba", "weights")),
        ("scale", ctypes.c_float),
        ("sampling_threshold", ctypes.c_float),
        ("seed", ctypes.c_uint32),
        ("hessian", ctypes.c_void_p),
        ("slot", ctypes.c_void_p),
        ("n_slots", ctypes.c_int64),
        ("seconds", ctypes.c_double),
    )


# ---- which kernels run -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """Which kernels run: a library and its set of instructions, or "numpy" and why."""

    library: ctypes.CDLL | None
    name: str
    reason: str = ""  # why the library is not used; nothing where it is, or where the environment asks for NumPy


@cache
def choice() -> Choice:
    """Find the kernels that run. Where a library should, but cannot, a warning says why."""
    found = _look()
    if found.reason and sys.platform != "emscripten":  # Python in a browser loads no library: nothing could be done
        warnings.warn(f"the slower NumPy kernels run, since {found.reason}; {REMEDY}", stacklevel=2)
    return found


def active() -> str:
    """Return the name of the kernels in use: avx512, avx2, neon, plain or numpy.

    >>> active() in {"avx512", "avx2", "neon", "plain", "numpy"}
    True
    """
    return choice().name


def _look() -> Choice:
    if os.environ.get("INKLENS_KERNELS") == "numpy":
        return Choice(None, "numpy")
    if not LIBRARY.exists():
        tried = FAILURE.read_text(encoding="utf-8") if FAILURE.exists() else "nobody has tried"
        return Choice(None, "numpy", f"the compiled ones were not built ({tried})")
    try:
        found = ctypes.CDLL(str(LIBRARY))
    except OSError as error:  # another machine's library, or half a file
        return Choice(None, "numpy", f"{LIBRARY.name} cannot be loaded ({error})")
    name = _instruction_set(found) if _agrees(found) else None
    if name is None:
        return Choice(None, "numpy", f"{LIBRARY.name} was built from other sources")
    return Choice(found, name)


def expected_abi() -> list[int]:
    """Return what `inklens_abi` tells of a library that agrees: version, sizes of structs and where fields start."""
    numbers = [ABI_VERSION]
    for structure in (CRows, CPass, CPairJob):
        names = [field[0] for field in structure._fields_]
        numbers += [ctypes.sizeof(structure), *(getattr(structure, name).offset for name in names)]
    return [*numbers, -1]


def _agrees(found: ctypes.CDLL) -> bool:
    if not hasattr(found, "inklens_abi"):
        return False
    found.inklens_abi.restype = ctypes.POINTER(ctypes.c_int64)
    numbers = found.inklens_abi()
    # `all` stops at the first difference, and so never reads beyond the end of the library's list
    return all(numbers[i] == number for i, number in enumerate(expected_abi()))


def _instruction_set(found: ctypes.CDLL) -> str | None:
    """Return the best set of instructions for which the library has every function."""
    if not hasattr(found, "inklens_isa"):
        return None
    found.inklens_isa.restype = ctypes.c_char_p
    wanted = os.environ.get("INKLENS_KERNELS") or found.inklens_isa().decode()
    order = ["avx512", "avx2", "neon", "plain"]
    candidates = order[order.index(wanted) :] if wanted in order else ["plain"]
    for name in candidates:
        if all(hasattr(found, f"{function}_{name}") for function in FUNCTIONS):
            return name
    return None


# ---- calling it ------------------------------------------------------------------------------------------------------


@cache
def function(name: str, restype: type = ctypes.c_int64) -> CFunction:
    """Return the compiled function `name` of the instruction set in use."""
    found = getattr(choice().library, f"{name}_{choice().name}")
    found.restype = restype
    typed: CFunction = found
    return typed


def pointer(array: np.ndarray | None) -> int | None:
    """Return the address of the first element."""
    return None if array is None else address(array)


def call(name: str, *arguments: Argument) -> int:
    """Call a compiled function that takes arrays, structures and numbers, and return its integer.

    Raises `OutOfTime` where that is the function's answer.
    """
    result = function(name)(*map(_as_c, arguments))
    if result == OUT_OF_TIME:
        raise deadline.OutOfTime
    return result


def run(name: str, *arguments: Argument, needs: str) -> None:
    """Call a function that answers 0; raise MemoryError, naming what it `needs` memory for, where it found none."""
    result = call(name, *arguments)
    if result == NO_MEMORY:
        raise MemoryError(f"no memory for {needs}")
    if result:
        raise ValueError(f"{name} does not take these arguments: it answered {result}")


def _as_c(argument: Argument) -> CValue:
    if isinstance(argument, np.ndarray):
        return ctypes.c_void_p(address(argument))
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, REALS):
        return ctypes.c_double(float(argument))
    if isinstance(argument, ctypes.Structure):
        return ctypes.c_void_p(ctypes.addressof(argument))
    return ctypes.c_int64(int(argument))


@cache
def workspace_bytes(n_features: int, lanes: int) -> int:
    """Return the bytes of sums of its own that a thread of a pass needs."""
    return call("workspace_bytes", n_features, lanes)


def describe(storage: Storage) -> CRows:
    """Return the C description of rows; the arrays must outlive it."""
    stride = storage.values.strides[0] // storage.values.itemsize if storage.indices is None else 0
    return CRows(
        *storage.shape,
        storage.layout,
        VALUE_TYPES[storage.values.dtype],
        pointer(storage.values),
        stride,
        pointer(storage.indices),
        pointer(storage.indptr),
        *(() if storage.panels is None else (*map(pointer, storage.panels), storage.panels.values.shape[1])),
    )
