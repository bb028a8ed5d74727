"""A pytest plugin: the tests run here, their kernels in another process, under an emulator or another system's loader.

    INKLENS_FOREIGN="neon qemu-aarch64 -L /usr/aarch64-linux-gnu harness _kernels.so" pytest -p kernels ...

names the instruction set and the command that starts `harness.c`. A call carries every array that its arguments point
at, and brings back what the kernel wrote.
"""

import ctypes
import os
import shlex
import struct
import subprocess
import threading
from collections import OrderedDict

import numpy as np

from inklens.linear.kernels import library

INTEGER, POINTER, REAL = range(3)  # as in harness.c
ALIGNMENT = 64  # bytes
REMEMBERED = 500  # arrays; those of one call are among the last


class ForeignLibrary:
    """What `ctypes.CDLL` is to a library of this machine."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.one_at_a_time, self.called = threading.Lock(), set()

    def __getattr__(self, name):
        return ForeignFunction(self, name)

    def request(self, name, arguments, memory):
        """Call a function of (kind, bits) arguments, and return its result."""
        self.called.add(name)
        head = struct.pack("<4q", len(name), len(arguments), len(memory.bytes), len(memory.pointers))
        flat = [number for argument in arguments for number in argument]
        numbers = struct.pack(f"<{len(flat) + len(memory.pointers)}q", *flat, *memory.pointers)
        self.process.stdin.write(head + name.encode() + numbers + memory.bytes)
        self.process.stdin.flush()
        answer = self.process.stdout.read(8 + len(memory.bytes))
        if len(answer) != 8 + len(memory.bytes):
            raise RuntimeError(f"{name} ended the process of the kernels ({self.process.wait()})")
        memory.bring_back(answer[8:])
        return struct.unpack_from("<q", answer)[0]


class ForeignFunction:
    """What a function of `ctypes.CDLL` is."""

    argtypes: tuple = ()
    restype = None

    def __init__(self, owner, name):
        self.owner, self.name = owner, name

    def __call__(self, *values):
        with self.owner.one_at_a_time:
            return self._call(values)

    def _call(self, values):
        memory, arguments = Memory(), []
        for kind, value in zip(self.argtypes, values, strict=True):
            if kind is ctypes.c_double:
                arguments.append((REAL, struct.unpack("<q", struct.pack("<d", value))[0]))
            elif kind is ctypes.c_void_p and value:
                arguments.append((POINTER, memory.offset(value)))
            else:
                arguments.append((INTEGER, value or 0))
        return self.owner.request(self.name, arguments, memory)


class Memory:
    """Copies of all that a call points at, in one piece."""

    def __init__(self):
        self.bytes, self.pointers, self.places = bytearray(), [], {}

    def offset(self, address):
        """Return where the copy of what lies at an address starts."""
        if address not in self.places:
            known = KNOWN[address]
            size = ctypes.sizeof(known) if isinstance(known, ctypes.Structure) else span(known)
            start = len(self.bytes)
            self.places[address] = start, size
            self.bytes += ctypes.string_at(address, size)
            self.bytes += bytes(-len(self.bytes) % ALIGNMENT)
            if isinstance(known, ctypes.Structure):
                self._point(known, start)
        return self.places[address][0]

    def _point(self, structure, start):
        """Replace the pointers of a structure."""
        for name, kind in structure._fields_:
            target = getattr(structure, name)
            if kind is ctypes.c_void_p and target:
                if name == "rows":  # of a CPairJob; made where it is used, so that nobody has announced it
                    KNOWN[target] = library.CRows.from_address(target)
                place = start + getattr(type(structure), name).offset
                struct.pack_into("<q", self.bytes, place, self.offset(target))
                self.pointers.append(place)

    def bring_back(self, changed):
        """Copy what the kernel wrote into the arrays here."""
        for address, (start, size) in self.places.items():
            before, after = self.bytes[start : start + size], changed[start : start + size]
            if before != after and not isinstance(KNOWN[address], ctypes.Structure):
                ctypes.memmove(address, bytes(after), size)


KNOWN: OrderedDict = OrderedDict()  # arrays and structures by their addresses


def span(array):
    """Return how many bytes lie between an array's first element and its last."""
    return sum((n - 1) * abs(step) for n, step in zip(array.shape, array.strides, strict=True)) + array.itemsize


def remember(address, thing):
    KNOWN[address] = thing
    KNOWN.move_to_end(address)
    while len(KNOWN) > REMEMBERED:
        KNOWN.popitem(last=False)


def known_pointer(array, ask=library.pointer):
    if array is not None and array.size:
        remember(array.ctypes.data, array)
    return ask(array) if array is None or array.size else None


def known_argument(argument, ask=library._as_c):
    if isinstance(argument, ctypes.Structure):
        remember(ctypes.addressof(argument), argument)
    if isinstance(argument, np.ndarray):
        return ctypes.c_void_p, known_pointer(argument)
    return ask(argument)


def pytest_configure():
    name, *command = shlex.split(os.environ["INKLENS_FOREIGN"])
    chosen = library.Choice(ForeignLibrary(command), name)
    library.choice = lambda: chosen
    library.pointer, library._as_c = known_pointer, known_argument


def pytest_unconfigure():
    name, called = library.choice().name, library.choice().library.called
    print("\nnever called:", *[f for f in library.FUNCTIONS if f"{f}_{name}" not in called])
    process = library.choice().library.process
    process.stdin.close()
    process.wait()
    process.stdout.close()
