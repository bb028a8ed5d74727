"""How questions and answers travel.

Through Dask, which puts each object into frames with headers of their own, what is small goes as one run of bytes:
half a millisecond less each time. Past it (`lines.py`) everything goes as a pickle and the arrays of it, as they lie.
"""

import pickle
import socket
import struct
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import cached_property
from itertools import islice
from typing import Generic, TypeAlias, TypeVar, cast

import numpy as np

T = TypeVar("T")
Frames: TypeAlias = list[memoryview]

SMALL_BYTES = 1 << 20  # of arrays: copies of more take longer than Dask's frames, which need none
COUNT, SIZE = struct.Struct("<I"), "<u8"  # how many sizes come, and each of them
AT_ONCE = 64  # frames in one call of the system; it takes 1,024 at most, 16 by the book


def n_bytes(values: object) -> int:
    """Return the bytes of the arrays in what is sent.

    >>> n_bytes({(0, 1): (1.0, np.zeros(3))})
    24
    """
    if isinstance(values, np.ndarray):
        return values.nbytes
    if isinstance(values, tuple | list):
        return sum(map(n_bytes, values))
    if isinstance(values, dict):
        return sum(map(n_bytes, values.values()))
    if is_dataclass(values):
        return sum(n_bytes(getattr(values, part.name)) for part in fields(values))
    return 0


class Letter(Generic[T]):
    """A message that several get: it is made ready to travel once."""

    def __init__(self, message: T) -> None:
        self.message = message

    @cached_property
    def packed(self) -> T | bytes:
        """As Dask gets it."""
        return packed(self.message)

    @cached_property
    def frames(self) -> Frames:
        """As a socket gets it."""
        return frames(self.message)


# ---- through Dask ----------------------------------------------------------------------------------------------------


def packed(message: T) -> T | bytes:
    """Return a message as bytes if it is small, and else as it is."""
    return pickle.dumps(message, protocol=5) if n_bytes(message) <= SMALL_BYTES else message


def unpacked(message: T | bytes) -> T:
    """Return the message that was `packed`; whoever sends it may have this process run code, as all of Dask may."""
    return cast(T, pickle.loads(message) if isinstance(message, bytes) else message)


# ---- through a socket ------------------------------------------------------------------------------------------------


def frames(message: object) -> Frames:
    """Return a message as its pickle, and behind it the memory of its arrays."""
    buffers: list[pickle.PickleBuffer] = []
    first = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    return [memoryview(first), *(buffer.raw() for buffer in buffers)]


def send(line: socket.socket, *messages: Frames) -> None:
    """Send messages that belong together."""
    numbers = [number for parts in messages for number in (len(parts), *map(len, parts))]
    head = COUNT.pack(len(numbers)) + np.array(numbers, SIZE).tobytes()
    left = [memoryview(head), *(frame for parts in messages for frame in parts if len(frame))]
    while left:
        left = _behind(left, line.sendmsg(left[:AT_ONCE]))


def receive(line: socket.socket) -> list[object]:
    """Return messages that were sent together.

    Raises
    ------
    OSError
        The other side has gone, or is silent in the middle of them for longer than the socket waits.
    """
    [n_numbers] = COUNT.unpack(_filled(line, [COUNT.size])[0])
    numbers = iter(np.frombuffer(_filled(line, [n_numbers * 8])[0], SIZE).tolist())
    sizes = [list(islice(numbers, n_frames)) for n_frames in numbers]
    found = iter(_filled(line, [size for some in sizes for size in some]))
    parts = [list(islice(found, len(some))) for some in sizes]
    return [pickle.loads(first, buffers=buffers) for first, *buffers in parts]


def _filled(line: socket.socket, sizes: Iterable[int]) -> Frames:
    """Return memory with the bytes that come next."""
    made = [np.empty(size, np.uint8).data for size in sizes]
    left = [frame for frame in made if len(frame)]
    while left:
        n_read = line.recvmsg_into(left[:AT_ONCE])[0]
        if n_read == 0:
            raise ConnectionResetError("the other side has gone")
        left = _behind(left, n_read)
    return made


def _behind(left: Frames, n_done: int) -> Frames:
    """Return what is left of frames behind so many bytes.

    >>> [bytes(frame) for frame in _behind([memoryview(b"abc"), memoryview(b"de"), memoryview(b"f")], 4)]
    [b'e', b'f']
    """
    number = 0
    while number < len(left) and n_done >= len(left[number]):
        n_done -= len(left[number])
        number += 1
    return [] if number == len(left) else [left[number][n_done:], *left[number + 1 :]]
