"""Which array libraries are installed, which devices they see, and what a fit of rows there would do.

A broken driver can hang whoever imports a library for it, so each is asked in a process of its own, with a time limit.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import NamedTuple

from inklens.errors import DataError

ANSWER_SECONDS = (
    60.0  # in which a library has to be imported, on a busy computer for the first time, and name its devices
)
MOST_SAID = 120  # characters of why it could not


class Library(NamedTuple):
    """An array library as its own process saw it."""

    name: str
    version: str
    devices: dict[str, str]  # by name: one of HANDLING
    trouble: str = ""


HANDLING = {
    "shared": "compiled kernels read it where it lies",
    "there": "stays there, with its scores and proofs; only sums come here (below 16 MB it is copied here)",
    "no float64": "no float64, which proofs need: below 16 MB it is copied here, beyond refused",
}


def libraries(names: tuple[str, ...], seconds: float = ANSWER_SECONDS) -> list[Library]:
    """Return what those of the libraries that are installed say, all asked at once.

    Parameters
    ----------
    names : tuple of str
        Of `ASKED`.
    seconds : float
        Until all have to have answered.
    """
    code = "import sys; from inklens.tasks.devices import answer; answer(sys.argv[1])"
    asked = {
        name: subprocess.Popen(
            [sys.executable, "-P", "-c", code, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for name in names
        if find_spec(name)
    }
    last = time.monotonic() + seconds
    return [_answered(name, process, last - time.monotonic(), seconds) for name, process in asked.items()]


def _answered(name: str, process: "subprocess.Popen[str]", left: float, seconds: float) -> Library:
    try:
        said, complaint = process.communicate(timeout=max(0.0, left))
    except subprocess.TimeoutExpired:
        process.kill()
        with suppress(subprocess.TimeoutExpired):  # a process that waits for a driver cannot even be killed
            process.communicate(timeout=1.0)
        return Library(name, "", {}, f"did not answer within {seconds:g} s: is its driver in order?")
    if process.returncode:
        why = (complaint.strip().splitlines() or [f"its process ended with {process.returncode}"])[-1]
        return Library(name, "", {}, f"cannot be used: {why[:MOST_SAID]}")
    return Library(name, **json.loads(said.splitlines()[-1]))


# ---- in the process that is asked ------------------------------------------------------------------------------------


def answer(name: str) -> None:
    """Print version and devices of a library as JSON, and how rows on each would be fitted."""
    library = import_module(name)
    devices = {device: handling(array) for device, array in ASKED[name](library)}
    print(json.dumps({"version": library.__version__, "devices": devices}))


def handling(array: object) -> str:
    """Return what a fit does with rows of another library: a key of `HANDLING`."""
    from inklens.linear import arrays
    from inklens.linear.rows import layouts

    if layouts.is_shared(array):
        return "shared"
    try:
        arrays.require_float64(array)
    except DataError:
        return "no float64"
    return "there"


def _of_torch(torch: ModuleType) -> Iterator[tuple[str, object]]:
    yield "cpu", torch.zeros(1)
    for i in range(torch.cuda.device_count()):
        yield f"cuda:{i} ({torch.cuda.get_device_name(i)})", torch.zeros(1, device=f"cuda:{i}")
    if torch.backends.mps.is_available():
        yield "mps", torch.zeros(1, device="mps")


def _of_cupy(cupy: ModuleType) -> Iterator[tuple[str, object]]:
    for i in range(cupy.cuda.runtime.getDeviceCount()):
        with cupy.cuda.Device(i):
            yield f"cuda:{i}", cupy.zeros(1)


def _of_jax(jax: ModuleType) -> Iterator[tuple[str, object]]:
    for device in jax.devices():
        yield str(device), jax.device_put(jax.numpy.zeros(1), device)


ASKED: dict[str, Callable[[ModuleType], Iterator[tuple[str, object]]]] = {
    "torch": _of_torch,
    "cupy": _of_cupy,
    "jax": _of_jax,
}
