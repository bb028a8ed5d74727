"""Memory as the compiled passes want it: classes in padded lanes, rows on cache lines, buffers that are used again."""

import ctypes
import math
from collections import deque

import numpy as np
import numpy.typing as npt


def lanes(n_classes: int) -> int:
    """Return the padded number of classes: 4, 8 or a multiple of 16.

    >>> [lanes(k) for k in (2, 5, 10, 16, 20)]
    [4, 8, 16, 16, 32]
    """
    if n_classes <= 8:
        return 4 if n_classes <= 4 else 8
    return -(-n_classes // 16) * 16


def address(array: np.ndarray) -> int:
    """Return where the first element lies; a dozen are asked for in each pass, and the interface takes 2 us to say."""
    if array.flags.carray and array.size:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type] # arrays are buffers
    found: int = array.__array_interface__["data"][0]
    return found


def aligned(shape: tuple[int, ...], dtype: npt.DTypeLike) -> np.ndarray:
    """Return an uninitialised array that starts on a cache line: a row of 16 floats then is one line, not two."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = np.empty(size + 64, dtype=np.uint8)
    start = -address(buffer) % 64
    return buffer[start : start + size].view(dtype).reshape(shape)


def pad(values: np.ndarray, dtype: npt.DTypeLike) -> np.ndarray:
    """Return (..., n_classes) as a C-contiguous (..., lanes) array, zeros in the spare lanes."""
    padded = aligned((*values.shape[:-1], lanes(values.shape[-1])), dtype)
    padded[..., values.shape[-1] :] = 0.0
    padded[..., : values.shape[-1]] = values
    return padded


def together(coef: np.ndarray, intercept: np.ndarray, dtype: npt.DTypeLike) -> tuple[np.ndarray, np.ndarray]:
    """Return W (n_classes, n_features) as (n_features, lanes), and the intercept as (lanes,) behind it in memory."""
    n_classes, n_features = coef.shape
    both = aligned((n_features + 1, lanes(n_classes)), dtype)
    both[:, n_classes:] = 0.0
    both[:-1, :n_classes] = coef.T
    both[-1, :n_classes] = intercept
    return both[:-1], both[-1]


def unpad(array: np.ndarray) -> np.ndarray | None:
    """Return the (n_samples, lanes) buffer behind a view made by `empty_scores`, or None for any other array."""
    base = array.base
    if (
        isinstance(base, np.ndarray)
        and len(array)
        and base.ndim == 2
        and base.dtype == array.dtype
        and base.flags.c_contiguous
        and base.shape[1] == lanes(array.shape[1])
        and array.strides == base.strides
    ):
        first, rest = divmod(address(array) - address(base), base.strides[0])
        return None if rest else base[first : first + len(array)]
    return None


def padded(array: np.ndarray, dtype: npt.DTypeLike) -> np.ndarray:
    """Return `array` with its spare lanes, without a copy where it already lies in such a buffer."""
    if array.dtype == dtype:
        found = unpad(array)
        if found is not None:
            return found
    return pad(array, dtype)


def empty_scores(n_samples: int, n_classes: int, dtype: npt.DTypeLike, spare: "Spare | None" = None) -> np.ndarray:
    """Return an uninitialised (n_samples, n_classes) view of a buffer with padded rows, if possible a spare one."""
    shape = n_samples, lanes(n_classes)
    buffer = np.empty(shape, dtype) if spare is None else spare.take(shape, dtype)
    return buffer[:, :n_classes]


def clean_scores(n_samples: int, n_classes: int, dtype: npt.DTypeLike, spare: "Spare | None" = None) -> np.ndarray:
    """Return what `empty_scores` does, with zeros in the spare lanes."""
    out = empty_scores(n_samples, n_classes, dtype, spare)
    padded(out, np.dtype(dtype))[:, n_classes:] = 0.0
    return out


class Spare:
    """Buffers that earlier passes have finished with: fresh memory costs a tenth of a pass, in page faults."""

    def __init__(self) -> None:
        self.free: deque[np.ndarray] = deque(maxlen=4)

    def take(self, shape: tuple[int, int], dtype: npt.DTypeLike) -> np.ndarray:
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

    def __init__(self, memory: np.ndarray, free: deque[np.ndarray]) -> None:
        self.memory, self.free = memory, free
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        self.free.append(self.memory)
