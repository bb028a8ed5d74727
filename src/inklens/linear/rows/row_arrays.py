"""Numbers for each row of the data: held, or, where they would fill the memory, made again at every reading.

Scores and probabilities take about 100 bytes a row each at ten classes, and a fit looks at a dozen such arrays. Of a
file with millions of rows they are computed a block at a time, from coefficients that are known, and forgotten. Of rows
that live elsewhere only sums come here (`remote/`).

What is done to rows is a function of some rows of each array, which sees no more than these: one of a module, or a
`functools.partial` of one, so that it can be sent to where the rows are.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from inklens.linear.kernels.buffers import Spare, clean_scores
from inklens.linear.rows.drawing import sample

CACHED_ENTRIES = 1 << 15  # of an array that are read at once: 256 kB in float64

Made: TypeAlias = dict["RowArray", np.ndarray]  # the rows of one part that a reading has made already
Tree: TypeAlias = "float | np.ndarray | tuple[Tree, ...]"  # what sums over rows are made of


Joins: TypeAlias = "np.ufunc | tuple[Joins, ...]"  # how two of them become one; a tuple has one for each part


def merged(a: Tree, b: Tree, by: Joins = np.add) -> Tree:
    """Return two sums as one, part by part.

    >>> merged((1.0, np.array([2.0])), (3.0, np.array([4.0])))
    (4.0, array([6.]))
    """
    if isinstance(a, tuple) and isinstance(b, tuple):
        joins = by if isinstance(by, tuple) else (by,) * len(a)
        return tuple(merged(one, other, join) for one, other, join in zip(a, b, joins, strict=True))
    assert isinstance(by, np.ufunc)
    found = by(a, b)
    return found if isinstance(found, np.ndarray) else float(found)


class RowArray:
    """An array (n_samples, n_columns) by parts of its rows; `held` is the whole, or None where parts are made anew.

    >>> z = RowArray.of(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> np.asarray(RowArray.combine(np.subtract, z, z))
    array([[0., 0.],
           [0., 0.]])
    >>> float(RowArray.total(np.vdot, z, z))
    30.0
    """

    held: np.ndarray | None = None
    point: tuple[np.ndarray, np.ndarray] | None = None  # coefficients and intercept, of the softmax there
    spare: Spare | None = None  # where what is made of this array finds memory

    def __init__(
        self, parts: Sequence[slice], make: Callable[[int, Made], np.ndarray], n_columns: int, dtype: npt.DTypeLike
    ) -> None:
        self.parts, self._make = parts, make
        self.shape: tuple[int, int] = (parts[-1].stop, n_columns)
        self.dtype = np.empty(0, dtype).dtype

    @classmethod
    def of(cls, held: np.ndarray, parts: Sequence[slice] | None = None, spare: Spare | None = None) -> "RowArray":
        """Return an array that is there already; without `parts` it is one."""
        parts = [slice(0, len(held))] if parts is None else parts
        made = cls(parts, lambda i, _: held[parts[i]], held.shape[-1], held.dtype)
        made.held, made.spare = held, spare
        return made

    @classmethod
    def combine(
        cls,
        function: Callable[..., np.ndarray],
        first: "RowArray",
        *others: "RowArray | np.ndarray",
        is_held: bool = False,
    ) -> "RowArray":
        """Return `function(*rows)` of the arrays' rows.

        Rows depend on their own rows only; shape and type are those of the first array. Nothing is computed yet where
        the arrays are not held, unless the result `is_held`. A reading makes an array once, however many others are
        made of it; so `function` must leave its arguments as they are.
        """
        return first._combined(function, *others, is_held=is_held)

    @classmethod
    def total(
        cls, function: Callable[..., Tree], first: "RowArray", *others: "RowArray | np.ndarray", by: Joins = np.add
    ) -> Tree:
        """Return the sum of `function(*rows)` over readings of the arrays; `by` is another way to join two of them.

        There has to be a row.
        """
        return first._totalled(function, *others, by=by)

    def _combined(
        self, function: Callable[..., np.ndarray], *others: "RowArray | np.ndarray", is_held: bool = False
    ) -> "RowArray":
        arrays = self._with(others)
        held = [array.held for array in arrays if array.held is not None]
        read: Iterable[Sequence[np.ndarray]]
        if is_held or len(held) == len(arrays):
            read = [held] if len(held) == len(arrays) else (_blocks(arrays, i) for i in range(len(self.parts)))
            return RowArray.of(_filled(function, read, self.spare, len(self)), self.parts, self.spare)

        def make(i: int, known: Made) -> np.ndarray:
            return function(*(array.block(i, known) for array in arrays))

        made = RowArray(self.parts, make, self.shape[1], self.dtype)
        made.spare = self.spare
        return made

    def _totalled(self, function: Callable[..., Tree], *others: "RowArray | np.ndarray", by: Joins) -> Tree:
        arrays = self._with(others)
        held = [array.held for array in arrays if array.held is not None]
        readings: Iterable[Tree]
        if len(held) == len(arrays) and len(held[0]) <= rows_at_once(held[0]):
            return function(*held)
        if len(held) == len(arrays):
            readings = (function(*(array[part] for array in held)) for part in _pieces(held[0]))
        else:
            readings = (function(*_blocks(arrays, i)) for i in range(len(self.parts)))
        return reduce(lambda a, b: merged(a, b, by), readings)

    def _with(self, others: "Sequence[RowArray | np.ndarray]") -> "list[RowArray]":
        return [self, *(other if isinstance(other, RowArray) else RowArray.of(other, self.parts) for other in others)]

    def block(self, i: int, known: Made | None = None) -> np.ndarray:
        """Return the rows of part i; `known` is what the same reading has made of this part."""
        known = {} if known is None else known
        if self not in known:
            known[self] = self._make(i, known)
        return known[self]

    def sample(self, n_wanted: int) -> tuple[np.ndarray | None, np.ndarray]:
        """Return about so many rows drawn by their numbers here, >= 0, and their weights; None for all rows."""
        return sample(np.asarray(self), n_wanted)

    @property
    def n_readings(self) -> int:
        """Number of readings that a total is added up from, at most."""
        return len(self.parts) if self.held is None else 1 + len(self) // rows_at_once(self.held)

    def readings(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield all rows, each time with the slice that they are: a few thousand at a time where the array is held."""
        if self.held is not None:
            for part in _pieces(self.held):
                yield part, self.held[part]
            return
        for i, part in enumerate(self.parts):
            yield part, self.block(i)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """Return the whole."""
        whole = np.concatenate([rows for _, rows in self.readings()]) if self.held is None else self.held
        return np.array(whole, dtype=dtype, copy=copy)


def rows_at_once(array: np.ndarray) -> int:
    """Return how many rows stay in the cache together."""
    return max(1, CACHED_ENTRIES // max(1, math.prod(array.shape[1:])))


def _blocks(arrays: Sequence[RowArray], i: int) -> list[np.ndarray]:
    """Return the rows of part i of some arrays, in one reading."""
    known: Made = {}
    return [array.block(i, known) for array in arrays]


def _pieces(array: np.ndarray) -> Iterator[slice]:
    """Yield slices of rows that stay in the cache while some functions are computed of them."""
    step = rows_at_once(array)
    for start in range(0, max(1, len(array)), step):
        yield slice(start, min(start + step, len(array)))


def _filled(
    function: Callable[..., np.ndarray], read: Iterable[Sequence[np.ndarray]], spare: Spare | None, n_rows: int
) -> np.ndarray:
    """Return `function(*rows)` over all rows, read one part after the other, laid out as passes want it."""
    out, at = np.empty(0), 0
    for arrays in read:
        for part in _pieces(arrays[0]):
            found = function(*(array[part] for array in arrays))
            if not at and found.ndim == 2:
                out = clean_scores(n_rows, found.shape[1], found.dtype, spare)
            elif not at:
                out = np.empty((n_rows, *found.shape[1:]), found.dtype)
            out[at : at + len(found)] = found
            at += len(found)
        del arrays  # whose memory the next part takes
    return out


def within(rows: np.ndarray, part: slice) -> np.ndarray:
    """Return those of the sorted row numbers that lie in a part, counted from its start."""
    first, last = np.searchsorted(rows, [part.start, part.stop])
    return np.asarray(rows[first:last] - part.start)
